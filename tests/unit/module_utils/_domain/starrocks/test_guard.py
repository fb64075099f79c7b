# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Job that finishes what a run left off."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.document import Reader
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation import (
    HookRules,
    parse_installation,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.guard import (
    Guard,
    guard_job,
    guard_name,
    parse_guard,
)


def test_without_a_word_there_is_none() -> None:
    assert parse_guard(Reader({}, "spec.guard")) == Guard()
    assert Guard().image == ""


@pytest.mark.parametrize("cluster", ["prod", "a" * 63, "a" * 29 + "-b", "x"])
def test_its_name_is_one_for_each_run_and_short_enough(cluster: str) -> None:
    names = {guard_name(cluster, holder) for holder in ("rollout-1", "rollout-2")}
    assert len(names) == 2
    for name in names:
        assert len(name) <= 63
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name)
        assert "--" not in name


def test_it_restores_that_cluster_and_ends_by_itself() -> None:
    job: Any = guard_job(Guard("ee:1", "guard", 600), "prod", "starrocks", "rollout-1", {"user": "ops"}, HookRules())
    assert json.loads(json.dumps(job)) == job
    assert job["spec"]["activeDeadlineSeconds"] == 600
    pod = job["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "guard"
    container = pod["containers"][0]
    assert container["image"] == "ee:1"
    assert container["command"][:2] == ["ansible-playbook", "steady.rollout.starrocks_restore"]
    assert "cluster=starrocks/prod" in container["command"]
    assert json.loads(container["command"][-1])["starrocks_access"] == {"user": "ops"}


def test_it_knows_the_settings_that_the_installations_hooks_are_about() -> None:
    """What stands in a record alone is not written, and nothing else of the installation is told to the Job."""
    few = {"name": "few-loads", "settings": {"max_running_txn_num_per_db": 10}}
    hooks = {"allowUnsafeSql": True, "allowScripts": True, "catalogue": [few]}
    rules = parse_installation({"hooks": hooks, "notifications": [{"name": "ops", "url": "https://x/canary"}]}).hooks
    job: Any = guard_job(Guard("ee:1"), "prod", "starrocks", "rollout-1", {}, rules)
    given = json.loads(job["spec"]["template"]["spec"]["containers"][0]["command"][-1])["rollout_installation"]
    assert given == {"hooks": {"allowUnsafeSql": True, "catalogue": [few]}}
    assert parse_installation(given).hooks.catalogue == rules.catalogue


def test_it_fits_the_restricted_pod_security_standard() -> None:
    job: Any = guard_job(Guard("ee:1"), "prod", "starrocks", "rollout-1", {}, HookRules())
    pod = job["spec"]["template"]["spec"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    security = pod["containers"][0]["securityContext"]
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert "secret" not in json.dumps(job).lower()
