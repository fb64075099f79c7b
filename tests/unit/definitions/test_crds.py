# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The definition of StarRocksUpgrade knows the fields that the collection reads, no other, with the same bounds."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.steady.rollout.plugins.module_utils._domain.document import Reader
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.causes import DEFAULT_RULES
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.gates import GATE_NAMES
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.spec import (
    ACKNOWLEDGEMENTS,
    LEADER_STRATEGIES,
    parse_spec,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.status import FINAL
from ansible_collections.steady.rollout.plugins.module_utils._domain.webhook import parse_webhook

Json = dict[str, Any]
CRD: Json = yaml.safe_load(
    (Path(__file__).parents[3] / "operator" / "crds" / "starrocksupgrades.rollout.steady.dev.yaml").read_text("utf-8")
)
SCHEMA: Json = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
SPEC: Json = SCHEMA["spec"]
MINIMAL: Json = {"clusterRef": {"name": "prod"}, "target": {"version": "3.3.2"}}
HOOK: Json = {"name": "look", "predefined": "quiesce"}
WEBHOOK: Json = {"url": "https://example.com/hook"}
STAGES = ("pre", "post", "rollback")
# A value for each place in which something has to stand before a field beside it is looked at.
INSIDE: dict[str, Json] = {
    "overrides[]": {"gate": GATE_NAMES[0], "until": "2030-01-01T00:00:00Z", "reason": "because"},
    **{f"stages.{stage}[]": HOOK for stage in STAGES},
    **{f"stages.{stage}[].configMap": {"name": "hooks", "key": "before.sql"} for stage in STAGES},
    "guard": {"image": "example.com/ee:1.0"},
    "clusterRef": MINIMAL["clusterRef"],
    "target": MINIMAL["target"],
}


def schema_at(path: str) -> Json:
    """The schema of a place such as stages.pre[]."""
    at = SPEC
    for name in path.split("."):
        at = at["properties"][name.removesuffix("[]")]
        at = at["items"] if name.endswith("[]") else at
    return at


def objects(schema: Json, path: str = "") -> Iterator[str]:
    """The places of all objects below a schema that have fields of their own."""
    for name, child in schema.get("properties", {}).items():
        listed = child.get("type") == "array"
        inner = child["items"] if listed else child
        place = f"{path}.{name}".lstrip(".") + ("[]" if listed else "")
        if "properties" in inner:
            yield place
            yield from objects(inner, place)


def document_with(place: str, value: Json) -> Json:
    """A whole spec with a value at a place."""
    document = copy.deepcopy(MINIMAL)
    at: Any = document
    names = place.split(".")
    walked: list[str] = []
    for number, name in enumerate(names):
        walked.append(name)
        known = copy.deepcopy(INSIDE.get(".".join(walked), {}))
        inner = {**known, **value} if number == len(names) - 1 else known
        if place.endswith("configMap") and name.endswith("[]"):
            inner = {"name": "look"}
        at[name.removesuffix("[]")] = [inner] if name.endswith("[]") else inner
        at = inner
    return document


def refused(document: Json) -> Refused | None:
    try:
        parse_spec(document, namespace="starrocks")
    except Refused as error:
        return error
    return None


# A webhook's own fields are looked at by its own reader, below.
PLACES = [place for place in objects(SPEC) if "webhook" not in place]


@pytest.mark.parametrize("place", PLACES)
def test_the_fields_are_those_that_are_read(place: str) -> None:
    error = refused(document_with(place, {"noSuchField": 1}))
    assert error is not None
    assert "no such field" in error.reason, error.reason
    assert set(error.remedy.removeprefix("one of: ").split(", ")) == set(schema_at(place)["properties"])


def test_the_fields_of_the_spec_itself_are_those_that_are_read() -> None:
    error = refused({**MINIMAL, "noSuchField": 1})
    assert error is not None
    assert set(error.remedy.removeprefix("one of: ").split(", ")) == set(SPEC["properties"])


def test_the_fields_of_a_webhook_are_those_that_are_read() -> None:
    schema = schema_at("stages.pre[].webhook")
    with pytest.raises(Refused) as error:
        parse_webhook(Reader({**WEBHOOK, "noSuchField": 1}, "webhook"))
    assert set(error.value.remedy.removeprefix("one of: ").split(", ")) == set(schema["properties"])
    with pytest.raises(Refused) as error:
        parse_webhook(Reader({**WEBHOOK, "headers": [{"name": "X", "value": "y", "noSuchField": 1}]}, "webhook"))
    header = schema["properties"]["headers"]["items"]
    assert set(error.value.remedy.removeprefix("one of: ").split(", ")) == set(header["properties"])


def test_the_stages_have_the_same_hooks() -> None:
    stages = SPEC["properties"]["stages"]["properties"]
    assert stages["pre"]["items"] == stages["post"]["items"] == stages["rollback"]["items"]


def leaves(schema: Json, path: str = "") -> Iterator[tuple[str, str, Json]]:
    """Every field with a bound, a choice or a default: the place of its object, its name, its schema."""
    for place in ["", *objects(schema)]:
        properties = schema_at(place)["properties"] if place else schema["properties"]
        for name, leaf in properties.items():
            if leaf.get("type") in ("number", "integer", "string", "boolean"):
                yield place, name, leaf


LEAVES = [leaf for leaf in leaves(SPEC) if "webhook" not in leaf[0]]


def with_leaf(place: str, name: str, value: object) -> Json:
    return document_with(place, {name: value}) if place else {**copy.deepcopy(MINIMAL), name: value}


NUMBERS = [leaf for leaf in LEAVES if "minimum" in leaf[2]]


@pytest.mark.parametrize(("place", "name", "leaf"), NUMBERS, ids=[f"{leaf[0]}.{leaf[1]}" for leaf in NUMBERS])
def test_the_bounds_are_the_same(place: str, name: str, leaf: Json) -> None:
    for value in (leaf["minimum"], leaf["maximum"]):
        assert refused(with_leaf(place, name, value)) is None, value
    for value in (leaf["minimum"] - 1, leaf["maximum"] + 1):
        assert refused(with_leaf(place, name, value)) is not None, value
    assert (refused(with_leaf(place, name, leaf["minimum"] + 0.5)) is None) == (leaf["type"] == "number")


CHOICES = [leaf for leaf in LEAVES if "enum" in leaf[2]]


@pytest.mark.parametrize(("place", "name", "leaf"), CHOICES, ids=[f"{leaf[0]}.{leaf[1]}" for leaf in CHOICES])
def test_the_choices_are_the_same(place: str, name: str, leaf: Json) -> None:
    for value in leaf["enum"]:
        assert refused(with_leaf(place, name, value)) is None, value
    error = refused(with_leaf(place, name, "nonsense"))
    assert error is not None
    assert set(error.remedy.removeprefix("one of: ").split(", ")) == set(leaf["enum"])


def test_the_lists_of_choices_are_the_same() -> None:
    properties = SPEC["properties"]
    assert tuple(properties["acknowledge"]["items"]["enum"]) == ACKNOWLEDGEMENTS
    assert tuple(properties["overrides"]["items"]["properties"]["gate"]["enum"]) == GATE_NAMES
    assert tuple(properties["leader"]["properties"]["strategy"]["enum"]) == LEADER_STRATEGIES
    assert list(properties["podFailures"]["properties"]) == list(DEFAULT_RULES)


def with_defaults(schema: Json, value: Json) -> Json:
    """The value as the API server completes it."""
    result = copy.deepcopy(value)
    for name, child in schema.get("properties", {}).items():
        if name not in result and "default" in child:
            result[name] = copy.deepcopy(child["default"])
        if name in result and child.get("type") == "object":
            result[name] = with_defaults(child, result[name])
    return result


def test_the_defaults_are_the_same() -> None:
    completed = with_defaults(SPEC, MINIMAL)
    assert completed["gates"]
    assert completed != MINIMAL
    assert parse_spec(completed, namespace="starrocks") == parse_spec(MINIMAL, namespace="starrocks")


def test_the_phases_are_those_that_are_written() -> None:
    phases = SCHEMA["status"]["properties"]["phase"]["enum"]
    assert set(FINAL) < set(phases)


def test_the_status_has_room_for_the_conditions_of_an_operator() -> None:
    condition = SCHEMA["status"]["properties"]["conditions"]["items"]["properties"]
    assert condition["ansibleResult"]["x-kubernetes-preserve-unknown-fields"] is True
    assert "minLength" not in condition["reason"]


def test_every_pattern_means_the_same_to_both_regular_expression_engines() -> None:
    """What RE2 has not: look-around and back references; what is anchored at one end only would match parts."""
    patterns = re.findall(r"^\s*pattern: (.+)$", yaml.safe_dump(CRD, width=10_000), re.MULTILINE)
    assert patterns
    assert [pattern for pattern in patterns if "(?" in pattern] == []
