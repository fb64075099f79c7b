#!/usr/bin/python
# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out one step of a plan."""

from __future__ import annotations

DOCUMENTATION = r"""
module: starrocks_step
short_description: Carry out one step of a plan
version_added: "1.0.0"
author:
  - The steady.rollout authors (@steady-rollout)
description:
  - Writes down what it is about to do, does it, and waits until every gate passes or a deadline ends.
  - A step that did not work does not fail the task, because the way back has to be planned; see RV(outcome) and
    RV(stopped).
  - Later steps pass over once a step has stopped the run.
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
  diff_mode:
    support: none
    details: M(steady.rollout.starrocks_plan) shows the changes of all steps.
  idempotent:
    support: full
options:
  plan:
    description: The C(plan) that M(steady.rollout.starrocks_plan) returned.
    type: dict
    required: true
  step:
    description: The C(id) of the step.
    type: str
    required: true
  spec:
    description: The C(spec) of the upgrade that was planned.
    type: dict
    default: {}
  progress:
    description: The C(progress) that the task before returned; without it the cluster is asked.
    type: str
    default: ""
  holder:
    description: Identity to hold the lease under; empty means a new one.
    type: str
    default: ""
  patience:
    description:
      - Seconds that the step may wait at one point. When that is over its outcome is V(waiting), nothing is undone, and
        the same step called again with the same O(holder) goes on where it was; deadlines count from the first call.
      - Without it the step waits until it is done or its deadline has come.
    type: float
seealso:
  - module: steady.rollout.starrocks_plan
  - module: steady.rollout.starrocks_report
"""

EXAMPLES = r"""
- name: Look
  steady.rollout.starrocks_info:
    cluster: prod
    namespace: starrocks
  register: seen

- name: Plan what an earlier run owes
  steady.rollout.starrocks_plan:
    snapshot: "{{ seen.snapshot }}"
    record: "{{ seen.record }}"
    direction: restore
  register: planned

- name: Put it back
  steady.rollout.starrocks_step:
    cluster: prod
    namespace: starrocks
    plan: "{{ planned.plan }}"
    step: restore
    progress: "{{ seen.progress }}"
  when: planned.plan.steps | length > 0
"""

RETURN = r"""
outcome:
  description: One of V(done), V(failed), V(skipped), V(unchanged), V(waiting) and V(replan).
  returned: success
  type: str
  sample: done
stopped:
  description: Why the run stopped, or empty. One of V(failed), V(waiting), V(replan) and V(lost).
  returned: success
  type: str
  sample: ""
again_in:
  description: In how many seconds to call the step again.
  returned: when RV(outcome) is V(waiting)
  type: float
  sample: 5.0
waits_for:
  description: What it waits for.
  returned: when RV(outcome) is V(waiting)
  type: str
  sample: "prod-be-2 to be back: pod_ready(prod-be-2): not Ready, phase Pending"
gate:
  description: The gate or the hook that refuses, empty where it is neither.
  returned: when RV(outcome) is V(waiting)
  type: str
  sample: pod_ready
elapsed:
  description: Seconds the step took.
  returned: success
  type: float
  sample: 12.3
waited:
  description: Seconds by what was waited for.
  returned: success
  type: dict
  sample: {"prod-be-2 to be back": 2.1}
reason:
  description: Why the run stopped.
  returned: success
  type: str
  sample: ""
remedy:
  description: What to do about it.
  returned: success
  type: str
  sample: ""
progress:
  description: For the next task.
  returned: success
  type: str
  sample: 'progress {"cluster":"prod","namespace":"starrocks"}'
"""

from ansible_collections.steady.rollout.plugins.module_utils._module import step
from ansible_collections.steady.rollout.plugins.module_utils._module.door import main

if __name__ == "__main__":
    main(step.VERB)
