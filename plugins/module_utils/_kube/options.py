# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The connection options: names and meaning as in kubernetes.core, values from K8S_AUTH_* where not given."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

ARGUMENTS: dict[str, dict[str, Any]] = {
    "kubeconfig": {"type": "raw"},
    "context": {"type": "str"},
    "host": {"type": "str"},
    "api_key": {"type": "str", "no_log": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "validate_certs": {"type": "bool", "aliases": ["verify_ssl"]},
    "ca_cert": {"type": "path", "aliases": ["ssl_ca_cert"]},
    "client_cert": {"type": "path", "aliases": ["cert_file"]},
    "client_key": {"type": "path", "aliases": ["key_file"], "no_log": False},
    "tls_server_name": {"type": "str"},
    "proxy": {"type": "str"},
    "no_proxy": {"type": "str"},
    "impersonate_user": {"type": "str"},
    "impersonate_groups": {"type": "list", "elements": "str"},
}

# The variables that kubernetes.core reads, some under the client library's name of the option.
_VARIABLES = {
    "kubeconfig": "K8S_AUTH_KUBECONFIG",
    "context": "K8S_AUTH_CONTEXT",
    "host": "K8S_AUTH_HOST",
    "api_key": "K8S_AUTH_API_KEY",
    "username": "K8S_AUTH_USERNAME",
    "password": "K8S_AUTH_PASSWORD",
    "validate_certs": "K8S_AUTH_VERIFY_SSL",
    "ca_cert": "K8S_AUTH_SSL_CA_CERT",
    "client_cert": "K8S_AUTH_CERT_FILE",
    "client_key": "K8S_AUTH_KEY_FILE",
    "tls_server_name": "K8S_AUTH_TLS_SERVER_NAME",
    "proxy": "K8S_AUTH_PROXY",
    "no_proxy": "K8S_AUTH_NO_PROXY",
    "impersonate_user": "K8S_AUTH_IMPERSONATE_USER",
    "impersonate_groups": "K8S_AUTH_IMPERSONATE_GROUPS",
}
_FALSE = frozenset({"no", "off", "0", "false", "n", "f"})
_SECRET_KEYS = frozenset(
    {"token", "password", "client-key-data", "id-token", "refresh-token", "access-token", "client-secret"}
)


def effective(options: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The connection options with the environment's values for those that were not given; empty means not given."""
    env = os.environ if environ is None else environ
    found = {name: options.get(name) for name in ARGUMENTS}
    for name, variable in _VARIABLES.items():
        if found[name] in (None, "", []) and env.get(variable):
            found[name] = _typed(name, env[variable])
    return {name: None if value in ("", []) else value for name, value in found.items()}


def secrets_of(options: Mapping[str, Any]) -> set[str]:
    """Every secret text inside the options, for the caller's list of values that must never be printed."""
    given = effective(options)
    found = {str(given[name]) for name in ("api_key", "password") if given[name]}
    return found | _secrets_in(given["kubeconfig"])


def _typed(name: str, text: str) -> Any:
    if name == "validate_certs":
        return text.strip().lower() not in _FALSE
    if name == "impersonate_groups":
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _secrets_in(node: Any) -> set[str]:
    if isinstance(node, Mapping):
        own = {str(value) for key, value in node.items() if key in _SECRET_KEYS and isinstance(value, str) and value}
        return own.union(*(_secrets_in(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(_secrets_in(item) for item in node))
    return set()
