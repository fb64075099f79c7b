# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, find and end the processes of a lab.

Each process of a lab carries the variable `STEADY_LAB=<directory of the lab>` in its environment, and its children
inherit it. So `down` finds them all in /proc, also those whose parent was killed before it could write anything down.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MARKER: Final = "STEADY_LAB"
PROC: Final = Path("/proc")


class ProcessError(Exception):
    """A process of the lab ended or did not end; the message names it."""


@dataclass(frozen=True)
class Component:
    """A started process: its name in the lab, its id and the time of its start (clock ticks since boot)."""

    name: str
    pid: int
    start_ticks: int
    log: Path

    def alive(self) -> bool:
        """Whether that very process still runs: an id alone may have gone to another process."""
        return start_ticks(self.pid) == self.start_ticks

    def log_tail(self, lines: int = 15) -> str:
        """The end of its log, for messages."""
        try:
            text = self.log.read_text(errors="replace")
        except FileNotFoundError:
            return "(no log)"
        return "\n".join(text.splitlines()[-lines:])


def start_ticks(pid: int) -> int | None:
    """Field 22 of /proc/<pid>/stat (proc_pid_stat(5)), or None if there is no such living process."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def spawn(
    name: str, command: Sequence[str], directory: Path, environment: Mapping[str, str] | None = None
) -> Component:
    """Start a process of the lab in `directory`, in a session of its own, with output to `logs/<name>.log`.

    :raises ProcessError: the command cannot be started.
    """
    log = directory / "logs" / f"{name}.log"
    env = {**os.environ, **(environment or {}), MARKER: str(directory)}
    with log.open("ab") as output:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=directory,
                env=env,
                start_new_session=True,
            )
        except OSError as error:
            raise ProcessError(f"cannot start {name}: {error}") from error
    ticks = start_ticks(process.pid)
    # The lab outlives this process: without this, Popen would complain about a child that still runs.
    process.returncode = 0
    return Component(name, process.pid, -1 if ticks is None else ticks, log)


def _carries_marker(pid: int, marker: bytes) -> bool:
    try:
        environment = (PROC / str(pid) / "environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
    return marker in environment.split(b"\0")


def find(directory: Path) -> list[int]:
    """The ids of all living processes of the lab in `directory`, in ascending order."""
    marker = f"{MARKER}={directory}".encode()
    own = os.getpid()
    pids = (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())
    return sorted(pid for pid in pids if pid != own and _carries_marker(pid, marker) and start_ticks(pid) is not None)


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def _kill(pids: Iterable[int], directory: Path | None, seconds: float) -> None:
    """Kill processes and wait until they are gone, by pidfd: no other process can be hit by a reused id.

    :param directory: of the lab whose marker they carry; None where their ids cannot be reused.
    """
    marker = f"{MARKER}={directory}".encode()
    poll = select.poll()
    waiting: set[int] = set()
    try:
        for pid in pids:
            descriptor = _pidfd(pid)
            if descriptor is None:
                continue
            waiting.add(descriptor)
            poll.register(descriptor, select.POLLIN)
            if directory is None or _carries_marker(pid, marker):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        remaining = set(waiting)
        deadline = time.monotonic() + seconds
        while remaining and time.monotonic() < deadline:
            for descriptor, _event in poll.poll(max(1, int((deadline - time.monotonic()) * 1000))):
                poll.unregister(descriptor)
                remaining.discard(descriptor)
    finally:
        for descriptor in waiting:
            os.close(descriptor)


def end(component: Component, directory: Path, seconds: float = 15.0) -> None:
    """Kill one process of the lab in `directory` and wait until it is gone.

    :raises ProcessError: it is still there after `seconds`.
    """
    if component.alive():
        _kill([component.pid], directory, seconds)
        _reap([component.pid])
    if component.alive():
        raise ProcessError(f"{component.name} (process {component.pid}) does not end")


def _descendants(pid: int) -> list[int]:
    """All processes below one, also those in namespaces of their own (proc_pid_children(5))."""
    try:
        children = [int(word) for word in (PROC / str(pid) / "task" / str(pid) / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return children + [found for child in children for found in _descendants(child)]


def end_tree(component: Component, directory: Path, seconds: float = 15.0) -> None:
    """Kill one process of the lab in `directory` and wait until all that it started are gone as well.

    :raises ProcessError: it is still there after `seconds`.
    """
    if component.alive():
        _kill([component.pid, *_descendants(component.pid)], directory, seconds)
        _reap([component.pid])
    if component.alive():
        raise ProcessError(f"{component.name} (process {component.pid}) does not end")


def end_child(pid: int, seconds: float = 15.0) -> None:
    """Kill a child of this process and wait until all that it started are gone as well, whatever their sessions.

    It is stopped first: it starts nobody more then, and collects none of its own, so that their ids stay theirs.

    :raises ProcessError: some process is still there after `seconds`.
    """
    os.kill(pid, signal.SIGSTOP)
    pids = [pid, *_descendants(pid)]
    _kill(pids, None, seconds)
    if left := [one for one in pids if start_ticks(one) is not None]:
        raise ProcessError(f"processes {', '.join(map(str, left))} do not end")


def end_all(directory: Path, seconds: float = 15.0) -> None:
    """Kill every process of the lab in `directory`; nothing in a lab is worth a graceful end.

    Looks again until none is left, because one may have started another in the meantime.

    :raises ProcessError: some process is still there after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while pids := find(directory):
        if time.monotonic() > deadline:
            raise ProcessError(f"processes of the lab in {directory} do not end: {', '.join(map(str, pids))}")
        _kill(pids, directory, deadline - time.monotonic())
        _reap(pids)


def _reap(pids: Iterable[int]) -> None:
    """Collect those that are children of this very process, so that no zombie stays."""
    for pid in pids:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue


def wait_any_end(components: Iterable[Component], seconds: float) -> Component | None:
    """Wait up to `seconds` for one of the components to end; return that one, or None if all live on."""
    poll = select.poll()
    by_descriptor: dict[int, Component] = {}
    try:
        for component in components:
            descriptor = _pidfd(component.pid)
            if descriptor is None or not component.alive():
                if descriptor is not None:
                    os.close(descriptor)
                return component
            by_descriptor[descriptor] = component
            poll.register(descriptor, select.POLLIN)
        ended = poll.poll(int(seconds * 1000))
        return by_descriptor[ended[0][0]] if ended else None
    finally:
        for descriptor in by_descriptor:
            os.close(descriptor)
