# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's schema: what the engine promises to write, checked without a schema library."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ansible_collections.steady.rollout.plugins.module_utils._domain.report.model import parse_time

API_VERSION = "rollout.steady.dev/v1alpha1"
KIND = "UpgradeReport"

Check: TypeAlias = Callable[[object], "str | None"]


@dataclass(frozen=True, slots=True)
class _Field:
    check: Check
    required: bool = True


def _is_text(value: object) -> str | None:
    return None if isinstance(value, str) else "must be a string"


def _is_name(value: object) -> str | None:
    return None if isinstance(value, str) and value else "must be a string that is not empty"


def _is_time(value: object) -> str | None:
    return None if parse_time(value) is not None else "must be an RFC 3339 time, such as 2026-11-21T03:15:22.123Z"


def _is_flag(value: object) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _is_amount(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        return "must be a number of 0 or more"
    return None


def _is_text_map(value: object) -> str | None:
    if isinstance(value, Mapping) and all(isinstance(item, str) for pair in value.items() for item in pair):
        return None
    return "must map strings to strings"


def _is_texts(value: object) -> str | None:
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return None
    return "must be a list of strings"


def _is_map(value: object) -> str | None:
    return None if isinstance(value, Mapping) else "must be a mapping"


def _one_of(*names: str) -> Check:
    def check(value: object) -> str | None:
        return None if value in names else f"must be one of {', '.join(names)}"

    return check


_OUTCOME = _one_of("planned", "unchanged", "succeeded", "rolled-back", "frozen", "failed", "restored")
_STEP_KIND = _one_of("begin", "hook", "upgrade-pod", "transfer-leader", "rollback-pod", "restore")
_OPTIONAL_TEXT = _Field(_is_text, required=False)
_OPTIONAL_TIME = _Field(_is_time, required=False)

_RUN = {
    **dict.fromkeys(("id", "cluster", "namespace", "from", "to"), _Field(_is_name)),
    **dict.fromkeys(("title", "reason", "remedy", "planHash", "holder", "front"), _OPTIONAL_TEXT),
    "outcome": _Field(_OUTCOME),
    "startedAt": _Field(_is_time),
    "finishedAt": _OPTIONAL_TIME,
}
_PLAN_STEP = {
    "id": _Field(_is_name),
    "kind": _Field(_STEP_KIND),
    "title": _Field(_is_name),
    **dict.fromkeys(("component", "pod", "reason"), _OPTIONAL_TEXT),
    "estimateSeconds": _Field(_is_amount, required=False),
}
_RISK = {
    "name": _Field(_is_name),
    "level": _Field(_one_of("info", "warning", "danger")),
    "text": _Field(_is_text),
    "acknowledged": _Field(_is_flag),
}
_NO_RETURN = {"stepId": _Field(_is_name), "text": _Field(_is_text)}
_STEP = {
    "id": _Field(_is_name),
    "title": _Field(_is_name),
    "kind": _Field(_STEP_KIND),
    "state": _Field(_one_of("done", "failed", "skipped", "running", "pending", "rolled-back")),
    "startedAt": _OPTIONAL_TIME,
    "finishedAt": _OPTIONAL_TIME,
    "attempts": _Field(_is_amount, required=False),
    "text": _OPTIONAL_TEXT,
}
_WAIT = {"what": _Field(_is_name), "seconds": _Field(_is_amount)}
_EVENT = {
    "at": _Field(_is_time),
    "kind": _Field(_one_of("run", "step", "gate", "setting", "window", "hook", "pod", "leader", "rollback", "note")),
    "text": _Field(_is_text),
    **dict.fromkeys(("step", "subject"), _OPTIONAL_TEXT),
    "data": _Field(_is_map, required=False),
}
_SETTING = {
    "key": _Field(_is_name),
    **dict.fromkeys(("baseline", "quiesced"), _Field(_is_text)),
    **dict.fromkeys(("before", "final"), _Field(_is_text_map)),
    "state": _Field(_one_of("restored", "unchanged", "conflict", "open")),
    "note": _OPTIONAL_TEXT,
}
_POD = {"name": _Field(_is_name), "component": _Field(_is_name), "touched": _Field(_is_flag)}
_SIDE = dict.fromkeys(("image", "uid", "version"), _OPTIONAL_TEXT)
_GATE = {
    **dict.fromkeys(("name", "step"), _Field(_is_name)),
    "verdict": _Field(_one_of("passed", "refused", "pending")),
    **dict.fromkeys(("subject", "text"), _OPTIONAL_TEXT),
    **dict.fromkeys(("firstAt", "lastAt"), _OPTIONAL_TIME),
    "evaluations": _Field(_is_amount, required=False),
}

_HOOK = {
    **dict.fromkeys(("name", "step", "source"), _Field(_is_name)),
    "stage": _Field(_is_name),
    "outcome": _Field(_one_of("running", "done", "failed", "skipped")),
    "critical": _Field(_is_flag),
    **dict.fromkeys(("attempts", "seconds"), _Field(_is_amount)),
    **dict.fromkeys(("text", "log"), _OPTIONAL_TEXT),
    "statements": _Field(_is_texts),
}
_VALUE_CHANGE = dict.fromkeys(("key", "before", "after"), _Field(_is_text))
_STATEMENT = {"at": _Field(_is_time), "sql": _Field(_is_name), "step": _OPTIONAL_TEXT, "why": _OPTIONAL_TEXT}


def _check_map(path: str, value: object, fields: Mapping[str, _Field]) -> Iterable[str]:
    if not isinstance(value, Mapping):
        yield f"{path}: must be a mapping"
        return
    for name, field in fields.items():
        if value.get(name) is None:
            if field.required:
                yield f"{path}.{name}: is missing"
        elif problem := field.check(value[name]):
            yield f"{path}.{name}: {problem}"


def _check_list(path: str, value: object, fields: Mapping[str, _Field]) -> Iterable[str]:
    if not isinstance(value, (list, tuple)):
        yield f"{path}: must be a list"
        return
    for index, item in enumerate(value):
        yield from _check_map(f"{path}[{index}]", item, fields)


def _get(value: object, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None


def _items(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _check_plan(plan: object) -> Iterable[str]:
    if not isinstance(plan, Mapping):
        yield "plan: must be a mapping"
        return
    yield from _check_list("plan.steps", plan.get("steps"), _PLAN_STEP)
    yield from _check_list("plan.risks", plan.get("risks", []), _RISK)
    if plan.get("pointOfNoReturn") is not None:
        yield from _check_map("plan.pointOfNoReturn", plan["pointOfNoReturn"], _NO_RETURN)


def _check_order(report: Mapping[str, Any]) -> Iterable[str]:
    run = report.get("run")
    started, finished = parse_time(_get(run, "startedAt")), parse_time(_get(run, "finishedAt"))
    if started is not None and finished is not None and finished < started:
        yield "run.finishedAt: is before run.startedAt"
    for index, step in enumerate(_items(report.get("steps"))):
        begin, end = parse_time(_get(step, "startedAt")), parse_time(_get(step, "finishedAt"))
        if begin is not None and end is not None and end < begin:
            yield f"steps[{index}].finishedAt: is before startedAt"


def _check_references(report: Mapping[str, Any]) -> Iterable[str]:
    plan = report.get("plan")
    everything = [*_items(_get(plan, "steps")), *_items(report.get("steps"))]
    known = {name for step in everything if isinstance(name := _get(step, "id"), str)}
    point = _get(_get(plan, "pointOfNoReturn"), "stepId")
    if isinstance(point, str) and point not in known:
        yield f"plan.pointOfNoReturn.stepId: no step is named {point!r}"
    for index, gate in enumerate(_items(report.get("gates"))):
        name = _get(gate, "step")
        if isinstance(name, str) and name not in known:
            yield f"gates[{index}].step: no step is named {name!r}"


def _problems(report: Mapping[str, Any]) -> Iterable[str]:
    if report.get("apiVersion") != API_VERSION:
        yield f"apiVersion: must be {API_VERSION}"
    if report.get("kind") != KIND:
        yield f"kind: must be {KIND}"
    yield from _check_map("run", report.get("run"), _RUN)
    yield from _check_plan(report.get("plan"))
    yield from _check_list("steps", report.get("steps"), _STEP)
    for index, step in enumerate(_items(report.get("steps"))):
        yield from _check_list(f"steps[{index}].waitedFor", _get(step, "waitedFor") or [], _WAIT)
    yield from _check_list("events", report.get("events"), _EVENT)
    yield from _check_list("settings", report.get("settings"), _SETTING)
    yield from _check_list("pods", report.get("pods"), _POD)
    for index, pod in enumerate(_items(report.get("pods"))):
        for side in ("before", "after"):
            yield from _check_map(f"pods[{index}].{side}", _get(pod, side), _SIDE)
    yield from _check_list("gates", report.get("gates"), _GATE)
    yield from _check_list("hooks", report.get("hooks", []), _HOOK)
    for index, hook in enumerate(_items(report.get("hooks"))):
        yield from _check_list(f"hooks[{index}].values", _get(hook, "values") or [], _VALUE_CHANGE)
    yield from _check_list("statements", report.get("statements", []), _STATEMENT)
    yield from _check_order(report)
    yield from _check_references(report)


def validate(report: object) -> list[str]:
    """Return what breaks the schema, one line each as `path: problem`; an empty list for a sound report."""
    if not isinstance(report, Mapping):
        return ["the report must be a mapping"]
    return list(_problems(report))
