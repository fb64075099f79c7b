# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every trigger of a StarRocksCluster, alone and together, and what is told of one that cannot be understood."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation import Installation
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import trigger
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.crd import FIELDS
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.catalogue import Catalogue
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.entries import Stages
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.resolve import Sources, plan_hooks
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Component

IMAGES: dict[Component, str] = {"fe": "starrocks/fe-ubuntu:3.3.1", "be": "registry:5000/be@sha256:" + "0" * 64}
CATALOGUE = Catalogue.of()
ANNOTATED = {trigger.PREPARE: "true"}


def resource(
    annotations: dict[str, str] | None = None, fe: dict[str, Any] | None = None, **spec: Any
) -> dict[str, Any]:
    """A StarRocksCluster."""
    return {"metadata": {"annotations": annotations or {}}, "spec": {"starRocksFeSpec": fe or {}, **spec}}


def read(document: dict[str, Any]) -> trigger.Trigger | None:
    return trigger.trigger_of(document, IMAGES, CATALOGUE)


def found(document: dict[str, Any]) -> trigger.Trigger:
    result = read(document)
    assert result is not None
    return result


def names(document: dict[str, Any]) -> list[str]:
    return [hook.name for hook in found(document).hooks]


@pytest.mark.parametrize(
    "document",
    [
        {},
        resource(),
        resource({trigger.PREPARE: "false"}),
        resource({trigger.HOOKS: "no-such-hook"}),
        resource(upgradePreparation={"enabled": False, "hooks": [{"name": "no-such-hook"}]}),
        resource(upgradePreparation={"hooks": [{"name": "quiesce"}]}),
    ],
    ids=["nothing", "plain", "false", "hooks alone", "disabled", "not enabled"],
)
def test_no_trigger(document: dict[str, Any]) -> None:
    assert read(document) is None


def test_annotations_name_hooks() -> None:
    document = resource({**ANNOTATED, trigger.HOOKS: "disable-tablet-clone, disable-balancer"})
    assert names(document) == ["disable-tablet-clone", "disable-balancer"]
    assert found(document).timeout_seconds == trigger.DEFAULT_TIMEOUT_SECONDS


def test_an_annotation_without_hooks_means_those_of_the_upgrade_guide() -> None:
    assert names(resource(ANNOTATED)) == ["quiesce"]


def test_upgrade_preparation() -> None:
    hooks = [
        {"name": "disable-balancer"},
        {"name": "look", "command": "SHOW FRONTENDS", "critical": True},
    ]
    document = resource(upgradePreparation={"enabled": True, "hooks": hooks, "timeoutSeconds": 300})
    first, second = found(document).hooks
    assert (first.predefined, first.terms.critical) == ("disable-balancer", False)
    assert (second.sql, second.terms.critical, second.terms.timeout_seconds) == ("SHOW FRONTENDS", True, 300)
    assert found(document).timeout_seconds == 300


def test_upgrade_hooks_of_the_fe() -> None:
    hooks = {
        "predefined": ["disable-tablet-clone"],
        "custom": {"configMapName": "fe-upgrade-hooks", "scriptKey": "hooks.sql"},
        "timeoutSeconds": 120,
    }
    document = resource(fe={"upgradeHooks": hooks})
    assert names(document) == ["disable-tablet-clone", "custom"]
    assert found(document).hooks[1].config_map is not None
    assert found(document).timeout_seconds == 120


def test_triggers_add_up_and_the_shortest_patience_counts() -> None:
    document = resource(
        {**ANNOTATED, trigger.HOOKS: "disable-balancer"},
        fe={"upgradeHooks": {"predefined": ["disable-balancer", "disable-tablet-clone"], "timeoutSeconds": 600}},
        upgradePreparation={"enabled": True, "hooks": [{"name": "disable-balancer"}], "timeoutSeconds": 60},
    )
    assert names(document) == ["disable-balancer", "disable-tablet-clone"]
    assert found(document).timeout_seconds == 60
    assert found(document).sources == (
        "metadata.annotations[starrocks.com/prepare-upgrade]",
        "spec.upgradePreparation",
        "spec.starRocksFeSpec.upgradeHooks",
    )


def test_a_declared_target_is_told_as_images() -> None:
    document = resource({**ANNOTATED, trigger.TARGET: "3.3.2"})
    assert found(document).target == {"fe": "starrocks/fe-ubuntu:3.3.2", "be": "registry:5000/be:3.3.2"}
    assert found(document).wish.request == found(resource(ANNOTATED)).wish.request


def test_other_hooks_are_another_request_and_another_patience_is_not() -> None:
    def request(**more: Any) -> str:
        return found(resource(upgradePreparation={"enabled": True, **more})).wish.request

    one = request(hooks=[{"name": "quiesce"}])
    assert request(hooks=[{"name": "disable-balancer"}]) != one
    assert (
        found(resource({**ANNOTATED, trigger.HOOKS: "quiesce"})).wish.request == found(resource(ANNOTATED)).wish.request
    )


BAD: list[tuple[str, dict[str, Any], str]] = [
    (
        "unknown name",
        resource({**ANNOTATED, trigger.HOOKS: "quiesce,disable-balancr"}),
        r"hooks][1] = 'disable-balancr'",
    ),
    ("empty name", resource({**ANNOTATED, trigger.HOOKS: "quiesce,,disable-balancer"}), "hooks][1]"),
    ("no name", resource({**ANNOTATED, trigger.HOOKS: ""}), "hooks][0]"),
    ("neither true nor false", resource({trigger.PREPARE: "yes please"}), "prepare-upgrade] = 'yes please'"),
    ("target", resource({**ANNOTATED, trigger.TARGET: "3.3.2; rm"}), "upgrade-target] = '3.3.2; rm'"),
    ("no hooks", resource(upgradePreparation={"enabled": True}), "spec.upgradePreparation.hooks"),
    (
        "unknown hook in the spec",
        resource(upgradePreparation={"enabled": True, "hooks": [{"name": "make-coffee"}]}),
        "spec.upgradePreparation.hooks[0].name = 'make-coffee'",
    ),
    (
        "empty hook in the spec",
        resource(upgradePreparation={"enabled": True, "hooks": [{"name": ""}]}),
        "spec.upgradePreparation.hooks[0].name",
    ),
    ("nothing in upgradeHooks", resource(fe={"upgradeHooks": {}}), "spec.starRocksFeSpec.upgradeHooks"),
    (
        "unknown predefined",
        resource(fe={"upgradeHooks": {"predefined": ["quiesce", ""]}}),
        "spec.starRocksFeSpec.upgradeHooks.predefined[1]",
    ),
    (
        "custom without a key",
        resource(fe={"upgradeHooks": {"custom": {"configMapName": "x"}}}),
        "spec.starRocksFeSpec.upgradeHooks.custom",
    ),
    (
        "two of one name",
        resource(
            fe={"upgradeHooks": {"custom": {"configMapName": "x", "scriptKey": "a.sql"}}},
            upgradePreparation={"enabled": True, "hooks": [{"name": "custom", "command": "SHOW FRONTENDS"}]},
        ),
        "'custom': two hooks of one name",
    ),
    (
        "patience",
        resource(upgradePreparation={"enabled": True, "hooks": [{"name": "quiesce"}], "timeoutSeconds": 0}),
        "spec.upgradePreparation.timeoutSeconds = 0",
    ),
]


@pytest.mark.parametrize(("document", "said"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_what_is_not_understood_is_told_with_field_value_and_remedy(document: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused) as refused:
        read(document)
    assert said in refused.value.reason
    assert refused.value.remedy


FORBIDDEN = [
    (
        "command",
        resource(upgradePreparation={"enabled": True, "hooks": [{"name": "own", "command": "DROP TABLE t"}]}),
        "spec.upgradePreparation.hooks[0].command",
    ),
    (
        "custom",
        resource(fe={"upgradeHooks": {"custom": {"configMapName": "gone", "scriptKey": "a.sql"}}}),
        "spec.starRocksFeSpec.upgradeHooks.custom",
    ),
]


@pytest.mark.parametrize(("document", "place"), [row[1:] for row in FORBIDDEN], ids=[row[0] for row in FORBIDDEN])
def test_what_must_not_run_is_refused_at_the_place_where_its_author_wrote_it(
    document: dict[str, Any], place: str
) -> None:
    plan = plan_hooks(Stages(pre=found(document).hooks), CATALOGUE, Sources(), Installation())
    assert [refused.field for refused in plan.refusals["pre"]] == [place]


def test_hooks_that_can_run_know_the_place_where_their_author_wrote_them() -> None:
    document = resource(
        {**ANNOTATED, trigger.HOOKS: "disable-balancer,disable-balancer,create-image"},
        fe={"upgradeHooks": {"predefined": ["drop-job-history"]}},
    )
    plan = plan_hooks(Stages(pre=found(document).hooks), CATALOGUE, Sources(), Installation())
    assert [hook.place.source for hook in plan.pre] == [
        f"metadata.annotations[{trigger.HOOKS}][0]",
        f"metadata.annotations[{trigger.HOOKS}][2]",
        "spec.starRocksFeSpec.upgradeHooks.predefined[0]",
    ]


def test_the_same_hooks_are_the_same_request_wherever_they_stand() -> None:
    annotated = found(resource({**ANNOTATED, trigger.HOOKS: "drop-job-history,quiesce"}))
    turned = found(resource({**ANNOTATED, trigger.HOOKS: "drop-job-history,drop-job-history,quiesce"}))
    assert annotated.hooks[1].place != turned.hooks[1].place
    assert annotated.wish == turned.wish


def applied(**spec: Any) -> dict[str, Any]:
    document = resource()
    document["metadata"]["annotations"][trigger.LAST_APPLIED] = json.dumps({"spec": spec})
    return document


def test_a_dropped_field_is_known_from_what_kubectl_applied() -> None:
    document = applied(upgradePreparation={"enabled": True}, starRocksFeSpec={"upgradeHooks": {}})
    assert trigger.pruned_fields(document, []) == ["spec.upgradePreparation", "spec.starRocksFeSpec.upgradeHooks"]
    assert trigger.pruned_fields(document, [str(field) for field in FIELDS]) == []


def test_a_dropped_field_is_known_from_who_set_it() -> None:
    document = resource()
    owned = {"f:spec": {"f:starRocksFeSpec": {"f:upgradeHooks": {"f:predefined": {}}}}}
    document["metadata"]["managedFields"] = [{"manager": "kubectl", "fieldsV1": owned}]
    assert trigger.pruned_fields(document, []) == ["spec.starRocksFeSpec.upgradeHooks"]


@pytest.mark.parametrize("text", ["", "nonsense", "[]", "null"])
def test_without_a_trace_nothing_is_claimed(text: str) -> None:
    document = resource({trigger.LAST_APPLIED: text})
    assert trigger.pruned_fields(document, []) == []


def test_a_field_that_is_there_was_not_dropped() -> None:
    document = applied(upgradePreparation={"enabled": True})
    document["spec"]["upgradePreparation"] = {"enabled": True}
    assert trigger.pruned_fields(document, []) == []


@pytest.mark.parametrize("text", ["", "not JSON", "[" * 200_000])
def test_what_kubectl_left_may_be_anything(text: str) -> None:
    document = {"metadata": {"annotations": {trigger.LAST_APPLIED: text}}}
    assert trigger.pruned_fields(document, []) == []
