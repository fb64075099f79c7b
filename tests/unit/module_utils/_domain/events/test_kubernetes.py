# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Announcements as Events of Kubernetes."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.events.catalogue import Announcement
from ansible_collections.steady.rollout.plugins.module_utils._domain.events.kubernetes import (
    LONGEST_MESSAGE,
    Regarding,
    again,
    event_name,
    new_event,
)

OBJECT = Regarding("starrocks.com/v1", "StarRocksCluster", "prod", "starrocks", "uid-1")
TOLD = Announcement(3, "2026-11-21T06:00:00.123Z", "HookFailed", True, "no answer", "pre/1-tell", "tell")


def test_the_event_is_about_the_object() -> None:
    event = new_event(OBJECT, TOLD)
    assert event["involvedObject"] == {
        "apiVersion": "starrocks.com/v1",
        "kind": "StarRocksCluster",
        "name": "prod",
        "namespace": "starrocks",
        "uid": "uid-1",
    }
    assert event["metadata"] == {"name": event_name(OBJECT, TOLD), "namespace": "starrocks"}
    assert (event["reason"], event["type"], event["message"]) == ("HookFailed", "Warning", "no answer")
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-11-21T06:00:00Z"
    assert event["count"] == 1


def test_the_same_thing_again_counts_up_with_its_latest_words() -> None:
    found = {**new_event(OBJECT, TOLD), "metadata": {"resourceVersion": "7"}, "count": 4}
    later = replace(TOLD, number=9, at="2026-11-21T07:00:00Z", message="refused")
    assert event_name(OBJECT, later) == event_name(OBJECT, TOLD)
    assert again(found, later) == {
        "metadata": {"resourceVersion": "7"},
        "count": 5,
        "lastTimestamp": "2026-11-21T07:00:00Z",
        "message": "refused",
    }


def test_another_object_generation_reason_type_or_thing_has_an_event_of_its_own() -> None:
    others = [
        (replace(OBJECT, uid="uid-2"), TOLD),
        (replace(OBJECT, generation=2), TOLD),
        (OBJECT, replace(TOLD, reason="HookDone")),
        (OBJECT, replace(TOLD, warning=False)),
        (OBJECT, replace(TOLD, about="other")),
    ]
    assert len({event_name(*other) for other in others} | {event_name(OBJECT, TOLD)}) == 6


@given(st.text(), st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", fullmatch=True))
def test_whatever_is_told_the_api_server_can_take_it(text: str, name: str) -> None:
    event = new_event(replace(OBJECT, name=name), replace(TOLD, message=text))
    assert len(str(event["message"])) <= LONGEST_MESSAGE
    assert str(event["message"]).isprintable()
    assert len(event_name(replace(OBJECT, name=name), TOLD)) <= 253
