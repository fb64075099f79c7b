# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults on request, the control over HTTP, and the query log."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pymysql
import pytest

from steadylab.simulator import harness
from steadylab.simulator.harness import Harness
from steadylab.simulator.statements import redact

LEADER, FOLLOWER = "prod-fe-0", "prod-fe-1"
SET = 'ADMIN SET FRONTEND CONFIG ("tablet_sched_max_scheduling_tablets" = "0")'


@pytest.fixture
def cluster() -> Iterator[Harness]:
    with harness.start(password="s3cret") as running:
        yield running


def _call(cluster: Harness, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    address = urlsplit(cluster.control_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=harness.PATIENCE)
    try:
        connection.request(method, path, body=None if body is None else json.dumps(body))
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def _limit(cluster: Harness, pod: str) -> str:
    settings = cluster.cluster_state()["frontends"][pod]["settings"]
    return str(settings["tablet_sched_max_scheduling_tablets"])


def test_an_error_is_answered_and_nothing_applied(cluster: Harness) -> None:
    cluster.faults({"kind": "error", "match": "^ADMIN SET", "errno": 1105, "message": "out of order"})
    with pytest.raises(pymysql.err.MySQLError) as caught:
        cluster.query(FOLLOWER, SET)
    assert caught.value.args == (1105, "out of order")
    assert _limit(cluster, LEADER) == "10000"
    assert cluster.query(FOLLOWER, "SHOW FRONTENDS")


def test_an_error_on_the_nth_statement(cluster: Harness) -> None:
    cluster.faults({"kind": "error", "match": "FRONTENDS", "on_nth": 2})
    assert cluster.query(LEADER, "SHOW FRONTENDS")
    with pytest.raises(pymysql.err.MySQLError, match="injected fault"):
        cluster.query(LEADER, "SHOW FRONTENDS")
    assert cluster.query(LEADER, "SHOW FRONTENDS")


@pytest.mark.parametrize(("kind", "limit"), [("drop", "10000"), ("drop_after_apply", "0")])
def test_a_dropped_connection_says_nothing_about_what_was_applied(cluster: Harness, kind: str, limit: str) -> None:
    cluster.faults({"kind": kind, "match": "ADMIN SET", "fe": FOLLOWER, "times": 1})
    with pytest.raises(pymysql.err.OperationalError) as caught:
        cluster.query(FOLLOWER, SET)
    assert caught.value.args[0] == 2013
    assert _limit(cluster, LEADER) == limit
    cluster.query(FOLLOWER, SET)


def test_an_error_after_the_value_was_applied(cluster: Harness) -> None:
    cluster.faults({"kind": "error_after_apply", "match": "ADMIN SET"})
    with pytest.raises(pymysql.err.MySQLError, match="injected fault"):
        cluster.query(LEADER, SET)
    assert _limit(cluster, LEADER) == "0"


def test_a_fault_on_one_fe_leaves_the_others_alone(cluster: Harness) -> None:
    cluster.faults({"kind": "error", "fe": FOLLOWER})
    with pytest.raises(pymysql.err.MySQLError):
        cluster.query(FOLLOWER, "SELECT 1")
    assert cluster.query(LEADER, "SELECT 1")


@pytest.mark.parametrize("kind", ["slow", "hang"])
def test_an_answer_that_does_not_come_in_time(cluster: Harness, kind: str) -> None:
    cluster.faults({"kind": kind, "match": "SHOW FRONTENDS", "seconds": 3600})
    with (
        cluster.connect(LEADER, read_timeout=harness.IMPATIENCE) as connection,
        connection.cursor() as cursor,
        pytest.raises(pymysql.err.OperationalError, match="timed out"),
    ):
        cursor.execute("SHOW FRONTENDS")
    assert cluster.query(LEADER, "SHOW BACKENDS")


def test_a_slow_answer_is_right_in_the_end(cluster: Harness) -> None:
    cluster.faults({"kind": "slow", "match": "SHOW FRONTENDS", "seconds": 0.05})
    assert len(cluster.query(LEADER, "SHOW FRONTENDS")) == 3


def test_a_hang_ends_when_the_fault_is_removed(cluster: Harness) -> None:
    (number,) = cluster.faults({"kind": "hang", "match": "SHOW FRONTENDS"})
    with (
        cluster.connect(LEADER, read_timeout=harness.IMPATIENCE) as connection,
        connection.cursor() as cursor,
        pytest.raises(pymysql.err.OperationalError, match="timed out"),
    ):
        cursor.execute("SHOW FRONTENDS")
    assert _call(cluster, "DELETE", f"/faults/{number}") == (200, [])
    assert cluster.query(LEADER, "SHOW FRONTENDS")


def test_refused_connections(cluster: Harness) -> None:
    cluster.faults({"kind": "refuse", "fe": FOLLOWER})
    with pytest.raises(pymysql.err.OperationalError, match="refused"):
        cluster.connect(FOLLOWER)
    assert cluster.cluster_state()["frontends"][FOLLOWER]["alive"]
    cluster.faults()
    assert cluster.query(FOLLOWER, "SELECT 1")


def test_refused_for_a_while(cluster: Harness) -> None:
    cluster.faults({"kind": "refuse", "fe": FOLLOWER, "seconds": 0.05})
    cluster.wait(lambda state: state["frontends"][FOLLOWER]["listening"])
    assert cluster.query(FOLLOWER, "SELECT 1")


def test_the_first_connections_break(cluster: Harness) -> None:
    cluster.faults({"kind": "refuse", "fe": LEADER, "times": 2})
    for _ in range(2):
        with pytest.raises(pymysql.err.OperationalError):
            cluster.connect(LEADER)
    assert cluster.query(LEADER, "SELECT 1")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"kind": "explode"}, "fault kind 'explode' is none of"),
        ({"kind": "drop", "matches": "x"}, "unknown fault fields"),
        ({"kind": "drop", "match": "("}, "no regular expression"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(cluster: Harness, fault: dict[str, Any], message: str) -> None:
    status, answer = _call(cluster, "POST", "/faults", [fault])
    assert status == 400
    assert message in answer["error"]
    assert _call(cluster, "GET", "/faults") == (200, [])


def test_faults_over_http(cluster: Harness) -> None:
    status, answer = _call(
        cluster, "POST", "/faults", [{"kind": "error", "match": "1"}, {"kind": "drop", "match": "2"}]
    )
    assert (status, len(answer["faults"])) == (200, 2)
    with pytest.raises(pymysql.err.MySQLError):
        cluster.query(LEADER, "SELECT 1")
    faults = _call(cluster, "GET", "/faults")[1]
    assert [(fault["kind"], fault["struck"]) for fault in faults] == [("error", 1), ("drop", 0)]
    assert _call(cluster, "DELETE", "/faults") == (200, [])
    assert _call(cluster, "DELETE", "/faults/77")[0] == 400


def test_state_over_http(cluster: Harness) -> None:
    status, state = _call(cluster, "GET", "/state")
    frontends = state["clusters"]["starrocks/prod"]["frontends"]
    assert status == 200
    assert (frontends[LEADER]["host"], frontends[LEADER]["port"]) == cluster.address(LEADER)
    assert (frontends[LEADER]["role"], frontends[FOLLOWER]["role"]) == ("LEADER", "FOLLOWER")
    assert "s3cret" not in json.dumps(state)


def test_changes_over_http(cluster: Harness) -> None:
    body = {"leader": FOLLOWER, "settings": {LEADER: {"disable_balance": "true"}}, "options": {"heal_seconds": 2}}
    status, state = _call(cluster, "POST", "/state", body)
    after = state["clusters"]["starrocks/prod"]
    assert (status, after["leader"], after["options"]["heal_seconds"]) == (200, FOLLOWER, 2.0)
    assert after["frontends"][LEADER]["settings"]["tablet_sched_disable_balance"] == "true"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"lader": "x"}, "unknown changes"),
        ({"leader": "prod-fe-9"}, "not a live follower"),
        ({"cluster": "a/b", "leader": LEADER}, "no cluster 'a/b'"),
        ({"rotate_password": True}, "has no Secret"),
        ({"users": {"x": {"privileges": ["ALL"]}}}, "unknown privileges"),
        ([1], "AttributeError"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(cluster: Harness, body: Any, message: str) -> None:
    status, answer = _call(cluster, "POST", "/state", body)
    assert status == 400
    assert message in answer["error"]


def test_unknown_paths_are_not_found(cluster: Harness) -> None:
    assert _call(cluster, "GET", "/")[0] == 404


def test_every_statement_is_logged_with_its_result(cluster: Harness) -> None:
    cluster.query(FOLLOWER, "SHOW FRONTENDS")
    with pytest.raises(pymysql.err.MySQLError):
        cluster.query(LEADER, "DROP TABLE orders")
    forwarded, refused = _call(cluster, "GET", "/queries")[1][-3], cluster.queries()[-1]
    assert (forwarded["sql"], forwarded["fe"], forwarded["forwarded_from"]) == ("SHOW FRONTENDS", LEADER, FOLLOWER)
    assert (refused["result"], refused["errno"], refused["cluster"]) == ("error", 1064, "starrocks/prod")


def test_the_log_tells_connections_apart_and_how_long_a_statement_took(cluster: Harness) -> None:
    cluster.faults({"kind": "slow", "match": "SHOW BACKENDS", "seconds": 0.05})
    with cluster.connect(LEADER) as one, cluster.connect(LEADER) as other:
        for connection, sql in ((one, "SHOW BACKENDS"), (one, "SELECT 1"), (other, "SELECT 2")):
            with connection.cursor() as cursor:
                cursor.execute(sql)
    slow, same, another = cluster.queries()[-3:]
    assert slow["connection"] == same["connection"] != another["connection"]
    assert slow["seconds"] > same["seconds"] >= 0


@pytest.mark.parametrize(
    "sql",
    ["SET PASSWORD = PASSWORD('hush')", "CREATE USER 'x' IDENTIFIED BY 'hush'", 'ALTER USER x IDENTIFIED BY "hush"'],
)
def test_secrets_never_reach_the_log(cluster: Harness, sql: str) -> None:
    with contextlib.suppress(pymysql.err.MySQLError):
        cluster.query(LEADER, sql)
    assert cluster.queries()[-1]["sql"].startswith(sql.split()[0])
    assert "hush" not in json.dumps(cluster.queries())
    assert redact(SET) == SET
