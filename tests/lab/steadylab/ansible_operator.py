# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real ansible-operator: its program, and the Python of its image with its own plugin of ansible-runner."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from steadylab import build, environments, paths

MODULE: Final = "github.com/operator-framework/ansible-operator-plugins"
# In that module; it tells the operator of events over a Unix socket, and is in no package index.
PLUGIN: Final = Path("images", "ansible-operator", "ansible_runner_http")
PLUGIN_NAME: Final = "ansible_runner_http"


@dataclass(frozen=True)
class AnsibleOperator:
    """The program, and the virtual environment whose ansible-runner it calls."""

    program: Path
    environment: Path

    def variables(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """The environment's variables for the program: those inherited, without another Python's."""
        kept = {name: value for name, value in inherited.items() if not name.startswith("PYTHON")}
        path = f"{self.environment / 'bin'}{os.pathsep}{inherited['PATH']}"
        return {**kept, "PATH": path, "VIRTUAL_ENV": str(self.environment)}


def ensure() -> AnsibleOperator:
    """The real ansible-operator, built and installed now if need be.

    :raises build.BuildError: it cannot be built.
    :raises environments.EnvironmentMissing: its Python cannot be made.
    """
    program = build.ensure(build.ANSIBLE_OPERATOR) / "ansible-operator"
    environment = environments.folder("operator")
    with _locked(environment / f"{PLUGIN_NAME}.lock"):
        if not list(environment.glob(f"lib/python3.*/site-packages/{PLUGIN_NAME}")):
            _install_plugin(environment)
    return AnsibleOperator(program, environment)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Only one at a time: its proxy is always asked at port 8888 of the machine (internal/ansible/controller)."""
    home = paths.cache_home()
    home.mkdir(parents=True, exist_ok=True)
    with _locked(home / "ansible-operator.lock"):
        yield


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that ends with the process, however that ends."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install_plugin(environment: Path) -> None:
    """Install it from a copy of its sources, because setuptools writes beside them."""
    with tempfile.TemporaryDirectory(prefix="steady-plugin-") as temporary:
        copy = Path(temporary) / "plugin"
        source = build.sources(build.ANSIBLE_OPERATOR, MODULE) / PLUGIN
        # Go's module cache is read only, and its modes would come along.
        shutil.copytree(source, copy, copy_function=shutil.copyfile)
        copy.chmod(0o755)
        for folder in copy.rglob("*/"):
            folder.chmod(0o755)
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--no-build-isolation"]
        command = [str(environment / "bin" / "python"), "-m", "pip", "install", *options, str(copy)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise environments.EnvironmentMissing(f"ansible-runner's plugin cannot be installed:\n{done.stderr}")
