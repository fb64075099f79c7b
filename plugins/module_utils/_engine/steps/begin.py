# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The step `begin`: the record of the run, the guard, then the settings journaled and switched off."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import Step
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import SCHEMA, Record
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import Journal
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.context import StepContext
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.guarding import start_guard


def begin(context: StepContext, step: Step) -> list[str]:
    """Write down the run and its plan, then switch off what the hooks name."""
    ledger, plan = context.ledger, context.plan
    notes, state = [], "begun"
    record = ledger.present
    if record is None or not plan.continues:
        record = _new_record(context, record)
    else:
        state = "continued"
        notes.append(f"continues the run {record.run} begun at {record.started_at}")
        record = replace(
            record.begun_anew(),
            run=ledger.handover.run,
            phase="running",
            outcome="",
            reason="",
            remedy="",
            finished_at="",
        )
    ledger.change(record)
    ledger.event("run", f"{state}: {plan.direction}", step=step.id, state=state)
    context.start(step)
    context.note_plan()
    if plan.held:
        start_guard(context)
        notes += _quiesce(context, step)
    else:
        ledger.write()
    context.done(step)
    return notes


def _new_record(context: StepContext, previous: Record | None) -> Record:
    handover, plan = context.ledger.handover, context.plan
    journal = Journal(
        {key: previous.journal.entries[key] for key in previous.journal.open_keys}
        if previous and previous.cluster_uid == handover.uid
        else {}
    )
    return Record(
        schema=SCHEMA,
        run=handover.run,
        cluster=plan.cluster,
        cluster_uid=handover.uid,
        plan_hash=plan.hash,
        spec_hash=context.spec.hash,
        target=plan.images_to,
        baseline=plan.baseline,
        started_at=context.clock.stamp(),
        journal=journal,
        held=tuple(
            component
            for component, workload in handover.workloads.items()
            if workload.strategy != plan.baseline.strategies.get(component)
        ),
        risks=tuple(vars(risk) for risk in plan.risks),
        preparation=previous.preparation if previous and previous.cluster_uid == handover.uid else None,
    )


def _quiesce(context: StepContext, step: Step) -> list[str]:
    """Journal what every FE has, then switch off. Both look at the FEs themselves, not at the plan's snapshot."""
    plan, switch = context.plan, context.switch(step)
    context.await_leader(step, settings_too=True)
    # What an earlier runner or run holds already stays at its value.
    fresh = {key: value for key, value in plan.held.items() if key not in switch.journal.open_keys}
    switch.open(fresh, refuse_drift=not plan.continues and context.spec.on_drift == "refuse")
    context.ledger.write()
    done = switch.hold(window=False, phase="quiesced")
    return [f"{key}: {switch.journal.entries[key].baseline} -> {value}" for key, value in done.items()]
