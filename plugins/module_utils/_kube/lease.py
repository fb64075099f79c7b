# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""One writer for each target: a coordination.k8s.io Lease, held while a run works.

Expiry is judged by the caller's clock against the renewal that the holder wrote, so the clocks of two hosts should
agree better than the lease's duration; where they do not, the resourceVersion preconditions of every write still
keep the loser from writing unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import (
    Conflict,
    LeaseHeld,
    LeaseLost,
    NotFound,
)
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.paths import path_to

_API = "coordination.k8s.io/v1"
Clock = Callable[[], datetime]


class HeldByOther(LeaseHeld):
    """An unexpired lease of another run: who, since when, last renewed when, and in how many seconds it expires."""

    def __init__(self, where: str, state: State, remaining: float) -> None:
        super().__init__(
            f"{where} is held by {state.holder} since {state.acquired or 'an unknown time'}, "
            f"last renewed {state.renewed or 'at an unknown time'}; it expires in {remaining:.0f} s.",
            remedy="Wait for that run to end, or stop it; after the expiry a new run takes over.",
        )
        self.holder = state.holder
        self.since = state.acquired
        self.renewed = state.renewed
        self.remaining = remaining


@dataclass(frozen=True)
class State:
    """A Lease as it was read. Times are RFC 3339 texts, durations seconds."""

    holder: str
    resource_version: str
    acquired: str = ""
    renewed: str = ""
    duration: int = 0
    transitions: int = 0
    annotations: Mapping[str, str] = field(default_factory=dict)

    def remaining(self, now: datetime) -> float:
        """Seconds until it expires, 0 when it has or nobody holds it; never more than its duration."""
        renewed = _time(self.renewed)
        if not self.holder or renewed is None:
            return 0.0
        left = self.duration - (now - renewed).total_seconds()
        return min(max(left, 0.0), float(self.duration))


@dataclass(frozen=True)
class Held:
    """Proof that this run held the lease at that version; enough to renew it, also from another process."""

    namespace: str
    name: str
    holder: str
    resource_version: str
    duration: int = 30

    @property
    def path(self) -> str:
        """The Lease's request path."""
        return path_to(_API, "leases", self.namespace, self.name)

    def __str__(self) -> str:
        return f"Lease {self.namespace}/{self.name}"


def read(client: KubeClient, namespace: str, name: str) -> State | None:
    """The Lease as it is, or None when it does not exist."""
    try:
        found = client.get(path_to(_API, "leases", namespace, name))
    except NotFound:
        return None
    return _state(found)


def acquire(
    client: KubeClient,
    namespace: str,
    name: str,
    holder: str,
    *,
    now: Clock,
    duration: int = 30,
    labels: Mapping[str, str] | None = None,
) -> Held:
    """Create the lease or take it over when nobody holds it, it has expired or the holder is ourselves.

    Raises HeldByOther while another run holds it, also when that run was faster by a moment.
    """
    held = Held(namespace, name, holder, "", duration)
    for _attempt in range(3):
        state = read(client, namespace, name)
        left = state.remaining(now()) if state and state.holder != holder else 0.0
        if state and left > 0:
            raise HeldByOther(str(held), state, left)
        try:
            answer = _take(client, held, state, now(), labels or {})
        except (Conflict, NotFound):
            # Somebody wrote or deleted it since it was read: look again who holds it now.
            continue
        return replace(held, resource_version=str(answer["metadata"]["resourceVersion"]))
    raise Conflict(f"{held} changes faster than it can be taken.", remedy="Find out who writes it, then run again.")


def take_seen(
    client: KubeClient,
    held: Held,
    seen: State | None,
    *,
    now: Clock,
    labels: Mapping[str, str],
    annotations: Mapping[str, str | None] | None = None,
) -> Held:
    """Take a lease that was seen free, expired or absent, without reading it again; Conflict when it has changed.

    `annotations` are written with it; None takes one away.
    """
    answer = _take(client, held, seen, now(), labels, annotations)
    return replace(held, resource_version=str(answer["metadata"]["resourceVersion"]))


def renew(client: KubeClient, held: Held, *, now: Clock) -> Held:
    """Write a new renewal time and return the lease as held now; LeaseLost when it is no longer ours."""
    return _write(client, held, {"renewTime": _text(now()), "leaseDurationSeconds": held.duration})


def annotate(client: KubeClient, held: Held, annotations: Mapping[str, str | None], *, now: Clock) -> Held:
    """Renew the lease and write annotations with it; LeaseLost when it is no longer ours."""
    return _write(client, held, {"renewTime": _text(now()), "leaseDurationSeconds": held.duration}, annotations)


def release(client: KubeClient, held: Held, *, annotations: Mapping[str, str | None] | None = None) -> None:
    """Give the lease up at once; the object stays, without a holder. LeaseLost when it was no longer ours."""
    _write(client, held, {"holderIdentity": "", "renewTime": None, "acquireTime": None}, annotations)


def _write(
    client: KubeClient, held: Held, spec: dict[str, Any], annotations: Mapping[str, str | None] | None = None
) -> Held:
    """Patch the spec of a lease that is ours, whatever else somebody may have written beside the holder."""
    noted = {"annotations": dict(annotations)} if annotations else {}
    version = held.resource_version
    for _attempt in range(3):
        try:
            if version:
                patch = {"metadata": {"resourceVersion": version, **noted}, "spec": spec}
                answer = client.merge_patch(held.path, patch)
                return replace(held, resource_version=str(answer["metadata"]["resourceVersion"]))
        except NotFound:
            break
        except Conflict:
            # Either it is lost, or only its metadata changed, or another process of this run renewed it.
            pass
        version = _version_if_ours(client, held)
    raise _lost(held, "")


def _version_if_ours(client: KubeClient, held: Held) -> str:
    state = read(client, held.namespace, held.name)
    if state is None or state.holder != held.holder:
        raise _lost(held, state.holder if state else "")
    return state.resource_version


def _lost(held: Held, other: str) -> LeaseLost:
    taken = f"{other} holds it now" if other else "it was released or deleted"
    return LeaseLost(
        f"{held} is no longer held by {held.holder}: {taken}.",
        remedy="This run stops without another write; start it again when the other one has ended.",
    )


def _take(
    client: KubeClient,
    held: Held,
    state: State | None,
    now: datetime,
    labels: Mapping[str, str],
    annotations: Mapping[str, str | None] | None = None,
) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "holderIdentity": held.holder,
        "leaseDurationSeconds": held.duration,
        "renewTime": _text(now),
    }
    metadata: dict[str, Any] = {"labels": dict(labels)}
    if annotations:
        metadata["annotations"] = {key: value for key, value in annotations.items() if state or value is not None}
    if state is None:
        spec |= {"acquireTime": _text(now), "leaseTransitions": 0}
        body = {
            "apiVersion": _API,
            "kind": "Lease",
            "metadata": {**metadata, "name": held.name, "namespace": held.namespace},
            "spec": spec,
        }
        return client.create(path_to(_API, "leases", held.namespace), body)
    if state.holder != held.holder:
        spec |= {"acquireTime": _text(now), "leaseTransitions": state.transitions + 1}
    return client.merge_patch(
        held.path, {"metadata": {**metadata, "resourceVersion": state.resource_version}, "spec": spec}
    )


def _state(lease: dict[str, Any]) -> State:
    spec = lease.get("spec") or {}
    metadata = lease["metadata"]
    return State(
        holder=str(spec.get("holderIdentity") or ""),
        resource_version=str(metadata["resourceVersion"]),
        acquired=str(spec.get("acquireTime") or ""),
        renewed=str(spec.get("renewTime") or ""),
        duration=int(spec.get("leaseDurationSeconds") or 0),
        transitions=int(spec.get("leaseTransitions") or 0),
        annotations=metadata.get("annotations") or {},
    )


def _text(moment: datetime) -> str:
    """RFC 3339 with microseconds in UTC, as Kubernetes' MicroTime wants it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _time(text: str) -> datetime | None:
    """The moment, or None for a text that is none or that names no time zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None
