# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status of a pod from what its containers do (pkg/kubelet/kubelet_pods.go and status/generate.go)."""

from __future__ import annotations

import time
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from steadylab.kube import Object

HOST_IP: Final = "127.0.0.1"


def now() -> str:
    """This moment as Kubernetes writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@dataclass
class ContainerState:
    """What is known of one container: where it is between waiting, running and terminated."""

    name: str
    image: str
    state: Object = field(default_factory=lambda: {"waiting": {"reason": "PodInitializing"}})
    identifier: str = ""

    def wait(self, reason: str, message: str = "") -> None:
        """It cannot start yet."""
        self.state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}

    def run(self) -> None:
        """Its process runs."""
        self.identifier = f"lab://{uuid.uuid4()}"
        self.state = {"running": {"startedAt": now()}}

    def end(self, code: int, reason: str = "", message: str = "") -> None:
        """Its process ended, or never was."""
        started = self.state.get("running", {}).get("startedAt", now())
        ended: Object = {"exitCode": code, "reason": reason or ("Completed" if code == 0 else "Error")}
        ended.update({"startedAt": started, "finishedAt": now(), "containerID": self.identifier})
        if message:
            ended["message"] = message
        self.state = {"terminated": ended}

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return "running" in self.state

    @property
    def exit_code(self) -> int | None:
        """Its exit code, or None if it has not ended."""
        code: int | None = self.state.get("terminated", {}).get("exitCode")
        return code

    def entry(self, *, init: bool) -> Object:
        """Its entry in the pod's status."""
        ready = self.exit_code == 0 if init else self.running
        image_id = "" if "waiting" in self.state else f"simulated://{self.image}"
        return {
            "name": self.name,
            "image": self.image,
            "imageID": image_id,
            "containerID": self.identifier,
            "ready": ready,
            "started": self.running,
            "restartCount": 0,
            "state": self.state,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """A reason for which a whole pod fails: Evicted, DeadlineExceeded and the like."""

    reason: str
    message: str


def pod_ip(uid: str) -> str:
    """A made-up address of the pod; nothing listens there."""
    number = zlib.crc32(uid.encode()) % (254 * 254)
    return f"10.77.{number // 254 + 1}.{number % 254 + 1}"


def phase(mains: Sequence[ContainerState], verdict: Verdict | None, *, over: bool) -> str:
    """The pod's phase, where no container is ever restarted; `over` once none will start or run any more."""
    codes = [state.exit_code for state in mains]
    if over or all(code is not None for code in codes):
        return "Succeeded" if verdict is None and all(code == 0 for code in codes) else "Failed"
    if any("waiting" not in state.state for state in mains):
        return "Running"
    return "Pending"


def _condition(kind: str, holds: bool, reason: str, message: str) -> Object:
    entry: Object = {"type": kind, "status": "True" if holds else "False", "lastTransitionTime": now()}
    # None removes what an earlier status said.
    return {**entry, "reason": None if holds else reason, "message": None if holds else message}


def _names(states: Sequence[ContainerState]) -> str:
    return "[" + " ".join(state.name for state in states) + "]"


def conditions(pod_phase: str, inits: Sequence[ContainerState], mains: Sequence[ContainerState]) -> list[Object]:
    """The conditions that a kubelet owns."""
    missing = [state for state in inits if state.exit_code != 0]
    unready = [state for state in mains if not state.running]
    why = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(pod_phase, "ContainersNotReady")
    message = f"containers with unready status: {_names(unready)}" if why == "ContainersNotReady" else ""
    incomplete = f"containers with incomplete status: {_names(missing)}"
    return [
        _condition("PodReadyToStartContainers", pod_phase not in ("Succeeded", "Failed"), "", ""),
        _condition("Initialized", not missing, "ContainersNotInitialized", incomplete),
        _condition("ContainersReady", not unready, why, message),
        _condition("Ready", not unready, why, message),
    ]


def status(
    pod: Object,
    started: str,
    inits: Sequence[ContainerState],
    mains: Sequence[ContainerState],
    verdict: Verdict | None,
    *,
    over: bool,
) -> Object:
    """The whole status that the kubelet writes."""
    result: Object = {
        "phase": phase(mains, verdict, over=over),
        "startTime": started,
        "hostIP": HOST_IP,
        "hostIPs": [{"ip": HOST_IP}],
        "podIP": pod_ip(pod["metadata"]["uid"]),
        "podIPs": [{"ip": pod_ip(pod["metadata"]["uid"])}],
        "qosClass": pod["status"].get("qosClass", "BestEffort"),
        "containerStatuses": [state.entry(init=False) for state in mains],
    }
    if inits:
        result["initContainerStatuses"] = [state.entry(init=True) for state in inits]
    if verdict is not None:
        result.update({"reason": verdict.reason, "message": verdict.message})
    result["conditions"] = conditions(result["phase"], inits, mains)
    return result
