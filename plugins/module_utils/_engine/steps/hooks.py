# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The step `hook`: the hooks of one place in a stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks import when
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import Step
from ansible_collections.steady.rollout.plugins.module_utils._engine.stages import HookStep
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.context import StepContext


def run_hooks(context: StepContext, step: Step) -> list[str]:
    """Run the hooks of the step; a run that failed before it wrote a record of its own has none to run."""
    ledger, plan = context.ledger, context.plan
    present = ledger.present
    if present is None or (plan.direction == "release" and present.run != ledger.handover.run):
        return []
    if any(action.kind != "sql" for hook in step.hooks for action in hook.actions):
        # Settings are journaled from what every FE has.
        context.await_pods()
        context.await_leader(step, settings_too=True)
    context.start(step)

    def about() -> Mapping[str, Any]:
        context.await_pods()
        context.world.look(tablets=True, settings=True)
        return when.view(context.world.snapshot(), plan.direction, plan.images_from, plan.images_to)

    hooks = HookStep(
        context.world,
        ledger,
        context.clock,
        context.switch(step),
        step.id,
        step.hooks,
        about,
        context.say,
        context.runners,
        context.patience,
    )
    notes = hooks.run()
    context.done(step)
    return notes
