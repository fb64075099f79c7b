# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
""".ci/run: it tests a clean clone of what is committed, and passes the outcome on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

CI = Path(__file__).resolve().parents[2] / ".ci" / "run"


def git(root: Path, *arguments: str) -> None:
    """Run git in the checkout as somebody."""
    identity = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.invalid")
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


@pytest.mark.parametrize(("recipe", "status"), [("@echo 1 passed", 0), ("@false", 2)])
def test_what_is_committed_is_what_is_tested(tmp_path: Path, recipe: str, status: int) -> None:
    root = tmp_path / "checkout"
    (root / ".ci").mkdir(parents=True)
    (root / ".ci" / "run").write_bytes(CI.read_bytes())
    (root / ".ci" / "run").chmod(0o755)
    (root / "Makefile").write_text(f"test:\n\t{recipe}\n")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "one")
    (root / "Makefile").write_text("test:\n\t@echo not committed\n")
    done = subprocess.run([root / ".ci" / "run"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert done.stdout.startswith("ci: clone of ")
    assert "not committed" not in done.stdout
