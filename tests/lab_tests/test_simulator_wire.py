# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client sees on the wire: logins, columns, forwarding, settings, privileges, restarts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from steadylab.certs import Authority
from steadylab.simulator import harness
from steadylab.simulator.harness import Harness

LEADER, FOLLOWER, OTHER = "prod-fe-0", "prod-fe-1", "prod-fe-2"
LIMIT = "tablet_sched_max_scheduling_tablets"


@pytest.fixture
def cluster() -> Iterator[Harness]:
    with harness.start(password="s3cret") as running:
        yield running


def _error(caught: pytest.ExceptionInfo[pymysql.err.MySQLError]) -> tuple[int, str]:
    number, text = caught.value.args
    return number, text


def _value(cluster: Harness, pod: str, key: str = LIMIT) -> str:
    (row,) = cluster.query(pod, f"ADMIN SHOW FRONTEND CONFIG LIKE '{key}'")
    return str(row["Value"])


def _statistic(cluster: Harness, pod: str = LEADER) -> dict[str, Any]:
    return cluster.query(pod, "SHOW PROC '/statistic'")[-1]


def _balance(cluster: Harness, pod: str = LEADER) -> dict[str, str]:
    return {row["Item"]: row["Number"] for row in cluster.query(pod, "SHOW PROC '/cluster_balance'")}


def _set(cluster: Harness, value: str, pod: str = LEADER) -> None:
    cluster.query(pod, f'ADMIN SET FRONTEND CONFIG ("{LIMIT}" = "{value}")')


# Logins.


@pytest.mark.parametrize(
    ("user", "password", "using"), [("root", "wrong", "YES"), ("ghost", "s3cret", "YES"), ("root", "", "NO")]
)
def test_wrong_user_or_password_is_1045_and_ends_the_connection(
    cluster: Harness, user: str, password: str, using: str
) -> None:
    with pytest.raises(pymysql.err.OperationalError) as caught:
        cluster.connect(LEADER, user, password)
    assert _error(caught) == (1045, f"Access denied for user '{user}' (using password: {using})")


def test_root_without_a_password() -> None:
    with harness.start(fe=1, be=0) as cluster:
        assert cluster.query(LEADER, "SELECT 1") == [{"1": "1"}]
        with pytest.raises(pymysql.err.OperationalError, match="using password: YES"):
            cluster.connect(LEADER, password="s3cret")


def test_a_rotated_password_counts_for_new_connections_only(cluster: Harness) -> None:
    with cluster.connect(LEADER) as connection:
        cluster.change(rotate_password="n3w")
        connection.ping(reconnect=False)
    with pytest.raises(pymysql.err.OperationalError, match="1045"):
        cluster.connect(LEADER)
    assert cluster.query(LEADER, "SELECT 1", password="n3w")


# Privileges: SYSTEM OPERATE for ADMIN and SHOW PROC, it or NODE for SHOW of nodes, NODE for ALTER SYSTEM.


@pytest.mark.parametrize(
    ("privileges", "sql", "missing"),
    [
        ([], "SHOW FRONTENDS", "OPERATE OR NODE"),
        ([], "SHOW BACKENDS", "OPERATE OR NODE"),
        ([], "SHOW COMPUTE NODES", "OPERATE OR NODE"),
        (["NODE"], "SHOW PROC '/statistic'", "OPERATE"),
        ([], "ADMIN SHOW FRONTEND CONFIG", "OPERATE"),
        (["NODE"], f'ADMIN SET FRONTEND CONFIG ("{LIMIT}" = "0")', "OPERATE"),
        (["OPERATE"], "ALTER SYSTEM CREATE IMAGE", "NODE"),
    ],
)
def test_a_missing_privilege_is_named(cluster: Harness, privileges: list[str], sql: str, missing: str) -> None:
    cluster.change(users={"upgrader": {"password": "pw", "privileges": privileges}})
    with pytest.raises(pymysql.err.OperationalError) as caught:
        cluster.query(FOLLOWER, sql, "upgrader", "pw")
    number, text = _error(caught)
    assert number == 5203
    assert text.startswith(f"Access denied; you need (at least one of) the {missing} privilege(s) on SYSTEM")
    assert cluster.cluster_state()["setting_changes"] == []


def test_operate_is_enough_for_settings_and_node_for_images(cluster: Harness) -> None:
    cluster.change(users={"operator": {"password": "pw", "privileges": ["OPERATE"]}, "admin": {"privileges": ["NODE"]}})
    cluster.query(LEADER, f'ADMIN SET FRONTEND CONFIG ("{LIMIT}" = "7")', "operator", "pw")
    assert _value(cluster, OTHER) == "7"
    cluster.query(FOLLOWER, "ALTER SYSTEM CREATE IMAGE", "admin", "")
    assert cluster.cluster_state()["images"] == 1


def test_a_user_is_made_and_given_rights_by_sql(cluster: Harness) -> None:
    cluster.query(FOLLOWER, "CREATE USER IF NOT EXISTS 'rollout' IDENTIFIED BY 'pw'")
    cluster.query(FOLLOWER, "CREATE USER IF NOT EXISTS 'rollout' IDENTIFIED BY 'other'")
    with pytest.raises(pymysql.err.OperationalError, match="the OPERATE privilege"):
        cluster.query(LEADER, "SHOW PROC '/statistic'", "rollout", "pw")
    cluster.query(LEADER, "GRANT OPERATE ON SYSTEM TO USER 'rollout'@'%'")
    assert cluster.query(OTHER, "SHOW PROC '/statistic'", "rollout", "pw")
    assert "pw" not in str(cluster.queries())


def test_a_role_gives_nothing_before_it_is_activated(cluster: Harness) -> None:
    cluster.query(LEADER, "CREATE USER rollout")
    cluster.query(LEADER, "GRANT cluster_admin TO USER rollout")
    with pytest.raises(pymysql.err.OperationalError, match="the NODE privilege"):
        cluster.query(LEADER, "ALTER SYSTEM CREATE IMAGE", "rollout", "")
    cluster.query(LEADER, "SET DEFAULT ROLE cluster_admin TO rollout")
    cluster.query(LEADER, "ALTER SYSTEM CREATE IMAGE", "rollout", "")


@pytest.mark.parametrize(
    ("sql", "user", "match"),
    [
        ("CREATE USER rollout", "operator", "the GRANT privilege"),
        ("GRANT OPERATE ON SYSTEM TO USER operator", "operator", "the GRANT privilege"),
        ("CREATE USER operator", "root", "already exists"),
        ("GRANT OPERATE ON SYSTEM TO USER ghost", "root", "not exist"),
        ("GRANT nobody TO USER operator", "root", "cannot find role"),
        ("SET DEFAULT ROLE db_admin TO operator", "root", "not granted"),
    ],
)
def test_what_cannot_be_granted(cluster: Harness, sql: str, user: str, match: str) -> None:
    cluster.change(users={"operator": {"privileges": ["OPERATE"]}})
    with pytest.raises(pymysql.err.MySQLError, match=match):
        cluster.query(LEADER, sql, user, "" if user == "operator" else "s3cret")


def test_the_catalogue_shows_what_the_user_may_see(cluster: Harness) -> None:
    counted = "SELECT COUNT(*) FROM information_schema.partitions_meta"
    cluster.change(users={"blind": {"privileges": ["OPERATE"]}, "reader": {"privileges": ["SELECT"]}})
    assert cluster.query(LEADER, counted, "blind", "") == [{"count(*)": "0"}]
    assert cluster.query(LEADER, counted, "reader", "") == cluster.query(LEADER, counted) == [{"count(*)": "3"}]


# TLS.

HOST = "prod-fe-0.prod-fe-search.starrocks.svc"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority.create()
    made.pair.write(tmp_path, "ca")
    return made


def _offer_tls(cluster: Harness, authority: Authority, *, required: bool = False) -> None:
    pair = authority.issue("fe", names=(HOST,))
    keystore = {"certificate": pair.certificate.decode(), "key": pair.key.decode(), "required": required}
    cluster.change(tls={LEADER: keystore})


@pytest.fixture
def newer() -> Iterator[Harness]:
    with harness.start(fe=2, be=0, password="s3cret", version="3.4.1") as running:
        yield running


def test_an_fe_with_a_keystore_offers_tls(newer: Harness, authority: Authority, tmp_path: Path) -> None:
    _offer_tls(newer, authority)
    with newer.connect(LEADER, ssl_ca=str(tmp_path / "ca.crt"), ssl_verify_cert=True) as connection:
        with connection.cursor() as cursor:
            # More than one record of TLS each way.
            cursor.execute(f"SELECT '{'x' * 40_000}'")
            assert len(str(cursor.fetchone())) > 40_000
    with newer.connect(FOLLOWER) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 2")
    encrypted = {entry["fe"]: entry["encrypted"] for entry in newer.queries() if entry["sql"].startswith("SELECT '")}
    assert encrypted == {LEADER: True}
    assert {entry["encrypted"] for entry in newer.queries() if entry["fe"] == FOLLOWER} == {False}


def test_an_fe_that_insists_on_tls_refuses_plain_connections(newer: Harness, authority: Authority) -> None:
    _offer_tls(newer, authority, required=True)
    with pytest.raises(pymysql.err.OperationalError) as caught:
        newer.connect(LEADER, ssl_disabled=True)
    assert _error(caught) == (5205, "Connections using insecure transport are prohibited")
    assert newer.query(LEADER, "SELECT 1") == [{"1": "1"}]


def test_versions_before_3_4_1_offer_no_tls(cluster: Harness, authority: Authority, tmp_path: Path) -> None:
    _offer_tls(cluster, authority, required=True)
    with pytest.raises(pymysql.err.OperationalError, match="2026"):
        cluster.connect(LEADER, ssl_ca=str(tmp_path / "ca.crt"))
    cluster.restart_pod(LEADER, version="3.4.1")
    assert cluster.connect(LEADER, ssl_ca=str(tmp_path / "ca.crt"), ssl_verify_cert=True).open


def test_a_client_that_does_not_trust_the_certificate_harms_nobody(
    newer: Harness, authority: Authority, tmp_path: Path
) -> None:
    _offer_tls(newer, authority)
    Authority.create().pair.write(tmp_path, "other")
    with pytest.raises(pymysql.err.OperationalError, match="CERTIFICATE_VERIFY_FAILED"):
        newer.connect(LEADER, ssl_ca=str(tmp_path / "other.crt"), ssl_verify_cert=True)
    assert newer.query(LEADER, "SELECT 1") == [{"1": "1"}]


def test_a_keystore_that_is_none_is_refused(newer: Harness) -> None:
    with pytest.raises(ValueError, match="no certificate with its key"):
        newer.change(tls={LEADER: {"certificate": "x", "key": "y"}})


# Statements.


@pytest.mark.parametrize(
    "sql",
    [
        "DROP DATABASE sales",
        "SHOW FRONTENDS; DROP DATABASE sales",
        "/*!50000 DROP DATABASE sales */",
        f'ADMIN SET FRONTEND CONFIG ("{LIMIT}" = 0)',
        f'ADMIN SET FRONTEND CONFIG ("{LIMIT}" = "0", "disable_balance" = "true")',
        "ALTER SYSTEM TRANSFER LEADER TO 'x:9010'",
        "SHOW FRONTEND",
        "",
    ],
)
def test_what_the_grammar_does_not_know_is_a_syntax_error(cluster: Harness, sql: str) -> None:
    with pytest.raises(pymysql.err.MySQLError) as caught:
        cluster.query(LEADER, sql)
    assert _error(caught)[0] == 1064


@pytest.mark.parametrize(
    "sql", ["show frontends", "  SHOW\n  FRONTENDS ;", "-- who leads\nSHOW FRONTENDS", "/* who leads */ SHOW FRONTENDS"]
)
def test_case_space_and_leading_comments_do_not_matter(cluster: Harness, sql: str) -> None:
    assert len(cluster.query(LEADER, sql)) == 3


def test_an_error_does_not_end_the_connection(cluster: Harness) -> None:
    with cluster.connect(LEADER) as connection, connection.cursor() as cursor:
        with pytest.raises(pymysql.err.MySQLError):
            cursor.execute("DROP TABLE orders")
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == {"1": "1"}


def test_versions_as_clients_ask_for_them(cluster: Harness) -> None:
    """docs: current_version()."""
    rows = cluster.query(LEADER, "SELECT current_version(), @@version_comment")
    assert rows == [{"current_version()": "3.3.1", "@@version_comment": "StarRocks version 3.3.1"}]


def test_versions_carry_the_commit_where_asked_for() -> None:
    """StarRocks issue 45774: current_version() is 3.3.0-rc01-3b8cb0c."""
    with harness.start(fe=1, be=1, commit_hash="2b87854") as cluster:
        assert cluster.query(LEADER, "SHOW FRONTENDS")[0]["Version"] == "3.3.1-2b87854"
        assert cluster.query(LEADER, "SHOW BACKENDS")[0]["Version"] == "3.3.1-2b87854"


def test_session_variables(cluster: Harness) -> None:
    with cluster.connect(LEADER, init_command="SET query_timeout = 5") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@query_timeout, @@session.forward_to_leader")
        assert cursor.fetchone() == {"@@query_timeout": "5", "@@session.forward_to_leader": "false"}
        cursor.execute("SHOW VARIABLES LIKE 'query\\_%'")
        assert list(cursor.fetchall()) == [{"Variable_name": "query_timeout", "Value": "5"}]
        with pytest.raises(pymysql.err.MySQLError, match="1193"):
            cursor.execute("SET no_such_variable = 1")


def test_partitions_with_one_replica_are_found() -> None:
    """information_schema.partitions_meta, REPLICATION_NUM."""
    with harness.start(single_replica_partitions=2) as cluster:
        rows = cluster.query(
            LEADER,
            "SELECT DB_NAME, TABLE_NAME, PARTITION_NAME, REPLICATION_NUM FROM information_schema.partitions_meta "
            "WHERE REPLICATION_NUM = 1",
        )
        assert [row["PARTITION_NAME"] for row in rows] == ["p1", "p2"]
        counted = cluster.query(LEADER, "SELECT COUNT(*) FROM information_schema.partitions_meta")
        assert counted == [{"count(*)": "5"}]


def test_unknown_proc_path(cluster: Harness) -> None:
    with pytest.raises(pymysql.err.MySQLError) as caught:
        cluster.query(LEADER, "SHOW PROC '/no_such_path'")
    assert _error(caught) == (5001, "Proc path '/no_such_path' doesn't exist")


def test_running_schema_changes_show_under_jobs() -> None:
    """docs/en/deployment/manage_deployment/downgrade.md: SHOW PROC '/jobs/<db>/schema_change'."""
    with harness.start(schema_changes=1) as cluster:
        (database,) = cluster.query(LEADER, "SHOW PROC '/jobs'")
        types = {
            row["JobType"]: row["Running"] for row in cluster.query(LEADER, f"SHOW PROC '/jobs/{database['DbId']}'")
        }
        assert types["schema_change"] == "1"
        (job,) = cluster.query(LEADER, f"SHOW PROC '/jobs/{database['DbId']}/schema_change'")
        assert (job["TableName"], job["State"]) == ("orders", "RUNNING")
        cluster.options(schema_changes=0)
        assert cluster.query(LEADER, f"SHOW PROC '/jobs/{database['DbId']}/schema_change'") == []


# Nodes.


def test_show_frontends(cluster: Harness) -> None:
    """FrontendsProcNode: no IsMaster column; a dead FE has StartTime NULL and keeps its Version."""
    cluster.stop_pod(OTHER)
    rows = {row["IP"].partition(".")[0]: row for row in cluster.query(FOLLOWER, "SHOW FRONTENDS")}
    assert {pod: row["Role"] for pod, row in rows.items()} == {
        LEADER: "LEADER",
        FOLLOWER: "FOLLOWER",
        OTHER: "FOLLOWER",
    }
    assert "IsMaster" not in rows[LEADER]
    assert {pod: row["Alive"] for pod, row in rows.items()} == {LEADER: "true", FOLLOWER: "true", OTHER: "false"}
    assert (rows[OTHER]["StartTime"], rows[OTHER]["Version"]) == ("NULL", "3.3.1")
    assert rows[LEADER]["IP"] == "prod-fe-0.prod-fe-search.starrocks.svc.cluster.local"
    assert int(rows[OTHER]["ReplayedJournalId"]) <= int(rows[LEADER]["ReplayedJournalId"])


def test_show_frontends_may_show_no_leader_at_all() -> None:
    """StarRocks issue 50999, seen on 3.3.0 to 3.3.3: only SHOW PROC '/frontends' shows the leader."""
    with harness.start(leader_role_hidden=True) as cluster:
        assert {row["Role"] for row in cluster.query(LEADER, "SHOW FRONTENDS")} == {"FOLLOWER"}
        assert "LEADER" in {row["Role"] for row in cluster.query(LEADER, "SHOW PROC '/frontends'")}


def test_a_be_that_restarts_with_a_new_image(cluster: Harness) -> None:
    before = {row["IP"].partition(".")[0]: row for row in cluster.query(LEADER, "SHOW BACKENDS")}
    cluster.stop_pod("prod-be-1")
    away = {row["IP"].partition(".")[0]: row for row in cluster.query(LEADER, "SHOW BACKENDS")}
    assert (away["prod-be-1"]["Alive"], away["prod-be-1"]["Version"]) == ("false", "3.3.1")
    cluster.start_pod("prod-be-1", version="3.3.2")
    after = {row["IP"].partition(".")[0]: row for row in cluster.query(LEADER, "SHOW BACKENDS")}
    assert (after["prod-be-1"]["Alive"], after["prod-be-1"]["Version"]) == ("true", "3.3.2")
    assert after["prod-be-1"]["LastStartTime"] > before["prod-be-1"]["LastStartTime"]
    assert after["prod-be-1"]["BackendId"] == before["prod-be-1"]["BackendId"]
    assert after["prod-be-0"]["LastStartTime"] == before["prod-be-0"]["LastStartTime"]


def test_show_compute_nodes_of_a_shared_data_cluster() -> None:
    with harness.start(be=0, cn=2, run_mode="shared_data") as cluster:
        cluster.change(queries_running={"prod-cn-1": 4})
        rows = cluster.query(FOLLOWER, "SHOW COMPUTE NODES")
        assert [row["NumRunningQueries"] for row in rows] == ["0", "4"]
        assert rows[0]["WarehouseName"] == "default_warehouse"
        assert _statistic(cluster)["UnhealthyTabletNum"] == "0"
        assert cluster.query(LEADER, "ADMIN SHOW FRONTEND CONFIG LIKE 'run_mode'")[0]["Value"] == "shared_data"


def test_columns_follow_the_version_of_the_leader() -> None:
    """SHOW FRONTENDS is the leader's answer, so its columns are those of the leader's version."""
    with harness.start(version="4.0.6") as cluster:
        cluster.restart_pod(OTHER, version="4.1.0")
        assert "Id" not in cluster.query(OTHER, "SHOW FRONTENDS")[0]
        cluster.set_leader(OTHER)
        assert "Id" in cluster.query(FOLLOWER, "SHOW FRONTENDS")[0]


# Forwarding: what goes to the leader is logged as executed there.


@pytest.mark.parametrize(
    ("sql", "executed_by"),
    [
        ("SHOW FRONTENDS", LEADER),
        ("SHOW BACKENDS", LEADER),
        ("SHOW COMPUTE NODES", LEADER),
        ("SHOW PROC '/cluster_balance'", LEADER),
        ("SHOW PROC '/statistic'", FOLLOWER),
        ("SHOW PROC '/backends'", FOLLOWER),
        ("SHOW PROC '/jobs'", FOLLOWER),
        ("SHOW PROC '/frontends'", FOLLOWER),
        ("ADMIN SHOW FRONTEND CONFIG", FOLLOWER),
        ("SELECT 1", FOLLOWER),
        ("ALTER SYSTEM CREATE IMAGE", LEADER),
        (f'ADMIN SET FRONTEND CONFIG ("{LIMIT}" = "1")', LEADER),
    ],
)
def test_who_answers(cluster: Harness, sql: str, executed_by: str) -> None:
    """RedirectStatus.java and ShowProcStmt.NEED_FORWARD_PATH_ROOT."""
    cluster.query(FOLLOWER, sql)
    (entry,) = [entry for entry in cluster.queries() if entry["sql"] == sql]
    assert entry["fe"] == executed_by
    assert entry["forwarded_from"] == (FOLLOWER if executed_by == LEADER else None)
    assert (entry["user"], entry["result"]) == ("root", "ok")


@pytest.mark.parametrize("name", ["forward_to_leader", "forward_to_master"])
def test_forward_to_leader_moves_show_proc_but_not_show_config(cluster: Harness, name: str) -> None:
    with cluster.connect(FOLLOWER) as connection, connection.cursor() as cursor:
        cursor.execute(f"SET {name} = true")
        cursor.execute("SHOW PROC '/statistic'")
        cursor.execute("ADMIN SHOW FRONTEND CONFIG")
    statistic, config = cluster.queries()[-2:]
    assert (statistic["fe"], config["fe"]) == (LEADER, FOLLOWER)


def test_clone_counts_mislead_on_a_follower() -> None:
    """Clone tasks stand in the queue of the leader only (inferred)."""
    with harness.start(heal_seconds=3600.0) as cluster:
        cluster.restart_pod("prod-be-0")
        assert _statistic(cluster, LEADER)["CloningTabletNum"] == "30"
        assert _statistic(cluster, FOLLOWER)["CloningTabletNum"] == "0"
        assert _statistic(cluster, FOLLOWER)["UnhealthyTabletNum"] == "30"
        assert _balance(cluster, FOLLOWER)["running_tablets"] == "30"


# Settings.


def test_set_is_seen_on_every_fe_under_the_canonical_name(cluster: Harness) -> None:
    """ADMIN SET through any FE and an alias; ADMIN SHOW matches the alias and shows the canonical name."""
    cluster.query(FOLLOWER, 'ADMIN SET FRONTEND CONFIG ("disable_balance" = "true")')
    for pod in (LEADER, FOLLOWER, OTHER):
        (row,) = cluster.query(pod, "ADMIN SHOW FRONTEND CONFIG LIKE 'disable_balance'")
        assert row == {
            "Key": "tablet_sched_disable_balance",
            "AliasNames": "[disable_balance]",
            "Value": "true",
            "Type": "boolean",
            "IsMutable": "true",
            "Comment": "",
        }


def test_older_versions_have_no_alias_names() -> None:
    with harness.start(fe=1, be=0, version="2.5.20") as cluster:
        assert "AliasNames" not in cluster.query(LEADER, "ADMIN SHOW FRONTEND CONFIG")[0]
        assert _value(cluster, LEADER) == "2000"


def test_an_fe_restart_loses_the_setting_on_that_fe_only(cluster: Harness) -> None:
    _set(cluster, "0")
    cluster.restart_pod(FOLLOWER, version="3.3.2")
    assert [_value(cluster, pod) for pod in (LEADER, FOLLOWER, OTHER)] == ["0", "10000", "0"]


def test_a_dead_fe_misses_the_set_in_silence(cluster: Harness) -> None:
    cluster.unready_pod(OTHER)
    _set(cluster, "0")
    cluster.ready_pod(OTHER)
    assert [_value(cluster, pod) for pod in (LEADER, FOLLOWER, OTHER)] == ["0", "0", "10000"]


def test_a_new_leader_goes_by_its_own_memory(cluster: Harness) -> None:
    _set(cluster, "0")
    cluster.restart_pod(FOLLOWER)
    cluster.set_leader(FOLLOWER)
    assert cluster.cluster_state()["tablets"]["scheduling_limit"] == 10000


def test_a_demoted_leader_may_restart_its_process(cluster: Harness) -> None:
    """Before StarRocks PR 75592 an FE that loses the role exits: its settings and its connections are gone."""
    _set(cluster, "0")
    with cluster.connect(LEADER) as connection:
        cluster.set_leader(OTHER, demoted_exits=True)
        with pytest.raises(pymysql.err.OperationalError):
            connection.ping(reconnect=False)
    assert [_value(cluster, pod) for pod in (LEADER, FOLLOWER, OTHER)] == ["10000", "0", "0"]


def test_the_history_of_settings_tells_when_scheduling_was_off(cluster: Harness) -> None:
    _set(cluster, "0")
    _set(cluster, "10000")
    changes = [change for change in cluster.cluster_state()["setting_changes"] if change["fe"] == LEADER]
    assert [(change["old"], change["new"], change["cause"]) for change in changes] == [
        ("10000", "0", "set"),
        ("0", "10000", "set"),
    ]
    assert changes[0]["at"] <= changes[1]["at"]


# Tablets.


def test_tablets_settle_after_a_be_returns(cluster: Harness) -> None:
    cluster.stop_pod("prod-be-2")
    assert _statistic(cluster)["UnhealthyTabletNum"] == "30"
    cluster.start_pod("prod-be-2")
    cluster.wait(lambda state: state["tablets"]["unhealthy"] == 0)
    total = _statistic(cluster)
    assert (total["DbId"], total["DbName"], total["UnhealthyTabletNum"]) == ("Total", "1", "0")
    assert {"pending_tablets": "0", "running_tablets": "0"}.items() <= _balance(cluster).items()


def test_tablets_wait_for_the_repair_window(cluster: Harness) -> None:
    _set(cluster, "0")
    cluster.restart_pod("prod-be-2")
    assert _statistic(cluster)["UnhealthyTabletNum"] == "30"
    assert (_balance(cluster)["pending_tablets"], _balance(cluster)["running_tablets"]) == ("1", "0")
    _set(cluster, "10000")
    cluster.wait(lambda state: state["tablets"]["unhealthy"] == 0)


def test_statistic_of_a_cluster_without_databases_is_empty() -> None:
    with harness.start(fe=1, be=1, databases=0) as cluster:
        assert cluster.query(LEADER, "SHOW PROC '/statistic'") == []


def test_tablets_that_are_ill_for_good(cluster: Harness) -> None:
    cluster.change(tablets={"broken": 3, "error": 2, "inconsistent": 1})
    total = _statistic(cluster)
    figures = ("UnhealthyTabletNum", "ErrorStateTabletNum", "InconsistentTabletNum")
    assert [total[figure] for figure in figures] == ["3", "2", "1"]


# Leaders.


def test_an_fe_that_goes_down_breaks_connections_and_refuses_new_ones(cluster: Harness) -> None:
    address = cluster.address(FOLLOWER)
    with cluster.connect(FOLLOWER) as connection:
        cluster.delete_pod(FOLLOWER)
        with pytest.raises(pymysql.err.OperationalError):
            connection.ping(reconnect=False)
    with pytest.raises(pymysql.err.OperationalError, match="refused"):
        cluster.connect(FOLLOWER)
    cluster.start_pod(FOLLOWER)
    assert cluster.address(FOLLOWER) == address
    assert cluster.query(FOLLOWER, "SELECT 1")


def test_a_statement_for_the_leader_hangs_until_there_is_one() -> None:
    """StarRocks operator PR 4: with no leader SHOW FRONTENDS can hang."""
    with harness.start(election_seconds=0.2) as cluster:
        cluster.delete_pod(LEADER)
        roles = {row["Role"] for row in cluster.query(FOLLOWER, "SHOW FRONTENDS") if row["Alive"] == "true"}
        assert roles == {"LEADER", "FOLLOWER"}


def test_without_quorum_a_statement_for_the_leader_fails_in_the_end() -> None:
    """Text of StarRocks issue 5822. What is answered locally still works."""
    with harness.start(forward_wait_seconds=0.1) as cluster:
        cluster.delete_pod(LEADER)
        cluster.delete_pod(OTHER)
        with pytest.raises(pymysql.err.MySQLError, match="Failed to get master client"):
            cluster.query(FOLLOWER, "SHOW FRONTENDS")
        assert {row["Role"] for row in cluster.query(FOLLOWER, "SHOW PROC '/frontends'")} == {"FOLLOWER"}
        cluster.options(no_leader="error")
        with pytest.raises(pymysql.err.MySQLError, match="Failed to get master client"):
            _set(cluster, "0", FOLLOWER)


def test_a_client_s_own_timeout_ends_a_hang() -> None:
    with harness.start(election_seconds=3600.0) as cluster:
        cluster.delete_pod(LEADER)
        with (
            cluster.connect(FOLLOWER, read_timeout=harness.IMPATIENCE) as connection,
            connection.cursor() as cursor,
            pytest.raises(pymysql.err.OperationalError, match="timed out"),
        ):
            cursor.execute("SHOW FRONTENDS")


def test_two_leaders_in_a_row(cluster: Harness) -> None:
    cluster.set_leader(FOLLOWER, OTHER, every=0.05)
    cluster.wait(lambda state: state["leader"] == OTHER)
    elected = [event["pod"] for event in cluster.cluster_state()["events"] if event["event"] == "leader elected"]
    assert elected == [LEADER, FOLLOWER, OTHER]


def test_the_next_winner_can_be_named(cluster: Harness) -> None:
    cluster.change(successors=[OTHER])
    cluster.delete_pod(LEADER)
    assert cluster.wait(lambda state: state["leader"] is not None)["leader"] == OTHER


def test_transfer_leader_where_it_exists() -> None:
    """StarRocks PR 75592; its grammar is inferred."""
    with harness.start(transfer_leader=True) as cluster:
        host = cluster.cluster_state()["frontends"][OTHER]["fqdn"]
        cluster.query(FOLLOWER, f"ALTER SYSTEM TRANSFER LEADER TO '{host}:9010'")
        assert cluster.cluster_state()["leader"] == OTHER
        with pytest.raises(pymysql.err.MySQLError, match="not an alive follower"):
            cluster.query(FOLLOWER, "ALTER SYSTEM TRANSFER LEADER TO 'elsewhere:9010'")


def test_replay_lag_shows_and_can_be_held(cluster: Harness) -> None:
    cluster.change(lag={FOLLOWER: 500})
    rows = {
        row["IP"].partition(".")[0]: int(row["ReplayedJournalId"]) for row in cluster.query(LEADER, "SHOW FRONTENDS")
    }
    assert rows[LEADER] - rows[FOLLOWER] >= 500
