# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's dict as frozen values.

Reading is lenient: a report is most needed when something went wrong, so a missing or odd field becomes
empty instead of hiding the rest. `schema.validate` is the strict reader, for the engine's own tests.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# 9999-12-31T23:59:59Z: a later moment, which a zone offset can spell, has no UTC date.
_LAST_MOMENT = 253402300799


@dataclass(frozen=True, slots=True)
class Run:
    """What was asked for and how it ended; times are seconds since the epoch."""

    id: str
    title: str
    cluster: str
    namespace: str
    from_version: str
    to_version: str
    outcome: str
    reason: str
    remedy: str
    started: float | None
    finished: float | None
    plan_hash: str
    holder: str
    front: str


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One step as planned; the estimate is in seconds."""

    id: str
    kind: str
    title: str
    component: str
    pod: str
    estimate: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Risk:
    """A risk the plan names, and whether the person who started the run acknowledged it."""

    name: str
    level: str
    text: str
    acknowledged: bool


@dataclass(frozen=True, slots=True)
class PointOfNoReturn:
    """The step from whose start on a rollback is no longer safe."""

    step_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Something a step waited for, in seconds."""

    what: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class StepRun:
    """One step as it ran."""

    id: str
    title: str
    kind: str
    state: str
    started: float | None
    finished: float | None
    attempts: int
    waits: tuple[Wait, ...]
    text: str

    @property
    def going_back(self) -> bool:
        """Whether a pod goes back in it to the image it had before the run."""
        return self.kind == "rollback-pod"

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it has not ended."""
        if self.started is None or self.finished is None:
            return None
        return max(0.0, self.finished - self.started)


@dataclass(frozen=True, slots=True)
class Event:
    """Something seen at a moment; `data` depends on the kind."""

    at: float
    kind: str
    step: str
    subject: str
    text: str
    data: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Setting:
    """An FE setting the run had to change: its value per FE before and after."""

    key: str
    baseline: str
    quiesced: str
    before: Mapping[str, str]
    final: Mapping[str, str]
    state: str
    note: str


@dataclass(frozen=True, slots=True)
class PodSide:
    """A pod at one end of the run."""

    image: str
    uid: str
    version: str


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod before and after."""

    name: str
    component: str
    before: PodSide
    after: PodSide
    touched: bool


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate of one step: from its first to its last evaluation."""

    name: str
    step: str
    subject: str
    verdict: str
    first: float | None
    last: float | None
    evaluations: int
    text: str


@dataclass(frozen=True, slots=True)
class ValueChange:
    """A setting that a hook brought from one value to another."""

    key: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Hook:
    """One hook as it ran."""

    name: str
    stage: str
    step: str
    source: str
    outcome: str
    critical: bool
    attempts: int
    seconds: float | None
    text: str
    log: str
    statements: tuple[str, ...]
    values: tuple[ValueChange, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that was sent to the leader because it changes something, as it may be printed."""

    at: float | None
    sql: str
    step: str
    why: str


@dataclass(frozen=True, slots=True)
class Report:
    """The whole report."""

    run: Run
    plan: tuple[PlanStep, ...]
    risks: tuple[Risk, ...]
    no_return: PointOfNoReturn | None
    steps: tuple[StepRun, ...]
    events: tuple[Event, ...]
    settings: tuple[Setting, ...]
    pods: tuple[Pod, ...]
    gates: tuple[Gate, ...]
    hooks: tuple[Hook, ...]
    statements: tuple[Statement, ...]

    @property
    def open_settings(self) -> tuple[Setting, ...]:
        """Settings that are still as the run left them."""
        return tuple(setting for setting in self.settings if setting.state == "open")

    @property
    def conflicts(self) -> tuple[Setting, ...]:
        """Settings that someone else changed meanwhile, which a restore does not touch."""
        return tuple(setting for setting in self.settings if setting.state == "conflict")

    @property
    def seconds(self) -> float | None:
        """How long the run took; None while it has not ended."""
        if self.run.started is None or self.run.finished is None:
            return None
        return max(0.0, self.run.finished - self.run.started)

    @property
    def estimate(self) -> float | None:
        """What the plan expected the run to take, in seconds; None without estimates."""
        known = [step.estimate for step in self.plan if step.estimate is not None]
        return sum(known) if known else None


def parse_time(value: object) -> float | None:
    """Return an RFC 3339 time as seconds since the epoch, or None if it is not one; no zone means UTC."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return seconds if 0 <= seconds <= _LAST_MOMENT else None


def clock(seconds: float | None, *, with_date: bool = False) -> str:
    """Return the UTC time of day of a moment, `03:15:22`, on request with its date; `–` where unknown."""
    if seconds is None:
        return "–"
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S" if with_date else "%H:%M:%S")


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _maps(value: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, (list, tuple)):
        yield from (item for item in value if isinstance(item, Mapping))


def _str(source: Mapping[str, Any], key: str) -> str:
    value = source.get(key)
    return "" if value is None else str(value)


def _strs(value: object) -> dict[str, str]:
    return {str(key): "" if item is None else str(item) for key, item in _map(value).items()}


def _number(source: Mapping[str, Any], key: str) -> float | None:
    value = source.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _count(source: Mapping[str, Any], key: str) -> int:
    return int(_number(source, key) or 0)


def _run(source: Mapping[str, Any]) -> Run:
    return Run(
        id=_str(source, "id"),
        title=_str(source, "title"),
        cluster=_str(source, "cluster"),
        namespace=_str(source, "namespace"),
        from_version=_str(source, "from"),
        to_version=_str(source, "to"),
        outcome=_str(source, "outcome"),
        reason=_str(source, "reason"),
        remedy=_str(source, "remedy"),
        started=parse_time(source.get("startedAt")),
        finished=parse_time(source.get("finishedAt")),
        plan_hash=_str(source, "planHash"),
        holder=_str(source, "holder"),
        front=_str(source, "front"),
    )


def _plan_step(source: Mapping[str, Any]) -> PlanStep:
    return PlanStep(
        id=_str(source, "id"),
        kind=_str(source, "kind"),
        title=_str(source, "title"),
        component=_str(source, "component"),
        pod=_str(source, "pod"),
        estimate=_number(source, "estimateSeconds"),
        reason=_str(source, "reason"),
    )


def _risk(source: Mapping[str, Any]) -> Risk:
    return Risk(_str(source, "name"), _str(source, "level"), _str(source, "text"), source.get("acknowledged") is True)


def _no_return(value: object) -> PointOfNoReturn | None:
    source = _map(value)
    return PointOfNoReturn(_str(source, "stepId"), _str(source, "text")) if source else None


def _step(source: Mapping[str, Any]) -> StepRun:
    return StepRun(
        id=_str(source, "id"),
        title=_str(source, "title"),
        kind=_str(source, "kind"),
        state=_str(source, "state"),
        started=parse_time(source.get("startedAt")),
        finished=parse_time(source.get("finishedAt")),
        attempts=_count(source, "attempts"),
        waits=tuple(Wait(_str(item, "what"), _number(item, "seconds")) for item in _maps(source.get("waitedFor"))),
        text=_str(source, "text"),
    )


def _events(value: object) -> tuple[Event, ...]:
    timed = (
        Event(
            at=at,
            kind=_str(item, "kind"),
            step=_str(item, "step"),
            subject=_str(item, "subject"),
            text=_str(item, "text"),
            data=_strs(item.get("data")),
        )
        for item in _maps(value)
        if (at := parse_time(item.get("at"))) is not None
    )
    return tuple(sorted(timed, key=lambda event: event.at))


def _setting(source: Mapping[str, Any]) -> Setting:
    return Setting(
        key=_str(source, "key"),
        baseline=_str(source, "baseline"),
        quiesced=_str(source, "quiesced"),
        before=_strs(source.get("before")),
        final=_strs(source.get("final")),
        state=_str(source, "state"),
        note=_str(source, "note"),
    )


def _side(value: object) -> PodSide:
    source = _map(value)
    return PodSide(_str(source, "image"), _str(source, "uid"), _str(source, "version"))


def _pod(source: Mapping[str, Any]) -> Pod:
    return Pod(
        name=_str(source, "name"),
        component=_str(source, "component"),
        before=_side(source.get("before")),
        after=_side(source.get("after")),
        touched=source.get("touched") is True,
    )


def _gate(source: Mapping[str, Any]) -> Gate:
    return Gate(
        name=_str(source, "name"),
        step=_str(source, "step"),
        subject=_str(source, "subject"),
        verdict=_str(source, "verdict"),
        first=parse_time(source.get("firstAt")),
        last=parse_time(source.get("lastAt")),
        evaluations=_count(source, "evaluations"),
        text=_str(source, "text"),
    )


def _hook(source: Mapping[str, Any]) -> Hook:
    values = (
        ValueChange(_str(item, "key"), _str(item, "before"), _str(item, "after"))
        for item in _maps(source.get("values"))
    )
    return Hook(
        name=_str(source, "name"),
        stage=_str(source, "stage"),
        step=_str(source, "step"),
        source=_str(source, "source"),
        outcome=_str(source, "outcome"),
        critical=source.get("critical") is not False,
        attempts=_count(source, "attempts"),
        seconds=_number(source, "seconds"),
        text=_str(source, "text"),
        log=_str(source, "log"),
        statements=_texts(source.get("statements")),
        values=tuple(values),
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, (list, tuple)) else ()


def _statement(source: Mapping[str, Any]) -> Statement:
    return Statement(parse_time(source.get("at")), _str(source, "sql"), _str(source, "step"), _str(source, "why"))


def read_report(source: Mapping[str, Any]) -> Report:
    """Return the report's values; what is missing or of another type is empty."""
    plan = _map(source.get("plan"))
    return Report(
        run=_run(_map(source.get("run"))),
        plan=tuple(map(_plan_step, _maps(plan.get("steps")))),
        risks=tuple(map(_risk, _maps(plan.get("risks")))),
        no_return=_no_return(plan.get("pointOfNoReturn")),
        steps=tuple(map(_step, _maps(source.get("steps")))),
        events=_events(source.get("events")),
        settings=tuple(map(_setting, _maps(source.get("settings")))),
        pods=tuple(map(_pod, _maps(source.get("pods")))),
        gates=tuple(map(_gate, _maps(source.get("gates")))),
        hooks=tuple(map(_hook, _maps(source.get("hooks")))),
        statements=tuple(map(_statement, _maps(source.get("statements")))),
    )
