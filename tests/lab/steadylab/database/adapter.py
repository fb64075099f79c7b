# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server behind `metrics`: `python -m steadylab.database.adapter <directory> <kubeconfig> <port> <port>`.

The first port serves the two metrics APIs by TLS, the second Prometheus' query API. Paths and answers follow
kubernetes-sigs/custom-metrics-apiserver (pkg/apiserver/installer) and the HTTP API of Prometheus.
"""

from __future__ import annotations

import http.server
import json
import re
import ssl
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from steadylab.kube import Api, ApiError, Object

CUSTOM: Final = "custom.metrics.k8s.io"
EXTERNAL: Final = "external.metrics.k8s.io"
_KINDS: Final = {
    "pods": ("Pod", "v1"),
    "namespaces": ("Namespace", "v1"),
    "nodes": ("Node", "v1"),
    "services": ("Service", "v1"),
    "deployments.apps": ("Deployment", "apps/v1"),
    "statefulsets.apps": ("StatefulSet", "apps/v1"),
    "ingresses.networking.k8s.io": ("Ingress", "networking.k8s.io/v1"),
}


class NotFound(Exception):
    """No metric of that name has a value."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a request asks: of which API, with which path below it, and the parameters."""

    api: str
    version: str
    parts: tuple[str, ...]
    parameters: Mapping[str, str]


def matches(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether labels fit a label selector with `=`, `!=`, `in`, `notin`, existence and absence."""
    requirements = re.findall(r"[^,(]+(?:\([^)]*\))?", selector)
    return all(_fits(requirement.strip(), labels) for requirement in requirements)


def _fits(requirement: str, labels: Mapping[str, str]) -> bool:
    match = re.fullmatch(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)", requirement)
    if match:
        inside = labels.get(match[1]) in {value.strip() for value in match[3].split(",")}
        return inside == (match[2] == "in")
    if "!=" in requirement:
        key, _, value = requirement.partition("!=")
        return labels.get(key.strip()) != value.strip()
    if "=" in requirement:
        key, _, value = requirement.replace("==", "=").partition("=")
        return labels.get(key.strip()) == value.strip()
    if requirement.startswith("!"):
        return requirement[1:] not in labels
    return requirement in labels


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Source:
    """The values that tests have set, and the pods that there are."""

    def __init__(self, directory: Path, api: Api) -> None:
        self._directory = directory
        self._api = api
        self._lock = threading.Lock()

    def values(self) -> dict[str, list[Object]]:
        """All that is set now."""
        values: dict[str, list[Object]] = json.loads((self._directory / "values.json").read_text())
        return values

    def note(self, entry: Object) -> None:
        """Write down a request."""
        with self._lock, (self._directory / "requests.jsonl").open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def custom(self, question: Question) -> Object:
        """The answer of the custom metrics API.

        :raises NotFound: nothing has such a metric.
        """
        namespace, resource, name, metric = _object_of(question.parts)
        known = [
            entry
            for entry in self.values()["custom"]
            if (entry["namespace"], entry["resource"], entry["metric"]) == (namespace, resource, metric)
        ]
        if name == "*":
            names = self._names(resource, namespace, question.parameters.get("labelSelector", ""))
            known = [entry for entry in known if entry["name"] in names]
        else:
            known = [entry for entry in known if entry["name"] == name]
        if not known:
            raise NotFound(f"the server could not find the metric {metric} for {resource} {name}".rstrip(" *"))
        items = [_custom_value(entry, question.version) for entry in known]
        version = f"{CUSTOM}/{question.version}"
        return {"kind": "MetricValueList", "apiVersion": version, "metadata": {}, "items": items}

    def _names(self, resource: str, namespace: str, selector: str) -> set[str]:
        """The names of the objects that a selector chooses; of other kinds than pods all that have values."""
        if resource != "pods":
            return {entry["name"] for entry in self.values()["custom"] if entry["resource"] == resource}
        pods = self._api.list("Pod", namespace, selector)["items"]
        return {pod["metadata"]["name"] for pod in pods}

    def external(self, question: Question) -> Object:
        """The answer of the external metrics API.

        :raises NotFound: there is no metric of that name in the namespace.
        """
        if len(question.parts) != 3 or question.parts[0] != "namespaces":
            raise NotFound("the server could not find the requested resource")
        _namespaces, namespace, metric = question.parts
        known = [
            entry
            for entry in self.values()["external"]
            if entry["namespace"] == namespace and entry["metric"] == metric
        ]
        if not known:
            raise NotFound(f"the server could not find the metric {metric}")
        selector = question.parameters.get("labelSelector", "")
        items = [
            {"metricName": metric, "metricLabels": entry["labels"], "timestamp": _now(), "value": entry["value"]}
            for entry in known
            if matches(selector, entry["labels"])
        ]
        version = f"{EXTERNAL}/{question.version}"
        return {"kind": "ExternalMetricValueList", "apiVersion": version, "metadata": {}, "items": items}

    def prometheus(self, query: str) -> Object:
        """The answer to an instant query."""
        entries = [entry["result"] for entry in self.values()["prometheus"] if entry["query"] == query]
        now = time.time()
        samples = [{"metric": one["metric"], "value": [now, one["value"]]} for one in (entries[0] if entries else ())]
        return {"status": "success", "data": {"resultType": "vector", "result": samples}}

    def fault(self, api: str) -> Object | None:
        """The error that an API is to answer with, if any."""
        return next((entry for entry in self.values()["faults"] if entry["api"] == api), None)


def _object_of(parts: tuple[str, ...]) -> tuple[str, str, str, str]:
    """Namespace, resource, name and metric of a path below the custom metrics API.

    :raises NotFound: it is no such path.
    """
    if len(parts) == 5 and parts[0] == "namespaces":
        return parts[1], parts[2], parts[3], parts[4]
    if len(parts) == 4 and parts[0] == "namespaces" and parts[2] == "metrics":
        return "", "namespaces", parts[1], parts[3]
    if len(parts) == 3:
        return "", parts[0], parts[1], parts[2]
    raise NotFound("the server could not find the requested resource")


def _custom_value(entry: Object, version: str) -> Object:
    kind, api_version = _KINDS.get(entry["resource"], (entry["resource"], ""))
    described = {"kind": kind, "name": entry["name"], "apiVersion": api_version}
    if entry["namespace"]:
        described["namespace"] = entry["namespace"]
    value = {"describedObject": described, "timestamp": _now(), "value": entry["value"]}
    if version == "v1beta1":
        return {**value, "metricName": entry["metric"], "selector": None}
    return {**value, "metric": {"name": entry["metric"], "selector": None}}


class _Handler(http.server.BaseHTTPRequestHandler):
    """What both servers share."""

    protocol_version = "HTTP/1.1"
    source: Source

    def answer(self, status: int, content: Any) -> None:
        """Send JSON."""
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Adapter(_Handler):
    """The two aggregated APIs."""

    def do_GET(self) -> None:
        """Discovery, or metrics."""
        url = urlsplit(self.path)
        parts = tuple(unquote(part) for part in url.path.strip("/").split("/"))
        if len(parts) < 3 or parts[0] != "apis":
            self.answer(404, _failure(404, "NotFound", "the server could not find the requested resource"))
        elif len(parts) == 3:
            self.answer(200, _resources(f"{parts[1]}/{parts[2]}"))
        else:
            parameters = {key: values[0] for key, values in parse_qs(url.query).items()}
            self._metrics(Question(parts[1], parts[2], parts[3:], parameters))

    def _metrics(self, question: Question) -> None:
        api = question.api.partition(".")[0]
        self.source.note({"api": api, "path": "/".join(question.parts), "query": dict(question.parameters)})
        fault = self.source.fault(api)
        if fault is not None:
            self.answer(fault["status"], _failure(fault["status"], "InternalError", fault["message"]))
            return
        try:
            found = self.source.custom(question) if api == "custom" else self.source.external(question)
        except NotFound as error:
            self.answer(404, _failure(404, "NotFound", str(error)))
        except ApiError as error:
            self.answer(500, _failure(500, "InternalError", str(error)))
        else:
            self.answer(200, found)


def _resources(group_version: str) -> Object:
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": []}


def _failure(code: int, reason: str, message: str) -> Object:
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return {**status, "code": code, "reason": reason, "message": message}


class Prometheus(_Handler):
    """The query API, by GET and by POST."""

    def do_GET(self) -> None:
        """An instant query with its parameters in the address, or whether the server is ready."""
        url = urlsplit(self.path)
        if url.path == "/-/ready":
            self.answer(200, "ready")
        else:
            self._query(url.path, url.query)

    def do_POST(self) -> None:
        """An instant query with its parameters as a form."""
        length = int(self.headers.get("Content-Length") or 0)
        self._query(urlsplit(self.path).path, self.rfile.read(length).decode())

    def _query(self, path: str, form: str) -> None:
        query = parse_qs(form).get("query", [""])[0]
        self.source.note({"api": "prometheus", "path": path, "query": {"query": query}})
        fault = self.source.fault("prometheus")
        if path != "/api/v1/query":
            self.answer(404, {"status": "error", "errorType": "not_found", "error": "not found"})
        elif fault is not None:
            self.answer(fault["status"], {"status": "error", "errorType": "internal", "error": fault["message"]})
        elif not query:
            error = 'invalid parameter "query": 1:1: parse error: no expression found in input'
            self.answer(400, {"status": "error", "errorType": "bad_data", "error": error})
        else:
            self.answer(200, self.source.prometheus(query))


def main(directory: Path, kubeconfig: str, port: int, prometheus_port: int) -> None:
    """Serve for ever."""
    _Handler.source = Source(directory, Api(kubeconfig))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(directory / "server.crt", directory / "server.key")
    adapter = http.server.ThreadingHTTPServer(("127.0.0.1", port), Adapter)
    adapter.socket = tls.wrap_socket(adapter.socket, server_side=True)
    threading.Thread(target=adapter.serve_forever, daemon=True).start()
    http.server.ThreadingHTTPServer(("127.0.0.1", prometheus_port), Prometheus).serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
