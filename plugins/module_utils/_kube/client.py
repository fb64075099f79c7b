# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Raw requests to an API server: plain dicts in and out, domain errors, bounded retries.

The connections are urllib3's; typed models would cost half a second and 20 MB in each process.
"""

from __future__ import annotations

import contextlib
import json
import random
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import unquote, urlencode, urlsplit

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import RolloutError, Unreachable
from ansible_collections.steady.rollout.plugins.module_utils._kube.connection import Connection, connection_of
from ansible_collections.steady.rollout.plugins.module_utils._kube.decode import parsed
from ansible_collections.steady.rollout.plugins.module_utils._kube.failures import (
    Expired,
    answered,
    innermost,
    unanswered,
)
from ansible_collections.steady.rollout.plugins.module_utils._kube.options import ARGUMENTS

__all__ = [
    "ARGUMENTS",
    "FIELD_MANAGER",
    "METADATA",
    "METADATA_LIST",
    "BrokenStream",
    "KubeClient",
    "Listing",
    "Stream",
]

FIELD_MANAGER = "steady-rollout"
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
ATTEMPTS = 4
LONGEST_PAUSE = 10.0
PAGE = 500
_RETRIED = frozenset({500, 502, 503, 504})
_JSON = "application/json"
# What to accept when only metadata is wanted, of one object and of lists.
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
# A silent loss of the network is noticed after about 25 s, also while a watch waits for its next event.
_KEEPALIVE = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)] + [
    (socket.IPPROTO_TCP, getattr(socket, name), value)
    for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)
]

Query: TypeAlias = "Mapping[str, str | int | bool | None]"


@dataclass(frozen=True)
class Listing:
    """The items of a list, complete, and the resourceVersion from which a watch may go on."""

    items: list[dict[str, Any]]
    resource_version: str


class BrokenStream(Exception):
    """A streamed answer ended before its end."""


class Stream:
    """The lines of a streamed answer. `close` may be called from another thread and ends a blocked read at once."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self._socket = _socket_of(response)

    def lines(self, longest: int = 8 * 1024 * 1024) -> Iterator[bytes]:
        """Yield each line without its end; raises Unreachable for one of more than `longest` bytes."""
        rest = bytearray()
        for chunk in self._chunks():
            rest += chunk
            *whole, tail = rest.split(b"\n")
            rest = bytearray(tail)
            if len(rest) > longest:
                raise Unreachable(f"The API server sent a watch event of more than {longest} bytes.")
            yield from (bytes(line) for line in whole if line)

    def tail(self, most: int) -> tuple[bytes, bool]:
        """Read to the end and return the last `most` bytes, and whether any were dropped before them."""
        kept, dropped = bytearray(), False
        for chunk in self._chunks():
            kept += chunk
            if len(kept) > most:
                dropped = True
                del kept[: len(kept) - most]
        return bytes(kept), dropped

    def _chunks(self) -> Iterator[bytes]:
        import urllib3

        try:
            yield from self._response.stream(65536, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError) as error:
            # The last two are what a response raises that was closed from another thread.
            raise BrokenStream(innermost(error)) from error

    def close(self) -> None:
        """End the stream and its connection."""
        if self._socket is not None:
            # Already disconnected is what was wanted.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._response.close()


class KubeClient:
    """An API server as one user sees it. Safe to use from several threads."""

    def __init__(self, connection: Connection, *, pause: Callable[[float], None] = time.sleep) -> None:
        self.connection = connection
        self.namespace = connection.namespace
        self._pause = pause
        self._pools = _new_pools(connection)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> KubeClient:
        """The client that connection options (ARGUMENTS) describe; errors as of connection_of. Sends nothing."""
        return cls(connection_of(options))

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Any = None,
        content_type: str | None = None,
        accept: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Send one request and return the object that answers it, in the form that `accept` asks for.

        `timeout` is in seconds for one answer. Repeats, with growing pauses, what surely was not carried out (no
        connection, 429) and a GET that met a broken connection or a server's fault.
        Raises Denied, NotFound, Conflict, Refused or Unreachable.
        """
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        headers = {"Content-Type": content_type or _JSON} if data is not None else {}
        headers |= {"Accept": accept} if accept else {}
        return _decoded(self._answer(method, path, query, data, headers, timeout), method, path)

    def text(self, path: str, *, query: Query | None = None, timeout: float | None = None) -> str:
        """What a GET answers that is no object, such as a container's log; repeats and raises as `request` does."""
        data = self._answer("GET", path, query, None, {"Accept": "*/*"}, timeout)
        return data.decode("utf-8", "replace")

    def _answer(
        self,
        method: str,
        path: str,
        query: Query | None,
        data: bytes | None,
        headers: dict[str, str],
        timeout: float | None,
    ) -> bytes:
        """The body of the answer to one request. Everything but streams passes here."""
        failure: RolloutError = Unreachable("no attempt was made")
        for attempt in range(1, ATTEMPTS + 1):
            wait = None
            try:
                response = self._exchange(method, path, query, data, headers, timeout or ANSWER_SECONDS)
            except _Unsent as error:
                failure, again = error.failure, error.again
            else:
                if response.status < 300:
                    body: bytes = response.data
                    return body
                failure = answered(response.status, response.data, method, path)
                again = response.status == 429 or (method == "GET" and response.status in _RETRIED)
                wait = _retry_after(response)
            if not again or attempt == ATTEMPTS:
                break
            self._pause(_delay(attempt, wait))
        raise failure

    def get(
        self, path: str, *, query: Query | None = None, accept: str | None = None, timeout: float | None = None
    ) -> dict[str, Any]:
        """The object at the path."""
        return self.request("GET", path, query=query, accept=accept, timeout=timeout)

    def list_(
        self,
        path: str,
        *,
        label_selector: str = "",
        field_selector: str = "",
        page: int = PAGE,
        accept: str | None = None,
    ) -> Listing:
        """All items of a list, read in pages; starts again once when the server drops the pages in between."""
        query = {"labelSelector": label_selector or None, "fieldSelector": field_selector or None, "limit": page}
        try:
            return self._pages(path, query, accept)
        except Expired:
            return self._pages(path, query, accept)

    def create(self, path: str, body: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        """Create an object in the list at the path; Conflict when it exists."""
        return self.request("POST", path, query=_writing(dry_run), body=body)

    def merge_patch(self, path: str, patch: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        """JSON merge patch (RFC 7386); metadata.resourceVersion or uid inside it are preconditions."""
        return self._patch(path, patch, "application/merge-patch+json", dry_run)

    def json_patch(self, path: str, operations: list[dict[str, Any]], *, dry_run: bool = False) -> dict[str, Any]:
        """JSON patch (RFC 6902); a failing `test` is a Conflict."""
        return self._patch(path, operations, "application/json-patch+json", dry_run)

    def delete(
        self,
        path: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: str | None = None,
        grace_seconds: int | None = None,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Delete the object, only the one of that uid and resourceVersion where they are given (else Conflict)."""
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        options = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": {name: value for name, value in preconditions.items() if value} or None,
            "propagationPolicy": propagation,
            "gracePeriodSeconds": grace_seconds,
        }
        body = {name: value for name, value in options.items() if value is not None}
        return self.request("DELETE", path, query={"dryRun": "All" if dry_run else None}, body=body)

    def stream(self, path: str, *, query: Query, idle_seconds: float, accept: str | None = None) -> Stream:
        """Open a watch, or a log. No retry; `idle_seconds` without a byte end it. Raises as `request` does."""
        try:
            headers = {"Accept": accept} if accept else {}
            response = self._exchange("GET", path, query, None, headers, idle_seconds, streamed=True)
        except _Unsent as error:
            raise error.failure from error
        if response.status >= 300:
            body = response.data
            raise answered(response.status, body, "GET", path, watch="watch" in query)
        return Stream(response)

    def close(self) -> None:
        """Close the idle connections."""
        self._pools.clear()

    def _patch(self, path: str, body: Any, content_type: str, dry_run: bool) -> dict[str, Any]:
        return self.request("PATCH", path, query=_writing(dry_run), body=body, content_type=content_type)

    def _pages(self, path: str, query: Query, accept: str | None) -> Listing:
        items: list[dict[str, Any]] = []
        token: str | None = None
        while True:
            answer = self.request("GET", path, query={**query, "continue": token}, accept=accept)
            metadata = answer.get("metadata") or {}
            items += answer.get("items") or []
            token = metadata.get("continue")
            if not token:
                return Listing(items, str(metadata.get("resourceVersion", "")))

    def _exchange(
        self,
        method: str,
        path: str,
        query: Query | None,
        data: bytes | None,
        headers: dict[str, str],
        timeout: float,
        *,
        streamed: bool = False,
    ) -> Any:
        """One HTTP exchange, no more; raises _Unsent with the domain error when no answer came."""
        import urllib3

        url = self.connection.host + path + _encoded(query)
        try:
            return self._pools.request(
                method,
                url,
                body=data,
                headers=_header_list({**self.connection.headers(), **headers}),
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=timeout),
                retries=False,
                redirect=False,
                preload_content=not streamed,
            )
        except urllib3.exceptions.HTTPError as error:
            unsent = isinstance(error, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError))
            failure = unanswered(self.connection.host, method, path, error, sent=not unsent)
            hopeless = isinstance(error, (urllib3.exceptions.SSLError, urllib3.exceptions.ProxyError))
            raise _Unsent(failure, again=not hopeless and (unsent or method == "GET")) from error


class _Unsent(Exception):
    """No answer came; `again` when repeating the request can do no harm."""

    def __init__(self, failure: Unreachable, *, again: bool) -> None:
        super().__init__(failure.reason)
        self.failure = failure
        self.again = again


def _new_pools(connection: Connection) -> Any:
    """A pool manager for the one host; the TLS context already holds CA and client certificate."""
    try:
        import urllib3
    except ImportError as error:
        raise RolloutError(
            f"The Python package urllib3 cannot be imported: {error}.",
            remedy="Install the packages kubernetes and urllib3 for the Python that runs this task.",
        ) from error
    options: dict[str, Any] = {"num_pools": 2, "maxsize": 8, "ssl_context": connection.tls}
    if connection.server_name:
        options |= {"server_hostname": connection.server_name}
    if connection.tls is not None and not connection.tls.check_hostname:
        options |= {"cert_reqs": "CERT_NONE", "assert_hostname": False}
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    options["socket_options"] = [*urllib3.connection.HTTPConnection.default_socket_options, *_KEEPALIVE]
    if connection.proxy:
        parts = urlsplit(connection.proxy)
        if parts.username:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            options["proxy_headers"] = urllib3.make_headers(proxy_basic_auth=pair)
        return urllib3.ProxyManager(connection.proxy, **options)
    return urllib3.PoolManager(**options)


def _header_list(headers: dict[str, Any]) -> Any:
    """The headers with one line for each value of a list (Impersonate-Group)."""
    import urllib3

    lines = urllib3._collections.HTTPHeaderDict()
    for name, value in headers.items():
        for single in value if isinstance(value, list) else [value]:
            lines.add(name, single)
    return lines


def _encoded(query: Query | None) -> str:
    given = {name: value for name, value in (query or {}).items() if value is not None}
    texts = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}
    return "?" + urlencode(texts) if texts else ""


def _writing(dry_run: bool) -> dict[str, str | None]:
    return {"fieldManager": FIELD_MANAGER, "dryRun": "All" if dry_run else None}


def _decoded(data: bytes, method: str, path: str) -> dict[str, Any]:
    try:
        answer = parsed(data, f"the answer to {method} {path}")
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise Unreachable(
            f"The answer to {method} {path} is no JSON object.",
            remedy="Check that the host is a Kubernetes API server and not a proxy's page.",
        )
    return answer


def _retry_after(response: Any) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else None


def _delay(attempt: int, asked: float | None) -> float:
    """Seconds before the next attempt: what the server asks for (up to a limit), else 0.2, 0.4, 0.8 with jitter."""
    if asked is not None:
        return min(asked, LONGEST_PAUSE)
    return float(0.2 * 2 ** (attempt - 1) * random.uniform(0.75, 1.25))


def _socket_of(response: Any) -> socket.socket | None:
    """The socket under a streamed answer: urllib3 offers no way to end a read from another thread before 2.3."""
    connection = getattr(response, "connection", None) or getattr(response, "_connection", None)
    return getattr(connection, "sock", None)
