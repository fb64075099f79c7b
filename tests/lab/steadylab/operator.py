# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for the StarRocks operator: makes StatefulSets and Services from StarRocksCluster objects.

Names, labels, ports, the order of a pass and the way of the status are those of starrocks-kubernetes-operator v1.11.5;
each function names the file there that it follows. Like the original it reacts to changes of what it owns, writes the
status as a whole, and compares by the hash annotation, so that a StatefulSet changed by another hand stays so until
the StarRocksCluster changes.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import queue
import re
import sys
import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import urllib3

from steadylab.informer import Informer
from steadylab.kube import Api, ApiError, Object, path_of

LOG: Final = logging.getLogger("steadylab.operator")
MANAGER: Final = "starrocks-operator"
HASH_ANNOTATION: Final = "app.starrocks.components/hash"
IGNORED_ANNOTATION: Final = "starrocks.com/ignored"
OWNER_LABEL: Final = "app.starrocks.ownerreference/name"
COMPONENT_LABEL: Final = "app.kubernetes.io/component"
ROOT: Final = "/opt/starrocks"
# The last version whose status of a StatefulSet that is not RollingUpdate is an error (statefulset/status.go).
LAST_WITHOUT_ON_DELETE: Final = (1, 11, 5)
RETRY_SECONDS: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
WATCHED: Final = ("StarRocksCluster", "StatefulSet", "Service", "EndpointSlice")


class SyncError(Exception):
    """A component could not be brought to its spec; the message goes into the status."""


@dataclass(frozen=True)
class Component:
    """What differs between FE, BE and CN (templates/pod/spec.go, templates/service, resource_utils/configmap.go)."""

    name: str
    container_ports: tuple[tuple[str, int], ...]
    service_ports: tuple[tuple[str, int], ...]
    search_port: tuple[str, int]
    health_port: int
    volumes: tuple[tuple[str, str], ...]

    @property
    def spec_key(self) -> str:
        """Its field in the spec, such as starRocksFeSpec."""
        return f"starRocks{self.name.capitalize()}Spec"

    @property
    def status_key(self) -> str:
        """Its field in the status, such as starRocksFeStatus."""
        return f"starRocks{self.name.capitalize()}Status"

    @property
    def env_key(self) -> str:
        """The field of its spec with environment variables."""
        return f"{self.name}EnvVars"


_BE_PORTS: Final = (("webserver-port", 8040), ("heartbeat-port", 9050), ("brpc-port", 8060))
_BE_SERVICE: Final = (("webserver", 8040), ("heartbeat", 9050), ("brpc", 8060))
FE: Final = Component(
    "fe",
    (("http-port", 8030), ("rpc-port", 9020), ("query-port", 9030)),
    (("http", 8030), ("rpc", 9020), ("query", 9030), ("edit-log", 9010)),
    ("query-port", 9030),
    8030,
    (("fe-meta", f"{ROOT}/fe/meta"), ("fe-log", f"{ROOT}/fe/log")),
)
BE: Final = Component(
    "be",
    (("be-port", 9060), *_BE_PORTS),
    (("be", 9060), *_BE_SERVICE),
    ("heartbeat", 9050),
    8040,
    (("be-data", f"{ROOT}/be/storage"), ("be-log", f"{ROOT}/be/log")),
)
CN: Final = Component(
    "cn",
    (("thrift-port", 9060), *_BE_PORTS),
    (("thrift", 9060), *_BE_SERVICE),
    ("heartbeat", 9050),
    8040,
    (("cn-log", f"{ROOT}/cn/log"),),
)
COMPONENTS: Final = (FE, BE, CN)


def load_name(cluster: str, component: Component) -> str:
    """The name of the component's StatefulSet (load/metadata.go)."""
    return f"{cluster}-{component.name}"


def selector(cluster: str, component: Component) -> dict[str, str]:
    """The labels by which the component's pods are found (load/load.go)."""
    return {OWNER_LABEL: load_name(cluster, component), COMPONENT_LABEL: component.name}


def _labels(cluster: str, component: Component) -> dict[str, str]:
    return {OWNER_LABEL: cluster, COMPONENT_LABEL: component.name}


def _digest(content: object) -> str:
    return str(zlib.crc32(json.dumps(content, sort_keys=True).encode()))


def _field_env(name: str, path: str) -> Object:
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}


def environment(cluster: Object, component: Component, spec: Object) -> list[Object]:
    """The container's variables: the user's first, then the operator's unless set (templates/pod/spec.go, Envs)."""
    name, namespace = cluster["metadata"]["name"], cluster["metadata"]["namespace"]
    fe_service = f"{name}-fe-service"
    own = [
        _field_env("POD_NAME", "metadata.name"),
        _field_env("POD_IP", "status.podIP"),
        _field_env("HOST_IP", "status.hostIP"),
        _field_env("POD_NAMESPACE", "metadata.namespace"),
        {"name": "HOST_TYPE", "value": "FQDN"},
        {"name": "COMPONENT_NAME", "value": component.name},
        {"name": "FE_SERVICE_NAME", "value": f"{fe_service}.{namespace}" if component is FE else fe_service},
    ]
    if component is not FE:
        own.append({"name": "FE_QUERY_PORT", "value": "9030"})
    users = list(spec.get(component.env_key) or ())
    taken = {entry["name"] for entry in users}
    return users + [entry for entry in own if entry["name"] not in taken]


def _probe(port: int, failures: int) -> Object:
    return {
        "httpGet": {"path": "/api/health", "port": port, "scheme": "HTTP"},
        "periodSeconds": 5,
        "failureThreshold": failures,
        "timeoutSeconds": 1,
        "successThreshold": 1,
    }


def _failures(spec: Object, key: str, default: int) -> int:
    """A probe's failure threshold from seconds, rounded up to whole periods of 5 s (templates/pod/probe.go)."""
    seconds = spec.get(key)
    return default if seconds is None else -(-int(seconds) // 5)


def _probes(spec: Object, port: int) -> Object:
    defaults = (("startup", 60), ("liveness", 3), ("readiness", 3))
    counts = {name: _failures(spec, f"{name}ProbeFailureSeconds", default) for name, default in defaults}
    return {f"{name}Probe": _probe(port, count) for name, count in counts.items() if count > 0}


def _container(cluster: Object, component: Component, spec: Object) -> Object:
    name = component.name
    lifecycle = dict(spec.get("lifecycle") or {})
    lifecycle.setdefault("preStop", {"exec": {"command": ["/bin/bash", "-c", f"{ROOT}/{name}/bin/stop_{name}.sh -g"]}})
    resources = {key: spec[key] for key in ("limits", "requests", "claims") if spec.get(key)}
    mounts = [{"name": volume["name"], "mountPath": volume["mountPath"]} for volume in spec.get("storageVolumes") or ()]
    mounts += [{"name": volume, "mountPath": path} for volume, path in _default_volumes(component, spec)]
    return {
        "name": name,
        "image": spec["image"],
        "imagePullPolicy": spec.get("imagePullPolicy") or "IfNotPresent",
        "command": spec.get("command") or [f"{ROOT}/{name}_entrypoint.sh"],
        "args": spec.get("args") or ["$(FE_SERVICE_NAME)"],
        "ports": [
            {"name": port, "containerPort": number, "protocol": "TCP"} for port, number in component.container_ports
        ],
        "env": environment(cluster, component, spec),
        "resources": resources,
        "volumeMounts": mounts,
        "lifecycle": lifecycle,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": bool(spec.get("readOnlyRootFilesystem")),
        },
        **_probes(spec, component.health_port),
    }


def _default_volumes(component: Component, spec: Object) -> list[tuple[str, str]]:
    """The emptyDir volumes for what the user mounts nowhere (be_pod.go, fe_pod.go)."""
    volumes = spec.get("storageVolumes") or ()
    taken = {volume["name"] for volume in volumes} | {volume["mountPath"] for volume in volumes}
    return [(name, path) for name, path in component.volumes if name not in taken and path not in taken]


def _claims(spec: Object) -> tuple[list[Object], list[Object]]:
    """The storage volumes as pod volumes (class emptyDir) and as claims (templates/statefulset/spec.go, PVCList)."""
    volumes: list[Object] = []
    claims: list[Object] = []
    for volume in spec.get("storageVolumes") or ():
        if volume.get("storageClassName") == "emptyDir":
            volumes.append({"name": volume["name"], "emptyDir": {}})
            continue
        claim: Object = {"accessModes": ["ReadWriteOnce"]}
        if volume.get("storageClassName"):
            claim["storageClassName"] = volume["storageClassName"]
        if volume.get("storageSize"):
            claim["resources"] = {"requests": {"storage": volume["storageSize"]}}
        claims.append(
            {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": volume["name"]}, "spec": claim}
        )
    return volumes, claims


_POD_FIELDS: Final = (
    "affinity",
    "tolerations",
    "nodeSelector",
    "topologySpreadConstraints",
    "imagePullSecrets",
    "hostAliases",
    "initContainers",
    "schedulerName",
    "shareProcessNamespace",
)


def _pod_template(cluster: Object, component: Component, spec: Object, volumes: list[Object]) -> Object:
    grace = spec.get("terminationGracePeriodSeconds")
    pod: Object = {
        "containers": [_container(cluster, component, spec), *(spec.get("sidecars") or ())],
        "volumes": volumes + [{"name": name, "emptyDir": {}} for name, _path in _default_volumes(component, spec)],
        "terminationGracePeriodSeconds": 120 if grace is None else grace,
        "automountServiceAccountToken": False,
        "securityContext": {"fsGroupChangePolicy": "OnRootMismatch"},
        **{field: spec[field] for field in _POD_FIELDS if spec.get(field)},
    }
    if spec.get("serviceAccount"):
        pod["serviceAccountName"] = spec["serviceAccount"]
    labels = {**selector(cluster["metadata"]["name"], component), **(spec.get("podLabels") or {})}
    return {"metadata": {"labels": labels, "annotations": spec.get("annotations") or {}}, "spec": pod}


def _owner(cluster: Object) -> Object:
    return {
        "apiVersion": cluster["apiVersion"],
        "kind": cluster["kind"],
        "name": cluster["metadata"]["name"],
        "uid": cluster["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def stateful_set(cluster: Object, component: Component) -> Object:
    """The StatefulSet that a cluster's component asks for (templates/statefulset/spec.go, MakeStatefulset)."""
    spec = cluster["spec"][component.spec_key]
    name = cluster["metadata"]["name"]
    volumes, claims = _claims(spec)
    wanted: Object = {
        "replicas": spec.get("replicas", 1),
        "selector": {"matchLabels": selector(name, component)},
        "serviceName": f"{name}-{component.name}-search",
        "podManagementPolicy": spec.get("podManagementPolicy") or "Parallel",
        "updateStrategy": spec.get("updateStrategy") or {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
        "template": _pod_template(cluster, component, spec, volumes),
    }
    if claims:
        wanted["volumeClaimTemplates"] = claims
    if spec.get("minReadySeconds"):
        wanted["minReadySeconds"] = spec["minReadySeconds"]
    return _finished(cluster, component, "apps/v1", "StatefulSet", load_name(name, component), wanted)


def _finished(cluster: Object, component: Component, api_version: str, kind: str, name: str, spec: Object) -> Object:
    metadata = {
        "name": name,
        "namespace": cluster["metadata"]["namespace"],
        "labels": _labels(cluster["metadata"]["name"], component),
        "ownerReferences": [_owner(cluster)],
    }
    metadata["annotations"] = {HASH_ANNOTATION: _digest([metadata, spec])}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


def _service_port(name: str, port: int) -> Object:
    entry: Object = {"name": name, "port": port, "protocol": "TCP", "targetPort": port}
    return {**entry, "appProtocol": "mysql"} if port == 9030 else entry


def services(cluster: Object, component: Component) -> list[Object]:
    """The headless search service and the external one (templates/service/spec.go, resource_utils/service.go)."""
    name = cluster["metadata"]["name"]
    user = cluster["spec"][component.spec_key].get("service") or {}
    search = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": selector(name, component),
        "ports": [_service_port(*component.search_port)],
    }
    external = {
        "type": user.get("type") or "ClusterIP",
        "selector": selector(name, component),
        "ports": [_service_port(*port) for port in component.service_ports],
    }
    return [
        _finished(cluster, component, "v1", "Service", f"{name}-{component.name}-search", search),
        _finished(cluster, component, "v1", "Service", f"{name}-{component.name}-service", external),
    ]


def rollout_status(workload: Object, on_delete_allowed: bool) -> tuple[bool, str]:
    """Whether a StatefulSet's rollout is done, and what it waits for (templates/statefulset/status.go).

    :raises SyncError: the strategy is OnDelete, which operators up to v1.11.5 take for an error.
    """
    spec, status = workload["spec"], workload.get("status", {})
    strategy = spec["updateStrategy"]
    ready, wanted, updated = status.get("readyReplicas", 0), spec["replicas"], status.get("updatedReplicas", 0)
    if strategy["type"] != "RollingUpdate" and not on_delete_allowed:
        raise SyncError("rollout status is only available for RollingUpdate strategy type")
    if status.get("observedGeneration", 0) < workload["metadata"]["generation"]:
        return False, "Waiting for statefulset spec update to be observed"
    if ready < wanted:
        return False, f"Waiting for {wanted - ready} pods to be ready"
    if strategy["type"] != "RollingUpdate":
        return True, ""
    moving = wanted - strategy.get("rollingUpdate", {}).get("partition", 0)
    if updated < moving:
        return False, (
            f"Waiting for partitioned roll out to finish: {updated} out of {moving} new pods have been updated"
        )
    return True, ""


def _pod_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


def count_pods(pods: Sequence[Object]) -> tuple[list[Object], list[Object], list[Object]]:
    """The pods that are creating, ready and failed (templates/pod/status.go, Count)."""
    creating, ready, failed = [], [], []
    for pod in pods:
        if _pod_ready(pod):
            ready.append(pod)
        elif pod.get("status", {}).get("phase") in ("Running", "Pending"):
            creating.append(pod)
        else:
            failed.append(pod)
    return creating, ready, failed


def _names(pods: Sequence[Object]) -> list[str]:
    return [pod["metadata"]["name"] for pod in pods]


def component_phase(pods: Sequence[Object], rollout: Callable[[], tuple[bool, str]]) -> Object:
    """A component's phase, reason and instances (subcontrollers/subcontroller.go, UpdateStatus)."""
    creating, ready, failed = count_pods(pods)
    instances = {
        "runningInstances": _names(ready),
        "failedInstances": _names(failed),
        "creatingInstances": _names(creating),
    }
    status: Object = {name: pods for name, pods in instances.items() if pods}
    if failed:
        return {**status, "phase": "failed", **_reason(failed[0]["status"].get("reason", ""))}
    if creating:
        return {**status, "phase": "reconciling", **_reason(creating[0].get("status", {}).get("reason", ""))}
    done, reason = rollout()
    return {**status, "phase": "running"} if done else {**status, "phase": "reconciling", **_reason(reason)}


def _reason(text: str) -> Object:
    return {"reason": text} if text else {}


def cluster_phase(status: Object) -> str:
    """The cluster's phase from its components': the first that is not running (reconcileStatus)."""
    for component in COMPONENTS:
        phase: str = status.get(component.status_key, {}).get("phase", "running")
        if phase in ("reconciling", "failed"):
            return phase
    return "running"


class Operator:
    """Reconciles one StarRocksCluster at a time."""

    def __init__(
        self, api: Api, informers: Mapping[str, Informer], version: tuple[int, ...] = LAST_WITHOUT_ON_DELETE
    ) -> None:
        self._api = api
        self._informers = informers
        self._on_delete_allowed = version > LAST_WITHOUT_ON_DELETE

    def reconcile(self, namespace: str, name: str) -> None:
        """Bring what the cluster owns to its spec and write its status.

        :raises SyncError: a component could not be synced; the status says so already.
        """
        cluster = self._informers["StarRocksCluster"].find(namespace, name)
        if cluster is None or cluster["metadata"].get("deletionTimestamp"):
            return
        if cluster["metadata"].get("annotations", {}).get(IGNORED_ANNOTATION) == "true":
            return
        before = copy.deepcopy(cluster.get("status", {}))
        status = cluster.setdefault("status", {})
        for step in (self._sync, self._observe):
            for component in COMPONENTS:
                try:
                    step(cluster, component)
                except (SyncError, ApiError) as error:
                    status["phase"] = "failed"
                    status["reason"] = f"error from {component.name.upper()} controller: {error}"
                    self._write_status(cluster, before)
                    raise SyncError(status["reason"]) from error
        status["phase"] = cluster_phase(status)
        status.pop("reason", None)
        self._write_status(cluster, before)

    def _sync(self, cluster: Object, component: Component) -> None:
        """Bring one component to its spec (fe_controller.go, be_controller.go, cn_controller.go; SyncCluster)."""
        name, namespace = cluster["metadata"]["name"], cluster["metadata"]["namespace"]
        if cluster["spec"].get(component.spec_key) is None:
            if component is not FE and component.status_key in cluster["status"]:
                self._clear(namespace, name, component)
            return
        if component is not FE and not self._frontends_allow(cluster):
            LOG.info("FE is not ready, skipping %s of %s/%s", component.name, namespace, name)
            return
        self._apply_workload(stateful_set(cluster, component))
        for service in services(cluster, component):
            self._apply(service)

    def _clear(self, namespace: str, name: str, component: Component) -> None:
        self._api.delete("StatefulSet", load_name(name, component), namespace)
        for suffix in ("search", "service"):
            self._api.delete("Service", f"{name}-{component.name}-{suffix}", namespace)

    def _frontends_allow(self, cluster: Object) -> bool:
        """Whether BE and CN may be synced now (CheckFEReady, CheckFEFullyRolledOut)."""
        name, namespace = cluster["metadata"]["name"], cluster["metadata"]["namespace"]
        if cluster["spec"].get("waitForFullRollout"):
            return self._fully_rolled_out(namespace, load_name(name, FE))
        slices = self._informers["EndpointSlice"].labelled(
            namespace, "kubernetes.io/service-name", f"{name}-fe-service"
        )
        endpoints = [endpoint for entry in slices for endpoint in entry.get("endpoints") or ()]
        return any(endpoint.get("conditions", {}).get("ready") for endpoint in endpoints)

    def _fully_rolled_out(self, namespace: str, name: str) -> bool:
        workload = self._informers["StatefulSet"].find(namespace, name)
        if workload is None:
            return False
        status = workload.get("status", {})
        complete: bool = status.get("updateRevision") == status.get("currentRevision")
        return complete and status.get("readyReplicas", 0) >= workload["spec"]["replicas"]

    def _apply_workload(self, wanted: Object) -> None:
        """Create or update a StatefulSet (k8sutils.go, ApplyStatefulSet).

        :raises SyncError: FE would be scaled from several replicas to one.
        """
        metadata = wanted["metadata"]
        actual = self._informers["StatefulSet"].find(metadata["namespace"], metadata["name"])
        single = wanted["spec"]["replicas"] == 1 and metadata["labels"][COMPONENT_LABEL] == FE.name
        if actual is not None and single and actual["spec"]["replicas"] > 1:
            raise SyncError(f"the replicas of statefulset {metadata['name']} can not be scaled to 1")
        self._apply(wanted)

    def _apply(self, wanted: Object) -> None:
        """Apply an object unless its hash annotation says that it is there already.

        Server-side apply drops what an earlier apply set and this one leaves out, as the original's three-way merge.
        """
        metadata = wanted["metadata"]
        actual = self._informers[wanted["kind"]].find(metadata["namespace"], metadata["name"])
        annotations = {} if actual is None else actual["metadata"].get("annotations", {})
        if annotations.get(HASH_ANNOTATION) != metadata["annotations"][HASH_ANNOTATION]:
            LOG.info("applying %s %s/%s", wanted["kind"], metadata["namespace"], metadata["name"])
            self._api.apply(wanted, MANAGER)

    def _observe(self, cluster: Object, component: Component) -> None:
        """Set one component's status from its StatefulSet and pods (UpdateClusterStatus)."""
        name, namespace = cluster["metadata"]["name"], cluster["metadata"]["namespace"]
        status = cluster["status"]
        if cluster["spec"].get(component.spec_key) is None:
            status.pop(component.status_key, None)
            return
        fixed = {"serviceName": f"{name}-{component.name}-service", "resourceNames": [load_name(name, component)]}
        workload = self._informers["StatefulSet"].find(namespace, load_name(name, component))
        if workload is None:
            status.setdefault(component.status_key, {"phase": "reconciling"})
            return
        wanted = ",".join(f"{key}={value}" for key, value in selector(name, component).items())
        pods = self._api.list("Pod", namespace, wanted)["items"]
        # As in the original the status is filled before an error of rollout_status can end the pass.
        status[component.status_key] = {**status.get(component.status_key, {"phase": "reconciling"}), **fixed}
        phase = component_phase(pods, lambda: rollout_status(workload, self._on_delete_allowed))
        status[component.status_key] = {**fixed, **phase}

    def _write_status(self, cluster: Object, before: Object) -> None:
        """Replace the whole status, whatever others wrote there (UpdateStarRocksClusterStatus)."""
        if cluster["status"] == before:
            return
        name, namespace = cluster["metadata"]["name"], cluster["metadata"]["namespace"]
        while True:
            current = self._api.get("StarRocksCluster", name, namespace)
            current["status"] = cluster["status"]
            try:
                self._api.request("PUT", path_of("StarRocksCluster", namespace, name, "status"), current)
            except ApiError as error:
                if error.reason != "Conflict":
                    raise
            else:
                return


def cluster_of(kind: str, item: Object) -> tuple[str, str] | None:
    """The namespace and name of the cluster that a changed object belongs to, or None."""
    metadata = item["metadata"]
    if kind == "StarRocksCluster":
        return metadata["namespace"], metadata["name"]
    if kind == "EndpointSlice":
        service = metadata.get("labels", {}).get("kubernetes.io/service-name", "")
        return (metadata["namespace"], service.removesuffix("-fe-service")) if service.endswith("-fe-service") else None
    for owner in metadata.get("ownerReferences") or ():
        if owner["kind"] == "StarRocksCluster":
            return metadata["namespace"], owner["name"]
    return None


class Loop:
    """Turns changes of watched kinds into reconciles, one at a time."""

    def __init__(self, api: Api, version: tuple[int, ...]) -> None:
        self._informers = {kind: Informer(api, kind, self._changed) for kind in WATCHED}
        self._operator = Operator(api, self._informers, version)
        self._queue: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._pending: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._failures: dict[tuple[str, str], int] = {}

    def enqueue(self, key: tuple[str, str]) -> None:
        """Ask for one reconcile; several requests before it begins are one."""
        with self._lock:
            if key in self._pending:
                return
            self._pending.add(key)
        self._queue.put(key)

    def _changed(self, kind: str, item: Object) -> None:
        key = cluster_of(kind, item)
        if key is not None:
            self.enqueue(key)

    def run(self) -> None:
        """Watch and reconcile for ever."""
        for informer in self._informers.values():
            informer.start()
        for informer in self._informers.values():
            informer.wait()
        while True:
            key = self._queue.get()
            with self._lock:
                self._pending.discard(key)
            self._reconcile(key)

    def _reconcile(self, key: tuple[str, str]) -> None:
        try:
            self._operator.reconcile(*key)
        except (SyncError, ApiError, urllib3.exceptions.HTTPError) as error:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            delay = RETRY_SECONDS[min(failures, len(RETRY_SECONDS)) - 1]
            LOG.warning("%s/%s: %s; again in %s s", *key, error, delay)
            timer = threading.Timer(delay, self.enqueue, (key,))
            timer.daemon = True
            timer.start()
        else:
            self._failures.pop(key, None)


def parse_version(text: str) -> tuple[int, ...]:
    """A version such as 1.11.5 or v1.11.5 as numbers."""
    if not re.fullmatch(r"v?\d+\.\d+\.\d+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a version such as 1.11.5")
    return tuple(int(part) for part in text.removeprefix("v").split("."))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until killed."""
    parser = argparse.ArgumentParser(prog="python -m steadylab.operator", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument(
        "--operator-version",
        type=parse_version,
        default=LAST_WITHOUT_ON_DELETE,
        help="behave as this version of the operator; those after 1.11.5 accept OnDelete",
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    Loop(Api(options.kubeconfig), options.operator_version).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
