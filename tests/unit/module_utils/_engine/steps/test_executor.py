# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps and who carries them out."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import Kind
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Pod, Waiting
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.executor import ACTIONS, pod_state

POD = Pod("prod-be-0", "be", 0, "uid", "starrocks/be-ubuntu:3.3.2", "Running", False)


def test_every_kind_of_step_that_a_plan_may_hold_has_an_action() -> None:
    assert set(ACTIONS) == set(get_args(Kind))


@pytest.mark.parametrize(
    ("pod", "state"),
    [
        (None, "deleted"),
        (replace(POD, deleting=True, ready=True), "deleted"),
        (replace(POD, ready=True), "ready"),
        (replace(POD, waiting=(Waiting("be", "ImagePullBackOff"),)), "failed"),
        (POD, "starting"),
        (replace(POD, phase="Pending"), "created"),
    ],
)
def test_the_timeline_names_the_state_of_a_pod(pod: Pod | None, state: str) -> None:
    assert pod_state(pod) == state
