# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The acts of a preparation, under the lease: its record, its hooks, holding what they switched off, the way back."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import digest
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import preparation
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import Step
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.preparation import Preparation, Seen
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import Record
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.status import hooks_of
from ansible_collections.steady.rollout.plugins.module_utils._engine.patience import Waiting
from ansible_collections.steady.rollout.plugins.module_utils._engine.standing import standing_record
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.context import StepContext
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.executor import Executor
from ansible_collections.steady.rollout.plugins.module_utils._engine.wait import StepFailed

# What the record of a preparation has in the place of a request.
PREPARATION = digest("preparation")
# The step that a held or ended preparation stands for in events and waits.
KEEPING = Step("preparation", "restore", "the preparation", "nothing stays off", 2.0)


@dataclass(frozen=True)
class Preparing:
    """The acts on one cluster; the plan of the context holds the steps of the hooks."""

    context: StepContext

    def note(self, state: Preparation | None) -> None:
        """Write the state down; before an act it is the intent."""
        ledger = self.context.ledger
        if ledger.present is not None and ledger.record.preparation == state:
            return
        if ledger.present is None:
            ledger.change(self._new_record())
        ledger.change(replace(ledger.record, preparation=state))
        ledger.write()

    def arm(self, state: Preparation) -> None:
        """A record of its own, with what an earlier run still owes."""
        self.context.ledger.change(replace(self._new_record(), preparation=state))
        self.context.note_plan()
        self.context.ledger.event("note", "preparation for an upgrade begun", subject="preparation", state="preparing")
        self.context.ledger.write()

    def run(self, state: Preparation, seen: Seen) -> Preparation:
        """The hooks that have not come to their end; the state after that. Waiting when one is not there yet."""
        executor = Executor(self.context)
        for step in self.context.plan.steps:
            if step.done:
                continue
            try:
                executor.run(step)
            except Waiting:
                executor.paused()
                raise
            except StepFailed as error:
                executor.failed(step, error)
                return preparation.failed(self._with_hooks(state), error.reason, seen)
        held = bool(self.context.ledger.record.journal.open_keys)
        return preparation.prepared(self._with_hooks(state), self.context.clock.epoch(), holds=held)

    def _with_hooks(self, state: Preparation) -> Preparation:
        return preparation.with_hooks(state, hooks_of(self.context.ledger.record))

    def progress(self, state: Preparation) -> Preparation:
        """The state with the hooks as far as the record knows them."""
        return self._with_hooks(state) if self.context.ledger.present is not None else state

    def hold(self) -> str:
        """Set again what an FE lost in a restart; returns why that is not possible, empty when all is as it must be."""
        try:
            self.context.world.look(settings=True)
            self.context.switch(KEEPING).hold(window=False, phase="reasserted")
        except RolloutError as error:
            return error.reason
        return ""

    def restore(self, state: Preparation) -> Preparation:
        """Everything back to what it was; Waiting when some FE cannot be brought there or read now."""
        context, ledger = self.context, self.context.ledger
        held = {key: ledger.record.journal.entries[key].baseline for key in ledger.record.journal.open_keys}
        if held:
            context.await_leader(KEEPING, settings_too=True)
            context.switch(KEEPING).restore()
        owed = ledger.record.journal.open_keys
        if owed:
            ledger.write()
            notes = "; ".join(ledger.record.journal.notes) or ", ".join(sorted(owed))
            raise Waiting(f"settings that are still to be put back: {notes}")
        back = ", ".join(f"{key} = {value}" for key, value in held.items())
        context.say(f"preparation ended: {state.message}; {f'put back {back}' if back else 'nothing was held'}")
        state = preparation.restored(state, context.clock.epoch())
        record = replace(ledger.record, preparation=state)
        if record.spec_hash == PREPARATION:
            record = replace(record, phase="done", outcome="restored", finished_at=context.clock.stamp())
        ledger.change(record)
        ledger.event("note", f"preparation ended: {state.message}", subject="preparation", state="prepared")
        ledger.write()
        return state

    def _new_record(self) -> Record:
        context = self.context
        return standing_record(context.ledger, PREPARATION, context.plan.baseline, context.clock)
