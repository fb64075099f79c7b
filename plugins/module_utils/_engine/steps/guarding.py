# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The guard Job's life: it begins before anything is switched off, and ends when the settings are back."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import partial

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Conflict, NotFound, Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.guard import guard_job, guard_name
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.context import StepContext
from ansible_collections.steady.rollout.plugins.module_utils._fe.options import FeOptions
from ansible_collections.steady.rollout.plugins.module_utils._kube.paths import path_to
from ansible_collections.steady.rollout.plugins.module_utils._kube.read import Object, root_credentials


def check_guard(fe: FeOptions, resource: Object) -> None:
    """Refuse a password that only this run knows: the guard could not log in when it is needed.

    No secret goes into its Job. It reads the Secret that the run names, or for root what the StarRocksCluster names.
    """
    own = fe.user == "root" and root_credentials(resource) is not None
    if fe.password is not None and not fe.secret and not own:
        raise Refused(
            "fe_password",
            None,
            "the guard (spec.guard) cannot have it and could not log in",
            remedy="name the Secret that holds it: fe_password_secret",
        )


def start_guard(context: StepContext) -> None:
    """Before anything is switched off: the Job that puts it back when this runner dies."""
    guard, plan, run = context.spec.guard, context.plan, context.ledger.handover.run
    if not guard.image:
        return
    job = guard_job(guard, plan.cluster, plan.namespace, run, context.connection, context.hook_rules)
    name = guard_name(plan.cluster, run)
    end_guard(context)
    context.ledger.change(replace(context.ledger.record, guard=name))
    # The name is this run's own: where it is taken, a lost answer of ours left it there.
    with contextlib.suppress(Conflict):
        context.write(partial(context.client.create, path_to("batch/v1", "jobs", plan.namespace), job))
    context.ledger.event("note", f"guard Job {name} started", subject=name)


def end_guard(context: StepContext) -> None:
    """The settings are back: the guard is not needed. A restore leaves it be: it may be the guard that restores."""
    name = context.ledger.record.guard
    if not name or context.plan.direction == "restore":
        return
    try:
        path = path_to("batch/v1", "jobs", context.plan.namespace, name)
        context.write(partial(context.client.delete, path, propagation="Background"))
    except NotFound:
        context.ledger.event("note", f"guard Job {name} was gone already", subject=name)
