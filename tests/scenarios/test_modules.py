# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules by themselves: settings, hooks and the look at a whole cluster."""

from __future__ import annotations

from typing import Any

import pytest
from scenarios.cluster import DEFAULTS, LIMIT, OFF, StarRocks
from scenarios.conftest import MakeCluster
from scenarios.playbook import Driver

BALANCE = "tablet_sched_disable_balance"


@pytest.fixture
def starrocks(cluster: MakeCluster) -> StarRocks:
    """Three FEs and one BE."""
    return cluster(fe=3, be=1)


def test_info_sees_everything_and_writes_nothing(calm: StarRocks, asked: Driver) -> None:
    mark = calm.mark()
    rc, result = asked.module("starrocks_info")
    assert rc == 0, result
    assert not result["changed"]
    snapshot = result["snapshot"]
    assert {pod["name"] for pod in snapshot["pods"]} == set(calm.pods)
    assert {pod: view["values"] for pod, view in snapshot["settings"].items()} == calm.settings
    assert snapshot["blind"] == {}
    calm.untouched(mark)


def test_config_sets_on_every_fe_and_is_idempotent(starrocks: StarRocks, product: Driver) -> None:
    starrocks.simulate(settings={"prod-fe-1": {LIMIT: "777"}})
    rc, result = product.module("starrocks_config", settings={"max_scheduling_tablets": 5000, BALANCE: True})
    assert rc == 0, result
    assert result["changed"]
    assert result["before"]["prod-fe-1"][LIMIT] == "777"
    assert {values[LIMIT] for values in result["after"].values()} == {"5000"}
    starrocks.assert_settings(**{LIMIT: "5000", BALANCE: "true"})
    mark = starrocks.mark()
    rc, result = product.module("starrocks_config", settings={LIMIT: "5000", BALANCE: "true"})
    assert (rc, result["changed"]) == (0, False)
    starrocks.untouched(mark)


def test_config_in_check_mode_shows_and_writes_nothing(calm: StarRocks, asked: Driver) -> None:
    mark = calm.mark()
    rc, result = asked.module("starrocks_config", "--check", "--diff", settings={LIMIT: 5000})
    assert (rc, result["changed"]) == (0, True)
    assert {values[LIMIT] for values in result["before"].values()} == {"10000"}
    assert {values[LIMIT] for values in result["after"].values()} == {"5000"}
    calm.untouched(mark)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"no_such_setting": 1}, "no_such_setting"),
        ({"edit_log_port": 9011}, "edit_log_port"),
        ({LIMIT: "1; DROP TABLE x"}, LIMIT),
        ({f"{LIMIT}' = '1": "1"}, "is no name of an FE setting"),
        ({LIMIT: "many"}, "many"),
    ],
    ids=["unknown", "not at run time", "value that is SQL", "key that is SQL", "wrong type"],
)
def test_config_refuses_what_cannot_be(settings: dict[str, object], said: str, calm: StarRocks, asked: Driver) -> None:
    mark = calm.mark()
    rc, result = asked.module("starrocks_config", settings=settings)
    assert rc != 0
    assert said in result["msg"]
    assert calm.setting_changes(mark) == []
    assert calm.writes(mark) == []


def test_config_beside_a_run_is_refused(starrocks: StarRocks, product: Driver) -> None:
    target = {"images": {"be": "starrocks/be-ubuntu:3.3.2"}}
    run = product.start(product.document(None, target=target))
    starrocks.hold_in_window()
    rc, result = product.module("starrocks_config", settings={LIMIT: 1})
    assert rc != 0
    lease = starrocks.lease
    assert lease is not None
    assert lease["holderIdentity"] in result["msg"]
    starrocks.simulate(tablets={"broken": 0})
    run.finish().succeeded()
    starrocks.assert_settings()


def test_hook_quiesce_and_restore_go_through_the_journal(starrocks: StarRocks, product: Driver) -> None:
    starrocks.set_everywhere(**{LIMIT: "12345"})
    rc, result = product.module("starrocks_hook", names=["quiesce"])
    assert (rc, result["changed"]) == (0, True), result
    assert starrocks.settings == dict.fromkeys(starrocks.frontends, OFF)
    record = starrocks.record
    assert record is not None
    assert {key: entry["baseline"] for key, entry in record["journal"]["entries"].items()} == {
        **DEFAULTS,
        LIMIT: "12345",
    }
    starrocks.assert_released()
    mark = starrocks.mark()
    rc, result = product.module("starrocks_hook", names=["quiesce"])
    assert (rc, result["changed"]) == (0, False), result
    assert starrocks.setting_changes(mark) == []
    rc, result = product.module("starrocks_hook", names=["restore"])
    assert (rc, result["changed"]) == (0, True), result
    starrocks.assert_settings(**{LIMIT: "12345"})
    starrocks.assert_released()
    rc, result = product.module("starrocks_hook", names=["restore"])
    assert (rc, result["changed"]) == (0, False), result


@pytest.mark.parametrize(
    ("off", "on", "keys"),
    [("disable-tablet-clone", "enable-tablet-clone", (LIMIT,)), ("disable-balancer", "enable-balancer", (BALANCE,))],
)
def test_the_pairs_of_hooks(off: str, on: str, keys: tuple[str, ...], starrocks: StarRocks, product: Driver) -> None:
    assert product.module("starrocks_hook", names=[off])[0] == 0
    expected = {**DEFAULTS, **{key: OFF[key] for key in keys}}
    assert starrocks.settings == dict.fromkeys(starrocks.frontends, expected)
    assert product.module("starrocks_hook", names=[on])[0] == 0
    starrocks.assert_settings()


def test_hook_in_check_mode_writes_nothing(calm: StarRocks, asked: Driver) -> None:
    mark = calm.mark()
    rc, result = asked.module("starrocks_hook", "--check", names=["quiesce"])
    assert (rc, result["changed"]) == (0, True)
    calm.untouched(mark)


def test_statements_run_in_order_and_report_each(calm: StarRocks, asked: Driver) -> None:
    mark = calm.mark()
    rc, result = asked.module("starrocks_hook", statements=["SHOW FRONTENDS", "SHOW BACKENDS;"])
    assert (rc, result["changed"]) == (0, False), result
    assert [entry["ok"] for entry in result["results"]] == [True, True]
    assert len(result["results"][0]["rows"]) == 3
    calm.untouched(mark)


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE t",
        "GRANT ALL ON *.* TO x",
        "SHOW FRONTENDS; DROP TABLE t",
        "/*!50000 DROP TABLE t */",
        'ADMIN SET FRONTEND CONFIG ("qe_max_connection" = "1")',
        "SELECT 1 INTO OUTFILE 's3://x'",
        "SHOW FRONTENDS -- ",
        "",
    ],
)
def test_unsafe_statements_are_refused(sql: str, calm: StarRocks, asked: Driver) -> None:
    mark = calm.mark()
    rc, result = asked.module("starrocks_hook", statements=["SHOW FRONTENDS", sql])
    assert rc != 0
    assert "statements[1]" in result["msg"]
    assert result["remedy"]
    assert calm.queries(mark) == [], "the first statement ran although the second is refused"


def config_map(starrocks: StarRocks, **data: str) -> None:
    """A ConfigMap called hooks; a double underscore in a key stands for a dot."""
    keys = {key.replace("__", "."): text for key, text in data.items()}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hooks"}, "data": keys}
    starrocks.api.request("POST", f"/api/v1/namespaces/{starrocks.namespace}/configmaps", body)


def test_a_key_of_a_config_map_is_run_statement_by_statement(starrocks: StarRocks, product: Driver) -> None:
    setting = f'ADMIN SET FRONTEND CONFIG ("{LIMIT}" = "7");'
    config_map(
        starrocks, look__sql="SHOW FRONTENDS;\n-- both\nSHOW BACKENDS;\n", few__sql=setting, bad__sql="DROP TABLE t"
    )
    rc, result = product.module("starrocks_hook", config_map={"name": "hooks", "key": "look.sql"})
    assert (rc, result["changed"]) == (0, False), result
    addresses = {row["IP"].partition(".")[0] for row in result["results"][0]["rows"]}
    assert addresses >= set(starrocks.frontends)
    assert addresses & set(starrocks.backends)
    rc, result = product.module("starrocks_hook", config_map={"name": "hooks", "key": "few.sql"})
    assert (rc, result["changed"]) == (0, True), result
    starrocks.assert_settings(**{LIMIT: "7"})
    assert product.module("starrocks_hook", names=["restore"])[0] == 0
    starrocks.assert_settings()
    mark = starrocks.mark()
    for key, said in (("bad.sql", "unsafe statement"), ("gone.sql", "gone.sql"), ("gone.sh", "gone.sh")):
        rc, result = product.module("starrocks_hook", config_map={"name": "hooks", "key": key})
        assert (rc != 0, said in result["msg"]) == (True, True), result
    starrocks.untouched(mark)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"names": ["make-coffee"]}, ("make-coffee", "quiesce")),
        ({"names": ["quiesce"], "timeout": -1}, ("timeout", "-1")),
        ({"names": ["quiesce"], "timeout": 1e9}, ("timeout",)),
        ({"names": ["quiesce"], "retries": -1}, ("retries", "-1")),
        ({"names": ["quiesce"], "statements": ["SHOW FRONTENDS"]}, ("mutually exclusive",)),
        ({}, ("one of the following is required",)),
    ],
    ids=["unknown hook", "negative timeout", "absurd timeout", "negative retries", "both", "neither"],
)
def test_bad_hooks_are_refused(
    arguments: dict[str, Any], said: tuple[str, ...], calm: StarRocks, asked: Driver
) -> None:
    mark = calm.mark()
    rc, result = asked.module("starrocks_hook", **arguments)
    assert rc != 0
    assert [part for part in said if part not in result["msg"]] == []
    calm.untouched(mark)


def test_a_transient_error_is_tried_again(calm: StarRocks, asked: Driver) -> None:
    # ERR_QUERY_TIMEOUT of StarRocks' ErrorCode.java.
    calm.faults({"kind": "error", "errno": 5024, "match": "SHOW PROC '/statistic'", "times": 2})
    rc, result = asked.module("starrocks_hook", statements=["SHOW PROC '/statistic'"], backoff=0.1)
    assert rc == 0, result
    assert result["results"][0]["attempts"] == 3


@pytest.mark.parametrize("critical", [True, False])
def test_a_statement_that_fails(critical: bool, calm: StarRocks, asked: Driver) -> None:
    statements = ["SHOW PROC '/no_such_thing'", "SHOW FRONTENDS"]
    rc, result = asked.module("starrocks_hook", statements=statements, critical=critical, retries=0)
    assert (rc == 0) is not critical
    ran = [entry["ok"] for entry in result["results"]]
    assert ran == ([False] if critical else [False, True])


def test_an_upgrade_after_a_quiesce_hook_restores_what_was_before_the_hook(
    starrocks: StarRocks, product: Driver
) -> None:
    starrocks.set_everywhere(**{LIMIT: "12345"})
    assert product.module("starrocks_hook", names=["quiesce"])[0] == 0
    target = {"images": {"be": "starrocks/be-ubuntu:3.3.2"}}
    product.upgrade(None, target=target).succeeded()
    starrocks.assert_settings(**{LIMIT: "12345"})


def test_a_password_given_as_an_option_is_shown_nowhere(calm: StarRocks, asked: Driver) -> None:
    asked = asked.as_root()
    rc, result = asked.module("starrocks_info", "-vvvv", fe_password=calm.password)
    assert rc == 0, result
    rc, result = asked.module("starrocks_info", "-vvvv", fe_password=f"not-{calm.password}", purpose="upgrade", spec={})
    assert rc != 0
    assert calm.password not in str(result)
