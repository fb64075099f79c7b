# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL that lets in whoever brings an RDS token, as RDS does: in front of a server of the lab.

It asks for TLS and for the password as it is (docs.aws.amazon.com, "IAM database authentication"), signs the token
again by the documented algorithm of Signature Version 4, without any package of AWS, compares, and passes on what
follows. The key is the one that STS lent: moto tells it. What RDS does beside that, nobody can see; it is not here.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, quote

import pg8000.native

from steadylab.certs import Authority
from steadylab.database.servers import Postgres
from steadylab.ports import free_ports

_SSL_REQUEST: Final = 80877103
_LIFE_SECONDS: Final = 900


def signed(host: str, query: dict[str, str], secret_key: str, service: str = "rds-db") -> str:
    """The signature of a GET of `host` (name and port) with these parameters, as 64 hexadecimal digits.

    Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
    """
    date = query["X-Amz-Date"]
    scope = query["X-Amz-Credential"].split("/", 1)[1]
    day, region, _service, _end = scope.split("/")
    canonical_query = "&".join(f"{quote(key, safe='-_.~')}={quote(query[key], safe='-_.~')}" for key in sorted(query))
    nothing = hashlib.sha256(b"").hexdigest()
    canonical = f"GET\n/\n{canonical_query}\nhost:{host}\n\nhost\n{nothing}"
    to_sign = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


def why_not(token: str, host: str, user: str, secret_of: Callable[[str], str], now: float) -> str:
    """Why a token does not let `user` in at `host` (name and port); empty when it does."""
    place, _mark, text = token.partition("/?")
    query = dict(parse_qsl(text, strict_parsing=True)) if text else {}
    signature = query.pop("X-Amz-Signature", "")
    if place != host:
        return f"for {place or 'nothing'}"
    if (query.get("Action"), query.get("DBUser")) != ("connect", user):
        return f"for the user {query.get('DBUser')}"
    begun = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    if query["X-Amz-Expires"] != str(_LIFE_SECONDS) or now >= begun + _LIFE_SECONDS:
        return "expired"
    key = secret_of(query["X-Amz-Credential"].split("/")[0])
    if not key or signed(host, query, key) != signature:
        return "another signature"
    return ""


@dataclass
class Rds:
    """The front on a loopback port, in threads of this process. Passwords that were brought are kept for tests.

    :ivar ahead: how far its clock is ahead, in seconds
    :ivar refused: why logins were refused, in order; `let_in` counts the others
    """

    server: Postgres
    secret_of: Callable[[str], str]
    context: ssl.SSLContext
    port: int = field(default_factory=lambda: free_ports(1)[0])
    host: str = "localhost"
    ahead: float = 0.0
    brought: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    let_in: int = 0
    roles: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    @contextlib.contextmanager
    def running(cls, lab: Path, server: Postgres, secret_of: Callable[[str], str]) -> Iterator[Rds]:
        """One that serves until the end of the context."""
        folder = lab / "rds"
        folder.mkdir(exist_ok=True)
        Authority.read(lab / "pki").issue("rds", server=True).write(folder, "server")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.crt", folder / "server.key")
        front = cls(server, secret_of, context)
        with socket.create_server(("127.0.0.1", front.port)) as listener:
            threading.Thread(target=front._serve, args=(listener,), daemon=True).start()
            yield front
            # Ends the thread that waits for the next client.
            listener.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """Forget what happened."""
        with self._lock:
            self.ahead, self.let_in = 0.0, 0
            self.brought.clear()
            self.refused.clear()

    def create(self, database: str, user: str, password: str) -> None:
        """A database and its owner, who logs in here with tokens and has a password only behind."""
        self.server.create(database, user, password)
        self.roles[user] = password

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _address = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._attend, args=(client,), daemon=True).start()

    def _attend(self, plain: socket.socket) -> None:
        # A client that leaves in the middle is no error of the front.
        with plain, contextlib.suppress(OSError, EOFError):
            code, body = _startup(plain)
            if code != _SSL_REQUEST:
                self._refuse(plain, "without TLS", "FATAL: no pg_hba.conf entry, no encryption")
                return
            plain.sendall(b"S")
            with self.context.wrap_socket(plain, server_side=True) as client:
                _code, body = _startup(client)
                words = body.rstrip(b"\0").decode().split("\0")
                self._log_in(client, dict(zip(words[::2], words[1::2], strict=True)))

    def _log_in(self, client: ssl.SSLSocket, wanted: dict[str, str]) -> None:
        client.sendall(_message(b"R", struct.pack("!i", 3)))
        user, token = wanted.pop("user"), _password(client)
        database = wanted.pop("database", user)
        problem = why_not(token, f"{self.host}:{self.port}", user, self.secret_of, time.time() + self.ahead)
        with self._lock:
            self.brought.append(token)
        if problem:
            self._refuse(client, problem, f'PAM authentication failed for user "{user}"')
            return
        with self._lock:
            self.let_in += 1
        with socket.create_connection(("127.0.0.1", self.server.port)) as behind:
            self._answer(client, behind, user, database, wanted)

    def _answer(
        self, client: ssl.SSLSocket, behind: socket.socket, user: str, database: str, wanted: dict[str, str]
    ) -> None:
        """Log in behind with the password, then let the client talk."""
        session = pg8000.native.Connection(
            user, database=database, password=self.roles[user], sock=behind, ssl_context=False
        )
        for name, value in wanted.items():
            if name not in ("client_encoding", "datestyle", "extra_float_digits"):
                session.run(f"SELECT set_config('{name}', :value, false)", value=value)
        told = {"server_version": "15.0", "client_encoding": "UTF8", "standard_conforming_strings": "on"}
        parameters = b"".join(_message(b"S", f"{key}\0{value}\0".encode()) for key, value in told.items())
        client.sendall(_message(b"R", struct.pack("!i", 0)) + parameters + _message(b"Z", b"I"))
        _pass_on(client, behind)

    def _refuse(self, client: socket.socket, why: str, said: str) -> None:
        with self._lock:
            self.refused.append(why)
        fields = f"SFATAL\0VFATAL\0C28P01\0M{said}\0\0".encode()
        client.sendall(_message(b"E", fields))


def _pass_on(client: ssl.SSLSocket, server: socket.socket) -> None:
    """Both ways until one side ends."""
    while True:
        # What TLS has read already no longer shows on its socket.
        ready = [client] if client.pending() else select.select((client, server), (), ())[0]
        for source in ready:
            chunk = source.recv(65536)
            if not chunk:
                return
            (server if source is client else client).sendall(chunk)


def _exactly(stream: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        chunk = stream.recv(count - len(parts))
        if not chunk:
            raise EOFError
        parts += chunk
    return bytes(parts)


def _startup(stream: socket.socket) -> tuple[int, bytes]:
    """A message without a type: its code, and what follows (postgresql.org/docs/15/protocol-message-formats.html)."""
    length, code = struct.unpack("!ii", _exactly(stream, 8))
    return int(code), _exactly(stream, length - 8)


def _password(stream: socket.socket) -> str:
    kind, length = struct.unpack("!ci", _exactly(stream, 5))
    if kind != b"p":
        raise EOFError
    return _exactly(stream, length - 4).rstrip(b"\0").decode()


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body
