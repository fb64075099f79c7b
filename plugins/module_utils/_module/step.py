# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The verb of starrocks_step: exactly one step of a plan."""

from __future__ import annotations

import contextlib
import os
import traceback
from dataclasses import replace
from typing import Any
from uuid import uuid4

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import from_plain
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import LeaseLost, RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import describe
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.handover import Handover
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.catalogue import Catalogue
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import Plan, Step
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import Record
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.spec import UpgradeSpec
from ansible_collections.steady.rollout.plugins.module_utils._engine.hook_sources import settings_to_read
from ansible_collections.steady.rollout.plugins.module_utils._engine.ledger import Ledger
from ansible_collections.steady.rollout.plugins.module_utils._engine.patience import Waiting
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.context import Replan, StepContext
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.executor import Executor
from ansible_collections.steady.rollout.plugins.module_utils._engine.tell import teller
from ansible_collections.steady.rollout.plugins.module_utils._engine.wait import StepFailed
from ansible_collections.steady.rollout.plugins.module_utils._engine.world import World
from ansible_collections.steady.rollout.plugins.module_utils._fe.options import shareable
from ansible_collections.steady.rollout.plugins.module_utils._module.call import (
    CONNECTION,
    INSTALLATION,
    LEASE,
    TARGET,
    Call,
    Result,
    Verb,
    installation_of,
    lease_seconds,
)
from ansible_collections.steady.rollout.plugins.module_utils._module.plan import spec_of
from ansible_collections.steady.rollout.plugins.module_utils._module.runners import runners_of
from ansible_collections.steady.rollout.plugins.module_utils._module.target import Target

# A cluster that changes more often than this within one run is not one to upgrade now.
MOST_REPLANS = 5
# Plans whose last step is carried out even when an earlier one of them failed: what is off has to come back.
_ENDS = ("rollback", "restore", "release")


def run(call: Call) -> Result:
    """Carry out the step, unless the run has stopped before or the step is done already."""
    params = call.params
    plan = from_plain(Plan, params["plan"], "plan")
    step = plan.step(params["step"])
    target = Target.of(call)
    handover = target.handover(params["progress"])
    if step.done:
        return _result(plan, step, handover, "unchanged", "", 0.0)
    if handover.stopped and not (step.kind == "restore" and plan.direction in _ENDS):
        return _result(plan, step, handover, "skipped", "", 0.0)
    if call.check_mode:
        # The plan has been shown already: a tick for what was not done would be a lie.
        return {**_result(plan, step, handover, "unchanged", "", 0.0), "changed": True}
    return _carry_out(call, target, plan, step, handover)


def _carry_out(call: Call, target: Target, plan: Plan, step: Step, handover: Handover) -> Result:
    began = call.clock.ticks()
    spec = _spec(call, plan)
    about = call.params.get("regarding")
    tells = teller(target.client, installation_of(call.params), target.namespace, call.clock, call.say, regarding=about)
    ledger = Ledger(target.client, handover, call.clock, lease_seconds=lease_seconds(call.params), teller=tells)
    if not handover.holder:
        patient = call.params["patience"] is None
        ledger.take_lease(call.params["holder"] or f"rollout-{uuid4()}", call.say, wait=patient)
    with target.frontends(handover) as frontends:
        world = World(target.client, frontends, ledger.handover, keys_of(target, plan, ledger.present))
        context = StepContext(
            target.client,
            world,
            ledger,
            call.clock,
            spec,
            plan,
            call.say,
            connection=shareable(call.params),
            hook_rules=target.installation.hooks,
            runners=runners_of(target, handover, frontends),
            patience=call.params["patience"],
        )
        with world:
            outcome, notes, error = _attempt(Executor(context), step)
    if error is not None and step.kind == "restore" and not isinstance(error, (LeaseLost, Waiting)):
        # The run is over, and somebody else may do better: nobody should have to wait for the lease to run out.
        with contextlib.suppress(RolloutError):
            ledger.release()
    after = replace(ledger.handed_over(), workloads=world.handover.workloads)
    if error is not None:
        after = _stopped(after, plan, step, error)
    elapsed = round(call.clock.ticks() - began, 2)
    result = _result(plan, step, after, outcome, error.reason if error else "; ".join(notes), elapsed, context.waited)
    return {**result, **_pause_of(error)} if isinstance(error, Waiting) else result


def _pause_of(waiting: Waiting) -> Result:
    return {"again_in": waiting.again_in, "waits_for": waiting.reason, "gate": waiting.gate}


def keys_of(target: Target, plan: Plan, record: Record | None) -> tuple[str, ...]:
    """The settings that may be read and written for this plan."""
    catalogue = Catalogue.of(target.installation.hooks.catalogue)
    return settings_to_read(target.client, target.namespace, plan, record, catalogue, target.installation)


def _attempt(executor: Executor, step: Step) -> tuple[str, list[str], RolloutError | None]:
    """The step's outcome. A failure is not raised: what happens next is the play's decision, and it has to go on."""
    try:
        return "done", executor.run(step), None
    except Waiting as waiting:
        executor.paused()
        return "waiting", [], waiting
    except Replan as replan:
        if not step.going_back and executor.context.ledger.handover.replans < MOST_REPLANS:
            return "replan", [], replan
        return "failed", [], _recorded(executor, step, StepFailed(replan.reason, remedy="find out who changes it"))
    except RolloutError as error:
        return "failed", [], _recorded(executor, step, error)
    except Exception as error:  # noqa: BLE001 - a mistake of ours must not leave the settings off: the way back runs
        frames = traceback.extract_tb(error.__traceback__)
        where = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}"
        reason = f"internal error in step {step.id}: {type(error).__name__}: {error} ({where})"
        return "failed", [], _recorded(executor, step, StepFailed(reason, remedy="report it with this line"))


def _recorded(executor: Executor, step: Step, error: RolloutError) -> RolloutError:
    """The error, written down as far as that is possible; when the lease is lost, that is what ends the run."""
    try:
        executor.failed(step, error)
    except LeaseLost as lost:
        return LeaseLost(error.reason, remedy=f"{error.remedy}; {lost.reason}")
    except RolloutError as second:
        return StepFailed(error.reason, remedy=f"{error.remedy}; it could not be recorded: {second.reason}")
    return error


def _stopped(handover: Handover, plan: Plan, step: Step, error: RolloutError) -> Handover:
    if isinstance(error, Waiting):
        return replace(handover, stopped="waiting")
    if isinstance(error, Replan):
        return replace(handover, stopped="replan", replans=handover.replans + 1)
    lost = isinstance(error, LeaseLost)
    return replace(
        handover,
        stopped="lost" if lost else "failed",
        way_back=_way_back(step),
        outcome="failed" if plan.direction in _ENDS or lost else handover.outcome,
        reason=handover.reason or error.reason,
        remedy=handover.remedy or error.remedy,
    )


def _way_back(step: Step) -> str:
    """The direction of the plan that follows a failure; before the first pod there is no pod to bring back."""
    if step.kind == "hook" and all(hook.stage == "pre" for hook in step.hooks):
        return "release"
    return {"begin": "release", "restore": "restore"}.get(step.kind, "rollback")


def _spec(call: Call, plan: Plan) -> UpgradeSpec:
    """The request; a restore has none, and needs only the limits' defaults."""
    if plan.direction == "restore":
        return UpgradeSpec(plan.cluster, plan.namespace)
    catalogue = Catalogue.of(installation_of(call.params).hooks.catalogue)
    return spec_of(call.params["spec"], plan.cluster, plan.namespace, catalogue)


def _result(
    plan: Plan,
    step: Step,
    handover: Handover,
    outcome: str,
    text: str,
    elapsed: float,
    waited: dict[str, float] | None = None,
) -> Result:
    rollout: dict[str, Any] = {"type": "info"}
    if outcome not in ("skipped", "unchanged"):
        rollout = {
            "type": "step",
            "step": describe.place(plan, step),
            "outcome": outcome,
            "elapsed": elapsed,
            "text": text or _waited_text(waited or {}),
        }
    if handover.record is not None:
        rollout |= _open(handover)
    return {
        "changed": outcome == "done",
        "outcome": outcome,
        "step": step.id,
        "elapsed": elapsed,
        "waited": waited or {},
        "reason": handover.reason,
        "remedy": handover.remedy,
        "stopped": handover.stopped,
        "progress": handover.to_text(),
        "rollout": rollout,
    }


def _open(handover: Handover) -> Result:
    journal = (handover.record or {}).get("journal")
    entries = journal.get("entries") if isinstance(journal, dict) else None
    sentences = [
        f"{key} is {entry['quiesced']}, was {entry['baseline']}"
        for key, entry in (entries or {}).items()
        if entry["state"] == "open"
    ]
    if handover.stopped == "lost":
        # What is off now is the other run's to know.
        return {"open": [], "resume": ""}
    return {"open": sentences, "resume": describe.resume_sentence(handover.cluster, handover.namespace)}


def _waited_text(waited: dict[str, float]) -> str:
    return ", ".join(f"{what} {seconds:.1f} s" for what, seconds in waited.items() if seconds >= 0.1)


VERB = Verb(
    "starrocks_step",
    {
        **CONNECTION,
        **TARGET,
        **INSTALLATION,
        **LEASE,
        "plan": {"type": "dict", "required": True},
        "step": {"type": "str", "required": True},
        "spec": {"type": "dict", "default": {}},
        "progress": {"type": "str", "default": ""},
        "holder": {"type": "str", "default": ""},
        "patience": {"type": "float"},
    },
    run,
)
