# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real kube-state-metrics, with the shipped configuration and rights, over objects of our kinds.

What rules and panels ask for is there, with the labels that they use, and the rules tell objects apart by it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from scenarios import rights
from scenarios.playbook import ROOT
from unit.module_utils._domain.events.alerting import alerts, rules

from steadylab import Lab
from steadylab.state_metrics import StateMetrics

Json = dict[str, Any]
MONITORING: Final = ROOT / "operator" / "monitoring"
NAMESPACE: Final = "state-metrics"
USER: Final = "kube-state-metrics"
# The rule about the operator's own metrics is not for what kube-state-metrics tells.
RULES: Final = {name: rule for name, rule in rules("operator").items() if name != "RolloutOperatorFails"}
PANELS: Final = [
    (target["expr"], target["legendFormat"])
    for panel in json.loads((MONITORING / "grafana-dashboard.json").read_text("utf-8"))["panels"]
    for target in panel["targets"]
    if "controller_runtime" not in target["expr"]
]
EXPRESSIONS: Final = PANELS + [(rule["expr"], json.dumps(rule["annotations"])) for rule in RULES.values()]
# More than the longest time that a deletion may take, in seconds.
LATER: Final = 3 * 3600.0
HELD: Final = ["rollout.steady.dev/release"]


def conditions(**states: str) -> list[Json]:
    """Conditions of these types, with a status and a reason of its own each."""
    moment = "2026-11-21T06:00:00Z"
    return [
        {"type": kind, "status": status, "reason": f"{kind}{status}", "message": "-", "lastTransitionTime": moment}
        for kind, status in states.items()
    ]


RUNS: Final = {"startTime": "2026-11-21T06:00:00Z", "completionTime": "2026-11-21T06:05:00Z"}
# Of each kind one that all is wrong with, one that all is well with, and one that is being deleted.
STARROCKS: Final[dict[str, Json]] = {
    "wrong": {
        "phase": "Frozen",
        "conditions": conditions(Progressing="False", Blocked="True", Quiesced="True", Succeeded="False"),
        "openSettings": ["prod-fe-0: tablet_sched_disable_balance", "prod-fe-1: tablet_sched_disable_balance"],
        **RUNS,
    },
    "well": {
        "phase": "Running",
        "conditions": conditions(Progressing="True", Blocked="False", Quiesced="False", Succeeded="Unknown"),
        "observedGeneration": 1,
    },
    "going": {"phase": "Succeeded", "conditions": conditions(Succeeded="True"), "observedGeneration": 2, **RUNS},
}
DATABASES: Final[dict[str, Json]] = {
    "ill": {
        "outcome": "failed",
        "conditions": conditions(Progressing="False", Blocked="True", Degraded="True"),
        "migration": {"pendingCount": 3},
    },
    "fit": {
        "outcome": "succeeded",
        "conditions": conditions(Progressing="True", Blocked="False", Degraded="False"),
        "migration": {"pendingCount": 0},
        "observedGeneration": 1,
    },
    "leaving": {"outcome": "unchanged", "conditions": conditions(Progressing="False"), "observedGeneration": 2},
}
KINDS: Final = {
    "rollout.steady.dev/v1alpha1/starrocksupgrades": ("starrocksupgrade.yaml", STARROCKS),
    "dbupgrade.subbug.learning/v1alpha1/dbupgrades": ("dbupgrade-self-hosted.yaml", DATABASES),
}


def make(lab: Lab, kind: str, name: str, sample: str, status: Json) -> None:
    """An object of the shipped sample's spec with that status; one without a generation seen has a newer spec."""
    api, group = lab.setup_api, kind.rpartition("/")[0]
    path = f"/apis/{group}/namespaces/{NAMESPACE}/{kind.rpartition('/')[2]}"
    document = yaml.safe_load((ROOT / "operator" / "samples" / sample).read_text("utf-8"))
    leaves = status.get("observedGeneration") == 2
    document["metadata"] = {"name": name, "finalizers": HELD if leaves else []}
    api.request("POST", path, document)
    api.request("PATCH", f"{path}/{name}/status", {"status": status}, "application/merge-patch+json")
    if leaves:
        api.request("DELETE", f"{path}/{name}")


@pytest.fixture
def metrics(lab: Lab, upgrades_defined: None, databases_defined: None) -> Iterator[StateMetrics]:
    """It, as a user who may do just what the shipped role says."""
    lab.setup_api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    for kind, (sample, statuses) in KINDS.items():
        for name, status in statuses.items():
            make(lab, kind, name, sample, status)
    kubeconfig = lab.user_kubeconfig(USER, granted())
    running = StateMetrics.start(lab.directory, kubeconfig, MONITORING / "kube-state-metrics.yml")
    yield running
    running.end()
    for kind, (_sample, statuses) in KINDS.items():
        group, _slash, plural = kind.rpartition("/")
        for name in statuses:
            path = f"/apis/{group}/namespaces/{NAMESPACE}/{plural}/{name}"
            free = {"metadata": {"finalizers": None}}
            lab.setup_api.request("PATCH", path, free, "application/merge-patch+json")
    lab.remove_namespace(NAMESPACE, wait=False)


def granted() -> list[Json]:
    """The rules of the shipped role."""
    role = yaml.safe_load((MONITORING / "kube-state-metrics-role.yml").read_text("utf-8"))
    return list(role["rules"])


def test_rules_and_panels_find_what_they_ask_for(lab: Lab, metrics: StateMetrics) -> None:
    names = [*STARROCKS, *DATABASES]
    told = metrics.wait(lambda text: all(f'name="{name}"' in text for name in names), "all objects are told of")
    families = {family.name: family.samples for family in text_string_to_metric_families(told)}
    for expression, shown in EXPRESSIONS:
        check(expression, shown, families)
    fired = firing(told, 0)
    assert fired == {
        "RolloutSettingsHeldOff": {"wrong"},
        "RolloutBlocked": {"wrong", "ill"},
        "RolloutEndedBadly": {"wrong", "ill"},
        "RolloutDegraded": {"ill"},
        "RolloutNotSeenTo": {"wrong", "ill"},
        "RolloutDeletionHangs": set(),
    }
    assert firing(told, LATER) == fired | {"RolloutDeletionHangs": {"going", "leaving"}}
    wanted = rights.of(granted())
    # It tells of what it has listed before it watches that.
    metrics.wait(lambda _told: used(lab) >= wanted, "every right is used")
    assert used(lab) == wanted


def used(lab: Lab) -> set[rights.Right]:
    """The rights that it has used so far."""
    return rights.used(entry for entry in lab.audit_entries() if entry["user"]["username"] == USER)


def firing(told: str, later: float) -> dict[str, set[str]]:
    """For each alert the objects that it is about, seconds after the last deletion.

    Those of this test alone: other tests in the same lab leave theirs, which go in their own time.
    """
    deleted = [
        sample.value
        for family in text_string_to_metric_families(told)
        if family.name.endswith("deletion_timestamp_seconds")
        for sample in family.samples
    ]
    found = alerts(RULES, told, max(deleted) + later)
    mine = {
        name: [labels for labels in series if labels["exported_namespace"] == NAMESPACE]
        for name, series in found.items()
    }
    return {name: {labels["name"] for labels in series} for name, series in mine.items()}


def check(expression: str, shown: str, families: dict[str, list[Any]]) -> None:
    """There are series of each metric, with the labels by which it is chosen and grouped and with the values chosen.

    `shown` names labels as `{{label}}` or `$labels.label`: each is one of some metric of the expression.
    """
    grouped = {label for found in re.findall(r"(?:on|by) \(([^)]*)\)", expression) for label in found.split(", ")}
    known = set()
    for metric, matchers in re.findall(r"(steady_rollout_\w+)(?:\{([^}]*)\})?", expression):
        assert families.get(metric), f"{metric} of {expression}"
        for label, values in re.findall(r'(\w+)=~?"([^"]*)"', matchers):
            there = {sample.labels[label] for sample in families[metric]}
            assert there >= set(values.split("|")) - {"$namespace"}, f"{label} of {expression}"
        labels = set.intersection(*(set(sample.labels) for sample in families[metric]))
        assert labels >= grouped | {"exported_namespace", "name"}, expression
        known |= labels
    assert set(re.findall(r"(?:\$labels\.|\{\{)(\w+)", shown)) <= known, shown
