# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control of a running simulation: the changes a test may ask for, and HTTP on loopback to ask for them.

GET /state, /faults and /queries; GET /state?after=REVISION&seconds=S, which answers once the state is newer than that
revision, or after S seconds; POST /state and /faults; DELETE /faults and /faults/<number>. Bodies and answers are
JSON; a request that cannot be done is answered 400 with {"error": ...} and changes nothing.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from steadylab.simulator.faults import Fault
from steadylab.simulator.model import Frontend, Keystore
from steadylab.simulator.server import LOOPBACK
from steadylab.simulator.simulation import Simulation
from steadylab.simulator.world import Cluster

PasswordSource = Callable[[Cluster], Awaitable[str]]
BODY_LIMIT: Final = 1_000_000


async def _no_secret(cluster: Cluster) -> str:
    raise ValueError(f"{cluster.key} has no Secret to read a password from: give the new password itself")


class Control:
    """Changes to a simulation, from JSON. Every method raises ValueError for what cannot be done."""

    def __init__(self, simulation: Simulation, password_source: PasswordSource = _no_secret) -> None:
        self._simulation = simulation
        self._password_source = password_source
        self._verbs: dict[str, Callable[[Cluster, Any, Mapping[str, Any]], Awaitable[None]]] = {
            "options": self._options,
            "leader": self._leader,
            "successors": self._successors,
            "settings": self._settings,
            "fe_conf": self._fe_conf,
            "users": self._users,
            "tls": self._tls,
            "rotate_password": self._rotate_password,
            "tablets": self._tablets,
            "lag": self._lag,
            "queries_running": self._queries_running,
        }

    async def change(self, document: Mapping[str, Any]) -> None:
        """Carry out a document of changes, in its order.

        cluster: ``namespace/name``, needed when there are several.
        options: fields of model.Options.
        leader: a pod, or a list of pods that lead in turn, ``every`` seconds apart (default: election_seconds);
        ``demoted_exits: true`` restarts the process of the FE that loses the role.
        successors: pods that win the next elections, in this order.
        settings: {pod: {key: value}} in memory now; fe_conf: {pod: {key: value}} for the pod's next start.
        users: {name: {password, privileges: [OPERATE, NODE, SELECT, GRANT]}}; SELECT is on every table.
        tls: {FE pod: {certificate, key: PEM texts, required: false}, or null for an FE without}. Versions before
        3.4.1 do not offer it.
        rotate_password: the new password of root, or true to take what its Secret says now.
        tablets: {broken, error, inconsistent}: numbers that stay until changed.
        lag: {pod: journal entries it trails behind}; queries_running: {pod: number}.
        """
        changes = {name: value for name, value in document.items() if name not in ("cluster", "every", "demoted_exits")}
        unknown = sorted(set(changes) - set(self._verbs))
        if unknown:
            raise ValueError(f"unknown changes {unknown}; known: {sorted(self._verbs)}")
        cluster = self._simulation.cluster(document.get("cluster"))
        for name, value in changes.items():
            await self._verbs[name](cluster, value, document)
        await self._simulation.settle()

    async def add_faults(self, document: Any) -> list[int]:
        """Put one fault or a list of them in force; returns their numbers."""
        documents = document if isinstance(document, list) else [document]
        faults = [Fault.read(item) for item in documents]
        return [await self._simulation.add_fault(fault) for fault in faults]

    async def _options(self, cluster: Cluster, value: Any, document: Mapping[str, Any]) -> None:
        cluster.options.update(value)

    async def _leader(self, cluster: Cluster, value: Any, document: Mapping[str, Any]) -> None:
        now = self._simulation.clock()
        if isinstance(value, list):
            cluster.lead_in_turn(value, float(document.get("every", cluster.options.election_seconds)), now)
            return
        old, exits = cluster.leader, bool(document.get("demoted_exits", False))
        cluster.make_leader(value, now, demoted_exits=exits)
        if exits and old is not None and old != value:
            self._simulation.restart_listener(cluster, old)

    async def _successors(self, cluster: Cluster, value: Any, document: Mapping[str, Any]) -> None:
        cluster.successors = [str(pod) for pod in value]

    async def _settings(self, cluster: Cluster, value: Any, document: Mapping[str, Any]) -> None:
        for pod, values in value.items():
            for key, text in values.items():
                cluster.put_setting(pod, key, str(text), self._simulation.clock())

    async def _fe_conf(self, cluster: Cluster, value: Any, document: Mapping[str, Any]) -> None:
        for pod, values in value.items():
            self._frontend(cluster, pod).conf = {key: str(text) for key, text in values.items()}

    @staticmethod
    def _frontend(cluster: Cluster, pod: str) -> Frontend:
        if pod not in cluster.frontends:
            raise ValueError(f"{cluster.key} has no FE {pod!r}")
        return cluster.frontends[pod]

    async def _users(self, cluster: Cluster, value: Any, document: Mapping[str, Any]) -> None:
        for name, user in value.items():
            cluster.put_user(name, user.get("password", ""), frozenset(user.get("privileges", ())))

    async def _tls(self, cluster: Cluster, value: Any, document: Mapping[str, Any]) -> None:
        for pod, keystore in value.items():
            self._frontend(cluster, pod).keystore = None if keystore is None else _keystore(**keystore)

    async def _rotate_password(self, cluster: Cluster, value: Any, document: Mapping[str, Any]) -> None:
        password = await self._password_source(cluster) if value is True else str(value)
        cluster.set_root_password(password)

    async def _tablets(self, cluster: Cluster, value: Any, document: Mapping[str, Any]) -> None:
        for kind, number in value.items():
            if kind not in ("broken", "error", "inconsistent"):
                raise ValueError(f"unknown kind of tablets {kind!r}; known: broken, error, inconsistent")
            setattr(cluster.tablets, kind, int(number))

    async def _lag(self, cluster: Cluster, value: Any, document: Mapping[str, Any]) -> None:
        for pod, entries in value.items():
            self._frontend(cluster, pod).extra_lag = int(entries)

    async def _queries_running(self, cluster: Cluster, value: Any, document: Mapping[str, Any]) -> None:
        for pod, number in value.items():
            node = cluster.node(pod)
            if node is None:
                raise ValueError(f"{cluster.key} has no node {pod!r}")
            node.queries = int(number)


def _keystore(certificate: str, key: str, required: bool = False) -> Keystore:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w", prefix="steady-lab-") as file:
        file.write(f"{certificate}\n{key}")
        file.flush()
        try:
            context.load_cert_chain(file.name)
        except ssl.SSLError as error:
            raise ValueError(f"no certificate with its key: {error}") from error
    return Keystore(context, required)


class ControlServer:
    """The HTTP side: one request a connection."""

    def __init__(self, simulation: Simulation, control: Control) -> None:
        self._simulation = simulation
        self._control = control
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        """Listen on a free loopback port; returns the URL."""
        self._server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        port = self._server.sockets[0].getsockname()[1]
        return f"http://{LOOPBACK}:{port}"

    def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            method, path, body = await _read_request(reader)
            status, answer = await self._answer(method, path, body)
            await _write_answer(writer, status, answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            # The client went away: nobody is left to answer.
            return
        finally:
            writer.close()

    async def _answer(self, method: str, path: str, body: bytes) -> tuple[str, Any]:
        try:
            document = json.loads(body) if body else {}
            return await self._dispatch(method, path, document)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            return "400 Bad Request", {"error": f"{type(error).__name__}: {error}"}

    async def _dispatch(self, method: str, path: str, document: Any) -> tuple[str, Any]:
        path, query = urlsplit(path).path, dict(parse_qsl(urlsplit(path).query))
        if (method, path) == ("GET", "/state"):
            seconds = float(query.get("seconds", 0))
            return "200 OK", await self._simulation.state_after(int(query.get("after", -1)), seconds)
        if (method, path) == ("GET", "/faults"):
            return "200 OK", self._simulation.faults.to_json()
        if (method, path) == ("GET", "/queries"):
            return "200 OK", self._simulation.query_log.entries()
        if (method, path) == ("POST", "/state"):
            await self._control.change(document)
            return "200 OK", self._simulation.state()
        if (method, path) == ("POST", "/faults"):
            return "200 OK", {"faults": await self._control.add_faults(document)}
        if method == "DELETE" and path.split("/")[:2] == ["", "faults"]:
            number = path.removeprefix("/faults").strip("/")
            await self._simulation.remove_faults(int(number) if number else None)
            return "200 OK", self._simulation.faults.to_json()
        return "404 Not Found", {"error": f"no {method} {path}"}


async def _read_request(reader: asyncio.StreamReader) -> tuple[str, str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    request, *headers = head.split("\r\n")
    method, path, *_ = [*request.split(" "), "", ""]
    length = 0
    for header in headers:
        name, _, value = header.partition(":")
        if name.strip().lower() == "content-length":
            length = min(int(value), BODY_LIMIT)
    return method, path, await reader.readexactly(length)


async def _write_answer(writer: asyncio.StreamWriter, status: str, answer: Any) -> None:
    body = json.dumps(answer).encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    )
    writer.write(head.encode() + b"\r\n" + body)
    await writer.drain()
