# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard: the runner is dead and nobody comes, and a Job in the cluster puts the settings back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from scenarios.cluster import DEFAULTS, StarRocks
from scenarios.conftest import READY_SECONDS, assert_no_secret, make_cluster
from scenarios.playbook import ROOT, Document, Driver
from scenarios.rights import ROOT_SECRET, USER_SECRET, named, shipped

from steadylab import Lab
from steadylab.podrunner import images
from steadylab.podrunner.images import Image

IMAGE = "registry.example.org/platform/rollout:1.0.0"
CHECKOUT = "/opt/rollout"
ACCOUNT = "steady-rollout-guard"
LEASE_SECONDS = 5
# Nothing listens at the addresses of the lab's pods, so the guard comes through the API server as well.
ACCESS: Document = {"starrocks_access": {"fe_transport": "port_forward"}}
PORT_FORWARD = {"apiGroups": [""], "resources": ["pods/portforward"], "verbs": ["create", "get"]}


def product_image(lab: Lab) -> Image:
    """ansible-core, this collection and what it needs, for a user that is not root.

    The checkout stands at a place of its own, because the guard's /tmp is an empty volume, and its programs name where
    they were installed.
    """
    base = images.python()
    command = lab.directory / "ansible-playbook"
    command.write_text(f'#!/bin/sh\nexec {CHECKOUT}/.venv/bin/python -m ansible playbook "$@"\n')
    command.chmod(0o755)
    files = {**base.files, CHECKOUT: str(ROOT), "/opt/bin/ansible-playbook": str(command)}
    path = f"/opt/bin:{base.environment['PATH']}"
    variables = {"PATH": path, "ANSIBLE_COLLECTIONS_PATH": f"{CHECKOUT}/.venv/collections"}
    return Image(files, (), base.command, {**base.environment, **variables}, user=65534)


@pytest.fixture(scope="module")
def guard_lab(lab_home: Path) -> Iterator[Lab]:
    """A lab that runs the containers of Jobs."""
    with Lab.up("guards", None, ready_seconds=READY_SECONDS, audit=True, processes=True) as lab:
        lab.set_image(IMAGE, product_image(lab))
        yield lab


def grant(starrocks: StarRocks) -> None:
    """The guard's service account with the documented Role."""
    metadata = {"name": ACCOUNT, "namespace": starrocks.namespace}
    starrocks.api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    api = "rbac.authorization.k8s.io/v1"
    granted = [*named(shipped("restore"), {ROOT_SECRET: USER_SECRET}), PORT_FORWARD]
    starrocks.api.apply({"apiVersion": api, "kind": "Role", "metadata": metadata, "rules": granted})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ACCOUNT}
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": starrocks.namespace}
    binding = {"apiVersion": api, "kind": "RoleBinding", "metadata": metadata}
    starrocks.api.apply({**binding, "roleRef": reference, "subjects": [subject]})


@pytest.fixture
def starrocks(guard_lab: Lab, tmp_path: Path) -> Iterator[StarRocks]:
    """Three FEs and one BE, in a namespace with the guard's service account."""
    made = make_cluster(guard_lab, fe=3, be=1)
    guard_lab.process_namespace(made.namespace)
    grant(made)
    yield made
    assert_no_secret(made, tmp_path)
    guard_lab.remove_namespace(made.namespace, wait=False)


@pytest.fixture
def product(starrocks: StarRocks, tmp_path: Path) -> Driver:
    """The product, for that cluster."""
    return Driver(tmp_path, starrocks)


def guarded(product: Driver) -> Document:
    """An upgrade with a guard."""
    return product.document("3.3.2", guard={"image": IMAGE, "serviceAccountName": ACCOUNT})


def test_the_guard_puts_back_what_a_dead_runner_left_off(starrocks: StarRocks, product: Driver) -> None:
    run = product.start(guarded(product), starrocks_upgrade_lease_seconds=LEASE_SECONDS, **ACCESS)
    starrocks.wait_switched_off()
    run.kill()
    starrocks.wait(
        lambda state: all(DEFAULTS.items() <= one["settings"].items() for one in state["frontends"].values()),
        "have its settings back from the guard",
    )
    starrocks.wait_record(lambda record: record["phase"] == "done", "be closed by the guard")
    starrocks.assert_settings()
    starrocks.assert_released()
    product.run(product.document("3.3.2"), **ACCESS).succeeded()
    assert set(starrocks.tags.values()) == {"3.3.2"}


def test_a_run_that_ends_well_takes_its_guard_away(starrocks: StarRocks, product: Driver) -> None:
    run = product.run(guarded(product), **ACCESS).succeeded()
    assert "guard Job" in str(run.report["events"])
    jobs = starrocks.api.request("GET", f"/apis/batch/v1/namespaces/{starrocks.namespace}/jobs")["items"]
    assert [job["metadata"]["name"] for job in jobs if not job["metadata"].get("deletionTimestamp")] == []
    starrocks.assert_settings()
