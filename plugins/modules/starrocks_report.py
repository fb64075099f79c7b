#!/usr/bin/python
# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Report on a rollout."""

from __future__ import annotations

DOCUMENTATION = r"""
module: starrocks_report
short_description: Report on a rollout, or on the risks of a plan
version_added: "1.0.0"
author:
  - The steady.rollout authors (@steady-rollout)
description:
  - Builds the report of the run, writes it as a page and as data, and shows a summary.
  - Fails when the run did not reach what was asked for, so that the play does.
  - With O(about=risks) it reports on a plan that has not begun. That never fails; RV(outcome) says what the plan is.
extends_documentation_fragment:
  - steady.rollout._attributes
attributes:
  check_mode:
    support: full
    details: No file is written.
  diff_mode:
    support: none
  idempotent:
    support: full
    details: A report is no change.
options:
  plan:
    description: The C(plan) of the run.
    type: dict
    required: true
  progress:
    description: The C(progress) of the last task of the run.
    type: str
    default: ""
  about:
    description:
      - V(run) reports on the run of O(plan), from its O(progress).
      - V(risks) reports on what O(plan) would do and what may go wrong, as HTML, Markdown and JSON.
    type: str
    choices: [run, risks]
    default: run
  refusals:
    description: The C(refusals) that M(steady.rollout.starrocks_plan) returned with the plan. For O(about=risks).
    type: list
    elements: dict
    default: []
  dest:
    description: Folder for the files; made when it does not exist. Empty means that none is written.
    type: str
    default: ""
seealso:
  - module: steady.rollout.starrocks_plan
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
    direction: restore
  register: planned

- name: Report
  steady.rollout.starrocks_report:
    plan: "{{ planned.plan }}"
    progress: "{{ seen.progress }}"

- name: Report on what may go wrong
  steady.rollout.starrocks_report:
    plan: "{{ planned.plan }}"
    refusals: "{{ planned.refusals }}"
    about: risks
    dest: risk-reports
"""

RETURN = r"""
report:
  description: The report as data.
  returned: success
  type: dict
  sample: {kind: UpgradeReport, run: {outcome: succeeded}}
files:
  description: Paths of the files that were written.
  returned: success
  type: list
  elements: str
  sample: [rollout-reports/starrocks-prod-20261121T031522123Z-succeeded.html]
outcome:
  description:
    - How the run ended.
    - With O(about=risks) V(ready), V(risky), V(refused) or V(unchanged).
  returned: success
  type: str
  sample: succeeded
"""

from ansible_collections.steady.rollout.plugins.module_utils._module import report
from ansible_collections.steady.rollout.plugins.module_utils._module.door import main

if __name__ == "__main__":
    main(report.VERB)
