# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rights in Kubernetes: none of the shipped ones is idle, and no other Secret can be read with them.

That they are enough is seen in every test that runs the product: database/upgrades.py.
"""

from __future__ import annotations

from contextlib import suppress

from database.conftest import Push
from database.test_takeover import Killed, killed_at_the_first_write
from database.test_upgrade_checks import checked_by_metrics
from database.upgrades import PASSWORD, A, B, Upgrade, reconciled
from scenarios import rights

from steadylab.database.metrics import Metrics
from steadylab.database.servers import Postgres

# What this test does not bring about: the same Event twice; a Job that is asked for by its name, because another runner
# made it at the same moment or left it with its Lease; a watch of a server that has to be asked for a list first, as
# those before Kubernetes 1.32; ownership as OpenShift checks it.
UNSEEN = {
    ("get", "events"),
    ("patch", "events"),
    ("get", "jobs"),
    ("list", "secrets"),
    ("list", "leases"),
    ("update", "dbupgrades/finalizers"),
}


def test_no_right_is_idle_and_no_other_secret_is_read(
    resource: Upgrade, database_name: str, postgres: Postgres, metrics: Metrics, push: Push
) -> None:
    """Passes over a custom resource, a run that dies before its Job begins, and one that waits after a rotation."""
    lab, user = resource.lab, resource.kubeconfig.name.removeprefix("user-")
    since = len(lab.audit_entries())
    resource.create(resource.document(push(f"{database_name}:v1", A), checks=checked_by_metrics(resource, metrics)))
    assert reconciled(resource)["state"]["reason"] == "MigrationComplete"
    with killed_at_the_first_write("/jobs/", sent=False), suppress(Killed):
        resource.perform(resource.document(push(f"{database_name}:v2", A | B)))
    postgres.set_password(database_name, f"{PASSWORD}-rotated")
    resource.source(postgres.url(database_name, database_name, f"{PASSWORD}-rotated"))
    last = {"20260101000003_c.sql": "CREATE TABLE t3 (id int);\n"}
    assert resource.perform(resource.document(push(f"{database_name}:v3", A | B | last)))["outcome"] == "succeeded"
    found = rights.used(entry for entry in lab.audit_entries()[since:] if entry["user"]["username"] == user)
    granted = rights.of(rule for role in rights.database_roles() for rule in role["rules"])
    assert granted - found - UNSEEN == set(), sorted(found)
    assert found - granted == set()
    resource.options["plan"] = False
    document = resource.document(push(f"{database_name}:v1", A))
    document["spec"]["database"]["connection"]["urlSecretRef"]["name"] = "another"
    denied = resource.perform(document)
    assert denied["error"] == "Denied"
    assert 'secrets "another"' in denied["reason"]
