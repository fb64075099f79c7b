# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checkout's virtual environments that only some tests need; each is made when a test first asks for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from steadylab import paths

CHECKOUT = paths.LAB_SOURCE.parent.parent


class EnvironmentMissing(Exception):
    """The environment cannot be had; the message says why."""


def folder(name: str) -> Path:
    """The folder of the environment that is made from `requirements/<name>.txt`, made now if need be.

    :raises EnvironmentMissing: it cannot be made.
    """
    command = [sys.executable, "-I", str(CHECKOUT / "tools" / "bootstrap.py"), name]
    result = subprocess.run(command, stdout=sys.stderr, check=False)
    if result.returncode != 0:
        raise EnvironmentMissing(f"the environment .venv-{name} cannot be made; the lines above say why")
    return CHECKOUT / f".venv-{name}"
