# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What no snapshot can show: the record of a run, kept in one ConfigMap per cluster and shared by every front.

It is a value: each function returns a new one. Read back, it is untrusted input: `load` checks every type, every name
and every value before anything of it may enter a statement or a patch.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import digest, from_plain, to_plain
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.gate import Refusal
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.preparation import Preparation
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import Journal
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import (
    Component,
    Pod,
    Snapshot,
    Tablets,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.version import Image

SCHEMA = 1
# Events are kept for the report; the oldest go first, long before the ConfigMap's limit of 1 MiB.
MAX_EVENTS = 2000

Phase = Literal["running", "rolling-back", "restoring", "done"]
StepState = Literal["pending", "running", "done", "failed"]
Outcome = Literal["", "succeeded", "rolled-back", "frozen", "failed", "restored", "unchanged"]


@dataclass(frozen=True)
class PodState:
    """A pod as it was before or after the run."""

    component: Component
    image: str
    uid: str
    version: str | None = None
    start_time: str | None = None


@dataclass(frozen=True)
class Baseline:
    """The cluster as it was before the run: what a rollback goes back to and what gates compare with."""

    images: dict[Component, str]
    strategies: dict[Component, dict[str, object] | None]
    replicas: dict[Component, int]
    pods: dict[str, PodState]
    tablets: Tablets | None = None


@dataclass(frozen=True)
class ValueChange:
    """A setting that a hook brought from one value to another: the leader's before, and what every FE had after."""

    key: str
    before: str
    after: str


@dataclass(frozen=True)
class HookRecord:
    """How one hook went. `statements` are as they may be printed; `digest` is of what the hook does.

    `note` is what a hook that waits has to know when it is asked again.
    """

    source: str
    digest: str
    outcome: Literal["running", "done", "failed", "skipped"] = "running"
    critical: bool = True
    started_at: str = ""
    finished_at: str = ""
    attempts: int = 0
    seconds: float = 0.0
    text: str = ""
    log: str = ""
    statements: tuple[str, ...] = ()
    values: tuple[ValueChange, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class WaitRecord:
    """A wait that one pass of a reconciler left for the next; times are RFC 3339.

    `passes` is how often in a row the gates have passed, `causes` since when each keeps a pod from coming up.
    """

    since: str
    passes: int = 0
    passing_since: str = ""
    causes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StepRecord:
    """How one step went. Times are RFC 3339; `waited` maps what was waited for to seconds, `waits` what still is."""

    title: str
    kind: str
    state: StepState = "running"
    started_at: str = ""
    finished_at: str = ""
    attempts: int = 1
    text: str = ""
    waited: dict[str, float] = field(default_factory=dict)
    estimate_seconds: float = 0.0
    hooks: dict[str, HookRecord] = field(default_factory=dict)
    waits: dict[str, WaitRecord] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """One thing that happened, for the report and the status."""

    at: str
    kind: str
    text: str
    step: str = ""
    subject: str = ""
    data: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class GateRecord:
    """How a gate answered within one step."""

    name: str
    step: str
    subject: str
    verdict: Literal["passed", "refused"]
    first_at: str
    last_at: str
    evaluations: int
    text: str = ""


@dataclass(frozen=True)
class Record:
    """The record of the latest run on one cluster.

    `held` names components whose update strategy was an earlier run's, not the person's, when this run began.
    `event_count` counts all events, also those that were dropped; the first `told` of them have been told to others.
    """

    schema: int
    run: str
    cluster: str
    cluster_uid: str
    plan_hash: str
    spec_hash: str
    target: dict[Component, str]
    baseline: Baseline
    started_at: str
    phase: Phase = "running"
    outcome: Outcome = ""
    reason: str = ""
    remedy: str = ""
    finished_at: str = ""
    guard: str = ""
    journal: Journal = field(default_factory=Journal)
    touched: tuple[str, ...] = ()
    held: tuple[Component, ...] = ()
    steps: dict[str, StepRecord] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    gates: tuple[GateRecord, ...] = ()
    risks: tuple[dict[str, object], ...] = ()
    point_of_no_return: str = ""
    after: dict[str, PodState] = field(default_factory=dict)
    event_count: int = 0
    told: int = 0
    preparation: Preparation | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing is owed any more: the run ended and every setting is back."""
        return self.phase == "done" and not self.journal.open_keys

    def cut_off(self, pods: Iterable[Pod], seen: Collection[str]) -> tuple[str, ...]:
        """FEs that are not among those `seen`, but whose process may live on with our values in its memory.

        A lost node or network takes an FE from the leader's list of the living, and leaves its memory as it is. A pod
        whose container does not run, or that was made anew and never joined, comes back with what fe.conf says.
        """
        joined = {step_id.rpartition("/")[2] for step_id, step in self.steps.items() if step.state == "done"}
        known = {name for name, before in self.baseline.pods.items() if before.component == "fe"}
        return tuple(
            pod.name
            for pod in pods
            if pod.name in known - set(seen)
            and pod.phase == "Running"
            and not (pod.deleting or pod.waiting)
            and (pod.uid == self.baseline.pods[pod.name].uid or pod.name in joined)
        )

    def to_record(self) -> dict[str, object]:
        """Plain JSON values."""
        return dict(to_plain(self))

    def with_event(self, event: Event) -> Record:
        """The record with one more event."""
        return replace(self, events=(*self.events, event)[-MAX_EVENTS:], event_count=self.event_count + 1)

    @property
    def untold(self) -> tuple[tuple[int, Event], ...]:
        """The events that nobody was told of, each with its number; those dropped since are lost."""
        first = self.event_count - len(self.events)
        return tuple((first + n, event) for n, event in enumerate(self.events) if first + n >= self.told)

    def with_step(self, step_id: str, step: StepRecord) -> Record:
        """The record with this step's state."""
        return replace(self, steps={**self.steps, step_id: step})

    def with_hook(self, step_id: str, name: str, hook: HookRecord) -> Record:
        """The record with this hook's state in its step, which has begun."""
        step = self.steps[step_id]
        return self.with_step(step_id, replace(step, hooks={**step.hooks, name: hook}))

    def begun_anew(self) -> Record:
        """The record of a run that had ended, for the one that goes on with it: its hooks run again.

        What nobody knows the end of stays known.
        """
        if self.phase in ("running", "rolling-back"):
            return self
        steps = {
            step_id: replace(
                step, state="pending", hooks={n: h for n, h in step.hooks.items() if h.outcome == "running"}
            )
            if step.kind == "hook"
            else step
            for step_id, step in self.steps.items()
        }
        return replace(self, steps=steps)

    def with_answer(self, gate: str, step: str, at: str, refusal: Refusal | None) -> Record:
        """The record with one more answer of a gate in a step; the last words of a refusal stay when it passes."""
        known = next((g for g in self.gates if (g.name, g.step) == (gate, step)), None)
        entry = known or GateRecord(gate, step, "", "passed", at, at, 0)
        entry = replace(
            entry,
            verdict="passed" if refusal is None else "refused",
            subject=refusal.subject if refusal else entry.subject,
            text=refusal.text if refusal else entry.text,
            last_at=at,
            evaluations=entry.evaluations + 1,
        )
        others = tuple(g for g in self.gates if (g.name, g.step) != (gate, step))
        return replace(self, gates=(*others, entry))

    def with_touched(self, pod: str) -> Record:
        """The record with the intent to change this pod; written before the change is made."""
        return self if pod in self.touched else replace(self, touched=(*self.touched, pod))

    @property
    def frontend_touched(self) -> bool:
        """Whether an FE may already run the new version: the point of no return has been passed."""
        return any(self.component_of(pod) == "fe" for pod in self.touched)

    def component_of(self, pod: str) -> Component | None:
        """The component a pod name of this cluster belongs to."""
        match = re.fullmatch(rf"{re.escape(self.cluster)}-(fe|be|cn)-(0|[1-9][0-9]{{0,4}})", pod)
        if not match:
            return None
        return "fe" if match[1] == "fe" else "be" if match[1] == "be" else "cn"


def load(data: Mapping[str, object], *, cluster: str) -> Record:
    """The record from what the ConfigMap held, with everything checked; refused when anything is not as we write it."""
    if data.get("schema") != SCHEMA:
        remedy = "use the release of this collection that wrote it, or restore by hand and delete the ConfigMap"
        raise Refused("record.schema", data.get("schema"), f"expected {SCHEMA}", remedy=remedy)
    record = from_plain(Record, data, "record")
    if record.cluster != cluster:
        raise Refused("record.cluster", record.cluster, f"not the record of {cluster}", remedy="delete the ConfigMap")
    if len(set(record.touched)) != len(record.touched):
        raise Refused("record.touched", list(record.touched), "a pod twice", remedy="delete the ConfigMap")
    names = {*record.touched, *record.baseline.pods, *record.after}
    for pod in names:
        if record.component_of(pod) is None:
            raise Refused("record.touched", pod, f"not a pod of {cluster}", remedy="delete the ConfigMap")
    for path, images in (("record.target", record.target), ("record.baseline.images", record.baseline.images)):
        for component, image in images.items():
            Image.parse(image, f"{path}.{component}")
    for component, strategy in record.baseline.strategies.items():
        _check_strategy(component, strategy)
    _check_steps(record)
    if plan_hash(record.spec_hash, record.cluster_uid, record.baseline) != record.plan_hash:
        remedy = "somebody edited the record: restore by hand, then delete the ConfigMap"
        raise Refused("record.plan_hash", record.plan_hash, "does not fit the rest of the record", remedy=remedy)
    return replace(record, journal=record.journal.validated())


def _check_steps(record: Record) -> None:
    """Refuse moments that nobody can reckon with, and hooks of which nobody knows which comes first."""
    for path, moment in _moments(record):
        _check_moment(path, moment)
    for step_id in record.steps:
        if step_id.startswith("pre/") and not re.match(r"pre/[0-9]{1,4}-", step_id):
            raise Refused("record.steps", step_id, "not a step of hooks", remedy="delete the ConfigMap")


def _moments(record: Record) -> Iterator[tuple[str, str]]:
    """The moments that are reckoned with, each with its path; empty ones have not come yet."""
    state = record.preparation
    if state is not None:
        yield from (
            (f"record.preparation.{name}", getattr(state, name)) for name in ("armed_at", "prepared_at", "latest_at")
        )
    for step_id, step in record.steps.items():
        for name, hook in step.hooks.items():
            yield f"record.steps.{step_id}.hooks.{name}.started_at", hook.started_at
        for what, wait in step.waits.items():
            path = f"record.steps.{step_id}.waits.{what}"
            # Only whoever has not passed yet has no moment.
            known = (wait.since, *wait.causes.values(), *([wait.passing_since] if wait.passes else []))
            yield from ((path, moment or "missing") for moment in known)


def _check_moment(path: str, moment: str) -> None:
    try:
        aware = not moment or datetime.fromisoformat(moment).tzinfo is not None
    except ValueError:
        aware = False
    if not aware:
        raise Refused(path, moment, "not a moment in RFC 3339", remedy="restore by hand and delete the ConfigMap")


def _check_strategy(component: str, strategy: dict[str, object] | None) -> None:
    if strategy is None:
        return
    rolling = strategy.get("rollingUpdate") or {}
    fits = strategy.get("type", "RollingUpdate") in ("RollingUpdate", "OnDelete") and isinstance(rolling, dict)
    extra = set(strategy) - {"type", "rollingUpdate"}
    if not fits or extra or not _is_rolling(rolling):
        path = f"record.baseline.strategies.{component}"
        raise Refused(path, strategy, "not an update strategy", remedy="restore by hand and delete the ConfigMap")


def _is_rolling(rolling: object) -> bool:
    if not isinstance(rolling, dict) or set(rolling) - {"partition", "maxUnavailable"}:
        return False
    partition, most = rolling.get("partition", 0), rolling.get("maxUnavailable", 1)
    whole = isinstance(partition, int) and not isinstance(partition, bool) and partition >= 0
    return whole and (isinstance(most, int) or (isinstance(most, str) and re.fullmatch(r"\d{1,3}%", most) is not None))


def plan_hash(spec_hash: str, cluster_uid: str, baseline: Baseline) -> str:
    """Identity of what is going to be done: the request, the cluster, and the images and sizes it started from."""
    return digest([spec_hash, cluster_uid, to_plain(baseline.images), to_plain(baseline.replicas)])


def pod_states(snapshot: Snapshot) -> dict[str, PodState]:
    """Every pod with what the leader says of it."""
    pods = {}
    for pod in snapshot.pods:
        row = snapshot.frontend(pod.name) if pod.component == "fe" else snapshot.worker(pod.name)
        version, start = (row.version, row.start_time) if row else (None, None)
        pods[pod.name] = PodState(pod.component, pod.image, pod.uid, version, start)
    return pods


def baseline_of(snapshot: Snapshot) -> Baseline:
    """The baseline of a cluster that no unfinished run has touched."""
    return Baseline(
        images={c: w.image for c, w in snapshot.workloads.items()},
        strategies={c: w.strategy for c, w in snapshot.workloads.items()},
        replicas={c: w.replicas for c, w in snapshot.workloads.items()},
        pods=pod_states(snapshot),
        tablets=snapshot.tablets,
    )
