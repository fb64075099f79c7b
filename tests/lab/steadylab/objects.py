# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects that the lab puts into a control plane, as plain manifests."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from steadylab.kube import Object
from steadylab.podrunner import LABEL as PROCESS_LABEL

CRDS: Final = Path(__file__).parent / "crds"
# Everything that the lab makes carries this label, with the lab's name as its value.
LAB_LABEL: Final = "rollout.steady.dev/lab"
# An existing cluster (LAB_KUBECONFIG) is used only if it has a namespace of this name.
MARKER_NAMESPACE: Final = "steady-lab-marker"
# The root user's password in every lab; it protects nothing but simulated data.
PASSWORD: Final = "lab-Passw0rd"
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")


class SpecError(Exception):
    """The lab was asked for something that cannot be; the message names field, value and what would be right."""


@dataclass(frozen=True)
class ClusterSpec:
    """A StarRocks cluster to make: name, namespace, replicas and version (the images' tag)."""

    name: str = "prod"
    namespace: str = "starrocks"
    fe: int = 3
    be: int = 3
    cn: int = 0
    version: str = "3.3.1"

    def check(self) -> None:
        """Refuse what Kubernetes or StarRocks could not have.

        :raises SpecError: with field, value and remedy.
        """
        for field, value in (("cluster", self.name), ("namespace", self.namespace)):
            check_name(field, value)
        for field, number, least in (("fe", self.fe, 1), ("be", self.be, 0), ("cn", self.cn, 0)):
            if not least <= number <= 50:
                raise SpecError(f"--{field}={number}: use a number from {least} to 50")
        if not re.fullmatch(r"\w[\w.-]{0,100}", self.version):
            raise SpecError(f"--version={self.version!r} is not an image tag: use for example 3.3.1")


def check_name(field: str, value: str) -> None:
    """Refuse a name that Kubernetes would refuse.

    :raises SpecError: with field, value and remedy.
    """
    if not _NAME.fullmatch(value):
        raise SpecError(f"--{field}={value!r}: use 1 to 40 lower-case letters, digits and dashes, such as prod")


def crds() -> list[Object]:
    """The custom resource definitions that the lab installs."""
    return [yaml.safe_load(path.read_text()) for path in sorted(CRDS.glob("*.yaml"))]


def namespace(name: str, lab: str) -> Object:
    """A namespace of the lab."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {LAB_LABEL: lab}}}


def node(name: str, lab: str) -> Object:
    """A node for the simulated kubelets."""
    labels = {LAB_LABEL: lab, "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def secret(spec: ClusterSpec, lab: str, password: str) -> Object:
    """The Secret with the root password, which the cluster's components reference."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"{spec.name}-root", "namespace": spec.namespace, "labels": {LAB_LABEL: lab}},
        "data": {"password": base64.b64encode(password.encode()).decode()},
    }


def image(component: str, version: str) -> str:
    """The image of a component (fe, be or cn) at a version."""
    return f"starrocks/{component}-ubuntu:{version}"


def starrocks_cluster(spec: ClusterSpec, lab: str) -> Object:
    """The StarRocksCluster; components with no replicas are left out."""
    reference = {"secretKeyRef": {"name": f"{spec.name}-root", "key": "password"}}
    components = {
        f"starRocks{component.capitalize()}Spec": {
            "image": image(component, spec.version),
            "replicas": replicas,
            f"{component}EnvVars": [{"name": "MYSQL_PWD", "valueFrom": reference}],
        }
        for component, replicas in (("fe", spec.fe), ("be", spec.be), ("cn", spec.cn))
        if replicas
    }
    return {
        "apiVersion": "starrocks.com/v1",
        "kind": "StarRocksCluster",
        "metadata": {"name": spec.name, "namespace": spec.namespace, "labels": {LAB_LABEL: lab}},
        "spec": components,
    }


def process_policy(lab: str) -> list[Object]:
    """What labels the pods of Jobs in namespaces whose Jobs run as processes (podrunner)."""
    group = "admissionregistration.k8s.io/v1"
    metadata = {"name": "steady-lab-processes", "labels": {LAB_LABEL: lab}}
    path = PROCESS_LABEL.replace("~", "~0").replace("/", "~1")
    of_job = "has(object.metadata.ownerReferences) && object.metadata.ownerReferences.exists(o, o.kind == 'Job')"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    spec = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "matchConstraints": {
            "namespaceSelector": {"matchLabels": {PROCESS_LABEL: "true"}},
            "resourceRules": [rule],
        },
        "matchConditions": [
            {"name": "of-a-job", "expression": of_job},
            {"name": "has-labels", "expression": "has(object.metadata.labels)"},
        ],
        "mutations": [
            {
                "patchType": "JSONPatch",
                "jsonPatch": {
                    "expression": f'[JSONPatch{{op: "add", path: "/metadata/labels/{path}", value: "true"}}]'
                },
            }
        ],
    }
    policy = {"apiVersion": group, "kind": "MutatingAdmissionPolicy", "metadata": metadata, "spec": spec}
    binding = {
        "apiVersion": group,
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": metadata,
        "spec": {"policyName": metadata["name"]},
    }
    return [policy, binding]


def process_probe() -> Object:
    """A pod as a Job would make it, to ask the API server what it would make of it."""
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "probe", "uid": "00000000-0000-0000-0000-000000000000"}
    metadata = {"generateName": "probe-", "labels": {"app": "probe"}, "ownerReferences": [owner]}
    spec = {"containers": [{"name": "probe", "image": "probe"}], "restartPolicy": "Never"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
