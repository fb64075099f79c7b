# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that has imported Ansible once and forks a run from itself whenever the watcher asks for one.

It has one thread, so that a fork copies nothing half done. It is told what to do in packets over its control socket and
tells how its runs end over the same. When that socket ends, the watcher has gone: all runs are killed and it ends too.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import sys
import warnings
from typing import Any

from reactor import child, processes

LONGEST_PACKET = 4096
# What a run would import and read the documentation of before its first task; found by profiling one.
WARM_MODULES = (
    "ansible.cli.playbook",
    "ansible.executor.playbook_executor",
    "ansible.executor.process.worker",
    "ansible.modules",
    "ansible.playbook.handler_task_include",
    "ansible.utils.shlex",
    "multiprocessing.popen_fork",
    "multiprocessing.synchronize",
)
WARM_LOADERS = (
    "become_loader",
    "cache_loader",
    "callback_loader",
    "connection_loader",
    "filter_loader",
    "inventory_loader",
    "shell_loader",
    "strategy_loader",
    "test_loader",
    "vars_loader",
)
COLLECTION = "ansible_collections.steady.rollout.plugins"


class Zygote:
    """Forks runs, hears of their ends, kills them when told."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._runs: dict[int, int] = {}
        self._wake, self._woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def serve(self) -> None:
        """Work until the watcher has gone."""
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _heard)
        self._send({"ready": os.getpid()})
        while True:
            ready, _writable, _odd = select.select([self._control.fileno(), self._wake], [], [])
            if self._wake in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake, 512)
            self._reap()
            if self._control.fileno() in ready and not self._obey():
                break
        processes.kill_descendants()

    def _obey(self) -> bool:
        """Take one packet; False when there will be no more."""
        packet, descriptors, _flags, _sender = socket.recv_fds(self._control, LONGEST_PACKET, 1)
        if not packet:
            return False
        order = json.loads(packet)
        if order["do"] == "run":
            self._fork(order["id"], descriptors[0])
        elif order["id"] in self._runs:
            self._end(self._runs[order["id"]], order["do"])
        return True

    def _fork(self, number: int, descriptor: int) -> None:
        events = socket.socket(fileno=descriptor)
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._control.close()
            os.close(self._wake)
            os.close(self._woken)
            child.become_run(events)
        events.close()
        self._runs[number] = pid

    def _end(self, pid: int, how: str) -> None:
        if how == "kill":
            processes.kill_tree(pid)
        else:
            # It has not been waited for, so the number is still its own.
            os.kill(pid, signal.SIGUSR1)

    def _reap(self) -> None:
        """Wait for every child that has ended, runs and the orphans that became children."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for number in [number for number, run in self._runs.items() if run == pid]:
                del self._runs[number]
                seconds = usage.ru_utime + usage.ru_stime
                self._send({"id": number, "status": os.waitstatus_to_exitcode(status), "cpu": seconds})

    def _send(self, packet: dict[str, Any]) -> None:
        # Without a watcher the next read of the control socket says so.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._control.send(json.dumps(packet).encode())


def _heard(*_signal: object) -> None:
    """SIGCHLD must have a handler for the wake-up pipe to be written."""


def warm_up() -> None:
    """Import what every run needs, and keep the garbage collector from touching it, which would copy its pages."""
    for name in WARM_MODULES:
        importlib.import_module(name)
    # Each run makes sure of it again.
    warnings.filterwarnings("ignore", message="AnsibleCollectionFinder has already been configured")
    loaders: Any = importlib.import_module("ansible.plugins.loader")
    loaders.init_plugin_loader()
    for name in WARM_LOADERS:
        list(getattr(loaders, name).all(class_only=True))
    _warm_collection()
    gc.collect()
    gc.freeze()


def _warm_collection() -> None:
    """The action plugins of this collection and what they talk to API servers with."""
    importlib.import_module(f"{COLLECTION}.module_utils._kube.connection").preload()
    actions = importlib.import_module(f"{COLLECTION}.action")
    for module in pkgutil.iter_modules(actions.__path__):
        importlib.import_module(f"{COLLECTION}.action.{module.name}")


def main() -> None:
    """`python -m reactor.zygote FD`: serve over the socket with that number."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    # It is not to die with the watcher, but to end the runs first, with all that they have started.
    processes.adopt_orphans()
    warm_up()
    Zygote(control).serve()


if __name__ == "__main__":
    main()
