# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting, on a clock that only moves when something is waited for."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, cast

import pytest
from unit.module_utils._domain.starrocks.builders import a_cluster, a_record, a_spec

from ansible_collections.steady.rollout.plugins.module_utils._domain.gate import Refusal
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.gates import Target
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import Event, Record
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Pod, Snapshot
from ansible_collections.steady.rollout.plugins.module_utils._engine.wait import (
    LAST_POLL_SECONDS,
    Poll,
    StepFailed,
    Waiter,
)

TARGET = Target("prod-be-0", "be")
EMPTY = Snapshot("prod", "starrocks", "uid", "1", "running", workloads={}, pods=())


class Bench:
    """A world, a ledger and a clock in one; waiting moves the clock by what was to be waited at most."""

    present: Record | None = None
    renewal_due = 1000.0

    def __init__(self) -> None:
        self.now = 0.0
        self.pods: dict[str, Pod] = {}
        self.sleeps: list[float] = []
        self.waiter = Waiter(cast(Any, self), cast(Any, self), cast(Any, self), "be/prod-be-0", lambda _line: None)

    def snapshot(self) -> Snapshot:
        """Nothing is seen: the gates here look at nothing."""
        return EMPTY

    def next_change(self, timeout: float) -> bool:
        """Nothing changes within the time."""
        self.sleeps.append(timeout)
        self.now += timeout
        return False

    def renew(self) -> None:
        """The lease is ours."""

    def ticks(self) -> float:
        """The clock."""
        return self.now

    def epoch(self) -> float:
        """The clock."""
        return self.now

    def stamp(self) -> str:
        """The clock as nobody reads it here."""
        return str(self.now)


class Gate:
    """A gate that refuses a number of times."""

    def __init__(self, name: str, refusals: int) -> None:
        self.__name__ = name
        self.asked = 0
        self._refusals = refusals

    def __call__(self, _snapshot: Snapshot, target: Target) -> Refusal | None:
        self.asked += 1
        return Refusal(self.__name__, target.pod, "not yet") if self.asked <= self._refusals else None


def test_a_gate_is_asked_once_in_each_turn() -> None:
    bench, pods, row = Bench(), Gate("pod_ready", 2), Gate("member_alive", 1)
    bench.waiter.until("a pod", (row,), lambda: TARGET, deadline=60, before=(pods,))
    turns = len(bench.sleeps) + 1
    assert (turns, pods.asked, row.asked) == (4, 4, 2)


def test_no_fe_is_asked_while_a_gate_before_it_refuses() -> None:
    bench, pods = Bench(), Gate("pod_ready", 3)
    looks: list[float] = []
    poll = Poll(lambda: looks.append(bench.now), LAST_POLL_SECONDS)
    bench.waiter.until("a pod", (), lambda: TARGET, deadline=600, poll=poll, before=(pods,))
    assert looks == [sum(bench.sleeps)]
    assert pods.asked == 4


def test_an_fe_is_asked_ever_more_seldom_and_never_beyond_the_deadline() -> None:
    bench, row = Bench(), Gate("member_alive", 10_000)
    looks: list[float] = []
    poll = Poll(lambda: looks.append(bench.now), LAST_POLL_SECONDS)
    with pytest.raises(StepFailed, match=r"a pod: not after 60 s; last refusal .*not yet"):
        bench.waiter.until("a pod", (row,), lambda: TARGET, deadline=60, poll=poll)
    pauses = [later - earlier for earlier, later in pairwise(looks)]
    assert pauses[0] < 1
    assert max(pauses) <= LAST_POLL_SECONDS + 1e-6
    assert bench.now == pytest.approx(60)


class Recorded(Bench):
    """A bench with a record, which counts how often it is written."""

    def __init__(self) -> None:
        super().__init__()
        self.present = a_record(a_cluster().snapshot, a_spec())
        self.writes = 0

    def change(self, record: Record) -> None:
        """Take over a changed record."""
        self.present = record

    def event(self, kind: str, text: str, *, step: str, subject: str, **data: object) -> None:
        """Note what happened."""
        assert self.present is not None
        self.present = self.present.with_event(Event(self.stamp(), kind, text, step, subject, dict(data)))

    def write(self) -> None:
        """Write the record."""
        self.writes += 1

    @property
    def told(self) -> list[tuple[str, object]]:
        """Gates and states of the events."""
        assert self.present is not None
        return [(event.subject, event.data["state"]) for event in self.present.events]


def test_a_gate_that_passes_soon_is_no_news() -> None:
    bench = Recorded()
    bench.waiter.until("a pod", (Gate("quorum", 1),), lambda: TARGET, deadline=60)
    assert (bench.told, bench.writes) == ([], 0)


def test_a_gate_that_keeps_refusing_is_told_once_while_it_does() -> None:
    bench = Recorded()
    bench.waiter.until("a pod", (Gate("quorum", 30),), lambda: TARGET, deadline=3600)
    assert (bench.told, bench.writes) == ([("quorum", "waiting")], 1)


def test_a_gate_that_ends_a_step_is_told_as_refused() -> None:
    bench = Recorded()
    with pytest.raises(StepFailed):
        bench.waiter.until("a pod", (Gate("quorum", 1000),), lambda: TARGET, deadline=10)
    assert bench.told == [("quorum", "refused")]
