# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events: written once, counted up, and never a flood."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.module_utils._kube.apiserver import ApiServer, ObjectStore, Request, status

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Denied
from ansible_collections.steady.rollout.plugins.module_utils._domain.events.catalogue import Announcement
from ansible_collections.steady.rollout.plugins.module_utils._domain.events.kubernetes import Regarding, event_name
from ansible_collections.steady.rollout.plugins.module_utils._kube.events import EventWriter

OBJECT = Regarding("starrocks.com/v1", "StarRocksCluster", "prod", "starrocks", "uid-1")
TOLD = Announcement(1, "2026-11-21T06:00:00Z", "StepDone", False, "first", "be/prod-be-2", "prod-be-2")
PATH = f"/api/v1/namespaces/starrocks/events/{event_name(OBJECT, TOLD)}"


def test_a_first_time_is_one_request(api: ApiServer, store: ObjectStore) -> None:
    EventWriter(api.client(), OBJECT).write(TOLD)
    assert [request.method for request in api.requests] == ["POST"]
    assert (store.objects[PATH]["count"], store.objects[PATH]["message"]) == (1, "first")


def test_again_counts_up_in_one_request(api: ApiServer, store: ObjectStore) -> None:
    writer = EventWriter(api.client(), OBJECT)
    for number in range(3):
        writer.write(replace(TOLD, number=number, message=f"time {number}"))
    assert [request.method for request in api.requests] == ["POST", "PATCH", "PATCH"]
    assert (store.objects[PATH]["count"], store.objects[PATH]["message"]) == (3, "time 2")
    assert len(store.objects) == 1


def test_another_process_counts_up_what_it_finds(api: ApiServer, store: ObjectStore) -> None:
    EventWriter(api.client(), OBJECT).write(TOLD)
    EventWriter(api.client(), OBJECT).write(TOLD)
    assert [request.method for request in api.requests[1:]] == ["POST", "GET", "PATCH"]
    assert store.objects[PATH]["count"] == 2


def test_a_thousand_of_one_kind_are_one_event(api: ApiServer, store: ObjectStore) -> None:
    writer = EventWriter(api.client(), OBJECT)
    for number in range(1000):
        writer.write(replace(TOLD, number=number, reason="GateRefused", about="quorum", message=str(number)))
    (event,) = store.objects.values()
    assert event["count"] == 1000


def test_two_that_count_up_at_once_both_count(api: ApiServer, store: ObjectStore) -> None:
    writer = EventWriter(api.client(), OBJECT)
    writer.write(TOLD)

    def somebody_else(_request: Request) -> None:
        store.change(PATH, {"count": 7})

    store.before.append(somebody_else)
    writer.write(TOLD)
    assert store.objects[PATH]["count"] == 8


def test_an_event_whose_time_is_over_is_written_anew(api: ApiServer, store: ObjectStore) -> None:
    writer = EventWriter(api.client(), OBJECT)
    writer.write(TOLD)
    del store.objects[PATH]
    writer.write(TOLD)
    assert store.objects[PATH]["count"] == 1


def test_an_event_whose_time_ends_between_the_refusal_and_the_look_is_written_anew(
    api: ApiServer, store: ObjectStore
) -> None:
    EventWriter(api.client(), OBJECT).write(TOLD)

    def its_time_ends(_request: Request) -> None:
        store.objects.pop(PATH)

    # Before the POST that is refused nothing happens; before the look it goes.
    store.before.extend([lambda _request: None, its_time_ends])
    EventWriter(api.client(), OBJECT).write(TOLD)
    assert store.objects[PATH]["count"] == 1
    assert [request.method for request in api.requests[1:]] == ["POST", "GET", "POST"]


def test_a_missing_right_is_named() -> None:
    with ApiServer(lambda _request: status(403, 'cannot create resource "events"')) as api:
        with pytest.raises(Denied, match="events") as denied:
            EventWriter(api.client(), OBJECT).write(TOLD)
    assert 'resources: ["events"], verbs: ["create"]' in denied.value.remedy
