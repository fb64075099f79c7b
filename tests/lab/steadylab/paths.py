# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the lab keeps its files: everything it makes is below one of two directories of the user."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
LAB_SOURCE = PACKAGE.parent
GO_MODULE = LAB_SOURCE / "go"


def cache_home() -> Path:
    """The user's cache directory for this project (XDG base directory specification)."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base).resolve() / "steady-rollout"


def binaries_home() -> Path:
    """The directory that holds one directory of binaries for each build key."""
    return cache_home() / "lab-bin"


def state_home() -> Path:
    """The directory that holds everything about running labs; `STEADY_LAB_HOME` moves it."""
    base = os.environ.get("STEADY_LAB_HOME") or os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(base).resolve() / "steady-rollout"


def labs_home() -> Path:
    """The directory with one directory for each running lab."""
    return state_home() / "labs"
