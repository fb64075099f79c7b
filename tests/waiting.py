# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How tests wait for what nobody tells them of."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

# What takes seconds; a loaded machine gets its time.
PATIENCE: Final = 180.0


def until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """What the condition comes to as soon as that is something. Files and processes cannot be watched, so it asks."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)
