# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When an object that is being deleted is let go whatever it holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.letting_go import ANNOTATION, why_let_go

SINCE = "2026-11-21T10:00:00Z"
AT = 1_795_255_200.0
DEADLINE = 900.0


@pytest.mark.parametrize(("seconds", "goes"), [(0, False), (899.9, False), (900, True), (9e9, True)])
def test_the_deadline_counts_from_the_deletion(seconds: float, goes: bool) -> None:
    metadata = {"name": "prod", "deletionTimestamp": SINCE}
    assert bool(why_let_go(metadata, AT + seconds, DEADLINE, namespace_goes=False)) is goes


@given(st.floats(0, 1e12))
def test_what_is_not_being_deleted_has_no_deadline(now: float) -> None:
    assert why_let_go({"name": "prod"}, now, DEADLINE, namespace_goes=False) == ""


@pytest.mark.parametrize(("value", "goes"), [("true", True), ("True", False), ("false", False), ("", False)])
def test_the_annotation_lets_go_at_once(value: str, goes: bool) -> None:
    metadata = {"annotations": {ANNOTATION: value}, "deletionTimestamp": SINCE}
    assert (ANNOTATION in why_let_go(metadata, AT, DEADLINE, namespace_goes=False)) is goes


def test_nothing_outlives_its_namespace() -> None:
    assert "namespace" in why_let_go({"deletionTimestamp": SINCE}, AT, DEADLINE, namespace_goes=True)
