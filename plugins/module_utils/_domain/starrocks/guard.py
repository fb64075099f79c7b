# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The guard: a Job in the cluster that puts the settings back when the runner dies and nobody comes.

It waits for the run's lease to run out, with the collection's own restore playbook, and ends at once when the run has
ended well. Its image is the person's own execution environment: it needs ansible-core and this collection.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import digest
from ansible_collections.steady.rollout.plugins.module_utils._domain.document import OBJECT_FORM, Reader
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation import HookRules
from ansible_collections.steady.rollout.plugins.module_utils._domain.version import Image


@dataclass(frozen=True)
class Guard:
    """What the guard runs as; an empty image means that there is none."""

    image: str = ""
    service_account: str = "default"
    deadline_seconds: int = 86_400


def parse_guard(section: Reader) -> Guard:
    """`guard: {image, serviceAccountName, deadlineSeconds}`."""
    image = section.text("image")
    if image:
        Image.parse(image, section.at("image"))
    account = section.text("serviceAccountName", "default", pattern=OBJECT_FORM)
    seconds = section.whole("deadlineSeconds", 86_400, least=60, most=2_592_000, unit="seconds")
    section.done()
    if account != "default" and not image:
        raise Refused(
            section.at("image"), None, "missing", remedy="name an image with ansible-core and this collection"
        )
    return Guard(image, account, seconds)


def guard_name(cluster: str, holder: str) -> str:
    """One guard for each run, within the length of a Job's name."""
    return f"steady-rollout-guard-{cluster[:30].rstrip('-')}-{digest(holder)[7:15]}"


def guard_job(
    guard: Guard, cluster: str, namespace: str, holder: str, connection: Mapping[str, object], rules: HookRules
) -> dict[str, object]:
    """The Job, fit for the restricted Pod Security Standard. `connection`: how the FEs are reached, without secrets.

    Of what the installation decides it gets which settings hooks may be about, as it has to put those back.
    """
    deadline = guard.deadline_seconds
    known = {"allowUnsafeSql": rules.allow_unsafe_sql, "catalogue": [dict(entry) for entry in rules.catalogue]}
    command = [
        "ansible-playbook",
        "steady.rollout.starrocks_restore",
        "-e",
        f"cluster={namespace}/{cluster}",
        "-e",
        f"starrocks_restore_wait_seconds={deadline}",
        "-e",
        "starrocks_restore_report_dir=",
        "-e",
        json.dumps({"starrocks_access": dict(connection), "rollout_installation": {"hooks": known}}, sort_keys=True),
    ]
    labels = {"rollout.steady.dev/guard": "starrocks", "rollout.steady.dev/cluster": cluster}
    container = {
        "name": "restore",
        "image": guard.image,
        "command": command,
        "env": [{"name": "HOME", "value": "/tmp"}, {"name": "ANSIBLE_LOCAL_TEMP", "value": "/tmp/ansible"}],
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": guard_name(cluster, holder), "namespace": namespace, "labels": labels},
        "spec": {
            "backoffLimit": 3,
            "activeDeadlineSeconds": deadline,
            "ttlSecondsAfterFinished": 3600,
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": guard.service_account,
                    "restartPolicy": "Never",
                    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [container],
                    "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
                },
            },
        },
    }
