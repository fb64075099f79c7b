# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a target: compare-and-swap on a store that enforces preconditions."""

from __future__ import annotations

import pytest
from unit.module_utils._kube.apiserver import ApiServer, ObjectStore

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Conflict, Refused
from ansible_collections.steady.rollout.plugins.module_utils._kube.record import LARGEST, RecordStore

PATH = "/api/v1/namespaces/n/configmaps/x"
LABELS = {"rollout.steady.dev/record": "starrocks"}


@pytest.fixture
def record(api: ApiServer) -> RecordStore:
    return RecordStore(api.client(), "n", "x", LABELS)


def test_no_record_is_no_version(record: RecordStore) -> None:
    assert record.load() == (None, None)


def test_a_record_round_trips(record: RecordStore, store: ObjectStore) -> None:
    version = record.save({"a": [1, "ä"]}, None)

    assert record.load() == ({"a": [1, "ä"]}, version)
    assert store.objects[PATH]["metadata"]["labels"] == LABELS


def test_writing_is_one_request(record: RecordStore, api: ApiServer) -> None:
    version = record.save({"a": 1}, None)
    record.save({"a": 2}, version)

    assert [request.method for request in api.requests] == ["POST", "PATCH"]


def test_a_second_first_write_is_a_conflict(record: RecordStore) -> None:
    record.save({}, None)

    with pytest.raises(Conflict):
        record.save({}, None)


def test_a_stale_version_is_a_conflict_and_writes_nothing(record: RecordStore) -> None:
    stale = record.save({"a": 1}, None)
    newer = record.save({"a": 2}, stale)

    with pytest.raises(Conflict):
        record.save({"a": 3}, stale)
    assert record.load() == ({"a": 2}, newer)


def test_a_record_that_was_deleted_meanwhile_is_a_conflict(record: RecordStore, store: ObjectStore) -> None:
    version = record.save({}, None)
    store.objects.clear()

    with pytest.raises(Conflict, match="deleted"):
        record.save({}, version)


def test_other_keys_and_labels_stay(record: RecordStore, store: ObjectStore) -> None:
    record.save({}, None)
    store.change(PATH, {"data": {"note": "mine"}, "metadata": {"labels": {"team": "db"}}})
    record.save({"a": 1}, record.load()[1])

    assert store.objects[PATH]["data"]["note"] == "mine"
    assert store.objects[PATH]["metadata"]["labels"] == {**LABELS, "team": "db"}


def test_a_config_map_without_the_key_can_be_filled(record: RecordStore, store: ObjectStore) -> None:
    store.objects[PATH] = {"metadata": {"name": "x", "resourceVersion": "5"}}

    assert record.load() == (None, "5")
    record.save({"a": 1}, "5")
    assert record.load()[0] == {"a": 1}


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "NaN"])
def test_what_is_no_record_is_refused(record: RecordStore, store: ObjectStore, text: str) -> None:
    store.objects[PATH] = {"metadata": {"name": "x", "resourceVersion": "5"}, "data": {"record.json": text}}

    with pytest.raises(Refused, match=r"n/x key record\.json: is no JSON object"):
        record.load()


def test_a_record_that_no_config_map_holds_is_refused_before_it_is_sent(record: RecordStore, api: ApiServer) -> None:
    with pytest.raises(Refused, match="too large"):
        record.save({"a": "x" * LARGEST}, None)
    assert api.requests == []
