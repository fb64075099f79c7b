# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Announcements as messages for people: JSON for programs, and the payload that Slack and its likes take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.events.catalogue import Announcement
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.text import one_line, shorten

# A longer text is cut by Slack itself (docs.slack.dev/changelog/2018-truncating-really-long-messages).
LONGEST_TEXT = 3000
LONGEST_FIELD = 300
_COLOURS = {"Normal": "good", "Warning": "danger"}


@dataclass(frozen=True, slots=True)
class Topic:
    """What every message says first: which run of which cluster."""

    namespace: str
    cluster: str
    run: str
    versions: str


def json_payload(announcement: Announcement, topic: Topic) -> dict[str, Any]:
    """For programs; the form that the Standard Webhooks specification recommends: type, timestamp, data."""
    return {
        "type": f"rollout.{announcement.reason}",
        "timestamp": announcement.at,
        "data": {
            "namespace": topic.namespace,
            "cluster": topic.cluster,
            "run": topic.run,
            "versions": topic.versions,
            "number": announcement.number,
            "reason": announcement.reason,
            "severity": announcement.type,
            "step": announcement.step,
            "about": announcement.about,
            "message": announcement.message,
        },
    }


def slack_payload(announcement: Announcement, topic: Topic) -> dict[str, Any]:
    """For Slack, Mattermost and Rocket.Chat: a text for notifications, and an attachment, which all of them show.

    `mrkdwn` is off and `parse` none: what others wrote is no markup.
    """
    head = f"{topic.namespace}/{topic.cluster}: {announcement.reason}"
    fields = [("Cluster", f"{topic.namespace}/{topic.cluster}"), ("Versions", topic.versions)]
    fields += [("Step", announcement.step), ("Run", topic.run)]
    return {
        "text": slack_text(head, LONGEST_FIELD),
        "mrkdwn": False,
        "parse": "none",
        "link_names": False,
        "attachments": [
            {
                "color": _COLOURS[announcement.type],
                "fallback": slack_text(f"{head}: {announcement.message}", LONGEST_TEXT),
                "text": slack_text(announcement.message, LONGEST_TEXT),
                "mrkdwn_in": [],
                "fields": [
                    {"title": title, "value": slack_text(value, LONGEST_FIELD), "short": True}
                    for title, value in fields
                    if value
                ],
            }
        ],
    }


def slack_text(value: object, longest: int) -> str:
    """One line without a mention, a link or a control character; at most `longest` characters before it is escaped.

    Slack asks for &, < and > to be written as entities (docs.slack.dev/messaging/formatting-message-text). Its likes
    read @channel and [text](link) in any text, so these are kept apart by a character without width.
    """
    text = shorten(one_line(value), longest)
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, entity)
    return text.replace("@", "@\u200b").replace("](", "]\u200b(")
