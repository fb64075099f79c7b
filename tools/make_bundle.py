#!/usr/bin/env python3
# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write build/bundle, for the Operator Lifecycle Manager, from what operator/kustomize/cluster builds.

The format is that of operator-framework/api, pkg/operators/v1alpha1 (ClusterServiceVersion) and of operator-registry's
docs/design/operator-bundle.md. Needs kubectl: make bundle KUBECTL=/path/to/kubectl
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from checkout import ROOT

Json = dict[str, Any]
BUNDLE = ROOT / "build" / "bundle"
SAMPLES = ("starrocksupgrade.yaml", "dbupgrade-self-hosted.yaml")
NAMESPACE = "steady-rollout"
VERSION = str(yaml.safe_load((ROOT / "galaxy.yml").read_text("utf-8"))["version"])
DESCRIPTION = """Upgrades that run their hooks, migrations, gates and rollbacks themselves, can be killed at any moment,
and never leave a cluster half switched off.

| kind | what it does |
|---|---|
| StarRocksUpgrade | upgrades a StarRocksCluster pod by pod, behind gates, with hooks and rollback |
| StarRocksCluster | prepared for an upgrade that somebody else carries out, as its annotations ask for |
| DBUpgrade | applies Atlas migrations to a PostgreSQL, MySQL or MariaDB database, one writer for each |

The definition of StarRocksCluster comes with the StarRocks operator; without it use the overlay for DBUpgrade alone.
The admission policies of this project are no part of a bundle: apply `operator/policies` as well."""
# operator-framework/api, pkg/validation/internal/standardcapabilities.go.
CAPABILITIES = ("Basic Install", "Seamless Upgrades", "Full Lifecycle", "Deep Insights", "Auto Pilot")
OWNED = {
    "StarRocksUpgrade": ("StarRocks upgrade", "An upgrade of a StarRocksCluster, and what has become of it."),
    "DBUpgrade": ("Database upgrade", "A migration of a database, and what has become of it."),
}


def built(kubectl: str) -> list[Json]:
    """The objects of an operator of the whole cluster."""
    command = [kubectl, "kustomize", str(ROOT / "operator" / "kustomize" / "cluster")]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return [found for found in yaml.safe_load_all(done.stdout) if found]


def of_kind(objects: Iterable[Json], kind: str) -> list[Json]:
    """The objects of a kind."""
    return [item for item in objects if item["kind"] == kind]


def granted(objects: list[Json], kind: str, account: str) -> list[Json]:
    """The rules that bindings of one kind give to the operator's service account."""
    roles = {item["metadata"]["name"]: item for item in of_kind(objects, kind)}
    bound = [
        binding["roleRef"]["name"]
        for binding in of_kind(objects, f"{kind}Binding")
        if any(subject["name"] == account for subject in binding["subjects"])
    ]
    return [rule for name in bound for rule in roles[name]["rules"]]


def deployment_of(objects: list[Json]) -> Json:
    """The Deployment's specification, with the namespaces that the lifecycle manager names."""
    (deployment,) = of_kind(objects, "Deployment")
    spec: Json = deployment["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    for entry in container["env"]:
        if entry["name"] == "WATCH_NAMESPACE":
            entry.pop("value")
            entry["valueFrom"] = {"fieldRef": {"fieldPath": "metadata.annotations['olm.targetNamespaces']"}}
    return {"name": deployment["metadata"]["name"], "spec": spec}


def owned(objects: list[Json]) -> list[Json]:
    """The kinds that the bundle defines."""
    definitions = []
    for item in of_kind(objects, "CustomResourceDefinition"):
        kind = item["spec"]["names"]["kind"]
        title, text = OWNED[kind]
        version = item["spec"]["versions"][0]["name"]
        name = item["metadata"]["name"]
        entry = {"name": name, "kind": kind, "version": version, "displayName": title, "description": text}
        definitions.append(entry)
    return definitions


def examples() -> str:
    """The samples as the annotation wants them."""
    found = [yaml.safe_load((ROOT / "operator" / "samples" / name).read_text("utf-8")) for name in SAMPLES]
    return json.dumps(found, indent=2)


def version_of(objects: list[Json]) -> Json:
    """The ClusterServiceVersion."""
    deployment = deployment_of(objects)
    account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    permissions = {
        "clusterPermissions": [{"serviceAccountName": account, "rules": granted(objects, "ClusterRole", account)}],
        "permissions": [{"serviceAccountName": account, "rules": granted(objects, "Role", account)}],
    }
    return {
        "apiVersion": "operators.coreos.com/v1alpha1",
        "kind": "ClusterServiceVersion",
        "metadata": {
            "name": f"steady-rollout.v{VERSION}",
            "annotations": {
                "alm-examples": examples(),
                "capabilities": "Full Lifecycle",
                "categories": "Database",
                "containerImage": container["image"],
                "description": "Upgrades of StarRocks clusters and databases that survive being killed",
                "operatorframework.io/suggested-namespace": NAMESPACE,
                "support": "the steady.rollout authors",
            },
        },
        "spec": {
            "displayName": "steady.rollout",
            "description": DESCRIPTION,
            "version": VERSION,
            "minKubeVersion": "1.27.0",
            "maturity": "alpha",
            "keywords": ["starrocks", "database", "upgrade", "migration"],
            "provider": {"name": "the steady.rollout authors"},
            "installModes": [
                {"type": mode, "supported": True}
                for mode in ("OwnNamespace", "SingleNamespace", "MultiNamespace", "AllNamespaces")
            ],
            "customresourcedefinitions": {"owned": owned(objects)},
            "install": {"strategy": "deployment", "spec": {**permissions, "deployments": [deployment]}},
        },
    }


def files_of(objects: list[Json]) -> dict[str, Json]:
    """Everything in the bundle, by its path."""
    files: dict[str, Json] = {"manifests/steady-rollout.clusterserviceversion.yaml": version_of(objects)}
    for kind in ("CustomResourceDefinition", "ConfigMap", "Service"):
        for item in of_kind(objects, kind):
            item["metadata"].pop("namespace", None)
            files[f"manifests/{item['metadata']['name']}.yaml"] = item
    annotations = {
        "mediatype.v1": "registry+v1",
        "manifests.v1": "manifests/",
        "metadata.v1": "metadata/",
        "package.v1": "steady-rollout",
        "channels.v1": "alpha",
        "channel.default.v1": "alpha",
    }
    prefixed = {f"operators.operatorframework.io.bundle.{name}": value for name, value in annotations.items()}
    return {**files, "metadata/annotations.yaml": {"annotations": prefixed}}


def texts(kubectl: str) -> dict[str, str]:
    """The files as they are written."""
    found = files_of(built(kubectl)).items()
    return {name: "---\n" + yaml.safe_dump(content, sort_keys=False, width=110) for name, content in found}


def write(kubectl: str, folder: Path) -> None:
    """Write the bundle into a folder."""
    for name, text in texts(kubectl).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(os.environ.get("KUBECTL") or "kubectl", BUNDLE)
