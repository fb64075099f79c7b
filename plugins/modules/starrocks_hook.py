#!/usr/bin/python
# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run upgrade hooks on the FE."""

from __future__ import annotations

DOCUMENTATION = r"""
module: starrocks_hook
short_description: Run upgrade hooks on the FE
version_added: "1.0.0"
author:
  - The steady.rollout authors (@steady-rollout)
description:
  - Predefined hooks by name, a list of SQL statements, or a key of a ConfigMap.
  - What a hook sets is journaled before and put back by its counterpart, to the value that was there. That is so for
    C(ADMIN SET FRONTEND CONFIG) in SQL as well.
  - Statements run on the leader, one after the other. Those that read, C(ALTER SYSTEM CREATE IMAGE) and settings of the
    catalogue are allowed; others only where O(installation) or the namespace's label allows them.
extends_documentation_fragment:
  - steady.rollout._attributes
  - steady.rollout._attributes.action_group
  - steady.rollout._cluster
  - steady.rollout._lease
  - steady.rollout._kubernetes
  - steady.rollout._frontend
  - steady.rollout._installation
attributes:
  check_mode:
    support: full
    details: Nothing is run; the hooks that would run are listed.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details: Predefined hooks are. Statements of your own are run each time.
options:
  names:
    description:
      - Predefined hooks, in order; docs/hooks.md lists them. Those of O(installation) count as well.
      - V(quiesce) holds off scheduling and both balancers, V(disable-tablet-clone) scheduling alone,
        V(disable-balancer) the balancer alone.
      - V(restore), V(enable-tablet-clone) and V(enable-balancer) put back what was there,
        V(enable-tablet-clone-default) and V(enable-balancer-default) set StarRocks' documented value.
    type: list
    elements: str
  statements:
    description: SQL statements, one each.
    type: list
    elements: str
  config_map:
    description: A key of a ConfigMap in O(namespace); one that ends in C(.sql) is run statement by statement, any other
      as a script in a Job, where that is allowed.
    type: dict
    suboptions:
      name:
        description: Name of the ConfigMap.
        type: str
        required: true
      key:
        description: Key in it, such as C(before.sql).
        type: str
        required: true
  frontend:
    description: FE pod to run O(statements) on; empty means the leader.
    type: str
    default: ""
  critical:
    description: Whether a failure fails the task and ends the list.
    type: bool
    default: true
  timeout:
    description: Longest time for one hook or statement with all its retries, in seconds.
    type: float
    default: 30.0
  retries:
    description: How often a transient failure is tried again.
    type: int
    default: 3
  backoff:
    description: Pause before the first retry in seconds; doubled each time, with jitter, at most 30.
    type: float
    default: 1.0
requirements:
  - sqlglot >= 30, where SQL holds more than C(ADMIN), C(ALTER SYSTEM) and C(SHOW)
seealso:
  - module: steady.rollout.starrocks_config
  - module: steady.rollout.starrocks_step
"""

EXAMPLES = r"""
- name: Switch off balancing before maintenance
  steady.rollout.starrocks_hook:
    cluster: prod
    namespace: starrocks
    names: [quiesce]

- name: Put back what was there
  steady.rollout.starrocks_hook:
    cluster: prod
    namespace: starrocks
    names: [restore]

- name: Write a metadata image
  steady.rollout.starrocks_hook:
    cluster: prod
    namespace: starrocks
    names: [create-image]

- name: Look at schema changes before a downgrade
  steady.rollout.starrocks_hook:
    cluster: prod
    namespace: starrocks
    statements: ["SHOW PROC '/statistic'"]
"""

RETURN = r"""
results:
  description: One entry for each hook or statement that was run.
  returned: success or failure of a critical hook
  type: list
  elements: dict
  sample: [{name: quiesce, ok: true, attempts: 1, seconds: 0.2, changed: true, text: "", error: "", rows: []}]
"""

from ansible_collections.steady.rollout.plugins.module_utils._module import hook
from ansible_collections.steady.rollout.plugins.module_utils._module.door import main

if __name__ == "__main__":
    main(hook.VERB)
