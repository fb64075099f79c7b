# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pods of StarRocks clusters, from a Kubernetes watch to the simulation.

Labels, container names and the MYSQL_PWD environment are those the StarRocks operator gives its pods
(starrocks-kubernetes-operator pkg/k8sutils/load/metadata.go, templates/pod/spec.go).
"""

from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, get_args

import urllib3

from steadylab.kube import Api, ApiError
from steadylab.simulator.model import Component, Pod

OWNER_LABEL: Final = "app.starrocks.ownerreference/name"
COMPONENT_LABEL: Final = "app.kubernetes.io/component"
COMPONENTS: Final[tuple[Component, ...]] = get_args(Component)
RETRY_SECONDS: Final = 1.0
# The resourceVersion of a watch is too old: list again at once.
GONE: Final = 410

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SecretKey:
    """One key of a Secret."""

    namespace: str
    name: str
    key: str


def read_pod(document: Mapping[str, Any], *, up_when_running: bool = False) -> Pod | None:
    """A pod of a StarRocks cluster from the API's document; None for any other pod.

    It is up when it is Ready (or, with ``up_when_running``, when its container runs) and not being deleted.
    """
    metadata = document["metadata"]
    labels = metadata.get("labels", {})
    component = labels.get(COMPONENT_LABEL)
    owner = labels.get(OWNER_LABEL, "")
    if component not in COMPONENTS or not owner.endswith(f"-{component}"):
        return None
    container = next((item for item in document["spec"]["containers"] if item["name"] == component), None)
    if container is None:
        return None
    statuses = document.get("status", {}).get("containerStatuses", [])
    status: Mapping[str, Any] = next((item for item in statuses if item["name"] == component), {})
    since = _ready_since(document)
    serves = "running" in status.get("state", {}) if up_when_running else since is not None
    return Pod(
        namespace=metadata["namespace"],
        cluster=owner.removesuffix(f"-{component}"),
        component=component,
        name=metadata["name"],
        image=container.get("image", ""),
        up=serves and "deletionTimestamp" not in metadata,
        incarnation=f"{metadata['uid']}/{status.get('restartCount', 0)}",
        started=since,
    )


def _ready_since(document: Mapping[str, Any]) -> float | None:
    for condition in document.get("status", {}).get("conditions", []):
        if condition["type"] == "Ready" and condition["status"] == "True":
            moment = condition.get("lastTransitionTime")
            return datetime.fromisoformat(moment).timestamp() if moment else 0.0
    return None


def root_password(document: Mapping[str, Any], component: str) -> SecretKey | str:
    """What the MYSQL_PWD of a pod's container says: a key of a Secret, or the text itself, empty without one."""
    for container in document["spec"]["containers"]:
        if container["name"] != component:
            continue
        for variable in container.get("env", []):
            if variable["name"] == "MYSQL_PWD":
                return _source(document["metadata"]["namespace"], variable)
    return ""


def _source(namespace: str, variable: Mapping[str, Any]) -> SecretKey | str:
    reference = variable.get("valueFrom", {}).get("secretKeyRef")
    if reference is None:
        return str(variable.get("value", ""))
    return SecretKey(namespace, reference["name"], reference["key"])


def read_secret(api: Api, secret: SecretKey) -> str:
    """The text of a Secret's key; raises ApiError, urllib3's HTTPError, and KeyError for a missing key."""
    document = api.get("Secret", secret.name, secret.namespace)
    return base64.b64decode(document.get("data", {})[secret.key]).decode()


@dataclass(frozen=True)
class Listener:
    """Who is told about pods. The functions are called from the watch's thread, one at a time."""

    applied: Callable[[Mapping[str, Any], Pod], None]
    deleted: Callable[[str, str], None]
    synced: Callable[[], None]
    ended: Callable[[], None]


class PodWatch(threading.Thread):
    """Lists and watches the pods of all StarRocks clusters until it is stopped; survives a restart of the server."""

    def __init__(self, api: Api, listener: Listener, *, up_when_running: bool = False) -> None:
        super().__init__(name="pod-watch", daemon=True)
        self._api = api
        self._listener = listener
        self._up_when_running = up_when_running
        self._known: set[tuple[str, str]] = set()
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Deliver nothing more; the thread itself ends with the process or with its next event."""
        self._stopped.set()

    def run(self) -> None:
        """List, then watch on from there; again after whatever ends that. The end itself is told in any case."""
        try:
            while not self._stopped.is_set():
                self._once()
        finally:
            self._listener.ended()

    def _once(self) -> None:
        try:
            self._follow(self._list())
        except ApiError as error:
            logger.info("pod watch: %s", error)
            if error.status != GONE:
                self._stopped.wait(RETRY_SECONDS)
        except urllib3.exceptions.HTTPError as error:
            logger.warning("pod watch: %s: %s", type(error).__name__, error)
            self._stopped.wait(RETRY_SECONDS)

    def _list(self) -> str:
        answer = self._api.list("Pod", selector=OWNER_LABEL)
        documents = answer["items"]
        present = {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in documents}
        for namespace, name in self._known - present:
            self._delete(namespace, name)
        for document in documents:
            self._apply(document)
        self._listener.synced()
        return str(answer["metadata"]["resourceVersion"])

    def _follow(self, version: str) -> None:
        """Watch, again and again, from where the last watch ended; raises ApiError (410: list again)."""
        while not self._stopped.is_set():
            for kind, document in self._api.watch("Pod", version, selector=OWNER_LABEL):
                if self._stopped.is_set():
                    return
                metadata = document["metadata"]
                version = metadata["resourceVersion"]
                if kind == "DELETED":
                    self._delete(metadata["namespace"], metadata["name"])
                elif kind != "BOOKMARK":
                    self._apply(document)

    def _apply(self, document: Mapping[str, Any]) -> None:
        pod = read_pod(document, up_when_running=self._up_when_running)
        if pod is not None:
            metadata = document["metadata"]
            self._known.add((metadata["namespace"], metadata["name"]))
            self._listener.applied(document, pod)

    def _delete(self, namespace: str, name: str) -> None:
        self._known.discard((namespace, name))
        self._listener.deleted(namespace, name)
