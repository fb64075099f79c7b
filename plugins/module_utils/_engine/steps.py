# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""One step of a plan, carried out: intent first, then the act, then its gates."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import (
    Conflict,
    LeaseLost,
    NotFound,
    RolloutError,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import causes, settings
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import gates as gate
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.changes import (
    kept_partition,
    step_patch,
    strategy_patch,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.gates import Target
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.guard import guard_job, guard_name
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import Plan, Step
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import (
    SCHEMA,
    Outcome,
    Record,
    StepRecord,
    StepState,
    pod_states,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import (
    COMPONENTS,
    Component,
    Pod,
    Workload,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.spec import UpgradeSpec
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._engine.ledger import Ledger
from ansible_collections.steady.rollout.plugins.module_utils._engine.persist import persist
from ansible_collections.steady.rollout.plugins.module_utils._engine.quiesce import Switch
from ansible_collections.steady.rollout.plugins.module_utils._engine.wait import (
    LAST_POLL_SECONDS,
    LAST_TABLET_POLL_SECONDS,
    Poll,
    StepFailed,
    Waiter,
)
from ansible_collections.steady.rollout.plugins.module_utils._engine.world import World
from ansible_collections.steady.rollout.plugins.module_utils._fe.statements import transfer_leader
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.paths import path_to
from ansible_collections.steady.rollout.plugins.module_utils._kube.read import (
    cluster_path,
    gives_replicas,
    workload_of,
)
from ansible_collections.steady.rollout.plugins.module_utils._kube.watch import Feed

# On the way back an FE that hangs must not keep the broken version in service.
BRIEF_DEADLINE_SECONDS = 10.0
# How long FEs may need to answer again before a restore gives up: an election with its timeouts, several times over.
LEADER_DEADLINE_SECONDS = 120.0


class Replan(RolloutError):
    """The cluster is no longer what the plan was made for: look again and plan anew."""


@dataclass
class Executor:
    """Carries out steps of one plan on one cluster."""

    client: KubeClient
    world: World
    ledger: Ledger
    clock: Clock
    spec: UpgradeSpec
    plan: Plan
    say: Callable[[str], None]
    waited: dict[str, float] = field(default_factory=dict)
    window_open: bool = False
    connection: dict[str, object] = field(default_factory=dict)

    def run(self, step: Step) -> list[str]:
        """Carry out `step`; returns sentences a person should read. Raises RolloutError when it did not work."""
        actions: dict[str, Callable[[Step], list[str]]] = {
            "begin": self._begin,
            "upgrade-pod": self._replace_pod,
            "rollback-pod": self._replace_pod,
            "transfer-leader": self._transfer,
            "restore": self._restore,
        }
        record = self.ledger.present
        if record is not None and not record.finished and step.kind != "begin" and self.plan.direction != "release":
            # A run that died is ended by this one: its record is this run's from here on.
            self.ledger.change(replace(record, run=self.ledger.handover.run))
        self.world.on_leader = lambda before, now: self._note_leader(step, before, now)
        self.world.on_pod = lambda before, after: self._note_pod(step, before, after)
        return actions[step.kind](step)

    def _note_leader(self, step: Step, before: str | None, now: str) -> None:
        """An event when the leader is another one than any step saw before."""
        if self.ledger.present is None:
            return
        seen = [event for event in self.ledger.record.events if event.kind == "leader"]
        known = before or (seen[-1].subject if seen else None)
        if known != now:
            text = f"leader moved from {known} to {now}" if known else f"{now} leads"
            self.ledger.event("leader", text, step=step.id, subject=now, **({"from": known} if known else {}))

    def _note_pod(self, step: Step, before: Pod | None, after: Pod | None) -> None:
        """Events for the timeline: what the watch shows of any pod of the cluster."""
        pod = after or before
        state = pod_state(after)
        if pod is not None and state != pod_state(before):
            self.ledger.event(
                "pod", f"{pod.name}: {state}", step=step.id, subject=pod.name, state=state, image=pod.image, uid=pod.uid
            )

    # -- begin ---------------------------------------------------------------------------------------------------

    def _begin(self, step: Step) -> list[str]:
        notes = []
        record = self.ledger.present
        if record is None or not self.plan.continues:
            record = self._new_record(record)
        else:
            notes.append(f"continues the run {record.run} begun at {record.started_at}")
            record = replace(
                record,
                run=self.ledger.handover.run,
                phase="running",
                outcome="",
                reason="",
                remedy="",
                finished_at="",
            )
        self.ledger.change(record)
        self.ledger.event("run", f"begun: {self.plan.direction}", step=step.id)
        self._start(step)
        self._note_plan()
        if self.plan.keys:
            self._start_guard()
            notes += self._quiesce(step)
        else:
            self.ledger.write()
        self._done(step)
        return notes

    def _start_guard(self) -> None:
        """Before anything is switched off: the Job that puts it back when this runner dies."""
        if not self.spec.guard.image:
            return
        run = self.ledger.handover.run
        job = guard_job(self.spec.guard, self.plan.cluster, self.plan.namespace, run, self.connection)
        name = guard_name(self.plan.cluster, self.ledger.handover.run)
        self._end_guard()
        self.ledger.change(replace(self.ledger.record, guard=name))
        # The name is this run's own: where it is taken, a lost answer of ours left it there.
        with contextlib.suppress(Conflict):
            self._write(partial(self.client.create, path_to("batch/v1", "jobs", self.plan.namespace), job))
        self.ledger.event("note", f"guard Job {name} started", subject=name)

    def _end_guard(self) -> None:
        """The settings are back: the guard is not needed. A restore leaves it be: it may be the guard that restores."""
        name = self.ledger.record.guard
        if not name or self.plan.direction == "restore":
            return
        try:
            path = path_to("batch/v1", "jobs", self.plan.namespace, name)
            self._write(partial(self.client.delete, path, propagation="Background"))
        except NotFound:
            self.ledger.event("note", f"guard Job {name} was gone already", subject=name)

    def _note_plan(self) -> None:
        """The steps that are still to come, so that a report can show what never ran."""
        record = self.ledger.record
        for step in self.plan.steps:
            known = record.steps.get(step.id)
            if known is None or known.state == "failed":
                state: StepState = "done" if step.done else "pending"
                attempts = known.attempts if known else 0
                entry = StepRecord(
                    step.title, step.kind, state, estimate_seconds=step.estimate_seconds, attempts=attempts
                )
                record = record.with_step(step.id, entry)
        crossing = record.point_of_no_return or self.plan.point_of_no_return
        self.ledger.change(replace(record, point_of_no_return=crossing))

    def _new_record(self, previous: Record | None) -> Record:
        journal = settings.Journal(
            {key: previous.journal.entries[key] for key in previous.journal.open_keys}
            if previous and previous.cluster_uid == self.ledger.handover.uid
            else {}
        )
        return Record(
            schema=SCHEMA,
            run=self.ledger.handover.run,
            cluster=self.plan.cluster,
            cluster_uid=self.ledger.handover.uid,
            plan_hash=self.plan.hash,
            spec_hash=self.spec.hash,
            target=self.plan.images_to,
            baseline=self.plan.baseline,
            started_at=self.clock.stamp(),
            journal=journal,
            held=tuple(
                component
                for component, workload in self.ledger.handover.workloads.items()
                if workload.strategy != self.plan.baseline.strategies.get(component)
            ),
            risks=tuple(vars(risk) for risk in self.plan.risks),
        )

    def _quiesce(self, step: Step) -> list[str]:
        """Journal what every FE has, then switch off. Both look at the FEs themselves, not at the plan's snapshot."""
        self._await_leader(step, settings_too=True)
        snapshot = replace(self.world.snapshot(), settings=self.world.seen_settings())
        unseen = self.world.unseen_frontends()
        if unseen:
            blind = "; ".join(snapshot.blind.get(f"settings:{pod}", pod) for pod in unseen)
            raise StepFailed(f"the settings of {', '.join(unseen)} could not be read: {blind}", remedy="mend that FE")
        drifts = [] if self.plan.continues else settings.drifts(snapshot, self.plan.keys)
        if drifts and self.spec.on_drift == "refuse":
            raise StepFailed(
                "; ".join(map(str, drifts)), remedy="make the FEs agree, or set onDrift: leader to use the leader's"
            )
        journal = settings.open_journal(snapshot, self.plan.keys, self.ledger.record.journal)
        journal = settings.note_restarts(journal, self.world.seen_settings())
        self.ledger.change(replace(self.ledger.record, journal=journal))
        self.ledger.write()
        done = self._switch(step).hold(window=False, phase="quiesced")
        return [f"{key}: {journal.entries[key].baseline} -> {value}" for key, value in done.items()]

    # -- one pod -------------------------------------------------------------------------------------------------

    def _replace_pod(self, step: Step) -> list[str]:
        self._await_pods()
        switch, waiter = self._switch(step), self._waiter(step)
        waiter.meanwhile = lambda: self._keep_watch(step, switch)
        target = self._ready_to_touch(step, waiter, switch)
        self._intent(step, target)
        self._patch_cluster(step)
        if self._must_delete(step, target):
            self._delete_when_due(step, target, waiter)
        self._await_member(step, waiter, target)
        if step.component == "fe":
            self._hold(step, switch)
        self._settle(step, waiter, switch, target)
        self._done(step)
        return []

    def _ready_to_touch(self, step: Step, waiter: Waiter, switch: Switch) -> Target:
        """The gates before a pod is touched, and what it looked like; a rollback waits for no healthy cluster."""
        self._hold(step, switch)
        self._check_leader_last(step)
        target = self._target(step)
        if step.kind == "upgrade-pod" and target.old_uid:
            waiter.until(
                f"the cluster to be ready for {step.pod}",
                gate.BEFORE_POD,
                lambda: self._with_expected(target, switch, window=False),
                deadline=self.spec.gates.pod_deadline_seconds,
                poll=Poll(lambda: self.world.look(settings=True), LAST_POLL_SECONDS),
            )
        return target

    def _hold(self, step: Step, switch: Switch) -> None:
        """Everything off on every FE. On the way back what is down may be the FEs themselves: it goes on without."""
        self.world.look(settings=True)
        if step.kind == "upgrade-pod":
            switch.hold(window=False, phase="reasserted")
            return
        try:
            if self.world.snapshot().leader is not None:
                switch.hold(window=False, phase="reasserted", deadline=BRIEF_DEADLINE_SECONDS)
        except StepFailed as error:
            self.ledger.event("note", f"going back all the same: {error.reason}", step=step.id)

    def _check_leader_last(self, step: Step) -> None:
        """The leader is read again before every FE: when it has moved, the order is decided anew."""
        if step.component != "fe" or step.kind != "upgrade-pod":
            return
        leader = self.world.snapshot().leader
        pending = [s.pod for s in self.plan.steps if s.component == "fe" and s.kind == "upgrade-pod" and not s.done]
        later = pending[pending.index(step.pod) + 1 :] if step.pod in pending else []
        planned = "leader-restart" in self.spec.acknowledge and step.means == "partition"
        if later and leader == step.pod and not planned and self._still_old(step):
            raise Replan(f"{step.pod} has become the leader, and {', '.join(later)} would come after it")

    def _still_old(self, step: Step) -> bool:
        pod = self.world.pods.get(step.pod)
        return pod is not None and pod.image != step.image

    def _target(self, step: Step) -> Target:
        pod = self.world.pods.get(step.pod)
        snapshot = self.world.snapshot()
        component: Component = step.component or "be"
        row = snapshot.frontend(step.pod) if component == "fe" else snapshot.worker(step.pod)
        replaced = pod is not None and pod.image == step.image and not pod.deleting
        old_uid = "" if pod is None or replaced else pod.uid
        return Target(
            pod=step.pod,
            component=component,
            image=step.image,
            old_uid=old_uid,
            old_start_time=row.start_time if row is not None and old_uid else None,
            baseline_tablets=self.plan.baseline.tablets,
            limits=self.spec.gates,
            judge_tablets=self.world.judges_tablets,
            frontend_outage_accepted="frontend-outage" in self.spec.acknowledge,
        )

    def _keep_watch(self, step: Step, switch: Switch) -> None:
        """While a pod is waited for: an FE that came back is switched off again, a foreign image ends the step."""
        self._refuse_foreign_image(step)
        returned = self.world.returned - {step.pod}
        if returned and switch.journal.open_keys and step.kind == "upgrade-pod":
            switch.hold(window=self.window_open, phase="reasserted")
            # One that the leader does not list as alive yet is looked at again.
            self.world.returned -= set(self.world.seen_settings())

    def _refuse_foreign_image(self, step: Step) -> None:
        component: Component = step.component or "be"
        known = {self.plan.images_from.get(component), self.plan.images_to.get(component), step.image}
        known |= {before.image for before in self.plan.baseline.pods.values() if before.component == component}
        for pod in self.world.pods.values():
            if pod.component == component and pod.image not in known:
                raise StepFailed(
                    f"somebody else changed the image of {component}: {pod.name} runs {pod.image}",
                    remedy="decide which image is wanted, then run again; the other's image is left as it is",
                )

    def _with_expected(self, target: Target, switch: Switch, *, window: bool) -> Target:
        return replace(target, expected=settings.wanted(switch.journal, window=window))

    def _intent(self, step: Step, target: Target) -> None:
        """Write down what is about to be touched, and that repair may get its old limit once the pod is back."""
        record = self.ledger.record.with_touched(step.pod)
        window = step.id if settings.REPAIR_LIMIT in record.journal.open_keys else ""
        back = step.kind == "rollback-pod"
        if back and record.phase != "rolling-back":
            self.ledger.event("rollback", f"rolling back: {record.reason}", step=step.id)
            self._note_plan()
            record = replace(self.ledger.record.with_touched(step.pod), phase="rolling-back")
        self.ledger.change(replace(record, journal=replace(record.journal, window=window)))
        self._start(step)
        self.ledger.write()

    def _patch_cluster(self, step: Step) -> None:
        """Let the pod be replaced. A conflict whose cause is our own lost answer leaves nothing to patch."""
        for _attempt in range(3):
            before = self._workload(step)
            patch = step_patch(before, step, self.world.handover.uid, self.plan.baseline)
            if not patch:
                return
            try:
                self._take_workloads(self._write(partial(self.client.json_patch, self._cluster_path, patch)))
                return
            except Conflict:
                self._look_again(step, before)
        raise StepFailed(
            "the StarRocksCluster changes under this run", remedy="find out who writes it (GitOps?), then run again"
        )

    def _workload(self, step: Step) -> Workload:
        workload = self.world.handover.workloads.get(step.component or "be")
        if workload is None:
            raise StepFailed(f"the StarRocksCluster has no {step.component} any more", remedy="look who removed it")
        return workload

    def _look_again(self, step: Step, before: Workload) -> None:
        """After a conflict: what the plan rests on is as it was, or the plan is made anew, or the run ends."""
        answer = self._write(partial(self.client.get, self._cluster_path))
        if (answer.get("metadata") or {}).get("uid") != self.world.handover.uid:
            raise StepFailed("the StarRocksCluster was deleted and made anew", remedy="look what happened to it")
        self._take_workloads(answer)
        now, component = self._workload(step), before.component
        if now.image not in {self.plan.images_from.get(component), self.plan.images_to.get(component)}:
            raise StepFailed(
                f"somebody else changed the image of {component} to {now.image}",
                remedy="decide which image is wanted, then run again",
            )
        changed = (now.image, now.strategy) != (before.image, before.strategy)
        if changed and step_patch(now, step, self.world.handover.uid, self.plan.baseline):
            raise Replan(f"somebody else changed the image or the update strategy of {component}")

    def _take_workloads(self, resource: dict[str, object]) -> None:
        known = self.world.handover.workloads
        found = {c: workload_of(resource, None, c) for c in COMPONENTS}
        # Replicas that the resource leaves to an autoscaler were read from the StatefulSet, and stay as they were.
        workloads = {
            c: replace(w, replicas=known[c].replicas) if c in known and not gives_replicas(resource, c) else w
            for c, w in found.items()
            if w is not None
        }
        self.world.handover = replace(self.world.handover, workloads=workloads)

    @property
    def _cluster_path(self) -> str:
        return cluster_path(self.plan.namespace, self.plan.cluster)

    def _must_delete(self, step: Step, target: Target) -> bool:
        """Whether the StatefulSet controller will not replace the pod itself, and there is one to delete."""
        return step.means != "partition" and bool(target.old_uid)

    def _delete_when_due(self, step: Step, target: Target, waiter: Waiter) -> None:
        """Delete the pod once its StatefulSet would make it anew from the wanted image."""
        self._await_template(step, target)
        try:
            path = path_to("v1", "pods", self.plan.namespace, step.pod)
            self._write(partial(self.client.delete, path, uid=target.old_uid))
        except (NotFound, Conflict):
            waiter.say(f"{step.pod} was replaced meanwhile")

    def _await_template(self, step: Step, target: Target) -> None:
        name = f"{self.plan.cluster}-{target.component}"
        end = self.clock.ticks() + self.spec.gates.pod_deadline_seconds
        path = path_to("apps/v1", "statefulsets", self.plan.namespace)
        with Feed(self.client, path, field_selector=f"metadata.name={name}") as feed:
            while (left := end - self.clock.ticks()) > 0:
                self.ledger.renew()
                change = feed.next(min(left, self.ledger.renewal_due + 0.01))
                if change is None or change.kind in ("ERROR", "DELETED"):
                    continue
                objects = change.value if change.kind == "SYNC" else [change.value]
                if any(_template_image(item, target.component) == step.image for item in objects):
                    return
        raise StepFailed(f"StatefulSet {name} did not get {step.image}", remedy="is the StarRocks operator running?")

    def _await_member(self, step: Step, waiter: Waiter, target: Target) -> None:
        poll = Poll(self.world.look, LAST_POLL_SECONDS)
        waiter.until(
            f"{step.pod} to be back",
            gate.MEMBER_UP[len(gate.POD_UP) :],
            lambda: target,
            deadline=self.spec.gates.pod_deadline_seconds,
            poll=poll,
            watch_pod=step.pod,
            before=gate.POD_UP if step.kind == "upgrade-pod" else gate.POD_UP[:2],
        )

    def _settle(self, step: Step, waiter: Waiter, switch: Switch, target: Target) -> None:
        """The repair window: repair has its old limit until tablets are as healthy as before, then it is off again.

        On the way back it is the same, so that no healthy pod goes down beside replicas that have not healed; but not
        while another pod is down anyway, which the next step mends, nor after the last pod, when none is left to touch.
        """
        before = gate.POD_UP
        if step.kind == "rollback-pod":
            last = [s.id for s in self.plan.steps if s.kind == "rollback-pod"][-1]
            if step.id == last or gate.others_up(self.world.snapshot(), target) is not None:
                return
            before = gate.POD_UP[:2]
        window = settings.REPAIR_LIMIT in switch.journal.open_keys
        self.window_open = window
        if window:
            switch.hold(window=True, phase="window")
            self.ledger.event("window", "repair window open", step=step.id, state="open")
        try:
            waiter.until(
                f"the cluster to settle after {step.pod}",
                gate.SETTLED[len(gate.POD_UP) :],
                lambda: self._with_expected(target, switch, window=window),
                deadline=self.spec.gates.tablet_deadline_seconds,
                poll=Poll(lambda: self._look_settling(switch), LAST_TABLET_POLL_SECONDS),
                limits=self.spec.gates,
                watch_pod=step.pod,
                before=before,
            )
        finally:
            self.window_open = False
        if window:
            switch.hold(window=False, phase="quiesced")
            self.ledger.event("window", "repair window closed", step=step.id, state="closed")
            record = self.ledger.record
            self.ledger.change(replace(record, journal=replace(record.journal, window="")))

    def _look_settling(self, switch: Switch) -> None:
        """One look with everything; values that are not as they must be are set again, or told as somebody else's."""
        self.world.look(tablets=True, settings=True)
        expected = settings.wanted(switch.journal, window=self.window_open)
        if settings.to_set(expected, self.world.seen_settings()):
            switch.hold(window=self.window_open, phase="reasserted")
            self.world.look(tablets=True, settings=True)

    # -- leader --------------------------------------------------------------------------------------------------

    def _transfer(self, step: Step) -> list[str]:
        self._await_pods()
        self.world.look()
        leader = self.world.snapshot().leader
        self._start(step)
        if leader == step.pod:
            self._done(step)
            return [f"{step.pod} is the leader already"]
        self.ledger.write()
        if leader is None:
            raise StepFailed("there is no leader to transfer", remedy="wait for an election, then run again")
        row = self.world.snapshot().frontend(step.pod)
        if row is None:
            raise StepFailed(f"{step.pod} is not in the leader's list", remedy="wait until it has joined, run again")
        self.world.frontends.session(leader).run(transfer_leader(row.address))
        self._await_leader(step, wanted=step.pod)
        self._done(step)
        return [f"leader moved from {leader} to {step.pod}"]

    def _await_leader(self, step: Step, *, wanted: str = "", settings_too: bool = False) -> None:
        self._waiter(step).until(
            "a leader",
            (gate.quorum, gate.leader_moved) if wanted else (gate.quorum,),
            lambda: Target(wanted, "fe", "", "", None, None),
            deadline=LEADER_DEADLINE_SECONDS,
            poll=Poll(lambda: self.world.look(settings=settings_too), LAST_POLL_SECONDS),
        )

    # -- restore -------------------------------------------------------------------------------------------------

    def _restore(self, step: Step) -> list[str]:
        """Settings and update strategies back to what they were, the record closed, the lease given up.

        A run that failed before it wrote a record of its own has nothing to close.
        """
        present = self.ledger.present
        if present is None or (self.plan.direction == "release" and present.run != self.ledger.handover.run):
            self.ledger.release()
            return []
        self._start(step)
        notes = []
        self._await_pods()
        if self.ledger.record.journal.open_keys:
            self._await_leader(step, settings_too=True)
            notes += self._switch(step).restore()
        notes += self._restore_strategies()
        if not self.ledger.record.journal.open_keys:
            self._end_guard()
        self._done(step)
        self._close(notes)
        return notes

    def _restore_strategies(self) -> list[str]:
        notes = []
        baseline = self.ledger.record.baseline
        for component in tuple(self.world.handover.workloads):
            snapshot = self.world.snapshot()
            kept = kept_partition(snapshot, component, baseline)
            patch = strategy_patch(snapshot, component, baseline)
            if kept:
                notes.append(f"the partition of {component} stays: {kept}")
            if patch:
                self._take_workloads(self._write(partial(self.client.json_patch, self._cluster_path, patch)))
        return notes

    def _close(self, notes: list[str]) -> None:
        handover, record = self.ledger.handover, self.ledger.record
        outcome: Outcome = handover.outcome or self._outcome(record)
        owed = bool(record.journal.open_keys)
        record = replace(
            record,
            phase="restoring" if owed else "done",
            outcome=outcome,
            reason=self._final_reason(handover.reason or record.reason),
            remedy=self.plan.remedy or handover.remedy or record.remedy,
            finished_at=self.clock.stamp(),
            after=pod_states(self.world.snapshot()),
        )
        self.ledger.change(record)
        self.ledger.event("run", f"ended: {outcome}", notes=notes)
        self.ledger.write()
        self.ledger.release()
        self.ledger.handover = replace(
            self.ledger.handover, outcome=outcome, reason=record.reason, remedy=record.remedy
        )

    def _final_reason(self, reason: str) -> str:
        if not self.plan.freeze:
            return reason
        return f"{reason}; nothing was rolled back, because {self.plan.freeze}" if reason else self.plan.freeze

    def _outcome(self, record: Record) -> Outcome:
        if self.plan.direction == "release":
            return "failed"
        if self.plan.direction == "rollback":
            return "frozen" if self.plan.freeze else "rolled-back"
        pods = self.world.pods.values()
        reached = all(p.image == record.target.get(p.component, p.image) and p.ready for p in pods)
        return "succeeded" if reached and len(self.plan.steps) > 1 else "restored"

    # -- common --------------------------------------------------------------------------------------------------

    def _await_pods(self) -> None:
        """The first list of the watch."""
        end = self.clock.ticks() + self.spec.gates.pod_deadline_seconds
        while self.world.pods_error and self.clock.ticks() < end:
            if self.ledger.handover.holder:
                self.ledger.renew()
            self.world.next_change(min(5.0, max(0.0, end - self.clock.ticks())))
        if self.world.pods_error:
            raise StepFailed(f"pods cannot be seen: {self.world.pods_error}", remedy="is the API server reachable?")

    def _write(self, request: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """A guarded request, repeated while the API server is away and the lease is still ours."""
        return persist(request, self.clock, still_ours=self.ledger.confirm)

    def _switch(self, step: Step) -> Switch:
        return Switch(self.world, self.ledger, self.clock, step.id, self.say)

    def _waiter(self, step: Step) -> Waiter:
        return Waiter(
            self.world,
            self.ledger,
            self.clock,
            step.id,
            self.say,
            overrides=self.spec.overrides,
            rules=self.spec.pod_failures,
            waited=self.waited,
        )

    def _start(self, step: Step) -> None:
        record = self.ledger.record
        before = record.steps.get(step.id)
        entry = StepRecord(
            title=step.title,
            kind=step.kind,
            started_at=self.clock.stamp(),
            attempts=before.attempts + 1 if before else 1,
            estimate_seconds=step.estimate_seconds,
        )
        self.ledger.change(record.with_step(step.id, entry))

    def _done(self, step: Step) -> None:
        record = self.ledger.record
        entry = replace(record.steps[step.id], state="done", finished_at=self.clock.stamp(), waited=dict(self.waited))
        self.ledger.change(record.with_step(step.id, entry))
        self.ledger.event("step", f"done: {step.title}", step=step.id, subject=step.pod)


def failed(executor: Executor, step: Step, error: RolloutError) -> None:
    """Write the failure of a step down, as far as this run may still write."""
    ledger = executor.ledger
    if isinstance(error, LeaseLost) or ledger.present is None:
        return
    record = ledger.record
    entry = record.steps.get(step.id) or StepRecord(step.title, step.kind, started_at=executor.clock.stamp())
    entry = replace(
        entry, state="failed", finished_at=executor.clock.stamp(), text=error.reason, waited=dict(executor.waited)
    )
    ledger.change(replace(record.with_step(step.id, entry), reason=error.reason, remedy=error.remedy))
    ledger.event("step", f"failed: {error.reason}", step=step.id, subject=step.pod)
    ledger.write()


def pod_state(pod: Pod | None) -> str:
    """The state of a pod as the report's timeline names it."""
    if pod is None or pod.deleting:
        return "deleted"
    if pod.ready:
        return "ready"
    if causes.find(pod) is not None:
        return "failed"
    return "starting" if pod.phase == "Running" else "created"


def _template_image(statefulset: dict[str, object], component: Component) -> str:
    spec = statefulset.get("spec")
    template = (spec.get("template") or {}) if isinstance(spec, dict) else {}
    containers = (template.get("spec") or {}).get("containers") or []
    return next((str(c.get("image")) for c in containers if c.get("name") == component), "")
