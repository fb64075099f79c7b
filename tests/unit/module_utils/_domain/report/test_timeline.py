# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the events mean over time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.report.model import read_report
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.timeline import (
    Timeline,
    read_timeline,
    tick_step,
    ticks,
)

from . import samples


def _read(source: dict[str, Any]) -> Timeline:
    timeline = read_timeline(read_report(source))
    assert timeline is not None
    return timeline


def _states(timeline: Timeline, pod: str) -> list[tuple[str, float, float]]:
    lane = next(lane for lane in timeline.pods if lane.pods == (pod,))
    return [(span.state, span.start, span.end) for span in lane.spans]


def test_an_upgraded_pod_goes_from_old_to_new() -> None:
    states = _states(_read(samples.success()), "prod-be-0")
    assert states == [("old", 0, 4), ("down", 4, 5), ("starting", 5, 9), ("new", 9, 20)]


def test_a_pod_put_back_ends_as_old() -> None:
    states = [state for state, _start, _end in _states(_read(samples.rolled_back()), "prod-be-0")]
    assert states == ["old", "down", "starting", "failed", "down", "starting", "old"]


def test_settings_show_the_repair_window_and_the_restore() -> None:
    states = [(span.state, span.start, span.end) for span in _read(samples.success()).settings]
    assert states == [("normal", 0, 2), ("off", 2, 10), ("window", 10, 16), ("off", 16, 19), ("normal", 19, 20)]


def test_open_settings_stay_off_to_the_end() -> None:
    last = _read(samples.left_open()).settings[-1]
    assert (last.state, last.end) == ("off", 20)


def test_rollback_covers_its_steps() -> None:
    span = _read(samples.rolled_back()).rollback
    assert span is not None
    assert (span.start, span.end) == (12, 17)


def test_the_point_of_no_return_is_where_its_step_began() -> None:
    source = samples.success()
    source["plan"]["pointOfNoReturn"] = {"stepId": "be/prod-be-0", "text": "no way back"}
    mark = _read(source).no_return
    assert mark is not None
    assert mark.at == 3


def test_a_point_of_no_return_that_was_not_reached_is_not_drawn() -> None:
    source = samples.success()
    source["plan"]["pointOfNoReturn"] = {"stepId": "fe/prod-fe-0", "text": "no way back"}
    assert _read(source).no_return is None


def test_components_stand_in_the_order_of_the_plan() -> None:
    assert [lane.component for lane in _read(samples.success()).pods] == ["be", "fe"]


def test_many_untouched_pods_share_a_lane() -> None:
    source = samples.success()
    template = source["pods"][1]
    source["pods"] += [{**template, "name": f"prod-fe-{number}"} for number in range(1, 30)]
    lanes = _read(source).pods
    assert [len(lane.pods) for lane in lanes] == [1, 30]


def test_nothing_carried_out_has_no_timeline() -> None:
    source = samples.success() | {"steps": [], "events": []}
    assert read_timeline(read_report(source)) is None


@given(st.floats(min_value=0.001, max_value=400 * 86400), st.integers(min_value=4, max_value=20))
def test_ticks_are_never_too_many(length: float, most: int) -> None:
    step = tick_step(max(1.0, length), most)
    assert len(ticks(0.0, max(1.0, length), step)) <= most + 1


@pytest.mark.parametrize(("length", "step"), [(1, 0.1), (10, 1), (26, 5), (90, 10), (4900, 600), (22000, 3600)])
def test_ticks_are_round(length: float, step: float) -> None:
    assert tick_step(length, 12) == step
