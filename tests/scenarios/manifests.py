# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifests of operator/kustomize as kubectl builds them, and as an API server takes them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import yaml
from scenarios.playbook import ROOT

from steadylab import Lab
from steadylab.kube import Api, ApiError

Json = dict[str, Any]
Right = tuple[str, str]
KUSTOMIZE: Final = ROOT / "operator" / "kustomize"
# What can be installed: docs/operator.md.
OVERLAYS: Final = (
    "default",
    "without-policies",
    "highly-available",
    "secrets-by-namespace",
    "namespaced",
    "only/starrocksupgrade",
    "only/starrockscluster",
    "only/dbupgrade",
)
SERVED_SECONDS: Final = 30.0
NAMESPACE: Final = "steady-rollout"
ACCOUNT: Final = "steady-rollout"
USER: Final = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"


def built(lab: Lab, overlay: str) -> list[Json]:
    """The objects of an overlay."""
    return [found for found in yaml.safe_load_all(lab.kubectl("kustomize", str(KUSTOMIZE / overlay))) if found]


def applied(lab: Lab, objects: Iterable[Json], folder: Path, *options: str) -> None:
    """Apply objects as docs/operator.md says; a field that the API server does not know is an error."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "manifests.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))
    lab.kubectl("apply", "--server-side", "--force-conflicts", "--validate=strict", f"--filename={path}", *options)


def account_kubeconfig(lab: Lab, folder: Path) -> Path:
    """A kubeconfig with a token of the operator's service account."""
    token = lab.kubectl("create", "token", ACCOUNT, f"--namespace={NAMESPACE}").strip()
    config = json.loads(lab.kubectl("config", "view", "--raw", "--minify", "--output=json"))
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    path = folder / "account.kubeconfig"
    path.write_text(json.dumps(config))
    return path


def rules(objects: Iterable[Json], *roles: str) -> list[Json]:
    """The rules of these roles."""
    found = [item for item in objects if item["kind"] in ("ClusterRole", "Role") and item["metadata"]["name"] in roles]
    assert sorted(item["metadata"]["name"] for item in found) == sorted(roles)
    return [rule for item in found for rule in item["rules"]]


def rights(rules: Iterable[Json]) -> set[Right]:
    """The rights of rules, as verb and resource."""
    return {(verb, resource) for rule in rules for verb in rule["verbs"] for resource in rule["resources"]}


def used(entries: Iterable[Json]) -> set[Right]:
    """The rights that the operator's service account used, from the audit log. Reviews of itself need none."""
    references = [
        (entry["verb"], entry["objectRef"])
        for entry in entries
        if entry["user"]["username"] == USER and "resource" in entry.get("objectRef", {})
    ]
    return {
        (verb, "/".join(filter(None, (reference["resource"], reference.get("subresource")))))
        for verb, reference in references
        if not reference["resource"].startswith("selfsubject")
    }


def watched(api: Api, path: str) -> None:
    """List and watch objects, as the operator's informers do; a definition that is new is served a moment later."""
    deadline = time.monotonic() + SERVED_SECONDS
    while True:
        try:
            version = api.request("GET", path)["metadata"]["resourceVersion"]
        except ApiError as error:
            if error.status != 429 or time.monotonic() > deadline:
                raise
            continue
        api.raw("GET", f"{path}?watch=1&timeoutSeconds=1&resourceVersion={version}")
        return
