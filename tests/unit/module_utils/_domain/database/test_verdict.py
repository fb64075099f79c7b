# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a run that is waited for is over, and what its status says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.database.conditions import State
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.destructive import Finding
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.output import PendingFile, Status
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.record import (
    Attempt,
    Inspection,
    Outcome,
    Record,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.snapshot import Snapshot, Source
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.verdict import (
    MOST_FILES,
    NEEDS_A_PERSON,
    changed,
    migration,
    remedy,
    status,
    verdict,
)

HASH = "sha256:" + "0" * 64
PENDING = tuple(PendingFile(f"{number}_a.sql", str(number)) for number in range(1, 3))
INSPECTION = Inspection(
    image=f"example.org/a@{HASH}",
    directory_hash=HASH,
    names=("1_a.sql", "2_a.sql"),
    status=Status("", PENDING, ()),
    findings=(Finding("2_a.sql", 1, "dropTable", "DROP TABLE t"),),
    sql="-- 1_a.sql\n",
)
RECORD = Record(1, "orders", "", HASH, inspection=INSPECTION)
SNAPSHOT = Snapshot("orders", "shop", "uid", 3, Source())


@pytest.mark.parametrize(
    ("state", "outcome", "expected"),
    [
        (State("Ready", "MigrationComplete", ""), "succeeded", "done"),
        (State("Planned", "Planned", ""), "", "done"),
        (State("Degraded", "MigrationFailed", ""), "failed", "failed"),
        (State("Degraded", "MigrationFailed", ""), "frozen", "failed"),
        (State("Degraded", "MigrationRolledBack", ""), "rolledBack", "failed"),
        (State("Refused", "SpecInvalid", ""), "", "failed"),
        (State("Degraded", "PostCheckFailed", ""), "succeeded", ""),
        (State("Blocked", "DatabaseBusy", ""), "", ""),
        (State("Degraded", "DatabaseUnreachable", ""), "", ""),
        (State("Progressing", "MigrationInProgress", ""), "", ""),
        *((State("Degraded", reason, ""), "", "failed") for reason in sorted(NEEDS_A_PERSON)),
    ],
)
def test_a_run_is_over_when_waiting_would_be_in_vain(state: State, outcome: Outcome, expected: str) -> None:
    assert verdict(state, replace(RECORD, outcome=outcome)) == expected


def test_a_problem_with_the_secret_does_not_undo_what_is_ready() -> None:
    assert verdict(State("Ready", "MigrationComplete", "", ("SecretNotFound", "gone")), RECORD) == "done"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, None, False),
        (None, RECORD, False),
        (None, replace(RECORD, outcome="unchanged"), False),
        (RECORD, replace(RECORD, begun=(HASH,)), True),
        (replace(RECORD, begun=(HASH,)), replace(RECORD, begun=(HASH,), outcome="succeeded"), True),
        (replace(RECORD, outcome="succeeded"), replace(RECORD, outcome="succeeded"), False),
        (replace(RECORD, outcome="succeeded", spec_hash="other"), replace(RECORD, outcome="succeeded"), True),
    ],
)
def test_changed_is_what_was_done_to_the_database(before: Record | None, after: Record | None, expected: bool) -> None:
    assert changed(before, after) is expected


def test_migration_says_what_was_seen_last() -> None:
    assert migration(RECORD)["pendingFiles"] == ["1_a.sql", "2_a.sql"]
    assert migration(RECORD)["pendingSQL"] == "-- 1_a.sql\n"
    done = replace(RECORD, verified=Status("2", (), ("1", "2")))
    found = migration(done)
    assert (found["beforeVersion"], found["currentVersion"], found["targetVersion"]) == ("", "2", "2")
    assert (found["pendingFiles"], found["pendingCount"], found["pendingSQL"]) == ([], 0, "")
    assert migration(None) == migration(replace(RECORD, inspection=None)) == {}


def test_a_long_list_is_cut_and_counted() -> None:
    many = tuple(PendingFile(f"{number}_a.sql", str(number)) for number in range(MOST_FILES + 5))
    found = migration(replace(RECORD, inspection=replace(INSPECTION, status=Status("", many, ()))))
    assert len(found["pendingFiles"]) == MOST_FILES  # type: ignore[arg-type]
    assert found["pendingCount"] == MOST_FILES + 5


def told(record: Record | None) -> dict[str, Any]:
    """The status of a DBUpgrade that is on its way."""
    return status(State("Progressing", "MigrationInProgress", "x"), record, SNAPSHOT, [], "2026-01-02T03:04:05Z")


def test_status_names_the_jobs_that_write_and_the_outcome() -> None:
    assert told(None).keys() == {"observedGeneration", "conditions"}
    assert told(None)["observedGeneration"] == 3
    attempt = Attempt("dbu-orders-apply-1", "u", HASH, 0.0)
    found = told(replace(RECORD, apply=attempt, outcome="succeeded"))
    assert found["jobs"] == {"apply": "dbu-orders-apply-1"}
    assert found["outcome"] == "succeeded"
    assert found["migration"]["image"] == INSPECTION.image


def test_a_remedy_says_what_to_do_or_where_to_read() -> None:
    assert "spec.lint.allow" in remedy("DestructiveStatements")
    assert remedy("DatabaseUnreachable") == "see DatabaseUnreachable (docs/db-upgrade.md)"
