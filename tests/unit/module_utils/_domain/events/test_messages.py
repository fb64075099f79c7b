# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages for people: no foreign string becomes markup, a mention or a link."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.events.catalogue import Announcement
from ansible_collections.steady.rollout.plugins.module_utils._domain.events.messages import (
    LONGEST_FIELD,
    LONGEST_TEXT,
    Topic,
    json_payload,
    slack_payload,
    slack_text,
)

TOPIC = Topic("starrocks", "prod", "rollout-1", "3.3.1 -> 3.3.2")
TOLD = Announcement(3, "2026-11-21T06:00:00.123Z", "StepFailed", True, "no answer", "be/prod-be-2", "prod-be-2")
HOSTILE = [
    "<!channel> <@U123> <https://evil.example|click>",
    "@here @channel @all",
    "[click](https://evil.example) ![x](https://evil.example/x.png)",
    "a & b < c > d &amp; &lt;",
    "line\nbreak\x1b[31mred\u202eright to left\x00",
    "`code` *bold* _italic_ ~strike~",
    "x" * 100_000,
    "\ud800",
]


def texts(payload: Any) -> list[str]:
    """Every text in a payload."""
    if isinstance(payload, dict):
        return [text for value in payload.values() for text in texts(value)]
    if isinstance(payload, list):
        return [text for value in payload for text in texts(value)]
    return [payload] if isinstance(payload, str) else []


def test_the_message_for_programs() -> None:
    payload = json_payload(TOLD, TOPIC)
    assert (payload["type"], payload["timestamp"]) == ("rollout.StepFailed", TOLD.at)
    assert payload["data"] == {
        "namespace": "starrocks",
        "cluster": "prod",
        "run": "rollout-1",
        "versions": "3.3.1 -> 3.3.2",
        "number": 3,
        "reason": "StepFailed",
        "severity": "Warning",
        "step": "be/prod-be-2",
        "about": "prod-be-2",
        "message": "no answer",
    }


def test_the_message_for_slack() -> None:
    payload = slack_payload(TOLD, TOPIC)
    assert payload["text"] == "starrocks/prod: StepFailed"
    (attachment,) = payload["attachments"]
    assert (attachment["color"], attachment["text"]) == ("danger", "no answer")
    assert {field["title"]: field["value"] for field in attachment["fields"]} == {
        "Cluster": "starrocks/prod",
        "Versions": "3.3.1 -&gt; 3.3.2",
        "Step": "be/prod-be-2",
        "Run": "rollout-1",
    }


def assert_harmless(text: str) -> None:
    """No entity is half, nothing opens a link or a mention, nothing is cut in the middle of an escape."""
    assert "<" not in text
    assert ">" not in text
    assert re.sub(r"&(amp|lt|gt);", "", text).count("&") == 0
    assert not re.search(r"@[^\u200b]|\]\(", text)
    assert all(character.isprintable() or character == "\u200b" for character in text)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_string_stays_text_in_every_field(text: str) -> None:
    told = replace(TOLD, message=text, step=text, about=text)
    payload = slack_payload(told, Topic(text, text, text, text))
    for part in texts(payload):
        assert_harmless(part)
    json.dumps(payload).encode()
    json.dumps(json_payload(told, Topic(text, text, text, text))).encode()


@given(st.text())
def test_any_string_stays_text(text: str) -> None:
    assert_harmless(slack_text(text, LONGEST_TEXT))


@given(st.text(alphabet="&<>@](a", max_size=60), st.integers(1, 60))
def test_a_cut_never_goes_through_an_escape(text: str, longest: int) -> None:
    assert_harmless(slack_text(text, longest))


def test_the_longest_message_fits() -> None:
    (attachment,) = slack_payload(replace(TOLD, message="&" * 100_000), TOPIC)["attachments"]
    assert len(attachment["text"]) <= LONGEST_TEXT * len("&amp;")
    assert max(len(field["value"]) for field in attachment["fields"]) <= LONGEST_FIELD * len("&amp;")
