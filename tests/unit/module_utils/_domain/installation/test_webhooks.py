# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`installation.webhooks`."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation import parse_installation
from ansible_collections.steady.rollout.plugins.module_utils._domain.reach import WebhookPolicy


def test_nothing_is_allowed_until_it_is_named() -> None:
    assert parse_installation({}).webhooks == WebhookPolicy()
    assert WebhookPolicy().allowed_hosts == ()


def test_every_field_is_read() -> None:
    section = {
        "allowedHosts": ["hooks.example.com", "*.example.org:8443", "[2001:db8::1]:443"],
        "plainHttpHosts": ["hooks.example.com"],
        "allowedNetworks": ["10.0.0.0/8", "fd00::/8"],
        "caFile": "/etc/ca.pem",
        "timeoutSeconds": 5,
        "maxBodyBytes": 1024,
    }
    policy = parse_installation({"webhooks": section}).webhooks
    assert policy == WebhookPolicy(
        allowed_hosts=("hooks.example.com", "*.example.org:8443", "[2001:db8::1]:443"),
        plain_http_hosts=("hooks.example.com",),
        allowed_networks=("10.0.0.0/8", "fd00::/8"),
        ca_file="/etc/ca.pem",
        timeout_seconds=5.0,
        max_body_bytes=1024,
    )


@pytest.mark.parametrize(
    ("section", "field"),
    [
        ({"allowedHosts": ["https://hooks.example.com"]}, "allowedHosts[0]"),
        ({"allowedHosts": ["ok.example.com", "*"]}, "allowedHosts[1]"),
        ({"allowedHosts": ["*example.com"]}, "allowedHosts[0]"),
        ({"allowedHosts": ["Hooks.example.com"]}, "allowedHosts[0]"),
        ({"allowedHosts": ["hooks.example.com:99999"]}, "allowedHosts[0]"),
        ({"allowedHosts": [5]}, "allowedHosts[0]"),
        ({"plainHttpHosts": ["a b"]}, "plainHttpHosts[0]"),
        ({"allowedNetworks": ["10.0.0.1/8"]}, "allowedNetworks[0]"),
        ({"allowedNetworks": [10]}, "allowedNetworks[0]"),
        ({"timeoutSeconds": 0}, "timeoutSeconds"),
        ({"maxBodyBytes": 10}, "maxBodyBytes"),
        ({"alowedHosts": []}, "alowedHosts"),
    ],
)
def test_what_is_wrong_is_named(section: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_installation({"webhooks": section})
    assert refused.value.field == f"installation.webhooks.{field}"
    assert refused.value.remedy
