# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What objects say about a preparation or an upgrade: the status of a CR, and our one annotation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.preparation import (
    HookDone,
    HookResult,
    Phase,
    Preparation,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import (
    HookRecord,
    Record,
    StepRecord,
)

# The mirror of a preparation on its StarRocksCluster; admission policies read it, see operator/policies.
MIRROR = "rollout.steady.dev/upgrade-preparation"
# A message may hold what an FE or an API server answered.
LONGEST_TEXT = 1024

Json = dict[str, Any]
UpgradePhase = Literal["Pending", "Running", "RollingBack", "Succeeded", "RolledBack", "Frozen", "Failed"]
FINAL: tuple[UpgradePhase, ...] = ("Succeeded", "RolledBack", "Frozen", "Failed")
_OUTCOMES: dict[str, UpgradePhase] = {
    "succeeded": "Succeeded",
    "unchanged": "Succeeded",
    "rolled-back": "RolledBack",
    "frozen": "Frozen",
    "failed": "Failed",
    "restored": "Failed",
}


def mirror(state: Preparation | None, by: str = "") -> str | None:
    """The annotation: JSON with sorted keys and without times, so that it changes only when something has happened.

    `phase`, `held`, `from` and `target` are what an admission policy looks for as text; no nested object has such keys.
    `by` names the StarRocksUpgrade whose preparation it is; empty for one that the StarRocksCluster itself asks for.
    """
    if state is None:
        return None
    document = {
        "phase": state.phase,
        "reason": state.reason,
        "message": _short(_timeless(state)),
        "held": state.held,
        "from": dict(state.images),
        "target": dict(state.target),
        "hooks": [_without_times(hook) for hook in state.hooks],
        **({"by": by} if by else {}),
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def mirrored_by(text: str | None) -> str:
    """The StarRocksUpgrade that an annotation is about; empty for none, and for a text that is not ours."""
    try:
        document = json.loads(text or "null")
    except (ValueError, RecursionError):
        return ""
    return str(document.get("by") or "") if isinstance(document, dict) else ""


def _timeless(state: Preparation) -> str:
    """The message, but not what a rollout waits for at this moment: that changes with every pod."""
    return "" if state.reason in ("RollingOut", "ClusterNotReady") else state.message


def _without_times(hook: HookDone) -> Json:
    return {"name": hook.name, "result": hook.result, **({"text": _short(hook.message)} if hook.message else {})}


def preparation_status(state: Preparation) -> Json:
    """status.upgradePreparationStatus: the fields of the first proposal, and the hooks with results and times."""
    document = {
        "phase": state.phase,
        "reason": state.reason,
        "message": _short(state.message),
        "held": state.held,
        "from": dict(state.images),
        "target": dict(state.target),
        "completedHooks": [hook.name for hook in state.hooks if hook.result == "Succeeded"],
        "failedHooks": [hook.name for hook in state.hooks if hook.result == "Failed"],
        "hooks": [_hook(hook) for hook in state.hooks],
        "startTime": state.armed_at,
        "completionTime": state.prepared_at,
        "endTime": state.finished_at,
    }
    return {name: value for name, value in document.items() if value != ""}


def _hook(hook: HookDone) -> Json:
    document = {
        "name": hook.name,
        "result": hook.result,
        "message": _short(hook.message),
        "startTime": hook.started_at,
        "completionTime": hook.finished_at,
    }
    return {name: value for name, value in document.items() if value != ""}


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 4] + " ..."


def preparation_of(record: Record, hooks: Sequence[str]) -> Preparation:
    """The preparation that a run of an upgrade is: its settings hooks and its first stage, up to the end of the run."""
    begin = record.steps.get("begin")
    stages = [step for step_id, step in record.steps.items() if step_id.startswith("pre/")]
    done = [*_settings_hooks(begin, hooks), *hooks_of(record)]
    ready = begin is not None and all(step.state == "done" for step in (begin, *stages))
    broken = next((step for step in (begin, *stages) if step is not None and step.state == "failed"), None)
    over = record.phase == "done"
    phase: Phase = "Failed" if broken else "Completed" if ready else "Running" if begin is not None else "Pending"
    reasons = {"Failed": "HookFailed", "Completed": "Restored" if over else "Held", "Running": "HooksRunning"}
    return Preparation(
        request=record.spec_hash,
        phase=phase,
        images=record.baseline.images,
        latest=record.target,
        reason=reasons.get(phase, "Pending"),
        message=broken.text if broken else "",
        target={c: image for c, image in record.target.items() if record.baseline.images.get(c) != image},
        hooks=tuple(done),
        armed_at=record.started_at,
        prepared_at=max((step.finished_at for step in (begin, *stages) if step), default="") if ready else "",
        finished_at=record.finished_at if over else "",
        end="rolled-out" if over else "",
        restored=over,
    )


def _settings_hooks(begin: StepRecord | None, hooks: Sequence[str]) -> list[HookDone]:
    if begin is None:
        return []
    results: dict[str, HookResult] = {"done": "Succeeded", "failed": "Failed"}
    result = results.get(begin.state, "Running")
    return [HookDone(name, result, begin.text, begin.started_at, begin.finished_at) for name in hooks]


def _of_record(name: str, hook: HookRecord) -> HookDone:
    results: dict[str, HookResult] = {"done": "Succeeded", "failed": "Failed", "skipped": "Skipped"}
    return HookDone(name, results.get(hook.outcome, "Running"), hook.text, hook.started_at, hook.finished_at)


def hooks_of(record: Record) -> tuple[HookDone, ...]:
    """The hooks of the first stage of a record, in the order of their steps."""
    stages = sorted(step_id for step_id in record.steps if step_id.startswith("pre/"))
    ordered = sorted(stages, key=lambda step_id: int(step_id.removeprefix("pre/").partition("-")[0]))
    return tuple(_of_record(*item) for step_id in ordered for item in record.steps[step_id].hooks.items())


@dataclass(frozen=True, slots=True)
class Told:
    """What a pass over a StarRocksUpgrade has to say. `waiting`: what it waits for, empty when nothing is owed."""

    phase: UpgradePhase
    reason: str
    message: str
    remedy: str = ""
    waiting: str = ""


def phase_of(record: Record) -> UpgradePhase:
    """The phase that a record stands for."""
    if record.finished:
        return _OUTCOMES.get(record.outcome, "Failed")
    return "RollingBack" if record.phase == "rolling-back" else "Running"


def upgrade_status(told: Told, record: Record | None, previous: Mapping[str, Any], generation: int, now: str) -> Json:
    """The whole status of a StarRocksUpgrade. `record` is that of its own run, None before that has begun."""
    same = previous.get("observedGeneration") == generation
    final = told.phase in FINAL
    return {
        "observedGeneration": generation,
        "startTime": (previous.get("startTime") if same else None) or now,
        **({"completionTime": (previous.get("completionTime") if same else None) or now} if final else {}),
        "phase": told.phase,
        "reason": told.reason,
        "message": _short(told.message),
        "remedy": _short(told.remedy),
        "conditions": conditions(told, record, previous.get("conditions") or [], generation, now),
        **(_progress(record) if record is not None else {}),
    }


def _progress(record: Record) -> Json:
    # As they were begun; what was never begun comes last, as the plan has it.
    steps = sorted(record.steps.items(), key=lambda item: (not item[1].started_at, item[1].started_at))
    done = [step for _id, step in steps if step.state == "done"]
    running = next((step.title for _id, step in steps if step.state == "running"), "")
    return {
        "run": record.run,
        "from": dict(record.baseline.images),
        "to": dict(record.target),
        "progress": f"{len(done)}/{len(steps)}",
        "currentStep": running,
        "steps": [
            {
                "id": step_id,
                "title": step.title,
                "state": step.state,
                **({"startTime": step.started_at} if step.started_at else {}),
                **({"completionTime": step.finished_at} if step.finished_at else {}),
                **({"message": _short(step.text)} if step.text else {}),
            }
            for step_id, step in steps
        ],
        "openSettings": sorted(record.journal.open_keys),
    }


def conditions(
    told: Told, record: Record | None, previous: Sequence[Mapping[str, Any]], generation: int, now: str
) -> list[Json]:
    """Progressing, Blocked, Quiesced and Succeeded; a condition's time changes with its status alone.

    Conditions of other types are somebody else's and stay.
    """
    final = told.phase in FINAL
    succeeded = "True" if told.phase == "Succeeded" else "False" if final else "Unknown"
    quiesced = record is not None and bool(record.journal.open_keys)
    rows = [
        ("Progressing", "False" if final else "True", told.reason, told.message),
        ("Blocked", "True" if told.waiting else "False", told.reason if told.waiting else "NotBlocked", told.waiting),
        ("Quiesced", "True" if quiesced else "False", "SettingsHeld" if quiesced else "SettingsInPlace", ""),
        ("Succeeded", succeeded, told.reason, told.message if final else ""),
    ]
    known = {str(entry.get("type")): entry for entry in previous}
    ours = [_condition(known.get(row[0]), row, generation, now) for row in rows]
    names = {row[0] for row in rows}
    return [*ours, *(dict(entry) for entry in previous if entry.get("type") not in names)]


def _condition(before: Mapping[str, Any] | None, row: tuple[str, str, str, str], generation: int, now: str) -> Json:
    kind, status, reason, message = row
    since = before.get("lastTransitionTime") if before and before.get("status") == status else None
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": _short(message),
        "observedGeneration": generation,
        "lastTransitionTime": since or now,
    }
