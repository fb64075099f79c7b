# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Announcements as Events of Kubernetes, which `kubectl describe` shows at the object."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import digest
from ansible_collections.steady.rollout.plugins.module_utils._domain.events.catalogue import Announcement
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.text import shorten

COMPONENT = "steady-rollout"
# The API server refuses a longer one (kubernetes/kubernetes pkg/apis/core/validation/events.go: noteLengthLimit).
LONGEST_MESSAGE = 1024


@dataclass(frozen=True, slots=True)
class Regarding:
    """The object that an Event is about. Where `generation` is given, each generation has Events of its own."""

    api_version: str
    kind: str
    name: str
    namespace: str
    uid: str
    generation: int = 0

    @property
    def reference(self) -> dict[str, str]:
        """As `involvedObject` has it."""
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "name": self.name,
            "namespace": self.namespace,
            "uid": self.uid,
        }


def event_name(regarding: Regarding, announcement: Announcement) -> str:
    """One name for everything that counts up in one Event: the same object, reason and thing that it is about."""
    key = digest([regarding.uid, regarding.generation, announcement.reason, announcement.type, announcement.about])
    return f"{regarding.name[:200]}.{key.removeprefix('sha256:')[:16]}"


def new_event(regarding: Regarding, announcement: Announcement) -> dict[str, object]:
    """The Event when it happens for the first time."""
    at = moment(announcement.at)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": event_name(regarding, announcement), "namespace": regarding.namespace},
        "involvedObject": regarding.reference,
        "reason": announcement.reason,
        "type": announcement.type,
        "message": message(announcement),
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }


def again(found: dict[str, object], announcement: Announcement) -> dict[str, object]:
    """The merge patch when it happened again: it counts up and has the latest words; guarded by the version."""
    count = found.get("count")
    metadata = found.get("metadata")
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    return {
        "metadata": {"resourceVersion": version},
        "count": (count if isinstance(count, int) else 1) + 1,
        "lastTimestamp": moment(announcement.at),
        "message": message(announcement),
    }


def message(announcement: Announcement) -> str:
    """The line, with the step where it says nothing of it."""
    return shorten(announcement.message, LONGEST_MESSAGE)


def moment(at: str) -> str:
    """A moment without fractions of a second, as Kubernetes writes it."""
    return at.partition(".")[0].removesuffix("Z") + "Z"
