# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""FE settings that others change, that FEs lose, and the repair window."""

from __future__ import annotations

import base64

import pytest
from scenarios.cluster import KEYS, LIMIT, OFF, StarRocks
from scenarios.conftest import MakeCluster
from scenarios.playbook import Driver, Process

BACKENDS = {"images": {"be": "starrocks/be-ubuntu:3.3.2"}}


@pytest.fixture
def starrocks(cluster: MakeCluster) -> StarRocks:
    """Three FEs and one BE."""
    return cluster(fe=3, be=1)


def held_in_the_window(starrocks: StarRocks, product: Driver, **spec: object) -> Process:
    """An upgrade of the BE that waits in its repair window, because tablets are ill until a test heals them."""
    run = product.start(product.document(None, target=BACKENDS, **spec))
    starrocks.hold_in_window()
    return run


def test_an_fe_that_is_killed_while_quiesced_is_switched_off_again(starrocks: StarRocks, product: Driver) -> None:
    starrocks.set_everywhere(**{LIMIT: "12345"})
    mark = starrocks.mark()
    run = held_in_the_window(starrocks, product)
    starrocks.restart_frontend("prod-fe-2")
    starrocks.simulate(tablets={"broken": 0})
    run.finish().succeeded()
    starrocks.assert_settings(**{LIMIT: "12345"})
    starrocks.assert_all_ready()
    again = [c for c in starrocks.setting_changes(mark) if c["fe"] == "prod-fe-2" and c["key"] == KEYS[1]]
    values = [change["new"] for change in again]
    assert values.count("0") >= 2, f"not switched off again after the restart: {values}"


def test_an_fe_that_restarts_with_other_values_is_reported(starrocks: StarRocks, product: Driver) -> None:
    starrocks.set_everywhere(**{LIMIT: "12345"})
    starrocks.simulate(fe_conf={"prod-fe-2": {LIMIT: "7777"}})
    target = {"images": {"fe": "starrocks/fe-ubuntu:3.3.2"}}
    run = product.upgrade(None, target=target, onDrift="leader").succeeded()
    starrocks.assert_settings(**{LIMIT: "12345"})
    notes = " ".join(event["text"] for event in run.report["events"] if event["kind"] == "note")
    assert LIMIT in notes
    assert "12345" in notes
    assert "7777" in notes


def test_frontends_that_differ_are_refused_with_both_numbers(starrocks: StarRocks, product: Driver) -> None:
    starrocks.simulate(settings={"prod-fe-1": {LIMIT: "777"}})
    mark = starrocks.mark()
    product.upgrade(None, target=BACKENDS).failed(LIMIT, "10000", "777", "prod-fe-1", "onDrift: leader")
    starrocks.untouched(mark)


def test_frontends_that_differ_go_to_the_leaders_value_when_asked(starrocks: StarRocks, product: Driver) -> None:
    starrocks.simulate(settings={"prod-fe-1": {LIMIT: "777"}, "prod-fe-0": {LIMIT: "12345"}})
    assert starrocks.leader == "prod-fe-0"
    run = product.upgrade(None, target=BACKENDS, onDrift="leader").succeeded()
    starrocks.assert_settings(**{LIMIT: "12345"})
    entry = next(setting for setting in run.report["settings"] if setting["key"] == LIMIT)
    assert entry["before"]["prod-fe-1"] == "777"
    assert set(entry["final"].values()) == {"12345"}


def test_a_value_that_somebody_sets_meanwhile_is_a_conflict(starrocks: StarRocks, product: Driver) -> None:
    run = held_in_the_window(starrocks, product)
    starrocks.set_everywhere(tablet_sched_max_balancing_tablets="42")
    starrocks.simulate(tablets={"broken": 0})
    ended = run.finish().failed("somebody changed settings", "tablet_sched_max_balancing_tablets", "42")
    # Theirs stays; the others are put back.
    starrocks.assert_settings(tablet_sched_max_balancing_tablets="42")
    starrocks.assert_released()
    entry = next(s for s in ended.report["settings"] if s["key"] == "tablet_sched_max_balancing_tablets")
    assert entry["state"] == "conflict"


def test_an_image_that_somebody_patches_meanwhile_stops_the_run(cluster: MakeCluster, product: Driver) -> None:
    starrocks = cluster(fe=3, be=2)
    product = Driver(product.directory / "two", starrocks)
    run = held_in_the_window(starrocks, product)
    starrocks.set_image("be", "starrocks/be-ubuntu:3.3.9")
    starrocks.simulate(tablets={"broken": 0})
    run.finish().failed("somebody else changed", "3.3.9")
    assert starrocks.images["be"] == "starrocks/be-ubuntu:3.3.9", "somebody else's image was overwritten"
    starrocks.assert_settings()
    starrocks.assert_released()


def test_tablets_heal_only_in_the_window(starrocks: StarRocks, product: Driver) -> None:
    mark = starrocks.mark()
    product.upgrade(None, target=BACKENDS).succeeded()
    assert starrocks.state["tablets"]["unhealthy"] == 0
    assert starrocks.state["tablets"]["healed"] > 0
    # The gate asks for tablets after repair has its limit back, never before.
    changes = [c for c in starrocks.setting_changes(mark) if c["key"] == LIMIT and c["fe"] == "prod-fe-0"]
    opened = next(c["at"] for c in changes if c["old"] == "0" and c["new"] != "0")
    closed = next(c["at"] for c in changes if c["at"] > opened)
    asked = [q["at"] for q in starrocks.queries(mark) if "/statistic" in q["sql"] or "cluster_balance" in q["sql"]]
    assert any(opened <= at <= closed for at in asked)


def test_the_password_is_rotated_in_the_middle(starrocks: StarRocks, product: Driver) -> None:
    run = held_in_the_window(starrocks, product.as_root())
    new = "canary-second-0ver-the-hills"
    data = {"data": {"password": base64.b64encode(new.encode()).decode()}}
    starrocks.api.patch("Secret", "prod-root", data, starrocks.namespace)
    starrocks.simulate(rotate_password=new)
    starrocks.simulate(tablets={"broken": 0})
    ended = run.finish().succeeded()
    assert new not in ended.stdout + ended.html
    starrocks.assert_settings()
    starrocks.assert_all_ready()


def test_a_set_that_fails_half_way_is_put_back(starrocks: StarRocks, product: Driver) -> None:
    """The third SET is answered with an error for good: what was set before it is restored."""
    strategies, uids = starrocks.strategies, starrocks.uids
    starrocks.faults({"kind": "error", "match": "SET .*tablet_sched_disable_balance", "errno": 1227, "message": "no"})
    product.upgrade(None, target=BACKENDS).failed("tablet_sched_disable_balance|ADMIN SET|OPERATE|denied|no")
    starrocks.faults()
    starrocks.assert_settings()
    assert starrocks.uids == uids
    assert starrocks.strategies == strategies
    starrocks.assert_released()


def test_connections_that_drop_after_the_set_do_no_harm(starrocks: StarRocks, product: Driver) -> None:
    starrocks.faults({"kind": "drop_after_apply", "match": "ADMIN SET", "on_nth": 2})
    product.upgrade(None, target=BACKENDS).succeeded()
    starrocks.assert_settings()
    starrocks.assert_all_ready()


def test_a_show_frontends_that_hangs_once_does_no_harm(starrocks: StarRocks, product: Driver) -> None:
    run = held_in_the_window(starrocks, product)
    starrocks.faults({"kind": "hang", "match": "SHOW FRONTENDS", "times": 1})
    starrocks.simulate(tablets={"broken": 0})
    run.finish().succeeded()
    starrocks.assert_settings()


def test_settings_off_before_the_run_stay_off(starrocks: StarRocks, product: Driver) -> None:
    """The leader's values before the run are what is restored, also where they mean off."""
    own = {key: value for key, value in OFF.items() if key != LIMIT}
    starrocks.set_everywhere(**own)
    product.upgrade(None, target=BACKENDS).succeeded()
    starrocks.assert_settings(**own)
