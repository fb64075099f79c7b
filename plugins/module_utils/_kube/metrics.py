# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Metrics as the aggregated APIs of a cluster serve them, custom.metrics.k8s.io and external.metrics.k8s.io.

Paths and answers are those of kubernetes/metrics, pkg/apis/custom_metrics and pkg/apis/external_metrics.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import NotFound
from ansible_collections.steady.rollout.plugins.module_utils._domain.given import given
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient

# The newest first; v1beta1 says metricName where v1beta2 says metric.name, and the value stands in the same place.
_CUSTOM_VERSIONS = ("v1beta2", "v1beta1")
_CUSTOM = "/apis/custom.metrics.k8s.io"
_EXTERNAL = "/apis/external.metrics.k8s.io/v1beta1"


def pod_values(client: KubeClient, namespace: str, metric: str, selector: str) -> dict[str, str]:
    """The quantity of a metric by pod, of the pods that the selector chooses."""
    answer = _custom(client, namespace, f"pods/*/{quote(metric, safe='')}", {"labelSelector": selector or None})
    return _by_object(answer)


def object_values(
    client: KubeClient, namespace: str, metric: str, api_version: str, kind: str, name: str
) -> dict[str, str]:
    """The quantity of a metric about one object; empty when there is none."""
    group = api_version.partition("/")[0] if "/" in api_version else ""
    resource = plural_of(client, api_version, kind)
    full = f"{resource}.{group}" if group else resource
    parts = "/".join(quote(part, safe="") for part in (full, name, metric))
    return _by_object(_custom(client, namespace, parts, {}))


def external_values(client: KubeClient, namespace: str, metric: str, selector: str) -> dict[str, str]:
    """The quantity of a metric from outside the cluster, by its labels; there may be several series."""
    path = f"{_EXTERNAL}/namespaces/{quote(namespace, safe='')}/{quote(metric, safe='')}"
    answer = client.get(path, query={"labelSelector": selector or None})
    found: dict[str, str] = {}
    for item in answer.get("items") or []:
        labels = ",".join(f"{key}={value}" for key, value in sorted((item.get("metricLabels") or {}).items()))
        found[labels or metric] = str(item.get("value", ""))
    return found


def plural_of(client: KubeClient, api_version: str, kind: str) -> str:
    """The resource's name of a kind, as discovery has it; NotFound when the cluster does not serve it."""
    root = "/apis" if "/" in api_version else "/api"
    for resource in client.get(f"{root}/{api_version}").get("resources") or []:
        if resource.get("kind") == kind and "/" not in str(resource.get("name")):
            return str(resource["name"])
    raise NotFound(f"{api_version} has no kind {kind}.", remedy="Correct apiVersion and kind of the metric's object.")


def _custom(client: KubeClient, namespace: str, rest: str, query: dict[str, str | int | bool | None]) -> dict[str, Any]:
    failure: NotFound | None = None
    for version in _CUSTOM_VERSIONS:
        try:
            return client.get(f"{_CUSTOM}/{version}/namespaces/{quote(namespace, safe='')}/{rest}", query=query)
        except NotFound as error:
            failure = failure or error
    raise given(failure, "version of custom.metrics.k8s.io")


def _by_object(answer: dict[str, Any]) -> dict[str, str]:
    return {
        str((item.get("describedObject") or {}).get("name") or ""): str(item.get("value", ""))
        for item in answer.get("items") or []
    }
