# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated kubelets: what the tag of an image does to a pod, lost nodes, and what a pod's connections reach."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import pymysql
import pytest
from kubernetes import client, config
from kubernetes.stream import portforward

from steadylab import Lab
from steadylab.kube import Object
from steadylab.objects import PASSWORD

SECONDS = 60.0


def pod(name: str, namespace: str, image: str, **spec: Any) -> Object:
    containers = [{"name": "main", "image": image}]
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers, **spec}}


def condition(found: Object | None, kind: str = "Ready") -> str | None:
    conditions = (found or {}).get("status", {}).get("conditions", [])
    return next((entry["status"] for entry in conditions if entry["type"] == kind), None)


def container(found: Object | None) -> Object:
    statuses = (found or {}).get("status", {}).get("containerStatuses") or [{}]
    return dict(statuses[0])


def waiting(found: Object | None) -> str | None:
    reason: str | None = container(found).get("state", {}).get("waiting", {}).get("reason")
    return reason


def seen_states(lab: Lab, start: Object, last: Callable[[Object], bool]) -> list[Object]:
    """Every state of a pod's object from `start` on, up to the first that `last` accepts: a watch misses none."""
    metadata, states = start["metadata"], [start]
    field = f"metadata.name={metadata['name']}"
    events = lab.setup_api.watch(
        "Pod", metadata["resourceVersion"], metadata["namespace"], field=field, seconds=int(SECONDS)
    )
    for kind, found in events:
        if kind != "BOOKMARK":
            states.append(found)
            if last(found):
                return states
    raise AssertionError(f"{metadata['name']} did not come there within {SECONDS:g} s: {states[-1]['status']}")


def await_pod(lab: Lab, namespace: str, name: str, wanted: Callable[[Object | None], bool]) -> None:
    """Until a pod is as wanted, whatever it went through before."""
    lab.setup_api.wait_for("Pod", name, namespace, wanted, SECONDS)


def changes(values: list[str | None]) -> list[str]:
    """The values without None and without repetitions of the one before."""
    return [value for value, _group in itertools.groupby(values) if value is not None]


@pytest.mark.parametrize("tag", ["3.3.1", "slow", "3.3.2-slow"])
def test_good_pod_runs_and_then_is_ready(shared_lab: Lab, namespace: str, tag: str) -> None:
    made = shared_lab.setup_api.apply(pod("p", namespace, f"starrocks/be-ubuntu:{tag}"))
    states = seen_states(shared_lab, made, lambda found: condition(found) == "True")
    assert changes([entry["status"]["phase"] for entry in states]) == ["Pending", "Running"]
    assert "False" in [condition(entry) for entry in states if entry["status"]["phase"] == "Running"]
    assert states[-1]["status"]["podIP"].startswith("10.")


@pytest.mark.parametrize("tag", ["broken", "3.3.2-broken"])
def test_broken_image_crash_loops(shared_lab: Lab, namespace: str, tag: str) -> None:
    made = shared_lab.setup_api.apply(pod("p", namespace, f"starrocks/fe-ubuntu:{tag}"))
    states = seen_states(shared_lab, made, lambda found: container(found).get("restartCount", 0) >= 2)
    assert set(changes([waiting(entry) for entry in states])) >= {"ContainerCreating", "CrashLoopBackOff"}
    assert container(states[-1])["lastState"]["terminated"]["exitCode"] == 1
    assert states[-1]["status"]["phase"] == "Running"
    assert "True" not in [condition(entry) for entry in states]


def test_image_that_cannot_be_pulled(shared_lab: Lab, namespace: str) -> None:
    made = shared_lab.setup_api.apply(pod("p", namespace, "starrocks/fe-ubuntu:3.3.2-nopull"))
    states = seen_states(shared_lab, made, lambda found: waiting(found) == "ImagePullBackOff")
    reasons = changes([waiting(entry) for entry in states])
    assert reasons[-2:] == ["ErrImagePull", "ImagePullBackOff"]
    assert states[-1]["status"]["phase"] == "Pending"


def test_registry_that_hiccups_recovers(shared_lab: Lab, namespace: str) -> None:
    made = shared_lab.setup_api.apply(pod("p", namespace, "starrocks/fe-ubuntu:3.3.2-hiccup"))
    states = seen_states(shared_lab, made, lambda found: condition(found) == "True")
    assert "ImagePullBackOff" in [waiting(entry) for entry in states]


def test_flaky_pod_becomes_unready_and_stays_so(shared_lab: Lab, namespace: str) -> None:
    made = shared_lab.setup_api.apply(pod("p", namespace, "starrocks/be-ubuntu:flaky"))
    ready = seen_states(shared_lab, made, lambda found: condition(found) == "True")[-1]
    after = seen_states(shared_lab, ready, lambda found: condition(found) == "False")
    assert "running" in container(after[-1])["state"]
    assert container(after[-1])["started"] is True


def test_never_ready_pod_runs(shared_lab: Lab, namespace: str) -> None:
    """An ordinary pod made after it is ready while it still is not."""
    made = shared_lab.setup_api.apply(pod("never", namespace, "starrocks/be-ubuntu:3.3.2-never"))
    seen_states(shared_lab, made, lambda found: (found or {}).get("status", {}).get("phase") == "Running")
    made = shared_lab.setup_api.apply(pod("other", namespace, "starrocks/be-ubuntu:slow"))
    seen_states(shared_lab, made, lambda found: condition(found) == "True")
    assert condition(shared_lab.setup_api.get("Pod", "never", namespace)) == "False"


@pytest.mark.parametrize(("tag", "outcome"), [("1.0", "Complete"), ("broken", "Failed")])
def test_job_ends(shared_lab: Lab, namespace: str, tag: str, outcome: str) -> None:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": f"migrate:{tag}"}]}}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j", "namespace": namespace},
        "spec": {"backoffLimit": 0, "template": template},
    }
    shared_lab.setup_api.request("POST", f"/apis/batch/v1/namespaces/{namespace}/jobs", job)
    shared_lab.kubectl(
        "wait", "job/j", f"--namespace={namespace}", f"--for=condition={outcome}", f"--timeout={SECONDS}s"
    )


def test_deleted_pod_goes_whatever_its_grace_period(shared_lab: Lab, namespace: str) -> None:
    made = shared_lab.setup_api.apply(pod("p", namespace, "x:1", terminationGracePeriodSeconds=120))
    seen_states(shared_lab, made, lambda found: condition(found) == "True")
    shared_lab.setup_api.delete("Pod", "p", namespace)
    shared_lab.setup_api.wait_for("Pod", "p", namespace, lambda found: found is None, SECONDS)


def test_lost_node_keeps_its_pods_unready_until_it_is_back(shared_lab: Lab, namespace: str) -> None:
    api = shared_lab.setup_api
    api.apply(pod("p", namespace, "x:1"))
    await_pod(shared_lab, namespace, "p", lambda found: condition(found) == "True")
    node = api.get("Pod", "p", namespace)["spec"]["nodeName"]
    api.apply(pod("stays", namespace, "x:1", nodeName=node))
    await_pod(shared_lab, namespace, "stays", lambda found: condition(found) == "True")
    shared_lab.lose_node(node)
    try:
        await_pod(shared_lab, namespace, "p", lambda found: condition(found) == "False")
        await_pod(shared_lab, namespace, "stays", lambda found: condition(found) == "False")
        api.wait_for("Node", node, None, lambda found: _tainted(found), SECONDS)
        api.delete("Pod", "p", namespace)
        # A pod elsewhere comes and goes; the deleted one on the lost node is still there, as nobody confirms.
        api.apply(pod("elsewhere", namespace, "x:1"))
        await_pod(shared_lab, namespace, "elsewhere", lambda found: condition(found) == "True")
        assert api.get("Pod", "elsewhere", namespace)["spec"]["nodeName"] != node
        assert api.get("Pod", "p", namespace)["metadata"]["deletionTimestamp"]
    finally:
        shared_lab.restore_node(node)
    api.wait_for("Pod", "p", namespace, lambda found: found is None, SECONDS)
    await_pod(shared_lab, namespace, "stays", lambda found: condition(found) == "True")
    api.wait_for("Node", node, None, lambda found: condition(found) == "True" and not _tainted(found), SECONDS)


def _tainted(node: Object | None) -> bool:
    taints = (node or {}).get("spec", {}).get("taints") or []
    return any(taint["key"] == "node.kubernetes.io/unreachable" for taint in taints)


def test_exec_runs_a_real_process(shared_lab: Lab, namespace: str) -> None:
    made = shared_lab.setup_api.apply(pod("p", namespace, "x:1"))
    seen_states(shared_lab, made, lambda found: condition(found) == "True")
    assert shared_lab.kubectl("exec", "p", f"--namespace={namespace}", "--", "echo", "real") == "real\n"
    assert shared_lab.kubectl("logs", "p", f"--namespace={namespace}") == "simulated pod of a steady.rollout lab\n"


def test_port_forward_reaches_the_frontend_of_that_pod(shared_lab: Lab) -> None:
    spec = shared_lab.add_cluster("wire", "wire", fe=3, be=1)
    configuration = client.Configuration()
    config.load_kube_config(str(shared_lab.kubeconfig), client_configuration=configuration)
    core = client.CoreV1Api(client.ApiClient(configuration))
    try:
        for name in ("wire-fe-0", "wire-fe-1", "wire-fe-2"):
            assert _ask(core, name, "wire") == 3
            last = shared_lab.queries[-1]
            assert name in (last["forwarded_from"] or last["fe"])
        uid = shared_lab.setup_api.get("Pod", "wire-fe-1", "wire")["metadata"]["uid"]
        shared_lab.setup_api.delete("Pod", "wire-fe-1", "wire")
        is_new = partial(_is_new_and_ready, uid)
        shared_lab.setup_api.wait_for("Pod", "wire-fe-1", "wire", is_new, SECONDS)
        shared_lab.wait_cluster(spec)
        assert _ask(core, "wire-fe-1", "wire") == 3
    finally:
        shared_lab.remove_namespace(spec.namespace, wait=False)


def _is_new_and_ready(old_uid: str, found: Object | None) -> bool:
    return found is not None and found["metadata"]["uid"] != old_uid and condition(found) == "True"


def _ask(core: client.CoreV1Api, pod_name: str, namespace: str) -> int:
    """The number of frontends that an FE shows over a port-forward."""
    forward = portforward(core.connect_get_namespaced_pod_portforward, pod_name, namespace, ports="9030")
    socket = forward.socket(9030)
    socket.setblocking(True)
    connection = pymysql.connect(user="root", password=PASSWORD, defer_connect=True)
    connection.connect(socket)
    with connection, connection.cursor() as cursor:
        return cursor.execute("SHOW FRONTENDS")
