# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQL of a person's own: what is on the allow-list, what needs permission, and what never runs."""

from __future__ import annotations

import builtins
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused, RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.sql import (
    LONGEST_STATEMENT,
    Statement,
    check_statement,
)

from ..builders import examples


def check(sql: str, *, allow: bool = False) -> Statement:
    """The statement of an entry."""
    return check_statement(sql, "spec.stages.pre[0].sql", allow_unsafe=allow)


@pytest.mark.parametrize(
    "sql",
    [
        "SHOW FRONTENDS",
        "show proc '/statistic';",
        "  SELECT count(*) FROM information_schema.tables  ",
        "SELECT 'a;b', \"c--d\", `e#f` FROM t",
        "SELECT 'it''s', 'back\\'slash'",
        "SELECT\n1",
        "DESC db.t",
        "SHOW PARTITIONS FROM db.t WHERE x = 1 ORDER BY a LIMIT 3",
        "ADMIN SHOW REPLICA STATUS FROM db.t WHERE STATUS != 'OK'",
        "EXPLAIN VERBOSE SELECT * FROM t",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "SELECT now(), count(DISTINCT a), coalesce(b, 1) FROM db.t WHERE c IN (SELECT d FROM e) GROUP BY f",
        "DESCRIBE db.t",
        "EXPLAIN SELECT 1",
        "ADMIN SHOW FRONTEND CONFIG LIKE '%balance%'",
        "ALTER SYSTEM CREATE IMAGE",
        "alter  system create image ;",
        "SELECT 'INTO OUTFILE'",
    ],
)
def test_safe_statements(sql: str) -> None:
    found = check(sql)
    assert found.safe
    assert found.text == sql.strip().removesuffix(";").strip()
    assert found.reads is ("image" not in sql.lower())


NEVER = [
    "",
    " ; ",
    "SELECT 1; DROP TABLE t",
    "SHOW TABLES;\nGRANT ALL ON *.* TO 'x'",
    "SELECT 1 -- DROP",
    "SELECT 1 --DROP",
    "SELECT 1 # DROP",
    "SELECT 1 /* DROP */",
    "SELECT /*+ SET_VAR(query_timeout=1) */ 1",
    "/*!50000 DROP TABLE t */",
    "SELECT 1 /*! INTO OUTFILE 'file:///x' */",
    "SELECT 1 INTO/**/OUTFILE 'x'",
    "SELECT 'a",
    'SELECT "a',
    "SELECT `a",
    "SELECT 'a\\'",
    "SELECT 'a''",
    "SELECT 'a\\'; DROP TABLE t; '",
    "SELECT 'a\\\n' ; DROP TABLE t ; 'b\\\n'",
    "SELECT '''; DROP TABLE t; --",
    'SELECT "\'"; DROP TABLE t; "\'"',
    "SELECT `'`; DROP TABLE t",
]


@pytest.mark.parametrize("sql", [case for case in NEVER if case != "SELECT 'a\\'; DROP TABLE t; '"])
@pytest.mark.parametrize("allow", [False, True])
def test_more_or_less_than_one_statement_is_never_allowed(sql: str, allow: bool) -> None:
    with pytest.raises(Refused) as caught:
        check(sql, allow=allow)
    assert caught.value.field == "spec.stages.pre[0].sql"
    assert caught.value.remedy


def test_an_escaped_quote_does_not_end_a_string() -> None:
    sql = "SELECT 'a\\'; DROP TABLE t; '"
    assert check(sql).text == sql


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE t",
        "drop database d",
        "\u00a0DROP TABLE t",
        "\u3000DROP\u2003TABLE t",
        "\ufeffDROP TABLE t",
        "TRUNCATE TABLE t",
        "DELETE FROM t",
        "UPDATE t SET a = 1",
        "INSERT INTO t VALUES (1)",
        "INSERT INTO FILES('path' = 's3://x') SELECT 1",
        "GRANT ALL ON *.* TO 'x'",
        "REVOKE ALL ON *.* FROM 'x'",
        "CREATE USER x",
        "SET PASSWORD = 'x'",
        "SET GLOBAL query_timeout = 1",
        "ADMIN SET FRONTEND CONFIG ('qe_max_connection' = '1')",
        "ADMIN REPAIR TABLE t",
        "ALTER SYSTEM DROP BACKEND 'x:9050'",
        "ALTER SYSTEM CREATE IMAGE x",
        "ALTER SYSTEM DECOMMISSION BACKEND 'x:9050'",
        "ALTER TABLE t DROP COLUMN a",
        "BACKUP SNAPSHOT d.s TO r",
        "EXPORT TABLE t TO 's3://x'",
        "KILL 1",
        "WITH a AS (SELECT 1) DELETE FROM t",
        "EXECUTE p",
        "SUBMIT TASK AS INSERT INTO t SELECT 1",
        "SELECT * FROM t INTO OUTFILE 's3://bucket/x'",
        "select 1 into\noutfile 'x'",
        "SELECT 1 INTO\u00a0OUTFILE 'x'",
        "SELECT 1 INTO FILES('path'='x')",
        "EXPLAIN ANALYZE INSERT INTO t SELECT 1",
        "explain\n analyze DELETE FROM t",
        "DESC ANALYZE INSERT INTO t SELECT 1",
        "SHOWDOWN",
        "SELECTION",
        "SELECT sleep(10)",
        "SELECT shop.now()",
        "SELECT `shop`.`user`()",
        "SELECT hive.shop.now()",
        "SELECT my_function(1)",
        "SELECT * FROM FILES('path' = 's3://x')",
        "SELECT 1 INTO @x",
        "SELECT * FROM t FOR UPDATE",
        "SHOW TABLES INTO OUTFILE 'x'",
        "SHOW PROC (SELECT 1)",
        "ADMIN SHOW FRONTEND CONFIG LIKE 'x' DROP TABLE t",
        "ADMIN SHOW REPLICA",
        "ADMIN",
        "ALTER SYSTEM",
        "VALUES (1)",
    ],
)
def test_unsafe_statements_need_permission(sql: str) -> None:
    with pytest.raises(Refused, match=r"unsafe|does not parse") as caught:
        check(sql)
    assert caught.value.remedy
    allowed = check(sql, allow=True)
    assert not allowed.safe
    assert not allowed.reads


def test_the_refusal_says_what_is_allowed_and_who_may_allow_more() -> None:
    with pytest.raises(Refused) as caught:
        check("DROP USER 'geheim'")
    assert "DROP USER '...'" in str(caught.value)
    assert "geheim" not in str(caught.value)
    for word in ("ALTER SYSTEM CREATE IMAGE", "allowUnsafeSql", "rollout.steady.dev/allow-unsafe-hooks"):
        assert word in caught.value.remedy


def test_an_unsafe_statement_with_permission_goes_as_it_stands() -> None:
    assert check("DROP TABLE `t`;", allow=True).text == "DROP TABLE `t`"


def test_what_sqlglot_cannot_judge_is_said() -> None:
    assert "cannot parse" in check("INSERT INTO FILES('path' = 's3://x') SELECT 1", allow=True).note
    assert "does not know" in check("BACKUP SNAPSHOT d.s TO r", allow=True).note
    assert check("DROP TABLE t", allow=True).note == ""


def test_a_syntax_error_names_its_place() -> None:
    with pytest.raises(Refused, match=r"does not parse as StarRocks SQL \(line 1, column 17\)"):
        check("SELECT FROM WHERE")


@pytest.mark.parametrize(
    ("sql", "settings"),
    [
        ('ADMIN SET FRONTEND CONFIG ("disable_balance" = "TRUE")', {"tablet_sched_disable_balance": "true"}),
        ("admin set frontend config('max_scheduling_tablets'='010')", {"tablet_sched_max_scheduling_tablets": "10"}),
        ('ADMIN SET FRONTEND CONFIG ("history_job_keep_max_second" = "0");', {"history_job_keep_max_second": "0"}),
    ],
)
def test_a_known_setting_is_safe_and_is_told_with_its_canonical_key(sql: str, settings: dict[str, str]) -> None:
    found = check(sql)
    assert found.safe
    assert found.settings == settings


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ('ADMIN SET FRONTEND CONFIG ("disable_balance" = "true") WITH PERSISTENT', "not the form"),
        ('ADMIN SET FRONTEND CONFIG ("disable_balance" = "true", "x" = "1")', "not the form"),
        ('ADMIN SET FRONTEND CONFIG ("disable_balance" = true)', "not the form"),
        ("ADMIN SET FRONTEND CONFIG ()", "not the form"),
        ('ADMIN SET FRONTEND CONFIG ("disable_balance" = "perhaps")', "not of type bool"),
        ('ADMIN SET FRONTEND CONFIG ("tablet_sched_max_scheduling_tablets" = "0 OR 1")', "not of type int"),
    ],
)
@pytest.mark.parametrize("allow", [False, True])
def test_a_setting_has_one_form(sql: str, problem: str, allow: bool) -> None:
    with pytest.raises(Refused, match=problem):
        check(sql, allow=allow)


def test_an_unknown_setting_is_unsafe_unless_the_catalogue_has_it() -> None:
    sql = 'ADMIN SET FRONTEND CONFIG ("qe_max_connection" = "1")'
    assert check(sql, allow=True).settings == {"qe_max_connection": "1"}
    known = check_statement(sql, "s", allow_unsafe=False, keys=frozenset({"qe_max_connection"}))
    assert known.safe


def test_a_statement_has_an_end() -> None:
    with pytest.raises(Refused, match="too long"):
        check("SELECT '" + "x" * LONGEST_STATEMENT + "'")
    with pytest.raises(Refused, match=r"nested too deeply|does not parse"):
        check("SELECT " + "(" * 5000 + "1" + ")" * 5000, allow=False)


def test_sqlglot_does_not_talk(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        check("BACKUP SNAPSHOT d.s TO r", allow=True)
    assert caplog.records == []


def test_without_sqlglot_nothing_of_ones_own_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "sqlglot":
            raise ImportError("no module named sqlglot")
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(RolloutError, match="sqlglot cannot be imported") as caught:
        check("SELECT 1")
    assert "Install sqlglot" in caught.value.remedy
    assert check("SHOW FRONTENDS").safe


PIECES = st.sampled_from(
    ["SELECT 1", "DROP TABLE t", ";", "'", '"', "`", "\\", "\n", " ", "--", "#", "/*", "*/", "x", "''"]
)


@given(st.lists(PIECES, max_size=10).map("".join))
@examples(400)
def test_no_second_statement_hides_in_quotes(sql: str) -> None:
    """Read once more, character by character, as the FE's lexer does: no semicolon outside of quotes."""
    try:
        text = check(sql, allow=True).text
    except Refused:
        return
    assert ";" not in outside(text)
    assert not any(mark in outside(text) for mark in ("--", "#", "/*"))


def outside(sql: str) -> str:
    """What of a statement stands outside of quotes; a quote that never ends is an error."""
    kept, quote, place = "", "", 0
    while place < len(sql):
        here = sql[place]
        if quote:
            if here == "\\" and quote != "`":
                place += 1
            elif here == quote:
                quote = ""
        elif here in "'\"`":
            quote, kept = here, kept + "\0"
        else:
            kept += here
        place += 1
    assert not quote
    return kept
