# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The steps `upgrade-pod` and `rollback-pod`: one pod replaced, back among the others, and the cluster settled."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import gates as gate
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import settings
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.gates import Target
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import Step
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Component
from ansible_collections.steady.rollout.plugins.module_utils._engine.quiesce import Switch
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.context import Replan, StepContext
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.deletion import delete_when_due, must_delete
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.resource import let_replace
from ansible_collections.steady.rollout.plugins.module_utils._engine.wait import (
    LAST_POLL_SECONDS,
    LAST_TABLET_POLL_SECONDS,
    Poll,
    StepFailed,
    Waiter,
)

# On the way back an FE that hangs must not keep the broken version in service.
BRIEF_DEADLINE_SECONDS = 10.0


def replace_pod(context: StepContext, step: Step) -> list[str]:
    """Replace the step's pod, and wait until the cluster is as healthy as before."""
    return PodStep(context, step, context.switch(step), context.waiter(step)).run()


@dataclass
class PodStep:
    """One pod on its way to another image. `window_open`: repair has its old limit at this moment."""

    context: StepContext
    step: Step
    switch: Switch
    waiter: Waiter
    window_open: bool = False

    def run(self) -> list[str]:
        """Gates, intent, the act, gates."""
        context, step = self.context, self.step
        context.await_pods()
        self.waiter.meanwhile = self._keep_watch
        # An earlier pass of a reconciler left the repair window open: to close it now would break the repair off.
        self.window_open = self.waiter.begun(self._settling) and self._has_window
        target = self._ready_to_touch()
        self._intent()
        let_replace(context, step)
        if must_delete(step, target):
            delete_when_due(context, step, target)
        self._await_member(target)
        if step.component == "fe":
            self._hold()
        self._settle(target)
        context.done(step)
        return []

    # -- before ----------------------------------------------------------------------------------------------------

    def _ready_to_touch(self) -> Target:
        """The gates before a pod is touched, and what it looked like; a rollback waits for no healthy cluster."""
        context, step = self.context, self.step
        self._hold()
        self._check_leader_last()
        target = self._target()
        if not step.going_back and target.old_uid:
            self.waiter.until(
                f"the cluster to be ready for {step.pod}",
                gate.BEFORE_POD,
                lambda: self._with_expected(target),
                deadline=context.spec.gates.pod_deadline_seconds,
                poll=Poll(lambda: context.world.look(settings=True), LAST_POLL_SECONDS),
            )
        return target

    def _hold(self) -> None:
        """Everything off on every FE. On the way back what is down may be the FEs themselves: it goes on without."""
        world = self.context.world
        if not self.step.going_back:
            if not self.switch.journal.open_keys:
                # Holding something begins with a look of its own.
                world.look(settings=True)
            self.switch.hold(window=self.window_open, phase="reasserted")
            return
        world.look(settings=True)
        try:
            if world.snapshot().leader is not None:
                self.switch.hold(window=self.window_open, phase="reasserted", deadline=BRIEF_DEADLINE_SECONDS)
        except StepFailed as error:
            self.context.ledger.event("note", f"going back all the same: {error.reason}", step=self.step.id)

    def _check_leader_last(self) -> None:
        """The leader is read again before every FE: when it has moved, the order is decided anew."""
        step, spec = self.step, self.context.spec
        if step.component != "fe" or step.going_back:
            return
        leader = self.context.world.snapshot().leader
        pending = [
            s.pod for s in self.context.plan.steps if s.component == "fe" and s.kind == "upgrade-pod" and not s.done
        ]
        later = pending[pending.index(step.pod) + 1 :] if step.pod in pending else []
        planned = "leader-restart" in spec.acknowledge and step.means == "partition"
        if later and leader == step.pod and not planned and self._still_old():
            raise Replan(f"{step.pod} has become the leader, and {', '.join(later)} would come after it")

    def _still_old(self) -> bool:
        pod = self.context.world.pods.get(self.step.pod)
        return pod is not None and pod.image != self.step.image

    def _target(self) -> Target:
        context, step = self.context, self.step
        pod = context.world.pods.get(step.pod)
        snapshot = context.world.snapshot()
        row = snapshot.frontend(step.pod) if self._component == "fe" else snapshot.worker(step.pod)
        replaced = pod is not None and pod.image == step.image and not pod.deleting
        old_uid = "" if pod is None or replaced else pod.uid
        before = context.plan.baseline.pods.get(step.pod)
        started = row.start_time if row is not None and old_uid else None
        if pod is not None and before is not None and replaced and pod.uid != before.uid:
            # Replaced before this look, perhaps by an earlier pass: the leader may still list the one of before.
            started = before.start_time
        return Target(
            pod=step.pod,
            component=self._component,
            image=step.image,
            old_uid=old_uid,
            old_start_time=started,
            baseline_tablets=context.plan.baseline.tablets,
            limits=context.spec.gates,
            judge_tablets=context.world.judges_tablets,
            frontend_outage_accepted="frontend-outage" in context.spec.acknowledge,
        )

    @property
    def _component(self) -> Component:
        return self.step.component or "be"

    def _with_expected(self, target: Target) -> Target:
        return replace(target, expected=settings.wanted(self.switch.journal, window=self.window_open))

    def _intent(self) -> None:
        """Write down what is about to be touched, and that repair may get its old limit once the pod is back."""
        ledger, step = self.context.ledger, self.step
        record = ledger.record.with_touched(step.pod)
        window = step.id if settings.REPAIR_LIMIT in record.journal.open_keys else ""
        if step.going_back and record.phase != "rolling-back":
            ledger.event("rollback", f"rolling back: {record.reason}", step=step.id)
            self.context.note_plan()
            record = replace(ledger.record.with_touched(step.pod), phase="rolling-back")
        ledger.change(replace(record, journal=replace(record.journal, window=window)))
        self.context.start(step)
        ledger.write()

    # -- meanwhile -------------------------------------------------------------------------------------------------

    def _keep_watch(self) -> None:
        """While a pod is waited for: an FE that came back is switched off again, a foreign image ends the step."""
        self._refuse_foreign_image()
        world = self.context.world
        returned = world.returned - {self.step.pod}
        if returned and self.switch.journal.open_keys and not self.step.going_back:
            self.switch.hold(window=self.window_open, phase="reasserted")
            # One that the leader does not list as alive yet is looked at again.
            world.returned -= set(world.seen_settings())

    def _refuse_foreign_image(self) -> None:
        plan, component = self.context.plan, self._component
        known = {plan.images_from.get(component), plan.images_to.get(component), self.step.image}
        known |= {before.image for before in plan.baseline.pods.values() if before.component == component}
        for pod in self.context.world.pods.values():
            if pod.component == component and pod.image not in known:
                raise StepFailed(
                    f"somebody else changed the image of {component}: {pod.name} runs {pod.image}",
                    remedy="decide which image is wanted, then run again; the other's image is left as it is",
                )

    # -- after -----------------------------------------------------------------------------------------------------

    def _await_member(self, target: Target) -> None:
        self.waiter.until(
            f"{self.step.pod} to be back",
            gate.MEMBER_UP[len(gate.POD_UP) :],
            lambda: target,
            deadline=self.context.spec.gates.pod_deadline_seconds,
            poll=Poll(self.context.world.look, LAST_POLL_SECONDS),
            watch_pod=self.step.pod,
            before=self._pod_gates,
        )

    @property
    def _pod_gates(self) -> tuple[gate.Gate, ...]:
        """What is asked of pods before an FE is: on the way back others may be down, and are mended later."""
        return gate.POD_UP[:2] if self.step.going_back else gate.POD_UP

    def _settle(self, target: Target) -> None:
        """The repair window: repair has its old limit until tablets are as healthy as before, then it is off again.

        On the way back it is the same, so that no healthy pod goes down beside replicas that have not healed; but not
        while another pod is down anyway, which the next step mends, nor after the last pod, when none is left to touch.
        """
        if self.step.going_back and (self._last_way_back or self._beside_another(target)):
            return
        if not self._has_window:
            self._await_settled(target)
            return
        if not self.window_open:
            self._open_window()
        try:
            self._await_settled(target)
        finally:
            self.window_open = False
        self._close_window()

    @property
    def _has_window(self) -> bool:
        return settings.REPAIR_LIMIT in self.switch.journal.open_keys

    @property
    def _settling(self) -> str:
        return f"the cluster to settle after {self.step.pod}"

    def _beside_another(self, target: Target) -> bool:
        return gate.others_up(self.context.world.snapshot(), target) is not None

    @property
    def _last_way_back(self) -> bool:
        return self.step.id == [s.id for s in self.context.plan.steps if s.going_back][-1]

    def _open_window(self) -> None:
        self.window_open = True
        self.switch.hold(window=True, phase="window")
        self.context.ledger.event("window", "repair window open", step=self.step.id, state="open")

    def _close_window(self) -> None:
        ledger = self.context.ledger
        self.switch.hold(window=False, phase="quiesced")
        ledger.event("window", "repair window closed", step=self.step.id, state="closed")
        ledger.change(replace(ledger.record, journal=replace(ledger.record.journal, window="")))

    def _await_settled(self, target: Target) -> None:
        self.waiter.until(
            self._settling,
            gate.SETTLED[len(gate.POD_UP) :],
            lambda: self._with_expected(target),
            deadline=self.context.spec.gates.tablet_deadline_seconds,
            poll=Poll(self._look_settling, LAST_TABLET_POLL_SECONDS),
            limits=self.context.spec.gates,
            watch_pod=self.step.pod,
            before=self._pod_gates,
        )

    def _look_settling(self) -> None:
        """One look with everything; values that are not as they must be are set again, or told as somebody else's."""
        world = self.context.world
        world.look(tablets=True, settings=True)
        expected = settings.wanted(self.switch.journal, window=self.window_open)
        if settings.to_set(expected, world.seen_settings()):
            self.switch.hold(window=self.window_open, phase="reasserted")
            world.look(tablets=True, settings=True)
