# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What is refused before anything is touched, each with field, value and remedy."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.gate import Refusal, first_refusal
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import path, settings
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.gates import LISTS
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import Record
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import (
    COMPONENTS,
    Component,
    Snapshot,
    Workload,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.spec import UpgradeSpec, check_image
from ansible_collections.steady.rollout.plugins.module_utils._domain.version import Image

# Kubernetes 1.27: the oldest release whose StatefulSet, Lease, Job and access-review APIs this collection was written
# against and which reached general availability for all of them.
LEAST_KUBERNETES = (1, 27)
SPEC_FIELDS: dict[Component, str] = {"fe": "starRocksFeSpec", "be": "starRocksBeSpec", "cn": "starRocksCnSpec"}


def resolve_images(snapshot: Snapshot, spec: UpgradeSpec) -> dict[Component, str]:
    """The image each component shall have: the version as the tag of the present repositories, or the images given."""
    if spec.version:
        parsed = {c: Image.parse(w.image, f"{SPEC_FIELDS[c]}.image") for c, w in snapshot.workloads.items()}
        return {component: image.with_version(spec.version) for component, image in parsed.items()}
    for component in spec.images:
        if component not in snapshot.workloads:
            remedy = f"the cluster has {', '.join(snapshot.workloads)}"
            raise Refused(f"spec.target.images.{component}", spec.images[component], "no such component", remedy=remedy)
    return {c: spec.images[c] for c in COMPONENTS if c in spec.images}


def refusals(
    snapshot: Snapshot,
    spec: UpgradeSpec,
    target: dict[Component, str],
    record: Record | None,
    own: bool,
    now: float,
    lease_holder: str = "",
) -> list[Refused]:
    """Every reason not to begin, so that a person can mend them all at once. `own`: this continues an earlier run.

    `lease_holder` tells of the run that holds the lease, if one does: what it may be doing is not held against the
    cluster, because mending it would be mending that run's work.
    """
    found = _server_refusals(snapshot)
    found += _image_refusals(snapshot, spec, target)
    found += _workload_refusals(snapshot, record, target)
    state = _settings_refusals(snapshot, spec, own, free_keys(spec, record, snapshot.uid))
    unfinished = _refused_by(lambda: None if own else _unfinished_run(snapshot, record), spec, now)
    if not unfinished:
        state += _refused_by(lambda: None if own else cluster_healthy(snapshot), spec, now)
    if state and lease_holder:
        state = [_under_another(lease_holder)]
    return found + unfinished + state


def at_rest(snapshot: Snapshot, keys: tuple[str, ...]) -> bool:
    """Whether the cluster looks as if nobody worked on it: healthy, FEs that agree on `keys`, repair not off."""
    agreed = not _repair_is_off(snapshot) and not settings.drifts(snapshot, keys)
    return agreed and cluster_healthy(snapshot) is None


def _repair_is_off(snapshot: Snapshot) -> bool:
    lead = snapshot.settings.get(snapshot.leader or "")
    return lead is not None and lead.values.get(settings.REPAIR_LIMIT) == "0"


def _under_another(lease_holder: str) -> Refused:
    problem = f"another run works here: {lease_holder}; what the cluster looks like now may be its work"
    return Refused("lease", None, problem, remedy="wait for that run to end, or stop it, then run again")


def _refused_by(gate: Callable[[], Refusal | None], spec: UpgradeSpec, now: float) -> list[Refused]:
    refusal = first_refusal((gate,), spec.overrides, now)
    return [_gate_refused(refusal)] if refusal is not None else []


def _gate_refused(refusal: Refusal) -> Refused:
    remedy = {
        "cluster_healthy": "repair it first, or override the gates cluster_healthy and others_up with a reason and an "
        "end (for instance to repair it with a good image)",
        "unfinished_run": "continue that run with its own target, or override the gate unfinished_run",
    }[refusal.gate]
    return Refused(refusal.gate, refusal.subject, refusal.text, remedy=remedy)


def _server_refusals(snapshot: Snapshot) -> list[Refused]:
    match = re.match(r"v?(\d+)\.(\d+)", snapshot.server_version)
    if match and (int(match[1]), int(match[2])) >= LEAST_KUBERNETES:
        return []
    least = ".".join(map(str, LEAST_KUBERNETES))
    return [Refused("kubernetes", snapshot.server_version, f"needs at least {least}", remedy="upgrade Kubernetes")]


def _image_refusals(snapshot: Snapshot, spec: UpgradeSpec, target: dict[Component, str]) -> list[Refused]:
    found: list[Refused] = []
    for component, image in target.items():
        field = f"spec.target.images.{component}" if spec.images else "spec.target.version"
        present = snapshot.workloads[component].image
        try:
            check_image(image, field, image, spec.allow_mutable_tags)
        except Refused as refused:
            found.append(refused)
            continue
        found += _swapped(component, image, snapshot, field)
        found += _jump(image, present, field)
    return found


def _swapped(component: Component, image: str, snapshot: Snapshot, field: str) -> list[Refused]:
    """An image of another component (fe-ubuntu for a BE): it starts, and crashes or corrupts.

    Told by the repository that another component has now, or by the component's name as a word in its last element.
    """
    wanted = Image.parse(image, field)
    present = {c: Image.parse(w.image, field) for c, w in snapshot.workloads.items()}
    if wanted.repository == present[component].repository:
        return []
    others = [c for c, other in present.items() if c != component and other.repository == wanted.repository]
    words = set(re.split(r"[-_.]", wanted.basename)) & set(COMPONENTS)
    if not others and (not words or component in words):
        return []
    other = others[0] if others else sorted(words)[0]
    remedy = f"an image such as {present[component].repository}:..."
    return [Refused(field, image, f"looks like the image of {other}, not of {component}", remedy=remedy)]


def _jump(image: str, present: str, field: str) -> list[Refused]:
    before, after = Image.parse(present, field).version, Image.parse(image, field).version
    if before is None or after is None:
        return []
    jump = path.refused_jump(before, after)
    if jump:
        return [Refused(field, str(after), jump[0], remedy=jump[1])]
    forbidden = path.forbidden_downgrade(before, after)
    return [Refused(field, str(after), forbidden, remedy="choose another version")] if forbidden else []


def _workload_refusals(snapshot: Snapshot, record: Record | None, target: dict[Component, str]) -> list[Refused]:
    found: list[Refused] = []
    if snapshot.wait_for_full_rollout:
        problem = "the operator would skip BE and CN while the FE partition is above 0"
        found.append(Refused("spec.waitForFullRollout", True, problem, remedy="set it to false for the upgrade"))
    for component in target:
        workload = snapshot.workloads[component]
        if not strategy_is_ours(workload, record, snapshot.uid):
            found += _strategy_refusals(workload)
    return found


def strategies_kept(
    workloads: Mapping[Component, Workload], record: Record | None, uid: str
) -> dict[Component, dict[str, object] | None]:
    """A person's own update strategies where an earlier run's stand now, by component: those of its baseline."""
    if record is None:
        return {}
    return {
        component: record.baseline.strategies[component]
        for component, workload in workloads.items()
        if strategy_is_ours(workload, record, uid)
    }


def strategy_is_ours(workload: Workload, record: Record | None, uid: str) -> bool:
    """Whether the update strategy is one that an earlier run, which did not come to its end, has put there."""
    if record is None or record.cluster_uid != uid or record.outcome in ("succeeded", "rolled-back", "unchanged"):
        return False
    component, strategy = workload.component, workload.strategy
    if component not in record.baseline.strategies or strategy == record.baseline.strategies[component]:
        return False
    if component not in record.held and not any(record.component_of(pod) == component for pod in record.touched):
        return False
    rolling = (strategy or {}).get("rollingUpdate")
    held = (
        isinstance(rolling, dict) and set(rolling) == {"partition"} and set(strategy or {}) == {"type", "rollingUpdate"}
    )
    return held or strategy == {"type": "OnDelete"}


def _strategy_refusals(workload: Workload) -> list[Refused]:
    field = f"spec.{SPEC_FIELDS[workload.component]}.updateStrategy"
    if workload.strategy_type != "RollingUpdate":
        problem = "the partition is not honoured with this strategy"
        return [Refused(field, workload.strategy_type, problem, remedy="set RollingUpdate before the upgrade")]
    if workload.partition:
        problem = "somebody holds a partition already"
        remedy = "continue the run that set it; a partition of your own set to 0 first, which rolls the pods below it"
        return [Refused(f"{field}.rollingUpdate.partition", workload.partition, problem, remedy=remedy)]
    return []


def free_keys(spec: UpgradeSpec, record: Record | None, uid: str) -> tuple[str, ...]:
    """The settings to be switched off that no earlier run has switched off: what is seen of them is the person's."""
    owed = record.journal.open_keys if record is not None and record.cluster_uid == uid else []
    return tuple(key for key in spec.held if key not in owed)


def _settings_refusals(snapshot: Snapshot, spec: UpgradeSpec, own: bool, keys: tuple[str, ...]) -> list[Refused]:
    found: list[Refused] = []
    if own or not keys:
        return found
    for row in snapshot.frontends:
        if row.alive and row.pod not in snapshot.settings:
            why = snapshot.blind.get(f"settings:{row.pod}", "not read")
            found.append(Refused(f"settings.{row.pod}", None, why, remedy="every FE has to be read before one is set"))
    missing = settings.missing(snapshot, keys)
    remedy = "leave the hook out for this version"
    found += [
        Refused("spec.hooks", key, "this StarRocks version has no such setting", remedy=remedy) for key in missing
    ]
    keys = tuple(key for key in keys if key not in missing)
    if spec.on_drift == "refuse":
        remedy = "make the FEs agree, or set onDrift: leader to use the leader's value for all"
        found += [Refused("spec.onDrift", "refuse", str(d), remedy=remedy) for d in settings.drifts(snapshot, keys)]
    if _repair_is_off(snapshot) and settings.REPAIR_LIMIT in keys and snapshot.mode != "shared_data":
        problem = "somebody has switched tablet scheduling off already: nothing would heal between pods"
        remedy = (
            f"set {settings.REPAIR_LIMIT} to its usual value (documented default 10000), or override tablets_settled"
        )
        if "tablets_settled" not in {o.gate for o in spec.overrides}:
            found.append(Refused(settings.REPAIR_LIMIT, "0", problem, remedy=remedy))
    return found


def _unfinished_run(snapshot: Snapshot, record: Record | None) -> Refusal | None:
    if record is None or record.cluster_uid != snapshot.uid or record.phase in ("done", "restoring"):
        return None
    goal = ", ".join(f"{component} {image}" for component, image in record.target.items())
    return Refusal("unfinished_run", record.run, f"a run begun at {record.started_at} to {goal} has not ended")


def cluster_healthy(snapshot: Snapshot) -> Refusal | None:
    """Every pod is there and Ready in the image of the spec, and the leader sees every member alive."""
    for workload in snapshot.workloads.values():
        refusal = _workload_healthy(snapshot, workload)
        if refusal is not None:
            return refusal
    if snapshot.leader is None:
        return Refusal("cluster_healthy", snapshot.cluster, snapshot.blind.get("frontends", "no single alive leader"))
    if snapshot.tablets is None and "be" in snapshot.workloads and snapshot.mode != "shared_data":
        why = snapshot.blind.get("tablets", "tablet health is not known")
        return Refusal("cluster_healthy", snapshot.cluster, f"tablets not seen: {why}")
    for name in ("frontends", "backends", "compute_nodes"):
        if name in snapshot.blind:
            return Refusal("cluster_healthy", snapshot.cluster, f"{name} not seen: {snapshot.blind[name]}")
    dead = [f.pod for f in snapshot.frontends if not f.alive] + [w.pod for w in snapshot.workers if not w.alive]
    if dead:
        return Refusal("cluster_healthy", snapshot.cluster, f"not alive: {', '.join(dead)}")
    return None


def _workload_healthy(snapshot: Snapshot, workload: Workload) -> Refusal | None:
    pods = snapshot.pods_of(workload.component)
    if len(pods) != workload.replicas:
        return Refusal("cluster_healthy", workload.component, f"{len(pods)} of {workload.replicas} pods exist")
    for pod in pods:
        if not pod.ready or pod.deleting:
            return Refusal("cluster_healthy", pod.name, f"not Ready ({pod.phase})")
        if pod.image != workload.image:
            return Refusal("cluster_healthy", pod.name, f"runs {pod.image}, the spec says {workload.image}: rolling?")
        known = snapshot.frontend(pod.name) if pod.component == "fe" else snapshot.worker(pod.name)
        if known is None and LISTS[pod.component] not in snapshot.blind:
            return Refusal("cluster_healthy", pod.name, "its FE/BE/CN row is missing from the leader's list")
    return None
