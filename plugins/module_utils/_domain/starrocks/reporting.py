# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The report of a run, as data: what the HTML page, the JSON file and the terminal summary are made of."""

from __future__ import annotations

from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import to_plain
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.describe import versions
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import Plan
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import (
    PodState,
    Record,
    StepRecord,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import Entry

Json = dict[str, Any]


def build_report(plan: Plan, record: Record | None, outcome: str, now: str) -> Json:
    """The report as plain JSON values. `outcome` is used where no record says one (planned, unchanged)."""
    return {
        "apiVersion": "rollout.steady.dev/v1alpha1",
        "kind": "UpgradeReport",
        "run": _run(plan, record, outcome, now),
        "plan": _plan(plan, record),
        "steps": _steps(plan, record),
        "events": [to_plain(event) for event in record.events] if record else [],
        "settings": [_setting(entry) for entry in record.journal.entries.values()] if record else [],
        "pods": _pods(plan, record),
        "gates": [_gate(gate) for gate in to_plain(record.gates)] if record else [],
        "hooks": _hooks(record) if record else [],
        "statements": _statements(record) if record else [],
    }


def _run(plan: Plan, record: Record | None, outcome: str, now: str) -> Json:
    before, after = versions(plan.baseline.images), versions(record.target if record else plan.images_to)
    return {
        "id": record.run if record else f"not begun ({plan.hash[:19] or 'nothing planned'})",
        "title": f"StarRocks {plan.cluster}: {before} -> {after}",
        "cluster": plan.cluster,
        "namespace": plan.namespace,
        "from": before,
        "to": after,
        "outcome": (record.outcome if record else "") or outcome,
        "reason": record.reason if record else "",
        "remedy": record.remedy if record else "",
        "startedAt": record.started_at if record else now,
        "finishedAt": (record.finished_at if record else "") or now,
        "planHash": plan.approval or plan.hash,
        "holder": record.run if record else "",
        "front": "playbook",
    }


def _plan(plan: Plan, record: Record | None) -> Json:
    text = "from here on an FE of the new version can lead the cluster"
    risks = list(record.risks) if record else [to_plain(risk) for risk in plan.risks]
    crossing = (record.point_of_no_return if record else "") or plan.point_of_no_return
    own = {step.id: step for step in plan.steps}
    earlier = {step_id: step for step_id, step in _in_order(record) if step_id not in own}
    return {
        "steps": [
            *(
                {"id": step_id, "kind": step.kind, "title": step.title, "estimateSeconds": step.estimate_seconds}
                for step_id, step in earlier.items()
            ),
            *(
                {
                    "id": step.id,
                    "kind": step.kind,
                    "title": step.title,
                    "component": step.component,
                    "pod": step.pod,
                    "estimateSeconds": step.estimate_seconds,
                    "reason": step.reason,
                }
                for step in plan.steps
            ),
        ],
        "risks": [{key: risk.get(key) for key in ("name", "level", "text", "acknowledged")} for risk in risks],
        "pointOfNoReturn": {"stepId": crossing, "text": text} if crossing else None,
    }


def _steps(plan: Plan, record: Record | None) -> list[Json]:
    known = _in_order(record)
    rows: list[Json] = [
        {
            "id": step_id,
            "title": step.title,
            "kind": step.kind,
            "state": step.state,
            **({"startedAt": step.started_at} if step.started_at else {}),
            **({"finishedAt": step.finished_at} if step.finished_at else {}),
            "attempts": step.attempts,
            "waitedFor": [{"what": what, "seconds": s} for what, s in step.waited.items() if s >= 0.1],
            "text": step.text,
        }
        for step_id, step in known
    ]
    rows += [
        {"id": s.id, "title": s.title, "kind": s.kind, "state": "done" if s.done else "pending", "waitedFor": []}
        for s in plan.steps
        if s.id not in dict(known)
    ]
    return rows


def _in_order(record: Record | None) -> list[tuple[str, StepRecord]]:
    """Steps as they were begun; what was never begun comes last."""
    steps = list(record.steps.items()) if record else []
    return sorted(steps, key=lambda item: (not item[1].started_at, item[1].started_at))


def _hooks(record: Record) -> list[Json]:
    return [
        {
            "name": name,
            "stage": step_id.partition("/")[0],
            "step": step_id,
            **{
                key: value
                for key, value in to_plain(hook).items()
                if key not in ("digest", "started_at", "finished_at")
            },
            **({"startedAt": hook.started_at} if hook.started_at else {}),
            **({"finishedAt": hook.finished_at} if hook.finished_at else {}),
        }
        for step_id, step in _in_order(record)
        for name, hook in step.hooks.items()
    ]


def _statements(record: Record) -> list[Json]:
    """What was sent to change something, in its order: settings, hooks, the transfer of the lead."""
    sent = ((event, event.data.get("sql")) for event in record.events)
    return [
        {"at": event.at, "sql": str(sql), "step": event.step, "why": str(event.data.get("phase") or event.subject)}
        for event, statements in sent
        if isinstance(statements, list)
        for sql in statements
    ]


def _setting(entry: Entry) -> Json:
    before: dict[str, str] = {}
    for sighting in entry.sightings:
        before.setdefault(sighting.frontend, sighting.value)
    return {
        "key": entry.key,
        "baseline": entry.baseline,
        "quiesced": entry.quiesced,
        "before": before,
        "final": dict(entry.final),
        "state": entry.state,
        "note": entry.note,
    }


def _pods(plan: Plan, record: Record | None) -> list[Json]:
    before = record.baseline.pods if record else plan.baseline.pods
    after = record.after if record else {}
    touched = record.touched if record else ()
    return [
        {
            "name": name,
            "component": known.component,
            "before": _identity(known),
            "after": _identity(after[name]) if name in after else {},
            "touched": name in touched,
        }
        for name, known in sorted(before.items())
    ]


def _identity(pod: PodState) -> Json:
    return {"image": pod.image, "uid": pod.uid, "version": pod.version}


def _gate(gate: Json) -> Json:
    names = {"first_at": "firstAt", "last_at": "lastAt"}
    return {names.get(key, key): value for key, value in gate.items()}
