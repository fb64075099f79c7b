# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reactor as a process: what it is made of, in which order it begins and ends."""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from reactor.artifacts import Artifacts
from reactor.contract.watches import Watch
from reactor.controller import Controller, Stopping
from reactor.elect import Election, Terms
from reactor.kubeconfig import Kubeconfigs
from reactor.reconciler import Policy, Reconciler
from reactor.runs import Runs
from reactor.screen import Screen
from reactor.serve import Answer, Metrics, Server, metrics_answer, probe_answer

CALLBACK = "reactor_events"
PACKAGE = Path(__file__).resolve().parent
OFF = "0"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says, and the watches; durations in seconds, addresses as host:port or 0 for none."""

    watches: tuple[Watch, ...]
    namespaces: tuple[str, ...]
    kubeconfig: str
    policy: Policy
    max_runs: int
    patience: float
    artifacts: str
    artifacts_bytes: int
    metrics_address: str
    probe_address: str
    leases: Terms | None


class App:
    """One reactor, from its start to its end."""

    def __init__(self, options: Options, client: KubeClient, folder: Path, screen: Screen) -> None:
        """`folder` is this process's own. Raises ZygoteGone when runs cannot be started."""
        self._options = options
        self._screen = screen
        self._metrics = Metrics("reactor")
        (folder / "tmp").mkdir()
        self._runs = Runs(ansible_environment(folder), folder)
        files = Artifacts(Path(options.artifacts or folder / "artifacts").absolute(), options.artifacts_bytes)
        kubeconfigs = Kubeconfigs(folder, options.kubeconfig)
        reconciler = Reconciler(client, self._runs, files, kubeconfigs, folder, options.policy, random.random)
        stopping = Stopping(options.patience, self._runs.stop_all)
        self._controller = Controller(
            client,
            reconciler,
            files,
            options.watches,
            options.namespaces,
            options.max_runs,
            screen,
            stopping,
            self._metrics,
        )
        self._election = (
            Election(client, options.leases, lambda text: screen.say("Lease", "", "leading", text), self._stop_now)
            if options.leases
            else None
        )
        self._leading = self._election is None
        self._lost = False

    def run(self) -> int:
        """Work until a signal, or until leadership is lost; the exit status. Raises Fatal or ZygoteGone."""
        servers: list[Server] = []
        try:
            servers = self._serve()
            self._runs.wait_ready()
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._stop)
            if self._election is None or self._election.campaign():
                self._leading = True
                self._controller.run()
        finally:
            # What the lease stands for has ended by then; killed runs are gone when `close` returns.
            self._runs.close()
            if self._election is not None:
                self._election.release()
            for server in servers:
                server.close()
        return 1 if self._lost else 0

    def _stop(self, *_signal: object) -> None:
        if self._election is not None and not self._leading:
            self._election.stop()
        self._controller.stop()

    def _stop_now(self) -> None:
        """Another may lead in a few seconds: nothing may run then."""
        self._lost = True
        self._controller.stop()
        self._controller.stop()

    def _serve(self) -> list[Server]:
        self._metrics.observe(self._look)
        metrics, probes = self._options.metrics_address, self._options.probe_address
        servers = []
        if metrics != OFF:
            servers.append(Server(metrics, {"/metrics": lambda: metrics_answer(self._metrics)}))
            self._screen.say("", "", "serving", f"/metrics on port {servers[-1].port}")
        if probes != OFF:
            servers.append(Server(probes, {"/healthz": self._healthy, "/readyz": self._ready}))
            self._screen.say("", "", "serving", f"/healthz and /readyz on port {servers[-1].port}")
        return servers

    def _healthy(self) -> Answer:
        """Whether this process can still do its work: nothing in it is silent that should not be."""
        if not self._runs.alive:
            return probe_answer("the process that forks the runs has ended")
        silent = self._controller.silence() if self._leading else ""
        return probe_answer(f"{silent} gives no sign of life" if silent else "")

    def _ready(self) -> Answer:
        """Whether it knows the objects that it looks after; one that waits to lead is ready to do so."""
        lacking = self._controller.not_synced() if self._leading else ""
        return probe_answer(f"not known yet: {lacking}" if lacking else "")

    def _look(self) -> Iterator[tuple[str, str, str, float]]:
        for kind, (waiting, running) in self._controller.depths().items():
            yield "steady_reactor_waiting", "Objects that are due and wait for their turn", kind, waiting
            yield "steady_reactor_running", "Passes under way", kind, running
        for kind, seconds in self._controller.silences().items():
            yield "steady_reactor_watch_silence_seconds", "Seconds since a watch gave a sign of life", kind, seconds


def ansible_environment(folder: Path) -> dict[str, str]:
    """The environment of the runs: the reactor's own, with its callback added to those that are enabled."""
    enabled = [name for name in os.environ.get("ANSIBLE_CALLBACKS_ENABLED", "").split(",") if name]
    plugins = [name for name in os.environ.get("ANSIBLE_CALLBACK_PLUGINS", "").split(":") if name]
    packages = [str(PACKAGE.parent), *(name for name in os.environ.get("PYTHONPATH", "").split(":") if name)]
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONPATH": ":".join(packages),
        "ANSIBLE_CALLBACKS_ENABLED": ",".join([*enabled, CALLBACK]),
        "ANSIBLE_CALLBACK_PLUGINS": ":".join([*plugins, str(PACKAGE / "plugins" / "callback")]),
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_NOCOLOR": "1",
    }


def holder() -> str:
    """A name for this process that no other has."""
    return f"{socket.gethostname()}_{uuid.uuid4()}"
