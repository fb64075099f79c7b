# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan, walked: in a straight line, and by hypothesis with runners that are late, killed and several at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ansible_collections.steady.rollout.plugins.module_utils._domain.database import plan
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.conditions import State
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.output import PendingFile, Status
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.record import Inspection
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.snapshot import Container, Managed
from ansible_collections.steady.rollout.plugins.module_utils._domain.gate import Refusal

from .world import Precondition, Seen, Upgrade, World, a_spec, a_world, settle

PRE = (Refusal("minPodVersions", "web-1", "runs v1.4.0, needs at least v1.5.0"),)
POST = (Refusal("External metric", "errors", "errors is 7, must be at most 1"),)


def an_upgrade(**changes: Any) -> Upgrade:
    """A DBUpgrade of the image v1."""
    return Upgrade(**{"name": "orders", "namespace": "shop", "spec": a_spec(), **changes})


class Walk(RuleBasedStateMachine):
    """Two DBUpgrades in two namespaces on one database, each with runners that may be late or die at any write."""

    @initialize(steps=st.sampled_from([0, 9, 40]))
    def begin(self, steps: int) -> None:
        self.world: World = a_world(
            an_upgrade(), an_upgrade(name="reports", namespace="stage", uid="", spec=a_spec("v2", onFailure="Rollback"))
        )
        # Decisions of runners that stalled between looking and writing.
        self.late: list[tuple[Upgrade, Seen, plan.Action]] = []
        # Most of what can go wrong goes wrong while a Job writes.
        self._go_on(self.world.upgrades["orders"], steps)

    names = st.sampled_from(["orders", "reports"])

    def _run(self, upgrade: Upgrade, steps: int) -> None:
        for _step in range(steps):
            seen = self.world.look(upgrade)
            action = self.world.decide(upgrade, seen).action
            if isinstance(action, plan.Wait):
                return
            try:
                self.world.act(upgrade, seen, action)
            except Precondition:
                return

    @rule(name=names, steps=st.integers(1, 25))
    def a_pass_that_may_be_killed_between_two_writes(self, name: str, steps: int) -> None:
        self._run(self.world.upgrades[name], steps)

    def _go_on(self, upgrade: Upgrade, steps: int) -> None:
        for _step in range(steps):
            self.world.go_on(upgrade)

    @rule(steps=st.sampled_from([8, 12, 16, 40]))
    def all_goes_well_with_one(self, steps: int) -> None:
        self._go_on(self.world.upgrades["orders"], steps)

    @rule(steps=st.sampled_from([8, 12, 16, 40]))
    def all_goes_well_with_the_other(self, steps: int) -> None:
        self._go_on(self.world.upgrades["reports"], steps)

    @rule(name=names)
    def a_runner_stalls_before_its_write(self, name: str) -> None:
        upgrade = self.world.upgrades[name]
        seen = self.world.look(upgrade)
        action = self.world.decide(upgrade, seen).action
        if not isinstance(action, plan.Wait):
            self.late.append((upgrade, seen, action))

    @precondition(lambda self: self.late)
    @rule(data=st.data())
    def a_stalled_runner_wakes_up(self, data: st.DataObject) -> None:
        upgrade, seen, action = self.late.pop(data.draw(st.integers(0, len(self.late) - 1)))
        try:
            self.world.act(upgrade, seen, action)
        except Precondition:
            return

    @rule(seconds=st.sampled_from([15, 45, 61, 700]))
    def time_passes(self, seconds: int) -> None:
        self.world.now += seconds

    @precondition(lambda self: self.world.running())
    @rule(data=st.data(), how=st.sampled_from(["start", "migrate", "complete", "fail", "fail partly", "deadline"]))
    def a_job_goes_on(self, data: st.DataObject, how: str) -> None:
        job = data.draw(st.sampled_from(self.world.running()))
        match how:
            case "start":
                self.world.start(job)
            case "migrate" if job in self.world.writing():
                self.world.migrate(job)
            case "complete":
                self.world.finish(job)
            case "fail":
                self.world.finish(job, failed="Error: out of luck")
            case "fail partly":
                self.world.finish(job, failed="Error: syntax error", partly=True)
            case "deadline":
                job.reason = "DeadlineExceeded"
                self.world.finish(job, failed="killed")

    @precondition(lambda self: self.world.jobs)
    @rule(data=st.data())
    def somebody_deletes_a_job(self, data: st.DataObject) -> None:
        namespace, name = data.draw(st.sampled_from(sorted(self.world.jobs)))
        upgrade = next(u for u in self.world.upgrades.values() if u.namespace == namespace)
        self.world.delete(upgrade, name)

    @rule()
    def pods_of_deleted_jobs_write_on_and_go(self) -> None:
        for job in self.world.dying:
            self.world.migrate(job)
        self.world.bury()

    @rule(name=names, tag=st.sampled_from(["v1", "v2", "v3"]), attempt=st.integers(1, 2), back=st.booleans())
    def somebody_changes_the_spec(self, name: str, tag: str, attempt: int, back: bool) -> None:
        spec = a_spec(tag, runner__attempt=attempt, onFailure="Rollback" if back else "Freeze")
        self.world.upgrades[name].spec = spec

    @rule(name=names, what=st.sampled_from(["rotate", "secret", "managed", "pre", "post", "anew"]))
    def something_else_happens(self, name: str, what: str) -> None:
        upgrade = self.world.upgrades[name]
        match what:
            case "rotate":
                upgrade.secret += 1
            case "secret":
                upgrade.secret_there = not upgrade.secret_there
            case "managed":
                upgrade.managed = None
            case "pre":
                upgrade.pre = () if upgrade.pre else PRE
            case "post":
                upgrade.post = () if upgrade.post else POST
            case "anew" if upgrade.uid:
                # The resource is deleted and made again: the garbage collector deletes what it owned.
                for namespace, job in list(self.world.jobs):
                    if namespace == upgrade.namespace:
                        self.world.delete(upgrade, job)
                upgrade.uid += "+"
                upgrade.managed = None

    @invariant()
    def never_two_jobs_write_to_one_database(self) -> None:
        databases = [job.order.database for job in self.world.writing()]
        assert len(databases) == len(set(databases))

    @invariant()
    def no_job_of_one_order_ever_runs_twice(self) -> None:
        assert [order for order, times in self.world.ran.items() if times > 1] == []

    @invariant()
    def what_runs_is_in_a_record(self) -> None:
        for job in self.world.jobs.values():
            if job.pod and job.order.kind in ("apply", "rollback"):
                upgrade = self.world.upgrades[job.owner.name]
                assert job.order.hash(job.owner) in (upgrade.record or {})["begun"]

    def teardown(self) -> None:
        """Whatever happened: once the world is calm, everything comes to an end, and every Lease is free."""
        if not hasattr(self, "world"):
            return
        self.world.bury()
        for upgrade in self.world.upgrades.values():
            upgrade.secret_there, upgrade.pre, upgrade.post = True, (), ()
        for job in list(self.world.running()):
            self.world.finish(job)
        for upgrade in list(self.world.upgrades.values()) * 2:
            decision = settle(self.world, upgrade)
            assert decision.state.aspect in ("Ready", "Degraded", "Blocked"), decision
        for upgrade in self.world.upgrades.values():
            lease = self.world.leases[self.world.lease_name(upgrade)]
            assert lease.holder == "" or lease.holder != self.world.look(upgrade).snapshot.holder
        self.never_two_jobs_write_to_one_database()
        self.no_job_of_one_order_ever_runs_twice()


TestWalk = Walk.TestCase
TestWalk.settings = settings(max_examples=60, stateful_step_count=15, derandomize=True, deadline=None)


def test_a_straight_run() -> None:
    upgrade = an_upgrade(post=())
    world = a_world(upgrade)
    decision = settle(world, upgrade)
    assert (decision.state.aspect, decision.state.reason) == ("Ready", "MigrationComplete")
    assert world.databases["steady-rollout-db"].applied == ("0001", "0002")
    assert [event.reason for event in upgrade.events] == ["MigrationStarted", "MigrationSucceeded"]
    kinds = [job.order.kind for job in world.jobs.values()]
    assert kinds == ["inspect", "apply", "verify"]
    assert world.leases["steady-rollout-db"].holder == ""


def test_the_same_spec_again_makes_no_job() -> None:
    upgrade = an_upgrade()
    world = a_world(upgrade)
    settle(world, upgrade)
    jobs = set(world.jobs)
    world.now += 86_400
    settle(world, upgrade)
    assert set(world.jobs) == jobs


@pytest.mark.parametrize("lost", ["jobs", "record", "both"])
def test_what_is_applied_is_not_applied_again_when_its_traces_are_gone(lost: str) -> None:
    upgrade = an_upgrade()
    world = a_world(upgrade)
    settle(world, upgrade)
    if lost != "record":
        world.jobs.clear()
    if lost != "jobs":
        upgrade.record = None
    world.now += 60
    assert settle(world, upgrade).state.aspect == "Ready"
    assert sum(world.ran.values()) == 1
    assert world.databases["steady-rollout-db"].history == ["0001", "0002"]


# One situation each, in a world that is otherwise calm.


def settled(upgrade: Upgrade, world: World | None = None) -> tuple[World, plan.Decision]:
    """The world in the end, and the last decision."""
    world = world or a_world(upgrade)
    return world, settle(world, upgrade)


def until_it_writes(world: World, upgrade: Upgrade) -> None:
    """Everything goes well until a Job writes to the database."""
    while not world.writing():
        world.go_on(upgrade)


def test_a_missing_secret_is_degraded_and_told_once() -> None:
    upgrade = an_upgrade(secret_there=False)
    world, decision = settled(upgrade)
    assert (decision.state.aspect, decision.state.reason) == ("Degraded", "SecretNotFound")
    settle(world, upgrade)
    assert [event.reason for event in upgrade.events] == ["SecretNotFound"]
    assert not world.jobs
    upgrade.secret_there = True
    assert settle(world, upgrade).state.reason == "MigrationComplete"


def test_a_failing_check_blocks_without_holding_the_lease_and_is_looked_at_again() -> None:
    upgrade = an_upgrade(pre=PRE)
    world, decision = settled(upgrade)
    assert (decision.state.aspect, decision.state.reason) == ("Blocked", "PreCheckFailed")
    assert "web-1): runs v1.4.0" in decision.state.message
    assert decision.action == plan.Wait(plan.AGAIN_BLOCKED)
    assert not world.jobs
    assert world.leases["steady-rollout-db"].holder == ""
    upgrade.pre = ()
    assert settle(world, upgrade).state.aspect == "Ready"
    assert [event.reason for event in upgrade.events] == ["PreCheckFailed", "MigrationStarted", "MigrationSucceeded"]


def test_checks_that_could_not_be_made_block() -> None:
    _world, decision = settled(an_upgrade(pre=None))
    assert (decision.state.aspect, decision.state.reason) == ("Blocked", "PreCheckFailed")


def test_a_failing_check_afterwards_is_degraded_until_it_passes() -> None:
    upgrade = an_upgrade(post=POST)
    world, decision = settled(upgrade)
    assert (decision.state.aspect, decision.state.reason) == ("Degraded", "PostCheckFailed")
    assert "errors is 7, must be at most 1" in decision.state.message
    assert world.leases["steady-rollout-db"].holder == ""
    upgrade.post = ()
    assert settle(world, upgrade).state.aspect == "Ready"
    upgrade.post = POST
    assert settle(world, upgrade).state.aspect == "Ready"


def test_the_holder_of_the_database_is_named() -> None:
    one, other = an_upgrade(), an_upgrade(name="reports", namespace="stage", uid="")
    world = a_world(one, other)
    until_it_writes(world, one)
    for _step in range(9):
        seen = world.look(other)
        decision = world.decide(other, seen)
        if isinstance(decision.action, plan.Wait):
            break
        world.act(other, seen, decision.action)
    assert (decision.state.aspect, decision.state.reason) == ("Blocked", "DatabaseBusy")
    assert "dbupgrade/shop/orders/uid-1" in decision.state.message
    # The runner dies; its Job does not.
    world.now += 3600
    decision = world.decide(other, world.look(other))
    assert (decision.state.aspect, decision.state.reason) == ("Blocked", "DatabaseBusy")
    assert "Job shop/dbu-orders-apply-" in decision.state.message
    assert "has not ended" in decision.state.message
    world.finish(world.writing()[0])
    assert isinstance(world.decide(other, world.look(other)).action, plan.TakeLease)


def test_destructive_statements_block_until_they_are_allowed() -> None:
    upgrade = an_upgrade(spec=a_spec("drop"))
    world, decision = settled(upgrade)
    assert (decision.state.aspect, decision.state.reason) == ("Blocked", "DestructiveStatements")
    assert "0006_step.sql:1: dropTable: DROP TABLE t1" in decision.state.message
    assert not world.ran
    assert world.leases["steady-rollout-db"].holder == ""
    upgrade.spec = a_spec("drop", lint__allow=[{"file": "0006_step.sql"}])
    assert settle(world, upgrade).state.aspect == "Ready"


def test_destructive_statements_may_be_reported_alone() -> None:
    upgrade = an_upgrade(spec=a_spec("drop", lint__destructive="Report"))
    assert settled(upgrade)[1].state.aspect == "Ready"
    assert upgrade.record is not None
    assert [finding["rule"] for finding in upgrade.record["inspection"]["findings"]] == ["dropTable"]


def test_plan_mode_shows_and_applies_nothing() -> None:
    upgrade = an_upgrade(spec=a_spec(runner__mode="Plan"), pre=PRE)
    world, decision = settled(upgrade)
    assert (decision.state.aspect, decision.action) == ("Planned", plan.Wait(0))
    assert upgrade.record is not None
    assert "CREATE TABLE t2" in upgrade.record["inspection"]["sql"]
    assert not world.ran
    assert world.leases["steady-rollout-db"].taken == 0
    upgrade.spec, upgrade.pre = a_spec(), ()
    assert settle(world, upgrade).state.aspect == "Ready"


def fail_the_apply(world: World, upgrade: Upgrade, log: str, *, after: int = 0, partly: bool = False) -> plan.Decision:
    """The apply Job fails after so many files; what comes then ends well."""
    until_it_writes(world, upgrade)
    for _file in range(after):
        world.migrate(world.writing()[0])
    world.finish(world.writing()[0], failed=log, partly=partly)
    return settle(world, upgrade)


def test_a_failure_that_changed_nothing() -> None:
    upgrade = an_upgrade()
    world = a_world(upgrade)
    decision = fail_the_apply(world, upgrade, "Error: pq: syntax error at or near X")
    assert (decision.state.aspect, decision.state.reason) == ("Degraded", "MigrationFailed")
    assert "syntax error at or near X" in decision.state.message
    assert "Nothing was applied." in decision.state.message
    assert [event.reason for event in upgrade.events] == ["MigrationStarted", "MigrationFailed"]
    jobs = set(world.jobs)
    world.now += 86_400
    settle(world, upgrade)
    assert set(world.jobs) == jobs


def test_the_next_attempt_is_asked_for_in_the_spec() -> None:
    upgrade = an_upgrade()
    world = a_world(upgrade)
    fail_the_apply(world, upgrade, "Error: x", after=1)
    upgrade.spec = a_spec(runner__attempt=2)
    assert settle(world, upgrade).state.aspect == "Ready"
    assert world.databases["steady-rollout-db"].history == ["0001", "0002"]
    assert upgrade.record is not None
    assert [past["outcome"] for past in upgrade.record["past"]] == ["frozen"]


def test_a_failure_in_the_middle_freezes() -> None:
    upgrade = an_upgrade(spec=a_spec("v2"))
    world = a_world(upgrade)
    decision = fail_the_apply(world, upgrade, "Error: x", after=2)
    assert upgrade.record is not None
    assert upgrade.record["outcome"] == "frozen"
    assert "Applied all the same: 0001, 0002." in decision.state.message
    assert "Mend it, then give another image or raise spec.runner.attempt." in decision.state.message


@pytest.mark.parametrize(
    ("tag", "partly", "why"),
    [
        ("v2", False, "there is no down file for 0003_step.sql"),
        ("v3", True, "version 0004 is applied in part"),
    ],
)
def test_what_cannot_be_undone_is_left_as_it_is(tag: str, partly: bool, why: str) -> None:
    upgrade = an_upgrade(spec=a_spec("v1"))
    world, _decision = settled(upgrade)
    upgrade.spec = a_spec(tag, onFailure="Rollback")
    decision = fail_the_apply(world, upgrade, "Error: x", after=1, partly=partly)
    assert upgrade.record is not None
    assert upgrade.record["outcome"] == "frozen"
    assert why in decision.state.message


def test_a_first_migration_cannot_be_undone() -> None:
    upgrade = an_upgrade(spec=a_spec("v3", onFailure="Rollback"))
    decision = fail_the_apply(a_world(upgrade), upgrade, "Error: x", after=1)
    assert "there is no version to go back to" in decision.state.message


def test_a_rollback_undoes_what_was_applied_newest_first() -> None:
    upgrade = an_upgrade()
    world, _decision = settled(upgrade)
    upgrade.spec = a_spec("v3", onFailure="Rollback")
    decision = fail_the_apply(world, upgrade, "Error: x", after=2)
    assert (decision.state.aspect, decision.state.reason) == ("Degraded", "MigrationRolledBack")
    assert world.databases["steady-rollout-db"].applied == ("0001", "0002")
    (rollback,) = [job.order for job in world.jobs.values() if job.order.kind == "rollback"]
    assert (rollback.undo, rollback.back_to) == (("0004", "0003"), "0002")
    assert upgrade.events[-1].reason == "MigrationRolledBack"


def test_a_frozen_database_is_rolled_back_when_somebody_asks_for_it_later() -> None:
    upgrade = an_upgrade()
    world, _decision = settled(upgrade)
    upgrade.spec = a_spec("v3")
    assert fail_the_apply(world, upgrade, "Error: x", after=2).state.reason == "MigrationFailed"
    upgrade.spec = a_spec("v3", onFailure="Rollback")
    assert settle(world, upgrade).state.reason == "MigrationRolledBack"


@pytest.mark.parametrize("after", [0, 1])
def test_a_job_that_was_deleted_is_not_made_again(after: int) -> None:
    upgrade = an_upgrade()
    world = a_world(upgrade)
    until_it_writes(world, upgrade)
    (job,) = world.writing()
    world.delete(upgrade, job.order.name(job.owner))
    decision = world.decide(upgrade, world.look(upgrade))
    assert isinstance(decision.action, plan.Wait)
    for _file in range(after):
        world.migrate(job)
    world.bury()
    decision = settle(world, upgrade)
    assert (decision.state.aspect, decision.state.reason) == ("Degraded", "JobLost")
    assert sum(world.ran.values()) == 1


def test_a_job_that_did_all_and_was_deleted_has_succeeded() -> None:
    upgrade = an_upgrade()
    world = a_world(upgrade)
    until_it_writes(world, upgrade)
    world.finish(world.writing()[0])
    world.jobs.clear()
    assert settle(world, upgrade).state.aspect == "Ready"


@pytest.mark.parametrize("running", ["fetch", "unpack", "atlas"])
def test_a_deadline_says_so(running: str) -> None:
    upgrade = an_upgrade()
    world = a_world(upgrade)
    until_it_writes(world, upgrade)
    job = world.writing()[0]
    job.reason = "DeadlineExceeded"
    world.finish(job, failed="killed")
    job.containers = (Container(running, plan.KILLED_CODES[1], ""),)
    assert settle(world, upgrade).state.reason == "DeadlineExceeded"


def test_an_image_that_is_older_than_the_database_is_refused() -> None:
    upgrade = an_upgrade(spec=a_spec("v2"))
    world, _decision = settled(upgrade)
    upgrade.spec = a_spec("v1")
    decision = settle(world, upgrade)
    assert (decision.state.aspect, decision.state.reason) == ("Degraded", "DirectoryUnfit")
    assert "the database is at version 0004, which this image does not have" in decision.state.message


@pytest.mark.parametrize(
    ("names", "applied", "words"),
    [
        (["1_a", "2_b", "3_c"], ["1", "2"], ""),
        (["1_a", "2_b"], [], ""),
        (["3_c", "4_d"], ["1", "2", "3"], ""),
        (["1_a", "2_b", "3_c"], ["2"], ""),
        (["1_a", "1a_late", "2_b"], ["1", "2"], "1a_late.sql: older than the database's version 2 and never applied"),
        (["1_a"], ["1", "2"], "the database is at version 2, which this image does not have"),
    ],
)
def test_a_directory_has_to_continue_what_the_database_has(names: list[str], applied: list[str], words: str) -> None:
    files = [f"{name}.sql" for name in names]
    pending = [f for f in files if f.partition("_")[0] > (applied or [""])[-1]]
    status = Status((applied or [""])[-1], tuple(PendingFile(f, f.partition("_")[0]) for f in pending), tuple(applied))
    said = plan.not_linear(Inspection("x", "y", (*files, "down/0_x.sql", "atlas.sum"), status))
    assert said.startswith(words) if words else said == ""


def test_a_rotated_password_is_followed_after_the_end_too() -> None:
    upgrade = an_upgrade()
    world, _decision = settled(upgrade)
    upgrade.secret += 1
    settle(world, upgrade)
    assert upgrade.managed is not None
    assert upgrade.managed.source == "2"


def test_a_token_is_made_anew_for_a_pod_that_has_not_started() -> None:
    upgrade = an_upgrade(tokens=900.0)
    world = a_world(upgrade)
    until_it_writes(world, upgrade)
    before = upgrade.secret_version
    world.now += 800
    settle_once(world, upgrade)
    assert upgrade.secret_version == before + 1
    world.start(world.writing()[0])
    world.now += 3600
    settle_once(world, upgrade)
    assert upgrade.secret_version == before + 1


def settle_once(world: World, upgrade: Upgrade) -> None:
    """One pass, until it waits."""
    for _step in range(20):
        seen = world.look(upgrade)
        action = world.decide(upgrade, seen).action
        if isinstance(action, plan.Wait):
            return
        world.act(upgrade, seen, action)
    raise AssertionError("it does not come to wait")


def test_an_attempt_whose_token_had_expired_is_made_anew() -> None:
    upgrade = an_upgrade(tokens=900.0)
    world = a_world(upgrade)
    until_it_writes(world, upgrade)
    world.now += 1000  # nobody was there to make the token anew
    world.finish(world.writing()[0], failed='Error: pq: PAM authentication failed for user "migrator"')
    assert settle(world, upgrade).state.aspect == "Ready"
    assert [job.order.round for job in world.jobs.values() if job.order.kind == "apply"] == [0, 1]
    assert world.databases["steady-rollout-db"].history == ["0001", "0002"]


def test_a_rollback_whose_token_had_expired_is_made_anew() -> None:
    upgrade = an_upgrade(tokens=900.0)
    world, _decision = settled(upgrade)
    upgrade.spec = a_spec("v3", onFailure="Rollback")
    until_it_writes(world, upgrade)
    for _file in range(2):
        world.migrate(world.writing()[0])
    world.finish(world.writing()[0], failed="Error: x")
    until_it_writes(world, upgrade)
    world.now += 1000
    world.finish(world.writing()[0], failed='Error: pq: PAM authentication failed for user "migrator"')
    assert settle(world, upgrade).state.reason == "MigrationRolledBack"
    assert [job.order.round for job in world.jobs.values() if job.order.kind == "rollback"] == [0, 1]
    assert world.databases["steady-rollout-db"].applied == ("0001", "0002")


def test_a_rollback_waits_for_a_login_that_can_be_used() -> None:
    upgrade = an_upgrade(tokens=900.0)
    world, _decision = settled(upgrade)
    upgrade.spec = a_spec("v3", onFailure="Rollback")
    until_it_writes(world, upgrade)
    for _file in range(2):
        world.migrate(world.writing()[0])
    world.finish(world.writing()[0], failed="Error: x")
    while upgrade.record is not None and upgrade.record["verified"] is None:
        world.go_on(upgrade)
    snapshot = world.look(upgrade).snapshot
    source = replace(snapshot.source, reason="AwsUnreachable", problem="no way")
    decision = world.decide(upgrade, replace(world.look(upgrade), snapshot=replace(snapshot, source=source)))
    assert isinstance(decision.action, plan.Save), "a person is told, and nothing else is done"
    assert [event.message for event in decision.action.events] == ["no way"]
    assert decision.state == State("Degraded", "AwsUnreachable", "no way")
    assert settle(world, upgrade).state.reason == "MigrationRolledBack"


def test_a_login_that_fails_with_a_good_token_is_a_failure() -> None:
    upgrade = an_upgrade(tokens=900.0)
    world = a_world(upgrade)
    until_it_writes(world, upgrade)
    world.now += 10
    world.finish(world.writing()[0], failed='Error: pq: PAM authentication failed for user "migrator"')
    assert settle(world, upgrade).state.reason == "DatabaseLoginFailed"


def test_no_token_is_made_before_a_job_needs_one() -> None:
    upgrade = an_upgrade(tokens=900.0, pre=PRE)
    world, decision = settled(upgrade)
    assert (decision.state.reason, upgrade.managed) == ("PreCheckFailed", None)
    upgrade.pre = ()
    assert settle(world, upgrade).state.aspect == "Ready"


@pytest.mark.parametrize("mode", ["Apply", "Plan"])
def test_no_token_is_left_at_rest(mode: str) -> None:
    upgrade = an_upgrade(tokens=900.0, spec=a_spec(runner={"mode": mode}))
    _world, decision = settled(upgrade)
    assert decision.state.aspect in ("Ready", "Planned")
    assert upgrade.managed == Managed("")


def test_a_token_is_taken_out_at_its_end_while_something_is_waited_for() -> None:
    upgrade = an_upgrade(tokens=900.0)
    world = a_world(upgrade)
    settle_once(world, upgrade)
    world.finish(world.running()[0], failed="x")
    settle_once(world, upgrade)
    upgrade.pre = PRE
    settle_once(world, upgrade)
    assert upgrade.managed is not None
    assert upgrade.managed.expires
    world.now += 900
    settle_once(world, upgrade)
    assert upgrade.managed == Managed("")


def test_a_token_that_cannot_be_made_anew_is_told_while_the_pod_waits() -> None:
    upgrade = an_upgrade(tokens=900.0)
    world = a_world(upgrade)
    until_it_writes(world, upgrade)
    settle_once(world, upgrade)
    world.now += 800
    snapshot = world.look(upgrade).snapshot
    source = replace(snapshot.source, reason="AwsUnreachable", problem="no way")
    seen = replace(world.look(upgrade), snapshot=replace(snapshot, source=source))
    decision = world.decide(upgrade, seen)
    assert (decision.state.aspect, decision.state.degraded) == ("Progressing", ("AwsUnreachable", "no way"))
    assert not isinstance(decision.action, plan.WriteSecret)


def test_another_database_in_the_secret_begins_anew_there() -> None:
    upgrade = an_upgrade()
    world, _decision = settled(upgrade)
    upgrade.database, upgrade.secret = "db2", 2
    assert settle(world, upgrade).state.aspect == "Ready"
    assert world.databases["steady-rollout-db2"].history == ["0001", "0002"]


def test_a_lost_record_is_not_the_end_of_a_running_job() -> None:
    upgrade = an_upgrade()
    world = a_world(upgrade)
    until_it_writes(world, upgrade)
    upgrade.record = None
    world.now += 5
    for _step in range(30):
        settle_once(world, upgrade)
        for job in world.running():
            if job.order.kind == "inspect":
                world.finish(job)
    assert len(world.writing()) == 1
    assert settle(world, upgrade).state.aspect == "Ready"
    assert sum(world.ran.values()) == 1


def test_what_a_failed_inspection_says_is_shown_and_it_is_tried_again_later() -> None:
    upgrade = an_upgrade()
    world = a_world(upgrade)
    settle_once(world, upgrade)
    world.finish(world.running()[0], failed="Error: dial tcp: connection refused")
    settle_once(world, upgrade)
    decision = world.decide(upgrade, world.look(upgrade))
    assert (decision.state.aspect, decision.state.reason) == ("Degraded", "DatabaseUnreachable")
    assert decision.action == plan.Wait(plan.RETRY_FIRST)
    assert world.leases["steady-rollout-db"].holder == ""
    assert settle(world, upgrade).state.aspect == "Ready"


def test_the_job_whose_logs_are_needed() -> None:
    upgrade = an_upgrade()
    world = a_world(upgrade)
    needed = set()
    for _step in range(60):
        seen = world.look(upgrade)
        needed.add(plan.job_to_read(upgrade.spec, seen.record, upgrade.owner))
        action = world.decide(upgrade, seen).action
        if not isinstance(action, plan.Wait):
            world.act(upgrade, seen, action)
        elif world.running():
            world.finish(world.running()[0])
    assert needed - {""} == {name for _namespace, name in world.jobs}
    assert plan.job_to_read(upgrade.spec, world.look(upgrade).record, upgrade.owner) == ""


def test_back_to_a_spec_that_was_begun_before_makes_no_second_job() -> None:
    upgrade = an_upgrade(spec=a_spec("v1"))
    world = a_world(upgrade)
    fail_the_apply(world, upgrade, "Error: x")
    upgrade.spec = a_spec("v1", runner__attempt=2)
    until_it_writes(world, upgrade)
    world.finish(world.writing()[0], failed="Error: y")
    settle(world, upgrade)
    world.jobs.clear()
    upgrade.spec = a_spec("v1")
    decision = settle(world, upgrade)
    assert (decision.state.aspect, decision.state.reason) == ("Degraded", "JobLost")
    assert max(world.ran.values()) == 1
    assert world.databases["steady-rollout-db"].applied == ()


def test_a_job_that_a_late_runner_makes_again_never_runs() -> None:
    upgrade = an_upgrade()
    world = a_world(upgrade)
    while not (upgrade.record and upgrade.record["inspection"]):
        world.go_on(upgrade)
    seen = world.look(upgrade)
    late = world.decide(upgrade, seen).action
    assert isinstance(late, plan.CreateJob)
    until_it_writes(world, upgrade)
    world.delete(upgrade, late.order.name(upgrade.owner))
    world.bury()
    world.act(upgrade, seen, late)
    assert settle(world, upgrade).state.reason == "JobLost"
    assert sum(world.ran.values()) == 1
    assert not [job for job in world.jobs.values() if job.order.kind == "apply"]


def test_a_database_whose_client_was_killed_is_asked_a_little_later() -> None:
    upgrade = an_upgrade()
    world = a_world(upgrade)
    until_it_writes(world, upgrade)
    world.writing()[0].reason = "DeadlineExceeded"
    world.finish(world.writing()[0], failed="killed")
    settle_once(world, upgrade)
    decision = world.decide(upgrade, world.look(upgrade))
    assert (decision.action, decision.state.aspect) == (plan.Wait(plan.AFTER_KILL), "Progressing")
    assert [job.order.kind for job in world.jobs.values()] == ["inspect", "apply"]
    world.now += plan.AFTER_KILL
    settle_once(world, upgrade)
    assert [job.order.kind for job in world.jobs.values()] == ["inspect", "apply", "verify"]


def test_the_lease_is_given_up_while_the_secret_is_missing() -> None:
    upgrade = an_upgrade()
    world = a_world(upgrade)
    while not world.look(upgrade).snapshot.holds:
        world.go_on(upgrade)
    upgrade.secret_there = False
    assert settle(world, upgrade).state.reason == "SecretNotFound"
    assert world.leases["steady-rollout-db"].holder == ""
