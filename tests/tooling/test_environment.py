# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tools/environment.py: what it checks before any work, and that only a whole environment counts as made."""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import environment
import pytest
from environment import GIB, Environment, Unfit

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of its own, with nothing to install."""
    root = tmp_path / "some checkout"
    (root / "plugins").mkdir(parents=True)
    monkeypatch.setattr(environment, "ROOT", root)
    monkeypatch.delenv("PYTHON", raising=False)
    return root


@pytest.fixture
def made_by(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """The environment of that checkout, without pip and what pip would install."""
    requirements = checkout / "dev.txt"
    requirements.write_text("one==1\n")
    monkeypatch.setattr(environment, "CREATE", ("-m", "venv", "--without-pip"))
    monkeypatch.setattr(environment, "install", lambda _environment, _lock: None)
    return Environment(checkout / ".venv", requirements)


def starts(made: Environment, code: str) -> str:
    """What the environment's Python prints."""
    done = subprocess.run([made.python, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_too_little_disk_is_refused_with_the_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: Usage(10 * GIB, 10 * GIB, GIB // 2))
    with pytest.raises(Unfit, match=r"needs about 6 GiB of disk, and .* has 0\.5 GiB free"):
        environment.check_disk(tmp_path / "absent" / "cache", 6 * GIB, "The first build", "XDG_CACHE_HOME")


def test_too_little_disk_stops_before_anything_is_made(made_by: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: Usage(10 * GIB, 10 * GIB, 0))
    with pytest.raises(Unfit, match="Remedy: free some space"):
        environment.make(made_by)
    assert not made_by.folder.exists()


def test_too_little_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "memory_limit", lambda: 2 * GIB)
    with pytest.raises(Unfit, match=r"needs 3 GiB of memory, and there is 2\.0 GiB"):
        environment.check_memory(3 * GIB, "The lab's control plane")


def test_disk_for_the_lab_matters_only_while_nothing_is_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(environment, "memory_limit", lambda: 8 * GIB)
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: Usage(10 * GIB, 5 * GIB, 5 * GIB))
    with pytest.raises(Unfit, match="set XDG_CACHE_HOME"):
        environment.check_lab()
    (tmp_path / "steady-rollout" / "lab-bin" / "key").mkdir(parents=True)
    environment.check_lab()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unfit, match="cannot be written to"):
        environment.check_writable(tmp_path / "absent")


def test_a_whole_environment_is_made_once(made_by: Environment, capsys: pytest.CaptureFixture[str]) -> None:
    environment.make(made_by)
    assert made_by.is_made()
    assert capsys.readouterr().out
    environment.make(made_by)
    assert not capsys.readouterr().out


def test_the_checkout_is_the_collection_whatever_its_name(made_by: Environment, checkout: Path) -> None:
    environment.make(made_by)
    code = "import ansible_collections.steady.rollout.plugins as p; print(list(p.__path__)[0])"
    assert Path(starts(made_by, code)).resolve() == (checkout / "plugins").resolve()
    link = made_by.folder / "collections" / "ansible_collections" / "steady" / "rollout"
    assert not link.readlink().is_absolute()


def test_a_half_made_environment_is_made_again(made_by: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(_environment: Environment, _lock: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        patch.setattr(environment, "install", killed)
        environment.make(made_by)
    leftover = made_by.folder / "leftover"
    leftover.touch()
    assert not made_by.is_made()
    environment.make(made_by)
    assert made_by.is_made()
    assert not leftover.exists()


def test_other_requirements_make_it_again(made_by: Environment) -> None:
    environment.make(made_by)
    made_by.requirements.write_text("one==2\n")
    assert not made_by.is_made()


def test_a_moved_checkout_makes_it_again(made_by: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment.make(made_by)
    monkeypatch.setattr(environment, "ROOT", tmp_path / "elsewhere")
    assert not made_by.is_made()


def test_a_vanished_python_makes_it_again(made_by: Environment) -> None:
    environment.make(made_by)
    interpreter = made_by.folder / "bin" / Path(made_by.python).resolve().name
    for name in {made_by.python, made_by.folder / "bin" / "python3", interpreter}:
        name.unlink(missing_ok=True)
    assert not made_by.is_made()


def test_a_certain_python_asked_for_makes_it_again_with_that(
    made_by: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.make(made_by)
    monkeypatch.setenv("PYTHON", "python3")
    assert made_by.is_made()
    monkeypatch.setattr(environment, "PYTHON_VERSION", "3.99.0")
    assert not made_by.is_made()


@pytest.mark.parametrize("content", ["", "not json", "[]", '{"state": "unmade"}'])
def test_a_damaged_stamp_is_no_stamp(made_by: Environment, content: str) -> None:
    environment.make(made_by)
    (made_by.folder / environment.STAMP).write_text(content)
    assert not made_by.is_made()


def test_a_folder_of_somebody_else_is_left_alone(made_by: Environment) -> None:
    made_by.folder.mkdir()
    theirs = made_by.folder / "theirs"
    theirs.touch()
    with pytest.raises(Unfit, match="was not made by this project"):
        environment.make(made_by)
    assert theirs.exists()


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Path]:
    """A lock that somebody else has: a lock of flock belongs to whoever opened the file, not to the process."""
    path = tmp_path / "held.lock"
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield path


def test_two_runs_at_once_take_turns(held: Path) -> None:
    code = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[1]); import environment\n"
        "with environment.locked(pathlib.Path(sys.argv[2])): print('mine')"
    )
    tools = str(Path(environment.__file__).parent)
    command = [sys.executable, "-c", code, tools, str(held)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as second:
        assert second.stdout is not None
        assert "another run is making it" in second.stdout.readline()
        second.kill()
        assert "mine" not in second.stdout.read()


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("WARNING: Retrying: NewConnectionError: Failed to establish a new connection", "check the network"),
        ("ERROR: Could not find a version that satisfies one==1 (from versions: none)", "check the network"),
        ("ERROR: Could not install packages: [Errno 28] No space left on device", "free some space"),
        ("ERROR: something else", "its last lines are above"),
    ],
)
def test_a_failed_pip_is_explained(line: str, remedy: str) -> None:
    message = environment.pip_failure([line + "\n"])
    assert line in message
    assert remedy in message


def test_pip_is_not_led_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_TARGET", "elsewhere")
    monkeypatch.setenv("PIP_CERT", "kept.pem")
    given = environment.pip_environment()
    assert "PIP_TARGET" not in given
    assert given["PIP_CERT"] == "kept.pem"


def test_a_lack_ends_with_a_message_and_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment, "memory_limit", lambda: GIB)
    assert environment.main(["--lab"]) == 1
    assert "Remedy: give the machine" in capsys.readouterr().err
