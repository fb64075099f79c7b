# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's playbook for DBUpgrade with the variables of the shipped watch, through deletion."""

from __future__ import annotations

from pathlib import Path

import pytest
from database.conftest import Push
from database.test_upgrade_checks import checked_by_metrics
from database.test_upgrade_rights import UNSEEN
from database.upgrades import LEASES, WAITING, A, B, Upgrade, begun, held, own_tables
from scenarios import rights
from scenarios.manifests import account, in_one_namespace, rules, used, watched
from scenarios.operating import Ended, Operation, configuration

from steadylab.database.metrics import Metrics
from steadylab.database.servers import Postgres
from steadylab.kube import MERGE_PATCH, ApiError

KIND = "DBUpgrade"


@pytest.fixture
def operation(operator_account: Path, tmp_path: Path) -> Operation:
    """An installation in the whole cluster with the defaults."""
    folder = configuration(tmp_path / "configuration")
    return Operation(tmp_path, operator_account, folder)


def settle(operation: Operation, upgrade: Upgrade) -> list[Ended]:
    """Pass after pass; where one waits, until its Jobs have ended."""
    runs: list[Ended] = []
    while (ended := operation.reconcile(KIND, upgrade.namespace, upgrade.name)) is not None:
        runs.append(ended)
        if not ended.again_in:
            break
        upgrade.await_jobs()
    return runs


def let_write(operation: Operation, upgrade: Upgrade) -> None:
    """Pass after pass, until the Job writes to the database; the operator's own is the first, as all are alike."""
    operation.reconcile(KIND, upgrade.namespace, upgrade.name)
    while not [job for job in upgrade.jobs("apply") if not job["spec"].get("suspend")]:
        upgrade.perform(wait=False)
        if not upgrade.jobs("apply"):
            upgrade.await_jobs()
    begun(upgrade)


def exists(upgrade: Upgrade) -> bool:
    """Whether the custom resource is there."""
    try:
        upgrade.resource()
    except ApiError as error:
        return error.status != 404
    return True


# What this test does not bring about, besides what test_upgrade_rights.py does not: a Job that has not begun and is
# replaced, a source that is rotated.
UNSEEN_BY_THE_OPERATOR = {*UNSEEN, ("delete", "jobs"), ("patch", "secrets")}


def test_a_migration_and_its_deletion(
    resource: Upgrade, metrics: Metrics, database_name: str, postgres: Postgres, push: Push, tmp_path: Path
) -> None:
    """By an operator of one namespace, which has Roles there, none of them idle, and no right beyond."""
    lab, namespace, folder = resource.lab, resource.namespace, tmp_path / "one-namespace"
    objects = in_one_namespace(lab, namespace, folder)
    kubeconfig = account(lab, objects, folder, namespace)
    options = configuration(tmp_path / "configuration", installation={"databases": {"leaseNamespace": namespace}})
    operation = Operation(tmp_path, kubeconfig, options)
    since = len(lab.audit_entries())
    watched(operation.api, resource.path.rpartition("/")[0])
    checks = checked_by_metrics(resource, metrics)
    resource.create(resource.document(push(f"{database_name}:v1", A | B), checks=checks))
    runs = settle(operation, resource)
    assert len(runs) > 1
    assert resource.conditions()["Ready"] == ("True", "MigrationComplete")
    assert own_tables(postgres, database_name) == {"t1", "t2"}
    assert operation.run(KIND, resource.resource()).succeeded().result["changed"] is False
    resource.lab.setup_api.request("DELETE", resource.path)
    assert exists(resource)
    settle(operation, resource)
    assert not exists(resource)
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    assert [lease["spec"].get("holderIdentity") for lease in lab.setup_api.request("GET", path)["items"]] == [""]
    roles = ("steady-rollout-dbupgrades", "steady-rollout-dbupgrades-secrets", "steady-rollout-database-leases")
    granted = rights.of(rules(objects, *roles))
    found = used(lab.audit_entries()[since:], namespace)
    assert granted - found - UNSEEN_BY_THE_OPERATOR == set(), sorted(found)
    assert found - granted == set()


def owned(lease: dict[str, object], upgrade: Upgrade) -> bool:
    """Whether a Lease is held for an upgrade of this namespace."""
    return f"/{upgrade.namespace}/" in str(lease)


def let_leases_end(upgrade: Upgrade) -> None:
    """As if the minute were over that a Lease lasts after its holder was killed."""
    for lease in upgrade.leases():
        if owned(lease, upgrade):
            path = f"/apis/coordination.k8s.io/v1/namespaces/{LEASES}/leases/{lease['metadata']['name']}"
            patch = {"spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}}
            upgrade.lab.setup_api.request("PATCH", path, patch, MERGE_PATCH)


def test_deletion_waits_for_the_job_that_writes(
    resource: Upgrade, operation: Operation, database_name: str, postgres: Postgres, push: Push
) -> None:
    slow = {name: f"{text}CREATE TABLE t4 (id int);\n" for name, text in WAITING.items()}
    resource.create(resource.document(push(f"{database_name}:v1", A | slow)))
    with held(postgres, database_name):
        let_write(operation, resource)
        resource.lab.setup_api.request("DELETE", resource.path)
        ended = operation.reconcile(KIND, resource.namespace, resource.name)
        assert ended is not None
        assert (ended.result["state"]["reason"], bool(ended.again_in)) == ("Releasing", True)
        assert [lease for lease in resource.leases() if owned(lease, resource)], "others are kept out"
    settle(operation, resource)
    assert not exists(resource)
    assert own_tables(postgres, database_name) == {"t1", "t4"}
    assert [lease for lease in resource.leases() if owned(lease, resource)] == []


def test_a_person_can_let_it_go(resource: Upgrade, operation: Operation, database_name: str, push: Push) -> None:
    slow = {"20260101000004_d.sql": "SELECT pg_sleep(300);\n"}
    resource.create(resource.document(push(f"{database_name}:v1", A | slow)))
    let_write(operation, resource)
    resource.lab.setup_api.request("DELETE", resource.path)
    patch = {"metadata": {"annotations": {"rollout.steady.dev/abandon": "true"}}}
    resource.lab.setup_api.request("PATCH", resource.path, patch, MERGE_PATCH)
    settle(operation, resource)
    assert not exists(resource)
    assert "Its Lease stays" in resource.events()["Abandoned"]["message"]
    assert [lease for lease in resource.leases() if owned(lease, resource)], "until that Job is over"


def test_the_operator_ends_what_a_killed_play_began(
    resource: Upgrade, operation: Operation, database_name: str, postgres: Postgres, push: Push
) -> None:
    document = resource.document(push(f"{database_name}:v1", A | WAITING))
    with held(postgres, database_name):
        play = resource.start(document)
        begun(resource)
        play.kill()
        resource.create(document)
        ended = operation.reconcile(KIND, resource.namespace, resource.name)
        assert ended is not None
        assert ended.again_in, "the Job of the killed play still writes"
    resource.await_jobs()
    let_leases_end(resource)
    settle(operation, resource)
    assert resource.conditions()["Ready"] == ("True", "MigrationComplete")
    assert own_tables(postgres, database_name) == {"t1"}
    assert len(resource.jobs("apply")) == 1


def test_a_play_ends_what_a_killed_operator_began(
    resource: Upgrade, operation: Operation, database_name: str, postgres: Postgres, push: Push
) -> None:
    document = resource.document(push(f"{database_name}:v1", A | WAITING))
    resource.create(document)
    with held(postgres, database_name):
        let_write(operation, resource)
        killed, _events = operation.start(KIND, resource.resource())
        killed.kill()
    resource.await_jobs()
    let_leases_end(resource)
    resource.run(document).succeeded()
    assert own_tables(postgres, database_name) == {"t1"}
    assert len(resource.jobs("apply")) == 1
