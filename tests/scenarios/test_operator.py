# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's playbooks with the variables of the shipped watches: lives of objects, through their deletion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scenarios.cluster import StarRocks
from scenarios.conftest import MakeCluster
from scenarios.operating import Operation, configuration
from scenarios.playbook import Driver
from scenarios.reconciling import Passes

pytestmark = pytest.mark.usefixtures("upgrades_defined")
UPGRADE, CLUSTER = "StarRocksUpgrade", "StarRocksCluster"
NEVER = {"images": {"be": "starrocks/be-ubuntu:3.3.2-never"}}
BE = {"images": {"be": "starrocks/be-ubuntu:3.3.2"}}
QUICK = {"patience": 0, "lease_seconds": 5}


@pytest.fixture
def starrocks(cluster: MakeCluster) -> StarRocks:
    """Three FEs and one BE."""
    return cluster(fe=3, be=1)


@pytest.fixture
def passes(starrocks: StarRocks, product: Driver) -> Passes:
    """The objects of that cluster."""
    return Passes(starrocks, product)


@pytest.fixture
def operation(starrocks: StarRocks, tmp_path: Path) -> Operation:
    """An installation whose passes wait as little as possible."""
    folder = configuration(tmp_path / "configuration", starrocks=QUICK)
    return Operation(tmp_path, starrocks.api, starrocks.lab.kubeconfig, folder)


def exists(passes: Passes, name: str) -> bool:
    """Whether the StarRocksUpgrade is still there."""
    found = passes.starrocks.find("rollout.steady.dev/v1alpha1", "starrocksupgrades", name)
    return found is not None


def begun(operation: Operation, passes: Passes, **spec: Any) -> str:
    """A StarRocksUpgrade whose run holds settings off, and whose pod never comes up."""
    name = passes.upgrade(None, target=NEVER, **spec)
    while not passes.status(name).get("openSettings"):
        operation.reconcile(UPGRADE, passes.starrocks.namespace, name)
    return name


def test_an_upgrade_and_its_deletion(starrocks: StarRocks, passes: Passes, operation: Operation) -> None:
    name = passes.upgrade("3.3.2")
    runs = operation.settle(UPGRADE, starrocks.namespace, name)
    assert len(runs) > 1
    assert passes.status(name)["phase"] == "Succeeded"
    assert set(starrocks.tags.values()) == {"3.3.2"}
    starrocks.assert_settings()
    mark = starrocks.mark()
    assert operation.run(UPGRADE, passes.resource(name)).succeeded().again_in == ""
    assert starrocks.queries(mark) == []
    passes.delete(name)
    assert exists(passes, name)
    operation.settle(UPGRADE, starrocks.namespace, name)
    assert not exists(passes, name)
    assert starrocks.queries(mark) == []


def test_deletion_in_the_middle_puts_everything_back_first(
    starrocks: StarRocks, passes: Passes, operation: Operation
) -> None:
    name = begun(operation, passes)
    passes.delete(name)
    operation.settle(UPGRADE, starrocks.namespace, name)
    assert not exists(passes, name)
    starrocks.assert_settings()
    starrocks.assert_released()


def test_annotations_of_a_cluster_which_stays_deletable(
    starrocks: StarRocks, passes: Passes, operation: Operation
) -> None:
    passes.annotate(prepare="true", hooks="disable-balancer")
    ended = operation.reconcile(CLUSTER, starrocks.namespace, starrocks.name)
    assert ended is not None
    assert ended.again_in
    mirror = passes.mirror
    assert mirror is not None
    assert (mirror["phase"], mirror["held"]) == ("Completed", True)
    assert starrocks.resource["metadata"].get("finalizers") is None
    passes.annotate(prepare=None)
    operation.settle(CLUSTER, starrocks.namespace, starrocks.name)
    starrocks.assert_settings()
    assert passes.mirror is None
