# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates: each says yes to a healthy cluster, no to what it is about, and never yes to what it could not see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.gate import Override, Refusal
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import gates
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.gates import (
    BEFORE_POD,
    GATE_NAMES,
    MEMBER_UP,
    SETTLED,
    Gate,
    GateLimits,
    Passes,
    Target,
    ask,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import REPAIR_LIMIT
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Tablets

from .builders import DEFAULTS, NOW, OLD_START, QUIESCED, Cluster, a_cluster, a_target, examples, image

BALANCE = "tablet_sched_disable_balance"
ALL: tuple[Gate, ...] = tuple(dict.fromkeys((*BEFORE_POD, *SETTLED)))
WINDOW = {**QUIESCED, REPAIR_LIMIT: DEFAULTS[REPAIR_LIMIT]}


def settled(pod: str) -> Cluster:
    """The cluster after that pod was replaced, inside a repair window."""
    return a_cluster(cn=2).upgraded(pod, "3.3.2").settings(**WINDOW)


def target(pod: str, **changes: Any) -> Target:
    """That pod's target while settings are off."""
    return a_target(pod, expected=WINDOW, **changes)


PODS = ("prod-be-2", "prod-cn-0", "prod-fe-2", "prod-fe-0")


@pytest.mark.parametrize("pod", PODS)
@pytest.mark.parametrize("gate", ALL, ids=lambda g: g.__name__)
def test_every_gate_passes_when_all_is_well(gate: Gate, pod: str) -> None:
    assert gate(settled(pod).snapshot, target(pod)) is None


# name, gate, target's pod, what is wrong, words of the refusal
REFUSALS: list[tuple[str, Gate, str, Callable[[Cluster], Cluster], str]] = [
    ("no pod", gates.pod_replaced, "prod-be-2", lambda c: c.without_pod("prod-be-2"), "does not exist"),
    ("old pod", gates.pod_replaced, "prod-be-2", lambda c: c.pod("prod-be-2", uid="prod-be-2-old"), "old pod"),
    ("pod leaving", gates.pod_replaced, "prod-be-2", lambda c: c.pod("prod-be-2", deleting=True), "old pod"),
    ("old image", gates.pod_replaced, "prod-be-2", lambda c: c.pod("prod-be-2", image=image("be", "3.3.1")), "3.3.1"),
    ("not ready", gates.pod_ready, "prod-be-2", lambda c: c.pod("prod-be-2", ready=False), "not Ready"),
    ("other unready", gates.others_up, "prod-be-2", lambda c: c.pod("prod-fe-1", ready=False), "prod-fe-1"),
    ("other leaving", gates.others_up, "prod-be-2", lambda c: c.pod("prod-cn-1", deleting=True), "prod-cn-1"),
    ("other missing", gates.others_up, "prod-be-2", lambda c: c.without_pod("prod-be-0"), "prod-be-0"),
    ("BE not alive", gates.member_alive, "prod-be-2", lambda c: c.row("prod-be-2", alive=False, error="x"), "x"),
    ("BE old version", gates.member_alive, "prod-be-2", lambda c: c.row("prod-be-2", version="3.3.1"), "3.3.1"),
    ("BE same start", gates.member_alive, "prod-be-2", lambda c: c.row("prod-be-2", start_time=OLD_START), OLD_START),
    ("CN not alive", gates.member_alive, "prod-cn-0", lambda c: c.row("prod-cn-0", alive=False), "Alive=false"),
    ("FE not alive", gates.member_alive, "prod-fe-2", lambda c: c.row("prod-fe-2", alive=False), "Alive=false"),
    ("no leader", gates.quorum, "prod-be-2", lambda c: c.row("prod-fe-0", role="FOLLOWER"), "leader"),
    ("two leaders", gates.quorum, "prod-be-2", lambda c: c.row("prod-fe-1", role="LEADER"), "leader"),
    (
        "no majority",
        gates.quorum,
        "prod-be-2",
        lambda c: c.row("prod-fe-1", alive=False).row("prod-fe-2", alive=False),
        "1 of 3",
    ),
    ("one FE down", gates.quorum_survives, "prod-fe-2", lambda c: c.row("prod-fe-1", alive=False), "1 of 3"),
    ("FE behind", gates.replay_caught_up, "prod-be-2", lambda c: c.row("prod-fe-1", replayed_journal_id=3999), "1001"),
    ("other value", gates.settings_held, "prod-be-2", lambda c: c.settings("prod-fe-1", **{BALANCE: "false"}), BALANCE),
    ("malformed", gates.settings_held, "prod-be-2", lambda c: c.settings("prod-fe-1", **{REPAIR_LIMIT: ""}), "wanted"),
    ("limit 0", gates.tablets_settled, "prod-be-2", lambda c: c.settings(**{REPAIR_LIMIT: "0"}), "is 0"),
    ("limit 00", gates.tablets_settled, "prod-be-2", lambda c: c.settings(**{REPAIR_LIMIT: "00"}), "cannot"),
    ("limit negative", gates.tablets_settled, "prod-be-2", lambda c: c.settings(**{REPAIR_LIMIT: "-1"}), "cannot"),
    ("limit malformed", gates.tablets_settled, "prod-be-2", lambda c: c.settings(**{REPAIR_LIMIT: "?"}), "cannot"),
]


@pytest.mark.parametrize(
    ("gate", "pod", "wrong", "words"), [case[1:] for case in REFUSALS], ids=[case[0] for case in REFUSALS]
)
def test_refusals(gate: Gate, pod: str, wrong: Callable[[Cluster], Cluster], words: str) -> None:
    refusal = gate(wrong(settled(pod)).snapshot, target(pod))
    assert refusal is not None
    assert refusal.gate == gate.__name__
    assert words in str(refusal)


@pytest.mark.parametrize("count", ["unhealthy", "inconsistent", "error_state", "cloning", "pending", "running"])
def test_tablets_are_compared_with_the_baseline(count: str) -> None:
    worse = settled("prod-be-2").tablets(**{count: 5}).snapshot
    refusal = gates.tablets_settled(worse, target("prod-be-2"))
    assert refusal is not None
    assert "5 (before: 0)" in refusal.text
    as_before = target("prod-be-2", baseline_tablets=worse.tablets)
    assert gates.tablets_settled(worse, as_before) is None


def test_tablets_say_nothing_in_shared_data_mode() -> None:
    there = settled("prod-cn-0").having(tablets=None, mode="shared_data").snapshot
    assert gates.tablets_settled(there, target("prod-cn-0", judge_tablets=False)) is None


@pytest.mark.parametrize(("size", "passes"), [(1, False), (2, False), (3, True), (4, True), (5, True)])
def test_a_frontend_may_restart_only_when_the_rest_has_a_majority(size: int, passes: bool) -> None:
    there, pod = a_cluster(fe=size).snapshot, f"prod-fe-{size - 1}"
    assert (gates.quorum_survives(there, a_target(pod)) is None) is passes
    assert gates.quorum_survives(there, a_target(pod, frontend_outage_accepted=True)) is None
    assert gates.quorum_survives(there, a_target("prod-be-0")) is None


def test_observers_do_not_vote() -> None:
    there = a_cluster(fe=4).row("prod-fe-3", role="OBSERVER").row("prod-fe-2", alive=False)
    assert gates.electors(there.snapshot) == (2, 3)


def test_spellings_of_one_value_are_the_same() -> None:
    there = settled("prod-be-2").settings(**{BALANCE: "TRUE"}).snapshot
    assert gates.settings_held(there, target("prod-be-2")) is None


# -- missing data ------------------------------------------------------------


def removals(cluster: Cluster, pod: str) -> Iterator[tuple[str, Cluster, set[str]]]:
    """Every single piece of data taken away, with the gates that depend on it.

    To `quorum` an FE that is not listed is one that is away, so it takes more than one.
    """
    fronts = {"quorum_survives", "replay_caught_up", "settings_held"}
    member = {"member_alive"}
    snapshot = cluster.snapshot
    yield "pod", cluster.without_pod(pod), {"pod_replaced", "pod_ready"}
    for other in snapshot.pods:
        if other.name != pod:
            yield f"pod {other.name}", cluster.without_pod(other.name), {"others_up"}
    yield "all pods", cluster.having(pods=()), {"pod_replaced", "pod_ready", "others_up"}
    yield "row", cluster.without_row(pod), member
    yield "version", cluster.row(pod, version=None), member
    yield "start time", cluster.row(pod, start_time=None), member
    for row in snapshot.frontends:
        yield f"row {row.pod}", cluster.without_row(row.pod), fronts
        yield f"replay {row.pod}", cluster.row(row.pod, replayed_journal_id=None), {"replay_caught_up"}
        if row.pod != pod:
            yield f"role {row.pod}", cluster.row(row.pod, role="UNKNOWN"), {"quorum_survives"}
        yield f"settings {row.pod}", cluster.unread(row.pod), {"settings_held"}
    for front in snapshot.settings:
        for key in WINDOW:
            yield f"{key} of {front}", cluster.unset(front, key), {"settings_held"}
    yield "followers", cluster.without_row("prod-fe-1").without_row("prod-fe-2"), {*fronts, "quorum"}
    leader = str(snapshot.leader)
    yield "leader's settings", cluster.unread(leader), {"tablets_settled"}
    if leader in snapshot.settings:
        yield "leader's limit", cluster.unset(leader, REPAIR_LIMIT), {"tablets_settled"}
    yield "leader", cluster.row(leader, role="FOLLOWER"), {"quorum", "replay_caught_up", "tablets_settled"}
    yield "all FE rows", cluster.having(frontends=()), {*fronts, "quorum", "tablets_settled"}
    yield "all settings", cluster.having(settings={}), {"settings_held", "tablets_settled"}
    yield "tablets", cluster.having(tablets=None).blind("tablets"), {"tablets_settled"}
    yield "workers", cluster.having(workers=()).blind("backends"), member if "-fe-" not in pod else set()


MISSING = [
    pytest.param(gate, pod, there, id=f"{gate.__name__}-{pod}-without {what}")
    for pod in PODS
    for what, there, names in removals(settled(pod), pod)
    for gate in ALL
    if gate.__name__ in names and not (gate is gates.quorum_survives and "-fe-" not in pod)
]


@pytest.mark.parametrize(("gate", "pod", "there"), MISSING)
def test_no_gate_passes_on_missing_data(gate: Gate, pod: str, there: Cluster) -> None:
    refusal = gate(there.snapshot, target(pod))
    assert refusal is not None
    assert refusal.gate == gate.__name__


def test_the_tablets_of_before_are_needed_too() -> None:
    assert gates.tablets_settled(settled("prod-be-2").snapshot, target("prod-be-2", baseline_tablets=None)) is not None


@given(data=st.data())
@examples(150)
def test_taking_more_data_away_never_opens_a_gate(data: st.DataObject) -> None:
    """A gate that refuses goes on refusing whatever else is missing as well."""
    pod = data.draw(st.sampled_from(PODS))
    there, refused = settled(pod), set()
    for _piece in range(data.draw(st.integers(1, 5))):
        pieces = [piece for piece in removals(there, pod) if _possible(piece)] if there.snapshot.leader else []
        if not pieces:
            break
        _what, there, names = data.draw(st.sampled_from(pieces))
        refused |= names
    for gate in ALL:
        if gate.__name__ in refused and not (gate is gates.quorum_survives and "-fe-" not in pod):
            assert gate(there.snapshot, target(pod)) is not None, gate.__name__


def _possible(piece: tuple[str, Cluster, set[str]]) -> bool:
    """Without the row there is no need for its settings: what belongs to a gone FE is not asked for."""
    return not piece[0].startswith(("row prod-fe", "followers", "all FE"))


@given(
    limit=st.sampled_from(["0", "00", " 0 ", "-1"]),
    counts=st.lists(st.integers(0, 3), min_size=7, max_size=7),
    pod=st.sampled_from(PODS),
)
@examples(60)
def test_tablets_are_never_judged_while_nothing_is_scheduled(limit: str, counts: list[int], pod: str) -> None:
    there = settled(pod).having(tablets=Tablets(*counts)).settings(**{REPAIR_LIMIT: limit}).snapshot
    assert gates.tablets_settled(there, target(pod)) is not None


# -- asking ------------------------------------------------------------


def test_the_first_refusal_in_order_is_told() -> None:
    there = settled("prod-be-2").pod("prod-be-2", ready=False).row("prod-be-2", alive=False).snapshot
    refusal = ask(MEMBER_UP, there, target("prod-be-2"), (), NOW)
    assert refusal is not None
    assert refusal.gate == "pod_ready"


@pytest.mark.parametrize(
    ("name", "until", "told"),
    [
        pytest.param("pod_ready", NOW + 1, "member_alive", id="overridden"),
        pytest.param("pod_ready", NOW, "pod_ready", id="expired"),
        pytest.param("quorum", NOW + 1, "pod_ready", id="another gate's"),
    ],
)
def test_an_override_waives_one_gate_until_it_expires(name: str, until: float, told: str) -> None:
    there = settled("prod-be-2").pod("prod-be-2", ready=False).row("prod-be-2", alive=False).snapshot
    refusal = ask(MEMBER_UP, there, target("prod-be-2"), (Override(name, until, "why"),), NOW)
    assert refusal is not None
    assert refusal.gate == told


def test_every_gate_can_be_named() -> None:
    assert {gate.__name__ for gate in ALL} <= set(GATE_NAMES)
    assert len(set(GATE_NAMES)) == len(GATE_NAMES)


def test_passes_count_in_a_row_and_last_long_enough() -> None:
    limits = GateLimits(settle_seconds=10, consecutive_passes=2)
    passes = Passes().after(None, 100)
    assert not passes.enough(limits, 200)
    passes = passes.after(None, 105)
    assert (passes.count, passes.first_at) == (2, 100)
    assert not passes.enough(limits, 109)
    assert passes.enough(limits, 110)
    assert passes.after(Refusal("quorum", "", ""), 111) == Passes()


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 4), st.integers(0, 5))
@examples(60)
def test_enough_passes_are_a_run_of_passes_to_the_end(answers: list[bool], wanted: int, seconds: int) -> None:
    passes, limits = Passes(), GateLimits(settle_seconds=seconds, consecutive_passes=wanted)
    for now, answer in enumerate(answers):
        passes = passes.after(None if answer else Refusal("quorum", "", ""), now)
    run = next((n for n, answer in enumerate(reversed(answers)) if not answer), len(answers))
    assert passes.count == run
    assert passes.enough(limits, len(answers) - 1) is (run >= wanted and run - 1 >= seconds)


def test_a_digest_has_no_version_to_compare() -> None:
    digest = f"starrocks/be-ubuntu@sha256:{'a' * 64}"
    there = settled("prod-be-2").pod("prod-be-2", image=digest).snapshot
    assert gates.member_alive(there, replace(target("prod-be-2"), image=digest)) is None
