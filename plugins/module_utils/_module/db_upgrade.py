# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The verb of db_upgrade: one pass over a database upgrade, or as many as it takes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._aws import mint
from ansible_collections.steady.rollout.plugins.module_utils._domain.database import verdict as verdicts
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.aws import Means
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.conditions import State
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.job import Owner, Tools
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.record import Record
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.spec import DatabaseSpec, parse_document
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused, RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._engine.database import drive
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.passes import Outcome, recorded
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.undertaking import (
    LEASE_NAMESPACE,
    Settings,
    Undertaking,
    resource_path,
)
from ansible_collections.steady.rollout.plugins.module_utils._kube import options as kube_options
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._module.call import Call, Result, Verb
from ansible_collections.steady.rollout.plugins.module_utils._pod import unpack

DNS_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_TOOLS = Tools()
_MEANS = Means()


def run(call: Call) -> Result:
    """Carry out, plan or foresee the upgrade that the options name."""
    work = _undertaking(call)
    if work is None:
        # Kubernetes takes away what the resource owns; the database stays as it is.
        deleted = State("Initializing", "Deleted", "The DBUpgrade is being deleted.")
        return {"changed": False, "state": _state(deleted), "migration": {}, "outcome": "", "requeue_after": 0}
    before = recorded(work)
    if call.check_mode:
        return _foreseen(drive.foresee(work))
    if not call.params["wait"]:
        return _result(before, drive.one_pass(work))
    patience = float(call.params["patience_seconds"])
    outcome, ended = drive.Drive(work, patience, lambda work: _refreshed(call, work)).run()
    result = _result(before, outcome)
    return {**result, **_failure(outcome)} if ended == "failed" else result


def _undertaking(call: Call) -> Undertaking | None:
    """What the options describe; None where the custom resource is being deleted."""
    params = call.params
    name, namespace = str(params["name"]), str(params["namespace"])
    if not re.fullmatch(DNS_LABEL, namespace):
        remedy = "name one, in the playbooks in the document's metadata.namespace"
        raise Refused("namespace", namespace, "not the name of a namespace", remedy=remedy)
    client = KubeClient.from_options(params)
    settings = _settings(params)
    if params["spec"] is not None:
        spec = _spec(params, {"metadata": {"name": name}, "spec": params["spec"]})
        return Undertaking(client, call.clock, Owner(name, namespace), spec, settings, say=call.say)
    resource = client.get(resource_path(namespace, name))
    if resource["metadata"].get("deletionTimestamp"):
        return None
    return _of_resource(call, client, settings, resource)


def _of_resource(call: Call, client: KubeClient, settings: Settings, resource: dict[str, Any]) -> Undertaking:
    """What a custom resource describes; a spec that is refused is said in its status."""
    metadata = resource["metadata"]
    owner = Owner(str(metadata["name"]), str(metadata["namespace"]), str(metadata["uid"]))
    try:
        spec = _spec(call.params, resource)
    except Refused as refused:
        nothing = DatabaseSpec("", "", "", None, None)
        work = Undertaking(client, call.clock, owner, nothing, settings, resource, call.say)
        drive.report_failure(work, refused)
        raise
    return Undertaking(client, call.clock, owner, spec, settings, resource, call.say)


def _refreshed(call: Call, work: Undertaking) -> Undertaking:
    """The same with its custom resource as it is now: somebody may have changed it while it was waited for."""
    if work.resource is None:
        return work
    resource = work.client.get(resource_path(work.namespace, work.owner.name))
    if resource["metadata"]["uid"] != work.owner.uid or resource["metadata"].get("deletionTimestamp"):
        raise RolloutError(
            "The DBUpgrade was deleted while it was waited for.", remedy="The database is as it was left."
        )
    return _of_resource(call, work.client, work.settings, resource)


def _spec(params: Mapping[str, Any], document: Mapping[str, Any]) -> DatabaseSpec:
    spec = parse_document(document)
    return replace(spec, plan_only=True) if params["plan"] else spec


def _settings(params: Mapping[str, Any]) -> Settings:
    given = {name: value for name, value in (params["tools"] or {}).items() if value is not None}
    tools = Tools(**given).checked()
    if not re.fullmatch(DNS_LABEL, params["lease_namespace"]):
        remedy = f"such as {LEASE_NAMESPACE}, the same everywhere"
        raise Refused("lease_namespace", params["lease_namespace"], "not the name of a namespace", remedy=remedy)
    means = Means(**{name: value for name, value in (params["aws"] or {}).items() if value is not None})
    texts = program(unpack), program(mint)
    return Settings(tools, texts[0], params["lease_namespace"], params["prometheus"], means, texts[1])


def program(module: ModuleType) -> str:
    """The text of a module that runs elsewhere, also where this runs from a zip file as Ansible's modules do."""
    loader = module.__spec__.loader if module.__spec__ else None
    text = loader.get_source(module.__name__) if loader is not None and hasattr(loader, "get_source") else None
    if text is None:
        reason = f"the program {module.__name__} cannot be read"
        raise RolloutError(reason, remedy="install the collection from its archive again")
    # Ansible's own loader of collections gives the bytes of the file.
    return text.decode() if isinstance(text, bytes) else str(text)


def _state(state: State) -> Result:
    return {"aspect": state.aspect, "reason": state.reason, "message": state.message}


def _told(outcome: Outcome) -> Result:
    migration = verdicts.migration(outcome.record)
    return {
        "state": _state(outcome.state),
        "migration": migration,
        "outcome": outcome.record.outcome if outcome.record else "",
        "diff": _diff(migration),
    }


def _result(before: Record | None, outcome: Outcome) -> Result:
    return {
        "changed": verdicts.changed(before, outcome.record),
        "requeue_after": math.ceil(outcome.seconds),
        **_told(outcome),
        "rollout": {"type": "info", "lines": [_line(outcome), *_pending(outcome)]},
    }


def _foreseen(outcome: Outcome) -> Result:
    migration = verdicts.migration(outcome.record)
    known = "" if migration else " What is pending is known after an inspection: run it with plan: true."
    return {
        "changed": outcome.state.aspect != "Ready",
        "requeue_after": 0,
        **_told(outcome),
        "rollout": {"type": "info", "lines": [_line(outcome) + known]},
    }


def _line(outcome: Outcome) -> str:
    return f"{outcome.snapshot.namespace}/{outcome.snapshot.name}: {outcome.state.reason}: {outcome.state.message}"


def _pending(outcome: Outcome) -> list[str]:
    """The SQL of a plan, for the screen."""
    sql = str(verdicts.migration(outcome.record).get("pendingSQL") or "")
    return [f"    {line}" for line in sql.splitlines()] if outcome.state.aspect == "Planned" else []


def _failure(outcome: Outcome) -> Result:
    reason = f"{outcome.state.reason}: {outcome.state.message}"
    remedy = "docs/db-upgrade.md says what each reason means"
    return {"failed": True, "msg": f"{reason}\nRemedy: {remedy}", "reason": reason, "remedy": remedy}


def _diff(migration: Mapping[str, Any]) -> dict[str, str]:
    """The pending SQL, between the versions that it leads from and to."""
    return {
        "before": "",
        "after": str(migration.get("pendingSQL") or ""),
        "before_header": f"version {migration.get('currentVersion') or 'none'}",
        "after_header": f"version {migration.get('targetVersion') or 'not known'}",
    }


VERB = Verb(
    "db_upgrade",
    {
        **kube_options.ARGUMENTS,
        "name": {"type": "str", "required": True},
        "namespace": {"type": "str", "required": True},
        "spec": {"type": "dict"},
        "plan": {"type": "bool", "default": False},
        "wait": {"type": "bool", "default": True},
        "patience_seconds": {"type": "int", "default": 300},
        "lease_namespace": {"type": "str", "default": LEASE_NAMESPACE},
        "prometheus": {"type": "str", "default": ""},
        "aws": {
            "type": "dict",
            "options": {
                "python": {"type": "str", "default": _MEANS.python},
                "ca_bundle": {"type": "str", "default": _MEANS.ca_bundle},
            },
        },
        "tools": {
            "type": "dict",
            "options": {
                "crane": {"type": "str", "default": _TOOLS.crane},
                "atlas": {"type": "str", "default": _TOOLS.atlas},
                "python": {"type": "str", "default": _TOOLS.python},
                "digests_only": {"type": "bool", "default": _TOOLS.digests_only},
                "platform": {"type": "str", "default": _TOOLS.platform},
                "insecure_registry": {"type": "bool", "default": _TOOLS.insecure_registry},
                "work_size": {"type": "str", "default": _TOOLS.work_size},
                "lock_seconds": {"type": "int", "default": _TOOLS.lock_seconds},
                "connection_check_ms": {"type": "int", "default": _TOOLS.connection_check_ms},
            },
        },
    },
    run,
)
