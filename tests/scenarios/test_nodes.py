# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node, or one FE on it, is lost in the middle of an upgrade."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from scenarios.cluster import DEFAULTS, StarRocks
from scenarios.conftest import READY_SECONDS, make_cluster
from scenarios.playbook import Driver

from steadylab import Lab


@pytest.fixture(scope="module")
def plane(lab_home: Path) -> Iterator[Lab]:
    """A lab of its own: its nodes carry no other test's pods."""
    with Lab.up("nodes", None, ready_seconds=READY_SECONDS, audit=True) as lab:
        yield lab


@pytest.fixture
def starrocks(plane: Lab) -> Iterator[StarRocks]:
    """Three FEs and two BEs."""
    made = make_cluster(plane, fe=3, be=2)
    yield made
    plane.remove_namespace(made.namespace)


@pytest.fixture
def product(starrocks: StarRocks, tmp_path: Path) -> Driver:
    """The product, for that cluster."""
    return Driver(tmp_path, starrocks)


def lose_node_of(starrocks: StarRocks, pod: str) -> str:
    """The node of that pod, which is lost."""
    node: str = starrocks.pods[pod]["spec"]["nodeName"]
    starrocks.lab.lose_node(node)
    return node


def test_an_upgrade_waits_for_a_lost_node(starrocks: StarRocks, product: Driver) -> None:
    strategies = starrocks.strategies
    run = product.start(product.document("3.3.2", acknowledge=["leader-restart"]))
    starrocks.hold_in_window()
    node = lose_node_of(starrocks, "prod-be-0")
    starrocks.wait(lambda _state: "also down: prod-be-0" in run.output, "be refused because of prod-be-0")
    assert starrocks.tags["prod-be-0"] == "3.3.1"
    starrocks.simulate(tablets={"broken": 0})
    starrocks.lab.restore_node(node)
    run.finish().succeeded()
    assert set(starrocks.tags.values()) == {"3.3.2"}
    starrocks.assert_settings()
    starrocks.assert_all_ready()
    starrocks.assert_closed("succeeded", strategies)


def test_an_fe_that_stays_cut_off_ends_the_upgrade_in_order(plane: Lab, tmp_path: Path) -> None:
    starrocks = make_cluster(plane, fe=3, be=1)
    product = Driver(tmp_path, starrocks)
    strategies = starrocks.strategies
    run = product.start(product.document("3.3.2", gates={"podDeadlineSeconds": 12, "tabletDeadlineSeconds": 12}))
    starrocks.hold_in_window()
    # The leader's pod alone: where the BE stands on the same node it could not go back.
    lost = "prod-fe-0"
    plane.cut_off(lost, starrocks.namespace)
    starrocks.simulate(tablets={"broken": 0})
    run.finish().failed(lost, "rolled.back", f"not read back on {lost}")
    assert set(starrocks.tags.values()) == {"3.3.1"}
    assert starrocks.strategies == strategies
    starrocks.assert_released()
    # The process on the lost node still has what the run set: it is owed, and paid once the node is back.
    plane.reconnect(lost, starrocks.namespace)
    starrocks.wait(lambda state: state["frontends"][lost]["alive"], f"have {lost} back")
    assert starrocks.settings[lost] != DEFAULTS
    product.restore().succeeded()
    starrocks.assert_settings()
    starrocks.assert_closed("restored", strategies)
    product.upgrade("3.3.2", acknowledge=["leader-restart"]).succeeded()
    starrocks.assert_all_ready()
    starrocks.assert_settings()
    plane.remove_namespace(starrocks.namespace)
