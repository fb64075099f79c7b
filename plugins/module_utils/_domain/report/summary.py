# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report for a terminal, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from textwrap import wrap
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.report import findings
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.model import Report, clock, read_report
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.text import (
    count,
    duration,
    enumerate_names,
    one_line,
    sentence,
    shorten,
)

WIDTH = 100
LINES = 25
_LABEL = 14
_MOST_LINES_OF_A_FACT = 5


def _fact(label: str, *texts: str) -> list[str]:
    """Return a labelled paragraph, wrapped under its label; a very long one is cut."""
    lines: list[str] = []
    for text in texts:
        lines += wrap(one_line(text), WIDTH - _LABEL - 2, max_lines=_MOST_LINES_OF_A_FACT, placeholder=" …")
    shown = lines[:_MOST_LINES_OF_A_FACT]
    if len(lines) > len(shown):
        shown[-1] = f"… and {len(lines) - len(shown) + 1} more lines, see the report"
    heads = [f"{label}:", *[""] * len(shown)]
    return [f"  {head:<{_LABEL}}{line}".rstrip() for head, line in zip(heads, shown, strict=False)]


def _settings_text(report: Report) -> str:
    if not report.settings:
        return "none was changed"
    counts: dict[str, int] = {}
    for setting in report.settings:
        counts[setting.state] = counts.get(setting.state, 0) + 1
    names = {"open": "still switched off", "conflict": "changed by someone else"}
    return ", ".join(f"{number} {names.get(state, state)}" for state, number in counts.items())


def _gates_text(report: Report) -> str:
    refused = findings.refusing(report)
    passed = f"{len(report.gates) - len(refused)} passed"
    if not refused:
        return passed
    return f"{passed}, {len(refused)} refused ({enumerate_names(f'{gate.name}: {gate.text}' for gate in refused)})"


def _time_text(report: Report) -> str:
    run = report.run
    text = f"{clock(run.started, with_date=True)} to {clock(run.finished)} UTC, {duration(report.seconds)}"
    return text if report.estimate is None else f"{text} (planned {duration(report.estimate)})"


def render_text(source: Mapping[str, Any]) -> str:
    """Return the summary for a terminal: at most 25 lines of at most 100 columns, no control characters."""
    report = read_report(source)
    versions = [
        f"{count(number, 'pod')} on {one_line(version)}" for version, number in findings.versions_now(report).items()
    ]
    lines = [shorten(f"{findings.state_name(report).upper()}  {findings.headline(report)}", WIDTH)]
    if report.run.reason:
        lines += _fact("why", sentence(report.run.reason))
    if not findings.ended_well(report):
        lines += _fact("done", " ".join(findings.done(report)))
    if tasks := findings.left(report):
        lines += _fact("left to do", *tasks)
    if report.open_settings:
        lines += _fact("still off", *map(findings.open_sentence, report.open_settings))
    if versions:
        lines += _fact("pods", ", ".join(versions))
    lines += _fact("settings", _settings_text(report))
    if report.gates:
        lines += _fact("gates", _gates_text(report))
    lines += _fact("time", _time_text(report))
    lines += _fact("plan", report.run.plan_hash) if report.run.plan_hash else []
    return "\n".join(lines[:LINES])


def render_json(source: Mapping[str, Any]) -> str:
    """Return the report as JSON text, for programs: ASCII only, so that any string survives."""
    return json.dumps(source, indent=2, ensure_ascii=True) + "\n"
