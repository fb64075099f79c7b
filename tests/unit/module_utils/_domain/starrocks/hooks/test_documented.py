# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/hooks.md says what the code does: its tables are the catalogue and the codes, its examples are understood."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import to_plain
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation import parse_installation
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks import when
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.catalogue import (
    DEFAULT,
    OUR_CATALOGUE,
    OURS,
    Catalogue,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.sql import ALLOWED
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.spec import parse_spec
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.sql_errors import CODES

from ..builders import a_cluster

PAGE = (Path(__file__).resolve().parents[6] / "docs" / "hooks.md").read_text("utf-8")
BLOCKS: list[Any] = [yaml.safe_load(text) for text in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S)]


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_table_of_predefined_hooks_is_the_catalogue() -> None:
    table = {row[0].strip("`"): row for row in rows("Predefined hooks")}
    held = [entry for entry in OURS if entry.action in ("hold", "statements")]
    assert list(table) == [entry.name for entry in held]
    for entry in held:
        _name, does, undone, versions, right = table[entry.name]
        assert undone.strip("`") == entry.inverse
        assert (versions, right) == (entry.versions.text, ", ".join(entry.rights))
        if len(entry.settings) == 1:
            ((key, value),) = entry.settings.items()
            assert f"`{key}` at {value}" in does


def test_every_documented_value_is_on_the_page() -> None:
    text = " ".join(PAGE.split())
    for entry in OURS:
        if entry.name.endswith(DEFAULT):
            assert f"`{entry.name}`" in text
            assert all(value in text for value in entry.settings.values())


def test_the_table_of_codes_is_the_table_of_codes() -> None:
    table = {row[0]: {int(number) for number in re.findall(r"\d+", row[1])} for row in rows("What is tried again")}
    kinds = {"transient": ["transient"], "no answer": ["lost"], "login, privilege": ["login", "privilege"]}
    for name, own in kinds.items():
        assert table[name] == {number for number, code in CODES.items() if code.kind in own}


def test_everything_that_is_allowed_is_on_the_page() -> None:
    text = " ".join(PAGE.split())
    assert [words for words in ALLOWED if words.removesuffix(" of a setting in the catalogue") not in text] == [
        "DESCRIBE ..."
    ]


def test_the_examples_are_understood() -> None:
    spec, hook, installation = BLOCKS
    parsed = parse_spec(spec["spec"], namespace="starrocks")
    assert [len(parsed.stages.of(stage)) for stage in ("pre", "post", "rollback")] == [2, 1, 1]
    rules = parse_installation(installation["rollout_installation"])
    catalogue = Catalogue.of(rules.hooks.catalogue)
    assert set(catalogue.entries) - set(OUR_CATALOGUE.entries) == {
        "few-loads",
        "many-loads",
        "pause-orders",
        "resume-orders",
    }
    data = when.view(a_cluster(fe=3).snapshot, "upgrade", {}, {})
    assert when.holds(hook[0]["when"], "when", data) is True


def test_every_field_that_a_condition_sees_is_on_the_page() -> None:
    data = when.view(a_cluster().snapshot, "upgrade", {}, {})
    named = set(re.findall(r"`([a-z.]+)`", " ".join(row[0] for row in rows("Conditions"))))
    assert {name.partition(".")[0] for name in named} == set(data)
    assert set(to_plain(a_cluster().snapshot.tablets)) <= set(re.findall(r"[a-z_]+", PAGE))
