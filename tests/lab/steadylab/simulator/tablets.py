# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tablets of a cluster and the leader's tablet scheduler, which repairs what a BE missed while it was away.

Paths are those of StarRocks sources under fe/fe-core/src/main/java/com/starrocks.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from steadylab.simulator.model import Options

REPLICATION: Final = 3


class Tablets:
    """One table whose tablets have three replicas each, spread round robin over the BEs in the order of joining.

    ``broken``, ``error`` and ``inconsistent`` tablets stay so until a test changes them.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._backends: list[str] = []
        self._stale: dict[str, dict[int, float]] = {}
        self._due = 0.0
        self.running: frozenset[int] = frozenset()
        self.healed = 0
        self.broken = 0
        self.error = 0
        self.inconsistent = 0

    @property
    def total(self) -> int:
        """How many tablets there are."""
        return self._options.tablets

    @property
    def _shared_data(self) -> bool:
        return self._options.run_mode == "shared_data"

    def on(self, backend: str) -> frozenset[int]:
        """The tablets that have a replica on a BE; none in shared-data mode, where a BE only holds cache."""
        if self._shared_data or backend not in self._backends:
            return frozenset()
        position, count = self._backends.index(backend), len(self._backends)
        return frozenset(
            tablet for tablet in range(self.total) if (position - tablet) % count < min(REPLICATION, count)
        )

    def replicas(self) -> int:
        """How many replicas there are."""
        return sum(len(self.on(backend)) for backend in self._backends)

    def backend_comes(self, backend: str, now: float) -> None:
        """A BE joins, or returns: then its replicas have missed loads and are VERSION_INCOMPLETE until repaired."""
        if backend not in self._backends:
            self._backends.append(backend)
            return
        tablets = sorted(self.on(backend))
        count = round(len(tablets) * self._options.stale_share)
        self._stale[backend] = dict.fromkeys(tablets[:count], now)

    def backend_goes(self, backend: str) -> None:
        """A BE is away: all its replicas count as missing, whatever they lacked before."""
        self._stale.pop(backend, None)

    def unhealthy(self, away: Collection[str]) -> int:
        """UnhealthyTabletNum of '/statistic' (common/proc/StatisticProcDir.java) while these BEs are away."""
        if self._shared_data:
            return 0
        ill = {tablet for stale in self._stale.values() for tablet in stale}
        for backend in away:
            ill |= self.on(backend)
        return min(len(ill) + self.broken, self.total)

    def _repairable(self, now: float) -> list[int]:
        delay = self._options.repair_delay_seconds
        return sorted({tablet for stale in self._stale.values() for tablet, at in stale.items() if at + delay <= now})

    def pending(self, limit: int, now: float) -> int:
        """Tablets that wait in the leader's scheduler.

        clone/TabletScheduler.addTablet refuses while pending is *greater* than the limit, so with a limit of 0 one
        tablet is still shown as pending.
        """
        return min(len(set(self._repairable(now)) - self.running), limit + 1)

    def leader_lost(self) -> None:
        """Clone tasks live in the memory of the leader (task/AgentTaskQueue.java)."""
        self.running = frozenset()

    def repair(self, limit: int, now: float) -> None:
        """Repair batch by batch while the leader's limit is above 0; at 0 nothing heals.

        That is simpler than StarRocks, which lets single tablets through at 0 (addTablet tests ``size > limit``). A
        batch that runs ends even when the limit has been lowered meanwhile.
        """
        while self.running and self._due <= now:
            self._finish_batch()
            self._begin_batch(limit, self._due, now)
        if not self.running:
            self._begin_batch(limit, now, now)

    def _begin_batch(self, limit: int, start: float, now: float) -> None:
        size = min(self._options.heal_batch, max(limit, 0))
        self.running = frozenset(self._repairable(now)[:size])
        self._due = start + self._options.heal_seconds

    def _finish_batch(self) -> None:
        for backend, stale in list(self._stale.items()):
            left = {tablet: at for tablet, at in stale.items() if tablet not in self.running}
            self.healed += len(stale) - len(left)
            self._stale[backend] = left
        self.running = frozenset()

    def moments(self, limit: int, now: float) -> list[float]:
        """When the scheduler will do something by itself."""
        if self.running:
            return [self._due]
        if limit <= 0:
            return []
        delay = self._options.repair_delay_seconds
        return [at + delay for stale in self._stale.values() for at in stale.values() if at + delay > now]
