# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""One pass over a StarRocksCluster: what its own triggers ask for, and the end of what they asked for before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import from_plain
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import (
    Denied,
    LeaseHeld,
    NotFound,
    Refused,
    RolloutError,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import preparation, status, trigger
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.crd import served_fields
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.describe import open_sentences
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.handover import Handover, from_text
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.catalogue import Catalogue
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.entries import Stages
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.judge import hook_refusals
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.resolve import (
    HookPlan,
    plan_hooks,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import Plan, plan_preparation
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.preflight import cluster_healthy
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.preparation import (
    Decision,
    Preparation,
    Seen,
    Wish,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import Record, load
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import COMPONENTS, Snapshot
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.spec import UpgradeSpec
from ansible_collections.steady.rollout.plugins.module_utils._engine import objects
from ansible_collections.steady.rollout.plugins.module_utils._engine.hook_sources import read_sources
from ansible_collections.steady.rollout.plugins.module_utils._engine.ledger import LABELS, Ledger, target_name
from ansible_collections.steady.rollout.plugins.module_utils._engine.patience import AGAIN_SECONDS, Waiting
from ansible_collections.steady.rollout.plugins.module_utils._engine.preparing import PREPARATION, Preparing
from ansible_collections.steady.rollout.plugins.module_utils._engine.scripts import check_password
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.context import StepContext
from ansible_collections.steady.rollout.plugins.module_utils._engine.tell import teller
from ansible_collections.steady.rollout.plugins.module_utils._engine.wait import StepFailed
from ansible_collections.steady.rollout.plugins.module_utils._engine.world import World
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Frontends
from ansible_collections.steady.rollout.plugins.module_utils._fe.privileges import check_privileges
from ansible_collections.steady.rollout.plugins.module_utils._fe.settings import read_settings
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.read import workload_of
from ansible_collections.steady.rollout.plugins.module_utils._kube.record import RecordStore
from ansible_collections.steady.rollout.plugins.module_utils._module import info
from ansible_collections.steady.rollout.plugins.module_utils._module.call import Call, Result, lease_seconds
from ansible_collections.steady.rollout.plugins.module_utils._module.runners import runners_of
from ansible_collections.steady.rollout.plugins.module_utils._module.step import keys_of
from ansible_collections.steady.rollout.plugins.module_utils._module.target import Target

# Who a run is that passes over a StarRocksUpgrade carry out: this, and its uid.
UPGRADES = "starrocksupgrade/"
# No decision needs more acts in a row: end, put back, begin anew, run, hold.
_MOST_ACTS = 8
# How soon to look again for what the object itself would not tell.
MEND_SECONDS = 60.0
_OPENAPI = "/openapi/v3/apis/starrocks.com/v1"
_SCHEMA = "com.starrocks.v1.StarRocksCluster"


@dataclass
class ClusterPass:
    """One pass over one StarRocksCluster.

    `waits` is what it waits for in the end, empty when it waits for nothing; `shown` whether its status has our field;
    `mends` whether hooks are refused for a reason that stands elsewhere, such as a ConfigMap that does not exist.
    """

    call: Call
    client: KubeClient
    resource: Mapping[str, Any]
    state: Preparation | None = None
    record: Record | None = None
    hooks: HookPlan = field(default_factory=HookPlan)
    changed: bool = False
    again_in: float | None = None
    waits: str = ""
    shown: bool = False
    mends: bool = False
    warnings: list[str] = field(default_factory=list)
    _is_orphaned: bool | None = None

    def run(self) -> Result:
        """Go as far as it goes, mirror the state on the object, and say when to look again."""
        self.record = self._written()
        same = self.record is not None and self.record.cluster_uid == self._uid
        self.state = self.record.preparation if self.record is not None and same else None
        wish = self._wish()
        decision = preparation.decide(wish, self._seen(None), self.state)
        told_at_once = isinstance(wish, str) and decision.act == "report" and not self._lasting(decision.state)
        if decision.act == "nothing" or told_at_once:
            self.state = decision.state
        elif self.call.check_mode:
            self.changed, self.state = True, decision.state
        else:
            self._act(wish)
        self._tell()
        return self._result()

    @property
    def _uid(self) -> str:
        return str(self.resource["metadata"]["uid"])

    def _written(self) -> Record | None:
        target = self._target
        data, _version = RecordStore(self.client, target.namespace, target_name(target.cluster), LABELS).load()
        return load(data, cluster=target.cluster) if data else None

    @property
    def _target(self) -> Target:
        return Target.of(self._call())

    def _call(self, **params: Any) -> Call:
        metadata = self.resource["metadata"]
        known = {**self.call.params, "cluster": metadata["name"], "namespace": metadata["namespace"], **params}
        return replace(self.call, params=known)

    # -- what is asked for -----------------------------------------------------------------------------------------

    def _wish(self) -> Wish | str | None:
        """What the triggers ask for; a sentence where that cannot be done, None where nothing is asked for."""
        if self.call.params["state"] == "absent" or self.resource["metadata"].get("deletionTimestamp"):
            return None
        target = self._target
        catalogue = Catalogue.of(target.installation.hooks.catalogue)
        pruned = self._pruned()
        try:
            found = trigger.trigger_of(self.resource, self._seen(None).images, catalogue)
        except Refused as refused:
            return f"{refused.reason}; {refused.remedy}"
        if found is None:
            return pruned or None
        self.warnings += [pruned] if pruned else []
        if self._was_run(found.wish):
            return found.wish
        stages = Stages(pre=found.hooks)
        sources = read_sources(self.client, target.namespace, stages, catalogue, target.installation)
        self.hooks = plan_hooks(stages, catalogue, sources, target.installation)
        refusals = self.hooks.refusals.get("pre", ())
        if refusals:
            # A ConfigMap may come, or a right to read it; no change of this object would tell.
            self.mends = True
            return "; ".join(f"{refused.reason}; {refused.remedy}" for refused in refusals)
        return found.wish

    def _was_run(self, wish: Wish) -> bool:
        """Whether these very hooks were run, and no others will be: what they were read from may be gone by now."""
        state = self.state
        held = state is not None and state.request == wish.request and bool(state.prepared_at) and not state.end
        return held or preparation.decide(wish, self._seen(None), state).act == "nothing"

    def _pruned(self) -> str:
        """What to say of triggers that the API server has dropped; the definition is read only where one may be."""
        if not trigger.pruned_fields(self.resource, ()):
            return ""
        schemas = (self.client.get(_OPENAPI).get("components") or {}).get("schemas") or {}
        fields = trigger.pruned_fields(self.resource, served_fields(schemas.get(_SCHEMA) or {}))
        return trigger.pruned_sentence(fields) if fields else ""

    # -- what is seen ----------------------------------------------------------------------------------------------

    def _seen(self, snapshot: Snapshot | None) -> Seen:
        """The cluster as the resource alone tells it, or as a whole look does."""
        record = self.record
        workloads = {c: workload_of(self.resource, None, c) for c in COMPONENTS}
        images = {c: workload.image for c, workload in workloads.items() if workload is not None}
        seen = Seen(images, self.call.clock.epoch(), owed=record is not None and bool(record.journal.open_keys))
        if snapshot is None:
            return seen
        refusal = cluster_healthy(snapshot)
        return replace(
            seen,
            images={c: workload.image for c, workload in snapshot.workloads.items()},
            rolling=any(pod.image != snapshot.workloads[pod.component].image for pod in snapshot.pods),
            unsettled=str(refusal) if refusal is not None else "",
            busy=self._busy,
        )

    @property
    def _busy(self) -> str:
        """Another run that has begun on the cluster and has not ended; nobody waits for what nobody will end."""
        text = _busy(self.record)
        if not text or self.record is None or not self._orphaned:
            return text
        if self.record.phase not in ("running", "rolling-back"):
            return ""
        return f"{text}, and whose StarRocksUpgrade is gone: run the playbook steady.rollout.starrocks_restore"

    @property
    def _orphaned(self) -> bool:
        """Whether somebody removed, without its end, the StarRocksUpgrade whose preparation our annotation tells."""
        if self._is_orphaned is None:
            name = status.mirrored_by(self._annotations.get(status.MIRROR)).removeprefix("StarRocksUpgrade/")
            self._is_orphaned = bool(name) and self._upgrade_is_gone(name)
        return self._is_orphaned

    def _upgrade_is_gone(self, name: str) -> bool:
        try:
            upgrade = objects.read_upgrade(self.client, str(self.resource["metadata"]["namespace"]), name)
        except RolloutError:
            # Who does not see it does not know that it is gone.
            return False
        run = self.record.run if self.record is not None else ""
        another = run.startswith(UPGRADES) and upgrade is not None and run != f"{UPGRADES}{upgrade['metadata']['uid']}"
        return upgrade is None or another

    @property
    def _annotations(self) -> Mapping[str, str]:
        return self.resource["metadata"].get("annotations") or {}

    # -- what is done ----------------------------------------------------------------------------------------------

    def _lasting(self, state: Preparation | None) -> bool:
        """Whether a state is worth a record: one that has begun, or that follows one that had."""
        return self.state is not None or (state is not None and bool(state.armed_at))

    def _act(self, wish: Wish | str | None) -> None:
        """Look at the whole cluster, then act until nothing is left to do now."""
        seen = info.run(self._call(purpose="look", spec=None, progress="", wait_for_lease=0.0))
        snapshot = from_plain(Snapshot, seen["snapshot"], "snapshot")
        handover = from_text(seen["progress"], cluster=snapshot.cluster, namespace=snapshot.namespace)
        decision = preparation.decide(wish, self._seen(snapshot), self.state)
        if decision.act == "arm":
            wish = self._forbidden(snapshot, handover) or wish
            decision = preparation.decide(wish, self._seen(snapshot), self.state)
        if decision.act in ("nothing", "wait") or (decision.act == "report" and not self._lasting(decision.state)):
            self._take(decision)
            return
        try:
            with self._engine(snapshot, handover) as preparing:
                self._carry_on(wish, snapshot, handover, preparing)
                self._tell()
                if self.state is not None and self.shown and not self.state.shown:
                    self.state = replace(self.state, shown=True)
                    preparing.note(self.state)
        except LeaseHeld as held:
            self._pause(held.reason, AGAIN_SECONDS)
        except Waiting as waiting:
            self._pause(waiting.reason, waiting.again_in)
        except StepFailed as failed:
            # An end that does not come to its end is no end: what is owed stays written down, and is tried again.
            self._pause(failed.reason, preparation.WAIT_SECONDS)

    def _forbidden(self, snapshot: Snapshot, handover: Handover) -> str:
        """Why the hooks must not be run on this cluster, empty when they may; before anything is touched."""
        images, refusals = self._seen(snapshot).images, []
        try:
            if any(hook.kind == "script" for hook in self.hooks.pre):
                check_password(self._target.fe, dict(self.resource))
            with self._target.frontends(handover) as frontends:
                self._check_privileges(snapshot, frontends)
                snapshot = self._with_own_settings(snapshot, frontends)
        except Refused as refused:
            refusals.append(refused)
        refusals += hook_refusals(self.hooks, snapshot, "upgrade", images, {}, None, under_way=False)
        # A grant or another Secret may come, and no change of this object would tell.
        self.mends = self.mends or bool(refusals)
        return "; ".join(f"{refused.reason}; {refused.remedy}" for refused in refusals)

    def _with_own_settings(self, snapshot: Snapshot, frontends: Frontends) -> Snapshot:
        """The leader's settings with those that only hooks are about: a look reads no others than the guide's."""
        known = snapshot.settings.get(snapshot.leader or "")
        keys = {key for hook in self.hooks.pre for key in hook.keys}
        if known is None or keys <= set(known.values):
            return snapshot
        read = read_settings(frontends.session(known.pod), keys - set(known.values))
        seen = replace(known, values={**known.values, **read})
        return replace(snapshot, settings={**snapshot.settings, known.pod: seen})

    def _check_privileges(self, snapshot: Snapshot, frontends: Frontends) -> None:
        """Refuse hooks that need more of the FE than OPERATE, without which nothing at all could be seen of it."""
        demanding = [hook for hook in self.hooks.pre if set(hook.rights) - {"OPERATE"}]
        if not demanding or snapshot.leader is None:
            return
        session = frontends.session(snapshot.leader)
        for hook in demanding:
            check_privileges(session, hook.rights, self._target.fe.user, f"hook {hook.name}")

    def _carry_on(self, wish: Wish | str | None, snapshot: Snapshot, handover: Handover, preparing: Preparing) -> None:
        began = self.state
        for _act in range(_MOST_ACTS):
            self.record = preparing.context.ledger.present
            decision = preparation.decide(wish, self._seen(snapshot), self.state)
            if decision.act == "arm" and self.state is not began:
                # What came before has been put back in this pass.
                wish = self._forbidden(snapshot, handover) or wish
                decision = preparation.decide(wish, self._seen(snapshot), self.state)
            self._take(decision)
            if decision.act not in ("arm", "wait", "nothing"):
                preparing.note(self.state)
            if decision.act in ("nothing", "wait"):
                return
            self._do(decision, self._seen(snapshot), preparing)
            if decision.act == "hold":
                return
        self._pause("the cluster changes while it is looked at", AGAIN_SECONDS)

    def _take(self, decision: Decision) -> None:
        if decision.act not in ("nothing", "wait", "hold"):
            self.changed = True
        self.state, self.again_in = decision.state, decision.again_in
        if decision.act == "wait" and decision.state is not None:
            self.waits = decision.state.message

    def _do(self, decision: Decision, seen: Seen, preparing: Preparing) -> None:
        state = decision.state
        if state is None:
            return
        if decision.act == "arm":
            preparing.arm(state)
        elif decision.act == "run":
            try:
                self.state = preparing.run(state, seen)
            except Waiting:
                self.state = preparing.progress(state)
                raise
        elif decision.act == "hold":
            problem = preparing.hold()
            if problem:
                self.state, self.waits = replace(state, message=problem), problem
        elif decision.act == "restore":
            self.state = preparing.restore(state)
        if decision.act in ("run", "restore"):
            preparing.note(self.state)

    @contextmanager
    def _engine(self, snapshot: Snapshot, handover: Handover) -> Iterator[Preparing]:
        """The lease, and the tools of a step; both are given back in the end."""
        target, call = self._target, self._call()
        tells = teller(self.client, target.installation, target.namespace, call.clock, call.say)
        ledger = Ledger(self.client, handover, call.clock, lease_seconds=lease_seconds(call.params), teller=tells)
        ledger.take_lease(f"starrockscluster/{self._uid}", call.say, wait=False)
        try:
            self.record = ledger.present
            if self._busy:
                raise Waiting(f"waits for {self._busy}", again_in=preparation.WAIT_SECONDS)
            made = self._plan(snapshot)
            with target.frontends(ledger.handover) as frontends:
                world = World(self.client, frontends, ledger.handover, keys_of(target, made, ledger.present))
                with world:
                    context = StepContext(
                        self.client,
                        world,
                        ledger,
                        call.clock,
                        UpgradeSpec(snapshot.cluster, snapshot.namespace),
                        made,
                        call.say,
                        runners=runners_of(target, handover, frontends),
                        patience=call.params["patience"],
                    )
                    context.await_pods()
                    yield Preparing(context)
        finally:
            ledger.release()

    def _plan(self, snapshot: Snapshot) -> Plan:
        """The hooks that have not come to their end in the preparation that the record is about."""
        own = self.record is not None and self.record.spec_hash == PREPARATION
        armed = self.state is not None and not self.state.end and bool(self.state.armed_at)
        return plan_preparation(snapshot, self.record if own and armed else None, self.hooks)

    def _pause(self, reason: str, again_in: float) -> None:
        self.waits, self.again_in = reason, again_in

    # -- what is told ----------------------------------------------------------------------------------------------

    def _tell(self) -> None:
        """Our annotation, and our field in the status where the definition has it; only what does not stand there."""
        if self.call.check_mode or self.resource["metadata"].get("deletionTimestamp"):
            return
        present = self._annotations.get(status.MIRROR)
        text = status.mirror(self.state)
        if status.mirrored_by(present) and (text is None or self._busy) and not self._orphaned:
            # A StarRocksUpgrade tells of its own preparation there, and is not to be contradicted while it runs.
            return
        told = objects.write_mirror(self.client, self.resource, text)
        self.changed = self.changed or told
        wanted = None if self.state is None else status.preparation_status(self.state)
        known = (self.resource.get("status") or {}).get(objects.STATUS_FIELD)
        # Where it was never kept, the definition does not know the field: it is tried again when there is news.
        if told or known is not None or (self.state is not None and self.state.shown):
            self.shown = objects.write_cluster_status(self.client, self.resource, wanted)
        self.resource = self._as_told(text, wanted if self.shown else None)

    def _as_told(self, text: str | None, shown: object) -> Mapping[str, Any]:
        """The resource as it is after that: what is told once is not told again in this pass."""
        metadata = self.resource["metadata"]
        annotations = {**(metadata.get("annotations") or {}), status.MIRROR: text}
        return {
            **self.resource,
            "metadata": {**metadata, "annotations": {k: v for k, v in annotations.items() if v is not None}},
            "status": {**(self.resource.get("status") or {}), objects.STATUS_FIELD: shown},
        }

    @property
    def _due(self) -> float | None:
        """Seconds until the next look; hooks that must not be run are looked at again, for the object does not tell."""
        refused = self.mends and self.state is not None and self.state.end == "invalid"
        return MEND_SECONDS if refused and self.again_in is None else self.again_in

    def _result(self) -> Result:
        state = self.state
        phase = state.phase if state is not None else "None"
        message = self.waits or (state.message if state is not None else "no trigger")
        due = None if self._due is None else round(max(1.0, self._due), 1)
        name = self.resource["metadata"]["name"]
        tail = f"look again in {due:g} s" if due is not None else "nothing is due"
        lines = [f"{name}: {phase}, {message}", *self._standing(), *self.warnings, tail]
        return {
            "changed": self.changed,
            "phase": phase,
            "reason": state.reason if state is not None else "NoTrigger",
            "message": message,
            "remedy": "",
            "requeue_after": due,
            "finished": due is None,
            "warnings": self.warnings,
            "rollout": {"type": "info", "lines": lines},
        }

    def _standing(self) -> list[str]:
        """What is off while a cluster is prepared, and until when, for whoever reads a pass in the night."""
        if self.state is None or not self.state.held:
            return []
        until = preparation.held_until(self.state)
        end = [f"without an image change everything is put back at {until}"] if until else []
        return [*open_sentences(self.record), *end]


def _busy(record: Record | None) -> str:
    """Another run that has begun on the cluster and has not ended."""
    if record is None or record.spec_hash == PREPARATION or record.finished:
        return ""
    # Only a StarRocksUpgrade comes back by itself for what it still owes in its end.
    if record.phase not in ("running", "rolling-back") and not record.run.startswith(UPGRADES):
        return ""
    goal = ", ".join(f"{component} {image}" for component, image in sorted(record.target.items()))
    return f"the run {record.run} to {goal}, which has begun and not ended"


def reconcile_cluster(call: Call, client: KubeClient, resource: Mapping[str, Any]) -> Result:
    """One pass, with what went wrong on the way as a reason to look again."""
    try:
        return ClusterPass(call, client, resource).run()
    except (Denied, NotFound, Refused):
        raise
    except RolloutError as error:
        if not error.transient:
            raise
        return {
            "changed": False,
            "phase": "Unknown",
            "reason": "Unreachable",
            "message": error.reason,
            "remedy": error.remedy,
            "requeue_after": preparation.WAIT_SECONDS,
            "finished": False,
            "warnings": [],
            "rollout": {"type": "info", "lines": [error.reason, f"look again in {preparation.WAIT_SECONDS:g} s"]},
        }
