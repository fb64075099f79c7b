# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checkout as the tools see it: its root, its files, and the environment in which programs run on it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
COLLECTIONS = VENV / "collections"
# What a person has set for their own clusters and playbooks must not reach the tests.
PERSONAL = ("ANSIBLE_", "K8S_AUTH_", "KUBECONFIG", "MOLECULE_", "PYTEST_", "PYTHONPATH", "PYTHONHOME")


def files() -> list[Path]:
    """Every file that belongs to the project: tracked or new, not ignored, present; relative to the root."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    paths = sorted({Path(name) for name in listed.split("\0") if name})
    return [path for path in paths if (ROOT / path).is_file()]


def cache_home() -> Path:
    """The user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def search_path() -> str:
    """PATH with this environment's programs first, then the interpreter that it was made from.

    A pyenv shim would ask PYENV_VERSION, which ansible-test drops, and fail; the real interpreter stands before it.
    """
    here = os.path.dirname(sys.executable)
    rest = [
        folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if "shims" not in Path(folder).parts
    ]
    return os.pathsep.join([here, os.path.dirname(os.path.realpath(sys.executable)), *rest])


def environment(**more: str | Path) -> dict[str, str]:
    """The environment for a program: the caller's without personal settings, the collection found, ``more`` added."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PERSONAL)}
    fixed = {"PATH": search_path(), "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "NO_COLOR": "1"}
    return kept | fixed | {name: str(value) for name, value in more.items()}


def heard(command: Sequence[str | Path], **variables: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program on the checkout, without input; what it prints on either stream is its output."""
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
