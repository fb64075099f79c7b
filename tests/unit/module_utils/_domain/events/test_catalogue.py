# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of the events of a record."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.module_utils._domain.starrocks.builders import a_cluster, a_record, a_spec

from ansible_collections.steady.rollout.plugins.module_utils._domain.events.catalogue import (
    REASONS,
    USUAL_REASONS,
    announce,
    announcements,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import (
    MAX_EVENTS,
    Event,
    Record,
)

AT = "2026-11-21T06:00:00.123Z"


def event(kind: str, state: str = "", **more: str) -> Event:
    return Event(AT, kind, "what\nhappened", data={"state": state} if state else {}, **more)


@pytest.mark.parametrize(
    ("kind", "state", "reason", "kind_of_event"),
    [
        ("run", "begun", "RunStarted", "Normal"),
        ("run", "succeeded", "RunSucceeded", "Normal"),
        ("run", "rolled-back", "RolledBack", "Warning"),
        ("run", "restored", "Restored", "Normal"),
        ("setting", "restored", "Restored", "Normal"),
        ("setting", "conflict", "SettingConflict", "Warning"),
        ("run", "failed", "RunFailed", "Warning"),
        ("run", "frozen", "RunFrozen", "Warning"),
        ("step", "done", "StepDone", "Normal"),
        ("step", "failed", "StepFailed", "Warning"),
        ("hook", "started", "HookStarted", "Normal"),
        ("hook", "done", "HookDone", "Normal"),
        ("hook", "failed", "HookFailed", "Warning"),
        ("gate", "waiting", "GateRefused", "Normal"),
        ("gate", "refused", "GateRefused", "Warning"),
        ("rollback", "", "RollbackStarted", "Warning"),
        ("note", "preparing", "PreparationStarted", "Normal"),
        ("note", "prepared", "PreparationEnded", "Normal"),
    ],
)
def test_every_kind_has_its_reason(kind: str, state: str, reason: str, kind_of_event: str) -> None:
    told = announce(7, event(kind, state, step="be/prod-be-2", subject="prod-be-2"))
    assert told is not None
    assert (told.reason, told.type) == (reason, kind_of_event)
    assert (told.number, told.at, told.step, told.about) == (7, AT, "be/prod-be-2", "prod-be-2")
    assert told.message == "what happened"


@pytest.mark.parametrize(
    ("kind", "state"), [("pod", "ready"), ("window", "open"), ("setting", ""), ("note", ""), ("step", ""), ("x", "y")]
)
def test_what_is_only_for_the_report_is_told_to_nobody(kind: str, state: str) -> None:
    assert announce(1, event(kind, state)) is None


def test_the_usual_reasons_exist() -> None:
    assert set(USUAL_REASONS) < set(REASONS)


def a_run(*events: Event) -> Record:
    record = a_record(a_cluster().snapshot, a_spec())
    for entry in events:
        record = record.with_event(entry)
    return record


def test_what_was_told_is_not_told_again() -> None:
    record = a_run(event("step", "done"), event("pod"), event("step", "failed"))
    assert [told.number for told in announcements(record.untold)] == [0, 2]
    told = a_run(event("step", "done"), event("pod"), event("step", "failed"))
    told = replace(told, told=2)
    assert [n.number for n in announcements(told.untold)] == [2]
    assert announcements(replace(told, told=told.event_count).untold) == []


def test_numbers_go_on_where_old_events_were_dropped() -> None:
    record = a_run(*(event("step", "done") for _n in range(MAX_EVENTS + 5)))
    assert record.event_count == MAX_EVENTS + 5
    assert [number for number, _event in record.untold][:1] == [5]


def test_a_record_of_an_earlier_release_tells_only_what_is_new() -> None:
    old = replace(a_run(event("step", "done"), event("step", "done")), event_count=0)
    assert old.untold == ()
    assert len(old.with_event(event("step", "done")).untold) == 1
