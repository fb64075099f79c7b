#!/usr/bin/python
# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell an operator when to look again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: requeue_after
short_description: Tell an operator when to look again
version_added: "1.0.0"
author:
  - The steady.rollout authors (@steady-rollout)
description:
  - For playbooks that an Ansible-based operator runs. The operator sees the event of this task and runs the playbook
    for the same object again after O(time). Anywhere else it does nothing.
  - The operator goes by the name under which the task calls it, which has to be C(requeue_after), without the name of
    the collection. So the play needs C(collections) with C(steady.rollout).
  - Make it the last task, followed by C(meta) with C(end_play). The operator is done with the run as soon as it sees
    it.
extends_documentation_fragment:
  - steady.rollout._attributes
attributes:
  check_mode:
    support: full
    details: It changes nothing.
  diff_mode:
    support: N/A
    details: It changes nothing.
  idempotent:
    support: full
    details: It changes nothing.
options:
  time:
    description: In how long, as a duration of Go, such as V(30s), V(1.5s) or V(2m30s).
    type: str
    required: true
seealso:
  - module: steady.rollout.starrocks_reconcile
  - module: steady.rollout.db_upgrade
  - name: The same in the collection of the ansible-operator
    description: The ansible-operator knows both names.
    link: https://github.com/operator-framework/operator-sdk-ansible-util
"""

EXAMPLES = r"""
# An operator knows the task by its short name alone: its plays have `collections: [steady.rollout]` and write
# `requeue_after`, as those in playbooks/operator do.
- name: Look, do what can be done now, and say when to look again
  steady.rollout.starrocks_reconcile:
    kind: StarRocksUpgrade
    name: "{{ ansible_operator_meta.name }}"
    namespace: "{{ ansible_operator_meta.namespace }}"
  register: rollout_pass

- name: Look again in time
  steady.rollout.requeue_after:
    time: "{{ rollout_pass.requeue_after }}s"
  when: not rollout_pass.finished
"""

RETURN = r"""
period:
  description: The duration that was asked for.
  returned: success
  type: str
  sample: 5s
"""

from ansible_collections.steady.rollout.plugins.module_utils._module import requeue
from ansible_collections.steady.rollout.plugins.module_utils._module.door import main

if __name__ == "__main__":
    main(requeue.VERB)
