# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The FE that leads: at every ordinal, with every means, and when it changes while a run works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from scenarios.cluster import StarRocks, down_at_once, replaced
from scenarios.conftest import READY_SECONDS, MakeCluster, make_cluster
from scenarios.playbook import BRIEF_POD_GATES, Driver

from steadylab import Lab

FRONTENDS = {"images": {"fe": "starrocks/fe-ubuntu:3.3.2"}}


@pytest.fixture
def starrocks(cluster: MakeCluster) -> StarRocks:
    """Three FEs and one BE: here it is the FEs that matter."""
    return cluster(fe=3, be=1)


def test_leader_at_ordinal_0_comes_last(starrocks: StarRocks, product: Driver) -> None:
    assert starrocks.leader == "prod-fe-0"
    mark = starrocks.mark()
    product.upgrade(None, target=FRONTENDS).succeeded()
    assert [name for name, _tag in replaced(starrocks.pod_events(mark))] == ["prod-fe-2", "prod-fe-1", "prod-fe-0"]
    starrocks.assert_settings()


@pytest.mark.parametrize("leader", ["prod-fe-1", "prod-fe-2"])
def test_leader_elsewhere_is_refused_with_the_remedies(leader: str, starrocks: StarRocks, product: Driver) -> None:
    starrocks.simulate(leader=leader)
    mark = starrocks.mark()
    run = product.upgrade(None, target=FRONTENDS)
    run.failed(leader, "leader.strategy", "transfer", "on-delete", "acknowledge.*leader-restart")
    starrocks.untouched(mark)


@pytest.mark.parametrize("leader", ["prod-fe-1", "prod-fe-2"])
def test_leader_elsewhere_restarts_early_when_that_is_acknowledged(
    leader: str, starrocks: StarRocks, product: Driver
) -> None:
    starrocks.simulate(leader=leader)
    strategies, uids, mark = starrocks.strategies, starrocks.uids, starrocks.mark()
    run = product.upgrade(None, target=FRONTENDS, acknowledge=["leader-restart"]).succeeded()
    events = starrocks.pod_events(mark)
    assert [name for name, _tag in replaced(events)] == ["prod-fe-2", "prod-fe-1", "prod-fe-0"]
    assert all(len(down) <= 1 for down in down_at_once(uids, events))
    starrocks.assert_settings()
    starrocks.assert_closed("succeeded", strategies)
    risks = {risk["name"]: risk for risk in run.report["plan"]["risks"]}
    assert risks["leader-restart"]["acknowledged"]
    assert "elections" in risks["leader-restart"]["text"]


@pytest.mark.parametrize("leader", ["prod-fe-1", "prod-fe-2"])
def test_leader_is_transferred_where_the_version_can(leader: str, starrocks: StarRocks, product: Driver) -> None:
    starrocks.simulate(leader=leader, options={"transfer_leader": True})
    starrocks.grant_node()
    mark = starrocks.mark()
    product.upgrade(None, target=FRONTENDS, leader={"strategy": "transfer"}).succeeded()
    events = [event for event in starrocks.queries(mark) if "TRANSFER LEADER" in event["sql"].upper()]
    assert [event["result"] for event in events] == ["ok"]
    assert [name for name, _tag in replaced(starrocks.pod_events(mark))] == ["prod-fe-2", "prod-fe-1", "prod-fe-0"]
    starrocks.assert_settings()
    starrocks.assert_all_ready()


def test_transfer_where_the_version_cannot_restores_everything(starrocks: StarRocks, product: Driver) -> None:
    starrocks.simulate(leader="prod-fe-2")
    starrocks.grant_node()
    strategies, uids = starrocks.strategies, starrocks.uids
    product.upgrade(None, target=FRONTENDS, leader={"strategy": "transfer"}).failed("TRANSFER|transfer")
    starrocks.assert_settings()
    assert {name: starrocks.uids[name] for name in starrocks.frontends} == {
        name: uids[name] for name in starrocks.frontends
    }
    assert starrocks.strategies == strategies
    starrocks.assert_released()


@pytest.fixture(scope="module")
def newer_operator(lab_home: Path) -> Iterator[Lab]:
    """A lab whose operator accepts OnDelete, as those after 1.11.5 do."""
    with Lab.up("on-delete", None, ready_seconds=READY_SECONDS, audit=True, operator_version="1.11.6") as lab:
        yield lab


@pytest.mark.parametrize("leader", ["prod-fe-0", "prod-fe-1", "prod-fe-2"])
def test_leader_comes_last_by_on_delete(leader: str, newer_operator: Lab, tmp_path: Path) -> None:
    starrocks = make_cluster(newer_operator, fe=3, be=1)
    product = Driver(tmp_path, starrocks)
    starrocks.simulate(leader=leader)
    strategies, uids, mark = starrocks.strategies, starrocks.uids, starrocks.mark()
    product.upgrade(None, target=FRONTENDS, leader={"strategy": "on-delete"}).succeeded()
    events = starrocks.pod_events(mark)
    assert replaced(events)[-1] == (leader, "3.3.2")
    assert all(len(down) <= 1 for down in down_at_once(uids, events))
    starrocks.assert_settings()
    starrocks.assert_closed("succeeded", strategies)
    newer_operator.remove_namespace(starrocks.namespace, wait=False)


def test_on_delete_with_an_operator_that_cannot_is_undone(starrocks: StarRocks, product: Driver) -> None:
    starrocks.simulate(leader="prod-fe-1")
    strategies = starrocks.strategies
    run = product.upgrade(None, target=FRONTENDS, leader={"strategy": "on-delete"}, gates=BRIEF_POD_GATES)
    assert starrocks.strategies == strategies
    starrocks.assert_settings()
    starrocks.assert_released()
    starrocks.assert_all_ready()
    if run.rc != 0:
        run.failed("operator|OnDelete")
        assert {starrocks.tags[name] for name in starrocks.frontends} == {"3.3.1"}


def test_leader_change_in_the_middle_goes_on_when_acknowledged(starrocks: StarRocks, product: Driver) -> None:
    strategies = starrocks.strategies
    run = product.start(product.document("3.3.2", acknowledge=["leader-restart"]))
    starrocks.wait_switched_off()
    starrocks.simulate(leader="prod-fe-1")
    run.finish().succeeded()
    assert set(starrocks.tags.values()) == {"3.3.2"}
    starrocks.assert_settings()
    starrocks.assert_closed("succeeded", strategies)


def test_leader_change_in_the_middle_is_never_half_done(starrocks: StarRocks, product: Driver) -> None:
    strategies = starrocks.strategies
    run = product.start(product.document("3.3.2"))
    starrocks.wait_switched_off()
    starrocks.simulate(leader="prod-fe-2")
    ended = run.finish().failed("prod-fe-2", "leader-restart|transfer")
    assert {starrocks.tags[name] for name in starrocks.frontends} == {"3.3.1"}
    starrocks.assert_settings()
    starrocks.assert_released()
    assert starrocks.strategies == strategies
    assert ended.report["run"]["outcome"] in ("rolled-back", "frozen", "failed")


def test_two_elections_in_a_row(starrocks: StarRocks, product: Driver) -> None:
    strategies = starrocks.strategies
    run = product.start(product.document("3.3.2"))
    starrocks.wait_switched_off()
    starrocks.simulate(leader=["prod-fe-1", "prod-fe-0"], every=0.3)
    run.finish().succeeded()
    assert set(starrocks.tags.values()) == {"3.3.2"}
    starrocks.assert_settings()
    starrocks.assert_closed("succeeded", strategies)
