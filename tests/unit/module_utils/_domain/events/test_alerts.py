# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The alert rules, against the metrics that records give: each fires for what it is about, and for nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from scenarios.playbook import ROOT
from unit.module_utils._domain.events.alerting import check_operators_form, check_words, firing, rules
from unit.module_utils._domain.starrocks.builders import a_cluster, a_record, a_spec

from ansible_collections.steady.rollout.plugins.module_utils._domain.events.metrics import render
from ansible_collections.steady.rollout.plugins.module_utils._domain.gate import Refusal
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.model import parse_time
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import settings
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import (
    HookRecord,
    Record,
    StepRecord,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import SETTINGS, Journal

RULES = rules("starrocks")
AT = "2026-11-21T06:00:00Z"
NOW = parse_time(AT) or 0.0
HOUR, DAY = 3600.0, 86_400.0


@dataclass(frozen=True)
class Scrape:
    """The samples of a record written at one moment, and when they are looked at; seconds since the epoch."""

    record: Record
    written: float = NOW
    seen: float = NOW

    def firing(self) -> set[str]:
        """The alerts whose expression gives a series now."""
        return firing(RULES, render(self.record, "starrocks", self.written), self.seen)


def a_run(**fields: Any) -> Record:
    """A run with one hook, done."""
    record = a_record(a_cluster().snapshot, a_spec(), started_at=AT)
    hook = HookRecord("sql", "d", fields.pop("hook", "done"), attempts=1)
    record = record.with_step("pre/1-look", StepRecord("look", "hook", "done", AT, AT, hooks={"look": hook}))
    return replace(record, **fields)


def ended(outcome: str, **fields: Any) -> Record:
    """A run that ended at NOW."""
    return a_run(phase="done", outcome=outcome, finished_at=AT, **fields)


OFF = settings.open_journal(a_cluster().snapshot, {key: rule.off for key, rule in SETTINGS.items()}, Journal())
REFUSED = a_run().with_answer("quorum", "pre/1-look", AT, Refusal("quorum", "prod-fe-0", "1 of 3"))


@pytest.mark.parametrize(
    ("scrape", "alerts"),
    [
        (Scrape(a_run(journal=OFF)), set()),
        (Scrape(ended("succeeded")), set()),
        (Scrape(ended("succeeded"), seen=NOW + 30 * DAY), set()),
        (Scrape(ended("restored")), set()),
        (Scrape(ended("failed", journal=OFF)), {"StarRocksSettingsLeftOff", "StarRocksRolloutFailed"}),
        (Scrape(ended("failed"), seen=NOW + 30 * DAY), {"StarRocksRolloutFailed"}),
        (Scrape(ended("frozen")), {"StarRocksRolloutFrozen"}),
        (Scrape(ended("rolled-back")), {"StarRocksRolloutRolledBack"}),
        (Scrape(ended("rolled-back"), seen=NOW + 2 * DAY), set()),
        (Scrape(a_run(), seen=NOW + HOUR), set()),
        (Scrape(a_run(), seen=NOW + 1.1 * HOUR), {"StarRocksRolloutStalled"}),
        (Scrape(ended("succeeded", hook="failed")), {"StarRocksHookFailed"}),
        (Scrape(ended("succeeded", hook="failed"), seen=NOW + 2 * DAY), set()),
        (Scrape(REFUSED), {"StarRocksGateRefuses"}),
        (Scrape(replace(REFUSED, phase="done", outcome="succeeded")), set()),
    ],
)
def test_each_alert_fires_for_what_it_is_about_and_nothing_else(scrape: Scrape, alerts: set[str]) -> None:
    assert scrape.firing() == alerts


def test_every_alert_says_how_bad_and_what_to_do_with_labels_of_the_series() -> None:
    check_words(RULES, render(REFUSED, "starrocks", NOW))


def test_the_prometheus_operators_form_has_the_same_rules() -> None:
    check_operators_form("starrocks")


def test_every_alert_is_explained() -> None:
    text = (ROOT / "docs" / "observability.md").read_text("utf-8")
    assert [name for name in RULES if f"`{name}`" not in text] == []
