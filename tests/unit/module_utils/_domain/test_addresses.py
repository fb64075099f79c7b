# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses may be called."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.addresses import refusal

EVERYWHERE = ("0.0.0.0/0", "::/0")
PUBLIC = ["1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1"]
NEVER = [
    "169.254.169.254",
    "169.254.1.1",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "224.0.0.1",
    "ff02::1",
    "0.0.0.0",
    "::",
    "255.255.255.255",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
]
INSIDE = [
    ("127.0.0.1", "127.0.0.0/8"),
    ("::1", "::1/128"),
    ("10.96.0.1", "10.96.0.0/12"),
    ("172.31.255.255", "172.16.0.0/12"),
    ("192.168.1.1", "192.168.1.1/32"),
    ("fd12:3456::1", "fd12:3456::/48"),
    ("100.64.0.1", "100.64.0.0/10"),
    ("198.18.0.1", "198.18.0.0/15"),
    ("2001:db8::1", "2001:db8::/32"),
    ("64:ff9b:1::1", "64:ff9b:1::/48"),
    ("::ffff:127.0.0.1", "127.0.0.0/8"),
    ("::ffff:10.0.0.1", "10.0.0.0/8"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_called(address: str) -> None:
    assert refusal(address, ()) == ""


@pytest.mark.parametrize("address", NEVER)
def test_no_network_allows_what_is_never_called(address: str) -> None:
    assert "never called" in refusal(address, ())
    assert "never called" in refusal(address, EVERYWHERE)


@pytest.mark.parametrize(("address", "network"), INSIDE)
def test_what_is_not_public_needs_a_network_that_names_it(address: str, network: str) -> None:
    assert "allowedNetworks" in refusal(address, ())
    assert "allowedNetworks" in refusal(address, ("203.0.113.0/24", "fdff::/16"))
    assert refusal(address, (network,)) == ""


def test_a_text_that_is_no_address_is_refused() -> None:
    assert refusal("localhost", EVERYWHERE) == "is no IP address"


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_in_every_ipv6_form(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    forms = [ipaddress.IPv6Address(0xFFFF << 32 | number), ipaddress.IPv6Address((0x64FF9B << 96) | number)]
    forms.append(ipaddress.IPv6Address(0x2002 << 112 | number << 80))
    plain = refusal(str(address), ())
    assert {refusal(str(form), ()) for form in forms} == {plain}


@given(st.ip_addresses())
def test_what_python_calls_inside_is_never_called_unasked(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    special = address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified
    if special or (address.is_private and not address.is_global):
        assert refusal(str(address), ())
