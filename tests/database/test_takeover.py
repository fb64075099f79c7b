# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A runner that dies at any of its writes, and whoever comes after it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any
from unittest import mock

from database.conftest import Push
from database.upgrades import PASSWORD, SECONDS, WAITING, A, B, Later, Upgrade, begun, held, in_background, own_tables

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Unreachable
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from steadylab import Lab
from steadylab.database.servers import Postgres


class Killed(BaseException):
    """The runner is gone: nothing catches it."""


@contextmanager
def killed_at_the_first_write(of: str = "", *, sent: bool) -> Iterator[list[str]]:
    """The first request that writes to a path with `of` never leaves, or leaves and its answer comes to nobody."""
    original, writes = KubeClient.request, []

    def request(self: KubeClient, method: str, path: str, **more: Any) -> dict[str, Any]:
        if method == "GET" or of not in path:
            return original(self, method, path, **more)
        writes.append(f"{method} {path}")
        if sent:
            original(self, method, path, **more)
        raise Killed

    with mock.patch.object(KubeClient, "request", request):
        yield writes


class Still(Clock):
    """A clock that stands still: two passes decide at one moment whether the Lease is due to be renewed."""

    def __init__(self) -> None:
        self._moment = super().now()

    def now(self) -> datetime:
        """The moment, in UTC."""
        return self._moment


def one_write(
    upgrade: Upgrade, document: dict[str, Any] | None, clock: Clock, *, sent: bool
) -> tuple[str, dict[str, Any]]:
    """A pass that dies at its first write: which one that was; or the result of one that had nothing to write."""
    with killed_at_the_first_write(sent=sent) as writes:
        try:
            return "", upgrade.perform(document, wait=False, clock=clock)
        except Killed:
            return writes[0], {}


def to_the_end(upgrade: Upgrade, document: dict[str, Any] | None) -> tuple[dict[str, Any], list[str]]:
    """Passes that each die at their first write, before and after it is sent, until there is nothing to write."""
    died: list[str] = []
    while True:
        clock = Still()
        unsent, result = one_write(upgrade, document, clock, sent=False)
        if unsent:
            answered, _nothing = one_write(upgrade, document, clock, sent=True)
            assert answered == unsent, "a write that never left is made again"
            died.append(unsent)
        elif result["requeue_after"]:
            upgrade.await_jobs()
        else:
            return result, died


def test_killed_at_every_write_and_continued(upgrade: Upgrade, database: str, postgres: Postgres, push: Push) -> None:
    result, died = to_the_end(upgrade, upgrade.document(push(f"{database}:v1", A | B)))
    assert (result["outcome"], result["state"]["aspect"]) == ("succeeded", "Ready")
    assert own_tables(postgres, database) == {"t1", "t2"}
    assert len(upgrade.jobs("apply")) == 1
    resources = {text.split("/namespaces/")[1].split("/")[1] for text in died}
    assert resources == {"secrets", "configmaps", "leases", "jobs"}
    assert len(died) > 12


def test_killed_at_every_write_with_a_custom_resource_and_continued(
    resource: Upgrade, database: str, postgres: Postgres, push: Push
) -> None:
    resource.create(resource.document(push(f"{database}:v1", A | B)))
    result, died = to_the_end(resource, None)
    assert (result["outcome"], result["state"]["aspect"]) == ("succeeded", "Ready")
    assert own_tables(postgres, database) == {"t1", "t2"}
    assert len(resource.jobs("apply")) == 1
    resources = {text.split("/namespaces/")[1].split("/")[1] for text in died}
    assert resources == {"secrets", "configmaps", "leases", "jobs", "dbupgrades"}
    assert resource.conditions()["Ready"] == ("True", "MigrationComplete")
    assert resource.resource()["status"]["outcome"] == "succeeded"


def test_killed_at_an_event_and_continued(resource: Upgrade, database: str, postgres: Postgres, push: Push) -> None:
    resource.create(resource.document(push(f"{database}:v1", A)))
    died: list[str] = []
    result = {"requeue_after": 1}
    # An Event follows the record that says that it is told: who is killed in between tells it no more.
    while result["requeue_after"]:
        with killed_at_the_first_write("/events", sent=False) as writes, suppress(Killed):
            result = resource.perform(wait=False)
        died += writes
        resource.await_jobs()
    assert len(died) == 2, "one when it starts, one when it has ended"
    assert resource.conditions()["Ready"] == ("True", "MigrationComplete")
    assert len(resource.jobs("apply")) == 1


def test_killed_at_every_write_of_a_rollback_and_continued(
    upgrade: Upgrade, database: str, postgres: Postgres, push: Push
) -> None:
    upgrade.perform(upgrade.document(push(f"{database}:v1", A)))
    two = {
        "20260101000002_b.sql": "CREATE TABLE t2 (id int);\n",
        "down/20260101000002_b.sql": "DROP TABLE t2;\n",
        "20260101000003_c.sql": "SELECT nope FROM t2;\n",
    }
    document = upgrade.document(push(f"{database}:v2", A | two), onFailure="Rollback")
    result, _died = to_the_end(upgrade, document)
    assert result["outcome"] == "rolledBack"
    assert result["migration"]["currentVersion"] == "20260101000001"
    assert own_tables(postgres, database) == {"t1"}
    assert [len(upgrade.jobs(kind)) for kind in ("apply", "rollback")] == [2, 1]


def test_job_outlives_its_runner_and_keeps_others_out(
    lab: Lab, upgrade: Upgrade, database: str, postgres: Postgres, push: Push
) -> None:
    image = push(f"{database}:v1", A | WAITING)
    other = Upgrade(lab, upgrade.directory / "other", upgrade.namespace, name="other", secrets=upgrade.secrets)
    with held(postgres, database):
        process = upgrade.start(upgrade.document(image))
        begun(upgrade)
        process.kill()
        blocked = other.perform(other.document(image), wait=False, clock=Later(600))
    assert blocked["state"]["reason"] == "DatabaseBusy"
    assert "whose runner is gone" in blocked["state"]["message"]
    assert other.jobs() == []
    upgrade.await_jobs()
    taken = other.perform(other.document(image), clock=Later(600))
    assert taken["outcome"] == "unchanged"
    continued = upgrade.perform(upgrade.document(image), clock=Later(1200))
    assert continued["outcome"] == "succeeded"
    assert len(upgrade.jobs("apply")) == 1


def test_two_runners_of_one_upgrade_make_one_job(
    upgrade: Upgrade, database: str, postgres: Postgres, push: Push
) -> None:
    document = upgrade.document(push(f"{database}:v1", A | B))
    results: list[dict[str, Any]] = []
    threads = [in_background(lambda: results.append(upgrade.perform(document))) for _number in range(3)]
    for thread in threads:
        thread.join(SECONDS)
    assert [result.get("outcome") or result["msg"] for result in results] == ["succeeded"] * 3
    assert len(upgrade.jobs("apply")) == 1
    assert PASSWORD not in "".join(upgrade.said)


def test_lost_answers_of_the_api_server_end_nothing(
    upgrade: Upgrade, database: str, postgres: Postgres, push: Push
) -> None:
    original, count = KubeClient.request, itertools.count(1)

    def request(self: KubeClient, method: str, path: str, **more: Any) -> dict[str, Any]:
        answer = original(self, method, path, **more)
        if next(count) % 10 == 0:
            raise Unreachable("the answer was lost")
        return answer

    with mock.patch.object(KubeClient, "request", request):
        ended = upgrade.perform(upgrade.document(push(f"{database}:v1", A | B)))
    assert ended["outcome"] == "succeeded"
    assert next(count) > 30, "several answers were lost"
    assert len(upgrade.jobs("apply")) == 1
