# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The status subresource of a custom resource, written without losing what another writer wrote meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Conflict
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient

ATTEMPTS = 4

Status = Mapping[str, Any]


def write_status(
    client: KubeClient, path: str, resource: Mapping[str, Any], status: Callable[[Status], dict[str, Any]]
) -> bool:
    """Give the resource at `path`, as it was read, the status that `status` makes from its present one.

    Nothing is sent where it is that already; returns whether something was. Raises Conflict when the resource at the
    path is another one by now, NotFound when it is gone.
    """
    found = resource
    for attempt in range(1, ATTEMPTS + 1):
        now = found.get("status") or {}
        wanted = status(now)
        if wanted == now:
            return False
        gone: dict[str, Any] = {key: None for key in now if key not in wanted}
        version = found["metadata"]["resourceVersion"]
        try:
            client.merge_patch(
                f"{path}/status", {"metadata": {"resourceVersion": version}, "status": {**gone, **wanted}}
            )
            return True
        except Conflict:
            if attempt == ATTEMPTS:
                raise
            found = client.get(path)
            if found["metadata"]["uid"] != resource["metadata"]["uid"]:
                raise
    return False
