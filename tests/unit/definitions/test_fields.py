# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each field that the definition of StarRocksUpgrade has, beside the test that sets it and observes its effect.

A field that is added without such a test fails here, and so does one whose test is gone. Fields whose effect can be
observed without a cluster are set below, as a document has them; the others in whole runs.
"""

from __future__ import annotations

import ast
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from unit.module_utils._domain.starrocks.builders import a_cluster
from unit.module_utils._engine.attempting import an_attempt

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused, Unreachable
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation import HookRules, Installation
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import causes, gates
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.guard import guard_job
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.catalogue import Catalogue
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.resolve import (
    PlannedHook,
    Sources,
    plan_hooks,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.spec import UpgradeSpec, parse_spec
from ansible_collections.steady.rollout.plugins.module_utils._engine.attempts import Answer, Attempt, persevere

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[3]
CRD = ROOT / "operator" / "crds" / "starrocksupgrades.rollout.steady.dev.yaml"
HERE = "tests/unit/definitions/test_fields.py"
SCENARIOS = "tests/scenarios"
WEBHOOK = f"{SCENARIOS}/test_observed.py::test_a_webhook_hook_is_signed_and_told_who_asks"

PROOFS: dict[str, str] = {
    "clusterRef.name": f"{SCENARIOS}/test_reconcile.py::test_an_upgrade_in_passes",
    "target.version": f"{SCENARIOS}/test_reconcile.py::test_an_upgrade_in_passes",
    "target.images.fe": f"{SCENARIOS}/test_rollback.py::test_a_failed_upgrade_goes_back_by_itself",
    "target.images.be": f"{SCENARIOS}/test_reconcile.py::test_a_finished_upgrade_is_one_read",
    "target.images.cn": f"{SCENARIOS}/test_success.py::test_one_component_alone",
    "allowMutableTags": f"{HERE}::test_a_mutable_tag_is_taken_where_it_is_allowed",
    "hooks[]": f"{SCENARIOS}/test_success.py::test_a_single_hook_switches_off_just_its_own_setting",
    "stages.*[].name": f"{SCENARIOS}/test_stages.py::test_hooks_run_before_the_first_pod_and_after_the_last",
    "stages.*[].predefined": f"{SCENARIOS}/test_stages.py::test_a_hook_of_the_installation_is_held_and_put_back",
    "stages.*[].sql": f"{SCENARIOS}/test_stages.py::test_hooks_run_before_the_first_pod_and_after_the_last",
    "stages.*[].configMap.name": f"{SCENARIOS}/test_stages.py::test_a_file_of_statements_is_run_one_by_one",
    "stages.*[].configMap.key": f"{SCENARIOS}/test_stages.py::test_a_file_of_statements_is_run_one_by_one",
    "stages.*[].webhook.url": WEBHOOK,
    "stages.*[].webhook.method": WEBHOOK,
    "stages.*[].webhook.headers[].name": WEBHOOK,
    "stages.*[].webhook.headers[].value": WEBHOOK,
    "stages.*[].webhook.headers[].valueFrom.secretKeyRef.name": WEBHOOK,
    "stages.*[].webhook.headers[].valueFrom.secretKeyRef.key": WEBHOOK,
    "stages.*[].webhook.hmac.secretKeyRef.name": WEBHOOK,
    "stages.*[].webhook.hmac.secretKeyRef.key": WEBHOOK,
    "stages.*[].webhook.expectedStatus": WEBHOOK,
    "stages.*[].webhook.gate": f"{SCENARIOS}/test_observed.py::test_a_gate_holds_the_run_until_it_is_approved",
    "stages.*[].webhook.body": WEBHOOK,
    "stages.*[].critical": f"{SCENARIOS}/test_stages.py::test_a_hook_that_is_not_critical_is_noted_and_the_run_goes_on",
    "stages.*[].timeoutSeconds": f"{SCENARIOS}/test_stages.py::test_a_hook_has_its_time_and_no_more",
    "stages.*[].retries": f"{HERE}::test_retries_and_their_pause_are_those_of_the_document",
    "stages.*[].backoffSeconds": f"{HERE}::test_retries_and_their_pause_are_those_of_the_document",
    "stages.*[].when": f"{SCENARIOS}/test_stages.py::test_a_condition_decides_whether_a_hook_runs",
    "stages.*[].group": f"{SCENARIOS}/test_stages.py::test_hooks_of_a_group_run_at_the_same_time",
    "stages.*[].onInterrupted": (
        f"{SCENARIOS}/test_stages.py::test_a_changing_hook_that_was_interrupted_is_reported_and_a_person_decides"
    ),
    "gates.settleSeconds": f"{HERE}::test_gates_have_to_pass_as_long_and_as_often_as_asked",
    "gates.consecutivePasses": f"{HERE}::test_gates_have_to_pass_as_long_and_as_often_as_asked",
    "gates.maxReplayLag": f"{HERE}::test_an_fe_may_be_so_far_behind_and_no_farther",
    "gates.podDeadlineSeconds": f"{SCENARIOS}/test_reconcile.py::test_deadlines_count_over_all_passes",
    "gates.tabletDeadlineSeconds": f"{SCENARIOS}/test_rollback.py::test_tablets_that_do_not_heal_roll_back",
    "rollback.policy": (f"{SCENARIOS}/test_rollback.py::test_policy_never_restores_the_settings_and_leaves_the_pods"),
    "leader.strategy": f"{SCENARIOS}/test_leader.py::test_leader_is_transferred_where_the_version_can",
    "onDrift": f"{SCENARIOS}/test_settings.py::test_frontends_that_differ_go_to_the_leaders_value_when_asked",
    "acknowledge[]": f"{SCENARIOS}/test_rollback.py::test_a_downgrade_is_acknowledged_and_takes_frontends_first",
    "overrides[].gate": f"{SCENARIOS}/test_rollback.py::test_an_unhealthy_cluster_is_repaired_with_a_good_image",
    "overrides[].until": f"{HERE}::test_an_override_covers_its_gate_until_its_moment",
    "overrides[].reason": f"{HERE}::test_an_override_covers_its_gate_until_its_moment",
    "podFailures.*.fatal": f"{HERE}::test_a_cause_may_last_as_the_document_says",
    "podFailures.*.seconds": f"{HERE}::test_a_cause_may_last_as_the_document_says",
    "podFailures.*.restarts": f"{HERE}::test_a_cause_may_last_as_the_document_says",
    "guard.image": f"{SCENARIOS}/test_guard.py::test_the_guard_puts_back_what_a_dead_runner_left_off",
    "guard.serviceAccountName": f"{SCENARIOS}/test_guard.py::test_the_guard_puts_back_what_a_dead_runner_left_off",
    "guard.deadlineSeconds": f"{HERE}::test_the_guard_ends_at_its_deadline",
}


def leaves(schema: Json, place: str = "") -> Iterator[str]:
    """The fields that hold values, and not further fields."""
    for name, child in schema["properties"].items():
        listed = child.get("type") == "array"
        inner = child["items"] if listed else child
        path = f"{place}.{name}".lstrip(".") + ("[]" if listed else "")
        if "properties" in inner:
            yield from leaves(inner, path)
        else:
            yield path


def fields() -> list[str]:
    """Every field of the spec. All stages have the same fields, and so have all causes: those are listed once."""
    version = yaml.safe_load(CRD.read_text("utf-8"))["spec"]["versions"][0]
    found = leaves(version["schema"]["openAPIV3Schema"]["properties"]["spec"])
    alike = (re.sub(r"^stages\.(pre|post|rollback)\[\]\.", "stages.*[].", path) for path in found)
    return list(dict.fromkeys(re.sub(r"^podFailures\.\w+\.", "podFailures.*.", path) for path in alike))


@cache
def functions(path: str) -> dict[str, str]:
    """The tests of a file, with their source."""
    text = (ROOT / path).read_text("utf-8")
    found = (node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef))
    return {node.name: ast.get_source_segment(text, node) or "" for node in found}


def test_each_field_has_a_test_that_sets_it_and_observes_its_effect() -> None:
    assert sorted(PROOFS) == sorted(fields())


def test_a_field_that_is_added_without_one_would_show() -> None:
    schema = {"properties": {"gates": {"type": "object", "properties": {"patience": {"type": "integer"}}}}}
    assert list(leaves(schema)) == ["gates.patience"]
    assert "gates.patience" not in PROOFS


@pytest.mark.parametrize(("field", "proof"), PROOFS.items(), ids=PROOFS)
def test_the_test_of_a_field_is_there_and_names_it(field: str, proof: str) -> None:
    path, _colons, name = proof.partition("::")
    assert name in functions(path), f"{path} has no test {name}"
    last = field.removesuffix("[]").rpartition(".")[2]
    # The document of a scenario names cluster and version for all of them.
    text = "\n".join((ROOT / name).read_text("utf-8") for name in (path, "tests/scenarios/playbook.py"))
    assert re.search(rf"\b{last}\b", text), f"{path} never sets {last}"


# -- the effects that need no cluster ----------------------------------------------------------------------------------


def spec(**own: Any) -> UpgradeSpec:
    """A spec as the API server would hand it over."""
    return parse_spec({"clusterRef": {"name": "prod"}, "target": {"version": "3.3.2"}, **own}, namespace="starrocks")


def test_a_mutable_tag_is_taken_where_it_is_allowed() -> None:
    target = {"target": {"version": "3.3-latest"}}
    with pytest.raises(Refused, match="mutable tag"):
        spec(**target)
    assert spec(**target, allowMutableTags=True).version == "3.3-latest"


def test_gates_have_to_pass_as_long_and_as_often_as_asked() -> None:
    def enough(passes: int, seconds: float, **limits: Any) -> bool:
        counted = gates.Passes()
        for number in range(passes):
            counted = counted.after(None, seconds * number / max(1, passes - 1))
        return counted.enough(spec(gates=limits).gates, seconds)

    assert enough(3, 10.0, settleSeconds=10, consecutivePasses=3)
    assert not enough(3, 9.0, settleSeconds=10, consecutivePasses=3)
    assert not enough(2, 10.0, settleSeconds=10, consecutivePasses=3)
    assert enough(2, 9.0, settleSeconds=9, consecutivePasses=2)


@pytest.mark.parametrize(("allowed", "passes"), [(41, False), (42, True), (0, False)])
def test_an_fe_may_be_so_far_behind_and_no_farther(allowed: int, passes: bool) -> None:
    snapshot = a_cluster().snapshot
    leader = snapshot.frontend(snapshot.leader or "")
    assert leader is not None
    assert leader.replayed_journal_id is not None
    behind = a_cluster().row("prod-fe-1", replayed_journal_id=leader.replayed_journal_id - 42).snapshot
    target = gates.Target("prod-fe-2", limits=spec(gates={"maxReplayLag": allowed}).gates)
    refusal = gates.replay_caught_up(behind, target)
    assert (refusal is None) is passes
    assert passes or (refusal is not None and f"42 journals behind, limit {allowed}" in refusal.text)


def test_an_override_covers_its_gate_until_its_moment() -> None:
    late = a_cluster().row("prod-fe-1", replayed_journal_id=1).snapshot
    wanted = {"gate": "replay_caught_up", "until": "2030-01-01T00:00:00Z", "reason": "it is being repaired"}
    overrides = spec(overrides=[wanted]).overrides
    (override,) = overrides
    assert override.reason == "it is being repaired"

    def refused(gate: gates.Gate, now: float) -> bool:
        return gates.ask([gate], late, gates.Target("prod-fe-1"), overrides, now) is not None

    assert not refused(gates.replay_caught_up, override.until - 1)
    assert refused(gates.replay_caught_up, override.until + 1)
    assert refused(gates.pod_replaced, override.until - 1), "it is for its own gate alone"


@pytest.mark.parametrize("name", causes.DEFAULT_RULES)
def test_a_cause_may_last_as_the_document_says(name: str) -> None:
    def given_up(seen_for: float, seen_restarts: int, *, fatal: bool = True) -> bool:
        rules = spec(podFailures={name: {"fatal": fatal, "seconds": 60, "restarts": 2}}).pod_failures
        return causes.judge(causes.Cause(name, "it does not come up", seen_restarts), seen_for, rules).fatal

    assert given_up(60, 2)
    assert not given_up(59, 2)
    assert not given_up(60, 1)
    assert not given_up(86_400, 99, fatal=False)


def test_the_guard_ends_at_its_deadline() -> None:
    """The Job is ended then, and before that it waits as long for the lease of the run that it guards."""
    guard = spec(guard={"image": "example.com/ee:1.0", "serviceAccountName": "guard", "deadlineSeconds": 4711}).guard
    job: Any = guard_job(guard, "prod", "starrocks", "rollout-1", {}, HookRules())
    assert job["spec"]["activeDeadlineSeconds"] == 4711
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert "starrocks_restore_wait_seconds=4711" in container["command"]
    assert "4711" not in json.dumps(guard_job(replace(guard, deadline_seconds=60), "p", "s", "r", {}, HookRules()))


class Pauses(threading.Event):
    """What hooks pause on: notes for how long, and lets no time pass."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout)
        return False


def test_retries_and_their_pause_are_those_of_the_document() -> None:
    entry = {"name": "own", "sql": "SELECT 1", "retries": 2, "backoffSeconds": 2.5}
    (hook,) = plan_hooks(spec(stages={"pre": [entry]}).stages, Catalogue.of(), Sources(), Installation()).pre
    pauses = Pauses()
    first = an_attempt(hook.name, seconds=60, stop=pauses)

    def busy(_hook: PlannedHook, _attempt: Attempt) -> Answer:
        raise Unreachable("too many connections")

    outcome = persevere(hook, busy, first, lambda _number: None, jitter=lambda: 1.0)
    assert (outcome.state, outcome.attempts, pauses.pauses) == ("failed", 3, [2.5, 5.0])
