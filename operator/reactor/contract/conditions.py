# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status that a run leaves on its object.

Conditions and their transitions are those of internal/ansible/controller/reconcile.go (markRunning, markDone,
markError) and of controller/status: Running is true while nothing happens, Failure and Successful carry empty reasons
where they are false, and foreign conditions lose what is no field of this type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from reactor.contract.verdict import Stats

RUNNING, SUCCESSFUL, FAILURE = "Running", "Successful", "Failure"
_TRUE, _FALSE = "True", "False"
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z", re.ASCII)
_LONGEST_MESSAGE = 32 * 1024

Status = Mapping[str, Any]
Condition = dict[str, Any]


def running(status: Status, now: datetime) -> dict[str, Any]:
    """The status as a run begins."""
    conditions = _conditions(status, now)
    _turn(conditions, SUCCESSFUL, _FALSE)
    _set(conditions, _condition(RUNNING, _TRUE, "Running", "Running reconciliation", now))
    return {**status, "conditions": conditions}


def done(status: Status, now: datetime, stats: Stats, failures: Sequence[str]) -> dict[str, Any]:
    """The status after a run that came to its end: successful without failures."""
    conditions = _conditions(status, now)
    result = ansible_result(stats)
    if failures:
        _turn(conditions, RUNNING, _FALSE)
        _set(conditions, _condition(FAILURE, _TRUE, "Failed", "\n".join(failures), now, result))
        _set(conditions, _condition(SUCCESSFUL, _FALSE, "", "", now))
    else:
        _set(conditions, _condition(RUNNING, _TRUE, "Successful", "Awaiting next reconciliation", now, result))
        _set(conditions, _condition(SUCCESSFUL, _TRUE, "Successful", "Last reconciliation succeeded", now))
        _set(conditions, _condition(FAILURE, _FALSE, "", "", now))
    return {**status, "conditions": conditions}


def broken(status: Status, now: datetime, message: str) -> dict[str, Any]:
    """The status when there was no run, or one without an end."""
    conditions = _conditions(status, now)
    _turn(conditions, RUNNING, _FALSE)
    _turn(conditions, SUCCESSFUL, _FALSE)
    _set(conditions, _condition(FAILURE, _TRUE, "Failed", message, now))
    return {**status, "conditions": conditions}


def ansible_result(stats: Stats) -> dict[str, Any]:
    """The counts of a run, with its end in the form that Go gives it: no trailing zeros, +00:00 for UTC."""
    moment = stats.completion.astimezone(UTC)
    fraction = f".{moment.microsecond:06d}".rstrip("0").rstrip(".")
    return {
        "ok": stats.ok,
        "changed": stats.changed,
        "skipped": stats.skipped,
        "failures": stats.failures,
        "completion": f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}+00:00",
    }


def settled_at(status: Status, generation: Any) -> datetime | None:
    """When the last run ended, if it was successful and the status is of this generation of the object."""
    by_type = {each.get("type"): each for each in status.get("conditions") or [] if isinstance(each, Mapping)}
    if (by_type.get(SUCCESSFUL) or {}).get("status") != _TRUE or status.get("observedGeneration") != generation:
        return None
    completion = ((by_type.get(RUNNING) or {}).get("ansibleResult") or {}).get("completion")
    try:
        moment = datetime.fromisoformat(str(completion))
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _condition(
    kind: str, status: str, reason: str, message: str, now: datetime, result: dict[str, Any] | None = None
) -> Condition:
    condition = {"type": kind, "status": status, "lastTransitionTime": _text(now)}
    if result is not None:
        condition["ansibleResult"] = result  # type: ignore[assignment]
    if len(message) > _LONGEST_MESSAGE:
        message = f"{message[:_LONGEST_MESSAGE]} ..."
    return {**condition, "reason": reason, "message": message}


def _conditions(status: Status, now: datetime) -> list[Condition]:
    """The conditions as they are, in the fields of this type; what is no mapping is dropped."""
    given = status.get("conditions")
    return [_read(each, now) for each in given if isinstance(each, Mapping)] if isinstance(given, list) else []


def _read(condition: Mapping[str, Any], now: datetime) -> Condition:
    read: Condition = {
        "type": _str(condition.get("type"), RUNNING),
        "status": _str(condition.get("status"), _TRUE),
        "lastTransitionTime": _text(now),
    }
    since = condition.get("lastTransitionTime")
    if isinstance(since, str) and _TIME.fullmatch(since):
        read["lastTransitionTime"] = re.sub(r"\.\d+", "", since)
    if isinstance(condition.get("ansibleResult"), Mapping):
        read["ansibleResult"] = dict(condition["ansibleResult"])
    return {**read, "reason": _str(condition.get("reason"), ""), "message": _str(condition.get("message"), "")}


def _str(value: Any, default: str) -> str:
    return value if isinstance(value, str) else default


def _turn(conditions: list[Condition], kind: str, status: str) -> None:
    """Give the condition, where there is one, another status and nothing else."""
    found = next((each for each in conditions if each["type"] == kind), None)
    if found is not None:
        _set(conditions, {**found, "status": status})


def _set(conditions: list[Condition], condition: Condition) -> None:
    """Put the condition last, in place of the one of its type; nothing where that says the same already.

    A Failure is always written anew. lastTransitionTime is kept while the status stays.
    """
    found = next((each for each in conditions if each["type"] == condition["type"]), None)
    if found is not None and found["status"] == condition["status"]:
        if condition["type"] != FAILURE and found["reason"] == condition["reason"]:
            return
        condition = {**condition, "lastTransitionTime": found["lastTransitionTime"]}
    conditions[:] = [each for each in conditions if each["type"] != condition["type"]] + [condition]


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
