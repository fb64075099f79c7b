# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DBUpgrade under the real ansible-operator, with the rights that operator/kustomize gives it and no other."""

from __future__ import annotations

from pathlib import Path

from database.conftest import Push
from database.upgrades import A, B, Upgrade, begun, own_tables
from scenarios import rights
from scenarios.manifests import account_kubeconfig, applied, built, rules, used
from scenarios.operating import configuration
from scenarios.real_operator import Json, awaited, gone, running

from steadylab.database.servers import Postgres


def ready(found: Json | None) -> bool:
    """Whether the migration is applied."""
    conditions = ((found or {}).get("status") or {}).get("conditions") or []
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


def test_the_life_of_a_migration_under_the_real_operator(
    resource: Upgrade, database_name: str, postgres: Postgres, push: Push, tmp_path: Path
) -> None:
    lab = resource.lab
    manifests = built(lab, "only/dbupgrade")
    applied(lab, manifests, tmp_path)
    before = len(lab.audit_entries())
    folder, kubeconfig = configuration(tmp_path / "configuration"), account_kubeconfig(lab, tmp_path)
    with running(manifests, tmp_path, folder, kubeconfig) as operator:
        resource.create(resource.document(push(f"{database_name}:v1", A | B)))
        awaited(lab, resource.path, ready, operator.log)
        assert own_tables(postgres, database_name) == {"t1", "t2"}
        lab.setup_api.request("DELETE", resource.path)
        awaited(lab, resource.path, gone, operator.log)
        # One that is deleted while it writes: the statement comes to its end.
        slow = {"20260101000004_d.sql": "SELECT pg_sleep(15);\nCREATE TABLE t4 (id int);\n"}
        resource.create(resource.document(push(f"{database_name}:v2", A | B | slow)))
        begun(resource)
        lab.setup_api.request("DELETE", resource.path)
        awaited(lab, resource.path, gone, operator.log)
        assert own_tables(postgres, database_name) == {"t1", "t2", "t4"}
    names = ("dbupgrades", "dbupgrades-secrets", "database-leases", "leader-election")
    roles = tuple(f"steady-rollout-{name}" for name in names)
    granted = rights.of(rules(manifests, *roles))
    found = used(lab.audit_entries()[before:])
    assert found - granted == set()
    # Not brought about: the same Event twice, a Job that has not begun and is replaced, a source that is rotated,
    # metrics, ownership as OpenShift checks it.
    unseen = {("get", "events"), ("patch", "events"), ("get", "jobs"), ("delete", "jobs"), ("patch", "secrets")}
    unseen |= {("get", "*"), ("list", "*")}
    assert granted - found - unseen - {("update", "dbupgrades/finalizers")} == set()
