# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking gates in order."""

from __future__ import annotations

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.gate import Override, Refusal, first_refusal

FIRST, SECOND = Refusal("one", "pod", "3 of 5"), Refusal("two", "pod", "1 behind")


def test_the_first_refusal_is_told() -> None:
    assert first_refusal([lambda: None, lambda: FIRST, lambda: SECOND], (), 0) is FIRST
    assert first_refusal([lambda: None], (), 0) is None
    assert first_refusal([], (), 0) is None
    assert str(FIRST) == "one(pod): 3 of 5"


def test_after_a_refusal_nothing_more_is_asked() -> None:
    asked: list[str] = []

    def question() -> None:
        asked.append("two")

    assert first_refusal([lambda: FIRST, question], (), 0) is FIRST
    assert asked == []


@pytest.mark.parametrize(("until", "told"), [(10.5, SECOND), (10.0, FIRST), (9.0, FIRST)])
def test_an_override_is_narrow_and_expires(until: float, told: Refusal) -> None:
    assert first_refusal([lambda: FIRST, lambda: SECOND], (Override("one", until, "why"),), 10.0) is told
