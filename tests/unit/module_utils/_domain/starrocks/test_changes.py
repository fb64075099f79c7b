# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The patches: exactly one pod moves, and only when nothing was changed meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.changes import (
    kept_partition,
    step_patch,
    strategy_patch,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import Step
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import baseline_of

from .builders import Cluster, a_cluster, image

IMAGE, STRATEGY = "/spec/starRocksBeSpec/image", "/spec/starRocksBeSpec/updateStrategy"
PERSONS = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}


def held(partition: int) -> dict[str, Any]:
    """Our strategy at a partition."""
    return {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}


def step(ordinal: int, **fields: Any) -> Step:
    """The step of a BE."""
    pod = f"prod-be-{ordinal}"
    return Step(f"be/{pod}", "upgrade-pod", "", "", 0.0, "be", pod, ordinal, image("be", "3.3.2"), **fields)


def patch(cluster: Cluster, one: Step, before: Cluster | None = None) -> list[dict[str, object]]:
    """The patch of a step; `before` is the cluster at the beginning of the run."""
    baseline = baseline_of((before or a_cluster()).snapshot)
    return step_patch(cluster.snapshot.workloads["be"], one, "cluster-uid", baseline)


def test_image_and_partition_come_in_one_patch_under_preconditions() -> None:
    assert patch(a_cluster(), step(2)) == [
        {"op": "test", "path": "/metadata/uid", "value": "cluster-uid"},
        {"op": "test", "path": IMAGE, "value": image("be", "3.3.1")},
        {"op": "replace", "path": IMAGE, "value": image("be", "3.3.2")},
        {"op": "add", "path": STRATEGY, "value": held(2)},
    ]


def test_the_next_pod_only_lowers_the_partition() -> None:
    there = a_cluster().workload("be", image=image("be", "3.3.2"), strategy=held(2), partition=2)
    assert patch(there, step(1)) == [
        {"op": "test", "path": "/metadata/uid", "value": "cluster-uid"},
        {"op": "test", "path": IMAGE, "value": image("be", "3.3.2")},
        {"op": "test", "path": STRATEGY, "value": held(2)},
        {"op": "add", "path": STRATEGY, "value": held(1)},
    ]


@pytest.mark.parametrize("persons", [None, PERSONS], ids=["none", "a person's"])
def test_with_the_last_pod_the_persons_strategy_returns(persons: Any) -> None:
    before = a_cluster().workload("be", strategy=persons)
    there = before.workload("be", image=image("be", "3.3.2"), strategy=held(1), partition=1)
    last = patch(there, step(0, last_of_component=True), before)[-1]
    if persons is None:
        assert last == {"op": "remove", "path": STRATEGY}
    else:
        assert last == {"op": "add", "path": STRATEGY, "value": persons}


def test_a_pod_to_be_deleted_is_moved_by_nothing_else() -> None:
    assert patch(a_cluster(), step(1, means="delete"))[-1]["value"] == {"type": "OnDelete"}


def test_a_broken_pod_is_mended_while_no_other_moves() -> None:
    assert patch(a_cluster(), step(1, means="hold"))[-1]["value"] == held(3)


@pytest.mark.parametrize("means", ["partition", "delete", "hold"])
def test_a_step_that_is_in_force_patches_nothing(means: Any) -> None:
    strategy = {"partition": held(2), "delete": {"type": "OnDelete"}, "hold": held(3)}[means]
    there = a_cluster().workload("be", image=image("be", "3.3.2"), strategy=strategy)
    assert patch(there, step(2, means=means)) == []


def test_the_strategy_is_put_back_when_no_pod_would_move() -> None:
    baseline = baseline_of(a_cluster().workload("be", strategy=PERSONS).snapshot)
    there = a_cluster().workload("be", strategy=held(2), partition=2)
    assert strategy_patch(there.snapshot, "be", baseline)[-1] == {"op": "add", "path": STRATEGY, "value": PERSONS}
    assert strategy_patch(a_cluster().workload("be", strategy=PERSONS).snapshot, "be", baseline) == []
    assert kept_partition(there.snapshot, "be", baseline) == ""


def test_a_partition_stays_while_pods_run_another_image() -> None:
    there = a_cluster().upgraded("prod-be-2", "3.3.2")
    there = there.workload("be", image=image("be", "3.3.2"), strategy=held(2), partition=2)
    baseline = baseline_of(a_cluster().snapshot)
    assert strategy_patch(there.snapshot, "be", baseline) == []
    assert "prod-be-0, prod-be-1" in kept_partition(there.snapshot, "be", baseline)


def test_a_component_that_came_later_keeps_its_strategy() -> None:
    there = a_cluster(cn=1).workload("cn", strategy=PERSONS).snapshot
    baseline = baseline_of(a_cluster().snapshot)
    assert strategy_patch(there, "cn", baseline) == []
    assert kept_partition(there, "cn", baseline) == ""
