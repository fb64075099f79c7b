#!/usr/bin/python
# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at a whole StarRocks cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: starrocks_info
short_description: Look at a whole StarRocks cluster
version_added: "1.0.0"
author:
  - The steady.rollout authors (@steady-rollout)
description:
  - One call for the custom resource, its pods, the FE, BE and CN rows, the settings of every FE, tablet health,
    the record of the latest rollout and the lease.
  - Nothing is written. What could not be seen is named with the reason in C(snapshot.blind), never guessed.
extends_documentation_fragment:
  - steady.rollout._attributes
  - steady.rollout._attributes.action_group
  - steady.rollout._attributes.read_only
  - steady.rollout._cluster
  - steady.rollout._kubernetes
  - steady.rollout._frontend
  - steady.rollout._installation
options:
  purpose:
    description:
      - V(look) answers also when no FE does.
      - V(upgrade) in addition checks O(spec), that every right an upgrade needs is there, and that an FE accepts the
        credentials; it fails when one of these does not hold.
    type: str
    choices: [look, upgrade]
    default: look
  spec:
    description: The C(spec) of the upgrade that is planned, for O(purpose=upgrade).
    type: dict
  wait_for_lease:
    description: Wait up to so many seconds until no living run holds the lease; 0 looks at once.
    type: float
    default: 0.0
  lease_seconds:
    description: How long the lease of the run in O(progress) outlives a runner that died, in seconds.
    type: int
    default: 30
  progress:
    description: What an earlier task of the same run returned as C(progress); the lease stays with that run.
    type: str
    default: ""
seealso:
  - module: steady.rollout.starrocks_plan
  - module: steady.rollout.starrocks_step
"""

EXAMPLES = r"""
- name: Look at a cluster
  steady.rollout.starrocks_info:
    cluster: prod
    namespace: starrocks
  register: seen

- name: Show who leads
  ansible.builtin.debug:
    msg: "{{ seen.snapshot.frontends | selectattr('role', 'equalto', 'LEADER') | map(attribute='pod') | list }}"
"""

RETURN = r"""
snapshot:
  description: The cluster at one moment.
  returned: success
  type: dict
  sample:
    cluster: prod
    namespace: starrocks
    phase: running
    tablets: {total: 120, unhealthy: 0, inconsistent: 0, cloning: 0, error_state: 0, pending: 0, running: 0}
    blind: {}
record:
  description: The record of the latest rollout on this cluster; empty when there is none.
  returned: success
  type: dict
  sample: null
lease:
  description: Who holds the cluster's lease.
  returned: success
  type: dict
  sample: {holder: "", since: "", renewed: "", remaining_seconds: 0.0}
hooks:
  description: What the hooks of O(spec) need to be planned; pass it to M(steady.rollout.starrocks_plan).
  returned: success
  type: dict
  sample: {config_maps: {}, missing: {}, unsafe_sql: false, scripts: false}
stopped:
  description: Always empty; it makes the result fit where one of M(steady.rollout.starrocks_step) is expected.
  returned: success
  type: str
  sample: ""
way_back:
  description: The O(steady.rollout.starrocks_plan#module:direction) that follows a failure of the run in O(progress).
  returned: success
  type: str
  sample: rollback
progress:
  description: What the following tasks of the run need, as text.
  returned: success
  type: str
  sample: 'progress {"cluster":"prod","namespace":"starrocks"}'
"""

from ansible_collections.steady.rollout.plugins.module_utils._module import info
from ansible_collections.steady.rollout.plugins.module_utils._module.door import main

if __name__ == "__main__":
    main(info.VERB)
