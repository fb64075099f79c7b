# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab that the clients work on: a cluster and a user for each of them, and what the lab knows about their work."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from steadylab.kube import ApiError
from steadylab.lab import Lab

CLUSTER: Final = "prod"
PASSWORD_KEY: Final = "password"
# Not StarRocks' defaults, so that constants in a script are told from the values that were there.
SETTINGS: Final = {
    "tablet_sched_max_scheduling_tablets": "8000",
    "tablet_sched_max_balancing_tablets": "400",
    "tablet_sched_disable_balance": "false",
    "tablet_sched_disable_colocate_balance": "false",
}
EVERYTHING: Final = ({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},)
LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True)
class Site:
    """A StarRocks cluster in a namespace of its own."""

    lab: Lab
    namespace: str
    fe: int = 3
    be: int = 3

    @property
    def simulated(self) -> dict[str, Any]:
        """What the simulator says about the cluster."""
        found: dict[str, Any] = self.lab.simulator_state()["clusters"][f"{self.namespace}/{CLUSTER}"]
        return found

    def addresses(self) -> dict[str, str]:
        """Where each FE listens."""
        return {pod: f"{fe['host']}:{fe['port']}" for pod, fe in self.simulated["frontends"].items()}

    def settings(self) -> dict[str, dict[str, str]]:
        """The four settings of each FE."""
        return {
            pod: {key: fe["settings"][key] for key in SETTINGS}
            for pod, fe in sorted(self.simulated["frontends"].items())
        }

    def settings_kept(self) -> bool:
        """Whether every FE has what it had before anybody upgraded."""
        return all(values == SETTINGS for values in self.settings().values())

    def prepare(self) -> None:
        """Ordinal 0 leads, the settings are what they were at first, and no partition is left."""
        changes = {f"{CLUSTER}-fe-{ordinal}": SETTINGS for ordinal in range(self.fe)}
        self.lab.simulate(
            cluster=f"{self.namespace}/{CLUSTER}", leader=f"{CLUSTER}-fe-0", fe_conf=changes, settings=changes
        )
        strategies = {name: {"updateStrategy": None} for name in ("starRocksFeSpec", "starRocksBeSpec")}
        self.lab.setup_api.patch("StarRocksCluster", CLUSTER, {"spec": strategies}, self.namespace)

    def password(self) -> str:
        """The root password of the cluster."""
        import base64

        secret = self.lab.setup_api.get("Secret", f"{CLUSTER}-root", self.namespace)
        return base64.b64decode(secret["data"][PASSWORD_KEY]).decode()

    def pods(self) -> list[dict[str, Any]]:
        """The cluster's pods at this moment."""
        items: list[dict[str, Any]] = self.lab.setup_api.list("Pod", self.namespace)["items"]
        return items

    def upgraded(self, version: str, components: Sequence[str] = ("fe", "be")) -> bool:
        """Whether every pod of the components is ready with that version."""
        images = {component: f"starrocks/{component}-ubuntu:{version}" for component in components}
        mine = [pod for pod in self.pods() if pod["spec"]["containers"][0]["name"] in images]
        return all(
            pod["spec"]["containers"][0]["image"] == images[pod["spec"]["containers"][0]["name"]] and _ready(pod)
            for pod in mine
        )


@dataclass
class Requests:
    """Counts what one user has asked of the API server since this was made."""

    lab: Lab
    user: str
    _before: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._before = {entry["auditID"] for entry in self._own()}

    def count(self) -> int:
        """Requests with an auditID of their own; a watch is one."""
        return len({entry["auditID"] for entry in self.entries()})

    def events(self) -> int:
        """Those of them that were about Events: two make an Event, or count up one of an earlier run."""
        return len({entry["auditID"] for entry in self.entries() if _about_event(entry)})

    def entries(self) -> list[dict[str, Any]]:
        """The audit log's entries of them, one for each stage of a request."""
        return [entry for entry in self._own() if entry["auditID"] not in self._before]

    def _own(self) -> Iterator[dict[str, Any]]:
        return (entry for entry in self.lab.audit_entries() if entry["user"]["username"] == self.user)


class FirstSign(threading.Thread):
    """Sees by a watch of the pods when a container first waits for another reason than being made, or has ended."""

    def __init__(self, site: Site, component: str) -> None:
        super().__init__(daemon=True)
        self._site = site
        self._selector = f"app.starrocks.ownerreference/name={CLUSTER}-{component}"
        self._stopped = False
        self.at: float | None = None
        self.reason = ""

    def run(self) -> None:
        """Watch until the first sign is there."""
        api, namespace = self._site.lab.setup_api, self._site.namespace
        while self.at is None and not self._stopped:
            version = api.list("Pod", namespace, self._selector)["metadata"]["resourceVersion"]
            try:
                for _event, pod in api.watch("Pod", version, namespace, self._selector, seconds=60):
                    if self._stopped or self._judge(pod):
                        return
            except ApiError as error:
                # The watch is too old: list again.
                if error.status != 410:
                    raise

    def stop(self) -> None:
        """Look no further after the next event."""
        self._stopped = True

    def _judge(self, pod: Mapping[str, Any]) -> bool:
        for status in pod["status"].get("containerStatuses") or ():
            waiting = status["state"].get("waiting") or {}
            ended = status["state"].get("terminated") or {}
            reason = waiting.get("reason", "") if waiting else ended.get("reason", "")
            if reason not in ("", "ContainerCreating", "PodInitializing", "Completed"):
                self.at, self.reason = time.monotonic(), reason
                return True
        return False


def until(condition: Any, seconds: float) -> bool:
    """Look until the condition holds, at most so many seconds; whether it does."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(LOOK_SECONDS)
    return True


def user(lab: Lab, name: str) -> Path:
    """The kubeconfig of a client's own user, who may do everything: their requests are told by their name."""
    return lab.user_kubeconfig(name, EVERYTHING)


def _about_event(entry: Mapping[str, Any]) -> bool:
    return bool(entry.get("objectRef", {}).get("resource") == "events")


def _ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod["status"].get("conditions") or ()
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)
