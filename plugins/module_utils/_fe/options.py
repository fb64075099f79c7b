# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The options for reaching the frontends (FE) of a StarRocks cluster by the MySQL protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused

TRANSPORTS = ("auto", "direct", "port_forward", "static")
TLS_MODES = ("preferred", "required", "off")
_LONGEST_TIMEOUT = 600.0

ARGUMENTS: dict[str, dict[str, Any]] = {
    "fe_transport": {"type": "str", "choices": list(TRANSPORTS), "default": "auto"},
    "fe_user": {"type": "str", "default": "root"},
    "fe_password": {"type": "str", "no_log": True},
    "fe_password_secret": {
        "type": "dict",
        "no_log": False,
        "options": {
            "name": {"type": "str", "required": True},
            "key": {"type": "str", "default": "password", "no_log": False},
        },
    },
    "fe_port": {"type": "int", "default": 9030},
    "fe_addresses": {"type": "dict", "default": {}},
    "fe_domain": {"type": "str", "default": ""},
    "fe_tls": {"type": "str", "choices": list(TLS_MODES), "default": "preferred"},
    "fe_ca_cert": {"type": "path"},
    "fe_tls_server_name": {"type": "str", "default": ""},
    "fe_validate_certs": {"type": "bool", "default": True},
    "fe_connect_timeout": {"type": "float", "default": 5.0},
    "fe_read_timeout": {"type": "float", "default": 15.0},
}


@dataclass(frozen=True)
class FeOptions:
    """The options, checked. Timeouts are seconds; `addresses` maps a pod's name to its host and port."""

    transport: str = "auto"
    user: str = "root"
    password: str | None = field(default=None, repr=False)
    secret: str = ""
    secret_key: str = "password"
    port: int = 9030
    addresses: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    domain: str = ""
    tls: str = "preferred"
    ca_cert: str | None = None
    tls_server_name: str = ""
    validate_certs: bool = True
    connect_timeout: float = 5.0
    read_timeout: float = 15.0


def fe_options(options: Mapping[str, Any]) -> FeOptions:
    """The options of a task as checked values; Refused names the option that cannot be right."""
    given = {name: options.get(name, argument.get("default")) for name, argument in ARGUMENTS.items()}
    secret = given["fe_password_secret"] or {}
    return FeOptions(
        transport=_one_of("fe_transport", given["fe_transport"], TRANSPORTS),
        user=str(given["fe_user"]),
        password=given["fe_password"],
        secret=str(secret.get("name") or ""),
        secret_key=str(secret.get("key") or "password"),
        port=_port("fe_port", given["fe_port"]),
        addresses={str(pod): _address(str(pod), text) for pod, text in (given["fe_addresses"] or {}).items()},
        domain=str(given["fe_domain"] or "").strip("."),
        tls=_one_of("fe_tls", given["fe_tls"], TLS_MODES),
        ca_cert=given["fe_ca_cert"],
        tls_server_name=str(given["fe_tls_server_name"] or ""),
        validate_certs=bool(given["fe_validate_certs"]),
        connect_timeout=_seconds("fe_connect_timeout", given["fe_connect_timeout"]),
        read_timeout=_seconds("fe_read_timeout", given["fe_read_timeout"]),
    )


def shareable(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that another process in the cluster needs to reach the FEs as this one does; never a secret."""
    names = (
        *("fe_user", "fe_password_secret", "fe_port", "fe_domain"),
        *("fe_tls", "fe_tls_server_name", "fe_validate_certs"),
    )
    return {name: options[name] for name in names if options.get(name) not in (None, ARGUMENTS[name].get("default"))}


def _one_of(name: str, value: Any, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise Refused(name, value, "is unknown", remedy=f"Give one of {', '.join(choices)}.")
    return str(value)


def _seconds(name: str, value: Any) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 < seconds <= _LONGEST_TIMEOUT:
        raise Refused(name, value, "is no usable timeout", remedy=f"Give seconds, above 0 up to {_LONGEST_TIMEOUT:g}.")
    return seconds


def _port(name: str, value: Any) -> int:
    text = str(value)
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise Refused(name, value, "is no TCP port", remedy="Give 1 to 65535; StarRocks' default is 9030.")
    return int(text)


def _address(pod: str, text: Any) -> tuple[str, int]:
    host, _colon, port = str(text).rpartition(":")
    name = f"fe_addresses.{pod}"
    if not host:
        raise Refused(name, text, "is no host:port", remedy="Write it as fe.example.com:9030 or [2001:db8::1]:9030.")
    return host.strip("[]"), _port(name, port)
