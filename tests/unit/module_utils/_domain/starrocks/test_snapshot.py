# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshot's own questions."""

from __future__ import annotations

import pytest

from .builders import Cluster, a_cluster


def test_pods_and_rows_are_found_by_name() -> None:
    there = a_cluster(cn=1).snapshot
    assert [pod.ordinal for pod in there.pods_of("be")] == [0, 1, 2]
    assert there.pods_of("cn")[0].name == "prod-cn-0"
    found = (there.pod("prod-fe-1"), there.frontend("prod-fe-1"), there.worker("prod-cn-0"))
    assert all(item is not None for item in found)
    assert (there.pod("prod-fe-9"), there.frontend("prod-be-0"), there.worker("prod-fe-0")) == (None, None, None)


@pytest.mark.parametrize(
    ("cluster", "leader"),
    [
        pytest.param(a_cluster().leader("prod-fe-1"), "prod-fe-1", id="one"),
        pytest.param(a_cluster().row("prod-fe-0", alive=False), None, id="dead"),
        pytest.param(a_cluster().row("prod-fe-1", role="LEADER"), None, id="two"),
        pytest.param(a_cluster().row("prod-fe-1", role="LEADER", alive=False), "prod-fe-0", id="the dead one is past"),
        pytest.param(a_cluster().row("prod-fe-0", role="FOLLOWER"), None, id="none"),
        pytest.param(a_cluster().having(frontends=()), None, id="nothing seen"),
    ],
)
def test_the_leader_is_the_only_one_that_is_alive(cluster: Cluster, leader: str | None) -> None:
    assert cluster.snapshot.leader == leader
