# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edges at which the product touches the world, by names that stay the same from run to run.

`make test-crash` kills a run at each edge that an undisturbed run has passed. No edge is listed here: this module only
says of which kind a request or a statement is, and what its name is.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final


class Kind(Enum):
    """What an edge does, told from the request or statement alone."""

    READ = "read"
    REVIEW = "access-review"
    WATCH = "watch"
    QUERY = "query"
    LEASE_CREATE = "lease-create"
    LEASE_TAKE = "lease-take"
    LEASE_RENEW = "lease-renew"
    LEASE_RELEASE = "lease-release"
    RECORD_CREATE = "record-create"
    RECORD_WRITE = "record-write"
    CLUSTER_PATCH = "cluster-patch"
    MIRROR = "mirror"
    STATUS = "status"
    POD_DELETE = "pod-delete"
    SETTING = "setting"
    LEADER = "leader"
    IMAGE = "image"
    EVENT = "event"
    REPORT = "report"
    UNKNOWN = "unknown"


# How many of these a run passes depends on time, and where it renews its lease. They are counted over the whole run
# instead of within one step, and only the first of each name is a crash point: one moment of reading is as any other.
PASSING: Final = frozenset({Kind.READ, Kind.REVIEW, Kind.WATCH, Kind.QUERY, Kind.LEASE_RENEW, Kind.EVENT})

_STATUSES: Final = frozenset({("starrocksupgrades", "status"), ("starrocksclusters", "status")})


@dataclass(frozen=True)
class Edge:
    """One edge. `where` is the task and step it belongs to, `nth` counts those of the same name from 1."""

    kind: Kind
    what: str
    where: str
    nth: int

    def __str__(self) -> str:
        return f"{stem(self.kind, self.what, self.where)} #{self.nth}"

    @classmethod
    def parse(cls, text: str) -> Edge:
        """The edge of that name; ValueError for a text that is none."""
        found = re.fullmatch(r"(.*) \| (\S+) (.*) #(\d+)", text)
        if not found:
            raise ValueError(f"{text!r} is not the name of an edge")
        return cls(Kind(found[2]), found[3], found[1], int(found[4]))


def stem(kind: Kind, what: str, where: str) -> str:
    """The name of an edge without its count."""
    return f"{where} | {kind.value} {what}"


def of_request(method: str, path: str, body: Any) -> tuple[Kind, str]:
    """Kind and object of a request to the API server."""
    resource, name, subresource = _resource(path)
    if resource.startswith("selfsubject"):
        return Kind.REVIEW, resource
    if method == "GET":
        return Kind.READ, resource
    if resource == "leases":
        return _of_lease(method, (body or {}).get("spec") or {}), "lease"
    if resource == "configmaps":
        return Kind.RECORD_CREATE if method == "POST" else Kind.RECORD_WRITE, "record"
    if resource == "events":
        return Kind.EVENT, "event"
    if method == "PATCH" and (resource, subresource) in _STATUSES:
        return Kind.STATUS, resource
    if method == "PATCH" and resource == "starrocksclusters":
        return (Kind.CLUSTER_PATCH, _operations(body)) if isinstance(body, list) else (Kind.MIRROR, "mirror")
    if resource == "pods" and method == "DELETE":
        return Kind.POD_DELETE, name
    return Kind.UNKNOWN, f"{method} {resource}"


def of_statement(sql: str) -> tuple[Kind, str]:
    """Kind and text of a statement sent to an FE."""
    text = " ".join(sql.split())
    if text.startswith("ADMIN SET FRONTEND CONFIG"):
        return Kind.SETTING, re.sub(r"[^A-Za-z0-9_=]", "", text.removeprefix("ADMIN SET FRONTEND CONFIG"))
    if text.startswith("ALTER SYSTEM TRANSFER LEADER"):
        return Kind.LEADER, "transfer"
    if text == "ALTER SYSTEM CREATE IMAGE":
        return Kind.IMAGE, "create"
    if re.match(r"(ADMIN )?SHOW |SELECT ", text):
        return Kind.QUERY, text
    return Kind.UNKNOWN, text


def _resource(path: str) -> tuple[str, str, str]:
    """Plural, name and subresource in /api/v1/..., /apis/GROUP/VERSION/...; both with or without a namespace."""
    parts = path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        parts = parts[2:]
    plural, name, subresource, *_more = [*parts, "", "", ""]
    return plural or path, name, subresource


def _of_lease(method: str, spec: dict[str, Any]) -> Kind:
    if method == "POST":
        return Kind.LEASE_CREATE
    if "holderIdentity" not in spec:
        return Kind.LEASE_RENEW
    return Kind.LEASE_TAKE if spec["holderIdentity"] else Kind.LEASE_RELEASE


def _operations(patch: list[dict[str, Any]]) -> str:
    """What a JSON patch changes: the last parts of its paths with the values."""
    changes = [entry for entry in patch if entry["op"] != "test"]
    texts = (f"{'.'.join(entry['path'].split('/')[2:])}={json.dumps(entry.get('value'))}" for entry in changes)
    return ",".join(texts).replace(" ", "")
