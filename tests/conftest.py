# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests that need a lab share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def lab_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state directory of this test run, so that no other lab is in the way."""
    home = tmp_path_factory.mktemp("labs")
    before = os.environ.get("STEADY_LAB_HOME")
    os.environ["STEADY_LAB_HOME"] = str(home)
    yield home
    if before is None:
        del os.environ["STEADY_LAB_HOME"]
    else:
        os.environ["STEADY_LAB_HOME"] = before
