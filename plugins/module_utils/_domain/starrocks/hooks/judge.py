# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What a plan says of its hooks: which are done, which must not be run, and what a person should know of them."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import settings
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks import when
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.entries import STAGES, Stage
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.resolve import (
    HookPlan,
    PlannedHook,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import HookRecord, Record
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Component, Snapshot
from ansible_collections.steady.rollout.plugins.module_utils._domain.version import Image, Version


def ended(hook: PlannedHook, known: HookRecord | None) -> bool:
    """Whether the hook came to its end in this run: it is not run again unless it has become another one."""
    if known is None or known.digest != hook.digest:
        return False
    return known.outcome in ("done", "skipped") or (known.outcome == "failed" and not hook.terms.critical)


def is_done(record: Record | None, step_id: str, hooks: tuple[PlannedHook, ...]) -> bool:
    """Whether every hook of a step came to its end in this run; once the run has ended, they run again."""
    step = record.steps.get(step_id) if record is not None and record.phase in ("running", "rolling-back") else None
    return step is not None and all(ended(hook, step.hooks.get(hook.name)) for hook in hooks)


def interrupted(hook: PlannedHook, known: HookRecord | None) -> str:
    """Why a hook whose runner died must not be run again; empty when it may, or was not running."""
    if known is None or known.outcome != "running" or known.digest != hook.digest or hook.reruns:
        return ""
    return (
        f"hook {hook.name} was running when its runner died, and nobody knows how far it got "
        f"({'; '.join(known.statements) or known.source})"
    )


def hook_refusals(
    hooks: HookPlan,
    snapshot: Snapshot,
    direction: str,
    before: Mapping[Component, str],
    after: Mapping[Component, str],
    own: Record | None,
    *,
    under_way: bool,
) -> list[Refused]:
    """Why the hooks must not be run. Once a pod was touched, nothing is asked about those before the first pod."""
    touched = own is not None and bool(own.touched)
    stages = [stage for stage in STAGES if stage != "pre" or not touched]
    found = [refused for stage in stages for refused in hooks.refusals.get(stage, ())]
    data = when.view(snapshot, direction, before, after)
    for stage in stages:
        for hook in hooks.of(stage):
            found += _version_refusals(hook, _version_at(stage, before, after))
            found += [_unknown_setting(hook, key) for key in settings.missing(snapshot, _written(hook))]
            if own is None and not under_way:
                found += _condition_refusals(hook, data)
    return found


def _written(hook: PlannedHook) -> list[str]:
    return [key for action in hook.actions for key in action.values]


def _unknown_setting(hook: PlannedHook, key: str) -> Refused:
    return Refused(hook.place.source, key, "this StarRocks version has no such setting", remedy="leave the hook out")


def _version_at(stage: Stage, before: Mapping[Component, str], after: Mapping[Component, str]) -> Version | None:
    """The FEs' version while a stage runs, where the image's tag says it."""
    image = (after if stage == "post" else before).get("fe") or before.get("fe", "")
    return Image.parse(image, "image").version if image else None


def _version_refusals(hook: PlannedHook, version: Version | None) -> list[Refused]:
    if version is None or version in hook.versions:
        return []
    problem = f"{hook.predefined} is for versions {hook.versions.text}, the FEs run {version}"
    return [Refused(hook.place.source, hook.predefined, problem, remedy="leave it out for this version")]


def _condition_refusals(hook: PlannedHook, data: Mapping[str, object]) -> list[Refused]:
    if not hook.terms.when:
        return []
    try:
        when.check_condition(hook.terms.when, f"{hook.place.entry}.when", data)
    except Refused as refused:
        return [refused]
    return []


def hook_risks(hooks: HookPlan) -> list[tuple[str, str]]:
    """Name and text of what a person should know before the hooks run."""
    risks: list[tuple[str, str]] = []
    for hook in hooks.hooks:
        unsafe = [action.shown for action in hook.actions if not action.safe]
        if unsafe and not hook.predefined:
            risks.append(("unsafe-sql", f"hook {hook.name} runs what is not on the allow-list: {'; '.join(unsafe)}"))
        if hook.kind == "script":
            risks.append(("script", f"hook {hook.name} runs a {hook.source} as a Job in the cluster's namespace"))
        risks += [("unread-sql", f"hook {hook.name}: {note}") for note in hook.notes]
    undone = {hook.predefined for hook in (*hooks.post, *hooks.rollback)}
    risks += [
        ("not-undone", f"hook {hook.name} has an inverse, {hook.inverse}, which no later stage runs")
        for hook in hooks.pre
        if hook.inverse and hook.inverse not in undone
    ]
    return risks
