# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The record and the lease of a run: what must be written before anything is done, and the right to do it.

Every write of the record is a compare-and-swap on the ConfigMap's resourceVersion. A run that was taken over meanwhile
fails there, before its next act, because acts follow the write of their intent.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import digest
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import (
    Conflict,
    LeaseLost,
    NotFound,
    RolloutError,
    Unreachable,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.handover import Handover
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import Event, Record, load
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._engine.persist import persist
from ansible_collections.steady.rollout.plugins.module_utils._engine.tell import Teller
from ansible_collections.steady.rollout.plugins.module_utils._kube import lease
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.paths import path_to
from ansible_collections.steady.rollout.plugins.module_utils._kube.record import RecordStore
from ansible_collections.steady.rollout.plugins.module_utils._kube.watch import Feed

LABELS = {"rollout.steady.dev/record": "starrocks"}
# Half of the time is left for an API server that does not answer at once.
RENEW_AFTER = 1 / 2


def target_name(cluster: str) -> str:
    """The name of a cluster's record and lease."""
    return f"steady-rollout-starrocks-{cluster}"


class Ledger:
    """The record of one run with the lease that lets it write. Not shared between threads."""

    def __init__(
        self, client: KubeClient, handover: Handover, clock: Clock, *, lease_seconds: int, teller: Teller | None = None
    ) -> None:
        self._client = client
        self._teller = teller
        self._clock = clock
        self._seconds = lease_seconds
        self.handover = handover
        self._store = RecordStore(client, handover.namespace, target_name(handover.cluster), LABELS)
        self._parent = os.getppid()
        self._record = load(handover.record, cluster=handover.cluster) if handover.record else None

    @property
    def record(self) -> Record:
        """The record as last written or changed here."""
        if self._record is None:
            raise LeaseLost("there is no record of this run", remedy="start the run again")
        return self._record

    @property
    def present(self) -> Record | None:
        """The record, or None when the cluster has none."""
        return self._record

    def reload(self) -> Record | None:
        """Read the record from the cluster."""
        data, version = self._store.load()
        self._record = load(data, cluster=self.handover.cluster) if data else None
        written = digest(data) if data else ""
        self.handover = replace(self.handover, record_version=version, record_digest=written)
        return self._record

    def change(self, record: Record) -> None:
        """Take over a changed record; it reaches the cluster with the next `write`."""
        self._record = record

    def event(self, kind: str, text: str, *, step: str = "", subject: str = "", **data: object) -> None:
        """Note what happened; written with the next `write`."""
        if self._record is not None:
            event = Event(self._clock.stamp(), kind, text, step, subject, data)
            self._record = self._record.with_event(event)

    def write(self) -> None:
        """Write the record now, and tell others what is new in it; LeaseLost when another run wrote it since.

        The record says first that it has been told: a run that dies in between leaves something untold, and the next
        one tells nothing twice.
        """
        self.renew()
        fresh = self.record.untold if self._teller else ()
        if fresh:
            self._record = replace(self.record, told=self.record.event_count)
        plain = self.record.to_record()
        version = persist(lambda: self._save(plain), self._clock)
        self.handover = replace(self.handover, record_version=version, record_digest=digest(plain))
        if self._teller is not None:
            self._tell(self._teller, fresh)

    def _tell(self, teller: Teller, fresh: Sequence[tuple[int, Event]]) -> None:
        """Tell what has been written. Each message takes its time, so the lease is looked after between them."""
        for channel, problem in teller.tell(self.record, fresh, self.renew).items():
            self.event("note", problem, subject=channel)
        self.renew()

    def _save(self, plain: dict[str, object]) -> str:
        try:
            return self._store.save(plain, self.handover.record_version)
        except Conflict as conflict:
            return self._settle_conflict(plain, conflict)

    def _settle_conflict(self, plain: dict[str, object], conflict: Conflict) -> str:
        """After a conflict: go on only where nothing of ours was overwritten, and the lease is still ours.

        A lost answer leaves our own text there; an annotation or a deletion leaves the text as we last wrote it, or
        none. Any other text is another run's.
        """
        data, version = self._store.load()
        if data == plain and version is not None:
            return version
        if data is not None and digest(data) != self.handover.record_digest:
            raise LeaseLost(
                "another run wrote the record of this cluster", remedy="this run has stopped; look at the other one"
            ) from conflict
        self.confirm()
        return self._store.save(plain, version)

    def take_lease(self, holder: str, say: Callable[[str], None], *, wait: bool = True) -> None:
        """Become the one writer, with the record as it is now; LeaseHeld while another run is alive.

        Where the lease has not changed since it was seen free, nobody has written the record either. `wait`: where
        another run holds it, watch until it renews or its lease runs out.
        """
        if not self._take_free(holder):
            self._take_contended(holder, say, wait=wait)
            self.reload()

    def _take_free(self, holder: str) -> bool:
        handover = self.handover
        free = handover.free_lease
        if free is None:
            return False
        there = bool(free.resource_version)
        seen = lease.State(free.holder, free.resource_version, transitions=free.transitions) if there else None
        wanted = lease.Held(handover.namespace, target_name(handover.cluster), holder, "", self._seconds)
        try:
            self._keep(lease.take_seen(self._client, wanted, seen, now=self._clock.now, labels=LABELS))
        except (Conflict, NotFound):
            return False
        return True

    def _take_contended(self, holder: str, say: Callable[[str], None], *, wait: bool) -> None:
        """While another holder's lease runs, watch whether it renews: then that run is alive, and this one ends."""
        handover = self.handover
        first_renewal: str | None = None
        while True:
            try:
                held = lease.acquire(
                    self._client,
                    handover.namespace,
                    target_name(handover.cluster),
                    holder,
                    now=self._clock.now,
                    duration=self._seconds,
                    labels=LABELS,
                )
                break
            except lease.HeldByOther as other:
                if not wait or (first_renewal is not None and other.renewed != first_renewal):
                    raise
                if first_renewal is None:
                    say(f"{other.reason} Watching whether that run is alive.")
                first_renewal = other.renewed
                name = target_name(handover.cluster)
                _await_renewal(
                    self._client, handover.namespace, name, other.renewed, other.remaining + 0.1, self._clock
                )
        self._keep(held)

    def renew(self) -> None:
        """Renew the lease when half of its time is over; LeaseLost when it is no longer ours.

        A worker outlives a playbook that was killed with SIGKILL. It stops here, so that killing a run ends it.
        """
        if os.getppid() != self._parent:
            raise LeaseLost("the playbook of this step is gone", remedy="run it again: it continues from the record")
        handover = self.handover
        if not handover.holder:
            raise LeaseLost("this run holds no lease", remedy="start the run again")
        if self._clock.epoch() - handover.lease_renewed < self._seconds * RENEW_AFTER:
            return
        self._keep(persist(lambda: lease.renew(self._client, self._held(), now=self._clock.now), self._clock))

    def confirm(self) -> None:
        """Renew the lease now, once; LeaseLost when it is no longer ours."""
        self._keep(lease.renew(self._client, self._held(), now=self._clock.now))

    def secure(self, seconds: float) -> float:
        """Renew where the lease would not outlast `seconds`; returns how many it lasts at least, less a second."""
        if self._remaining < seconds + 1:
            self.confirm()
        return max(1.0, self._remaining - 1)

    @property
    def _remaining(self) -> float:
        return self._seconds - (self._clock.epoch() - self.handover.lease_renewed)

    @property
    def renewal_due(self) -> float:
        """Seconds until the lease has to be renewed."""
        return max(0.0, self._seconds * RENEW_AFTER - (self._clock.epoch() - self.handover.lease_renewed))

    def release(self) -> None:
        """Give up the lease."""
        if self.handover.holder:
            lease.release(self._client, self._held())
            self.handover = replace(self.handover, holder="", lease_version="")

    def _held(self) -> lease.Held:
        handover = self.handover
        name = target_name(handover.cluster)
        return lease.Held(handover.namespace, name, handover.holder, handover.lease_version, self._seconds)

    def _keep(self, held: lease.Held) -> None:
        self.handover = replace(
            self.handover,
            run=held.holder,
            holder=held.holder,
            lease_version=held.resource_version,
            lease_renewed=self._clock.epoch(),
        )

    def handed_over(self) -> Handover:
        """What the next task needs."""
        return replace(self.handover, record=self._record.to_record() if self._record else None)


def await_free(client: KubeClient, namespace: str, cluster: str, seconds: float, clock: Clock) -> None:
    """Until nobody holds the cluster's lease or it has run out; LeaseHeld when that takes longer than `seconds`."""
    name = target_name(cluster)
    end = clock.ticks() + seconds
    while (state := lease.read(client, namespace, name)) is not None:
        remaining = state.remaining(clock.now())
        if remaining <= 0:
            return
        if clock.ticks() >= end:
            raise lease.HeldByOther(f"Lease {namespace}/{name}", state, remaining)
        _await_renewal(client, namespace, name, state.renewed, min(remaining + 0.1, end - clock.ticks()), clock)


def _await_renewal(client: KubeClient, namespace: str, name: str, renewed: str, seconds: float, clock: Clock) -> None:
    """Until the lease's renewal time changes, or the seconds are over."""
    end = clock.ticks() + seconds
    path = path_to("coordination.k8s.io/v1", "leases", namespace)
    with Feed(client, path, field_selector=f"metadata.name={name}") as feed:
        while (left := end - clock.ticks()) > 0:
            change = feed.next(left)
            if change is None:
                return
            if change.kind == "ERROR":
                raise _as_error(change.value)
            objects = change.value if change.kind == "SYNC" else [change.value]
            if any((o.get("spec") or {}).get("renewTime") != renewed for o in objects):
                return


def _as_error(value: object) -> RolloutError:
    if isinstance(value, RolloutError):
        return value
    return Unreachable(str(value))
