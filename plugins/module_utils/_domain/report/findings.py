# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reader must know first, in sentences: the outcome, what was done, and what is left to do."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.steady.rollout.plugins.module_utils._domain.report.model import Gate, Report, Setting
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.text import (
    count,
    duration,
    enumerate_names,
    one_line,
    sentence,
)

TONES = {
    "succeeded": "ok",
    "restored": "ok",
    "unchanged": "ok",
    "planned": "info",
    "rolled-back": "warn",
    "frozen": "bad",
    "failed": "bad",
}
_STATES = {
    "planned": "planned",
    "unchanged": "unchanged",
    "succeeded": "succeeded",
    "rolled-back": "rolled back",
    "frozen": "frozen",
    "failed": "failed",
    "restored": "settings restored",
}
_GOOD = frozenset({"planned", "unchanged", "succeeded", "restored"})


def tone(report: Report) -> str:
    """Return the colour of the outcome: anything that is still switched off makes it a bad one."""
    if report.open_settings:
        return "bad"
    if report.conflicts and report.run.outcome in _GOOD:
        return "warn"
    return TONES.get(report.run.outcome, "info")


def state_name(report: Report) -> str:
    """Return the outcome in one or two words; a run that has not ended is `running`."""
    return _STATES.get(report.run.outcome, report.run.outcome or "running")


def ended_well(report: Report) -> bool:
    """Tell whether the run ended as it was meant to."""
    return report.run.outcome in _GOOD and not report.open_settings


def headline(report: Report) -> str:
    """Return what happened, in one sentence without a full stop."""
    run = report.run
    name = one_line(run.cluster) or "The cluster"
    old, new = one_line(run.from_version), one_line(run.to_version)
    took = f" in {duration(report.seconds)}" if report.seconds is not None else ""
    said = {
        "planned": f"{name}: upgrade from {old} to {new} planned, nothing changed yet",
        "unchanged": f"{name} already runs {new}, nothing to do",
        "succeeded": f"{name} was upgraded from {old} to {new}{took}",
        "rolled-back": f"{name} was not upgraded to {new}: rolled back to {old}",
        "frozen": f"{name} was stopped between {old} and {new}, with its settings restored",
        "failed": f"{name}: the upgrade from {old} to {new} failed",
        "restored": f"{name}: the settings an earlier run left off were restored",
    }
    return said.get(run.outcome, f"{name}: upgrade from {old} to {new} is running")


def _by_value(values: Mapping[str, str], skip: str | None = None) -> str:
    """Return `0 on every FE`, or `0 on prod-fe-0 and prod-fe-2`; FEs with the value `skip` are left out."""
    groups: dict[str, list[str]] = {}
    for pod, value in values.items():
        if value != skip:
            groups.setdefault(one_line(value), []).append(pod)
    return ", ".join(
        f"{value} on {'every FE' if len(pods) == len(values) else enumerate_names(pods)}"
        for value, pods in groups.items()
    )


def _moved(report: Report) -> str:
    versions: dict[str, int] = {}
    for pod in report.pods:
        if pod.touched and pod.after.version:
            versions[pod.after.version] = versions.get(pod.after.version, 0) + 1
    parts = [f"{count(number, 'pod')} now on {one_line(version)}" for version, number in sorted(versions.items())]
    return f"Recreated: {enumerate_names(parts)}." if parts else ""


def done(report: Report) -> list[str]:
    """Return what the run did, as sentences."""
    finished = [step for step in report.steps if step.state == "done"]
    failed = [step.title for step in report.steps if step.state == "failed"]
    undone = [step for step in report.steps if step.going_back and step.state == "done"]
    said = [f"{count(len(finished), 'step')} done."] if finished else ["No step was carried out."]
    if failed:
        said.append(f"Failed: {enumerate_names(failed)}.")
    if undone:
        said.append(f"{count(len(undone), 'pod')} put back to {one_line(report.run.from_version)}.")
    elif moved := _moved(report):
        said.append(moved)
    restored = [setting for setting in report.settings if setting.state == "restored"]
    if restored:
        said.append(f"{count(len(restored), 'setting')} restored to the value from before.")
    return said


def open_sentence(setting: Setting) -> str:
    """Return what is still switched off and what it was before."""
    now = _by_value(setting.final, setting.baseline) or f"{one_line(setting.quiesced)} at last sight"
    return f"{one_line(setting.key)} is still {now} (before the run {one_line(setting.baseline)})."


def conflict_sentence(setting: Setting) -> str:
    """Return what someone else changed meanwhile."""
    now = _by_value(setting.final) or "unknown"
    note = f" {sentence(setting.note)}" if setting.note else ""
    values = f"now {now}; before {one_line(setting.baseline)}"
    return f"{one_line(setting.key)}: changed by someone else, so left alone ({values}).{note}"


def left(report: Report) -> list[str]:
    """Return what a person still has to do or to know; empty when nothing is left."""
    said = [sentence(report.run.remedy)] if report.run.remedy else []
    if report.open_settings:
        said.append(f"{count(len(report.open_settings), 'FE setting')} still switched off, to be restored.")
    return said + [conflict_sentence(setting) for setting in report.conflicts]


def refusing(report: Report) -> list[Gate]:
    """Return the gates that never passed."""
    return [gate for gate in report.gates if gate.verdict != "passed"]


def versions_now(report: Report) -> dict[str, int]:
    """Return how many pods run which version now, the most common first."""
    counts: dict[str, int] = {}
    for pod in report.pods:
        version = pod.after.version or pod.before.version or "unknown"
        counts[version] = counts.get(version, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
