# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in for the StarRocks operator: its decisions alone, and its work in a control plane."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from steadylab import ClusterSpec, Lab, objects
from steadylab.kube import Object
from steadylab.operator import (
    FE,
    HASH_ANNOTATION,
    SyncError,
    cluster_phase,
    component_phase,
    environment,
    rollout_status,
    services,
    stateful_set,
)

SECONDS = 60.0


def workload(*, ready: int = 3, updated: int = 3, observed: int = 2, strategy: Object | None = None) -> Object:
    default = {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    return {
        "metadata": {"generation": 2},
        "spec": {"replicas": 3, "updateStrategy": strategy or default},
        "status": {"observedGeneration": observed, "readyReplicas": ready, "updatedReplicas": updated},
    }


def pod(name: str, phase: str, ready: bool = False, reason: str = "") -> Object:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {"metadata": {"name": name}, "status": {"phase": phase, "conditions": conditions, "reason": reason}}


PARTITION_2 = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (workload(), (True, "")),
        (workload(observed=1), (False, "Waiting for statefulset spec update to be observed")),
        (workload(ready=1), (False, "Waiting for 2 pods to be ready")),
        (
            workload(updated=1),
            (False, "Waiting for partitioned roll out to finish: 1 out of 3 new pods have been updated"),
        ),
        (workload(updated=1, strategy=PARTITION_2), (True, "")),
    ],
)
def test_rollout_status(state: Object, expected: tuple[bool, str]) -> None:
    assert rollout_status(state, on_delete_allowed=False) == expected


def test_on_delete_is_an_error_up_to_1_11_5_only() -> None:
    state = workload(strategy={"type": "OnDelete"})
    assert rollout_status(state, on_delete_allowed=True) == (True, "")
    with pytest.raises(SyncError, match="only available for RollingUpdate"):
        rollout_status(state, on_delete_allowed=False)


@pytest.mark.parametrize(
    ("pods", "phase"),
    [
        ([pod("a", "Running", True)], "running"),
        ([pod("a", "Running", True), pod("b", "Running")], "reconciling"),
        ([pod("a", "Pending")], "reconciling"),
        ([pod("a", "Failed"), pod("b", "Pending")], "failed"),
    ],
)
def test_phase_of_a_component_follows_its_pods(pods: list[Object], phase: str) -> None:
    assert component_phase(pods, lambda: (True, ""))["phase"] == phase


def test_phase_of_the_cluster_is_the_first_that_is_not_running() -> None:
    running, failed, moving = {"phase": "running"}, {"phase": "failed"}, {"phase": "reconciling"}
    assert cluster_phase({"starRocksFeStatus": running, "starRocksBeStatus": running}) == "running"
    assert cluster_phase({"starRocksFeStatus": moving, "starRocksBeStatus": failed}) == "reconciling"
    assert cluster_phase({"starRocksFeStatus": running, "starRocksBeStatus": failed}) == "failed"


def manifest(**spec: Any) -> Object:
    cluster = objects.starrocks_cluster(ClusterSpec(), "unit")
    cluster["metadata"]["uid"] = "1"
    cluster["spec"]["starRocksFeSpec"].update(spec)
    return cluster


def test_workload_of_a_component_has_the_names_of_the_original() -> None:
    made = stateful_set(manifest(), FE)
    assert made["metadata"]["name"] == "prod-fe"
    assert made["metadata"]["labels"] == {
        "app.starrocks.ownerreference/name": "prod",
        "app.kubernetes.io/component": "fe",
    }
    assert made["spec"]["selector"]["matchLabels"]["app.starrocks.ownerreference/name"] == "prod-fe"
    assert made["spec"]["serviceName"] == "prod-fe-search"
    assert made["spec"]["podManagementPolicy"] == "Parallel"
    assert made["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 120
    assert [service["metadata"]["name"] for service in services(manifest(), FE)] == [
        "prod-fe-search",
        "prod-fe-service",
    ]


def test_hash_changes_with_the_spec_alone() -> None:
    def digest(cluster: Object) -> str:
        value: str = stateful_set(cluster, FE)["metadata"]["annotations"][HASH_ANNOTATION]
        return value

    moved = manifest()
    moved["metadata"]["resourceVersion"] = "7"
    moved["status"] = {"phase": "running"}
    assert digest(manifest()) == digest(moved) != digest(manifest(image="starrocks/fe-ubuntu:3.3.2"))


def test_users_variables_win_over_the_operators() -> None:
    spec = {"feEnvVars": [{"name": "HOST_TYPE", "value": "IP"}]}
    names = [entry["name"] for entry in environment(manifest(), FE, spec)]
    assert names.count("HOST_TYPE") == 1
    assert {"POD_NAME", "FE_SERVICE_NAME", "COMPONENT_NAME"} <= set(names)


class Cluster:
    """A StarRocksCluster of a test."""

    def __init__(self, lab: Lab, spec: ClusterSpec) -> None:
        self.api = lab.setup_api
        self.spec = spec

    def patch(self, **spec: Any) -> None:
        self.api.patch("StarRocksCluster", self.spec.name, {"spec": spec}, self.spec.namespace)

    def get(self) -> Object:
        return self.api.get("StarRocksCluster", self.spec.name, self.spec.namespace)

    def wait(self, wanted: Callable[[Object], bool]) -> None:
        self.api.wait_for(
            "StarRocksCluster",
            self.spec.name,
            self.spec.namespace,
            lambda found: found is not None and wanted(found),
            SECONDS,
        )

    def wait_phase(self, phase: str) -> None:
        self.wait(lambda found: found.get("status", {}).get("phase") == phase)

    def wait_workload(self, component: str, wanted: Callable[[Object], bool]) -> None:
        self.api.wait_for(
            "StatefulSet",
            f"{self.spec.name}-{component}",
            self.spec.namespace,
            lambda found: found is not None and wanted(found),
            SECONDS,
        )

    def workload(self, component: str) -> Object:
        return self.api.get("StatefulSet", f"{self.spec.name}-{component}", self.spec.namespace)

    def images(self, component: str) -> dict[str, str]:
        pods = self.api.list("Pod", self.spec.namespace, f"app.kubernetes.io/component={component}")["items"]
        return {entry["metadata"]["name"]: entry["spec"]["containers"][0]["image"].split(":")[1] for entry in pods}


@pytest.fixture
def cluster(shared_lab: Lab, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A running cluster with 3 FE and 3 BE in a namespace of its own."""
    name = f"op-{abs(hash(request.node.name)) % 10**8}"
    yield Cluster(shared_lab, shared_lab.add_cluster("sr", name))
    shared_lab.remove_namespace(name, wait=False)


def updated(count: int, version: str = "3.3.1") -> Callable[[Object], bool]:
    """That a workload has so many pods of its newest template, which has that version, and all three are ready."""

    def wanted(found: Object) -> bool:
        status = found["status"]
        observed = status.get("observedGeneration") == found["metadata"]["generation"]
        image = found["spec"]["template"]["spec"]["containers"][0]["image"]
        numbers = (status.get("updatedReplicas"), status.get("readyReplicas"))
        return bool(observed and image.endswith(f":{version}") and numbers == (count, 3))

    return wanted


def test_partition_is_honoured_and_removed_with_the_spec(cluster: Cluster) -> None:
    cluster.patch(starRocksBeSpec={"image": objects.image("be", "3.3.2"), "updateStrategy": PARTITION_2})
    cluster.wait_workload("be", updated(1, "3.3.2"))
    assert cluster.images("be") == {"sr-be-0": "3.3.1", "sr-be-1": "3.3.1", "sr-be-2": "3.3.2"}
    cluster.wait_phase("running")
    cluster.patch(starRocksBeSpec={"updateStrategy": None})
    cluster.wait_workload("be", updated(3, "3.3.2"))
    assert cluster.workload("be")["spec"]["updateStrategy"]["rollingUpdate"]["partition"] == 0
    cluster.wait_phase("running")


def test_fe_and_be_move_in_the_same_pass(cluster: Cluster) -> None:
    images = {f"starRocks{name.capitalize()}Spec": {"image": objects.image(name, "3.3.2")} for name in ("fe", "be")}
    cluster.patch(**images)
    for component in ("be", "fe"):
        cluster.wait_workload(component, updated(3, "3.3.2"))
    cluster.wait_phase("running")


def test_foreign_edit_of_a_workload_survives_until_the_spec_changes(shared_lab: Lab, cluster: Cluster) -> None:
    strategy = {"spec": {"updateStrategy": PARTITION_2}}
    cluster.api.patch("StatefulSet", "sr-be", strategy, cluster.spec.namespace)
    # A pod that is away for as long as the test wants: the passes over the cluster are seen in its phase.
    shared_lab.cut_off("sr-be-0", cluster.spec.namespace)
    cluster.wait_phase("reconciling")
    shared_lab.reconnect("sr-be-0", cluster.spec.namespace)
    cluster.wait_phase("running")
    assert cluster.workload("be")["spec"]["updateStrategy"]["rollingUpdate"]["partition"] == 2
    cluster.patch(starRocksBeSpec={"podLabels": {"a": "b"}})
    cluster.wait_workload("be", updated(3))


def test_unknown_fields_are_pruned_and_the_status_is_written_as_a_whole(cluster: Cluster) -> None:
    cluster.patch(upgradePreparation={"enabled": True})
    assert "upgradePreparation" not in cluster.get()["spec"]
    foreign = {"status": {"reason": "written by another"}}
    cluster.api.patch("StarRocksCluster", "sr", foreign, cluster.spec.namespace, "status")
    cluster.wait(lambda found: "reason" not in found["status"])


def test_wait_for_full_rollout_holds_be_back_while_fe_is_partitioned(cluster: Cluster) -> None:
    cluster.patch(
        waitForFullRollout=True, starRocksFeSpec={"image": objects.image("fe", "3.3.2"), "updateStrategy": PARTITION_2}
    )
    cluster.wait_workload("fe", updated(1, "3.3.2"))
    cluster.patch(starRocksBeSpec={"image": objects.image("be", "3.3.2")})
    cluster.wait_phase("running")
    assert set(cluster.images("be").values()) == {"3.3.1"}
    cluster.patch(starRocksFeSpec={"updateStrategy": None})
    cluster.wait_workload("be", updated(3, "3.3.2"))
    assert set(cluster.images("be").values()) == {"3.3.2"}


def test_on_delete_makes_the_cluster_failed(cluster: Cluster) -> None:
    cluster.patch(starRocksFeSpec={"updateStrategy": {"type": "OnDelete"}})
    cluster.wait_phase("failed")
    assert cluster.get()["status"]["reason"].startswith("error from FE controller: rollout status is only available")


def test_frontends_are_never_scaled_to_one(cluster: Cluster) -> None:
    cluster.patch(starRocksFeSpec={"replicas": 1})
    cluster.wait(lambda found: "can not be scaled to 1" in found["status"].get("reason", ""))
    assert cluster.workload("fe")["spec"]["replicas"] == 3


def test_broken_image_stays_reconciling(cluster: Cluster) -> None:
    cluster.patch(starRocksBeSpec={"image": objects.image("be", "3.3.2-broken")})
    cluster.wait(lambda found: found["status"].get("starRocksBeStatus", {}).get("creatingInstances") == ["sr-be-2"])
    assert cluster.get()["status"]["phase"] == "reconciling"


def test_ignored_cluster_is_left_alone(cluster: Cluster) -> None:
    annotation = {"metadata": {"annotations": {"starrocks.com/ignored": "true"}}}
    cluster.api.patch("StarRocksCluster", "sr", annotation, cluster.spec.namespace)
    cluster.patch(starRocksBeSpec={"image": objects.image("be", "3.3.2")})
    cluster.api.delete("Pod", "sr-be-0", cluster.spec.namespace)
    cluster.wait_workload("be", lambda found: found["status"].get("readyReplicas") == 3)
    assert set(cluster.images("be").values()) == {"3.3.1"}


def test_removed_component_goes_with_its_services(cluster: Cluster) -> None:
    cluster.patch(starRocksBeSpec=None)
    for kind, name in (("StatefulSet", "sr-be"), ("Service", "sr-be-search"), ("Service", "sr-be-service")):
        cluster.api.wait_for(kind, name, cluster.spec.namespace, lambda found: found is None, SECONDS)
    cluster.wait(lambda found: "starRocksBeStatus" not in found["status"])
