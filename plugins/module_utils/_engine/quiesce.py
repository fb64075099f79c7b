# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Switching FE settings off and putting them back: check, journal, set on the leader, read back on every FE.

The FE has no compare-and-set, so what somebody else does between the check and the SET is seen only when reading back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Denied, RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import settings
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.gates import Target, settings_held
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import Journal
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._engine.ledger import Ledger
from ansible_collections.steady.rollout.plugins.module_utils._engine.wait import FIRST_POLL_SECONDS, StepFailed
from ansible_collections.steady.rollout.plugins.module_utils._engine.world import World
from ansible_collections.steady.rollout.plugins.module_utils._fe.settings import set_setting

# The FE applies a SET at once; what takes time is an election in between, or an FE that hangs.
SET_DEADLINE_SECONDS = 60.0


@dataclass
class Switch:
    """The settings of one cluster during one step."""

    world: World
    ledger: Ledger
    clock: Clock
    step: str
    say: Callable[[str], None]

    @property
    def journal(self) -> Journal:
        """The journal as the record holds it."""
        return self.ledger.record.journal

    def note_restarts(self) -> bool:
        """Journal the values that restarted FEs came back with; written before anything is set. True when new."""
        journal = settings.note_restarts(self.journal, self.world.seen_settings())
        if journal == self.journal:
            return False
        self.ledger.change(replace(self.ledger.record, journal=journal))
        for drift in settings.default_changes(journal):
            self.ledger.event("note", f"after a restart {drift}", step=self.step, subject=drift.key)
        self.ledger.write()
        return True

    def apply(self, values: Mapping[str, str], phase: str) -> dict[str, str]:
        """Bring every alive FE to `values` and read them back; returns what had to be set.

        Tries again while a leader is elected; StepFailed when some FE still differs at the deadline.
        """
        done: dict[str, str] = {}
        end = self.clock.ticks() + SET_DEADLINE_SECONDS
        problem = "no FE could be asked"
        while self.clock.ticks() < end:
            self.world.look(settings=True)
            missing = settings.to_set(values, self.world.seen_settings())
            problem = self._refusal(values)
            if not missing and not problem:
                return done
            self.ledger.renew()
            problem = self._set(missing, phase, done) or problem
            if missing and not problem:
                continue
            self.world.next_change(min(FIRST_POLL_SECONDS * 5, max(0.0, end - self.clock.ticks())))
        raise StepFailed(
            f"settings could not be brought to {dict(values)}: {problem}",
            remedy="see whether the FEs answer and who else sets them, then run starrocks_restore",
        )

    def _refusal(self, values: Mapping[str, str]) -> str:
        target = Target("", "fe", "", "", None, None, expected=dict(values))
        snapshot = self.world.snapshot()
        if snapshot.leader is None:
            return snapshot.blind.get("frontends", "no single alive leader")
        refusal = settings_held(snapshot, target)
        return str(refusal) if refusal else ""

    def _set(self, missing: Mapping[str, str], phase: str, done: dict[str, str]) -> str:
        leader = self.world.snapshot().leader
        if leader is None:
            return "no leader"
        try:
            for key, value in missing.items():
                set_setting(self.world.frontends.session(leader), key, value)
                done[key] = value
                self.ledger.event("setting", f"{key} = {value}", step=self.step, key=key, value=value, phase=phase)
        except Denied:
            raise
        except RolloutError as error:
            self.world.frontends.forget(leader)
            return error.reason
        return ""

    def hold(self, *, window: bool, phase: str) -> dict[str, str]:
        """Bring every FE to what must be in force now: all off, or repair with its old limit in a window."""
        values = settings.wanted(self.journal, window=window)
        return self.apply(values, phase) if values else {}

    def restore(self) -> list[str]:
        """Put back what is ours to put back, and close the journal; returns sentences about what stays open.

        A value that somebody else set meanwhile is left alone and reported.
        """
        self.world.look(settings=True)
        if self.journal.open_keys:
            self.note_restarts()
            values = settings.restored_values(self.journal, self.world.seen_settings())
            if values:
                self.apply(values, "restored")
            self.world.look(settings=True)
        journal = settings.settle(self.journal, self.world.seen_settings(), self.world.unseen_frontends())
        self.ledger.change(replace(self.ledger.record, journal=journal))
        return [f"{key}: {entry.note}" for key, entry in journal.entries.items() if entry.note]
