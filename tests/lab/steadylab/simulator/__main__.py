# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the simulator beside a control plane: ``python -m steadylab.simulator --kubeconfig F --dir D``.

In D it keeps ``queries.jsonl``, the logs of FE pods in ``pods`` and, once it knows all pods, ``control.json`` with the
URL of its control.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import urllib3

from steadylab.kube import Api, ApiError
from steadylab.simulator.control import Control, ControlServer
from steadylab.simulator.felog import FrontendLogs
from steadylab.simulator.model import Options, Pod
from steadylab.simulator.pods import Listener, PodWatch, SecretKey, read_secret, root_password
from steadylab.simulator.querylog import QueryLog
from steadylab.simulator.simulation import Simulation
from steadylab.simulator.world import Cluster

logger = logging.getLogger("steadylab.simulator")


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m steadylab.simulator", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--dir", type=Path, required=True, help="where control.json and queries.jsonl are written")
    parser.add_argument("--fe-port", type=_fe_port, action="append", default=[], metavar="NAMESPACE/POD=PORT")
    parser.add_argument("--seed", type=int, default=0, help="decides which of equal FEs wins an election")
    parser.add_argument("--up-when", choices=("ready", "running"), default="ready")
    parser.add_argument("--options", type=_options, default={}, metavar="JSON", help="fields of model.Options")
    return parser.parse_args(argv)


def _fe_port(text: str) -> tuple[str, int]:
    pod, _, port = text.partition("=")
    if pod.count("/") != 1 or not port.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAMESPACE/POD=PORT")
    return pod, int(port)


def _options(text: str) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(text)
        Options().update(document)
    except (ValueError, AttributeError) as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return document


class Program:
    """The simulation, fed by the pod watch, and its control."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._api = Api(args.kubeconfig)
        self._passwords: dict[str, SecretKey | str] = {}
        self._control_file: Path = args.dir / "control.json"

    def _new_options(self) -> Options:
        options = Options()
        options.update(self._args.options)
        return options

    async def run(self) -> int:
        """Serve until SIGTERM or SIGINT; returns the exit code, 1 when the watch of pods has failed for good."""
        self._args.dir.mkdir(parents=True, exist_ok=True)
        self._control_file.unlink(missing_ok=True)
        self._loop = asyncio.get_running_loop()
        self._watch_failed = False
        self._ended = ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, ended.set)
        log = QueryLog(self._args.dir / "queries.jsonl")
        self._simulation = Simulation(
            options=self._new_options,
            seed=self._args.seed,
            fe_ports=dict(self._args.fe_port),
            query_log=log,
            fe_logs=FrontendLogs(self._args.dir / "pods"),
        )
        control = ControlServer(self._simulation, Control(self._simulation, self._password_of))
        self._url = await control.start()
        watch = PodWatch(
            self._api,
            Listener(self._pod_applied, self._pod_deleted, self._synced, self._watch_ended),
            up_when_running=self._args.up_when == "running",
        )
        watch.start()
        await ended.wait()
        watch.stop()
        control.stop()
        self._control_file.unlink(missing_ok=True)
        await self._simulation.stop()
        return 1 if self._watch_failed else 0

    # Called from the thread of the watch.

    def _in_loop(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _pod_applied(self, document: Mapping[str, Any], pod: Pod) -> None:
        password: str | None = None
        if pod.component == "fe" and self._needs_password(pod):
            self._passwords[pod.cluster_key] = root_password(document, pod.component)
            password = self._read_password(pod.cluster_key)
        self._in_loop(self._apply(pod, password))

    def _needs_password(self, pod: Pod) -> bool:
        cluster = self._simulation.clusters.get(pod.cluster_key)
        return cluster is None or cluster.users["root"].auth_string is None

    def _read_password(self, cluster: str) -> str | None:
        source = self._passwords[cluster]
        if isinstance(source, str):
            return source
        try:
            return read_secret(self._api, source)
        except (ApiError, urllib3.exceptions.HTTPError, KeyError) as error:
            logger.warning("%s: no password for root from Secret %s: %s", cluster, source.name, error)
            return None

    async def _apply(self, pod: Pod, password: str | None) -> None:
        await self._simulation.apply_pod(pod)
        if password is not None:
            self._simulation.clusters[pod.cluster_key].set_root_password(password)

    def _pod_deleted(self, namespace: str, name: str) -> None:
        self._in_loop(self._simulation.delete_pod(namespace, name))

    def _synced(self) -> None:
        unfinished = self._control_file.with_suffix(".tmp")
        unfinished.write_text(json.dumps({"url": self._url, "pid": os.getpid()}) + "\n", encoding="utf-8")
        unfinished.replace(self._control_file)
        logger.info("all pods known, control at %s", self._url)

    def _watch_ended(self) -> None:
        """The watch ends by itself only when something is wrong with this program; what, its traceback has told."""
        self._watch_failed = True
        self._loop.call_soon_threadsafe(self._ended.set)

    # Called from the loop.

    async def _password_of(self, cluster: Cluster) -> str:
        """What the Secret of a cluster says now; raises ValueError."""
        if cluster.key not in self._passwords:
            raise ValueError(f"{cluster.key} has no FE pod whose MYSQL_PWD could be read")
        password = await self._loop.run_in_executor(None, partial(self._read_password, cluster.key))
        if password is None:
            raise ValueError(f"the Secret of {cluster.key} could not be read")
        return password


def main() -> None:
    """Run the program of the command line."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("mysql_mimic").setLevel(logging.WARNING)
    sys.exit(asyncio.run(Program(arguments()).run()))


if __name__ == "__main__":
    main()
