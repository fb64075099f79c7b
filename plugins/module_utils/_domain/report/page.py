# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one HTML file: no script, no external resource, readable on a phone, in the dark and on paper."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.report import drawing, findings
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.model import (
    Event,
    Gate,
    PlanStep,
    Pod,
    Report,
    Risk,
    Setting,
    StepRun,
    clock,
    read_report,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.style import STYLE
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.text import (
    count,
    duration,
    enumerate_names,
    escape,
    one_line,
    sentence,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.timeline import read_timeline

# A head is its text, or a pair of text and the class of its column.
_Heads = Sequence[str | tuple[str, str]]
_LONG_TABLE = 15
_SIGNS = {
    "ok": '<circle cx="14" cy="14" r="12"/><path d="M8.5 14.5l4 4 7-8.5"/>',
    "warn": '<path d="M14 3L26 24.5H2z"/><path d="M14 11v6.5M14 21v.2"/>',
    "bad": '<path d="M9 2.5h10L25.500 9v10L19 25.500H9L2.500 19V9z"/><path d="M9.500 9.500l9 9M18.500 9.500l-9 9"/>',
    "info": '<circle cx="14" cy="14" r="12"/><path d="M14 13v7M14 8.500v.2"/>',
}
_STEP_TONES = {
    "done": ("ok", "✓ done"),
    "failed": ("bad", "✕ failed"),
    "rolled-back": ("warn", "↩ rolled back"),
    "running": ("info", "▶ running"),
    "skipped": ("idle", "– skipped"),
    "pending": ("idle", "– not run"),
}
_VERDICT_TONES = {
    "passed": ("ok", "✓ passed"),
    "refused": ("bad", "✕ refused"),
    "pending": ("warn", "… not passed"),
}
_SETTING_TONES = {
    "restored": ("ok", "✓ restored"),
    "unchanged": ("idle", "– unchanged"),
    "conflict": ("warn", "! conflict"),
    "open": ("bad", "✕ still off"),
}
_RISK_TONES = {"info": ("info", "info"), "warning": ("warn", "warning"), "danger": ("bad", "danger")}


def _badge(known: Mapping[str, tuple[str, str]], state: str) -> str:
    tone, label = known.get(state, ("idle", state or "unknown"))
    return f'<span class="badge tone-{tone}">{escape(label)}</span>'


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>" if text else '<span class="quiet">–</span>'


def _plain(text: str) -> str:
    return escape(text) if text else '<span class="quiet">–</span>'


def _list(items: Sequence[str]) -> str:
    if len(items) == 1:
        return f"<p>{escape(items[0])}</p>"
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def _table(heads: _Heads, rows: Iterable[Sequence[str]], caption: str) -> str:
    """Return a table; its cells are HTML already."""
    columns = [(head, "") if isinstance(head, str) else head for head in heads]
    top = "".join(f'<th scope="col"{_class(kind)}>{escape(text)}</th>' for text, kind in columns)
    body = "".join(
        "<tr>"
        + "".join(f"<td{_class(kind)}>{cell}</td>" for cell, (_head, kind) in zip(row, columns, strict=True))
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="table" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _section(title: str, body: str, kind: str = "card long") -> str:
    return f'<section class="{kind}"><h2>{escape(title)}</h2>{body}</section>' if body else ""


def _folded(summary: str, body: str, *, folded: bool) -> str:
    if not folded:
        return body
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"


def _answers(report: Report) -> str:
    if findings.ended_well(report) and not report.conflicts and not report.run.remedy:
        return ""
    parts = [("What was done", findings.done(report)), ("Left to do", findings.left(report) or ["Nothing."])]
    cells = "".join(f"<div><h3>{title}</h3>{_list(lines)}</div>" for title, lines in parts)
    return f'<div class="answers">{cells}</div>'


def _banner(report: Report) -> str:
    tone = findings.tone(report)
    sign = (
        '<svg viewBox="0 0 28 28" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" '
        f'stroke-linejoin="round" aria-hidden="true">{_SIGNS[tone]}</svg>'
    )
    badge = f'<span class="badge tone-{tone}">{escape(findings.state_name(report))}</span>'
    reason = f'<p class="reason">{escape(sentence(report.run.reason))}</p>' if report.run.reason else ""
    return (
        f'<header class="card banner tone-{tone}"><div class="kicker"><span>{escape(report.run.title or "Upgrade")}'
        f"</span>{badge}</div><h1>{sign}<span>{escape(findings.headline(report))}</span></h1>"
        f"{reason}{_answers(report)}</header>"
    )


def _alert(report: Report) -> str:
    if not report.open_settings:
        return ""
    lines = "".join(f"<li>{escape(findings.open_sentence(setting))}</li>" for setting in report.open_settings)
    title = f"{count(len(report.open_settings), 'setting')} still switched off"
    return f'<section class="alert tone-bad"><h2>{escape(title)}</h2><ul>{lines}</ul></section>'


def _tile(name: str, value: str, note: str, tone: str = "") -> str:
    kind = f' class="flag tone-{tone}"' if tone else ""
    return f'<div class="tile"><dt>{escape(name)}</dt><dd{kind}>{escape(value)}</dd><dd>{escape(note)}</dd></div>'


def _version_tile(report: Report) -> str:
    versions = findings.versions_now(report)
    if not versions:
        return _tile("Version", report.run.to_version or "–", "no pods in this report")
    pods = ", ".join(f"{count(number, 'pod')} on {one_line(version)}" for version, number in versions.items())
    return _tile("Version now", " + ".join(versions), pods, "warn" if len(versions) > 1 else "")


def _settings_tile(report: Report) -> str:
    total = len(report.settings)
    if report.open_settings:
        return _tile("FE settings", f"✕ {len(report.open_settings)} of {total} still off", "named above", "bad")
    if report.conflicts:
        return _tile("FE settings", f"! {count(len(report.conflicts), 'conflict')}", "changed by someone else", "warn")
    if not total:
        return _tile("FE settings", "not touched", "no setting was changed")
    restored = sum(setting.state == "restored" for setting in report.settings)
    value = f"✓ {restored} of {total} restored" if restored else "✓ unchanged"
    return _tile("FE settings", value, "as before the run on every FE", "ok")


def _gates_tile(report: Report) -> str:
    refused = findings.refusing(report)
    passed = len(report.gates) - len(refused)
    if refused:
        names = enumerate_names(dict.fromkeys(gate.name for gate in refused))
        return _tile("Gates", f"✕ {len(refused)} refused", f"{names}; {passed} passed", "bad")
    if not report.gates:
        return _tile("Gates", "none", "no gate was evaluated")
    waited = sum(gate.evaluations > 1 for gate in report.gates)
    return _tile(
        "Gates", f"✓ {passed} passed", f"{waited} made the run wait" if waited else "none made the run wait", "ok"
    )


def _duration_tile(report: Report) -> str:
    estimate = duration(report.estimate)
    if report.run.outcome == "planned":
        return _tile("Duration", estimate, f"planned for {count(len(report.plan), 'step')}")
    done = count(sum(step.state == "done" for step in report.steps), "step")
    planned = f"planned {estimate}" if report.estimate is not None else "no estimate"
    return _tile("Duration", duration(report.seconds), f"{done} done, {planned}")


def _tiles(report: Report) -> str:
    tiles = [_version_tile(report), _settings_tile(report), _gates_tile(report), _duration_tile(report)]
    return f'<dl class="tiles">{"".join(tiles)}</dl>'


def _legend() -> str:
    items = "".join(f"<li>{drawing.swatch(state)}{escape(label)}</li>" for state, label in drawing.LEGEND)
    return f'<ul class="legend" aria-label="Legend">{items}</ul>'


def _timeline(report: Report) -> str:
    timeline = read_timeline(report)
    if timeline is None:
        return ""
    return _section("Timeline", drawing.draw(report, timeline) + _legend(), "card")


def _facts(report: Report) -> str:
    run = report.run
    facts = [
        ("Cluster", _plain(run.cluster)),
        ("Namespace", _plain(run.namespace)),
        ("Versions", f"{escape(run.from_version)} → {escape(run.to_version)}"),
        ("Started (UTC)", escape(clock(run.started, with_date=True))),
        ("Finished (UTC)", escape(clock(run.finished, with_date=True))),
        ("Run by", _plain(run.holder)),
        ("Started from", _plain(run.front)),
        ("Run", _code(run.id)),
        ("Plan", _code(run.plan_hash)),
    ]
    cells = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    return _section("Run", f'<dl class="facts">{cells}</dl>', "card")


def _merged_steps(report: Report) -> list[tuple[str, PlanStep | None, StepRun | None]]:
    """The steps in the order they ran, numbered as in the timeline, then what was planned and not begun."""
    planned = {step.id: step for step in report.plan}
    ran = {step.id for step in report.steps}
    rows: list[tuple[str, PlanStep | None, StepRun | None]] = [
        (str(number), planned.get(step.id), step) for number, step in enumerate(report.steps, start=1)
    ]
    waiting = [step for step in report.plan if step.id not in ran]
    return rows + [("–" if rows else str(number), step, None) for number, step in enumerate(waiting, start=1)]


def _step_row(number: str, plan: PlanStep | None, run: StepRun | None) -> list[str]:
    title = run.title if run else plan.title if plan else ""
    note = (run.text if run else "") or (plan.reason if plan else "")
    waits = [f"{wait.what} {duration(wait.seconds)}" for wait in run.waits] if run else []
    tried = f" <small>{run.attempts} attempts</small>" if run and run.attempts > 1 else ""
    return [
        number,
        f"{escape(title)}<br><small>{escape(note)}</small>" if note else escape(title),
        _badge(_STEP_TONES, run.state if run else "pending") + tried,
        escape(clock(run.started if run else None)),
        escape(duration(plan.estimate if plan else None)),
        escape(duration(run.seconds if run else None)),
        _plain("; ".join(waits)),
    ]


def _steps(report: Report) -> str:
    rows = [_step_row(number, plan, run) for number, plan, run in _merged_steps(report)]
    if not rows:
        return ""
    heads: _Heads = [
        ("#", "num"),
        ("Step", "wide"),
        "State",
        ("At (UTC)", "time"),
        ("Planned", "num"),
        ("Took", "num"),
        ("Waited for", "wide"),
    ]
    point = report.no_return
    note = (
        f'<p class="quiet">{escape(f"Point of no return at {point.step_id}: {sentence(point.text)}")}</p>'
        if point
        else ""
    )
    return _section("Steps", _table(heads, rows, "Steps") + note)


def _gate_row(gate: Gate) -> list[str]:
    seconds = None if gate.first is None or gate.last is None else gate.last - gate.first
    return [
        _code(gate.name),
        _plain(gate.subject or gate.step),
        _badge(_VERDICT_TONES, gate.verdict),
        str(gate.evaluations),
        escape(duration(seconds)),
        _plain(gate.text),
    ]


def _gates(report: Report) -> str:
    if not report.gates:
        return ""
    heads: _Heads = ["Gate", "For", "Verdict", ("Evaluated", "num"), ("Waited", "num"), ("Last seen", "wide")]
    refused = findings.refusing(report)
    passed = [gate for gate in report.gates if gate.verdict == "passed"]
    if len(passed) <= _LONG_TABLE:
        return _section("Gates", _table(heads, map(_gate_row, [*refused, *passed]), "Gates"))
    first = _table(heads, map(_gate_row, refused), "Gates that refused") if refused else ""
    rest = _table(heads, map(_gate_row, passed), "Gates that passed")
    return _section("Gates", first + _folded(f"{count(len(passed), 'gate')} passed", rest, folded=True))


def _per_fe(values: Mapping[str, str]) -> str:
    """Return one value if every FE has the same, else each FE with its own."""
    if not values:
        return '<span class="quiet">–</span>'
    if len(set(values.values())) == 1:
        where = "every FE" if len(values) > 1 else next(iter(values))
        return f"{_code(next(iter(values.values())))} <small>{escape(where)}</small>"
    return "<br>".join(f"{_code(value)} <small>{escape(pod)}</small>" for pod, value in values.items())


def _setting_row(setting: Setting) -> list[str]:
    return [
        _code(setting.key),
        _per_fe(setting.before),
        _code(setting.quiesced),
        _per_fe(setting.final),
        _badge(_SETTING_TONES, setting.state),
        _plain(setting.note),
    ]


def _settings(report: Report) -> str:
    if not report.settings:
        return ""
    heads: _Heads = ["FE setting", "Before", "During", "After", "State", ("Note", "wide")]
    return _section("FE settings", _table(heads, map(_setting_row, report.settings), "FE settings"))


def _risk_row(risk: Risk) -> list[str]:
    given = "yes" if risk.acknowledged else "no"
    return [_code(risk.name), _badge(_RISK_TONES, risk.level), escape(given), _plain(risk.text)]


def _risks(report: Report) -> str:
    if not report.risks:
        return ""
    heads: _Heads = ["Risk", "Level", "Acknowledged", ("What it means", "wide")]
    return _section("Risks of the plan", _table(heads, map(_risk_row, report.risks), "Risks"))


def _tag(image: str) -> str:
    return image.rpartition("/")[2]


def _pod_row(pod: Pod) -> list[str]:
    changed = "recreated" if pod.touched else "untouched"
    return [
        escape(pod.name),
        _plain(pod.before.version),
        _plain(pod.after.version),
        escape(changed),
        f"{_code(_tag(pod.before.image))}<br><small>{escape(pod.before.uid)}</small>",
        f"{_code(_tag(pod.after.image))}<br><small>{escape(pod.after.uid)}</small>",
    ]


def _pods(report: Report) -> str:
    if not report.pods:
        return ""
    heads: _Heads = ["Pod", "Before", "After", "", ("Image and uid before", "wide"), ("Image and uid after", "wide")]
    table = _table(heads, map(_pod_row, report.pods), "Pods")
    return _section("Pods", _folded(count(len(report.pods), "pod"), table, folded=len(report.pods) > _LONG_TABLE))


def _event_row(event: Event) -> list[str]:
    return [escape(clock(event.at)), escape(event.kind), _plain(event.subject), _plain(event.text)]


def _events(report: Report) -> str:
    if not report.events:
        return ""
    heads: _Heads = [("At (UTC)", "time"), "Kind", "Subject", ("What happened", "wide")]
    table = _table(heads, map(_event_row, report.events), "Events")
    return _section(
        "Events", _folded(count(len(report.events), "event"), table, folded=len(report.events) > _LONG_TABLE)
    )


def render_html(source: Mapping[str, Any]) -> str:
    """Return the report as a complete HTML document; the same dict gives the same text."""
    report = read_report(source)
    title = f"{findings.headline(report)} ({findings.state_name(report)})"
    parts = [_banner(report), _alert(report), _tiles(report), _timeline(report), _steps(report), _gates(report)]
    parts += [_settings(report), _risks(report), _pods(report), _events(report), _facts(report)]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>{drawing.DEFINITIONS}<main>"
        + "\n".join(part for part in parts if part)
        + f"\n<footer>steady.rollout · run {escape(report.run.id)} · times are UTC</footer></main></body></html>\n"
    )
