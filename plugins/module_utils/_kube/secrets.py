# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Secrets that this collection makes and keeps up to date, and no other ones."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Conflict, NotFound, Refused
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.paths import path_to

ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class SecretContent:
    """A Secret as it is to be. `labels` also tell that it is ours; one without them is never touched."""

    namespace: str
    name: str
    data: Mapping[str, bytes] = field(repr=False)
    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    owners: tuple[Mapping[str, Any], ...] = ()

    def _metadata(self) -> dict[str, Any]:
        return {"labels": dict(self.labels), "annotations": dict(self.annotations)}

    def _encoded(self) -> dict[str, str | None]:
        return {key: base64.b64encode(value).decode() for key, value in self.data.items()}

    def manifest(self) -> dict[str, Any]:
        """The Secret, ready to be created."""
        metadata = {**self._metadata(), "name": self.name, "namespace": self.namespace}
        if self.owners:
            metadata["ownerReferences"] = [dict(owner) for owner in self.owners]
        return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": self._encoded()}

    def patch(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """The merge patch that makes the Secret found like this one, if it has not changed since."""
        gone: dict[str, str | None] = {key: None for key in found.get("data") or {} if key not in self.data}
        metadata = {**self._metadata(), "resourceVersion": found["metadata"]["resourceVersion"]}
        if self.owners:
            metadata["ownerReferences"] = [dict(owner) for owner in self.owners]
        return {"metadata": metadata, "data": {**gone, **self._encoded()}}


def read(client: KubeClient, namespace: str, name: str) -> dict[str, Any] | None:
    """The Secret as the API server has it, None when it does not exist."""
    try:
        return client.get(path_to("v1", "secrets", namespace, name))
    except NotFound:
        return None


def decoded(secret: Mapping[str, Any], key: str) -> bytes | None:
    """What is under a key; None without it."""
    encoded = (secret.get("data") or {}).get(key)
    return None if encoded is None else base64.b64decode(encoded)


def write(client: KubeClient, content: SecretContent) -> None:
    """Create the Secret, or make the one that is there like it; Refused where that one is not ours."""
    for _attempt in range(ATTEMPTS):
        found = read(client, content.namespace, content.name)
        if found is not None:
            _check_ours(content, found)
        try:
            if found is None:
                client.create(path_to("v1", "secrets", content.namespace), content.manifest())
            else:
                client.merge_patch(path_to("v1", "secrets", content.namespace, content.name), content.patch(found))
            return
        except (Conflict, NotFound):
            # Made, changed or deleted since it was looked at.
            continue
    raise Conflict(
        f'Secret "{content.name}" in namespace "{content.namespace}" changes faster than it can be written.',
        remedy="Find out who else writes it, then run again.",
    )


def _check_ours(content: SecretContent, found: Mapping[str, Any]) -> None:
    labels = found["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in content.labels.items()):
        raise Refused(
            f'Secret "{content.name}" in namespace "{content.namespace}"',
            None,
            "exists and was not made by this collection",
            remedy="rename or delete it, or give the DBUpgrade another name",
        )
