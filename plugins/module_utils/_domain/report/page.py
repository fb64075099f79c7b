# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one HTML file: no script, no external resource, readable on a phone, in the dark and on paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.report import drawing, findings
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.elements import (
    Heads,
    badge,
    bullets,
    code,
    document,
    folded,
    lines,
    plain,
    section,
    table,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.model import (
    Event,
    Gate,
    Hook,
    PlanStep,
    Pod,
    Report,
    Risk,
    Setting,
    Statement,
    StepRun,
    clock,
    read_report,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.text import (
    count,
    duration,
    enumerate_names,
    escape,
    one_line,
    sentence,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.timeline import read_timeline

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
_HOOK_TONES = {
    "done": ("ok", "✓ done"),
    "failed": ("bad", "✕ failed"),
    "running": ("info", "▶ running"),
    "skipped": ("idle", "– skipped"),
}
RISK_TONES = {"info": ("info", "info"), "warning": ("warn", "warning"), "danger": ("bad", "danger")}


def _answers(report: Report) -> str:
    if findings.ended_well(report) and not report.conflicts and not report.run.remedy:
        return ""
    parts = [("What was done", findings.done(report)), ("Left to do", findings.left(report) or ["Nothing."])]
    cells = "".join(f"<div><h3>{title}</h3>{bullets(lines)}</div>" for title, lines in parts)
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
    return section("Timeline", drawing.draw(report, timeline) + _legend(), "card")


def _facts(report: Report) -> str:
    run = report.run
    facts = [
        ("Cluster", plain(run.cluster)),
        ("Namespace", plain(run.namespace)),
        ("Versions", f"{escape(run.from_version)} → {escape(run.to_version)}"),
        ("Started (UTC)", escape(clock(run.started, with_date=True))),
        ("Finished (UTC)", escape(clock(run.finished, with_date=True))),
        ("Run by", plain(run.holder)),
        ("Started from", plain(run.front)),
        ("Run", code(run.id)),
        ("Plan", code(run.plan_hash)),
    ]
    cells = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    return section("Run", f'<dl class="facts">{cells}</dl>', "card")


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
        badge(_STEP_TONES, run.state if run else "pending") + tried,
        escape(clock(run.started if run else None)),
        escape(duration(plan.estimate if plan else None)),
        escape(duration(run.seconds if run else None)),
        plain("; ".join(waits)),
    ]


def _steps(report: Report) -> str:
    rows = [_step_row(number, plan, run) for number, plan, run in _merged_steps(report)]
    if not rows:
        return ""
    heads: Heads = [
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
    return section("Steps", table(heads, rows, "Steps") + note)


def _gate_row(gate: Gate) -> list[str]:
    seconds = None if gate.first is None or gate.last is None else gate.last - gate.first
    return [
        code(gate.name),
        plain(gate.subject or gate.step),
        badge(_VERDICT_TONES, gate.verdict),
        str(gate.evaluations),
        escape(duration(seconds)),
        plain(gate.text),
    ]


def _gates(report: Report) -> str:
    if not report.gates:
        return ""
    heads: Heads = ["Gate", "For", "Verdict", ("Evaluated", "num"), ("Waited", "num"), ("Last seen", "wide")]
    refused = findings.refusing(report)
    passed = [gate for gate in report.gates if gate.verdict == "passed"]
    if len(passed) <= _LONG_TABLE:
        return section("Gates", table(heads, map(_gate_row, [*refused, *passed]), "Gates"))
    first = table(heads, map(_gate_row, refused), "Gates that refused") if refused else ""
    rest = table(heads, map(_gate_row, passed), "Gates that passed")
    return section("Gates", first + folded(f"{count(len(passed), 'gate')} passed", rest, when=True))


def _per_fe(values: Mapping[str, str]) -> str:
    """Return one value if every FE has the same, else each FE with its own."""
    if not values:
        return '<span class="quiet">–</span>'
    if len(set(values.values())) == 1:
        where = "every FE" if len(values) > 1 else next(iter(values))
        return f"{code(next(iter(values.values())))} <small>{escape(where)}</small>"
    return "<br>".join(f"{code(value)} <small>{escape(pod)}</small>" for pod, value in values.items())


def _setting_row(setting: Setting) -> list[str]:
    return [
        code(setting.key),
        _per_fe(setting.before),
        code(setting.quiesced),
        _per_fe(setting.final),
        badge(_SETTING_TONES, setting.state),
        plain(setting.note),
    ]


def _settings(report: Report) -> str:
    if not report.settings:
        return ""
    heads: Heads = ["FE setting", "Before", "During", "After", "State", ("Note", "wide")]
    return section("FE settings", table(heads, map(_setting_row, report.settings), "FE settings"))


def _hook_row(hook: Hook) -> list[str]:
    notes = [f"{hook.attempts} attempts"] if hook.attempts > 1 else []
    notes += [] if hook.critical else ["not critical"]
    note = f"<br><small>{escape(', '.join(notes))}</small>" if notes else ""
    did = [code(statement) for statement in hook.statements]
    did += [f"{code(v.key)}: {code(v.before)} → {code(v.after)}" for v in hook.values]
    return [
        escape(hook.stage),
        f"{escape(hook.name)}<br><small>{escape(hook.source)}</small>",
        badge(_HOOK_TONES, hook.outcome) + note,
        escape(duration(hook.seconds)),
        "<br>".join(did) or '<span class="quiet">–</span>',
        plain(hook.text),
    ]


def _hooks(report: Report) -> str:
    if not report.hooks:
        return ""
    heads: Heads = ["Stage", ("Hook", "wide"), "State", ("Took", "num"), ("What it did", "wide"), ("Result", "wide")]
    rows = table(heads, map(_hook_row, report.hooks), "Hooks")
    logs = "".join(
        f"<details><summary>{escape(f'Log of {hook.name}')}</summary><pre>{lines(hook.log)}</pre></details>"
        for hook in report.hooks
        if hook.log
    )
    return section("Hooks", rows + logs)


def _statement_row(statement: Statement) -> list[str]:
    return [escape(clock(statement.at)), code(statement.sql), plain(statement.step), plain(statement.why)]


def _statements(report: Report) -> str:
    if not report.statements:
        return ""
    heads: Heads = [("At (UTC)", "time"), ("Statement", "wide"), "Step", "For"]
    rows = table(heads, map(_statement_row, report.statements), "SQL")
    number = len(report.statements)
    return section("SQL that changed something", folded(count(number, "statement"), rows, when=number > _LONG_TABLE))


def _risk_row(risk: Risk) -> list[str]:
    given = "yes" if risk.acknowledged else "no"
    return [code(risk.name), badge(RISK_TONES, risk.level), escape(given), plain(risk.text)]


def _risks(report: Report) -> str:
    if not report.risks:
        return ""
    heads: Heads = ["Risk", "Level", "Acknowledged", ("What it means", "wide")]
    return section("Risks of the plan", table(heads, map(_risk_row, report.risks), "Risks"))


def _tag(image: str) -> str:
    return image.rpartition("/")[2]


def _pod_row(pod: Pod) -> list[str]:
    changed = "recreated" if pod.touched else "untouched"
    return [
        escape(pod.name),
        plain(pod.before.version),
        plain(pod.after.version),
        escape(changed),
        f"{code(_tag(pod.before.image))}<br><small>{escape(pod.before.uid)}</small>",
        f"{code(_tag(pod.after.image))}<br><small>{escape(pod.after.uid)}</small>",
    ]


def _pods(report: Report) -> str:
    if not report.pods:
        return ""
    heads: Heads = ["Pod", "Before", "After", "", ("Image and uid before", "wide"), ("Image and uid after", "wide")]
    rows = table(heads, map(_pod_row, report.pods), "Pods")
    return section("Pods", folded(count(len(report.pods), "pod"), rows, when=len(report.pods) > _LONG_TABLE))


def _event_row(event: Event) -> list[str]:
    return [escape(clock(event.at)), escape(event.kind), plain(event.subject), plain(event.text)]


def _events(report: Report) -> str:
    if not report.events:
        return ""
    heads: Heads = [("At (UTC)", "time"), "Kind", "Subject", ("What happened", "wide")]
    rows = table(heads, map(_event_row, report.events), "Events")
    return section("Events", folded(count(len(report.events), "event"), rows, when=len(report.events) > _LONG_TABLE))


def render_html(source: Mapping[str, Any]) -> str:
    """Return the report as a complete HTML document; the same dict gives the same text."""
    report = read_report(source)
    title = f"{findings.headline(report)} ({findings.state_name(report)})"
    parts = [_banner(report), _alert(report), _tiles(report), _timeline(report), _steps(report), _gates(report)]
    parts += [_hooks(report), _settings(report), _statements(report), _risks(report), _pods(report)]
    parts += [_events(report), _facts(report)]
    footer = f"steady.rollout · run {escape(report.run.id)} · times are UTC"
    return document(title, parts, footer)
