# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab with databases, a registry and metrics for all tests of a pytest process; each test brings a namespace."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from database.upgrades import LEASES, PASSWORD, Upgrade
from scenarios.manifests import account, built

from steadylab import Lab
from steadylab.database import tools
from steadylab.database.aws import Sts
from steadylab.database.metrics import Metrics
from steadylab.database.registry import Registry
from steadylab.database.servers import MariaDB, Postgres

_COUNTER = itertools.count(1)
CRD = Path(__file__).parents[2] / "operator" / "crds" / "dbupgrades.dbupgrade.subbug.learning.yaml"
CREDENTIALS = ("puller", "canary-registry-Ov3r-the-hills")

Push = Callable[..., str]


@pytest.fixture(scope="session")
def lab(lab_home: Path) -> Iterator[Lab]:
    """A plane whose Jobs run crane, Atlas and Python as processes."""
    with Lab.up("database", None, processes=True, ready_seconds=0.2, audit=True) as lab:
        tools.install_images(lab)
        yield lab


@pytest.fixture(scope="session")
def postgres(lab: Lab) -> Postgres:
    """A PostgreSQL 15 of the lab."""
    return Postgres.start(lab.directory)


@pytest.fixture(scope="session")
def mariadb(lab: Lab) -> MariaDB:
    """A MariaDB of the lab."""
    return MariaDB.start(lab.directory)


@pytest.fixture(scope="session")
def registry(lab: Lab) -> Registry:
    """A registry of the lab that anybody may read."""
    return Registry.start(lab.directory)


@pytest.fixture(scope="session")
def private_registry(lab: Lab) -> Registry:
    """A registry of the lab that asks for a password."""
    return Registry.start(lab.directory, "private-registry", CREDENTIALS)


@pytest.fixture(scope="session")
def metrics_server(lab: Lab) -> Metrics:
    """The metrics APIs of the lab."""
    return Metrics.start(lab.directory, lab.setup_api)


@pytest.fixture
def metrics(metrics_server: Metrics) -> Iterator[Metrics]:
    """The metrics APIs, without any value before and after the test."""
    metrics_server.clear()
    yield metrics_server
    metrics_server.clear()


@pytest.fixture(scope="session")
def sts(lab: Lab) -> Sts:
    """A security token service of AWS."""
    return Sts.start(lab.directory)


@pytest.fixture
def push(registry: Registry) -> Push:
    """Push an image with these migrations and their atlas.sum; its reference with digest."""

    def push_hashed(image: str, migrations: dict[str, str], directory: str = "/migrations") -> str:
        return registry.push(image, tools.hashed(migrations), directory)

    return push_hashed


@pytest.fixture
def namespace(lab: Lab) -> Iterator[str]:
    """A fresh namespace whose Jobs run as processes."""
    name = f"data-{next(_COUNTER)}"
    lab.process_namespace(name)
    yield name
    lab.remove_namespace(name, wait=False)


@pytest.fixture
def database_name(namespace: str) -> str:
    """The name of a database of this test alone."""
    return namespace.replace("-", "_")


@pytest.fixture(scope="session")
def lease_namespace(lab: Lab) -> str:
    """The namespace of the Leases of all databases."""
    lab.setup_api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": LEASES}})
    return LEASES


@pytest.fixture
def upgrade(lab: Lab, lease_namespace: str, namespace: str, tmp_path: Path) -> Iterator[Upgrade]:
    """A DBUpgrade in a namespace of its own; in the end no password may have been left anywhere."""
    made = Upgrade(lab, tmp_path, namespace)
    yield made
    everything = made.everything()
    assert [secret for secret in made.secrets if secret in everything] == []
    holders = [path for path in tmp_path.rglob("*") if path.is_file() and made.is_in(path)]
    assert holders == []


@pytest.fixture
def database(upgrade: Upgrade, database_name: str, postgres: Postgres) -> str:
    """An empty PostgreSQL database whose URL is in the customer's Secret."""
    upgrade.source(postgres.create(database_name, database_name, PASSWORD))
    return database_name


@pytest.fixture(scope="session")
def crd(lab: Lab) -> str:
    """The CustomResourceDefinition, served."""
    body = yaml.safe_load(CRD.read_text())
    name = str(body["metadata"]["name"])
    lab.setup_api.apply(body)
    lab.setup_api.wait_served(name)
    return name


@pytest.fixture(scope="session")
def operator_account(lab: Lab, crd: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kubeconfig of the operator's service account, with the rights that operator/kustomize gives it in a cluster."""
    return account(lab, built(lab, "only/dbupgrade"), tmp_path_factory.mktemp("account"))


@pytest.fixture
def resource(crd: str, upgrade: Upgrade, database: str) -> Upgrade:
    """An upgrade whose database is there, to be carried out as a custom resource."""
    return upgrade
