# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What the user may do, asked before anything is done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.failures import rule_text
from ansible_collections.steady.rollout.plugins.module_utils._kube.paths import Resource, path_to

_API = "authorization.k8s.io/v1"


@dataclass(frozen=True)
class Need:
    """One right: a verb on a resource (`name` only where the right on that one object is enough)."""

    verb: str
    group: str
    resource: str
    subresource: str = ""
    name: str = ""

    def rule(self) -> str:
        """The RBAC rule that gives it, as one line of YAML."""
        return rule_text(self.verb, Resource(self.group, self.resource, "", self.name, self.subresource))

    def __str__(self) -> str:
        return f"{self.verb} {Resource(self.group, self.resource, '', self.name, self.subresource)}"


def missing_rights(client: KubeClient, namespace: str, needs: Iterable[Need]) -> list[Need]:
    """Those of the needs that the user lacks in the namespace.

    One SelfSubjectRulesReview tells most; it may be incomplete (for authorizers other than RBAC) and it never shows
    a denial, so what it does not show is asked singly.
    """
    path = path_to(_API, "selfsubjectrulesreviews")
    review = {"apiVersion": _API, "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}}
    status = client.request("POST", path, body=review).get("status") or {}
    rules = status.get("resourceRules") or []
    lacking = [need for need in needs if not any(_grants(rule, need) for rule in rules)]
    if not status.get("incomplete"):
        return lacking
    return [need for need in lacking if not _allowed(client, namespace, need)]


def server_version(client: KubeClient) -> str:
    """The API server's gitVersion, such as v1.36.3."""
    return str(client.get("/version").get("gitVersion", ""))


def _grants(rule: dict[str, Any], need: Need) -> bool:
    full = f"{need.resource}/{need.subresource}" if need.subresource else need.resource
    resources = {"*", full, f"*/{need.subresource}"} if need.subresource else {"*", full}
    names = rule.get("resourceNames") or []
    return (
        not {"*", need.verb}.isdisjoint(rule.get("verbs") or [])
        and not {"*", need.group}.isdisjoint(rule.get("apiGroups") or [])
        and not resources.isdisjoint(rule.get("resources") or [])
        and (not names or need.name in names)
    )


def _allowed(client: KubeClient, namespace: str, need: Need) -> bool:
    attributes = {
        "namespace": namespace,
        "verb": need.verb,
        "group": need.group,
        "resource": need.resource,
        "subresource": need.subresource,
        "name": need.name,
    }
    review = {
        "apiVersion": _API,
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {name: value for name, value in attributes.items() if value or name == "group"}},
    }
    answer = client.request("POST", path_to(_API, "selfsubjectaccessreviews"), body=review)
    return bool((answer.get("status") or {}).get("allowed"))
