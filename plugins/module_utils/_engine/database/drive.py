# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Passes one after the other until a database upgrade has come to its end, and its status after each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.database import plan
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.conditions import State
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.patience import Patience
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.snapshot import Snapshot, Source
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.verdict import Verdict, status, verdict
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import (
    Conflict,
    LeaseLost,
    Refused,
    RolloutError,
    Unreachable,
)
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.look import Part
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.passes import Outcome, Pass
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.undertaking import (
    Undertaking,
    resource_path,
)
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.watching import Watch
from ansible_collections.steady.rollout.plugins.module_utils._kube.status import write_status

# A line that says for what a run waits is said again after so long.
HEARTBEAT_SECONDS = 20.0
# The client itself has tried several times by then.
AGAIN_SECONDS = 2.0


def one_pass(work: Undertaking) -> Outcome:
    """One pass, and its end in the status of the custom resource, also where it ends with an error."""
    return _told(Pass(work))


def _told(made: Pass, news: frozenset[Part] | None = None) -> Outcome:
    """A run of the pass, told in the status and in the figures."""
    work = made.work
    try:
        outcome = made.run(news)
    except RolloutError as error:
        if not error.transient and not isinstance(error, (Conflict, LeaseLost)):
            report_failure(work, error)
        raise
    _write(
        work,
        lambda present, now: status(
            outcome.state, outcome.record, outcome.snapshot, present.get("conditions") or [], now
        ),
    )
    work.figures.tell(outcome.state, outcome.record, work.namespace, work.owner.name, work.clock.epoch())
    return outcome


def report_failure(work: Undertaking, error: RolloutError) -> None:
    """Say in the status why a pass failed, as far as it can be said; what was seen before stays in it."""
    refused = isinstance(error, Refused) and error.field.startswith(("spec.", "metadata."))
    message = f"{error.reason} {error.remedy}".strip()
    state = State("Refused", "SpecInvalid", message) if refused else State("Degraded", type(error).__name__, message)
    owner = work.owner
    nothing = Snapshot(owner.name, owner.namespace, owner.uid, work.generation, Source())
    try:
        _write(
            work,
            lambda present, now: {**present, **status(state, None, nothing, present.get("conditions") or [], now)},
        )
    except RolloutError as second:
        work.say(f"The status could not be written: {second.reason}")


def _write(work: Undertaking, status_of: Callable[[Mapping[str, Any], str], dict[str, Any]]) -> None:
    """Write the status, where there is a custom resource; `status_of` makes it from the present one and the time."""
    if work.resource is None:
        return
    now = work.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    path = resource_path(work.namespace, work.owner.name)
    write_status(work.client, path, work.resource, lambda present: status_of(present, now))


@dataclass
class Drive:
    """A run that somebody waits for."""

    work: Undertaking
    patience: Patience
    refreshed: Callable[[Undertaking], Undertaking] = lambda work: work
    _said: str = ""
    _said_at: float = 0.0
    _pass: Pass | None = None
    _news: frozenset[Part] | None = None

    def run(self) -> tuple[Outcome, Verdict]:
        """Until it has come to its end, or to none within the patience."""
        with Watch(self.work) as watch:
            while True:
                try:
                    outcome, ended = self._turn(watch)
                except (Unreachable, Conflict, LeaseLost) as error:
                    self._pass, self._news = None, None
                    # What was written before the connection broke, and what another runner of this upgrade writes all
                    # the time, is seen by the next pass.
                    if self.patience.stuck(self.work.clock.ticks()):
                        raise
                    self._say(type(error).__name__, error.reason)
                    self.work.clock.pause(AGAIN_SECONDS)
                    continue
                if ended:
                    return outcome, ended

    def _turn(self, watch: Watch) -> tuple[Outcome, Verdict]:
        """One pass and, where it was not the last, the waiting for the next."""
        outcome = _told(*self._next())
        ended = verdict(outcome.state, outcome.record)
        if not ended and self.patience.over(outcome.state, outcome.record, self.work.clock.ticks()):
            ended = "failed"
        if not ended:
            self._say(outcome.state.reason, outcome.state.message)
            self._news = watch.open(outcome.snapshot.source.lease) or watch.wait(self._pause(outcome))
        return outcome, ended

    def _next(self) -> tuple[Pass, frozenset[Part] | None]:
        """The pass that goes on, with what may have changed; a new one where something else is asked for by now."""
        before, self.work = self.work, self.refreshed(self.work)
        if self._pass is None or (before.spec, before.generation) != (self.work.spec, self.work.generation):
            self._pass = Pass(self.work)
            return self._pass, None
        self._pass.work = self.work
        return self._pass, self._news

    def _pause(self, outcome: Outcome) -> float:
        """Until the next look is due, the Lease is to be renewed, or the patience ends."""
        moments = [outcome.seconds or HEARTBEAT_SECONDS]
        if outcome.snapshot.holds:
            moments.append(max(0.0, outcome.snapshot.lease.remaining - plan.RENEW_BELOW) + 0.05)
        left = self.patience.left(outcome.state, self.work.clock.ticks())
        if left is not None:
            moments.append(left + 0.05)
        return min(moments)

    def _say(self, reason: str, message: str) -> None:
        """Say for what it waits, when that is new and again after a while."""
        line, now = f"{reason}: {message}", self.work.clock.ticks()
        if line != self._said or now - self._said_at >= HEARTBEAT_SECONDS:
            self._said, self._said_at = line, now
            self.work.say(line)


def foresee(work: Undertaking) -> Outcome:
    """Where a run would begin; only reads."""
    return Pass(work).foresee()
