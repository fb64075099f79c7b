# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is installed: every manifest passes the API server, and the operator's rights are those that it uses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from scenarios.cluster import StarRocks
from scenarios.conftest import MakeCluster, MakeDriver
from scenarios.manifests import (
    NAMESPACE,
    OVERLAYS,
    account_kubeconfig,
    applied,
    built,
    rights,
    rules,
    used,
    watched,
)
from scenarios.operating import Operation, configuration
from scenarios.reconciling import Passes

from steadylab import Lab
from steadylab.kube import Api

UPGRADE, CLUSTER = "StarRocksUpgrade", "StarRocksCluster"
# A Job is found by a list where the watch has not begun yet, and sizes are asked for where an autoscaler rules. An
# Event is counted up only where the same happens twice. Ownership is checked by OpenShift.
UNSEEN = {
    ("list", "statefulsets"),
    ("watch", "statefulsets"),
    ("list", "jobs"),
    ("get", "events"),
    ("patch", "events"),
    ("update", "starrocksupgrades/finalizers"),
    ("update", "dbupgrades/finalizers"),
}


@pytest.fixture(scope="session")
def installed(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The operator in the whole cluster, without policies, which would ask the other tests' users."""
    objects = built(lab, "without-policies")
    applied(lab, objects, tmp_path_factory.mktemp("installed"))
    return objects


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_api_server_takes_every_manifest(
    overlay: str, lab: Lab, installed: list[dict[str, Any]], tmp_path: Path
) -> None:
    """With strict validation, beside what stands there already; nothing of it is kept."""
    applied(lab, built(lab, overlay), tmp_path, "--dry-run=server")


def test_pods_are_as_restricted_as_the_namespace_asks(lab: Lab, installed: list[dict[str, Any]]) -> None:
    """The namespace enforces the restricted profile of Pod Security, so a pod that is not would not be there."""
    lab.kubectl("wait", "--for=condition=Available", "deployment/steady-rollout", f"--namespace={NAMESPACE}")
    (namespace,) = [item for item in installed if item["kind"] == "Namespace"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_budget_stands_only_where_two_replicas_do(overlay: str, lab: Lab) -> None:
    objects = built(lab, overlay)
    (deployment,) = [item for item in objects if item["kind"] == "Deployment"]
    budgets = [item for item in objects if item["kind"] == "PodDisruptionBudget"]
    assert bool(budgets) is (deployment["spec"]["replicas"] > 1)


def test_in_one_namespace_there_is_no_right_beyond_it(lab: Lab) -> None:
    objects = built(lab, "namespaced")
    assert {item["kind"] for item in objects if item["kind"].startswith("Cluster")} == set()
    assert {item["metadata"].get("namespace") for item in objects} == {NAMESPACE}
    (deployment,) = [item for item in objects if item["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    (watched,) = [entry for entry in container["env"] if entry["name"] == "WATCH_NAMESPACE"]
    assert watched["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.namespace"}}


def test_the_other_namespaces_keep_their_secrets(lab: Lab) -> None:
    objects = built(lab, "secrets-by-namespace")
    bound = {item["roleRef"]["name"] for item in objects if item["kind"] == "ClusterRoleBinding"}
    reading = {
        item["metadata"]["name"]
        for item in objects
        if item["kind"] == "ClusterRole" and any("secrets" in rule.get("resources", ()) for rule in item["rules"])
    }
    assert reading == {"steady-rollout-starrocks-secrets", "steady-rollout-dbupgrades-secrets"}
    assert bound & reading == set()


def test_the_files_of_the_configuration_are_understood(lab: Lab, calm: StarRocks, tmp_path: Path) -> None:
    (found,) = [item for item in built(lab, "default") if item["metadata"]["name"] == "steady-rollout-configuration"]
    content = {name.removesuffix(".yml"): yaml.safe_load(text) for name, text in found["data"].items()}
    # The lab's frontends are not reached directly.
    content["starrocks"].pop("fe_transport")
    folder = configuration(tmp_path / "configuration", **content)
    operation = Operation(tmp_path, calm.api, calm.lab.kubeconfig, folder)
    assert operation.run(CLUSTER, calm.resource).succeeded().result["phase"] == "None"


def test_no_right_of_the_operator_is_idle(
    cluster: MakeCluster, driver: MakeDriver, installed: list[dict[str, Any]], tmp_path: Path
) -> None:
    """A preparation by annotations, an upgrade with a script and a guard, one that goes back, and a deletion."""
    starrocks = cluster(fe=1, be=2)
    static = {pod: f"{entry['host']}:{entry['port']}" for pod, entry in starrocks.state["frontends"].items()}
    folder = configuration(
        tmp_path / "configuration",
        installation={"hooks": {"scripts": {"image": "example.com/hooks:1"}}},
        starrocks={"fe_addresses": static, "patience": 2, "lease_seconds": 5},
    )
    kubeconfig = account_kubeconfig(starrocks.lab, tmp_path)
    api = Api(kubeconfig)
    operation = Operation(tmp_path, api, kubeconfig, folder)
    passes = Passes(starrocks, driver(starrocks))
    since = starrocks.mark()
    for path in ("/apis/rollout.steady.dev/v1alpha1/starrocksupgrades", "/apis/starrocks.com/v1/starrocksclusters"):
        watched(api, path)
    passes.annotate(prepare="true", hooks="disable-balancer")
    while (passes.mirror or {}).get("phase") != "Completed":
        operation.reconcile(CLUSTER, starrocks.namespace, starrocks.name)
    passes.annotate(prepare=None)
    operation.settle(CLUSTER, starrocks.namespace, starrocks.name)
    label = {"metadata": {"labels": {"rollout.steady.dev/allow-unsafe-hooks": "true"}}}
    starrocks.api.patch("Namespace", starrocks.namespace, label)
    metadata = {"name": "hooks", "namespace": starrocks.namespace}
    starrocks.api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a.sh": "true"}})
    script = {"name": "look", "configMap": {"name": "hooks", "key": "a.sh"}}
    guard = {"image": "example.com/ansible:1"}
    for version, phase in (("3.3.2", "Succeeded"), ("3.3.3-broken", "RolledBack")):
        images = {"images": {"be": f"starrocks/be-ubuntu:{version}"}}
        name = passes.upgrade(None, target=images, guard=guard, stages={"pre": [script]})
        operation.settle(UPGRADE, starrocks.namespace, name)
        assert passes.status(name)["phase"] == phase
    passes.delete(name)
    operation.settle(UPGRADE, starrocks.namespace, name)
    starrocks.assert_settings()
    starrocks.assert_released()
    roles = ("starrocks", "starrocks-secrets", "starrocksclusters", "starrocksupgrades")
    granted = rights(rules(installed, *(f"steady-rollout-{role}" for role in roles)))
    found = used(starrocks.lab.audit_entries()[since.audit :])
    assert granted - found - UNSEEN == set(), sorted(found)
    assert found - granted == set()
