# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Where calls to other people's URLs may go: the host, the port and the scheme. Addresses are in addresses.py."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.text import one_line, shorten

HOST = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"

# RFC 1035, 2.3.4, without the final dot.
LONGEST_HOST = 253


@dataclass(frozen=True, slots=True)
class WebhookPolicy:
    """Where a call may go and how much of it; nothing is allowed until a host is named.

    `allowed_hosts` are exact names or `*.suffix`, with a port where it is not the scheme's own. `plain_http_hosts` may
    be called without TLS. `allowed_networks` are networks (CIDR) inside of which addresses that are not public may be
    called. `timeout_seconds` and `max_body_bytes` bound one call, its answer included. `ca_file` holds the certificate
    authorities to trust instead of the system's.
    """

    allowed_hosts: tuple[str, ...] = ()
    plain_http_hosts: tuple[str, ...] = ()
    allowed_networks: tuple[str, ...] = ()
    ca_file: str = ""
    timeout_seconds: float = 10.0
    max_body_bytes: int = 65_536


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a URL addresses, checked; `target` is path and query as they are sent."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """The Host header: without the port where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _default_port(self.scheme) else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def origin(url: str) -> str:
    """Scheme and host of a URL, without what may be secret in it."""
    parts = _split(url)
    if parts is None or not parts.hostname:
        return "a malformed URL"
    return one_line(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")


def _split(url: str) -> SplitResult | None:
    """The parts of a URL of printable ASCII; None for one that two readers could read differently."""
    if not re.fullmatch(r"[\x21-\x7e]{1,2048}", url) or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    return None if port == 0 else parts


def endpoint_of(url: str, path: str) -> Endpoint:
    """What the URL addresses; Refused when it is none that is called. It is not repeated there: it may hold a token."""
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        remedy = "https://HOST/PATH in ASCII; a host with other letters is written in its xn-- form"
        raise Refused(path, None, "missing" if not url else "is no http or https URL", remedy=remedy)
    if parts.username is not None or parts.password is not None:
        raise Refused(path, None, "holds a user name", remedy="use a header with valueFrom.secretKeyRef")
    if parts.fragment:
        raise Refused(path, None, "has a fragment", remedy="leave out what follows #")
    host = parts.hostname.removesuffix(".")
    if ":" not in host and (len(host) > LONGEST_HOST or not re.fullmatch(HOST, host)):
        raise Refused(path, None, f"{shorten(host, 80)} is no host name", remedy="letters, digits, dots and dashes")
    scheme: Literal["http", "https"] = "http" if parts.scheme == "http" else "https"
    port = parts.port or _default_port(scheme)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Endpoint(scheme, host, port, target)


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def check_target(url: str, policy: WebhookPolicy, path: str) -> Endpoint:
    """The endpoint, where the installation allows it: host, port and scheme. Its addresses are judged when called."""
    endpoint = endpoint_of(url, path)
    if not any(_matches(entry, endpoint) for entry in policy.allowed_hosts):
        raise Refused(
            path,
            None,
            f"the installation does not allow calls to {endpoint}",
            remedy=f"whoever installs may add {endpoint.authority} to installation.webhooks.allowedHosts",
        )
    if endpoint.scheme == "http" and not any(_matches(entry, endpoint) for entry in policy.plain_http_hosts):
        raise Refused(
            path,
            None,
            f"{endpoint.authority} would be called without TLS",
            remedy="use https, or have installation.webhooks.plainHttpHosts name the host",
        )
    return endpoint


def _matches(entry: str, endpoint: Endpoint) -> bool:
    host, _colon, port = entry.rpartition(":") if re.search(r"[^:\]]:[0-9]+$|\]:[0-9]+$", entry) else (entry, "", "")
    if int(port or _default_port(endpoint.scheme)) != endpoint.port:
        return False
    if host.startswith("*."):
        return endpoint.host.endswith(host[1:]) and endpoint.host != host[2:]
    return endpoint.host == host.strip("[]")


def own_policy(url: str, path: str, *, ca_file: str = "", timeout_seconds: float = 5.0) -> WebhookPolicy:
    """What allows just the host of an URL that the installation itself calls; metadata addresses stay out of reach."""
    endpoint = endpoint_of(url, path)
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    entry = f"{host}:{endpoint.port}"
    return WebhookPolicy(
        allowed_hosts=(entry,),
        plain_http_hosts=(entry,),
        allowed_networks=("0.0.0.0/0", "::/0"),
        ca_file=ca_file,
        timeout_seconds=timeout_seconds,
    )
