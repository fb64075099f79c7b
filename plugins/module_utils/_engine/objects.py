# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What is written on the objects that people look at: the status of a StarRocksUpgrade, our mirror on its cluster.

Nothing here decides anything, and nothing is written that stands there already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Denied, NotFound, Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.status import MIRROR
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.paths import path_to
from ansible_collections.steady.rollout.plugins.module_utils._kube.read import CLUSTER_API, CLUSTER_RESOURCE

UPGRADE_API = "rollout.steady.dev/v1alpha1"
UPGRADE_RESOURCE = "starrocksupgrades"
STATUS_FIELD = "upgradePreparationStatus"

Json = dict[str, Any]


def upgrade_path(namespace: str, name: str, subresource: str | None = None) -> str:
    """The request path of a StarRocksUpgrade."""
    return path_to(UPGRADE_API, UPGRADE_RESOURCE, namespace, name, subresource)


def read_upgrade(client: KubeClient, namespace: str, name: str) -> Json | None:
    """The StarRocksUpgrade, or None when it does not exist."""
    try:
        return client.get(upgrade_path(namespace, name))
    except NotFound:
        return None


def write_status(client: KubeClient, upgrade: Mapping[str, Any], status: Json) -> bool:
    """Bring the status of a StarRocksUpgrade to this one; whether that had to be written.

    One that was deleted meanwhile has no status that anybody could read.
    """
    before = upgrade.get("status") or {}
    changes = _changes(before, status)
    if not changes:
        return False
    metadata = upgrade["metadata"]
    path = upgrade_path(metadata["namespace"], metadata["name"], "status")
    try:
        client.merge_patch(path, {"metadata": {"uid": metadata["uid"]}, "status": changes})
    except NotFound:
        return False
    return True


def write_mirror(client: KubeClient, cluster: Mapping[str, Any], text: str | None) -> bool:
    """Bring our annotation on a StarRocksCluster to this text, None for no annotation; whether that was written."""
    metadata = cluster["metadata"]
    if (metadata.get("annotations") or {}).get(MIRROR) == text:
        return False
    patch = {"metadata": {"uid": metadata["uid"], "annotations": {MIRROR: text}}}
    client.merge_patch(_cluster_path(metadata), patch)
    return True


def write_cluster_status(client: KubeClient, cluster: Mapping[str, Any], status: Json | None) -> bool:
    """Bring our field in a StarRocksCluster's status to this one; whether it stands there afterwards.

    A definition that does not know the field drops it, and who may not write the status has the annotation.
    """
    before = (cluster.get("status") or {}).get(STATUS_FIELD)
    if before == status:
        return status is not None
    changes: Json | None = None if status is None else _changes(before or {}, status)
    metadata = cluster["metadata"]
    patch = {"metadata": {"uid": metadata["uid"]}, "status": {STATUS_FIELD: changes}}
    try:
        answer = client.merge_patch(_cluster_path(metadata, "status"), patch)
    except (Refused, Denied):
        return False
    return status is not None and (answer.get("status") or {}).get(STATUS_FIELD) == status


def _cluster_path(metadata: Mapping[str, Any], subresource: str | None = None) -> str:
    return path_to(CLUSTER_API, CLUSTER_RESOURCE, metadata["namespace"], metadata["name"], subresource)


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Json:
    """The merge patch (RFC 7386) from one mapping to the other: mappings are merged, all else is replaced."""
    changes: Json = {name: None for name in before if name not in after}
    for name, value in after.items():
        known = before.get(name)
        if isinstance(value, dict) and isinstance(known, Mapping):
            inner = _changes(known, value)
            changes |= {name: inner} if inner else {}
        elif known != value or name not in before:
            changes[name] = value
    return changes
