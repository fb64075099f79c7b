# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks as a person writes them: every field is understood, every mistake is named with its path and a remedy."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.document import Reader
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.catalogue import OUR_CATALOGUE
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.entries import (
    ConfigMapKey,
    HookEntry,
    Stages,
    Terms,
    frontend_entries,
    named_entries,
    parse_stages,
    preparation_entry,
)

IMAGE = {"name": "image", "predefined": "create-image"}


def stages(**document: Any) -> Stages:
    """The stages of a document."""
    return parse_stages(Reader(document, "spec.stages"), OUR_CATALOGUE)


def test_the_least_entry_has_defaults() -> None:
    assert stages(pre=[IMAGE]).pre == (HookEntry("image", predefined="create-image"),)
    terms = stages(pre=[IMAGE]).pre[0].terms
    assert (terms.critical, terms.timeout_seconds, terms.retries, terms.backoff_seconds) == (True, 60, 3, 1)
    assert (terms.when, terms.group, terms.on_interrupted) == ("", "", "auto")


def test_every_field_is_understood() -> None:
    found = stages(
        pre=[
            {
                "name": "look",
                "sql": "SHOW FRONTENDS",
                "critical": False,
                "timeoutSeconds": 2.5,
                "retries": 0,
                "backoffSeconds": 0.5,
                "when": " leader == 'prod-fe-0' ",
                "group": "first",
                "onInterrupted": "fail",
            }
        ],
        post=[{"name": "file", "configMap": {"name": "hooks", "key": "after.sql"}}],
        rollback=[{"name": "call", "webhook": {"url": "https://hooks.example.org/x"}}],
    )
    assert found.pre == (
        HookEntry(
            "look",
            sql="SHOW FRONTENDS",
            terms=Terms(
                critical=False,
                timeout_seconds=2.5,
                retries=0,
                backoff_seconds=0.5,
                when="leader == 'prod-fe-0'",
                group="first",
                on_interrupted="fail",
            ),
        ),
    )
    assert found.post[0].config_map == ConfigMapKey("hooks", "after.sql")
    assert found.rollback[0].webhook is not None
    assert found.of("post") == found.post
    assert [entry.name for entry in found.entries] == ["look", "file", "call"]


@pytest.mark.parametrize(("key", "sql"), [("a.sql", True), ("a.sh", False), ("sql", False), ("a.SQL", False)])
def test_only_a_key_that_ends_in_sql_holds_statements(key: str, sql: bool) -> None:
    assert ConfigMapKey("hooks", key).is_sql is sql


@pytest.mark.parametrize(
    ("entry", "path", "problem"),
    [
        ("create-image", "[0]", "not a mapping"),
        ({"predefined": "create-image"}, "[0].name", "missing"),
        ({"name": "Image", "predefined": "create-image"}, "[0].name", "form"),
        ({"name": "a"}, "[0]", "does nothing"),
        ({"name": "a", "predefined": "create-image", "sql": "SHOW FRONTENDS"}, "[0]", "has predefined and sql"),
        ({"name": "a", "predefined": ""}, "[0].predefined", "no name"),
        ({"name": "a", "predefined": "create-imgae"}, "[0].predefined", "did you mean create-image"),
        ({"name": "a", "sql": " "}, "[0].sql", "empty statement"),
        ({"name": "a", "sql": ["SHOW FRONTENDS"]}, "[0].sql", "not a string"),
        ({"name": "a", "configMap": {"name": "x"}}, "[0].configMap.key", "missing"),
        ({"name": "a", "configMap": {"name": "../x", "key": "a.sql"}}, "[0].configMap.name", "form"),
        ({"name": "a", "configMap": {"name": "x", "key": "a/b"}}, "[0].configMap.key", "form"),
        ({"name": "a", "configMap": {"name": "x", "key": "a", "namespace": "y"}}, "[0].configMap.namespace", "no such"),
        ({"name": "a", "webhook": {}}, "[0].webhook.url", "missing"),
        ({**IMAGE, "critical": "maybe"}, "[0].critical", "not a boolean"),
        ({**IMAGE, "timeoutSeconds": 0}, "[0].timeoutSeconds", "out of bounds"),
        ({**IMAGE, "timeoutSeconds": 86401}, "[0].timeoutSeconds", "out of bounds"),
        ({**IMAGE, "retries": 1.5}, "[0].retries", "not a whole number"),
        ({**IMAGE, "retries": 21}, "[0].retries", "out of bounds"),
        ({**IMAGE, "backoffSeconds": -1}, "[0].backoffSeconds", "out of bounds"),
        ({**IMAGE, "when": "pods["}, "[0].when", "not a JMESPath expression"),
        ({**IMAGE, "when": 1}, "[0].when", "not a string"),
        ({**IMAGE, "group": "A B"}, "[0].group", "form"),
        ({**IMAGE, "onInterrupted": "ignore"}, "[0].onInterrupted", "unknown"),
        ({**IMAGE, "critcal": True}, "[0].critcal", "did you mean critical"),
        ({**IMAGE, "allowUnsafe": True}, "[0].allowUnsafe", "no such field"),
    ],
)
def test_a_mistake_in_an_entry_is_named(entry: object, path: str, problem: str) -> None:
    with pytest.raises(Refused, match=problem) as caught:
        stages(pre=[entry])
    assert caught.value.field == f"spec.stages.pre{path}"
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("document", "path", "problem"),
    [
        ({"pre": IMAGE}, "spec.stages.pre", "not a list"),
        ({"pre": [IMAGE] * 51}, "spec.stages.pre", "too many"),
        ({"post": [IMAGE, IMAGE]}, "spec.stages.post[1].name", "there already"),
        ({"before": [IMAGE]}, "spec.stages.before", "no such field"),
    ],
)
def test_a_mistake_in_a_stage_is_named(document: dict[str, Any], path: str, problem: str) -> None:
    with pytest.raises(Refused, match=problem) as caught:
        stages(**document)
    assert caught.value.field == path


def test_the_same_name_may_stand_in_two_stages() -> None:
    assert len(stages(pre=[IMAGE], post=[IMAGE]).entries) == 2


# -- the forms of a StarRocksCluster


def test_a_preparation_hook_has_a_command_or_a_predefined_name() -> None:
    command = 'ADMIN SET FRONTEND CONFIG ("tablet_sched_max_scheduling_tablets" = "0")'
    document = {"name": "disable-tablet-clone", "command": command, "critical": True}
    entry = preparation_entry(document, "p[0]", OUR_CATALOGUE, 300)
    assert (entry.sql, entry.predefined, entry.terms.critical, entry.terms.timeout_seconds) == (command, "", True, 300)
    named = preparation_entry({"name": "disable-balancer"}, "p[0]", OUR_CATALOGUE, 300)
    assert (named.sql, named.predefined, named.terms.critical) == ("", "disable-balancer", False)


@pytest.mark.parametrize(
    ("item", "path", "problem"),
    [
        ({"name": "unheard-of"}, "p[0].name", "unknown hook"),
        ({}, "p[0].name", "no name"),
        ({"name": "", "command": "SHOW FRONTENDS"}, "p[0].name", "form"),
        ({"name": "a", "comand": "x"}, "p[0].comand", "did you mean command"),
    ],
)
def test_a_mistake_in_a_preparation_hook_is_named(item: Any, path: str, problem: str) -> None:
    with pytest.raises(Refused, match=problem) as caught:
        preparation_entry(item, "p[0]", OUR_CATALOGUE, 300)
    assert caught.value.field == path


def test_hooks_of_the_fe_spec_are_predefined_and_one_of_a_config_map() -> None:
    document = {
        "predefined": ["disable-tablet-clone", "disable-balancer", "disable-balancer"],
        "custom": {"configMapName": "fe-upgrade-hooks", "scriptKey": "hooks.sh"},
        "timeoutSeconds": 120,
    }
    found = frontend_entries(Reader(document, "u"), OUR_CATALOGUE)
    assert [entry.name for entry in found] == ["disable-tablet-clone", "disable-balancer", "custom"]
    assert found[2].config_map == ConfigMapKey("fe-upgrade-hooks", "hooks.sh")
    assert {entry.terms.timeout_seconds for entry in found} == {120}


@pytest.mark.parametrize(
    ("document", "path", "problem"),
    [
        ({"predefined": ["disable-tabletclone"]}, "u.predefined[0]", "did you mean disable-tablet-clone"),
        ({"predefined": [""]}, "u.predefined[0]", "no name"),
        ({"custom": {"configMapName": "x"}}, "u.custom.scriptKey", "missing"),
        ({"timeoutSeconds": 0}, "u.timeoutSeconds", "out of bounds"),
        ({"custom": {"configMapName": "x", "scriptKey": "y", "image": "z"}}, "u.custom.image", "no such field"),
    ],
)
def test_a_mistake_in_the_hooks_of_the_fe_spec_is_named(document: dict[str, Any], path: str, problem: str) -> None:
    with pytest.raises(Refused, match=problem) as caught:
        frontend_entries(Reader(document, "u"), OUR_CATALOGUE)
    assert caught.value.field == path


def test_an_annotation_names_hooks_parted_by_commas() -> None:
    found = named_entries("disable-tablet-clone, disable-balancer,disable-balancer", "annotation", OUR_CATALOGUE)
    assert [entry.predefined for entry in found] == ["disable-tablet-clone", "disable-balancer"]


@pytest.mark.parametrize(
    ("text", "path", "problem"),
    [
        ("", "annotation[0]", "no name"),
        ("disable-balancer,", "annotation[1]", "no name"),
        ("disable-balancer,,quiesce", "annotation[1]", "no name"),
        ("disable-balancer,disable-blancer", "annotation[1]", "did you mean disable-balancer"),
    ],
)
def test_an_empty_or_unknown_name_in_an_annotation_is_told_with_its_place(text: str, path: str, problem: str) -> None:
    with pytest.raises(Refused, match=problem) as caught:
        named_entries(text, "annotation", OUR_CATALOGUE)
    assert caught.value.field == path
