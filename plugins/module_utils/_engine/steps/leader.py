# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The step `transfer-leader`: another FE becomes the leader before its pod's turn comes."""

from __future__ import annotations

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import Step
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.context import StepContext
from ansible_collections.steady.rollout.plugins.module_utils._engine.wait import StepFailed
from ansible_collections.steady.rollout.plugins.module_utils._fe import statements


def transfer_leader(context: StepContext, step: Step) -> list[str]:
    """Make the step's FE the leader, and wait until it is."""
    world = context.world
    context.await_pods()
    world.look()
    leader = world.snapshot().leader
    context.start(step)
    if leader == step.pod:
        context.done(step)
        return [f"{step.pod} is the leader already"]
    context.ledger.write()
    if leader is None:
        raise StepFailed("there is no leader to transfer", remedy="wait for an election, then run again")
    row = world.snapshot().frontend(step.pod)
    if row is None:
        raise StepFailed(f"{step.pod} is not in the leader's list", remedy="wait until it has joined, run again")
    sql = statements.transfer_leader(row.address)
    context.ledger.event("note", f"{leader} hands the lead to {step.pod}", step=step.id, subject=step.pod, sql=[sql])
    world.frontends.session(leader).run(sql)
    context.await_leader(step, wanted=step.pod)
    context.done(step)
    return [f"leader moved from {leader} to {step.pod}"]
