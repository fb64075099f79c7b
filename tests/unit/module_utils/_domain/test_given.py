# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is there comes back, what is not is named."""

from __future__ import annotations

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.given import given


@pytest.mark.parametrize("value", [0, "", False, "text"])
def test_what_is_there_comes_back(value: object) -> None:
    assert given(value, "value") is value


def test_what_is_missing_is_named() -> None:
    with pytest.raises(LookupError, match="there is no attempt"):
        given(None, "attempt")
