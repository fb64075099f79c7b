# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""StarRocks under the real ansible-operator, with the rights that operator/kustomize gives it and no other."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
import urllib3
from scenarios import rights
from scenarios.cluster import StarRocks
from scenarios.conftest import MakeCluster
from scenarios.manifests import NAMESPACE, account_kubeconfig, applied, built, rules, used
from scenarios.operating import configuration
from scenarios.playbook import Driver
from scenarios.real_operator import Running, awaited, gone, phase_is, running
from scenarios.reconciling import Passes
from scenarios.rights import ACCESS

from steadylab import Lab

# Rights of the operator itself, whatever it looks after: the roles, and what it cannot do without.
ITSELF = ("leader-election", "metrics-auth")
OF_ITSELF = {("update", "leases"), ("create", "tokenreviews"), ("create", "subjectaccessreviews")}
LEADER = "steady-rollout-leader"
# terminationGracePeriodSeconds of the Deployment.
STOP_SECONDS = 100
pytestmark = [
    pytest.mark.usefixtures("upgrades_defined"),
    pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning"),
]


@pytest.fixture
def starrocks(cluster: MakeCluster) -> StarRocks:
    """Three FEs and one BE."""
    return cluster(fe=3, be=1)


def answer(operator: Running, path: str, token: str = "") -> urllib3.BaseHTTPResponse:
    """What it answers to a probe, or to who reads its metrics; its certificate is its own."""
    scheme, port = ("https", operator.metrics) if path == "/metrics" else ("http", operator.probes)
    http = urllib3.PoolManager(cert_reqs="CERT_NONE", assert_hostname=False)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return http.request("GET", f"{scheme}://127.0.0.1:{port}{path}", headers=headers, timeout=30, retries=False)


def leads_and_tells(lab: Lab, operator: Running, namespace: str, folder: Path) -> None:
    """It holds the Lease that makes it the one writer, answers the probes, and shows metrics to who may read them."""
    lease = lab.setup_api.request("GET", f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{LEADER}")
    assert lease["spec"]["holderIdentity"]
    assert [answer(operator, path).status for path in ("/healthz", "/readyz")] == [200, 200]
    account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "prometheus", "namespace": namespace}}
    applied(lab, [account], folder)
    token = lab.kubectl("create", "token", "prometheus", f"--namespace={namespace}").strip()
    assert [answer(operator, "/metrics", each).status for each in ("", token)] == [401, 403]
    reader = {"kind": "ClusterRole", "apiGroup": "rbac.authorization.k8s.io", "name": "steady-rollout-metrics-reader"}
    binding = {
        "kind": "ClusterRoleBinding",
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "metadata": {"name": f"prometheus-{namespace}"},
        "roleRef": reader,
        "subjects": [{"kind": "ServiceAccount", "name": "prometheus", "namespace": namespace}],
    }
    applied(lab, [binding], folder)
    # The authorizer learns of the binding, and the operator forgets its refusal, a moment later.
    deadline = time.monotonic() + STOP_SECONDS
    while (told := answer(operator, "/metrics", token)).status != 200:
        assert time.monotonic() < deadline, told.data
    assert b"controller_runtime_reconcile_total" in told.data


def test_lives_of_objects_under_the_real_operator(starrocks: StarRocks, product: Driver, tmp_path: Path) -> None:
    lab, passes = starrocks.lab, Passes(starrocks, product)
    manifests = built(lab, "without-policies")
    applied(lab, manifests, tmp_path)
    options = {**ACCESS, "fe_addresses": starrocks.addresses, "patience": 0}
    folder = configuration(tmp_path / "configuration", starrocks=options)
    mark = starrocks.mark()
    with running(manifests, tmp_path, folder, account_kubeconfig(lab, tmp_path)) as operator:
        # An upgrade, from its creation to its deletion.
        first = passes.path(passes.upgrade("3.3.2"))
        awaited(lab, first, phase_is("Succeeded"), operator.log)
        assert set(starrocks.tags.values()) == {"3.3.2"}
        starrocks.assert_settings()
        record = starrocks.find("v1", "configmaps", f"steady-rollout-starrocks-{starrocks.name}")
        assert record is not None
        assert "ownerReferences" not in record["metadata"], "it would go with the object, from under the next run"
        lab.setup_api.request("DELETE", first)
        awaited(lab, first, gone, operator.log)
        # A cluster that is prepared by annotations.
        cluster = f"/apis/starrocks.com/v1/namespaces/{starrocks.namespace}/starrocksclusters/{starrocks.name}"
        passes.annotate(prepare="true", hooks="disable-balancer")
        awaited(lab, cluster, lambda _found: bool(passes.mirror and passes.mirror["held"]), operator.log)
        passes.annotate(prepare=None)
        awaited(lab, cluster, lambda _found: passes.mirror is None, operator.log)
        starrocks.assert_settings()
        # One that is deleted in the middle.
        gates = {"podDeadlineSeconds": 600}
        never = {"images": {"be": "starrocks/be-ubuntu:3.3.3-never"}}
        second = passes.path(passes.upgrade(None, target=never, gates=gates))
        awaited(lab, second, lambda found: bool(((found or {}).get("status") or {}).get("openSettings")), operator.log)
        lab.setup_api.request("DELETE", second)
        awaited(lab, second, gone, operator.log)
        starrocks.assert_settings()
        starrocks.assert_released()
        leads_and_tells(lab, operator, starrocks.namespace, tmp_path)
        # As a pod is asked to end.
        operator.process.send_signal(signal.SIGTERM)
        assert operator.process.wait(STOP_SECONDS) == 0
    assert "Read object from cache" not in operator.said
    assert "did not receive playbook_on_stats event" not in operator.said
    roles = ("starrocks", "starrocks-secrets", "starrocksclusters", "starrocksupgrades", "dbupgrades", *ITSELF)
    granted = rights.of(rules(manifests, *(f"steady-rollout-{role}" for role in roles)))
    entries = [entry for entry in lab.audit_entries()[mark.audit :] if entry["responseStatus"]["code"] != 403]
    assert used(entries) <= granted
    own = {("list", "starrocksupgrades"), ("watch", "starrocksupgrades"), ("update", "starrocksupgrades")}
    assert own | OF_ITSELF <= used(entries)
