# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One program under measurement: wall time, CPU time, memory of its process tree, and when it wrote which line."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
TICKS: Final = os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS: Final = 0.3


@dataclass(frozen=True)
class Line:
    """A line on the screen, and when it came (seconds of the monotonic clock)."""

    at: float
    text: str


@dataclass
class Usage:
    """What a program took. Seconds, MB (10^6 bytes); `cpu` holds every process that it waited for."""

    wall: float = 0.0
    cpu: float = 0.0
    pss: float = 0.0
    status: int = 0
    lines: list[Line] = field(default_factory=list)


class Measured:
    """A running program. `end` waits for it; `kill` ends it as `kill -9` does."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        """Start it in the log's folder, where no ansible.cfg lies."""
        self._log = log.open("w")
        self._usage = Usage()
        self._began = time.monotonic()
        self._process = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._over = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._reader.start()
        self._sampler.start()

    @property
    def lines(self) -> list[Line]:
        """What it has written so far."""
        return list(self._usage.lines)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def cpu_so_far(self) -> float:
        """CPU seconds of its process tree up to now, children that it has waited for included."""
        return tree_cpu(self._process.pid)

    def wait(self, seconds: float) -> bool:
        """Wait until it ends, at most so long; whether it did."""
        descriptor = os.pidfd_open(self._process.pid)
        try:
            return _readable(descriptor, seconds)
        finally:
            os.close(descriptor)

    def end(self) -> Usage:
        """Wait until it ends by itself."""
        _, status, usage = os.wait4(self._process.pid, 0)
        self._usage.wall = time.monotonic() - self._began
        self._usage.cpu = usage.ru_utime + usage.ru_stime
        self._usage.status = self._process.returncode = os.waitstatus_to_exitcode(status)
        self._over.set()
        self._sampler.join()
        # What it left running may hold the pipe open: its lines are of no interest.
        self._reader.join(SAMPLE_SECONDS)
        return self._usage

    def kill(self) -> list[int]:
        """End it with SIGKILL, as a power cut would; returns the processes that it leaves behind."""
        whole = list(tree(self._process.pid))
        os.kill(self._process.pid, signal.SIGKILL)
        self.end()
        return list(_living(whole))

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._log as log:
            for text in self._process.stdout:
                self._usage.lines.append(Line(time.monotonic(), text.rstrip("\n")))
                log.write(text)
                log.flush()

    def _sample(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self._usage.pss = max(self._usage.pss, tree_pss(self._process.pid))


def tree_cpu(root: int) -> float:
    """CPU seconds of a process and all that descend from it up to now, children that were waited for included."""
    return sum(_cpu(pid) for pid in tree(root))


def tree_pss(root: int) -> float:
    """The proportional set size of a process and all that descend from it, MB: what is shared counts once."""
    return sum(pss(pid) for pid in tree(root)) / 1e6


def end_left_over(pids: Sequence[int]) -> None:
    """End processes that a killed program of ours left behind."""
    for pid in _living(pids):
        os.kill(pid, signal.SIGKILL)


def _readable(descriptor: int, seconds: float) -> bool:
    import select

    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat from the third on (proc_pid_stat(5)), or None when the process is gone."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _living(pids: Sequence[int]) -> Iterator[int]:
    for pid in pids:
        fields = _stat(pid)
        if fields is not None and fields[0] not in "ZX":
            yield pid


def tree(root: int) -> Iterator[int]:
    """The process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        fields = _stat(int(entry.name)) if entry.name.isdigit() else None
        if fields is not None:
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += children.get(pid, ())


def _cpu(pid: int) -> float:
    fields = _stat(pid)
    return sum(int(value) for value in fields[11:15]) / TICKS if fields is not None else 0.0


def pss(pid: int) -> int:
    """Proportional set size in bytes, 0 for a process that has just ended."""
    try:
        text = (PROC / str(pid) / "smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)
