# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""`installation.webhooks`: where webhook hooks may go. The author of a StarRocksUpgrade only chooses among these."""

from __future__ import annotations

import ipaddress
import re

from ansible_collections.steady.rollout.plugins.module_utils._domain.document import Reader
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.reach import HOST, WebhookPolicy

_ENTRY = re.compile(rf"(\*\.)?({HOST}|\[[0-9a-f:]+\])(:[1-9][0-9]{{0,4}})?")
_ENTRY_HINT = "a host such as hooks.example.com, *.example.com or hooks.example.com:8443, in small letters"


def parse_webhooks(section: Reader) -> WebhookPolicy:
    """`webhooks: {allowedHosts, plainHttpHosts, allowedNetworks, caFile, timeoutSeconds, maxBodyBytes}`."""
    default = WebhookPolicy()
    policy = WebhookPolicy(
        allowed_hosts=_hosts(section, "allowedHosts"),
        plain_http_hosts=_hosts(section, "plainHttpHosts"),
        allowed_networks=_networks(section, "allowedNetworks"),
        ca_file=section.text("caFile"),
        timeout_seconds=section.number("timeoutSeconds", default.timeout_seconds, least=1, most=60, unit="seconds"),
        max_body_bytes=section.whole("maxBodyBytes", default.max_body_bytes, least=256, most=1_048_576, unit="bytes"),
    )
    section.done()
    return policy


def _hosts(section: Reader, name: str) -> tuple[str, ...]:
    for number, item in enumerate(section.items(name)):
        if not isinstance(item, str) or not _ENTRY.fullmatch(item) or not _port_of(item) < 65_536:
            raise Refused(f"{section.at(name)}[{number}]", item, "is no host", remedy=_ENTRY_HINT)
    return tuple(str(item) for item in section.items(name))


def _port_of(entry: str) -> int:
    port = entry.rpartition("]")[2].rpartition(":")[2]
    return int(port) if port.isdigit() and ":" in entry.rpartition("]")[2] else 0


def _networks(section: Reader, name: str) -> tuple[str, ...]:
    for number, item in enumerate(section.items(name)):
        try:
            ipaddress.ip_network(item if isinstance(item, str) else "")
        except ValueError as error:
            path, remedy = f"{section.at(name)}[{number}]", "a network such as 10.20.0.0/16 or fd12:3456::/48"
            raise Refused(path, item, f"is no network: {error}", remedy=remedy) from None
    return tuple(str(item) for item in section.items(name))
