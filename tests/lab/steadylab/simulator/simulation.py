# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All simulated clusters of one control plane, their listeners, their faults and the passing of time.

Everything here runs in one asyncio event loop; nothing polls: a timer is set for the next thing that happens by itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from steadylab.simulator import answers, statements
from steadylab.simulator.answers import Question, Session, Table
from steadylab.simulator.errors import StatementError
from steadylab.simulator.faults import Fault, Faults
from steadylab.simulator.felog import FrontendLogs
from steadylab.simulator.metahttp import MetaServer, Reply, answer
from steadylab.simulator.model import Frontend, Keystore, Node, Options, Pod
from steadylab.simulator.querylog import Entry, QueryLog
from steadylab.simulator.server import LOOPBACK, ConnectionDropped, FrontendServer, Listener
from steadylab.simulator.versions import TLS_SINCE, Version
from steadylab.simulator.world import Cluster


class Simulation:
    """The simulated clusters by ``namespace/name``, driven by apply_pod and delete_pod."""

    def __init__(
        self,
        *,
        options: Callable[[], Options] = Options,
        seed: int = 0,
        fe_ports: Mapping[str, int] | None = None,
        query_log: QueryLog | None = None,
        fe_logs: FrontendLogs | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.clusters: dict[str, Cluster] = {}
        self.faults = Faults()
        self.query_log = query_log or QueryLog()
        self._fe_logs = fe_logs
        self.clock = clock
        self._options = options
        self._seed = seed
        self._fe_ports = dict(fe_ports or {})
        self._servers: dict[str, FrontendServer] = {}
        self._meta_servers: dict[str, MetaServer] = {}
        self._pods: dict[str, set[str]] = {}
        self._changed = asyncio.Event()
        self._revision = 0
        self._timer: asyncio.TimerHandle | None = None
        self._settling: set[asyncio.Task[None]] = set()
        self._listeners = asyncio.Lock()

    # Pods.

    async def apply_pod(self, pod: Pod) -> None:
        """A pod exists in this state; its listener is open or closed accordingly when this returns."""
        cluster = self.clusters.get(pod.cluster_key)
        if cluster is None:
            cluster = Cluster(pod.namespace, pod.cluster, self.clock(), options=self._options(), seed=self._seed)
            self.clusters[pod.cluster_key] = cluster
        self._pods.setdefault(cluster.key, set()).add(pod.name)
        before = cluster.node(pod.name)
        incarnation = before.incarnation if before else pod.incarnation
        cluster.apply(pod, self.clock())
        if incarnation != pod.incarnation:
            self._drop_clients(f"{pod.namespace}/{pod.name}")
        await self.settle()

    async def delete_pod(self, namespace: str, name: str) -> None:
        """A pod is gone. A cluster without any pod is forgotten, as its storage is the pods' own."""
        for key, pods in list(self._pods.items()):
            if key.partition("/")[0] != namespace or name not in pods:
                continue
            pods.remove(name)
            self.clusters[key].remove(name, self.clock())
            if not pods:
                async with self._listeners:
                    await self._forget(key)
        await self.settle()

    async def _forget(self, key: str) -> None:
        cluster = self.clusters.pop(key)
        del self._pods[key]
        for frontend in cluster.frontends:
            address = f"{cluster.namespace}/{frontend}"
            for server in (self._servers.pop(address, None), self._meta_servers.pop(address, None)):
                if server is not None:
                    await server.stop()

    def cluster(self, key: str | None = None) -> Cluster:
        """A cluster by ``namespace/name``; without a key the only one. Raises ValueError."""
        if key is None and len(self.clusters) == 1:
            return next(iter(self.clusters.values()))
        if key not in self.clusters:
            raise ValueError(f"no cluster {key!r}; there are: {', '.join(sorted(self.clusters)) or 'none'}")
        return self.clusters[key]

    def restart_listener(self, cluster: Cluster, pod: str) -> None:
        """End the connections of an FE whose process has restarted within its pod."""
        self._drop_clients(f"{cluster.namespace}/{pod}")

    def _drop_clients(self, address: str) -> None:
        if address in self._servers:
            self._servers[address].drop_clients()

    # Time.

    async def settle(self) -> None:
        """Let everything due happen, bring the listeners in line, tell who waits, and set the timer."""
        now = self.clock()
        for cluster in self.clusters.values():
            cluster.advance(now)
            if self._fe_logs is not None:
                self._fe_logs.follow(cluster)
        async with self._listeners:
            await self._sync_listeners()
        self._notify()
        self._set_timer()

    async def _sync_listeners(self) -> None:
        for cluster in list(self.clusters.values()):
            for frontend in list(cluster.frontends.values()):
                await self._sync_listener(cluster, frontend)

    async def _sync_listener(self, cluster: Cluster, frontend: Frontend) -> None:
        address = f"{cluster.namespace}/{frontend.pod}"
        server = self._servers.get(address)
        if server is None:
            server = FrontendServer(_FrontendHandler(self, cluster, frontend), self._fe_ports.get(address, 0))
            self._servers[address] = server
            self._meta_servers[address] = MetaServer(self._meta_of(cluster, frontend))
        await _bring_in_line(server, frontend.up and not self.faults.listener_closed(cluster.key, frontend.pod))
        await _bring_in_line(self._meta_servers[address], frontend.up)

    def _meta_of(self, cluster: Cluster, frontend: Frontend) -> Callable[[str, str], Reply]:
        def reply(target: str, authorization: str) -> Reply:
            cluster.advance(self.clock())
            return answer(cluster, frontend, target, authorization, self.clock())

        return reply

    def _notify(self) -> None:
        self._revision += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def next_change(self, seconds: float | None = None) -> None:
        """Wait until anything changes; raises TimeoutError after ``seconds``."""
        await asyncio.wait_for(self._changed.wait(), seconds)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self.clock()
        moments = [at for cluster in self.clusters.values() if (at := cluster.next_event(now)) is not None]
        if moments:
            delay = max(0.0, min(moments) - now)
            self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self.settle_soon()

    def settle_soon(self) -> None:
        """Settle in a task of its own, for callers that cannot wait."""
        task = asyncio.get_running_loop().create_task(self.settle())
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def stop(self) -> None:
        """End all connections, give back all ports, close the log."""
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.gather(*self._settling)
        for server in (*self._servers.values(), *self._meta_servers.values()):
            await server.stop()
        self.query_log.close()

    # Faults.

    async def add_fault(self, fault: Fault) -> int:
        """Put a fault in force; a ``refuse`` with ``seconds`` ends by itself."""
        number = self.faults.add(fault)
        if fault.kind == "refuse" and fault.seconds > 0:
            asyncio.get_running_loop().call_later(fault.seconds, self._end_fault, number)
        await self.settle()
        return number

    def _end_fault(self, number: int) -> None:
        if self.faults.in_force(number):
            self.faults.remove(number)
            self.settle_soon()

    async def remove_faults(self, number: int | None = None) -> None:
        """Remove one fault or all; what hangs goes on. Raises KeyError."""
        self.faults.remove(number)
        await self.settle()

    # Statements.

    async def run(self, cluster: Cluster, fe: Frontend, session: Session, sql: str) -> Table:
        """Run one statement of a client connected to ``fe``, faults included, and log it.

        Raises StatementError or ConnectionDropped.
        """
        executed_by, began = [fe.pod], self.clock()
        try:
            table = await self._run_with_faults(cluster, fe, session, sql, executed_by)
        except StatementError as error:
            self._log(cluster, fe, session, sql, executed_by[0], began, "error", error)
            raise
        except ConnectionDropped:
            self._log(cluster, fe, session, sql, executed_by[0], began, "dropped")
            raise
        except asyncio.CancelledError:
            self._log(cluster, fe, session, sql, executed_by[0], began, "connection lost")
            raise
        self._log(cluster, fe, session, sql, executed_by[0], began, "ok")
        return table

    def _log(
        self,
        cluster: Cluster,
        fe: Frontend,
        session: Session,
        sql: str,
        executed_by: str,
        began: float,
        result: str,
        error: StatementError | None = None,
    ) -> None:
        forwarded_from = fe.pod if executed_by != fe.pod else None
        errno, message = (error.errno, error.message) if error else (None, None)
        at, user, encrypted = self.clock(), session.user, session.encrypted
        entry = Entry(at, cluster.key, executed_by, user, sql, forwarded_from, result, errno, message, encrypted)
        self.query_log.add(replace(entry, seconds=at - began, connection=session.connection_id))

    async def _run_with_faults(
        self, cluster: Cluster, fe: Frontend, session: Session, sql: str, executed_by: list[str]
    ) -> Table:
        fault = self.faults.for_statement(cluster.key, fe.pod, sql)
        if fault is not None:
            await self._before(fault)
        table = await self._execute(cluster, fe, session, sql, executed_by)
        if fault is not None and fault.kind == "drop_after_apply":
            raise ConnectionDropped
        if fault is not None and fault.kind == "error_after_apply":
            raise StatementError(fault.message, fault.errno, fault.sqlstate)
        return table

    async def _before(self, fault: Fault) -> None:
        if fault.kind == "drop":
            raise ConnectionDropped
        if fault.kind == "error":
            raise StatementError(fault.message, fault.errno, fault.sqlstate)
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        while fault.kind == "hang" and self.faults.in_force(fault.fault_id):
            await self.next_change()

    async def _execute(
        self, cluster: Cluster, fe: Frontend, session: Session, sql: str, executed_by: list[str]
    ) -> Table:
        statement = statements.parse(sql)
        answers.check_privileges(statement, cluster.users[session.user].privileges)
        answering = fe
        if answers.goes_to_leader(statement, session):
            answering = await self._leader(cluster)
            executed_by[0] = answering.pod
        cluster.advance(self.clock())
        seen = (cluster.leader, len(cluster.history), len(cluster.events))
        try:
            return answers.answer(statement, Question(cluster, answering, session, self.clock()))
        finally:
            if seen != (cluster.leader, len(cluster.history), len(cluster.events)):
                self.settle_soon()

    async def _leader(self, cluster: Cluster) -> Frontend:
        """The leader; without one a forwarded statement hangs, up to a limit.

        StarRocks operator PR 4: SHOW FRONTENDS can hang.
        """
        deadline = self.clock() + cluster.options.forward_wait_seconds
        while cluster.leader is None and cluster.options.no_leader == "hang":
            left = deadline - self.clock()
            if left <= 0:
                break
            try:
                await self.next_change(left)
            except TimeoutError:
                break
        return cluster.require_leader()

    # State.

    async def state_after(self, revision: int, seconds: float) -> dict[str, Any]:
        """The state once its revision is greater than the one given, or as it is after so many seconds."""
        deadline = self.clock() + seconds
        while self._revision <= revision and (left := deadline - self.clock()) > 0:
            try:
                await self.next_change(left)
            except TimeoutError:
                break
        return self.state()

    def state(self) -> dict[str, Any]:
        """Everything as JSON, without secrets; clusters by ``namespace/name``."""
        now = self.clock()
        for cluster in self.clusters.values():
            cluster.advance(now)
        return {
            "at": now,
            "revision": self._revision,
            "clusters": {key: self._cluster_state(cluster, now) for key, cluster in self.clusters.items()},
            "faults": self.faults.to_json(),
        }

    def _cluster_state(self, cluster: Cluster, now: float) -> dict[str, Any]:
        return {
            "leader": cluster.leader,
            "journal": cluster.journal(now),
            "frontends": {pod: self._frontend_state(cluster, fe, now) for pod, fe in cluster.frontends.items()},
            "backends": {pod: _node_state(node) for pod, node in cluster.backends.items()},
            "compute_nodes": {pod: _node_state(node) for pod, node in cluster.compute_nodes.items()},
            "tablets": {
                "total": cluster.tablets.total,
                "unhealthy": cluster.unhealthy(),
                "pending": cluster.pending(now),
                "running": len(cluster.tablets.running),
                "healed": cluster.tablets.healed,
                "scheduling_limit": cluster.scheduling_limit(),
            },
            "users": {user.name: sorted(user.privileges) for user in cluster.users.values()},
            "images": cluster.images,
            "options": vars(cluster.options),
            "setting_changes": list(cluster.history),
            "events": list(cluster.events),
        }

    def _frontend_state(self, cluster: Cluster, frontend: Frontend, now: float) -> dict[str, Any]:
        address = f"{cluster.namespace}/{frontend.pod}"
        server, meta = self._servers.get(address), self._meta_servers.get(address)
        return {
            **_node_state(frontend),
            "host": LOOPBACK,
            "port": server.port if server else None,
            "http_port": meta.port if meta else None,
            "image": frontend.image,
            "listening": bool(server and server.listening),
            "role": "LEADER" if frontend.pod == cluster.leader else frontend.role,
            "joined": frontend.member,
            "replayed": cluster.replayed(frontend, now),
            "settings": dict(frontend.settings),
        }


async def _bring_in_line(server: Listener, serves: bool) -> None:
    if serves and not server.listening:
        await server.open()
    elif server.listening and not serves:
        await server.close()


def _node_state(node: Node) -> dict[str, Any]:
    return {"fqdn": node.host, "alive": node.up, "version": node.version, "start_time": node.start_time}


class _FrontendHandler:
    """The link from one FE's listener to its cluster."""

    def __init__(self, simulation: Simulation, cluster: Cluster, frontend: Frontend) -> None:
        self._simulation = simulation
        self._cluster = cluster
        self._frontend = frontend

    def auth_string(self, user: str) -> str | None:
        known = self._cluster.users.get(user)
        return known.auth_string if known else None

    def aborts_connection(self) -> bool:
        return self._simulation.faults.aborts_connection(self._cluster.key, self._frontend.pod)

    def keystore(self) -> Keystore | None:
        offers = Version.parse(self._frontend.version) >= TLS_SINCE
        return self._frontend.keystore if offers else None

    def open_session(self, user: str, connection_id: int, encrypted: bool) -> Callable[[str], Awaitable[Table]]:
        variables = answers.session_variables(self._frontend.version)
        session = Session(user, connection_id, variables, encrypted=encrypted)

        def run(sql: str) -> Awaitable[Table]:
            return self._simulation.run(self._cluster, self._frontend, session, sql)

        return run
