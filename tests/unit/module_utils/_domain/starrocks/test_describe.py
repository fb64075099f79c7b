# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans and records in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import describe, settings
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import plan_rollback, plan_upgrade
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import GUIDE, Journal

from .builders import NOW, a_cluster, a_record, a_spec, image


def test_a_plan_says_from_where_to_where_in_how_many_steps() -> None:
    lines = describe.plan_lines(plan_upgrade(a_cluster().snapshot, a_spec(), None, NOW))
    assert "be 3.3.1 -> 3.3.2" in lines[0]
    assert "8 steps" in lines[0]
    assert sum("point of no return" in line for line in lines) == 1
    place = next(n for n, line in enumerate(lines) if "point of no return" in line)
    assert "prod-fe-2" in lines[place + 1]
    assert lines[-1].startswith("plan sha256:")


def test_nothing_to_do_is_said_so() -> None:
    (line,) = describe.plan_lines(plan_upgrade(a_cluster().snapshot, a_spec("3.3.1"), None, NOW))
    assert line.startswith("Nothing to do")


def test_a_frozen_rollback_says_why() -> None:
    there = a_cluster().upgraded("prod-fe-2", "3.4.0").snapshot
    record = a_record(a_cluster().snapshot, a_spec("3.4.0"), "prod-fe-2")
    lines = describe.plan_lines(plan_rollback(there, record, a_spec("3.4.0")))
    assert "Frozen" in lines[0]
    assert "another minor version" in lines[0]


def test_risks_are_told() -> None:
    plan = plan_upgrade(a_cluster(version="3.3.1").snapshot, a_spec("3.4.0"), None, NOW)
    assert any("changes the minor version" in line for line in describe.plan_lines(plan))


def test_a_component_added_after_the_start_is_told() -> None:
    record = a_record(a_cluster().snapshot, a_spec())
    plan = plan_upgrade(a_cluster(cn=1).snapshot, a_spec(), record, NOW)
    assert "cn" in describe.plan_lines(plan)[0]


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        (image("be", "3.3.2"), "3.3.2"),
        (f"be@sha256:{'a' * 64}", "sha256:aaaaaaaaaaaa"),
        ("be", "latest"),
    ],
)
def test_tags(text: str, tag: str) -> None:
    assert describe.tag_of(text) == tag


def test_versions_are_one_or_by_component() -> None:
    assert describe.versions({"fe": image("fe", "3.3.1"), "be": image("be", "3.3.1")}) == "3.3.1"
    assert describe.versions({"fe": image("fe", "3.3.1"), "be": image("be", "3.3.2")}) == "fe 3.3.1, be 3.3.2"
    assert describe.versions({}) == ""


def test_what_is_owed_is_a_sentence_each() -> None:
    journal = settings.open_journal(a_cluster().snapshot, GUIDE, Journal())
    record = a_record(a_cluster().snapshot, a_spec(), journal=journal)
    assert len(describe.open_sentences(record)) == 4
    assert "it was 10000" in describe.open_sentences(record)[0]
    assert describe.open_sentences(None) == []
    closed = {key: replace(entry, state="restored") for key, entry in journal.entries.items()}
    assert describe.open_sentences(replace(record, journal=Journal(closed))) == []


def test_the_place_of_a_step() -> None:
    plan = plan_upgrade(a_cluster().snapshot, a_spec(), None, NOW)
    place = describe.place(plan, plan.steps[1])
    assert (place["index"], place["total"], place["id"]) == (2, 8, "be/prod-be-2")


def test_how_to_go_on_names_the_cluster() -> None:
    assert "starrocks/prod" in describe.resume_sentence("prod", "starrocks")
