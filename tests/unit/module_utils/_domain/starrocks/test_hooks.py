# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks: the predefined ones as data, and the statements a person may not have carried out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks import (
    PREDEFINED,
    UPGRADE_HOOKS,
    check_statement,
    keys_of,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import REPAIR_LIMIT, SETTINGS

from .builders import examples


def test_quiesce_is_the_four_settings_of_the_upgrade_guide() -> None:
    assert keys_of(("quiesce",)) == tuple(SETTINGS)
    assert len(SETTINGS) == 4
    assert keys_of(("disable-balancer", "disable-tablet-clone")) == (REPAIR_LIMIT, "tablet_sched_disable_balance")
    assert keys_of(()) == ()


def test_before_an_upgrade_hooks_only_switch_off() -> None:
    assert all(PREDEFINED[name].action == "off" for name in UPGRADE_HOOKS)
    assert all(hook.name == name and hook.purpose for name, hook in PREDEFINED.items())


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
        "DESCRIBE db.t",
        "EXPLAIN SELECT 1",
        "ADMIN SHOW FRONTEND CONFIG LIKE '%balance%'",
        "ALTER SYSTEM CREATE IMAGE",
        "alter  system create image ;",
        "SELECT 'INTO OUTFILE'",
    ],
)
def test_safe_statements(sql: str) -> None:
    assert check_statement(sql, "statements[0]", allow_unsafe=False) == sql.strip().removesuffix(";").strip()


NEVER = [
    "",
    " ; ",
    "SELECT 1; DROP TABLE t",
    "SELECT 1;;",
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
        check_statement(sql, "statements[2]", allow_unsafe=allow)
    assert caught.value.field == "statements[2]"
    assert caught.value.remedy


def test_an_escaped_quote_does_not_end_a_string() -> None:
    sql = "SELECT 'a\\'; DROP TABLE t; '"
    assert check_statement(sql, "s", allow_unsafe=False) == sql


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
        "ADMIN SET FRONTEND CONFIG ('disable_balance' = 'true')",
        "ADMIN  SET\tFRONTEND CONFIG ('tablet_sched_max_scheduling_tablets' = '0')",
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
        "(SELECT 1)",
    ],
)
def test_unsafe_statements_need_permission(sql: str) -> None:
    with pytest.raises(Refused, match="unsafe") as caught:
        check_statement(sql, "s", allow_unsafe=False)
    assert "allow_unsafe" in caught.value.remedy


def test_an_unsafe_statement_with_permission_goes_as_it_stands() -> None:
    assert check_statement("DROP TABLE `t`;", "s", allow_unsafe=True) == "DROP TABLE `t`"


PIECES = st.sampled_from(
    ["SELECT 1", "DROP TABLE t", ";", "'", '"', "`", "\\", "\n", " ", "--", "#", "/*", "*/", "x", "''"]
)


@given(st.lists(PIECES, max_size=10).map("".join))
@examples(400)
def test_no_second_statement_hides_in_quotes(sql: str) -> None:
    """Read once more, character by character, as the FE's lexer does: no semicolon outside of quotes."""
    try:
        text = check_statement(sql, "s", allow_unsafe=True)
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
