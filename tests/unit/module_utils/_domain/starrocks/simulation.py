# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster in memory that does what the operator, the StatefulSet controller and the FEs do, driven by plans.

The operator passes image and update strategy of the custom resource on. The controller replaces, highest ordinal first,
every pod from the partition on that is not of the update revision, and with OnDelete none; a pod that has to be made
anew gets the update revision from the partition on and the current revision below it. An FE that restarts has its
settings from fe.conf, and when it led another one is elected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import settings
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.changes import step_patch, strategy_patch
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import Plan, Step
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.preflight import SPEC_FIELDS
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import (
    SCHEMA,
    Record,
    StepRecord,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import (
    Component,
    Pod,
    Snapshot,
    Workload,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.spec import UpgradeSpec
from ansible_collections.steady.rollout.plugins.module_utils._domain.version import Image

from .builders import DEFAULTS, Cluster, component_of, image

Strategy = dict[str, Any] | None


class Crashed(Exception):
    """The runner is gone."""


class Moved(Exception):
    """The pod that is next has become the leader: the runner plans anew."""


@dataclass(frozen=True)
class Restart:
    """One pod that went down: during which step, whether it led then, and who else was down at that moment."""

    pod: str
    step: str
    led: bool
    also_down: tuple[str, ...]


@dataclass
class Simulation:
    """The cluster and the record beside it. Everything here survives a crash of the runner."""

    cluster: Cluster
    random: Random
    record: Record | None = None
    restarts: list[Restart] = field(default_factory=list)
    unsettled: set[str] = field(default_factory=set)
    clock: int = 0
    current: dict[Component, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.current = {c: w.image for c, w in self.cluster.snapshot.workloads.items()}

    @property
    def snapshot(self) -> Snapshot:
        """What a look at the cluster shows."""
        return self.cluster.snapshot

    @property
    def images(self) -> dict[str, str]:
        """The image of every pod."""
        return {pod.name: pod.image for pod in self.snapshot.pods}

    @property
    def strategies(self) -> dict[Component, Strategy]:
        """The update strategies of the custom resource."""
        return {c: w.strategy for c, w in self.snapshot.workloads.items()}

    # -- Kubernetes ----------------------------------------------------------------------------------------------

    def patch(self, component: Component, operations: list[dict[str, object]], step: str) -> None:
        """Apply a JSON patch to the component's spec as the API server does, then let the controller work."""
        workload = self.snapshot.workloads[component]
        prefix = f"/spec/{SPEC_FIELDS[component]}/"
        for operation in operations:
            workload = _patched(workload, str(operation["path"]).removeprefix(prefix), operation, self.snapshot.uid)
        self.cluster = self.cluster.having(workloads={**self.snapshot.workloads, component: workload})
        self.roll(component, step)

    def roll(self, component: Component, step: str) -> None:
        """Replace, one after the other, all pods that the controller would."""
        workload = self.snapshot.workloads[component]
        if workload.strategy_type == "OnDelete":
            return
        for ordinal in range(workload.replicas - 1, workload.partition - 1, -1):
            pod = self.snapshot.pod(f"prod-{component}-{ordinal}")
            if pod is not None and pod.image != workload.image:
                self.restart(pod.name, step)
        self._complete(component)

    def _complete(self, component: Component) -> None:
        workload = self.snapshot.workloads[component]
        if all(pod.image == workload.image and pod.ready for pod in self.snapshot.pods_of(component)):
            self.current[component] = workload.image

    def restart(self, name: str, step: str) -> None:
        """The pod goes down and comes back."""
        self.lose(name, step)
        self.make(name)

    def lose(self, name: str, step: str) -> None:
        """The pod goes down; when it led, another FE is elected."""
        led = self.snapshot.leader == name
        down = tuple(p.name for p in self.snapshot.pods if not p.ready and p.name != name)
        self.restarts.append(Restart(name, step, led, (*down, *(n for n in self._missing() if n != name))))
        self.cluster = self.cluster.without_pod(name).row(name, alive=False)
        if led:
            heirs = sorted(f.pod for f in self.snapshot.frontends if f.alive)
            self.cluster = self.cluster.leader(self.random.choice(heirs) if heirs else name)

    def make(self, name: str) -> None:
        """The controller makes a pod that does not exist, from the revision that its ordinal asks for."""
        component = component_of(name)
        workload, ordinal = self.snapshot.workloads[component], int(name.rsplit("-", 1)[1])
        below = workload.strategy_type == "RollingUpdate" and ordinal < workload.partition
        wanted = self.current[component] if below else workload.image
        self.clock += 1
        start = f"2026-11-21 07:{self.clock // 60:02}:{self.clock % 60:02}"
        version = str(Image.parse(wanted, "image").version)
        pod = Pod(name, component, ordinal, f"{name}-{self.clock}", wanted, "Running", True)
        self.cluster = self.cluster.having(pods=(*self.snapshot.pods, pod))
        self.cluster = self.cluster.row(name, alive=True, version=version, start_time=start)
        if component == "fe":
            views = self.snapshot.settings
            fresh = replace(views[name], start_time=start, values=dict(DEFAULTS))
            self.cluster = self.cluster.having(settings={**views, name: fresh})

    def _missing(self) -> list[str]:
        names = [f"prod-{c}-{n}" for c, w in self.snapshot.workloads.items() for n in range(w.replicas)]
        return [name for name in names if self.snapshot.pod(name) is None]

    def crash_loop(self, name: str, before: str) -> None:
        """The pod's image has never worked, so its rollout has not ended: the current revision is that of before."""
        self.cluster = self.cluster.pod(name, ready=False).row(name, alive=False)
        component = component_of(name)
        self.current[component] = image(component, before)

    def heal(self) -> None:
        """The controller makes the pods that are missing; they become ready."""
        for name in self._missing():
            self.make(name)

    # -- StarRocks -----------------------------------------------------------------------------------------------

    def seen(self) -> dict[str, Any]:
        """The settings of the FEs that are alive."""
        alive = {row.pod for row in self.snapshot.frontends if row.alive}
        return {pod: view for pod, view in self.snapshot.settings.items() if pod in alive}

    def set(self, values: dict[str, str]) -> None:
        """ADMIN SET on the leader: it reaches every FE that is alive."""
        self.cluster = self.cluster.settings(*self.seen(), **values)


def _patched(workload: Workload, path: str, operation: dict[str, Any], uid: str) -> Workload:
    there: dict[str, object] = {
        "/metadata/uid": uid,
        "image": workload.image,
        "updateStrategy": workload.strategy,
    }
    if operation["op"] == "test":
        assert there[path] == operation["value"], f"precondition of {path}"
        return workload
    if path == "image":
        return replace(workload, image=operation["value"])
    assert path == "updateStrategy"
    assert operation["op"] != "remove" or workload.strategy is not None
    strategy: Strategy = None if operation["op"] == "remove" else operation["value"]
    rolling = (strategy or {}).get("rollingUpdate") or {}
    kind = str((strategy or {}).get("type") or "RollingUpdate")
    return replace(workload, strategy=strategy, strategy_type=kind, partition=int(rolling.get("partition") or 0))


@dataclass
class Runner:
    """Carries out plans on a simulation in the order the engine does; `edge` is called wherever a kill may come."""

    world: Simulation
    spec: UpgradeSpec
    edge: Callable[[str], None] = lambda _name: None

    def carry_out(self, plan: Plan) -> None:
        """All steps that are not done."""
        for step in plan.steps:
            if not step.done:
                self.edge(f"before {step.id}")
                self._actions(plan)[step.kind](step)

    def _actions(self, plan: Plan) -> dict[str, Callable[[Step], None]]:
        return {
            "begin": lambda step: self._begin(plan),
            "upgrade-pod": lambda step: self._replace(plan, step),
            "rollback-pod": lambda step: self._replace(plan, step),
            "transfer-leader": self._transfer,
            "restore": lambda step: self._restore(plan),
        }

    def _begin(self, plan: Plan) -> None:
        world = self.world
        record = world.record
        if record is None or record.finished or record.plan_hash != plan.hash:
            record = Record(
                schema=SCHEMA,
                run="run",
                cluster=plan.cluster,
                cluster_uid=world.snapshot.uid,
                plan_hash=plan.hash,
                spec_hash=self.spec.hash,
                target=plan.images_to,
                baseline=plan.baseline,
                started_at="2026-11-21T06:00:00.000Z",
            )
        world.heal()
        snapshot = replace(world.snapshot, settings=world.seen())
        journal = settings.open_journal(snapshot, plan.keys, record.journal)
        world.record = replace(record, journal=settings.note_restarts(journal, world.seen()), phase="running")
        self.edge("journal written")
        self._hold()

    def _hold(self) -> None:
        world = self.world
        assert world.record is not None
        world.record = replace(world.record, journal=settings.note_restarts(world.record.journal, world.seen()))
        for key, value in settings.to_set(settings.wanted(world.record.journal, window=False), world.seen()).items():
            world.set({key: value})
            self.edge(f"set {key}")

    def _replace(self, plan: Plan, step: Step) -> None:
        world = self.world
        assert world.record is not None
        assert step.component is not None
        if step.kind == "upgrade-pod":
            world.heal()
            self._check_leader_last(plan, step)
            self._check_settled(step)
        self._hold()
        old = world.snapshot.pod(step.pod)
        world.record = replace(
            world.record.with_touched(step.pod).with_step(step.id, StepRecord(step.title, step.kind)),
            phase="rolling-back" if step.kind == "rollback-pod" else "running",
        )
        self.edge(f"intent {step.id}")
        patch = step_patch(world.snapshot.workloads[step.component], step, world.snapshot.uid, plan.baseline)
        world.patch(step.component, patch, step.id)
        self.edge(f"patched {step.id}")
        present = world.snapshot.pod(step.pod)
        if step.means != "partition" and old is not None and present == old and old.image != step.image:
            world.restart(step.pod, step.id)
        world.heal()
        self._come_up(step)
        self.edge(f"up {step.id}")
        if step.component == "fe":
            self._hold()
        world.unsettled.discard(step.pod)
        done = replace(world.record.steps[step.id], state="done")
        world.record = world.record.with_step(step.id, done)
        self.edge(f"settled {step.id}")

    def _come_up(self, step: Step) -> None:
        pod = self.world.snapshot.pod(step.pod)
        assert pod is not None
        assert pod.image == step.image, f"{step.pod} came back with {pod.image}"
        self.world.cluster = self.world.cluster.pod(step.pod, ready=True).row(step.pod, alive=True)
        self.world.unsettled.add(step.pod)

    def _check_settled(self, step: Step) -> None:
        pod = self.world.snapshot.pod(step.pod)
        if pod is not None and pod.image != step.image:
            assert self.world.unsettled <= {step.pod}, f"{step.pod} goes down before {self.world.unsettled} settled"

    def _check_leader_last(self, plan: Plan, step: Step) -> None:
        pod = self.world.snapshot.pod(step.pod)
        later = [s for s in plan.steps if s.component == "fe" and s.kind == "upgrade-pod" and not s.done]
        is_last = later and later[-1].id == step.id
        planned = "leader-restart" in self.spec.acknowledge and step.means == "partition"
        old = pod is not None and pod.image != step.image
        if self.world.snapshot.leader == step.pod and old and not is_last and not planned:
            raise Moved(step.pod)

    def _transfer(self, step: Step) -> None:
        self.world.heal()
        self.world.cluster = self.world.cluster.leader(step.pod)

    def _restore(self, plan: Plan) -> None:
        world = self.world
        assert world.record is not None
        world.heal()
        world.record = replace(world.record, journal=settings.note_restarts(world.record.journal, world.seen()))
        values = settings.restored_values(world.record.journal, world.seen())
        for key, value in settings.to_set(values, world.seen()).items():
            world.set({key: value})
            self.edge(f"restored {key}")
        for component in tuple(world.snapshot.workloads):
            world.patch(component, strategy_patch(world.snapshot, component, plan.baseline), "restore")
            self.edge(f"strategy {component}")
        journal = settings.settle(world.record.journal, world.seen(), ())
        outcome: Any = "rolled-back" if plan.direction == "rollback" else "succeeded"
        world.record = replace(world.record, journal=journal, phase="done", outcome=outcome)


def countdown(edges: int) -> Callable[[str], None]:
    """An edge function that kills the runner at the n-th edge it comes to."""
    left: Iterator[int] = iter(range(edges, -1, -1))

    def edge(name: str) -> None:
        if next(left, -1) == 0:
            raise Crashed(name)

    return edge
