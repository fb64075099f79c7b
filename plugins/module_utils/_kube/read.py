# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""From Kubernetes objects to the domain's values, and the few reads that fetch a whole cluster.

Names and labels are those that the StarRocks operator gives (v1.11.5): StatefulSets X-fe, X-be, X-cn, whose pods carry
the label app.starrocks.ownerreference/name with that name, and containers named fe, be and cn.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import NotFound, Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import (
    COMPONENTS,
    Component,
    Pod,
    Waiting,
    Workload,
)
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.paths import path_to

CLUSTER_API = "starrocks.com/v1"
CLUSTER_RESOURCE = "starrocksclusters"
OWNER_LABEL = "app.starrocks.ownerreference/name"
COMPONENT_LABEL = "app.kubernetes.io/component"
_SPECS: dict[Component, str] = {"fe": "starRocksFeSpec", "be": "starRocksBeSpec", "cn": "starRocksCnSpec"}
_ENVIRONMENTS: dict[Component, str] = {"fe": "feEnvVars", "be": "beEnvVars", "cn": "cnEnvVars"}
_RUN_MODE = re.compile(r"^\s*run_mode\s*=\s*(\S+)\s*$", re.MULTILINE)

Object = Mapping[str, Any]


@dataclass(frozen=True)
class ClusterObjects:
    """What one look at a cluster's objects gave."""

    resource: dict[str, Any]
    workloads: dict[Component, Workload]
    pods: tuple[Pod, ...]


@dataclass(frozen=True)
class PasswordSource:
    """Where a StarRocksCluster takes the root password from: a Secret's key, or a text in its own spec."""

    secret: str = ""
    key: str = ""
    literal: str | None = field(default=None, repr=False)


def cluster_path(namespace: str, name: str | None = None) -> str:
    """The request path of a StarRocksCluster, or of the list without a name."""
    return path_to(CLUSTER_API, CLUSTER_RESOURCE, namespace, name)


def pod_selector(cluster: str) -> str:
    """The label selector of all FE, BE and CN pods of a cluster."""
    return f"{OWNER_LABEL} in ({','.join(f'{cluster}-{component}' for component in COMPONENTS)})"


def read_cluster(client: KubeClient, namespace: str, name: str) -> ClusterObjects:
    """The StarRocksCluster with its pods: two requests, and one more where only the StatefulSet knows the replicas.

    NotFound names what does not exist.
    """
    resource = client.get(cluster_path(namespace, name))
    statefulsets = _statefulsets(client, namespace, name) if _scaled_elsewhere(resource) else {}
    pods = client.list_(path_to("v1", "pods", namespace), label_selector=pod_selector(name))
    workloads = {c: workload_of(resource, statefulsets.get(c), c) for c in COMPONENTS}
    return ClusterObjects(
        resource=resource,
        workloads={c: workload for c, workload in workloads.items() if workload is not None},
        pods=tuple(pod for item in pods.items if (pod := pod_of(item, name)) is not None),
    )


def _scaled_elsewhere(resource: Object) -> bool:
    """Whether a component gives no replicas, as CNs that an autoscaler scales."""
    specs = resource.get("spec") or {}
    return any(specs.get(_SPECS[c]) and not gives_replicas(resource, c) for c in COMPONENTS)


def gives_replicas(resource: Object, component: Component) -> bool:
    """Whether the custom resource itself says how many replicas the component has."""
    spec = (resource.get("spec") or {}).get(_SPECS[component]) or {}
    return spec.get("replicas") is not None


def _statefulsets(client: KubeClient, namespace: str, name: str) -> dict[Component, dict[str, Any]]:
    listing = client.list_(
        path_to("apps/v1", "statefulsets", namespace),
        label_selector=f"{COMPONENT_LABEL} in ({','.join(COMPONENTS)})",
    )
    by_name = {str(item["metadata"]["name"]): item for item in listing.items}
    return {c: by_name[f"{name}-{c}"] for c in COMPONENTS if f"{name}-{c}" in by_name}


def pod_of(obj: Object, cluster: str) -> Pod | None:
    """The pod as the domain sees it, or None when it is no FE, BE or CN of the cluster."""
    metadata = obj.get("metadata") or {}
    name = str(metadata.get("name") or "")
    match = re.fullmatch(rf"{re.escape(cluster)}-(fe|be|cn)-(\d+)", name)
    if match is None:
        return None
    component: Component = match[1]  # type: ignore[assignment]
    if (metadata.get("labels") or {}).get(OWNER_LABEL) != f"{cluster}-{component}":
        return None
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    containers = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    ready = _condition(status, "Ready")
    return Pod(
        name=name,
        component=component,
        ordinal=int(match[2]),
        uid=str(metadata.get("uid") or ""),
        image=_image(spec, component),
        phase=str(status.get("phase") or ""),
        ready=ready.get("status") == "True",
        deleting=bool(metadata.get("deletionTimestamp")),
        restarts=sum(int(container.get("restartCount") or 0) for container in containers),
        created=str(metadata.get("creationTimestamp") or ""),
        ready_since=str(ready.get("lastTransitionTime") or "") if ready.get("status") == "True" else "",
        node=str(spec.get("nodeName") or ""),
        waiting=tuple(found for container in containers if (found := _waiting(container))),
        terminated=tuple(found for container in containers if (found := _terminated(container))),
        unschedulable=_unschedulable(status),
    )


def workload_of(resource: Object, statefulset: Object | None, component: Component) -> Workload | None:
    """A component as the custom resource states it, or None when the resource has none such.

    `statefulset` is asked for the replicas alone, where the resource gives none.
    """
    spec = (resource.get("spec") or {}).get(_SPECS[component])
    if not spec:
        return None
    strategy = spec.get("updateStrategy")
    actual = (statefulset or {}).get("spec") or {}
    replicas = spec.get("replicas")
    return Workload(
        component=component,
        image=str(spec.get("image") or ""),
        # Absent for CNs that an autoscaler scales.
        replicas=int(actual.get("replicas", 1) if replicas is None else replicas),
        strategy=strategy,
        partition=_partition(strategy),
        strategy_type=_strategy_type(strategy),
    )


def pull_secrets(resource: Object) -> tuple[str, ...]:
    """The Secrets with which the FE's image is pulled."""
    spec = (resource.get("spec") or {}).get(_SPECS["fe"]) or {}
    return tuple(str(entry["name"]) for entry in spec.get("imagePullSecrets") or () if entry.get("name"))


def config_text(client: KubeClient, namespace: str, name: str, key: str) -> str:
    """The text under a key of a ConfigMap. NotFound names ConfigMap and key."""
    found = client.get(path_to("v1", "configmaps", namespace, name))
    texts = found.get("data") or {}
    if key not in texts:
        raise NotFound(
            f'ConfigMap "{name}" in namespace "{namespace}" has no key "{key}".',
            remedy=f"Add it, or name one of its keys: {', '.join(sorted(texts)) or 'it has none'}.",
        )
    return str(texts[key])


def labelled(client: KubeClient, namespace: str, label: str) -> bool:
    """Whether the namespace carries the label with the value "true"."""
    found = client.get(path_to("v1", "namespaces", None, namespace))
    return ((found.get("metadata") or {}).get("labels") or {}).get(label) == "true"


def secret_value(client: KubeClient, namespace: str, name: str, key: str) -> str:
    """The text under a key of a Secret. NotFound or Refused name Secret and key, never what is in it."""
    secret = client.get(path_to("v1", "secrets", namespace, name))
    encoded = (secret.get("data") or {}).get(key)
    if encoded is None:
        raise NotFound(
            f'Secret "{name}" in namespace "{namespace}" has no key "{key}".',
            remedy=f"Add it, or name one of its keys: {', '.join(sorted(secret.get('data') or {})) or 'it has none'}.",
        )
    try:
        return base64.b64decode(encoded, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise Refused(
            f'Secret "{name}" key "{key}"', None, "is not base64 of UTF-8 text", remedy="Write the Secret again."
        ) from None


def root_credentials(resource: Object) -> PasswordSource | None:
    """Where the StarRocksCluster says that root's password is: MYSQL_PWD of the FE's, else the BE's or CN's pods."""
    for component in COMPONENTS:
        spec = (resource.get("spec") or {}).get(_SPECS[component]) or {}
        for variable in spec.get(_ENVIRONMENTS[component]) or []:
            if variable.get("name") == "MYSQL_PWD":
                return _source(variable)
    return None


def run_mode(client: KubeClient, namespace: str, resource: Object) -> str | None:
    """fe.conf's run_mode in the FE's ConfigMap, StarRocks' default where that is silent; None without a ConfigMap."""
    info = ((resource.get("spec") or {}).get(_SPECS["fe"]) or {}).get("configMapInfo") or {}
    name = info.get("configMapName")
    if not name:
        return None
    found = client.get(path_to("v1", "configmaps", namespace, str(name)))
    text = (found.get("data") or {}).get(info.get("resolveKey") or "fe.conf") or ""
    values = _RUN_MODE.findall(text)
    return values[-1] if values else "shared_nothing"


def _source(variable: Object) -> PasswordSource | None:
    reference = (variable.get("valueFrom") or {}).get("secretKeyRef") or {}
    if reference.get("name") and reference.get("key"):
        return PasswordSource(secret=str(reference["name"]), key=str(reference["key"]))
    literal = variable.get("value")
    return None if literal is None else PasswordSource(literal=str(literal))


def _image(pod_spec: Object, component: Component) -> str:
    """The image of the component's own container; sidecars have other names."""
    for container in pod_spec.get("containers") or []:
        if container.get("name") == component:
            return str(container.get("image") or "")
    return ""


def _condition(status: Object, kind: str) -> Object:
    return next((c for c in status.get("conditions") or [] if c.get("type") == kind), {})


def _waiting(container: Object) -> Waiting | None:
    state = (container.get("state") or {}).get("waiting")
    if not state:
        return None
    return Waiting(str(container.get("name") or ""), str(state.get("reason") or ""), str(state.get("message") or ""))


def _terminated(container: Object) -> Waiting | None:
    """How the container that does not run ended last; nothing for one that runs, or that ended well."""
    state = container.get("state") or {}
    last = container.get("lastState") or {}
    ended = state.get("terminated") or (last.get("terminated") if "waiting" in state else None)
    if not ended or ended.get("exitCode") == 0:
        return None
    details = f"exit code {ended.get('exitCode')}"
    message = str(ended.get("message") or "").strip()
    return Waiting(
        str(container.get("name") or ""),
        str(ended.get("reason") or "Error"),
        f"{details}: {message}" if message else details,
    )


def _unschedulable(status: Object) -> str:
    scheduled = _condition(status, "PodScheduled")
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        return str(scheduled.get("message") or "Unschedulable")
    return ""


def _partition(strategy: Object | None) -> int:
    return int(((strategy or {}).get("rollingUpdate") or {}).get("partition") or 0)


def _strategy_type(strategy: Object | None) -> str:
    return str((strategy or {}).get("type") or "RollingUpdate")
