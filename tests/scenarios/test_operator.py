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
from scenarios.manifests import account, in_one_namespace, watched
from scenarios.operating import Operation, configuration
from scenarios.playbook import Driver
from scenarios.reconciling import Passes
from scenarios.rights import ACCESS

pytestmark = pytest.mark.usefixtures("upgrades_defined")
UPGRADE, CLUSTER = "StarRocksUpgrade", "StarRocksCluster"
NEVER = {"images": {"be": "starrocks/be-ubuntu:3.3.2-never"}}
BE = {"images": {"be": "starrocks/be-ubuntu:3.3.2"}}


def quick(starrocks: StarRocks, **options: Any) -> dict[str, Any]:
    """Options of passes that wait as little as possible. The operator may not forward ports."""
    return {**ACCESS, "fe_addresses": starrocks.addresses, "patience": 0, "lease_seconds": 5, **options}


@pytest.fixture
def starrocks(cluster: MakeCluster) -> StarRocks:
    """Three FEs and one BE."""
    return cluster(fe=3, be=1)


@pytest.fixture
def operation(starrocks: StarRocks, operator_account: Path, tmp_path: Path) -> Operation:
    """An installation in the whole cluster."""
    return Operation(tmp_path, operator_account, configuration(tmp_path / "configuration", starrocks=quick(starrocks)))


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


def test_an_upgrade_and_its_deletion(starrocks: StarRocks, passes: Passes, tmp_path: Path) -> None:
    """By an operator of one namespace, which has Roles there and no right beyond."""
    lab, namespace, folder = starrocks.lab, starrocks.namespace, tmp_path / "one-namespace"
    objects = in_one_namespace(lab, namespace, folder)
    kubeconfig = account(lab, objects, folder, namespace)
    options = configuration(tmp_path / "configuration", starrocks=quick(starrocks))
    operation = Operation(tmp_path, kubeconfig, options)
    watched(operation.api, f"/apis/rollout.steady.dev/v1alpha1/namespaces/{namespace}/starrocksupgrades")
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
    assert (passes.mirror or {})["held"] is True
    passes.delete(name)
    operation.settle(UPGRADE, starrocks.namespace, name)
    assert not exists(passes, name)
    starrocks.assert_settings()
    starrocks.assert_released()
    assert passes.mirror is None, "nothing is held any more, and a fence must not believe it"


def abandoned(starrocks: StarRocks) -> str:
    """What the Event says of what was left behind."""
    events = starrocks.api.list("Event", starrocks.namespace)["items"]
    return str(next(event["message"] for event in events if event["reason"] == "Abandoned"))


def test_frontends_that_are_gone_hold_an_object_no_longer_than_the_deadline(
    starrocks: StarRocks, passes: Passes, operation: Operation, product: Driver
) -> None:
    name = begun(operation, passes)
    starrocks.faults({"kind": "refuse"})
    passes.delete(name)
    ended = operation.reconcile(UPGRADE, starrocks.namespace, name)
    assert ended is not None
    assert (ended.result["phase"], ended.again_in) == ("Releasing", "5.0s")
    assert exists(passes, name)
    assert passes.condition(name, "Blocked") == ("True", "Releasing")
    configuration(operation.configuration, starrocks=quick(starrocks, release_seconds=1))
    operation.settle(UPGRADE, starrocks.namespace, name)
    assert not exists(passes, name)
    assert "Nothing could be put back within 1 seconds" in abandoned(starrocks)
    # What was left is in the record, and comes back with the frontends.
    assert "tablet_sched_disable_balance" in abandoned(starrocks)
    starrocks.faults()
    product.restore(starrocks_restore_wait_seconds=60).succeeded()
    starrocks.assert_settings()


def test_a_person_can_let_an_object_go(starrocks: StarRocks, passes: Passes, operation: Operation) -> None:
    name = begun(operation, passes)
    starrocks.faults({"kind": "refuse"})
    passes.annotate_upgrade(name, **{"rollout.steady.dev/abandon": "true"})
    passes.delete(name)
    mark = starrocks.mark()
    operation.settle(UPGRADE, starrocks.namespace, name)
    assert not exists(passes, name)
    assert "The annotation rollout.steady.dev/abandon says so" in abandoned(starrocks)
    assert passes.mirror is None, "nobody holds anything any more, and a fence must not believe it"
    assert starrocks.queries(mark) == []
    starrocks.faults()


def test_an_object_does_not_hold_its_namespace(starrocks: StarRocks, passes: Passes, operation: Operation) -> None:
    name = begun(operation, passes)
    starrocks.faults({"kind": "refuse"})
    starrocks.lab.remove_namespace(starrocks.namespace, wait=False)
    operation.settle(UPGRADE, starrocks.namespace, name)
    starrocks.lab.remove_namespace(starrocks.namespace)
    assert starrocks.api.find("Namespace", starrocks.namespace) is None
    starrocks.faults()


def test_the_operator_ends_what_a_killed_play_began(
    starrocks: StarRocks, passes: Passes, operation: Operation, product: Driver
) -> None:
    run = product.start(product.document("3.3.2"), starrocks_upgrade_lease_seconds=5)
    starrocks.wait_switched_off()
    run.kill()
    configuration(operation.configuration, starrocks=quick(starrocks, patience=2))
    name = passes.upgrade("3.3.2")
    operation.settle(UPGRADE, starrocks.namespace, name)
    assert passes.status(name)["phase"] == "Succeeded"
    starrocks.assert_settings()
    starrocks.assert_released()


def test_a_play_ends_what_a_killed_operator_began(
    starrocks: StarRocks, passes: Passes, operation: Operation, product: Driver
) -> None:
    name = passes.upgrade("3.3.2")
    run, _events = operation.start(UPGRADE, passes.resource(name))
    starrocks.wait_switched_off()
    run.kill()
    product.run(product.document("3.3.2"), starrocks_upgrade_wait_seconds=60).succeeded()
    starrocks.assert_settings()
    starrocks.assert_released()
    operation.settle(UPGRADE, starrocks.namespace, name)
    assert passes.status(name)["phase"] == "Succeeded"
    assert set(starrocks.tags.values()) == {"3.3.2"}


def test_the_author_of_an_object_sets_no_variable_of_the_operator(
    calm: StarRocks, asked: Driver, operator_account: Path, tmp_path: Path
) -> None:
    """A field that is named like a variable loses against the watch; one that is a template stays text."""
    witness = tmp_path / "witness"
    hostile = "{{ lookup('ansible.builtin.pipe', 'touch " + str(witness) + "') }}"
    spec = {
        "rollout_state": "absent",
        "rollout_installation": {"hooks": {"allowScripts": True}},
        "starrocks_access": {"host": "https://elsewhere.example.com"},
        "ansible_operator_meta": {"name": hostile, "namespace": hostile},
        "clusterRef": {"name": hostile},
    }
    metadata = {"name": "hostile", "namespace": calm.namespace}
    folder = configuration(tmp_path / "configuration", starrocks=quick(calm))
    operation = Operation(tmp_path, operator_account, folder)
    ended = operation.run(UPGRADE, {"metadata": metadata, "spec": spec}).succeeded()
    assert ended.result["message"] == f"StarRocksUpgrade {calm.namespace}/hostile does not exist"
    assert not witness.exists()


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
