# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Upgrades that reach what was asked for."""

from __future__ import annotations

import pytest
from scenarios.cluster import LIMIT, OFF, StarRocks, down_at_once, replaced
from scenarios.conftest import MakeCluster, MakeDriver
from scenarios.playbook import QUICK_GATES, Driver

from ansible_collections.steady.rollout.plugins.module_utils._domain.report.schema import validate


@pytest.mark.oldest
def test_an_upgrade_replaces_one_pod_at_a_time_and_puts_everything_back(
    cluster: MakeCluster, driver: MakeDriver
) -> None:
    starrocks = cluster(fe=3, be=3)
    starrocks.set_everywhere(**{LIMIT: "12345", "tablet_sched_disable_colocate_balance": "true"})
    strategies, uids, mark = starrocks.strategies, starrocks.uids, starrocks.mark()
    leader = starrocks.leader

    run = driver(starrocks).upgrade("3.3.2").succeeded()

    assert set(starrocks.tags.values()) == {"3.3.2"}
    assert set(starrocks.uids.values()).isdisjoint(uids.values())
    events = starrocks.pod_events(mark)
    assert all(len(down) <= 1 for down in down_at_once(uids, events))
    followers = [name for name in starrocks.frontends if name != leader]
    expected = [*starrocks.backends, *followers, leader]
    assert replaced(events) == [(name, "3.3.2") for name in expected]
    starrocks.assert_settings(**{LIMIT: "12345", "tablet_sched_disable_colocate_balance": "true"})
    starrocks.assert_all_ready()
    starrocks.assert_closed("succeeded", strategies)
    assert starrocks.state["tablets"]["unhealthy"] == 0
    assert validate(run.report) == []
    assert run.report["run"]["outcome"] == "succeeded"
    assert "<svg" in run.html
    assert "http://" not in run.html.replace("http://www.w3.org/", "")


def test_the_settings_are_off_while_a_pod_is_down_and_on_in_the_window(starrocks: StarRocks, product: Driver) -> None:
    mark = starrocks.mark()
    product.upgrade("3.3.2").succeeded()
    sets = [c for c in starrocks.setting_changes(mark) if c["key"] == LIMIT and c["fe"] == starrocks.frontends[-1]]
    values = [change["new"] for change in sets if change["cause"] != "start"]
    assert values[0] == "0"
    assert values[-1] == "10000"
    assert values.count("10000") > 1, "no repair window between pods"


@pytest.mark.oldest
def test_the_second_run_changes_nothing(starrocks: StarRocks, product: Driver) -> None:
    product.upgrade("3.3.2").succeeded()
    mark, record = starrocks.mark(), starrocks.record
    default = {"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"}
    second = product.run(product.document("3.3.2"), environment=default).succeeded()
    assert second.recap["changed"] == 0
    starrocks.untouched(mark)
    assert starrocks.record == record


def test_a_target_that_is_there_already_is_nothing_to_do(starrocks: StarRocks, product: Driver) -> None:
    mark = starrocks.mark()
    default = {"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"}
    run = product.run(product.document("3.3.1"), environment=default).succeeded()
    assert run.recap["changed"] == 0
    starrocks.untouched(mark)


def test_the_short_form_on_the_command_line(starrocks: StarRocks, product: Driver) -> None:
    quick = {"spec": {"gates": QUICK_GATES}}
    product.run(quick, f"--extra-vars=cluster={starrocks.key}", "--extra-vars=version=3.3.2").succeeded()
    assert set(starrocks.tags.values()) == {"3.3.2"}
    starrocks.assert_settings()


def test_one_component_alone(starrocks: StarRocks, product: Driver) -> None:
    uids = starrocks.uids
    target = {"images": {"be": "starrocks/be-ubuntu:3.3.2"}}
    product.upgrade(None, target=target).succeeded()
    assert {name: tag for name, tag in starrocks.tags.items() if tag == "3.3.2"}.keys() == set(starrocks.backends)
    assert {name: starrocks.uids[name] for name in starrocks.frontends} == {
        name: uids[name] for name in starrocks.frontends
    }
    starrocks.assert_settings()


def test_an_update_strategy_of_the_persons_own_comes_back(starrocks: StarRocks, product: Driver) -> None:
    own = {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    patch = {"spec": {"starRocksBeSpec": {"updateStrategy": own}}}
    starrocks.api.patch("StarRocksCluster", starrocks.name, patch, starrocks.namespace)
    before = starrocks.strategies
    product.upgrade("3.3.2").succeeded()
    assert starrocks.strategies == before


def test_compute_nodes_go_with_the_backends(cluster: MakeCluster, driver: MakeDriver) -> None:
    starrocks = cluster(fe=3, be=1, cn=2)
    strategies, mark = starrocks.strategies, starrocks.mark()
    driver(starrocks).upgrade("3.3.2").succeeded()
    order = [name.split("-")[1] for name, _tag in replaced(starrocks.pod_events(mark))]
    assert sorted(order[:3]) == ["be", "cn", "cn"]
    assert order[3:] == ["fe", "fe", "fe"]
    starrocks.assert_all_ready()
    starrocks.assert_settings()
    starrocks.assert_closed("succeeded", strategies)


def test_a_shared_data_cluster_is_judged_by_its_compute_nodes(cluster: MakeCluster, driver: MakeDriver) -> None:
    starrocks = cluster(fe=3, be=0, cn=2)
    starrocks.simulate(options={"run_mode": "shared_data"})
    run = driver(starrocks).upgrade("3.3.2").succeeded()
    assert set(starrocks.tags.values()) == {"3.3.2"}
    starrocks.assert_all_ready()
    starrocks.assert_settings()
    assert run.report["run"]["outcome"] == "succeeded"


def test_a_single_frontend_goes_when_the_outage_is_acknowledged(cluster: MakeCluster, driver: MakeDriver) -> None:
    starrocks = cluster(fe=1, be=1)
    driver(starrocks).upgrade("3.3.2", acknowledge=["frontend-outage"]).succeeded()
    assert set(starrocks.tags.values()) == {"3.3.2"}
    starrocks.assert_settings()
    starrocks.assert_all_ready()


def test_a_slow_backend_gets_its_time(starrocks: StarRocks, product: Driver) -> None:
    target = {"images": {"be": "starrocks/be-ubuntu:3.3.2-slow"}}
    product.upgrade(None, target=target).succeeded()
    assert {starrocks.tags[name] for name in starrocks.backends} == {"3.3.2-slow"}
    starrocks.assert_all_ready()
    starrocks.assert_settings()


def test_a_pull_that_heals_in_time_is_not_rolled_back(starrocks: StarRocks, product: Driver) -> None:
    mark = starrocks.mark()
    target = {"images": {"be": "starrocks/be-ubuntu:3.3.2-hiccup"}}
    product.upgrade(None, target=target).succeeded()
    assert replaced(starrocks.pod_events(mark)) == [(name, "3.3.2-hiccup") for name in starrocks.backends]
    starrocks.assert_all_ready()
    starrocks.assert_settings()


@pytest.mark.parametrize("hook", ["disable-tablet-clone", "disable-balancer"])
def test_a_single_hook_switches_off_just_its_own_setting(hook: str, starrocks: StarRocks, product: Driver) -> None:
    mark = starrocks.mark()
    target = {"images": {"be": "starrocks/be-ubuntu:3.3.2"}}
    product.upgrade(None, target=target, hooks=[hook]).succeeded()
    touched = {change["key"] for change in starrocks.setting_changes(mark)}
    assert touched == {LIMIT if hook == "disable-tablet-clone" else "tablet_sched_disable_balance"}
    assert touched < set(OFF)
    starrocks.assert_settings()


def test_no_secret_is_shown_however_much_is_shown(starrocks: StarRocks, product: Driver) -> None:
    """What the runs of a test print, write or leave in the cluster is searched when it ends; here it is the most."""
    target = {"images": {"be": "starrocks/be-ubuntu:3.3.2"}}
    run = product.upgrade(None, "-vvvv", "--diff", target=target).succeeded()
    assert starrocks.password not in run.stdout
