# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Time, in one place, so that everything else can be driven by a test."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """Wall and monotonic time of this machine."""

    def now(self) -> datetime:
        """The moment, in UTC."""
        return datetime.now(UTC)

    def epoch(self) -> float:
        """Seconds since the epoch."""
        return self.now().timestamp()

    def ticks(self) -> float:
        """Seconds that never go back, for measuring."""
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        """Let time pass where there is nothing to watch: the other side is away."""
        time.sleep(seconds)

    def stamp(self) -> str:
        """The moment as RFC 3339 with milliseconds, as reports and records write it."""
        return self.stamp_of(self.epoch())

    def stamp_of(self, epoch: float) -> str:
        """Another moment, in the same form."""
        return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def seconds_of(stamp: str) -> float:
    """The seconds since the epoch of a moment that `Clock.stamp` wrote."""
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()
