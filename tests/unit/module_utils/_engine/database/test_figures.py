# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the metrics of database upgrades go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from scenarios.receiver import Receiver, answering

from ansible_collections.steady.rollout.plugins.module_utils._domain.database.conditions import State
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation.told import MetricsTarget
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.figures import Figures

RUNS, READY = State("Progressing", "MigrationInProgress", "x"), State("Ready", "MigrationComplete", "x")


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Receiver]:
    """A Pushgateway, without TLS."""
    with Receiver(answering(), None, tmp_path) as receiver:
        yield receiver


def test_a_file_for_each_upgrade_and_one_for_the_heartbeat(tmp_path: Path) -> None:
    figures = Figures(MetricsTarget(textfile=str(tmp_path)))
    figures.beat(5.0)
    for state in (RUNS, READY):
        figures.tell(state, None, "shop", "orders", 6.0)
    assert {path.name for path in tmp_path.iterdir()} == {"dbupgrade_operator.prom", "dbupgrade_shop_orders.prom"}
    assert "dbupgrade_operator_up 1" in (tmp_path / "dbupgrade_operator.prom").read_text()
    assert 'aspect="Ready"} 1' in (tmp_path / "dbupgrade_shop_orders.prom").read_text()


def test_a_gateway_hears_what_changes(gateway: Receiver) -> None:
    figures = Figures(MetricsTarget(pushgateway=gateway.url().rstrip("/")))
    for state in (RUNS, RUNS, READY):
        figures.tell(state, None, "shop", "orders", 6.0)
    figures.beat(7.0)
    group = "/metrics/job/dbupgrade/rollout_namespace/shop/rollout_target/orders"
    assert [got.target for got in gateway.got] == [group, group, "/metrics/job/dbupgrade_operator"]


def test_a_target_that_fails_is_named_once_and_stops_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    figures = Figures(MetricsTarget(textfile=str(tmp_path / "none")), said.append)
    figures.beat(5.0)
    figures.tell(RUNS, None, "shop", "orders", 6.0)
    assert len(said) == 1
    assert "metrics textfile" in said[0]
    assert "installation.metrics.textfile" in said[0]


def test_nothing_is_written_where_nobody_asked() -> None:
    said: list[str] = []
    figures = Figures(say=said.append)
    figures.beat(5.0)
    figures.tell(RUNS, None, "shop", "orders", 6.0)
    assert said == []
