# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rights in Kubernetes: the documented ones are enough; one that is missing is named before anything is touched."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import pytest
import yaml
from scenarios.cluster import StarRocks
from scenarios.conftest import MakeCluster
from scenarios.playbook import ROOT, Driver, Run

_USERS = itertools.count(1)
UPGRADE, RESTORE = (
    yaml.safe_load((ROOT / "operator" / "rbac" / f"starrocks-{role}-role.yml").read_text("utf-8"))["rules"]
    for role in ("upgrade", "restore")
)
Right = tuple[str, str]


def rights(rules: Iterable[dict[str, Any]]) -> set[Right]:
    """The rights of a Role, as verb and resource."""
    return {(verb, resource) for rule in rules for verb in rule["verbs"] for resource in rule["resources"]}


def without(rules: Iterable[dict[str, Any]], *missing: Right) -> list[dict[str, Any]]:
    """The rules without some of their rights."""
    left = []
    for rule in rules:
        (resource,) = rule["resources"]
        verbs = [verb for verb in rule["verbs"] if (verb, resource) not in missing]
        left += [{**rule, "verbs": verbs}] if verbs else []
    return left


# docs/access.md: jobs are for a guard.
SOMETIMES = {("create", "jobs"), ("delete", "jobs")}
ALWAYS = sorted(rights(UPGRADE) - SOMETIMES)


@pytest.fixture
def starrocks(cluster: MakeCluster) -> StarRocks:
    """Three FEs and one BE."""
    return cluster(fe=3, be=1)


def run_as(starrocks: StarRocks, product: Driver, rules: list[dict[str, Any]], version: str = "3.3.2") -> Run:
    """The upgrade of the BE as a user who may do just that in the cluster's namespace."""
    kubeconfig = starrocks.lab.user_kubeconfig(f"somebody-{next(_USERS)}", rules, starrocks.namespace)
    target = {"images": {"be": f"starrocks/be-ubuntu:{version}"}}
    return product.run(product.document(None, target=target), kubeconfig=kubeconfig)


@pytest.mark.parametrize("missing", [(), SOMETIMES], ids=["all", "only those that are always needed"])
def test_the_documented_rights_are_enough(missing: Iterable[Right], starrocks: StarRocks, product: Driver) -> None:
    run_as(starrocks, product, without(UPGRADE, *missing)).succeeded()
    assert starrocks.tags["prod-be-0"] == "3.3.2"
    starrocks.assert_settings()
    starrocks.assert_released()


def test_the_documented_rights_are_enough_for_a_rollback(starrocks: StarRocks, product: Driver) -> None:
    run_as(starrocks, product, UPGRADE, "3.3.2-broken").failed("CrashLoopBackOff", "rolled.back")
    assert starrocks.tags["prod-be-0"] == "3.3.1"
    starrocks.assert_settings()


def test_the_documented_rights_are_enough_for_a_restore(starrocks: StarRocks, product: Driver) -> None:
    run = product.start(product.document("3.3.2"), starrocks_upgrade_lease_seconds=5)
    starrocks.wait_switched_off()
    run.kill()
    port_forward = {"apiGroups": [""], "resources": ["pods/portforward"], "verbs": ["create", "get"]}
    rules = [*RESTORE, port_forward]
    kubeconfig = starrocks.lab.user_kubeconfig(f"somebody-{next(_USERS)}", rules, starrocks.namespace)
    product.restore(kubeconfig=kubeconfig, starrocks_restore_lease_seconds=5).succeeded()
    starrocks.assert_settings()
    starrocks.assert_released()


@pytest.mark.parametrize("right", ALWAYS, ids=" ".join)
def test_each_missing_right_is_named_before_anything_is_touched(right: Right, calm: StarRocks, asked: Driver) -> None:
    mark = calm.mark()
    verb, resource = right
    run_as(calm, asked, without(UPGRADE, right)).failed(rf"\b{verb}\b", resource)
    calm.untouched(mark)


def test_all_missing_rights_are_named_at_once(calm: StarRocks, asked: Driver) -> None:
    mark = calm.mark()
    run = run_as(calm, asked, [rule for rule in UPGRADE if rule["resources"] == ["starrocksclusters"]])
    # The Secret shows when it is read: docs/access.md.
    expected = [(verb, what) for verb, what in ALWAYS if what not in ("starrocksclusters", "secrets")]
    run.failed(*(rf"\b{verb}\b[^;]*\b{resource}\b" for verb, resource in expected))
    calm.untouched(mark)
