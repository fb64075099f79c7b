# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated StarRocks cluster without a control plane, for tests that talk to it over the wire.

with harness.start(fe=3, be=3, version="3.3.1") as cluster:
    host, port = cluster.address("prod-fe-0")
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar

import pymysql
from pymysql.cursors import DictCursor

from steadylab.simulator.control import Control, ControlServer
from steadylab.simulator.model import Component, Options, Pod
from steadylab.simulator.server import LOOPBACK
from steadylab.simulator.simulation import Simulation

Result = TypeVar("Result")
FeConnection: TypeAlias = "pymysql.Connection[DictCursor]"
PATIENCE = 60.0
"""Seconds after which a wait of a test has failed."""
IMPATIENCE = 2.0
"""The read timeout of a client that does not wait for an answer; its login has to come in that time as well."""


@dataclass
class _PodState:
    component: Component
    image: str
    up: bool = True
    starts: int = 1


class Harness:
    """A running simulation in a thread of its own, with one cluster whose pods the test moves."""

    def __init__(self, namespace: str, name: str, password: str, options: Options, seed: int) -> None:
        self.namespace = namespace
        self.name = name
        self.password = password
        self._options = options
        self._pods: dict[str, _PodState] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="starrocks-simulator", daemon=True)
        self._thread.start()
        self._simulation = self._call(self._build(seed))
        self._control = Control(self._simulation)
        self._control_server = ControlServer(self._simulation, self._control)
        self.control_url = self._call(self._control_server.start())
        """Where the control HTTP of this simulation listens."""

    async def _build(self, seed: int) -> Simulation:
        return Simulation(options=lambda: self._options, seed=seed)

    def _call(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    # Pods.

    def add_pod(self, component: Component, ordinal: int, version: str) -> str:
        """Start one more pod; returns its name."""
        pod = f"{self.name}-{component}-{ordinal}"
        self._pods[pod] = _PodState(component, self._image(component, version))
        self._apply(pod)
        return pod

    @staticmethod
    def _image(component: Component, version: str) -> str:
        return f"starrocks/{component}-ubuntu:{version}"

    def _apply(self, name: str) -> None:
        state = self._pods[name]
        pod = Pod(
            namespace=self.namespace,
            cluster=self.name,
            component=state.component,
            name=name,
            image=state.image,
            up=state.up,
            incarnation=f"{name}/{state.starts}",
        )
        self._call(self._simulation.apply_pod(pod))

    def stop_pod(self, name: str) -> None:
        """The pod's process ends: connections break and new ones are refused."""
        self._pods[name].up = False
        self._apply(name)

    def start_pod(self, name: str, *, version: str | None = None, ready: bool = True) -> None:
        """A new process of the pod starts, of another version where one is given; ``ready=False``: it never serves."""
        state = self._pods[name]
        if version is not None:
            state.image = self._image(state.component, version)
        state.starts += 1
        state.up = ready
        self._apply(name)

    def restart_pod(self, name: str, *, version: str | None = None, ready: bool = True) -> None:
        """Stop and start a pod; what its process held in memory is lost."""
        self.stop_pod(name)
        self.start_pod(name, version=version, ready=ready)

    def unready_pod(self, name: str) -> None:
        """The process stops serving but lives on: ready_pod brings it back with its memory."""
        self.stop_pod(name)

    def ready_pod(self, name: str) -> None:
        """The process that was unready serves again."""
        self._pods[name].up = True
        self._apply(name)

    def delete_pod(self, name: str) -> None:
        """The pod is gone; start_pod makes it anew."""
        self._pods[name].up = False
        self._call(self._simulation.delete_pod(self.namespace, name))

    # Addresses.

    @property
    def key(self) -> str:
        """``namespace/name`` of the cluster."""
        return f"{self.namespace}/{self.name}"

    def address(self, pod: str) -> tuple[str, int]:
        """Host and port of an FE pod's listener; the same for the pod's whole life."""
        return LOOPBACK, int(self.cluster_state()["frontends"][pod]["port"])

    def addresses(self) -> dict[str, tuple[str, int]]:
        """Host and port by FE pod."""
        return {pod: (LOOPBACK, int(fe["port"])) for pod, fe in self.cluster_state()["frontends"].items()}

    def connect(self, pod: str, user: str = "root", password: str | None = None, **settings: Any) -> FeConnection:
        """A connection to an FE pod whose rows are dicts; without a password that of root is used."""
        host, port = self.address(pod)
        defaults = {"connect_timeout": PATIENCE, "read_timeout": PATIENCE, "write_timeout": PATIENCE}
        return pymysql.connect(
            host=host,
            port=port,
            user=user,
            password=self.password if password is None else password,
            cursorclass=DictCursor,
            **(defaults | settings),
        )

    def query(self, pod: str, sql: str, user: str = "root", password: str | None = None) -> list[dict[str, Any]]:
        """Run one statement on an FE pod over a connection of its own; raises pymysql's errors."""
        with self.connect(pod, user, password) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    # Control.

    def set_leader(self, *pods: str, every: float = 0.0, demoted_exits: bool = False) -> None:
        """Make an FE the leader at once; several lead in turn, ``every`` seconds apart."""
        leader: str | list[str] = pods[0] if len(pods) == 1 else list(pods)
        self.change(leader=leader, every=every, demoted_exits=demoted_exits)

    def change(self, **changes: Any) -> None:
        """Any change that POST /state takes, by keyword (control.Control.change); raises ValueError."""
        self._call(self._control.change(changes))

    def options(self, **options: Any) -> None:
        """Change fields of model.Options."""
        self.change(options=options)

    def faults(self, *faults: Mapping[str, Any]) -> list[int]:
        """Put faults in force (fields of faults.Fault); returns their numbers. Without faults: remove all."""
        if not faults:
            self._call(self._simulation.remove_faults())
            return []
        return self._call(self._control.add_faults(list(faults)))

    # What is.

    def state(self) -> dict[str, Any]:
        """The whole state, as GET /state."""
        return self._call(self._in_loop(self._simulation.state))

    async def _in_loop(self, work: Callable[[], Result]) -> Result:
        return work()

    def cluster_state(self) -> dict[str, Any]:
        """The state of the one cluster."""
        cluster: dict[str, Any] = self.state()["clusters"][self.key]
        return cluster

    def queries(self) -> list[dict[str, Any]]:
        """All statements that clients sent, oldest first."""
        return self._call(self._in_loop(self._simulation.query_log.entries))

    def wait(self, condition: Callable[[dict[str, Any]], bool], seconds: float = PATIENCE) -> dict[str, Any]:
        """Wait until a condition holds for the cluster's state, and return that state; raises TimeoutError.

        The condition is tried whenever something changes, not by the clock.
        """
        return asyncio.run_coroutine_threadsafe(self._until(condition, seconds), self._loop).result(seconds + PATIENCE)

    async def _until(self, condition: Callable[[dict[str, Any]], bool], seconds: float) -> dict[str, Any]:
        async with asyncio.timeout(seconds):
            while True:
                state: dict[str, Any] = self._simulation.state()["clusters"][self.key]
                if condition(state):
                    return state
                await self._simulation.next_change()

    # End.

    def stop(self) -> None:
        """End the simulation and its thread."""
        if self._thread.is_alive():
            self._control_server_stop()
            self._call(self._simulation.stop())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(PATIENCE)
            self._loop.close()

    def _control_server_stop(self) -> None:
        self._loop.call_soon_threadsafe(self._control_server.stop)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(
    fe: int = 3,
    be: int = 3,
    cn: int = 0,
    version: str = "3.3.1",
    *,
    namespace: str = "starrocks",
    name: str = "prod",
    password: str = "",
    seed: int = 0,
    **options: Any,
) -> Harness:
    """Start a cluster whose pods are all ready, FE 0 leading; further keywords are fields of model.Options."""
    behaviour = Options()
    behaviour.update(options)
    cluster = Harness(namespace, name, password, behaviour, seed)
    for ordinal in range(fe):
        cluster.add_pod("fe", ordinal, version)
    for ordinal in range(be):
        cluster.add_pod("be", ordinal, version)
    for ordinal in range(cn):
        cluster.add_pod("cn", ordinal, version)
    cluster.change(rotate_password=password)
    return cluster
