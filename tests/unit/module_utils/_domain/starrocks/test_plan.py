# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans: what is in them, and that carrying one out from any state ends where it says."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import from_plain
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.gate import Override
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import (
    Plan,
    Step,
    continued,
    direction_of,
    plan_restore,
    plan_rollback,
    plan_upgrade,
    pod_seconds,
    rollback_freeze,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import StepRecord, load
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import (
    GUIDE,
    SETTINGS,
    Entry,
    Journal,
    Sighting,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Component
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.spec import UpgradeSpec

from .builders import DEFAULTS, NEW_START, NOW, a_cluster, a_record, a_spec, component_of, examples, image
from .simulation import Crashed, Moved, Runner, Simulation, countdown

OURS = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
PERSONS = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}


def pods(plan: Plan, *, pending: bool = False) -> list[str]:
    """The pods of a plan's steps, in order."""
    return [s.pod for s in plan.steps if s.component and s.kind != "transfer-leader" and not (pending and s.done)]


# -- contents ------------------------------------------------------------


def test_backends_and_compute_nodes_come_before_frontends_and_the_leader_is_last() -> None:
    plan = plan_upgrade(a_cluster(cn=2).snapshot, a_spec(), None, NOW)
    assert plan.refusals == ()
    assert [s.id for s in plan.steps] == [
        "begin",
        *("be/prod-be-2", "be/prod-be-1", "be/prod-be-0"),
        *("cn/prod-cn-1", "cn/prod-cn-0"),
        *("fe/prod-fe-2", "fe/prod-fe-1", "fe/prod-fe-0"),
        "restore",
    ]
    assert plan.direction == "upgrade"
    assert plan.keys == GUIDE


def test_the_point_of_no_return_is_the_first_frontend() -> None:
    assert plan_upgrade(a_cluster().snapshot, a_spec(), None, NOW).point_of_no_return == "fe/prod-fe-2"
    backends_only = a_spec(target={"images": {"be": image("be", "3.3.2")}})
    assert plan_upgrade(a_cluster().snapshot, backends_only, None, NOW).point_of_no_return == ""


def test_a_downgrade_goes_the_other_way_round() -> None:
    plan = plan_upgrade(a_cluster(version="3.3.2").snapshot, a_spec("3.3.1", acknowledge=["downgrade"]), None, NOW)
    assert plan.direction == "downgrade"
    assert plan.refusals == ()
    assert pods(plan) == [f"prod-{c}-{n}" for c in ("fe", "be") for n in (2, 1, 0)]


def test_a_target_equal_to_the_present_has_no_steps() -> None:
    plan = plan_upgrade(a_cluster().snapshot, a_spec("3.3.1"), None, NOW)
    assert (plan.steps, plan.refusals, plan.estimate_seconds) == ((), (), 0.0)


def test_only_the_components_asked_for_are_touched() -> None:
    plan = plan_upgrade(a_cluster(cn=2).snapshot, a_spec(target={"images": {"cn": image("cn", "3.3.2")}}), None, NOW)
    assert pods(plan) == ["prod-cn-1", "prod-cn-0"]


def test_a_component_the_cluster_has_not_is_refused() -> None:
    with pytest.raises(Refused, match=r"spec\.target\.images\.cn"):
        plan_upgrade(a_cluster().snapshot, a_spec(target={"images": {"cn": image("cn", "3.3.2")}}), None, NOW)


def test_without_hooks_no_setting_is_switched_off() -> None:
    plan = plan_upgrade(a_cluster().snapshot, a_spec(hooks=[]), None, NOW)
    assert plan.keys == ()
    assert plan.steps[0].title == "take the lease"


def test_the_estimate_is_how_long_pods_took_last_time() -> None:
    there = a_cluster(be=1)
    timed = there.pod("prod-be-0", created="2026-11-01T06:00:00Z", ready_since="2026-11-01T06:00:42Z")
    assert pod_seconds(timed.snapshot, "be") == 42
    assert pod_seconds(timed.snapshot, "fe") == 60


def test_a_plan_survives_the_way_through_a_playbook() -> None:
    plan = plan_upgrade(a_cluster(cn=1).snapshot, a_spec(), None, NOW)
    assert from_plain(Plan, json.loads(json.dumps(plan.to_plain())), "plan") == plan


def test_an_unknown_step_is_refused() -> None:
    with pytest.raises(Refused, match="not a step of this plan"):
        plan_upgrade(a_cluster().snapshot, a_spec(), None, NOW).step("be/prod-be-9")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        pytest.param(a_cluster().snapshot, True, id="the same"),
        pytest.param(a_cluster().having(resource_version="99").snapshot, True, id="status written"),
        pytest.param(a_cluster(be=4).snapshot, False, id="another size"),
        pytest.param(a_cluster(version="3.3.0").snapshot, False, id="another start"),
        pytest.param(a_cluster().having(uid="other").snapshot, False, id="another cluster of that name"),
    ],
)
def test_the_hash_says_whether_it_is_the_same_undertaking(other: Any, same: bool) -> None:
    first = plan_upgrade(a_cluster().snapshot, a_spec(), None, NOW)
    assert (plan_upgrade(other, a_spec(), None, NOW).hash == first.hash) is same
    assert plan_upgrade(a_cluster().snapshot, a_spec("3.3.3"), None, NOW).hash != first.hash


# -- risks and what has to be acknowledged ------------------------------------------------------------


@pytest.mark.parametrize(
    ("cluster", "version", "word"),
    [
        pytest.param(a_cluster(fe=1), "3.3.2", "frontend-outage", id="one FE"),
        pytest.param(a_cluster(fe=2), "3.3.2", "frontend-outage", id="two FEs"),
        pytest.param(a_cluster(version="3.2.1"), "3.3.2", "no-way-back", id="way back forbidden"),
        pytest.param(a_cluster(version="3.3.2"), "3.3.1", "downgrade", id="downgrade"),
        pytest.param(a_cluster().leader("prod-fe-1"), "3.3.2", "leader-restart", id="leader in the middle"),
    ],
)
def test_what_is_dangerous_has_to_be_acknowledged(cluster: Any, version: str, word: str) -> None:
    refused = plan_upgrade(cluster.snapshot, a_spec(version), None, NOW)
    assert len(refused.refusals) == 1
    assert word in refused.refusals[0].remedy
    accepted = plan_upgrade(cluster.snapshot, a_spec(version, acknowledge=[word]), None, NOW)
    assert accepted.refusals == ()
    assert next(risk for risk in accepted.risks if risk.name == word).acknowledged


def test_a_new_minor_version_warns_of_the_way_back() -> None:
    plan = plan_upgrade(a_cluster(version="3.3.1").snapshot, a_spec("3.4.0"), None, NOW)
    assert plan.refusals == ()
    assert "way-back-by-hand" in {risk.name for risk in plan.risks}


def test_settings_that_differ_are_named_with_both_numbers() -> None:
    key = "tablet_sched_max_scheduling_tablets"
    cluster = a_cluster().settings("prod-fe-2", **{key: "2000"}).snapshot
    refused = plan_upgrade(cluster, a_spec(), None, NOW)
    assert [r.field for r in refused.refusals] == ["spec.onDrift"]
    assert all(number in refused.refusals[0].reason for number in ("10000", "2000"))
    accepted = plan_upgrade(cluster, a_spec(onDrift="leader"), None, NOW)
    assert accepted.refusals == ()
    assert any("2000" in risk.text for risk in accepted.risks)


def test_an_override_is_shown_as_a_risk() -> None:
    spec = replace(a_spec(), overrides=(Override("cluster_healthy", NOW + 60, "repair"),))
    plan = plan_upgrade(a_cluster().pod("prod-be-1", ready=False).snapshot, spec, None, NOW)
    assert plan.refusals == ()
    assert any("repair" in risk.text for risk in plan.risks)


@pytest.mark.parametrize(
    ("before", "after", "direction"),
    [
        ("3.3.1", "3.3.2", "upgrade"),
        ("3.3.2", "3.3.1", "downgrade"),
        ("3.3.1", "3.3.1", "upgrade"),
        ("latest", "3.3.1", "upgrade"),
    ],
)
def test_direction(before: str, after: str, direction: str) -> None:
    assert direction_of({"be": image("be", before)}, {"be": image("be", after)}) == direction


# -- continuing ------------------------------------------------------------


def test_a_run_that_was_killed_is_continued_by_the_same_request_only() -> None:
    record = a_record(a_cluster().snapshot, a_spec(), "prod-be-2")
    there = a_cluster().upgraded("prod-be-2", "3.3.2").workload("be", image=image("be", "3.3.2"))
    assert continued(record, a_spec(), "cluster-uid") is record
    assert continued(record, a_spec("3.3.3"), "cluster-uid") is None
    assert continued(record, a_spec(), "other-uid") is None
    assert continued(replace(record, outcome="succeeded"), a_spec(), "cluster-uid") is None
    refused = plan_upgrade(there.snapshot, a_spec("3.3.3"), record, NOW)
    assert "unfinished_run" in [r.field for r in refused.refusals]


def test_what_is_done_is_marked_done() -> None:
    record = a_record(a_cluster().snapshot, a_spec(), "prod-be-2")
    record = record.with_step("be/prod-be-2", StepRecord("", "upgrade-pod", "done"))
    there = a_cluster().upgraded("prod-be-2", "3.3.2")
    plan = plan_upgrade(there.workload("be", image=image("be", "3.3.2"), strategy=OURS).snapshot, a_spec(), record, NOW)
    assert plan.continues == "rollout-1"
    assert [s.pod for s in plan.steps if s.done] == ["prod-be-2"]
    assert plan.refusals == ()
    assert plan.baseline == record.baseline


def test_a_pod_whose_step_did_not_end_is_gated_again() -> None:
    """A kill between Ready and settled: the tablets of that backend may still be unhealthy."""
    record = a_record(a_cluster().snapshot, a_spec(), "prod-be-2")
    record = record.with_step("be/prod-be-2", StepRecord("", "upgrade-pod", "running"))
    there = a_cluster().upgraded("prod-be-2", "3.3.2").workload("be", image=image("be", "3.3.2"), strategy=OURS)
    plan = plan_upgrade(there.snapshot, a_spec(), record, NOW)
    assert pods(plan, pending=True)[0] == "prod-be-2"


def test_a_pod_that_does_not_exist_at_this_moment_has_its_step() -> None:
    record = a_record(a_cluster().snapshot, a_spec(), "prod-be-2")
    there = a_cluster().upgraded("prod-be-2", "3.3.2").workload("be", image=image("be", "3.3.2"), strategy=OURS)
    plan = plan_upgrade(there.without_pod("prod-be-1").snapshot, a_spec(), record, NOW)
    assert [pod for pod in pods(plan) if "-be-" in pod] == ["prod-be-2", "prod-be-1", "prod-be-0"]


def test_a_component_added_meanwhile_is_upgraded_too() -> None:
    record = a_record(a_cluster().snapshot, a_spec())
    plan = plan_upgrade(a_cluster(cn=1).snapshot, a_spec(), record, NOW)
    assert "prod-cn-0" in pods(plan)


def test_an_open_restore_is_finished_though_the_version_is_there() -> None:
    journal = Journal({key: Entry(key, DEFAULTS[key], s.off, ()) for key, s in SETTINGS.items()})
    record = a_record(a_cluster().snapshot, a_spec("3.3.9"), journal=journal, phase="restoring")
    plan = plan_upgrade(a_cluster().snapshot, a_spec("3.3.1"), record, NOW)
    assert [s.kind for s in plan.steps] == ["restore"]
    assert plan.refusals == ()


def test_the_record_of_another_cluster_of_that_name_owes_nothing() -> None:
    journal = Journal({key: Entry(key, "7", s.off, ()) for key, s in SETTINGS.items() if s.kind == "int"})
    record = a_record(a_cluster().having(uid="deleted").snapshot, a_spec("3.3.9"), journal=journal)
    assert plan_upgrade(a_cluster().snapshot, a_spec("3.3.1"), record, NOW).steps == ()


@pytest.mark.parametrize(
    ("phase", "outcome", "present", "kept"),
    [
        pytest.param("running", "", OURS, None, id="our partition of a killed run"),
        pytest.param("done", "frozen", OURS, None, id="our partition kept by a freeze"),
        pytest.param("done", "restored", PERSONS, PERSONS, id="a person's strategy after a restore"),
        pytest.param("done", "failed", PERSONS, PERSONS, id="a person's strategy after a failure"),
        pytest.param("done", "succeeded", PERSONS, PERSONS, id="a person's strategy after a success"),
    ],
)
def test_the_baseline_of_a_new_request_holds_the_persons_strategy(
    phase: Any, outcome: Any, present: Any, kept: Any
) -> None:
    record = a_record(a_cluster().snapshot, a_spec("3.3.9"), "prod-be-2", phase=phase, outcome=outcome)
    there = a_cluster().workload("be", strategy=present, partition=1 if present is OURS else 0)
    plan = plan_upgrade(there.snapshot, a_spec(), record, NOW)
    assert plan.baseline.strategies["be"] == kept


def test_restore_only_changes_no_image() -> None:
    record = a_record(a_cluster().snapshot, a_spec(), "prod-be-2")
    assert [s.kind for s in plan_restore(a_cluster().snapshot, record).steps] == ["restore"]
    assert plan_restore(a_cluster().snapshot, replace(record, phase="done")).steps == ()


# -- rollback ------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "touched", "policy", "why"),
    [
        pytest.param("3.3.1", "3.3.2", "prod-be-2", "automatic", "", id="BE, same minor"),
        pytest.param("3.3.1", "3.3.2", "prod-fe-2", "automatic", "", id="FE, same minor"),
        pytest.param("3.3.1", "3.4.0", "prod-be-2", "automatic", "", id="BE, next minor"),
        pytest.param("3.3.1", "3.4.0", "prod-fe-2", "automatic", "another minor version", id="FE, next minor"),
        pytest.param("3.2.1", "3.3.2", "prod-fe-2", "automatic", "metadata is lost", id="FE, forbidden pair"),
        pytest.param("4.0.5", "4.1.0", "prod-fe-2", "automatic", "4.0.6", id="FE, forbidden back to 4.0.5"),
        pytest.param("latest", "3.3.2", "prod-fe-2", "automatic", "not known", id="FE, version unknown"),
        pytest.param("3.3.1", "3.3.2", "prod-be-2", "never", "never", id="policy"),
    ],
)
def test_when_a_rollback_freezes(before: str, after: str, touched: str, policy: str, why: str) -> None:
    record = a_record(a_cluster(version=before).snapshot, a_spec(after), touched)
    freeze = rollback_freeze(record, policy)
    assert (why in freeze) if why else (freeze == "")
    spec = a_spec(after, rollback={"policy": policy})
    there = a_cluster(version=before).upgraded(touched, after)
    plan = plan_rollback(there.snapshot, record, spec)
    assert plan.freeze == freeze
    assert [s.kind for s in plan.steps][-1] == "restore"
    assert pods(plan) == ([] if why else [touched])


def test_a_rollback_mends_the_broken_pod_before_it_takes_a_healthy_one_down() -> None:
    """Two of three FEs down at once would cost the quorum."""
    record = a_record(a_cluster().snapshot, a_spec(), "prod-fe-2", "prod-fe-1")
    there = a_cluster().upgraded("prod-fe-2", "3.3.2").upgraded("prod-fe-1", "3.3.2").pod("prod-fe-1", ready=False)
    there = there.row("prod-fe-1", alive=False).workload("fe", image=image("fe", "3.3.2"), strategy=OURS, partition=1)
    assert pods(plan_rollback(there.snapshot, record, a_spec())) == ["prod-fe-1", "prod-fe-2"]


def test_a_rollback_of_a_pod_that_was_not_replaced_yet_only_takes_the_change_back() -> None:
    record = a_record(a_cluster().snapshot, a_spec(), "prod-be-2")
    assert pods(plan_rollback(a_cluster().snapshot, record, a_spec())) == []
    patched = a_cluster().workload("be", image=image("be", "3.3.2"), strategy=OURS)
    assert pods(plan_rollback(patched.snapshot, record, a_spec())) == ["prod-be-2"]


def test_a_rollback_knows_a_touched_pod_that_is_gone() -> None:
    record = a_record(a_cluster().snapshot, a_spec(), "prod-be-2")
    there = a_cluster().workload("be", image=image("be", "3.3.2"), strategy=OURS).without_pod("prod-be-2")
    assert pods(plan_rollback(there.snapshot, record, a_spec())) == ["prod-be-2"]


# -- walks ------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A cluster, the request, and where the leader is."""

    sizes: tuple[int, int, int]
    leader: int
    strategies: dict[Component, Any]
    before: str
    after: str
    leader_strategy: str
    acknowledge: tuple[str, ...]
    seed: int

    def spec(self) -> UpgradeSpec:
        """The request."""
        return a_spec(self.after, leader={"strategy": self.leader_strategy}, acknowledge=list(self.acknowledge))

    def simulation(self) -> Simulation:
        """The cluster before anything is done."""
        fe, be, cn = self.sizes
        cluster = a_cluster(fe, be, cn, self.before).leader(f"prod-fe-{self.leader}")
        for component, strategy in self.strategies.items():
            if component in cluster.snapshot.workloads:
                cluster = cluster.workload(component, strategy=strategy)
        return Simulation(cluster, Random(self.seed))


PERSONS_STRATEGIES = st.sampled_from([None, {"type": "RollingUpdate"}, PERSONS])


@st.composite
def cases(draw: st.DrawFn, *, same_minor: bool = False) -> Case:
    """Clusters of all sizes with the leader anywhere, each with a request that is not refused."""
    fe = draw(st.integers(1, 5))
    leader = draw(st.integers(0, fe - 1))
    strategy = draw(st.sampled_from(["auto", "transfer", "on-delete"]))
    accepted = draw(st.booleans())
    words = ["frontend-outage", "no-way-back", "downgrade", *(["leader-restart"] if accepted else [])]
    pairs = [("3.3.1", "3.3.2"), ("3.3.2", "3.3.1")] + ([] if same_minor else [("3.3.1", "3.4.0"), ("2.5.3", "3.0.1")])
    before, after = draw(st.sampled_from(pairs))
    if strategy == "auto" and not accepted:
        leader = 0
    return Case(
        sizes=(fe, draw(st.integers(1, 4)), draw(st.integers(0, 2))),
        leader=leader,
        strategies={"fe": draw(PERSONS_STRATEGIES), "be": draw(PERSONS_STRATEGIES), "cn": draw(PERSONS_STRATEGIES)},
        before=before,
        after=after,
        leader_strategy=strategy,
        acknowledge=tuple(words),
        seed=draw(st.integers(0, 1000)),
    )


def finish(world: Simulation, spec: UpgradeSpec) -> None:
    """Run and plan anew as the play does, to the end."""
    for _attempt in range(10):
        plan = plan_upgrade(world.snapshot, spec, world.record, NOW, under_way=world.record is not None)
        assert plan.refusals == ()
        try:
            Runner(world, spec).carry_out(plan)
        except Moved:
            continue
        return
    raise AssertionError("the plan is made anew for ever")


def assert_reached(case: Case, world: Simulation) -> None:
    """Every pod in the target image, strategies and settings as they were, and nothing left to do."""
    assert set(world.images.values()) == {image(c, case.after) for c in world.snapshot.workloads}
    assert world.strategies == {c: case.strategies[c] for c in world.snapshot.workloads}
    assert [view.values for view in world.snapshot.settings.values()] == [DEFAULTS] * case.sizes[0]
    assert plan_upgrade(world.snapshot, case.spec(), world.record, NOW).steps == ()


def assert_one_at_a_time(world: Simulation) -> None:
    """Every pod went down in its own step, while no other of its component was down."""
    for restart in world.restarts:
        assert restart.step.rsplit("/", 1)[-1] == restart.pod, "a pod was replaced outside its own step"
        down = [pod for pod in restart.also_down if component_of(pod) == component_of(restart.pod)]
        assert down == [], f"{restart.pod} went down while others were"


@given(case=cases())
@examples(60)
def test_every_plan_walks_to_its_end(case: Case) -> None:
    world = case.simulation()
    finish(world, case.spec())
    assert_reached(case, world)
    assert_one_at_a_time(world)
    order = [restart.pod.split("-")[1] for restart in world.restarts]
    down = case.after < case.before
    assert order == sorted(order, key=("fe", "be", "cn").index if down else ("be", "cn", "fe").index)
    if "leader-restart" not in case.acknowledge:
        assert [r.pod for r in world.restarts if r.led] == [r.pod for r in world.restarts if "-fe-" in r.pod][-1:]


@given(case=cases(), kills=st.lists(st.integers(0, 60), min_size=1, max_size=3), lost=st.none() | st.integers(0, 30))
@examples(100)
def test_a_run_killed_anywhere_is_continued_to_its_end(case: Case, kills: list[int], lost: int | None) -> None:
    """`lost` is a pod whose node is gone at the moment of the kill; it comes back while the next run waits."""
    world = case.simulation()
    spec = case.spec()
    for edges in kills:
        plan = plan_upgrade(world.snapshot, spec, world.record, NOW, under_way=world.record is not None)
        assert plan.refusals == ()
        try:
            Runner(world, spec, countdown(edges)).carry_out(plan)
        except Crashed:
            if lost is not None and world.record is not None:
                world.lose(sorted(world.images)[lost % len(world.images)], "node loss")
        except Moved:
            continue
        if world.record is not None:
            world.record = load(json.loads(json.dumps(world.record.to_record())), cluster="prod")
    finish(world, spec)
    assert_reached(case, world)
    world.restarts = [restart for restart in world.restarts if restart.step != "node loss"]
    assert_one_at_a_time(world)


@given(case=cases(), edges=st.integers(3, 120), again=st.none() | st.integers(0, 30), broken=st.booleans())
@examples(100)
def test_the_rollback_of_any_prefix_restores_the_start(case: Case, edges: int, again: int | None, broken: bool) -> None:
    """`again` is where the rollback itself is killed and begun once more; `broken`: the newest pod does not work."""
    world = case.simulation()
    spec = case.spec()
    start = world.images
    _walk_until(world, spec, edges)
    if world.record is None or world.record.phase == "done":
        return
    before = {pod.name: pod.uid for pod in world.snapshot.pods}
    last = world.restarts[-1].pod.split("-")[1] if broken and world.restarts else ""
    ended = bool(last) and all(
        pod.image != world.record.baseline.images[pod.component] for pod in world.snapshot.pods if pod.component == last
    )
    if broken and world.restarts and world.snapshot.leader != world.restarts[-1].pod:
        world.crash_loop(world.restarts[-1].pod, case.before)
    world.restarts.clear()
    frozen = rollback_freeze(world.record, spec.rollback)
    if again is not None:
        try:
            Runner(world, spec, countdown(again)).carry_out(plan_rollback(world.snapshot, world.record, spec))
        except Crashed:
            world.record = load(json.loads(json.dumps(world.record.to_record())), cluster="prod")
    plan = plan_rollback(world.snapshot, world.record, spec)
    Runner(world, spec).carry_out(plan)
    assert all(view.values == DEFAULTS for view in world.seen().values())
    if frozen:
        assert world.restarts == []
        assert case.before[:3] != case.after[:3]
        assert world.record.frontend_touched
        return
    assert world.images == start
    assert {c: w.image for c, w in world.snapshot.workloads.items()} == world.record.baseline.images
    assert world.strategies == {c: case.strategies[c] for c in world.snapshot.workloads}
    untouched = {pod.name: pod.uid for pod in world.snapshot.pods if pod.name not in world.record.touched}
    assert untouched == {name: uid for name, uid in before.items() if name in untouched}
    order = [restart.pod.split("-")[1] for restart in world.restarts]
    back = ("fe", "be", "cn") if case.before <= case.after else ("be", "cn", "fe")
    assert order == sorted(order, key=back.index)
    # A pod that breaks after its component's rollout has ended cannot be mended first: a partition walks from above.
    if not ended:
        assert_one_at_a_time(world)


def _walk_until(world: Simulation, spec: UpgradeSpec, edges: int) -> None:
    edge = countdown(edges)
    for _attempt in range(10):
        plan = plan_upgrade(world.snapshot, spec, world.record, NOW, under_way=world.record is not None)
        try:
            Runner(world, spec, edge).carry_out(plan)
        except Moved:
            continue
        except Crashed:
            pass
        return


def test_a_run_that_has_ended_is_never_rolled_back() -> None:
    world, spec = Simulation(a_cluster(), Random(0)), a_spec()
    Runner(world, spec).carry_out(plan_upgrade(world.snapshot, spec, None, NOW))
    assert world.record is not None
    assert [step.kind for step in plan_rollback(world.snapshot, world.record, spec).steps] == ["restore"]


def test_a_pod_that_breaks_after_its_component_was_done_is_rolled_back_too() -> None:
    """All backends were new and ready for a moment: a pod made anew below the partition would be new again."""
    world, spec = Simulation(a_cluster(), Random(0)), a_spec()
    start = world.images

    def edge(name: str) -> None:
        if name == "before fe/prod-fe-2":
            raise Crashed(name)

    with pytest.raises(Crashed):
        Runner(world, spec, edge).carry_out(plan_upgrade(world.snapshot, spec, None, NOW))
    world.cluster = world.cluster.pod("prod-be-0", ready=False).row("prod-be-0", alive=False)
    assert world.record is not None
    world.restarts.clear()
    Runner(world, spec).carry_out(plan_rollback(world.snapshot, world.record, spec))
    assert world.images == start
    assert [restart.pod for restart in world.restarts if restart.step.endswith(restart.pod)] == [
        restart.pod for restart in world.restarts
    ]


@pytest.mark.parametrize("ordinal", range(5))
@pytest.mark.parametrize("strategy", ["transfer", "on-delete"])
def test_the_leader_restarts_last_wherever_it_is(ordinal: int, strategy: str) -> None:
    spec = a_spec(leader={"strategy": strategy})
    world = Simulation(a_cluster(fe=5).leader(f"prod-fe-{ordinal}"), Random(ordinal))
    finish(world, spec)
    fronts = [restart for restart in world.restarts if "-fe-" in restart.pod]
    assert [restart.led for restart in fronts] == [False, False, False, False, True]


def test_a_leader_that_moves_in_the_middle_is_waited_with() -> None:
    spec = a_spec(leader={"strategy": "transfer"})
    world = Simulation(a_cluster(fe=3), Random(0))

    def edge(name: str) -> None:
        if name == "settled fe/prod-fe-2":
            world.cluster = world.cluster.leader("prod-fe-1")

    with pytest.raises(Moved):
        Runner(world, spec, edge).carry_out(plan_upgrade(world.snapshot, spec, None, NOW))
    finish(world, spec)
    assert [r.pod for r in world.restarts if r.led] == ["prod-fe-0"]


def test_sightings_of_a_restarted_frontend_survive_the_record() -> None:
    entry = Entry("tablet_sched_disable_balance", "false", "true", (Sighting("prod-fe-2", NEW_START, "false"),))
    record = a_record(a_cluster().snapshot, a_spec(), journal=Journal({entry.key: entry}))
    assert load(json.loads(json.dumps(record.to_record())), cluster="prod") == record


def test_steps_have_unique_ids() -> None:
    plan = plan_upgrade(a_cluster(fe=5, be=4, cn=3).snapshot, a_spec(leader={"strategy": "transfer"}), None, NOW)
    assert len({s.id for s in plan.steps}) == len(plan.steps)
    assert all(isinstance(s, Step) for s in plan.steps)
