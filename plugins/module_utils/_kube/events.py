# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Writing Events, so that `kubectl describe` tells what a run did to an object."""

from __future__ import annotations

from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Conflict, NotFound
from ansible_collections.steady.rollout.plugins.module_utils._domain.events.catalogue import Announcement
from ansible_collections.steady.rollout.plugins.module_utils._domain.events.kubernetes import (
    Regarding,
    again,
    event_name,
    new_event,
)
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.paths import path_to

# A run does not wait longer for an answer about what is only for people to read.
ANSWER_SECONDS = 3.0
# Two runs may count up the same Event at once; a third try meets nobody any more.
ATTEMPTS = 3


class EventWriter:
    """Writes the Events about one object; what happens again counts up instead of becoming another Event."""

    def __init__(self, client: KubeClient, regarding: Regarding) -> None:
        self._client = client
        self._regarding = regarding
        self._known: dict[str, dict[str, Any]] = {}

    def write(self, announcement: Announcement) -> None:
        """Write one; raises as KubeClient does."""
        name = event_name(self._regarding, announcement)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._known[name] = self._once(name, announcement)
                return
            except (Conflict, NotFound):
                # Counted up by somebody else, or gone since it was looked at.
                if attempt == ATTEMPTS:
                    raise

    def _once(self, name: str, announcement: Announcement) -> dict[str, Any]:
        found = self._known.pop(name, None)
        if found is None:
            # Most are new: to make it without a look is one request, to run into what another process made is three.
            try:
                return self._send("POST", "", new_event(self._regarding, announcement))
            except Conflict:
                found = self._send("GET", name, None)
        return self._send("PATCH", name, again(found, announcement))

    def _send(self, method: str, name: str, body: dict[str, Any] | None) -> dict[str, Any]:
        path = path_to("v1", "events", self._regarding.namespace, name or None)
        kind = "application/merge-patch+json" if method == "PATCH" else None
        return self._client.request(method, path, body=body, content_type=kind, timeout=ANSWER_SECONDS)
