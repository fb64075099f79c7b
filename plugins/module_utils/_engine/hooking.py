# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Hooks outside an upgrade: settings through the same journal, and statements of a person's own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from uuid import uuid4

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import digest
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.resolve import (
    Action,
    PlannedHook,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import (
    ValueChange,
    baseline_of,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import Journal
from ansible_collections.steady.rollout.plugins.module_utils._engine.attempts import (
    Answer,
    Attempt,
    Outcome,
    Runner,
    persevere,
    send,
)
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._engine.ledger import Ledger
from ansible_collections.steady.rollout.plugins.module_utils._engine.quiesce import Switch
from ansible_collections.steady.rollout.plugins.module_utils._engine.setting_hooks import SettingActions
from ansible_collections.steady.rollout.plugins.module_utils._engine.standing import standing_record
from ansible_collections.steady.rollout.plugins.module_utils._engine.wait import StepFailed
from ansible_collections.steady.rollout.plugins.module_utils._engine.world import World
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Session

# What a record of hooks alone has in the place of a request.
HOOKS = digest("hooks")
STEP = "hook"


def alone(
    hook: PlannedHook, work: Runner, clock: Clock, connect: Callable[[], Session], say: Callable[[str], None]
) -> Outcome:
    """Run one hook here and now, in this thread, under no record; its failure is the outcome.

    Each call is an execution of its own: the Job of a script that ran before, or on another cluster, is not its answer.
    """
    attempt = Attempt(
        number=1,
        run="",
        step=STEP,
        hook=hook.name,
        identity=f"{uuid4()}/{hook.name}",
        first_started=clock.epoch(),
        end=clock.ticks() + hook.terms.timeout_seconds,
        pass_end=None,
        clock=clock,
        stop=threading.Event(),
        connect=connect,
        say=say,
    )
    return persevere(hook, work, attempt, lambda number: say(f"hook {hook.name}: attempt {number}"))


def would_set(action: Action, journal: Journal) -> dict[str, str]:
    """The values an action brings the FEs to, by key."""
    if action.kind != "restore":
        return dict(action.values)
    keys = action.keys or tuple(journal.open_keys)
    return {key: journal.entries[key].baseline for key in keys if key in journal.open_keys}


@dataclass
class HookRun:
    """Hooks about settings on one cluster, outside an upgrade: the lease is held, the journal is in the record.

    A retry goes on where it stopped: a statement that was answered is not sent again.
    """

    world: World
    ledger: Ledger
    clock: Clock
    say: Callable[[str], None]
    _sent: set[tuple[str, int]] = field(default_factory=set)

    def __call__(self, hook: PlannedHook, attempt: Attempt) -> Answer:
        """Carry the hook's actions out; the answer's text says which values changed."""
        self._look(hook)
        changes: dict[str, ValueChange] = {}
        for number, action in enumerate(hook.actions):
            if action.kind == "sql":
                if (hook.place.entry, number) not in self._sent:
                    send(hook, action, attempt.session(), attempt.seconds_left())
                    self._sent.add((hook.place.entry, number))
            elif self._prepared(action):
                changes |= self._set(hook, action, attempt.seconds_left())
        texts = [f"{c.key} {c.before} -> {c.after}" for c in changes.values() if c.before != c.after]
        return Answer(changed=bool(texts), text=", ".join(texts))

    def _set(self, hook: PlannedHook, action: Action, seconds: float) -> dict[str, ValueChange]:
        before = self.ledger.record.journal
        switch = Switch(self.world, self.ledger, self.clock, STEP, self.say)
        done = SettingActions(self.world, self.ledger, switch).carry_out(action, seconds)
        if self.ledger.record.journal != before:
            self._write(hook)
        return {change.key: change for change in done}

    def _look(self, hook: PlannedHook) -> None:
        self.world.look(settings=True)
        if self.world.snapshot().leader is None:
            why = "; ".join(self.world.view.blind.values()) or "no single alive leader"
            raise StepFailed(f"hook {hook.name}: the FEs cannot be read: {why}", remedy="mend the FEs first")

    def _prepared(self, action: Action) -> bool:
        """Whether there is anything to do: a record to journal in, or one that owes something."""
        record = self.ledger.present
        same = record is not None and record.cluster_uid == self.world.handover.uid
        if action.kind == "restore":
            return same
        if record is None or record.finished or not same:
            baseline = baseline_of(self.world.snapshot())
            self.ledger.change(standing_record(self.ledger, HOOKS, baseline, self.clock))
        return True

    def _write(self, hook: PlannedHook) -> None:
        """Write the record; one of hooks alone is done when nothing is owed, an upgrade's keeps its own phase."""
        record = self.ledger.record
        if record.spec_hash == HOOKS:
            self.ledger.change(replace(record, phase="restoring" if record.journal.open_keys else "done"))
        self.ledger.event(
            "hook",
            hook.title,
            step=STEP,
            subject=hook.name,
            state="done",
            stage=hook.stage,
            critical=hook.terms.critical,
        )
        self.ledger.write()
