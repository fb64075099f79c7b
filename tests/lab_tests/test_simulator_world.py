# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated world by itself, with the time passed in: elections, settings in memory, tablets that heal."""

from __future__ import annotations

from typing import Any

import pytest

from steadylab.simulator.errors import StatementError
from steadylab.simulator.model import Component, Options, Pod
from steadylab.simulator.settings import BY_ANY_NAME, matching
from steadylab.simulator.versions import (
    Version,
    backend_columns,
    balance_rows,
    compute_node_columns,
    config_columns,
    frontend_columns,
    version_of_image,
)
from steadylab.simulator.world import SCHEDULING_LIMIT, Cluster

START = 1_800_000_000.0


def _pod(component: Component, ordinal: int, *, version: str = "3.3.1", start: int = 1, up: bool = True) -> Pod:
    name = f"prod-{component}-{ordinal}"
    image = f"starrocks/{component}-ubuntu:{version}"
    return Pod("starrocks", "prod", component, name, image, up=up, incarnation=f"{name}/{start}")


def _cluster(fe: int = 3, be: int = 3, **options: Any) -> Cluster:
    behaviour = Options()
    behaviour.update(options)
    cluster = Cluster("starrocks", "prod", START, options=behaviour)
    for ordinal in range(fe):
        cluster.apply(_pod("fe", ordinal), START)
    for ordinal in range(be):
        cluster.apply(_pod("be", ordinal), START)
    return cluster


def _leader(cluster: Cluster) -> str | None:
    return cluster.leader


def _set(cluster: Cluster, key: str, value: str, now: float = START) -> None:
    cluster.set_config(key, value, persistent=False, user="root", now=now)


def _values(cluster: Cluster, key: str) -> list[str]:
    return [frontend.settings[key] for frontend in cluster.members()]


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("starrocks/fe-ubuntu:3.3.2", "3.3.2"),
        ("starrocks/fe-ubuntu:3.3.2-broken", "3.3.2"),
        ("registry.example:5000/starrocks/be-ubuntu:3.4.0-slow", "3.4.0"),
        ("starrocks/fe-ubuntu:3.3.0-rc01", "3.3.0-rc01"),
        ("starrocks/fe-ubuntu:3.3.1@sha256:00", "3.3.1"),
        ("starrocks/fe-ubuntu:broken", "1.2.3"),
        ("starrocks/fe-ubuntu", "1.2.3"),
    ],
)
def test_version_comes_from_the_tag_without_the_lab_suffix(image: str, version: str) -> None:
    assert version_of_image(image, default="1.2.3") == version


def test_columns_differ_by_version() -> None:
    """FrontendsProcNode (Id in 4.1), BackendsProcDir (StatusCode newer), ConfigBase (AliasNames newer)."""
    assert "Id" not in frontend_columns(Version(3, 3, 1))
    assert frontend_columns(Version(4, 1, 0))[0] == "Id"
    assert "StatusCode" not in backend_columns(Version(3, 3, 1), shared_data=False)
    assert "StatusCode" in backend_columns(Version(3, 4, 0), shared_data=False)
    assert "WarehouseName" in backend_columns(Version(3, 3, 1), shared_data=True)
    assert "MemLimit" not in compute_node_columns(Version(3, 3, 1), shared_data=False)
    assert "AliasNames" not in config_columns(Version(2, 5, 0))
    assert "all_tablets" not in balance_rows(Version(3, 3, 1))


def test_fe_0_founds_the_cluster_and_others_join() -> None:
    cluster = _cluster(fe=0)
    cluster.apply(_pod("fe", 1), START)
    assert _leader(cluster) is None
    cluster.apply(_pod("fe", 0), START)
    assert _leader(cluster) == "prod-fe-0"
    assert [frontend.pod for frontend in cluster.members()] == ["prod-fe-0", "prod-fe-1"]


def test_another_fe_founds_the_cluster_when_fe_0_stays_away() -> None:
    cluster = _cluster(fe=0, bootstrap_seconds=5.0)
    cluster.apply(_pod("fe", 1), START)
    assert cluster.next_event(START) == START + 5
    cluster.advance(START + 5)
    assert _leader(cluster) == "prod-fe-1"


def test_a_new_leader_is_elected_after_the_election_time() -> None:
    cluster = _cluster(election_seconds=2.0)
    cluster.remove("prod-fe-0", START + 1)
    assert _leader(cluster) is None
    assert cluster.next_event(START + 1) == START + 3
    cluster.advance(START + 2.9)
    assert _leader(cluster) is None
    cluster.advance(START + 3)
    assert _leader(cluster) in ("prod-fe-1", "prod-fe-2")


def test_no_leader_without_quorum() -> None:
    """BDB JE needs the majority of all followers, dead ones included."""
    cluster = _cluster()
    cluster.remove("prod-fe-1", START)
    assert _leader(cluster) == "prod-fe-0"
    cluster.remove("prod-fe-2", START)
    cluster.advance(START + 100)
    assert _leader(cluster) is None
    with pytest.raises(StatementError, match="master client"):
        cluster.require_leader()


def test_observers_replay_but_neither_vote_nor_lead() -> None:
    cluster = _cluster(observers=["prod-fe-2"])
    assert cluster.frontends["prod-fe-2"].role == "OBSERVER"
    cluster.remove("prod-fe-0", START)
    cluster.advance(START + 100)
    assert _leader(cluster) is None
    with pytest.raises(ValueError, match="not a live follower"):
        cluster.make_leader("prod-fe-2", START + 100)


def test_same_seed_same_elections() -> None:
    winners = set()
    for _ in range(3):
        cluster = _cluster(fe=5)
        cluster.remove("prod-fe-0", START)
        cluster.advance(START + 10)
        winners.add(_leader(cluster))
    assert len(winners) == 1


def test_leadership_moves_twice_in_a_row() -> None:
    cluster = _cluster()
    cluster.lead_in_turn(["prod-fe-1", "prod-fe-2"], 0.5, START)
    assert _leader(cluster) == "prod-fe-1"
    cluster.advance(START + 0.5)
    assert _leader(cluster) == "prod-fe-2"


def test_an_fe_that_joins_trails_behind_for_a_while() -> None:
    cluster = _cluster(lag_seconds=2.0, lag_entries=100)
    later = START + 60
    cluster.apply(_pod("fe", 2, start=2), later)
    frontend = cluster.frontends["prod-fe-2"]
    assert cluster.journal(later) - cluster.replayed(frontend, later) == 100
    assert cluster.journal(later + 1) - cluster.replayed(frontend, later + 1) == 50
    assert cluster.replayed(frontend, later + 2) == cluster.journal(later + 2)


def test_a_dead_fe_stands_still_in_the_journal() -> None:
    cluster = _cluster()
    cluster.remove("prod-fe-2", START + 10)
    frontend = cluster.frontends["prod-fe-2"]
    assert cluster.replayed(frontend, START + 100) == cluster.replayed(frontend, START + 10)


def test_start_time_grows_with_every_process_even_within_a_second() -> None:
    cluster = _cluster()
    first = cluster.frontends["prod-fe-1"].start_time
    cluster.apply(_pod("fe", 1, start=2), START + 0.1)
    assert int(cluster.frontends["prod-fe-1"].start_time) > int(first)


def test_the_fes_learn_of_a_change_with_the_next_heartbeat() -> None:
    """Until then a dead BE reads Alive, and a new one has the old version: no gate may go by Alive alone."""
    cluster = _cluster(heartbeat_seconds=5.0)
    cluster.advance(START + 5)
    backend = cluster.backends["prod-be-0"]
    cluster.remove("prod-be-0", START + 10)
    assert backend.heartbeat.alive
    cluster.apply(_pod("be", 0, version="3.3.2", start=2), START + 12)
    assert backend.heartbeat.version == "3.3.1"
    cluster.advance(START + 17)
    assert (backend.heartbeat.alive, backend.heartbeat.version) == (True, "3.3.2")


def test_an_fe_that_died_just_now_makes_set_fail_after_the_rest_has_the_value() -> None:
    cluster = _cluster(heartbeat_seconds=5.0)
    cluster.advance(START + 5)
    cluster.remove("prod-fe-2", START + 6)
    with pytest.raises(StatementError, match=r"fe\[prod-fe-2"):
        _set(cluster, SCHEDULING_LIMIT, "0", START + 7)
    assert _values(cluster, SCHEDULING_LIMIT) == ["0", "0", "10000"]


def test_set_reaches_all_live_fes_and_a_restart_loses_it() -> None:
    """ConfigBase.setConfig; ADMIN_SET_CONFIG.md: after a restart fe.conf holds."""
    cluster = _cluster()
    _set(cluster, "max_scheduling_tablets", "0")
    assert _values(cluster, SCHEDULING_LIMIT) == ["0", "0", "0"]
    cluster.apply(_pod("fe", 1, start=2), START + 1)
    assert _values(cluster, SCHEDULING_LIMIT) == ["0", "10000", "0"]
    assert cluster.history[-1] == {
        "at": START + 1,
        "fe": "prod-fe-1",
        "key": SCHEDULING_LIMIT,
        "old": "0",
        "new": "10000",
        "cause": "restart",
        "user": "",
        "leader": "prod-fe-0",
    }


def test_a_pod_that_was_only_unready_keeps_its_memory() -> None:
    cluster = _cluster()
    _set(cluster, SCHEDULING_LIMIT, "0")
    cluster.apply(_pod("fe", 1, up=False), START + 1)
    cluster.apply(_pod("fe", 1), START + 2)
    assert _values(cluster, SCHEDULING_LIMIT) == ["0", "0", "0"]


def test_fe_conf_beats_the_default_and_counts_under_an_alias() -> None:
    cluster = _cluster(fe_conf={"max_scheduling_tablets": "3000"})
    assert _values(cluster, SCHEDULING_LIMIT) == ["3000"] * 3
    cluster.frontends["prod-fe-2"].conf = {SCHEDULING_LIMIT: "4000"}
    cluster.apply(_pod("fe", 2, start=2), START + 1)
    assert _values(cluster, SCHEDULING_LIMIT) == ["3000", "3000", "4000"]


def test_defaults_change_with_the_version() -> None:
    """The scheduling limit was 2000 before StarRocks PR 27648."""
    key = BY_ANY_NAME[SCHEDULING_LIMIT]
    assert key.default_of(Version(3, 1, 0)) == "2000"
    assert key.default_of(Version(3, 3, 1)) == "10000"
    cluster = _cluster(version_defaults={"3.3.2": {SCHEDULING_LIMIT: "20000"}})
    cluster.apply(_pod("fe", 2, version="3.3.2", start=2), START + 1)
    assert _values(cluster, SCHEDULING_LIMIT) == ["10000", "10000", "20000"]


def test_dead_fes_are_skipped_in_silence() -> None:
    cluster = _cluster()
    cluster.remove("prod-fe-2", START)
    _set(cluster, SCHEDULING_LIMIT, "0")
    assert _values(cluster, SCHEDULING_LIMIT) == ["0", "0", "10000"]


@pytest.mark.parametrize(
    "options", [{"set_config_calls_dead": True}, {"set_config_unreachable": ["prod-fe-2"]}], ids=["older", "newer"]
)
def test_an_fe_that_cannot_be_reached_is_an_error_after_the_rest_has_the_value(options: dict[str, Any]) -> None:
    """NodeMgr.setConfig (older) and callFrontNodeSetConfig: an error does not mean "not applied"."""
    cluster = _cluster(**options)
    if "set_config_calls_dead" in options:
        cluster.remove("prod-fe-2", START)
    with pytest.raises(StatementError, match=r"Set config failed: set config for fe\[prod-fe-2") as caught:
        _set(cluster, SCHEDULING_LIMIT, "0")
    assert caught.value.errno == 5101
    assert _values(cluster, SCHEDULING_LIMIT) == ["0", "0", "10000"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("no_such_key", "1", "Config 'no_such_key' does not exist or is not mutable"),
        ("ignore_unknown_log_id", "true", "does not exist or is not mutable"),
        (SCHEDULING_LIMIT, "many", 'For input string: "many"'),
        (SCHEDULING_LIMIT, "99999999999", 'For input string: "99999999999"'),
        (SCHEDULING_LIMIT, "1.5", 'For input string: "1.5"'),
    ],
)
def test_a_refused_set_sets_nothing(key: str, value: str, message: str) -> None:
    cluster = _cluster()
    with pytest.raises(StatementError, match=message):
        _set(cluster, key, value)
    assert cluster.history == []


def test_persistent_is_refused_in_a_container() -> None:
    """ConfigBase.init: nothing is persisted in a container."""
    with pytest.raises(StatementError, match="not persisted"):
        _cluster().set_config(SCHEDULING_LIMIT, "0", persistent=True, user="root", now=START)


@pytest.mark.parametrize(("text", "value"), [("TRUE", "true"), ("yes", "false"), ("1", "false"), (" true ", "true")])
def test_booleans_read_as_java_reads_them(text: str, value: str) -> None:
    """Boolean.parseBoolean: whatever is not "true" is false, and never an error."""
    cluster = _cluster()
    _set(cluster, "disable_balance", text)
    assert _values(cluster, "tablet_sched_disable_balance") == [value] * 3


def test_like_matches_aliases_and_ignores_case() -> None:
    assert [key.name for key in matching("DISABLE_BALANCE")] == ["tablet_sched_disable_balance"]
    assert [key.name for key in matching("%disable%balance")] == [
        "tablet_sched_disable_balance",
        "tablet_sched_disable_colocate_balance",
    ]


def test_tablets_are_unhealthy_while_a_be_is_away_and_heal_afterwards() -> None:
    cluster = _cluster(be=4, tablets=40, heal_seconds=1.0, heal_batch=20)
    cluster.remove("prod-be-3", START)
    assert cluster.unhealthy() == 30
    cluster.apply(_pod("be", 3, start=2), START + 10)
    assert cluster.unhealthy() == 30
    assert len(cluster.tablets.running) == 20
    assert cluster.pending(START + 10) == 10
    cluster.advance(START + 11)
    assert cluster.unhealthy() == 10
    cluster.advance(START + 12)
    assert cluster.unhealthy() == 0
    assert cluster.next_event(START + 12) is None


def test_nothing_heals_while_the_leader_s_limit_is_0() -> None:
    """TabletScheduler.addTablet tests `pending > limit`: one tablet shows as pending, none runs."""
    cluster = _cluster()
    _set(cluster, SCHEDULING_LIMIT, "0")
    cluster.remove("prod-be-0", START)
    cluster.apply(_pod("be", 0, start=2), START + 1)
    cluster.advance(START + 100_000)
    assert cluster.unhealthy() == 30
    assert cluster.pending(START + 100_000) == 1
    assert not cluster.tablets.running
    _set(cluster, SCHEDULING_LIMIT, "10000", START + 100_000)
    cluster.advance(START + 100_001)
    assert cluster.unhealthy() == 0


def test_only_the_leader_s_limit_counts() -> None:
    cluster = _cluster()
    _set(cluster, SCHEDULING_LIMIT, "0")
    cluster.put_setting("prod-fe-1", SCHEDULING_LIMIT, "10000", START)
    cluster.remove("prod-be-0", START)
    cluster.apply(_pod("be", 0, start=2), START + 1)
    cluster.advance(START + 10)
    assert cluster.unhealthy() == 30
    cluster.make_leader("prod-fe-1", START + 10)
    cluster.advance(START + 11)
    assert cluster.unhealthy() == 0


def test_clone_tasks_are_lost_with_the_leader() -> None:
    cluster = _cluster(heal_seconds=5.0)
    cluster.remove("prod-be-0", START)
    cluster.apply(_pod("be", 0, start=2), START + 1)
    assert cluster.tablets.running
    cluster.remove("prod-fe-0", START + 2)
    assert not cluster.tablets.running
    cluster.advance(START + 3)
    assert _leader(cluster) is not None
    assert cluster.next_event(START + 3) == START + 8


def test_repair_starts_after_its_delay() -> None:
    cluster = _cluster(repair_delay_seconds=60.0)
    cluster.remove("prod-be-0", START)
    cluster.apply(_pod("be", 0, start=2), START + 1)
    assert (cluster.unhealthy(), cluster.pending(START + 1)) == (30, 0)
    assert cluster.next_event(START + 10) == START + 61
    cluster.advance(START + 61)
    assert cluster.tablets.running


def test_a_be_is_unknown_until_it_first_starts() -> None:
    cluster = _cluster(be=0)
    cluster.apply(_pod("be", 0, up=False), START)
    assert cluster.backends == {}


def test_shared_data_has_no_replicas_to_heal() -> None:
    """StatisticProcDir skips cloud-native tablets, TabletChecker returns at once."""
    cluster = _cluster(run_mode="shared_data")
    cluster.remove("prod-be-0", START)
    assert cluster.unhealthy() == 0


def test_options_refuse_unknown_names_and_other_types() -> None:
    with pytest.raises(ValueError, match="unknown option 'speed'"):
        Options().update({"speed": 1})
    with pytest.raises(ValueError, match="option tablets is a int"):
        Options().update({"tablets": "many"})
