# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole database upgrades: real crane, real Atlas, real databases, the shipped playbook, the real API server."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from database.conftest import Push
from database.upgrades import (
    BROKEN,
    PASSWORD,
    SECONDS,
    SLOW,
    WAITING,
    A,
    B,
    Upgrade,
    begun,
    held,
    in_background,
    own_tables,
)
from scenarios.playbook import BIN, ROOT

from steadylab import Lab
from steadylab.database.layouts import Entry, files, symlink
from steadylab.database.registry import Registry
from steadylab.database.servers import Postgres
from steadylab.database.tools import hashed


def test_migrates_and_then_has_nothing_to_do(upgrade: Upgrade, database: str, postgres: Postgres, push: Push) -> None:
    restricted = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    upgrade.lab.setup_api.patch("Namespace", upgrade.namespace, restricted)
    document = upgrade.document(push(f"{database}/a:v1", A | B))
    ended = upgrade.run(document).succeeded()
    assert own_tables(postgres, database) == {"t1", "t2"}
    assert "MigrationComplete" in ended.text
    assert upgrade.record["outcome"] == "succeeded"
    again = upgrade.run(document).succeeded()
    assert again.recap["changed"] == 0
    assert len(upgrade.jobs("apply")) == 1


def test_next_image_applies_only_what_is_new(upgrade: Upgrade, database: str, postgres: Postgres, push: Push) -> None:
    first = upgrade.perform(upgrade.document(push(f"{database}:v1", A)))
    assert (first["changed"], first["migration"]["currentVersion"]) == (True, "20260101000001")
    second = upgrade.perform(upgrade.document(push(f"{database}:v2", A | B)))
    assert second["outcome"] == "succeeded"
    assert second["migration"]["beforeVersion"] == "20260101000001"
    assert second["migration"]["currentVersion"] == "20260101000002"
    assert own_tables(postgres, database) == {"t1", "t2"}
    assert [past["outcome"] for past in upgrade.record["past"]] == ["succeeded"]


def test_failing_sql_in_the_middle_freezes(upgrade: Upgrade, database: str, postgres: Postgres, push: Push) -> None:
    document = upgrade.document(push(f"{database}:v1", A | B | BROKEN))
    failed = upgrade.perform(document)
    assert failed["failed"]
    assert failed["outcome"] == "frozen"
    assert 'column "nope" does not exist' in failed["reason"]
    assert "Applied all the same: 20260101000001, 20260101000002" in failed["reason"]
    assert own_tables(postgres, database) == {"t1", "t2"}
    again = upgrade.perform(document)
    assert again["failed"]
    assert not again["changed"]
    assert len(upgrade.jobs("apply")) == 1
    mended = {"20260101000003_c.sql": "CREATE TABLE t3 (id int);\n"}
    assert upgrade.perform(upgrade.document(push(f"{database}:v2", A | B | mended)))["outcome"] == "succeeded"


def test_deadline_ends_the_migration(upgrade: Upgrade, database: str, postgres: Postgres, push: Push) -> None:
    document = upgrade.document(push(f"{database}:v1", A | SLOW), runner={"activeDeadlineSeconds": 600})
    results: list[dict[str, Any]] = []
    thread = in_background(lambda: results.append(upgrade.perform(document)))
    begun(upgrade)
    [job] = upgrade.jobs("apply")
    assert job["spec"]["activeDeadlineSeconds"] == 600
    # Near only now: a Job fetches its image within its deadline as well.
    upgrade.lab.setup_api.patch(
        "Job", job["metadata"]["name"], {"spec": {"activeDeadlineSeconds": 1}}, upgrade.namespace
    )
    thread.join(SECONDS)
    assert results[0]["failed"]
    assert results[0]["state"]["reason"] == "DeadlineExceeded"


def test_deleted_job_is_not_made_again(upgrade: Upgrade, database: str, postgres: Postgres, push: Push) -> None:
    document = upgrade.document(push(f"{database}:v1", A | SLOW))
    results: list[dict[str, Any]] = []
    thread = in_background(lambda: results.append(upgrade.perform(document)))
    begun(upgrade)
    upgrade.delete_job("apply")
    thread.join(SECONDS)
    assert results[0]["failed"]
    assert results[0]["state"]["reason"] == "JobLost"
    again = upgrade.perform(document)
    assert again["failed"]
    assert upgrade.jobs("apply") == []


def test_pod_without_its_job_is_waited_for(upgrade: Upgrade, database: str, postgres: Postgres, push: Push) -> None:
    results: list[dict[str, Any]] = []
    document = upgrade.document(push(f"{database}:v1", A | WAITING))
    with held(postgres, database):
        thread = in_background(lambda: results.append(upgrade.perform(document)))
        begun(upgrade)
        upgrade.delete_job("apply", "Orphan")
        upgrade.until_said("is gone, but its pods are not yet")
    thread.join(SECONDS)
    assert results[0]["outcome"] == "succeeded"
    assert own_tables(postgres, database) == {"t1"}


def test_deleted_managed_secret_is_made_again(upgrade: Upgrade, database: str, postgres: Postgres, push: Push) -> None:
    upgrade.perform(upgrade.document(push(f"{database}:v1", A)))
    upgrade.lab.api.delete("Secret", "dbupgrade-orders-connection", upgrade.namespace)
    assert upgrade.perform(upgrade.document(push(f"{database}:v2", A | B)))["outcome"] == "succeeded"


def test_missing_secret_is_said_at_once(upgrade: Upgrade, push: Push) -> None:
    failed = upgrade.perform(upgrade.document(push(f"{upgrade.namespace}:v1", A)))
    assert failed["state"]["reason"] == "SecretNotFound"
    assert f'Secret "source" in namespace "{upgrade.namespace}" does not exist' in failed["reason"]
    assert upgrade.jobs() == []


def test_missing_key_names_those_that_are_there(upgrade: Upgrade, database: str, push: Push) -> None:
    document = upgrade.document(push(f"{database}:v1", A))
    document["spec"]["database"]["connection"]["urlSecretRef"]["key"] = "dsn"
    failed = upgrade.perform(document)
    assert 'has no key "dsn"; its keys: url' in failed["reason"]


def test_rotated_password_is_followed(upgrade: Upgrade, database: str, postgres: Postgres, push: Push) -> None:
    upgrade.perform(upgrade.document(push(f"{database}:v1", A)))
    postgres.set_password(database, "canary-rotated-1")
    upgrade.source(postgres.url(database, database, "canary-rotated-1"))
    document = upgrade.document(push(f"{database}:v2", A | B))
    assert upgrade.perform(document)["outcome"] == "succeeded"
    postgres.set_password(database, "canary-rotated-2")
    upgrade.source(postgres.url(database, database, "canary-rotated-2"))
    assert upgrade.perform(document)["changed"] is False
    assert upgrade.managed_url().startswith(postgres.url(database, database, "canary-rotated-2"))


def test_certificate_of_the_database_is_verified_with_the_secrets_own_authority(
    lab: Lab, upgrade: Upgrade, database: str, postgres: Postgres, push: Push
) -> None:
    secure = {"sslmode": "verify-full", "sslrootcert": "/ca/ca.pem"}
    url = postgres.url(database, database, PASSWORD, host="localhost", **secure)
    document = upgrade.document(push(f"{database}:v1", A))
    upgrade.source(url, **{"ca.pem": (lab.directory / "pki" / "ca.crt").read_text()})
    assert upgrade.perform(document)["outcome"] == "succeeded"


def test_lock_of_another_client_is_respected(upgrade: Upgrade, database: str, postgres: Postgres, push: Push) -> None:
    upgrade.installation = {"databases": {"tools": {"lockSeconds": 1}}}
    document = upgrade.document(push(f"{database}:v1", A))
    other = postgres.hold_atlas_lock(database)
    failed = upgrade.perform(document)
    assert failed["state"]["reason"] == "DatabaseLocked"
    assert own_tables(postgres, database) == set()
    other.close()
    document["spec"]["runner"] = {"attempt": 2}
    assert upgrade.perform(document)["outcome"] == "succeeded"


HOSTILE: dict[str, tuple[Callable[[], list[Entry]], str, str]] = {
    "no directory": (lambda: files("elsewhere", hashed(A)), "ImageUnfit", "no directory /migrations"),
    "a link": (
        lambda: [*files("migrations", hashed(A)), symlink("migrations/2_b.sql", "/etc/passwd")],
        "ImageUnfit",
        "links are not followed",
    ),
    "a way out": (
        lambda: [*files("migrations", hashed(A)), Entry("../../evil.sql", b"DROP TABLE t1;")],
        "ImageNotFetched",
        "unsafe tar path",
    ),
    "a broken checksum": (
        lambda: files("migrations", {**hashed(A), **B}),
        "ChecksumMismatch",
        "checksum",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_unfit_image_is_refused(
    upgrade: Upgrade, database: str, postgres: Postgres, registry: Registry, case: str
) -> None:
    layer, reason, words = HOSTILE[case]
    failed = upgrade.perform(upgrade.document(registry.push_layers(f"{database}:v1", [layer()])))
    assert failed["state"]["reason"] == reason
    assert words in failed["reason"]
    assert upgrade.jobs("apply") == []
    assert postgres.tables(database) == []


def test_image_that_is_not_there(upgrade: Upgrade, database: str, registry: Registry) -> None:
    failed = upgrade.perform(upgrade.document(registry.reference("nobody/pushed:v1")))
    assert failed["state"]["reason"] == "ImageNotFetched"
    assert "nobody/pushed:v1" in failed["reason"]


def test_huge_log_is_cut(upgrade: Upgrade, database: str, postgres: Postgres, push: Push) -> None:
    huge = {"20260101000003_c.sql": f"SELECT nope, '{'x' * 3_000_000}';\n"}
    failed = upgrade.perform(upgrade.document(push(f"{database}:v1", A | huge)))
    assert failed["failed"]
    assert failed["outcome"] == "frozen"
    assert len(failed["reason"]) < 10_000
    assert own_tables(postgres, database) == {"t1"}


def test_two_spellings_of_one_database_wait_for_one_another(
    lab: Lab, upgrade: Upgrade, database: str, postgres: Postgres, push: Push
) -> None:
    image = push(f"{database}:v1", A | WAITING)
    results: list[dict[str, Any]] = []
    other = Upgrade(lab, upgrade.directory / "other", upgrade.namespace, name="other")
    url = postgres.url(database.upper(), database, PASSWORD, host="LOCALHOST").replace("postgres:", "postgresql:")
    other.source(url, name="spelled-otherwise")
    document = other.document(image)
    document["spec"]["database"]["connection"]["urlSecretRef"]["name"] = "spelled-otherwise"
    with held(postgres, database):
        thread = in_background(lambda: results.append(upgrade.perform(upgrade.document(image))))
        begun(upgrade)
        blocked = other.perform(document, wait=False)
    assert blocked["state"]["aspect"] == "Blocked"
    assert blocked["state"]["reason"] == "DatabaseBusy"
    assert f"dbupgrade/{upgrade.namespace}/orders" in blocked["state"]["message"]
    assert blocked["requeue_after"] > 0
    thread.join(SECONDS)
    assert results[0]["outcome"] == "succeeded"


def test_check_mode_makes_nothing(upgrade: Upgrade, database: str, push: Push) -> None:
    document = upgrade.document(push(f"{database}:v1", A))
    before = upgrade.writes()
    ended = upgrade.run(document, "--check", "--diff").succeeded()
    assert "known after an inspection" in ended.text
    assert upgrade.writes() == before


def test_plan_shows_the_sql_and_applies_nothing(
    upgrade: Upgrade, database: str, postgres: Postgres, push: Push
) -> None:
    document = upgrade.document(push(f"{database}:v1", A | B))
    upgrade.installation = {"metrics": {"textfile": str(upgrade.directory)}}
    planned = upgrade.run(document, "--diff", plan=True).succeeded()
    figures = (upgrade.directory / f"dbupgrade_{upgrade.namespace}_orders.prom").read_text()
    assert 'aspect="Planned"} 1' in figures
    assert "CREATE TABLE t2" in planned.text
    assert "2 files would be applied, up to version 20260101000002" in planned.text
    assert planned.recap["changed"] == 0
    assert postgres.tables(database) == []
    assert [job["metadata"]["labels"]["rollout.steady.dev/kind"] for job in upgrade.jobs()] == ["inspect"]
    assert upgrade.perform(document)["outcome"] == "succeeded"


def test_missing_namespace_of_leases_is_named(upgrade: Upgrade, database: str, push: Push) -> None:
    # Who may do less is told that he may not: the API server does not say that there is no such namespace.
    upgrade.options = {"kubeconfig": str(upgrade.lab.kubeconfig)}
    upgrade.installation = {"databases": {"leaseNamespace": "nowhere"}}
    failed = upgrade.perform(upgrade.document(push(f"{database}:v1", A)))
    assert failed["failed"]
    assert "kubectl create namespace nowhere" in failed["remedy"]


def test_bad_document_is_refused_with_field_value_and_remedy(upgrade: Upgrade) -> None:
    document = upgrade.document("not an image")
    refused = upgrade.run(document).failed(
        "spec.migrations.image", "not an image", "such as registry.example.org/orders/migrations:v12"
    )
    assert refused.recap["failed"] == 1
    assert upgrade.jobs() == []


def test_bastion_host_migrates_by_the_module(upgrade: Upgrade, database: str, postgres: Postgres, push: Push) -> None:
    inventory = upgrade.directory / "inventory.json"
    host = {"ansible_connection": "bastion", "ansible_python_interpreter": str(BIN / "python")}
    inventory.write_text(json.dumps({"all": {"hosts": {"bastion": host}}}))
    plugins = ROOT / "tests" / "scenarios" / "plugins" / "connection"
    upgrade.environment = {"ANSIBLE_CONNECTION_PLUGINS": str(plugins), "ANSIBLE_INVENTORY": str(inventory)}
    document = upgrade.document(push(f"{database}:v1", A))
    upgrade.run(document, rollout_host="bastion").succeeded()
    assert own_tables(postgres, database) == {"t1"}


def test_report_says_how_the_run_ended(upgrade: Upgrade, database: str, push: Push) -> None:
    document = upgrade.document(push(f"{database}:v1", A | BROKEN))
    folder = upgrade.directory / "new" / "reports"
    upgrade.run(document, "-vvv", db_upgrade_report_dir=str(folder)).failed("MigrationFailed")
    report = json.loads((folder / f"{upgrade.namespace}-orders.json").read_text())
    assert report["outcome"] == "frozen"
    assert report["migration"]["currentVersion"] == "20260101000001"
