# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which privileges a user has, asked on the wire."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from unit.module_utils._fe.conftest import PASSWORD, Open

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused, SqlFailed
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Credentials, Row
from ansible_collections.steady.rollout.plugins.module_utils._fe.privileges import check_privileges, system_privileges
from steadylab.simulator.harness import Harness

FOLLOWER = "prod-fe-1"


@pytest.mark.parametrize(
    ("privileges", "found"),
    [
        ([], set()),
        (["OPERATE"], {"OPERATE"}),
        (["NODE"], {"NODE", "OPERATE"}),
        (["OPERATE", "NODE"], {"NODE", "OPERATE"}),
    ],
)
def test_what_a_user_was_granted(cluster: Harness, frontends: Open, privileges: list[str], found: set[str]) -> None:
    cluster.change(users={"ops": {"password": "pw", "privileges": privileges}})
    session = frontends(credentials=lambda: Credentials("ops", "pw")).session(FOLLOWER)
    assert system_privileges(session) == found


def test_root_has_them_all(frontends: Open) -> None:
    session = frontends(credentials=lambda: Credentials("root", PASSWORD)).session(FOLLOWER)
    assert system_privileges(session) == {"NODE", "OPERATE"}
    check_privileges(session, ("NODE", "OPERATE"), "root", "hook create-image")


def test_who_lacks_node_is_refused_with_the_role_that_has_it(cluster: Harness, frontends: Open) -> None:
    cluster.change(users={"ops": {"password": "pw", "privileges": ["OPERATE"]}})
    session = frontends(credentials=lambda: Credentials("ops", "pw")).session(FOLLOWER)
    check_privileges(session, ("OPERATE",), "ops", "hook quiesce")
    with pytest.raises(Refused, match="hook create-image: user ops of the FE lacks NODE on SYSTEM") as caught:
        check_privileges(session, ("NODE", "OPERATE"), "ops", "hook create-image")
    assert "GRANT cluster_admin TO USER ops" in caught.value.remedy
    assert not any("CREATE IMAGE" in entry["sql"] for entry in cluster.queries())


class Scripted:
    """A session whose answers are given; what is asked beyond them is an error of the test."""

    def __init__(self, answers: dict[str, list[Row] | Exception]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def run(self, sql: str, *, timeout: float | None = None) -> list[Row]:
        self.asked.append(sql)
        answer = self.answers[sql]
        if isinstance(answer, Exception):
            raise answer
        return answer


def grants(*texts: str) -> list[Row]:
    """Rows of SHOW GRANTS."""
    return [{"UserIdentity": "'node_priv'@'%'", "Catalog": None, "Grants": text} for text in texts]


def privileges_by(answers: dict[str, list[Row] | Exception]) -> frozenset[str]:
    """What these answers amount to."""
    session = Scripted(answers)
    ask: Callable[..., frozenset[str]] = system_privileges
    return ask(session)


def test_roles_are_followed_to_the_roles_that_they_hold() -> None:
    assert privileges_by(
        {
            "SHOW GRANTS": grants("GRANT 'upgraders' TO 'ops'@'%'"),
            "SELECT current_role()": [{"CURRENT_ROLE()": "upgraders"}],
            "SHOW GRANTS FOR ROLE `upgraders`": grants("GRANT admins, upgraders TO ROLE upgraders"),
            "SHOW GRANTS FOR ROLE `admins`": grants(
                "GRANT cluster_admin TO ROLE admins", "GRANT FILE ON SYSTEM TO ROLE admins"
            ),
        }
    ) == {"NODE", "OPERATE", "FILE"}


def test_a_role_that_is_not_active_gives_nothing() -> None:
    assert (
        privileges_by(
            {
                "SHOW GRANTS": grants("GRANT 'cluster_admin' TO 'ops'@'%'"),
                "SELECT current_role()": [{"CURRENT_ROLE()": "NONE"}],
            }
        )
        == frozenset()
    )


def test_before_roles_there_were_global_privileges() -> None:
    old: list[Row] = [{"UserIdentity": "'ops'@'%'", "Password": "Yes", "GlobalPrivs": "Admin_priv Node_priv  (false)"}]
    unknown = SqlFailed("No matching function with signature: current_role()", errno=1064)
    assert privileges_by({"SHOW GRANTS": old, "SELECT current_role()": unknown}) == {"NODE", "OPERATE"}


def test_a_role_with_a_strange_name_is_not_put_into_a_statement() -> None:
    with pytest.raises(Refused, match="is no name of a role"):
        privileges_by({"SHOW GRANTS": [], "SELECT current_role()": [{"CURRENT_ROLE()": "x` OR `y"}]})
