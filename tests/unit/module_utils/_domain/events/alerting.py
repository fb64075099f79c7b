# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alert rules evaluated without Prometheus: they keep to comparisons, `and on` and `absent`.

Whoever has promtool runs the *.test.yml beside the rules with it.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from scenarios.playbook import ROOT

FOLDER = ROOT / "operator" / "monitoring"
COMPARISONS: dict[str, Callable[[float, float], bool]] = {"==": operator.eq, ">": operator.gt, "<": operator.lt}
SIDE = re.compile(
    r"(?P<age>time\(\) - )?(?P<name>\w+)(?:\{(?P<label>\w+)=\"(?P<value>[^\"]*)\"\})? (?P<op>==|>|<) (?P<number>\d+)"
)
Labels = dict[str, str]
Families = Mapping[str, Metric]


def rules(name: str) -> dict[str, dict[str, Any]]:
    """The rules of a file by the name of their alert."""
    groups = yaml.safe_load((FOLDER / f"{name}-alerts.yml").read_text("utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def firing(known: Mapping[str, Mapping[str, Any]], text: str, seen: float) -> set[str]:
    """The alerts whose expression gives a series for these metrics, when looked at in that second of the epoch."""
    families = {family.name: family for family in text_string_to_metric_families(text)}
    return {name for name, rule in known.items() if _series(" ".join(rule["expr"].split()), families, seen)}


def _series(expression: str, families: Families, seen: float) -> list[Labels]:
    if expression.startswith("absent("):
        return [] if expression.removeprefix("absent(").removesuffix(")") in families else [{}]
    first, _and, rest = expression.partition(" and on ")
    series = _vector(first, families, seen)
    if not rest:
        return series
    names, _close, second = rest.removeprefix("(").partition(") ")
    keys = names.split(", ")
    others = [[labels[key] for key in keys] for labels in _vector(second, families, seen)]
    return [labels for labels in series if [labels[key] for key in keys] in others]


def _vector(side: str, families: Families, seen: float) -> list[Labels]:
    """The series for which one comparison holds."""
    found = SIDE.fullmatch(side)
    assert found, f"not a form that is evaluated here: {side}"
    samples = families[found["name"]].samples if found["name"] in families else []
    compare, number = COMPARISONS[found["op"]], float(found["number"])
    return [
        sample.labels
        for sample in samples
        if found["label"] is None or sample.labels.get(found["label"]) == found["value"]
        if compare(seen - sample.value if found["age"] else sample.value, number)
    ]


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
