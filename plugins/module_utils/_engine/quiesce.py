# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Switching FE settings off and putting them back: check, journal, set on the leader, read back on every FE.

The FE has no compare-and-set, so what somebody else does between the check and the SET is seen only when reading back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Denied, RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import settings
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.gates import Target, settings_held
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import Record
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import Drift, Journal
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._engine.ledger import Ledger
from ansible_collections.steady.rollout.plugins.module_utils._engine.wait import (
    FIRST_POLL_SECONDS,
    LAST_POLL_SECONDS,
    StepFailed,
)
from ansible_collections.steady.rollout.plugins.module_utils._engine.world import World
from ansible_collections.steady.rollout.plugins.module_utils._fe.settings import set_setting
from ansible_collections.steady.rollout.plugins.module_utils._fe.statements import set_setting as set_statement

# The FE applies a SET at once; what takes time is an election in between, or an FE that hangs.
SET_DEADLINE_SECONDS = 60.0
# Two heartbeats of the leader (heartbeat_timeout_second is 5 in FE: common/Config.java), and a little.
STALE_SECONDS = 12.0


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

    def open(self, held: Mapping[str, str], *, record: Record | None = None, refuse_drift: bool = False) -> bool:
        """Journal what every FE has of the settings `held`, in `record` or the present one, and the values they get.

        True when the journal has changed. It rests on the last look, and the caller writes the record before the first
        SET. StepFailed when an FE could not be read, or with `refuse_drift` when the FEs differ.
        """
        self.require_seen()
        snapshot = replace(self.world.snapshot(), settings=self.world.seen_settings())
        drifts = settings.drifts(snapshot, tuple(held)) if refuse_drift else []
        if drifts:
            raise StepFailed(
                "; ".join(map(str, drifts)), remedy="make the FEs agree, or set onDrift: leader to use the leader's"
            )
        before = record or self.ledger.record
        opened = settings.open_journal(snapshot, held, before.journal)
        journal = replace(before.journal, entries={**before.journal.entries, **opened.entries})
        self.ledger.change(replace(before, journal=journal))
        self._take_restarts()
        return self.journal != before.journal

    def require_seen(self) -> None:
        """StepFailed when the last look did not see the settings of an FE that runs."""
        unseen = self.world.unseen_frontends()
        if unseen:
            known = self.world.snapshot().blind
            blind = "; ".join(known.get(f"settings:{pod}", pod) for pod in unseen)
            raise StepFailed(f"the settings of {', '.join(unseen)} could not be read: {blind}", remedy="mend that FE")

    def look(self) -> list[Drift]:
        """Look at every FE, journal restarts, and return the values that somebody else must have set.

        An FE that has restarted is listed with its old StartTime until the leader's next heartbeat, and its value from
        fe.conf looks like somebody else's until then; so only what stays is returned, and it is waited for once.
        """
        end: float | None = None
        while True:
            self._see()
            seen = self.world.seen_settings()
            drifts = settings.foreign(self.journal, seen, self.world.view.leader)
            confirmed = settings.confirm_foreign(self.journal, drifts, seen)
            if confirmed == self.journal:
                return drifts
            now = self.clock.ticks()
            end = now + STALE_SECONDS if end is None else end
            if now >= end:
                self.ledger.change(replace(self.ledger.record, journal=confirmed))
                return drifts
            self.ledger.renew()
            self.world.next_change(min(1.0, end - now))

    def _see(self) -> None:
        """Look at every FE, and once more where only followers have a value that is not ours.

        The leader is seen after them then: what it has as well came by a SET, what it has not came with a restart.
        """
        self.world.look(settings=True)
        if settings.only_on_followers(self.journal, self.world.seen_settings(), self.world.view.leader):
            self.world.look(settings=True)
        self.note_restarts()

    def note_restarts(self) -> None:
        """Journal the values that restarted FEs came back with; written before anything is set again."""
        if self._take_restarts():
            self.ledger.write()

    def _take_restarts(self) -> bool:
        journal = settings.note_restarts(self.journal, self.world.seen_settings(), self.world.view.leader)
        if journal == self.journal:
            return False
        self.ledger.change(replace(self.ledger.record, journal=journal))
        for drift in settings.default_changes(journal):
            self.ledger.event("note", f"after a restart {drift}", step=self.step, subject=drift.key)
        return True

    def apply(
        self, wanted: Callable[[], Mapping[str, str]], phase: str, *, deadline: float = SET_DEADLINE_SECONDS
    ) -> dict[str, str]:
        """Bring every alive FE to what `wanted` says and read it back; returns what had to be set.

        `wanted` is asked after each look, because it depends on what is seen. Tries again while a leader is elected;
        StepFailed when some FE still differs at the deadline.
        """
        done: dict[str, str] = {}
        end = self.clock.ticks() + deadline
        problem = "no FE could be asked"
        values: Mapping[str, str] = {}
        pause = 0.0
        while self.clock.ticks() < end:
            self.look()
            values = wanted()
            missing = settings.to_set(values, self.world.seen_settings())
            problem = self._refusal(values)
            if not missing and not problem:
                return done
            self.ledger.renew()
            error = self._set(missing, phase, done)
            problem = error or problem
            if pause:
                # What was set is read back at once; only when that does not help it is left some time.
                self.world.next_change(min(pause, max(0.0, end - self.clock.ticks())))
            pause = min(max(FIRST_POLL_SECONDS, pause * 2), LAST_POLL_SECONDS)
        raise StepFailed(
            f"settings could not be brought to {dict(values)}: {problem}",
            remedy="see whether the FEs answer and who else sets them, then run starrocks_restore",
        )

    def _refusal(self, values: Mapping[str, str]) -> str:
        target = Target(expected=dict(values))
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
                # No answer may come after the lease has run out: another run could have taken over by then.
                limit = self.world.frontends.read_timeout
                set_setting(
                    self.world.frontends.session(leader), key, value, timeout=min(limit, self.ledger.secure(limit))
                )
                done[key] = value
                sql = set_statement(key, value)
                self.ledger.event(
                    "setting", f"{key} = {value}", step=self.step, key=key, value=value, phase=phase, sql=[sql]
                )
        except Denied:
            raise
        except RolloutError as error:
            self.world.frontends.forget(leader)
            return error.reason
        return ""

    def hold(self, *, window: bool, phase: str, deadline: float = SET_DEADLINE_SECONDS) -> dict[str, str]:
        """Bring every FE to what must be in force now: all off, or repair with its old limit in a window.

        StepFailed when somebody else has set one of the values meanwhile: theirs is left as it is.
        """
        if not self.journal.open_keys:
            return {}

        def wanted() -> Mapping[str, str]:
            conflicts = settings.foreign(self.journal, self.world.seen_settings(), self.world.view.leader)
            if conflicts:
                raise StepFailed(
                    "somebody changed settings that this run had switched off: " + "; ".join(map(str, conflicts)),
                    remedy="agree who changes them; this run leaves those values as they are",
                )
            values = settings.wanted(self.journal, window=window)
            return {key: value for key, value in values.items() if key in self.world.keys}

        return self.apply(wanted, phase, deadline=deadline)

    def restore(self, only: Collection[str] = ()) -> dict[str, str]:
        """Put back what is ours to put back, and close the entries; returns what had to be set. `only` names settings.

        A value that somebody else set meanwhile is left alone, and the journal's notes say so.
        """
        keys = only or self.journal.open_keys
        done = self.apply(lambda: self._owed(keys), "restored")
        seen, unseen = self.world.seen_settings(), self.world.may_hold_ours(self.ledger.record)
        settled = settings.settle(self.journal, seen, unseen, self.world.view.leader)
        closed = {key: self._explained(entry) for key, entry in settled.entries.items() if key in keys}
        journal = Journal({**self.journal.entries, **closed})
        self.ledger.change(replace(self.ledger.record, journal=journal))
        return done

    def _explained(self, entry: settings.Entry) -> settings.Entry:
        """A setting that only an installation's hook holds is not written on the word of a record alone."""
        if entry.state != "open" or entry.key in self.world.keys:
            return entry
        note = f"not put back to {entry.baseline}: run starrocks_restore with the installation whose hook holds it"
        return replace(entry, note=note)

    def _owed(self, keys: Collection[str]) -> dict[str, str]:
        values = settings.restored_values(self.journal, self.world.seen_settings(), self.world.view.leader)
        return {key: value for key, value in values.items() if key in keys and key in self.world.keys}
