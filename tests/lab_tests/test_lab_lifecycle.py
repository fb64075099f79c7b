# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start and end of labs: what they leave, side by side, after crashes, and what is refused."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from steadylab import Lab, build, paths, plane, processes
from steadylab.kube import Api, ApiError
from steadylab.lab import LabError

Run = Callable[..., subprocess.CompletedProcess[str]]


def left_of(lab: Lab) -> tuple[list[int], bool]:
    """The processes that a lab has left, and whether its directory is there."""
    return processes.find(lab.directory), lab.directory.exists()


def wait_middle(lab: Lab, starter: subprocess.Popen[Any]) -> None:
    """Wait until a lab's start is in its middle: two recorded processes are etcd and the API server."""

    def reached() -> bool:
        assert starter.poll() is None, "the starter ended by itself"
        return len((lab.record() or {"processes": ()})["processes"]) >= 2

    until(reached, f"lab {lab.name} is being started")


def test_up_status_and_down(run_command: Run, lab_home: Path) -> None:
    started = run_command("up", "--name", "whole", "--fe", "1", "--be", "1", "--cn", "1")
    assert started.returncode == 0, started.stderr
    kubeconfig = Path(started.stdout.splitlines()[-1])
    assert kubeconfig == lab_home / "steady-rollout" / "labs" / "whole" / "kubeconfig"
    status = run_command("status")
    assert "whole: healthy" in status.stdout
    assert "starrocks/prod: running; BE 1 x starrocks/be-ubuntu:3.3.1" in status.stdout
    assert run_command("down", "--name", "whole").returncode == 0
    assert left_of(Lab("whole")) == ([], False)
    assert "whole" not in run_command("status").stdout


def test_two_labs_side_by_side(shared_lab: Lab) -> None:
    with Lab.up("beside", None) as other:
        one, two = shared_lab.record(), other.record()
        assert one is not None
        assert two is not None
        assert not set(one["ports"].values()) & set(two["ports"].values())
        other.setup_api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "only-here"}})
        assert shared_lab.setup_api.find("Namespace", "only-here") is None
        with pytest.raises(ApiError, match="Unauthorized"):
            _with_server_of(shared_lab, other).list("Namespace")


def _with_server_of(target: Lab, other: Lab) -> Api:
    """A client that brings one lab's user to another lab's server, trusting that server's authority."""
    mixed = json.loads(target.kubeconfig.read_text())
    mixed["users"] = json.loads(other.kubeconfig.read_text())["users"]
    path = other.directory / "mixed"
    path.write_text(json.dumps(mixed))
    return Api(path)


def test_healthy_lab_is_reused_and_other_parameters_are_refused(shared_lab: Lab) -> None:
    before = shared_lab.record()
    Lab.up("shared", None, ready_seconds=0.2, audit=True)
    assert shared_lab.record() == before
    with pytest.raises(LabError, match="is up with other parameters"):
        Lab.up("shared", None, ready_seconds=3)


def test_down_after_a_kill_of_up_leaves_nothing(
    run_command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A home of its own, because `down --all` means all.
    monkeypatch.setenv("STEADY_LAB_HOME", str(tmp_path / "home"))
    build.ensure()
    lab = Lab("killed")
    command = [sys.executable, str(paths.LAB_SOURCE / "up"), "--name", lab.name]
    starter = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_middle(lab, starter)
    starter.send_signal(signal.SIGKILL)
    starter.communicate()
    assert processes.find(lab.directory), "the killed command should have left processes"
    # Nor does down need what was written down.
    (lab.directory / "lab.json").unlink()
    assert run_command("down", "--all").returncode == 0
    assert left_of(lab) == ([], False)
    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.parametrize("running", [False, True], ids=["while it starts", "once it runs"])
def test_a_lab_goes_with_a_starter_that_is_killed(
    running: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A home of its own, because that goes too when its last lab does.
    monkeypatch.setenv("STEADY_LAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(paths.LAB_SOURCE))
    build.ensure()
    lab = Lab("orphan")
    code = f"from steadylab import Lab\nwith Lab.up({lab.name!r}, None):\n    print('up', flush=True)\n    input()\n"
    starter = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    wait_middle(lab, starter)
    if running:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"up\n"
    with contextlib.ExitStack() as ends:
        left = [ends.enter_context(open(os.pidfd_open(pid), "rb")) for pid in processes.find(lab.directory)]
        starter.kill()
        starter.communicate()
        for process in left:
            assert select.select([process], [], [], 60)[0], "a process of the lab goes on"
    assert left_of(lab) == ([], False)
    assert list((tmp_path / "home").iterdir()) == []


def test_up_replaces_a_lab_with_a_dead_part(run_command: Run) -> None:
    with Lab.up("wounded", None) as lab:
        record = lab.record()
        assert record is not None
        victim = next(entry for entry in record["processes"] if entry["name"] == "etcd")
        os.kill(victim["pid"], signal.SIGKILL)
        assert processes.wait_any_end([processes.Component("etcd", victim["pid"], victim["start_ticks"], Path())], 10)
        status = run_command("status")
        assert status.returncode == 1
        assert "wounded: NOT healthy: etcd" in status.stdout
        assert all(Lab.up("wounded", None).health().values())


@pytest.mark.parametrize("whose", ["apiserver", "kubelet"])
def test_port_taken_meanwhile_is_replaced(lab_home: Path, monkeypatch: pytest.MonkeyPatch, whose: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        first, second = plane.Ports.find(), plane.Ports.find()
        offers = iter([dataclasses.replace(first, **{whose: taken}), second])
        monkeypatch.setattr(plane.Ports, "find", lambda: next(offers))
        with Lab.up("crowded", None) as lab:
            record = lab.record()
            assert record is not None
            assert record["ports"] == dataclasses.asdict(second)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_interrupted_up_ends_what_it_started(lab_home: Path, number: signal.Signals) -> None:
    lab = Lab("interrupted")
    command = [sys.executable, str(paths.LAB_SOURCE / "up"), "--name", lab.name, "--ready-seconds", "3600"]
    starter = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_middle(lab, starter)
    starter.send_signal(number)
    _out, err = starter.communicate()
    assert "Traceback" not in err
    assert starter.returncode == 128 + number
    assert processes.find(lab.directory) == []
    lab.down()


def test_down_of_nothing_is_no_error(run_command: Run) -> None:
    result = run_command("down", "--name", "never-there")
    assert (result.returncode, result.stderr) == (0, "lab never-there: there was none\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--name", "Ä b"), "--name='Ä b': use 1 to 40 lower-case letters"),
        (("--name", "../x"), "--name='../x': use 1 to 40"),
        (("--fe", "0"), "--fe=0: use a number from 1 to 50"),
        (("--be", "-1"), "--be=-1: use a number from 0 to 50"),
        (("--version", "a b"), "--version='a b' is not an image tag"),
        (("--ready-seconds", "-1"), "--ready-seconds=-1: use a number from 0 to 3600"),
        (("--ready-seconds", "nan"), "--ready-seconds=nan: use a number from 0 to 3600"),
        (("--operator-version", "new"), "--operator-version='new': use a version such as 1.11.5"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(
    run_command: Run, arguments: tuple[str, ...], message: str
) -> None:
    name = () if arguments[0] == "--name" else ("--name", "refused")
    result = run_command("up", *name, *arguments)
    assert result.returncode in (1, 2)
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not Lab("refused").directory.exists()


def test_audit_log_shows_who_did_what_and_not_the_lab_itself(shared_lab: Lab) -> None:
    before = len(shared_lab.audit_entries())
    shared_lab.api.list("Secret", "default")
    shared_lab.kubectl("create", "configmap", "seen", "--namespace=default")
    entries = shared_lab.audit_entries()[before:]
    done = {(entry["verb"], entry.get("objectRef", {}).get("resource")) for entry in entries}
    assert {("list", "secrets"), ("create", "configmaps")} <= done
    assert {entry["user"]["username"] for entry in entries} == {"steady-lab:admin"}
    assert not any("requestObject" in entry or "responseObject" in entry for entry in entries)


def test_user_may_do_just_what_its_rules_say(shared_lab: Lab, namespace: str) -> None:
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
    api = Api(shared_lab.user_kubeconfig("reader", rules, namespace))
    assert api.list("Pod", namespace)["items"] == []
    with pytest.raises(ApiError, match=r'secrets is forbidden: User "reader" cannot list resource "secrets"'):
        api.list("Secret", namespace)
    with pytest.raises(ApiError, match="forbidden"):
        api.list("Pod", "default")


class TestExistingCluster:
    """LAB_KUBECONFIG, with the shared lab as the existing cluster."""

    def test_without_the_marker_it_is_left_alone(self, run_command: Run, shared_lab: Lab) -> None:
        result = run_command("up", "--name", "guest", LAB_KUBECONFIG=str(shared_lab.kubeconfig))
        assert result.returncode == 1
        assert "that cluster has no namespace steady-lab-marker, so it is left alone" in result.stderr
        assert shared_lab.setup_api.find("Namespace", "starrocks") is None
        run_command("down", "--name", "guest")

    def test_only_what_the_lab_made_goes(self, run_command: Run, shared_lab: Lab, namespace: str) -> None:
        api = shared_lab.setup_api
        api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "steady-lab-marker"}})
        environment = {"LAB_KUBECONFIG": str(shared_lab.kubeconfig)}
        try:
            refused = run_command("up", "--name", "guest", "--namespace", namespace, **environment)
            assert f"namespace '{namespace}' exists and was not made by this lab" in refused.stderr
            small = ("--fe", "1", "--be", "1", "--no-operator")
            started = run_command("up", "--name", "guest", "--namespace", "guest-room", *small, **environment)
            assert started.returncode == 0, started.stderr
            assert api.find("StarRocksCluster", "prod", "guest-room") is not None
            assert run_command("down", "--name", "guest").returncode == 0
            assert left_of(Lab("guest")) == ([], False)
            assert api.find("Namespace", "guest-room") is None
            assert api.find("Namespace", namespace) is not None
            assert api.find("CustomResourceDefinition", "starrocksclusters.starrocks.com") is not None
        finally:
            shared_lab.remove_namespace("steady-lab-marker")
