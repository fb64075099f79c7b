# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The step `restore`: settings and update strategies back to what they were, the record closed, the lease given up."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.changes import (
    kept_partition,
    strategy_patch,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import Step
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import (
    Outcome,
    Record,
    pod_states,
)
from ansible_collections.steady.rollout.plugins.module_utils._engine.ledger import Ledger
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.context import StepContext
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.guarding import end_guard
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.resource import patch_cluster


def restore(context: StepContext, step: Step) -> list[str]:
    """Put everything back and end the run; a run that failed before it wrote a record of its own has none to close."""
    ledger = context.ledger
    present = ledger.present
    if present is None or (context.plan.direction == "release" and present.run != ledger.handover.run):
        ledger.release()
        return []
    context.start(step)
    notes = []
    context.await_pods()
    if ledger.record.journal.open_keys:
        context.await_leader(step, settings_too=True)
        context.switch(step).restore()
        notes += ledger.record.journal.notes
        _note_restored(ledger, step)
    notes += _restore_strategies(context)
    if not ledger.record.journal.open_keys:
        end_guard(context)
    context.done(step)
    _close(context, notes)
    return notes


def _note_restored(ledger: Ledger, step: Step) -> None:
    """An event for what is back, and one for each setting that stays as somebody else has left it."""
    entries = ledger.record.journal.entries
    back = [key for key, entry in entries.items() if entry.state in ("restored", "unchanged")]
    if back:
        text = f"{len(back)} of {len(entries)} settings are as they were before the run"
        ledger.event("setting", text, step=step.id, state="restored")
    for key, entry in entries.items():
        if entry.state == "conflict":
            ledger.event("setting", f"{key}: {entry.note}", step=step.id, subject=key, state="conflict")


def _restore_strategies(context: StepContext) -> list[str]:
    notes = []
    baseline = context.ledger.record.baseline
    for component in tuple(context.world.handover.workloads):
        snapshot = context.world.snapshot()
        kept = kept_partition(snapshot, component, baseline)
        patch = strategy_patch(snapshot, component, baseline)
        if kept:
            notes.append(f"the partition of {component} stays: {kept}")
        if patch:
            patch_cluster(context, patch)
    return notes


def _close(context: StepContext, notes: list[str]) -> None:
    """Write the end of the run, and give up the lease."""
    ledger, plan = context.ledger, context.plan
    handover, record = ledger.handover, ledger.record
    outcome: Outcome = handover.outcome or _outcome(context, record)
    owed = bool(record.journal.open_keys)
    record = replace(
        record,
        phase="restoring" if owed else "done",
        outcome=outcome,
        reason=_final_reason(plan.freeze, handover.reason or record.reason),
        remedy=plan.remedy or handover.remedy or record.remedy,
        finished_at=context.clock.stamp(),
        after=pod_states(context.world.snapshot()),
    )
    ledger.change(record)
    text = f"ended: {outcome}" + (f", {record.reason}" if record.reason else "")
    ledger.event("run", text, state=outcome, notes=notes)
    ledger.write()
    ledger.release()
    ledger.handover = replace(ledger.handover, outcome=outcome, reason=record.reason, remedy=record.remedy)


def _final_reason(freeze: str, reason: str) -> str:
    if not freeze:
        return reason
    return f"{reason}; nothing was rolled back, because {freeze}" if reason else freeze


def _outcome(context: StepContext, record: Record) -> Outcome:
    plan = context.plan
    if plan.direction == "release":
        return "failed"
    if plan.direction == "rollback":
        return "frozen" if plan.freeze else "rolled-back"
    pods = context.world.pods.values()
    reached = all(p.image == record.target.get(p.component, p.image) and p.ready for p in pods)
    return "succeeded" if reached and len(plan.steps) > 1 else "restored"
