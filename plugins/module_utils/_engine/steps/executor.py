# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""One step of a plan, carried out by the action of its kind: intent first, then the act, then its gates."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import LeaseLost, RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import causes
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import Kind, Step
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import StepRecord
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Pod
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.begin import begin
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.context import Action, StepContext
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.hooks import run_hooks
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.leader import transfer_leader
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.pod import replace_pod
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.restore import restore

# Each kind of step has its file; a further kind is one more file and one more row.
ACTIONS: dict[Kind, Action] = {
    "begin": begin,
    "hook": run_hooks,
    "upgrade-pod": replace_pod,
    "rollback-pod": replace_pod,
    "transfer-leader": transfer_leader,
    "restore": restore,
}


@dataclass(frozen=True)
class Executor:
    """Carries out steps of one plan on one cluster."""

    context: StepContext

    def run(self, step: Step) -> list[str]:
        """Carry out `step`; returns sentences a person should read. Raises RolloutError when it did not work."""
        ledger, world, direction = self.context.ledger, self.context.world, self.context.plan.direction
        record = ledger.present
        if record is not None and not record.finished and step.kind != "begin" and direction != "release":
            # A run that died is ended by this one: its record is this run's from here on.
            ledger.change(replace(record, run=ledger.handover.run))
        world.on_leader = lambda before, now: self._note_leader(step, before, now)
        world.on_pod = lambda before, after: self._note_pod(step, before, after)
        return ACTIONS[step.kind](self.context, step)

    def _note_leader(self, step: Step, before: str | None, now: str) -> None:
        """An event when the leader is another one than any step saw before."""
        ledger = self.context.ledger
        if ledger.present is None:
            return
        seen = [event for event in ledger.record.events if event.kind == "leader"]
        known = before or (seen[-1].subject if seen else None)
        if known != now:
            text = f"leader moved from {known} to {now}" if known else f"{now} leads"
            ledger.event("leader", text, step=step.id, subject=now, **({"from": known} if known else {}))

    def _note_pod(self, step: Step, before: Pod | None, after: Pod | None) -> None:
        """Events for the timeline: what the watch shows of any pod of the cluster."""
        pod = after or before
        state = pod_state(after)
        if pod is not None and state != pod_state(before):
            self.context.ledger.event(
                "pod", f"{pod.name}: {state}", step=step.id, subject=pod.name, state=state, image=pod.image, uid=pod.uid
            )

    def paused(self) -> None:
        """Write down what a pass of a reconciler leaves for the next one."""
        if self.context.ledger.present is not None:
            self.context.ledger.write()

    def failed(self, step: Step, error: RolloutError) -> None:
        """Write the failure of a step down, as far as this run may still write."""
        ledger, clock = self.context.ledger, self.context.clock
        if isinstance(error, LeaseLost) or ledger.present is None:
            return
        record = ledger.record
        entry = record.steps.get(step.id) or StepRecord(step.title, step.kind, started_at=clock.stamp())
        entry = replace(
            entry, state="failed", finished_at=clock.stamp(), text=error.reason, waited=dict(self.context.waited)
        )
        ledger.change(replace(record.with_step(step.id, entry), reason=error.reason, remedy=error.remedy))
        ledger.event("step", f"failed: {error.reason}", step=step.id, subject=step.pod, state="failed")
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
