# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue: ours are entries, an installation adds others, and every mistake in one has its message."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.catalogue import (
    DEFAULT,
    OUR_CATALOGUE,
    OURS,
    Catalogue,
    Entry,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import (
    GUIDE,
    REPAIR_LIMIT,
    SETTINGS,
)

PATH = "installation.hooks.catalogue[0]"


def added(**fields: Any) -> dict[str, Entry]:
    """A catalogue with one more entry."""
    return Catalogue.of([{"name": "own", **fields}]).entries


def test_quiesce_is_the_four_settings_of_the_upgrade_guide() -> None:
    assert OUR_CATALOGUE.entries["quiesce"].settings == {
        "tablet_sched_max_scheduling_tablets": "0",
        "tablet_sched_max_balancing_tablets": "0",
        "tablet_sched_disable_balance": "true",
        "tablet_sched_disable_colocate_balance": "true",
    }
    assert tuple(OUR_CATALOGUE.entries["quiesce"].settings) == GUIDE


def test_every_hook_that_holds_has_one_that_restores_the_same_settings() -> None:
    for entry in OURS:
        if entry.action == "hold":
            undo = OUR_CATALOGUE.entries[entry.inverse]
            assert undo.action == "restore"
            assert undo.keys in (entry.keys, ())
            assert entry.purpose
            assert undo.purpose


@pytest.mark.parametrize("entry", [e for e in OURS if e.action == "default"], ids=lambda e: e.name)
def test_the_documented_value_has_a_name_of_its_own(entry: Entry) -> None:
    assert entry.name.endswith(DEFAULT)
    assert OUR_CATALOGUE.entries[entry.name.removesuffix(DEFAULT)].action == "restore"
    assert entry.settings == {key: SETTINGS[key].documented for key in entry.keys}
    assert all(value in entry.purpose for value in entry.settings.values())


def test_the_names_of_the_first_proposal_are_there() -> None:
    for name in ("disable-tablet-clone", "enable-tablet-clone", "disable-balancer", "enable-balancer"):
        assert OUR_CATALOGUE.get(name, "x").name == name
    assert OUR_CATALOGUE.entries["disable-tablet-clone"].settings == {REPAIR_LIMIT: "0"}
    assert OUR_CATALOGUE.entries["enable-tablet-clone-default"].settings == {REPAIR_LIMIT: "10000"}


def test_create_image_needs_node_and_a_proof() -> None:
    entry = OUR_CATALOGUE.entries["create-image"]
    assert (entry.statements, entry.rights, entry.proof) == (("ALTER SYSTEM CREATE IMAGE",), ("NODE",), "image")


def test_only_what_holds_settings_may_stand_in_the_hooks_of_an_upgrade() -> None:
    assert OUR_CATALOGUE.holding == (
        "quiesce",
        "disable-tablet-clone",
        "disable-tablet-balancing",
        "disable-balancer",
        "disable-colocate-balance",
        "drop-job-history",
    )


def test_settings_of_several_hooks_are_held_once_in_the_order_of_the_guide() -> None:
    assert tuple(OUR_CATALOGUE.held(("disable-balancer", "quiesce"))) == GUIDE
    assert OUR_CATALOGUE.held(()) == {}


def test_an_installation_adds_a_hook_that_holds_settings_and_its_inverse() -> None:
    entries = added(
        purpose="fewer loads",
        settings={"max_running_txn_num_per_db": 10, "enable_x": True},
        inverse={"name": "own-back"},
        versions=">=3.2, <4.0",
    )
    own, back = entries["own"], entries["own-back"]
    assert own.settings == {"max_running_txn_num_per_db": "10", "enable_x": "true"}
    assert (own.action, own.inverse, own.ours) == ("hold", "own-back", False)
    assert (back.action, back.keys) == ("restore", ("max_running_txn_num_per_db", "enable_x"))
    assert "own" in Catalogue(entries).holding
    assert "enable_x" in Catalogue(entries).keys


def test_an_installation_adds_statements_and_what_undoes_them() -> None:
    entries = added(
        statements=["PAUSE ROUTINE LOAD FOR db.job"],
        inverse={"name": "own-back", "statements": ["RESUME ROUTINE LOAD FOR db.job;"], "purpose": "go on"},
        rights=["OPERATE", "NODE"],
    )
    assert entries["own"].statements == ("PAUSE ROUTINE LOAD FOR db.job",)
    assert entries["own-back"].statements == ("RESUME ROUTINE LOAD FOR db.job",)
    assert (entries["own-back"].purpose, entries["own-back"].inverse) == ("go on", "own")
    assert entries["own"].rights == ("OPERATE", "NODE")


def test_an_alias_is_a_setting_by_its_canonical_name() -> None:
    assert added(settings={"disable_balance": True})["own"].settings == {"tablet_sched_disable_balance": "true"}


@pytest.mark.parametrize(
    ("fields", "path", "problem"),
    [
        ({"name": ""}, f"{PATH}.name", "form"),
        ({"name": None}, f"{PATH}.name", "missing"),
        ({"name": "Own"}, f"{PATH}.name", "form"),
        ({"name": "quiesce", "statements": ["SHOW FRONTENDS"]}, PATH, "taken"),
        ({}, PATH, "neither"),
        ({"settings": {"a": 1}, "statements": ["SHOW FRONTENDS"]}, PATH, "both"),
        ({"settings": ["a"]}, f"{PATH}.settings", "not a mapping"),
        ({"settings": {"A B": 1}}, f"{PATH}.settings.A B", "no name of an FE setting"),
        ({"settings": {"a": None}}, f"{PATH}.settings.a", "not a value"),
        ({"settings": {"a": 'x" = "1'}}, "settings.a", "not of type text"),
        ({"settings": {"disable_balance": "perhaps"}}, "settings.tablet_sched_disable_balance", "not of type bool"),
        ({"statements": "SHOW FRONTENDS"}, f"{PATH}.statements", "not a list"),
        ({"statements": [7]}, f"{PATH}.statements[0]", "not a string"),
        ({"statements": ["SHOW FRONTENDS; DROP TABLE t"]}, f"{PATH}.statements[0]", "more than one"),
        ({"statements": ["SHOW FRONTENDS -- x"]}, f"{PATH}.statements[0]", "comment"),
        ({"statements": ["SHOW FRONTENDS"] * 101}, f"{PATH}.statements", "too many"),
        (
            {"statements": ["ADMIN SET FRONTEND CONFIG ('disable_balance'='true')"]},
            f"{PATH}.statements[0]",
            "sets an FE setting",
        ),
        ({"statements": ["SHOW FRONTENDS"], "versions": "3.x"}, f"{PATH}.versions", "range"),
        ({"statements": ["SHOW FRONTENDS"], "rights": ["operate"]}, f"{PATH}.rights[0]", "privilege"),
        ({"statements": ["SHOW FRONTENDS"], "inverse": {}}, f"{PATH}.inverse.name", "missing"),
        ({"statements": ["SHOW FRONTENDS"], "inverse": {"name": "back"}}, f"{PATH}.inverse.statements", "missing"),
        (
            {"settings": {"a": 1}, "inverse": {"name": "back", "statements": ["SHOW FRONTENDS"]}},
            f"{PATH}.inverse.statements",
            "put back by the journal",
        ),
        ({"statements": ["SHOW FRONTENDS"], "inverse": {"name": "quiesce", "statements": ["SELECT 1"]}}, PATH, "taken"),
        ({"statement": ["SHOW FRONTENDS"], "settings": {"a": 1}}, f"{PATH}.statement", "did you mean statements"),
    ],
)
def test_a_mistake_in_an_entry_is_named(fields: dict[str, Any], path: str, problem: str) -> None:
    with pytest.raises(Refused, match=problem) as caught:
        added(**fields)
    assert caught.value.field == path
    assert caught.value.remedy


def test_an_entry_is_a_mapping() -> None:
    with pytest.raises(Refused, match="not a mapping"):
        Catalogue.of(["quiesce"])


@pytest.mark.parametrize(("name", "problem"), [("", "no name"), (None, "no name"), ("  ", "no name"), (7, "no name")])
def test_an_empty_name_is_told(name: object, problem: str) -> None:
    with pytest.raises(Refused, match=problem):
        OUR_CATALOGUE.get(name, "x")


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(Refused, match="did you mean disable-balancer") as caught:
        OUR_CATALOGUE.get("disable-balance", "annotation[1]")
    assert caught.value.field == "annotation[1]"
    assert "create-image" in caught.value.remedy
