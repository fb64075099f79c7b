# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""How long a run that somebody waits for may go without getting on."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.steady.rollout.plugins.module_utils._domain.database.conditions import State
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.record import Record

STUCK = ("Blocked", "Degraded")


@dataclass(slots=True)
class Patience:
    """The time since a run has got on; moments are ticks of a clock that only goes forward.

    :ivar seconds: how long it may be stuck before it is given up
    """

    seconds: float
    _since: float | None = None

    def stuck(self, now: float) -> bool:
        """It does not get on; whether that has lasted for too long."""
        self._since = now if self._since is None else self._since
        return now - self._since >= self.seconds

    def over(self, state: State, record: Record | None, now: float) -> bool:
        """A pass has ended so; whether the run is to be given up.

        A Job that tries again what failed before is no getting on until it has come to something; it is not given up
        in the middle either.
        """
        if state.aspect in STUCK:
            return self.stuck(now)
        if record is None or not record.failures:
            self._since = None
        return False

    def left(self, state: State, now: float) -> float | None:
        """Seconds until it is over, if it stays in this state; None for one in which it is not given up."""
        if state.aspect not in STUCK or self._since is None:
            return None
        return max(0.0, self._since + self.seconds - now)
