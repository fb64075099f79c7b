# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A healthy cluster in one line, and how one made of it differs: small values that each method copies with a change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import settings

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.gates import GateLimits, Target
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import (
    SCHEMA,
    Record,
    baseline_of,
    plan_hash,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import SETTINGS
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import (
    COMPONENTS,
    Component,
    Frontend,
    FrontendSettings,
    Pod,
    Snapshot,
    Tablets,
    Worker,
    Workload,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.spec import UpgradeSpec, parse_spec

NOW = 1_795_000_000.0
OLD_START = "2026-11-01 06:00:00"
NEW_START = "2026-11-21 06:00:00"
DEFAULTS = {key: setting.documented for key, setting in SETTINGS.items()}
QUIESCED = {key: setting.off for key, setting in SETTINGS.items()}
QUIET = Tablets(total=1000, unhealthy=0, inconsistent=0, cloning=0, error_state=0, pending=0, running=0)


def examples(count: int) -> settings:
    """Settings of a property: so many examples, the same ones on every machine and in every run."""
    return settings(max_examples=count, derandomize=True, deadline=None)


def image(component: Component, version: str) -> str:
    """The image of a component at a version."""
    return f"starrocks/{component}-ubuntu:{version}"


def component_of(pod: str) -> Component:
    """The component in a pod's name."""
    return next(c for c in COMPONENTS if f"-{c}-" in pod)


@dataclass(frozen=True)
class Cluster:
    """A snapshot under construction."""

    snapshot: Snapshot

    def having(self, **changes: Any) -> Cluster:
        """Other fields of the snapshot itself."""
        return Cluster(replace(self.snapshot, **changes))

    def leader(self, pod: str) -> Cluster:
        """That FE leads; the others follow."""
        rows = (replace(f, role="LEADER" if f.pod == pod else "FOLLOWER") for f in self.snapshot.frontends)
        return self.having(frontends=tuple(rows))

    def pod(self, name: str, **changes: Any) -> Cluster:
        """Other fields of one pod."""
        return self.having(pods=tuple(replace(p, **changes) if p.name == name else p for p in self.snapshot.pods))

    def row(self, name: str, **changes: Any) -> Cluster:
        """Other fields of the FE, BE or CN row of one pod."""
        there = self.snapshot
        return self.having(
            frontends=tuple(replace(f, **changes) if f.pod == name else f for f in there.frontends),
            workers=tuple(replace(w, **changes) if w.pod == name else w for w in there.workers),
        )

    def without_pod(self, name: str) -> Cluster:
        """The pod does not exist."""
        return self.having(pods=tuple(p for p in self.snapshot.pods if p.name != name))

    def without_row(self, name: str) -> Cluster:
        """The leader does not list the pod."""
        return self.having(
            frontends=tuple(f for f in self.snapshot.frontends if f.pod != name),
            workers=tuple(w for w in self.snapshot.workers if w.pod != name),
        )

    def workload(self, component: Component, **changes: Any) -> Cluster:
        """Other fields of a component's workload."""
        there = self.snapshot.workloads
        return self.having(workloads={**there, component: replace(there[component], **changes)})

    def settings(self, *pods: str, **values: str) -> Cluster:
        """Other values of settings, on some FEs or on all of them."""
        views = dict(self.snapshot.settings)
        for pod in pods or tuple(views):
            views[pod] = replace(views[pod], values={**views[pod].values, **values})
        return self.having(settings=views)

    def unread(self, pod: str, why: str = "timed out") -> Cluster:
        """The settings of that FE could not be read."""
        views = {name: view for name, view in self.snapshot.settings.items() if name != pod}
        return self.having(settings=views).blind(f"settings:{pod}", why)

    def unset(self, pod: str, key: str) -> Cluster:
        """That FE did not answer for one setting."""
        view = self.snapshot.settings[pod]
        values = {name: value for name, value in view.values.items() if name != key}
        return self.having(settings={**self.snapshot.settings, pod: replace(view, values=values)})

    def tablets(self, **changes: int) -> Cluster:
        """Other counts of tablets."""
        return self.having(tablets=replace(self.snapshot.tablets or QUIET, **changes))

    def blind(self, what: str, why: str = "timed out") -> Cluster:
        """Something could not be seen."""
        return self.having(blind={**self.snapshot.blind, what: why})

    def upgraded(self, name: str, version: str) -> Cluster:
        """That pod was replaced by one of another version and is back."""
        new = image(component_of(name), version)
        return self.pod(name, image=new, uid=f"{name}-new").row(name, version=version, start_time=NEW_START)


def a_cluster(fe: int = 3, be: int = 3, cn: int = 0, version: str = "3.3.1") -> Cluster:
    """A healthy cluster called prod whose leader is its FE 0."""
    sizes: dict[Component, int] = {"fe": fe, "be": be, "cn": cn}
    names = {c: [f"prod-{c}-{n}" for n in range(size)] for c, size in sizes.items() if size}
    pods = tuple(
        Pod(name, c, n, f"{name}-old", image(c, version), "Running", True)
        for c, those in names.items()
        for n, name in enumerate(those)
    )
    fronts = tuple(Frontend(name, "FOLLOWER", True, True, 5000, OLD_START, version) for name in names["fe"])
    workers = tuple(
        Worker(pod.name, pod.component, True, OLD_START, version) for pod in pods if pod.component in ("be", "cn")
    )
    snapshot = Snapshot(
        cluster="prod",
        namespace="starrocks",
        uid="cluster-uid",
        resource_version="1",
        phase="running",
        workloads={c: Workload(c, image(c, version), len(those)) for c, those in names.items()},
        pods=pods,
        frontends=fronts,
        workers=workers,
        settings={f.pod: FrontendSettings(f.pod, f.start_time, dict(DEFAULTS)) for f in fronts},
        tablets=QUIET,
        server_version="v1.36.0",
    )
    return Cluster(snapshot).leader("prod-fe-0")


def a_spec(version: str = "3.3.2", **fields: Any) -> UpgradeSpec:
    """A request for a version; `fields` are those of the document."""
    target = {} if "target" in fields else {"target": {"version": version}}
    return parse_spec({"clusterRef": {"name": "prod"}, **target, **fields}, namespace="starrocks")


def a_target(pod: str, version: str = "3.3.2", **changes: Any) -> Target:
    """What a pod has to become."""
    component = component_of(pod)
    target = Target(
        pod=pod,
        component=component,
        image=image(component, version),
        old_uid=f"{pod}-old",
        old_start_time=OLD_START,
        baseline_tablets=QUIET,
        limits=GateLimits(settle_seconds=0),
    )
    return replace(target, **changes)


def a_record(snapshot: Snapshot, spec: UpgradeSpec, *touched: str, **changes: Any) -> Record:
    """The record of a run of `spec` that began at `snapshot`."""
    baseline = baseline_of(snapshot)
    record = Record(
        schema=SCHEMA,
        run="rollout-1",
        cluster=snapshot.cluster,
        cluster_uid=snapshot.uid,
        plan_hash=plan_hash(spec.hash, snapshot.uid, baseline),
        spec_hash=spec.hash,
        target={c: image(c, spec.version) for c in snapshot.workloads} if spec.version else dict(spec.images),
        baseline=baseline,
        started_at="2026-11-21T06:00:00.000Z",
        touched=touched,
    )
    return replace(record, **changes)
