# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the events of a run mean: failures, counts, and when to look again.

The rule is that of internal/ansible/controller/reconcile.go: each `runner_on_failed` that is not ignored is a failure,
also one that a `rescue` caught; an unreachable host and a play without hosts are none. There the process returns as
soon as it hears of `requeue_after`, whatever came before or comes after; here the run is heard to its end, and a
failure counts for more than a request to look again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from reactor.contract.duration import parse_duration

REQUEUE_ACTIONS = frozenset({"operator_sdk.util.requeue_after", "requeue_after"})
HOST = "localhost"
UNKNOWN = "unknown playbook failure"
_MOST_FAILURES = 100

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stats:
    """The counts of localhost, and when the run ended."""

    ok: int
    changed: int
    skipped: int
    failures: int
    unreachable: int
    completion: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run went. `stats` is None for one that had no end; `requeue` is in seconds, None where nobody asked."""

    failures: tuple[str, ...]
    stats: Stats | None
    requeue: float | None
    wrong_requeue: str
    last: str

    @property
    def good(self) -> bool:
        """Whether it ended and nothing failed."""
        return self.stats is not None and not self.failures and not self.wrong_requeue


class Hearing:
    """Takes the events of one run as they come. What it keeps does not grow with their number."""

    def __init__(self, judge: Literal["events", "stats"] = "events") -> None:
        self._judge = judge
        self._failures: list[str] = []
        self._stats: Stats | None = None
        self._requeue: float | None = None
        self._wrong_requeue = ""
        self._last = ""

    def hear(self, event: Event) -> None:
        """Take the next event."""
        kind = event.get("event")
        data = event.get("event_data")
        data = data if isinstance(data, Mapping) else {}
        if kind == "playbook_on_stats":
            self._stats = _stats(data, str(event.get("created") or ""))
        if (
            kind == "runner_on_failed"
            and data.get("ignore_errors") is not True
            and len(self._failures) < _MOST_FAILURES
        ):
            self._failures.append(_message(data))
        if kind == "runner_on_ok":
            self._told(data)

    def _told(self, data: Mapping[str, Any]) -> None:
        result = data.get("res")
        result = result if isinstance(result, Mapping) else {}
        if data.get("task_action") not in REQUEUE_ACTIONS:
            self._last = _sentence(result) or self._last
        elif "period" in result:
            try:
                self._requeue = parse_duration(str(result["period"]))
            except ValueError as error:
                self._wrong_requeue = str(error)

    def verdict(self) -> Verdict:
        """How the run went, as far as it was heard."""
        return Verdict(
            failures=tuple(self._counted()),
            stats=self._stats,
            requeue=self._requeue,
            wrong_requeue=self._wrong_requeue,
            last=self._last,
        )

    def _counted(self) -> list[str]:
        """The failures that count. By `stats` they are those of the recap, where a rescued task is none."""
        if self._judge == "events" or self._stats is None:
            return self._failures
        if self._stats.unreachable:
            return [*self._failures, f"{HOST} was unreachable"]
        return (self._failures or [UNKNOWN]) if self._stats.failures else []


def _message(data: Mapping[str, Any]) -> str:
    result = data.get("res")
    message = result.get("msg") if isinstance(result, Mapping) else None
    return message if isinstance(message, str) else UNKNOWN


def _sentence(result: Mapping[str, Any]) -> str:
    """The first line of what a task said, for the screen."""
    message = result.get("msg")
    return message.strip().split("\n", 1)[0] if isinstance(message, str) else ""


def _stats(data: Mapping[str, Any], created: str) -> Stats:
    try:
        moment = datetime.fromisoformat(created)
    except ValueError:
        moment = datetime.fromtimestamp(0, UTC)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    counts = {name: _count(data.get(name)) for name in ("ok", "changed", "skipped", "failures")}
    # ansible-runner sends Ansible's own name of the count.
    return Stats(**counts, unreachable=_count(data.get("dark")), completion=moment)


def _count(by_host: Any) -> int:
    number = by_host.get(HOST) if isinstance(by_host, Mapping) else None
    return number if isinstance(number, int) else 0
