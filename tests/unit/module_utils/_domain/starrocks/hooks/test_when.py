# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions: compiled and tried before anything runs, and they say true or false or nothing happens."""

from __future__ import annotations

import builtins
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused, RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.when import (
    check_condition,
    holds,
    view,
)

from ..builders import a_cluster, examples

DATA = view(
    a_cluster(fe=3, be=3).snapshot, "upgrade", {"fe": "starrocks/fe-ubuntu:3.3.1"}, {"fe": "starrocks/fe-ubuntu:3.3.2"}
)


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("tablets.unhealthy == `0`", True),
        ("length(workers) > `3`", False),
        ("length(pods[?component=='be' && ready]) == `3`", True),
        ("leader == 'prod-fe-0'", True),
        ("mode == 'shared_data'", False),
        ("run.direction == 'upgrade' && ends_with(run.to.fe, ':3.3.2')", True),
        ("contains(keys(workloads), 'cn')", False),
        ("settings.\"prod-fe-1\".values.tablet_sched_disable_balance == 'false'", True),
        ("blind == `{}`", True),
        ("[length(pods), length(workers)] == [`6`, `3`]", True),
        ("contains(['a', 'b', 'prod-fe-0'], leader) && !contains(`[\"x\", \"y\"]`, leader)", True),
    ],
)
def test_a_condition_sees_the_cluster(expression: str, result: bool) -> None:
    assert holds(expression, "when", DATA) is result


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("tablets.unhealthy ==", "not a JMESPath expression"),
        ("pods[", "not a JMESPath expression"),
        ("nosuchfunction(pods) == `1`", "cannot be evaluated"),
        ("length(nothing) == `1`", "cannot be evaluated"),
        ("tablets.unhealthy", "says int"),
        ("leader", "says str"),
        ("pods", "says list"),
        ("nothing", "says null"),
        ("x" * 1001, "too long"),
        (".".join(["[@,@][]"] * 120) + " == `1`", "copy what it sees too often"),
        ("length(to_string(" + ".".join(["[@,@]"] * 120) + ")) == `1`", "copy what it sees too often"),
        ("|".join(["{a: @, b: @}"] * 60) + " == @", "copy what it sees too often"),
        (".".join(["to_array(`[1,1,1]`)[]"] * 40), "copy what it sees too often"),
    ],
)
def test_a_condition_that_says_neither_is_refused(expression: str, problem: str) -> None:
    with pytest.raises(Refused, match=problem) as caught:
        check_condition(expression, "spec.stages.pre[0].when", DATA)
    assert caught.value.field == "spec.stages.pre[0].when"
    assert caught.value.remedy


def test_what_is_only_compiled_need_not_be_true_or_false() -> None:
    check_condition("leader", "when")


@examples(300)
@given(st.text(alphabet="ab.[]?*|&!=<>`'\"(){}@,: 01", max_size=60))
def test_any_text_is_judged_or_refused(expression: str) -> None:
    try:
        result = holds(expression, "when", DATA)
    except Refused:
        return
    assert isinstance(result, bool)


def test_without_jmespath_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "jmespath":
            raise ImportError("no module named jmespath")
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(RolloutError, match="jmespath cannot be imported"):
        check_condition("leader == 'x'", "when")
