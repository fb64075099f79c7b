# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pod: from its appearance on a node to its end."""

from __future__ import annotations

import itertools
import logging
import math
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import urllib3

from steadylab.kube import STRATEGIC_PATCH, Api, ApiError, Object, path_of
from steadylab.kubelet import NODE_LOST_LABEL
from steadylab.podrunner.container import Process, Recipe
from steadylab.podrunner.environment import ConfigError, Environment, MissingObject, command, identity
from steadylab.podrunner.images import Image, Table
from steadylab.podrunner.status import ContainerState, Verdict, now, status
from steadylab.podrunner.volumes import Volumes

LOG: Final = logging.getLogger("steadylab.podrunner")
# How long to wait for an object that a pod needs before its status is looked at again.
_LOOK_SECONDS: Final = 2.0
# How often a pod looks into the table for an image that was not there, and at the size of its volumes.
_CHECK_SECONDS: Final = 0.5
_RETRY_SECONDS: Final = (0.05, 0.2, 1.0, 5.0)
# The exit code of what was running when its runner went away (pkg/kubelet/kuberuntime: ContainerStatusUnknown).
_UNKNOWN: Final = 137


Result = TypeVar("Result")


class Stopped(Exception):
    """The pod is to end: no further container is started."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all pods of a runner share."""

    api: Api
    directory: Path
    table: Table
    variables: dict[str, str]


class PodRun:
    """Runs one pod in a thread of its own."""

    def __init__(self, shared: Surroundings, pod: Object) -> None:
        self._shared = shared
        self._pod = pod
        self._metadata: Object = pod["metadata"]
        self._directory = shared.directory / "pods" / self._metadata["uid"]
        self._inits = [_state(entry) for entry in pod["spec"].get("initContainers") or ()]
        self._mains = [_state(entry) for entry in pod["spec"]["containers"]]
        self._volumes = Volumes(shared.api, pod, self._directory / "volumes")
        self._started = now()
        self._verdict: Verdict | None = None
        self._processes: dict[str, Process] = {}
        self._lock = threading.RLock()
        # Statuses are written one after the other, in the order of what they say.
        self._reporting = threading.Lock()
        self._stopped = threading.Event()
        self._ended = threading.Event()
        self._gone = threading.Event()
        self._changed = threading.Event()
        self._over = False
        self._kill_at = math.inf
        self._thread = threading.Thread(target=self._run, name=self._metadata["name"], daemon=True)

    # What the follower of the API server calls.

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def update(self, pod: Object) -> None:
        """The pod changed: it may be deleted, or its node found again."""
        with self._lock:
            was_lost, self._pod = self._lost, pod
        self._changed.set()
        if was_lost and not self._lost:
            self._report()
        if pod["metadata"].get("deletionTimestamp"):
            self.stop(float(pod["metadata"].get("deletionGracePeriodSeconds") or 0))

    def removed(self) -> None:
        """The pod is gone from the API server: nothing of it stays."""
        self._gone.set()
        self._changed.set()
        self.stop(0)

    def stop(self, grace: float, verdict: Verdict | None = None) -> None:
        """End what runs: SIGTERM, and SIGKILL after `grace` seconds. Repeated, the shorter time counts."""
        with self._lock:
            if not self._stopped.is_set():
                self._verdict = verdict or self._verdict
                self._stopped.set()
                for process in self._processes.values():
                    process.terminate()
            if time.monotonic() + grace >= self._kill_at:
                return
            self._kill_at = time.monotonic() + grace
        timer = threading.Timer(grace, self._kill)
        timer.daemon = True
        timer.start()

    def _kill(self) -> None:
        with self._lock:
            for process in self._processes.values():
                process.kill()

    @property
    def _lost(self) -> bool:
        """Whether the pod's node is silent (`Lab.lose_node`): then nobody hears of what happens here."""
        return NODE_LOST_LABEL in (self._pod["metadata"].get("labels") or {})

    # The life of the pod.

    def _run(self) -> None:
        try:
            self._live()
        except (OSError, ValueError, KeyError, ApiError, urllib3.exceptions.HTTPError) as error:
            LOG.exception("pod %s", self._metadata["name"])
            self._fail(Verdict("PodRunnerError", f"{type(error).__name__}: {error}"))
        finally:
            self._ended.set()
            self._finish()

    def _live(self) -> None:
        if self._pod["status"].get("phase") in ("Succeeded", "Failed"):
            return
        if _was_running(self._pod):
            self._fail(Verdict("PodRunnerRestarted", "the pod runner was restarted while the pod ran"))
            return
        unsupported = _unsupported(self._pod)
        if unsupported:
            self._fail(Verdict("UnsupportedByLab", unsupported))
            return
        self._publish_logs()
        self._report()
        try:
            self._watch_deadline()
            first = (*self._inits, *self._mains)[0]
            self._obtain(self._volumes.make, first, "PodInitializing" if self._inits else "ContainerCreating")
            self._watch_limits()
            self._run_containers()
        except Stopped:
            LOG.info("pod %s is stopped", self._metadata["name"])
        self._end()

    def _run_containers(self) -> None:
        for entry, state in zip(self._pod["spec"].get("initContainers") or (), self._inits, strict=True):
            if self._run_container(entry, state) != 0:
                return
        threads = [
            threading.Thread(target=self._run_main, args=(entry, state), daemon=True)
            for entry, state in zip(self._pod["spec"]["containers"], self._mains, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _run_main(self, container: Object, state: ContainerState) -> None:
        try:
            self._run_container(container, state)
        except Stopped:
            self._abandon_container(state)
        except (OSError, ApiError, urllib3.exceptions.HTTPError) as error:
            LOG.exception("container %s", state.name)
            state.end(_UNKNOWN, "PodRunnerError", f"{type(error).__name__}: {error}")

    def _run_container(self, container: Object, state: ContainerState) -> int:
        """Run a container to its end; its exit code.

        :raises Stopped: the pod is to end before the container could start.
        """
        recipe = self._obtain(lambda: self._recipe(container, state), state, "CreateContainerConfigError")
        directory = self._directory / "containers" / state.name
        with self._lock:
            if self._stopped.is_set():
                raise Stopped
            process = Process(recipe, directory, self._log_of(state.name))
            self._processes[state.name] = process
            state.run()
        self._report()
        try:
            code = process.wait()
            state.end(code, message=process.message(code))
        except ConfigError as error:
            code = 128
            state.end(code, "StartError", str(error))
        with self._lock:
            del self._processes[state.name]
        self._report()
        return code

    def _recipe(self, container: Object, state: ContainerState) -> Recipe:
        image = self._image(container["image"], state)
        initial = {"HOME": "/", **image.environment, **self._shared.variables, "HOSTNAME": self._metadata["name"]}
        environment = Environment(self._shared.api, self._pod_with_address(), initial).build(container)
        return Recipe(
            container=container,
            image=image,
            argv=command(container, image, environment),
            environment=environment,
            identity=identity(self._pod, container, image),
            binds=self._volumes.binds(container),
            hostname=self._metadata["name"],
        )

    def _pod_with_address(self) -> Object:
        return {**self._pod, "status": {**self._pod["status"], **self._status()}}

    def _image(self, reference: str, state: ContainerState) -> Image:
        """The container's image; waits for one that the table does not have.

        :raises Stopped: the pod is to end.
        """
        for reason in itertools.chain(("ErrImagePull",), itertools.repeat("ImagePullBackOff")):
            image = self._shared.table.find(reference)
            if image is not None:
                return image
            self._wait_for(state, reason, f'failed to pull image "{reference}": the lab\'s table has no such image')
        raise AssertionError("unreachable")

    def _wait_for(self, state: ContainerState, reason: str, message: str) -> None:
        """Show why a container waits, and wait a little.

        :raises Stopped: the pod is to end.
        """
        before = state.state
        state.wait(reason, message)
        if state.state != before:
            self._report()
        if self._stopped.wait(_CHECK_SECONDS):
            raise Stopped

    def _obtain(self, attempt: Callable[[], Result], state: ContainerState, reason: str) -> Result:
        """The result of an attempt, made anew for as long as an object is missing or a setting is refused.

        :raises Stopped: the pod is to end.
        """
        while True:
            if self._stopped.is_set():
                raise Stopped
            try:
                return attempt()
            except MissingObject as error:
                self._wait_for(state, reason, str(error))
                self._wait_for_object(error)
            except ConfigError as error:
                self._wait_for(state, "CreateContainerConfigError", str(error))

    def _wait_for_object(self, missing: MissingObject) -> None:
        """Wait until a missing object changes, for a while."""
        namespace = self._metadata["namespace"]
        try:
            before = self._shared.api.find(missing.kind, missing.name, namespace)
            version = (before or {}).get("metadata", {}).get("resourceVersion")
            self._shared.api.wait_for(
                missing.kind,
                missing.name,
                namespace,
                lambda found: found is not None and found["metadata"]["resourceVersion"] != version,
                _LOOK_SECONDS,
            )
        except TimeoutError:
            LOG.info("pod %s still waits for %s %s", self._metadata["name"], missing.kind, missing.name)

    def _watch_limits(self) -> None:
        """Evict the pod once an emptyDir holds more than its sizeLimit (pkg/kubelet/eviction)."""
        if self._volumes.limits:
            threading.Thread(target=self._check_limits, daemon=True).start()

    def _check_limits(self) -> None:
        while not self._ended.wait(_CHECK_SECONDS):
            for limit in self._volumes.limits:
                if limit.exceeded():
                    message = f'Usage of EmptyDir volume "{limit.name}" exceeds the limit "{limit.text}". '
                    self.stop(0, Verdict("Evicted", message))
                    return

    def _watch_deadline(self) -> None:
        """End the pod at its own activeDeadlineSeconds (pkg/kubelet/active_deadline.go)."""
        seconds = self._pod["spec"].get("activeDeadlineSeconds")
        if seconds is not None:
            message = "Pod was active on the node longer than the specified deadline"
            timer = threading.Timer(seconds, lambda: self.stop(self._grace, Verdict("DeadlineExceeded", message)))
            timer.daemon = True
            timer.start()

    @property
    def _grace(self) -> float:
        return float(self._pod["spec"].get("terminationGracePeriodSeconds", 30))

    # What the API server hears.

    def _status(self) -> Object:
        return status(self._pod, self._started, self._inits, self._mains, self._verdict, over=self._over)

    def _report(self) -> None:
        """Write the pod's status, unless its node is silent or it is gone."""
        for seconds in (*_RETRY_SECONDS, None):
            try:
                with self._reporting:
                    if not self._lost and not self._gone.is_set():
                        self._write_status()
                return
            except (ApiError, urllib3.exceptions.HTTPError) as error:
                if _refused(error) and not self._exists():
                    self.removed()
                    return
                if seconds is None:
                    raise
                LOG.warning("pod %s: %s", self._metadata["name"], error)
            self._gone.wait(seconds)

    def _exists(self) -> bool:
        """Whether this very pod is still there, and not another one of its name."""
        found = self._shared.api.find("Pod", self._metadata["name"], self._metadata["namespace"])
        return found is not None and found["metadata"]["uid"] == self._metadata["uid"]

    def _write_status(self) -> None:
        patch = {"metadata": {"uid": self._metadata["uid"]}, "status": self._status()}
        path = path_of("Pod", self._metadata["namespace"], self._metadata["name"], "status")
        self._shared.api.request("PATCH", path, patch, STRATEGIC_PATCH)

    def _fail(self, verdict: Verdict) -> None:
        self._verdict = verdict
        self._end()

    def _end(self) -> None:
        """Nothing runs any more: containers that had their turn and have no end get one (status_manager.go)."""
        if all(state.exit_code == 0 for state in self._inits):
            for state in self._mains:
                self._abandon_container(state)
        self._over = True
        self._report()

    @staticmethod
    def _abandon_container(state: ContainerState) -> None:
        if state.exit_code is None:
            message = "The container could not be located when the pod was terminated"
            state.end(_UNKNOWN, "ContainerStatusUnknown", message)

    def _log_of(self, container: str) -> Path:
        metadata = self._metadata
        pod = f"{metadata['namespace']}_{metadata['name']}_{metadata['uid']}"
        return self._shared.directory / "logs" / pod / container / "0.log"

    def _publish_logs(self) -> None:
        """Tell kwok, which answers for the node, where the logs are."""
        logs = [
            {"containers": [state.name], "logsFile": str(self._log_of(state.name))}
            for state in (*self._inits, *self._mains)
        ]
        metadata = {"name": self._metadata["name"], "namespace": self._metadata["namespace"]}
        manifest = {"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Logs", "metadata": metadata}
        self._shared.api.apply({**manifest, "spec": {"logs": logs}})

    def _finish(self) -> None:
        """Remove what the pod left, and confirm its deletion when it is deleted."""
        shutil.rmtree(self._directory, ignore_errors=True)
        while not self._gone.is_set():
            self._changed.clear()
            confirmed = self._gone.is_set() or self._confirm_deletion()
            self._changed.wait(None if confirmed else _CHECK_SECONDS)

    def _confirm_deletion(self) -> bool:
        """Tell the API server that nothing of a deleted pod runs any more; finalizers may keep it for a while.

        Returns whether there is nothing to do until the pod changes.
        """
        metadata = self._metadata
        if not self._pod["metadata"].get("deletionTimestamp") or self._lost:
            return True
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
        try:
            self._shared.api.request("DELETE", path_of("Pod", metadata["namespace"], metadata["name"]), options)
        except (ApiError, urllib3.exceptions.HTTPError) as error:
            LOG.warning("pod %s: %s", metadata["name"], error)
            if _refused(error) and not self._exists():
                self.removed()
            return self._gone.is_set()
        return True


def _refused(error: Exception) -> bool:
    """Whether the API server refused because of the pod that it found, or found none."""
    return isinstance(error, ApiError) and error.status in (404, 409)


def _state(container: Object) -> ContainerState:
    return ContainerState(container["name"], container["image"])


def _was_running(pod: Object) -> bool:
    """Whether a container of the pod was started before this runner was."""
    names = ("initContainerStatuses", "containerStatuses")
    entries = [entry for name in names for entry in pod.get("status", {}).get(name) or ()]
    return any("waiting" not in entry["state"] for entry in entries)


def _unsupported(pod: Object) -> str:
    """What of the pod this kubelet cannot do, or an empty text."""
    if pod["spec"].get("restartPolicy") != "Never":
        return f"restartPolicy {pod['spec'].get('restartPolicy')}: the lab's kubelet runs Never only"
    for container in pod["spec"].get("initContainers") or ():
        if container.get("restartPolicy"):
            return f"init container {container['name']} with restartPolicy: the lab's kubelet has no sidecars"
    return ""
