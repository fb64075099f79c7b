# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Which network addresses a call to other people's URLs may reach.

The networks are those of the IANA special-purpose address registries (RFC 6890) and the clouds' metadata services. They
are written out, because `is_private` and its like have changed their meaning between patch releases of Python.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TypeAlias

Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"
Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(part) for part in text.split())


# Whoever may call these may act as the machine: no installation can allow them.
_NEVER: dict[str, tuple[Network, ...]] = {
    # AWS, Azure, Google Cloud, OpenStack; AWS over IPv6; Alibaba Cloud; Azure's platform address; Oracle Cloud.
    "a metadata address": _networks(
        "169.254.169.254/32 fd00:ec2::254/128 100.100.100.200/32 168.63.129.16/32 192.0.0.192/32 fd20:ce::254/128"
    ),
    "a link-local address": _networks("169.254.0.0/16 fe80::/10"),
    "a multicast address": _networks("224.0.0.0/4 ff00::/8"),
    "an unspecified or broadcast address": _networks("0.0.0.0/8 ::/128 255.255.255.255/32"),
}
_INSIDE: dict[str, tuple[Network, ...]] = {
    "a loopback address": _networks("127.0.0.0/8 ::1/128"),
    "a private address": _networks("10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7 fec0::/10"),
    "a shared address (RFC 6598)": _networks("100.64.0.0/10"),
    "a reserved address": _networks(
        "192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4 "
        "100::/64 2001::/23 2001:db8::/32 3fff::/20 5f00::/16 ::/96"
    ),
}
# IPv6 addresses that stand for an IPv4 one: mapped, NAT64 (RFC 6052), 6to4 (RFC 3056).
_MAPPED = ipaddress.ip_network("::ffff:0:0/96")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")
_SIX_TO_FOUR = ipaddress.ip_network("2002::/16")


def refusal(text: str, allowed_networks: Iterable[str]) -> str:
    """Why the address may not be called, as the end of a sentence; empty when it may.

    Metadata, link-local and multicast addresses may never be; other addresses that are not public where one of the
    networks names them.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "is no IP address"
    faces = [address, *_inner(address)]
    for kind, networks in _NEVER.items():
        if any(face in network for face in faces for network in networks):
            return f"is {kind}, which is never called"
    allowed = [ipaddress.ip_network(network) for network in allowed_networks]
    for kind, networks in _INSIDE.items():
        for face in faces:
            inside = any(face in network for network in networks)
            if inside and not any(face in network for network in allowed):
                return f"is {kind}, which installation.webhooks.allowedNetworks does not name"
    if address in _LOCAL_NAT64 and not any(address in network for network in allowed):
        return "is a local translation address, which installation.webhooks.allowedNetworks does not name"
    return ""


def _inner(address: Address) -> list[Address]:
    """The IPv4 address that an IPv6 one stands for."""
    if address.version != 6:
        return []
    number = int(address)
    if address in _MAPPED or address in _NAT64:
        return [ipaddress.IPv4Address(number & 0xFFFFFFFF)]
    if address in _SIX_TO_FOUR:
        return [ipaddress.IPv4Address((number >> 80) & 0xFFFFFFFF)]
    return []
