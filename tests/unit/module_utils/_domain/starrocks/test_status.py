# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What objects say: the mirror without times, the status with them, conditions that keep their moment."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import preparation, status
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.preparation import HookDone, Preparation
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.status import Told

NOW = "2026-11-21T07:00:00Z"
DONE = HookDone("disable-balancer", "Succeeded", started_at=NOW, finished_at=NOW)
FAILED = HookDone("look", "Failed", 'said "no"', NOW, NOW)


def state(**changes: Any) -> Preparation:
    """A prepared cluster."""
    images = {"fe": "x/fe:1", "be": "x/be:1"}
    before = Preparation("request", "Completed", images, images, "Held", "prepared", hooks=(DONE, FAILED), armed_at=NOW)
    return replace(before, prepared_at=NOW, **changes)


def test_the_mirror_holds_no_time() -> None:
    text = status.mirror(state())
    assert text is not None
    assert not re.search(r"\d{2}:\d{2}", text)


def test_the_mirror_is_what_an_admission_policy_looks_for() -> None:
    text = status.mirror(state(target={"be": "x/be:2"}))
    assert text is not None
    assert '"phase":"Completed"' in text
    assert '"held":true' in text
    assert '"from":{"be":"x/be:1","fe":"x/fe:1"}' in text
    assert '"target":{"be":"x/be:2"}' in text
    nested = [key for hook in json.loads(text)["hooks"] for key in hook]
    assert set(nested).isdisjoint({"phase", "held", "from", "target"})


def test_a_message_cannot_pass_for_a_phase() -> None:
    text = status.mirror(state(phase="Failed", end="failed", message='"phase":"Completed","held":true'))
    assert text is not None
    assert '"phase":"Completed"' not in text
    assert '"held":true' not in text


def test_the_mirror_does_not_change_with_what_a_rollout_waits_for() -> None:
    texts = {status.mirror(state(reason="RollingOut", message=f"x-be-{n} not Ready")) for n in range(3)}
    assert len(texts) == 1


def test_no_preparation_no_mirror() -> None:
    assert status.mirror(None) is None


def test_the_status_has_the_fields_of_the_first_proposal_and_the_hooks_with_times() -> None:
    assert status.preparation_status(state()) == {
        "phase": "Completed",
        "reason": "Held",
        "message": "prepared",
        "held": True,
        "from": {"fe": "x/fe:1", "be": "x/be:1"},
        "target": {},
        "completedHooks": ["disable-balancer"],
        "failedHooks": ["look"],
        "hooks": [
            {"name": "disable-balancer", "result": "Succeeded", "startTime": NOW, "completionTime": NOW},
            {"name": "look", "result": "Failed", "message": 'said "no"', "startTime": NOW, "completionTime": NOW},
        ],
        "startTime": NOW,
        "completionTime": NOW,
    }


def test_long_messages_are_cut() -> None:
    told = status.preparation_status(state(message="x" * 100_000))
    assert len(told["message"]) == status.LONGEST_TEXT


def conditions(told: Told, previous: list[dict[str, Any]], now: str) -> dict[str, dict[str, Any]]:
    return {entry["type"]: entry for entry in status.conditions(told, None, previous, 3, now)}


def test_a_condition_keeps_its_moment_until_its_status_changes() -> None:
    running = Told("Running", "StepRunning", "prod-be-1")
    first = conditions(running, [], "t1")
    second = conditions(replace(running, message="prod-be-0"), list(first.values()), "t2")
    assert {entry["lastTransitionTime"] for entry in second.values()} == {"t1"}
    assert second["Progressing"]["message"] == "prod-be-0"
    last = conditions(Told("Succeeded", "Succeeded", "done"), list(second.values()), "t3")
    assert {kind for kind, entry in last.items() if entry["lastTransitionTime"] == "t3"} == {"Progressing", "Succeeded"}
    assert {entry["observedGeneration"] for entry in last.values()} == {3}


@pytest.mark.parametrize(
    ("phase", "succeeded", "progressing"),
    [
        ("Pending", "Unknown", "True"),
        ("Running", "Unknown", "True"),
        ("RollingBack", "Unknown", "True"),
        ("Succeeded", "True", "False"),
        ("RolledBack", "False", "False"),
        ("Frozen", "False", "False"),
        ("Failed", "False", "False"),
    ],
)
def test_what_the_conditions_say_in_each_phase(phase: Any, succeeded: str, progressing: str) -> None:
    found = conditions(Told(phase, "Reason", "text"), [], "t")
    assert (found["Succeeded"]["status"], found["Progressing"]["status"]) == (succeeded, progressing)


def test_what_is_waited_for_is_a_condition() -> None:
    found = conditions(Told("Running", "GateRefused", "waits", waiting="others_up(prod-be-1): also down"), [], "t")
    assert (found["Blocked"]["status"], found["Blocked"]["reason"]) == ("True", "GateRefused")
    assert "others_up" in found["Blocked"]["message"]


def test_conditions_of_others_stay() -> None:
    other = {"type": "Running", "status": "True", "ansibleResult": {"ok": 1}}
    assert conditions(Told("Running", "StepRunning", ""), [other], "t")["Running"] == other


def test_an_ended_preparation_is_not_held() -> None:
    over = preparation.restored(replace(state(), end="rolled-out"), 0.0)
    assert status.preparation_status(over)["held"] is False


@pytest.mark.parametrize("text", [None, "", "not JSON", "[" * 200_000, "1", '{"by": null}'])
def test_an_annotation_that_is_not_ours_is_about_no_upgrade(text: str | None) -> None:
    assert status.mirrored_by(text) == ""
