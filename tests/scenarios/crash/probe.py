# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside a playbook: wraps the product's edges, traces them, and kills the playbook at one. For tests only."""

from __future__ import annotations

import functools
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from scenarios.crash.edges import PASSING, Edge, Kind, of_request, of_statement, stem

TRACE: Final = "STEADY_CRASH_TRACE"
ORDER: Final = "STEADY_CRASH_ORDER"

Moment = Literal["before", "after"]
Reach = Literal["everything", "playbook"]


@dataclass(frozen=True)
class Order:
    """Where to kill: before or after the edge of that name.

    `everything` dies at once; with `playbook` the worker in which the edge is passed lives on as an orphan.
    """

    edge: str
    moment: Moment = "before"
    reach: Reach = "everything"

    def fits(self, edge: Edge, moment: Moment) -> bool:
        """Whether this is the place."""
        return (str(edge), moment) == (self.edge, self.moment)


@dataclass(frozen=True)
class Trace:
    """What one run left in its trace: the edges in their order, and the process that the kill left behind, if any."""

    edges: tuple[tuple[Edge, Moment], ...] = ()
    killed_at: str = ""
    worker: int = 0

    @classmethod
    def read(cls, path: Path) -> Trace:
        """The trace of a run; an empty one where it wrote none."""
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        edges = tuple((Edge.parse(line["edge"]), line["moment"]) for line in lines if line["moment"] != "killed")
        killed = next((line for line in lines if line["moment"] == "killed"), None)
        return cls(edges, killed["edge"], killed["pid"]) if killed else cls(edges)


def environment(trace: Path, order: Order | None = None) -> dict[str, str]:
    """The variables that make ansible-playbook trace its edges, and die at one of them where one is ordered."""
    folder = Path(__file__).resolve().parent
    variables = {
        "ANSIBLE_CALLBACK_PLUGINS": str(folder / "plugins"),
        "ANSIBLE_CALLBACKS_ENABLED": "crash_edges",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(folder.parents[1]), os.environ.get("PYTHONPATH", "")])),
        TRACE: str(trace),
    }
    return {**variables, ORDER: json.dumps(asdict(order))} if order else variables


class Probe:
    """The wrapped edges of one playbook run. Made in the playbook's process, used in its workers' threads."""

    def __init__(self, trace: Path, order: Order | None) -> None:
        self._trace = trace
        self._file = os.open(trace, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._order = order
        self._playbook = os.getpid()
        self._where = ""
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] = os.environ) -> Probe:
        """As `environment` has asked for."""
        text = variables.get(ORDER)
        return cls(Path(variables[TRACE]), Order(**json.loads(text)) if text else None)

    def install(self) -> None:
        """Wrap the places through which all I/O of the product goes."""
        from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Session
        from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
        from ansible_collections.steady.rollout.plugins.module_utils._module import report, step
        from ansible_collections.steady.rollout.plugins.plugin_utils._action import VerbAction

        self._wrap(
            KubeClient, "request", lambda _self, method, path, **more: of_request(method, path, more.get("body"))
        )
        self._wrap(KubeClient, "stream", lambda _self, path, **_more: (Kind.WATCH, path.rsplit("/", 1)[1]))
        self._wrap(Session, "run", lambda _self, sql, **_more: of_statement(sql))
        self._wrap(report, "write_whole", lambda _folder, name, _text: (Kind.REPORT, name.rsplit(".", 1)[1]))
        self._follow_tasks(VerbAction)
        self._follow_steps(step)

    def _wrap(self, owner: Any, name: str, describe: Callable[..., tuple[Kind, str]]) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def traced(*arguments: Any, **more: Any) -> Any:
            edge = self._begin(*describe(*arguments, **more))
            try:
                return original(*arguments, **more)
            finally:
                self._pass(edge, "after")

        setattr(owner, name, traced)

    def _follow_tasks(self, action: Any) -> None:
        """Have the name of the running task, with the step of starrocks_step, before its first edge."""
        original = action.run

        @functools.wraps(original)
        def named(plugin: Any, *arguments: Any, **more: Any) -> Any:
            options = plugin._task.args
            plan = options.get("plan") or {}
            words = [plugin.VERB.name, plan.get("direction", ""), options.get("step", "")]
            self._where = " ".join(str(word) for word in words if word)
            return original(plugin, *arguments, **more)

        action.run = named

    def _follow_steps(self, verb: Any) -> None:
        """Have the steps of a pass behind the name of its one task."""
        original = verb.run

        @functools.wraps(original)
        def named(call: Any) -> Any:
            task = self._where
            self._where = f"{task} {call.params['plan']['direction']} {call.params['step']}"
            try:
                return original(call)
            finally:
                self._where = task

        verb.run = named

    def _begin(self, kind: Kind, what: str) -> Edge:
        with self._lock:
            where = "" if kind in PASSING else self._where
            name = stem(kind, what, where)
            self._counts[name] += 1
            edge = Edge(kind, what, where, self._seen(name) + 1 if kind in PASSING else self._counts[name])
            self._pass(edge, "before")
        return edge

    def _seen(self, name: str) -> int:
        """How often the whole run came to an edge of this name: each worker counts only its own."""
        return self._trace.read_bytes().count(json.dumps({"moment": "before", "edge": f"{name} #"})[:-2].encode())

    def _pass(self, edge: Edge, moment: Moment) -> None:
        order = self._order
        if order and order.fits(edge, moment):
            self._kill(edge, order.reach)
        self._write(moment, edge)

    def _kill(self, edge: Edge, reach: Reach) -> None:
        """SIGKILL, which no process can see coming. The worker has a session of its own, so each is named."""
        self._order = None
        self._write("killed", edge)
        os.kill(self._playbook, signal.SIGKILL)
        if reach == "everything":
            os.kill(os.getpid(), signal.SIGKILL)

    def _write(self, moment: str, edge: Edge) -> None:
        line = json.dumps({"moment": moment, "edge": str(edge), "pid": os.getpid()})
        os.write(self._file, line.encode() + b"\n")
