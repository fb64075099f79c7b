# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Job of a script hook, and how it stands."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation.hooks import HookRules, ScriptRules
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.scripts import (
    GRACE,
    Script,
    Standing,
    check_allowed,
    check_timeout,
    exit_code,
    hindrance,
    job,
    job_name,
    same_execution,
    standing,
)

SCRIPT = Script(
    cluster="prod",
    namespace="starrocks",
    cluster_uid="uid-1",
    stage="pre",
    hook="drain-loads",
    config_map="hooks",
    key="drain.sh",
    text='mysql -u "$FE_USER" -e "SHOW FRONTENDS"\n',
    identity="plan/2026-11-21/pre/1-drain-loads",
    timeout_seconds=120,
    fe_image="starrocks/fe-ubuntu:3.3.1",
    secret="prod-root",
    secret_key="password",
)


def made(script: Script = SCRIPT, **rules: Any) -> Any:
    """The Job as plain data."""
    found = job(script, ScriptRules(**rules))
    assert json.loads(json.dumps(found)) == found
    return found


def container(script: Script = SCRIPT, **rules: Any) -> Any:
    """The Job's only container."""
    (only,) = made(script, **rules)["spec"]["template"]["spec"]["containers"]
    return only


def environment(script: Script = SCRIPT) -> dict[str, Any]:
    """The container's variables."""
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container(script)["env"]}


def test_nobody_runs_a_script_where_it_is_not_allowed() -> None:
    with pytest.raises(Refused, match="script hooks are not allowed here") as caught:
        check_allowed(HookRules(), "spec.stages.pre[0].configMap")
    assert "rollout.steady.dev/allow-unsafe-hooks" in caught.value.remedy
    assert "hooks.allowScripts" in caught.value.remedy
    check_allowed(HookRules(allow_scripts=True), "spec.stages.pre[0].configMap")
    check_allowed(HookRules().within(True), "spec.stages.pre[0].configMap")


def test_a_script_may_not_ask_for_more_time_than_the_installation_gives() -> None:
    rules = HookRules(scripts=ScriptRules(longest_seconds=60))
    check_timeout(rules, 60, "spec.stages.pre[0].timeoutSeconds")
    with pytest.raises(Refused, match=r"timeoutSeconds = 61: too long") as caught:
        check_timeout(rules, 61, "spec.stages.pre[0].timeoutSeconds")
    assert "longestSeconds" in caught.value.remedy


def test_it_runs_once_ends_by_itself_and_goes_away_in_time() -> None:
    spec = made(keep_seconds=4000)["spec"]
    assert (spec["backoffLimit"], spec["completions"], spec["parallelism"]) == (0, 1, 1)
    assert spec["activeDeadlineSeconds"] == 120 + GRACE
    assert spec["ttlSecondsAfterFinished"] == 4000
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


def test_it_goes_with_its_cluster() -> None:
    (owner,) = made()["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("StarRocksCluster", "prod", "uid-1")
    assert not owner["controller"]


def test_it_has_no_token_and_fits_the_restricted_pod_security_standard() -> None:
    pod = made()["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert "serviceAccountName" not in pod
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_script_is_mounted_read_only_and_is_all_of_the_config_map_that_is() -> None:
    pod = made()["spec"]["template"]["spec"]
    volume = next(entry for entry in pod["volumes"] if entry["name"] == "hook")
    assert volume["configMap"] == {
        "name": "hooks",
        "items": [{"key": "drain.sh", "path": "drain.sh"}],
        "defaultMode": 0o555,
    }
    mount = next(entry for entry in container()["volumeMounts"] if entry["name"] == "hook")
    assert mount == {"name": "hook", "mountPath": "/hook", "readOnly": True}


def test_it_is_told_the_fe_and_takes_the_password_from_the_secret() -> None:
    told = environment()
    assert told["FE_HOST"] == told["MYSQL_HOST"] == "prod-fe-service.starrocks.svc"
    assert told["FE_PORT"] == told["MYSQL_TCP_PORT"] == "9030"
    assert told["FE_USER"] == "root"
    assert told["MYSQL_PWD"] == {"secretKeyRef": {"name": "prod-root", "key": "password"}}
    assert (told["ROLLOUT_STAGE"], told["ROLLOUT_HOOK"]) == ("pre", "drain-loads")


def test_without_a_password_there_is_no_variable_for_one() -> None:
    assert "MYSQL_PWD" not in environment(replace(SCRIPT, secret="", secret_key=""))


def test_the_installation_chooses_the_image_else_it_is_the_fes() -> None:
    assert container()["image"] == "starrocks/fe-ubuntu:3.3.1"
    assert container(image="registry.example.org/hooks:1")["image"] == "registry.example.org/hooks:1"
    pulled = made(replace(SCRIPT, pull_secrets=("registry",)))["spec"]["template"]["spec"]
    assert pulled["imagePullSecrets"] == [{"name": "registry"}]


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("echo hello\n", ["/bin/sh", "/hook/drain.sh"]),
        ("#!/usr/bin/env bash\necho hello\n", ["/hook/drain.sh"]),
    ],
)
def test_a_script_says_itself_what_runs_it(text: str, command: list[str]) -> None:
    assert container(replace(SCRIPT, text=text))["command"] == command


@given(
    cluster=st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True),
    hook=st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True),
    identity=st.text(),
)
def test_its_name_is_a_label(cluster: str, hook: str, identity: str) -> None:
    name = job_name(replace(SCRIPT, cluster=cluster, hook=hook, identity=identity))
    assert len(name) <= 63
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name)


def test_one_execution_has_one_name() -> None:
    again = replace(SCRIPT, text="changed meanwhile", fe_image="starrocks/fe-ubuntu:3.3.2")
    assert job_name(again) == job_name(SCRIPT)
    assert job_name(replace(SCRIPT, identity="another run")) != job_name(SCRIPT)


def test_a_job_that_somebody_else_made_is_not_taken_for_it() -> None:
    assert same_execution(made(), SCRIPT)
    assert not same_execution({"metadata": {"name": job_name(SCRIPT)}}, SCRIPT)
    assert not same_execution(made(replace(SCRIPT, identity="another run")), SCRIPT)


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([], Standing("running")),
        ([{"type": "SuccessCriteriaMet", "status": "True"}], Standing("running")),
        ([{"type": "FailureTarget", "status": "True"}], Standing("running")),
        ([{"type": "Complete", "status": "False"}], Standing("running")),
        (
            [{"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True"}],
            Standing("succeeded"),
        ),
        (
            [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "too long"}],
            Standing("failed", "DeadlineExceeded", "too long"),
        ),
    ],
)
def test_a_job_stands_as_its_conditions_say(conditions: list[dict[str, str]], expected: Standing) -> None:
    assert standing({"status": {"conditions": conditions}}) == expected


def pod(**state: Any) -> dict[str, Any]:
    """A pod whose script container is in this state."""
    other = {"name": "sidecar", "state": {"terminated": {"exitCode": 99}}}
    return {"status": {"containerStatuses": [other, {"name": "script", "state": state}]}}


def test_the_exit_code_is_the_scripts() -> None:
    assert exit_code([pod(terminated={"exitCode": 3})]) == 3
    assert exit_code([pod(terminated={})]) == 0
    assert exit_code([pod(running={})]) is None
    assert exit_code([]) is None


def test_what_keeps_it_from_starting_is_told_in_kubernetes_words() -> None:
    assert hindrance([pod(waiting={"reason": "ErrImagePull", "message": "no such image"})]) == (
        "ErrImagePull: no such image"
    )
    assert hindrance([pod(waiting={"reason": "ContainerCreating"})]) == "ContainerCreating"
    nowhere = {
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "full"}]
    }
    assert hindrance([{"status": nowhere}]) == "Unschedulable: full"
    assert hindrance([pod(running={})]) == ""
    assert hindrance([]) == ""
