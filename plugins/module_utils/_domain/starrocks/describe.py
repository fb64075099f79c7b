# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Plans and records in words, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.resolve import PlannedHook
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import Plan, Step
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import Record
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Component
from ansible_collections.steady.rollout.plugins.module_utils._domain.version import Image


def versions(images: Mapping[Component, str]) -> str:
    """The tag all images share, or each component's own."""
    tags = {component: tag_of(image) for component, image in images.items()}
    if len(set(tags.values())) == 1:
        return next(iter(tags.values()))
    return ", ".join(f"{component} {tag}" for component, tag in tags.items())


def tag_of(image: str) -> str:
    """The tag of an image, or its digest, shortened."""
    parsed = Image.parse(image, "image")
    return parsed.tag or (parsed.digest or "latest")[:19]


def plan_lines(plan: Plan) -> list[str]:
    """The plan as a person reads it before it begins."""
    if plan.freeze:
        return [f"Frozen, no pod is changed any more: {plan.freeze}.", *_step_lines(plan)]
    if not plan.steps:
        return ["Nothing to do: the cluster is as asked, and nothing is owed."]
    moves = ", ".join(
        f"{c} {tag_of(plan.images_from.get(c, image))} -> {tag_of(image)}"
        for c, image in plan.images_to.items()
        if plan.images_from.get(c) != image and any(step.component == c for step in plan.steps)
    )
    head = f"Plan ({plan.direction}): {moves or 'restore only'}; {len(plan.steps)} steps, {minutes(plan)}"
    lines = [head + (f"; continues run {plan.continues}" if plan.continues else ""), *_step_lines(plan)]
    lines += [f"risk {risk.level}: {risk.text}" for risk in plan.risks]
    if plan.approval:
        lines.append(f"plan {plan.approval[:19]}")
    return lines


def minutes(plan: Plan) -> str:
    """The estimate in words."""
    seconds = plan.estimate_seconds
    return f"about {seconds:.0f} s" if seconds < 90 else f"about {seconds / 60:.0f} min"


def _step_lines(plan: Plan) -> list[str]:
    lines = []
    for number, step in enumerate(plan.steps, 1):
        if step.id == plan.point_of_no_return:
            lines.append("      ---- point of no return: from here on an FE of the new version can lead the cluster")
        mark = "done" if step.done else f"{step.estimate_seconds:.0f} s"
        lines.append(f"  {number:>3}. {step.title:<56} {mark:>6}  {step.reason}")
        lines += [f"        {line}" for hook in step.hooks if not step.done for line in hook_lines(hook)]
    return lines


def hook_lines(hook: PlannedHook) -> list[str]:
    """What a hook does, when, and what its failure means."""
    kind = "" if hook.terms.critical else "not critical, "
    lines = [f"{hook.name} ({kind}at most {hook.terms.timeout_seconds:g} s): {hook.source}"]
    lines += [f"  when {hook.terms.when}"] if hook.terms.when else []
    lines += [f"  {text}" for text in hook.shown]
    lines += [f"  needs {', '.join(hook.rights)} on SYSTEM"] if hook.rights not in ((), ("OPERATE",)) else []
    return lines


def place(plan: Plan, step: Step) -> dict[str, object]:
    """The step with its place in the plan, as the console shows it."""
    return {
        "id": step.id,
        "title": step.title,
        "index": [s.id for s in plan.steps].index(step.id) + 1,
        "total": len(plan.steps),
    }


def open_sentences(record: Record | None) -> list[str]:
    """What a run owes at this moment, each a sentence."""
    if record is None:
        return []
    return [
        f"{key} is switched off ({entry.quiesced}); it was {entry.baseline}"
        for key, entry in record.journal.entries.items()
        if entry.state == "open"
    ]


def resume_sentence(cluster: str, namespace: str) -> str:
    """How to go on after an interruption."""
    what = f"-e cluster={namespace}/{cluster}"
    return (
        "run the same command again to continue, or only put the settings back with: "
        f"ansible-playbook steady.rollout.starrocks_restore {what}"
    )
