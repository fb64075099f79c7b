# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""How long one wait may go on: to its deadline in a play, for a few seconds in one pass of a reconciler.

What a pass has waited for so far is written into the record, so that the next one goes on where it was: deadlines,
passes of gates and causes count from when they were first seen, whoever saw them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.gates import Passes
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import StepRecord, WaitRecord
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._engine.ledger import Ledger

# How soon a reconciler looks again: soon enough to go on without a pause, and well within the lease.
AGAIN_SECONDS = 5.0


class Waiting(RolloutError):
    """This pass ends here, and nothing is wrong: look again in `again_in` seconds. `gate` names one that refuses."""

    def __init__(self, reason: str, *, again_in: float = AGAIN_SECONDS, gate: str = "", remedy: str = "") -> None:
        super().__init__(reason, remedy=remedy)
        self.again_in = again_in
        self.gate = gate


@dataclass
class Stretch:
    """One wait of one step. Moments are the clock's ticks; `patience` is None in a play.

    `causes` maps what keeps a pod from coming up to when it was first seen.
    """

    ledger: Ledger
    clock: Clock
    step: str
    what: str
    deadline: float
    patience: float | None
    entered: float = 0.0
    began: float = 0.0
    passes: Passes = field(default_factory=Passes)
    causes: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        now = self.clock.ticks()
        self.entered = self.began = now
        known = self._known()
        if self.patience is None or known is None:
            return
        self.began = self._ticks(known.since, now)
        self.causes = {name: self._ticks(since, now) for name, since in known.causes.items()}
        if known.passes:
            self.passes = Passes(known.passes, self._ticks(known.passing_since, now))

    @property
    def end(self) -> float:
        """When to stop: at the deadline, or when this pass has waited long enough."""
        last = self.began + self.deadline
        return last if self.patience is None else min(last, self.entered + self.patience)

    def pause(self, reason: str, *, again_in: float = AGAIN_SECONDS, gate: str = "") -> None:
        """End this pass when it has waited long enough: what is known is written down, and Waiting raised."""
        if self.patience is None or self.clock.ticks() < self.entered + self.patience:
            return
        self._keep(
            WaitRecord(
                since=self._stamp(self.began),
                passes=self.passes.count,
                passing_since=self._stamp(self.passes.first_at) if self.passes.count else "",
                causes={name: self._stamp(moment) for name, moment in self.causes.items()},
            )
        )
        raise Waiting(f"{self.what}: {reason}", again_in=again_in, gate=gate)

    def close(self) -> None:
        """The wait is over: another one of this name begins anew."""
        if self._known() is not None:
            self._keep(None)

    def _known(self) -> WaitRecord | None:
        record = self.ledger.present
        entry = record.steps.get(self.step) if record is not None else None
        return entry.waits.get(self.what) if entry is not None else None

    def _keep(self, wait: WaitRecord | None) -> None:
        record = self.ledger.present
        if record is None:
            return
        entry = record.steps.get(self.step) or StepRecord(self.step, "wait", state="pending", attempts=0)
        waits = {what: known for what, known in entry.waits.items() if what != self.what}
        waits |= {self.what: wait} if wait is not None else {}
        self.ledger.change(record.with_step(self.step, replace(entry, waits=waits)))

    def _stamp(self, ticks: float) -> str:
        return self.clock.stamp_of(self.clock.epoch() + ticks - self.clock.ticks())

    def _ticks(self, stamp: str, now: float) -> float:
        return now - max(0.0, self.clock.epoch() - datetime.fromisoformat(stamp).timestamp())
