# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""FE settings on simulated FEs: few statements, aliases, setting and reading back."""

from __future__ import annotations

import pytest
from unit.module_utils._fe.conftest import Open

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import SqlFailed
from ansible_collections.steady.rollout.plugins.module_utils._fe.settings import (
    look_up,
    read_settings,
    set_setting,
)
from steadylab.simulator.harness import Harness

FE = "prod-fe-0"
QUIESCE = [
    "tablet_sched_max_scheduling_tablets",
    "tablet_sched_max_balancing_tablets",
    "tablet_sched_disable_balance",
    "tablet_sched_disable_colocate_balance",
]


def shown(cluster: Harness) -> list[str]:
    return [entry["sql"] for entry in cluster.queries() if entry["sql"].startswith("ADMIN SHOW")]


def test_neighbours_are_read_by_one_statement(cluster: Harness, frontends: Open) -> None:
    values = read_settings(frontends().session(FE), QUIESCE)

    assert values == {
        "tablet_sched_max_scheduling_tablets": "10000",
        "tablet_sched_max_balancing_tablets": "500",
        "tablet_sched_disable_balance": "false",
        "tablet_sched_disable_colocate_balance": "false",
    }
    assert shown(cluster) == ["ADMIN SHOW FRONTEND CONFIG LIKE 'tablet_sched_%'"]


def test_an_alias_gives_the_canonical_key(frontends: Open) -> None:
    found = look_up(frontends().session(FE), ["disable_balance", "max_scheduling_tablets"])

    assert found["disable_balance"].key == "tablet_sched_disable_balance"
    assert found["max_scheduling_tablets"].key == "tablet_sched_max_scheduling_tablets"


def test_an_alias_is_understood_where_the_fe_shows_none(cluster: Harness, frontends: Open) -> None:
    session = frontends().session(FE)
    whole = session.run

    def without_aliases(sql: str, *, timeout: float | None = None) -> list[dict[str, str | None]]:
        return [{k: v for k, v in row.items() if k != "AliasNames"} for row in whole(sql, timeout=timeout)]

    session.run = without_aliases
    assert look_up(session, ["disable_balance"])["disable_balance"].key == "tablet_sched_disable_balance"


def test_what_the_fe_does_not_know_is_left_out(frontends: Open) -> None:
    assert read_settings(frontends().session(FE), ["no_such_setting_at_all"]) == {}


def test_no_keys_are_no_statement(cluster: Harness, frontends: Open) -> None:
    assert read_settings(frontends().session(FE), []) == {}
    assert shown(cluster) == []


def test_a_value_set_on_a_follower_is_set_everywhere(frontends: Open) -> None:
    opened = frontends()
    set_setting(opened.session("prod-fe-2"), "tablet_sched_disable_balance", True)

    for pod in ("prod-fe-0", "prod-fe-1", "prod-fe-2"):
        assert read_settings(opened.session(pod), QUIESCE)["tablet_sched_disable_balance"] == "true"


def test_an_unknown_setting_fails(frontends: Open) -> None:
    with pytest.raises(SqlFailed):
        set_setting(frontends().session(FE), "no_such_setting", 1)
