# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Where user and password of the FE come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Credentials
from ansible_collections.steady.rollout.plugins.module_utils._fe.options import FeOptions
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.read import (
    PasswordSource,
    root_credentials,
    secret_value,
)


def credentials_from(
    client: KubeClient | None, namespace: str, options: FeOptions, resource: Mapping[str, Any] | None
) -> Callable[[], Credentials]:
    """A function that gives the credentials, read anew at each call, so that a changed Secret is seen.

    The password is, in this order: the option's, the Secret's that the option names, what the StarRocksCluster itself
    takes as MYSQL_PWD (for root only), else empty, as StarRocks' root has at first.
    """
    if options.password is not None:
        password = options.password
        return lambda: Credentials(options.user, password)
    source = _source(options, resource)
    if source.secret:
        return lambda: Credentials(options.user, secret_value(_needed(client), namespace, source.secret, source.key))
    return lambda: Credentials(options.user, source.literal or "")


def _source(options: FeOptions, resource: Mapping[str, Any] | None) -> PasswordSource:
    if options.secret:
        return PasswordSource(options.secret, options.secret_key)
    own = root_credentials(resource or {}) if options.user == "root" else None
    return own or PasswordSource()


def _needed(client: KubeClient | None) -> KubeClient:
    if client is None:
        raise Refused(
            "fe_password_secret", None, "needs a connection to the cluster", remedy="Give kubeconfig or fe_password."
        )
    return client
