# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small Kubernetes client for the lab's own programs: raw requests and plain dicts over urllib3.

The lab starts several Python programs in each start; importing the kubernetes package in each would cost more than
half a second of a core apiece.
"""

from __future__ import annotations

import base64
import json
import math
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import urllib3
import yaml

Object = dict[str, Any]
MERGE_PATCH: Final = "application/merge-patch+json"
STRATEGIC_PATCH: Final = "application/strategic-merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"
FIELD_MANAGER: Final = "steady-lab"
# The server ends a watch after this many seconds; the client then goes on from the last resourceVersion.
WATCH_SECONDS: Final = 300
# An API server that takes up a new definition answers 429 with Retry-After until its storage stands.
_BUSY = urllib3.Retry(
    None,
    connect=0,
    read=0,
    redirect=0,
    other=0,
    status=10,
    status_forcelist=[429],
    allowed_methods=None,
    raise_on_status=False,
)
# On a machine that is busy a handshake takes its time, and one that fails is not tried again.
CONNECT_SECONDS: Final = 30
TIMEOUT: Final = urllib3.Timeout(connect=CONNECT_SECONDS, read=30)

_PREFIXES: Final = {
    "Namespace": ("/api/v1", "namespaces"),
    "Node": ("/api/v1", "nodes"),
    "ConfigMap": ("/api/v1", "configmaps"),
    "Secret": ("/api/v1", "secrets"),
    "Service": ("/api/v1", "services"),
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
    "Pod": ("/api/v1", "pods"),
    "Event": ("/api/v1", "events"),
    "Job": ("/apis/batch/v1", "jobs"),
    "StatefulSet": ("/apis/apps/v1", "statefulsets"),
    "EndpointSlice": ("/apis/discovery.k8s.io/v1", "endpointslices"),
    "CustomResourceDefinition": ("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions"),
    "ClusterRole": ("/apis/rbac.authorization.k8s.io/v1", "clusterroles"),
    "ClusterRoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings"),
    "Role": ("/apis/rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    "ValidatingAdmissionPolicy": ("/apis/admissionregistration.k8s.io/v1", "validatingadmissionpolicies"),
    "ValidatingAdmissionPolicyBinding": ("/apis/admissionregistration.k8s.io/v1", "validatingadmissionpolicybindings"),
    "StarRocksCluster": ("/apis/starrocks.com/v1", "starrocksclusters"),
    "Exec": ("/apis/kwok.x-k8s.io/v1alpha1", "execs"),
    "MutatingAdmissionPolicy": ("/apis/admissionregistration.k8s.io/v1", "mutatingadmissionpolicies"),
    "MutatingAdmissionPolicyBinding": ("/apis/admissionregistration.k8s.io/v1", "mutatingadmissionpolicybindings"),
    "APIService": ("/apis/apiregistration.k8s.io/v1", "apiservices"),
    "Logs": ("/apis/kwok.x-k8s.io/v1alpha1", "logs"),
    "PortForward": ("/apis/kwok.x-k8s.io/v1alpha1", "portforwards"),
}


class ApiError(Exception):
    """The API server refused a request: HTTP status, reason (such as NotFound) and message."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason


def path_of(kind: str, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
    """The URL path of a resource of one of the kinds that the lab uses."""
    prefix, plural = _PREFIXES[kind]
    parts = [prefix]
    if namespace is not None:
        parts.append(f"namespaces/{namespace}")
    parts.append(plural)
    parts.extend(part for part in (name, subresource) if part is not None)
    return "/".join(parts)


def _named(entries: Any, name: str, field: str) -> Object:
    for entry in entries or ():
        if entry.get("name") == name:
            found: Object = entry[field]
            return found
    raise ValueError(f"the kubeconfig has no {field} named {name!r}")


def _bytes(section: Mapping[str, Any], key: str, base: Path) -> bytes | None:
    """A value that a kubeconfig holds inline (`<key>-data`) or in a file (`<key>`)."""
    if section.get(f"{key}-data"):
        return base64.b64decode(section[f"{key}-data"])
    if section.get(key):
        return (base / str(section[key])).read_bytes()
    return None


def _load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Load a client certificate; the ssl module reads it from a file only."""
    with tempfile.NamedTemporaryFile(prefix="steady-lab-") as file:
        file.write(certificate + b"\n" + key)
        file.flush()
        context.load_cert_chain(file.name)


class Api:
    """Requests to one API server, as the current context of a kubeconfig says; threads may share it."""

    def __init__(self, kubeconfig: str | os.PathLike[str]) -> None:
        path = Path(kubeconfig)
        text = path.read_text()
        # The lab writes its own kubeconfigs as JSON, which yaml would read many times slower.
        config = json.loads(text) if text.startswith("{") else yaml.safe_load(text)
        context = _named(config.get("contexts"), config.get("current-context", ""), "context")
        cluster = _named(config.get("clusters"), context["cluster"], "cluster")
        user = _named(config.get("users"), context["user"], "user")
        tls = ssl.create_default_context()
        authority = _bytes(cluster, "certificate-authority", path.parent)
        if authority is not None:
            tls.load_verify_locations(cadata=authority.decode())
        certificate = _bytes(user, "client-certificate", path.parent)
        key = _bytes(user, "client-key", path.parent)
        if certificate is not None and key is not None:
            _load_pair(tls, certificate, key)
        self._headers = {"Accept": "application/json", "User-Agent": "steady-lab"}
        if user.get("token"):
            self._headers["Authorization"] = f"Bearer {user['token']}"
        self.server = str(cluster["server"]).rstrip("/")
        self._http = urllib3.PoolManager(ssl_context=tls, maxsize=8, retries=_BUSY)

    def raw(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
        timeout: urllib3.Timeout = TIMEOUT,
    ) -> urllib3.BaseHTTPResponse:
        """One request, whatever its answer.

        :raises urllib3.exceptions.HTTPError: no answer came.
        """
        headers = {**self._headers, "Content-Type": content_type} if body is not None else self._headers
        url = self.server + path
        if query:
            url += "?" + urlencode(query)
        return self._http.request(method, url, body=body, headers=headers, timeout=timeout)

    def request(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Object:
        """One request that must succeed; returns the decoded answer.

        :raises ApiError: the server refused.
        """
        data = None if body is None else json.dumps(body).encode()
        response = self.raw(method, path, data, content_type, query)
        if response.status >= 300:
            raise _error(response.status, response.data)
        answer: Object = json.loads(response.data)
        return answer

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object:
        """One object."""
        return self.request("GET", path_of(kind, namespace, name))

    def find(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """One object, or None if there is none of that name."""
        try:
            return self.get(kind, name, namespace)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def list(self, kind: str, namespace: str | None = None, selector: str = "") -> Object:
        """The list object of a kind, in one namespace or in all."""
        query = {"labelSelector": selector} if selector else None
        return self.request("GET", path_of(kind, namespace), query=query)

    def apply(self, manifest: Object, manager: str = FIELD_MANAGER) -> Object:
        """Server-side apply; takes over fields that another manager set."""
        metadata = manifest["metadata"]
        path = path_of(manifest["kind"], metadata.get("namespace"), metadata["name"])
        return self.request("PATCH", path, manifest, APPLY_PATCH, {"fieldManager": manager, "force": "true"})

    def patch(
        self, kind: str, name: str, patch: Object, namespace: str | None = None, subresource: str | None = None
    ) -> Object:
        """JSON merge patch of an object or of one of its subresources."""
        return self.request("PATCH", path_of(kind, namespace, name, subresource), patch, MERGE_PATCH)

    def delete(self, kind: str, name: str, namespace: str | None = None) -> None:
        """Delete an object; it is no error if there is none."""
        try:
            self.request("DELETE", path_of(kind, namespace, name))
        except ApiError as error:
            if error.status != 404:
                raise

    def watch(
        self,
        kind: str,
        resource_version: str,
        namespace: str | None = None,
        selector: str = "",
        field: str = "",
        seconds: int = WATCH_SECONDS,
    ) -> Iterator[tuple[str, Object]]:
        """The events (type and object) from a resourceVersion on, until the server ends the watch.

        :raises ApiError: the server refused, or reported an error in the stream (410: list again).
        """
        query = {
            "watch": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(seconds),
            "allowWatchBookmarks": "true",
        }
        query.update({key: value for key, value in (("labelSelector", selector), ("fieldSelector", field)) if value})
        url = f"{self.server}{path_of(kind, namespace)}?{urlencode(query)}"
        response = self._http.request(
            "GET",
            url,
            headers=self._headers,
            preload_content=False,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=seconds + 30),
        )
        try:
            if response.status >= 300:
                raise _error(response.status, response.read())
            for line in _lines(response):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise ApiError(
                        event["object"].get("code", 500),
                        event["object"].get("reason", ""),
                        event["object"].get("message", ""),
                    )
                yield event["type"], event["object"]
        finally:
            response.close()

    def wait_for(
        self, kind: str, name: str, namespace: str | None, wanted: Callable[[Object | None], bool], seconds: float
    ) -> None:
        """Wait until an object (None while there is none) is as wanted, by list and watch.

        :raises TimeoutError: it is not so after that many seconds.
        """
        field = f"metadata.name={name}"
        deadline = time.monotonic() + seconds
        while True:
            listed = self.request("GET", path_of(kind, namespace), query={"fieldSelector": field})
            if wanted(listed["items"][0] if listed["items"] else None):
                return
            left = math.ceil(deadline - time.monotonic())
            if left <= 0:
                where = f" in namespace {namespace}" if namespace else ""
                raise TimeoutError(f"{kind} {name}{where} is not as wanted after {seconds:g} s")
            for event, item in self.watch(
                kind, listed["metadata"]["resourceVersion"], namespace, field=field, seconds=left
            ):
                if event != "BOOKMARK" and wanted(None if event == "DELETED" else item):
                    return

    def wait_served(self, definition: str, seconds: float = 30) -> None:
        """Wait until the kind of a CustomResourceDefinition of that name is served.

        :raises TimeoutError: it is not after that many seconds.
        """
        self.wait_for("CustomResourceDefinition", definition, None, _established, seconds)


def _established(definition: Object | None) -> bool:
    conditions = ((definition or {}).get("status") or {}).get("conditions") or ()
    return any(entry["type"] == "Established" and entry["status"] == "True" for entry in conditions)


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    rest = b""
    for chunk in response.stream(65536):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line for line in whole if line)


def _error(status: int, data: bytes) -> ApiError:
    try:
        answer = json.loads(data)
    except ValueError:
        return ApiError(status, "", data.decode(errors="replace")[:200])
    return ApiError(status, str(answer.get("reason", "")), str(answer.get("message", "")))
