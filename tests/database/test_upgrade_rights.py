# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rights in Kubernetes: the documented ones are enough for a migration, and no other Secret can be read with them."""

from __future__ import annotations

from typing import Any

import yaml
from database.conftest import Push
from database.upgrades import LEASES, A, Upgrade, reconciled
from scenarios.playbook import ROOT

RIGHTS = ROOT / "operator" / "rbac" / "db-upgrade-role.yml"
ROLES: list[dict[str, Any]] = yaml.safe_load(RIGHTS.read_text("utf-8"))["items"]


def test_the_documented_rights_are_enough(resource: Upgrade, database_name: str, push: Push) -> None:
    user = f"user-{resource.namespace}"
    own, leases = ROLES
    kubeconfig = resource.lab.user_kubeconfig(user, own["rules"], resource.namespace)
    resource.lab.user_kubeconfig(user, leases["rules"], LEASES)
    resource.options = {"kubeconfig": str(kubeconfig)}
    resource.create(resource.document(push(f"{database_name}:v1", A)))
    assert reconciled(resource)["state"]["reason"] == "MigrationComplete"
    assert resource.perform(resource.document(push(f"{database_name}:v1", A)))["outcome"] == "unchanged"
    resource.options["plan"] = False
    document = resource.document(push(f"{database_name}:v1", A))
    document["spec"]["database"]["connection"]["urlSecretRef"]["name"] = "another"
    denied = resource.perform(document)
    assert denied["error"] == "Denied"
    assert 'secrets "another"' in denied["reason"]
