# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DBUpgrades as custom resources: one pass after the other, as an operator makes them; status, Events, many at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from database.conftest import Push
from database.upgrades import BROKEN, PASSWORD, A, B, Upgrade, own_tables, reconciled

from steadylab import Lab
from steadylab.database.servers import Postgres
from steadylab.kube import MERGE_PATCH


def test_passes_lead_to_ready(resource: Upgrade, database_name: str, postgres: Postgres, push: Push) -> None:
    resource.create(resource.document(push(f"{database_name}:v1", A | B)))
    first = resource.perform(wait=False)
    assert (first["state"]["aspect"], first["requeue_after"] > 0) == ("Progressing", True)
    assert resource.conditions()["Progressing"] == ("True", "MigrationInProgress")
    last = reconciled(resource)
    assert last["state"]["reason"] == "MigrationComplete"
    conditions = resource.conditions()
    assert conditions == {
        "Accepted": ("True", "SpecValid"),
        "Ready": ("True", "MigrationComplete"),
        "Progressing": ("False", "MigrationComplete"),
        "Degraded": ("False", "MigrationComplete"),
        "Blocked": ("False", "MigrationComplete"),
    }
    status = resource.resource()["status"]
    assert status["observedGeneration"] == resource.resource()["metadata"]["generation"]
    assert status["migration"]["currentVersion"] == "20260101000002"
    assert {"MigrationStarted", "MigrationSucceeded"} <= resource.events().keys()
    assert own_tables(postgres, database_name) == {"t1", "t2"}
    version = resource.resource()["metadata"]["resourceVersion"]
    assert resource.perform(wait=False)["changed"] is False
    assert resource.resource()["metadata"]["resourceVersion"] == version, "a pass without news writes nothing"


def test_what_is_made_goes_with_the_resource(resource: Upgrade, database_name: str, push: Push) -> None:
    resource.create(resource.document(push(f"{database_name}:v1", A)))
    reconciled(resource)
    uid = resource.resource()["metadata"]["uid"]
    secret = resource.lab.api.get("Secret", "dbupgrade-orders-connection", resource.namespace)
    made = [secret, *resource.jobs()]
    assert [owner["uid"] for item in made for owner in item["metadata"]["ownerReferences"]] == [uid] * len(made)


def test_missing_secret_is_an_event_and_a_condition(resource: Upgrade, database_name: str, push: Push) -> None:
    resource.lab.api.delete("Secret", "source", resource.namespace)
    resource.create(resource.document(push(f"{database_name}:v1", A | BROKEN)))
    assert resource.perform(wait=False)["state"]["reason"] == "SecretNotFound"
    assert resource.conditions()["Degraded"] == ("True", "SecretNotFound")
    assert resource.events()["SecretNotFound"]["type"] == "Warning"


def test_failed_migration_is_degraded_with_the_end_of_its_log(
    resource: Upgrade, database_name: str, push: Push
) -> None:
    resource.create(resource.document(push(f"{database_name}:v1", A | BROKEN)))
    reconciled(resource)
    assert resource.conditions()["Degraded"] == ("True", "MigrationFailed")
    message = next(c["message"] for c in resource.resource()["status"]["conditions"] if c["type"] == "Degraded")
    assert 'column "nope" does not exist' in message
    assert resource.events()["MigrationFailed"]["type"] == "Warning"


def test_deleted_resource_is_left_alone(resource: Upgrade, database_name: str, push: Push) -> None:
    document = resource.document(push(f"{database_name}:v1", A))
    resource.create({**document, "metadata": {**document["metadata"], "finalizers": ["example.org/hold"]}})
    resource.lab.setup_api.request("DELETE", resource.path)
    before = resource.writes()
    left = resource.perform(wait=False)
    assert (left["state"]["reason"], left["requeue_after"]) == ("Deleted", 0)
    assert resource.writes() == before
    resource.lab.setup_api.request("PATCH", resource.path, {"metadata": {"finalizers": None}}, MERGE_PATCH)


def test_reconcile_playbook_makes_one_pass(resource: Upgrade, database_name: str, push: Push) -> None:
    document = resource.document(push(f"{database_name}:v1", A))
    resource.create(document)
    resource.installation = {"metrics": {"textfile": str(resource.directory)}}
    made = resource.run(document, playbook="db_upgrade_reconcile").succeeded()
    assert "dbupgrade_operator_up 1\n" in (resource.directory / "dbupgrade_operator.prom").read_text()
    assert "MigrationInProgress" in made.text
    assert resource.conditions()["Accepted"] == ("True", "SpecValid")


def test_twenty_resources_on_five_databases_have_one_writer_each(
    crd: str, lab: Lab, upgrade: Upgrade, database_name: str, postgres: Postgres, push: Push
) -> None:
    image = push(f"{database_name}:v1", A | B)
    names = [f"{database_name}_{number}" for number in range(5)]
    urls = [postgres.create(name, name, PASSWORD) for name in names]
    upgrades = [
        Upgrade(lab, upgrade.directory / f"u{number}", upgrade.namespace, name=f"u{number}") for number in range(20)
    ]
    for number, one in enumerate(upgrades):
        one.source(urls[number % 5], name=f"source-{number % 5}")
        connection = {"urlSecretRef": {"name": f"source-{number % 5}", "key": "url"}}
        one.create(one.document(image, database={"type": "selfHosted", "connection": connection}))
    with ThreadPoolExecutor(5) as pool:
        results = list(pool.map(lambda one: one.perform(), upgrades))
    assert [result["state"]["reason"] for result in results] == ["MigrationComplete"] * 20
    for number in range(5):
        outcomes = sorted(result["outcome"] for result in results[number::5])
        assert outcomes == ["succeeded", "unchanged", "unchanged", "unchanged"]
        assert own_tables(postgres, names[number]) == {"t1", "t2"}
    assert sum(len(one.jobs("apply")) for one in upgrades) == 5
