# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small HTTP server that answers as a test tells it: the wire is real, the API server behind it is not."""

from __future__ import annotations

import base64
import hashlib
import json
import queue
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.connection import Connection

PATIENCE = 10.0
"""Seconds after which a wait of a test has failed."""
END = b""
"""Put into a stream's queue: the server ends the answer."""


@dataclass(frozen=True)
class Request:
    """What came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: list[tuple[str, str]]
    body: Any

    def header(self, name: str) -> str:
        """The header's value, or an empty text."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")


@dataclass
class Answer:
    """What goes out: an object, raw bytes, or a stream of lines from a queue."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    stream: queue.Queue[bytes] | None = None
    hang_up: bool = False


def status(code: int, message: str = "", **more: Any) -> Answer:
    """A Status object, as the API server gives it for an error."""
    return Answer(code, {"kind": "Status", "status": "Failure", "message": message, "code": code, **more})


def event(kind: str, obj: dict[str, Any]) -> bytes:
    """A line of a watch."""
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


def bookmark(version: str, *, initial: bool = False) -> bytes:
    """A bookmark; `initial` ends the list that was streamed first."""
    annotations = {"k8s.io/initial-events-end": "true"} if initial else {}
    return event("BOOKMARK", {"metadata": {"resourceVersion": version, "annotations": annotations}})


class ApiServer:
    """Answers with what `handle` returns, and keeps every request."""

    def __init__(self, handle: Callable[[Request], Answer]) -> None:
        self.requests: list[Request] = []
        self.handle = handle
        outer = self

        class Handler(_Handler):
            server_of_test = outer

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def client(self, **headers: str) -> KubeClient:
        """A client of it that never pauses between attempts."""
        return KubeClient(Connection(self.url, headers=lambda: dict(headers)), pause=lambda _seconds: None)

    def asked(self, method: str) -> list[Request]:
        """The requests of that method."""
        return [request for request in self.requests if request.method == method]

    def __enter__(self) -> ApiServer:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def answering(*answers: Answer) -> Callable[[Request], Answer]:
    """Give the answers one after the other, the last one for ever."""
    left = list(answers)
    return lambda _request: left.pop(0) if len(left) > 1 else left[0]


class ObjectStore:
    """Keeps objects by path as an API server does: a resourceVersion each, 409 for a stale one, merge patches."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.before: list[Callable[[Request], None]] = []
        self._version = 100

    def handle(self, request: Request) -> Answer:
        """Answer one request; what `before` holds happens once, just before it, as if somebody else did it."""
        if self.before:
            self.before.pop(0)(request)
        found = self.objects.get(request.path)
        if request.method == "POST":
            path = f"{request.path}/{request.body['metadata']['name']}"
            return status(409, "already exists") if path in self.objects else self._put(path, request.body, 201)
        if found is None:
            return status(404, "not found", details={"name": "x"})
        if request.method == "PATCH":
            version = (request.body.get("metadata") or {}).get("resourceVersion")
            if version not in (None, found["metadata"]["resourceVersion"]):
                return status(409, "the object has been modified")
            return self._put(request.path, _merged(found, request.body), 200)
        return Answer(body=found)

    def change(self, path: str, patch: dict[str, Any]) -> None:
        """Somebody else's write."""
        self._put(path, _merged(self.objects[path], patch), 200)

    def _put(self, path: str, obj: dict[str, Any], code: int) -> Answer:
        self._version += 1
        metadata = {**obj["metadata"], "resourceVersion": str(self._version)}
        self.objects[path] = {**obj, "metadata": metadata}
        return Answer(code, self.objects[path])


def _merged(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one packet: the second of two small ones would wait for the first one's acknowledgement.
    wbufsize = 65536
    server_of_test: ApiServer

    def log_message(self, format: str, *_arguments: Any) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        parts = urlsplit(self.path)
        request = Request(
            self.command,
            parts.path,
            dict(parse_qsl(parts.query)),
            list(self.headers.items()),
            json.loads(raw) if raw else None,
        )
        self.server_of_test.requests.append(request)
        answer = self.server_of_test.handle(request)
        if answer.hang_up:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif answer.stream is not None:
            self._stream(answer, answer.stream)
        else:
            self._send(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def _send(self, answer: Answer) -> None:
        data = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, answer: Answer, lines: queue.Queue[bytes]) -> None:
        self.send_response(answer.status)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        while (line := lines.get()) != END:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")


class WebSocketPeer:
    """The other end of a port-forward: the handshake, then whatever a test lets it say."""

    def __init__(self, converse: Callable[[WebSocketPeer], None]) -> None:
        self.request = ""
        self._converse = converse
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> WebSocketPeer:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._listener.close()
        self._thread.join(PATIENCE)

    def send(self, message: bytes, opcode: int = 2) -> None:
        """Send one unmasked frame of at most 125 bytes."""
        self._connection.sendall(bytes([0x80 | opcode, len(message)]) + message)

    def receive(self) -> bytes:
        """The payload of one frame of at most 125 bytes."""
        head = self._exactly(2)
        mask = self._exactly(4)
        return bytes(byte ^ mask[index % 4] for index, byte in enumerate(self._exactly(head[1] & 0x7F)))

    def open_channels(self, port: int) -> None:
        """The first message of the data channel and of the error channel: the port."""
        for channel in (0, 1):
            self.send(bytes([channel]) + struct.pack("<H", port))

    def _exactly(self, size: int) -> bytes:
        return b"".join(self._bytes(size))

    def _bytes(self, size: int) -> Iterator[bytes]:
        while size:
            data = self._connection.recv(size)
            if not data:
                raise ConnectionError("the client is gone")
            size -= len(data)
            yield data

    def _serve(self) -> None:
        self._connection = self._listener.accept()[0]
        with self._connection:
            while "\r\n\r\n" not in self.request:
                self.request += self._connection.recv(4096).decode()
            key = next(
                line.split(": ", 1)[1]
                for line in self.request.splitlines()
                if line.lower().startswith("sec-websocket-key")
            )
            digest = hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
            self._connection.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Protocol: v4.channel.k8s.io\r\nSec-WebSocket-Accept: "
                + base64.b64encode(digest)
                + b"\r\n\r\n"
            )
            self._converse(self)
