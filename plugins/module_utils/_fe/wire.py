# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""A connection for PyMySQL that keeps one deadline over all reads and writes, over TCP or a port-forward, with TLS.

PyMySQL's own timeouts are for one read each, so an FE that sends a byte now and then would hold a caller for ever.
"""

from __future__ import annotations

import io
import ssl
import time
from collections.abc import Callable
from typing import Any, Protocol

# The packet's header and what stands before the user's name (the SSLRequest of MySQL's protocol).
_TLS_REQUEST_BYTES = 4 + 32


class Pipe(Protocol):
    """What lies below: a socket or a tunnel."""

    def recv(self, size: int, /) -> bytes: ...

    def sendall(self, data: bytes, /) -> None: ...

    def settimeout(self, seconds: float | None, /) -> None: ...

    def close(self) -> None: ...


class NotSecured(Exception):
    """Something would have been sent before TLS that may only be sent with it."""


class Wire:
    """The socket that PyMySQL is given. `within` sets the deadline; past it every operation raises TimeoutError."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._deadline = time.monotonic()
        self._insists = False
        self.secured = False

    def insist_on_tls(self) -> None:
        """From now on nothing leaves in clear but the request for TLS; anything else raises NotSecured.

        This is checked here, on the bytes, so that it holds for every version of the library and whatever the far
        end says that it can or cannot do.
        """
        self._insists = True

    def within(self, seconds: float) -> None:
        """From now on everything together may take that many seconds."""
        self._deadline = time.monotonic() + seconds

    def settimeout(self, seconds: float | None) -> None:
        """Ignored: PyMySQL's timeout for a single operation gives way to the deadline."""

    def sendall(self, data: bytes) -> None:
        """Send all of the data."""
        if self._insists and not self.secured and len(data) != _TLS_REQUEST_BYTES:
            raise NotSecured
        self._arm()
        self._pipe.sendall(data)

    def recv(self, size: int) -> bytes:
        """At least one byte, none at the end."""
        self._arm()
        return self._pipe.recv(size)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """A buffered reader of what arrives."""
        return io.BufferedReader(_Reader(self), 65536)

    def secure(self, context: ssl.SSLContext, name: str) -> None:
        """Go on with TLS on the same connection."""
        self._arm()
        self._pipe = _TlsPipe(self._pipe, context, name)
        self.secured = True

    def close(self) -> None:
        """Close what lies below."""
        self._pipe.close()

    def _arm(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._pipe.settimeout(left)


class TlsStarter:
    """Stands where PyMySQL has an ssl.SSLContext: it only calls wrap_socket, which here needs no real socket."""

    def __init__(self, context: Callable[[], ssl.SSLContext], name: str) -> None:
        self._context = context
        self._name = name

    def wrap_socket(self, wire: Wire, **_options: Any) -> Wire:
        """Start TLS on the wire, for the server name given at the beginning."""
        wire.secure(self._context(), self._name)
        return wire


class _Reader(io.RawIOBase):
    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._wire.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _TlsPipe:
    """TLS over any pipe, by memory buffers."""

    def __init__(self, pipe: Pipe, context: ssl.SSLContext, name: str) -> None:
        self._pipe = pipe
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._until_done(self._tls.do_handshake)

    def recv(self, size: int, /) -> bytes:
        try:
            return bytes(self._until_done(lambda: self._tls.read(size)))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def sendall(self, data: bytes, /) -> None:
        self._until_done(lambda: self._tls.write(data))

    def settimeout(self, seconds: float | None, /) -> None:
        self._pipe.settimeout(seconds)

    def close(self) -> None:
        self._pipe.close()

    def _until_done(self, operation: Any) -> Any:
        while True:
            try:
                result = operation()
            except ssl.SSLWantReadError:
                self._flush()
                data = self._pipe.recv(65536)
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
                continue
            self._flush()
            return result

    def _flush(self) -> None:
        if self._outgoing.pending > 0:
            self._pipe.sendall(self._outgoing.read())
