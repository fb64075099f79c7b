# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs for the tests of the lab itself."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from steadylab import Lab, paths

_COUNTER = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def no_lab_left(lab_home: Path) -> Iterator[None]:
    """Whatever a test leaves running is ended, and counts as a failure.

    The labs of other folders' fixtures that this process has started before outlive this one.
    """
    before = {lab.name for lab in Lab.all()}
    yield
    left = [lab for lab in Lab.all() if lab.name not in before]
    for lab in left:
        lab.down()
    assert not left, f"tests left labs behind: {[lab.name for lab in left]}"


@pytest.fixture(scope="session")
def shared_lab(lab_home: Path) -> Iterator[Lab]:
    """One empty plane for all tests that bring a namespace of their own."""
    with Lab.up("shared", None, ready_seconds=0.2, audit=True) as lab:
        yield lab


@pytest.fixture
def namespace(shared_lab: Lab) -> Iterator[str]:
    """A fresh namespace in the shared lab."""
    name = f"test-{next(_COUNTER)}"
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    shared_lab.setup_api.apply(manifest)
    # No pod is admitted before its account is there, which a controller makes.
    shared_lab.setup_api.wait_for("ServiceAccount", "default", name, lambda account: account is not None, 60)
    yield name
    shared_lab.remove_namespace(name, wait=False)


@pytest.fixture(scope="session")
def run_command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `up`, `down` or `status` as a person would: name, arguments, and variables of the environment by keyword."""
    return _run_command


def _run_command(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(paths.LAB_SOURCE / name), *arguments]
    env = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)
