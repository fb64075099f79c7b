# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version may follow which."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.path import (
    forbidden_downgrade,
    next_series,
    refused_jump,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.version import Version

from .builders import examples


def version(text: str) -> Version:
    """The version in a text that holds one."""
    parsed = Version.parse(text)
    assert parsed is not None
    return parsed


@pytest.mark.parametrize(
    ("before", "after", "allowed"),
    [
        ("3.3.1", "3.3.2", True),
        ("3.2.11", "3.3.0", True),
        ("2.5.22", "3.0.0", True),
        ("3.5.6", "4.0.0", True),
        ("1.19.7", "2.0.0", True),
        ("3.3.2", "3.3.1", True),
        ("3.2.11", "3.4.0", False),
        ("2.4.0", "3.0.0", False),
        ("2.5.0", "3.1.0", False),
        ("3.3.1", "4.0.0", False),
        ("3.5.0", "4.1.0", False),
        ("2.5.0", "4.0.0", False),
    ],
)
def test_minor_versions_one_by_one(before: str, after: str, allowed: bool) -> None:
    refused = refused_jump(version(before), version(after))
    assert (refused is None) is allowed
    if refused is not None:
        problem, remedy = refused
        assert before in problem
        assert after in problem
        assert ".".join(map(str, next_series(version(before)))) in remedy


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("3.3.1", "3.2.0", "metadata"),
        ("3.3.0", "3.2.1", "metadata"),
        ("3.3.9", "3.2.2", "metadata"),
        ("3.4.1", "3.2.2", "metadata"),
        ("3.3.1", "3.2.3", ""),
        ("4.1.0", "4.0.0", "4.0.6"),
        ("4.1.0", "4.0.5", "4.0.6"),
        ("4.1.0", "4.0.6", ""),
        ("3.4.0", "3.2.9", "more than one minor"),
        ("4.0.0", "3.5.1", ""),
        ("3.0.0", "2.5.9", ""),
        ("3.0.0", "2.4.9", "more than one minor"),
        ("3.3.2", "3.3.1", ""),
        ("3.3.1", "3.3.1", ""),
        ("3.3.1", "3.3.2", ""),
        ("3.2.2", "3.2.0", ""),
    ],
)
def test_ways_down(before: str, after: str, why: str) -> None:
    forbidden = forbidden_downgrade(version(before), version(after))
    assert (why in (forbidden or "")) if why else (forbidden is None)


VERSIONS = st.builds(Version, st.integers(1, 4), st.integers(0, 6), st.integers(0, 30))


@given(VERSIONS, VERSIONS)
@examples(100)
def test_one_rule_at_a_time(one: Version, other: Version) -> None:
    """No pair is both a jump up and a way down; staying inside a minor version is always allowed."""
    jump, down = refused_jump(one, other), forbidden_downgrade(one, other)
    assert jump is None or down is None
    if one.series == other.series:
        assert (jump, down) == (None, None)
