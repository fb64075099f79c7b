# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The conditions: which hold in which state, and when their times change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.database.conditions import (
    LONGEST_MESSAGE,
    TYPES,
    Aspect,
    State,
    conditions,
)

THEN, NOW = "2026-11-21T06:00:00Z", "2026-11-21T06:01:00Z"
HOLDING = {
    "Initializing": {"Accepted"},
    "Progressing": {"Accepted", "Progressing"},
    "Blocked": {"Accepted", "Blocked"},
    "Degraded": {"Accepted", "Degraded"},
    "Planned": {"Accepted"},
    "Ready": {"Accepted", "Ready"},
    "Refused": {"Degraded"},
}


@pytest.mark.parametrize("aspect", HOLDING)
def test_what_holds(aspect: Aspect) -> None:
    found = conditions(State(aspect, "Because", "So it is."), 7, [], NOW)
    assert tuple(item.type for item in found) == TYPES
    assert {item.type for item in found if item.status == "True"} == HOLDING[aspect]
    assert {item.observed_generation for item in found} == {7}
    ready = found[1]
    assert (ready.reason, ready.message) == ("Because", "So it is.")


def test_ready_and_degraded_at_once() -> None:
    found = conditions(State("Ready", "MigrationComplete", "Done.", ("SecretNotFound", "Gone.")), 1, [], NOW)
    assert {item.type: item.reason for item in found if item.status == "True"} == {
        "Accepted": "SpecValid",
        "Ready": "MigrationComplete",
        "Degraded": "SecretNotFound",
    }


def test_the_time_is_that_of_the_last_change_of_the_status() -> None:
    before = [item.as_plain() for item in conditions(State("Progressing", "a", "b"), 1, [], THEN)]
    after = {item.type: item for item in conditions(State("Ready", "c", "d"), 2, before, NOW)}
    times = {name: item.last_transition_time for name, item in after.items()}
    assert times == {"Accepted": THEN, "Ready": NOW, "Progressing": NOW, "Degraded": THEN, "Blocked": THEN}
    assert {item.observed_generation for item in after.values()} == {2}


def test_a_long_message_is_cut() -> None:
    message = conditions(State("Degraded", "a", "x" * 9000), 1, [], NOW)[3].message
    assert len(message) == LONGEST_MESSAGE
    assert message.endswith("...")


@given(st.lists(st.dictionaries(st.sampled_from(["type", "status", "lastTransitionTime"]), st.none() | st.text())))
def test_whatever_stands_there_before(previous: list[dict[str, object]]) -> None:
    found = conditions(State("Ready", "a", "b"), 1, previous, NOW)
    assert all(item.last_transition_time for item in found)
    reasons = {item.reason for item in found}
    assert "" not in reasons
