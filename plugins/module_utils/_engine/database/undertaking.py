# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What one call works on: whose database upgrade it is, what is asked for, and how this installation does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.database.job import (
    LABEL,
    PREFIX,
    Owner,
    Workshop,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.snapshot import Snapshot, Source
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.spec import DatabaseSpec
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation.databases import DatabaseRules
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.figures import Figures
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.paths import path_to

RESOURCE_API = "dbupgrade.subbug.learning/v1alpha1"
RESOURCES = "dbupgrades"


def resource_path(namespace: str, name: str) -> str:
    """The request path of a DBUpgrade."""
    return path_to(RESOURCE_API, RESOURCES, namespace, name)


@dataclass(frozen=True, slots=True)
class Undertaking:
    """One DBUpgrade in one call.

    :ivar program: the text of the program that unpacks images
    :ivar signer: the text of the program that makes tokens for AWS
    :ivar resource: the custom resource as it was read, None for a document without one
    """

    client: KubeClient
    clock: Clock
    owner: Owner
    spec: DatabaseSpec
    rules: DatabaseRules
    program: str = field(repr=False)
    signer: str = field(repr=False)
    figures: Figures = field(default_factory=Figures)
    resource: dict[str, Any] | None = None
    say: Callable[[str], None] = lambda line: None

    @property
    def namespace(self) -> str:
        """Where Secret, Jobs and record are."""
        return self.owner.namespace

    @property
    def holder(self) -> str:
        """Who it is on the Lease."""
        return Snapshot(self.owner.name, self.owner.namespace, self.owner.uid, 0, Source()).holder

    @property
    def generation(self) -> int:
        """The generation of the spec that is carried out; 0 without a custom resource."""
        metadata = (self.resource or {}).get("metadata") or {}
        return int(metadata.get("generation") or 0)

    @property
    def labels(self) -> dict[str, str]:
        """The labels of everything that is made for it."""
        return {LABEL: self.owner.name, "app.kubernetes.io/managed-by": "steady-rollout"}

    @property
    def lease_labels(self) -> dict[str, str]:
        """The labels of a database's Lease, which is nobody's own."""
        return {"app.kubernetes.io/managed-by": "steady-rollout", f"{PREFIX}/record": "database"}

    def workshop(self, ca_bundle: bool) -> Workshop:
        """What else the manifest of a Job needs."""
        return Workshop(self.rules.tools, self.program, ca_bundle)
