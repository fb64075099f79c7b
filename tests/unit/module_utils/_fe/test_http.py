# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What FEs tell over HTTP of their metadata images, and what keeps them from telling it."""

from __future__ import annotations

import pytest
from unit.module_utils._fe.conftest import PASSWORD, Open

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Denied, RolloutError, Unreachable
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Credentials
from ansible_collections.steady.rollout.plugins.module_utils._fe.http import MetaInfo, image_counters, meta_info
from steadylab.simulator.harness import Harness

LEADER, FOLLOWER = "prod-fe-0", "prod-fe-1"
OPERATOR = {"ops": {"password": "pw", "privileges": ["OPERATE"]}}


def port(cluster: Harness, pod: str) -> int:
    """Where the FE's HTTP interface listens."""
    return int(cluster.cluster_state()["frontends"][pod]["http_port"])


def asked(
    cluster: Harness, frontends: Open, pod: str = LEADER, user: str = "root", password: str = PASSWORD
) -> MetaInfo:
    """What that FE tells."""
    opened = frontends(credentials=lambda: Credentials(user, password))
    return meta_info(opened, pod, port(cluster, pod), timeout=5)


def test_before_the_first_image_there_is_only_a_journal(cluster: Harness, frontends: Open) -> None:
    seen = asked(cluster, frontends)
    assert seen.image_id is None
    assert seen.journal_id >= 10_000


def test_the_image_is_told_by_each_fe_for_itself(cluster: Harness, frontends: Open) -> None:
    cluster.options(image_push_refused=["prod-fe-2"])
    before = asked(cluster, frontends).journal_id
    frontends().session(LEADER).run("ALTER SYSTEM CREATE IMAGE")
    cluster.wait(lambda state: state["frontends"][FOLLOWER]["image"] is not None)
    images = [asked(cluster, frontends, pod).image_id for pod in (LEADER, FOLLOWER, "prod-fe-2")]
    assert images[0] is not None
    assert images == [images[0], images[0], None]
    assert images[0] >= before


def test_counters_are_read_where_there_are_any(cluster: Harness, frontends: Open) -> None:
    opened = frontends()
    frontends().session(LEADER).run("ALTER SYSTEM CREATE IMAGE")
    cluster.wait(lambda state: state["frontends"][FOLLOWER]["image"] is not None)
    assert image_counters(opened, LEADER, port(cluster, LEADER), timeout=5) == {"image_write": 1, "image_push": 1}
    assert image_counters(opened, FOLLOWER, port(cluster, FOLLOWER), timeout=5) == {"image_write": 0, "image_push": 0}
    there = port(cluster, LEADER)
    cluster.stop_pod(LEADER)
    assert image_counters(opened, LEADER, there, timeout=5) == {}


def test_with_http_auth_the_fes_user_is_asked_for(cluster: Harness, frontends: Open) -> None:
    cluster.options(http_auth=True)
    assert asked(cluster, frontends).journal_id
    cluster.change(users=OPERATOR)
    assert asked(cluster, frontends, user="ops", password="pw").journal_id


@pytest.mark.parametrize(("password", "privileges"), [("wrong", ["OPERATE"]), ("pw", [])])
def test_who_may_not_read_it_is_told_what_to_grant(
    cluster: Harness, frontends: Open, password: str, privileges: list[str]
) -> None:
    cluster.options(http_auth=True)
    cluster.change(users={"ops": {"password": "pw", "privileges": privileges}})
    with pytest.raises(Denied, match="does not let user ops read") as caught:
        asked(cluster, frontends, user="ops", password=password)
    assert "GRANT OPERATE ON SYSTEM TO USER ops" in caught.value.remedy
    assert password not in str(caught.value)


def test_no_password_goes_over_plain_http_where_tls_is_required(cluster: Harness, frontends: Open) -> None:
    cluster.options(http_auth=True)
    opened = frontends(tls="required")
    with pytest.raises(Denied, match="over plain HTTP"):
        meta_info(opened, LEADER, port(cluster, LEADER), timeout=5)
    cluster.options(http_auth=False)
    assert meta_info(opened, LEADER, port(cluster, LEADER), timeout=5).journal_id


def test_an_fe_that_is_not_there_is_unreachable(cluster: Harness, frontends: Open) -> None:
    there = port(cluster, FOLLOWER)
    cluster.stop_pod(FOLLOWER)
    with pytest.raises(Unreachable, match="FE prod-fe-1 did not answer"):
        meta_info(frontends(), FOLLOWER, there, timeout=5)


def test_what_speaks_no_http_is_unreachable(cluster: Harness, frontends: Open) -> None:
    with pytest.raises(Unreachable, match="did not answer /api/show_meta_info"):
        meta_info(frontends(), LEADER, cluster.address(LEADER)[1], timeout=5)


def test_another_answer_than_expected_is_an_error(
    cluster: Harness, frontends: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, there = frontends(), port(cluster, LEADER)
    module = "ansible_collections.steady.rollout.plugins.module_utils._fe.http._HA"
    monkeypatch.setattr(module, "/api/no_such_thing")
    with pytest.raises(Unreachable, match="status 404"):
        meta_info(opened, LEADER, there, timeout=5)
    monkeypatch.setattr(module, "/metrics")
    with pytest.raises(RolloutError, match="cannot be used"):
        meta_info(opened, LEADER, there, timeout=5)
