# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is installed: every manifest passes the API server, and the operator's rights are those that it uses."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import make_bundle
import pytest
import yaml
from scenarios import rights
from scenarios.cluster import StarRocks
from scenarios.conftest import MakeCluster, MakeDriver
from scenarios.manifests import (
    NAMESPACE,
    OVERLAYS,
    account_kubeconfig,
    applied,
    built,
    in_one_namespace,
    rules,
    used,
    watched,
)
from scenarios.operating import Operation, configuration
from scenarios.reconciling import Passes
from scenarios.rights import ACCESS

from steadylab import Lab, build

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


# What a bundle may hold beside its version: operator-registry, pkg/lib/bundle/supported_resources.go.
SUPPORTED = {"ClusterServiceVersion", "CustomResourceDefinition", "ConfigMap", "Service"}


@pytest.fixture(scope="session")
def bundle(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle, built."""
    folder = tmp_path_factory.mktemp("bundle")
    make_bundle.write(str(Path((lab.record() or {})["binaries"]) / "kubectl"), folder)
    return folder


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
    deployment = ("deployment/steady-rollout", f"--namespace={NAMESPACE}")
    lab.kubectl("wait", "--for=condition=Available", "--timeout=120s", *deployment)
    (namespace,) = [item for item in installed if item["kind"] == "Namespace"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_budget_stands_only_where_two_replicas_do(overlay: str, lab: Lab) -> None:
    objects = built(lab, overlay)
    (deployment,) = [item for item in objects if item["kind"] == "Deployment"]
    budgets = [item for item in objects if item["kind"] == "PodDisruptionBudget"]
    assert bool(budgets) is (deployment["spec"]["replicas"] > 1)


@pytest.mark.parametrize("namespace", [NAMESPACE, "databases"])
def test_in_one_namespace_there_is_no_right_beyond_it(namespace: str, lab: Lab, tmp_path: Path) -> None:
    objects = in_one_namespace(lab, namespace, tmp_path)
    assert {item["kind"] for item in objects if item["kind"].startswith("Cluster")} == set()
    assert {item["metadata"].get("namespace") for item in objects} == {namespace}
    bindings = [item for item in objects if item["kind"] == "RoleBinding"]
    assert {subject["namespace"] for item in bindings for subject in item["subjects"]} == {namespace}
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


def test_the_files_of_the_configuration_are_understood(
    lab: Lab, calm: StarRocks, operator_account: Path, tmp_path: Path
) -> None:
    (found,) = [item for item in built(lab, "default") if item["metadata"]["name"] == "steady-rollout-configuration"]
    content = {name.removesuffix(".yml"): yaml.safe_load(text) for name, text in found["data"].items()}
    # The lab's frontends are not reached directly.
    content["starrocks"].pop("fe_transport")
    folder = configuration(tmp_path / "configuration", **content)
    operation = Operation(tmp_path, operator_account, folder)
    assert operation.run(CLUSTER, calm.resource).succeeded().result["phase"] == "None"


def test_no_right_of_the_operator_is_idle(
    cluster: MakeCluster, driver: MakeDriver, installed: list[dict[str, Any]], tmp_path: Path
) -> None:
    """A preparation by annotations, an upgrade with a script and a guard, one that goes back, and a deletion."""
    starrocks = cluster(fe=1, be=2)
    folder = configuration(
        tmp_path / "configuration",
        installation={"hooks": {"scripts": {"image": "example.com/hooks:1-never"}}},
        starrocks={**ACCESS, "fe_addresses": starrocks.addresses, "patience": 2, "lease_seconds": 5},
    )
    kubeconfig = account_kubeconfig(starrocks.lab, tmp_path)
    operation = Operation(tmp_path, kubeconfig, folder)
    passes = Passes(starrocks, driver(starrocks))
    since = starrocks.mark()
    for path in ("/apis/rollout.steady.dev/v1alpha1/starrocksupgrades", "/apis/starrocks.com/v1/starrocksclusters"):
        watched(operation.api, path)
    passes.annotate(prepare="true", hooks="disable-balancer")
    while (passes.mirror or {}).get("phase") != "Completed":
        operation.reconcile(CLUSTER, starrocks.namespace, starrocks.name)
    passes.annotate(prepare=None)
    operation.settle(CLUSTER, starrocks.namespace, starrocks.name)
    label = {"metadata": {"labels": {"rollout.steady.dev/allow-unsafe-hooks": "true"}}}
    starrocks.api.patch("Namespace", starrocks.namespace, label)
    metadata = {"name": "hooks", "namespace": starrocks.namespace}
    starrocks.api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a.sh": "true"}})
    # One that does not end in time.
    source = {"name": "hooks", "key": "a.sh"}
    script = {"name": "look", "configMap": source, "critical": False, "timeoutSeconds": 3}
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
    granted = rights.of(rules(installed, *(f"steady-rollout-{role}" for role in roles)))
    found = used(starrocks.lab.audit_entries()[since.audit :])
    assert granted - found - UNSEEN == set(), sorted(found)
    assert found - granted == set()


def test_the_bundle_keeps_the_published_rules(bundle: Path) -> None:
    """operator-framework/api: pkg/validation/internal/{bundle,csv,good_practices,operatorhub}.go."""
    manifests = [yaml.safe_load(path.read_text("utf-8")) for path in (bundle / "manifests").iterdir()]
    assert {item["kind"] for item in manifests} <= SUPPORTED
    (version,) = [item for item in manifests if item["kind"] == "ClusterServiceVersion"]
    spec, annotations = version["spec"], version["metadata"]["annotations"]
    assert version["metadata"]["name"] == f"steady-rollout.v{spec['version']}"
    crds = {item["metadata"]["name"]: item["spec"] for item in manifests if item["kind"] == "CustomResourceDefinition"}
    owned = {entry["name"]: entry for entry in spec["customresourcedefinitions"]["owned"]}
    assert owned.keys() == crds.keys()
    for name, entry in owned.items():
        assert entry["kind"] == crds[name]["names"]["kind"]
        assert entry["version"] in {served["name"] for served in crds[name]["versions"]}
        assert entry["description"]
        assert entry["displayName"]
    examples = json.loads(annotations["alm-examples"])
    assert {example["kind"] for example in examples} == {entry["kind"] for entry in owned.values()}
    assert annotations["capabilities"] in make_bundle.CAPABILITIES
    assert {mode["type"] for mode in spec["installModes"]} == {
        "OwnNamespace",
        "SingleNamespace",
        "MultiNamespace",
        "AllNamespaces",
    }
    (deployment,) = spec["install"]["spec"]["deployments"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
    for kind in ("permissions", "clusterPermissions"):
        assert [entry["serviceAccountName"] for entry in spec["install"]["spec"][kind]] == [account]
        assert all(entry["rules"] for entry in spec["install"]["spec"][kind])
    # No object may bring the service account, which the lifecycle manager makes itself.
    assert account not in {item["metadata"]["name"] for item in manifests if item["kind"] == "ServiceAccount"}
    metadata = yaml.safe_load((bundle / "metadata" / "annotations.yaml").read_text("utf-8"))["annotations"]
    prefix = "operators.operatorframework.io.bundle"
    assert metadata[f"{prefix}.mediatype.v1"] == "registry+v1"
    assert metadata[f"{prefix}.channel.default.v1"] in metadata[f"{prefix}.channels.v1"].split(",")


def verified(bundle: Path) -> str:
    """What operator-framework/api's own operator-verify says of a bundle."""
    program = build.ensure(build.OPERATOR_VERIFY) / "operator-verify"
    done = subprocess.run([program, "manifests", bundle], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr + (f"exit code {done.returncode}" if done.returncode else "")


def test_the_bundle_passes_the_published_validation(bundle: Path, tmp_path: Path) -> None:
    assert "Error" not in verified(bundle)
    assert "exit code" not in verified(bundle)
    broken = shutil.copytree(bundle, tmp_path / "broken")
    (version,) = (broken / "manifests").glob("*clusterserviceversion*")
    version.write_text(version.read_text("utf-8").replace("installModes:", "noInstallModes:"))
    assert re.search("Error|exit code", verified(broken)), "it refuses nothing"


def test_the_samples_pass_the_definitions(lab: Lab, installed: list[dict[str, Any]]) -> None:
    for path in sorted((make_bundle.ROOT / "operator" / "samples").glob("*.yaml")):
        lab.kubectl("create", "--validate=strict", "--dry-run=server", f"--filename={path}")
