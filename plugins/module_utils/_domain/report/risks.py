# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The risk report as a page and as Markdown, from its JSON form. Every string in it is taken for foreign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.report import elements, markdown
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.elements import Heads
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.page import RISK_TONES
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.text import (
    count,
    duration,
    escape,
    sentence,
)

Source = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verdict means: its tone, its name and the sentence under it."""

    tone: str
    name: str
    text: str


VERDICTS = {
    "ready": Verdict("ok", "ready", "No danger is known. It may be carried out."),
    "risky": Verdict("warn", "ready, with dangers", "It may be carried out; the dangers below were accepted."),
    "refused": Verdict("bad", "refused", "It must not be carried out as it stands. Nothing was touched."),
    "unchanged": Verdict("ok", "nothing to do", "The cluster is as asked."),
}
_UNKNOWN = Verdict("info", "unknown", "The report does not say whether the plan may be carried out.")
_STEP_TONES = {"done": ("ok", "✓ done"), "planned": ("idle", "– planned")}


def _rows(source: Source, name: str) -> list[Source]:
    return [item for item in source.get(name) or () if isinstance(item, Mapping)]


def _text(source: Source, name: str) -> str:
    value = source.get(name)
    return "" if value is None else str(value)


def _plan(source: Source) -> Source:
    plan = source.get("plan")
    return plan if isinstance(plan, Mapping) else {}


def _title(plan: Source) -> str:
    moved = f"{_text(plan, 'from')} → {_text(plan, 'to')}"
    return f"{_text(plan, 'namespace')}/{_text(plan, 'cluster')}, {_text(plan, 'direction')} {moved}"


def _facts(source: Source) -> list[tuple[str, str]]:
    plan = _plan(source)
    facts = [
        ("Cluster", f"{_text(plan, 'namespace')}/{_text(plan, 'cluster')}"),
        ("Versions", f"{_text(plan, 'from')} → {_text(plan, 'to')}"),
        ("Steps", str(len(_rows(source, "steps")))),
        ("Estimate", duration(plan.get("estimateSeconds"))),
        ("Point of no return", _text(source, "pointOfNoReturn")),
        ("Continues run", _text(plan, "continues")),
        ("Plan", _text(plan, "hash")),
        ("Made at (UTC)", _text(plan, "at")),
    ]
    return [(name, value) for name, value in facts if value]


def _accepted(risk: Source) -> str:
    word = _text(risk, "acknowledge")
    if not word:
        return "not needed"
    return "yes" if risk.get("acknowledged") is True else f"no; acknowledge {word}"


def _state(step: Source) -> str:
    return "done" if step.get("done") is True else "planned"


# -- the page ----------------------------------------------------------------------------------------------------------


def render_risks_html(source: Source) -> str:
    """Return the risk report as one HTML file without scripts and external resources."""
    plan = _plan(source)
    verdict = VERDICTS.get(_text(plan, "verdict"), _UNKNOWN)
    facts = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in _facts(source))
    parts = [
        f'<header class="card banner tone-{verdict.tone}"><div class="kicker"><span>Risk report</span>'
        f'<span class="badge tone-{verdict.tone}">{escape(verdict.name)}</span></div>'
        f'<h1><span>{escape(_title(plan))}</span></h1><p class="reason">{escape(verdict.text)}</p></header>',
        _refusals_html(source),
        _risks_html(source),
        elements.section("Plan", f'<dl class="facts">{facts}</dl>', "card"),
        _steps_html(source),
        _settings_html(source),
        _images_html(source),
    ]
    return elements.document(f"{_title(plan)} ({verdict.name})", parts, "steady.rollout · risk report · times are UTC")


def _refusals_html(source: Source) -> str:
    heads: Heads = [("Why it is refused", "wide"), ("Remedy", "wide")]
    rows = [
        [elements.plain(sentence(_text(row, "reason"))), elements.plain(_text(row, "remedy"))]
        for row in _rows(source, "refusals")
    ]
    title = count(len(rows), "reason") + " to refuse"
    return elements.section(title, elements.table(heads, rows, "Refusals")) if rows else ""


def _risks_html(source: Source) -> str:
    heads: Heads = ["Level", "Risk", ("What it means", "wide"), "Accepted"]
    rows = [
        [
            elements.badge(RISK_TONES, _text(risk, "level")),
            elements.code(_text(risk, "name")),
            elements.plain(_text(risk, "text")),
            escape(_accepted(risk)),
        ]
        for risk in _rows(source, "risks")
    ]
    return elements.section("Risks", elements.table(heads, rows, "Risks") if rows else "<p>None is known.</p>")


def _steps_html(source: Source) -> str:
    heads: Heads = [("#", "num"), ("Step", "wide"), ("Why", "wide"), "State", ("Estimate", "num")]
    crossing = _text(source, "pointOfNoReturn")
    rows = [_step_html(number, step, crossing) for number, step in enumerate(_rows(source, "steps"), 1)]
    return elements.section("Steps", elements.table(heads, rows, "Steps")) if rows else ""


def _step_html(number: int, step: Source, crossing: str) -> list[str]:
    lines = "".join(f"<br><small>{escape(line)}</small>" for line in step.get("hooks") or ())
    mark = "<br><small>the point of no return</small>" if crossing and _text(step, "id") == crossing else ""
    return [
        str(number),
        escape(_text(step, "title")) + mark + lines,
        elements.plain(_text(step, "reason")),
        elements.badge(_STEP_TONES, _state(step)),
        escape(duration(step.get("estimateSeconds"))),
    ]


def _settings_html(source: Source) -> str:
    rows = [[elements.code(_text(row, "key")), elements.code(_text(row, "held"))] for row in _rows(source, "settings")]
    table = elements.table([("FE setting", "wide"), "Held at"], rows, "FE settings")
    return elements.section("Switched off meanwhile, put back afterwards", table) if rows else ""


def _images_html(source: Source) -> str:
    names = ("component", "from", "to")
    rows = [[elements.code(_text(row, name)) for name in names] for row in _rows(source, "images")]
    table = elements.table(["Component", ("Image now", "wide"), ("Image asked for", "wide")], rows, "Images")
    return elements.section("Images", table) if rows else ""


# -- Markdown ----------------------------------------------------------------------------------------------------------


def render_risks_markdown(source: Source) -> str:
    """Return the risk report as Markdown, for a merge request or a chat."""
    plan = _plan(source)
    verdict = VERDICTS.get(_text(plan, "verdict"), _UNKNOWN)
    refusals = [(_text(row, "reason"), _text(row, "remedy")) for row in _rows(source, "refusals")]
    risks = [
        (_text(risk, "level"), _text(risk, "name"), _text(risk, "text"), _accepted(risk))
        for risk in _rows(source, "risks")
    ]
    lines = [f"# Risk report: {markdown.escape(_title(plan))}", "", f"**{verdict.name}**: {verdict.text}", ""]
    lines += _part("Why it is refused", ("Reason", "Remedy"), refusals)
    lines += _part("Risks", ("Level", "Risk", "What it means", "Accepted"), risks)
    lines += [] if risks else ["No risk is known.", ""]
    lines += _part("Plan", ("What", "Value"), _facts(source))
    lines += _part("Steps", ("#", "Step", "Why", "Estimate"), _steps(source))
    return "\n".join(lines).rstrip() + "\n"


def _part(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A heading with a table of foreign strings; nothing without rows."""
    if not rows:
        return []
    cells = [tuple(map(markdown.escape, row)) for row in rows]
    return [f"## {title}", "", *markdown.table(heads, cells), ""]


def _steps(source: Source) -> list[tuple[str, ...]]:
    return [
        (
            str(number),
            _text(step, "title"),
            _text(step, "reason"),
            "done" if _state(step) == "done" else duration(step.get("estimateSeconds")),
        )
        for number, step in enumerate(_rows(source, "steps"), 1)
    ]
