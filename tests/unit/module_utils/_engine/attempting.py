# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An attempt of a hook, as the engine of hooks makes one."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._engine.attempts import Attempt
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock


def an_attempt(
    hook: str, *, seconds: float = 20, pass_seconds: float | None = None, stopped: bool = False, **changes: Any
) -> Attempt:
    """The first attempt of a hook that needs no FE; a reconciler's pass may be over in some seconds."""
    clock = changes.pop("clock", None) or Clock()
    stop = changes.pop("stop", None) or threading.Event()
    if stopped:
        stop.set()
    return Attempt(
        **{
            "number": 1,
            "run": "rollout-1",
            "step": f"pre/0-{hook}",
            "hook": hook,
            "identity": "identity",
            "first_started": clock.epoch(),
            "end": clock.ticks() + seconds,
            "pass_end": None if pass_seconds is None else clock.ticks() + pass_seconds,
            "clock": clock,
            "stop": stop,
            "connect": lambda: pytest.fail("this hook connects to no FE"),
            "say": lambda _line: None,
            **changes,
        }
    )
