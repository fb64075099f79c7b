# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The risk report: what a plan would do and what may go wrong, before anything is touched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import to_plain
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.describe import hook_lines, versions
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import Plan, Step

Json = dict[str, Any]


def build_risks(plan: Plan, refusals: Iterable[Mapping[str, object]], now: str) -> Json:
    """The report as plain JSON values; `refusals` are those that came with the plan."""
    refused = [_refusal(refusal) for refusal in refusals]
    return {
        "apiVersion": "rollout.steady.dev/v1alpha1",
        "kind": "RiskReport",
        "plan": {
            "cluster": plan.cluster,
            "namespace": plan.namespace,
            "direction": plan.direction,
            "from": versions(plan.images_from),
            "to": versions(plan.images_to),
            "hash": plan.approval or plan.hash,
            "continues": plan.continues,
            "estimateSeconds": plan.estimate_seconds,
            "verdict": _verdict(plan, refused),
            "at": now,
        },
        "refusals": refused,
        "risks": to_plain(plan.risks),
        "pointOfNoReturn": plan.point_of_no_return,
        "images": [
            {"component": name, "from": image, "to": plan.images_to.get(name, image)}
            for name, image in plan.images_from.items()
        ],
        "settings": [{"key": key, "held": plan.held.get(key, "")} for key in plan.keys],
        "steps": [_step(step) for step in plan.steps],
    }


def _verdict(plan: Plan, refused: list[Json]) -> str:
    """Whether the plan may be carried out as it stands."""
    if refused:
        return "refused"
    if not any(not step.done for step in plan.steps):
        return "unchanged"
    return "risky" if any(risk.level == "danger" for risk in plan.risks) else "ready"


def _refusal(refusal: Mapping[str, object]) -> Json:
    return {name: str(refusal.get(name) or "") for name in ("field", "reason", "remedy")}


def _step(step: Step) -> Json:
    return {
        "id": step.id,
        "title": step.title,
        "reason": step.reason,
        "pod": step.pod,
        "done": step.done,
        "estimateSeconds": step.estimate_seconds,
        "hooks": [line for hook in step.hooks for line in hook_lines(hook)],
    }
