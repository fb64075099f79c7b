# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How tests begin the programs that people begin: in which environment, and with what they print in a file."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def impersonal() -> dict[str, str]:
    """This process's environment without what a person has set for their own playbooks and clusters."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "K8S_AUTH_"))}


def for_ansible(kubeconfig: Path, home: Path) -> dict[str, str]:
    """The environment in which a person with that kubeconfig runs a playbook, with a home of its own for Ansible."""
    return {
        **impersonal(),
        "KUBECONFIG": str(kubeconfig),
        "ANSIBLE_HOME": str(home),
        "ANSIBLE_NOCOLOR": "1",
        "PYTHONIOENCODING": "utf-8",
    }


def begin(
    command: Sequence[str | Path], screen: Path, environment: Mapping[str, str], folder: Path
) -> subprocess.Popen[bytes]:
    """Begin a program in a folder and in a session of its own, without input; what it prints goes to `screen`."""
    with screen.open("wb") as output:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
