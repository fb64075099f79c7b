# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the events say about the run over time: spans and marks in seconds since its start.

No geometry here; `drawing` turns these into a picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ansible_collections.steady.rollout.plugins.module_utils._domain.report.model import Event, Pod, Report

# A run of no length still needs an axis.
_SHORTEST_AXIS = 1.0
_TICK_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_POD_EVENT_STATES = {"deleted": "down", "created": "starting", "starting": "starting", "failed": "failed"}


@dataclass(frozen=True, slots=True)
class Span:
    """A state that held from `start` to `end`."""

    start: float
    end: float
    state: str
    label: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at one moment."""

    at: float
    state: str
    label: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PodLane:
    """One pod's states; `pods` are several names where untouched pods share a lane."""

    pods: tuple[str, ...]
    component: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Everything the picture shows; `origin` is the start as seconds since the epoch, `length` is in seconds."""

    origin: float
    length: float
    steps: tuple[Span, ...]
    gates: tuple[Span, ...]
    gates_passed: tuple[Mark, ...]
    settings: tuple[Span, ...]
    setting_marks: tuple[Mark, ...]
    leaders: tuple[Span, ...]
    hooks: tuple[Mark, ...]
    pods: tuple[PodLane, ...]
    rollback: Span | None
    no_return: Mark | None


def tick_step(length: float, most: int) -> float:
    """Return the distance of axis ticks, in seconds: a round one that gives at most `most` ticks."""
    for step in _TICK_STEPS:
        if length / step <= most:
            return step
    return 86400.0 * math.ceil(length / 86400 / most)


def ticks(start: float, end: float, step: float) -> list[float]:
    """Return the multiples of `step` within [start, end]."""
    first = math.ceil(start / step - 1e-9)
    last = math.floor(end / step + 1e-9)
    return [round(number * step, 3) for number in range(first, last + 1)]


def _bounds(report: Report) -> tuple[float, float] | None:
    run = report.run
    moments = [moment for moment in (run.started, run.finished) if moment is not None]
    moments += [event.at for event in report.events]
    for step in report.steps:
        moments += [moment for moment in (step.started, step.finished) if moment is not None]
    for gate in report.gates:
        moments += [moment for moment in (gate.first, gate.last) if moment is not None]
    return (min(moments), max(moments)) if moments else None


def _steps(report: Report, origin: float, length: float) -> tuple[Span, ...]:
    spans = []
    for number, step in enumerate(report.steps, start=1):
        if step.started is None:
            continue
        end = length if step.finished is None else step.finished - origin
        start = step.started - origin
        spans.append(Span(start, max(start, end), step.state, str(number), step.title))
    return tuple(spans)


def _gates(report: Report, origin: float, length: float) -> tuple[tuple[Span, ...], tuple[Mark, ...]]:
    """Gates that made the run wait, as spans; those that passed at once, as one mark per moment and step."""
    waited: list[Span] = []
    at_once: dict[tuple[str, int], list[str]] = {}
    moments: dict[tuple[str, int], float] = {}
    for gate in report.gates:
        if gate.last is None:
            continue
        last = gate.last - origin
        first = last if gate.first is None else min(last, gate.first - origin)
        if gate.verdict != "passed" or last - first > 0.5 or gate.evaluations > 2:
            detail = f"{gate.name} ({gate.subject or gate.step}): {gate.text}"
            waited.append(Span(first, last, gate.verdict, gate.name, detail))
        else:
            key = (gate.step, round(last / length * 400))
            at_once.setdefault(key, []).append(gate.name)
            moments[key] = last
    marks = [Mark(moments[key], "passed", key[0], ", ".join(names)) for key, names in at_once.items()]
    return tuple(sorted(waited, key=lambda span: (span.start, span.end))), tuple(
        sorted(marks, key=lambda mark: mark.at)
    )


def _close(spans: list[Span], at: float, state: str, detail: str) -> None:
    """Begin a new state at a moment, unless it holds already."""
    if spans and spans[-1].state == state:
        return
    if spans:
        spans[-1] = replace(spans[-1], end=max(spans[-1].start, at))
    spans.append(Span(at, at, state, detail=detail))


def _finish(spans: list[Span], length: float) -> tuple[Span, ...]:
    if spans:
        spans[-1] = replace(spans[-1], end=max(spans[-1].start, length))
    return tuple(span for span in spans if span.end > span.start)


class _Settings:
    """Follows the switched-off settings as a whole through the events."""

    def __init__(self) -> None:
        self.spans: list[Span] = [Span(0.0, 0.0, "normal")]
        self.marks: list[Mark] = []
        self._off: set[str] = set()

    def window(self, event: Event, at: float) -> None:
        """The repair window opens, or closes while something is off."""
        if event.data.get("state") == "open":
            _close(self.spans, at, "window", event.text)
        elif self._off:
            _close(self.spans, at, "off", event.text)

    def setting(self, event: Event, at: float) -> None:
        """One setting is switched off, set again after an FE restart, restored, or left to someone else's value."""
        phase, key = event.data.get("phase", ""), event.data.get("key", event.subject)
        if phase == "quiesced":
            self._off.add(key)
            _close(self.spans, at, "off", event.text)
        elif phase in ("reasserted", "conflict"):
            self.marks.append(Mark(at, phase, "set again" if phase == "reasserted" else phase, event.text))
        if phase in ("restored", "conflict"):
            self._off.discard(key)
            if not self._off:
                _close(self.spans, at, "normal", event.text)


def _settings(report: Report, origin: float, length: float) -> tuple[tuple[Span, ...], tuple[Mark, ...]]:
    """The states of the settings, and the moments they were set again or found changed by someone else."""
    events = [event for event in report.events if event.kind in ("setting", "window")]
    if not report.settings and not events:
        return (), ()
    state = _Settings()
    for event in events:
        (state.window if event.kind == "window" else state.setting)(event, event.at - origin)
    if report.open_settings and state.spans[-1].state == "normal":
        _close(state.spans, state.spans[-1].start, "off", "")
    return _finish(state.spans, length), tuple(state.marks)


def _leaders(report: Report, origin: float, length: float) -> tuple[Span, ...]:
    changes = [event for event in report.events if event.kind == "leader"]
    if not changes:
        return ()
    spans = []
    if before := changes[0].data.get("from", ""):
        spans.append(Span(0.0, 0.0, "leader", before))
    for event in changes:
        at = event.at - origin
        if spans:
            spans[-1] = replace(spans[-1], end=at)
        spans.append(Span(at, at, "leader", event.subject, event.text))
    return _finish(spans, length)


def _pod_spans(pod: Pod, events: Iterable[Event], report: Report, origin: float, length: float) -> tuple[Span, ...]:
    """States of one pod. Without an image in the events, the run's phase tells which version a ready pod has."""
    spans = [Span(0.0, 0.0, "old" if pod.before.image else "absent")]
    begin = _rollback_start(report)
    image = pod.before.image
    for event in events:
        seen = event.data.get("state", "")
        image = event.data.get("image") or image
        if seen in ("ready", "old"):
            same = image == pod.before.image and ("image" in event.data or begin is not None)
            state = "old" if seen == "old" or same else "new"
        else:
            state = _POD_EVENT_STATES.get(seen, "")
        if state:
            _close(spans, event.at - origin, state, event.text)
    return tuple(span for span in _finish(spans, length) if span.state != "absent")


def _component_order(report: Report) -> dict[str, int]:
    """Components in the order in which the plan comes to them."""
    names = [step.component for step in report.plan if step.pod] + [pod.component for pod in report.pods]
    return {name: index for index, name in enumerate(dict.fromkeys(names))}


def _pods(report: Report, origin: float, length: float) -> tuple[PodLane, ...]:
    seen: dict[str, list[Event]] = {}
    for event in report.events:
        if event.kind == "pod":
            seen.setdefault(event.subject, []).append(event)
    order = _component_order(report)
    still = [pod for pod in report.pods if not pod.touched and pod.name not in seen]
    together = len(report.pods) > 12
    lanes = []
    for pod in report.pods:
        if together and pod in still:
            continue
        spans = _pod_spans(pod, seen.get(pod.name, ()), report, origin, length)
        lanes.append(PodLane((pod.name,), pod.component, spans))
    if together:
        for component in dict.fromkeys(pod.component for pod in still):
            names = tuple(pod.name for pod in still if pod.component == component)
            lanes.append(PodLane(names, component, (Span(0.0, length, "old"),)))
    return tuple(sorted(lanes, key=lambda lane: (order[lane.component], *_lane_key(lane))))


def _lane_key(lane: PodLane) -> tuple[bool, str, int]:
    """Shared lanes last; otherwise the highest ordinal first, which is the order a StatefulSet rolls in."""
    stem, _dash, ordinal = lane.pods[0].rpartition("-")
    return (len(lane.pods) > 1, stem, -int(ordinal) if ordinal.isascii() and ordinal.isdigit() else 0)


def _rollback_start(report: Report) -> float | None:
    starts = [event.at for event in report.events if event.kind == "rollback"]
    starts += [step.started for step in report.steps if step.going_back and step.started is not None]
    return min(starts, default=None)


def _rollback(report: Report, origin: float, length: float) -> Span | None:
    begin = _rollback_start(report)
    if begin is None:
        return None
    ends = [step.finished for step in report.steps if step.going_back and step.finished is not None]
    end = max(ends) - origin if ends else length
    return Span(begin - origin, max(begin - origin, end), "rollback", "rollback")


def _no_return(report: Report, origin: float) -> Mark | None:
    point = report.no_return
    if point is None:
        return None
    for step in report.steps:
        if step.id == point.step_id and step.started is not None:
            return Mark(step.started - origin, "no-return", "point of no return", point.text)
    return None


def _marks(events: Sequence[Event], origin: float, kind: str) -> tuple[Mark, ...]:
    return tuple(
        Mark(event.at - origin, event.data.get("state", "done"), event.subject or event.text, event.text)
        for event in events
        if event.kind == kind
    )


def read_timeline(report: Report) -> Timeline | None:
    """Return the run over time, or None if the report holds no moment at all or nothing was carried out."""
    bounds = _bounds(report)
    if bounds is None or not (report.steps or report.events):
        return None
    origin = bounds[0]
    length = max(_SHORTEST_AXIS, bounds[1] - origin)
    gates, gates_passed = _gates(report, origin, length)
    settings, setting_marks = _settings(report, origin, length)
    return Timeline(
        origin=origin,
        length=length,
        steps=_steps(report, origin, length),
        gates=gates,
        gates_passed=gates_passed,
        settings=settings,
        setting_marks=setting_marks,
        leaders=_leaders(report, origin, length),
        hooks=_marks(report.events, origin, "hook"),
        pods=_pods(report, origin, length),
        rollback=_rollback(report, origin, length),
        no_return=_no_return(report, origin),
    )
