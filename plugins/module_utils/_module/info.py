# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The verb of starrocks_info: one look at a whole cluster, nothing written."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import digest, to_plain
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Denied, RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.encryption import check_required
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.handover import (
    Handover,
    LeaseSeen,
    from_text,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.catalogue import Catalogue
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.resolve import (
    PlannedHook,
    Sources,
    plan_hooks,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.preflight import at_rest
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import GUIDE
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Snapshot
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.spec import UpgradeSpec
from ansible_collections.steady.rollout.plugins.module_utils._domain.version import Image
from ansible_collections.steady.rollout.plugins.module_utils._engine.hook_sources import read_sources
from ansible_collections.steady.rollout.plugins.module_utils._engine.ledger import LABELS, await_free, target_name
from ansible_collections.steady.rollout.plugins.module_utils._engine.scripts import NEEDS as SCRIPT_NEEDS
from ansible_collections.steady.rollout.plugins.module_utils._engine.scripts import check_password
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.guarding import check_guard
from ansible_collections.steady.rollout.plugins.module_utils._fe import statements
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Frontends, Session
from ansible_collections.steady.rollout.plugins.module_utils._fe.observe import FeView, observe
from ansible_collections.steady.rollout.plugins.module_utils._fe.privileges import check_privileges
from ansible_collections.steady.rollout.plugins.module_utils._fe.settings import read_settings
from ansible_collections.steady.rollout.plugins.module_utils._kube import lease
from ansible_collections.steady.rollout.plugins.module_utils._kube.access import Need, missing_rights, server_version
from ansible_collections.steady.rollout.plugins.module_utils._kube.read import ClusterObjects
from ansible_collections.steady.rollout.plugins.module_utils._kube.record import RecordStore
from ansible_collections.steady.rollout.plugins.module_utils._module.call import (
    CONNECTION,
    INSTALLATION,
    LEASE,
    TARGET,
    Call,
    Result,
    Verb,
    lease_seconds,
)
from ansible_collections.steady.rollout.plugins.module_utils._module.plan import spec_of
from ansible_collections.steady.rollout.plugins.module_utils._module.target import Target

# What an upgrade does through the API server; the Role in operator/rbac grants exactly this.
UPGRADE_NEEDS: tuple[Need, ...] = (
    *(Need(verb, "starrocks.com", "starrocksclusters") for verb in ("get", "patch")),
    *(Need(verb, "apps", "statefulsets") for verb in ("list", "watch")),
    *(Need(verb, "", "pods") for verb in ("list", "watch", "delete")),
    *(Need(verb, "", "configmaps") for verb in ("get", "create", "patch")),
    *(Need(verb, "coordination.k8s.io", "leases") for verb in ("get", "create", "patch")),
)
GUARD_NEEDS: tuple[Need, ...] = (Need("create", "batch", "jobs"), Need("delete", "batch", "jobs"))
# Servers check `get` for the WebSocket request that opens a port-forward, newer ones `create` as well.
PORT_FORWARD_NEEDS: tuple[Need, ...] = tuple(Need(verb, "", "pods", "portforward") for verb in ("get", "create"))


def run(call: Call) -> Result:
    """Snapshot, record, lease and the handover for the tasks that follow."""
    target = Target.of(call)
    spec, catalogue = _request(call, target)
    if call.params["purpose"] == "upgrade":
        _check_rights(target, spec or spec_of(None, target.cluster, target.namespace))
    if call.params["wait_for_lease"]:
        await_free(target.client, target.namespace, target.cluster, call.params["wait_for_lease"], call.clock)
    objects, handover = target.read()
    _check_tls(target, objects, spec)
    if spec is not None:
        _check_passwords(target, spec, objects)
    if call.params["progress"]:
        earlier = from_text(call.params["progress"], cluster=target.cluster, namespace=target.namespace)
        handover = handover.continuing(earlier)
    # The lease first: where it is free and stays so, nobody writes the record that is read after it.
    held = _lease(target, handover, call)
    store = RecordStore(target.client, target.namespace, target_name(target.cluster), LABELS)
    record, version = store.load()
    written = digest(record) if record else handover.record_digest
    if record is None:
        # Somebody deleted it while the run went on: the run still knows what it has to put back.
        record = handover.record
    sources, hooks = _hooks(target, spec, catalogue)
    with target.frontends(handover) as frontends:
        if call.params["purpose"] == "upgrade":
            reached = _reach(frontends, objects)
            if reached is not None and spec is not None:
                _check_privileges(reached, target.fe.user, spec, hooks)
        handover = replace(handover, mode=handover.mode or _mode(frontends, objects))
        named = (*GUIDE, *(spec.held if spec else ()), *(key for hook in hooks for key in hook.keys))
        keys = tuple(dict.fromkeys(named))
        view = _look(frontends, objects, handover.mode, keys)
    snapshot = _snapshot(target, objects, handover.mode, view)
    if _is_free(held, call) and not at_rest(snapshot, keys):
        # A run that took the lease after it was read may just be at work on what was seen.
        held = lease.read(target.client, target.namespace, target_name(target.cluster))
    remaining = held.remaining(call.clock.now()) if held else 0.0
    if remaining <= 0:
        seen = LeaseSeen(held.holder, held.resource_version, held.transitions) if held else LeaseSeen()
        handover = replace(handover, free_lease=seen)
    return {
        "changed": False,
        "snapshot": to_plain(snapshot),
        # Not None: ansible-core before 2.19 makes an empty string of it between two tasks.
        "record": record or {},
        "lease": {
            "holder": held.holder if held else "",
            "since": held.acquired if held else "",
            "renewed": held.renewed if held else "",
            "remaining_seconds": round(remaining, 1),
        },
        "hooks": to_plain(sources),
        "stopped": "",
        "way_back": handover.way_back,
        "progress": replace(handover, record=record, record_version=version, record_digest=written).to_text(),
    }


def _request(call: Call, target: Target) -> tuple[UpgradeSpec | None, Catalogue]:
    """The request that a look is for, where there is one, and the hooks that it may name."""
    catalogue = Catalogue.of(target.installation.hooks.catalogue)
    document = call.params["spec"]
    return spec_of(document, target.cluster, target.namespace, catalogue) if document else None, catalogue


def _hooks(target: Target, spec: UpgradeSpec | None, catalogue: Catalogue) -> tuple[Sources, tuple[PlannedHook, ...]]:
    """What the hooks need to be planned, and those that can be."""
    if spec is None:
        return Sources(), ()
    sources = read_sources(target.client, target.namespace, spec.stages, catalogue, target.installation)
    return sources, plan_hooks(spec.stages, catalogue, sources, target.installation).hooks


def _check_rights(target: Target, spec: UpgradeSpec) -> None:
    """Before an upgrade: every right it will need, so that it does not stop half way for want of one."""
    needs = list(UPGRADE_NEEDS)
    if target.fe.transport in ("auto", "port_forward") and not target.fe.addresses:
        needs += PORT_FORWARD_NEEDS
    if spec.guard.image:
        needs += GUARD_NEEDS
    if any(entry.is_script for entry in spec.stages.entries):
        needs += SCRIPT_NEEDS
    missing = missing_rights(target.client, target.namespace, needs)
    if missing:
        raise Denied(
            f"not allowed in namespace {target.namespace}: {'; '.join(str(need) for need in missing)}",
            remedy="grant in a Role: " + " ".join(need.rule() for need in missing),
        )


def _check_passwords(target: Target, spec: UpgradeSpec, objects: ClusterObjects) -> None:
    """What runs as a Job beside this run must be able to log in too."""
    if any(entry.is_script for entry in spec.stages.entries):
        check_password(target.fe, objects.resource)
    if spec.guard.image:
        check_guard(target.fe, objects.resource)


def _check_tls(target: Target, objects: ClusterObjects, spec: UpgradeSpec | None) -> None:
    """Before an FE is connected to: that its version, and the one it shall run, can do what fe_tls demands."""
    if target.fe.tls != "required":
        return
    wanted = spec.images.get("fe") if spec else None
    if spec and spec.version:
        wanted = Image.parse(objects.workloads["fe"].image, "starRocksFeSpec.image").with_version(spec.version)
    check_required({pod.name: pod.image for pod in objects.pods if pod.component == "fe"}, wanted)


def _check_privileges(session: Session, user: str, spec: UpgradeSpec, hooks: tuple[PlannedHook, ...]) -> None:
    """Before an upgrade: that the user may read settings, hence set them, and what else its later steps need."""
    session.run(statements.show_settings("run_mode"))
    needed: dict[str, tuple[str, ...]] = {}
    if spec.leader_strategy == "transfer":
        needed["spec.leader.strategy"] = ("NODE",)
    needed |= {f"hook {hook.name}": hook.rights for hook in hooks}
    for path, rights in needed.items():
        if set(rights) - {"OPERATE"}:
            check_privileges(session, rights, user, path)


def _reach(frontends: Frontends, objects: ClusterObjects) -> Session | None:
    """One FE must accept the credentials: a wrong password or an unreachable FE is told as what it is.

    None where no FE is ready, which is told by the look that follows.
    """
    names = sorted(pod.name for pod in objects.pods if pod.component == "fe" and pod.ready)
    failure: RolloutError | None = None
    for name in names:
        try:
            return frontends.session(name)
        except RolloutError as error:
            failure = error
            if not error.transient:
                break
    if failure is not None:
        raise failure
    return None


def _lease(target: Target, handover: Handover, call: Call) -> lease.State | None:
    """The lease as it is; a run that looks again in its middle renews its own."""
    if handover.holder:
        name, holder = target_name(target.cluster), handover.holder
        duration = lease_seconds(call.params)
        held = lease.Held(target.namespace, name, holder, handover.lease_version, duration)
        lease.renew(target.client, held, now=call.clock.now)
    return lease.read(target.client, target.namespace, target_name(target.cluster))


def _is_free(held: lease.State | None, call: Call) -> bool:
    return held is None or held.remaining(call.clock.now()) <= 0


def _mode(frontends: Frontends, objects: ClusterObjects) -> str:
    """The run_mode that an FE tells, where its ConfigMap says nothing; StarRocks' default where none answers."""
    for pod in objects.pods:
        if pod.component == "fe" and pod.ready:
            try:
                return frontends.run(pod.name, lambda session: read_settings(session, ["run_mode"]))["run_mode"]
            except (RolloutError, KeyError):
                # The next FE may answer; what no FE says is told by the look that follows.
                continue
    return "shared_nothing"


def _look(frontends: Frontends, objects: ClusterObjects, mode: str, keys: tuple[str, ...]) -> FeView:
    return observe(
        frontends,
        sorted(pod.name for pod in objects.pods if pod.component == "fe" and pod.ready),
        keys=keys,
        workers="be" in objects.workloads,
        compute_nodes="cn" in objects.workloads,
        tablets=mode != "shared_data" and "be" in objects.workloads,
    )


def _snapshot(target: Target, objects: ClusterObjects, mode: str, view: FeView) -> Snapshot:
    resource = objects.resource
    spec = resource.get("spec") or {}
    return Snapshot(
        cluster=target.cluster,
        namespace=target.namespace,
        uid=str(resource["metadata"]["uid"]),
        resource_version=str(resource["metadata"]["resourceVersion"]),
        phase=str((resource.get("status") or {}).get("phase") or ""),
        workloads=objects.workloads,
        pods=objects.pods,
        frontends=view.frontends,
        workers=view.workers,
        settings=view.settings,
        tablets=view.tablets,
        mode=mode,
        wait_for_full_rollout=bool(spec.get("waitForFullRollout")),
        server_version=server_version(target.client),
        blind=view.blind,
    )


VERB = Verb(
    "starrocks_info",
    {
        **CONNECTION,
        **TARGET,
        **INSTALLATION,
        **LEASE,
        "purpose": {"type": "str", "choices": ["look", "upgrade"], "default": "look"},
        "spec": {"type": "dict"},
        "progress": {"type": "str", "default": ""},
        "wait_for_lease": {"type": "float", "default": 0.0},
    },
    run,
)
