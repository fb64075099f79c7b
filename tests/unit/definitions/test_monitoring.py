# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What watches the operator fits what is there to be watched: the definitions' status, the metrics, rules and panels.

The fields of the configuration: kubernetes/kube-state-metrics v2.15.0,
docs/metrics/extend/customresourcestate-metrics.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from ansible_collections.steady.rollout.plugins.module_utils._domain.database.record import Outcome

Json = dict[str, Any]
OPERATOR = Path(__file__).parents[3] / "operator"
MONITORING = OPERATOR / "monitoring"
RESOURCES: list[Json] = yaml.safe_load((MONITORING / "kube-state-metrics.yml").read_text("utf-8"))["spec"]["resources"]
RULES = yaml.safe_load((MONITORING / "operator-alerts.yml").read_text("utf-8"))["groups"][0]["rules"]
DASHBOARD = json.loads((MONITORING / "grafana-dashboard.json").read_text("utf-8"))
CRDS = {
    crd["spec"]["names"]["kind"]: crd
    for crd in (yaml.safe_load(path.read_text("utf-8")) for path in (OPERATOR / "crds").glob("*.*.yaml"))
}
# controller-runtime's own, pkg/internal/controller/metrics/metrics.go.
OWN = {"controller_runtime_reconcile_errors_total", "controller_runtime_reconcile_time_seconds_bucket"}
METRICS = {
    f"{resource['metricNamePrefix']}_{metric['name']}": (resource, metric)
    for resource in RESOURCES
    for metric in resource["metrics"]
}


def expressions() -> Iterator[str]:
    """Every expression of rules and panels."""
    yield from (rule["expr"] for rule in RULES)
    yield from (target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])


def schema_of(kind: str, path: list[str]) -> Json | None:
    """What a definition says of a field, None for one that it does not know."""
    at: Json = CRDS[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    if path[0] == "metadata":
        return {"type": "string"}
    for name in path:
        at = at.get("properties", {}).get(name)
        if at is None:
            return None
    return at


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_of_a_field_that_the_definition_knows(name: str) -> None:
    resource, metric = METRICS[name]
    kind = resource["groupVersionKind"]["kind"]
    how = metric["each"]
    given = how[how["type"][0].lower() + how["type"][1:]]
    schema = schema_of(kind, given["path"])
    assert schema is not None
    if how["type"] == "StateSet":
        assert set(given["list"]) == set(schema.get("enum") or get_args(Outcome)) - {""}
    for label in given.get("labelsFromPath", {}).values():
        assert not label or label[0] in schema["items"]["properties"]


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource["groupVersionKind"]["kind"])
def test_a_kind_is_the_one_that_is_defined(resource: Json) -> None:
    wanted = resource["groupVersionKind"]
    spec = CRDS[wanted["kind"]]["spec"]
    assert (spec["group"], spec["versions"][0]["name"]) == (wanted["group"], wanted["version"])
    for path in resource["labelsFromPath"].values():
        assert path[0] == "metadata" or schema_of(wanted["kind"], path) is not None


def test_rules_and_panels_ask_for_metrics_that_there_are() -> None:
    asked = {name for text in expressions() for name in re.findall(r"\b(?:steady|controller)_\w+", text)}
    assert asked <= METRICS.keys() | OWN
    assert {name for name in METRICS if name not in asked} == {"steady_rollout_dbupgrade_pending_files"}


def test_each_value_that_is_asked_for_exists() -> None:
    phases = CRDS["StarRocksUpgrade"]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    known = set(phases["properties"]["phase"]["enum"])
    asked = {
        value for text in expressions() for found in re.findall(r'phase=~"([^"]+)"', text) for value in found.split("|")
    }
    assert asked <= known


def test_the_dashboard_names_no_data_source_of_its_own() -> None:
    sources = {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]}
    assert sources == {"${datasource}"}
    boxes = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    places = [
        (x, y)
        for box in boxes
        for x in range(box["x"], box["x"] + box["w"])
        for y in range(box["y"], box["y"] + box["h"])
    ]
    assert len(places) == len(set(places)), "no panel covers another"
