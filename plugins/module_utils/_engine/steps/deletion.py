# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Deleting the pod of a step where the StatefulSet controller does not replace it itself."""

from __future__ import annotations

from functools import partial

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Conflict, NotFound
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.gates import Target
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import Step
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Component
from ansible_collections.steady.rollout.plugins.module_utils._engine.patience import Stretch
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.context import StepContext
from ansible_collections.steady.rollout.plugins.module_utils._engine.wait import StepFailed
from ansible_collections.steady.rollout.plugins.module_utils._kube.paths import path_to
from ansible_collections.steady.rollout.plugins.module_utils._kube.watch import Feed


def must_delete(step: Step, target: Target) -> bool:
    """Whether the StatefulSet controller will not replace the pod itself, and there is one to delete."""
    return step.means != "partition" and bool(target.old_uid)


def delete_when_due(context: StepContext, step: Step, target: Target) -> None:
    """Delete the pod once its StatefulSet would make it anew from the wanted image."""
    _await_template(context, step, target.component)
    try:
        path = path_to("v1", "pods", context.plan.namespace, step.pod)
        context.write(partial(context.client.delete, path, uid=target.old_uid))
    except (NotFound, Conflict):
        context.say(f"{step.pod} was replaced meanwhile")


def _await_template(context: StepContext, step: Step, component: Component) -> None:
    """Wait until the StatefulSet has the wanted image. Its first state is a look, which takes what a request takes.

    However little patience a pass has, and however late it comes, it looks before it waits or gives up; a feed tells
    of an API server that does not answer as well.
    """
    name = f"{context.plan.cluster}-{component}"
    clock, ledger = context.clock, context.ledger
    what = f"StatefulSet {name} to get {step.image}"
    stretch = Stretch(ledger, clock, step.id, what, context.spec.gates.pod_deadline_seconds, context.patience)
    path = path_to("apps/v1", "statefulsets", context.plan.namespace)
    with Feed(context.client, path, field_selector=f"metadata.name={name}") as feed:
        looked = False
        while not looked or clock.ticks() < stretch.began + stretch.deadline:
            ledger.renew()
            left = stretch.end - clock.ticks() if looked else ledger.renewal_due
            change = feed.next(max(0.0, min(left, ledger.renewal_due) + 0.01))
            if change is None and not looked:
                continue
            looked = True
            if change is None or change.kind in ("ERROR", "DELETED"):
                stretch.pause("the template has another image")
                continue
            objects = change.value if change.kind == "SYNC" else [change.value]
            if any(_template_image(item, component) == step.image for item in objects):
                stretch.close()
                return
    raise StepFailed(f"StatefulSet {name} did not get {step.image}", remedy="is the StarRocks operator running?")


def _template_image(statefulset: dict[str, object], component: Component) -> str:
    spec = statefulset.get("spec")
    template = (spec.get("template") or {}) if isinstance(spec, dict) else {}
    containers = (template.get("spec") or {}).get("containers") or []
    return next((str(c.get("image")) for c in containers if c.get("name") == component), "")
