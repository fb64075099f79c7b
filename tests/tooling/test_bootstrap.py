# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tools/bootstrap.py: which Python it takes, and what it says when none will do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import bootstrap
import pytest

ROOT = Path(__file__).resolve().parents[2]


def fake_python(folder: Path, name: str, *answers: str) -> Path:
    """A program that answers every probe with the given words."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text("#!/bin/sh\n" + "".join(f"echo {answer}\n" for answer in answers))
    program.chmod(0o755)
    return program


def run(path: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run bootstrap.py under this Python with the given PATH."""
    environment = {"PATH": str(path), **more}
    command = [sys.executable, "-I", str(ROOT / "tools" / "bootstrap.py")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_probe_accepts_the_python_of_the_tests() -> None:
    assert bootstrap.probe(sys.executable) == (sys.version_info[:2], "")


@pytest.mark.parametrize(
    ("answers", "version", "reason"),
    [
        (("3.9",), (3, 9), "is Python 3.9"),
        (("3.14", "venv"), (3, 14), "is Python 3.14"),
        (("3.12",), (3, 12), "is Python 3.12 without the venv and ensurepip modules"),
        (("3.12", "venv"), (3, 12), ""),
        ((), None, "does not run"),
    ],
)
def test_probe_says_why_a_python_will_not_do(
    tmp_path: Path, answers: tuple[str, ...], version: tuple[int, int] | None, reason: str
) -> None:
    assert bootstrap.probe(str(fake_python(tmp_path / "bin", "python3", *answers))) == (version, reason)


def test_a_program_that_cannot_be_started_is_named_with_the_reason(tmp_path: Path) -> None:
    assert bootstrap.probe(str(tmp_path / "absent")) == (None, "cannot be started (No such file or directory)")


def test_a_suitable_python_on_path_is_found_after_an_unsuitable_first_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = fake_python(tmp_path / "bin", "python3", "3.8")
    good = fake_python(tmp_path / "bin", "python3.12", "3.12", "venv")
    started: list[list[str]] = []

    def execv(_path: str, arguments: list[str]) -> None:
        started.append(arguments)
        raise SystemExit(0)

    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("PYTHON", raising=False)
    monkeypatch.setattr(sys, "executable", str(old))
    monkeypatch.setattr(sys, "argv", ["bootstrap.py", "--lab"])
    monkeypatch.setattr(os, "execv", execv)
    with pytest.raises(SystemExit):
        bootstrap.main()
    assert started == [[str(good), "-I", str(ROOT / "tools" / "environment.py"), "--lab"]]


def test_an_old_python_named_by_the_user_is_refused_and_nothing_else_tried(tmp_path: Path) -> None:
    old = fake_python(tmp_path / "bin", "python3.9", "3.9")
    done = run(tmp_path / "bin", PYTHON=str(old))
    assert done.returncode == 1
    assert f"{old} is Python 3.9" in done.stderr
    assert "make PYTHON=" in done.stderr


def test_a_newer_python_is_refused_with_the_remedy(tmp_path: Path) -> None:
    new = fake_python(tmp_path / "bin", "python3.14", "3.14", "venv")
    done = run(tmp_path / "bin", PYTHON=str(new))
    assert done.returncode == 1
    assert "needs Python 3.11, 3.12 or 3.13" in done.stderr
    assert "Remedy: install one of them" in done.stderr


def test_a_python_without_venv_is_refused_with_the_package_to_install(tmp_path: Path) -> None:
    bare = fake_python(tmp_path / "bin", "python3.12", "3.12")
    done = run(tmp_path / "bin", PYTHON=str(bare))
    assert done.returncode == 1
    assert "apt install python3.12-venv" in done.stderr


def test_the_remedy_prefers_the_package_when_any_python_lacks_only_venv() -> None:
    seen = [("/a/python3", (3, 9), "is Python 3.9"), ("/a/python3.11", (3, 11), "is Python 3.11 without venv")]
    assert "python3.11-venv" in bootstrap.remedy(seen)
