# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that makes tokens, as far as it goes without botocore; tests/database/test_aws.py has the rest."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._aws import mint


def test_without_botocore_it_says_so() -> None:
    blocked = "import sys; sys.modules['botocore'] = None\n" + Path(str(mint.__file__)).read_text("utf-8").replace(
        "from __future__ import annotations", ""
    )
    ended = subprocess.run([sys.executable, "-c", blocked], input="{}", capture_output=True, text=True, check=True)
    assert '"kind": "ImportError"' in ended.stdout


def test_it_stands_alone_and_runs_on_older_pythons() -> None:
    tree = ast.parse(Path(str(mint.__file__)).read_text("utf-8"), feature_version=(3, 9))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names} | {
        str(node.module).partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
    }
    assert imported == {"__future__", "botocore", "json", "os", "re", "sys", "typing"}


@pytest.mark.parametrize(
    ("identity", "role", "same"),
    [
        ("arn:aws:sts::123456789012:assumed-role/x/s", "arn:aws:iam::123456789012:role/x", True),
        ("arn:aws:sts::123456789012:assumed-role/x/s", "arn:aws:iam::123456789012:role/a/b/x", True),
        ("arn:aws:sts::123456789012:assumed-role/x/s", "arn:aws:iam::999999999999:role/x", False),
        ("arn:aws:sts::123456789012:assumed-role/y/x", "arn:aws:iam::123456789012:role/x", False),
        ("arn:aws-cn:sts::123456789012:assumed-role/x/s", "arn:aws:iam::123456789012:role/x", False),
        ("arn:aws:iam::123456789012:user/x", "arn:aws:iam::123456789012:role/x", False),
        ("", "", False),
    ],
)
def test_an_identity_is_a_session_of_a_role(identity: str, role: str, same: bool) -> None:
    assert mint.of_role(identity, role) is same
