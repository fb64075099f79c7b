# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Repeating a write whose answer was lost.

Every write of a run is guarded by a resourceVersion, a uid or the value it replaces, so doing it twice is told from
doing it once. A connection that breaks is no reason to roll production back: only what the cluster does is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Unreachable
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock

Result = TypeVar("Result")
# Longer than an API server or its load balancer takes to come back from a restart.
PATIENCE_SECONDS = 300.0
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0


def persist(write: Callable[[], Result], clock: Clock, *, still_ours: Callable[[], None] = lambda: None) -> Result:
    """Do `write`, again with growing pauses while the API server cannot be reached; Unreachable when it stays away.

    `still_ours` is asked before each repetition: while we were cut off another run may have taken over.
    """
    end = clock.ticks() + PATIENCE_SECONDS
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            if pause > FIRST_PAUSE_SECONDS:
                still_ours()
            return write()
        except Unreachable:
            if clock.ticks() + pause >= end:
                raise
            clock.pause(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
