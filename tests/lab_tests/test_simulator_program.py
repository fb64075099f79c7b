# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator as a program beside an API server: pods from a watch, the password from a Secret, SIGTERM."""

from __future__ import annotations

import base64
import http.server
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pymysql
import pytest
import urllib3

import steadylab.simulator
from steadylab.ports import free_ports
from steadylab.simulator.__main__ import arguments as command_line
from steadylab.simulator.pods import SecretKey, read_pod, root_password

PATIENCE = 120.0


def _document(
    component: str = "fe",
    ordinal: int = 0,
    *,
    version: str = "3.3.1",
    uid: str = "u1",
    ready: bool = True,
    **metadata: Any,
) -> dict[str, Any]:
    reference = {"secretKeyRef": {"name": "prod-root", "key": "password"}}
    return {
        "metadata": {
            "namespace": "starrocks",
            "name": f"prod-{component}-{ordinal}",
            "uid": uid,
            "resourceVersion": "1",
            "labels": {
                "app.starrocks.ownerreference/name": f"prod-{component}",
                "app.kubernetes.io/component": component,
            },
            **metadata,
        },
        "spec": {
            "containers": [
                {
                    "name": component,
                    "image": f"starrocks/{component}-ubuntu:{version}",
                    "env": [{"name": "MYSQL_PWD", "valueFrom": reference}],
                }
            ]
        },
        "status": {
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True" if ready else "False",
                    "lastTransitionTime": "2026-01-02T03:04:05Z",
                }
            ],
            "containerStatuses": [{"name": component, "restartCount": 2, "state": {"running": {}}}],
        },
    }


def test_a_ready_pod_is_up_since_its_condition_says_so() -> None:
    pod = read_pod(_document())
    assert pod is not None
    assert (pod.cluster_key, pod.component, pod.name) == ("starrocks/prod", "fe", "prod-fe-0")
    assert (pod.up, pod.incarnation, pod.started) == (True, "u1/2", 1767323045.0)
    assert pod.host == "prod-fe-0.prod-fe-search.starrocks.svc.cluster.local"


@pytest.mark.parametrize("document", [_document(ready=False), _document(deletionTimestamp="2026-01-02T03:04:06Z")])
def test_a_pod_that_is_unready_or_being_deleted_is_down(document: dict[str, Any]) -> None:
    pod = read_pod(document)
    assert pod is not None
    assert not pod.up


def test_a_running_container_may_be_enough() -> None:
    pod = read_pod(_document(ready=False), up_when_running=True)
    assert pod is not None
    assert pod.up


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"app.kubernetes.io/component": "fe-proxy", "app.starrocks.ownerreference/name": "prod-fe-proxy"},
        {"app.kubernetes.io/component": "fe", "app.starrocks.ownerreference/name": "prod-be"},
    ],
)
def test_other_pods_are_none_of_ours(labels: dict[str, str]) -> None:
    assert read_pod(_document(labels=labels)) is None


def test_where_the_password_of_root_comes_from() -> None:
    assert root_password(_document(), "fe") == SecretKey("starrocks", "prod-root", "password")
    plain = _document()
    plain["spec"]["containers"][0]["env"] = [{"name": "MYSQL_PWD", "value": "plain"}]
    assert root_password(plain, "fe") == "plain"
    plain["spec"]["containers"][0]["env"] = []
    assert root_password(plain, "fe") == ""


class _Plane:
    """As much of an API server as the simulator asks for."""

    def __init__(self) -> None:
        self.pods: dict[str, dict[str, Any]] = {}
        self.password = "s3cret"
        self.lists = 0
        self._version = 10
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        plane = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                plane.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: the tests need no access log."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        address = urlsplit(request.path)
        query = parse_qs(address.query)
        if address.path == "/api/v1/namespaces/starrocks/secrets/prod-root":
            value = base64.b64encode(self.password.encode()).decode()
            self._send(request, {"data": {"password": value}})
        elif "watch" in query:
            self._stream(request)
        else:
            self.lists += 1
            version = {"resourceVersion": str(self._version)}
            self._send(request, {"metadata": version, "items": list(self.pods.values())})

    @staticmethod
    def _send(request: http.server.BaseHTTPRequestHandler, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def _stream(self, request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        while (event := self._events.get()) is not None:
            line = json.dumps(event).encode() + b"\n"
            request.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        request.wfile.write(b"0\r\n\r\n")

    def put(self, document: dict[str, Any]) -> None:
        self._version += 1
        document["metadata"]["resourceVersion"] = str(self._version)
        name = document["metadata"]["name"]
        self._events.put({"type": "MODIFIED" if name in self.pods else "ADDED", "object": document})
        self.pods[name] = document

    def delete(self, name: str) -> None:
        self._events.put({"type": "DELETED", "object": self.pods.pop(name)})

    def end_watch(self, *, too_old: bool) -> None:
        if too_old:
            status = {"code": 410, "reason": "Expired", "message": "too old resource version"}
            self._events.put({"type": "ERROR", "object": status})
        self._events.put(None)

    def forget_events(self) -> None:
        """What was put so far is known from the list."""
        self._events = queue.Queue()

    def close(self) -> None:
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()


class _Program:
    """The running program and its control."""

    def __init__(self, plane: _Plane, folder: Path, *arguments: str) -> None:
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(
            json.dumps(
                {
                    "current-context": "lab",
                    "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
                    "clusters": [{"name": "lab", "cluster": {"server": plane.url}}],
                    "users": [{"name": "lab", "user": {"token": "t"}}],
                }
            )
        )
        self.folder = folder / "simulator"
        command = [
            sys.executable,
            "-m",
            "steadylab.simulator",
            "--kubeconfig",
            str(kubeconfig),
            "--dir",
            str(self.folder),
        ]
        command += ["--options", '{"heal_seconds": 0.1}', "--seed", "7", *arguments]
        root = Path(steadylab.simulator.__file__).parents[2]
        self.process = subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": str(root)}, stderr=subprocess.PIPE, text=True
        )
        self._killer = threading.Timer(PATIENCE, self.process.kill)
        self._killer.start()
        assert self.process.stderr is not None
        self._log = iter(self.process.stderr)
        self._http = urllib3.PoolManager(retries=False, timeout=2 * PATIENCE)
        self.read_log("all pods known")

    def read_log(self, text: str) -> None:
        """Read on in the log to a line with this text."""
        read = []
        for line in self._log:
            read.append(line)
            if text in line:
                return
        pytest.fail(f"the simulator ended without {text!r}:\n{''.join(read)}")

    def call(self, method: str, path: str, body: Any = None) -> Any:
        url = json.loads((self.folder / "control.json").read_text())["url"]
        response = self._http.request(method, url + path, body=None if body is None else json.dumps(body))
        assert response.status == 200, response.data
        return json.loads(response.data)

    def wait(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until a condition holds for the clusters, and return them; the program tells every change."""
        deadline = time.monotonic() + PATIENCE
        revision = -1
        while time.monotonic() < deadline:
            state = self.call("GET", f"/state?after={revision}&seconds={PATIENCE}")
            clusters: dict[str, Any] = state["clusters"]
            if condition(clusters):
                return clusters
            revision = state["revision"]
        pytest.fail(f"waited in vain; the clusters are {clusters}")

    def query(self, pod: str, sql: str, password: str = "s3cret") -> tuple[tuple[Any, ...], ...]:
        frontend = self.call("GET", "/state")["clusters"]["starrocks/prod"]["frontends"][pod]
        with (
            pymysql.connect(host=frontend["host"], port=frontend["port"], user="root", password=password) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(sql)
            return cursor.fetchall()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.ended()

    def ended(self) -> int:
        """The exit code, once it has ended."""
        try:
            return self.process.wait(PATIENCE)
        finally:
            self._killer.cancel()
            self._http.clear()
            assert self.process.stderr is not None
            self.process.stderr.close()


@pytest.fixture
def plane() -> Iterator[_Plane]:
    plane = _Plane()
    for ordinal in range(3):
        plane.put(_document("fe", ordinal, uid=f"fe{ordinal}"))
        plane.put(_document("be", ordinal, uid=f"be{ordinal}"))
    plane.forget_events()
    yield plane
    plane.close()


@pytest.fixture
def program(plane: _Plane, tmp_path: Path) -> Iterator[_Program]:
    program = _Program(plane, tmp_path)
    yield program
    program.stop()


def test_the_program_follows_the_pods(plane: _Plane, program: _Program) -> None:
    """A rolling restart as the API server tells it: unready, deleted, new uid, ready with a new image."""
    assert len(program.query("prod-fe-1", "SHOW FRONTENDS")) == 3
    plane.put(_document("be", 2, uid="be2", deletionTimestamp="2026-01-02T03:05:00Z"))
    clusters = program.wait(lambda now: not now["starrocks/prod"]["backends"]["prod-be-2"]["alive"])
    assert clusters["starrocks/prod"]["tablets"]["unhealthy"] == 30
    plane.delete("prod-be-2")
    plane.put(_document("be", 2, uid="new", version="3.3.2", ready=False))
    plane.put(_document("be", 2, uid="new", version="3.3.2"))
    clusters = program.wait(lambda now: now["starrocks/prod"]["backends"]["prod-be-2"]["version"] == "3.3.2")
    assert clusters["starrocks/prod"]["backends"]["prod-be-2"]["alive"]
    program.wait(lambda now: now["starrocks/prod"]["tablets"]["unhealthy"] == 0)


def test_the_leader_s_pod_goes_and_another_fe_leads(plane: _Plane, program: _Program) -> None:
    plane.delete("prod-fe-0")
    clusters = program.wait(lambda now: now["starrocks/prod"]["leader"] not in (None, "prod-fe-0"))
    assert not clusters["starrocks/prod"]["frontends"]["prod-fe-0"]["listening"]
    plane.put(_document("fe", 0, uid="new", version="3.3.2"))
    program.wait(lambda now: now["starrocks/prod"]["frontends"]["prod-fe-0"]["listening"])
    assert program.query("prod-fe-0", "SELECT current_version()") == (("3.3.2",),)


def test_a_watch_that_ends_is_taken_up_again(plane: _Plane, program: _Program) -> None:
    plane.end_watch(too_old=False)
    plane.delete("prod-be-0")
    program.wait(lambda now: not now["starrocks/prod"]["backends"]["prod-be-0"]["alive"])
    assert plane.lists == 1


def test_a_watch_that_is_too_old_lists_again(plane: _Plane, program: _Program) -> None:
    del plane.pods["prod-be-1"]
    plane.end_watch(too_old=True)
    program.wait(lambda now: not now["starrocks/prod"]["backends"]["prod-be-1"]["alive"])
    assert plane.lists == 2


def test_a_cluster_whose_pods_are_all_gone_is_forgotten(plane: _Plane, program: _Program) -> None:
    for name in list(plane.pods):
        plane.delete(name)
    assert program.wait(lambda now: not now) == {}


def test_the_password_follows_the_secret_when_told_to(plane: _Plane, program: _Program) -> None:
    plane.password = "rotated"
    assert program.query("prod-fe-0", "SELECT 1") == (("1",),)
    program.call("POST", "/state", {"rotate_password": True})
    with pytest.raises(pymysql.err.OperationalError, match="1045"):
        program.query("prod-fe-0", "SELECT 1")
    assert program.query("prod-fe-0", "SELECT 1", "rotated") == (("1",),)


def test_the_program_ends_on_sigterm_and_leaves_its_log(plane: _Plane, program: _Program) -> None:
    program.query("prod-fe-2", "SHOW BACKENDS")
    assert program.stop() == 0
    assert not (program.folder / "control.json").exists()
    entries = [json.loads(line) for line in (program.folder / "queries.jsonl").read_text().splitlines()]
    (asked,) = [entry for entry in entries if entry["sql"] == "SHOW BACKENDS"]
    assert (asked["cluster"], asked["fe"], asked["forwarded_from"]) == ("starrocks/prod", "prod-fe-0", "prod-fe-2")


def test_several_clusters_in_one_plane(plane: _Plane, program: _Program) -> None:
    other = _document("fe", 0, uid="other", version="4.1.0", namespace="staging")
    other["spec"]["containers"][0]["env"] = []
    other["metadata"]["name"] = "prod-fe-0"
    plane.put(other)
    clusters = program.wait(lambda now: "staging/prod" in now and now["staging/prod"]["leader"] is not None)
    assert clusters["staging/prod"]["frontends"]["prod-fe-0"]["version"] == "4.1.0"
    assert clusters["starrocks/prod"]["frontends"]["prod-fe-0"]["version"] == "3.3.1"
    program.call("POST", "/state", {"cluster": "staging/prod", "settings": {"prod-fe-0": {"disable_balance": "true"}}})
    settings = [
        program.call("GET", "/state")["clusters"][key]["frontends"]["prod-fe-0"]["settings"]
        for key in ("staging/prod", "starrocks/prod")
    ]
    assert [values["tablet_sched_disable_balance"] for values in settings] == ["true", "false"]


def test_an_fe_pod_can_be_given_a_port(plane: _Plane, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    program = _Program(plane, tmp_path, "--fe-port", f"starrocks/prod-fe-1={port}")
    frontends = program.call("GET", "/state")["clusters"]["starrocks/prod"]["frontends"]
    assert frontends["prod-fe-1"]["port"] == port
    assert program.stop() == 0


def test_the_program_ends_when_its_watch_fails_for_good(plane: _Plane, program: _Program) -> None:
    broken = _document("be", 3, uid="odd")
    del broken["spec"]
    plane.put(broken)
    assert program.ended() == 1


@pytest.mark.parametrize(
    "arguments",
    [("--fe-port", "prod-fe-1"), ("--options", '{"speed": 1}'), ("--options", "fast")],
    ids=["no port", "unknown option", "no JSON"],
)
def test_a_wrong_command_line_is_refused(arguments: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line(["--kubeconfig", "k", "--dir", "d", *arguments])
    assert ended.value.code == 2
    assert arguments[0] in capsys.readouterr().err
