# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which object is run when: one run at a time for each, limits for each kind and for all, retries further and further.

The times are those of controller-runtime's work queue, as ansible-operator uses it: 5 ms after the first failure, twice
as long after each further one, 1000 s at most; a success forgets them. Time comes in as an argument, in seconds.
"""

from __future__ import annotations

import heapq
import itertools
from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

FIRST_RETRY = 0.005
LONGEST_RETRY = 1000.0
JITTER = 0.1


class Key(NamedTuple):
    """One object: the text of its kind, its namespace (empty for a cluster's own), its name."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def backoff(failures: int) -> float:
    """Seconds until the next try after so many failures in a row (1 or more)."""
    return float(min(FIRST_RETRY * 2.0 ** min(failures - 1, 60), LONGEST_RETRY))


def with_jitter(period: float, share: float) -> float:
    """The period, up to a tenth longer, so that objects that were made together do not stay together."""
    return period * (1 + JITTER * share)


class Schedule:
    """Objects that wait, are due or run. Not safe for several threads: one of them owns it."""

    def __init__(self, limits: Mapping[str, int], total: int) -> None:
        """`limits`: runs at once for each kind; `total`: for all of them."""
        self._limits = dict(limits)
        self._total = total
        self._due: dict[Key, float] = {}
        self._waiting: list[tuple[float, int, Key]] = []
        self._ready: dict[str, OrderedDict[Key, None]] = {kind: OrderedDict() for kind in limits}
        self._running: set[Key] = set()
        self._again: set[Key] = set()
        self._gone: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._counter = itertools.count()
        self._turn = 0

    def add(self, key: Key, at: float) -> None:
        """Run the object at that time or earlier; one that runs now is run once more right after."""
        self._gone.discard(key)
        if key in self._running:
            self._again.add(key)
        elif key not in self._due or at < self._due[key]:
            self._due[key] = at
            heapq.heappush(self._waiting, (at, next(self._counter), key))

    def take(self, now: float) -> Key | None:
        """The next object to run, of which `done` will tell; None while nothing is due or all limits are reached.

        Kinds take turns, so that many objects of one do not hold up another.
        """
        self._promote(now)
        if len(self._running) >= self._total:
            return None
        kinds = list(self._ready)
        for offset in range(len(kinds)):
            kind = kinds[(self._turn + offset) % len(kinds)]
            if self._ready[kind] and self._under_way(kind) < self._limits[kind]:
                self._turn = (self._turn + offset + 1) % len(kinds)
                key, _nothing = self._ready[kind].popitem(last=False)
                del self._due[key]
                self._running.add(key)
                return key
        return None

    def done(self, key: Key, now: float, *, failed: bool, after: float | None) -> float | None:
        """A run has ended; returns the seconds until the next, or None where none is planned.

        `after` is when to look again after a success; after a failure the backoff decides.
        """
        self._running.discard(key)
        again = key in self._again
        self._again.discard(key)
        if key in self._gone:
            self._gone.discard(key)
            return None
        if failed:
            self._failures[key] = self._failures.get(key, 0) + 1
            after = backoff(self._failures[key])
        else:
            self._failures.pop(key, None)
        if again:
            after = 0.0
        if after is not None:
            self.add(key, now + after)
        return after

    def drop(self, key: Key) -> None:
        """The object is gone: forget it, also what its run would ask for."""
        self._due.pop(key, None)
        self._failures.pop(key, None)
        self._again.discard(key)
        if key.kind in self._ready:
            self._ready[key.kind].pop(key, None)
        if key in self._running:
            self._gone.add(key)

    def pause(self, now: float) -> float | None:
        """Seconds until something becomes due, 0 or more; None while nothing waits for a time."""
        self._forget_moved()
        return max(self._waiting[0][0] - now, 0.0) if self._waiting else None

    @property
    def running(self) -> frozenset[Key]:
        """The objects that run now."""
        return frozenset(self._running)

    def depth(self, kind: str) -> int:
        """How many objects of the kind are due and wait for their turn."""
        return len(self._ready[kind])

    def _under_way(self, kind: str) -> int:
        return sum(key.kind == kind for key in self._running)

    def _promote(self, now: float) -> None:
        self._forget_moved()
        while self._waiting and self._waiting[0][0] <= now:
            _at, _number, key = heapq.heappop(self._waiting)
            self._ready[key.kind][key] = None
            self._forget_moved()

    def _forget_moved(self) -> None:
        """Drop what stands first in the heap for a time that counts no longer."""
        while self._waiting:
            at, _number, key = self._waiting[0]
            if self._due.get(key) == at and key not in self._ready[key.kind]:
                return
            heapq.heappop(self._waiting)
