# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""StarRocks under the real ansible-operator, with the rights that operator/kustomize gives it and no other."""

from __future__ import annotations

from pathlib import Path

import pytest
from scenarios import rights
from scenarios.cluster import StarRocks
from scenarios.conftest import MakeCluster
from scenarios.manifests import account_kubeconfig, applied, built, rules, used
from scenarios.operating import configuration
from scenarios.playbook import Driver
from scenarios.real_operator import awaited, gone, needed, phase_is, running
from scenarios.reconciling import Passes
from scenarios.rights import ACCESS

pytestmark = [needed, pytest.mark.usefixtures("upgrades_defined")]


@pytest.fixture
def starrocks(cluster: MakeCluster) -> StarRocks:
    """Three FEs and one BE."""
    return cluster(fe=3, be=1)


def test_lives_of_objects_under_the_real_operator(starrocks: StarRocks, product: Driver, tmp_path: Path) -> None:
    lab, passes = starrocks.lab, Passes(starrocks, product)
    manifests = built(lab, "without-policies")
    applied(lab, manifests, tmp_path)
    options = {**ACCESS, "fe_addresses": starrocks.addresses, "patience": 0}
    folder = configuration(tmp_path / "configuration", starrocks=options)
    mark = starrocks.mark()
    with running(lab, tmp_path, folder, account_kubeconfig(lab, tmp_path)) as log:
        # An upgrade, from its creation to its deletion.
        first = passes.path(passes.upgrade("3.3.2"))
        awaited(lab, first, phase_is("Succeeded"), log)
        assert set(starrocks.tags.values()) == {"3.3.2"}
        starrocks.assert_settings()
        record = starrocks.find("v1", "configmaps", f"steady-rollout-starrocks-{starrocks.name}")
        assert record is not None
        assert "ownerReferences" not in record["metadata"], "it would go with the object, from under the next run"
        lab.setup_api.request("DELETE", first)
        awaited(lab, first, gone, log)
        # A cluster that is prepared by annotations.
        cluster = f"/apis/starrocks.com/v1/namespaces/{starrocks.namespace}/starrocksclusters/{starrocks.name}"
        passes.annotate(prepare="true", hooks="disable-balancer")
        awaited(lab, cluster, lambda _found: bool(passes.mirror and passes.mirror["held"]), log)
        passes.annotate(prepare=None)
        awaited(lab, cluster, lambda _found: passes.mirror is None, log)
        starrocks.assert_settings()
        # One that is deleted in the middle.
        gates = {"podDeadlineSeconds": 600}
        never = {"images": {"be": "starrocks/be-ubuntu:3.3.3-never"}}
        second = passes.path(passes.upgrade(None, target=never, gates=gates))
        awaited(lab, second, lambda found: bool(((found or {}).get("status") or {}).get("openSettings")), log)
        lab.setup_api.request("DELETE", second)
        awaited(lab, second, gone, log)
        starrocks.assert_settings()
        starrocks.assert_released()
    text = log.read_text("utf-8")
    assert "Read object from cache" not in text
    assert "did not receive playbook_on_stats event" not in text
    roles = ("starrocks", "starrocks-secrets", "starrocksclusters", "starrocksupgrades", "dbupgrades")
    granted = rights.of(rules(manifests, *(f"steady-rollout-{role}" for role in roles)))
    entries = [entry for entry in lab.audit_entries()[mark.audit :] if entry["responseStatus"]["code"] != 403]
    assert used(entries) <= granted
    own = {("list", "starrocksupgrades"), ("watch", "starrocksupgrades"), ("update", "starrocksupgrades")}
    assert own <= used(entries)
