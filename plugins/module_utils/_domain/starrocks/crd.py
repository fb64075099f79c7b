# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The three fields that a StarRocksCluster needs for triggers in its spec, and how its definition gets and loses them.

The operator's own definition (deploy/starrocks.com_starrocksclusters.yaml, v1.11.5) knows none of them, so the API
server drops them. Here the definition that is installed is changed by a patch of exactly these fields; whatever else it
says stays as it is. What this module does not recognise it refuses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused

CRD_NAME = "starrocksclusters.starrocks.com"
GROUP, KIND, VERSION = "starrocks.com", "StarRocksCluster", "v1"
# By these words a field of ours is told from one of the same name that an operator's release brings.
MARK = "Added by steady.rollout: "

Json = dict[str, Any]
Patch = list[Json]

_TEXT: Json = {"type": "string"}
_TEXTS: Json = {"type": "array", "items": _TEXT}
_SECONDS: Json = {"type": "integer", "format": "int32", "minimum": 1, "maximum": 86_400}
_PHASE: Json = {"type": "string", "enum": ["Pending", "Running", "Completed", "Failed"]}
_HOOK_DONE: Json = {
    "type": "object",
    "properties": {
        "name": _TEXT,
        "result": _TEXT,
        "message": _TEXT,
        "startTime": _TEXT,
        "completionTime": _TEXT,
    },
}

PREPARATION: Json = {
    "description": f"{MARK}hooks that are run before images are changed, and undone when they have been.",
    "type": "object",
    "properties": {
        "enabled": {"type": "boolean"},
        "hooks": {
            "type": "array",
            "maxItems": 50,
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "maxLength": 63},
                    "command": {"type": "string", "maxLength": 16_384},
                    "critical": {"type": "boolean"},
                },
            },
        },
        "timeoutSeconds": _SECONDS,
    },
}
FE_HOOKS: Json = {
    "description": f"{MARK}hooks that are run before images are changed, and undone when they have been.",
    "type": "object",
    "properties": {
        "predefined": {"type": "array", "maxItems": 50, "items": {"type": "string", "maxLength": 63}},
        "custom": {
            "type": "object",
            "properties": {
                "configMapName": {"type": "string", "maxLength": 253},
                "scriptKey": {"type": "string", "maxLength": 253},
            },
        },
        "timeoutSeconds": _SECONDS,
    },
}
PREPARATION_STATUS: Json = {
    "description": f"{MARK}how far the preparation of an upgrade has come.",
    "type": "object",
    "properties": {
        "phase": _PHASE,
        "reason": _TEXT,
        "message": _TEXT,
        "held": {"type": "boolean"},
        "from": {"type": "object", "additionalProperties": _TEXT},
        "target": {"type": "object", "additionalProperties": _TEXT},
        "completedHooks": _TEXTS,
        "failedHooks": _TEXTS,
        "hooks": {"type": "array", "items": _HOOK_DONE},
        "startTime": _TEXT,
        "completionTime": _TEXT,
        "endTime": _TEXT,
    },
}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of ours: the properties that lead to it, as a person writes them, and its schema."""

    path: tuple[str, ...]
    schema: Json

    def __str__(self) -> str:
        return ".".join(self.path)

    @property
    def pointer(self) -> str:
        """The JSON pointer below a version's openAPIV3Schema."""
        return "".join(f"/properties/{name}" for name in self.path)


FIELDS = (
    Field(("spec", "upgradePreparation"), PREPARATION),
    Field(("spec", "starRocksFeSpec", "upgradeHooks"), FE_HOOKS),
    Field(("status", "upgradePreparationStatus"), PREPARATION_STATUS),
)


def extending(crd: Mapping[str, Any]) -> Patch:
    """The JSON patch that adds what is missing of our fields; empty when nothing is."""
    return _patch(crd, extend=True)


def undoing(crd: Mapping[str, Any]) -> Patch:
    """The JSON patch that takes our fields out; empty when none is there."""
    return _patch(crd, extend=False)


def served_fields(schema: Mapping[str, Any]) -> list[str]:
    """Those of our fields that a StarRocksCluster's schema (as published by the API server) has."""
    return [str(field) for field in FIELDS if _found(schema, field) is not None]


def _patch(crd: Mapping[str, Any], *, extend: bool) -> Patch:
    index, schema = _recognised(crd)
    operations: Patch = []
    for field, present in _ours(schema):
        pointer = f"/spec/versions/{index}/schema/openAPIV3Schema{field.pointer}"
        if extend and present != field.schema:
            operations.append({"op": "replace" if present else "add", "path": pointer, "value": field.schema})
        elif not extend and present is not None:
            operations.append({"op": "remove", "path": pointer})
    if not operations:
        return []
    version = crd["metadata"]["resourceVersion"]
    return [{"op": "test", "path": "/metadata/resourceVersion", "value": version}, *operations]


def _recognised(crd: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
    """The place and the schema of the one version that is known here."""
    spec = crd.get("spec") or {}
    names = spec.get("names") or {}
    remedy = f"name the definition of {KIND} in {GROUP}, usually {CRD_NAME}"
    if (spec.get("group"), names.get("kind")) != (GROUP, KIND):
        raise Refused("name", f"{spec.get('group')}/{names.get('kind')}", f"is not {GROUP}/{KIND}", remedy=remedy)
    versions = [str(version.get("name")) for version in spec.get("versions") or []]
    if versions != [VERSION]:
        remedy = "this release knows the version v1 alone: look for one that knows yours"
        raise Refused("spec.versions", ", ".join(versions), f"expected {VERSION} alone", remedy=remedy)
    schema = ((spec["versions"][0].get("schema") or {}).get("openAPIV3Schema")) or {}
    for field in FIELDS:
        _parent(schema, field)
    return 0, schema


def _parent(schema: Mapping[str, Any], field: Field) -> Mapping[str, Any]:
    """The properties in which a field of ours stands; refused where they are not what they were in v1.11.5."""
    at = schema
    for name in field.path[:-1]:
        at = (at.get("properties") or {}).get(name) or {}
        if at.get("type") != "object" or not isinstance(at.get("properties"), Mapping):
            path = ".".join(field.path[: field.path.index(name) + 1])
            remedy = "install the operator's own definition (v1.11.5 is known to fit), then run again"
            raise Refused(path, None, "is not an object with properties in this definition", remedy=remedy)
    properties: Mapping[str, Any] = at["properties"]
    return properties


def _found(schema: Mapping[str, Any], field: Field) -> Mapping[str, Any] | None:
    at: Any = schema
    for name in field.path:
        at = ((at or {}).get("properties") or {}).get(name)
    return at if isinstance(at, Mapping) else None


def _ours(schema: Mapping[str, Any]) -> Iterator[tuple[Field, Mapping[str, Any] | None]]:
    """Each field with its schema as installed; refused where somebody else's has the name."""
    for field in FIELDS:
        present = _parent(schema, field).get(field.path[-1])
        if present is not None and not str(present.get("description") or "").startswith(MARK):
            remedy = "this definition has a field of that name which is not ours: the operator may bring its own hooks"
            raise Refused(str(field), None, "exists already with another meaning", remedy=remedy)
        yield field, present
