# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""FE pods reach the simulator: `python -m steadylab.forward` keeps kwok's objects about port-forwards, exec and logs.

The simulator has loopback listeners for each FE pod and tells their ports in GET /state. kwok looks a pod's port up in
the PortForward of the pod's name. This program watches the FE pods and writes those objects; a listener keeps its port
for as long as its cluster lives, so an object once written stays right through restarts of its pod.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import urllib3

from steadylab.informer import follow
from steadylab.kube import Api, ApiError, Object
from steadylab.mysql import DIRECTORY, POD

LOG: Final = logging.getLogger("steadylab.forward")
# The ports that an FE pod listens on, and where the simulator's state says what they are here.
PORTS: Final = {9030: "port", 8030: "http_port"}
KWOK: Final = "kwok.x-k8s.io/v1alpha1"
FE_SELECTOR: Final = "app.kubernetes.io/component=fe"
# How often the simulator is asked for a listener that it has not opened yet: it has no way to be watched.
RETRY_SECONDS: Final = 0.1


class ControlError(Exception):
    """The simulator's control does not answer, or refuses."""


class Control:
    """The simulator's control interface, found through `control.json` in its directory."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "control.json"
        self._http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=5, read=30))

    def call(self, method: str, path: str, body: object = None) -> Object:
        """One request; the decoded answer.

        :raises ControlError: the simulator is not there, or refuses.
        """
        try:
            url = json.loads(self._file.read_text())["url"]
            answer = self._http.request(method, url + path, body=None if body is None else json.dumps(body).encode())
        except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
            raise ControlError(f"the simulator does not answer: {error}") from error
        if answer.status >= 300:
            raise ControlError(f"{method} {path}: {answer.status} {answer.data.decode(errors='replace')}")
        content: Object = json.loads(answer.data)
        return content


def listener_ports(state: Object, namespace: str, pod: str) -> dict[int, int] | None:
    """The loopback port for each port of an FE pod in the simulator's state, or None while it has no listeners yet."""
    for key, cluster in state["clusters"].items():
        if key.partition("/")[0] == namespace and pod in cluster["frontends"]:
            frontend = cluster["frontends"][pod]
            ports = {number: frontend[name] for number, name in PORTS.items()}
            return None if None in ports.values() else ports
    return None


def port_forward(namespace: str, pod: str, ports: dict[int, int]) -> Object:
    """The object by which kwok forwards the pod's ports."""
    forwards = [{"ports": [port], "target": {"address": "127.0.0.1", "port": here}} for port, here in ports.items()]
    return {
        "apiVersion": KWOK,
        "kind": "PortForward",
        "metadata": {"name": pod, "namespace": namespace},
        "spec": {"forwards": forwards},
    }


def inside(lab: Path, namespace: str, pod: str) -> list[Object]:
    """The objects by which kwok runs commands in the pod and shows its log."""
    metadata = {"name": pod, "namespace": namespace}
    variables = [{"name": POD, "value": f"{namespace}/{pod}"}, {"name": DIRECTORY, "value": str(lab)}]
    execs = [{"local": {"workDir": str(lab / "logs"), "envs": variables}}]
    logs = [{"logsFile": str(lab / "simulator" / "pods" / f"{namespace}_{pod}.log")}]
    return [
        {"apiVersion": KWOK, "kind": "Exec", "metadata": metadata, "spec": {"execs": execs}},
        {"apiVersion": KWOK, "kind": "Logs", "metadata": metadata, "spec": {"logs": logs}},
    ]


class Forwarder:
    """Follows FE pods and writes their objects; those of `lab`, where kwok knows them, too."""

    def __init__(self, api: Api, control: Control, lab: Path | None = None) -> None:
        self._api = api
        self._control = control
        self._lab = lab
        self._written: dict[tuple[str, str], dict[int, int]] = {}
        self._waiting: set[tuple[str, str]] = set()
        self._wake = threading.Condition()

    def saw(self, pod: Object) -> None:
        """A pod appeared or changed: check its forward soon."""
        with self._wake:
            self._waiting.add((pod["metadata"]["namespace"], pod["metadata"]["name"]))
            self._wake.notify()

    def gone(self, pod: Object) -> None:
        """A pod is gone. Its forward stays for a pod of that name that comes again, but is checked anew then."""
        key = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        with self._wake:
            self._waiting.discard(key)
            self._written.pop(key, None)

    def write_for_ever(self) -> None:
        """Write what is missing, as pods are seen and as the simulator opens their listeners."""
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._waiting)
                keys = list(self._waiting)
            if not self._write(keys):
                with self._wake:
                    self._wake.wait(RETRY_SECONDS)

    def _write(self, keys: Sequence[tuple[str, str]]) -> bool:
        """Write the forwards of these pods where their ports are known; whether all were."""
        try:
            state = self._control.call("GET", "/state")
            written = [self._write_one(state, key) for key in keys]
            return all(written)
        except (ControlError, ApiError, urllib3.exceptions.HTTPError) as error:
            LOG.warning("%s", error)
            return False

    def _write_one(self, state: Object, key: tuple[str, str]) -> bool:
        ports = listener_ports(state, *key)
        if ports is None:
            return False
        if self._written.get(key) != ports:
            # The forward last: who waits for a pod to be within reach waits for that one (Lab.wait_cluster).
            for manifest in [*(inside(self._lab, *key) if self._lab else ()), port_forward(*key, ports)]:
                self._api.apply(manifest)
            LOG.info("%s/%s: %s on 127.0.0.1", *key, ports)
            self._written[key] = ports
        with self._wake:
            self._waiting.discard(key)
        return True

    def follow(self) -> None:
        """Watch FE pods for ever."""
        follow(self._api, "Pod", self._saw_all, self._changed, FE_SELECTOR)

    def _saw_all(self, pods: Sequence[Object]) -> None:
        for pod in pods:
            self.saw(pod)

    def _changed(self, event: str, pod: Object) -> None:
        if event == "DELETED":
            self.gone(pod)
        else:
            self.saw(pod)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until killed."""
    parser = argparse.ArgumentParser(prog="python -m steadylab.forward", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--dir", type=Path, required=True, help="the simulator's directory, with control.json")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    api = Api(options.kubeconfig)
    known = all(api.find("CustomResourceDefinition", f"{kind}.kwok.x-k8s.io") for kind in ("execs", "logs"))
    forwarder = Forwarder(api, Control(options.dir), options.dir.parent.resolve() if known else None)
    threading.Thread(target=forwarder.follow, daemon=True).start()
    forwarder.write_for_ever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
