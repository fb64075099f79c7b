# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs and pods as the domain sees them: what is over, what lives on without its Job, and what the logs say."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

import pytest
from unit.module_utils._kube.apiserver import END, Answer, ApiServer, ObjectStore, Request, status

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Conflict
from ansible_collections.steady.rollout.plugins.module_utils._kube import jobs

ROOT = "/apis/batch/v1/namespaces/n/jobs"
PODS = "/api/v1/namespaces/n/pods"


def job(name: str = "j", kind: str = "apply", *, finish: str = "", **spec: Any) -> dict[str, Any]:
    """A Job as the API server has it."""
    conditions = [{"type": finish, "status": "True", "reason": "R", "message": "M"}] if finish else []
    metadata = {
        "name": name,
        "uid": f"uid-{name}",
        "labels": {"rollout.steady.dev/kind": kind},
        "annotations": {"rollout.steady.dev/spec-hash": "sha256:a"},
    }
    return {"metadata": metadata, "spec": {"template": {}, **spec}, "status": {"conditions": conditions}}


def pod(of: str = "j", phase: str = "Running", *, owned: bool = True, **status_fields: Any) -> dict[str, Any]:
    """A pod of a Job as the API server has it."""
    metadata = {
        "name": f"{of}-x",
        "uid": f"uid-{of}-x",
        "labels": {jobs.JOB_NAME_LABEL: of},
        "ownerReferences": [{"uid": f"uid-{of}"}] if owned else [],
    }
    return {"metadata": metadata, "spec": {}, "status": {"phase": phase, **status_fields}}


def state(name: str, **states: Any) -> dict[str, Any]:
    """The status of a container."""
    return {"name": name, "state": states}


def cluster(found: list[dict[str, Any]], pods: list[dict[str, Any]]) -> Callable[[Request], Answer]:
    """An API server that lists these."""

    def handle(request: Request) -> Answer:
        return Answer(body={"metadata": {}, "items": found if request.path == ROOT else pods})

    return handle


@pytest.mark.parametrize(
    ("finish", "phase", "over"),
    [
        ("", "Succeeded", False),
        ("Complete", "Succeeded", True),
        ("Failed", "Running", False),
        ("Failed", "Failed", True),
    ],
)
def test_a_job_is_over_when_it_is_finished_and_no_pod_lives(finish: str, phase: str, over: bool) -> None:
    view = jobs.view_of(job(finish=finish), [pod(phase=phase)])
    assert view is not None
    assert view.over is over


def test_a_condition_that_is_not_true_finishes_nothing() -> None:
    found = job(finish="Failed")
    found["status"]["conditions"][0]["status"] = "False"
    view = jobs.view_of(found, [])
    assert view is not None
    assert view.finish == ""


def test_a_pod_of_a_lost_node_still_lives() -> None:
    view = jobs.view_of(job(finish="Failed"), [pod(phase="Unknown")])
    assert view is not None
    assert view.pods == 1


def test_a_job_of_somebody_else_is_none_of_ours() -> None:
    found = job()
    found["metadata"]["labels"] = {}
    assert jobs.view_of(found, []) is None


@pytest.mark.parametrize(("kind", "container"), [("apply", "atlas"), ("inspect", "atlas"), ("rollback", "down")])
def test_it_has_started_when_the_container_that_writes_has(kind: str, container: str) -> None:
    running = {"running": {"startedAt": "2026-01-02T03:04:05Z"}}
    statuses = [state(container, **running), state("fetch", **running)]
    view = jobs.view_of(job(kind=kind), [pod(containerStatuses=statuses)])
    assert view is not None
    assert view.started == 1767323045.0
    other = jobs.view_of(job(kind=kind), [pod(containerStatuses=[state("fetch", **running)])])
    assert other is not None
    assert other.started == 0.0


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {"initContainerStatuses": [state("fetch", waiting={"reason": "ImagePullBackOff", "message": "no such"})]},
            "container fetch: ImagePullBackOff: no such",
        ),
        ({"initContainerStatuses": [state("fetch", waiting={"reason": "PodInitializing"})]}, ""),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3"}]},
            "Unschedulable: 0/3",
        ),
    ],
)
def test_it_says_why_a_pod_waits(fields: dict[str, Any], text: str) -> None:
    view = jobs.view_of(job(), [pod(phase="Pending", **fields)])
    assert view is not None
    assert view.waiting == text


def test_pods_that_live_without_their_job_are_strays() -> None:
    pods = [pod("gone"), pod("over", "Succeeded"), pod("j")]
    with ApiServer(cluster([job("j")], pods)) as server:
        found = jobs.look(server.client(), "n", "orders")
    assert found.stray_pods == ("gone",)
    assert [view.name for view in found.jobs] == ["j"]
    assert [request.path for request in server.requests] == [ROOT, PODS], "first the Jobs, then the pods"


def test_logs_are_read_of_the_job_that_is_asked_for_and_over() -> None:
    ended = [state("unpack", terminated={"exitCode": 0}), state("atlas", terminated={"exitCode": 1})]
    never = [state("later", waiting={"reason": "PodInitializing"})]
    lists = cluster(
        [job("a", finish="Failed"), job("b", finish="Failed")],
        [pod("a", "Failed", initContainerStatuses=ended, containerStatuses=never), pod("b", "Failed")],
    )

    def handle(request: Request) -> Answer:
        if not request.path.endswith("/log"):
            return lists(request)
        if request.query["container"] == "unpack":
            return status(404, "gone")
        lines: queue.Queue[bytes] = queue.Queue()
        for line in (b"x" * jobs.LOG_BYTES, b"end", END):
            lines.put(line)
        return Answer(stream=lines)

    with ApiServer(handle) as server:
        found = jobs.look(server.client(), "n", "orders", read_logs=["a"])
    by_name = {view.name: view for view in found.jobs}
    assert by_name["b"].containers == ()
    unpack, atlas, later = by_name["a"].containers
    assert (unpack.code, unpack.log, unpack.cut) == (0, None, False)
    assert (atlas.code, len(atlas.log or ""), (atlas.log or "")[-3:], atlas.cut) == (1, jobs.LOG_BYTES, "end", True)
    assert (later.code, later.log) == (None, None)


def test_the_same_order_finds_the_job_that_an_earlier_try_made() -> None:
    store = ObjectStore()
    manifest = {"metadata": {**job()["metadata"], "namespace": "n"}, "spec": {}}
    with ApiServer(store.handle) as server:
        jobs.create(server.client(), manifest)
        jobs.create(server.client(), manifest)
        other = {**manifest, "metadata": {**manifest["metadata"], "annotations": {jobs.HASH_ANNOTATION: "sha256:b"}}}
        with pytest.raises(Conflict, match="is another one"):
            jobs.create(server.client(), other)


def test_only_the_suspended_job_of_that_uid_is_resumed() -> None:
    with ApiServer(lambda _request: Answer()) as server:
        jobs.resume(server.client(), "n", "j", "uid-j")
    (patch,) = server.requests
    assert patch.header("content-type") == "application/json-patch+json"
    assert [(entry["op"], entry["path"], entry["value"]) for entry in patch.body] == [
        ("test", "/metadata/uid", "uid-j"),
        ("test", "/spec/suspend", True),
        ("replace", "/spec/suspend", False),
    ]


@pytest.mark.parametrize("gone", [True, False])
def test_a_deletion_names_the_uid_and_takes_the_pods_with_it(gone: bool) -> None:
    answer = status(404, "not found", details={"name": "j"}) if gone else Answer()
    with ApiServer(lambda _request: answer) as server:
        jobs.delete(server.client(), "n", "j", "uid-j")
    assert server.requests[0].body["preconditions"] == {"uid": "uid-j"}
    assert server.requests[0].body["propagationPolicy"] == "Foreground"


@pytest.mark.parametrize(
    ("found", "phase", "over"),
    [(None, None, True), (None, "Running", False), ("", "Succeeded", False), ("Complete", "Succeeded", True)],
)
def test_another_ones_job_is_over_when_it_is_finished_or_gone_with_its_pods(
    found: str | None, phase: str | None, over: bool
) -> None:
    def handle(request: Request) -> Answer:
        if request.path == PODS:
            return Answer(body={"items": [pod(phase=phase)] if phase else []})
        return status(404, "not found", details={"name": "j"}) if found is None else Answer(body=job(finish=found))

    with ApiServer(handle) as server:
        assert jobs.is_over(server.client(), "n", "j") is over


def test_what_does_not_matter_to_a_decision_is_no_news() -> None:
    first, second = job(), job(suspend=True)
    second["status"]["active"] = 1
    assert jobs.mark_of(first) == jobs.mark_of(second)
    assert jobs.mark_of(first) != jobs.mark_of(job(finish="Complete"))
    backing_off = pod(containerStatuses=[state("atlas", waiting={"reason": "ImagePullBackOff"})])
    assert jobs.pod_mark_of(pod()) != jobs.pod_mark_of(backing_off)
    assert jobs.pod_mark_of(pod()) != jobs.pod_mark_of(pod(phase="Succeeded"))
    assert jobs.pod_mark_of(pod())[0] == first["metadata"]["uid"]
