# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reactor's edges one by one, where a whole reactor would show less."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from reactor import channel, child, processes
from reactor.__main__ import main, parser
from reactor.app import ansible_environment
from reactor.artifacts import Artifacts, tail
from reactor.contract.fields import Fatal
from reactor.contract.schedule import Key
from reactor.contract.verdict import Hearing
from reactor.contract.watches import Environment, load
from reactor.controller import LONGEST_SILENCE, Controller
from reactor.kubeconfig import Kubeconfigs, in_namespace
from reactor.plugins.callback.reactor_events import CallbackModule
from reactor.screen import Screen
from reactor.serve import Metrics, Server, metrics_answer, probe_answer

KEY = Key("a/v1, Kind=Thing", "team", "one")
KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "here",
    "contexts": [
        {"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "old"}},
        {"name": "there", "context": {"cluster": "d", "user": "v"}},
    ],
    "clusters": [{"name": "c", "cluster": {"server": "https://x:1", "certificate-authority": "ca.crt"}}],
    "users": [{"name": "u", "user": {"token": "t"}}],
}


def leave(files: Artifacts, ident: str, size: int, key: Key = KEY, keep: int = 20) -> Path:
    """A run that printed so much."""
    folder = files.begin(key, "a", "v1", ident)
    (folder / "stdout").write_bytes(b"x" * size)
    files.finish(folder, keep, 0)
    return folder


def test_all_runs_together_leave_no_more_than_the_limit(tmp_path: Path) -> None:
    """The oldest go first, whosever they are; what an earlier process left counts too."""
    files = Artifacts(tmp_path, 2500)
    first = leave(files, "1", 1000)
    second = leave(files, "2", 1000, KEY._replace(name="two"))
    again = Artifacts(tmp_path, 2500)
    third = leave(again, "3", 1000)
    assert [folder.exists() for folder in (first, second, third)] == [False, True, True]


def test_an_object_keeps_as_many_runs_as_it_is_told(tmp_path: Path) -> None:
    """None is all."""
    files = Artifacts(tmp_path, 10**9)
    folders = [leave(files, str(number), 10, keep=0) for number in range(30)]
    assert all(folder.exists() for folder in folders)
    last = leave(files, "last", 10, keep=2)
    assert sum(folder.exists() for folder in folders) == 1
    assert tail(last) == "x" * 10
    files.forget(KEY, "a", "v1")
    assert not last.parent.exists()


def test_names_that_look_like_paths_stay_below_the_root(tmp_path: Path) -> None:
    """Some kinds allow more than letters, digits and dots."""
    folder = leave(Artifacts(tmp_path, 1000), "1", 1, Key("a/v1, Kind=Thing", "team", "system:node/../x"))
    assert tmp_path in folder.resolve().parents
    assert len(folder.relative_to(tmp_path).parts) == 6


def test_a_run_has_a_kubeconfig_of_its_namespace(tmp_path: Path) -> None:
    """With the other contexts left out and the paths of certificates made absolute; readable by this user only."""
    given = tmp_path / "kubeconfig"
    given.write_text(yaml.safe_dump(KUBECONFIG))
    path = Kubeconfigs(tmp_path, str(given)).path("team")
    made = json.loads(path.read_text())
    assert made["contexts"] == [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "team"}}]
    assert made["clusters"][0]["cluster"]["certificate-authority"] == str(tmp_path / "ca.crt")
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_object_of_the_cluster_keeps_the_namespace_of_the_kubeconfig() -> None:
    """It has none of its own."""
    assert in_namespace(KUBECONFIG, "")["contexts"][0]["context"]["namespace"] == "old"


def test_a_pod_without_a_kubeconfig_uses_its_service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its token is read from its file, where it is renewed."""
    for name in ("KUBECONFIG", "K8S_AUTH_KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    made = json.loads(Kubeconfigs(tmp_path, "").path("team").read_text())
    assert made["clusters"][0]["cluster"]["server"] == "https://[fd00::1]:443"
    assert made["users"][0]["user"] == {"tokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token"}


def test_events_come_through_in_whatever_pieces() -> None:
    """And what is no event is dropped."""
    lines = channel.Lines()
    data = b'{"event": "a"}\nnot json\n[1]\n{"event": "b"}\n'
    found = [event for at in range(len(data)) for event in lines.feed(data[at : at + 1])]
    assert [event["event"] for event in found] == ["a", "b"]


def test_a_run_is_heard_however_many_connections_there_are() -> None:
    """A watch holds one for each kind and namespace, and select(2) takes no descriptor from 1024 on."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most[1], 4096), most[1]))
    mine, theirs = socket.socketpair()
    try:
        with theirs, mine, socket.socket(fileno=fcntl.fcntl(mine, fcntl.F_DUPFD_CLOEXEC, 1500)) as high:
            assert not channel.readable(high, 0)
            theirs.sendall(b"x")
            assert channel.readable(high, 60)
            assert high.recv(1) == b"x"
            theirs.close()
            assert channel.readable(high, 60), "the end is something to read"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, most)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({"msg": "as Ansible says it", "message": "or so"}, "as Ansible says it"),
        ({"message": "waits for prod-be-2"}, "waits for prod-be-2"),
        ({"state": {"aspect": "Ready", "message": "is at version 7"}}, "is at version 7"),
        ({"state": "present"}, ""),
        (["no", "mapping"], ""),
    ],
)
def test_what_a_task_says_is_heard(result: Any, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In Ansible's way or in that of this collection's modules."""
    mine, theirs = socket.socketpair()
    task = SimpleNamespace(action="some_module", get_name=lambda: "a task", no_log=False)
    with mine, theirs:
        monkeypatch.setattr(child, "_current", child.Run(theirs, tmp_path / "variables"))
        CallbackModule().v2_runner_on_ok(SimpleNamespace(_task=task, _result=result))
        (event,) = channel.Lines().feed(mine.recv(65536))
    hearing = Hearing()
    hearing.hear(event)
    assert hearing.verdict().last == said


def test_an_order_without_a_sender_is_an_end() -> None:
    """Of the run that waits for it."""
    mine, theirs = socket.socketpair()
    theirs.sendall(b"\0\0\0")
    theirs.close()
    with mine, pytest.raises(EOFError):
        channel.receive_order(mine)


def test_the_whole_tree_of_a_process_is_killed() -> None:
    """Also what has left its session."""
    script = "import os, time; pid = os.fork(); pid or os.setsid(); os.write(1, b'%d\\n' % os.getpid()); time.sleep(99)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids = {int(process.stdout.readline()) for _ in range(2)}
        assert processes.descendants(process.pid) | {process.pid} == pids
        processes.kill_tree(process.pid)
        process.wait()
    assert not processes.descendants(process.pid)


class Quiet:
    """A feed that has given no sign of life for so long."""

    def __init__(self, seconds: float) -> None:
        self.silent_seconds = seconds


def a_controller() -> Controller:
    """One of a single kind, which has not begun."""
    entry = "- {group: a, version: v1, kind: Thing, playbook: /x.yml}"
    watches = load(entry, Environment({}, "/", "/", lambda path: True))
    unused: Any = None
    return Controller(unused, unused, unused, watches, (), 1, Screen(), unused, Metrics("x"))


def test_it_is_not_ready_before_it_knows_its_objects() -> None:
    """From the first moment on; a kind that is not installed is not waited for."""
    controller = a_controller()
    (kept,) = controller._kinds.values()
    assert controller.not_synced() == "a/v1, Kind=Thing"
    kept.complained = True
    assert controller.not_synced() == ""
    kept.complained = False
    kept.synced.add("")
    assert controller.not_synced() == ""


def test_a_silent_watch_is_a_dead_one() -> None:
    """The probe says which; that is what ends a watch which nobody would miss."""
    controller = a_controller()
    (kept,) = controller._kinds.values()
    kept.feeds = [Quiet(1.0), Quiet(LONGEST_SILENCE - 1)]  # type: ignore[list-item]
    assert controller.silence() == ""
    kept.feeds = [Quiet(1.0), Quiet(LONGEST_SILENCE + 1)]  # type: ignore[list-item]
    assert controller.silence() == "the watch of a/v1, Kind=Thing"
    assert probe_answer(controller.silence())[0] == 503


def test_an_address_that_is_none_or_is_taken_is_fatal() -> None:
    """Before anything is watched."""
    with pytest.raises(Fatal, match="is no address"):
        Server("localhost", {})
    server = Server("127.0.0.1:0", {"/metrics": lambda: metrics_answer(Metrics("x"))})
    try:
        with pytest.raises(Fatal, match="cannot be listened on"):
            Server(f"127.0.0.1:{server.port}", {})
    finally:
        server.close()


def test_callbacks_and_paths_of_the_person_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reactor's own are added to them."""
    monkeypatch.setenv("ANSIBLE_CALLBACKS_ENABLED", "ansible.posix.timer")
    monkeypatch.setenv("ANSIBLE_CALLBACK_PLUGINS", "/mine")
    made = ansible_environment(tmp_path)
    assert made["ANSIBLE_CALLBACKS_ENABLED"] == "ansible.posix.timer,reactor_events"
    assert made["ANSIBLE_CALLBACK_PLUGINS"].startswith("/mine:")
    assert made["PYTHONPATH"].split(os.pathsep)[0].endswith("operator")


def test_flags_have_the_names_and_defaults_of_ansible_operator() -> None:
    """So that one Deployment's arguments do for both."""
    given = parser().parse_args([])
    assert (given.watches_file, given.reconcile_period, given.ansible_verbosity) == ("./watches.yaml", 36000.0, 2)
    assert (given.metrics_bind_address, given.health_probe_bind_address) == (":8443", ":6789")
    assert (given.graceful_shutdown_timeout, given.leader_elect) == (30.0, False)
    assert (given.leader_elect_lease_duration, given.leader_elect_renew_deadline) == (15.0, 10.0)


def test_a_file_that_is_not_there_ends_it_with_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And status 1."""
    assert main(["--watches-file", str(tmp_path / "none.yaml")]) == 1
    assert "cannot be read" in capsys.readouterr().err
