# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The risk report, from a plan."""

from __future__ import annotations

import json

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import plan_release, plan_upgrade
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.risks import build_risks

from .builders import NOW, a_cluster, a_spec

AT = "2026-11-21T06:00:00.000Z"


def test_a_plan_that_may_be_carried_out() -> None:
    plan = plan_upgrade(a_cluster().snapshot, a_spec(), None, NOW)
    report = build_risks(plan, [], AT)
    json.dumps(report)
    assert report["plan"]["verdict"] == "ready"
    assert (report["plan"]["from"], report["plan"]["to"]) == ("3.3.1", "3.3.2")
    assert [step["id"] for step in report["steps"]] == [step.id for step in plan.steps]
    assert {entry["key"] for entry in report["settings"]} == set(plan.keys)
    assert report["pointOfNoReturn"] == "fe/prod-fe-2"
    assert report["images"][0] == {
        "component": "fe",
        "from": plan.images_from["fe"],
        "to": plan.images_to["fe"],
    }


def test_a_danger_that_was_accepted() -> None:
    spec = a_spec(acknowledge=("frontend-outage",))
    plan = plan_upgrade(a_cluster(fe=1).snapshot, spec, None, NOW)
    report = build_risks(plan, [refused.as_result() for refused in plan.refusals], AT)
    assert report["plan"]["verdict"] == "risky"
    assert ("frontend-outage", True) in {(risk["name"], risk["acknowledged"]) for risk in report["risks"]}


def test_a_plan_that_is_refused_says_why_and_what_to_do() -> None:
    plan = plan_upgrade(a_cluster(fe=1).snapshot, a_spec(), None, NOW)
    assert plan.refusals
    report = build_risks(plan, [refused.as_result() for refused in plan.refusals], AT)
    assert report["plan"]["verdict"] == "refused"
    assert all(refusal["reason"] and refusal["remedy"] for refusal in report["refusals"])


@pytest.mark.parametrize("version", ["3.3.1"])
def test_nothing_to_do(version: str) -> None:
    plan = plan_upgrade(a_cluster().snapshot, a_spec(version), None, NOW)
    assert build_risks(plan, [], AT)["plan"]["verdict"] == "unchanged"


def test_a_plan_without_a_target() -> None:
    assert build_risks(plan_release(a_cluster().snapshot), [], AT)["plan"]["direction"] == "release"
