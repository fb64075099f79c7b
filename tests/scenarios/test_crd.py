# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions in a real API server: StarRocksUpgrade agrees with the playbook, StarRocksCluster is extended."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from scenarios.cluster import StarRocks
from scenarios.playbook import Driver, Run

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.crd import FIELDS
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.spec import parse_spec
from steadylab import Lab
from steadylab.kube import ApiError

Json = dict[str, Any]
CLUSTERS = "starrocksclusters.starrocks.com"
UPGRADES = "/apis/rollout.steady.dev/v1alpha1"
NUMBERS = itertools.count(1)


def upgrade(namespace: str, spec: Json, **status: Any) -> Json:
    """A StarRocksUpgrade."""
    return {
        "apiVersion": "rollout.steady.dev/v1alpha1",
        "kind": "StarRocksUpgrade",
        "metadata": {"name": f"upgrade-{next(NUMBERS)}", "namespace": namespace},
        "spec": spec,
        **status,
    }


def created(starrocks: StarRocks, spec: Json) -> Json:
    """The StarRocksUpgrade as the API server keeps it (nothing is kept: a dry run); ApiError where it is refused."""
    path = f"{UPGRADES}/namespaces/{starrocks.namespace}/starrocksupgrades"
    query = {"fieldValidation": "Strict", "dryRun": "All"}
    return starrocks.api.request("POST", path, upgrade(starrocks.namespace, spec), query=query)


CLUSTER: Json = {"clusterRef": {"name": "prod"}}
MINIMAL: Json = {**CLUSTER, "target": {"version": "3.3.2"}}
LOOK: Json = {"name": "look", "sql": "SHOW FRONTENDS"}
WHOLE: Json = {
    **CLUSTER,
    "target": {"images": {"fe": "registry.example.com:5000/fe-ubuntu:3.3.2", "be": f"be@sha256:{'0' * 64}"}},
    "hooks": ["disable-balancer"],
    "stages": {
        "pre": [{**LOOK, "critical": False, "timeoutSeconds": 5, "retries": 0, "when": "mode == 'shared_nothing'"}],
        "post": [{"name": "script", "configMap": {"name": "hooks", "key": "after.sql"}, "group": "late"}],
        "rollback": [{"name": "tell", "webhook": {"url": "https://example.com/hook", "expectedStatus": [200, 202]}}],
    },
    "gates": {"settleSeconds": 0.5, "consecutivePasses": 1},
    "rollback": {"policy": "never"},
    "leader": {"strategy": "transfer"},
    "onDrift": "leader",
    "acknowledge": ["leader-restart"],
    "overrides": [{"gate": "others_up", "until": "2030-01-01T00:00:00Z", "reason": "one BE is known to be down"}],
    "podFailures": {"ImagePullBackOff": {"fatal": True, "seconds": 60}},
    "guard": {"image": "example.com/ee:1.0", "serviceAccountName": "guard", "deadlineSeconds": 3600},
}
GOOD: dict[str, Json] = {
    "the least": MINIMAL,
    "everything": WHOLE,
    "a mutable tag that is allowed": {**CLUSTER, "target": {"version": "latest"}, "allowMutableTags": True},
    "a version with a build": {**CLUSTER, "target": {"version": "v3.3.2-rc01"}},
    "a digest beside a tag": {**CLUSTER, "target": {"images": {"fe": f"x/fe:latest@sha256:{'a' * 64}"}}},
    "the default account of a guard": {**MINIMAL, "guard": {"serviceAccountName": "default"}},
    "no hooks": {**MINIMAL, "hooks": []},
}


def changed(**changes: Any) -> Json:
    return {**copy.deepcopy(MINIMAL), **changes}


BAD: dict[str, Json] = {
    "no cluster": {"target": {"version": "3.3.2"}},
    "no name": {"clusterRef": {}, "target": {"version": "3.3.2"}},
    "a name in capitals": changed(clusterRef={"name": "Prod"}),
    "no target": {**CLUSTER, "target": {}},
    "both targets": changed(target={"version": "3.3.2", "images": {"fe": "x/fe:3.3.2"}}),
    "no images": changed(target={"images": {}}),
    "a mutable tag": changed(target={"version": "latest"}),
    "a minor version": changed(target={"version": "3.3"}),
    "a mutable image": changed(target={"images": {"fe": "x/fe:latest"}}),
    "an image without a tag": changed(target={"images": {"be": "x/be"}}),
    "no image": changed(target={"images": {"be": "not an image"}}),
    "Jinja": changed(target={"version": "{{ lookup('pipe', 'id') }}"}),
    "an unknown component": changed(target={"images": {"broker": "x/b:3.3.2"}}),
    "an unknown field": changed(targets={"version": "3.3.2"}),
    "text for a number": changed(gates={"settleSeconds": "soon"}),
    "out of bounds": changed(gates={"consecutivePasses": 0}),
    "half a pass": changed(gates={"consecutivePasses": 1.5}),
    "an unknown policy": changed(rollback={"policy": "maybe"}),
    "an unknown word": changed(acknowledge=["everything"]),
    "an unknown gate": changed(overrides=[{"gate": "x", "until": "2030-01-01T00:00:00Z", "reason": "y"}]),
    "no reason": changed(overrides=[{"gate": "others_up", "until": "2030-01-01T00:00:00Z"}]),
    "no such moment": changed(overrides=[{"gate": "others_up", "until": "2030-02-30T00:00:00Z", "reason": "y"}]),
    "no moment": changed(overrides=[{"gate": "others_up", "until": "tomorrow", "reason": "y"}]),
    "an unknown cause": changed(podFailures={"Coffee": {"fatal": True}}),
    "an account without an image": changed(guard={"serviceAccountName": "guard"}),
    "a hook of two kinds": changed(stages={"pre": [{**LOOK, "predefined": "quiesce"}]}),
    "a hook of no kind": changed(stages={"pre": [{"name": "look"}]}),
    "a hook without a name": changed(stages={"post": [{"sql": "SHOW FRONTENDS"}]}),
    "two hooks of one name": changed(stages={"pre": [LOOK, LOOK]}),
    "an empty statement": changed(stages={"pre": [{"name": "look", "sql": "  "}]}),
    "a hook's key": changed(stages={"pre": [{"name": "look", "configMap": {"name": "hooks", "key": "a/b"}}]}),
    "a hook's patience": changed(stages={"rollback": [{**LOOK, "timeoutSeconds": 0}]}),
    "a stage that is none": changed(stages={"during": [LOOK]}),
}


@pytest.mark.usefixtures("upgrades_defined")
@pytest.mark.parametrize("case", GOOD)
def test_what_the_api_server_takes_the_collection_reads(case: str, calm: StarRocks) -> None:
    kept = created(calm, GOOD[case])
    asked, completed = (parse_spec(spec, namespace=calm.namespace) for spec in (GOOD[case], kept["spec"]))
    assert asked == completed


@pytest.mark.usefixtures("upgrades_defined")
@pytest.mark.parametrize("case", BAD)
def test_what_the_collection_refuses_the_api_server_refuses(case: str, calm: StarRocks) -> None:
    with pytest.raises(Refused):
        parse_spec(BAD[case], namespace=calm.namespace)
    with pytest.raises(ApiError) as error:
        created(calm, BAD[case])
    assert error.value.status in (400, 422), error.value


@pytest.mark.usefixtures("upgrades_defined")
def test_an_upgrade_stays_with_its_cluster(starrocks: StarRocks) -> None:
    path = f"{UPGRADES}/namespaces/{starrocks.namespace}/starrocksupgrades"
    made = starrocks.api.request("POST", path, upgrade(starrocks.namespace, MINIMAL))
    made["spec"]["clusterRef"]["name"] = "other"
    with pytest.raises(ApiError, match="stays with its cluster"):
        starrocks.api.request("PUT", f"{path}/{made['metadata']['name']}", made)


# -- the definition of StarRocksCluster --------------------------------------------------------------------------------


@pytest.fixture
def definition(lab: Lab) -> Iterator[Callable[[], Json]]:
    """Reads the spec of StarRocksCluster's definition, which other tests share: in the end it is as it was."""
    before = lab.setup_api.get("CustomResourceDefinition", CLUSTERS)

    def read() -> Json:
        spec: Json = lab.setup_api.get("CustomResourceDefinition", CLUSTERS)["spec"]
        return spec

    yield read
    if read() != before["spec"]:
        lab.setup_api.patch("CustomResourceDefinition", CLUSTERS, {"spec": before["spec"]})


def crd(product: Driver, *options: str, **variables: Any) -> Run:
    """Run starrocks_crd."""
    return product.run({}, *options, playbook="starrocks_crd", **variables)


def kept_fields(starrocks: StarRocks) -> set[str]:
    """Those of our fields in the spec that the API server keeps of an object that is written."""
    wanted = {
        "spec": {
            "upgradePreparation": {"enabled": True, "hooks": [{"name": "quiesce"}], "timeoutSeconds": 300},
            "starRocksFeSpec": {"upgradeHooks": {"predefined": ["disable-balancer"]}},
        }
    }
    path = f"/apis/starrocks.com/v1/namespaces/{starrocks.namespace}/starrocksclusters/{starrocks.name}"
    answer = starrocks.api.request("PATCH", path, wanted, "application/merge-patch+json", {"dryRun": "All"})
    kept = set()
    for field in FIELDS[:2]:
        at: Any = answer
        for name in field.path:
            at = at.get(name, {})
        kept |= {str(field)} if at else set()
    return kept


def without_ours(spec: Json) -> Json:
    """The definition's spec without the fields that may have been added."""
    spec = copy.deepcopy(spec)
    for field in FIELDS:
        at = spec["versions"][0]["schema"]["openAPIV3Schema"]
        for name in field.path[:-1]:
            at = at["properties"][name]
        at["properties"].pop(field.path[-1], None)
    return spec


def test_the_definition_is_extended_and_put_back(
    definition: Callable[[], Json], calm: StarRocks, asked: Driver
) -> None:
    before = definition()
    assert kept_fields(calm) == set()
    shown = crd(asked, "--check", "--diff").succeeded()
    assert "upgradePreparation" in shown.text
    assert definition() == before
    assert crd(asked).succeeded().recap["changed"] == 1
    extended = definition()
    assert extended != before
    assert without_ours(extended) == before
    assert kept_fields(calm) == {str(field) for field in FIELDS[:2]}
    assert crd(asked).succeeded().recap["changed"] == 0
    assert definition() == extended
    assert crd(asked, state="original").succeeded().recap["changed"] == 1
    assert definition() == before
    assert crd(asked, state="original").succeeded().recap["changed"] == 0


def test_check_mode_writes_nothing(definition: Callable[[], Json], calm: StarRocks, asked: Driver) -> None:
    version = calm.api.get("CustomResourceDefinition", CLUSTERS)["metadata"]["resourceVersion"]
    for state in ("extended", "original"):
        crd(asked, "--check", state=state).succeeded()
    assert calm.api.get("CustomResourceDefinition", CLUSTERS)["metadata"]["resourceVersion"] == version


def test_a_field_of_somebody_else_is_refused(definition: Callable[[], Json], calm: StarRocks, asked: Driver) -> None:
    theirs = {"type": "object", "properties": {"enabled": {"type": "string"}}}
    pointer = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/upgradePreparation"
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{CLUSTERS}"
    patch: Any = [{"op": "add", "path": pointer, "value": theirs}]
    calm.api.request("PATCH", path, patch, "application/json-patch+json")
    before = definition()
    for state in ("extended", "original"):
        crd(asked, state=state).failed(r"spec\.upgradePreparation", "another meaning", "Remedy")
    assert definition() == before


def test_another_definition_is_refused(calm: StarRocks, asked: Driver) -> None:
    portforwards = "portforwards.kwok.x-k8s.io"
    before = calm.api.get("CustomResourceDefinition", portforwards)
    access = json.dumps({"starrocks_access": {"name": portforwards}})
    # By who may change any definition.
    crd(asked, f"--extra-vars={access}", kubeconfig=calm.lab.kubeconfig).failed(
        "kwok", "is not starrocks.com/StarRocksCluster"
    )
    assert calm.api.get("CustomResourceDefinition", portforwards)["spec"] == before["spec"]


def test_the_missing_right_is_named(lab: Lab, asked: Driver) -> None:
    rules = [{"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": ["get"]}]
    kubeconfig = lab.user_kubeconfig("may-look-at-definitions", rules)
    crd(asked, kubeconfig=kubeconfig).failed("customresourcedefinitions", "patch", "ClusterRole")
