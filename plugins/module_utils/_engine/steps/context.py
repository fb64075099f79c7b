# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What every kind of step works with: the run's tools, its record of steps, guarded writes, and the common waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation import HookRules
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import gates as gate
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.gates import Target
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import Plan, Step
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import StepRecord, StepState
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.spec import UpgradeSpec
from ansible_collections.steady.rollout.plugins.module_utils._engine.attempts import Runners
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._engine.ledger import Ledger
from ansible_collections.steady.rollout.plugins.module_utils._engine.persist import persist
from ansible_collections.steady.rollout.plugins.module_utils._engine.quiesce import Switch
from ansible_collections.steady.rollout.plugins.module_utils._engine.wait import (
    LAST_POLL_SECONDS,
    Poll,
    StepFailed,
    Waiter,
)
from ansible_collections.steady.rollout.plugins.module_utils._engine.world import World
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient

# How long FEs may need to answer again before a step gives up: an election with its timeouts, several times over.
LEADER_DEADLINE_SECONDS = 120.0


class Replan(RolloutError):
    """The cluster is no longer what the plan was made for: look again and plan anew."""


@dataclass(frozen=True)
class StepContext:
    """One plan on one cluster, with the tools to carry out a step of it.

    `waited` sums up what was waited for in this step, in seconds; `connection` holds the options that may be passed on
    to the guard Job, `hook_rules` what the installation lets hooks do. `patience` is how many seconds one wait may
    take in a pass of a reconciler; None in a play.
    """

    client: KubeClient
    world: World
    ledger: Ledger
    clock: Clock
    spec: UpgradeSpec
    plan: Plan
    say: Callable[[str], None]
    waited: dict[str, float] = field(default_factory=dict)
    connection: dict[str, object] = field(default_factory=dict)
    hook_rules: HookRules = field(default_factory=HookRules)
    runners: Runners = field(default_factory=Runners)
    patience: float | None = None

    def start(self, step: Step) -> None:
        """Take down that the step begins; its next write carries it to the cluster.

        A pass of a reconciler that goes on with what an earlier one has begun leaves it as it is.
        """
        record = self.ledger.record
        before = record.steps.get(step.id)
        if self.patience is not None and before is not None and before.state == "running":
            return
        entry = StepRecord(
            title=step.title,
            kind=step.kind,
            started_at=self.clock.stamp(),
            attempts=before.attempts + 1 if before else 1,
            estimate_seconds=step.estimate_seconds,
            hooks=before.hooks if before else {},
        )
        self.ledger.change(record.with_step(step.id, entry))

    def done(self, step: Step) -> None:
        """Take down that the step is done; the next step's write carries it to the cluster."""
        record = self.ledger.record
        entry = replace(record.steps[step.id], state="done", finished_at=self.clock.stamp(), waited=dict(self.waited))
        self.ledger.change(record.with_step(step.id, entry))
        self.ledger.event("step", f"done: {step.title}", step=step.id, subject=step.pod, state="done")

    def note_plan(self) -> None:
        """The steps that are still to come, so that a report can show what never ran."""
        record = self.ledger.record
        for step in self.plan.steps:
            known = record.steps.get(step.id)
            if known is None or known.state == "failed":
                state: StepState = "done" if step.done else "pending"
                attempts = known.attempts if known else 0
                entry = StepRecord(
                    step.title,
                    step.kind,
                    state,
                    estimate_seconds=step.estimate_seconds,
                    attempts=attempts,
                    hooks=known.hooks if known else {},
                )
                record = record.with_step(step.id, entry)
        crossing = record.point_of_no_return or self.plan.point_of_no_return
        self.ledger.change(replace(record, point_of_no_return=crossing))

    def write(self, request: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """A guarded request, repeated while the API server is away and the lease is still ours."""
        return persist(request, self.clock, still_ours=self.ledger.confirm)

    def switch(self, step: Step) -> Switch:
        """The FE settings, as this step switches them."""
        return Switch(self.world, self.ledger, self.clock, step.id, self.say)

    def waiter(self, step: Step) -> Waiter:
        """Waits within this step, under the request's overrides and rules."""
        return Waiter(
            self.world,
            self.ledger,
            self.clock,
            step.id,
            self.say,
            overrides=self.spec.overrides,
            rules=self.spec.pod_failures,
            waited=self.waited,
            patience=self.patience,
        )

    def await_pods(self) -> None:
        """Wait for the first list of the watch of pods."""
        end = self.clock.ticks() + self.spec.gates.pod_deadline_seconds
        while self.world.pods_error and self.clock.ticks() < end:
            if self.ledger.handover.holder:
                self.ledger.renew()
            self.world.next_change(min(5.0, max(0.0, end - self.clock.ticks())))
        if self.world.pods_error:
            raise StepFailed(f"pods cannot be seen: {self.world.pods_error}", remedy="is the API server reachable?")

    def await_leader(self, step: Step, *, wanted: str = "", settings_too: bool = False) -> None:
        """Wait for a leader with a quorum behind it, for the FE `wanted` where one is named."""
        self.waiter(step).until(
            "a leader",
            (gate.quorum, gate.leader_moved) if wanted else (gate.quorum,),
            lambda: Target(wanted),
            deadline=LEADER_DEADLINE_SECONDS,
            poll=Poll(lambda: self.world.look(settings=settings_too), LAST_POLL_SECONDS),
        )


# What carries out one kind of step: it returns sentences a person should read, and raises RolloutError.
Action: TypeAlias = Callable[[StepContext, Step], "list[str]"]
