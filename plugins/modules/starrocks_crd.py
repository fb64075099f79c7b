#!/usr/bin/python
# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Teach the definition of StarRocksCluster the fields for upgrade hooks, or take them out again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: starrocks_crd
short_description: Add the fields for upgrade hooks to the definition of StarRocksCluster
version_added: "1.0.0"
author:
  - The steady.rollout authors (@steady-rollout)
description:
  - The operator's own CustomResourceDefinition does not know C(spec.upgradePreparation),
    C(spec.starRocksFeSpec.upgradeHooks) and C(status.upgradePreparationStatus), so the API server drops them.
  - This module adds exactly these three to the definition that is installed, and takes them out again.
  - A definition that it does not recognise is refused, also one that has a field of these names already.
  - An upgrade of the operator installs its own definition again; then run this module again.
extends_documentation_fragment:
  - steady.rollout._attributes
  - steady.rollout._kubernetes
attributes:
  check_mode:
    support: full
    details: The API server is asked with a server-side dry run.
  diff_mode:
    support: full
    details: Shows the fields of ours alone.
  idempotent:
    support: full
options:
  state:
    description:
      - V(extended) adds the fields.
      - V(original) removes them. The API server no longer shows such a field of a StarRocksCluster then, and drops it
        with its next write; M(steady.rollout.starrocks_reconcile) takes that for a trigger that was removed.
    type: str
    choices: [extended, original]
    default: extended
  name:
    description: Name of the CustomResourceDefinition.
    type: str
    default: starrocksclusters.starrocks.com
seealso:
  - module: steady.rollout.starrocks_reconcile
"""

EXAMPLES = r"""
- name: Let a StarRocksCluster ask for upgrade hooks in its spec
  steady.rollout.starrocks_crd:
    state: extended

- name: Put the definition back
  steady.rollout.starrocks_crd:
    state: original
"""

RETURN = r"""
fields:
  description: The fields that were added or removed.
  returned: success
  type: list
  elements: str
  sample: [spec.upgradePreparation, spec.starRocksFeSpec.upgradeHooks, status.upgradePreparationStatus]
"""

from ansible_collections.steady.rollout.plugins.module_utils._module import crd
from ansible_collections.steady.rollout.plugins.module_utils._module.door import main

if __name__ == "__main__":
    main(crd.VERB)
