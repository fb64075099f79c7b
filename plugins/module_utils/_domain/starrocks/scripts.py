# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Script hooks: the Job that runs a key of a ConfigMap beside the cluster, and how such a Job stands.

It never runs where this collection runs: no service-account token, no rights, nothing but the FE's address and the
password from the Secret that is named to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import digest
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation import UNSAFE_LABEL
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation.hooks import HookRules, ScriptRules

CONTAINER = "script"
FOLDER = "/hook"
IDENTITY = "rollout.steady.dev/hook-identity"
SCRIPT = "rollout.steady.dev/script"
# For the runner to take the log before the Job's own deadline, whose pods are deleted with their logs. Seconds.
GRACE = 60

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Script:
    """One execution of a script hook.

    `identity` makes it one: the same text finds the same Job again. `secret` and `secret_key` name the password's
    Secret, empty where the FE's user has none. `timeout_seconds` is for the script itself.
    """

    cluster: str
    namespace: str
    cluster_uid: str
    stage: str
    hook: str
    config_map: str
    key: str
    text: str
    identity: str
    timeout_seconds: int
    fe_image: str
    user: str = "root"
    secret: str = ""
    secret_key: str = ""
    query_port: int = 9030
    pull_secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """How a Job stands, with the reason and message of the condition that ended it."""

    state: Literal["running", "succeeded", "failed"]
    reason: str = ""
    message: str = ""


def check_allowed(rules: HookRules, path: str) -> None:
    """Refuse a script hook where neither installation nor namespace allows one."""
    if not rules.allow_scripts:
        raise Refused(
            path,
            None,
            "script hooks are not allowed here",
            remedy="ask whoever installed this collection for hooks.allowScripts, or for the label"
            f' {UNSAFE_LABEL}: "true" on the namespace; a .sql key needs neither where its statements are safe',
        )


def check_timeout(rules: HookRules, seconds: float, path: str) -> None:
    """Refuse a script that may take longer than the installation lets one take."""
    most = rules.scripts.longest_seconds
    if seconds > most:
        remedy = f"at most {most} s, as hooks.scripts.longestSeconds of the installation says"
        raise Refused(path, seconds, "too long for a script hook", remedy=remedy)


def job_name(script: Script) -> str:
    """The name of the execution's Job, within the 63 characters of a label's value."""
    cluster = script.cluster[:16].strip("-")
    hook = re.sub(r"[^a-z0-9]+", "-", script.hook.lower())[:12].strip("-") or "hook"
    return f"steady-rollout-script-{cluster}-{hook}-{digest(script.identity)[7:17]}"


def job(script: Script, rules: ScriptRules) -> dict[str, Any]:
    """The Job, fit for the restricted Pod Security Standard."""
    labels = {SCRIPT: "starrocks", "rollout.steady.dev/cluster": script.cluster}
    notes = {IDENTITY: digest(script.identity), "rollout.steady.dev/script-digest": digest(script.text)}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(script),
            "namespace": script.namespace,
            "labels": labels,
            "annotations": notes,
            "ownerReferences": [_owner(script)],
        },
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "activeDeadlineSeconds": script.timeout_seconds + GRACE,
            "ttlSecondsAfterFinished": rules.keep_seconds,
            "template": {"metadata": {"labels": labels}, "spec": _pod(script, rules)},
        },
    }


def same_execution(found: Object, script: Script) -> bool:
    """Whether a Job of that name is this execution's, and not one that somebody else put in its place."""
    annotations = (found.get("metadata") or {}).get("annotations") or {}
    return annotations.get(IDENTITY) == digest(script.identity)


def standing(found: Object) -> Standing:
    """How the Job stands by its conditions.

    FailureTarget and SuccessCriteriaMet come before the pods are gone, Failed and Complete after.
    """
    for condition in (found.get("status") or {}).get("conditions") or ():
        if condition.get("status") == "True" and condition.get("type") in ("Complete", "Failed"):
            state: Literal["succeeded", "failed"] = "succeeded" if condition["type"] == "Complete" else "failed"
            return Standing(state, str(condition.get("reason") or ""), str(condition.get("message") or ""))
    return Standing("running")


def exit_code(pods: Sequence[Object]) -> int | None:
    """The exit code of the script's container; None while it has none."""
    for status in _statuses(pods):
        ended = (status.get("state") or {}).get("terminated")
        if ended is not None:
            return int(ended.get("exitCode") or 0)
    return None


def hindrance(pods: Sequence[Object]) -> str:
    """Why the script's container has not started, in Kubernetes' own words; empty when it has, or nobody knows."""
    for pod in pods:
        for condition in (pod.get("status") or {}).get("conditions") or ():
            if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
                return f"{condition.get('reason')}: {condition.get('message')}"
    for status in _statuses(pods):
        waiting = (status.get("state") or {}).get("waiting")
        if waiting:
            return f"{waiting.get('reason')}: {waiting.get('message') or ''}".rstrip(": ")
    return ""


def _statuses(pods: Sequence[Object]) -> list[Object]:
    found = [status for pod in pods for status in (pod.get("status") or {}).get("containerStatuses") or ()]
    return [status for status in found if status.get("name") == CONTAINER]


def _owner(script: Script) -> dict[str, Any]:
    return {
        "apiVersion": "starrocks.com/v1",
        "kind": "StarRocksCluster",
        "name": script.cluster,
        "uid": script.cluster_uid,
        "controller": False,
        "blockOwnerDeletion": False,
    }


def _pod(script: Script, rules: ScriptRules) -> dict[str, Any]:
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 10,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": rules.run_as_user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(script, rules)],
        "volumes": [
            {
                "name": "hook",
                "configMap": {
                    "name": script.config_map,
                    "items": [{"key": script.key, "path": script.key}],
                    "defaultMode": 0o555,
                },
            },
            {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
        ],
    }
    if script.pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in script.pull_secrets]
    return pod


def _container(script: Script, rules: ScriptRules) -> dict[str, Any]:
    file = f"{FOLDER}/{script.key}"
    return {
        "name": CONTAINER,
        "image": rules.image or script.fe_image,
        # A script says itself what runs it; one that does not is read by the shell.
        "command": [file] if script.text.startswith("#!") else ["/bin/sh", file],
        "workingDir": "/tmp",
        "env": _environment(script),
        "resources": {"requests": {"cpu": rules.cpu, "memory": rules.memory}, "limits": {"memory": rules.memory}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "File",
        "volumeMounts": [
            {"name": "hook", "mountPath": FOLDER, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }


def _environment(script: Script) -> list[dict[str, Any]]:
    """The FE's address and password, also under the names that the mysql client itself reads."""
    host = f"{script.cluster}-fe-service.{script.namespace}.svc"
    values = {
        "HOME": "/tmp",
        "FE_HOST": host,
        "FE_PORT": str(script.query_port),
        "FE_USER": script.user,
        "MYSQL_HOST": host,
        "MYSQL_TCP_PORT": str(script.query_port),
        "ROLLOUT_CLUSTER": script.cluster,
        "ROLLOUT_NAMESPACE": script.namespace,
        "ROLLOUT_STAGE": script.stage,
        "ROLLOUT_HOOK": script.hook,
    }
    variables: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in values.items()]
    if script.secret:
        source = {"secretKeyRef": {"name": script.secret, "key": script.secret_key}}
        variables.append({"name": "MYSQL_PWD", "valueFrom": source})
    return variables
