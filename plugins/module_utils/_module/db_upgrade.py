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
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.conditions import State
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.job import Owner
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.patience import Patience
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.record import Record
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.spec import DatabaseSpec, parse_document
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import NotFound, Refused, RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation.databases import DatabaseRules
from ansible_collections.steady.rollout.plugins.module_utils._engine.database import drive, releasing
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.figures import Figures
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.passes import Outcome, recorded
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.undertaking import (
    Undertaking,
    resource_path,
)
from ansible_collections.steady.rollout.plugins.module_utils._kube import options as kube_options
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._module.call import (
    INSTALLATION,
    Call,
    Result,
    Verb,
    installation_of,
)
from ansible_collections.steady.rollout.plugins.module_utils._pod import unpack

DNS_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_NO_SPEC = DatabaseSpec("", "", "", None, None)


def run(call: Call) -> Result:
    """Carry out, plan, foresee or release the upgrade that the options name."""
    installation = installation_of(call.params)
    figures = Figures(installation.metrics, call.say)
    if not (call.params["wait"] or call.check_mode):
        # Whoever makes single passes is an operator, and alive whatever comes of this one.
        figures.beat(call.clock.epoch())
    if call.params["state"] == "absent":
        return _released(call, installation.databases, figures)
    work = _undertaking(call, installation.databases, figures)
    if work is None:
        # Kubernetes takes away what the resource owns; the database stays as it is.
        deleted = State("Initializing", "Deleted", "The DBUpgrade is being deleted.")
        return {"changed": False, "state": _state(deleted), "migration": {}, "outcome": "", "requeue_after": 0}
    before = recorded(work)
    if call.check_mode:
        return _foreseen(drive.foresee(work))
    if not call.params["wait"]:
        return _result(before, drive.one_pass(work))
    patience = Patience(call.params["patience_seconds"])
    outcome, ended = drive.Drive(work, patience, lambda work: _refreshed(call, work)).run()
    result = _result(before, outcome)
    return {**result, **_failure(outcome)} if ended == "failed" else result


def _released(call: Call, rules: DatabaseRules, figures: Figures) -> Result:
    """The end of a custom resource that is being deleted; its spec does not matter, and may not be understood."""
    nothing = _nothing_asked(call, rules, figures)
    try:
        resource = nothing.client.get(resource_path(nothing.namespace, nothing.owner.name))
    except NotFound:
        gone = State("Initializing", "Gone", "The DBUpgrade does not exist.")
        return {"changed": False, "state": _state(gone), "migration": {}, "outcome": "", "requeue_after": 0}
    work = _owned(nothing, resource)
    outcome = releasing.released(work, float(call.params["release_seconds"]), act=not call.check_mode)
    return _result(outcome.record, outcome)


def _nothing_asked(call: Call, rules: DatabaseRules, figures: Figures) -> Undertaking:
    """Whose upgrade it is and how it is reached, before it is known what is asked for."""
    name, namespace = str(call.params["name"]), str(call.params["namespace"])
    if not re.fullmatch(DNS_LABEL, namespace):
        remedy = "name one, in the playbooks in the document's metadata.namespace"
        raise Refused("namespace", namespace, "not the name of a namespace", remedy=remedy)
    client, owner = KubeClient.from_options(call.params), Owner(name, namespace)
    texts = program(unpack), program(mint)
    return Undertaking(client, call.clock, owner, _NO_SPEC, rules, *texts, figures, say=call.say)


def _owned(work: Undertaking, resource: dict[str, Any]) -> Undertaking:
    """The same as the custom resource's."""
    metadata = resource["metadata"]
    owner = Owner(str(metadata["name"]), str(metadata["namespace"]), str(metadata["uid"]))
    return replace(work, owner=owner, resource=resource)


def _undertaking(call: Call, rules: DatabaseRules, figures: Figures) -> Undertaking | None:
    """What the options describe; None where the custom resource is being deleted."""
    params = call.params
    work = _nothing_asked(call, rules, figures)
    if params["spec"] is not None:
        return replace(work, spec=_spec(params, {"metadata": {"name": work.owner.name}, "spec": params["spec"]}))
    resource = work.client.get(resource_path(work.namespace, work.owner.name))
    if resource["metadata"].get("deletionTimestamp"):
        return None
    return _of_resource(call, work, resource)


def _of_resource(call: Call, work: Undertaking, resource: dict[str, Any]) -> Undertaking:
    """What a custom resource describes; a spec that is refused is said in its status."""
    work = _owned(work, resource)
    try:
        return replace(work, spec=_spec(call.params, resource))
    except Refused as refused:
        drive.report_failure(work, refused)
        raise


def _refreshed(call: Call, work: Undertaking) -> Undertaking:
    """The same with its custom resource as it is now: somebody may have changed it while it was waited for."""
    if work.resource is None:
        return work
    resource = work.client.get(resource_path(work.namespace, work.owner.name))
    if resource["metadata"]["uid"] != work.owner.uid or resource["metadata"].get("deletionTimestamp"):
        raise RolloutError(
            "The DBUpgrade was deleted while it was waited for.", remedy="The database is as it was left."
        )
    return _of_resource(call, work, resource)


def _spec(params: Mapping[str, Any], document: Mapping[str, Any]) -> DatabaseSpec:
    spec = parse_document(document)
    return replace(spec, plan_only=True) if params["plan"] else spec


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
    """What Ansible shows of it by itself; no line of ours says it once more."""
    reason = f"{outcome.state.reason}: {outcome.state.message}"
    remedy = verdicts.remedy(outcome.state.reason)
    told = {"failed": True, "msg": f"{reason}\nRemedy: {remedy}", "reason": reason, "remedy": remedy}
    return {**told, "rollout": {"type": "info", "lines": []}}


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
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "release_seconds": {"type": "float", "default": 3600.0, "no_log": False},
        "plan": {"type": "bool", "default": False},
        "wait": {"type": "bool", "default": True},
        "patience_seconds": {"type": "int", "default": 300},
        **INSTALLATION,
    },
    run,
)
