# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Events about a DBUpgrade, so that `kubectl describe` tells what happened to it."""

from __future__ import annotations

from ansible_collections.steady.rollout.plugins.module_utils._domain.database.plan import Event
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.events.catalogue import Announcement
from ansible_collections.steady.rollout.plugins.module_utils._domain.events.kubernetes import Regarding
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.undertaking import (
    RESOURCE_API,
    Undertaking,
)
from ansible_collections.steady.rollout.plugins.module_utils._kube.events import EventWriter


def tell(work: Undertaking, event: Event) -> None:
    """Say a live line, and write the Event or count up the one that says the same, where there is an object for it."""
    work.say(f"{event.reason}: {event.message}")
    if work.resource is None:
        return
    owner = work.owner
    about = Regarding(RESOURCE_API, "DBUpgrade", owner.name, owner.namespace, owner.uid, work.generation)
    at = work.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    announcement = Announcement(0, at, event.reason, event.type == "Warning", event.message)
    try:
        EventWriter(work.client, about).write(announcement)
    except RolloutError as error:
        # An Event is for people to read; a migration does not stop because one cannot be written.
        work.say(f"The Event {event.reason} could not be written: {error.reason}")
