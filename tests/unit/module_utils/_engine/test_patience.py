# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A wait that several passes share: each is another process with another monotonic clock, and the record between."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest
from unit.module_utils._domain.starrocks.builders import a_cluster, a_record, a_spec

from ansible_collections.steady.rollout.plugins.module_utils._domain.gate import Refusal
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.gates import GateLimits, Target
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import (
    Record,
    StepRecord,
    load,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Pod, Snapshot, Waiting
from ansible_collections.steady.rollout.plugins.module_utils._engine import patience
from ansible_collections.steady.rollout.plugins.module_utils._engine.patience import Stretch
from ansible_collections.steady.rollout.plugins.module_utils._engine.wait import Poll, StepFailed, Waiter

STEP = "be/prod-be-0"
BEGAN = datetime(2026, 11, 21, 8, tzinfo=UTC).timestamp()
EMPTY = Snapshot("prod", "starrocks", "uid", "1", "running", workloads={}, pods=())
BROKEN = Pod(
    "prod-be-0", "be", 0, "new", "x/be:2", "Pending", False, waiting=(Waiting("be", "ErrImagePull", "timeout"),)
)


class Pass:
    """World, ledger and clock of one pass. Its ticks begin anywhere; `record` is what the pass before left."""

    renewal_due = 1000.0

    def __init__(self, record: Record, at: float, ticks: float, patience_seconds: float | None = 5.0) -> None:
        self.present: Record | None = record
        self.pods: dict[str, Pod] = {}
        self._at, self._ticks = at, ticks
        me = cast(Any, self)
        self.waiter = Waiter(me, me, me, STEP, lambda _line: None, patience=patience_seconds)

    @property
    def record(self) -> Record:
        assert self.present is not None
        return self.present

    def change(self, record: Record) -> None:
        """Keep it as the next pass would read it."""
        self.present = load(record.to_record(), cluster=record.cluster)

    def event(self, *_about: Any, **_data: Any) -> None:
        """What is told does not matter here."""

    def write(self) -> None:
        """The record reaches the cluster."""

    def renew(self) -> None:
        """The lease is ours."""

    def snapshot(self) -> Snapshot:
        return EMPTY

    def next_change(self, timeout: float) -> bool:
        self._at += timeout
        self._ticks += timeout
        return False

    def ticks(self) -> float:
        return self._ticks

    def epoch(self) -> float:
        return BEGAN + self._at

    def stamp(self) -> str:
        return self.stamp_of(self.epoch())

    def stamp_of(self, epoch: float) -> str:
        return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"

    def until(self, refuses: bool = True, *, deadline: float = 60.0, **others: Any) -> None:
        """Wait for a gate that always refuses, or always passes."""
        target = Target("prod-be-0", "be", "x/be:2", "old")

        def gate(_snapshot: Snapshot, _target: Target) -> Refusal | None:
            return Refusal("gate", "prod-be-0", "not yet") if refuses else None

        self.waiter.until(
            "prod-be-0", (gate,), lambda: target, deadline=deadline, poll=Poll(lambda: None, 5.0), **others
        )


@pytest.fixture
def record() -> Record:
    """A record with a step under way."""
    return a_record(a_cluster().snapshot, a_spec()).with_step(STEP, StepRecord("prod-be-0", "upgrade-pod"))


def left_by(record: Record, at: float, ticks: float = 0.0, refuses: bool = True, **others: Any) -> Record:
    """What a pass that had to wait leaves."""
    one = Pass(record, at, ticks)
    with pytest.raises(patience.Waiting) as waiting:
        one.until(refuses, **others)
    assert waiting.value.again_in > 0
    return one.record


def test_a_pass_ends_after_its_patience_and_names_the_gate(record: Record) -> None:
    one = Pass(record, 0.0, 7.0)
    with pytest.raises(patience.Waiting) as waiting:
        one.until()
    assert waiting.value.gate == "gate"
    assert "not yet" in waiting.value.reason
    assert one.ticks() == pytest.approx(12.0)


def test_a_deadline_counts_from_the_first_pass(record: Record) -> None:
    for at in (0.0, 20.0, 40.0):
        record = left_by(record, at, ticks=1000.0 - at)
    with pytest.raises(StepFailed, match="not after 60 s"):
        Pass(record, 60.0, 3.0).until()


def test_a_play_waits_to_its_deadline_whatever_passes_have_left(record: Record) -> None:
    record = left_by(record, 0.0)
    one = Pass(record, 55.0, 0.0, patience_seconds=None)
    with pytest.raises(StepFailed, match="not after 60 s"):
        one.until()
    assert one.ticks() == pytest.approx(60.0)


def test_settling_goes_on_over_passes(record: Record) -> None:
    limits = GateLimits(settle_seconds=30, consecutive_passes=2)
    for at in (0.0, 12.0):
        record = left_by(record, at, ticks=at * 3, refuses=False, limits=limits)
    one = Pass(record, 30.0, 500.0)
    one.until(False, limits=limits)
    assert one.record.steps[STEP].waits == {}


def test_a_refusal_begins_settling_anew(record: Record) -> None:
    limits = GateLimits(settle_seconds=30, consecutive_passes=1)
    record = left_by(record, 0.0, refuses=False, limits=limits)
    record = left_by(record, 10.0, refuses=True, limits=limits)
    record = left_by(record, 35.0, refuses=False, limits=limits)
    assert record.steps[STEP].waits["prod-be-0"].passing_since > "2026-11-21T08:00:34"


def test_how_long_a_cause_lasts_counts_over_passes(record: Record) -> None:
    def one(at: float, before: Record) -> Pass:
        result = Pass(before, at, 10_000.0 - at)
        result.pods = {"prod-be-0": BROKEN}
        return result

    for at in (0.0, 100.0, 200.0):
        now = one(at, record)
        with pytest.raises(patience.Waiting):
            now.until(deadline=900.0, watch_pod="prod-be-0")
        record = now.record
    with pytest.raises(StepFailed, match="ErrImagePull"):
        one(300.0, record).until(deadline=900.0, watch_pod="prod-be-0")


def test_a_wait_that_is_over_is_forgotten(record: Record) -> None:
    record = left_by(record, 0.0)
    one = Pass(record, 10.0, 0.0)
    assert one.waiter.begun("prod-be-0")
    one.until(False)
    assert not one.waiter.begun("prod-be-0")


def test_a_wait_before_the_record_exists_leaves_nothing() -> None:
    one = Pass(a_record(a_cluster().snapshot, a_spec()), 0.0, 0.0)
    one.present = None
    me = cast(Any, one)
    with pytest.raises(patience.Waiting):
        Stretch(me, me, STEP, "a leader", 60.0, 0.0).pause("none")
    assert one.present is None
