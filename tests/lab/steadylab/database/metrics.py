# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics that tests set: custom.metrics.k8s.io, external.metrics.k8s.io and the query API of Prometheus.

The two APIs are aggregated into the lab's API server, so whoever asks needs the rights there, and a metric that nobody
set is not found, as with the adapters of production. Values are in a file that the server reads at each request.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import urllib3

from steadylab import paths, processes
from steadylab.certs import Authority
from steadylab.kube import Api, Object
from steadylab.ports import free_ports
from steadylab.processes import Component

NAMESPACE: Final = "lab-metrics"
SERVICE: Final = "adapter"
GROUPS: Final = (
    ("custom.metrics.k8s.io", "v1beta1"),
    ("custom.metrics.k8s.io", "v1beta2"),
    ("external.metrics.k8s.io", "v1beta1"),
)
START_SECONDS: Final = 120.0
_QUESTION_SECONDS: Final = 0.05


class MetricsError(Exception):
    """The metrics server did not start."""


class Metrics:
    """The metrics of a lab."""

    def __init__(self, lab: Path, name: str = "metrics") -> None:
        self._directory = lab / name
        self._name = name
        self._port, self._prometheus_port = free_ports(2)
        self._values: dict[str, list[Object]] = {}

    @classmethod
    def start(cls, lab: Path, api: Api) -> Metrics:
        """Start the server in a lab's directory and aggregate its APIs into the lab's API server.

        :raises MetricsError: it does not start.
        :raises TimeoutError: the API server does not find it available.
        """
        metrics = cls(lab)
        directory = metrics._directory
        directory.mkdir(mode=0o700, exist_ok=True)
        Authority.read(lab / "pki").issue(metrics._name, server=True).write(directory, "server")
        metrics.clear()
        ports = [str(metrics._port), str(metrics._prometheus_port)]
        kubeconfig = str(lab / "kubeconfigs" / "setup")
        command = [sys.executable, "-m", "steadylab.database.adapter", str(directory), kubeconfig, *ports]
        component = processes.spawn(metrics._name, command, lab, {"PYTHONPATH": str(paths.LAB_SOURCE)})
        http = urllib3.PoolManager(retries=False, timeout=5)
        _wait(component, lambda: _answers(http, f"{metrics.prometheus}/-/ready"))
        metrics._aggregate(api)
        # The API server finds a service available a moment before its own proxy sends requests there.
        addresses = [f"/apis/{group}/{version}" for group, version in GROUPS]
        _wait(component, lambda: all(api.raw("GET", address).status == 200 for address in addresses))
        return metrics

    def _aggregate(self, api: Api) -> None:
        api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        # The API server goes where the name leads, and the name leads to this machine; an EndpointSlice could not.
        spec = {"type": "ExternalName", "externalName": "localhost"}
        metadata = {"name": SERVICE, "namespace": NAMESPACE}
        api.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
        for group, version in GROUPS:
            api.apply(_api_service(group, version, self._port))
        for group, version in GROUPS:
            api.wait_for("APIService", f"{version}.{group}", None, _available, START_SECONDS)

    # What tests say.

    def clear(self) -> None:
        """No metric has a value, and no API fails."""
        self._values = {"custom": [], "external": [], "prometheus": [], "faults": []}
        self._write()

    def set_pods(self, namespace: str, metric: str, values: Mapping[str, str]) -> None:
        """The values of a metric by pod, as quantities; a pod of another name has none."""
        for pod, value in values.items():
            self.set_object(namespace, "pods", pod, metric, value)

    def set_object(self, namespace: str, resource: str, name: str, metric: str, value: str) -> None:
        """The value of a metric that describes an object; `resource` as in the API's path, such as services or
        deployments.apps; an empty namespace for objects that have none."""
        key = {"namespace": namespace, "resource": resource, "name": name, "metric": metric}
        self._set("custom", key, {"value": value})

    def set_external(self, namespace: str, metric: str, value: str, labels: Mapping[str, str] | None = None) -> None:
        """The value of one series of an external metric."""
        key: Object = {"namespace": namespace, "metric": metric, "labels": dict(labels or {})}
        self._set("external", key, {"value": value})

    def set_query(self, query: str, samples: Sequence[tuple[Mapping[str, str], str]]) -> None:
        """What Prometheus answers to a query: labels and value of each series; nothing for queries that are not set."""
        result = [{"metric": dict(labels), "value": value} for labels, value in samples]
        self._set("prometheus", {"query": query}, {"result": result})

    def fail(self, api: str, status: int, message: str = "the lab says so") -> None:
        """Answer every request of an API (custom, external or prometheus) with an error until `clear`."""
        self._set("faults", {"api": api}, {"status": status, "message": message})

    def _set(self, kind: str, key: Object, value: Object) -> None:
        others = [entry for entry in self._values[kind] if any(entry[name] != key[name] for name in key)]
        self._values[kind] = [*others, {**key, **value}]
        self._write()

    def _write(self) -> None:
        path = self._directory / "values.json"
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(self._values))
        os.replace(temporary, path)

    @property
    def prometheus(self) -> str:
        """The base URL of the Prometheus that is played."""
        return f"http://127.0.0.1:{self._prometheus_port}"

    def requests(self) -> list[Object]:
        """All requests so far but the API server's own questions, oldest first: API, path and query."""
        path = self._directory / "requests.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]


def _wait(component: Component, ready: Callable[[], bool]) -> None:
    """Wait until the server, or the API server before it, answers.

    :raises MetricsError: it ended, or does not.
    """
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        ended = processes.wait_any_end([component], _QUESTION_SECONDS)
        if ended is not None or time.monotonic() > deadline:
            raise MetricsError(f"the metrics server does not answer; its log ends:\n{component.log_tail()}")


def _answers(http: urllib3.PoolManager, url: str) -> bool:
    try:
        return http.request("GET", url).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def _api_service(group: str, version: str, port: int) -> Object:
    spec: dict[str, Any] = {
        "group": group,
        "version": version,
        "service": {"namespace": NAMESPACE, "name": SERVICE, "port": port},
        # The certificate is of this machine, not of a name in the cluster.
        "insecureSkipTLSVerify": True,
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
    }
    metadata = {"name": f"{version}.{group}"}
    return {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": metadata, "spec": spec}


def _available(found: Object | None) -> bool:
    conditions = (found or {}).get("status", {}).get("conditions") or ()
    return any(entry["type"] == "Available" and entry["status"] == "True" for entry in conditions)
