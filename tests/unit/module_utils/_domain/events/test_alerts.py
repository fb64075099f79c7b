# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The alert rules, against the metrics that records give: each fires for what it is about, and for nothing else.

Prometheus itself is not needed: the rules keep to comparisons and `and on`, which are evaluated here. Whoever has
promtool runs operator/monitoring/starrocks-alerts.test.yml with it.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from scenarios.playbook import ROOT
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

FOLDER = ROOT / "operator" / "monitoring"
RULES: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load((FOLDER / "starrocks-alerts.yml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
}
AT = "2026-11-21T06:00:00Z"
NOW = parse_time(AT) or 0.0
HOUR, DAY = 3600.0, 86_400.0
COMPARISONS: dict[str, Callable[[float, float], bool]] = {"==": operator.eq, ">": operator.gt, "<": operator.lt}
SIDE = re.compile(
    r"(?P<age>time\(\) - )?(?P<name>\w+)(?:\{(?P<label>\w+)=\"(?P<value>[^\"]*)\"\})? (?P<op>==|>|<) (?P<number>\d+)"
)
Labels = dict[str, str]


@dataclass(frozen=True)
class Scrape:
    """The samples of a record written at one moment, and when they are looked at; seconds since the epoch."""

    record: Record
    written: float = NOW
    seen: float = NOW

    def vector(self, side: str) -> list[Labels]:
        """The series for which one comparison holds."""
        found = SIDE.fullmatch(side)
        assert found, f"not a form that is evaluated here: {side}"
        families = {f.name: f for f in text_string_to_metric_families(render(self.record, "starrocks", self.written))}
        samples = families[found["name"]].samples if found["name"] in families else []
        compare, number = COMPARISONS[found["op"]], float(found["number"])
        return [
            sample.labels
            for sample in samples
            if found["label"] is None or sample.labels.get(found["label"]) == found["value"]
            if compare(self.seen - sample.value if found["age"] else sample.value, number)
        ]

    def firing(self) -> set[str]:
        """The alerts whose expression gives a series now."""
        return {name for name, rule in RULES.items() if self._series(rule["expr"])}

    def _series(self, expression: str) -> list[Labels]:
        first, _and, rest = " ".join(expression.split()).partition(" and on ")
        series = self.vector(first)
        if not rest:
            return series
        names, _close, second = rest.removeprefix("(").partition(") ")
        keys = names.split(", ")
        others = [[labels[key] for key in keys] for labels in self.vector(second)]
        return [labels for labels in series if [labels[key] for key in keys] in others]


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


def test_every_alert_says_how_bad_and_what_to_do() -> None:
    for name, rule in RULES.items():
        assert rule["labels"]["severity"] in ("warning", "critical"), name
        assert rule["annotations"]["summary"], name
        assert rule["annotations"]["description"], name


def test_every_label_in_the_words_is_one_of_the_series() -> None:
    labels = {
        label
        for family in text_string_to_metric_families(render(REFUSED, "starrocks", NOW))
        for sample in family.samples
        for label in sample.labels
    }
    for rule in RULES.values():
        used = re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))
        assert set(used) <= labels


def test_the_prometheus_operators_form_has_the_same_rules() -> None:
    plain = yaml.safe_load((FOLDER / "starrocks-alerts.yml").read_text("utf-8"))
    wrapped = yaml.safe_load((FOLDER / "starrocks-prometheusrule.yml").read_text("utf-8"))
    assert (wrapped["apiVersion"], wrapped["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert wrapped["spec"]["groups"] == plain["groups"]


def test_every_alert_is_explained() -> None:
    text = (ROOT / "docs" / "observability.md").read_text("utf-8")
    assert [name for name in RULES if f"`{name}`" not in text] == []
