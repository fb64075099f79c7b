# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the leader comes last, wherever it is."""

from __future__ import annotations

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.leader import plan_leader
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Snapshot

from .builders import a_cluster


def there(leader: int) -> Snapshot:
    """Five FEs with the leader at an ordinal."""
    return a_cluster(fe=5).leader(f"prod-fe-{leader}").snapshot


@pytest.mark.parametrize("leader", range(5))
@pytest.mark.parametrize(
    ("strategy", "accepted", "means"),
    [
        ("auto", False, "refuse"),
        ("auto", True, "early-restart"),
        ("transfer", False, "transfer"),
        ("transfer", True, "transfer"),
        ("on-delete", False, "on-delete"),
        ("on-delete", True, "on-delete"),
    ],
)
def test_means(leader: int, strategy: str, accepted: bool, means: str) -> None:
    snapshot = there(leader)
    plan = plan_leader(snapshot, snapshot.pods_of("fe"), strategy, accepted=accepted)
    expected = "walk" if leader == 0 else means
    assert plan.means == expected
    order = [pod.ordinal for pod in plan.order]
    descending = [4, 3, 2, 1, 0]
    if expected == "on-delete":
        assert order == [n for n in descending if n != leader] + [leader]
    else:
        assert order == descending
    if expected == "early-restart":
        assert f"1 to {leader + 1} elections" in plan.text
        assert f"prod-fe-{leader}" in plan.text


@pytest.mark.parametrize("strategy", ["auto", "transfer", "on-delete"])
def test_a_leader_that_has_been_replaced_already_needs_no_means(strategy: str) -> None:
    snapshot = there(3)
    rest = tuple(pod for pod in snapshot.pods_of("fe") if pod.ordinal < 3)
    plan = plan_leader(snapshot, rest, strategy, accepted=False)
    assert (plan.means, [pod.ordinal for pod in plan.order]) == ("walk", [2, 1, 0])


def test_the_last_one_pending_is_the_leader() -> None:
    snapshot = there(2)
    rest = tuple(pod for pod in snapshot.pods_of("fe") if pod.ordinal == 2)
    assert plan_leader(snapshot, rest, "auto", accepted=False).means == "walk"


def test_nothing_pending() -> None:
    plan = plan_leader(there(2), (), "auto", accepted=False)
    assert plan.order == ()
