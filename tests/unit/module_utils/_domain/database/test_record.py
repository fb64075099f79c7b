# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record: a round trip, and everything checked that comes back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.database.destructive import Finding
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.output import PendingFile, Status
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.record import (
    MOST_BEGUN,
    MOST_PAST,
    Attempt,
    Inspection,
    Record,
    Tally,
    first_record,
    load,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused

HASH = "sha256:" + "0" * 64
STATUS = Status("1", (PendingFile("2_b.sql", "2"),), ("1",))
INSPECTION = Inspection(
    f"r.example/a@{HASH}", HASH, ("1_a.sql", "2_b.sql"), STATUS, (Finding("2_b.sql", 1, "dropTable", "x"),), "7"
)
FULL = replace(
    first_record("orders", "uid", HASH, "steady-rollout-db-1", 5.5),
    inspection=INSPECTION,
    apply=Attempt("dbu-orders-apply-0123456789", "job-uid", HASH, 6.0),
    verified=STATUS,
)


def stored(record: Record) -> Any:
    """What stands in the ConfigMap."""
    return json.loads(json.dumps(record.to_record()))


def test_there_and_back() -> None:
    assert load(stored(FULL), name="orders") == FULL


EDITS: list[tuple[str, Callable[[Any], object]]] = [
    ("record.schema", lambda data: data.update(schema=2)),
    ("record.name", lambda data: data.update(name="other")),
    ("record.spec_hash", lambda data: data.update(spec_hash="x")),
    ("record.spec_hash", lambda data: data.pop("spec_hash")),
    ("record.apply", lambda data: data["apply"].update(job="../x")),
    ("record.apply", lambda data: data["apply"].update(order="x")),
    ("record.apply.end", lambda data: data["apply"].update(end="Done")),
    ("record.apply.at", lambda data: data["apply"].update(at="now")),
    ("record.inspection.image", lambda data: data["inspection"].update(image="r.example/a:latest")),
    ("record.inspection.image", lambda data: data["inspection"].update(image=f"--flag x@{HASH}")),
    ("record.inspection.directory_hash", lambda data: data["inspection"].update(directory_hash="")),
    ("record.inspection.status", lambda data: data["inspection"]["status"].update(current="--x")),
    ("record.inspection.status", lambda data: data["inspection"]["status"].update(applied=["1,2"])),
    ("record.outcome", lambda data: data.update(outcome="fine")),
    ("record.round", lambda data: data.update(round=True)),
]


@pytest.mark.parametrize(("field", "edit"), EDITS)
def test_an_edited_record_is_refused(field: str, edit: Callable[[Any], object]) -> None:
    data = stored(FULL)
    edit(data)
    with pytest.raises(Refused) as caught:
        load(data, name="orders")
    assert caught.value.field == field
    assert caught.value.remedy


def test_the_next_undertaking_remembers_what_was_begun() -> None:
    attempt = Attempt("dbu-orders-apply-1", "u", "sha256:one", 1.0)
    done = FULL.starting(attempt).ended("Complete").concluded("succeeded", 9.0)
    following = done.for_spec("orders", "uid", "sha256:next", "db", 10.0)
    assert following.begun == ("sha256:one",)
    assert following.round == FULL.round + 1
    assert [(past.outcome, past.before, past.after) for past in following.past] == [("succeeded", "1", "1")]
    assert following.apply is None
    assert following.inspection is None
    assert done.for_spec("orders", "another", "sha256:next", "db", 10.0).begun == ()


def test_what_is_remembered_has_an_end() -> None:
    record = FULL
    for number in range(MOST_BEGUN + 5):
        record = (
            record.starting(Attempt("dbu-x", "u", f"sha256:{number}", 1.0)).ended("Failed").concluded("failed", 1.0)
        )
        record = record.for_spec("orders", "uid", HASH, "db", 1.0)
    assert len(record.begun) == MOST_BEGUN
    assert record.begun[-1] == f"sha256:{MOST_BEGUN + 4}"
    assert len(record.past) == MOST_PAST


def test_the_open_attempt() -> None:
    assert FULL.open == FULL.apply
    ended = FULL.ended("Failed", "MigrationFailed", "why")
    assert ended.open is None
    back = ended.starting(Attempt("dbu-back", "u", HASH, 2.0), rollback=True)
    assert back.open == back.rollback
    assert back.ended("Lost").latest == replace(back.rollback or FULL.apply or Attempt("", "", "", 0), end="Lost")


def test_reversible_is_what_says_how() -> None:
    assert not INSPECTION.reversible
    assert replace(INSPECTION, names=(*INSPECTION.names, "down/2_b.sql")).reversible


def test_undertakings_are_counted_with_their_time() -> None:
    first = FULL.concluded("succeeded", 15.5)
    second = first.for_spec("orders", "uid", HASH, "db", 20.0).concluded("succeeded", 21.0)
    failed = second.for_spec("orders", "uid", HASH, "db", 30.0).concluded("failed", 32.0)
    assert failed.tallies == (Tally("succeeded", 2, 11.0), Tally("failed", 1, 2.0))
    assert load(stored(failed), name="orders").tallies == failed.tallies


def test_time_after_the_end_does_not_count() -> None:
    frozen = FULL.concluded("frozen", 7.5)
    back = frozen.reopened(100.0).concluded("rolledBack", 103.0)
    assert back.tallies == (Tally("frozen", 1, 2.0), Tally("rolledBack", 1, 3.0))


def test_a_record_of_before_has_no_beginning_and_no_time() -> None:
    data = stored(FULL)
    del data["began_at"], data["tallies"]
    assert load(data, name="orders").concluded("failed", 1e9).tallies == (Tally("failed", 1, 0.0),)
