# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The one way out to other people's URLs: one exchange, to an address that was checked, within its bounds.

Nothing is followed, cached or kept open, and neither proxies nor credentials are taken from the environment. Why the
standard library does this: docs/decisions/0010-webhooks-by-the-standard-library.md.
"""

from __future__ import annotations

import contextlib
import http.client
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ansible_collections.steady.rollout.plugins.module_utils._domain.addresses import refusal
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.reach import (
    Endpoint,
    WebhookPolicy,
    check_target,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.text import shorten
from ansible_collections.steady.rollout.plugins.module_utils._domain.webhook import WebhookFailed

# Looks a host name up: (host, port) to IP addresses, in the order in which they are tried.
Resolve: TypeAlias = Callable[[str, int], "list[str]"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; its body may be empty."""

    status: int
    body: bytes
    retry_after: str = ""


def resolve(host: str, port: int) -> list[str]:
    """Every address of the host, once each. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def call(
    url: str,
    method: str,
    headers: Mapping[str, str],
    body: bytes,
    policy: WebhookPolicy,
    *,
    timeout: float,
    resolver: Resolve = resolve,
) -> Answer:
    """Send one request and return its answer; `timeout` is in seconds for everything together.

    Raises Refused where the policy forbids the URL, and WebhookFailed where no whole answer came. Every address of the
    host is checked and only a checked one is connected to, so that a name cannot mean another address a moment later.
    """
    endpoint = check_target(url, policy, "url")
    end = time.monotonic() + min(timeout, policy.timeout_seconds)
    context = _tls(policy) if endpoint.scheme == "https" else None
    addresses = _checked(endpoint, policy, _looked_up(endpoint, resolver, end))
    with _connected(endpoint, addresses, end) as plain, _failures(endpoint, end), _bounded(plain, end):
        stream = plain if context is None else context.wrap_socket(plain, server_hostname=endpoint.host)
        with stream:
            return _exchange(endpoint, stream, method, headers, body, policy.max_body_bytes)


def _tls(policy: WebhookPolicy) -> ssl.SSLContext:
    """A context that verifies chain and host name, as the standard library's default does."""
    try:
        return ssl.create_default_context(cafile=policy.ca_file or None)
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        remedy = "name a file of certificates in PEM form"
        raise Refused("installation.webhooks.caFile", policy.ca_file, reason, remedy=remedy) from None


def _looked_up(endpoint: Endpoint, resolver: Resolve, end: float) -> list[str]:
    """The host's addresses. The system's resolver knows no timeout, so it works in a thread that may be left behind."""
    results: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            results.put(resolver(endpoint.host, endpoint.port))
        except OSError as error:
            results.put(error)

    threading.Thread(target=look_up, daemon=True).start()
    try:
        found = results.get(timeout=max(0.0, end - time.monotonic()))
    except queue.Empty:
        raise _failed(endpoint, "its name was not looked up in time") from None
    if isinstance(found, OSError):
        raise _failed(endpoint, f"its name has no address: {found.strerror or found}")
    return found


def _checked(endpoint: Endpoint, policy: WebhookPolicy, addresses: list[str]) -> list[str]:
    """The addresses; Refused when even one of them is none that may be called."""
    for address in addresses:
        if why := refusal(address, policy.allowed_networks):
            remedy = "call a public address, or have the installation allow the network"
            raise Refused("url", None, f"{endpoint}: {address} {why}", remedy=remedy)
    return addresses


def _connected(endpoint: Endpoint, addresses: list[str], end: float) -> socket.socket:
    """A connection to the first address that answers."""
    problem = "its name has no address"
    for number, address in enumerate(addresses):
        # One that is silent leaves the others their share of the time.
        share = (end - time.monotonic()) / (len(addresses) - number)
        if share <= 0:
            break
        try:
            stream = socket.create_connection((address, endpoint.port), timeout=share)
        except OSError as error:
            problem = f"{address}: {error.strerror or error}"
        else:
            stream.settimeout(None)
            return stream
    raise _failed(endpoint, problem)


@contextlib.contextmanager
def _bounded(stream: socket.socket, end: float) -> Iterator[None]:
    """Ends the connection when the time is over: a timeout of a socket bounds one read, and not all of them.

    It holds a handle of its own, because wrapping a socket in TLS takes the first one away.
    """
    handle = stream.dup()

    def give_up() -> None:
        # Ended already is what was wanted.
        with contextlib.suppress(OSError):
            handle.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, end - time.monotonic()), give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
        if time.monotonic() >= end:
            # What was cut off may look like an answer that ends where it was cut.
            raise TimeoutError
    finally:
        timer.cancel()
        handle.close()


@contextlib.contextmanager
def _failures(endpoint: Endpoint, end: float) -> Iterator[None]:
    """What goes wrong with a connection, as a sentence."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        remedy = "check the receiver's certificate and installation.webhooks.caFile"
        raise WebhookFailed(f"{endpoint}: TLS: {error.verify_message}", remedy=remedy) from None
    except (OSError, http.client.HTTPException) as error:
        late = time.monotonic() >= end
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise _failed(endpoint, "no whole answer in time" if late else shorten(text, 200)) from None


def _exchange(
    endpoint: Endpoint, stream: socket.socket, method: str, headers: Mapping[str, str], body: bytes, most: int
) -> Answer:
    connection = http.client.HTTPConnection(endpoint.host, endpoint.port)
    connection.sock = stream
    connection.putrequest(method, endpoint.target, skip_host=True, skip_accept_encoding=True)
    for name, value in {"Host": endpoint.authority, "Connection": "close", **headers}.items():
        connection.putheader(name, value)
    if body or method != "GET":
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body or None)
    response = connection.getresponse()
    content = response.read(most + 1)
    if response.length and len(content) <= most:
        raise http.client.IncompleteRead(content, response.length)
    if len(content) > most:
        reason = f"{endpoint} answered with more than {most} bytes"
        raise WebhookFailed(reason, remedy="let it answer shorter, or raise installation.webhooks.maxBodyBytes")
    return Answer(response.status, content, response.headers.get("Retry-After", "").strip())


def _failed(endpoint: Endpoint, why: str) -> WebhookFailed:
    remedy = "check the receiver, its name and the way to it; no proxy is used"
    return WebhookFailed(f"{endpoint}: {why}", remedy=remedy, transient=True)
