#!/usr/bin/python
# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set FE settings on every FE."""

from __future__ import annotations

DOCUMENTATION = r"""
module: starrocks_config
short_description: Set FE settings on every FE
version_added: "1.0.0"
author:
  - The steady.rollout authors (@steady-rollout)
description:
  - Reads the settings on every FE, sets on the leader what differs anywhere, and reads back on every FE.
  - The values live in the memory of each FE and are lost when it restarts; what has to last belongs into C(fe.conf).
  - Refused while a rollout holds the lease of the cluster.
extends_documentation_fragment:
  - steady.rollout._attributes
  - steady.rollout._attributes.action_group
  - steady.rollout._cluster
  - steady.rollout._kubernetes
  - steady.rollout._frontend
  - steady.rollout._installation
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  settings:
    description: Values by setting, under the canonical name or an alias.
    type: dict
    required: true
seealso:
  - module: steady.rollout.starrocks_hook
  - module: steady.rollout.starrocks_info
"""

EXAMPLES = r"""
- name: Let more tablets be repaired at once
  steady.rollout.starrocks_config:
    cluster: prod
    namespace: starrocks
    settings:
      tablet_sched_max_scheduling_tablets: 20000
"""

RETURN = r"""
before:
  description: Values by FE and canonical key, before.
  returned: success
  type: dict
  sample: {prod-fe-0: {tablet_sched_max_scheduling_tablets: "10000"}}
after:
  description: Values by FE and canonical key, read back; in check mode what they would be.
  returned: success
  type: dict
  sample: {prod-fe-0: {tablet_sched_max_scheduling_tablets: "20000"}}
"""

from ansible_collections.steady.rollout.plugins.module_utils._module import config
from ansible_collections.steady.rollout.plugins.module_utils._module.door import main

if __name__ == "__main__":
    main(config.VERB)
