# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Looking at what the checks are about: pods and their versions, metrics and their values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.database import checks
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.record import GOOD, Record
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.spec import Metric
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused, RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.gate import Refusal
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.undertaking import Undertaking
from ansible_collections.steady.rollout.plugins.module_utils._kube import metrics, prometheus
from ansible_collections.steady.rollout.plugins.module_utils._kube.paths import path_to

Refusals = tuple[Refusal, ...]


def pre_due(work: Undertaking, record: Record | None) -> bool:
    """Whether the checks before a migration still matter."""
    return not work.spec.plan_only and (record is None or (record.apply is None and not record.outcome))


def post_due(record: Record | None) -> bool:
    """Whether the checks after a migration are to be made."""
    return record is not None and record.outcome in GOOD and not record.checked


def pre(work: Undertaking) -> Refusals:
    """Why the migration may not begin."""
    found: list[Refusal] = []
    for check in work.spec.min_pod_versions:
        try:
            pods = work.client.list_(path_to("v1", "pods", work.namespace), label_selector=str(check.selector))
        except RolloutError as error:
            found.append(Refusal("minPodVersions", str(check.selector), f"could not be read: {error.reason}"))
            continue
        found += checks.pod_refusals(check, [pod_seen(pod) for pod in pods.items])
    return (*found, *_of_metrics(work, work.spec.pre_metrics))


def post(work: Undertaking) -> Refusals:
    """Why the migration has not worked."""
    return _of_metrics(work, work.spec.post_metrics)


def pod_seen(pod: Mapping[str, Any]) -> checks.PodSeen:
    """A pod as the checks see it."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    containers = (pod.get("spec") or {}).get("containers") or []
    return checks.PodSeen(
        name=str(metadata["name"]),
        labels=dict(metadata.get("labels") or {}),
        images={str(container["name"]): str(container.get("image") or "") for container in containers},
        finished=status.get("phase") in ("Succeeded", "Failed"),
    )


def _of_metrics(work: Undertaking, wanted: Iterable[Metric]) -> Refusals:
    found: list[Refusal] = []
    for metric in wanted:
        try:
            values: dict[str, str] | None = _values(work, metric)
            problem = ""
        except RolloutError as error:
            # A metric that cannot be read refuses, with the reason; the others are looked at all the same.
            values, problem = None, error.reason
        found += checks.metric_refusals(metric, values, problem)
    return tuple(found)


def _values(work: Undertaking, metric: Metric) -> dict[str, str]:
    selector = str(metric.selector) if metric.selector else ""
    if metric.source == "Pods":
        return metrics.pod_values(work.client, work.namespace, metric.name, selector)
    if metric.source == "External":
        return metrics.external_values(work.client, work.namespace, metric.name, selector)
    if metric.described is not None:
        about = metric.described
        return metrics.object_values(
            work.client, work.namespace, metric.name, about.api_version, about.kind, about.name
        )
    if not work.rules.prometheus:
        remedy = "set it to the address of the server"
        raise Refused("installation.databases.prometheus", None, "names no Prometheus server", remedy=remedy)
    return prometheus.values(work.rules.prometheus, metric.query)
