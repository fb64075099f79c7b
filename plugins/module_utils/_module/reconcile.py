# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The verb of starrocks_reconcile: one look at one object, what can be done now, and when to look again."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import NotFound, Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.spec import DNS_LABEL
from ansible_collections.steady.rollout.plugins.module_utils._engine import objects
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.read import cluster_path
from ansible_collections.steady.rollout.plugins.module_utils._module.call import (
    CONNECTION,
    INSTALLATION,
    LEASE,
    Call,
    Result,
    Verb,
)
from ansible_collections.steady.rollout.plugins.module_utils._module.reconcile_upgrade import UpgradePass

_BOUNDS = {"patience": (0, 600), "pass_seconds": (1, 3600), "release_seconds": (1, 86400)}


def run(call: Call) -> Result:
    """One pass over the object; one that does not exist needs none."""
    for name in ("name", "namespace"):
        if not re.fullmatch(DNS_LABEL, call.params[name] or ""):
            raise Refused(name, call.params[name], "not a name of a Kubernetes object", remedy="as in metadata")
    for name, (least, most) in _BOUNDS.items():
        if not least <= call.params[name] <= most:
            raise Refused(name, call.params[name], "out of bounds", remedy=f"{least} to {most} seconds")
    client = KubeClient.from_options(call.params)
    if call.params["kind"] == "StarRocksCluster":
        return _cluster(call, client)
    upgrade = objects.read_upgrade(client, call.params["namespace"], call.params["name"])
    if upgrade is None:
        return _gone(call)
    one = UpgradePass(call, client, upgrade)
    return one.release() if call.params["state"] == "absent" else one.run()


def _cluster(call: Call, client: KubeClient) -> Result:
    try:
        resource = client.get(cluster_path(call.params["namespace"], call.params["name"]))
    except NotFound:
        return _gone(call)
    # Ansible compiles what is imported, and a pass over an upgrade needs none of it.
    from ansible_collections.steady.rollout.plugins.module_utils._module.reconcile_cluster import reconcile_cluster

    return reconcile_cluster(call, client, resource)


def _gone(call: Call) -> Result:
    text = f"{call.params['kind']} {call.params['namespace']}/{call.params['name']} does not exist"
    answer: dict[str, Any] = {"changed": False, "phase": "Gone", "reason": "Gone", "message": text, "remedy": ""}
    return {**answer, "requeue_after": None, "finished": True, "rollout": {"type": "info", "lines": [text]}}


VERB = Verb(
    "starrocks_reconcile",
    {
        **CONNECTION,
        **INSTALLATION,
        **LEASE,
        "kind": {"type": "str", "choices": ["StarRocksCluster", "StarRocksUpgrade"], "required": True},
        "name": {"type": "str", "required": True},
        "namespace": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "patience": {"type": "float", "default": 5.0},
        "pass_seconds": {"type": "float", "default": 60.0, "no_log": False},
        "release_seconds": {"type": "float", "default": 900.0, "no_log": False},
    },
    run,
)
