# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics of a run, from its record."""

from __future__ import annotations

from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families
from unit.module_utils._domain.starrocks.builders import a_cluster, a_record, a_spec

from ansible_collections.steady.rollout.plugins.module_utils._domain.events.metrics import families, render
from ansible_collections.steady.rollout.plugins.module_utils._domain.gate import Refusal
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import settings
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import (
    HookRecord,
    Record,
    StepRecord,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import SETTINGS, Journal

BEGAN = 1795240800.0
AT = ["2026-11-21T06:00:00Z", "2026-11-21T06:00:30Z", "2026-11-21T06:01:30Z"]
CLUSTER = {"rollout_namespace": "starrocks", "rollout_target": "prod"}
Values = dict[str, dict[frozenset[tuple[str, str]], float]]


def read(record: Record, now: float = BEGAN + 120) -> Values:
    """The samples by name and labels, as Prometheus reads them."""
    return {
        family.name.removeprefix("steady_rollout_"): {frozenset(s.labels.items()): s.value for s in family.samples}
        for family in text_string_to_metric_families(render(record, "starrocks", now))
    }


def labels(**more: str) -> frozenset[tuple[str, str]]:
    return frozenset({**CLUSTER, **more}.items())


@pytest.fixture
def record() -> Record:
    """A run with two pods replaced, one of which failed, and three hooks."""
    run = a_record(a_cluster().snapshot, a_spec(), started_at=AT[0])
    hooks = {
        "open": HookRecord("sql", "d", "done", attempts=1, seconds=0.5),
        "tell": HookRecord("webhook", "d", "failed", attempts=4, seconds=12.25),
    }
    run = run.with_step("pre/1-open", StepRecord("hooks", "hook", "done", AT[0], AT[0], hooks=hooks))
    waited = {"prod-be-2 to be ready": 20.0, "the cluster to be ready for prod-be-2": 5.0}
    run = run.with_step("be/prod-be-2", StepRecord("a", "upgrade-pod", "done", AT[0], AT[1], waited=waited))
    run = run.with_step("be/prod-be-1", StepRecord("b", "upgrade-pod", "done", AT[1], AT[2], attempts=2))
    run = run.with_step("be/prod-be-0", StepRecord("c", "upgrade-pod", "running", AT[2]))
    return run.with_step("restore", StepRecord("d", "restore", "pending"))


def test_steps_by_kind_and_result(record: Record) -> None:
    seen = read(record)
    assert seen["steps"][labels(kind="upgrade-pod", result="done")] == 2
    assert seen["steps"][labels(kind="upgrade-pod", result="running")] == 1
    assert seen["steps"][labels(kind="restore", result="pending")] == 1
    assert seen["steps_duration_seconds"][labels(kind="upgrade-pod", result="done")] == 90
    assert seen["steps_attempts"][labels(kind="upgrade-pod", result="done")] == 3
    assert seen["steps_waited_seconds"] == {
        labels(kind="upgrade-pod", **{"for": "to be ready"}): 20,
        labels(kind="upgrade-pod", **{"for": "the cluster to be ready for"}): 5,
    }


def test_hooks_by_name_stage_and_result(record: Record) -> None:
    seen = read(record)
    assert seen["hooks"] == {
        labels(stage="pre", hook="open", result="done"): 1,
        labels(stage="pre", hook="tell", result="failed"): 1,
    }
    assert seen["hooks_duration_seconds"][labels(stage="pre", hook="tell", result="failed")] == 12.25
    assert seen["hooks_attempts"][labels(stage="pre", hook="tell", result="failed")] == 4


def test_a_run_under_way(record: Record) -> None:
    seen = read(record)
    assert seen["run_active"] == {labels(): 1}
    assert seen["run_start_timestamp_seconds"] == {labels(): BEGAN}
    assert seen["run_duration_seconds"] == {labels(): 120}
    assert "run_end_timestamp_seconds" not in seen
    assert set(seen["run_outcome"].values()) == {0}
    assert seen["record_timestamp_seconds"] == {labels(): BEGAN + 120}
    (info,) = seen["run_info"]
    assert info == labels(run=record.run, **{"from": "3.3.1", "to": "3.3.2"})


def test_a_run_that_ended(record: Record) -> None:
    seen = read(replace(record, phase="done", outcome="rolled-back", finished_at=AT[2]), BEGAN + 9999)
    assert seen["run_active"] == {labels(): 0}
    assert seen["run_duration_seconds"] == {labels(): 90}
    assert {key for key, value in seen["run_outcome"].items() if value} == {labels(outcome="rolled-back")}


def test_settings_that_are_still_off(record: Record) -> None:
    journal = settings.open_journal(a_cluster().snapshot, tuple(SETTINGS), Journal())
    assert read(record)["settings_open"] == {labels(): 0}
    assert read(replace(record, journal=journal))["settings_open"] == {labels(): len(SETTINGS)}


def test_gates_that_refuse(record: Record) -> None:
    record = record.with_answer("quorum", "be/prod-be-0", AT[2], Refusal("quorum", "prod-fe-1", "2 of 3"))
    record = record.with_answer("quorum", "be/prod-be-1", AT[2], None)
    assert read(record)["gates_refusing"] == {labels(gate="quorum"): 1}


def test_names_and_help_follow_the_conventions(record: Record) -> None:
    """prometheus.io/docs/practices/naming: a prefix, base units, and no suffix that means a counter."""
    for family in families(record, "starrocks", BEGAN):
        assert family.name.startswith("steady_rollout_")
        assert family.help.endswith(".")
        assert not family.name.endswith(("_total", "_count", "_sum", "_bucket", "_milliseconds"))
        if "duration" in family.name or "timestamp" in family.name:
            assert family.name.endswith("_seconds")
