# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The verb of starrocks_plan: pure, from what starrocks_info saw and a request to the steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import from_plain
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import describe
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.catalogue import (
    OUR_CATALOGUE,
    Catalogue,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.resolve import (
    HookPlan,
    Sources,
    plan_hooks,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import (
    Plan,
    plan_frozen,
    plan_release,
    plan_restore,
    plan_rollback,
    plan_upgrade,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.preflight import SPEC_FIELDS
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import Record, load
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Snapshot
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.spec import UpgradeSpec, parse_spec
from ansible_collections.steady.rollout.plugins.module_utils._module.call import (
    INSTALLATION,
    Call,
    Result,
    Verb,
    installation_of,
)


def run(call: Call) -> Result:
    """Make the plan; refused as a whole, with every reason, when it must not be carried out."""
    params = call.params
    snapshot = from_plain(Snapshot, params["snapshot"], "snapshot")
    record = load(params["record"], cluster=snapshot.cluster) if params["record"] else None
    plan = PLANNERS[params["direction"]](call, snapshot, record)
    if plan.refusals:
        return _refused(plan)
    _check_approval(plan, params["approved_hash"])
    return {
        "changed": any(not step.done for step in plan.steps),
        "plan": plan.to_plain(),
        "refusals": [],
        "diff": _diff(plan, record),
        "rollout": {
            "type": "plan",
            "lines": describe.plan_lines(plan),
            "run": {
                "cluster": f"{plan.namespace}/{plan.cluster}",
                "from": describe.versions(plan.images_from),
                "to": describe.versions(plan.images_to),
            },
        },
    }


def _upgrade(call: Call, snapshot: Snapshot, record: Record | None) -> Plan:
    return _planned(call, snapshot, record, under_way=False)


def _rest(call: Call, snapshot: Snapshot, record: Record | None) -> Plan:
    """The rest of a run that is under way. Where it is refused, the run ends here, and puts back what it has to."""
    if record is None:
        return _planned(call, snapshot, None, under_way=True)
    try:
        plan = _planned(call, snapshot, record, under_way=True)
    except Refused as refused:
        return plan_frozen(snapshot, record, (refused,))
    return plan_frozen(snapshot, record, plan.refusals) if plan.refusals else plan


def _planned(call: Call, snapshot: Snapshot, record: Record | None, *, under_way: bool) -> Plan:
    spec, hooks = _request(call, snapshot)
    holder = _lease_holder(call.params["lease"] or {})
    now = call.clock.epoch()
    return plan_upgrade(snapshot, spec, record, now, hooks=hooks, under_way=under_way, lease_holder=holder)


def _rollback(call: Call, snapshot: Snapshot, record: Record | None) -> Plan:
    """The way back; without a record nothing was touched that could go back."""
    if record is None:
        return plan_restore(snapshot, None)
    return plan_rollback(snapshot, record, *_request(call, snapshot))


def _request(call: Call, snapshot: Snapshot) -> tuple[UpgradeSpec, HookPlan]:
    """What is asked for, with its hooks ready to run."""
    installation = installation_of(call.params)
    catalogue = Catalogue.of(installation.hooks.catalogue)
    spec = spec_of(call.params["spec"], snapshot.cluster, snapshot.namespace, catalogue)
    sources = from_plain(Sources, call.params["hooks"] or {}, "hooks")
    return spec, plan_hooks(spec.stages, catalogue, sources, installation)


def _restore(_call: Call, snapshot: Snapshot, record: Record | None) -> Plan:
    return plan_restore(snapshot, record)


def _release(call: Call, snapshot: Snapshot, record: Record | None) -> Plan:
    return plan_release(snapshot, record, _request(call, snapshot)[1])


# What makes the plan of each direction.
PLANNERS: dict[str, Callable[[Call, Snapshot, Record | None], Plan]] = {
    "upgrade": _upgrade,
    "rest": _rest,
    "rollback": _rollback,
    "restore": _restore,
    "release": _release,
}


def _lease_holder(lease: dict[str, Any]) -> str:
    if not lease.get("remaining_seconds"):
        return ""
    return f"{lease.get('holder')} holds the lease since {lease.get('since')}, renewed {lease.get('renewed')}"


def spec_of(document: Any, cluster: str, namespace: str, catalogue: Catalogue = OUR_CATALOGUE) -> UpgradeSpec:
    """The spec of a call, which has to be about the very cluster that the call names."""
    spec = parse_spec({"clusterRef": {"name": cluster}, **(document or {})}, namespace=namespace, catalogue=catalogue)
    if spec.cluster != cluster:
        raise Refused("spec.clusterRef.name", spec.cluster, f"the call is about {cluster}", remedy="name one cluster")
    return spec


def _refused(plan: Plan) -> Result:
    reasons = {str(refused): refused.remedy for refused in plan.refusals}
    lines = [f"{reason}\n  remedy: {remedy}" for reason, remedy in reasons.items()]
    first = plan.refusals[0]
    return {
        "failed": True,
        "changed": False,
        "msg": "Refused before anything was touched:\n" + "\n".join(lines),
        "reason": "\n".join(reasons),
        "remedy": "\n".join(dict.fromkeys(reasons.values())),
        "field": first.field,
        "value": first.value,
        "refusals": [refused.as_result() for refused in plan.refusals],
        "plan": plan.to_plain(),
    }


def _check_approval(plan: Plan, approved: str) -> None:
    if approved and plan.steps and approved not in (plan.approval, plan.approval[:19]):
        remedy = "look at the new plan, and approve its hash"
        raise Refused("approved_hash", approved, f"the plan has become {plan.approval}", remedy=remedy)


def _diff(plan: Plan, record: Record | None) -> list[Result]:
    """What the objects of the cluster will look like: images in the custom resource, pods, settings meanwhile."""
    before = [f"{SPEC_FIELDS[c]}.image: {image}" for c, image in plan.images_from.items()]
    after = [f"{SPEC_FIELDS[c]}.image: {plan.images_to.get(c, image)}" for c, image in plan.images_from.items()]
    pods = [step for step in plan.steps if step.pod and not step.done and step.image]
    known = plan.baseline.pods
    return [
        {
            "before_header": f"StarRocksCluster {plan.namespace}/{plan.cluster} (before)",
            "after_header": f"StarRocksCluster {plan.namespace}/{plan.cluster} (after)",
            "before": "\n".join(before + [f"{s.pod}: {known[s.pod].image}" for s in pods if s.pod in known]) + "\n",
            "after": "\n".join(after + [f"{s.pod}: {s.image}" for s in pods if s.pod in known]) + "\n",
        }
    ]


VERB = Verb(
    "starrocks_plan",
    {
        **INSTALLATION,
        "snapshot": {"type": "dict", "required": True},
        "record": {"type": "dict"},
        "lease": {"type": "dict"},
        "hooks": {"type": "dict"},
        "spec": {"type": "dict", "default": {}},
        "direction": {
            "type": "str",
            "choices": list(PLANNERS),
            "default": "upgrade",
        },
        "approved_hash": {"type": "str", "default": ""},
    },
    run,
)
