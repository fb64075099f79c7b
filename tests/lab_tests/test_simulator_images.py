# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metadata images in the simulator, and what FEs tell of them over HTTP, in SQL and in their logs."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from steadylab.simulator import harness
from steadylab.simulator.felog import FrontendLogs
from steadylab.simulator.harness import Harness
from steadylab.simulator.model import Options, Pod
from steadylab.simulator.world import Cluster

LEADER, FOLLOWER, OTHER = "prod-fe-0", "prod-fe-1", "prod-fe-2"
CREATE_IMAGE = "ALTER SYSTEM CREATE IMAGE"
NOW = 1_000_000.0
HTTP = urllib3.PoolManager(retries=False)


@pytest.fixture
def cluster() -> Iterator[Harness]:
    """Three FEs."""
    with harness.start(fe=3, be=0, checkpoint_seconds=0.05) as cluster:
        yield cluster


def get(cluster: Harness, pod: str, path: str, **headers: str) -> tuple[int, str]:
    """One request to an FE's HTTP interface."""
    port = cluster.cluster_state()["frontends"][pod]["http_port"]
    answer = HTTP.request("GET", f"http://127.0.0.1:{port}{path}", headers=headers)
    return answer.status, answer.data.decode()


def show_ha(cluster: Harness, pod: str) -> dict[str, str]:
    """http/rest/ShowMetaInfoAction.java."""
    code, text = get(cluster, pod, "/api/show_meta_info?action=SHOW_HA")
    assert code == 200
    found: dict[str, str] = json.loads(text)
    return found


def imaged(cluster: Harness, pod: str) -> int:
    """Wait for the pod's image."""
    cluster.query(LEADER, CREATE_IMAGE)
    state = cluster.wait(lambda state: state["frontends"][pod]["image"] is not None)
    return int(state["frontends"][pod]["image"])


def test_there_is_no_checkpoint_before_the_first_image(cluster: Harness) -> None:
    """StarRocks issue 75747 shows such an answer."""
    info = show_ha(cluster, LEADER)
    assert info["role"] == "LEADER"
    assert "last_checkpoint_version" not in info
    assert all(isinstance(value, str) for value in info.values())


def test_an_image_ends_where_the_journal_was_closed_and_reaches_every_fe(cluster: Harness) -> None:
    before = int(show_ha(cluster, LEADER)["current_journal_id"])
    image = imaged(cluster, OTHER)
    assert image >= before
    assert {show_ha(cluster, pod)["last_checkpoint_version"] for pod in (LEADER, FOLLOWER, OTHER)} == {str(image)}


def test_an_image_survives_the_fes_restart(cluster: Harness) -> None:
    image = imaged(cluster, FOLLOWER)
    cluster.restart_pod(FOLLOWER)
    assert cluster.cluster_state()["frontends"][FOLLOWER]["image"] == image


def test_counters_are_the_leaders(cluster: Harness) -> None:
    imaged(cluster, OTHER)
    assert "starrocks_fe_image_push 1\n" in get(cluster, LEADER, "/metrics")[1]
    assert "starrocks_fe_image_write 1\n" in get(cluster, LEADER, "/metrics")[1]
    assert "starrocks_fe_image_push 0\n" in get(cluster, FOLLOWER, "/metrics")[1]


@pytest.mark.parametrize(("path", "code"), [("/nothing", 404), ("/api/show_meta_info?action=x", 400)])
def test_other_paths(cluster: Harness, path: str, code: int) -> None:
    assert get(cluster, LEADER, path)[0] == code


@pytest.mark.parametrize(
    ("pair", "code"), [("", 401), ("root:wrong", 401), ("nobody:", 401), ("reader:pw", 403), ("ops:pw", 200)]
)
def test_http_auth(cluster: Harness, pair: str, code: int) -> None:
    """StarRocks PR 73822."""
    users: dict[str, Any] = {name: {"password": "pw", "privileges": []} for name in ("reader", "ops")}
    users["ops"]["privileges"] = ["OPERATE"]
    cluster.change(users=users, options={"http_auth": True})
    headers = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"} if pair else {}
    assert get(cluster, LEADER, "/api/show_meta_info?action=SHOW_HA", **headers)[0] == code


def test_roles_and_grants(cluster: Harness) -> None:
    """docs: SHOW_GRANTS.md, privilege_item.md."""
    cluster.change(users={"ops": {"privileges": ["OPERATE"]}, "admin": {"privileges": ["NODE"]}})

    def grants(user: str, sql: str = "SHOW GRANTS") -> list[str]:
        return [row["Grants"] for row in cluster.query(FOLLOWER, sql, user, "")]

    assert cluster.query(FOLLOWER, "SELECT current_role()", "ops", "") == [{"current_role()": "NONE"}]
    assert grants("ops") == ["GRANT OPERATE ON SYSTEM TO USER 'ops'@'%'"]
    assert cluster.query(FOLLOWER, "SELECT current_role()", "admin", "") == [{"current_role()": "cluster_admin"}]
    assert grants("admin") == ["GRANT 'cluster_admin' TO 'admin'@'%'"]
    assert "NODE" in grants("admin", "SHOW GRANTS FOR ROLE cluster_admin")[0]


# The world without a wire.


def world(version: str = "3.3.1", **options: Any) -> Cluster:
    """Three FEs whose time the test gives."""
    behaviour = Options(checkpoint_seconds=10.0)
    behaviour.update(options)
    made = Cluster("starrocks", "prod", NOW, options=behaviour)
    for name in (LEADER, FOLLOWER, OTHER):
        made.apply(Pod("starrocks", "prod", "fe", name, f"starrocks/fe-ubuntu:{version}", True, "1", NOW), NOW)
    return made


def images(made: Cluster) -> list[int | None]:
    """The image of each FE."""
    return [made.frontends[pod].image for pod in (LEADER, FOLLOWER, OTHER)]


def test_the_leader_makes_an_image_when_it_looks_next() -> None:
    made = world()
    made.create_image(NOW + 1)
    made.advance(NOW + 10)
    assert images(made) == [None, None, None]
    made.advance(NOW + 11)
    assert len(set(images(made))) == 1
    assert images(made)[0] is not None


@pytest.mark.parametrize(("version", "repeated"), [("3.3.1", False), ("3.4.0", True)])
def test_a_push_that_failed_is_repeated_since_3_4(version: str, repeated: bool) -> None:
    """leader/Checkpoint.java against CheckpointController.java."""
    made = world(version, image_push_refused=[OTHER])
    made.create_image(NOW)
    made.advance(NOW + 10)
    assert images(made)[2] is None
    assert made.frontends[LEADER].image_pushes == (1 if repeated else 0)
    made.options.image_push_refused = []
    made.advance(NOW + 20)
    assert (images(made)[2] is not None) is repeated


def test_a_new_leader_makes_the_image_that_is_due() -> None:
    made = world()
    made.create_image(NOW)
    made.make_leader(FOLLOWER, NOW + 1)
    made.advance(NOW + 10)
    assert images(made)[1] is not None
    assert made.frontends[FOLLOWER].image_writes == 1


def test_an_fe_logs_what_happens_to_it_once(tmp_path: Path) -> None:
    made, logs = world(image_push_refused=[OTHER]), FrontendLogs(tmp_path)
    made.create_image(NOW)
    made.advance(NOW + 10)
    logs.follow(made)
    logs.follow(made)
    lines = logs.path("starrocks", LEADER).read_text().splitlines()
    assert all(line.split(" ")[1:3] == ["stdout", "F"] for line in lines), "the format of a container runtime"
    pushed = [line for line in lines if "push image." in line]
    assert len(pushed) == 1
    assert pushed[0].endswith("totally 2 nodes, push succeeded 1 nodes")
    made.put_setting(FOLLOWER, "disable_balance", "true", NOW + 11)
    logs.follow(made)
    assert "set tablet_sched_disable_balance from false to true" in logs.path("starrocks", FOLLOWER).read_text()
