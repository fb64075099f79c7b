# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The verb of starrocks_report: what happened, or what may happen, as a page, as data and as a summary."""

from __future__ import annotations

import json
import os
import re

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import from_plain
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.page import render_html
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.risks import (
    VERDICTS,
    render_risks_html,
    render_risks_markdown,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.summary import render_text
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import describe
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.handover import from_text
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import Plan
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import load
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.reporting import build_report
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.risks import build_risks
from ansible_collections.steady.rollout.plugins.module_utils._engine.files import write_whole
from ansible_collections.steady.rollout.plugins.module_utils._module.call import Call, Result, Verb

BAD_OUTCOMES = ("failed", "frozen", "rolled-back")


def run(call: Call) -> Result:
    """Report on a run, or on the risks of a plan that has not begun."""
    plan = from_plain(Plan, call.params["plan"], "plan")
    return _on_risks(call, plan) if call.params["about"] == "risks" else _on_run(call, plan)


def _on_risks(call: Call, plan: Plan) -> Result:
    """Build the risk report and write it. It says no where the plan is refused, and does not fail for that."""
    report = build_risks(plan, call.params["refusals"], call.clock.stamp())
    name = f"{plan.namespace}-{plan.cluster}-{_stamp(report['plan']['at'])}-risks"
    texts = {
        "html": render_risks_html(report),
        "md": render_risks_markdown(report),
        "json": json.dumps(report, indent=2, sort_keys=True) + "\n",
    }
    written = [] if call.check_mode else _files(call.params["dest"], name, texts)
    verdict = report["plan"]["verdict"]
    return {
        "changed": False,
        "report": report,
        "files": written,
        "outcome": verdict,
        "rollout": {
            "type": "report",
            "lines": [f"risks: {VERDICTS[verdict].name}", *(f"report  {f}" for f in written)],
        },
    }


def _on_run(call: Call, plan: Plan) -> Result:
    """Build the report, write it, and fail when the run did not reach what was asked for."""
    text = call.params["progress"]
    handover = from_text(text, cluster=plan.cluster, namespace=plan.namespace) if text else None
    record = load(handover.record, cluster=plan.cluster) if handover and handover.record else None
    about_this_run = bool(handover and handover.run)
    own = record is not None and handover is not None and (record.run == handover.run or plan.direction == "restore")
    report = build_report(plan, record if about_this_run and own else None, _outcome(call, plan), call.clock.stamp())
    if handover is not None and handover.reason:
        report["run"] |= {"reason": handover.reason, "remedy": handover.remedy}
    written = [] if call.check_mode or not about_this_run else _write(call.params["dest"], report)
    result: Result = {
        "changed": False,
        "report": report,
        "files": written,
        "outcome": report["run"]["outcome"],
        "rollout": {"type": "report", "lines": [*render_text(report).splitlines(), *(f"report  {f}" for f in written)]},
    }
    owed = describe.open_sentences(record)
    result["rollout"] |= {"open": owed, "resume": describe.resume_sentence(plan.cluster, plan.namespace)}
    if result["outcome"] in BAD_OUTCOMES and about_this_run:
        result |= _failure(report)
    return result


def _outcome(call: Call, plan: Plan) -> str:
    if call.check_mode and plan.steps:
        return "planned"
    return "unchanged" if not plan.steps else "failed"


def _failure(report: Result) -> Result:
    run = report["run"]
    return {
        "failed": True,
        "msg": f"The upgrade ended as {run['outcome']}: {run['reason']}",
        "reason": run["reason"],
        "remedy": run["remedy"],
    }


def _write(folder: str, report: Result) -> list[str]:
    """The report as HTML and JSON, named by cluster, moment and outcome."""
    run = report["run"]
    name = f"{run['namespace']}-{run['cluster']}-{_stamp(run['startedAt'])}-{run['outcome']}"
    return _files(
        folder, name, {"html": render_html(report), "json": json.dumps(report, indent=2, sort_keys=True) + "\n"}
    )


def _stamp(moment: str) -> str:
    return re.sub(r"[^0-9TZ]", "", moment)


def _files(folder: str, name: str, texts: dict[str, str]) -> list[str]:
    """Write each text under its ending; nothing where no folder was named."""
    if not folder:
        return []
    folder = os.path.abspath(os.path.expanduser(folder))
    try:
        os.makedirs(folder, exist_ok=True)
        return [write_whole(folder, f"{name}.{ending}", text) for ending, text in texts.items()]
    except OSError as error:
        raise Refused(
            "dest", folder, f"cannot be written: {error.strerror}", remedy="name a writable folder"
        ) from error


VERB = Verb(
    "starrocks_report",
    {
        "plan": {"type": "dict", "required": True},
        "progress": {"type": "str", "default": ""},
        "about": {"type": "str", "choices": ["run", "risks"], "default": "run"},
        "refusals": {"type": "list", "elements": "dict", "default": []},
        "dest": {"type": "str", "default": ""},
    },
    run,
)
