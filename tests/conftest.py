# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests that need a lab share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest


def pytest_configure() -> None:
    """Have Ctrl-C work in the programs that tests start, also where a shell has put the tests into its background.

    A shell without job control starts such a job with SIGINT ignored, and that is inherited (POSIX, "Signals and Error
    Handling").
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
