# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks made ready to run: everything that is wrong with any of them is found before anything is touched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import from_plain, to_plain
from ansible_collections.steady.rollout.plugins.module_utils._domain.document import Reader
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation import (
    Installation,
    parse_installation,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.catalogue import Catalogue
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.entries import parse_stages
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.resolve import (
    Action,
    HookPlan,
    PlannedHook,
    Sources,
    plan_hooks,
)

MAPS = Sources(
    {"hooks": {"a.sql": "-- look\nSHOW FRONTENDS;\nSELECT 1;\n", "b.sh": "echo hello", "c.sql": "DROP TABLE t"}}
)


def planned(
    *entries: dict[str, Any], sources: Sources = MAPS, installation: Any = None, stage: str = "pre"
) -> HookPlan:
    """The hooks of a stage of a document."""
    rules = parse_installation(installation) if installation else Installation()
    catalogue = Catalogue.of(rules.hooks.catalogue)
    stages = parse_stages(Reader({stage: list(entries)}, "spec.stages"), catalogue)
    return plan_hooks(stages, catalogue, sources, rules)


def hook(sources: Sources = MAPS, installation: Any = None, **fields: Any) -> PlannedHook:
    """One hook, which must be one that can run."""
    plan = planned({"name": "own", **fields}, sources=sources, installation=installation)
    assert not any(plan.refusals.values()), plan.refusals
    return plan.pre[0]


def refusal(sources: Sources = MAPS, installation: Any = None, **fields: Any) -> tuple[str, str]:
    """Path and text of the one refusal of a hook."""
    plan = planned({"name": "own", **fields}, sources=sources, installation=installation)
    (refused,) = plan.refusals["pre"]
    assert plan.pre == ()
    assert refused.remedy
    return refused.field, str(refused)


def test_predefined_hooks_become_actions() -> None:
    assert hook(predefined="disable-balancer").actions == (Action("set", {"tablet_sched_disable_balance": "true"}),)
    assert hook(predefined="enable-balancer").actions == (Action("restore", keys=("tablet_sched_disable_balance",)),)
    default = hook(predefined="enable-balancer-default")
    assert default.actions == (Action("default", {"tablet_sched_disable_balance": "false"}),)
    image = hook(predefined="create-image")
    assert [action.sql for action in image.actions] == ["ALTER SYSTEM CREATE IMAGE"]
    assert (image.kind, image.rights, image.proof, image.terms.timeout_seconds) == ("sql", ("NODE",), "image", 600)
    assert hook(predefined="restore").shown == ("restore every setting",)


def test_a_name_is_not_told_twice() -> None:
    plan = planned({"name": "disable-balancer", "predefined": "disable-balancer"}, {"name": "own", "sql": "SELECT 1"})
    assert [found.title for found in plan.pre] == ["disable-balancer: hold off the balancer", "own: sql"]


def test_a_setting_in_sql_goes_through_the_journal() -> None:
    found = hook(sql='ADMIN SET FRONTEND CONFIG ("disable_balance" = "true")')
    assert (found.kind, found.actions) == ("settings", (Action("set", {"tablet_sched_disable_balance": "true"}),))
    assert found.reruns


def test_a_file_is_run_statement_by_statement() -> None:
    found = hook(configMap={"name": "hooks", "key": "a.sql"})
    assert [action.sql for action in found.actions] == ["SHOW FRONTENDS", "SELECT 1"]
    assert found.source == "ConfigMap hooks/a.sql"


def test_a_statement_that_writes_an_image_needs_node() -> None:
    assert hook(sql="ALTER SYSTEM CREATE IMAGE").rights == ("NODE",)
    assert hook(sql="SHOW FRONTENDS").rights == ()


def test_any_other_key_is_a_script() -> None:
    found = hook(replace(MAPS, scripts=True), configMap={"name": "hooks", "key": "b.sh"})
    assert (found.kind, found.script, found.actions) == ("script", "echo hello", ())


def test_the_author_of_a_document_cannot_allow_what_the_installation_does_not() -> None:
    path, text = refusal(sql="DROP TABLE t")
    assert path == "spec.stages.pre[0].sql"
    assert "unsafe" in text
    path, text = refusal(configMap={"name": "hooks", "key": "c.sql"})
    assert path == "spec.stages.pre[0].configMap hooks/c.sql statement 1"
    path, text = refusal(configMap={"name": "hooks", "key": "b.sh"})
    assert (path, "script hooks are not allowed" in text) == ("spec.stages.pre[0].configMap", True)
    path, text = refusal(webhook={"url": "https://10.0.0.1/x"})
    assert path == "spec.stages.pre[0].webhook.url"


def test_what_is_allowed_is_marked() -> None:
    found = hook(replace(MAPS, unsafe_sql=True), sql="DROP TABLE t")
    assert [action.safe for action in found.actions] == [False]
    assert not found.reruns


@pytest.mark.parametrize(("word", "reruns"), [("rerun", True), ("fail", False)])
def test_a_person_decides_about_an_interrupted_hook(word: str, reruns: bool) -> None:
    assert hook(replace(MAPS, unsafe_sql=True), sql="DROP TABLE t", onInterrupted=word).reruns is reruns
    assert hook(sql="SELECT 1", onInterrupted=word).reruns is reruns


def test_a_config_map_that_is_not_there_is_told() -> None:
    path, text = refusal(configMap={"name": "hooks", "key": "gone.sql"})
    assert (path, "was not read" in text) == ("spec.stages.pre[0].configMap", True)
    missing = replace(MAPS, missing={"hooks/gone.sql": "no such key"})
    assert "no such key" in refusal(missing, configMap={"name": "hooks", "key": "gone.sql"})[1]


def test_a_file_has_an_end() -> None:
    many = Sources({"hooks": {"a.sql": "SHOW FRONTENDS;" * 101}})
    assert "101 statements" in refusal(many, configMap={"name": "hooks", "key": "a.sql"})[1]


def test_every_refusal_of_every_stage_is_told_at_once() -> None:
    catalogue = Catalogue.of()
    bad = {"name": "bad", "sql": "DROP TABLE t"}
    document = {"pre": [bad, {"name": "good", "sql": "SELECT 1"}, {**bad, "name": "worse"}], "rollback": [bad]}
    stages = parse_stages(Reader(document, "spec.stages"), catalogue)
    plan = plan_hooks(stages, catalogue, Sources(), Installation())
    assert [refused.field for refused in plan.refusals["pre"]] == ["spec.stages.pre[0].sql", "spec.stages.pre[2].sql"]
    assert [refused.field for refused in plan.refusals["rollback"]] == ["spec.stages.rollback[0].sql"]
    assert [found.name for found in plan.pre] == ["good"]


def test_a_hook_of_the_installation_is_run_as_it_wrote_it() -> None:
    entry = {"name": "pause", "purpose": "stop loads", "statements": ["PAUSE ROUTINE LOAD FOR d.j"]}
    found = hook(installation={"hooks": {"catalogue": [entry]}}, predefined="pause")
    assert found.source == "pause: stop loads"
    assert [(action.sql, action.safe) for action in found.actions] == [("PAUSE ROUTINE LOAD FOR d.j", False)]


def test_a_setting_of_the_installations_catalogue_may_be_set_in_sql() -> None:
    entry = {"name": "few", "settings": {"qe_max_connection": 10}}
    sql = 'ADMIN SET FRONTEND CONFIG ("qe_max_connection" = "20")'
    assert hook(installation={"hooks": {"catalogue": [entry]}}, sql=sql).actions[0].values == {
        "qe_max_connection": "20"
    }
    assert "unsafe" in refusal(sql=sql)[1]


def test_neighbours_of_a_group_are_one_step() -> None:
    def entry(name: str, group: str = "") -> dict[str, Any]:
        return {"name": name, "sql": "SELECT 1", "group": group}

    plan = planned(entry("a"), entry("b", "g"), entry("c", "g"), entry("d", "h"), entry("e", "g"), entry("f"))
    assert [(step, [h.name for h in hooks]) for step, hooks in plan.groups("pre")] == [
        ("pre/0-a", ["a"]),
        ("pre/1-g", ["b", "c"]),
        ("pre/3-h", ["d"]),
        ("pre/4-g", ["e"]),
        ("pre/5-f", ["f"]),
    ]


def test_a_hook_becomes_another_one_with_what_it_does_not_with_its_patience() -> None:
    before = hook(sql="SELECT 1")
    assert hook(sql="SELECT 1", retries=9, timeoutSeconds=5, critical=False).digest == before.digest
    assert hook(sql="SELECT 2").digest != before.digest
    assert hook(configMap={"name": "hooks", "key": "a.sql"}).digest != before.digest


def test_a_planned_hook_survives_the_way_through_a_play() -> None:
    allowed = {"webhooks": {"allowedHosts": ["hooks.example.org"]}}
    for fields in ({"predefined": "create-image"}, {"webhook": {"url": "https://hooks.example.org/x"}}):
        found = hook(installation=allowed, **fields)
        assert from_plain(PlannedHook, to_plain(found), "plan") == found
