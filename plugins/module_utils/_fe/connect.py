# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Sessions with the frontends: the only module that uses PyMySQL."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import (
    Denied,
    Refused,
    RolloutError,
    Unreachable,
    missing_package,
)
from ansible_collections.steady.rollout.plugins.module_utils._fe import tls
from ansible_collections.steady.rollout.plugins.module_utils._fe.errors import WRONG_PASSWORD, sql_failure
from ansible_collections.steady.rollout.plugins.module_utils._fe.options import FeOptions
from ansible_collections.steady.rollout.plugins.module_utils._fe.wire import NotSecured, Pipe, TlsStarter, Wire
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.portforward import open_socket

# What PyMySQL lets through when a packet is cut off or malformed.
_BROKEN = (OSError, ValueError, IndexError, struct.error, AttributeError)
_BROKEN_SHOWS_WITHIN = 1.0
# A session that said nothing for the first of these seconds is asked for a sign of life, to be had within the second.
_IDLE_SECONDS = 1.0
_PING_SECONDS = 2.0
# How old a password may be that a connection is opened with: as long as a round of connections to all FEs takes, since
# each reading is a request to the API server. One that is refused is read again at once.
CREDENTIALS_SECONDS = 5.0

Row: TypeAlias = "dict[str, str | None]"
Result = TypeVar("Result")
Cause = TypeVar("Cause", bound=Exception)


@dataclass(frozen=True)
class Credentials:
    """A user of the FE; the password is not shown."""

    user: str
    password: str = field(repr=False)


class _Kept:
    """Credentials as they were last read, for at most CREDENTIALS_SECONDS; read by one thread for all."""

    def __init__(self, read: Callable[[], Credentials]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._last: Credentials | None = None
        self._read_at = 0.0

    def fresh(self, refused: Credentials | None = None) -> Credentials:
        """The credentials; read anew where they are too old, or where they are the ones that an FE refused."""
        with self._lock:
            old = time.monotonic() - self._read_at > CREDENTIALS_SECONDS
            if self._last is None or old or self._last == refused:
                self._read_at = time.monotonic()
                self._last = self._read()
            return self._last


class Session:
    """One connection to one FE."""

    def __init__(self, pod: str, transport: str, connection: Any, wire: Wire, *, user: str, seconds: float) -> None:
        self.pod = pod
        self.transport = transport
        self._connection = connection
        self._wire = wire
        self._user = user
        self._seconds = seconds
        self._lock = threading.Lock()
        self._heard = time.monotonic()

    def run(self, sql: str, *, timeout: float | None = None) -> list[Row]:
        """Run one statement and return its rows, values as text, NULL as None. Every statement passes here.

        `timeout` is in seconds for the whole answer. Raises Unreachable when no answer came (the statement may have
        been carried out, and this session is of no more use), Denied or SqlFailed.
        """
        import pymysql

        seconds = timeout or self._seconds
        with self._lock:
            began = time.monotonic()
            self._wire.within(seconds)
            try:
                with self._connection.cursor(pymysql.cursors.Cursor) as cursor:
                    cursor.execute(sql)
                    names = [column[0] for column in cursor.description or ()]
                    rows = [dict(zip(names, map(_text, row), strict=True)) for row in cursor.fetchall()]
            except (pymysql.MySQLError, *_BROKEN) as error:
                raise self._failure(error, sql, time.monotonic() - began) from error
            self._heard = time.monotonic()
            return rows

    def alive(self) -> bool:
        """Whether the FE still answers here. Not every port-forward ends when the process behind it does.

        Sends no statement; sends nothing at all when the FE has just answered.
        """
        import pymysql

        with self._lock:
            if time.monotonic() - self._heard < _IDLE_SECONDS:
                return True
            self._wire.within(_PING_SECONDS)
            try:
                self._connection.ping(reconnect=False)
            except (pymysql.MySQLError, *_BROKEN):
                return False
            self._heard = time.monotonic()
            return True

    def close(self) -> None:
        """Close the connection without a farewell, which could block."""
        self._wire.close()

    def _failure(self, error: Exception, sql: str, seconds: float) -> RolloutError:
        errno, message = _number_and_text(error)
        failure = sql_failure(errno, message, pod=self.pod, user=self._user, sql=sql)
        if isinstance(failure, Unreachable):
            return _unreachable(self.pod, self.transport, message, seconds)
        return failure


class Frontends:
    """The FEs of one cluster, one session each, opened when it is first needed."""

    def __init__(
        self,
        client: KubeClient | None,
        cluster: str,
        namespace: str,
        credentials: Callable[[], Credentials],
        options: FeOptions,
    ) -> None:
        """`credentials` is asked for each round of connections, and again when an FE does not accept what it gave."""
        self._client = client
        self._cluster = cluster
        self._namespace = namespace
        self._credentials = credentials
        self._kept = _Kept(credentials)
        self._options = options
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    @property
    def read_timeout(self) -> float:
        """Seconds an FE may take for one answer."""
        return self._options.read_timeout

    def session(self, pod: str) -> Session:
        """The session with that pod's FE; raises Unreachable, Denied or Refused."""
        with self._lock:
            found = self._sessions.get(pod)
        if found is not None and found.alive():
            return found
        self.forget(pod)
        opened = self.connect(pod)
        with self._lock:
            self._sessions[pod] = opened
        return opened

    def run(self, pod: str, work: Callable[[Session], Result]) -> Result:
        """Do reads on that pod's FE; once more on a new connection when the kept one turns out to be broken."""
        with self._lock:
            kept = pod in self._sessions
        began = time.monotonic()
        try:
            return work(self.session(pod))
        except Unreachable:
            self.forget(pod)
            # A broken connection shows at once; what took longer was a timeout, which is not to be waited for twice.
            if not kept or time.monotonic() - began > _BROKEN_SHOWS_WITHIN:
                raise
        try:
            return work(self.session(pod))
        except Unreachable:
            self.forget(pod)
            raise

    def forget(self, pod: str) -> None:
        """Close the session with that pod, because it broke or because the pod was replaced."""
        with self._lock:
            session = self._sessions.pop(pod, None)
        if session is not None:
            session.close()

    def close(self) -> None:
        """Close every session."""
        for pod in list(self._sessions):
            self.forget(pod)

    def __enter__(self) -> Frontends:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def transport_of(self, pod: str) -> str:
        """How that pod is reached: direct, port_forward or static."""
        chosen = self._options.transport
        if chosen != "auto":
            return chosen
        if pod in self._options.addresses:
            return "static"
        if "KUBERNETES_SERVICE_HOST" in os.environ and _resolves(self.host_of(pod)):
            return "direct"
        return "port_forward"

    def host_of(self, pod: str) -> str:
        """The pod's name in the cluster's DNS, by the operator's headless Service X-fe-search."""
        name = f"{pod}.{self._cluster}-fe-search.{self._namespace}.svc"
        return f"{name}.{self._options.domain}" if self._options.domain else name

    def open_port(self, pod: str, port: int) -> Wire:
        """A connection to another port of that pod, by the same transport; raises Unreachable, Denied or Refused.

        Its deadline is that for connecting until `within` sets another.
        """
        transport = self.transport_of(pod)
        began = time.monotonic()
        try:
            wire = Wire(self._pipe(pod, transport, port))
        except OSError as error:
            raise _unreachable(pod, transport, _number_and_text(error)[1], time.monotonic() - began) from error
        wire.within(self._options.connect_timeout)
        return wire

    @property
    def demands_tls(self) -> bool:
        """Whether nothing may be sent in the clear."""
        return self._options.tls == "required"

    def credentials(self) -> Credentials:
        """User and password, read anew."""
        return self._credentials()

    def connect(self, pod: str) -> Session:
        """A further session with that pod's FE, for one who needs it alone and closes it; errors as of `session`."""
        credentials = self._kept.fresh()
        try:
            return self._connect(pod, credentials)
        except _WrongPassword as error:
            # It may have been changed since it was read.
            fresh = self._kept.fresh(refused=credentials)
            if fresh == credentials:
                raise Denied(error.reason, remedy=error.remedy) from None
        try:
            return self._connect(pod, fresh)
        except _WrongPassword as error:
            raise Denied(error.reason, remedy=error.remedy) from None

    def _connect(self, pod: str, credentials: Credentials) -> Session:
        pymysql = _library()
        transport = self.transport_of(pod)
        began = time.monotonic()
        try:
            wire = Wire(self._pipe(pod, transport, self._options.port))
        except OSError as error:
            raise _unreachable(pod, transport, _number_and_text(error)[1], time.monotonic() - began) from error
        wire.within(self._options.connect_timeout)
        connection: Any = None
        try:
            connection = self._logged_in(pymysql, pod, wire, credentials, tunnel=transport == "port_forward")
        except NotSecured:
            raise tls.not_offered(pod) from None
        except (pymysql.MySQLError, *_BROKEN) as error:
            raise self._connect_failure(error, pod, transport, credentials.user, time.monotonic() - began) from error
        finally:
            if connection is None:
                wire.close()
        return Session(pod, transport, connection, wire, user=credentials.user, seconds=self._options.read_timeout)

    def _pipe(self, pod: str, transport: str, port: int) -> Pipe:
        timeout = self._options.connect_timeout
        if transport == "port_forward":
            if self._client is None:
                raise Refused(
                    "fe_transport", transport, "needs a connection to the cluster", remedy="Use static or direct."
                )
            return open_socket(self._client, self._namespace, pod, port, timeout)
        address = self._options.addresses.get(pod) if transport == "static" else (self.host_of(pod), port)
        if address is None:
            raise Refused("fe_addresses", None, f"has no address for FE {pod}", remedy=f"Add {pod}: host:port.")
        if port != self._options.port:
            # What is given is the query port's address: other ports are taken to be at the same host.
            address = (address[0], port)
        connection = socket.create_connection(address, timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return connection

    def _logged_in(self, pymysql: Any, pod: str, wire: Wire, credentials: Credentials, *, tunnel: bool) -> Any:
        if self._options.tls == "required":
            wire.insist_on_tls()
        connection = _connection_class(pymysql)(
            user=credentials.user,
            password=credentials.password.encode(),
            host=self.host_of(pod),
            port=self._options.port,
            charset="utf8mb4",
            autocommit=None,
            conv={},
            ssl_disabled=True,
            defer_connect=True,
            auth_plugin_map=tls.Plugins(pod, credentials.user, lambda: tunnel or wire.secured),
        )
        if self._options.tls != "off":
            # `preferred` is not to be had by arguments in every version of PyMySQL: these are what it looks at.
            connection.ssl = True
            connection.ctx = TlsStarter(
                lambda: tls.context(self._options), tls.server_name(self._options, self.host_of(pod))
            )
        connection.connect(wire)
        return connection

    def _connect_failure(self, error: Exception, pod: str, transport: str, user: str, seconds: float) -> RolloutError:
        untrusted = _cause(error, ssl.SSLCertVerificationError)
        if untrusted is not None:
            return tls.not_trusted(pod, tls.server_name(self._options, self.host_of(pod)), self._options, untrusted)
        errno, message = _number_and_text(error)
        failure = sql_failure(errno, message, pod=pod, user=user)
        if errno == WRONG_PASSWORD:
            return _WrongPassword(failure.reason, remedy=failure.remedy)
        return _unreachable(pod, transport, message, seconds) if isinstance(failure, Unreachable) else failure


def _connection_class(pymysql: Any) -> Any:
    """PyMySQL's Connection, which before 1.2 asks for TLS without setting the flag that says so."""
    from pymysql.constants import CLIENT

    class Connection(pymysql.Connection):
        def _get_server_information(self) -> None:
            super()._get_server_information()
            if self.ssl and self.server_capabilities & CLIENT.SSL:
                self.client_flag |= CLIENT.SSL

    return Connection


class _WrongPassword(Denied):
    """The FE does not accept user and password: they may have been changed since they were read."""


def preload() -> None:
    """Import the driver once, in the process that forks the workers; a failure is told on first use."""
    with contextlib.suppress(ImportError):
        import pymysql.cursors  # noqa: F401


def in_parallel(jobs: Mapping[str, Callable[[], Result]]) -> dict[str, Result | RolloutError]:
    """Do the jobs at the same time, a thread each, so that a dead FE costs its own timeout only, once.

    An entry is what the job returned or the domain error that it raised; any other exception is raised here.
    """
    if len(jobs) < 2:
        return {name: _outcome(job) for name, job in jobs.items()}
    with ThreadPoolExecutor(len(jobs), thread_name_prefix="fe") as pool:
        futures = {name: pool.submit(_outcome, job) for name, job in jobs.items()}
        return {name: future.result() for name, future in futures.items()}


def _outcome(job: Callable[[], Result]) -> Result | RolloutError:
    try:
        return job()
    except RolloutError as error:
        return error


def _library() -> Any:
    try:
        import pymysql
    except ImportError as error:
        raise missing_package("PyMySQL", "1.1", error) from error
    return pymysql


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return bytes(value).decode("utf-8", "replace") if isinstance(value, (bytes, bytearray)) else str(value)


def _number_and_text(error: Exception) -> tuple[int, str]:
    """The error's number, 0 for what is no error packet, and its text."""
    lost = _cause(error, OSError)
    if lost is not None:
        return 0, f"{type(lost).__name__}: {lost.strerror or lost}"
    if error.args and isinstance(error.args[0], int):
        return error.args[0], str(error.args[1]) if len(error.args) > 1 else "the connection is closed"
    return 0, f"unexpected answer ({type(error).__name__})"


def _cause(error: Exception, kind: type[Cause]) -> Cause | None:
    """What the wire raised: PyMySQL wraps it in a text of its own, which says less."""
    for cause in (error, getattr(error, "original_exception", None), error.__context__):
        if isinstance(cause, kind):
            return cause
    return None


def _unreachable(pod: str, transport: str, message: str, seconds: float) -> Unreachable:
    return Unreachable(
        f"FE {pod} did not answer ({transport}, {seconds:.1f} s): {message.rstrip('.')}.",
        remedy="Check that the pod runs and is ready, that fe_port is its query port, and fe_transport.",
    )


def _resolves(host: str) -> bool:
    try:
        return bool(socket.getaddrinfo(host, None))
    except OSError:
        return False
