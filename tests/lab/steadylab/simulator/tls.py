# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS that begins in the middle of a MySQL connection, as an FE offers it.

A client may send its first TLS bytes right behind its request for TLS. They are then in the stream reader's buffer,
where asyncio's own start_tls does not look, so TLS is done here over the streams.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from mysql_mimic.stream import MysqlStream

Buffer: TypeAlias = "bytes | bytearray | memoryview"
Result = TypeVar("Result")


class Channel:
    """TLS over a pair of streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext) -> None:
        self._reader = reader
        self._writer = writer
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    async def handshake(self) -> None:
        """Agree with the client; raises ssl.SSLError."""
        await self._until_done(self._tls.do_handshake)
        await self.flush()

    async def read(self, size: int) -> bytes:
        """At least one byte, none at the end."""
        try:
            return await self._until_done(lambda: self._tls.read(size))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def write(self, data: Buffer) -> None:
        """Encrypt; what is written goes out with the next flush."""
        self._tls.write(data)

    async def flush(self) -> None:
        """Send what is encrypted."""
        self._writer.write(self._outgoing.read())
        await self._writer.drain()

    async def _until_done(self, operation: Callable[[], Result]) -> Result:
        while True:
            try:
                return operation()
            except ssl.SSLWantReadError:
                await self.flush()
                data = await self._reader.read(65536)
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            except ssl.SSLError:
                # The client is told why.
                await self.flush()
                raise


class _Reader(asyncio.StreamReader):
    """What a MysqlStream reads from: it wants a StreamReader, and calls these two."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel

    async def read(self, n: int = -1) -> bytes:
        return await self._channel.read(n)

    async def readexactly(self, n: int) -> bytes:
        data = b""
        while len(data) < n:
            more = await self._channel.read(n - len(data))
            if not more:
                raise asyncio.IncompleteReadError(data, n)
            data += more
        return data


class _Writer(asyncio.StreamWriter):
    """What a MysqlStream writes to: it wants a StreamWriter, and calls these two."""

    def __init__(self, writer: asyncio.StreamWriter, channel: Channel) -> None:
        super().__init__(writer.transport, writer.transport.get_protocol(), None, asyncio.get_running_loop())
        self._channel = channel

    def write(self, data: Buffer) -> None:
        self._channel.write(data)

    async def drain(self) -> None:
        await self._channel.flush()


class FrontendStream:
    """The packets of one client, which may ask for TLS after the greeting: a MysqlStream, and then another.

    MysqlStream is compiled, so it cannot be inherited from.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._packets = MysqlStream(reader, writer)
        self.encrypted = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._packets, name)

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Go on with TLS."""
        channel = Channel(self._reader, self._writer, context)
        await channel.handshake()
        encrypted = MysqlStream(_Reader(channel), _Writer(self._writer, channel))
        encrypted.seq = self._packets.seq
        self._packets = encrypted
        self.encrypted = True
