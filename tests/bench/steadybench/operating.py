# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped playbooks under the real ansible-operator: what a pass takes that finds nothing to do."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any, Final

import urllib3
from scenarios.manifests import applied, built
from scenarios.operating import configuration
from scenarios.real_operator import Running, running

from steadybench.cases import Bench, Failed
from steadybench.measure import tree_cpu, tree_pss
from steadybench.stage import CLUSTER, PASSWORD_KEY, Site, until
from steadylab.lab import Lab

KIND: Final = "starrocksupgrades.rollout.steady.dev"
PERIOD: Final = "ansible.sdk.operatorframework.io/reconcile-period"
PASSES: Final = 10
LONGEST_SECONDS: Final = 120.0
# controller-runtime's histogram of whole passes (pkg/internal/controller/metrics/metrics.go).
_TIME: Final = (
    r'controller_runtime_reconcile_time_seconds_%s\{controller="starrocksupgrade-v1alpha1-controller"\} (\S+)'
)
# For the bench alone, which is no Prometheus with a token.
_PLAIN_METRICS: Final = ("--metrics-secure=false", "--metrics-require-rbac=false")


@dataclass(frozen=True)
class Operated:
    """A pass over an object whose upgrade has succeeded, the mean of so many.

    `wall` and `cpu` in seconds, the CPU of all processes; `pss` of the whole tree between passes, in MB.
    """

    passes: int
    wall: float
    cpu: float
    pss: float
    load: float


def passes(bench: Bench, lab: Lab) -> Operated:
    """Measure them, over the one cluster of a lab."""
    site, folder = Site(lab, "starrocks", be=1), bench.folder / "operator"
    folder.mkdir()
    manifests = built(lab, "without-policies")
    applied(lab, manifests, folder)
    lab.setup_api.wait_served(KIND)
    secret = {"name": f"{CLUSTER}-root", "key": PASSWORD_KEY}
    access = {"fe_user": "root", "fe_password_secret": secret, "fe_addresses": site.addresses(), "patience": 0}
    settings, load = configuration(folder / "configuration", starrocks=access), os.getloadavg()[0]
    with running(manifests, folder, settings, lab.kubeconfig, *_PLAIN_METRICS) as operator:
        _make(site)
        _await(lambda: _told(operator, "count") >= 3, "three passes")
        count, took, used = _told(operator, "count"), _told(operator, "sum"), tree_cpu(operator.process.pid)
        _await(lambda: _told(operator, "count") >= count + PASSES, f"{PASSES} passes")
        more = _told(operator, "count") - count
        wall = (_told(operator, "sum") - took) / more
        cpu = (tree_cpu(operator.process.pid) - used) / more
        pss = tree_pss(operator.process.pid)
    operated = Operated(round(more), wall, cpu, pss, load)
    bench.say(f"real ansible-operator: a pass {wall:.2f} s, {cpu:.2f} CPU s, {pss:.0f} MB (load {load:.1f})")
    return operated


def _make(site: Site) -> None:
    """Make an upgrade to what is there, which is looked at again at once, and wait until its status says that it is."""
    spec: dict[str, Any] = {"clusterRef": {"name": CLUSTER}, "target": {"images": {"be": "starrocks/be-ubuntu:3.3.1"}}}
    group = KIND.partition(".")[2]
    metadata = {"name": "done", "annotations": {PERIOD: "100ms"}}
    body = {"apiVersion": f"{group}/v1alpha1", "kind": "StarRocksUpgrade", "metadata": metadata, "spec": spec}
    folder = f"/apis/{group}/v1alpha1/namespaces/{site.namespace}/{KIND.partition('.')[0]}"
    api = site.lab.setup_api
    api.request("POST", folder, body)

    def succeeded() -> bool:
        status = api.request("GET", f"{folder}/done").get("status") or {}
        return bool(status.get("phase") == "Succeeded")

    _await(succeeded, "the object has succeeded")


def _await(condition: Any, what: str) -> None:
    if not until(condition, LONGEST_SECONDS):
        raise Failed(
            f"real ansible-operator: not within {LONGEST_SECONDS:.0f} s: {what}; its log is operator/operator.log"
        )


def _told(operator: Running, which: str) -> float:
    """What its metrics say of passes so far: `count` or `sum`."""
    text = urllib3.request("GET", f"http://127.0.0.1:{operator.metrics}/metrics", timeout=10).data.decode()
    found = re.search(_TIME % which, text)
    return float(found[1]) if found else 0.0
