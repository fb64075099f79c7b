# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Privileges on SYSTEM in what SHOW GRANTS and current_role() say, in every version's writing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.privileges import (
    granted,
    of_built_in,
    role_names,
    roles_granted,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, []),
        ("NONE", []),
        ("cluster_admin", ["cluster_admin"]),
        ("db_admin, user_admin", ["db_admin", "user_admin"]),
        ("`r1`, 'r2'", ["r1", "r2"]),
    ],
)
def test_names_of_roles(text: str | None, expected: list[str]) -> None:
    assert role_names(text) == expected


@pytest.mark.parametrize(
    ("text", "privileges"),
    [
        ("GRANT OPERATE ON SYSTEM TO USER 'ops'@'%'", {"OPERATE"}),
        (
            "GRANT NODE, OPERATE, CREATE RESOURCE ON SYSTEM TO ROLE 'cluster_admin'",
            {"NODE", "OPERATE", "CREATE RESOURCE"},
        ),
        ("grant operate on system to user `ops`@`%`;", {"OPERATE"}),
        ("GRANT SELECT ON ALL TABLES IN ALL DATABASES TO USER 'ops'@'%'", set()),
        ("GRANT 'cluster_admin' TO 'ops'@'%'", set()),
        ("Admin_priv Node_priv  (false)", {"NODE", "OPERATE"}),
        ("Select_priv  (false)", set()),
    ],
)
def test_privileges_on_system(text: str, privileges: set[str]) -> None:
    assert granted([text]) == privileges


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        ("GRANT 'root', 'testrole' TO 'root'@'%'", ["root", "testrole"]),
        ("GRANT role_g, public to `user_g`@`%`;", ["role_g", "public"]),
        ("GRANT role_p, role_test TO ROLE role_g;", ["role_p", "role_test"]),
        ("GRANT OPERATE ON SYSTEM TO USER 'ops'@'%'", []),
    ],
)
def test_roles_that_are_granted(text: str, roles: list[str]) -> None:
    assert roles_granted([text]) == roles


def test_what_built_in_roles_hold() -> None:
    assert "NODE" in of_built_in("cluster_admin") & of_built_in("root")
    assert of_built_in("db_admin") == {"OPERATE"}
    assert of_built_in("my_role") == frozenset()


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert granted([text]) >= frozenset()
    assert isinstance(roles_granted([text]), list)
