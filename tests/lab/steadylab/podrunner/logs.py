# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Container logs in the format of the container runtime interface, as a kubelet's disk holds them."""

from __future__ import annotations

import datetime
import os
import threading
from pathlib import Path
from typing import IO, Final

# containerd cuts longer lines into parts (pkg/cri/io/logger.go, default max_container_log_line_size).
MAX_LINE: Final = 16 * 1024
# What a status message is made of with FallbackToLogsOnError (pkg/kubelet/container/runtime.go).
MESSAGE_LINES: Final = 80
MESSAGE_BYTES: Final = 2048


class LogFile:
    """The log of one container: `<time> <stream> <F or P> <text>`, P for all but the last part of a long line."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        self._lock = threading.Lock()

    def copy(self, stream: str, source: IO[bytes]) -> None:
        """Write all that comes from a pipe, line by line, until its end."""
        rest = b""
        while chunk := os.read(source.fileno(), 65536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._write_line(stream, line)
            while len(rest) >= MAX_LINE:
                self._write(stream, b"P", rest[:MAX_LINE])
                rest = rest[MAX_LINE:]
        if rest:
            self._write_line(stream, rest)

    def _write_line(self, stream: str, line: bytes) -> None:
        while len(line) > MAX_LINE:
            self._write(stream, b"P", line[:MAX_LINE])
            line = line[MAX_LINE:]
        self._write(stream, b"F", line)

    def _write(self, stream: str, tag: bytes, text: bytes) -> None:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds").replace("+00:00", "000Z")
        with self._lock:
            os.write(self._descriptor, b" ".join((now.encode(), stream.encode(), tag, text)) + b"\n")

    def close(self) -> None:
        """Nothing more will be written."""
        os.close(self._descriptor)

    def tail(self) -> str:
        """The end of the log as a status message shows it."""
        with self._path.open("rb") as file:
            file.seek(max(0, self._path.stat().st_size - 4 * MESSAGE_BYTES))
            lines = file.read().splitlines(keepends=True)[-MESSAGE_LINES:]
        text = b"".join(line.split(b" ", 3)[-1] for line in lines)
        return text[-MESSAGE_BYTES:].decode(errors="replace")
