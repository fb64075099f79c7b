# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The `mysql` command of the lab's pods, by itself and through kubectl exec."""

from __future__ import annotations

from pathlib import Path

import pytest

from steadylab import Lab, mysql
from steadylab.lab import LabError
from steadylab.mysql import Place, Unreachable, statements, table, vertical


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1", [("SELECT 1", False)]),
        ("SELECT 1;", [("SELECT 1", False)]),
        ("SELECT 1; SELECT 2\\G", [("SELECT 1", False), ("SELECT 2", True)]),
        ('SELECT \';\', "\\";"; SELECT `a;b`', [('SELECT \';\', "\\";"', False), ("SELECT `a;b`", False)]),
        (" ; \n", []),
    ],
)
def test_statements_end_at_semicolons_outside_of_quotes(text: str, expected: list[tuple[str, bool]]) -> None:
    assert statements(text) == expected


def test_rows_are_shown_as_the_real_client_shows_them() -> None:
    assert list(table(["a", "bc"], [["1", "2"]], names=True)) == [
        "+---+----+",
        "| a | bc |",
        "+---+----+",
        "| 1 | 2  |",
        "+---+----+",
    ]
    assert list(vertical(["a", "bc"], [["1", "2"]]))[1:] == [" a: 1", "bc: 2"]


def test_outside_of_the_lab_an_address_is_what_it_is() -> None:
    assert Place("", "", None).address("db.example.org", 9030) == ("db.example.org", 9030)
    assert Place("x", "y", Path("nowhere")).address("db.example.org", 3306) == ("db.example.org", 3306)
    with pytest.raises(Unreachable, match="Unknown MySQL server host"):
        Place("x", "y", Path("nowhere")).address("db.example.org", 9030)


def test_a_server_that_is_not_there_is_told_as_the_real_client_tells_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert mysql.main(["-h127.0.0.1", "-P1", "-uroot", "-e", "SELECT 1"]) == 1
    assert capsys.readouterr().err.startswith("ERROR 2003 (HY000): Can't connect")


def test_exec_and_logs_of_frontends(shared_lab: Lab) -> None:
    """kubectl exec and kubectl logs as a person uses them; -uroot needs no password, as in the FE's own container."""
    shared_lab.add_cluster("prod", "debug", fe=3, be=1)

    def ask(pod: str, *options: str) -> str:
        client = ("mysql", "-h127.0.0.1", "-P9030", "-uroot")
        return shared_lab.kubectl("exec", pod, "--namespace=debug", "--", *client, *options)

    try:
        assert ask("prod-fe-1", "-e", "SELECT current_version()") == "current_version()\n3.3.1\n"
        assert ask("prod-fe-1", "-N", "-e", "SELECT current_user(); SELECT 2") == "'root'@'%'\n2\n"
        assert "Role: LEADER" in ask("prod-fe-2", "-e", "SHOW FRONTENDS\\G")
        assert ask("prod-fe-2", "-hprod-fe-service", "-N", "-e", "SELECT 1") == "1\n"
        name = "prod-fe-0.prod-fe-search.debug.svc.cluster.local"
        assert ask("prod-fe-2", f"-h{name}", "-N", "-e", "SELECT 1") == "1\n"
        with pytest.raises(LabError, match="exit status 1"):
            ask("prod-fe-1", "-pwrong", "-e", "SELECT 1")
        log = shared_lab.kubectl("logs", "prod-fe-0", "--namespace=debug")
        assert "begin to transfer FE type to LEADER" in log
        assert "LEADER" not in shared_lab.kubectl("logs", "prod-fe-1", "--namespace=debug")
    finally:
        shared_lab.remove_namespace("debug", wait=False)
