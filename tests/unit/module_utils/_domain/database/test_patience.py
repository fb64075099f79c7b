# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run is given up after the time it may be stuck, however often it tries again meanwhile."""

from __future__ import annotations

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.database.conditions import State
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.patience import Patience
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.record import SCHEMA, Record

BUSY = State("Blocked", "DatabaseBusy", "somebody else migrates")
FAILED = State("Degraded", "InspectionFailed", "no answer")
WORKING = State("Progressing", "MigrationInProgress", "a Job runs")


def record(failures: int = 0) -> Record:
    """A record after so many tries that failed one after the other."""
    return Record(SCHEMA, "orders", "uid-1", "hash", failures=failures)


@pytest.mark.parametrize("state", [BUSY, FAILED], ids=["blocked", "degraded"])
def test_it_is_over_after_its_seconds(state: State) -> None:
    patience = Patience(300)
    assert [patience.over(state, record(), now) for now in (10, 309, 310)] == [False, False, True]


def test_getting_on_begins_it_anew() -> None:
    patience = Patience(300)
    assert not patience.over(BUSY, record(), 0)
    assert not patience.over(WORKING, record(), 200)
    assert patience.left(WORKING, 200) is None
    assert not patience.over(BUSY, record(), 400)
    assert patience.left(BUSY, 500) == 200


def test_trying_again_does_not_begin_it_anew() -> None:
    patience = Patience(300)
    for failures, now in enumerate((0, 100, 200), start=1):
        assert not patience.over(FAILED, record(failures), now)
        assert not patience.over(WORKING, record(failures), now + 50)
    assert patience.over(FAILED, record(4), 300)


def test_a_try_that_runs_is_not_given_up() -> None:
    patience = Patience(300)
    assert not patience.over(FAILED, record(1), 0)
    assert not patience.over(WORKING, record(1), 1000)
    # Nor is it looked at without a break until it ends.
    assert patience.left(WORKING, 1000) is None
    assert not patience.over(WORKING, record(0), 1001)
    assert not patience.over(BUSY, record(), 1100)


def test_a_connection_that_breaks_counts_too() -> None:
    patience = Patience(5)
    assert [patience.stuck(now) for now in (100, 104, 105)] == [False, False, True]


def test_without_a_record_getting_on_begins_it_anew() -> None:
    patience = Patience(5)
    assert not patience.stuck(0)
    assert not patience.over(WORKING, None, 4)
    assert not patience.stuck(100)
