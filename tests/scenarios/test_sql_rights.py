# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rights on the FE: the user of the shipped SQL file is enough; one that lacks something is told what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pymysql
import pytest
from scenarios.cluster import Mark, StarRocks
from scenarios.conftest import MakeDriver
from scenarios.playbook import ROOT, Driver

USER, SECRET = "rollout", "rollout-fe"
PASSWORD = "canary-of-the-rollout-user"
SQL = (ROOT / "operator" / "sql" / "rollout-user.sql").read_text("utf-8")
ACCESS: dict[str, Any] = {"starrocks_access": {"fe_user": USER, "fe_password_secret": {"name": SECRET}}}


def run_sql(starrocks: StarRocks, text: str) -> None:
    """Run the statements of a file on the leader, as root."""
    entry = starrocks.state["frontends"][starrocks.leader]
    address = {"host": entry["host"], "port": entry["port"]}
    with pymysql.connect(user="root", password=starrocks.password, **address) as connection:
        with connection.cursor() as cursor:
            lines = (line for line in text.splitlines() if not line.startswith("--"))
            for statement in filter(str.strip, "\n".join(lines).split(";")):
                cursor.execute(statement)


@pytest.fixture
def product(driver: MakeDriver, starrocks: StarRocks) -> Iterator[Driver]:
    """The product for a cluster that has the user and its Secret; nobody may see the password in the end."""
    run_sql(starrocks, SQL.replace("CHANGE_ME", PASSWORD))
    starrocks.add_secret(SECRET, password=PASSWORD)
    driver_of_cluster = driver(starrocks)
    yield driver_of_cluster
    files = [path for path in driver_of_cluster.directory.rglob("*") if path.is_file()]
    assert [path for path in files if PASSWORD in path.read_text("utf-8", "replace")] == []


def assert_only_that_user(starrocks: StarRocks, since: Mark) -> None:
    """Every statement came from the user, and none was refused."""
    queries = starrocks.queries(since)
    assert {entry["user"] for entry in queries} == {USER}
    assert [entry["sql"] for entry in queries if entry["errno"] == 5203] == []


def test_operate_is_enough_for_an_upgrade(starrocks: StarRocks, product: Driver) -> None:
    mark = starrocks.mark()
    product.run(product.document("3.3.2", acknowledge=["leader-restart"]), **ACCESS).succeeded()
    assert set(starrocks.tags.values()) == {"3.3.2"}
    starrocks.assert_settings()
    assert_only_that_user(starrocks, mark)


def test_operate_is_enough_for_a_rollback(starrocks: StarRocks, product: Driver) -> None:
    mark = starrocks.mark()
    document = product.document(None, target={"images": {"be": "starrocks/be-ubuntu:3.3.2-broken"}})
    product.run(document, **ACCESS).failed("rolled.back")
    assert starrocks.tags["prod-be-0"] == "3.3.1"
    starrocks.assert_settings()
    assert_only_that_user(starrocks, mark)


def test_operate_is_enough_for_a_restore(starrocks: StarRocks, product: Driver) -> None:
    mark = starrocks.mark()
    run = product.start(product.document("3.3.2"), starrocks_upgrade_lease_seconds=5, **ACCESS)
    starrocks.wait_switched_off()
    run.kill()
    product.restore(starrocks_restore_lease_seconds=5, **ACCESS).succeeded()
    starrocks.assert_settings()
    starrocks.assert_released()
    assert_only_that_user(starrocks, mark)


@pytest.mark.parametrize("privileges", [[], ["SELECT"], ["NODE"]], ids=lambda found: "+".join(found) or "none")
def test_without_operate_nothing_is_touched(privileges: list[str], starrocks: StarRocks, product: Driver) -> None:
    starrocks.simulate(users={USER: {"password": PASSWORD, "privileges": privileges}})
    mark = starrocks.mark()
    run = product.preflight(product.document("3.3.2"), **ACCESS)
    run.failed("does not allow user rollout", "OPERATE", "GRANT OPERATE ON SYSTEM TO USER rollout")
    assert "cluster_admin" not in run.text
    starrocks.untouched(mark)


def test_without_node_a_transfer_of_the_lead_is_refused_before_anything_is_touched(
    starrocks: StarRocks, product: Driver
) -> None:
    starrocks.simulate(options={"transfer_leader": True})
    mark = starrocks.mark()
    run = product.preflight(product.document("3.3.2", leader={"strategy": "transfer"}), **ACCESS)
    run.failed("leader.strategy", "NODE", "GRANT cluster_admin TO USER rollout; SET DEFAULT ROLE cluster_admin TO")
    starrocks.untouched(mark)
    run_sql(starrocks, f"GRANT cluster_admin TO USER {USER}; SET DEFAULT ROLE cluster_admin TO {USER}")
    product.run(product.document("3.3.2", leader={"strategy": "transfer"}), **ACCESS).succeeded()
    assert set(starrocks.tags.values()) == {"3.3.2"}


def test_a_user_that_does_not_exist(starrocks: StarRocks, driver: MakeDriver) -> None:
    starrocks.add_secret(SECRET, password=PASSWORD)
    mark = starrocks.mark()
    product = driver(starrocks)
    product.preflight(product.document("3.3.2"), **ACCESS).failed("does not let user rollout in", "fe_password_secret")
    starrocks.untouched(mark)
