# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What a caller knows to be there, and a type checker does not."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def given(value: T | None, what: str) -> T:
    """The value; LookupError names `what` is missing where the caller was wrong."""
    if value is None:
        raise LookupError(f"there is no {what}")
    return value
