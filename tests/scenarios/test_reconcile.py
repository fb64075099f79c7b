# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole lives of triggers and upgrades, pass by pass: what the single pass does, and where a loop around it ends."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from scenarios.cluster import DEFAULTS, LIMIT, OFF, StarRocks
from scenarios.conftest import MakeCluster
from scenarios.playbook import BRIEF_POD_GATES, ROOT, Driver
from scenarios.reconciling import MIRROR, Passes

from steadylab import Lab
from steadylab.kube import MERGE_PATCH

BALANCE = "tablet_sched_disable_balance"
TWO = {**DEFAULTS, LIMIT: OFF[LIMIT], BALANCE: OFF[BALANCE]}
UPGRADE = "StarRocksUpgrade"
BE = {"images": {"be": "starrocks/be-ubuntu:3.3.2"}}


pytestmark = pytest.mark.usefixtures("upgrades_defined")


@pytest.fixture
def extended(lab: Lab, product: Driver) -> Iterator[None]:
    """StarRocksCluster with our fields, for one test."""
    product.run({}, playbook="starrocks_crd").succeeded()
    yield
    product.run({}, playbook="starrocks_crd", state="original").succeeded()


@pytest.fixture
def starrocks(cluster: MakeCluster) -> StarRocks:
    """Three FEs and one BE."""
    return cluster(fe=3, be=1)


def frontends(starrocks: StarRocks) -> list[dict[str, str]]:
    """All settings of each FE."""
    return [frontend["settings"] for frontend in starrocks.state["frontends"].values()]


# -- triggers on a StarRocksCluster ------------------------------------------------------------------------------------


def test_a_cluster_without_a_trigger_never_sees_a_write(calm: StarRocks, asked: Driver) -> None:
    mark = calm.mark()
    result = Passes(calm, asked).once()
    assert (result["phase"], result["changed"], result["requeue_after"]) == ("None", False, None)
    assert calm.queries(mark) == []
    calm.untouched(mark)


def test_from_the_annotation_to_the_rollout_and_back(starrocks: StarRocks, passes: Passes) -> None:
    starrocks.set_everywhere(**{LIMIT: "12345"})
    passes.annotate(prepare="true", hooks="disable-tablet-clone,disable-balancer")
    result = passes.once()
    assert (result["phase"], result["reason"]) == ("Completed", "Held")
    assert result["requeue_after"] <= 15
    assert starrocks.settings == dict.fromkeys(starrocks.frontends, TWO)
    starrocks.assert_released()
    mirror = passes.mirror
    assert mirror is not None
    assert (mirror["phase"], mirror["held"], mirror["from"]) == ("Completed", True, starrocks.images)
    assert [(hook["name"], hook["result"]) for hook in mirror["hooks"]] == [
        ("disable-tablet-clone", "Succeeded"),
        ("disable-balancer", "Succeeded"),
    ]
    # Without news a pass changes nothing, the annotation least of all.
    mark = starrocks.mark()
    assert passes.once()["changed"] is False
    assert starrocks.setting_changes(mark) == []
    assert [text for text in starrocks.writes(mark) if "starrocksclusters" in text] == []
    # FEs that restart with the new image come back with the values of their fe.conf, and are switched off again.
    passes.roll("3.3.2")
    starrocks.simulate(settings={"prod-fe-1": {LIMIT: "10000"}})
    results = passes.until("Completed")
    assert results[-1]["reason"] == "RolledOut"
    starrocks.assert_settings(**{LIMIT: "12345"})
    starrocks.assert_released()
    mirror = passes.mirror
    assert mirror is not None
    assert (mirror["phase"], mirror["held"]) == ("Completed", False)
    assert not re.search(r"\d\d:\d\d", str(mirror))


def test_a_served_trigger_costs_no_statement_and_serves_the_next_target(starrocks: StarRocks, passes: Passes) -> None:
    passes.annotate(prepare="true", hooks="disable-balancer,drop-job-history")
    passes.once()
    assert {values["history_job_keep_max_second"] for values in frontends(starrocks)} == {"0"}
    passes.roll("3.3.2")
    passes.until("Completed")
    assert {values["history_job_keep_max_second"] for values in frontends(starrocks)} == {"604800"}
    mark = starrocks.mark()
    result = passes.once()
    assert (result["changed"], result["requeue_after"]) == (False, None)
    assert starrocks.queries(mark) == []
    starrocks.untouched(mark)
    passes.annotate(target="3.3.3")
    result = passes.once()
    assert (result["phase"], result["reason"]) == ("Completed", "Held")
    assert passes.mirror is not None
    assert passes.mirror["target"]["fe"] == "starrocks/fe-ubuntu:3.3.3"
    passes.roll("3.3.3")
    passes.until("Completed")
    starrocks.assert_settings()


def test_a_pass_says_what_is_off_and_until_when_and_what_was_put_back(starrocks: StarRocks, passes: Passes) -> None:
    passes.annotate(prepare="true", hooks="disable-balancer")
    for _pass in ("the one that prepares", "the one that holds"):
        lines = passes.once()["rollout"]["lines"]
        assert f"{BALANCE} is switched off (true); it was false" in lines
        assert any(re.fullmatch(r"without an image change everything is put back at \S+Z", line) for line in lines)
    passes.annotate(prepare=None)
    passes.until("None")
    said = (passes.product.directory / f"run-{passes.product.runs}" / "output").read_text("utf-8")
    assert f"preparation ended: the trigger was removed; put back {BALANCE} = false" in said


def test_a_held_setting_that_an_fe_lost_is_set_again(starrocks: StarRocks, passes: Passes) -> None:
    passes.annotate(prepare="true")
    passes.once()
    starrocks.restart_frontend("prod-fe-1")
    assert starrocks.settings["prod-fe-1"] == DEFAULTS
    passes.once()
    assert starrocks.settings == dict.fromkeys(starrocks.frontends, OFF)
    passes.annotate(prepare=None)
    passes.until("None")
    starrocks.assert_settings()


@pytest.mark.parametrize("end", ["removed", "false", "absent"])
def test_a_trigger_that_goes_in_the_middle_puts_everything_back(end: str, starrocks: StarRocks, passes: Passes) -> None:
    passes.annotate(prepare="true")
    passes.once()
    starrocks.set_image("be", "starrocks/be-ubuntu:3.3.2")
    passes.once()
    if end != "absent":
        passes.annotate(prepare=None if end == "removed" else "false")
    results = passes.until("None", state="absent" if end == "absent" else "present")
    assert passes.mirror is None, results
    starrocks.assert_settings()
    starrocks.assert_released()
    record = starrocks.record
    assert record is not None
    assert record["preparation"] is None


@pytest.mark.parametrize(
    ("hooks", "said"),
    [("disable-balancr", "did you mean disable-balancer"), ("disable-balancer,,quiesce", r"\[1\]"), ("", r"\[0\]")],
    ids=["unknown", "empty among others", "empty"],
)
def test_a_name_that_is_no_hook_is_reported(hooks: str, said: str, starrocks: StarRocks, passes: Passes) -> None:
    passes.annotate(prepare="true", hooks=hooks)
    mark = starrocks.mark()
    result = passes.once()
    assert (result["phase"], result["reason"], result["requeue_after"]) == ("Failed", "InvalidTrigger", None)
    assert re.search(said, result["message"])
    mirror = passes.mirror
    assert mirror is not None
    assert (mirror["phase"], mirror["held"]) == ("Failed", False)
    assert starrocks.queries(mark) == []
    assert passes.once()["changed"] is False
    passes.annotate(hooks="disable-balancer")
    assert passes.once()["phase"] == "Completed"


@pytest.mark.usefixtures("extended")
def test_the_fields_of_the_spec_are_triggers_too(starrocks: StarRocks, passes: Passes) -> None:
    hooks = [
        {
            "name": "disable-tablet-clone",
            "command": f'ADMIN SET FRONTEND CONFIG ("{LIMIT}" = "0")',
            "critical": True,
        }
    ]
    passes.change_spec(
        upgradePreparation={"enabled": True, "hooks": hooks, "timeoutSeconds": 600},
        starRocksFeSpec={"upgradeHooks": {"predefined": ["disable-balancer"], "timeoutSeconds": 300}},
    )
    assert passes.once()["phase"] == "Completed"
    assert starrocks.settings == dict.fromkeys(starrocks.frontends, TWO)
    status = starrocks.resource["status"]["upgradePreparationStatus"]
    assert (status["phase"], status["held"]) == ("Completed", True)
    assert status["completedHooks"] == ["disable-tablet-clone", "disable-balancer"]
    assert all(hook["startTime"] and hook["completionTime"] for hook in status["hooks"])
    passes.change_spec(upgradePreparation={"enabled": False}, starRocksFeSpec={"upgradeHooks": None})
    passes.until("None")
    starrocks.assert_settings()
    assert "upgradePreparationStatus" not in starrocks.resource["status"]


@pytest.mark.usefixtures("extended")
def test_a_hook_without_its_privilege_is_refused_before_anything_is_touched(
    starrocks: StarRocks, passes: Passes
) -> None:
    passes.annotate(prepare="true", hooks="disable-balancer,create-image")
    mark = starrocks.mark()
    result = passes.once()
    assert (result["phase"], result["reason"], result["requeue_after"]) == ("Failed", "InvalidTrigger", 60)
    assert "lacks NODE on SYSTEM" in result["message"]
    assert "cluster_admin" in result["message"]
    assert [entry for entry in starrocks.queries(mark) if entry["sql"].startswith(("ADMIN SET", "ALTER"))] == []
    assert starrocks.record is None
    # The same for what follows a preparation that was served: the trigger asks for other hooks.
    passes.annotate(hooks="disable-balancer")
    passes.once()
    assert (passes.mirror or {})["held"] is True
    passes.annotate(hooks="create-image")
    result = passes.once()
    assert (result["phase"], result["reason"]) == ("Failed", "InvalidTrigger")
    starrocks.assert_settings()


@pytest.mark.usefixtures("extended")
def test_a_hook_that_cannot_be_read_yet_is_looked_at_again(starrocks: StarRocks, passes: Passes) -> None:
    custom = {"configMapName": "later", "scriptKey": "before.sql"}
    passes.change_spec(starRocksFeSpec={"upgradeHooks": {"predefined": ["disable-balancer"], "custom": custom}})
    mark = starrocks.mark()
    result = passes.once()
    assert (result["phase"], result["reason"]) == ("Failed", "InvalidTrigger")
    assert "later" in result["message"]
    assert result["requeue_after"] == 60
    assert starrocks.queries(mark) == []
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "later"}}
    path = f"/api/v1/namespaces/{starrocks.namespace}/configmaps"
    starrocks.api.request("POST", path, {**config, "data": {"before.sql": "SHOW FRONTENDS"}})
    assert passes.once()["phase"] == "Completed"
    # What was run already does not need its source any longer.
    starrocks.api.request("DELETE", f"{path}/later")
    assert passes.once()["reason"] == "Held"
    passes.roll("3.3.2")
    passes.until("Completed")
    assert passes.once()["finished"] is True
    starrocks.assert_settings()


@pytest.mark.usefixtures("extended")
def test_without_an_image_change_it_ends_by_itself(starrocks: StarRocks, passes: Passes) -> None:
    passes.change_spec(upgradePreparation={"enabled": True, "hooks": [{"name": "quiesce"}], "timeoutSeconds": 5})
    results = passes.until("Failed")
    assert results[0]["phase"] == "Completed"
    assert 1 <= results[0]["requeue_after"] <= 5
    assert results[-1]["reason"] == "NoImageChange"
    starrocks.assert_settings()
    mark = starrocks.mark()
    assert passes.once()["changed"] is False
    assert starrocks.queries(mark) == []


@pytest.mark.usefixtures("extended")
def test_the_status_comes_back_after_the_operator_wiped_it(starrocks: StarRocks, passes: Passes) -> None:
    passes.annotate(prepare="true")
    passes.once()
    before = starrocks.resource["status"]["upgradePreparationStatus"]
    wiped = {"status": {"upgradePreparationStatus": None}}
    starrocks.api.patch("StarRocksCluster", starrocks.name, wiped, starrocks.namespace, "status")
    assert "upgradePreparationStatus" not in starrocks.resource["status"]
    passes.once()
    assert starrocks.resource["status"]["upgradePreparationStatus"] == before


def test_fields_that_were_dropped_are_reported(lab: Lab, starrocks: StarRocks, passes: Passes) -> None:
    document = starrocks.resource
    document["spec"]["upgradePreparation"] = {"enabled": True, "hooks": [{"name": "quiesce"}]}
    for name in ("managedFields", "resourceVersion", "uid", "creationTimestamp", "generation"):
        document["metadata"].pop(name, None)
    document.pop("status")
    path = lab.directory / f"{starrocks.namespace}.json"
    path.write_text(json.dumps(document))
    lab.kubectl("apply", "--validate=ignore", f"--filename={path}")
    assert "upgradePreparation" not in starrocks.resource["spec"]
    result = passes.once()
    assert result["phase"] == "Failed"
    assert "spec.upgradePreparation" in result["message"]
    assert "starrocks_crd" in result["message"]
    starrocks.assert_settings()


def test_a_hook_that_fails_puts_back_what_the_others_did(starrocks: StarRocks, passes: Passes) -> None:
    starrocks.grant_node()
    passes.annotate(prepare="true", hooks="disable-balancer,create-image")
    starrocks.faults({"kind": "error", "errno": 5064, "match": "CREATE IMAGE"})
    results = passes.until("Failed")
    assert results[-1]["reason"] == "HookFailed"
    starrocks.assert_settings()
    mirror = passes.mirror
    assert mirror is not None
    assert {hook["name"]: hook["result"] for hook in mirror["hooks"]} == {
        "disable-balancer": "Succeeded",
        "create-image": "Failed",
    }


def test_a_pass_that_was_killed_is_gone_on_with(starrocks: StarRocks, passes: Passes, product: Driver) -> None:
    passes.annotate(prepare="true")
    starrocks.faults({"kind": "slow", "seconds": 600, "match": "disable_colocate_balance.*true"})
    key = f"{starrocks.namespace}/{starrocks.name}"
    run = product.start({}, playbook="starrocks_reconcile", kind="StarRocksCluster", object=key)
    starrocks.wait(lambda state: state["frontends"]["prod-fe-0"]["settings"].get(BALANCE) == "true", "be in the middle")
    run.kill()
    starrocks.faults()
    passes.annotate(prepare=None)
    passes.until("None")
    starrocks.assert_settings()


def test_check_mode_of_a_pass_writes_nothing(starrocks: StarRocks, passes: Passes) -> None:
    passes.annotate(prepare="true")
    name = passes.upgrade()
    mark = starrocks.mark()
    assert passes.by_module("StarRocksCluster", "", "--check")["changed"] is True
    assert passes.by_module(UPGRADE, name, "--check")["changed"] is True
    starrocks.untouched(mark)


def test_the_script_of_the_documentation(starrocks: StarRocks, passes: Passes, product: Driver) -> None:
    text = (ROOT / "docs" / "reconcile.md").read_text("utf-8")
    script = text.partition("```shell\n")[2].partition("```")[0]
    for old, new in (
        ("starrocks/prod", f"{starrocks.namespace}/prod"),
        ("--namespace starrocks", f"--namespace {starrocks.namespace}"),
        ("sleep 5", "sleep 1"),
    ):
        assert old in script
        script = script.replace(old, new)
    tools, person = Path(starrocks.lab.record()["binaries"]), starrocks.lab.kubeconfig
    product.as_root().shell(script, tools, person=person, runs="starrocks_reconcile").succeeded()
    assert set(starrocks.tags.values()) == {"3.3.2"}
    assert passes.mirror is None
    starrocks.assert_settings()
    record = starrocks.record
    assert record is not None
    assert record["phase"] == "done"


@pytest.mark.usefixtures("extended")
def test_the_specs_of_the_documentation(starrocks: StarRocks, passes: Passes) -> None:
    text = (ROOT / "docs" / "reconcile.md").read_text("utf-8")
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fe-upgrade-hooks"}}
    path = f"/api/v1/namespaces/{starrocks.namespace}/configmaps"
    starrocks.api.request("POST", path, {**config, "data": {"before.sql": "SHOW FRONTENDS;\nSHOW BACKENDS;"}})
    specs = [yaml.safe_load(block)["spec"] for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    assert [list(spec) for spec in specs] == [["upgradePreparation"], ["starRocksFeSpec"]]
    ran = []
    for spec in specs:
        passes.change_spec(**spec)
        result = passes.once()
        assert result["phase"] == "Completed", result
        assert starrocks.settings == dict.fromkeys(starrocks.frontends, TWO)
        ran += [hook["name"] for hook in starrocks.resource["status"]["upgradePreparationStatus"]["hooks"]]
        passes.change_spec(upgradePreparation=None, starRocksFeSpec={"upgradeHooks": None})
        passes.until("None")
        starrocks.assert_settings()
    assert ran == ["disable-tablet-clone", "disable-balancer"] * 2 + ["custom"]


# -- StarRocksUpgrade --------------------------------------------------------------------------------------------------


def test_an_upgrade_in_passes(starrocks: StarRocks, passes: Passes) -> None:
    starrocks.set_everywhere(**{LIMIT: "12345"})
    strategies = starrocks.strategies
    name = passes.upgrade("3.3.2", stages={"pre": [{"name": "look", "sql": "SHOW FRONTENDS"}]})
    results = passes.until("Succeeded", UPGRADE, name)
    assert len(results) > 3
    assert set(starrocks.tags.values()) == {"3.3.2"}
    starrocks.assert_settings(**{LIMIT: "12345"})
    starrocks.assert_closed("succeeded", strategies)
    status = passes.status(name)
    assert status["observedGeneration"] == 1
    assert status["progress"] == "7/7"
    assert (passes.condition(name, "Succeeded"), passes.condition(name, "Quiesced")[0]) == (
        ("True", "Succeeded"),
        "False",
    )
    prepared = status["upgradePreparationStatus"]
    assert (prepared["phase"], prepared["completedHooks"]) == ("Completed", ["quiesce", "look"])
    # Each hook and each step was carried out once, in however many passes.
    record = starrocks.record
    assert record is not None
    assert {step["attempts"] for step in record["steps"].values()} == {1}
    assert record["steps"]["pre/0-look"]["hooks"]["look"]["attempts"] == 1


def test_a_finished_upgrade_is_one_read(starrocks: StarRocks, passes: Passes) -> None:
    name = passes.upgrade(None, target=BE)
    passes.until("Succeeded", UPGRADE, name, patience=60)
    mark = starrocks.mark()
    result = passes.once(UPGRADE, name)
    assert (result["phase"], result["changed"], result["requeue_after"]) == ("Succeeded", False, None)
    assert starrocks.queries(mark) == []
    assert len(starrocks.requests(mark)) == 1
    starrocks.untouched(mark)


def test_what_is_waited_for_is_in_the_status(starrocks: StarRocks, passes: Passes) -> None:
    name = passes.upgrade(None, target=BE)
    passes.once(UPGRADE, name)
    starrocks.simulate(tablets={"broken": 4})
    for _pass in range(20):
        result = passes.once(UPGRADE, name)
        if "unhealthy 4 (before: 0)" in result["message"]:
            break
    assert "tablets_settled(prod-be-0): unhealthy 4 (before: 0)" in result["message"]
    assert result["requeue_after"]
    assert passes.condition(name, "Blocked") == ("True", "GateRefused")
    assert passes.condition(name, "Quiesced")[0] == "True"
    # The repair window stays open from pass to pass: to close it would break the repair off.
    mark = starrocks.mark()
    passes.once(UPGRADE, name)
    assert starrocks.setting_changes(mark) == []
    assert {values[LIMIT] for values in starrocks.settings.values()} == {DEFAULTS[LIMIT]}
    mirror = starrocks.resource["metadata"]["annotations"][MIRROR]
    assert '"held":true' in mirror
    starrocks.simulate(tablets={"broken": 0})
    passes.until("Succeeded", UPGRADE, name)
    starrocks.assert_settings()


def test_deadlines_count_over_all_passes(starrocks: StarRocks, passes: Passes) -> None:
    images = {"be": "starrocks/be-ubuntu:3.3.2-never"}
    name = passes.upgrade(None, target={"images": images}, gates=BRIEF_POD_GATES)
    results = passes.until("RolledBack", UPGRADE, name)
    assert any("pod_ready" in result["message"] for result in results)
    assert "prod-be-0 to be back" in passes.status(name)["message"]
    assert set(starrocks.tags.values()) == {"3.3.1"}
    starrocks.assert_settings()
    starrocks.assert_released()
    mark = starrocks.mark()
    assert passes.once(UPGRADE, name)["finished"] is True
    assert starrocks.queries(mark) == []


def test_a_broken_image_is_rolled_back_in_passes(starrocks: StarRocks, passes: Passes) -> None:
    strategies = starrocks.strategies
    name = passes.upgrade("3.3.2-broken", allowMutableTags=True)
    passes.until("RolledBack", UPGRADE, name)
    assert "CrashLoopBackOff" in passes.status(name)["message"]
    assert passes.condition(name, "Succeeded")[0] == "False"
    assert set(starrocks.tags.values()) == {"3.3.1"}
    starrocks.assert_settings()
    starrocks.assert_closed("rolled-back", strategies)


def test_another_spec_is_another_upgrade(starrocks: StarRocks, passes: Passes) -> None:
    name = passes.upgrade(None, target={"images": {"be": "starrocks/be-ubuntu:3.3.2-broken"}})
    passes.until("RolledBack", UPGRADE, name, patience=60)
    passes.change_upgrade(name, target=BE)
    passes.until("Succeeded", UPGRADE, name, patience=60)
    assert starrocks.tags["prod-be-0"] == "3.3.2"
    assert passes.status(name)["observedGeneration"] == 2


def test_an_upgrade_that_is_deleted_puts_everything_back(starrocks: StarRocks, passes: Passes) -> None:
    name = passes.upgrade(None, target={"images": {"be": "starrocks/be-ubuntu:3.3.2-never"}})
    for _pass in range(5):
        passes.once(UPGRADE, name)
    assert passes.status(name)["phase"] == "Running"
    passes.until("Released", UPGRADE, name, state="absent")
    starrocks.assert_settings()
    starrocks.assert_released()
    assert passes.once(UPGRADE, name, state="absent")["changed"] is False
    passes.delete(name)
    assert passes.once(UPGRADE, name)["phase"] == "Gone"


def test_an_upgrade_that_was_killed_in_its_last_write_gives_up_its_lease_when_it_is_deleted(
    starrocks: StarRocks, passes: Passes
) -> None:
    name = passes.upgrade(None, target=BE)
    passes.until("Succeeded", UPGRADE, name, patience=60)
    holder = {"holderIdentity": f"starrocksupgrade/{passes.resource(name)['metadata']['uid']}"}
    path = f"/apis/coordination.k8s.io/v1/namespaces/{starrocks.namespace}/leases"
    patch = {"spec": {**holder, "renewTime": "2999-01-01T00:00:00.000000Z", "leaseDurationSeconds": 30}}
    starrocks.api.request("PATCH", f"{path}/steady-rollout-starrocks-{starrocks.name}", patch, MERGE_PATCH)
    assert passes.once(UPGRADE, name, state="absent")["phase"] == "Released"
    starrocks.assert_released()


def test_an_upgrade_that_was_removed_by_force_is_told_with_the_remedy(
    starrocks: StarRocks, passes: Passes, product: Driver
) -> None:
    name = passes.upgrade(None, target={"images": {"be": "starrocks/be-ubuntu:3.3.2-never"}})
    for _pass in range(5):
        passes.once(UPGRADE, name)
    passes.delete(name)
    passes.annotate(prepare="true", hooks="disable-balancer")
    result = passes.once()
    assert "whose StarRocksUpgrade is gone: run the playbook steady.rollout.starrocks_restore" in result["message"]
    assert result["finished"] is False
    product.restore(starrocks_restore_lease_seconds=5).succeeded()
    starrocks.assert_settings()
    # Nobody else tells of what is no more.
    passes.annotate(prepare=None)
    passes.until("None")
    assert passes.mirror is None


@pytest.mark.parametrize(("end", "state"), [("Failed", "present"), ("Released", "absent")])
def test_a_spec_that_becomes_none_in_the_middle_puts_everything_back(
    end: str, state: str, starrocks: StarRocks, passes: Passes
) -> None:
    name = passes.upgrade(None, target={"images": {"be": "starrocks/be-ubuntu:3.3.2-never"}})
    for _pass in range(5):
        passes.once(UPGRADE, name)
    assert passes.status(name)["openSettings"]
    passes.change_upgrade(name, hooks=["make-coffee"])
    passes.until(end, UPGRADE, name, state=state)
    starrocks.assert_settings()
    starrocks.assert_released()
    if end == "Failed":
        assert (passes.status(name)["reason"], passes.status(name)["openSettings"]) == ("InvalidSpec", [])


def test_a_hook_that_nobody_knows_ends_it_before_anything_is_touched(calm: StarRocks, asked: Driver) -> None:
    passes = Passes(calm, asked)
    name = passes.upgrade("3.3.2", hooks=["make-coffee"])
    mark = calm.mark()
    result = passes.once(UPGRADE, name)
    assert (result["phase"], result["reason"], result["finished"]) == ("Failed", "InvalidSpec", True)
    assert "spec.hooks[0]" in result["message"]
    assert calm.queries(mark) == []
    assert [text for text in calm.writes(mark) if "starrocksupgrades" not in text] == []


def test_a_cluster_that_does_not_answer_is_waited_for(starrocks: StarRocks, passes: Passes) -> None:
    name = passes.upgrade(None, target=BE)
    starrocks.faults({"kind": "refuse"})
    mark = starrocks.mark()
    result = passes.once(UPGRADE, name)
    assert (result["phase"], result["finished"]) == ("Pending", False)
    assert passes.condition(name, "Blocked") == ("True", "Unreachable")
    assert [text for text in starrocks.writes(mark) if "starrocksupgrades" not in text] == []
    starrocks.faults()
    passes.until("Succeeded", UPGRADE, name, patience=60)


# -- two fronts --------------------------------------------------------------------------------------------------------


def test_a_play_ends_what_passes_have_begun(starrocks: StarRocks, passes: Passes, product: Driver) -> None:
    name = passes.upgrade("3.3.2")
    for _pass in range(3):
        passes.once(UPGRADE, name)
    assert passes.status(name)["phase"] == "Running"
    product.upgrade("3.3.2").succeeded()
    starrocks.assert_settings()
    assert passes.once(UPGRADE, name)["phase"] == "Succeeded"
    starrocks.assert_settings()


def test_passes_end_what_a_killed_play_has_begun(starrocks: StarRocks, passes: Passes, product: Driver) -> None:
    run = product.start(product.document("3.3.2"), starrocks_upgrade_lease_seconds=5)
    starrocks.wait_switched_off()
    run.kill()
    name = passes.upgrade("3.3.2")
    results = passes.until("Succeeded", UPGRADE, name, patience=2)
    assert results
    starrocks.assert_settings()
    starrocks.assert_released()


def test_beside_a_play_a_pass_waits(starrocks: StarRocks, passes: Passes, product: Driver) -> None:
    run = product.start(product.document(None, target=BE))
    starrocks.hold_in_window()
    name = passes.upgrade("3.3.3")
    result = passes.once(UPGRADE, name)
    assert (result["phase"], result["finished"]) == ("Pending", False)
    passes.annotate(prepare="true")
    result = passes.once()
    assert result["finished"] is False
    assert result["message"]
    starrocks.simulate(tablets={"broken": 0})
    run.finish().succeeded()
    starrocks.assert_settings()


def test_an_upgrade_takes_over_a_preparation(starrocks: StarRocks, passes: Passes, product: Driver) -> None:
    starrocks.set_everywhere(**{LIMIT: "12345"})
    passes.annotate(prepare="true")
    passes.once()
    product.upgrade(None, target=BE).succeeded()
    starrocks.assert_settings(**{LIMIT: "12345"})
    passes.until("Completed")
    starrocks.assert_settings(**{LIMIT: "12345"})
    mark = starrocks.mark()
    passes.once()
    assert starrocks.queries(mark) == []
