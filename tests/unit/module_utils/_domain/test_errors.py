# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors as results."""

from __future__ import annotations

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import (
    Conflict,
    Denied,
    LeaseHeld,
    LeaseLost,
    NotFound,
    Refused,
    RolloutError,
    SqlFailed,
    Unreachable,
)


def test_a_refusal_tells_field_value_and_remedy() -> None:
    error = Refused("spec.onDrift", "ignore", "unknown", remedy="one of: refuse, leader")
    assert error.reason == "spec.onDrift = 'ignore': unknown"
    assert error.as_result() == {
        "msg": "spec.onDrift = 'ignore': unknown\nRemedy: one of: refuse, leader",
        "reason": error.reason,
        "remedy": "one of: refuse, leader",
        "error": "Refused",
        "field": "spec.onDrift",
        "value": "ignore",
    }


def test_a_missing_value_is_not_shown() -> None:
    assert Refused("spec.target", None, "missing", remedy="give one").reason == "spec.target: missing"


def test_without_a_remedy_none_is_promised() -> None:
    assert RolloutError("it broke").as_result()["msg"] == "it broke"


@pytest.mark.parametrize("kind", [Conflict, Denied, LeaseHeld, LeaseLost, NotFound, RolloutError, Unreachable])
def test_only_what_may_pass_is_transient(kind: type[RolloutError]) -> None:
    error = kind("reason", remedy="remedy")
    assert error.transient is (kind is Unreachable)
    assert error.as_result()["error"] == kind.__name__
    assert str(error) == "reason"


def test_an_sql_error_keeps_its_number() -> None:
    error = SqlFailed("access denied", errno=1227, transient=True)
    assert (error.errno, error.transient, error.remedy) == (1227, True, "")
