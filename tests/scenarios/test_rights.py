# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rights in Kubernetes: none is idle, and one that is missing is named before anything is touched.

That they are enough is seen in every test that runs the product: scenarios/playbook.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scenarios import rights
from scenarios.cluster import Mark, StarRocks
from scenarios.conftest import MakeCluster, MakeDriver
from scenarios.playbook import Driver, Run
from scenarios.receiver import Receiver, answering
from scenarios.reconciling import Passes
from scenarios.rights import ROOT_SECRET, USER_SECRET, Right, named, shipped

from steadylab.certs import Authority
from steadylab.kube import MERGE_PATCH

_USERS = itertools.count(1)
# Longer than any test: who comes after a killed run finds its lease in force, and waits until the test ends that.
LEASE_SECONDS = 600
UPGRADE, RESTORE, HOOKS, RECONCILE = (
    named(shipped(role), {ROOT_SECRET: USER_SECRET}) for role in ("upgrade", "restore", "hooks", "reconcile")
)


def without(rules: Iterable[dict[str, Any]], *missing: Right) -> list[dict[str, Any]]:
    """The rules without some of their rights."""
    left = []
    for rule in rules:
        (resource,) = rule["resources"]
        verbs = [verb for verb in rule["verbs"] if (verb, resource) not in missing]
        left += [{**rule, "verbs": verbs}] if verbs else []
    return left


# docs/access.md: jobs are for a guard, watching leases is for a restore that waits; without events a run goes on.
EVENTS = {("create", "events"), ("get", "events"), ("patch", "events")}
WAITING = {("list", "leases"), ("watch", "leases")}
SOMETIMES = {("create", "jobs"), ("delete", "jobs"), *WAITING, *EVENTS}
# What these tests do not bring about: sizes left to an autoscaler, the same event twice, a watch of a server that
# cannot begin with what is there and has to be asked for a list first (before Kubernetes 1.32). The API server asks for
# `create` besides `get` for a port-forward; the audit log shows the one request.
UNSEEN = {
    ("list", "statefulsets"),
    ("list", "leases"),
    ("list", "jobs"),
    ("get", "events"),
    ("patch", "events"),
    ("create", "pods/portforward"),
}
ALWAYS = sorted(rights.of(UPGRADE) - SOMETIMES)


@pytest.fixture
def starrocks(cluster: MakeCluster) -> StarRocks:
    """Three FEs and one BE."""
    return cluster(fe=3, be=1)


def somebody(starrocks: StarRocks, rules: list[dict[str, Any]]) -> Path:
    """The kubeconfig of a new user who may do just that in the cluster's namespace."""
    return starrocks.lab.user_kubeconfig(f"somebody-{next(_USERS)}", rules, starrocks.namespace)


def run_as(
    starrocks: StarRocks, product: Driver, rules: list[dict[str, Any]], version: str = "3.3.2", **spec: Any
) -> Run:
    """The upgrade of the BE as a user who may do just that in the cluster's namespace."""
    target = {"images": {"be": f"starrocks/be-ubuntu:{version}"}}
    return product.run(product.document(None, target=target, **spec), kubeconfig=somebody(starrocks, rules))


def used(starrocks: StarRocks, since: Mark) -> set[Right]:
    """The rights that the requests since then have used."""
    return rights.used(starrocks.requests(since))


def test_those_that_are_always_needed_are_enough_for_an_upgrade(starrocks: StarRocks, product: Driver) -> None:
    run_as(starrocks, product, without(UPGRADE, *SOMETIMES)).succeeded()
    assert starrocks.tags["prod-be-0"] == "3.3.2"
    starrocks.assert_settings()
    starrocks.assert_released()


def runs(pod: dict[str, Any], tag: str) -> bool:
    """Whether a pod is of that image's tag."""
    return str(pod["spec"]["containers"][0]["image"]).endswith(f":{tag}")


def restore_after_waiting(starrocks: StarRocks, product: Driver, kubeconfig: Path, **access: Any) -> None:
    """A restore that finds the lease of a killed run in force, and goes on when that ends."""
    mark = starrocks.mark()
    document = {"metadata": {"namespace": starrocks.namespace}, "spec": {"clusterRef": {"name": starrocks.name}}}
    variables = {"starrocks_access": access, "starrocks_restore_wait_seconds": LEASE_SECONDS}
    run = product.start(document, playbook="starrocks_restore", kubeconfig=kubeconfig, **variables)

    def waits() -> bool:
        assert run.running, run.output
        return ("watch", "leases") in used(starrocks, mark)

    starrocks.wait_until(waits, "a watch of its lease")
    path = f"/apis/coordination.k8s.io/v1/namespaces/{starrocks.namespace}/leases"
    name = f"steady-rollout-starrocks-{starrocks.name}"
    released = {"spec": {"holderIdentity": "", "renewTime": None, "acquireTime": None}}
    starrocks.api.request("PATCH", f"{path}/{name}", released, MERGE_PATCH)
    run.finish().succeeded()


def assert_all_used(starrocks: StarRocks, since: Mark, rules: list[dict[str, Any]]) -> None:
    """No right is idle, and none beyond them was used."""
    found = used(starrocks, since)
    assert rights.of(rules) - found <= UNSEEN
    assert found <= rights.of(rules)


def test_no_right_of_an_upgrade_is_idle(cluster: MakeCluster, driver: MakeDriver) -> None:
    """An upgrade with a guard that is killed, a restore that waits for its lease, and an upgrade that goes back."""
    starrocks = cluster(fe=1, be=2)
    product = driver(starrocks)
    kubeconfig = somebody(starrocks, UPGRADE)
    guard = {"image": "example.com/ansible:1"}
    document = product.document(None, target={"images": {"be": "starrocks/be-ubuntu:3.3.2"}}, guard=guard)
    mark = starrocks.mark()
    run = product.start(document, kubeconfig=kubeconfig, starrocks_upgrade_lease_seconds=LEASE_SECONDS)
    starrocks.wait_switched_off()
    run.kill()
    restore_after_waiting(starrocks, product, kubeconfig)
    run_as(starrocks, product, UPGRADE, "3.3.3-broken", guard=guard).failed("rolled.back")
    assert_all_used(starrocks, mark, UPGRADE)


def test_no_right_of_a_restore_is_idle(starrocks: StarRocks, product: Driver) -> None:
    """After a run that was killed with a partition in force, and whose image a person has taken back."""
    run = product.start(product.document("3.3.2"), starrocks_upgrade_lease_seconds=LEASE_SECONDS)
    starrocks.wait_pod("prod-fe-2", lambda pod: pod and runs(pod, "3.3.2"))
    run.kill()
    starrocks.set_image("fe", "starrocks/fe-ubuntu:3.3.1")
    starrocks.wait_pod("prod-fe-2", lambda pod: pod and runs(pod, "3.3.1") and pod["status"]["phase"] == "Running")
    mark = starrocks.mark()
    restore_after_waiting(starrocks, product, somebody(starrocks, RESTORE), fe_addresses=starrocks.addresses)
    starrocks.assert_settings()
    starrocks.assert_released()
    assert_all_used(starrocks, mark, RESTORE)


def test_no_right_of_a_reconciler_is_idle(cluster: MakeCluster, driver: MakeDriver, upgrades_defined: None) -> None:
    """A preparation by annotations, an upgrade by a StarRocksUpgrade, and one that goes back."""
    starrocks = cluster(fe=1, be=2)
    kubeconfig = somebody(starrocks, RECONCILE)
    passes = Passes(starrocks, replace(driver(starrocks), kubeconfig=kubeconfig))
    mark = starrocks.mark()
    passes.annotate(prepare="true", hooks="disable-balancer")
    while passes.once()["phase"] != "Completed":
        assert passes.mirror is not None
    passes.annotate(prepare=None)
    passes.until("None")
    guard = {"image": "example.com/ansible:1"}
    for version, phase in (("3.3.2", "Succeeded"), ("3.3.3-broken", "RolledBack")):
        images = {"images": {"be": f"starrocks/be-ubuntu:{version}"}}
        passes.until(phase, "StarRocksUpgrade", passes.upgrade(None, target=images, guard=guard), patience=5)
    starrocks.assert_settings()
    starrocks.assert_released()
    assert_all_used(starrocks, mark, RECONCILE)


def test_no_right_of_hooks_is_idle(starrocks: StarRocks, product: Driver, tmp_path: Path) -> None:
    """Scripts, allowed by the namespace, of which one does not end in time; and a webhook with a secret header."""
    api, namespace = starrocks.api, starrocks.namespace
    api.patch("Namespace", namespace, {"metadata": {"labels": {"rollout.steady.dev/allow-unsafe-hooks": "true"}}})
    for kind, name, data in (("ConfigMap", "hooks", {"a.sh": "true"}), ("Secret", "rollout-webhooks", {"token": "t"})):
        metadata = {"name": name, "namespace": namespace}
        key = "stringData" if kind == "Secret" else "data"
        api.apply({"apiVersion": "v1", "kind": kind, "metadata": metadata, key: data})
    authority = Authority.create()
    (tmp_path / "ca.pem").write_bytes(authority.pair.certificate)
    rules = [*UPGRADE, *named(HOOKS, {"starrocks": namespace})]
    mark = starrocks.mark()
    with Receiver(answering(), authority, tmp_path / "receiver") as receiver:
        secret = {"secretKeyRef": {"name": "rollout-webhooks", "key": "token"}}
        webhook = {"url": receiver.url("/hook"), "headers": [{"name": "Authorization", "valueFrom": secret}]}
        script = {"configMap": {"name": "hooks", "key": "a.sh"}, "critical": False, "timeoutSeconds": 12}
        installation = {
            "hooks": {"scripts": {"image": "example.com/hooks:1-never"}},
            "webhooks": {
                "allowedHosts": [receiver.authority],
                "allowedNetworks": ["127.0.0.0/8", "::1/128"],
                "caFile": str(tmp_path / "ca.pem"),
            },
        }
        document = product.document(
            None,
            target={"images": {"be": "starrocks/be-ubuntu:3.3.2"}},
            stages={"pre": [{"name": "endless", **script}, {"name": "tell", "webhook": webhook}]},
        )
        kubeconfig = somebody(starrocks, rules)
        product.run(document, kubeconfig=kubeconfig, rollout_installation=installation).succeeded()
        assert [got.headers["authorization"] for got in receiver.got] == ["t"]
    found = used(starrocks, mark)
    assert rights.of(HOOKS) - found <= UNSEEN
    assert found <= rights.of(rules)


@pytest.mark.parametrize("right", ALWAYS, ids=" ".join)
def test_each_missing_right_is_named_before_anything_is_touched(right: Right, calm: StarRocks, asked: Driver) -> None:
    mark = calm.mark()
    verb, resource = right
    target = {"images": {"be": "starrocks/be-ubuntu:3.3.2"}}
    kubeconfig = somebody(calm, without(UPGRADE, right))
    asked.preflight(asked.document(None, target=target), kubeconfig=kubeconfig).failed(rf"\b{verb}\b", resource)
    calm.untouched(mark)


def test_all_missing_rights_are_named_at_once(calm: StarRocks, asked: Driver) -> None:
    mark = calm.mark()
    run = run_as(calm, asked, [rule for rule in UPGRADE if rule["resources"] == ["starrocksclusters"]])
    # The Secret shows when it is read: docs/access.md.
    expected = [(verb, what) for verb, what in ALWAYS if what not in ("starrocksclusters", "secrets")]
    run.failed(*(rf"\b{verb}\b[^;]*\b{resource}\b" for verb, resource in expected))
    calm.untouched(mark)
