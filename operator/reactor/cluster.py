# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API server as the reactor uses it: which resource a kind is, objects, finalizers and statuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Conflict, NotFound
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import METADATA, KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.decode import TooDeep
from ansible_collections.steady.rollout.plugins.module_utils._kube.paths import path_to
from ansible_collections.steady.rollout.plugins.module_utils._kube.status import write_status
from reactor.contract.schedule import Key
from reactor.contract.watches import Kind

_ATTEMPTS = 4
_MERGE_PATCH = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Resource:
    """What the API server calls a kind."""

    kind: Kind
    plural: str
    namespaced: bool

    def list_path(self, namespace: str) -> str:
        """The path of all its objects, in one namespace where one is given and the kind has any."""
        return path_to(self.kind.api, self.plural, namespace if self.namespaced else None)

    def path(self, key: Key) -> str:
        """The path of one object."""
        return path_to(self.kind.api, self.plural, key.namespace or None, key.name)


def discover(client: KubeClient, kind: Kind) -> Resource | None:
    """What the API server calls the kind; None while it does not serve it."""
    prefix = "/apis" if kind.group else "/api"
    try:
        listing = client.get(f"{prefix}/{kind.api}")
    except NotFound:
        return None
    for entry in listing.get("resources") or []:
        if entry.get("kind") == kind.kind and "/" not in entry.get("name", "/"):
            return Resource(kind, str(entry["name"]), bool(entry.get("namespaced")))
    return None


def look(client: KubeClient, path: str) -> tuple[dict[str, Any] | None, str]:
    """The object at the path, None when it is gone; its metadata alone, and why, where it cannot be read as a whole."""
    try:
        return client.get(path), ""
    except NotFound:
        return None, ""
    except TooDeep:
        return client.get(path, accept=METADATA), "it is nested too deeply to be read"


def set_finalizer(client: KubeClient, path: str, resource: Mapping[str, Any], name: str, *, present: bool) -> None:
    """Add the name to the finalizers, or take it away; a change by somebody else meanwhile is taken into account.

    NotFound when the object is gone, Conflict when another one has its name by now.
    """
    found = resource
    for attempt in range(1, _ATTEMPTS + 1):
        names = [str(each) for each in found["metadata"].get("finalizers") or []]
        if (name in names) == present:
            return
        wanted = [*names, name] if present else [each for each in names if each != name]
        try:
            version = found["metadata"]["resourceVersion"]
            patch = {"metadata": {"resourceVersion": version, "finalizers": wanted}}
            # The answer need not be more than can always be read.
            client.request("PATCH", path, body=patch, content_type=_MERGE_PATCH, accept=METADATA)
            return
        except Conflict:
            if attempt == _ATTEMPTS:
                raise
            found = client.get(path, accept=METADATA)
            if found["metadata"]["uid"] != resource["metadata"]["uid"]:
                raise


def write(
    client: KubeClient,
    path: str,
    resource: Mapping[str, Any],
    status: Callable[[Mapping[str, Any]], dict[str, Any]],
) -> None:
    """Give the object, as it was read, a new status; nothing when it is gone."""
    try:
        write_status(client, path, resource, status)
    except NotFound:
        return
