# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifests of operator/kustomize as kubectl builds them, and as an API server takes them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import yaml
from scenarios import rights
from scenarios.playbook import ROOT
from scenarios.rights import Right

from steadylab import Lab
from steadylab.kube import Api, ApiError

Json = dict[str, Any]
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
# The API server takes policies up when it sees them, and looks at them later; a loaded machine gets its time.
EFFECTIVE_SECONDS: Final = 60.0
NAMESPACE: Final = "steady-rollout"
ACCOUNT: Final = "steady-rollout"
# What gives a service account its rights.
GRANTING: Final = ("Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
_KINDS: Final = ("steady-rollout-starrocksupgrades", "steady-rollout-dbupgrades")


def user_of(namespace: str) -> str:
    """The name of the operator's service account."""
    return f"system:serviceaccount:{namespace}:{ACCOUNT}"


def built(lab: Lab, overlay: str) -> list[Json]:
    """The objects of an overlay."""
    return [found for found in yaml.safe_load_all(lab.kubectl("kustomize", str(KUSTOMIZE / overlay))) if found]


def applied(lab: Lab, objects: Iterable[Json], folder: Path, *options: str) -> None:
    """Apply objects as docs/operator.md says; a field that the API server does not know is an error."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "manifests.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))
    lab.kubectl("apply", "--server-side", "--force-conflicts", "--validate=strict", f"--filename={path}", *options)


def account_kubeconfig(lab: Lab, folder: Path, namespace: str = NAMESPACE) -> Path:
    """A kubeconfig with a token of the operator's service account."""
    token = lab.kubectl("create", "token", ACCOUNT, f"--namespace={namespace}", "--duration=24h").strip()
    config = json.loads(lab.kubectl("config", "view", "--raw", "--minify", "--output=json"))
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    path = folder / "account.kubeconfig"
    path.write_text(json.dumps(config))
    return path


def account(lab: Lab, objects: Iterable[Json], folder: Path, namespace: str = NAMESPACE) -> Path:
    """A kubeconfig of the operator's service account, with the rights that manifests give it, and without the operator.

    The manifests hold a right on StarRocksUpgrades or DBUpgrades.
    """
    granting = [item for item in objects if item["kind"] in GRANTING]
    applied(lab, granting, folder)
    kubeconfig = account_kubeconfig(lab, folder, namespace)
    own = next(item["rules"][0] for item in granting if item["metadata"]["name"] in _KINDS)
    lab.await_right(user_of(namespace), own, None if namespace == NAMESPACE else namespace)
    return kubeconfig


def in_one_namespace(lab: Lab, namespace: str, folder: Path) -> list[Json]:
    """The objects of the overlay that docs/operator.md shows for one namespace, with this one in place of its own."""
    page = (ROOT / "docs" / "operator.md").read_text("utf-8").partition("### One namespace\n")[2]
    overlay = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    (base,) = overlay["resources"]
    folder.mkdir(parents=True, exist_ok=True)
    # A base has to be relative to what names it.
    overlay |= {"namespace": namespace, "resources": [os.path.relpath(ROOT / base, folder)]}
    (folder / "kustomization.yaml").write_text(json.dumps(overlay))
    return [found for found in yaml.safe_load_all(lab.kubectl("kustomize", str(folder))) if found]


def rules(objects: Iterable[Json], *roles: str) -> list[Json]:
    """The rules of these roles."""
    found = [item for item in objects if item["kind"] in ("ClusterRole", "Role") and item["metadata"]["name"] in roles]
    assert sorted(item["metadata"]["name"] for item in found) == sorted(roles)
    return [rule for item in found for rule in item["rules"]]


def used(entries: Iterable[Json], namespace: str = NAMESPACE) -> set[Right]:
    """The rights that the operator's service account used, from the audit log."""
    return rights.used(entry for entry in entries if entry["user"]["username"] == user_of(namespace))


def refused_by_policy(error: ApiError) -> bool:
    """Whether it was a policy that refused a request, and not that its user lacks a right."""
    return "ValidatingAdmissionPolicy" in str(error)


def type_checking(lab: Lab, policy: str) -> Json:
    """What the API server has to say about the expressions of a policy, once it has looked at them."""
    kind = "ValidatingAdmissionPolicy"

    def looked_at(found: Json | None) -> bool:
        seen = ((found or {}).get("status") or {}).get("observedGeneration")
        return found is not None and seen == found["metadata"]["generation"]

    lab.setup_api.wait_for(kind, policy, None, looked_at, EFFECTIVE_SECONDS)
    checked: Json = lab.setup_api.get(kind, policy)["status"]["typeChecking"]
    return checked


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
