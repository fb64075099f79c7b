# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a preparation begins and when it ends: the table row by row, and any sequence of events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import preparation
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.preparation import (
    Preparation,
    Seen,
    Wish,
    decide,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Component

OLD: dict[Component, str] = {"fe": "x/fe:1.0.0", "be": "x/be:1.0.0"}
NEW: dict[Component, str] = {"fe": "x/fe:1.0.1", "be": "x/be:1.0.1"}
HALF: dict[Component, str] = {"fe": "x/fe:1.0.0", "be": "x/be:1.0.1"}
NOW = 1_000_000.0
WISH = Wish("hooks", 300.0)
CALM = Seen(OLD, NOW, owed=True)


def held(**changes: Any) -> Preparation:
    """A preparation whose hooks are done, one minute ago."""
    before = NOW - 60
    begun = decide(WISH, Seen(OLD, before), None).state
    assert begun is not None
    return replace(preparation.prepared(begun, before, holds=True), **changes)


def test_without_a_trigger_nothing_is_done() -> None:
    assert decide(None, CALM, None) == preparation.Decision("nothing", None)


def test_a_trigger_arms_and_its_hooks_are_run_until_they_are_done() -> None:
    decision = decide(WISH, CALM, None)
    assert decision.act == "arm"
    assert decision.state is not None
    assert (decision.state.phase, decision.state.images) == ("Running", OLD)
    again = decide(WISH, CALM, decision.state)
    assert again.act == "run"


def test_a_prepared_cluster_is_held_and_looked_after() -> None:
    decision = decide(WISH, CALM, held())
    assert decision.act == "hold"
    assert decision.again_in == preparation.HOLD_SECONDS
    assert decision.state is not None
    assert decision.state.held


def test_the_next_look_comes_no_later_than_the_end_of_the_patience() -> None:
    assert decide(replace(WISH, timeout_seconds=70.0), CALM, held()).again_in == 10.0


ENDS: list[tuple[str, Wish | str | None, Seen, Preparation, str]] = [
    ("removed", None, CALM, held(), "trigger-removed"),
    ("removed while hooks are run", None, CALM, held(phase="Running", prepared_at=""), "trigger-removed"),
    ("removed in the middle of a rollout", None, Seen(NEW, NOW, rolling=True, owed=True), held(), "trigger-removed"),
    ("not understood any more", "no such hook", CALM, held(), "invalid"),
    ("other hooks", replace(WISH, request="others"), CALM, held(), "replaced"),
    ("nobody came", replace(WISH, timeout_seconds=60.0), CALM, held(), "expired"),
    ("rolled out", WISH, Seen(NEW, NOW, owed=True), held(), "rolled-out"),
    ("rolled out and back", WISH, CALM, held(changed=True), "rolled-out"),
    ("declared", replace(WISH, target=NEW), Seen(NEW, NOW, owed=True), held(), "rolled-out"),
]


@pytest.mark.parametrize(("wish", "seen", "state", "end"), [row[1:] for row in ENDS], ids=[row[0] for row in ENDS])
def test_every_end_puts_the_settings_back(wish: Wish | str | None, seen: Seen, state: Preparation, end: str) -> None:
    decision = decide(wish, seen, state)
    assert decision.act == "restore"
    assert decision.state is not None
    assert (decision.state.end, decision.state.restored, decision.state.held) == (end, False, False)
    # The intent is carried through, whatever the trigger says when somebody continues.
    for later in (WISH, None, "nonsense"):
        assert decide(later, seen, decision.state).act == "restore"


GOES_ON: list[tuple[str, Wish, Seen, Preparation]] = [
    ("a rollout under way", WISH, Seen(NEW, NOW + 9e9, rolling=True, owed=True), held()),
    ("a new pod not up yet", WISH, Seen(NEW, NOW + 9e9, unsettled="x-be-0 not Ready", owed=True), held()),
    ("one component of a declared target", replace(WISH, target=NEW), Seen(HALF, NOW, owed=True), held()),
    ("declared, and back again", replace(WISH, target=NEW), CALM, held(changed=True)),
]


@pytest.mark.parametrize(("wish", "seen", "state"), [row[1:] for row in GOES_ON], ids=[row[0] for row in GOES_ON])
def test_it_is_held_while_the_change_it_is_for_is_not_over(wish: Wish, seen: Seen, state: Preparation) -> None:
    assert decide(wish, seen, state).act == "hold"


def test_half_of_a_declared_target_is_not_waited_for_for_ever() -> None:
    wish = replace(WISH, target=NEW)
    state = decide(wish, Seen(HALF, NOW, owed=True), held()).state
    assert decide(wish, Seen(HALF, NOW + 299, owed=True), state).act == "hold"
    late = decide(wish, Seen(HALF, NOW + 301, owed=True), state)
    assert late.act == "restore"
    assert late.state is not None
    assert late.state.end == "expired"


SERVED = [
    preparation.restored(preparation.ended(held(), end, "over", Seen(images, NOW)), NOW)
    for end, images in (("rolled-out", NEW), ("expired", OLD), ("failed", OLD), ("taken-over", OLD))
]


@pytest.mark.parametrize("state", SERVED, ids=lambda state: state.end)
def test_one_that_ended_begins_anew_by_target_and_not_by_time(state: Preparation) -> None:
    same = Seen(state.latest, NOW + 9e9)
    assert decide(WISH, same, state) == preparation.Decision("nothing", state)
    other: dict[Component, str] = {"fe": "x/fe:1.0.2", "be": "x/be:1.0.2"}
    assert decide(WISH, replace(same, images=other, rolling=True), state).act == "arm"
    assert decide(replace(WISH, target=other), same, state).act == "arm"
    assert decide(replace(WISH, request="others"), same, state).act == "arm"


@pytest.mark.parametrize("state", SERVED, ids=lambda state: state.end)
def test_what_is_left_of_one_goes_with_its_trigger(state: Preparation) -> None:
    assert decide(None, Seen(state.latest, NOW), state) == preparation.Decision("forget", None)


def test_a_change_that_was_over_before_it_was_seen_is_not_prepared_for() -> None:
    decision = decide(WISH, Seen(NEW, NOW), SERVED[1])
    assert decision.act == "report"
    assert decision.state is not None
    assert (decision.state.end, decision.state.restored) == ("rolled-out", True)


def test_a_declared_target_that_the_cluster_runs_already_is_not_prepared_for() -> None:
    assert decide(replace(WISH, target=OLD), CALM, None).act == "report"


def test_an_unhealthy_cluster_is_waited_for() -> None:
    decision = decide(WISH, replace(CALM, unsettled="x-be-1 not Ready"), None)
    assert decision.act == "wait"
    assert decision.state is not None
    assert decision.state.phase == "Pending"
    assert "x-be-1" in decision.state.message


def test_a_rollout_that_has_begun_already_is_prepared_for_late() -> None:
    decision = decide(WISH, Seen(NEW, NOW, rolling=True, unsettled="x-be-1 runs x/be:1.0.0"), None)
    assert decision.act == "arm"
    assert decision.state is not None
    assert decide(WISH, Seen(NEW, NOW, owed=True), replace(decision.state, phase="Completed")).act == "restore"


@pytest.mark.parametrize("state", [None, held()], ids=["none", "held"])
def test_beside_another_run_nothing_is_done(state: Preparation | None) -> None:
    decision = decide(WISH, replace(CALM, busy="the upgrade to 1.0.1"), state)
    assert decision.act == "wait"
    assert decision.again_in
    assert decision.state is not None
    assert "the upgrade to 1.0.1" in decision.state.message


def test_what_another_run_has_put_back_is_not_switched_off_again() -> None:
    decision = decide(WISH, replace(CALM, owed=False), held())
    assert decision.act == "report"
    assert decision.state is not None
    assert decision.state.end == "taken-over"


def test_hooks_that_hold_nothing_need_no_journal() -> None:
    assert decide(WISH, replace(CALM, owed=False), held(holds=False)).act == "hold"


def test_a_trigger_that_is_not_understood_is_told_once() -> None:
    decision = decide("hooks[1]: unknown hook", CALM, None)
    assert decision.act == "report"
    assert decision.state is not None
    assert (decision.state.phase, decision.state.reason) == ("Failed", "InvalidTrigger")
    assert "unknown hook" in decision.state.message
    assert decide("hooks[1]: unknown hook", CALM, decision.state).act == "nothing"
    assert decide(WISH, CALM, decision.state).act == "arm"


IMAGES = st.sampled_from([OLD, NEW, HALF])


class Life(RuleBasedStateMachine):
    """A cluster with people, a StarRocks operator, FEs that restart, and passes that may be killed between two acts."""

    @initialize(images=IMAGES)
    def born(self, images: dict[Component, str]) -> None:
        self.spec = self.pods = images
        self.now = NOW
        self.up = True
        self.wish: Wish | str | None = None
        self.state: Preparation | None = None
        self.off = False
        self.journal = False
        self.ever_wished = False
        self.writes = 0

    @rule(
        request=st.sampled_from(["a", "b"]), images=st.sampled_from([{}, NEW]), seconds=st.sampled_from([60.0, 600.0])
    )
    def somebody_asks(self, request: str, images: dict[Component, str], seconds: float) -> None:
        self.wish, self.ever_wished = Wish(request, seconds, images), True

    @rule()
    def somebody_asks_for_nonsense(self) -> None:
        self.wish, self.ever_wished = "unknown hook", True

    @rule()
    def the_trigger_goes(self) -> None:
        self.wish = None

    @rule(images=IMAGES)
    def somebody_changes_images(self, images: dict[Component, str]) -> None:
        self.spec = images

    @rule()
    def it_rolls_out(self) -> None:
        self.pods, self.up = self.spec, True

    @rule(up=st.booleans())
    def a_member_goes_or_comes(self, up: bool) -> None:
        self.up = up

    @rule()
    def an_fe_restarts(self) -> None:
        self.off = False

    @rule(seconds=st.sampled_from([10.0, 100.0, 1000.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def another_run_puts_everything_back(self) -> None:
        self.off = self.journal = False

    @rule(acts=st.integers(1, 8), hooks_work=st.booleans())
    def a_pass(self, acts: int, hooks_work: bool) -> None:
        """As many acts as come before it is killed, or ends by itself."""
        self.run_pass(acts, hooks_work)

    def look(self) -> Seen:
        rolling = self.pods != self.spec
        why = "" if self.up and not rolling else "a pod"
        return Seen(self.spec, self.now, rolling=rolling, unsettled=why, owed=self.journal)

    def run_pass(self, acts: int = 20, hooks_work: bool = True) -> float | None:
        for _act in range(acts):
            decision = decide(self.wish, self.look(), self.state)
            before, self.state = self.state, decision.state
            ends: dict[str, Callable[[], None]] = {
                "run": lambda: self.run_hooks(hooks_work),
                "restore": self.put_back,
                "hold": self.hold,
            }
            if decision.act in ends:
                self.writes += 1
                ends[decision.act]()
            if decision.act in ("nothing", "wait", "hold"):
                return decision.again_in
            assert decision.act != "arm" or before is None or before.end or not before.armed_at
        return 0.0

    def run_hooks(self, work: bool) -> None:
        assert self.state is not None
        self.journal = self.off = True
        if work:
            self.state = preparation.prepared(self.state, self.now, holds=True)
        else:
            self.state = preparation.failed(self.state, "a hook failed", self.look())

    def hold(self) -> None:
        assert self.journal
        self.off = True

    def put_back(self) -> None:
        assert self.state is not None
        self.off = self.journal = False
        self.state = preparation.restored(self.state, self.now)

    @invariant()
    def nothing_is_off_that_nobody_owes(self) -> None:
        assert self.journal or not self.off

    @invariant()
    def what_is_owed_is_known(self) -> None:
        if self.journal:
            assert self.state is not None
            assert self.state.armed_at
            assert not self.state.restored

    @invariant()
    def a_cluster_without_a_trigger_never_sees_a_write(self) -> None:
        assert self.ever_wished or self.writes == 0

    @precondition(lambda self: self.state is not None)
    @rule()
    def passes_come_to_rest(self) -> None:
        """Without news a pass says at once when to look again, and changes nothing when it is asked again."""
        self.run_pass()
        state, off = self.state, self.off
        self.run_pass()
        assert (self.state, self.off) == (state, off)

    def teardown(self) -> None:
        """Whatever has happened: removing the trigger, waiting long enough and rolling out each end it."""
        if not hasattr(self, "spec"):
            return
        kept = self.state, self.off, self.journal, self.wish
        self.wish = None
        self.run_pass()
        assert (self.state, self.off, self.journal) == (None, False, False)
        self.state, self.off, self.journal, self.wish = kept
        self.pods, self.up = self.spec, True
        self.run_pass()
        self.now += 1e6
        assert self.run_pass() is None
        assert (self.off, self.journal) == (False, False)
        writes = self.writes
        self.now += 1e6
        assert self.run_pass() is None
        assert self.writes == writes


TestLife = Life.TestCase
TestLife.settings = hypothesis_settings(max_examples=150, stateful_step_count=30, deadline=None)
