# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks before and after a migration: versions of pods, and metrics from every source, through the real API server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from database.conftest import Push
from database.upgrades import A, Upgrade, own_tables

from steadylab.database.metrics import Metrics
from steadylab.database.servers import Postgres

LABELS = {"matchLabels": {"app": "web"}}


def pod(upgrade: Upgrade, version: str) -> None:
    """Write the one pod of the application, of this version."""
    container = {"name": "web", "image": f"example.org/web:{version}"}
    metadata = {"name": "web-0", "namespace": upgrade.namespace, "labels": {"app": "web"}}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}
    upgrade.lab.setup_api.apply(body)


def metric(kind: str, limit: str, **target: Any) -> dict[str, Any]:
    """A condition on the metric `lag`."""
    return {"name": "lag", "target": {"type": kind, **target}, "threshold": {"value": limit}}


def test_old_pods_block_until_they_are_new(upgrade: Upgrade, database: str, postgres: Postgres, push: Push) -> None:
    pre = {"minPodVersions": [{"selector": LABELS, "minVersion": "v1.5.0"}]}
    document = upgrade.document(push(f"{database}:v1", A), checks={"pre": pre})
    nobody = upgrade.perform(document, wait=False)["state"]
    assert (nobody["reason"], "selects no pod" in nobody["message"]) == ("PreCheckFailed", True)
    pod(upgrade, "v1.5.0-rc.1")
    blocked = upgrade.perform(document, wait=False)
    assert blocked["state"]["aspect"] == "Blocked"
    assert "web-0): runs v1.5.0-rc.1, needs at least v1.5.0" in blocked["state"]["message"]
    assert blocked["requeue_after"] > 0
    assert upgrade.jobs() == []
    pod(upgrade, "v1.5.0")
    assert upgrade.perform(document)["outcome"] == "succeeded"


def of_pods(metrics: Metrics, namespace: str, value: str) -> None:
    metrics.set_pods(namespace, "lag", {"web-0": value})


def of_object(metrics: Metrics, namespace: str, value: str) -> None:
    metrics.set_object(namespace, "services", "web", "lag", value)


def of_external(metrics: Metrics, namespace: str, value: str) -> None:
    metrics.set_external(namespace, "lag", value)


def of_prometheus(metrics: Metrics, _namespace: str, value: str) -> None:
    metrics.set_query("max(lag)", [({"job": "web"}, value)])


SOURCES: dict[str, tuple[Callable[[Metrics, str, str], None], dict[str, Any]]] = {
    "Pods": (of_pods, {"pods": {"selector": LABELS}}),
    "Object": (of_object, {"object": {"apiVersion": "v1", "kind": "Service", "name": "web"}}),
    "External": (of_external, {}),
    "Prometheus": (of_prometheus, {"prometheus": {"query": "max(lag)"}}),
}


def checked_by_metrics(upgrade: Upgrade, metrics: Metrics) -> dict[str, Any]:
    """Checks by metrics of each API of the cluster, which pass."""
    pod(upgrade, "v1.5.0")
    kinds = ("Pods", "External")
    for kind in kinds:
        SOURCES[kind][0](metrics, upgrade.namespace, "10")
    return {"pre": {"metrics": [{**metric(kind, "10", **SOURCES[kind][1]), "name": "lag"} for kind in kinds]}}


@pytest.mark.parametrize("kind", SOURCES)
def test_metric_blocks_until_it_is_below_its_threshold(
    upgrade: Upgrade, database: str, metrics: Metrics, push: Push, kind: str
) -> None:
    put, target = SOURCES[kind]
    upgrade.installation = {"databases": {"prometheus": metrics.prometheus}}
    pod(upgrade, "v1.5.0")
    document = upgrade.document(push(f"{database}:v1", A), checks={"pre": {"metrics": [metric(kind, "10", **target)]}})
    unknown = upgrade.perform(document, wait=False)["state"]
    assert unknown["reason"] == "PreCheckFailed", "a metric without a value does not pass"
    put(metrics, upgrade.namespace, "11")
    blocked = upgrade.perform(document, wait=False)["state"]
    assert "is 11, must be at most 10" in blocked["message"]
    assert upgrade.jobs() == []
    put(metrics, upgrade.namespace, "10")
    assert upgrade.perform(document)["outcome"] == "succeeded"


def test_metrics_api_that_fails_refuses(upgrade: Upgrade, database: str, metrics: Metrics, push: Push) -> None:
    metrics.fail("external", 503)
    checks = {"pre": {"metrics": [metric("External", "10")]}}
    blocked = upgrade.perform(upgrade.document(push(f"{database}:v1", A), checks=checks), wait=False)["state"]
    assert blocked["reason"] == "PreCheckFailed"
    assert "could not be read" in blocked["message"]


def test_failing_check_after_the_migration_is_degraded_until_it_passes(
    upgrade: Upgrade, database: str, postgres: Postgres, metrics: Metrics, push: Push
) -> None:
    metrics.set_external(upgrade.namespace, "lag", "11")
    checks = {"post": {"metrics": [metric("External", "10")]}}
    document = upgrade.document(push(f"{database}:v1", A), checks=checks)
    failed = upgrade.perform(document, patience_seconds=1)
    assert failed["failed"]
    assert (failed["state"]["aspect"], failed["state"]["reason"]) == ("Degraded", "PostCheckFailed")
    assert "is 11, must be at most 10" in failed["reason"]
    assert own_tables(postgres, database) == {"t1"}
    metrics.set_external(upgrade.namespace, "lag", "9")
    passed = upgrade.perform(document)
    assert (passed["state"]["reason"], passed["changed"]) == ("MigrationComplete", False)


def test_destructive_statement_is_blocked_until_it_is_allowed(
    upgrade: Upgrade, database: str, postgres: Postgres, push: Push
) -> None:
    drop = {"20260101000005_e.sql": "DROP TABLE t1;\n"}
    document = upgrade.document(push(f"{database}:v1", A | drop))
    failed = upgrade.perform(document)
    assert failed["state"]["reason"] == "DestructiveStatements"
    assert "20260101000005_e.sql:1" in failed["reason"]
    assert postgres.tables(database) == []
    document["spec"]["lint"] = {"allow": [{"file": "20260101000005_e.sql"}]}
    assert upgrade.perform(document)["outcome"] == "succeeded"


def test_rollback_undoes_what_was_applied(upgrade: Upgrade, database: str, postgres: Postgres, push: Push) -> None:
    upgrade.perform(upgrade.document(push(f"{database}:v1", A)))
    two = {
        "20260101000002_b.sql": "CREATE TABLE t2 (id int);\n",
        "down/20260101000002_b.sql": "DROP TABLE t2;\n",
        "20260101000003_c.sql": "SELECT nope FROM t2;\n",
        "down/20260101000003_c.sql": "SELECT 1;\n",
    }
    failed = upgrade.perform(upgrade.document(push(f"{database}:v2", A | two), onFailure="Rollback"))
    assert failed["failed"]
    assert (failed["outcome"], failed["state"]["reason"]) == ("rolledBack", "MigrationRolledBack")
    assert failed["migration"]["currentVersion"] == "20260101000001"
    assert "t2" not in own_tables(postgres, database)
