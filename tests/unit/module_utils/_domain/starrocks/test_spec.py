# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The request: every field is understood, everything else is refused with its path and a remedy."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.gate import Override
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.causes import Rule
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.gates import GateLimits
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.guard import Guard
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.spec import UpgradeSpec, parse_spec

from .builders import a_spec, examples

LEAST: dict[str, Any] = {"clusterRef": {"name": "prod"}, "target": {"version": "3.3.2"}}


def parse(document: Any) -> UpgradeSpec:
    """The document as a request."""
    return parse_spec(document, namespace="starrocks")


def test_the_least_request_has_defaults() -> None:
    spec = parse(LEAST)
    assert (spec.cluster, spec.namespace, spec.version) == ("prod", "starrocks", "3.3.2")
    assert spec.hooks == ("quiesce",)
    assert spec.gates == GateLimits()
    assert (spec.rollback, spec.leader_strategy, spec.on_drift) == ("automatic", "auto", "refuse")
    assert (spec.acknowledge, spec.overrides, spec.pod_failures) == ((), (), {})


def test_every_field_is_understood() -> None:
    spec = parse(
        {
            "clusterRef": {"name": "prod"},
            "target": {"images": {"fe": "r.example:5000/a/fe:3.3.2", "be": "be:latest", "cn": "cn:3.3.2-ee"}},
            "allowMutableTags": True,
            "hooks": ["disable-tablet-clone", "disable-balancer"],
            "gates": {
                "settleSeconds": 0,
                "consecutivePasses": 3,
                "maxReplayLag": 5,
                "podDeadlineSeconds": 60.5,
                "tabletDeadlineSeconds": 600,
            },
            "rollback": {"policy": "never"},
            "leader": {"strategy": "on-delete"},
            "onDrift": "leader",
            "acknowledge": ["leader-restart", "frontend-outage", "no-way-back", "downgrade"],
            "overrides": [{"gate": "cluster_healthy", "until": "2026-11-21T07:00:00Z", "reason": "repair"}],
            "podFailures": {"ImagePullBackOff": {"fatal": False, "seconds": 60, "restarts": 1}},
            "guard": {"image": "r.example/ee:1", "serviceAccountName": "guard", "deadlineSeconds": 600},
        }
    )
    assert spec.images == {"fe": "r.example:5000/a/fe:3.3.2", "be": "be:latest", "cn": "cn:3.3.2-ee"}
    assert spec.hooks == ("disable-tablet-clone", "disable-balancer")
    assert spec.gates == GateLimits(0, 3, 5, 60.5, 600)
    assert (spec.rollback, spec.leader_strategy, spec.on_drift) == ("never", "on-delete", "leader")
    assert spec.overrides == (Override("cluster_healthy", 1795244400.0, "repair"),)
    assert spec.pod_failures == {"ImagePullBackOff": Rule(False, 60, 1)}
    assert spec.guard == Guard("r.example/ee:1", "guard", 600)


def test_words_of_the_command_line_count() -> None:
    spec = parse({**LEAST, "allowMutableTags": "yes", "acknowledge": "downgrade, no-way-back", "hooks": []})
    assert spec.allow_mutable_tags
    assert spec.acknowledge == ("downgrade", "no-way-back")
    assert spec.hooks == ()
    assert parse({**LEAST, "gates": {"settleSeconds": "2.5"}}).gates.settle_seconds == 2.5


def case(path: str, words: str, **fields: Any) -> Any:
    """A document with these fields, the path its refusal names, and words of the refusal."""
    return pytest.param({**LEAST, **fields}, path, words, id=f"{path}: {next(iter(fields.values()))!r}"[:70])


def override(**fields: Any) -> dict[str, Any]:
    """An override with other fields."""
    return {"gate": "quorum", "until": "2026-11-21T07:00:00Z", "reason": "because", **fields}


REFUSED = [
    case("spec.clusterRef.name", "missing", clusterRef={}),
    case("spec.clusterRef", "not a mapping", clusterRef="prod"),
    case("spec.clusterRef.name", "form", clusterRef={"name": "Prod"}),
    case("spec.clusterRef.name", "form", clusterRef={"name": "a/../b"}),
    case("spec.clusterRef.name", "form", clusterRef={"name": "prod\n"}),
    case("spec.clusterRef.name", "form", clusterRef={"name": "p" * 64}),
    case("spec.clusterRef.name", "not a string", clusterRef={"name": 7}),
    case("spec.clusterRef.namespaces", "no such field", clusterRef={"name": "prod", "namespaces": "x"}),
    case("spec.target", "missing", target={}),
    case("spec.target", "either", target={"version": "3.3.2", "images": {"be": "be:3.3.2"}}),
    case("spec.target.version", "mutable", target={"version": "latest"}),
    case("spec.target.version", "mutable", target={"version": "3.3"}),
    case("spec.target.version", "not a string", target={"version": 3.3}),
    case("spec.target.version", "form", target={"version": "3.3.2 "}),
    case("spec.target.version", "form", target={"version": "3.3.2@sha256"}),
    case("spec.target.images.be", "mutable", target={"images": {"be": "starrocks/be-ubuntu"}}),
    case("spec.target.images.be", "mutable", target={"images": {"be": "starrocks/be-ubuntu:latest"}}),
    case("spec.target.images.be", "not an image", target={"images": {"be": "http://x/be:3.3.2"}}),
    case("spec.target.images.be", "not an image", target={"images": {"be": "be:3.3.2\n"}}),
    case("spec.target.images.be", "not an image", target={"images": {"be": ""}}),
    case("spec.target.images.bee", "did you mean be", target={"images": {"bee": "be:3.3.2", "be": "be:3.3.2"}}),
    case("spec.hooks[1]", "did you mean quiesce", hooks=["quiesce", "quiese"]),
    case("spec.hooks[0]", "unknown", hooks=["restore"]),
    case("spec.hooks", "not a list", hooks={"quiesce": True}),
    case("spec.gates.settleSeconds", "out of bounds", gates={"settleSeconds": -1}),
    case("spec.gates.settleSeconds", "out of bounds", gates={"settleSeconds": 1e9}),
    case("spec.gates.settleSeconds", "not a number", gates={"settleSeconds": True}),
    case("spec.gates.settleSeconds", "not a number", gates={"settleSeconds": "10s"}),
    case("spec.gates.settleSeconds", "out of bounds", gates={"settleSeconds": float("nan")}),
    case("spec.gates.consecutivePasses", "out of bounds", gates={"consecutivePasses": 0}),
    case("spec.gates.maxReplayLag", "out of bounds", gates={"maxReplayLag": -1}),
    case("spec.gates.podDeadlineSeconds", "out of bounds", gates={"podDeadlineSeconds": 0}),
    case("spec.gates.podDeadlineSeconds", "out of bounds", gates={"podDeadlineSeconds": 10**400}),
    case("spec.gates.tabletDeadlineSeconds", "out of bounds", gates={"tabletDeadlineSeconds": float("inf")}),
    case("spec.gates.settleSecond", "did you mean settleSeconds", gates={"settleSecond": 1}),
    case("spec.gates", "not a mapping", gates=[1]),
    case("spec.rollback.policy", "unknown", rollback={"policy": "always"}),
    case("spec.rollback.polcy", "did you mean policy", rollback={"polcy": "never"}),
    case("spec.leader.strategy", "unknown", leader={"strategy": ["auto"]}),
    case("spec.leader.stratgy", "did you mean strategy", leader={"stratgy": "auto"}),
    case("spec.onDrift", "unknown", onDrift="ignore"),
    case("spec.acknowledge[0]", "did you mean downgrade", acknowledge=["downgrad"]),
    case("spec.allowMutableTags", "not a boolean", allowMutableTags=1),
    case("spec.overrides[0].gate", "unknown", overrides=[override(gate="all")]),
    case("spec.overrides[0].gate", "missing", overrides=[override(gate=None)]),
    case("spec.overrides[0].reason", "missing", overrides=[override(reason="")]),
    case("spec.overrides[0].until", "missing", overrides=[override(until=None)]),
    case("spec.overrides[0].until", "form", overrides=[override(until="tomorrow")]),
    case("spec.overrides[0].until", "2026-02-30", overrides=[override(until="2026-02-30T06:00:00Z")]),
    case("spec.overrides[0].until", "2026-11-21T25", overrides=[override(until="2026-11-21T25:00:00Z")]),
    case("spec.overrides[0].for", "no such field", overrides=[override(**{"for": "ever"})]),
    case("spec.overrides[0]", "not a mapping", overrides=["quorum"]),
    case("spec.podFailures.ImagePullBackOf", "did you mean ImagePull", podFailures={"ImagePullBackOf": {}}),
    case("spec.podFailures.OOMKilled.seconds", "out of bounds", podFailures={"OOMKilled": {"seconds": -5}}),
    case("spec.podFailures.OOMKilled.fatl", "did you mean fatal", podFailures={"OOMKilled": {"fatl": True}}),
    case("spec.gates.consecutivePasses", "whole", gates={"consecutivePasses": 2.7}),
    case("spec.guard.image", "missing", guard={"serviceAccountName": "guard"}),
    case("spec.guard.image", "not an image", guard={"image": "a b"}),
    case("spec.guard.deadlineSeconds", "out of bounds", guard={"image": "ee:1", "deadlineSeconds": 1}),
    case("spec.guard.serviceAccountName", "form", guard={"image": "ee:1", "serviceAccountName": "A/b"}),
    case("spec.onDrfit", "did you mean onDrift", onDrfit="leader"),
    case("spec.7", "no such field", **{"7": 7}),
]


@pytest.mark.parametrize(("document", "path", "words"), REFUSED)
def test_refused_with_path_value_and_remedy(document: Any, path: str, words: str) -> None:
    with pytest.raises(Refused) as caught:
        parse(document)
    assert caught.value.field == path
    assert words in caught.value.reason
    assert caught.value.remedy


@pytest.mark.parametrize("document", [None, [], "prod", 7])
def test_what_is_no_document_is_refused(document: Any) -> None:
    with pytest.raises(Refused, match="spec"):
        parse(document)


def test_the_hash_is_of_where_the_cluster_goes() -> None:
    """Patience and acknowledgements may change on the way: it is still the same undertaking."""
    patient = a_spec(onDrift="leader", gates={"podDeadlineSeconds": 3600}, acknowledge=["leader-restart"])
    assert a_spec().hash == patient.hash
    assert a_spec().hash != a_spec("3.3.3").hash
    assert a_spec().hash != a_spec(clusterRef={"name": "test"}).hash


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
KNOWN = {"clusterRef", "target", "hooks", "gates", "rollback", "leader", "onDrift", "acknowledge", "overrides"} | {
    "podFailures",
    "guard",
    "allowMutableTags",
}
FIELDS = st.sampled_from(sorted(KNOWN))


@given(changes=st.dictionaries(FIELDS | st.text(max_size=6), VALUES, max_size=3))
@examples(150)
def test_any_document_is_parsed_or_refused(changes: dict[str, Any]) -> None:
    try:
        spec = parse({**LEAST, **changes})
    except Refused as refused:
        told = refused.as_result()
    else:
        told = {"field": "spec", "remedy": spec.cluster}
        assert set(changes) <= KNOWN
    assert str(told["field"]).startswith("spec")
    assert told["remedy"]
