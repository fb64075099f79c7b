# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a pass goes on with what an earlier one has left, from the record alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.module_utils._domain.starrocks.builders import a_cluster, a_record, a_spec

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import settings
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import (
    Outcome,
    Phase,
    Record,
    StepRecord,
    StepState,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import SETTINGS, Journal
from ansible_collections.steady.rollout.plugins.module_utils._module.reconcile_upgrade import (
    going,
    next_direction,
)

KINDS = {"begin": "begin", "pre": "hook", "be": "upgrade-pod", "post": "hook", "rollback": "rollback-pod"}


@pytest.mark.parametrize(
    ("failed", "direction"),
    [
        ([], "rest"),
        (["begin"], "release"),
        (["pre/0-look"], "release"),
        (["be/prod-be-1"], "rollback"),
        (["post/0-look"], "rollback"),
        (["be/prod-be-1", "rollback/prod-be-1"], "restore"),
        (["be/prod-be-1", "restore"], "restore"),
        (["restore"], "restore"),
    ],
    ids=lambda value: "+".join(value) or "nothing" if isinstance(value, list) else value,
)
def test_a_failure_of_an_earlier_pass_is_not_forgotten(failed: list[str], direction: str) -> None:
    record = a_record(a_cluster().snapshot, a_spec())
    for step_id in ("begin", "pre/0-look", "be/prod-be-1", "post/0-look", "rollback/prod-be-1", "restore"):
        state: StepState = "failed" if step_id in failed else "done"
        kind = KINDS.get(step_id.partition("/")[0], "restore")
        record = record.with_step(step_id, StepRecord(step_id, kind, state=state))
    assert going(record) == direction


def a_run(phase: Phase, outcome: Outcome, *, owes: bool) -> Record:
    """The record of an upgrade, which may still have settings to put back."""
    snapshot = a_cluster().snapshot
    journal = settings.open_journal(snapshot, tuple(SETTINGS), Journal()) if owes else Journal()
    return replace(a_record(snapshot, a_spec()), phase=phase, outcome=outcome, journal=journal)


@pytest.mark.parametrize("outcome", ["rolled-back", "frozen", "failed", "succeeded"])
def test_an_end_that_still_owes_settings_is_not_begun_again(outcome: Outcome) -> None:
    record = a_run("restoring", outcome, owes=True)
    assert next_direction(record, record.spec_hash) == "restore"
    assert next_direction(record, "another request") == "upgrade"


def test_a_run_begins_where_none_is_under_way() -> None:
    ended = a_run("done", "rolled-back", owes=False)
    assert next_direction(None, ended.spec_hash) == next_direction(ended, ended.spec_hash) == "upgrade"
    assert next_direction(a_run("running", "", owes=True), ended.spec_hash) == "rest"
