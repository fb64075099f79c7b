# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rights in Kubernetes: the documented ones are enough; one that is missing is named before anything is touched."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from scenarios.cluster import StarRocks
from scenarios.conftest import MakeCluster
from scenarios.playbook import Driver, Run

_USERS = itertools.count(1)
# (verb, API group, resource) as documented for the upgrade playbook.
RIGHTS = (
    ("get", "starrocks.com", "starrocksclusters"),
    ("patch", "starrocks.com", "starrocksclusters"),
    ("list", "apps", "statefulsets"),
    ("list", "", "pods"),
    ("watch", "", "pods"),
    ("create", "", "pods/portforward"),
    ("get", "", "configmaps"),
    ("create", "", "configmaps"),
    ("patch", "", "configmaps"),
    ("get", "", "secrets"),
    ("get", "coordination.k8s.io", "leases"),
    ("list", "coordination.k8s.io", "leases"),
    ("watch", "coordination.k8s.io", "leases"),
    ("create", "coordination.k8s.io", "leases"),
    ("patch", "coordination.k8s.io", "leases"),
)
Right = tuple[str, str, str]


def rules(*rights: Right) -> list[dict[str, Any]]:
    """The rights as RBAC rules."""
    return [{"verbs": [verb], "apiGroups": [group], "resources": [resource]} for verb, group, resource in rights]


@pytest.fixture
def starrocks(cluster: MakeCluster) -> StarRocks:
    """Three FEs and one BE."""
    return cluster(fe=3, be=1)


def run_as(starrocks: StarRocks, product: Driver, rights: tuple[Right, ...], **spec: Any) -> Run:
    """The upgrade of the BE as a user with just these rights in the cluster's namespace."""
    kubeconfig = starrocks.lab.user_kubeconfig(f"somebody-{next(_USERS)}", rules(*rights), starrocks.namespace)
    target = {"images": {"be": "starrocks/be-ubuntu:3.3.2"}}
    return product.run(product.document(None, target=target, **spec), kubeconfig=kubeconfig)


def test_the_documented_rights_are_enough(starrocks: StarRocks, product: Driver) -> None:
    run_as(starrocks, product, RIGHTS).succeeded()
    assert starrocks.tags["prod-be-0"] == "3.3.2"
    starrocks.assert_settings()
    starrocks.assert_released()


def test_the_documented_rights_are_enough_for_a_rollback(starrocks: StarRocks, product: Driver) -> None:
    kubeconfig = starrocks.lab.user_kubeconfig(f"somebody-{next(_USERS)}", rules(*RIGHTS), starrocks.namespace)
    target = {"images": {"be": "starrocks/be-ubuntu:3.3.2-broken"}}
    product.run(product.document(None, target=target), kubeconfig=kubeconfig).failed("CrashLoopBackOff", "rolled.back")
    assert starrocks.tags["prod-be-0"] == "3.3.1"
    starrocks.assert_settings()


@pytest.mark.parametrize("right", RIGHTS, ids=lambda right: f"{right[0]} {right[2]}")
def test_each_missing_right_is_named_before_anything_is_touched(right: Right, calm: StarRocks, asked: Driver) -> None:
    mark = calm.mark()
    run = run_as(calm, asked, tuple(other for other in RIGHTS if other != right))
    verb, _group, resource = right
    run.failed(rf"\b{verb}\b", resource)
    calm.untouched(mark)


def test_all_missing_rights_are_named_at_once(calm: StarRocks, asked: Driver) -> None:
    mark = calm.mark()
    run = run_as(calm, asked, RIGHTS[:1])
    run.failed(*(rf"\b{verb}\b[^;]*{resource}" for verb, _group, resource in RIGHTS[1:] if resource != "secrets"))
    calm.untouched(mark)
