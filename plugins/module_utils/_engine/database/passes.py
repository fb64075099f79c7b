# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""One pass: look, decide, write, and again, until there is nothing to do but to wait.

A pass can be ended anywhere, and the next one, by whichever runner, goes on from what it sees.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ansible_collections.steady.rollout.plugins.module_utils._domain.database import plan
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.aws import NoToken
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.conditions import State
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.record import Record, load
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.snapshot import Snapshot
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Conflict, LeaseLost, RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.given import given
from ansible_collections.steady.rollout.plugins.module_utils._engine.database import checks, events
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.act import carry_out
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.look import PARTS, Part, Seen, look
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.undertaking import Undertaking
from ansible_collections.steady.rollout.plugins.module_utils._kube.record import RecordStore

# Whoever meets so many conflicts in one pass works against another writer that never rests.
MOST_CONFLICTS = 10
# No undertaking has as many writes between two waits: more would be two decisions that undo each other.
MOST_WRITES = 60
RECORD_LABEL = "rollout.steady.dev/record"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a pass ended. `seconds` until the next one is due, 0 when none is; `writes` counts what was written."""

    state: State
    record: Record | None
    snapshot: Snapshot
    seconds: float
    writes: int = 0


def store_of(work: Undertaking) -> RecordStore:
    """Where the record is."""
    return RecordStore(work.client, work.owner.namespace, work.owner.record, {RECORD_LABEL: "dbupgrade"})


def recorded(work: Undertaking) -> Record | None:
    """The record as it is in the cluster."""
    data, _version = store_of(work).load()
    return load(data, name=work.owner.name) if data else None


@dataclass
class Pass:
    """One pass in the making, or several that follow one another. Not shared between threads."""

    work: Undertaking
    _seen: Seen = field(default_factory=Seen)
    _record: Record | None = None
    _version: str | None = None
    _snapshot: Snapshot | None = None
    _writes: int = 0

    def run(self, news: frozenset[Part] | None = None) -> Outcome:
        """Carry out what can be done now. Raises what the API server answers, Conflict only when it does not end.

        :param news: what may have changed since the run before of this same object; None for a look at everything.
            The record and the Lease are looked at in any case: others write them.
        """
        self._snapshot, self._writes = None, 0
        try:
            return self._carried_out(news)
        except RolloutError as error:
            error.hide(self._seen.tool.hide)
            raise

    def _carried_out(self, news: frozenset[Part] | None) -> Outcome:
        conflicts = 0
        self._look_at(news)
        while True:
            decision = self._decided()
            if isinstance(decision.action, plan.Wait):
                return self._outcome(decision, decision.action.seconds)
            if self._writes >= MOST_WRITES:
                raise RolloutError(f"{self._writes} writes and no end", remedy="report it with the record")
            try:
                self._carry_out(decision.action)
            except NoToken as error:
                # As good as a Secret that cannot be read: the plan says what follows.
                self._seen = self._seen.without_url(error.word, error.sentence)
                self._check()
            except (Conflict, LeaseLost):
                conflicts += 1
                if conflicts > MOST_CONFLICTS:
                    raise
                self._look_at()

    def foresee(self) -> Outcome:
        """Where a run would begin: only reads, and takes the writes of the record as done."""
        self._look_at()
        while True:
            decision = self._decided()
            if not isinstance(decision.action, plan.Save):
                seconds = decision.action.seconds if isinstance(decision.action, plan.Wait) else 0.0
                return self._outcome(decision, seconds)
            self._record = decision.action.record

    def _outcome(self, decision: plan.Decision, seconds: float) -> Outcome:
        return Outcome(decision.state, self._record, given(self._snapshot, "look"), seconds, self._writes)

    def _look_at(self, news: frozenset[Part] | None = None) -> None:
        data, self._version = store_of(self.work).load()
        self._record = load(data, name=self.work.owner.name) if data else None
        inspected = self._record is not None and (self._record.inspection is not None or bool(self._record.outcome))
        if news is not None:
            self._look("lease", *news)
        else:
            # What is kept of the directory matters to the inspection alone.
            self._look(*(part for part in PARTS if part != "directory" or not inspected))
        self._check()

    def _look(self, *parts: Part) -> None:
        wanted = plan.job_to_read(self.work.spec, self._record, self.work.owner)
        self._seen = look(self.work, self._seen, parts, read_log_of=wanted)

    def _check(self) -> None:
        """The checks that are due now; each is made once a pass."""
        snapshot, record = self._seen.snapshot(self.work), self._record
        before = self._snapshot
        self._snapshot = replace(
            snapshot,
            pre=(before.pre if before and before.pre is not None else checks.pre(self.work))
            if checks.pre_due(self.work, record)
            else None,
            post=(before.post if before and before.post is not None else checks.post(self.work))
            if checks.post_due(record)
            else None,
        )

    def _decided(self) -> plan.Decision:
        now = self.work.clock.epoch()
        return plan.decide(given(self._snapshot, "look"), self.work.spec, self._record, now, self._seen.tool)

    def _carry_out(self, action: plan.Action) -> None:
        self._writes += 1
        if isinstance(action, plan.Save):
            self._save(action)
        else:
            then = carry_out(self.work, self._seen, action)
            if isinstance(then, Seen):
                self._seen = then
            else:
                self._look(then)
        self._check()

    def _save(self, action: plan.Save) -> None:
        self._version = store_of(self.work).save(action.record.to_record(), self._version)
        self._record = action.record
        for event in action.events:
            events.tell(self.work, event)
        if self._seen.silent(plan.job_to_read(self.work.spec, self._record, self.work.owner)):
            # Another Job is of interest now, and its logs have not been read.
            self._look("jobs")
