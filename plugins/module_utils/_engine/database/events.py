# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Events about a DBUpgrade, so that `kubectl describe` tells what happened to it."""

from __future__ import annotations

from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import digest
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.plan import Event
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Conflict, NotFound, RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.text import shorten
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.undertaking import (
    RESOURCE_API,
    Undertaking,
)
from ansible_collections.steady.rollout.plugins.module_utils._kube.paths import path_to

COMPONENT = "steady-rollout"
# The API server refuses a longer one (kubernetes/kubernetes pkg/apis/core/validation/events.go: noteLengthLimit).
LONGEST_MESSAGE = 1024
ANSWER_SECONDS = 3.0
ATTEMPTS = 3


def tell(work: Undertaking, event: Event) -> None:
    """Say a live line, and write the Event or count up the one that says the same, where there is an object for it."""
    work.say(f"{event.reason}: {event.message}")
    if work.resource is None:
        return
    try:
        _persist(work, event)
    except RolloutError as error:
        # An Event is for people to read; a migration does not stop because one cannot be written.
        work.say(f"The Event {event.reason} could not be written: {error.reason}")


def _persist(work: Undertaking, event: Event) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _once(work, event)
            return
        except (Conflict, NotFound):
            # Somebody made, counted up or deleted it since it was looked at.
            if attempt == ATTEMPTS:
                raise


def _once(work: Undertaking, event: Event) -> None:
    name = _name(work, event)
    path = path_to("v1", "events", work.namespace)
    try:
        found = work.client.get(f"{path}/{name}", timeout=ANSWER_SECONDS)
    except NotFound:
        work.client.request("POST", path, body=_new(work, event, name), timeout=ANSWER_SECONDS)
        return
    again = {
        "metadata": {"resourceVersion": found["metadata"]["resourceVersion"]},
        "count": int(found.get("count") or 1) + 1,
        "lastTimestamp": _moment(work),
        "message": shorten(event.message, LONGEST_MESSAGE),
    }
    merge = "application/merge-patch+json"
    work.client.request("PATCH", f"{path}/{name}", body=again, content_type=merge, timeout=ANSWER_SECONDS)


def _name(work: Undertaking, event: Event) -> str:
    """One name for everything that counts up in one Event: the same reason for the same spec."""
    key = digest([work.owner.uid, work.generation, event.reason, event.type])
    return f"{work.owner.name[:200]}.{key.removeprefix('sha256:')[:16]}"


def _new(work: Undertaking, event: Event, name: str) -> dict[str, Any]:
    at = _moment(work)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": work.namespace},
        "involvedObject": {
            "apiVersion": RESOURCE_API,
            "kind": "DBUpgrade",
            "name": work.owner.name,
            "namespace": work.namespace,
            "uid": work.owner.uid,
        },
        "reason": event.reason,
        "type": event.type,
        "message": shorten(event.message, LONGEST_MESSAGE),
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }


def _moment(work: Undertaking) -> str:
    return work.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
