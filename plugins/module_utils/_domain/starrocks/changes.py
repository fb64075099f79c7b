# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The patches a run makes to a StarRocksCluster: JSON patches whose tests are the preconditions.

A test of the uid and of the very value that was seen refuses the patch exactly when somebody changed what the decision
rests on; the object's resourceVersion would also refuse after every status write of the operator.
"""

from __future__ import annotations

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import Step
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.preflight import SPEC_FIELDS
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import Baseline
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import (
    Component,
    Snapshot,
    Workload,
)

Patch = list[dict[str, object]]


def step_patch(workload: Workload, step: Step, uid: str, baseline: Baseline) -> Patch:
    """The patch that lets exactly this step's pod be replaced; empty when the custom resource says so already.

    With the last pod of a component the person's own update strategy returns: no pod is left for it to move. A pod
    below the partition that is deleted comes back at the StatefulSet's current revision, which is the old one as long
    as the rollout has not ended (kubernetes pkg/controller/statefulset, newVersionedStatefulSetPod).
    """
    strategy: dict[str, object] | None
    if step.means == "delete":
        strategy = {"type": "OnDelete"}
    elif step.means == "hold":
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": workload.replicas}}
    elif step.last_of_component:
        strategy = baseline.strategies.get(workload.component)
    else:
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": step.ordinal}}
    return _guarded(workload, uid, _image(workload, step.image) + _strategy(workload, strategy))


def strategy_patch(snapshot: Snapshot, component: Component, baseline: Baseline) -> Patch:
    """Put the person's update strategy back; empty when it is there, or when that would move a pod.

    Lifting a partition lets every pod below it roll at once, without gates. So it is kept while a pod does not run the
    image of the spec.
    """
    workload = snapshot.workloads[component]
    if component not in baseline.strategies or kept_partition(snapshot, component, baseline):
        return []
    return _guarded(workload, snapshot.uid, _strategy(workload, baseline.strategies[component]))


def kept_partition(snapshot: Snapshot, component: Component, baseline: Baseline) -> str:
    """Why an update strategy of ours has to stay; empty when it may go or is gone."""
    workload = snapshot.workloads[component]
    if workload.strategy == baseline.strategies.get(component):
        return ""
    others = [pod.name for pod in snapshot.pods_of(component) if pod.image != workload.image]
    if not others:
        return ""
    return f"{', '.join(others)} still run(s) another image than the spec's, and lifting the partition would roll them"


def _guarded(workload: Workload, uid: str, operations: Patch) -> Patch:
    if not operations:
        return []
    tests: Patch = [
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "test", "path": _path(workload, "image"), "value": workload.image},
    ]
    if workload.strategy is not None:
        tests.append({"op": "test", "path": _path(workload, "updateStrategy"), "value": workload.strategy})
    return tests + operations


def _image(workload: Workload, image: str) -> Patch:
    if workload.image == image:
        return []
    return [{"op": "replace", "path": _path(workload, "image"), "value": image}]


def _strategy(workload: Workload, strategy: dict[str, object] | None) -> Patch:
    if workload.strategy == strategy:
        return []
    if strategy is None:
        return [{"op": "remove", "path": _path(workload, "updateStrategy")}]
    return [{"op": "add", "path": _path(workload, "updateStrategy"), "value": strategy}]


def _path(workload: Workload, field: str) -> str:
    return f"/spec/{SPEC_FIELDS[workload.component]}/{field}"
