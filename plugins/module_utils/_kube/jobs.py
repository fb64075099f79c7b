# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The Jobs of a DBUpgrade and their pods: from Kubernetes objects to the domain's values, and the writes they get."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.database.job import (
    HASH_ANNOTATION,
    KIND_LABEL,
    KINDS,
    LABEL,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.output import Container
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.snapshot import JobView
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import (
    Conflict,
    NotFound,
    Refused,
    Unreachable,
)
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import BrokenStream, KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.paths import path_to

JOB_API = "batch/v1"
# Set by the Job controller on each pod, https://kubernetes.io/docs/concepts/workloads/controllers/job/#job-labels.
JOB_NAME_LABEL = "batch.kubernetes.io/job-name"
# The container that writes, by kind of Job; `atlas` where it is not named here.
_WRITERS = {"rollback": "down"}
# The containers whose words are asked for even where they ended well; of the others only why they failed matters.
_TELLING: dict[str, tuple[str, ...]] = {"inspect": ("resolve", "unpack", "atlas")}
# What a container said at its end is enough; what the directory holds is printed whole (_pod/unpack.py).
LOG_BYTES = 256 * 1024
PRINTED_BYTES = 2 * 1024 * 1024
LOG_IDLE_SECONDS = 30.0

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Look:
    """The Jobs of one DBUpgrade, and the names of Jobs that are gone while a pod of theirs lives."""

    jobs: tuple[JobView, ...]
    stray_pods: tuple[str, ...]


def selector(name: str) -> str:
    """The label selector of a DBUpgrade's Jobs and pods."""
    return f"{LABEL}={name}"


def look(client: KubeClient, namespace: str, name: str, *, read_logs: Iterable[str] = ()) -> Look:
    """Its Jobs with their pods, and the logs of the finished Jobs among `read_logs`.

    The Jobs are listed before the pods: a Job that is gone by then makes no more of them.
    """
    jobs = client.list_(path_to(JOB_API, "jobs", namespace), label_selector=selector(name)).items
    pods = client.list_(path_to("v1", "pods", namespace), label_selector=selector(name)).items
    wanted, known, views = set(read_logs), {str(job["metadata"]["name"]) for job in jobs}, []
    for job in jobs:
        own = [pod for pod in pods if _belongs(pod, job)]
        view = view_of(job, own)
        if view is not None:
            views.append(_with_logs(client, namespace, view, own) if view.over and view.name in wanted else view)
    strays = {_job_name(pod) for pod in pods if _lives(pod) and _job_name(pod) not in known}
    return Look(tuple(views), tuple(sorted(strays)))


def is_over(client: KubeClient, namespace: str, name: str) -> bool:
    """Whether a Job is finished or gone, and no pod of it lives."""
    try:
        finished = bool(_finish(client.get(path_to(JOB_API, "jobs", namespace, name))))
    except NotFound:
        finished = True
    if not finished:
        return False
    pods = client.list_(path_to("v1", "pods", namespace), label_selector=f"{JOB_NAME_LABEL}={name}").items
    return not any(_lives(pod) for pod in pods)


def create(client: KubeClient, manifest: dict[str, Any]) -> JobView | None:
    """Make the Job, or find the one that an earlier try made from the same order; a new one, which has no pod yet.

    Conflict where a Job of that name was made from another one.
    """
    metadata = manifest["metadata"]
    namespace, name = str(metadata["namespace"]), str(metadata["name"])
    try:
        return view_of(client.create(path_to(JOB_API, "jobs", namespace), manifest), ())
    except Conflict as conflict:
        found = client.get(path_to(JOB_API, "jobs", namespace, name))
        if _order(found) != metadata["annotations"][HASH_ANNOTATION]:
            raise Conflict(
                f'Job "{name}" in namespace "{namespace}" exists and is another one.',
                remedy="Find out who made it, and delete it when it is not needed.",
            ) from conflict
        return None


def resume(client: KubeClient, namespace: str, name: str, uid: str) -> None:
    """Let a suspended Job start; Conflict when it is another one, or was not suspended any more."""
    operations: list[dict[str, Any]] = [
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "test", "path": "/spec/suspend", "value": True},
        {"op": "replace", "path": "/spec/suspend", "value": False},
    ]
    client.json_patch(path_to(JOB_API, "jobs", namespace, name), operations)


def delete(client: KubeClient, namespace: str, name: str, uid: str) -> None:
    """Delete a Job and its pods; gone already is as well."""
    try:
        client.delete(path_to(JOB_API, "jobs", namespace, name), uid=uid, propagation="Foreground")
    except NotFound:
        return


def view_of(job: Object, pods: Iterable[Object]) -> JobView | None:
    """A Job with its pods as the domain sees it; None for one that is none of ours."""
    metadata, spec = job["metadata"], job.get("spec") or {}
    kind = (metadata.get("labels") or {}).get(KIND_LABEL)
    if kind not in KINDS:
        return None
    own = list(pods)
    finish = _finish(job)
    return JobView(
        name=str(metadata["name"]),
        kind=kind,
        uid=str(metadata["uid"]),
        hash=_order(job),
        suspended=bool(spec.get("suspend")),
        finish=finish.get("type", ""),
        reason=str(finish.get("reason") or ""),
        message=str(finish.get("message") or ""),
        deleting=bool(metadata.get("deletionTimestamp")),
        pods=sum(_lives(pod) for pod in own),
        started=max((_started(pod, _WRITERS.get(kind, "atlas")) for pod in own), default=0.0),
        waiting=next(filter(None, map(_waiting, own)), ""),
    )


def mark_of(item: Object) -> tuple[object, ...]:
    """What of a Job a decision waits for: uid, whether it is being deleted, and how it finished."""
    metadata = item["metadata"]
    return (metadata["uid"], bool(metadata.get("deletionTimestamp")), _finish(item).get("type", ""))


def pod_mark_of(item: Object) -> tuple[object, ...]:
    """The same of a pod: uid of its Job, whether it is being deleted, whether it lives, and why it waits."""
    metadata = item["metadata"]
    owners = metadata.get("ownerReferences") or []
    owner = str(owners[0].get("uid")) if owners else ""
    return (owner, bool(metadata.get("deletionTimestamp")), _lives(item), _waiting(item))


def _belongs(pod: Object, job: Object) -> bool:
    owners = pod["metadata"].get("ownerReferences") or []
    return any(owner.get("uid") == job["metadata"]["uid"] for owner in owners)


def _job_name(pod: Object) -> str:
    return str((pod["metadata"].get("labels") or {}).get(JOB_NAME_LABEL) or "")


def _order(job: Object) -> str:
    return str((job["metadata"].get("annotations") or {}).get(HASH_ANNOTATION) or "")


def _finish(job: Object) -> Object:
    """The condition that says that the Job is finished, or nothing."""
    conditions = (job.get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c["type"] in ("Complete", "Failed") and c.get("status") == "True"), {})


def _lives(pod: Object) -> bool:
    """Whether a container of the pod may still run; a pod whose node is lost says Running or Unknown for ever."""
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def _statuses(pod: Object) -> list[Object]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _started(pod: Object, container: str) -> float:
    """When the container started, 0 when it has not."""
    for status in _statuses(pod):
        state = status.get("state") or {}
        begun = state.get("running") or state.get("terminated") or {}
        if status.get("name") == container and begun.get("startedAt"):
            return datetime.fromisoformat(str(begun["startedAt"])).timestamp()
    return 0.0


def _waiting(pod: Object) -> str:
    """Why a pod that lives does not run, empty where it is only being started."""
    status = pod.get("status") or {}
    if not _lives(pod):
        return ""
    for container in _statuses(pod):
        state = (container.get("state") or {}).get("waiting") or {}
        if state.get("reason") and state["reason"] not in ("PodInitializing", "ContainerCreating"):
            return f"container {container.get('name')}: {state['reason']}: {state.get('message') or ''}".rstrip(": ")
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"{condition.get('reason')}: {condition.get('message') or ''}".rstrip(": ")
    return ""


def _with_logs(client: KubeClient, namespace: str, view: JobView, pods: Sequence[Object]) -> JobView:
    """The view with what the containers of the latest pod said."""
    if not pods:
        return view
    pod = max(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp") or ""))
    name = str(pod["metadata"]["name"])
    containers = tuple(_container(client, namespace, name, view, status) for status in _statuses(pod))
    return replace(view, containers=containers)


def _container(client: KubeClient, namespace: str, pod: str, view: JobView, status: Object) -> Container:
    name = str(status.get("name") or "")
    ended = (status.get("state") or {}).get("terminated")
    if not ended:
        return Container(name, None)
    code = int(ended.get("exitCode", 0))
    if code == 0 and name not in _TELLING.get(view.kind, ("atlas",)):
        return Container(name, code)
    most = PRINTED_BYTES if view.kind == "inspect" and name == "unpack" else LOG_BYTES
    log, cut = read_log(client, namespace, pod, name, most)
    return Container(name, code, log, cut)


def read_log(client: KubeClient, namespace: str, pod: str, container: str, most: int) -> tuple[str | None, bool]:
    """The last `most` bytes of a container's log and whether there were more; None where it cannot be had.

    That is so when pod, node or log are gone, and when the kubelet does not answer: a lost node must not keep the
    undertaking from an end, and what the database is like is asked of the database.
    """
    path = path_to("v1", "pods", namespace, pod, "log")
    try:
        stream = client.stream(path, query={"container": container}, idle_seconds=LOG_IDLE_SECONDS)
    except (NotFound, Refused, Unreachable):
        return None, False
    try:
        data, cut = stream.tail(most)
    except BrokenStream:
        return None, False
    finally:
        stream.close()
    return data.decode("utf-8", "replace"), cut
