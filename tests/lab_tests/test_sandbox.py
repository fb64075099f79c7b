# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs in namespaces of their own: what they see, how they end, and what is said where it cannot be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from steadylab import paths, sandbox
from steadylab.podrunner import images
from steadylab.sandbox import Bind, Plan


class Sandbox:
    """Runs shell scripts in a sandbox with the machine's programs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.report = directory / "report"
        (directory / "root").mkdir()

    def plan(self, argv: list[str], **more: Any) -> Path:
        image = images.host()
        binds = [Bind(source, target) for target, source in sorted(image.files.items())]
        binds += more.pop("binds", [])
        more = {"environment": dict(image.environment), "directories": ["/tmp"], **more}
        path = self.directory / "plan.json"
        Plan(str(self.directory / "root"), str(self.report), argv, binds=binds, **more).write(path)
        return path

    def run(self, script: str, **more: Any) -> subprocess.CompletedProcess[str]:
        return self.execute(["/bin/sh", "-c", script], **more)

    def execute(self, argv: list[str], **more: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(sandbox.command(self.plan(argv, **more)), capture_output=True, text=True, check=False)


@pytest.fixture
def box(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


def test_only_what_is_bound_is_there(box: Sandbox) -> None:
    shown = box.run("ls -A /; ls -A /tmp; cat /marker", files={"/marker": "placed"})
    assert shown.returncode == 0, shown.stderr
    names = set(shown.stdout.split())
    assert {"dev", "proc", "tmp", "usr", "placed"} <= names
    assert names.isdisjoint({"home", "root", "srv", "opt", "mnt"})


def test_it_is_alone_in_its_process_tree(box: Sandbox) -> None:
    assert box.run("echo $$").stdout == "1\n"


def test_user_group_and_host_name_are_those_of_the_plan(box: Sandbox) -> None:
    shown = box.run("id -u; id -g; cat /proc/sys/kernel/hostname", uid=65532, gid=65533, hostname="pod-1")
    assert shown.stdout.split() == ["65532", "65533", "pod-1"]


def test_volume_is_shared_and_the_rest_can_be_read_only(box: Sandbox, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    volume.chmod(0o777)
    shown = box.run(
        "echo kept > /shared/file && ! touch /other && ! touch /usr/other && ! touch /fixed/file",
        binds=[Bind(str(volume), "/shared", False), Bind(str(volume), "/fixed", True)],
        read_only_root=True,
        uid=65532,
    )
    assert shown.returncode == 0, shown.stderr
    assert (volume / "file").read_text() == "kept\n"


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$; sh -c 'kill -9 $$'", 137)])
def test_exit_code_is_the_programs(box: Sandbox, script: str, code: int) -> None:
    assert box.run(script).returncode == code


@pytest.mark.parametrize(
    ("argv", "more", "reason"),
    [
        (["/bin/no-such"], {}, 'exec: "/bin/no-such": No such file or directory'),
        (["no-such"], {}, 'exec: "no-such": executable file not found in $PATH'),
        (["/bin/sh"], {"working_directory": "/no/such"}, "chdir to cwd ('/no/such'): No such file or directory"),
        (["/bin/sh"], {"binds": [Bind("/no/such", "/x")]}, "mount /no/such"),
    ],
)
def test_failed_start_says_why(box: Sandbox, argv: list[str], more: dict[str, Any], reason: str) -> None:
    assert box.execute(argv, **more).returncode == sandbox.START_ERROR
    assert reason in box.report.read_text()


def test_environment_is_the_plans_alone(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_CALLER", "seen")
    shown = box.execute(["/usr/bin/env"], environment={"ONLY": "this"})
    assert shown.stdout == "ONLY=this\n"


def test_plan_with_its_secrets_is_gone_once_it_runs(box: Sandbox) -> None:
    plan = box.plan(["/bin/true"])
    assert plan.stat().st_mode & 0o777 == 0o600
    subprocess.run(sandbox.command(plan), check=True)
    assert not plan.exists()


def _start(box: Sandbox, script: str) -> subprocess.Popen[str]:
    """Start a script that prints a line when it is ready, and return then."""
    plan = box.plan(["/bin/sh", "-c", script])
    process = subprocess.Popen(sandbox.command(plan), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_request_to_end_reaches_the_program(box: Sandbox) -> None:
    process = _start(box, "trap 'echo asked; exit 3' TERM; echo ready; while :; do sleep 0.05; done")
    process.terminate()
    assert process.communicate()[0] == "asked\n"
    assert process.returncode == 3


def test_all_it_started_ends_with_the_one_who_started_it(box: Sandbox) -> None:
    """The pipe's end comes only when every process that holds it has ended."""
    process = _start(box, "trap '' TERM; (trap '' TERM; echo ready; sleep 1000) & wait; sleep 1000")
    process.send_signal(signal.SIGKILL)
    assert process.communicate()[0] == ""


def test_it_can_be_done_here(tmp_path: Path) -> None:
    assert sandbox.why_not(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def _python(script: str, *wrapper: str) -> subprocess.CompletedProcess[str]:
    """Run Python code that can import the lab, inside a command."""
    env = {**os.environ, "PYTHONPATH": str(paths.LAB_SOURCE), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [*wrapper, sys.executable, "-c", script]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_reason_is_told_where_namespaces_are_forbidden(tmp_path: Path) -> None:
    """As in a container without rights: root without capabilities."""
    script = f"from pathlib import Path; from steadylab import sandbox; print(sandbox.why_not(Path({str(tmp_path)!r})))"
    powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
    shown = _python(script, "unshare", "--user", "--map-root-user", *powerless)
    assert shown.stdout == "a new process namespace as root: Operation not permitted\n", shown.stderr


def test_ordinary_user_gets_the_same_by_a_user_namespace(box: Sandbox, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    script = "id -u; id -g; echo $$; touch /shared/file; ls -ln /shared; touch /other || echo fixed"
    binds = [Bind(str(volume), "/shared", False)]
    plan = box.plan(["/bin/sh", "-c", script], binds=binds, uid=65532, gid=65532, read_only_root=True)
    ordinary = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    shown = _python(f"import os; os.execv({sys.executable!r}, {sandbox.command(plan)!r})", *ordinary)
    words = shown.stdout.split()
    assert (words[:3], words[-1]) == (["65532", "65532", "1"], "fixed"), shown.stderr
    assert "65532 65532" in shown.stdout
    assert (volume / "file").stat().st_uid == os.getuid()
