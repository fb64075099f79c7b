# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The timeline as SVG: a column of lane names that stays in view, and a plot that may be scrolled.

Lengths are CSS pixels at the drawing's natural size. Every state has a fill pattern or a shape of its own,
so the picture also reads in grey and to a colour-blind person.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ansible_collections.steady.rollout.plugins.module_utils._domain.report.model import Report, clock
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.text import (
    count,
    duration,
    escape,
    shorten,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.timeline import (
    Mark,
    PodLane,
    Span,
    Timeline,
    tick_step,
    ticks,
)

NAMES_WIDTH = 148
PLOT_WIDTH = 972
_LEFT, _RIGHT = 6, 14
_CHARACTER = 6.1
_COMPONENTS = {"be": "Backends (BE)", "cn": "Compute nodes (CN)", "fe": "Frontends (FE)"}
_STEP_CLASSES = {
    "done": "done",
    "failed": "failed",
    "running": "running",
    "rolled-back": "undone",
    "skipped": "skipped",
    "pending": "skipped",
}
_SPAN_TEXT = {
    "old": "runs the version from before",
    "down": "deleted, not yet recreated",
    "starting": "starting, not ready",
    "new": "ready with the new version",
    "failed": "failing",
    "off": "switched off",
    "window": "repair window open",
    "normal": "as before the run",
}
LEGEND = (
    ("old", "version before"),
    ("down", "pod deleted"),
    ("starting", "starting"),
    ("new", "new version, ready"),
    ("failed", "failing"),
    ("off", "settings switched off"),
    ("window", "repair window open"),
    ("again", "set again after an FE restart"),
    ("wait", "gate waited, then passed"),
    ("refused", "gate refused to the end"),
)
DEFINITIONS = (
    '<svg class="definitions" width="0" height="0" aria-hidden="true" focusable="false"><defs>'
    '<pattern id="fill-starting" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="7" height="7" class="p-starting-a"/><rect width="3" height="7" class="p-starting-b"/></pattern>'
    '<pattern id="fill-failed" width="7" height="7" patternUnits="userSpaceOnUse">'
    '<rect width="7" height="7" class="p-failed-a"/><path d="M0 0L7 7M7 0L0 7" class="p-failed-b"/></pattern>'
    '<pattern id="fill-off" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">'
    '<rect width="6" height="6" class="p-off-a"/><rect width="2" height="6" class="p-off-b"/></pattern>'
    '<pattern id="fill-window" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<rect width="6" height="6" class="p-window-a"/><circle cx="3" cy="3" r="1.1" class="p-window-b"/></pattern>'
    "</defs></svg>"
)


@dataclass(slots=True)
class _Drawing:
    """The two halves while they grow downwards."""

    timeline: Timeline
    names: list[str] = field(default_factory=list)
    plot: list[str] = field(default_factory=list)
    y: float = 0.0

    def x(self, at: float) -> float:
        share = min(1.0, max(0.0, at / self.timeline.length))
        return _LEFT + share * (PLOT_WIDTH - _LEFT - _RIGHT)


def _n(number: float) -> str:
    return f"{number:.1f}".rstrip("0").rstrip(".")


def _width(text: str, character: float = _CHARACTER) -> float:
    return len(text) * character


def _text(x: float, y: float, text: str, kind: str = "t", anchor: str = "start") -> str:
    return f'<text x="{_n(x)}" y="{_n(y)}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def _rect(x: float, y: float, width: float, height: float, kind: str, title: str) -> str:
    return (
        f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(max(2.0, width))}" height="{_n(height)}" rx="2" class="{kind}">'
        f"<title>{escape(title)}</title></rect>"
    )


def _name(drawing: _Drawing, text: str, height: float, kind: str = "t") -> None:
    most = int((NAMES_WIDTH - 12) / _CHARACTER)
    label = _text(NAMES_WIDTH - 10, drawing.y + height / 2 + 4, shorten(text, most), kind, "end")
    drawing.names.append(f"<g><title>{escape(text)}</title>{label}</g>")


def _times(span: Span) -> str:
    return f"{duration(span.start)} to {duration(span.end)}, {duration(span.end - span.start)}"


def _elapsed_label(seconds: float, step: float) -> str:
    if step < 1:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if step >= 60 and whole >= 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02d} h"
    if step >= 60:
        return f"{whole // 60} min"
    return f"{whole // 60}:{whole % 60:02d}"


def _tick_anchor(x: float) -> str:
    return "start" if x < 20 else "end" if x > PLOT_WIDTH - 34 else "middle"


def _axis_top(drawing: _Drawing) -> list[float]:
    """Draw the elapsed times; return where the grid lines go."""
    length = drawing.timeline.length
    step = tick_step(length, 12)
    moments = ticks(0.0, length, step)
    for moment in moments:
        x = drawing.x(moment)
        drawing.plot.append(_text(x, drawing.y + 12, _elapsed_label(moment, step), "t quiet", _tick_anchor(x)))
    drawing.names.append(_text(NAMES_WIDTH - 10, drawing.y + 12, "since the start", "t quiet", "end"))
    drawing.y += 20
    return [drawing.x(moment) for moment in moments]


def _axis_bottom(drawing: _Drawing) -> None:
    """Draw the UTC time of day, at round times of its own, as log files are read by the clock."""
    timeline = drawing.timeline
    step = max(1.0, tick_step(timeline.length, 8))
    for moment in ticks(timeline.origin, timeline.origin + timeline.length, step):
        x = drawing.x(moment - timeline.origin)
        label = clock(moment)[: 5 if step >= 60 else 8]
        drawing.plot.append(f'<path d="M{_n(x)} {_n(drawing.y + 2)}v4" class="tick"/>')
        drawing.plot.append(_text(x, drawing.y + 18, label, "t quiet", _tick_anchor(x)))
    drawing.names.append(_text(NAMES_WIDTH - 10, drawing.y + 18, "UTC", "t quiet", "end"))
    drawing.y += 26


def _heading(drawing: _Drawing, text: str) -> None:
    drawing.y += 8
    label = _text(NAMES_WIDTH - 10, drawing.y + 13, text, "t head", "end")
    drawing.names.append(label)
    drawing.plot.append(f'<path d="M0 {_n(drawing.y + 9)}H{PLOT_WIDTH}" class="rule"/>')
    drawing.y += 20


def _span(drawing: _Drawing, span: Span, height: float, kind: str, title: str, label: str = "") -> None:
    x, end = drawing.x(span.start), drawing.x(span.end)
    drawing.plot.append(_rect(x, drawing.y, end - x, height, kind, title))
    if label and height >= 12 and _width(label) + (4 if label.isdigit() else 10) <= end - x:
        drawing.plot.append(_text((x + end) / 2, drawing.y + height / 2 + 4, label, f"t on-{kind}", "middle"))


def _numbered_every(drawing: _Drawing) -> int:
    """Return 1 where most step numbers have room, else 2, 5 or 10, so that the row counts evenly."""
    widths = sorted(drawing.x(span.end) - drawing.x(span.start) for span in drawing.timeline.steps)
    room = widths[len(widths) // 2] / _width("00 ")
    return next((every for every in (1, 2, 5) if room * every >= 1), 10)


def _draw_steps(drawing: _Drawing) -> None:
    if not drawing.timeline.steps:
        return
    _name(drawing, "Steps", 18, "t strong")
    every = _numbered_every(drawing)
    for span in drawing.timeline.steps:
        title = f"Step {span.label}: {span.detail} ({span.state}); {_times(span)}"
        wide = drawing.x(span.end) - drawing.x(span.start)
        full = f"{span.label}  {span.detail}"
        label = full if _width(full) + 10 <= wide else span.label if int(span.label) % every == 0 else ""
        _span(drawing, span, 18, f"step-{_STEP_CLASSES.get(span.state, 'skipped')}", title, label)
    drawing.y += 24


def _draw_gate(drawing: _Drawing, span: Span, middle: float) -> None:
    x, end = drawing.x(span.start), drawing.x(span.end)
    kind = "wait" if span.state == "passed" else "refused"
    title = f"{span.detail}; {span.state}; {_times(span)}"
    drawing.plot.append(_rect(x, middle - 5, end - x, 10, kind, title))
    center = _n(max(x + 2, end))
    if kind == "wait":
        drawing.plot.append(f'<circle cx="{center}" cy="{_n(middle)}" r="4" class="gate-ok"/>')
    else:
        drawing.plot.append(f'<path d="M{center} {_n(middle - 6)}l6 6l-6 6l-6-6z" class="gate-no"/>')


def _draw_gates(drawing: _Drawing) -> None:
    """Draw a row per gate that made the run wait, and one row for all that passed at once."""
    timeline = drawing.timeline
    if not timeline.gates and not timeline.gates_passed:
        return
    _heading(drawing, "Gates")
    for name in dict.fromkeys(span.label for span in timeline.gates):
        _name(drawing, name, 14)
        for span in timeline.gates:
            if span.label == name:
                _draw_gate(drawing, span, drawing.y + 7)
        drawing.y += 17
    if timeline.gates_passed:
        _name(drawing, "passed at once", 14, "t quiet")
        for mark in timeline.gates_passed:
            title = escape(f"passed at once: {mark.detail}; {duration(mark.at)}")
            at = f'cx="{_n(drawing.x(mark.at))}" cy="{_n(drawing.y + 7)}"'
            drawing.plot.append(f'<circle {at} r="4" class="gate-ok"><title>{title}</title></circle>')
        drawing.y += 17
    drawing.y += 3


def _draw_settings(drawing: _Drawing) -> None:
    timeline = drawing.timeline
    if not timeline.settings:
        return
    _name(drawing, "Settings", 16, "t strong")
    for span in timeline.settings:
        text = _SPAN_TEXT.get(span.state, span.state)
        _span(drawing, span, 16, span.state, f"{text}; {_times(span)}", text if span.state != "window" else "repair")
    for mark in timeline.setting_marks:
        x = drawing.x(mark.at)
        kind = "gate-no" if mark.state == "conflict" else "again"
        drawing.plot.append(
            f'<path d="M{_n(x)} {_n(drawing.y - 3)}l4 -5h-8z" class="{kind}">'
            f"<title>{escape(f'{mark.label}: {mark.detail}')}</title></path>"
        )
    drawing.y += 24


def _draw_leaders(drawing: _Drawing) -> None:
    if not drawing.timeline.leaders:
        return
    _name(drawing, "FE leader", 16, "t strong")
    for index, span in enumerate(drawing.timeline.leaders):
        kind = "leader-a" if index % 2 == 0 else "leader-b"
        _span(drawing, span, 16, kind, f"leader {span.label}; {_times(span)}", span.label)
    drawing.y += 24


def _draw_hooks(drawing: _Drawing) -> None:
    hooks = drawing.timeline.hooks
    if not hooks:
        return
    _name(drawing, "Hooks", 16, "t strong")
    for index, mark in enumerate(hooks):
        x = drawing.x(mark.at)
        kind = "gate-no" if mark.state == "failed" else "hook"
        drawing.plot.append(
            f'<path d="M{_n(x)} {_n(drawing.y + 2)}l6 6l-6 6l-6-6z" class="{kind}">'
            f"<title>{escape(f'{mark.label}: {mark.detail}; {duration(mark.at)}')}</title></path>"
        )
        limit = drawing.x(hooks[index + 1].at) - 8 if index + 1 < len(hooks) else PLOT_WIDTH
        if x + 10 + _width(mark.label) < limit:
            drawing.plot.append(_text(x + 9, drawing.y + 12, mark.label, "t"))
    drawing.y += 24


def _lane_height(lanes: int) -> int:
    return 16 if lanes <= 16 else 12 if lanes <= 36 else 9


def _pod_label(span: Span, report: Report) -> str:
    return {"old": report.run.from_version, "new": report.run.to_version, "failed": "failing"}.get(span.state, "")


def _draw_pod(drawing: _Drawing, lane: PodLane, report: Report, height: int) -> None:
    name = lane.pods[0] if len(lane.pods) == 1 else f"{count(len(lane.pods), 'other pod')}"
    _name(drawing, name, height, "t" if height >= 12 else "t small")
    for span in lane.spans:
        text = _SPAN_TEXT.get(span.state, span.state)
        detail = f"{', '.join(lane.pods)}: {text}; {_times(span)}"
        title = f"{detail}; {span.detail}" if span.detail else detail
        _span(drawing, span, height, span.state, title, _pod_label(span, report))
        if span.state == "down":
            x, end, middle = drawing.x(span.start), drawing.x(span.end), drawing.y + height / 2
            drawing.plot.append(f'<path d="M{_n(x)} {_n(middle)}H{_n(max(x + 2, end))}" class="down-line"/>')
    drawing.y += height + (6 if height >= 16 else 4 if height >= 12 else 3)


def _draw_pods(drawing: _Drawing, report: Report) -> None:
    lanes = drawing.timeline.pods
    height = _lane_height(len(lanes))
    component = None
    for lane in lanes:
        if lane.component != component:
            component = lane.component
            _heading(drawing, _COMPONENTS.get(component, component or "Pods"))
        _draw_pod(drawing, lane, report, height)


def _flags(timeline: Timeline) -> list[Mark]:
    flags = [] if timeline.rollback is None else [Mark(timeline.rollback.start, "rollback", "rollback begins")]
    return [*([] if timeline.no_return is None else [timeline.no_return]), *flags]


def _draw_flags(drawing: _Drawing) -> list[tuple[float, Mark]]:
    """Draw the names of the lines that cross all lanes, in a row each; return where the lines begin."""
    starts = []
    for mark in _flags(drawing.timeline):
        x = drawing.x(mark.at)
        right = x + _width(mark.label) + 8 < PLOT_WIDTH
        start, anchor = (x + 5, "start") if right else (x - 5, "end")
        drawing.plot.append(_text(start, drawing.y + 11, mark.label, f"t {mark.state}", anchor))
        starts.append((drawing.y + 2, mark))
        drawing.y += 16
    return starts


def _behind(drawing: _Drawing, grid: Iterable[float], bottom: float) -> str:
    parts = [f'<path d="M{_n(x)} 18V{_n(bottom)}" class="grid"/>' for x in grid]
    if (span := drawing.timeline.rollback) is not None:
        x = drawing.x(span.start)
        width = max(2.0, drawing.x(span.end) - x)
        parts.append(f'<rect x="{_n(x)}" y="18" width="{_n(width)}" height="{_n(bottom - 18)}" class="rollback-area"/>')
    return "".join(parts)


def _lines(drawing: _Drawing, starts: Iterable[tuple[float, Mark]], bottom: float) -> str:
    return "".join(
        f'<path d="M{_n(drawing.x(mark.at))} {_n(y)}V{_n(bottom)}" class="line-{mark.state}">'
        f"<title>{escape(mark.detail or mark.label)}</title></path>"
        for y, mark in starts
    )


def describe(timeline: Timeline) -> str:
    """Return the picture in words, for readers who cannot see it."""
    said = [f"{count(len(timeline.steps), 'step')} in {duration(timeline.length)}"]
    for lane in timeline.pods:
        if len(lane.spans) > 1:
            states = [f"{_SPAN_TEXT.get(span.state, span.state)} from {duration(span.start)}" for span in lane.spans]
            said.append(f"{lane.pods[0]}: {', '.join(states)}")
    if timeline.rollback is not None:
        said.append(f"rollback from {duration(timeline.rollback.start)}")
    if timeline.no_return is not None:
        said.append(f"point of no return at {duration(timeline.no_return.at)}")
    return ". ".join(said) + "."


def draw(report: Report, timeline: Timeline) -> str:
    """Return the timeline as two SVG elements, side by side in one scrolling box."""
    drawing = _Drawing(timeline)
    grid = _axis_top(drawing)
    starts = _draw_flags(drawing)
    drawing.y += 4
    _draw_steps(drawing)
    _draw_settings(drawing)
    _draw_leaders(drawing)
    _draw_hooks(drawing)
    _draw_gates(drawing)
    _draw_pods(drawing, report)
    bottom = drawing.y
    _axis_bottom(drawing)
    height = _n(drawing.y)
    plot = _behind(drawing, grid, bottom) + "".join(drawing.plot) + _lines(drawing, starts, bottom)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Timeline"><div class="timeline">'
        f'<svg class="names" viewBox="0 0 {NAMES_WIDTH} {height}" aria-hidden="true">{"".join(drawing.names)}</svg>'
        f'<svg class="plot" viewBox="0 0 {PLOT_WIDTH} {height}" role="img" aria-labelledby="plot-title plot-text">'
        f'<title id="plot-title">Timeline of the run</title><desc id="plot-text">{escape(describe(timeline))}</desc>'
        f"{plot}</svg></div></div>"
    )


def swatch(state: str) -> str:
    """Return a small sample of a state for the legend."""
    inner = f'<rect x="1" y="2" width="26" height="10" rx="2" class="{state}"/>'
    if state == "again":
        inner = '<path d="M14 11l5 -7h-10z" class="again"/>'
    if state == "down":
        inner += '<path d="M1 7H27" class="down-line"/>'
    if state == "wait":
        inner += '<circle cx="22" cy="7" r="4" class="gate-ok"/>'
    if state == "refused":
        inner += '<path d="M22 1l6 6l-6 6l-6-6z" class="gate-no"/>'
    return f'<svg class="swatch" width="30" height="14" viewBox="0 0 30 14" aria-hidden="true">{inner}</svg>'
