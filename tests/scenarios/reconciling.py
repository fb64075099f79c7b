# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A loop around the single pass, as an operator would turn it, and the objects that it is about."""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import dataclass
from typing import Any

from scenarios.cluster import StarRocks
from scenarios.playbook import PATIENCE_SECONDS, QUICK_GATES, Driver

from ansible_collections.steady.rollout.plugins.module_utils._module.reconcile import VERB

MIRROR = "rollout.steady.dev/upgrade-preparation"
PREPARE, HOOKS, TARGET = (f"starrocks.com/{name}" for name in ("prepare-upgrade", "upgrade-hooks", "upgrade-target"))
_UPGRADES = "/apis/rollout.steady.dev/v1alpha1"
_NAMES = itertools.count(1)

Json = dict[str, Any]


@dataclass
class Passes:
    """Passes over one cluster and its upgrades. They wait as little as possible, so that there are many of them."""

    starrocks: StarRocks
    product: Driver

    def once(self, kind: str = "StarRocksCluster", name: str = "", **others: Any) -> Json:
        """One pass; its result."""
        result = self.product.verb(VERB, **{**self._arguments(kind, name), **others})
        assert not result.get("failed"), result
        return result

    def by_module(self, kind: str = "StarRocksCluster", name: str = "", *options: str) -> Json:
        """One pass of the module, in a process of its own; its result."""
        rc, result = self.product.plain_module("starrocks_reconcile", self._arguments(kind, name), *options)
        assert rc == 0, result
        return result

    def _arguments(self, kind: str, name: str) -> Json:
        about = {"kind": kind, "name": name or self.starrocks.name, "namespace": self.starrocks.namespace}
        return {"patience": 0, "lease_seconds": 5, **about}

    def until(self, phase: str, kind: str = "StarRocksCluster", name: str = "", **others: Any) -> list[Json]:
        """Passes until the object is in a phase and nothing is due; all their results."""
        results: list[Json] = []
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (results and results[-1]["finished"]) and time.monotonic() < deadline:
            results.append(self.once(kind, name, **others))
        assert (results[-1]["phase"], results[-1]["finished"]) == (phase, True), results[-1]
        return results

    # The StarRocksCluster.

    def annotate(self, **values: str | None) -> None:
        """Annotations of the first proposal by their last word; None takes one away."""
        names = {"prepare": PREPARE, "hooks": HOOKS, "target": TARGET}
        patch = {"metadata": {"annotations": {names[name]: value for name, value in values.items()}}}
        self.starrocks.api.patch("StarRocksCluster", self.starrocks.name, patch, self.starrocks.namespace)

    def change_spec(self, **spec: Any) -> None:
        """Merge into the spec of the StarRocksCluster."""
        self.starrocks.api.patch("StarRocksCluster", self.starrocks.name, {"spec": spec}, self.starrocks.namespace)

    @property
    def mirror(self) -> Json | None:
        """What our annotation says."""
        text = (self.starrocks.resource["metadata"].get("annotations") or {}).get(MIRROR)
        return None if text is None else dict(json.loads(text))

    def roll(self, version: str) -> None:
        """Change all images, and wait until the operator has rolled them out."""
        for component in self.starrocks.images:
            self.starrocks.set_image(component, f"starrocks/{component}-ubuntu:{version}")
        self.starrocks.wait(lambda state: self._rolled(version), f"run {version}")

    def _rolled(self, version: str) -> bool:
        pods = self.starrocks.pods.values()
        images = {pod["spec"]["containers"][0]["image"].rpartition(":")[2] for pod in pods}
        conditions = [entry for pod in pods for entry in pod.get("status", {}).get("conditions") or ()]
        ready = [entry for entry in conditions if entry["type"] == "Ready" and entry["status"] == "True"]
        leaving = [pod for pod in pods if pod["metadata"].get("deletionTimestamp")]
        return images == {version} and len(ready) == len(pods) and not leaving

    # The StarRocksUpgrade.

    def upgrade(self, version: str | None = "3.3.2", **spec: Any) -> str:
        """Make a StarRocksUpgrade; its name."""
        document = self.product.document(version, **spec)
        document["metadata"]["name"] = f"upgrade-{next(_NAMES)}"
        self.starrocks.api.request("POST", self._path(), document)
        return str(document["metadata"]["name"])

    def change_upgrade(self, name: str, **spec: Any) -> None:
        """Merge into the spec of a StarRocksUpgrade."""
        self.starrocks.api.request("PATCH", self._path(name), {"spec": spec}, "application/merge-patch+json")

    def resource(self, name: str) -> Json:
        """The StarRocksUpgrade."""
        return self.starrocks.api.request("GET", self._path(name))

    def status(self, name: str) -> Json:
        """Its status."""
        status: Json = self.resource(name).get("status") or {}
        return status

    def condition(self, name: str, kind: str) -> tuple[str, str]:
        """Status and reason of one of its conditions."""
        found = next(entry for entry in self.status(name)["conditions"] if entry["type"] == kind)
        return found["status"], found["reason"]

    def annotate_upgrade(self, name: str, **annotations: str) -> None:
        """Annotations of a StarRocksUpgrade."""
        patch = {"metadata": {"annotations": annotations}}
        self.starrocks.api.request("PATCH", self._path(name), patch, "application/merge-patch+json")

    def delete(self, name: str) -> None:
        """Delete a StarRocksUpgrade."""
        self.starrocks.api.request("DELETE", self._path(name))

    def path(self, name: str) -> str:
        """The request path of a StarRocksUpgrade."""
        return self._path(name)

    def _path(self, name: str = "") -> str:
        return f"{_UPGRADES}/namespaces/{self.starrocks.namespace}/starrocksupgrades{f'/{name}' if name else ''}"


def patient_gates(**changes: Any) -> Json:
    """The tests' gates with some of them changed."""
    return {**QUICK_GATES, **changes}
