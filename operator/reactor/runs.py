# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs as the watcher sees them: start one, hear its events, stop it, learn how it ended."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reactor import channel, processes
from reactor.zygote import LONGEST_PACKET

START_SECONDS = 60.0
# A run that was told to stop gets this long for the rest of its step before it is killed.
STEP_SECONDS = 5.0
STOPPED = "the reactor stops"
LONGEST_OUTPUT = 1024 * 1024
_TICK = 1.0

Event = Mapping[str, Any]


class ZygoteGone(Exception):
    """The process that forks the runs has ended; all its runs have ended with it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: exit status (negative: the signal), wall and CPU seconds, and why it was stopped, if it was."""

    status: int
    seconds: float
    cpu_seconds: float
    stopped: str = ""


class Runs:
    """The zygote and its runs. Safe for several threads, each of which waits for its own run."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        """Start the zygote in the folder, where no ansible.cfg is; returns before it is ready."""
        processes.adopt_orphans()
        self._numbers = itertools.count(1)
        self._ends: dict[int, Future[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._ready: Future[int] = Future()
        self._stopping = threading.Event()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "reactor.zygote", str(theirs.fileno())],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                # Ctrl-C is for the watcher, which then lets steps end.
                start_new_session=True,
            )
        self._listener = threading.Thread(target=self._listen, name="zygote", daemon=True)
        self._listener.start()

    def wait_ready(self) -> None:
        """Wait until runs can be started; ZygoteGone when that cannot be."""
        try:
            self._ready.result(START_SECONDS)
        except TimeoutError as error:
            raise ZygoteGone(f"Ansible was not imported within {START_SECONDS:.0f} s") from error

    @property
    def alive(self) -> bool:
        """Whether the zygote is there."""
        return self._process.poll() is None

    def run(self, order: dict[str, Any], hear: Callable[[Event], None], limit: float) -> Ended:
        """Carry out the order and hand each event to `hear`; stop it after `limit` seconds. ZygoteGone when it dies."""
        began = time.monotonic()
        mine, theirs = socket.socketpair()
        with mine:
            with theirs:
                number, end = self._start(theirs)
            # A run that dies before it has read its order says so by its end.
            with contextlib.suppress(OSError):
                channel.send_order(mine, order)
            stopped = self._hear(number, mine, hear, began + limit, Path(order["folder"], "stdout"))
        ended = end.result()
        return Ended(ended["status"], time.monotonic() - began, ended["cpu"], stopped)

    def stop_all(self) -> None:
        """Ask all runs to stop before their next task; those that do not within a few seconds are killed."""
        if not self._stopping.is_set():
            self._stopping.set()
            with self._lock:
                numbers = list(self._ends)
            for number in numbers:
                self._tell("stop", number)

    def close(self) -> None:
        """End the zygote, and with it what still runs."""
        # It may have gone before.
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        self._process.wait()
        self._listener.join()
        self._control.close()

    def _start(self, theirs: socket.socket) -> tuple[int, Future[dict[str, Any]]]:
        end: Future[dict[str, Any]] = Future()
        with self._lock:
            number = next(self._numbers)
            self._ends[number] = end
            try:
                socket.send_fds(self._control, [json.dumps({"do": "run", "id": number}).encode()], [theirs.fileno()])
            except OSError as error:
                del self._ends[number]
                raise ZygoteGone("the process that forks the runs has ended") from error
        return number, end

    def _hear(
        self, number: int, mine: socket.socket, hear: Callable[[Event], None], deadline: float, output: Path
    ) -> str:
        """Hear events until the run has closed its channel; returns why it was stopped."""
        lines = channel.Lines()
        stopped, kill_at = "", deadline
        while True:
            now = time.monotonic()
            if self._stopping.is_set() and not stopped:
                stopped, kill_at = STOPPED, min(deadline, now + STEP_SECONDS)
                # It may have begun after all others were told.
                self._tell("stop", number)
            if now >= kill_at:
                stopped, kill_at = stopped or "it took too long", now + STEP_SECONDS
                self._tell("kill", number)
            readable = channel.readable(mine, min(_TICK, max(kill_at - now, 0.0)))
            _bound(output)
            if readable:
                data = _received(mine)
                if not data:
                    return stopped
                for event in lines.feed(data):
                    hear(event)

    def _tell(self, what: str, number: int) -> None:
        # Where the zygote has gone, its runs have too.
        with contextlib.suppress(OSError):
            self._control.send(json.dumps({"do": what, "id": number}).encode())

    def _listen(self) -> None:
        """Take the zygote's packets until it has gone; then its runs are gone too, by their parent's death."""
        while packet := _received(self._control, LONGEST_PACKET):
            told = json.loads(packet)
            if "ready" in told:
                self._ready.set_result(told["ready"])
            else:
                with self._lock:
                    end = self._ends.pop(told["id"])
                end.set_result(told)
        self._fail_all()

    def _fail_all(self) -> None:
        # Its runs died with it; what their tasks had started came to this process.
        processes.kill_descendants()
        gone = ZygoteGone("the process that forks the runs has ended")
        if not self._ready.done():
            self._ready.set_exception(gone)
        with self._lock:
            for end in self._ends.values():
                end.set_exception(gone)
            self._ends.clear()


def _received(channel_: socket.socket, most: int = 65536) -> bytes:
    try:
        return channel_.recv(most)
    except ConnectionResetError:
        return b""


def _bound(output: Path) -> None:
    """Drop what was printed when it is too much; the process appends, so it goes on at the new end."""
    with contextlib.suppress(FileNotFoundError):
        if output.stat().st_size > LONGEST_OUTPUT:
            os.truncate(output, 0)
