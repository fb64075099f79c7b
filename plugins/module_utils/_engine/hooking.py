# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Hooks outside an upgrade: predefined ones through the same journal, and statements of a person's own."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import digest
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import settings
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks import Hook
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import (
    SCHEMA,
    Record,
    baseline_of,
    plan_hash,
)
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._engine.ledger import Ledger
from ansible_collections.steady.rollout.plugins.module_utils._engine.quiesce import Switch
from ansible_collections.steady.rollout.plugins.module_utils._engine.wait import StepFailed
from ansible_collections.steady.rollout.plugins.module_utils._engine.world import World
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Session

LONGEST_BACKOFF_SECONDS = 30.0
# What a record of hooks alone has in the place of a request.
HOOKS = digest("hooks")


@dataclass(frozen=True)
class Attempted:
    """How one hook or statement went; `rows` is what a reading statement answered."""

    name: str
    ok: bool
    attempts: int
    seconds: float
    changed: bool = False
    error: str = ""
    rows: tuple[dict[str, str | None], ...] = ()


@dataclass(frozen=True)
class Patience:
    """How long one attempt may take and how often a transient failure is tried again; seconds."""

    timeout: float
    retries: int
    backoff: float


def attempt(
    name: str, work: Callable[[], tuple[bool, list[dict[str, str | None]]]], patience: Patience, clock: Clock
) -> Attempted:
    """Do `work`, again after a growing, jittered pause while its failure is transient."""
    began = clock.ticks()
    tries = 0
    while True:
        tries += 1
        try:
            changed, rows = work()
        except RolloutError as error:
            if not error.transient or tries > patience.retries:
                seconds = round(clock.ticks() - began, 2)
                return Attempted(name, False, tries, seconds, error=error.reason)
            time.sleep(backoff(tries, patience.backoff) * random.uniform(0.5, 1.0))
        else:
            return Attempted(name, True, tries, round(clock.ticks() - began, 2), changed, "", tuple(rows))


def backoff(tries: int, first: float) -> float:
    """Seconds before the next attempt: doubled each time, bounded."""
    return min(first * 2 ** (tries - 1), LONGEST_BACKOFF_SECONDS)


def statement(session: Session, sql: str, timeout: float) -> tuple[bool, list[dict[str, str | None]]]:
    """Carry out one statement; what only reads has changed nothing."""
    rows = session.run(sql, timeout=timeout)
    return changes(sql), rows


def changes(sql: str) -> bool:
    """Whether a statement, checked before, does more than read."""
    words = sql.upper().split()
    return not (words[0] in ("SHOW", "DESC", "DESCRIBE", "EXPLAIN", "SELECT") or words[:2] == ["ADMIN", "SHOW"])


def would_set(hook: Hook, journal: settings.Journal) -> dict[str, str]:
    """The values a predefined hook brings the FEs to, by key."""
    if hook.action == "off":
        return {key: settings.SETTINGS[key].off for key in hook.keys}
    return {key: journal.entries[key].baseline for key in hook.keys if key in journal.open_keys}


@dataclass
class HookRun:
    """Predefined hooks on one cluster, outside an upgrade: the lease is held, the journal is in the record."""

    world: World
    ledger: Ledger
    clock: Clock
    say: Callable[[str], None]

    def run(self, hook: Hook) -> dict[str, str]:
        """Switch off, or put back; returns what had to be set, by key."""
        self._look(hook)
        if hook.action == "off":
            return self._off(hook)
        return self._restore(hook)

    def _look(self, hook: Hook) -> None:
        self.world.look(settings=True)
        if self.world.snapshot().leader is None:
            why = "; ".join(self.world.view.blind.values()) or "no single alive leader"
            raise StepFailed(f"hook {hook.name}: the FEs cannot be read: {why}", remedy="mend the FEs first")

    def _off(self, hook: Hook) -> dict[str, str]:
        switch = self._switch
        record = self.ledger.present
        if record is None or record.finished or record.cluster_uid != self.world.handover.uid:
            record = self._new_record()
        if switch.open(hook.keys, record=record):
            self._write(hook)
        values = {key: switch.journal.entries[key].quiesced for key in hook.keys}
        return switch.apply(lambda: values, "quiesced")

    def _restore(self, hook: Hook) -> dict[str, str]:
        switch, record = self._switch, self.ledger.present
        switch.require_seen()
        if record is None or record.cluster_uid != self.world.handover.uid:
            return {}
        done = switch.restore(hook.keys)
        self._write(hook)
        return done

    def _write(self, hook: Hook) -> None:
        """Write the record; one of hooks alone is done when nothing is owed, an upgrade's keeps its own phase."""
        record = self.ledger.record
        if record.spec_hash == HOOKS:
            self.ledger.change(replace(record, phase="restoring" if record.journal.open_keys else "done"))
        self.ledger.event("hook", f"{hook.name}: {hook.purpose}", subject=hook.name)
        self.ledger.write()

    @property
    def _switch(self) -> Switch:
        return Switch(self.world, self.ledger, self.clock, "hook", self.say)

    def _new_record(self) -> Record:
        """A record that stands for no upgrade: its target is what the cluster has."""
        snapshot = self.world.snapshot()
        baseline = baseline_of(snapshot)
        return Record(
            schema=SCHEMA,
            run=self.ledger.handover.holder,
            cluster=snapshot.cluster,
            cluster_uid=snapshot.uid,
            plan_hash=plan_hash(HOOKS, snapshot.uid, baseline),
            spec_hash=HOOKS,
            target=baseline.images,
            baseline=baseline,
            started_at=self.clock.stamp(),
            phase="restoring",
        )
