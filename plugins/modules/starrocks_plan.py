#!/usr/bin/python
# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the upgrade of a StarRocks cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: starrocks_plan
short_description: Plan the upgrade of a StarRocks cluster
version_added: "1.0.0"
author:
  - The steady.rollout authors (@steady-rollout)
description:
  - Pure; from what M(steady.rollout.starrocks_info) saw and a request to an ordered list of steps with reasons,
    risks, an estimate and a hash.
  - Refuses what must not be carried out, with field, value and remedy for each reason. Nothing is read and
    nothing is written.
extends_documentation_fragment:
  - steady.rollout._attributes
  - steady.rollout._installation
attributes:
  check_mode:
    support: full
    details: It only computes.
  diff_mode:
    support: full
    details: Shows what the plan would change.
  idempotent:
    support: full
    details: It only computes. RV(ignore:changed) says whether the plan has anything left to do.
options:
  snapshot:
    description: The C(snapshot) that M(steady.rollout.starrocks_info) returned.
    type: dict
    required: true
  record:
    description: The C(record) that M(steady.rollout.starrocks_info) returned.
    type: dict
  lease:
    description: The C(lease) that M(steady.rollout.starrocks_info) returned; who holds it becomes a risk of the plan.
    type: dict
  hooks:
    description: The C(hooks) that M(steady.rollout.starrocks_info) returned, with the ConfigMaps that O(spec) names.
    type: dict
  spec:
    description: The C(spec) of the upgrade, see the role P(steady.rollout.starrocks_upgrade#role).
    type: dict
    default: {}
  direction:
    description:
      - V(upgrade) to what O(spec) asks for, also when that is an older version.
      - V(rest) plans the rest of a run that is under way; where that is refused, the plan is to freeze.
      - V(rollback) plans the way back of the run in O(record).
      - V(restore) only puts back what that run has switched off.
      - V(release) ends a run that stopped before it touched a pod.
    type: str
    choices: [upgrade, rest, rollback, restore, release]
    default: upgrade
  approved_hash:
    description: Refuse any other plan than the one of this hash.
    type: str
    default: ""
seealso:
  - module: steady.rollout.starrocks_info
  - module: steady.rollout.starrocks_step
"""

EXAMPLES = r"""
- name: Look
  steady.rollout.starrocks_info:
    cluster: prod
    namespace: starrocks
  register: seen

- name: Plan
  steady.rollout.starrocks_plan:
    snapshot: "{{ seen.snapshot }}"
    record: "{{ seen.record }}"
    hooks: "{{ seen.hooks }}"
    spec:
      target:
        version: 3.3.2
  register: planned
"""

RETURN = r"""
plan:
  description: The plan.
  returned: success
  type: dict
  sample:
    direction: upgrade
    hash: "sha256:..."
    steps: [{id: begin, kind: begin, title: "take the lease"}]
refusals:
  description: Why the plan must not be carried out.
  returned: always
  type: list
  elements: dict
  sample: []
"""

from ansible_collections.steady.rollout.plugins.module_utils._module import plan
from ansible_collections.steady.rollout.plugins.module_utils._module.door import main

if __name__ == "__main__":
    main(plan.VERB)
