# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics of a DBUpgrade, and the alerts on them: each fires for what it is about, and for nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from scenarios.playbook import ROOT
from unit.module_utils._domain.events.alerting import check_operators_form, check_words, firing, rules

from ansible_collections.steady.rollout.plugins.module_utils._domain.database.conditions import State
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.metrics import heartbeat, render
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.output import PendingFile, Status
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.record import (
    Inspection,
    Outcome,
    Record,
    first_record,
)

RULES = rules("dbupgrade")
HASH = "sha256:" + "0" * 64
NOW, HOUR, DAY = 1_795_240_800.0, 3600.0, 86_400.0
DIGEST = f"r.example/a@{HASH}"
FOUND = Inspection(DIGEST, HASH, ("2_b.sql",), Status("1", (PendingFile("2_b.sql", "2"),), ("1",)))
BEGUN = replace(first_record("orders", "uid", HASH, "db", NOW - 30), inspection=FOUND)
RUNS = State("Progressing", "MigrationInProgress", "Job x runs.")
READY = State("Ready", "MigrationComplete", "The database is at version 2.")
TARGET = {"rollout_namespace": "shop", "rollout_target": "orders"}


def ended(outcome: Outcome) -> Record:
    """A run that ended now."""
    return BEGUN.concluded(outcome, NOW)


def read(state: State, record: Record | None, now: float = NOW) -> dict[str, dict[frozenset[Any], float]]:
    """The samples by name and own labels, as Prometheus reads them."""
    text = render(state, record, "shop", "orders", now)
    return {
        family.name: {frozenset(sample.labels.items() - TARGET.items()): sample.value for sample in family.samples}
        for family in text_string_to_metric_families(text)
    }


def labelled(**labels: str) -> frozenset[Any]:
    return frozenset(labels.items())


def test_a_run_under_way() -> None:
    seen = read(RUNS, BEGUN)
    assert seen["dbupgrade_state"][labelled(aspect="Progressing")] == 1
    assert sum(seen["dbupgrade_state"].values()) == 1
    assert seen["dbupgrade_reason"] == {labelled(reason="MigrationInProgress"): 1}
    assert seen["dbupgrade_run_info"] == {frozenset({("image", DIGEST), ("from", "1"), ("to", "2")}): 1}
    assert seen["dbupgrade_run_active"] == {labelled(): 1}
    assert seen["dbupgrade_run_duration_seconds"] == {labelled(): 30}
    assert seen["dbupgrade_pending_files"] == {labelled(): 1}
    assert sum(seen["dbupgrade_run_outcome"].values()) == 0
    assert "dbupgrade_run_end_timestamp_seconds" not in seen


def test_a_run_that_has_ended_and_what_all_came_to() -> None:
    record = ended("succeeded").for_spec("orders", "uid", HASH, "db", NOW + 10).concluded("failed", NOW + 12)
    seen = read(READY, record, NOW + DAY)
    assert seen["dbupgrade_run_outcome"][labelled(outcome="failed")] == 1
    assert seen["dbupgrade_run_duration_seconds"] == {labelled(): 2}
    assert seen["dbupgrade_run_end_timestamp_seconds"] == {labelled(): NOW + 12}
    assert seen["dbupgrade_runs"][labelled(outcome="succeeded")] == 1
    assert seen["dbupgrade_runs_duration_seconds"][labelled(outcome="succeeded")] == 30
    assert seen["dbupgrade_runs"][labelled(outcome="frozen")] == 0


def test_what_has_no_record_has_a_state() -> None:
    seen = read(State("Refused", "SpecInvalid", ""), None)
    assert seen["dbupgrade_state"][labelled(aspect="Refused")] == 1
    assert "dbupgrade_run_active" not in seen


def test_the_heartbeat_says_when() -> None:
    values = {f.name: f.samples[0].value for f in text_string_to_metric_families(heartbeat(NOW))}
    assert values == {"dbupgrade_operator_up": 1, "dbupgrade_operator_last_pass_timestamp_seconds": NOW}


DEGRADED, BLOCKED = State("Degraded", "DatabaseLoginFailed", ""), State("Blocked", "DatabaseBusy", "")


@pytest.mark.parametrize(
    ("state", "record", "later", "alerts"),
    [
        (RUNS, BEGUN, HOUR, set()),
        (RUNS, BEGUN, 1.1 * HOUR, {"DBUpgradeStalled"}),
        (READY, ended("succeeded"), 30 * DAY, set()),
        (READY, ended("unchanged"), 0, set()),
        (DEGRADED, BEGUN, 0, {"DBUpgradeDegraded"}),
        (BLOCKED, BEGUN, 0, {"DBUpgradeBlocked"}),
        (DEGRADED, ended("failed"), 30 * DAY, {"DBUpgradeFailed", "DBUpgradeDegraded"}),
        (DEGRADED, ended("frozen"), 0, {"DBUpgradeFrozen", "DBUpgradeDegraded"}),
        (DEGRADED, ended("rolledBack"), HOUR, {"DBUpgradeRolledBack", "DBUpgradeDegraded"}),
        (DEGRADED, ended("rolledBack"), 2 * DAY, {"DBUpgradeDegraded"}),
    ],
)
def test_each_alert_fires_for_what_it_is_about_and_nothing_else(
    state: State, record: Record, later: float, alerts: set[str]
) -> None:
    text = render(state, record, "shop", "orders", NOW) + heartbeat(NOW + later)
    assert firing(RULES, text, NOW + later) == alerts


def test_an_operator_that_is_gone_is_noticed_with_and_without_its_file() -> None:
    assert firing(RULES, "", NOW) == {"DBUpgradeOperatorDown"}
    assert firing(RULES, heartbeat(NOW), NOW + 899) == set()
    assert firing(RULES, heartbeat(NOW), NOW + 901) == {"DBUpgradeOperatorSilent"}


def test_every_alert_says_how_bad_and_what_to_do_with_labels_of_the_series() -> None:
    check_words(RULES, render(READY, ended("succeeded"), "shop", "orders", NOW))


def test_the_prometheus_operators_form_has_the_same_rules() -> None:
    check_operators_form("dbupgrade")


PAGE = (ROOT / "docs" / "db-upgrade.md").read_text("utf-8")


def test_every_metric_and_alert_is_explained() -> None:
    text = render(READY, ended("succeeded"), "shop", "orders", NOW) + heartbeat(NOW)
    names = re.findall(r"^# TYPE (\w+)", text, re.M)
    assert [name for name in [*names, *RULES] if f"`{name}`" not in PAGE] == []
