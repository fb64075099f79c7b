# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab for all tests of a pytest process, and a StarRocks cluster in a namespace of its own for each test."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scenarios.cluster import StarRocks
from scenarios.manifests import account, built
from scenarios.playbook import ROOT, Driver
from scenarios.reconciling import Passes
from xdist.scheduler import LoadScopeScheduling

from steadylab import Lab

_COUNTER = itertools.count(1)
READY_SECONDS = 0.5
# Tests with a lab of their own kind: one process starts it for all of them.
_TOGETHER = (
    "scenarios/test_guard.py::",
    "scenarios/test_leader.py::test_leader_comes_last_by_on_delete[",
    "scenarios/test_nodes.py::",
    "scenarios/test_scripts.py::",
)

MakeCluster = Callable[..., StarRocks]
MakeDriver = Callable[[StarRocks], Driver]


class _Scheduler(LoadScopeScheduling):
    """Tests go to whichever process is free, those of one lab to one process.

    The mark xdist_group would say the same, but pytest-xdist 3.8 does not see it with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((name for name in _TOGETHER if name in nodeid), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Scheduler:
    """Asked by pytest-xdist before it begins."""
    return _Scheduler(config, log)


@pytest.fixture(scope="session")
def lab(lab_home: Path) -> Iterator[Lab]:
    """An empty plane for all tests of this process."""
    with Lab.up("scenarios", None, ready_seconds=READY_SECONDS, audit=True) as lab:
        yield lab


@pytest.fixture(scope="session")
def upgrades_defined(lab: Lab) -> None:
    """The definition of StarRocksUpgrade, applied with strict validation, and served."""
    define(lab, "starrocksupgrades.rollout.steady.dev")


@pytest.fixture(scope="session")
def databases_defined(lab: Lab) -> None:
    """The definition of DBUpgrade, likewise."""
    define(lab, "dbupgrades.dbupgrade.subbug.learning")


def define(lab: Lab, name: str) -> None:
    """Apply a definition as it is shipped, and wait until it is served."""
    path = ROOT / "operator" / "crds" / f"{name}.yaml"
    lab.kubectl("apply", "--server-side", "--validate=strict", f"--filename={path}")
    lab.setup_api.wait_served(name)


@pytest.fixture(scope="session")
def operator_account(lab: Lab, upgrades_defined: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kubeconfig of the operator's service account, with the rights that operator/kustomize gives it in a cluster."""
    return account(lab, built(lab, "without-policies"), tmp_path_factory.mktemp("account"))


def make_cluster(lab: Lab, *, namespace: str = "", **parameters: Any) -> StarRocks:
    """A cluster in a fresh namespace, with the shipped user of the FE, and passwords that stand nowhere else."""
    namespace = namespace or f"team-{next(_COUNTER)}"
    password = f"canary-{namespace}-Ov3r-the-hills"
    starrocks = StarRocks(lab, lab.add_cluster("prod", namespace, password=password, **parameters), password)
    starrocks.add_user()
    return starrocks


def assert_no_secret(starrocks: StarRocks, folder: Path) -> None:
    """No FE password stands in an output, report, record, event or StarRocksUpgrade that the runs of a test left."""
    secrets = (starrocks.password, starrocks.user_password)
    texts = {path: path.read_text("utf-8", "replace") for path in folder.rglob("*") if path.is_file()}
    assert [path for path, text in texts.items() for secret in secrets if secret in text] == []
    root = f"/namespaces/{starrocks.namespace}"
    paths = [f"/api/v1{root}/configmaps", f"/api/v1{root}/events", f"/apis/coordination.k8s.io/v1{root}/leases"]
    if starrocks.api.find("CustomResourceDefinition", "starrocksupgrades.rollout.steady.dev") is not None:
        paths.append(f"/apis/rollout.steady.dev/v1alpha1{root}/starrocksupgrades")
    for path in paths:
        found = json.dumps(starrocks.api.request("GET", path))
        assert [secret for secret in secrets if secret in found] == [], path


@pytest.fixture
def cluster(lab: Lab, tmp_path: Path) -> Iterator[MakeCluster]:
    """Makes clusters for one test: `cluster(fe=3, be=2)`. In the end no password may have been left anywhere."""
    made: list[StarRocks] = []

    def make(**parameters: Any) -> StarRocks:
        made.append(make_cluster(lab, **parameters))
        return made[-1]

    yield make
    lab.faults()
    for starrocks in made:
        assert_no_secret(starrocks, tmp_path)
        lab.remove_namespace(starrocks.namespace, wait=False)


@pytest.fixture
def driver(tmp_path: Path) -> MakeDriver:
    """Makes the driver that runs the product against a cluster."""

    def make(starrocks: StarRocks) -> Driver:
        return Driver(tmp_path, starrocks)

    return make


@pytest.fixture
def starrocks(cluster: MakeCluster) -> StarRocks:
    """Three FEs and two BEs."""
    return cluster(fe=3, be=2)


@pytest.fixture
def product(driver: MakeDriver, starrocks: StarRocks) -> Driver:
    """The product, for that cluster."""
    return driver(starrocks)


@pytest.fixture(scope="session")
def calm_clusters(lab: Lab) -> Iterator[list[StarRocks]]:
    """The clusters that tests shared which touch nothing: one, as long as that is so."""
    made: list[StarRocks] = []
    yield made
    for starrocks in made:
        lab.remove_namespace(starrocks.namespace, wait=False)


@pytest.fixture
def calm(lab: Lab, calm_clusters: list[StarRocks]) -> StarRocks:
    """A healthy cluster (three FEs, one BE) that was never touched, and that no test may touch."""
    if not calm_clusters or calm_clusters[-1].lease is not None:
        calm_clusters.append(make_cluster(lab, fe=3, be=1))
    return calm_clusters[-1]


@pytest.fixture
def asked(calm: StarRocks, tmp_path: Path) -> Iterator[Driver]:
    """The product, for that cluster; what a test leaves is searched for the password."""
    yield Driver(tmp_path, calm)
    calm.lab.faults()
    assert_no_secret(calm, tmp_path)


@pytest.fixture
def passes(starrocks: StarRocks, product: Driver) -> Passes:
    """The objects of that cluster, and passes over them."""
    return Passes(starrocks, product)
