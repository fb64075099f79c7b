# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Whether an object that is being deleted has to be let go, and saying that it was: for every kind with a finalizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import NotFound, RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.events.catalogue import Announcement
from ansible_collections.steady.rollout.plugins.module_utils._domain.events.kubernetes import Regarding
from ansible_collections.steady.rollout.plugins.module_utils._domain.letting_go import why_let_go
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.events import EventWriter
from ansible_collections.steady.rollout.plugins.module_utils._kube.paths import path_to

REASON = "Abandoned"


def let_go(client: KubeClient, metadata: Mapping[str, Any], clock: Clock, deadline: float) -> str:
    """Why the object goes now whatever it holds, as a sentence; empty as long as it may not."""
    goes = bool(metadata.get("deletionTimestamp")) and _namespace_goes(client, str(metadata["namespace"]))
    return why_let_go(metadata, clock.epoch(), deadline, namespace_goes=goes)


def _namespace_goes(client: KubeClient, namespace: str) -> bool:
    try:
        found = client.get(path_to("v1", "namespaces", None, namespace))
    except NotFound:
        return True
    except RolloutError:
        # Who cannot see the namespace waits for the deadline.
        return False
    return bool(found["metadata"].get("deletionTimestamp"))


def tell(client: KubeClient, regarding: Regarding, clock: Clock, message: str, say: Callable[[str], None]) -> None:
    """An Event that says what was left behind; it outlives the object by an hour, and cannot always be written."""
    announcement = Announcement(0, clock.stamp(), REASON, True, message)
    try:
        EventWriter(client, regarding).write(announcement)
    except RolloutError as error:
        say(f"The Event {REASON} could not be written: {error.reason}")
