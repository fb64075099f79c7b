# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""One TCP connection to a port of a pod, through the API server, as a WebSocket without a thread or a process.

The protocol is the kubelet's `v4.channel.k8s.io`: each port has a data channel (0) and an error channel (1), and
each message begins with its channel's number; the first message of each channel holds the port's number
(https://github.com/kubernetes/kubernetes/blob/v1.36.0/staging/src/k8s.io/kubelet/pkg/cri/streaming/portforward/websocket.go).
"""

from __future__ import annotations

import contextlib
import ssl
import time
from typing import Any
from urllib.parse import unquote, urlsplit

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Denied, RolloutError, Unreachable
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.failures import answered, innermost
from ansible_collections.steady.rollout.plugins.module_utils._kube.paths import path_to

_DATA = b"\x00"
_CHANNELS = 2
_REMEDY = (
    'Bind a Role with the rule {apiGroups: [""], resources: ["pods/portforward"], verbs: ["create", "get"]}, '
    "or use fe_transport direct or static."
)


class Tunnel:
    """What a client library needs of a socket: recv, sendall, settimeout and close. For one thread at a time."""

    def __init__(self, websocket: Any, where: str) -> None:
        self._websocket = websocket
        self._where = where
        self._buffer = bytearray()
        self._opened: set[int] = set()

    def settimeout(self, seconds: float | None) -> None:
        """Seconds that one recv or sendall may take."""
        self._websocket.settimeout(seconds)

    def sendall(self, data: bytes) -> None:
        """Send all of the data; raises OSError as a socket does."""
        with self._as_socket_errors():
            self._websocket.send_binary(_DATA + bytes(data))

    def recv(self, size: int) -> bytes:
        """At least one and at most `size` bytes; none at the end. Raises OSError as a socket does."""
        while not self._buffer:
            with self._as_socket_errors():
                opcode, frame = self._websocket.recv_data_frame(True)
            if opcode == 8:
                return b""
            if opcode == 2:
                self._take(frame.data)
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def close(self) -> None:
        """Close the connection without waiting for the peer."""
        self._websocket.shutdown()

    def _take(self, message: bytes) -> None:
        channel = message[0] if message else _CHANNELS
        if channel >= _CHANNELS:
            raise ConnectionError(f"{self._where}: unexpected message of the port-forward")
        if channel not in self._opened:
            self._opened.add(channel)
        elif channel == 0:
            self._buffer += message[1:]
        else:
            text = message[1:].decode("utf-8", "replace").strip()
            raise ConnectionError(f"{self._where}: {text}")

    @contextlib.contextmanager
    def _as_socket_errors(self) -> Any:
        import websocket

        try:
            yield
        except websocket.WebSocketTimeoutException as error:
            raise TimeoutError(f"{self._where}: timed out") from error
        except websocket.WebSocketException as error:
            raise ConnectionError(f"{self._where}: {error}") from error


def open_socket(client: KubeClient, namespace: str, pod: str, port: int, timeout: float) -> Tunnel:
    """Open a connection to a port of a pod within `timeout` seconds.

    Raises Denied without the right, NotFound for an unknown pod, Unreachable for anything else. That nothing listens
    on the port is known only when the connection is used: the first recv then raises ConnectionError.
    """
    where = f"port-forward to pod {namespace}/{pod} port {port}"
    path = path_to("v1", "pods", namespace, pod, "portforward")
    websocket = _library()
    began = time.monotonic()
    connection = websocket.WebSocket(sslopt=_tls_options(client), enable_multithread=False)
    connection.settimeout(timeout)
    try:
        connection.connect(
            f"{_websocket_host(client.connection.host)}{path}?ports={port}",
            header=_headers(client),
            subprotocols=["v4.channel.k8s.io"],
            suppress_origin=True,
            **_proxy(client.connection.proxy),
        )
    except websocket.WebSocketBadStatusException as error:
        raise _refused(error, path, where) from error
    except (websocket.WebSocketException, OSError) as error:
        connection.shutdown()
        raise Unreachable(
            f"{where} was not opened in {time.monotonic() - began:.1f} s: {innermost(error)}.",
            remedy="Check that the pod runs and that the API server reaches its node's kubelet.",
        ) from error
    return Tunnel(connection, where)


def _library() -> Any:
    try:
        import websocket
    except ImportError as error:
        raise RolloutError(
            f"The Python package websocket-client cannot be imported: {error}.",
            remedy="Install kubernetes (which needs it) for the Python that runs this task.",
        ) from error
    return websocket


def _websocket_host(host: str) -> str:
    return "ws" + host.removeprefix("http")


def _tls_options(client: KubeClient) -> dict[str, Any]:
    context = client.connection.tls
    if context is None:
        return {}
    options: dict[str, Any] = {"context": context, "check_hostname": context.check_hostname}
    if context.verify_mode == ssl.CERT_NONE:
        options["cert_reqs"] = ssl.CERT_NONE
    if client.connection.server_name:
        options["server_hostname"] = client.connection.server_name
    return options


def _headers(client: KubeClient) -> list[str]:
    lines = []
    given = client.connection.headers()
    # What answers is a stream of no media type: a kubelet may refuse a request that insists on JSON.
    given.pop("Accept", None)
    for name, value in given.items():
        lines += [f"{name}: {single}" for single in (value if isinstance(value, list) else [value])]
    return lines


def _proxy(proxy: str | None) -> dict[str, Any]:
    if not proxy:
        # The library would otherwise take a proxy from the environment, which the other requests do not.
        return {"http_no_proxy": ["*"]}
    parts = urlsplit(proxy)
    options: dict[str, Any] = {"http_proxy_host": parts.hostname, "http_proxy_port": parts.port, "proxy_type": "http"}
    if parts.username:
        options["http_proxy_auth"] = (unquote(parts.username), unquote(parts.password or ""))
    return options


def _refused(error: Any, path: str, where: str) -> RolloutError:
    body = bytes(getattr(error, "resp_body", None) or b"")
    status = int(error.status_code)
    if status == 404:
        return answered(status, body, "GET", path.removesuffix("/portforward"))
    failure = answered(status, body, "GET", path)
    if status == 403:
        return Denied(failure.reason, remedy=_REMEDY)
    if status == 401:
        return failure
    return Unreachable(f"{where} failed: {failure.reason}", remedy="Check that the pod runs and its node is ready.")
