# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The verb of starrocks_crd: the definition of StarRocksCluster with our fields, or as it was."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Conflict
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import crd
from ansible_collections.steady.rollout.plugins.module_utils._kube import options as kube_options
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.paths import path_to
from ansible_collections.steady.rollout.plugins.module_utils._module.call import Call, Result, Verb

_API = "apiextensions.k8s.io/v1"
_ATTEMPTS = 3


def run(call: Call) -> Result:
    """Bring the installed definition to the wanted state; refused where it is not one that is known."""
    client = KubeClient.from_options(call.params)
    path = path_to(_API, "customresourcedefinitions", None, call.params["name"])
    planned = crd.extending if call.params["state"] == "extended" else crd.undoing
    before: Result = {}
    patch: crd.Patch = []
    for attempt in range(1, _ATTEMPTS + 1):
        before = client.get(path)
        patch = planned(before)
        if not patch:
            break
        try:
            # In check mode the API server judges the patch as well, and keeps nothing of it.
            client.json_patch(path, patch, dry_run=call.check_mode)
            break
        except Conflict:
            if attempt == _ATTEMPTS:
                raise
    return _result(call, patch)


def _result(call: Call, patch: crd.Patch) -> Result:
    changed = [operation for operation in patch if operation["op"] != "test"]
    fields = [str(field) for field in crd.FIELDS if any(o["path"].endswith(field.pointer) for o in changed)]
    verb = "add" if call.params["state"] == "extended" else "remove"
    lines = [f"{'would ' if call.check_mode else ''}{verb} {field}" for field in fields] or ["nothing to change"]
    return {
        "changed": bool(patch),
        "fields": fields,
        "diff": [_diff(call, fields)] if fields else [],
        "rollout": {"type": "info", "lines": lines},
    }


def _diff(call: Call, fields: list[str]) -> dict[str, Any]:
    """Our fields alone: the whole definition has thousands of lines."""
    schemas = {str(field): field.schema for field in crd.FIELDS if str(field) in fields}
    text = json.dumps(schemas, indent=2, sort_keys=True) + "\n"
    extended = call.params["state"] == "extended"
    name = call.params["name"]
    return {
        "before_header": f"CustomResourceDefinition {name} (before)",
        "after_header": f"CustomResourceDefinition {name} (after)",
        "before": "" if extended else text,
        "after": text if extended else "",
    }


VERB = Verb(
    "starrocks_crd",
    {
        **kube_options.ARGUMENTS,
        "state": {"type": "str", "choices": ["extended", "original"], "default": "extended"},
        "name": {"type": "str", "default": crd.CRD_NAME},
    },
    run,
)
