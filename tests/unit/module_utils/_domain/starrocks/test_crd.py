# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The patch of the definition: exactly our fields, there and back, and nothing that is not recognised."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import crd

Json = dict[str, Any]


def definition() -> Json:
    """The parts of the operator's definition that matter, with neighbours that must stay."""
    fe = {"type": "object", "properties": {"image": {"type": "string"}}}
    schema = {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "properties": {"starRocksFeSpec": fe, "serviceAccount": {"type": "string"}}},
            "status": {"type": "object", "properties": {"phase": {"type": "string"}}, "required": ["phase"]},
        },
    }
    return {
        "metadata": {"name": crd.CRD_NAME, "resourceVersion": "7"},
        "spec": {
            "group": "starrocks.com",
            "names": {"kind": "StarRocksCluster"},
            "versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}],
        },
    }


def patched(document: Json, patch: crd.Patch) -> Json:
    """The document after the patch, by the rules of RFC 6902 for what is used here."""
    result = copy.deepcopy(document)
    for operation in patch:
        *parents, last = operation["path"].strip("/").split("/")
        at: Any = result
        for name in parents:
            at = at[int(name)] if isinstance(at, list) else at[name]
        if operation["op"] == "test":
            assert at[last] == operation["value"]
        elif operation["op"] == "remove":
            del at[last]
        else:
            assert (last in at) == (operation["op"] == "replace")
            at[last] = copy.deepcopy(operation["value"])
    return result


def schema_of(document: Json) -> Json:
    schema: Json = document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def test_three_fields_are_added_and_nothing_else_is_changed() -> None:
    before = definition()
    after = patched(before, crd.extending(before))
    assert crd.served_fields(schema_of(before)) == []
    assert crd.served_fields(schema_of(after)) == [str(field) for field in crd.FIELDS]
    assert patched(after, crd.undoing(after)) == before


def test_what_is_there_is_not_written_again() -> None:
    extended = patched(definition(), crd.extending(definition()))
    assert crd.extending(extended) == []
    assert crd.undoing(definition()) == []


def test_the_patch_is_for_the_definition_that_was_seen() -> None:
    assert crd.extending(definition())[0] == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}


def test_fields_of_another_release_of_ours_are_replaced() -> None:
    extended = patched(definition(), crd.extending(definition()))
    schema_of(extended)["properties"]["spec"]["properties"]["upgradePreparation"]["properties"].pop("enabled")
    patch = crd.extending(extended)
    assert [operation["op"] for operation in patch] == ["test", "replace"]
    assert patched(extended, patch) == patched(definition(), crd.extending(definition()))


def broken(change: str) -> Json:
    document = definition()
    spec, schema = document["spec"], schema_of(document)
    if change == "group":
        spec["group"] = "example.com"
    elif change == "kind":
        spec["names"]["kind"] = "StarRocksWarehouse"
    elif change == "another version":
        spec["versions"].append({**spec["versions"][0], "name": "v2"})
    elif change == "version":
        spec["versions"][0]["name"] = "v1beta1"
    elif change == "no schema":
        spec["versions"][0].pop("schema")
    elif change == "no FE":
        schema["properties"]["spec"]["properties"].pop("starRocksFeSpec")
    elif change == "status of another kind":
        schema["properties"]["status"] = {"type": "string"}
    elif change == "somebody's field":
        schema["properties"]["spec"]["properties"]["upgradePreparation"] = {"type": "object"}
    elif change == "somebody's status":
        schema["properties"]["status"]["properties"]["upgradePreparationStatus"] = {"type": "object"}
    return document


CHANGES = {
    "group": "example.com",
    "kind": "StarRocksWarehouse",
    "another version": "v1, v2",
    "version": "v1beta1",
    "no schema": "spec is not an object",
    "no FE": "spec.starRocksFeSpec",
    "status of another kind": "status",
    "somebody's field": "spec.upgradePreparation",
    "somebody's status": "status.upgradePreparationStatus",
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_not_recognised_is_refused(change: str) -> None:
    for planned in (crd.extending, crd.undoing):
        with pytest.raises(Refused) as refused:
            planned(broken(change))
        assert CHANGES[change] in refused.value.reason.replace(":", "")
        assert refused.value.remedy
