# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan says of its hooks: their steps, which are done, which must not be run, and what to know of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.document import Reader
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation import (
    Installation,
    parse_installation,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.describe import plan_lines
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.catalogue import Catalogue
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.entries import parse_stages
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.judge import interrupted
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.resolve import (
    HookPlan,
    PlannedHook,
    Sources,
    plan_hooks,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import (
    Plan,
    plan_release,
    plan_rollback,
    plan_upgrade,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import (
    HookRecord,
    Record,
    StepRecord,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Snapshot
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.spec import UpgradeSpec

from ..builders import NOW, a_cluster, a_record, a_spec

FIRST, SECOND = "SELECT 1", "SELECT 2"


def sql(name: str, statement: str = FIRST, **fields: Any) -> dict[str, Any]:
    """A hook of a document."""
    return {"name": name, "sql": statement, **fields}


def request(sources: Sources | None = None, installation: Any = None, **stages: Any) -> tuple[UpgradeSpec, HookPlan]:
    """A request with hooks, and the hooks ready to run."""
    rules = parse_installation(installation) if installation else Installation()
    catalogue = Catalogue.of(rules.hooks.catalogue)
    spec = replace(a_spec(), stages=parse_stages(Reader(stages, "spec.stages"), catalogue))
    return spec, plan_hooks(spec.stages, catalogue, sources or Sources(), rules)


def planned(snapshot: Snapshot, record: Record | None = None, **stages: Any) -> Plan:
    """The plan of a request with hooks."""
    spec, hooks = request(**stages)
    return plan_upgrade(snapshot, spec, record, NOW, hooks=hooks)


def ids(plan: Plan) -> list[str]:
    """The steps' ids."""
    return [step.id for step in plan.steps]


def known(hook: PlannedHook, **fields: Any) -> HookRecord:
    """What a record says of a hook."""
    return HookRecord(hook.source, hook.digest, **fields)


def record_with(spec: UpgradeSpec, hooks: dict[str, dict[str, HookRecord]], **fields: Any) -> Record:
    """The record of a run that has begun these hook steps."""
    steps = {
        step: StepRecord(
            "hook", "hook", "done" if all(h.outcome == "done" for h in own.values()) else "running", hooks=own
        )
        for step, own in hooks.items()
    }
    return a_record(a_cluster().snapshot, spec, **{"steps": steps, **fields})


SNAPSHOT = a_cluster(fe=3, be=2).snapshot


def test_hooks_stand_before_the_first_pod_and_after_the_last() -> None:
    plan = planned(SNAPSHOT, pre=[sql("a"), sql("b")], post=[sql("c")], rollback=[sql("d")])
    found = ids(plan)
    assert found[:3] == ["begin", "pre/0-a", "pre/1-b"]
    assert found[-2:] == ["post/0-c", "restore"]
    assert "rollback/0-d" not in found
    assert not plan.refusals


def test_a_group_is_one_step() -> None:
    plan = planned(SNAPSHOT, pre=[sql("a", group="g"), sql("b", group="g")])
    assert [hook.name for hook in plan.step("pre/0-g").hooks] == ["a", "b"]


def test_a_plan_says_what_its_hooks_do() -> None:
    lines = "\n".join(plan_lines(planned(SNAPSHOT, pre=[sql("a", "SELECT 'geheim'", critical=False, when="`true`")])))
    for part in ("pre hook a", "a (not critical, at most 60 s): sql", "when `true`", "SELECT '...'"):
        assert part in lines
    assert "geheim" not in lines


def test_the_way_back_runs_the_hooks_of_the_way_back() -> None:
    spec, hooks = request(pre=[sql("a")], rollback=[sql("d")])
    touched = a_cluster(fe=3, be=2).upgraded("prod-be-1", "3.3.2").snapshot
    plan = plan_rollback(touched, a_record(SNAPSHOT, spec, "prod-be-1"), spec, hooks)
    assert ids(plan) == ["rollback/prod-be-1", "rollback/0-d", "restore"]


def test_a_frozen_way_back_runs_none() -> None:
    spec, hooks = request(rollback=[sql("d")])
    plan = plan_rollback(SNAPSHOT, a_record(SNAPSHOT, spec, "prod-be-1"), replace(spec, rollback="never"), hooks)
    assert ids(plan) == ["restore"]


def test_a_run_without_a_touched_pod_undoes_what_its_hooks_did() -> None:
    spec, hooks = request(pre=[sql("a")], rollback=[sql("d")])
    begun = record_with(spec, {"pre/0-a": {"a": known(hooks.pre[0], outcome="failed")}})
    assert ids(plan_release(SNAPSHOT, begun, hooks)) == ["rollback/0-d", "restore"]
    waiting = replace(begun, steps={"pre/0-a": StepRecord("a", "hook", "pending")})
    assert ids(plan_release(SNAPSHOT, waiting, hooks)) == ["restore"]
    assert ids(plan_release(SNAPSHOT)) == ["restore"]


@pytest.mark.parametrize(
    ("outcome", "critical", "done"),
    [
        ("done", True, True),
        ("skipped", True, True),
        ("failed", False, True),
        ("failed", True, False),
        ("running", True, False),
    ],
)
def test_a_hook_that_came_to_its_end_is_not_run_again(outcome: Any, critical: bool, done: bool) -> None:
    spec, hooks = request(pre=[sql("a", critical=critical)])
    record = record_with(spec, {"pre/0-a": {"a": known(hooks.pre[0], outcome=outcome)}})
    plan = plan_upgrade(SNAPSHOT, spec, record, NOW, hooks=hooks)
    assert plan.step("pre/0-a").done is done


def test_a_run_that_had_ended_runs_its_hooks_again_and_knows_what_was_interrupted() -> None:
    spec, hooks = request(pre=[sql("a"), sql("b")])
    done, lost = known(hooks.pre[0], outcome="done"), known(hooks.pre[1], outcome="running")
    record = record_with(spec, {"pre/0-a": {"a": done}, "pre/1-b": {"b": lost}}, phase="done", outcome="failed")
    plan = plan_upgrade(SNAPSHOT, spec, record, NOW, hooks=hooks)
    assert plan.continues == record.run
    assert not plan.step("pre/0-a").done
    anew = record.begun_anew()
    assert {step: entry.hooks for step, entry in anew.steps.items()} == {"pre/0-a": {}, "pre/1-b": {"b": lost}}
    running = replace(record, phase="running", outcome="")
    assert running.begun_anew() is running


def test_a_hook_that_has_become_another_one_is_run() -> None:
    spec, hooks = request(pre=[sql("a", SECOND)])
    record = record_with(spec, {"pre/0-a": {"a": known(request(pre=[sql("a", FIRST)])[1].pre[0], outcome="done")}})
    assert not plan_upgrade(SNAPSHOT, spec, record, NOW, hooks=hooks).step("pre/0-a").done


UNSAFE = Sources(unsafe_sql=True)


@pytest.mark.parametrize(
    ("fields", "outcome", "reported"),
    [
        ({"statement": FIRST}, "running", False),
        ({"statement": "DROP TABLE t"}, "running", True),
        ({"statement": "DROP TABLE t"}, "failed", False),
        ({"statement": "DROP TABLE t", "onInterrupted": "rerun"}, "running", False),
        ({"statement": FIRST, "onInterrupted": "fail"}, "running", True),
        ({"statement": 'ADMIN SET FRONTEND CONFIG ("disable_balance" = "true")'}, "running", False),
    ],
)
def test_a_hook_that_was_interrupted(fields: dict[str, str], outcome: Any, reported: bool) -> None:
    _spec, hooks = request(UNSAFE, pre=[sql("a", **fields)])
    record = known(hooks.pre[0], outcome=outcome, statements=hooks.pre[0].shown)
    problem = interrupted(hooks.pre[0], record)
    assert bool(problem) is reported
    if reported:
        assert "was running when its runner died" in problem
        assert fields["statement"] in problem


def refusals(plan: Plan) -> list[str]:
    """What a plan is refused for."""
    return [f"{refused.field}: {refused}" for refused in plan.refusals]


def test_hooks_that_cannot_run_refuse_the_plan() -> None:
    plan = planned(SNAPSHOT, pre=[sql("a", "DROP TABLE t")], rollback=[sql("b", "DROP TABLE t")])
    assert [refused.field for refused in plan.refusals] == ["spec.stages.pre[0].sql", "spec.stages.rollback[0].sql"]


def test_a_condition_is_tried_before_anything_runs() -> None:
    plan = planned(SNAPSHOT, post=[sql("a", when="tablets.unhealthy")])
    assert [refused.field for refused in plan.refusals] == ["spec.stages.post[0].when"]


def test_a_condition_is_not_tried_again_in_the_middle_of_a_run() -> None:
    spec, hooks = request(post=[sql("a", when="tablets.unhealthy")])
    touched = a_cluster(fe=3, be=2).upgraded("prod-be-1", "3.3.2").snapshot
    plan = plan_upgrade(touched, spec, a_record(SNAPSHOT, spec, "prod-be-1"), NOW, hooks=hooks)
    assert refusals(plan) == []


def test_hooks_before_the_first_pod_do_not_matter_once_a_pod_was_touched() -> None:
    spec, hooks = request(pre=[sql("a", "DROP TABLE t")])
    touched = a_cluster(fe=3, be=2).upgraded("prod-be-1", "3.3.2").snapshot
    assert refusals(plan_upgrade(touched, spec, a_record(SNAPSHOT, spec, "prod-be-1"), NOW, hooks=hooks)) == []


def test_a_hook_is_for_some_versions() -> None:
    old = a_cluster(fe=3, be=2, version="3.2.5").snapshot
    spec, hooks = request(pre=[{"name": "a", "predefined": "drop-job-history"}])
    plan = plan_upgrade(old, replace(spec, version="3.2.6"), None, NOW, hooks=hooks)
    assert any("is for versions >=3.3, the FEs run 3.2.5" in text for text in refusals(plan))
    assert refusals(planned(SNAPSHOT, pre=[{"name": "a", "predefined": "drop-job-history"}])) == []


def risks(plan: Plan) -> list[str]:
    """The names of a plan's risks."""
    return [risk.name for risk in plan.risks]


def test_unsafe_sql_and_scripts_are_told_as_risks() -> None:
    sources = Sources({"hooks": {"a.sh": "true"}}, unsafe_sql=True, scripts=True)
    script = {"name": "b", "configMap": {"name": "hooks", "key": "a.sh"}}
    spec, hooks = request(sources, pre=[sql("a", "BACKUP SNAPSHOT d.s TO r"), script])
    found = risks(plan_upgrade(SNAPSHOT, spec, None, NOW, hooks=hooks))
    assert {"unsafe-sql", "unread-sql", "script"} <= set(found)


def test_a_hook_that_nothing_undoes_is_told() -> None:
    entry = {"name": "pause", "statements": ["PAUSE"], "inverse": {"name": "go-on", "statements": ["RESUME"]}}
    installation = {"hooks": {"catalogue": [entry]}}
    pause, resume = {"name": "a", "predefined": "pause"}, {"name": "b", "predefined": "go-on"}
    spec, hooks = request(installation=installation, pre=[pause])
    assert "not-undone" in risks(plan_upgrade(SNAPSHOT, spec, None, NOW, hooks=hooks))
    spec, hooks = request(installation=installation, pre=[pause], post=[resume])
    assert "not-undone" not in risks(plan_upgrade(SNAPSHOT, spec, None, NOW, hooks=hooks))


def test_what_is_approved_covers_what_the_hooks_do() -> None:
    stage = [{"name": "a", "configMap": {"name": "hooks", "key": "a.sql"}}]
    approvals = set()
    for text in (FIRST, SECOND):
        spec, hooks = request(Sources({"hooks": {"a.sql": text}}), pre=stage)
        approvals.add(plan_upgrade(SNAPSHOT, spec, None, NOW, hooks=hooks).approval)
    assert len(approvals) == 2
