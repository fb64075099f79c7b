# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks before, after and on the way back of an upgrade: what runs when, what a failure does, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from scenarios.cluster import DEFAULTS, LIMIT, StarRocks
from scenarios.conftest import MakeCluster
from scenarios.playbook import ROOT, Driver, Run

from ansible_collections.steady.rollout.plugins.module_utils._module import hook as hook_module

Hook = dict[str, Any]

# Statements that nothing but a hook sends.
FIRST, SECOND = "SELECT 4711", "SELECT 4712"
# One that changes something, and that the simulator knows.
UNSAFE = "SET query_timeout = 4713"
UNSAFE_ALLOWED = {"hooks": {"allowUnsafeSql": True}}
BACKENDS_ONLY: Hook = {"images": {"be": "starrocks/be-ubuntu:3.3.2"}}


def sql(name: str, statement: str, **fields: Any) -> Hook:
    """A hook with a statement of its own, quick to give up."""
    return {"name": name, "sql": statement, "backoffSeconds": 0.1, **fields}


@pytest.fixture
def starrocks(cluster: MakeCluster) -> StarRocks:
    """Three FEs and one BE."""
    return cluster(fe=3, be=1)


def run_hook(product: Driver, name: str, **more: Any) -> dict[str, Any]:
    """The module starrocks_hook with a predefined hook; its result."""
    about = {"cluster": product.cluster, "namespace": product.namespace}
    result = product.verb(hook_module.VERB, names=[name], **about, **more)
    assert not result.get("failed"), result
    return result


def config_map(starrocks: StarRocks, **data: str) -> None:
    """A ConfigMap called hooks in the cluster's namespace; a double underscore in a key stands for a dot."""
    keys = {key.replace("__", "."): text for key, text in data.items()}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hooks"}, "data": keys}
    starrocks.api.request("POST", f"/api/v1/namespaces/{starrocks.namespace}/configmaps", body)


def hook_events(run: Run) -> list[tuple[str, str]]:
    """Step and state of the hook events, in order."""
    return [(e["step"], e["data"]["state"]) for e in run.report["events"] if e["kind"] == "hook"]


def order(run: Run) -> list[str]:
    """The steps in the order in which they were done."""
    return [e["step"] for e in run.report["events"] if e["kind"] == "step" and e["text"].startswith("done")]


def hooks_of(starrocks: StarRocks, step: str) -> dict[str, Any]:
    """What the record says of the hooks of a step."""
    record = starrocks.record
    assert record is not None
    hooks: dict[str, Any] = record["steps"][step]["hooks"]
    return hooks


def sent(starrocks: StarRocks, mark: Any, statement: str) -> int:
    """How often a statement was sent."""
    return [entry["sql"] for entry in starrocks.queries(mark)].count(statement)


def test_hooks_run_before_the_first_pod_and_after_the_last(starrocks: StarRocks, product: Driver) -> None:
    mark = starrocks.mark()
    stages = {
        "pre": [sql("before", FIRST)],
        "post": [sql("after", SECOND)],
        "rollback": [sql("back", "SELECT 1")],
    }
    run = product.upgrade(stages=stages).succeeded()
    assert hook_events(run) == [
        ("pre/0-before", "started"),
        ("pre/0-before", "done"),
        ("post/0-after", "started"),
        ("post/0-after", "done"),
    ]
    steps = order(run)
    assert steps.index("begin") < steps.index("pre/0-before") < steps.index("be/prod-be-0")
    assert steps.index("fe/prod-fe-0") < steps.index("post/0-after") < steps.index("restore")
    assert (sent(starrocks, mark, FIRST), sent(starrocks, mark, SECOND)) == (1, 1)
    assert "pre hook before" in run.text
    assert FIRST in run.text
    starrocks.assert_settings()


def test_the_example_of_the_documentation(starrocks: StarRocks, product: Driver) -> None:
    starrocks.grant_node()
    page = (ROOT / "docs" / "hooks.md").read_text("utf-8")
    example = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])["spec"]
    body = {"metadata": {"name": "upgrade-checks"}, "data": {"after.sql": "SHOW FRONTENDS;\nSELECT 1;\n"}}
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", **body}
    starrocks.api.request("POST", f"/api/v1/namespaces/{starrocks.namespace}/configmaps", config_map)
    run = product.upgrade(None, target=example["target"], hooks=example["hooks"], stages=example["stages"]).succeeded()
    assert hook_events(run) == [
        (step, state) for step in ("pre/0-image", "pre/1-loads", "post/0-check") for state in ("started", "done")
    ]
    starrocks.assert_settings()


def test_the_plan_shows_hooks_and_check_mode_runs_none(calm: StarRocks, asked: Driver) -> None:
    mark = calm.mark()
    config_map(calm, look__sql=f"{FIRST};")
    mark = calm.mark()
    stages = {
        "pre": [
            {"name": "file", "configMap": {"name": "hooks", "key": "look.sql"}, "when": "mode == 'shared_nothing'"},
            sql("secret", "SELECT 'geheim'", critical=False),
        ]
    }
    run = asked.upgrade("3.3.2", "--check", stages=stages).succeeded()
    for part in ("pre hook file", FIRST, "ConfigMap hooks/look.sql", "when mode ==", "not critical", "SELECT '...'"):
        assert part in run.text, run.stdout
    assert "geheim" not in run.stdout.partition("Plan (upgrade)")[2]
    assert sent(calm, mark, FIRST) == 0
    calm.untouched(mark)


def test_a_critical_hook_before_the_first_pod_stops_the_run(starrocks: StarRocks, product: Driver) -> None:
    starrocks.faults({"kind": "error", "errno": 1064, "match": SECOND})
    before = starrocks.uids
    stages = {
        "pre": [sql("fine", FIRST), sql("broken", SECOND), sql("later", "SELECT 3")],
        "rollback": [sql("undo", "SELECT 4")],
    }
    run = product.upgrade(None, target=BACKENDS_ONLY, stages=stages).failed("hook broken failed", "1064")
    assert starrocks.uids == before
    assert hook_events(run)[-1] == ("rollback/0-undo", "done")
    assert ("pre/2-later", "started") not in hook_events(run)
    assert run.report["run"]["outcome"] == "failed"
    starrocks.assert_settings()
    starrocks.assert_released()
    starrocks.lab.faults()
    mark = starrocks.mark()
    product.upgrade(None, target=BACKENDS_ONLY, stages=stages).succeeded()
    assert sent(starrocks, mark, FIRST) == 1, "a run that had ended runs its hooks again"


def test_a_hook_that_is_not_critical_is_noted_and_the_run_goes_on(starrocks: StarRocks, product: Driver) -> None:
    starrocks.faults({"kind": "error", "errno": 1064, "match": FIRST})
    stages = {"pre": [sql("broken", FIRST, critical=False)]}
    run = product.upgrade(None, target=BACKENDS_ONLY, stages=stages).succeeded()
    assert "hook broken failed, which is not critical" in run.text
    assert hooks_of(starrocks, "pre/0-broken")["broken"]["outcome"] == "failed"


def test_a_critical_hook_after_the_last_pod_rolls_back(starrocks: StarRocks, product: Driver) -> None:
    starrocks.faults({"kind": "error", "errno": 1064, "match": FIRST})
    stages = {"post": [sql("broken", FIRST)], "rollback": [sql("undo", SECOND)]}
    run = product.upgrade(None, target=BACKENDS_ONLY, stages=stages).failed("hook broken failed")
    assert set(starrocks.tags.values()) == {"3.3.1"}
    steps = order(run)
    assert steps.index("rollback/prod-be-0") < steps.index("rollback/0-undo") < steps.index("restore")
    assert run.report["run"]["outcome"] == "rolled-back"
    starrocks.assert_settings()


def test_a_hook_is_tried_again_when_its_failure_is_transient(starrocks: StarRocks, product: Driver) -> None:
    # 1040: too many connections.
    starrocks.faults({"kind": "error", "errno": 1040, "match": FIRST, "times": 2})
    product.upgrade(None, target=BACKENDS_ONLY, stages={"pre": [sql("busy", FIRST)]}).succeeded()
    known = hooks_of(starrocks, "pre/0-busy")["busy"]
    assert (known["outcome"], known["attempts"], known["statements"]) == ("done", 3, [FIRST])


def test_a_hook_has_its_time_and_no_more(starrocks: StarRocks, product: Driver) -> None:
    starrocks.faults({"kind": "hang", "match": FIRST})
    stages = {"pre": [sql("slow", FIRST, timeoutSeconds=1, critical=False)]}
    product.upgrade(None, target=BACKENDS_ONLY, stages=stages).succeeded()
    known = hooks_of(starrocks, "pre/0-slow")["slow"]
    assert (known["outcome"], known["text"].startswith("not within 1 s")) == ("failed", True)


def test_hooks_of_a_group_run_at_the_same_time(starrocks: StarRocks, product: Driver) -> None:
    starrocks.faults({"kind": "hang", "match": FIRST})
    group = [sql("slow", FIRST, group="both"), sql("quick", SECOND, group="both"), sql("alone", "SELECT 3")]
    group.insert(2, {"name": "setting", "predefined": "drop-job-history", "group": "both"})
    process = product.start(product.document(None, target=BACKENDS_ONLY, stages={"pre": group}))
    starrocks.wait_record(
        lambda record: all(_outcome(record, "pre/0-both", name) == "done" for name in ("quick", "setting")),
        "have two hooks done beside the slow one",
    )
    starrocks.lab.faults()
    run = process.finish().succeeded()
    events = [(e["subject"], e["data"]["state"]) for e in run.report["events"] if e["kind"] == "hook"]
    assert set(events[:3]) == {("slow", "started"), ("quick", "started"), ("setting", "started")}
    assert events.index(("quick", "done")) < events.index(("slow", "done")) < events.index(("alone", "started"))
    assert events.index(("setting", "done")) < events.index(("slow", "done"))
    assert set(hooks_of(starrocks, "pre/0-both")) == {"slow", "quick", "setting"}


def test_a_condition_decides_whether_a_hook_runs(starrocks: StarRocks, product: Driver) -> None:
    mark = starrocks.mark()
    stages = {
        "pre": [
            sql("never", FIRST, when="mode == 'shared_data'"),
            sql("always", SECOND, when="length(workers[?alive]) == `1` && tablets.unhealthy == `0`"),
        ]
    }
    run = product.upgrade(None, target=BACKENDS_ONLY, stages=stages).succeeded()
    assert ("pre/0-never", "skipped") in hook_events(run)
    assert (sent(starrocks, mark, FIRST), sent(starrocks, mark, SECOND)) == (0, 1)


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ({"pre": [sql("bad", "DROP TABLE t")]}, ["spec.stages.pre.0..sql", "unsafe statement", "allowUnsafeSql"]),
        ({"rollback": [sql("bad", "SELECT 1; DROP TABLE t")]}, ["spec.stages.rollback.0..sql", "more than one"]),
        ({"pre": [sql("bad", "/*!50000 DROP TABLE t */")]}, ["comment"]),
        ({"pre": [sql("bad", FIRST, when="leader")]}, ["spec.stages.pre.0..when", "not true or false"]),
        ({"pre": [sql("bad", FIRST, when="pods[")]}, ["not a JMESPath expression"]),
        ({"pre": [{"name": "bad", "predefined": "disable-balance"}]}, ["did you mean disable-balancer"]),
        ({"pre": [{"name": "bad", "predefined": ""}]}, ["no name of a hook"]),
        ({"post": [{"name": "bad", "configMap": {"name": "gone", "key": "a.sql"}}]}, ["gone/a.sql", "does not exist"]),
        ({"pre": [{"name": "bad", "webhook": {"url": "https://10.0.0.1/x"}}]}, ["does not allow calls"]),
        ({"pre": [sql("bad", FIRST, allowUnsafe=True)]}, ["allowUnsafe", "no such field"]),
    ],
    ids=["unsafe", "two", "comment", "text", "syntax", "unknown", "empty", "missing", "webhook", "field"],
)
def test_what_must_not_run_is_refused_before_anything_is_touched(
    stages: dict[str, Any], said: list[str], calm: StarRocks, asked: Driver
) -> None:
    mark = calm.mark()
    asked.preflight(asked.document(stages=stages)).failed(*said)
    calm.untouched(mark)


def test_a_file_of_statements_is_run_one_by_one(starrocks: StarRocks, product: Driver) -> None:
    text = f"-- what runs before\n{FIRST};\nSHOW PROC '/a;b';\n\n{SECOND}\n"
    config_map(starrocks, before__sql=text.replace("SHOW PROC '/a;b';\n", "SELECT 'a;b';\n"))
    mark = starrocks.mark()
    stages = {"pre": [{"name": "file", "configMap": {"name": "hooks", "key": "before.sql"}}]}
    product.upgrade(None, target=BACKENDS_ONLY, stages=stages).succeeded()
    known = hooks_of(starrocks, "pre/0-file")["file"]
    assert known["statements"] == [FIRST, "SELECT '...'", SECOND]
    own = [e["sql"] for e in starrocks.queries(mark) if e["sql"] in (FIRST, "SELECT 'a;b'", SECOND)]
    assert own == [FIRST, "SELECT 'a;b'", SECOND]


def test_unsafe_sql_needs_the_installation_or_the_namespace(starrocks: StarRocks, product: Driver) -> None:
    stages = {"pre": [sql("own", UNSAFE)]}
    document = product.document(None, target=BACKENDS_ONLY, stages=stages)
    mark = starrocks.mark()
    product.preflight(document).failed("unsafe statement")
    starrocks.untouched(mark)
    run = product.run(document, rollout_installation=UNSAFE_ALLOWED).succeeded()
    assert "not on the allow-list" in run.text
    assert sent(starrocks, mark, UNSAFE) == 1
    label = {"metadata": {"labels": {"rollout.steady.dev/allow-unsafe-hooks": "true"}}}
    starrocks.api.patch("Namespace", starrocks.namespace, label)
    again = product.document(None, target={"images": {"be": "starrocks/be-ubuntu:3.3.3"}}, stages=stages)
    product.with_hooks().run(again).succeeded()
    assert sent(starrocks, mark, UNSAFE) == 2


def frontend_values(starrocks: StarRocks, key: str) -> set[str]:
    """What the FEs have of a setting."""
    return {frontend["settings"].get(key, "") for frontend in starrocks.state["frontends"].values()}


def test_a_setting_in_sql_is_held_and_put_back_as_it_was(starrocks: StarRocks, product: Driver) -> None:
    starrocks.set_everywhere(**{LIMIT: "12345"})
    command = f'ADMIN SET FRONTEND CONFIG ("{LIMIT}" = "7")'
    mark = starrocks.mark()
    run = product.upgrade(hooks=[], stages={"pre": [sql("few", command)]}).succeeded()
    starrocks.assert_settings(**{LIMIT: "12345"})
    assert {change["new"] for change in starrocks.setting_changes(mark) if change["key"] == LIMIT} >= {"7", "12345"}
    values = hooks_of(starrocks, "pre/0-few")["few"]["values"]
    assert values == [{"key": LIMIT, "before": "12345", "after": "7"}]
    assert f"{LIMIT} 12345 -> 7" in run.text


def test_a_hook_of_the_installation_is_held_and_put_back(starrocks: StarRocks, product: Driver) -> None:
    entry = {"name": "few-loads", "settings": {"max_running_txn_num_per_db": 10}, "inverse": {"name": "many-loads"}}
    installation = {"hooks": {"catalogue": [entry]}}
    stages = {"pre": [{"name": "few", "predefined": "few-loads"}]}
    document = product.document(stages=stages, hooks=["quiesce", "few-loads"])
    process = product.start(document, rollout_installation=installation)
    starrocks.wait(lambda state: all(_value(f) == "10" for f in state["frontends"].values()), "few loads")
    process.finish().succeeded()
    assert frontend_values(starrocks, "max_running_txn_num_per_db") == {"1000"}
    record = starrocks.record
    assert record is not None
    assert record["journal"]["entries"]["max_running_txn_num_per_db"]["state"] == "restored"


def _value(frontend: dict[str, Any]) -> str:
    return str(frontend["settings"].get("max_running_txn_num_per_db"))


def test_a_setting_of_an_installation_is_not_written_on_the_word_of_a_record(
    starrocks: StarRocks, product: Driver
) -> None:
    entry = {"name": "few-loads", "settings": {"max_running_txn_num_per_db": 10}}
    installation = {"hooks": {"catalogue": [entry]}}
    run_hook(product, "few-loads", installation=installation)
    product.restore()
    assert frontend_values(starrocks, "max_running_txn_num_per_db") == {"10"}
    product.restore(rollout_installation=installation).succeeded()
    assert frontend_values(starrocks, "max_running_txn_num_per_db") == {"1000"}


@pytest.mark.parametrize(
    ("name", "value"), [("enable-tablet-clone", "12345"), ("enable-tablet-clone-default", "10000")]
)
def test_the_documented_value_is_set_only_when_it_is_asked_for(
    name: str, value: str, starrocks: StarRocks, product: Driver
) -> None:
    starrocks.set_everywhere(**{LIMIT: "12345"})
    run_hook(product, "disable-tablet-clone")
    assert run_hook(product, name)["changed"] is True
    starrocks.assert_settings(**{LIMIT: value})
    record = starrocks.record
    assert record is not None
    assert record["phase"] == "done"


def test_a_run_that_was_killed_does_not_run_its_hooks_twice(starrocks: StarRocks, product: Driver) -> None:
    starrocks.faults({"kind": "hang", "match": SECOND})
    stages = {"pre": [sql("first", FIRST), sql("second", SECOND)]}
    document = product.document(None, target=BACKENDS_ONLY, stages=stages)
    mark = starrocks.mark()
    process = product.start(document, starrocks_upgrade_lease_seconds=3)
    starrocks.wait_record(lambda record: _outcome(record, "pre/1-second", "second") == "running", "run the second hook")
    process.kill()
    starrocks.lab.faults()
    run = product.run(document).succeeded()
    assert sent(starrocks, mark, FIRST) == 1
    assert hooks_of(starrocks, "pre/1-second")["second"]["attempts"] == 2
    assert "continues the run" in run.text
    starrocks.assert_settings()


def test_a_changing_hook_that_was_interrupted_is_reported_and_a_person_decides(
    starrocks: StarRocks, product: Driver
) -> None:
    starrocks.faults({"kind": "hang", "match": UNSAFE})
    hook = sql("own", UNSAFE)
    document = product.document(None, target=BACKENDS_ONLY, stages={"pre": [hook]})
    process = product.start(document, starrocks_upgrade_lease_seconds=3, rollout_installation=UNSAFE_ALLOWED)
    # What it means to do is recorded before it does it.
    starrocks.wait_struck()
    process.kill()
    starrocks.lab.faults()
    mark = starrocks.mark()
    product.run(document, rollout_installation=UNSAFE_ALLOWED).failed(
        "hook own was running when its runner died", "onInterrupted: rerun"
    )
    assert sent(starrocks, mark, UNSAFE) == 0
    decided = product.document(None, target=BACKENDS_ONLY, stages={"pre": [{**hook, "onInterrupted": "rerun"}]})
    product.run(decided, rollout_installation=UNSAFE_ALLOWED).succeeded()
    assert sent(starrocks, mark, UNSAFE) == 1
    starrocks.assert_settings()
    assert starrocks.settings == dict.fromkeys(starrocks.settings, DEFAULTS)


def _outcome(record: dict[str, Any], step: str, hook: str) -> str:
    return str(record["steps"].get(step, {}).get("hooks", {}).get(hook, {}).get("outcome"))
