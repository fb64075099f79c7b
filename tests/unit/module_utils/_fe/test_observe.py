# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at a simulated cluster, whole and with parts that do not answer."""

from __future__ import annotations

import pytest
from unit.module_utils._fe.conftest import Open

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import NotFound, Unreachable
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Credentials, Frontends
from ansible_collections.steady.rollout.plugins.module_utils._fe.observe import find_leader, leader_session, observe
from ansible_collections.steady.rollout.plugins.module_utils._fe.options import FeOptions
from steadylab.simulator.harness import Harness

PODS = ["prod-fe-0", "prod-fe-1", "prod-fe-2"]
KEY = "tablet_sched_disable_balance"


def test_a_healthy_cluster_is_seen_whole(frontends: Open) -> None:
    view = observe(frontends(), PODS, keys=[KEY])

    assert view.blind == {}
    assert view.leader == "prod-fe-0"
    assert {row.pod: row.role for row in view.frontends} == {
        "prod-fe-0": "LEADER",
        "prod-fe-1": "FOLLOWER",
        "prod-fe-2": "FOLLOWER",
    }
    assert {row.pod for row in view.workers} == {"prod-be-0", "prod-be-1", "prod-be-2"}
    assert view.tablets is not None
    assert {pod: settings.values for pod, settings in view.settings.items()} == {pod: {KEY: "false"} for pod in PODS}
    started = {row.pod: row.start_time for row in view.frontends}
    assert {pod: settings.start_time for pod, settings in view.settings.items()} == started


def test_a_cheap_look_asks_the_leader_only(cluster: Harness, frontends: Open) -> None:
    opened = frontends()
    view = observe(opened, PODS, known_leader="prod-fe-0", compute_nodes=False, tablets=False)

    asked = [(entry["fe"], entry["sql"]) for entry in cluster.queries() if entry["sql"].startswith(("SHOW", "ADMIN"))]
    assert asked == [("prod-fe-0", "SHOW FRONTENDS"), ("prod-fe-0", "SHOW BACKENDS")]
    assert (view.tablets, view.settings, view.blind) == (None, {}, {})


def test_tablets_are_the_leaders_answer(cluster: Harness, frontends: Open) -> None:
    cluster.set_leader("prod-fe-2")
    observe(frontends(), PODS)

    local = {entry["fe"] for entry in cluster.queries() if "/statistic" in entry["sql"]}
    assert local == {"prod-fe-2"}


def test_an_fe_that_is_gone_makes_only_its_settings_blind(cluster: Harness, frontends: Open) -> None:
    opened = frontends()
    cluster.stop_pod("prod-fe-1")
    view = observe(opened, PODS, keys=[KEY], known_leader="prod-fe-1")

    assert set(view.blind) == {"settings:prod-fe-1"}
    assert "prod-fe-1" in view.blind["settings:prod-fe-1"]
    assert view.leader == "prod-fe-0"


def test_nobody_answering_makes_everything_blind(cluster: Harness, frontends: Open) -> None:
    opened = frontends()
    for pod in PODS:
        cluster.stop_pod(pod)
    view = observe(opened, PODS, keys=[KEY])

    assert set(view.blind) == {
        "frontends",
        "backends",
        "compute_nodes",
        "tablets",
        *(f"settings:{pod}" for pod in PODS),
    }
    assert view.leader is None
    assert (view.frontends, view.workers, view.tablets, view.settings) == ((), (), None, {})


def test_no_fe_to_ask_is_blind() -> None:
    view = observe(Frontends(None, "prod", "n", lambda: Credentials("root", ""), FeOptions()), [])
    assert "no FE to ask" in view.blind["frontends"]


@pytest.mark.parametrize(("match", "blind"), [("statistic", "tablets"), ("BACKENDS", "backends")])
def test_a_statement_that_fails_makes_its_part_blind(cluster: Harness, frontends: Open, match: str, blind: str) -> None:
    cluster.faults({"kind": "error", "match": match, "message": "no luck"})
    view = observe(frontends(), PODS)

    assert set(view.blind) == {blind}
    assert "no luck" in view.blind[blind]


def test_a_hanging_show_frontends_ends_with_the_timeout(cluster: Harness, frontends: Open) -> None:
    cluster.faults({"kind": "hang", "match": "SHOW FRONTENDS"})
    view = observe(frontends(), PODS, timeout=0.1)

    assert view.blind["frontends"].count("timed out") == len(PODS)


def test_two_leaders_are_none(cluster: Harness, frontends: Open) -> None:
    opened = frontends()
    session = opened.session("prod-fe-0")
    rows = session.run("SHOW FRONTENDS")
    two = [{**row, "Role": "LEADER"} for row in rows]
    session.run = lambda _sql, timeout=None: two

    view = observe(opened, ["prod-fe-0"], tablets=False)
    assert view.leader is None
    assert len(view.frontends) == 3
    with pytest.raises(NotFound, match="not exactly one live leader"):
        find_leader(opened, ["prod-fe-0"])


def test_the_leader_is_found_by_any_fe(cluster: Harness, frontends: Open) -> None:
    cluster.set_leader("prod-fe-1")
    opened = frontends()

    assert find_leader(opened, PODS, known_leader="prod-fe-0") == "prod-fe-1"
    assert leader_session(opened, PODS).pod == "prod-fe-1"


def test_no_leader_is_found_where_nobody_answers(cluster: Harness, frontends: Open) -> None:
    opened = frontends()
    for pod in PODS:
        cluster.stop_pod(pod)

    with pytest.raises(Unreachable, match="prod-fe-0"):
        find_leader(opened, PODS)
