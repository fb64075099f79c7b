# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The request paths of Kubernetes resources, and what a path says about the right that it needs."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True)
class Resource:
    """What a path addresses; empty texts where it says nothing (a list has no name)."""

    group: str
    resource: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    def __str__(self) -> str:
        full = f"{self.resource}.{self.group}" if self.group else self.resource
        full = f"{full}/{self.subresource}" if self.subresource else full
        named = f'{full} "{self.name}"' if self.name else full
        return f'{named} in namespace "{self.namespace}"' if self.namespace else named


def path_to(
    api: str, resource: str, namespace: str | None = None, name: str | None = None, subresource: str | None = None
) -> str:
    """The path of a resource: `api` is `v1` or `group/version`; without a name the path of the list."""
    parts = ["/api" if "/" not in api else "/apis", api]
    if namespace:
        parts += ["namespaces", quote(namespace, safe="")]
    parts.append(resource)
    if name:
        parts.append(quote(name, safe=""))
    if subresource:
        parts.append(subresource)
    return "/".join(parts)


def resource_of(path: str) -> Resource | None:
    """What a path addresses, or None when it is no resource's (such as /version)."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if parts[0] == "api" and len(parts) > 2:
        group, rest = "", parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, rest = parts[1], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    rest += ["", ""]
    return Resource(group, rest[0], namespace, rest[1], rest[2])


def verb_of(method: str, resource: Resource, *, watch: bool = False) -> str:
    """The RBAC verb of a request."""
    if method == "GET":
        return "watch" if watch else "get" if resource.name else "list"
    return _VERBS[method]
