# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as data: it fits its schema whatever the run came to."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.report.schema import validate
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import settings
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import plan_rollback, plan_upgrade
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import (
    Event,
    HookRecord,
    PodState,
    Record,
    StepRecord,
    ValueChange,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.reporting import build_report
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import SETTINGS, Journal

from .builders import NEW_START, NOW, a_cluster, a_record, a_spec, image

AT = "2026-11-21T06:00:00.000Z"
LATER = "2026-11-21T06:01:00.000Z"


def a_run() -> Record:
    """A run that has replaced one BE."""
    journal = settings.open_journal(a_cluster().snapshot, tuple(SETTINGS), Journal())
    step = StepRecord("prod-be-2", "upgrade-pod", "done", AT, LATER, waited={"the pod": 2.0})
    record = a_record(a_cluster().snapshot, a_spec(), "prod-be-2", journal=journal, finished_at=LATER)
    record = record.with_step("be/prod-be-2", step).with_event(Event(AT, "pod", "prod-be-2: ready"))
    record = record.with_answer("quorum", "be/prod-be-2", AT, None)
    after = PodState("be", image("be", "3.3.2"), "new", "3.3.2", NEW_START)
    return replace(record, outcome="succeeded", after={"prod-be-2": after})


def test_a_planned_upgrade() -> None:
    report = build_report(plan_upgrade(a_cluster().snapshot, a_spec(), None, NOW), None, "planned", AT)
    assert validate(json.loads(json.dumps(report))) == []
    assert report["run"]["outcome"] == "planned"
    assert (report["run"]["from"], report["run"]["to"]) == ("3.3.1", "3.3.2")
    assert {step["state"] for step in report["steps"]} == {"pending"}
    assert report["plan"]["pointOfNoReturn"]["stepId"] == "fe/prod-fe-2"


def test_a_run() -> None:
    there = a_cluster().upgraded("prod-be-2", "3.3.2").snapshot
    record = a_run()
    report = build_report(plan_upgrade(there, a_spec(), record, NOW), record, "", AT)
    assert validate(json.loads(json.dumps(report))) == []
    assert report["run"]["outcome"] == "succeeded"
    assert report["run"]["finishedAt"] == LATER
    done = next(step for step in report["steps"] if step["id"] == "be/prod-be-2")
    assert done["waitedFor"] == [{"what": "the pod", "seconds": 2.0}]
    moved = next(pod for pod in report["pods"] if pod["name"] == "prod-be-2")
    assert (moved["touched"], moved["before"]["version"], moved["after"]["version"]) == (True, "3.3.1", "3.3.2")
    assert report["settings"][0]["before"]["prod-fe-1"] == "10000"
    assert report["gates"][0]["firstAt"] == AT


@pytest.mark.parametrize("version", ["3.3.2", "3.4.0"])
def test_a_rollback(version: str) -> None:
    there = a_cluster().upgraded("prod-fe-2", version).snapshot
    record = a_record(a_cluster().snapshot, a_spec(version), "prod-fe-2", outcome="failed", finished_at=LATER)
    report = build_report(plan_rollback(there, record, a_spec(version)), record, "", AT)
    assert validate(json.loads(json.dumps(report))) == []
    assert (report["run"]["from"], report["run"]["to"]) == ("3.3.1", version)


def test_hooks_and_what_they_did() -> None:
    hook = HookRecord(
        "sql",
        "sha256:d",
        "failed",
        critical=False,
        started_at=AT,
        finished_at=LATER,
        attempts=3,
        seconds=4.5,
        text="no answer",
        log="line 1\nline 2",
        statements=("ADMIN SHOW FRONTEND CONFIG",),
        values=(ValueChange("k", "1", "0"),),
    )
    record = a_run().with_step("pre/1-look", StepRecord("look", "hook", "done", AT, LATER, hooks={"look": hook}))
    report = build_report(plan_upgrade(a_cluster().snapshot, a_spec(), record, NOW), record, "", AT)
    assert validate(json.loads(json.dumps(report))) == []
    (told,) = report["hooks"]
    expected = {
        "name": "look",
        "stage": "pre",
        "step": "pre/1-look",
        "source": "sql",
        "outcome": "failed",
        "critical": False,
        "startedAt": AT,
        "finishedAt": LATER,
        "attempts": 3,
        "seconds": 4.5,
        "text": "no answer",
        "log": "line 1\nline 2",
        "statements": ["ADMIN SHOW FRONTEND CONFIG"],
        "values": [{"key": "k", "before": "1", "after": "0"}],
    }
    assert {key: told[key] for key in expected} == expected


def test_every_statement_that_was_sent_to_change_something() -> None:
    sql = 'ADMIN SET FRONTEND CONFIG ("k" = "0")'
    record = a_run().with_event(
        Event(AT, "setting", "k = 0", "begin", data={"key": "k", "value": "0", "phase": "quiesced", "sql": [sql]})
    )
    record = record.with_event(
        Event(
            LATER,
            "hook",
            "image: done",
            "pre/1-image",
            "image",
            {"state": "done", "sql": ["ALTER SYSTEM CREATE IMAGE"]},
        )
    )
    report = build_report(plan_upgrade(a_cluster().snapshot, a_spec(), record, NOW), record, "", AT)
    assert validate(json.loads(json.dumps(report))) == []
    assert report["statements"] == [
        {"at": AT, "sql": sql, "step": "begin", "why": "quiesced"},
        {"at": LATER, "sql": "ALTER SYSTEM CREATE IMAGE", "step": "pre/1-image", "why": "image"},
    ]


def test_nothing_done() -> None:
    report = build_report(plan_upgrade(a_cluster().snapshot, a_spec("3.3.1"), None, NOW), None, "unchanged", AT)
    assert validate(json.loads(json.dumps(report))) == []
    assert (report["steps"], report["run"]["outcome"]) == ([], "unchanged")
