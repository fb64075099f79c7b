# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who the product is in the tests: users who hold the shipped Roles and no other right, as docs/access.md has them."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from steadylab import Lab

Json = dict[str, Any]
Right = tuple[str, str]
Role = Literal["upgrade", "reconcile", "hooks", "restore", "crd"]
# Rules by namespace; None is the whole cluster.
Grants = Mapping[str | None, list[Json]]

_ROOT: Final = Path(__file__).resolve().parents[2]
RBAC: Final = _ROOT / "operator" / "rbac"
# The least user of the FE, as root makes it: the shipped file, with CHANGE_ME for its password.
USER_SQL: Final = (_ROOT / "operator" / "sql" / "rollout-user.sql").read_text("utf-8")
USER: Final = "rollout"
USER_SECRET: Final = "rollout-fe"
# What the lab calls the Secret of the cluster's own MYSQL_PWD.
ROOT_SECRET: Final = "prod-root"
ACCESS: Final[Json] = {"fe_user": USER, "fe_password_secret": {"name": USER_SECRET}}
# The namespace and the Secret that the shipped files name, for people to put theirs in.
_NAMESPACE: Final = "starrocks"
_METRICS: Final = ("custom.metrics.k8s.io", "external.metrics.k8s.io")
# Tests run the product in threads as well.
_MAKING: Final = threading.Lock()


def cluster_admin_sql() -> str:
    """What docs/access.md has people run for the statements that need NODE."""
    page = (_ROOT / "docs" / "access.md").read_text("utf-8")
    (found,) = [block for block in re.findall(r"^```sql\n(.*?)^```$", page, re.M | re.S) if "cluster_admin" in block]
    return found


def shipped(role: Role) -> list[Json]:
    """The rules of a shipped Role."""
    found: list[Json] = yaml.safe_load((RBAC / f"starrocks-{role}-role.yml").read_text("utf-8"))["rules"]
    return found


def named(rules: Iterable[Json], names: Mapping[str, str]) -> list[Json]:
    """The rules with other names in place of those in the file, as people put theirs in."""
    return [
        {**rule, "resourceNames": [names.get(name, name) for name in rule["resourceNames"]]}
        if "resourceNames" in rule
        else rule
        for rule in rules
    ]


def of(rules: Iterable[Json]) -> set[Right]:
    """The rights of rules, as verb and resource."""
    return {(verb, resource) for rule in rules for verb in rule["verbs"] for resource in rule["resources"]}


def used(entries: Iterable[Json]) -> set[Right]:
    """The rights that requests have used, from the audit log. Reviews of oneself need none.

    Of metrics the resource is the metric's name, which no Role can know.
    """
    found = set()
    for entry in entries:
        reference = entry.get("objectRef", {})
        resource = "/".join(filter(None, (reference.get("resource"), reference.get("subresource"))))
        if resource and not resource.startswith("selfsubject"):
            found.add((entry["verb"], "*" if reference.get("apiGroup") in _METRICS else resource))
    return found


def holder(lab: Lab, namespace: str, *roles: Role, secret: str = USER_SECRET) -> Path:
    """The kubeconfig of a user who holds these Roles in a namespace.

    :param secret: the Secret with the password of the FE's user.
    """
    names = {ROOT_SECRET: secret, _NAMESPACE: namespace}
    granted = [rule for role in roles for rule in named(shipped(role), names)]
    return _user(lab, "-".join([*roles, secret, namespace]), {namespace: granted})


def definer(lab: Lab) -> Path:
    """The kubeconfig of a user who may extend the definition of StarRocksCluster, and nothing else."""
    return _user(lab, "definer", {None: shipped("crd")})


def migrator(lab: Lab, namespace: str, name: str, source: str) -> Path:
    """The kubeconfig of a user who may carry out one DBUpgrade, whose URL is in the Secret `source`."""
    own, leases = database_roles()
    texts = [text for rule in own["rules"] for text in rule.get("resourceNames", ())]
    names = {text: source if text == "source" else text.replace("orders", name) for text in texts}
    granted: Grants = {leases["metadata"]["namespace"]: leases["rules"], namespace: named(own["rules"], names)}
    return _user(lab, f"migrator-{name}-{source}-{namespace}", granted)


def database_roles() -> list[Json]:
    """The shipped Roles for DBUpgrade: that of its namespace, and that of the namespace of the Leases."""
    found: list[Json] = yaml.safe_load((RBAC / "db-upgrade-role.yml").read_text("utf-8"))["items"]
    return found


def _user(lab: Lab, name: str, grants: Grants) -> Path:
    """A user of that name, made when somebody first asks for it; his kubeconfig names the last namespace."""
    path = lab.directory / "kubeconfigs" / f"user-{name}"
    with _MAKING:
        if not path.exists():
            for namespace, granted in grants.items():
                lab.user_kubeconfig(name, granted, namespace)
    return path
