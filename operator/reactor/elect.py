# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One reactor of several works: the holder of a coordination.k8s.io Lease.

The times are the defaults of ansible-operator: the lease lasts 15 s and must be renewed within 10 s, or its holder
stops; so it has stopped before another may begin.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import LeaseHeld, LeaseLost, RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._kube import lease
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient

_RETRY = 2.0


@dataclass(frozen=True, slots=True)
class Terms:
    """Where the lease is and how long it lasts; seconds."""

    namespace: str
    name: str
    holder: str
    duration: float = 15.0
    renew_deadline: float = 10.0


class Election:
    """Becomes the leader, stays it, and says when it is so no more."""

    def __init__(self, client: KubeClient, terms: Terms, say: Callable[[str], None], lost: Callable[[], None]) -> None:
        """`say` is told what a person may want to know; `lost` is called from another thread when the lease is lost."""
        self._client = client
        self._terms = terms
        self._say = say
        self._lost = lost
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._held: lease.Held | None = None

    def campaign(self) -> bool:
        """Wait until the lease is ours; False when `stop` came first."""
        told = ""
        while not self._stopped.is_set():
            try:
                self._held = lease.acquire(
                    self._client,
                    self._terms.namespace,
                    self._terms.name,
                    self._terms.holder,
                    now=_now,
                    duration=int(self._terms.duration),
                )
            except LeaseHeld as error:
                told = self._tell_once(told, getattr(error, "holder", ""), error.reason)
            except RolloutError as error:
                told = self._tell_once(told, type(error).__name__, error.reason)
            else:
                self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
                self._thread.start()
                return True
            self._stopped.wait(_RETRY)
        return False

    def stop(self) -> None:
        """Stop waiting or renewing. May be called from a signal handler."""
        self._stopped.set()

    def release(self) -> None:
        """Give the lease up, when all that it stood for has ended, so that another need not wait for its end."""
        self.stop()
        if self._thread is not None:
            self._thread.join()
        if self._held is not None:
            try:
                lease.release(self._client, self._held)
            except RolloutError as error:
                self._say(f"the lease could not be given up and ends by itself: {error.reason}")

    def _keep(self) -> None:
        """Renew until stopped; the lease is lost when somebody took it or the deadline passes."""
        renewed = time.monotonic()
        while not self._stopped.wait(_RETRY):
            try:
                if self._held is not None:
                    self._held = lease.renew(self._client, self._held, now=_now)
                renewed = time.monotonic()
            except LeaseLost as error:
                return self._give_up(error.reason)
            except RolloutError as error:
                if time.monotonic() - renewed > self._terms.renew_deadline:
                    return self._give_up(f"it could not be renewed: {error.reason}")
        return None

    def _give_up(self, why: str) -> None:
        self._held = None
        self._say(f"the lease is lost: {why}")
        self._lost()

    def _tell_once(self, told: str, who: str, reason: str) -> str:
        if who != told:
            self._say(reason)
        return who


def _now() -> datetime:
    return datetime.now(UTC)
