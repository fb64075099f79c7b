# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The MySQL-protocol listener of one FE pod, on top of mysql-mimic.

mysql-mimic brings the packets, the handshake and mysql_native_password. Two things it does otherwise than an FE are
done here: errors carry StarRocks' own numbers and states, and a failed login ends the connection. TLS is in tls.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from mysql_mimic import packets, types
from mysql_mimic.auth import AuthInfo, AuthPlugin, AuthState, IdentityProvider, NativePasswordAuthPlugin, Success, User
from mysql_mimic.connection import Connection
from mysql_mimic.control import LocalControl
from mysql_mimic.errors import MysqlError
from mysql_mimic.results import ResultColumn, ResultSet
from mysql_mimic.session import BaseSession
from mysql_mimic.stream import ConnectionClosed
from mysql_mimic.types import ColumnType
from mysql_mimic.variables import GlobalVariables, SessionVariables

from steadylab.simulator.answers import Table
from steadylab.simulator.errors import StatementError, insecure_transport, login_denied
from steadylab.simulator.model import Keystore
from steadylab.simulator.tls import FrontendStream

LOOPBACK: Final = "127.0.0.1"
UNKNOWN_COMMAND: Final = StatementError("Unknown command", 1047, "08S01")


class ConnectionDropped(Exception):
    """The FE ends the connection without an answer."""


class Handler(Protocol):
    """What stands behind a listener: who may log in, and what a statement answers."""

    def auth_string(self, user: str) -> str | None:
        """What is kept of a user's password; None for a user that does not exist."""

    def aborts_connection(self) -> bool:
        """Whether a connection that arrives now is aborted before the handshake."""

    def keystore(self) -> Keystore | None:
        """TLS as the FE offers it now; None where it offers none."""

    def open_session(self, user: str, connection_id: int, encrypted: bool) -> Callable[[str], Awaitable[Table]]:
        """A function that runs one statement after the other for a user; raises StatementError or ConnectionDropped."""


class _Identities(IdentityProvider):
    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._plugins = [NativePasswordAuthPlugin()]

    def get_plugins(self) -> list[AuthPlugin]:
        return list(self._plugins)

    async def get_user(self, username: str) -> User | None:
        auth_string = self._handler.auth_string(username)
        return None if auth_string is None else User(username, auth_string, NativePasswordAuthPlugin.name)


class _Session(BaseSession):
    def __init__(self) -> None:
        self.variables = SessionVariables(GlobalVariables())
        # The protocol version an FE announces; clients print it (StarRocks issue 45774).
        self.variables.set("version", "5.1.0", force=True)
        self.username = None
        self.database = None


class FrontendConnection(Connection):
    """One client of an FE."""

    def __init__(self, stream: FrontendStream, control: LocalControl, handler: Handler) -> None:
        keystore = handler.keystore()
        super().__init__(
            stream=stream,
            session=_Session(),
            control=control,
            identity_provider=_Identities(handler),
            ssl=keystore.context if keystore else None,
        )
        self._handler = handler
        self._channel = stream
        self._insists_on_tls = keystore is not None and keystore.required
        self._run: Callable[[str], Awaitable[Table]] | None = None

    async def serve(self) -> None:
        """Login, then statements until the client leaves or a fault drops it."""
        try:
            await self.connection_phase()
            await self.command_phase()
        except StatementError as error:
            await self._send_error(error)
        except (ConnectionClosed, ConnectionDropped, ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            return
        except MysqlError as error:
            await self._send_error(StatementError(error.msg, int(error.code), "08S01"))

    async def _send_error(self, error: StatementError) -> None:
        body = error.sqlstate.encode() + error.message.encode()
        await self.stream.write(b"\xff" + error.errno.to_bytes(2, "little") + b"#" + body)

    async def authenticate(
        self,
        username: str,
        auth_response: bytes,
        client_plugin_name: str | None,
        connect_attrs: dict[str, str],
        auth_state: AuthState | None = None,
        server_plugin: AuthPlugin | None = None,
    ) -> None:
        """Check user and password with mysql_native_password, asking the client to switch to it where it must.

        An FE that insists on TLS says so now (mysql/MysqlProto.java); that it lets localhost in without is left out,
        for here every client is local.
        """
        if self._insists_on_tls and not self._channel.encrypted:
            raise insecure_transport()
        user = await self.identity_provider.get_user(username)
        plugin = self.identity_provider.get_default_plugin()
        info = AuthInfo(
            username=username,
            data=auth_response,
            connect_attrs=connect_attrs,
            user=user or User(username),
            client_plugin_name=client_plugin_name,
            handshake_auth_data=self.handshake_auth_data,
            handshake_plugin_name=plugin.name,
        )
        if client_plugin_name not in (None, plugin.client_plugin_name):
            info = info.copy(await self._switch_plugin(plugin))
        decision, _ = await plugin.start(info)
        if user is None or not isinstance(decision, Success):
            raise login_denied(username, with_password=bool(info.data))
        self.session.username = username
        self._run = self._handler.open_session(username, self.connection_id, self._channel.encrypted)
        await self.stream.write(self.ok())

    async def _switch_plugin(self, plugin: AuthPlugin) -> bytes:
        request = packets.make_auth_switch_request(
            server_charset=self.server_charset,
            plugin_name=plugin.name,
            plugin_provided_data=self.handshake_auth_data or b"",
        )
        await self.stream.write(request)
        answer: bytes = await self.stream.read()
        return answer

    async def command_phase(self) -> None:
        """Answer commands; an FE's error does not end the connection."""
        while True:
            data = await self.stream.read()
            if not data or data[0] == types.Commands.COM_QUIT:
                return
            try:
                await self._command(data[0], data[1:])
            except StatementError as error:
                await self._send_error(error)
            finally:
                self.stream.reset_seq()

    async def _command(self, command: int, data: bytes) -> None:
        if command == types.Commands.COM_QUERY:
            await self._query(data)
        elif command == types.Commands.COM_INIT_DB:
            await self._statement(f"USE {data.decode()}")
        elif command in (types.Commands.COM_PING, types.Commands.COM_RESET_CONNECTION):
            await self.stream.write(self.ok())
        else:
            raise UNKNOWN_COMMAND

    async def _query(self, data: bytes) -> None:
        query = packets.parse_com_query(capabilities=self.capabilities, client_charset=self.client_charset, data=data)
        await self._statement(query.sql)

    async def _statement(self, sql: str) -> None:
        if self._run is None:
            raise UNKNOWN_COMMAND
        table = await self._run(sql)
        if not table.columns:
            await self.stream.write(self.ok())
            return
        columns = [ResultColumn(name, ColumnType.VARCHAR) for name in table.columns]
        await self.write_text_resultset(ResultSet(table.rows, columns))


class Listener:
    """The listener of one FE pod: it keeps its port while it is closed, so that connections are refused then."""

    def __init__(self, port: int = 0) -> None:
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._reserved: socket.socket | None = self._reserve(port)
        self.port: int = self._reserved.getsockname()[1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk with one client to its end."""
        raise NotImplementedError

    def admits(self) -> bool:
        """Whether a new connection is served at all; else it ends without a word."""
        return True

    @property
    def listening(self) -> bool:
        """Whether it accepts connections."""
        return self._server is not None

    @staticmethod
    def _reserve(port: int) -> socket.socket:
        """A bound socket that does not listen: nobody else gets the port, and whoever connects is refused."""
        reserved = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind((LOOPBACK, port))
        return reserved

    async def open(self) -> None:
        """Listen."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, sock=self._reserved)
            self._reserved = None

    def drop_clients(self) -> None:
        """End all connections without a word."""
        for task, writer in self._clients.items():
            writer.transport.abort()
            task.cancel()

    async def close(self) -> None:
        """End all connections and refuse new ones."""
        self.drop_clients()
        if self._server is not None:
            self._server.close()
            self._server = None
            self._reserved = self._reserve(self.port)

    async def stop(self) -> None:
        """Close for good, and give the port back."""
        await self.close()
        await asyncio.gather(*self._clients, return_exceptions=True)
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task: asyncio.Task[Any] | None = asyncio.current_task()
        if task is None or not self.admits():
            writer.transport.abort()
            return
        self._clients[task] = writer
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await self.serve(reader, writer)
        finally:
            del self._clients[task]
            writer.close()


class FrontendServer(Listener):
    """An FE's MySQL protocol."""

    def __init__(self, handler: Handler, port: int = 0) -> None:
        super().__init__(port)
        self._handler = handler
        self._control = LocalControl()

    def admits(self) -> bool:
        """As its handler says."""
        return not self._handler.aborts_connection()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, which others may kill while it lasts."""
        connection = FrontendConnection(FrontendStream(reader, writer), self._control, self._handler)
        connection.connection_id = await self._control.add(connection)
        try:
            await connection.serve()
        finally:
            await self._control.remove(connection.connection_id)
