# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines for a console from the key `rollout` of a result, the same under every stdout callback.

An action plugin's result may carry `rollout`, a mapping with:

- `type`: plan, step, info or report
- `line`, `lines`: text to show as it is
- `step`: `id`, `title`, `index` and `total`; with `outcome`, `elapsed` in seconds and `text` (what it waited for)
- `run`: `cluster`, `from`, `to` and `id`, for the header
- `open`: sentences, what the run has switched off and not yet restored; an empty list once nothing is
- `resume`: a sentence, how to go on if the run ends here
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.report.text import duration, one_line

_TITLE_WIDTH = 44
_SYMBOLS = {
    "done": ("✓", "ok"),
    "failed": ("✕", "bad"),
    "skipped": ("–", "quiet"),
    "waiting": ("…", "quiet"),
    "replan": ("↻", "warn"),
    "unchanged": ("=", "quiet"),
}
_ASCII = str.maketrans(
    {"✓": "+", "✕": "x", "–": "-", "…": "...", "↻": "~", "→": "->", "·": "-", "•": "*", "↩": "<", "▶": ">"}
)
_RESUME = "Run the same command again: it goes on where this run stopped."


@dataclass(frozen=True, slots=True)
class Line:
    """One line; `tone` is plain, quiet, ok, warn or bad, and `symbol` the part at its start that is coloured alone."""

    text: str
    tone: str = "plain"
    symbol: str = ""


def ascii_only(text: str) -> str:
    """Return the text for a terminal that cannot show more than ASCII."""
    return text.translate(_ASCII).encode("ascii", "replace").decode("ascii")


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _texts(value: object) -> list[str]:
    """Return the lines of a string or of a list of strings; blank ones stay, control characters go."""
    items = [value] if isinstance(value, str) else value if isinstance(value, (list, tuple)) else []
    return [_indented(line) for item in items for line in str(item).split("\n")]


def _indented(line: str) -> str:
    text = one_line(line)
    return " " * (len(line) - len(line.lstrip(" "))) + text.lstrip(" ") if text else ""


def _seconds(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def header(rollout: Mapping[str, Any]) -> list[Line]:
    """Return the line that says what is upgraded; none if the result does not say it."""
    run = _map(rollout.get("run"))
    if not run.get("cluster"):
        return []
    parts = [one_line(run["cluster"])]
    if run.get("from") and run.get("to"):
        parts.append(f"{one_line(run['from'])} → {one_line(run['to'])}")
    if run.get("id"):
        parts.append(f"run {one_line(run['id'])}")
    return [Line("  ·  ".join(parts))]


def _place(step: Mapping[str, Any]) -> str:
    index, total = step.get("index"), step.get("total")
    if not isinstance(index, int) or not isinstance(total, int):
        return ""
    return f"{index:>{len(str(total))}}/{total}  "


def _step(rollout: Mapping[str, Any], step: Mapping[str, Any]) -> Line:
    symbol, tone = _SYMBOLS.get(str(rollout.get("outcome")), ("•", "plain"))
    title = one_line(step.get("title") or step.get("id") or "")
    elapsed = _seconds(rollout.get("elapsed"))
    took = duration(elapsed) if elapsed is not None else ""
    text = f"{symbol} {_place(step)}{title:<{_TITLE_WIDTH}} {took:>12}  {one_line(rollout.get('text') or '')}"
    return Line(text.rstrip(), tone, symbol)


def lines(rollout: Mapping[str, Any]) -> list[Line]:
    """Return what to show of a result's `rollout`, without the header."""
    step = _map(rollout.get("step"))
    if rollout.get("type") == "step" and step:
        return [_step(rollout, step), *(Line("    " + text, "quiet") for text in _texts(rollout.get("lines")))]
    return [Line(text) for text in [*_texts(rollout.get("line")), *_texts(rollout.get("lines"))]]


def failure(result: Mapping[str, Any], task: str) -> list[Line]:
    """Return a failed result of ours for a person: what failed, why, which gate refused, and what to do."""
    rollout = _map(result.get("rollout"))
    step = _map(rollout.get("step"))
    message = one_line(result.get("msg") or "")
    reason = one_line(result.get("reason") or "")
    if reason:
        # The message says reason and remedy in one, for callbacks that show nothing else.
        message = ""
    first = (
        _step({**rollout, "outcome": "failed", "text": ""}, step) if step else Line(f"✕ {one_line(task)}", "bad", "✕")
    )
    facts = [
        ("what", message),
        ("gate", result.get("gate")),
        ("why", result.get("reason")),
        ("remedy", result.get("remedy")),
    ]
    said = [Line(first.text, "bad", "")]
    seen: set[str] = set()
    for label, value in facts:
        for text in _texts(value if not isinstance(value, Mapping) else value.get("name")):
            if text and text not in seen:
                seen.add(text)
                said.append(Line(f"    {label:<8}{text}", "plain"))
    return said


def still_open(rollout: Mapping[str, Any], *, interrupted_in: str = "") -> list[Line]:
    """Return what to say when a run ends with something open, or is interrupted in a task."""
    sentences = _texts(rollout.get("open"))
    if not sentences and not interrupted_in:
        return []
    said = [Line(f"✕ interrupted in: {one_line(interrupted_in)}", "bad")] if interrupted_in else []
    if sentences:
        said.append(Line("✕ still open:", "bad"))
        said += [Line(f"    {text}") for text in sentences]
    resume = _texts(rollout.get("resume"))[0] if sentences and rollout.get("resume") else _RESUME
    return [*said, Line(f"    remedy  {resume}")]


def plain(items: Iterable[Line], *, unicode: bool = True) -> list[str]:
    """Return lines as text."""
    return [item.text if unicode else ascii_only(item.text) for item in items]
