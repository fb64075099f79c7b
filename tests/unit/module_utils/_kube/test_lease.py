# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One writer: a Lease taken, kept, lost and given up, on a store that enforces preconditions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from unit.module_utils._kube.apiserver import ApiServer, ObjectStore

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Conflict, LeaseHeld, LeaseLost
from ansible_collections.steady.rollout.plugins.module_utils._kube import lease
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient

PATH = "/apis/coordination.k8s.io/v1/namespaces/n/leases/x"


class Clock:
    """The time as a test sets it."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)

    def __call__(self) -> datetime:
        return self.time

    def after(self, seconds: float) -> Clock:
        self.time += timedelta(seconds=seconds)
        return self


class Bench:
    """A store behind a server, and a clock."""

    def __init__(self, server: ApiServer, store: ObjectStore) -> None:
        self.server = server
        self.store = store
        self.client: KubeClient = server.client()
        self.clock = Clock()

    def acquire(self, holder: str, **more: Any) -> lease.Held:
        return lease.acquire(self.client, "n", "x", holder, now=self.clock, duration=30, **more)

    @property
    def spec(self) -> dict[str, object]:
        spec: dict[str, object] = self.store.objects[PATH]["spec"]
        return spec


@pytest.fixture
def bench() -> Iterator[Bench]:
    store = ObjectStore()
    with ApiServer(store.handle) as server:
        yield Bench(server, store)


def test_a_new_lease_is_one_read_and_one_write(bench: Bench) -> None:
    held = bench.acquire("one", labels={"a": "b"})

    assert [request.method for request in bench.server.requests] == ["GET", "POST"]
    assert bench.spec == {
        "holderIdentity": "one",
        "leaseDurationSeconds": 30,
        "acquireTime": "2026-01-02T03:04:05.678901Z",
        "renewTime": "2026-01-02T03:04:05.678901Z",
        "leaseTransitions": 0,
    }
    assert bench.store.objects[PATH]["metadata"]["labels"] == {"a": "b"}
    assert held.resource_version == bench.store.objects[PATH]["metadata"]["resourceVersion"]


def test_renewing_is_one_write(bench: Bench) -> None:
    held = bench.acquire("one")
    bench.server.requests.clear()
    bench.clock.after(10)
    lease.renew(bench.client, held, now=bench.clock)

    assert [request.method for request in bench.server.requests] == ["PATCH"]
    assert bench.spec["renewTime"] == "2026-01-02T03:04:15.678901Z"
    assert bench.spec["acquireTime"] == "2026-01-02T03:04:05.678901Z"


def test_the_lease_of_another_run_says_who_and_how_long(bench: Bench) -> None:
    bench.acquire("one")
    bench.clock.after(10)

    with pytest.raises(LeaseHeld, match="held by one since 2026-01-02T03:04:05") as caught:
        bench.acquire("two")
    assert isinstance(caught.value, lease.HeldByOther)
    assert caught.value.remaining == pytest.approx(20)
    assert caught.value.holder == "one"


def test_an_expired_lease_is_taken_over(bench: Bench) -> None:
    bench.acquire("one")
    bench.clock.after(30)
    bench.acquire("two")

    assert bench.spec["holderIdentity"] == "two"
    assert bench.spec["leaseTransitions"] == 1
    assert bench.spec["acquireTime"] == "2026-01-02T03:04:35.678901Z"


def test_ones_own_lease_is_taken_again_at_once(bench: Bench) -> None:
    bench.acquire("one")
    bench.clock.after(1)
    bench.acquire("one")

    assert bench.spec["leaseTransitions"] == 0
    assert bench.spec["acquireTime"] == "2026-01-02T03:04:05.678901Z"


def test_a_renewal_from_the_future_holds_no_longer_than_a_lease_lasts(bench: Bench) -> None:
    bench.acquire("one")
    bench.clock.after(-3600)

    with pytest.raises(lease.HeldByOther) as caught:
        bench.acquire("two")
    assert caught.value.remaining == 30


def test_a_released_lease_is_free_at_once(bench: Bench) -> None:
    lease.release(bench.client, bench.acquire("one"))
    state = lease.read(bench.client, "n", "x")

    assert state is not None
    assert (state.holder, state.renewed, state.acquired) == ("", "", "")
    assert bench.acquire("two").holder == "two"


def test_the_faster_run_wins(bench: Bench) -> None:
    bench.store.before = [lambda _request: None, lambda _request: _other_run(bench)]

    with pytest.raises(lease.HeldByOther):
        bench.acquire("one")


def _other_run(bench: Bench) -> None:
    metadata = {"name": "x", "resourceVersion": "1"}
    renewed = "2026-01-02T03:04:05.000000Z"
    spec = {"holderIdentity": "two", "renewTime": renewed, "leaseDurationSeconds": 30}
    bench.store.objects[PATH] = {"metadata": metadata, "spec": spec}


def test_a_lease_that_changes_under_every_attempt_is_given_up(bench: Bench) -> None:
    bench.acquire("one")
    bench.clock.after(60)
    bench.store.before = [lambda _request: bench.store.change(PATH, {"metadata": {"labels": {"n": "1"}}})] * 6

    with pytest.raises(Conflict, match="changes faster"):
        bench.acquire("two")


def test_a_lease_that_another_took_is_lost(bench: Bench) -> None:
    held = bench.acquire("one")
    bench.clock.after(31)
    bench.acquire("two")

    with pytest.raises(LeaseLost, match="two holds it now"):
        lease.renew(bench.client, held, now=bench.clock)
    with pytest.raises(LeaseLost):
        lease.release(bench.client, held)
    assert bench.spec["holderIdentity"] == "two"


def test_a_deleted_lease_is_lost(bench: Bench) -> None:
    held = bench.acquire("one")
    bench.store.objects.clear()

    with pytest.raises(LeaseLost, match="released or deleted"):
        lease.renew(bench.client, held, now=bench.clock)


def test_a_change_beside_the_holder_costs_one_more_look(bench: Bench) -> None:
    held = bench.acquire("one")
    bench.store.change(PATH, {"metadata": {"annotations": {"seen": "yes"}}})
    bench.server.requests.clear()
    lease.renew(bench.client, held, now=bench.clock)

    assert [request.method for request in bench.server.requests] == ["PATCH", "GET", "PATCH"]


def test_another_process_of_the_run_renews_by_the_holders_name(bench: Bench) -> None:
    bench.acquire("one")
    known_by_name = lease.Held("n", "x", "one", "")

    assert lease.renew(bench.client, known_by_name, now=bench.clock).resource_version


@pytest.mark.parametrize("renewed", ["", "yesterday", "2026-01-02"])
def test_a_renewal_that_cannot_be_read_counts_as_expired(bench: Bench, renewed: str) -> None:
    bench.acquire("one")
    bench.store.change(PATH, {"spec": {"renewTime": renewed}})
    bench.clock.after(86400 * 3)

    assert bench.acquire("two").holder == "two"


def wanted() -> lease.Held:
    """What a run wants to hold."""
    return lease.Held("n", "x", "one", "", 30)


def test_a_lease_that_was_seen_free_is_taken_without_reading_it_again(bench: Bench) -> None:
    lease.release(bench.client, bench.acquire("before"))
    seen = lease.read(bench.client, "n", "x")
    reads = len(bench.server.asked("GET"))
    held = lease.take_seen(bench.client, wanted(), seen, now=bench.clock, labels={})
    assert (bench.spec["holderIdentity"], bench.spec["leaseTransitions"]) == ("one", 1)
    assert held.resource_version == bench.store.objects[PATH]["metadata"]["resourceVersion"]
    assert len(bench.server.asked("GET")) == reads


def test_a_lease_that_was_seen_missing_is_made_without_reading_it_again(bench: Bench) -> None:
    lease.take_seen(bench.client, wanted(), None, now=bench.clock, labels={"a": "b"})
    assert (bench.spec["holderIdentity"], bench.spec["leaseTransitions"]) == ("one", 0)
    assert bench.server.asked("GET") == []


@pytest.mark.parametrize("was_there", [True, False])
def test_somebody_was_faster_than_what_was_seen(was_there: bool, bench: Bench) -> None:
    seen = None
    if was_there:
        lease.release(bench.client, bench.acquire("before"))
        seen = lease.read(bench.client, "n", "x")
    bench.acquire("faster")
    with pytest.raises(Conflict):
        lease.take_seen(bench.client, wanted(), seen, now=bench.clock, labels={})
    assert bench.spec["holderIdentity"] == "faster"


def noted(bench: Bench) -> dict[str, str]:
    """The annotations of the Lease."""
    annotations: dict[str, str] = bench.store.objects[PATH]["metadata"].get("annotations") or {}
    return annotations


def test_a_holder_writes_beside_its_name_and_takes_it_away() -> None:
    store = ObjectStore()
    with ApiServer(store.handle) as server:
        bench = Bench(server, store)
        held = lease.take_seen(bench.client, wanted(), None, now=bench.clock, labels={}, annotations={"job": None})
        assert noted(bench) == {}
        lease.annotate(bench.client, held, {"job": "n/j"}, now=bench.clock.after(5))
        state = lease.read(bench.client, "n", "x")
        assert state is not None
        assert (state.annotations, state.remaining(bench.clock())) == ({"job": "n/j"}, 30)
        lease.release(bench.client, held, annotations={"job": None})
        assert noted(bench) == {}


def test_taking_over_takes_away_what_the_holder_before_wrote(bench: Bench) -> None:
    lease.annotate(bench.client, bench.acquire("before"), {"job": "n/j"}, now=bench.clock)
    seen = lease.read(bench.client, "n", "x")
    lease.take_seen(bench.client, wanted(), seen, now=bench.clock, labels={}, annotations={"job": None})
    assert (bench.spec["holderIdentity"], noted(bench)) == ("one", {})


def test_who_lost_the_lease_writes_nothing_beside_it(bench: Bench) -> None:
    held = bench.acquire("one")
    bench.clock.after(31)
    bench.acquire("two")
    with pytest.raises(LeaseLost):
        lease.annotate(bench.client, held, {"job": "n/j"}, now=bench.clock)
    assert noted(bench) == {}
