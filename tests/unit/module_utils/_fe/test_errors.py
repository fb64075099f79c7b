# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an FE's error number means."""

from __future__ import annotations

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import (
    Denied,
    RolloutError,
    SqlFailed,
    Unreachable,
)
from ansible_collections.steady.rollout.plugins.module_utils._fe.errors import sql_failure

PRIVILEGE = "Access denied; you need (at least one of) the {} privilege(s) on SYSTEM for this operation."


def failure(errno: int, message: str = "message", sql: str = "") -> RolloutError:
    return sql_failure(errno, message, pod="prod-fe-0", user="bob", sql=sql)


@pytest.mark.parametrize(
    ("errno", "kind"),
    [
        (1045, Denied),
        (5205, Denied),
        (1227, Denied),
        (5203, Denied),
        (2003, Unreachable),
        (2006, Unreachable),
        (2013, Unreachable),
        (0, Unreachable),
        (1064, SqlFailed),
        (5102, SqlFailed),
    ],
)
def test_each_number_is_one_kind_of_error(errno: int, kind: type[RolloutError]) -> None:
    assert type(failure(errno)) is kind


@pytest.mark.parametrize(
    ("errno", "transient"), [(1064, False), (5076, True), (5101, True), (1203, True), (5102, False)]
)
def test_only_some_failures_may_pass(errno: int, transient: bool) -> None:
    found = failure(errno)

    assert isinstance(found, SqlFailed)
    assert (found.errno, found.transient) == (errno, transient)


@pytest.mark.parametrize(
    ("right", "grant"),
    [
        ("OPERATE", "GRANT OPERATE ON SYSTEM TO USER bob"),
        ("OPERATE OR NODE", "GRANT OPERATE ON SYSTEM TO USER bob"),
        ("NODE", "GRANT cluster_admin TO USER bob; SET DEFAULT ROLE cluster_admin TO bob"),
    ],
)
def test_a_missing_privilege_says_what_to_grant(right: str, grant: str) -> None:
    found = failure(5203, PRIVILEGE.format(right), "ALTER SYSTEM CREATE IMAGE")

    assert right in found.reason
    assert "ALTER SYSTEM CREATE IMAGE" in found.reason
    assert found.remedy == grant


def test_of_a_statement_only_the_first_words_are_shown() -> None:
    assert "s3cret" not in failure(1064, sql="SET PASSWORD FOR 'x' = PASSWORD('s3cret')").reason
