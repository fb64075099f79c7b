# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema: sound reports pass, each broken one is told with its path."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.report import validate

from . import samples


@pytest.mark.parametrize("build", [samples.success, samples.rolled_back, samples.left_open])
def test_sound_reports_have_no_problem(build: Any) -> None:
    assert validate(build()) == []


def _set(report: dict[str, Any], path: tuple[Any, ...], value: object) -> dict[str, Any]:
    target: Any = report
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return report


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (("apiVersion",), "v1", "apiVersion: must be rollout.steady.dev/v1alpha1"),
        (("kind",), "Report", "kind: must be UpgradeReport"),
        (("run", "outcome"), "fine", "run.outcome: must be one of"),
        (("run", "cluster"), "", "run.cluster: must be a string that is not empty"),
        (("run", "startedAt"), "yesterday", "run.startedAt: must be an RFC 3339 time"),
        (("run", "finishedAt"), samples.at(-1), "run.finishedAt: is before run.startedAt"),
        (("steps", 1, "state"), "ok", "steps[1].state: must be one of"),
        (("steps", 0, "waitedFor", 0, "seconds"), -1, "steps[0].waitedFor[0].seconds: must be a number of 0 or more"),
        (("settings", 0, "before"), {"prod-fe-0": 10000}, "settings[0].before: must map strings to strings"),
        (("pods", 0, "before"), None, "pods[0].before: must be a mapping"),
        (("gates", 0, "step"), "be/other", "gates[0].step: no step is named 'be/other'"),
        (("plan", "pointOfNoReturn"), {"stepId": "x", "text": ""}, "plan.pointOfNoReturn.stepId: no step is named 'x'"),
        (("events",), None, "events: must be a list"),
        (("plan",), [], "plan: must be a mapping"),
    ],
)
def test_each_fault_is_told_with_its_path(path: tuple[Any, ...], value: object, problem: str) -> None:
    problems = validate(_set(samples.success(), path, value))
    assert len(problems) == 1
    assert problems[0].startswith(problem)


@pytest.mark.parametrize("value", [None, [], "report", 3])
def test_anything_but_a_mapping_is_refused(value: object) -> None:
    assert validate(value) == ["the report must be a mapping"]
