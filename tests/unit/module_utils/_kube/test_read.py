# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes objects as the domain sees them."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from unit.module_utils._kube.apiserver import Answer, ApiServer, Request, answering, status

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import NotFound, Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Waiting
from ansible_collections.steady.rollout.plugins.module_utils._kube.read import (
    ClusterObjects,
    PasswordSource,
    config_text,
    labelled,
    pod_of,
    pod_selector,
    pull_secrets,
    read_cluster,
    root_credentials,
    run_mode,
    secret_value,
    workload_of,
)

CRASHING = {
    "name": "be",
    "restartCount": 3,
    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
    "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
}


def pod(name: str = "prod-be-1", **status_fields: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "uid": "u1",
            "creationTimestamp": "2026-01-02T03:04:05Z",
            "labels": {"app.starrocks.ownerreference/name": "prod-be", "unknown": "kept out"},
        },
        "spec": {
            "nodeName": "node-1",
            "containers": [{"name": "sidecar", "image": "x:1"}, {"name": "be", "image": "starrocks/be-ubuntu:3.3.1"}],
        },
        "status": {"phase": "Running", **status_fields},
    }


def condition(kind: str, value: str, **more: str) -> dict[str, str]:
    return {"type": kind, "status": value, **more}


def test_a_ready_pod() -> None:
    found = pod_of(pod(conditions=[condition("Ready", "True", lastTransitionTime="2026-01-02T03:05:00Z")]), "prod")

    assert found is not None
    assert (found.component, found.ordinal, found.image) == ("be", 1, "starrocks/be-ubuntu:3.3.1")
    assert (found.ready, found.ready_since, found.node) == (True, "2026-01-02T03:05:00Z", "node-1")
    assert not found.deleting


def test_a_crashing_pod_tells_why_it_waits_and_how_it_ended() -> None:
    found = pod_of(pod(containerStatuses=[CRASHING]), "prod")

    assert found is not None
    assert found.waiting == (Waiting("be", "CrashLoopBackOff", "back-off"),)
    assert found.terminated == (Waiting("be", "OOMKilled", "exit code 137"),)
    assert found.restarts == 3
    assert (found.ready, found.ready_since) == (False, "")


def test_an_init_container_that_ended_well_is_no_failure() -> None:
    done = {"name": "init", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
    found = pod_of(pod(initContainerStatuses=[done]), "prod")

    assert found is not None
    assert found.terminated == ()


def test_a_container_that_runs_again_has_no_open_failure() -> None:
    running = {**CRASHING, "state": {"running": {}}}
    found = pod_of(pod(containerStatuses=[running]), "prod")

    assert found is not None
    assert (found.waiting, found.terminated) == ((), ())


def test_a_pod_without_a_place_says_so() -> None:
    conditions = [condition("PodScheduled", "False", reason="Unschedulable", message="0/3 nodes are available")]
    found = pod_of(pod(conditions=conditions), "prod")

    assert found is not None
    assert found.unschedulable == "0/3 nodes are available"


@pytest.mark.parametrize(
    "name", ["prod-be-x", "prod-fe-proxy-0", "prod-be-1-debug", "other-be-1", "xprod-be-1", "prod-fe-1", ""]
)
def test_other_pods_are_none_of_the_cluster(name: str) -> None:
    assert pod_of(pod(name), "prod") is None


def test_a_pod_of_a_cluster_whose_name_begins_alike_is_none_of_it() -> None:
    assert pod_of(pod("prod-be-1"), "prod-be-1") is None


@pytest.mark.parametrize("obj", [{}, {"metadata": None}, {"metadata": {"name": "prod-be-0"}}])
def test_an_object_with_next_to_nothing_is_no_pod(obj: dict[str, Any]) -> None:
    assert pod_of(obj, "prod") is None


def test_a_bare_pod_of_the_cluster_has_empty_values() -> None:
    labels = {"app.starrocks.ownerreference/name": "prod-be"}
    found = pod_of({"metadata": {"name": "prod-be-0", "labels": labels}}, "prod")

    assert found is not None
    assert (found.image, found.phase, found.ready) == ("", "", False)


def cluster(**fe: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "prod", "uid": "c1"},
        "spec": {"starRocksFeSpec": {"image": "f:1", "replicas": 3, **fe}},
    }


def statefulset(**spec: Any) -> dict[str, Any]:
    template = {"spec": {"containers": [{"name": "fe", "image": "f:2"}]}}
    return {"metadata": {"name": "prod-fe", "uid": "s1"}, "spec": {"replicas": 2, "template": template, **spec}}


def test_a_component_as_its_resource_states_it() -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    found = workload_of(cluster(updateStrategy=strategy), statefulset(updateStrategy={"type": "OnDelete"}), "fe")

    assert found is not None
    assert (found.image, found.replicas, found.partition, found.strategy) == ("f:1", 3, 2, strategy)
    assert found.strategy_type == "RollingUpdate"


def test_a_component_that_is_not_there_is_none() -> None:
    assert workload_of(cluster(), None, "cn") is None


def test_a_component_without_statefulset_or_replicas() -> None:
    found = workload_of({"spec": {"starRocksCnSpec": {"image": "c:1"}}}, None, "cn")

    assert found is not None
    assert (found.replicas, found.partition) == (1, 0)


def test_replicas_that_an_autoscaler_sets_are_the_statefulsets() -> None:
    found = workload_of({"spec": {"starRocksCnSpec": {"image": "c:1"}}}, statefulset(replicas=5), "cn")

    assert found is not None
    assert found.replicas == 5


def look_at(resource: dict[str, Any]) -> tuple[ClusterObjects, list[str | None]]:
    def handle(request: Request) -> Answer:
        if "starrocksclusters" in request.path:
            return Answer(body=resource)
        if "statefulsets" in request.path:
            return Answer(body={"items": [statefulset(), {"metadata": {"name": "other-fe"}}], "metadata": {}})
        items = [pod(), pod("stranger")]
        return Answer(body={"items": items, "metadata": {"resourceVersion": "44"}})

    with ApiServer(handle) as server:
        found = read_cluster(server.client(), "n", "prod")
    return found, [request.query.get("labelSelector") for request in server.requests]


def test_a_whole_cluster_is_two_requests() -> None:
    found, selectors = look_at(cluster())

    assert [p.name for p in found.pods] == ["prod-be-1"]
    assert set(found.workloads) == {"fe"}
    assert selectors == [None, pod_selector("prod")]


def test_replicas_that_the_resource_does_not_give_are_asked_of_the_statefulset() -> None:
    found, selectors = look_at({"metadata": {"name": "prod"}, "spec": {"starRocksFeSpec": {"image": "f:1"}}})

    assert found.workloads["fe"].replicas == 2
    assert selectors == [None, "app.kubernetes.io/component in (fe,be,cn)", pod_selector("prod")]


def test_an_unknown_cluster_is_one_request() -> None:
    with ApiServer(answering(status(404, "no", details={"name": "prod"}))) as server:
        with pytest.raises(NotFound, match=r'starrocksclusters\.starrocks\.com "prod" in namespace "n"'):
            read_cluster(server.client(), "n", "prod")
        assert len(server.requests) == 1


def secret(**data: str) -> ApiServer:
    return ApiServer(answering(Answer(body={"data": data})))


def test_a_secrets_value() -> None:
    with secret(password=base64.b64encode("pä55".encode()).decode()) as server:
        assert secret_value(server.client(), "n", "root", "password") == "pä55"


def test_a_missing_key_names_the_keys_that_are_there_and_no_value() -> None:
    with secret(other=base64.b64encode(b"s3cret").decode()) as server:
        with pytest.raises(NotFound, match='Secret "root" in namespace "n" has no key "password"') as caught:
            secret_value(server.client(), "n", "root", "password")

    assert "other" in caught.value.remedy
    assert "s3cret" not in str(caught.value.as_result())
    assert "czNjcmV0" not in str(caught.value.as_result())


@pytest.mark.parametrize("text", ["%%%", "_w==", base64.b64encode(b"\xff\xfe").decode()])
def test_what_is_no_text_is_refused_without_showing_it(text: str) -> None:
    with secret(password=text) as server, pytest.raises(Refused, match='Secret "root" key "password"') as caught:
        secret_value(server.client(), "n", "root", "password")

    assert text not in str(caught.value.as_result())


def variable(**source: Any) -> dict[str, Any]:
    return {"name": "MYSQL_PWD", **source}


REFERENCE = {"valueFrom": {"secretKeyRef": {"name": "root", "key": "password"}}}


@pytest.mark.parametrize(
    ("spec", "source"),
    [
        (
            {"starRocksFeSpec": {"feEnvVars": [{"name": "X"}, variable(**REFERENCE)]}},
            PasswordSource("root", "password"),
        ),
        ({"starRocksBeSpec": {"beEnvVars": [variable(**REFERENCE)]}}, PasswordSource("root", "password")),
        ({"starRocksFeSpec": {"feEnvVars": [variable(value="plain")]}}, PasswordSource(literal="plain")),
        ({"starRocksFeSpec": {"feEnvVars": [variable()]}}, None),
        ({"starRocksFeSpec": {"feEnvVars": None}}, None),
        ({}, None),
    ],
)
def test_where_the_root_password_comes_from(spec: dict[str, Any], source: PasswordSource | None) -> None:
    assert root_credentials({"spec": spec}) == source


def test_a_password_in_the_resource_is_not_shown() -> None:
    assert "plain" not in repr(PasswordSource(literal="plain"))


@pytest.mark.parametrize(
    ("conf", "mode"),
    [
        ("run_mode = shared_data\n", "shared_data"),
        ("a = b\n# run_mode = shared_data\n", "shared_nothing"),
        ("run_mode = shared_nothing\n  run_mode=shared_data \n", "shared_data"),
        ("", "shared_nothing"),
    ],
)
def test_the_run_mode_is_that_of_fe_conf(conf: str, mode: str) -> None:
    with ApiServer(answering(Answer(body={"data": {"fe.conf": conf}}))) as server:
        assert run_mode(server.client(), "n", cluster(configMapInfo={"configMapName": "conf"})) == mode


def test_without_a_config_map_the_mode_is_not_known() -> None:
    with ApiServer(answering(status(500))) as server:
        assert run_mode(server.client(), "n", cluster()) is None
        assert server.requests == []


def test_the_text_of_a_config_map() -> None:
    with ApiServer(answering(Answer(body={"data": {"a.sql": "SHOW FRONTENDS"}}))) as server:
        assert config_text(server.client(), "n", "hooks", "a.sql") == "SHOW FRONTENDS"
        with pytest.raises(NotFound, match='has no key "b') as caught:
            config_text(server.client(), "n", "hooks", "b.sql")

    assert server.requests[0].path == "/api/v1/namespaces/n/configmaps/hooks"
    assert "a.sql" in caught.value.remedy


@pytest.mark.parametrize(
    ("labels", "found"), [({"x/y": "true"}, True), ({"x/y": "false"}, False), ({"x/z": "true"}, False), (None, False)]
)
def test_a_label_of_the_namespace(labels: dict[str, str] | None, found: bool) -> None:
    with ApiServer(answering(Answer(body={"metadata": {"labels": labels}}))) as server:
        assert labelled(server.client(), "n", "x/y") is found

    assert server.requests[0].path == "/api/v1/namespaces/n"


def test_the_secrets_that_the_fes_image_is_pulled_with() -> None:
    assert pull_secrets({"spec": {"starRocksFeSpec": {"imagePullSecrets": [{"name": "a"}, {"name": "b"}]}}}) == (
        "a",
        "b",
    )
    assert pull_secrets({"spec": {"starRocksBeSpec": {"imagePullSecrets": [{"name": "a"}]}}}) == ()
