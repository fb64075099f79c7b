# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alert rules evaluated without Prometheus: they keep to comparisons, `and on`, `unless on`, `or` and `absent`.

tests/scenarios/test_alert_rules.py has them evaluated by Prometheus itself.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from scenarios.playbook import ROOT

FOLDER = ROOT / "operator" / "monitoring"
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
    "": lambda _value, _number: True,
}
SIDE = re.compile(
    r"(?P<age>time\(\) - )?(?P<name>\w+)(?:\{(?P<label>\w+)(?P<match>=~?)\"(?P<value>[^\"]*)\"\})?"
    r"(?: (?P<op>==|>|<) (?P<number>\d+))?"
)
PAIR = re.compile(r"(?P<name>\w+) == on \((?P<keys>[\w, ]+)\) (?P<other>\w+)")
JOIN = re.compile(r"(?P<first>.+?)(?: (?P<how>and|unless) on \((?P<keys>[\w, ]+)\) (?P<second>.+))?")
Labels = dict[str, str]
Families = Mapping[str, Metric]


def rules(name: str) -> dict[str, dict[str, Any]]:
    """The rules of a file by the name of their alert."""
    groups = yaml.safe_load((FOLDER / f"{name}-alerts.yml").read_text("utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def firing(known: Mapping[str, Mapping[str, Any]], text: str, seen: float) -> set[str]:
    """The alerts whose expression gives a series for these metrics, when looked at in that second of the epoch."""
    return {name for name, series in alerts(known, text, seen).items() if series}


def alerts(known: Mapping[str, Mapping[str, Any]], text: str, seen: float) -> dict[str, list[Labels]]:
    """For each alert the series that its expression gives."""
    families = {family.name: family for family in text_string_to_metric_families(text)}
    return {name: _series(" ".join(rule["expr"].split()), families, seen) for name, rule in known.items()}


def _series(expression: str, families: Families, seen: float) -> list[Labels]:
    """`or` binds weakest. The vectors of these rules have no series in common, so that it adds them up."""
    return [labels for part in expression.split(" or ") for labels in _joined(part, families, seen)]


def _joined(expression: str, families: Families, seen: float) -> list[Labels]:
    """The series of a vector, or those that another one has too (`and`) or has not (`unless`)."""
    if expression.startswith("absent("):
        return [] if expression.removeprefix("absent(").removesuffix(")") in families else [{}]
    form = JOIN.fullmatch(expression)
    assert form, f"not a form that is evaluated here: {expression}"
    series = _vector(form["first"], families, seen)
    if not form["how"]:
        return series
    keys = form["keys"].split(", ")
    others = [_part(labels, keys) for labels in _vector(form["second"], families, seen)]
    return [labels for labels in series if (_part(labels, keys) in others) == (form["how"] == "and")]


def _part(labels: Labels, keys: Iterable[str]) -> list[str]:
    return [labels[key] for key in keys]


def _vector(side: str, families: Families, seen: float) -> list[Labels]:
    """The series of one metric, those for which a comparison holds where there is one."""
    pair = PAIR.fullmatch(side)
    if pair:
        keys = pair["keys"].split(", ")
        others = [(_part(sample.labels, keys), sample.value) for sample in _samples(families, pair["other"])]
        found = _samples(families, pair["name"])
        return [sample.labels for sample in found if (_part(sample.labels, keys), sample.value) in others]
    form = SIDE.fullmatch(side)
    assert form, f"not a form that is evaluated here: {side}"
    compare, number = COMPARISONS[form["op"] or ""], float(form["number"] or 0)
    value = form["value"] if form["match"] == "=~" else re.escape(form["value"] or "")
    return [
        sample.labels
        for sample in _samples(families, form["name"])
        if form["label"] is None or re.fullmatch(value, sample.labels.get(form["label"], ""))
        if compare(seen - sample.value if form["age"] else sample.value, number)
    ]


def _samples(families: Families, name: str) -> list[Sample]:
    return families[name].samples if name in families else []


def check_words(known: Mapping[str, Mapping[str, Any]], text: str) -> None:
    """Every alert says how bad it is and what to do, and names no label that the metrics do not have."""
    families: Iterable[Metric] = text_string_to_metric_families(text)
    labels = {label for family in families for sample in family.samples for label in sample.labels}
    for name, rule in known.items():
        assert rule["labels"]["severity"] in ("warning", "critical"), name
        assert rule["annotations"]["summary"], name
        assert rule["annotations"]["description"], name
        assert set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))) <= labels, name


def check_operators_form(name: str) -> None:
    """The form of the Prometheus Operator has the same rules."""
    plain = yaml.safe_load((FOLDER / f"{name}-alerts.yml").read_text("utf-8"))
    wrapped = yaml.safe_load((FOLDER / f"{name}-prometheusrule.yml").read_text("utf-8"))
    assert (wrapped["apiVersion"], wrapped["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert wrapped["spec"]["groups"] == plain["groups"]
