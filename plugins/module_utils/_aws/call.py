# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Run the program that makes tokens, by a Python that has botocore; a token goes through pipes and nowhere else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.database import aws

# botocore tries several times within this, and asks for an instance's credentials last of all.
SECONDS = 60.0


def call(order: Mapping[str, object], program: str, python: str = "", seconds: float = SECONDS) -> dict[str, Any]:
    """What the program answered. Raises NoToken where it cannot be run.

    It has the environment of this process, where botocore looks for credentials.

    :param python: the interpreter; empty for this one
    """
    command = [python or sys.executable, "-c", program]
    try:
        # From the root directory, because Python looks for modules where it stands.
        ended = subprocess.run(
            command, input=json.dumps(order).encode(), capture_output=True, timeout=seconds, cwd="/", check=False
        )
    except subprocess.TimeoutExpired:
        return {"error": {"kind": "TimeoutExpired", "message": f"nothing was answered in {seconds:g} s"}}
    except OSError as error:
        raise aws.no_program(python, f"cannot be started: {error.strerror}") from None
    try:
        found = json.loads(ended.stdout)
    except ValueError:
        found = None
    if ended.returncode or not isinstance(found, dict):
        # Of what it said only the kind of its error is told: the rest can hold what a person configured.
        last = ended.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise aws.no_program(python, f"the program ended with {ended.returncode}: {last.partition(':')[0][:80]}")
    return found
