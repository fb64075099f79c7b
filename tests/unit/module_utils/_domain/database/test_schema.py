# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped CRD is the one of the schema, and its rules are written so that both readers can have them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.steady.rollout.plugins.module_utils._domain.database import rules, schema
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.admission import fits_pattern

CRD = Path(__file__).parents[5] / "operator" / "crds" / "dbupgrades.dbupgrade.subbug.learning.yaml"


def nodes(value: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema below a schema, with its path."""
    yield path, value
    for name, part in value.get("properties", {}).items():
        yield from nodes(part, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(value.get(key), dict):
            yield from nodes(value[key], f"{path}[]")


WHOLE: Any = schema.crd()
OBJECT = WHOLE["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
FIELDS = dict(nodes(OBJECT))


def test_the_shipped_file_is_of_this_schema() -> None:
    assert yaml.safe_load(CRD.read_text()) == WHOLE, "run tools/make_crds.py"


def test_every_field_is_described_and_bounded() -> None:
    for path, field in FIELDS.items():
        if path.split(".")[1:2] in (["apiVersion"], ["kind"], ["metadata"]) or path == "":
            continue
        assert field.get("description") or path.endswith("[]"), path
        if field.get("type") == "string" and field.get("format") != "date-time":
            assert "enum" in field or "maxLength" in field, path
        if field.get("type") == "array":
            assert "maxItems" in field, path
        if "additionalProperties" in field:
            assert "maxProperties" in field, path


@pytest.mark.parametrize("path", [path for path, field in FIELDS.items() if "pattern" in field])
def test_patterns_are_anchored_and_know_no_lookaround(path: str) -> None:
    pattern = FIELDS[path]["pattern"]
    assert re.fullmatch(r"\^.*\$", pattern)
    assert "(?" not in pattern
    assert not fits_pattern(pattern, "\n")


@pytest.mark.parametrize("path", [path for path, field in FIELDS.items() if "default" in field])
def test_defaults_fit_their_own_schema(path: str) -> None:
    field = FIELDS[path]
    if "enum" in field:
        assert field["default"] in field["enum"]
    elif "pattern" in field:
        assert fits_pattern(field["pattern"], field["default"])
    else:
        assert field["minimum"] <= field["default"] <= field["maximum"]


def test_rules_about_updates_stand_where_nothing_is_optional() -> None:
    """A rule that names oldSelf is not asked about a field that comes or goes, so none stands on an optional one."""
    holders = [
        path
        for path, field in FIELDS.items()
        if any("oldSelf" in rule["rule"] for rule in field.get("x-kubernetes-validations", ()))
    ]
    assert holders == [".spec.database"]
    assert "database" in FIELDS[".spec"]["required"]
    assert "spec" in OBJECT["required"]


def test_every_field_of_the_database_is_immutable() -> None:
    rule = " ".join(entry["rule"] for entry in FIELDS[".spec.database"]["x-kubernetes-validations"])
    for name in FIELDS[".spec.database.aws"]["properties"]:
        assert f"self.aws.{name} == oldSelf.aws.{name}" in rule
    assert "self.type == oldSelf.type" in rule
    assert "self.connection == oldSelf.connection" in rule


def test_every_rule_says_what_would_be_right() -> None:
    for path, field in FIELDS.items():
        for rule in field.get("x-kubernetes-validations", ()):
            assert "; " in rule["message"], path


def test_cel_of_the_words() -> None:
    expression = rules.implies(rules.Is("type", ("a", "b'c")), rules.Has("x.y"))
    assert expression.cel() == "(!(self.type in ['a', 'b\\'c']) || (has(self.x) && has(self.x.y)))"
    assert expression.holds({"type": "z"}, {})
    assert not expression.holds({"type": "a", "x": {}}, {})
    assert rules.Same("x").holds({}, {})
    assert not rules.Same("x").holds({"x": 1}, {})


def test_columns_and_names() -> None:
    version = WHOLE["spec"]["versions"][0]
    shown = [column["name"].upper() for column in version["additionalPrinterColumns"] if not column.get("priority")]
    assert shown == ["READY", "PROGRESSING", "DEGRADED", "OBSERVEDGEN"]
    assert WHOLE["spec"]["names"]["shortNames"] == ["dbu"]
    assert version["subresources"] == {"status": {}}
