# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What passes between the processes: framed JSON over a socket pair, one for each run.

The watcher sends a run's order first; the run answers with its events, a line of JSON each, until it ends.
"""

from __future__ import annotations

import json
import select
import socket
import struct
from collections.abc import Iterator
from typing import Any

_LENGTH = struct.Struct("!Q")
# An event carries a few fields and a message; what is longer is no event of ours.
LONGEST_EVENT = 4 * 1024 * 1024


def send_order(channel: socket.socket, order: dict[str, Any]) -> None:
    """Send the order; OSError when nobody is there to read it."""
    data = json.dumps(order).encode()
    channel.sendall(_LENGTH.pack(len(data)))
    channel.sendall(data)


def receive_order(channel: socket.socket) -> dict[str, Any]:
    """The order that a run was given; EOFError when the watcher has gone."""
    (length,) = _LENGTH.unpack(_exactly(channel, _LENGTH.size))
    order: dict[str, Any] = json.loads(_exactly(channel, length))
    return order


def readable(channel: socket.socket, seconds: float) -> bool:
    """Whether there is something to read, or the end, within so many seconds; whatever the number of the descriptor."""
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def send_event(channel: socket.socket, event: dict[str, Any]) -> None:
    """Send one event; OSError when the watcher has gone."""
    channel.sendall(json.dumps(event, default=str).encode() + b"\n")


class Lines:
    """Takes bytes as they come and gives back whole events; what cannot be read is dropped."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """The events that are whole with this data."""
        self._rest += data
        *whole, tail = self._rest.split(b"\n")
        self._rest = tail if len(tail) <= LONGEST_EVENT else bytearray()
        for line in whole:
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(event, dict):
                yield event


def _exactly(channel: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        part = channel.recv(min(length - len(data), 1 << 20))
        if not part:
            raise EOFError("the other side has gone")
        data += part
    return bytes(data)
