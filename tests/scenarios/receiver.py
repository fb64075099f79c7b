# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A receiver of webhooks: an HTTP or HTTPS server on loopback that keeps what it gets and answers as a test says."""

from __future__ import annotations

import contextlib
import json
import socketserver
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steadylab.certs import Authority

# What a test waits for comes within seconds, once Ansible has started; a loaded machine gets its time.
PATIENCE_SECONDS = 180.0


@dataclass(frozen=True)
class Got:
    """A request; header names are in small letters."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """An answer. `raw` is sent in its place, in its pieces, as soon as `hold` allows each."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    raw: tuple[bytes, ...] = ()
    hold: Callable[[], object] = lambda: None

    def pieces(self) -> tuple[bytes, ...]:
        """What goes over the wire."""
        if self.raw:
            return self.raw
        headers = {"Content-Length": str(len(self.body)), "Connection": "close", **self.headers}
        lines = [f"HTTP/1.1 {self.status} Said", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return ("\r\n".join(lines).encode() + self.body,)


def answering(code: int = 200, /, **document: object) -> Callable[[Got], Reply]:
    """Always the same answer: a JSON document."""
    return lambda _got: Reply(code, json.dumps(document).encode())


class Receiver:
    """Listens on a port of 127.0.0.1, with TLS when it is given a certificate authority."""

    def __init__(self, handle: Callable[[Got], Reply], authority: Authority | None, folder: Path) -> None:
        self.handle = handle
        self.got: list[Got] = []
        self.stopped = threading.Event()
        self._arrived = threading.Condition()
        self._context = _context(authority, folder) if authority else None
        self.scheme = "https" if authority else "http"
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                outer._serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self.authority = f"localhost:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def url(self, path: str = "/") -> str:
        """An URL of this receiver."""
        return f"{self.scheme}://{self.authority}{path}"

    def wait(self, wanted: Callable[[list[Got]], bool]) -> list[Got]:
        """What has arrived, as soon as it is as wanted."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: wanted(self.got), PATIENCE_SECONDS), self.got
            return list(self.got)

    def close(self) -> None:
        """Stop listening."""
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _serve(self, connection: Any) -> None:
        # A client that goes away, or trusts nobody, is a part of some tests.
        with contextlib.suppress(OSError):
            stream = self._context.wrap_socket(connection, server_side=True) if self._context else connection
            with stream, stream.makefile("rb") as file:
                got = _read(file)
                if got is None:
                    return
                with self._arrived:
                    self.got.append(got)
                    self._arrived.notify_all()
                reply = self.handle(got)
                for piece in reply.pieces():
                    reply.hold()
                    stream.sendall(piece)


def _read(file: Any) -> Got | None:
    line = file.readline().decode("latin-1").split()
    if len(line) != 3:
        return None
    headers = {}
    while entry := file.readline().decode("latin-1").strip():
        name, _colon, value = entry.partition(":")
        headers[name.lower()] = value.strip()
    return Got(line[0], line[1], headers, file.read(int(headers.get("content-length", "0"))))


def _context(authority: Authority, folder: Path) -> ssl.SSLContext:
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = authority.issue("receiver", server=True).write(folder, "receiver")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
