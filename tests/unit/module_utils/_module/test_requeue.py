# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""requeue_after says what an operator reads with Go's time.ParseDuration, and refuses what that would not read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._module.call import Call, perform
from ansible_collections.steady.rollout.plugins.module_utils._module.requeue import VERB, run


@pytest.mark.parametrize("time", ["5s", "5.0s", "1.5h", "2m30s", "100ms", "0s"])
def test_a_duration_is_repeated_where_the_operator_looks(time: str) -> None:
    assert perform(VERB, Call({"time": time})) == {"changed": False, "period": time}


@given(st.floats(min_value=0, max_value=1e6).map(lambda seconds: round(seconds, 1)))
def test_what_a_pass_returns_is_one(seconds: float) -> None:
    assert run(Call({"time": f"{seconds}s"}))["period"] == f"{seconds}s"


@pytest.mark.parametrize("time", ["", "5", "-5s", "5 s", "five", "5s;", "Nones", "{{ x }}", "5s\n6"])
def test_anything_else_is_refused(time: str) -> None:
    with pytest.raises(Refused, match="not a duration"):
        run(Call({"time": time}))
