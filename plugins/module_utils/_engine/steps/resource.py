# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The StarRocksCluster as steps change it: guarded patches, and a fresh look where somebody else was faster."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Conflict
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.changes import Patch, step_patch
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import Step
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import COMPONENTS, Workload
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.context import Replan, StepContext
from ansible_collections.steady.rollout.plugins.module_utils._engine.wait import StepFailed
from ansible_collections.steady.rollout.plugins.module_utils._kube.read import cluster_path, gives_replicas, workload_of


def patch_cluster(context: StepContext, patch: Patch) -> None:
    """Patch the StarRocksCluster, and take over what it has become; Conflict when a test of the patch fails."""
    path = cluster_path(context.plan.namespace, context.plan.cluster)
    _take_workloads(context, context.write(partial(context.client.json_patch, path, patch)))


def let_replace(context: StepContext, step: Step) -> None:
    """Let the step's pod be replaced. A conflict whose cause is our own lost answer leaves nothing to patch."""
    for _attempt in range(3):
        before = _workload(context, step)
        patch = step_patch(before, step, context.world.handover.uid, context.plan.baseline)
        if not patch:
            return
        try:
            patch_cluster(context, patch)
            return
        except Conflict:
            _look_again(context, step, before)
    raise StepFailed(
        "the StarRocksCluster changes under this run", remedy="find out who writes it (GitOps?), then run again"
    )


def _workload(context: StepContext, step: Step) -> Workload:
    workload = context.world.handover.workloads.get(step.component or "be")
    if workload is None:
        raise StepFailed(f"the StarRocksCluster has no {step.component} any more", remedy="look who removed it")
    return workload


def _look_again(context: StepContext, step: Step, before: Workload) -> None:
    """After a conflict: what the plan rests on is as it was, or the plan is made anew, or the run ends."""
    plan, uid = context.plan, context.world.handover.uid
    answer = context.write(partial(context.client.get, cluster_path(plan.namespace, plan.cluster)))
    if (answer.get("metadata") or {}).get("uid") != uid:
        raise StepFailed("the StarRocksCluster was deleted and made anew", remedy="look what happened to it")
    _take_workloads(context, answer)
    now, component = _workload(context, step), before.component
    if now.image not in {plan.images_from.get(component), plan.images_to.get(component)}:
        raise StepFailed(
            f"somebody else changed the image of {component} to {now.image}",
            remedy="decide which image is wanted, then run again",
        )
    changed = (now.image, now.strategy) != (before.image, before.strategy)
    if changed and step_patch(now, step, uid, plan.baseline):
        raise Replan(f"somebody else changed the image or the update strategy of {component}")


def _take_workloads(context: StepContext, resource: dict[str, object]) -> None:
    known = context.world.handover.workloads
    found = {c: workload_of(resource, None, c) for c in COMPONENTS}
    # Replicas that the resource leaves to an autoscaler were read from the StatefulSet, and stay as they were.
    workloads = {
        c: replace(w, replicas=known[c].replicas) if c in known and not gives_replicas(resource, c) else w
        for c, w in found.items()
        if w is not None
    }
    context.world.handover = replace(context.world.handover, workloads=workloads)
