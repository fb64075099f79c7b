# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watches obey the rules that the ansible-operator and its traps ask for, and set what an author must not.

The fields and what becomes of them: operator-framework/ansible-operator-plugins v1.42.3, internal/ansible/watches.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

Json = dict[str, Any]
ROOT = Path(__file__).parents[3]
OPERATOR = ROOT / "operator"
TEXT = (OPERATOR / "watches.yaml").read_text("utf-8")
ALL: list[Json] = yaml.safe_load(TEXT)
# The fields that the ansible-operator reads; another one it would silently leave out.
FIELDS = set(
    "group version kind playbook role vars reconcilePeriod manageStatus watchDependentResources blacklist finalizer"
    " watchClusterScopedResources snakeCaseParameters watchAnnotationsChanges markUnsafe maxRunnerArtifacts"
    " selector".split()
)
each = pytest.mark.parametrize("watch", ALL, ids=lambda watch: watch["kind"])


def playbook_of(watch: Json) -> Json:
    """The play that a watch runs."""
    name = watch["playbook"].removeprefix("${ROLLOUT_PLAYBOOKS}/")
    plays: list[Json] = yaml.safe_load((ROOT / "playbooks" / "operator" / name).read_text("utf-8"))
    assert len(plays) == 1
    return plays[0]


def test_each_kind_has_the_same_watch_alone() -> None:
    single = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in (OPERATOR / "watches").glob("*.yaml")}
    assert single == {watch["kind"].lower(): [watch] for watch in ALL}


@each
def test_every_field_is_known(watch: Json) -> None:
    assert watch.keys() <= FIELDS


def test_no_two_controllers_have_one_name() -> None:
    names = [f"{watch['kind']}-{watch['version']}".lower() for watch in ALL]
    assert sorted(names) == sorted(set(names))


@each
def test_the_ground_rules(watch: Json) -> None:
    assert watch["snakeCaseParameters"] is False
    assert watch["markUnsafe"] is True
    assert watch["manageStatus"] is False
    assert watch["watchDependentResources"] is False
    # A run may overlap with the end of the one before, whose folder the symbolic link `latest` still names: with three
    # that link would be among those to be removed (ansible-runner 2.4.3, utils/__init__.py: cleanup_artifact_dir).
    assert 4 <= watch["maxRunnerArtifacts"] <= 10
    assert re.fullmatch(r"[1-9]\d*[smh]", watch["reconcilePeriod"])


@each
def test_what_decides_a_step_is_not_read_from_a_cache(watch: Json) -> None:
    kinds = {entry["kind"] for entry in watch["blacklist"]}
    assert {"Secret", "ConfigMap", "Lease", "Pod", "Job", "Namespace", "Event", watch["kind"]} <= kinds
    assert all(entry.keys() == {"group", "version", "kind"} for entry in watch["blacklist"])


@each
def test_only_our_own_kinds_are_held_by_a_finalizer(watch: Json) -> None:
    ours = watch["group"] != "starrocks.com"
    assert ("finalizer" in watch) is ours
    if ours:
        assert watch["finalizer"] == {"name": "rollout.steady.dev/release", "vars": {"rollout_state": "absent"}}
    assert watch.get("watchAnnotationsChanges", False) is not ours


@each
def test_a_play_reads_nothing_that_the_watch_does_not_set(watch: Json) -> None:
    play = playbook_of(watch)
    text = yaml.safe_dump(play)
    known = {"ansible_operator_meta", "rollout_pass", *watch["vars"]}
    used = set(re.findall(r"\{\{-?\s*([a-z_]+)", text)) | set(re.findall(r"'installation': (\w+)", text))
    assert used <= known
    assert {"rollout_installation", "rollout_state"} <= watch["vars"].keys()
    assert play["hosts"] == "localhost"


@each
def test_a_play_is_one_pass_with_timeouts_that_asks_to_be_run_again_last(watch: Json) -> None:
    tasks = playbook_of(watch)["tasks"]
    *passes, again, end = tasks
    assert [len(passes), "requeue_after" in again, end["ansible.builtin.meta"]] == [1, True, "end_play"]
    assert all(task["timeout"] for task in (*passes, again))
    assert "rescue" not in yaml.safe_dump(tasks)


def test_no_dollar_is_left_for_the_operator_to_guess_at() -> None:
    names = re.findall(r"[$]({[A-Z_]+})?", TEXT)
    assert set(names) == {"{ROLLOUT_PLAYBOOKS}", "{ROLLOUT_CONFIG}"}
