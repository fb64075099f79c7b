# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""From a snapshot and a request to an ordered list of steps with reasons, risks and an estimate. Pure.

The same function plans a fresh upgrade, the rest of one that was killed, and the downgrade that a request for an older
version is: what is done already is seen in the snapshot, never remembered.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import digest, to_plain
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import leader, path, settings
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.entries import Stage
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.judge import (
    hook_refusals,
    hook_risks,
    is_done,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.resolve import (
    HookPlan,
    PlannedHook,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.preflight import (
    free_keys,
    refusals,
    resolve_images,
    strategies_kept,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import (
    Baseline,
    Record,
    baseline_of,
    plan_hash,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import (
    Component,
    Pod,
    Snapshot,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.spec import UpgradeSpec
from ansible_collections.steady.rollout.plugins.module_utils._domain.version import Image, Version

UPGRADE_ORDER: tuple[Component, ...] = ("be", "cn", "fe")
DOWNGRADE_ORDER: tuple[Component, ...] = ("fe", "be", "cn")
DEFAULT_POD_SECONDS = 60.0
HOOK_SECONDS = 1.0
NO_HOOKS = HookPlan()

Kind = Literal["begin", "hook", "upgrade-pod", "transfer-leader", "rollback-pod", "restore"]
Means = Literal["partition", "delete", "hold"]
Direction = Literal["upgrade", "downgrade", "rollback", "restore", "release"]


@dataclass(frozen=True)
class Step:
    """One step. `means` says how a pod is replaced.

    `partition`: the StatefulSet's partition is lowered to it. `delete`: it is deleted, under OnDelete. `hold`: it is
    deleted while the partition holds every pod, so that no other one moves. `hooks` are those of a step of that kind,
    which run at the same time where there are several.
    """

    id: str
    kind: Kind
    title: str
    reason: str
    estimate_seconds: float
    component: Component | None = None
    pod: str = ""
    ordinal: int = 0
    image: str = ""
    hooks: tuple[PlannedHook, ...] = ()
    means: Means = "partition"
    last_of_component: bool = False
    done: bool = False

    @property
    def going_back(self) -> bool:
        """Whether its pod goes back to the image it had before the run."""
        return self.kind == "rollback-pod"


@dataclass(frozen=True)
class Risk:
    """Something a person should know before it begins; `acknowledge` is the word that accepts it, if it needs one."""

    name: str
    level: Literal["info", "warning", "danger"]
    text: str
    acknowledge: str = ""
    acknowledged: bool = False


@dataclass(frozen=True)
class Plan:
    """What will be done. `refusals` is empty exactly when it may be; `keys` are the settings the hooks switch off."""

    cluster: str
    namespace: str
    direction: Direction
    hash: str
    approval: str
    images_from: dict[Component, str]
    images_to: dict[Component, str]
    steps: tuple[Step, ...]
    risks: tuple[Risk, ...]
    keys: tuple[str, ...]
    baseline: Baseline
    held: dict[str, str] = field(default_factory=dict)
    refusals: tuple[Refused, ...] = ()
    point_of_no_return: str = ""
    continues: str = ""
    freeze: str = ""
    remedy: str = ""

    def to_plain(self) -> dict[str, object]:
        """Plain JSON values; refusals are left out, because a plan that has any is not carried out."""
        return dict(to_plain(replace(self, refusals=())))

    def step(self, step_id: str) -> Step:
        """The step of that id; Refused when the plan has none such."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise Refused("step", step_id, "not a step of this plan", remedy=f"one of {[s.id for s in self.steps]}")

    @property
    def estimate_seconds(self) -> float:
        """Seconds the steps that are not done yet may take."""
        return sum(step.estimate_seconds for step in self.steps if not step.done)


def plan_upgrade(
    snapshot: Snapshot,
    spec: UpgradeSpec,
    record: Record | None,
    now: float,
    *,
    hooks: HookPlan = NO_HOOKS,
    under_way: bool = False,
    lease_holder: str = "",
) -> Plan:
    """The plan for `spec`. A plan with refusals is still whole, so that a person sees both.

    `under_way`: the run has begun and plans its rest, so what only matters before the first touch is not asked.
    `lease_holder` says who holds the lease at this moment, if anybody does. `hooks` are those of spec.stages.
    """
    target = resolve_images(snapshot, spec)
    own = continued(record, spec, snapshot.uid)
    if own is not None and own.phase == "rolling-back":
        return plan_rollback(snapshot, own, spec, hooks)
    baseline = own.baseline if own else _fresh_baseline(snapshot, record)
    direction = direction_of(baseline.images, target)
    pods, fronts = _pod_steps(snapshot, spec, target, direction, own)
    owed = record is not None and record.cluster_uid == snapshot.uid and not record.finished
    steps: tuple[Step, ...] = ()
    if any(not step.done for step in pods) or (pods and owed):
        before, after = _hook_steps("pre", hooks, own), _hook_steps("post", hooks, own)
        steps = (_begin(spec), *before, *pods, *after, _restore("restore the settings, release the lease"))
    elif owed and record is not None:
        return plan_restore(snapshot, record)
    risks = _risks(snapshot, spec, baseline, target, fronts, free_keys(spec, record, snapshot.uid))
    risks += tuple(Risk(name, "warning", text) for name, text in hook_risks(hooks))
    if lease_holder and not under_way:
        text = f"{lease_holder}; this run first watches whether that one is alive, and is refused when it is"
        risks = (*risks, Risk("lease-held", "warning", text))
    return Plan(
        cluster=snapshot.cluster,
        namespace=snapshot.namespace,
        direction=direction,
        hash=plan_hash(spec.hash, snapshot.uid, baseline),
        approval=_approval(snapshot, spec, baseline, steps, hooks),
        images_from=baseline.images,
        images_to=target,
        steps=steps,
        risks=risks,
        refusals=tuple(
            [
                *refusals(snapshot, spec, target, record, own is not None or under_way, now, lease_holder),
                *_unacknowledged(risks),
                *_leader_refusals(fronts),
            ]
            if any(not step.done for step in pods)
            else ()
        )
        + tuple(
            hook_refusals(hooks, snapshot, direction, baseline.images, target, own, under_way=under_way)
            if any(not step.done for step in steps)
            else ()
        ),
        keys=tuple(spec.held),
        held=spec.held,
        baseline=baseline,
        point_of_no_return=next((s.id for s in steps if s.component == "fe" and s.kind == "upgrade-pod"), ""),
        continues=own.run if own else "",
    )


def _approval(
    snapshot: Snapshot, spec: UpgradeSpec, baseline: Baseline, steps: tuple[Step, ...], hooks: HookPlan
) -> str:
    """What a person approves: the whole request, every step in its order, and what the hooks do."""
    identity = plan_hash(spec.hash, snapshot.uid, baseline)
    done = [hook.digest for hook in hooks.hooks]
    return digest([to_plain(spec), identity, [[s.id, s.means] for s in steps], done])


def _hook_steps(stage: Stage, hooks: HookPlan, record: Record | None) -> tuple[Step, ...]:
    """The steps of a stage; those that an earlier runner of this run has brought to their end are done."""
    return tuple(
        Step(
            step_id,
            "hook",
            f"{stage} {'hooks' if len(group) > 1 else 'hook'} {', '.join(hook.name for hook in group)}",
            _HOOK_REASONS[stage],
            HOOK_SECONDS,
            hooks=group,
            done=is_done(record, step_id, group),
        )
        for step_id, group in hooks.groups(stage)
    )


_HOOK_REASONS: dict[Stage, str] = {
    "pre": "before the first pod",
    "post": "after the last pod",
    "rollback": "on the way back, after the pods",
}


def continued(record: Record | None, spec: UpgradeSpec, uid: str) -> Record | None:
    """The record when it is this very request, not brought to its end: then this run continues it."""
    if record is None or record.cluster_uid != uid or record.outcome in ("succeeded", "rolled-back", "unchanged"):
        return None
    return record if record.plan_hash == plan_hash(spec.hash, uid, record.baseline) else None


def _fresh_baseline(snapshot: Snapshot, record: Record | None) -> Baseline:
    """The cluster as it is; but an update strategy that an earlier, unfinished run put in place is not the person's."""
    baseline, theirs = baseline_of(snapshot), strategies_kept(snapshot.workloads, record, snapshot.uid)
    return replace(baseline, strategies={**baseline.strategies, **theirs})


def direction_of(images_from: dict[Component, str], images_to: dict[Component, str]) -> Direction:
    """Downgrade when some component goes to an older version; anything else is an upgrade."""
    for component, image in images_to.items():
        before, after = _version(images_from.get(component, "")), _version(image)
        if before and after and after < before:
            return "downgrade"
    return "upgrade"


def _version(image: str) -> Version | None:
    return Image.parse(image, "image").version if image else None


def _pod_steps(
    snapshot: Snapshot, spec: UpgradeSpec, target: dict[Component, str], direction: Direction, own: Record | None
) -> tuple[tuple[Step, ...], leader.LeaderPlan | None]:
    steps: list[Step] = []
    fronts = None
    for component in UPGRADE_ORDER if direction == "upgrade" else DOWNGRADE_ORDER:
        image = target.get(component)
        if image is None:
            continue
        pods = _all_pods(snapshot, component)
        pending = tuple(p for p in pods if _needs(p, image, own))
        done = tuple(p for p in pods if p not in pending)
        if component == "fe":
            fronts = leader.plan_leader(
                snapshot, pending, spec.leader_strategy, accepted="leader-restart" in spec.acknowledge
            )
        order = fronts.order if component == "fe" and fronts else tuple(sorted(pending, key=lambda p: -p.ordinal))
        if own or pending:
            steps += [_pod_step(p, image, snapshot, spec, done=True) for p in sorted(done, key=lambda p: -p.ordinal)]
        if component == "fe" and fronts and fronts.means == "transfer":
            steps.append(_transfer(order[-1], fronts.text))
        means: Means = "delete" if component == "fe" and fronts and fronts.means == "on-delete" else "partition"
        steps += _pending_steps(order, image, snapshot, spec, means)
    return tuple(steps), fronts


def _all_pods(snapshot: Snapshot, component: Component) -> tuple[Pod, ...]:
    """Every pod the component should have; one that does not exist at this moment stands in without an image."""
    names = [f"{snapshot.cluster}-{component}-{n}" for n in range(snapshot.workloads[component].replicas)]
    return tuple(snapshot.pod(name) or _missing(name, component) for name in names)


def _missing(name: str, component: Component) -> Pod:
    return Pod(name, component, int(name.rsplit("-", 1)[1]), "", "", "gone", False)


def _needs(pod: Pod, image: str, own: Record | None) -> bool:
    """Whether a pod is still to be done: also one that was replaced, when the run died before its gates had passed."""
    if pod.image != image:
        return True
    if own is None or pod.name not in own.touched:
        return False
    step = own.steps.get(_step_id(pod))
    return not pod.ready or step is None or step.state != "done"


def _step_id(pod: Pod) -> str:
    return f"{pod.component}/{pod.name}"


def _pending_steps(
    order: tuple[Pod, ...], image: str, snapshot: Snapshot, spec: UpgradeSpec, means: Means
) -> list[Step]:
    steps = [replace(_pod_step(pod, image, snapshot, spec, done=False), means=means) for pod in order]
    if steps:
        steps[-1] = replace(steps[-1], last_of_component=True)
    return steps


def _pod_step(pod: Pod, image: str, snapshot: Snapshot, spec: UpgradeSpec, *, done: bool) -> Step:
    tag = Image.parse(image, "image")
    return Step(
        id=_step_id(pod),
        kind="upgrade-pod",
        title=f"{pod.name} to {tag.tag or tag.digest}",
        reason=_REASONS[pod.component],
        estimate_seconds=0.0 if done else pod_seconds(snapshot, pod.component) + spec.gates.settle_seconds,
        component=pod.component,
        pod=pod.name,
        ordinal=pod.ordinal,
        image=image,
        done=done,
    )


_REASONS: dict[Component, str] = {
    "be": "backends come before frontends in an upgrade, after them in a downgrade",
    "cn": "compute nodes go with the backends",
    "fe": "followers first, the leader last",
}


def _begin(spec: UpgradeSpec) -> Step:
    keys = spec.held
    title = f"take the lease, journal and switch off {len(keys)} settings" if keys else "take the lease"
    return Step("begin", "begin", title, "one writer per cluster; nothing is changed before it is written down", 2.0)


def _restore(title: str) -> Step:
    return Step("restore", "restore", title, "nothing stays off", 2.0)


def _transfer(to: Pod, reason: str) -> Step:
    return Step(
        f"transfer/{to.name}", "transfer-leader", f"leader to {to.name}", reason, 10.0, "fe", to.name, to.ordinal
    )


def pod_seconds(snapshot: Snapshot, component: Component) -> float:
    """How long a pod of this component took from creation to Ready last time: the median of the present ones."""
    spans = sorted(
        _seconds_between(pod.created, pod.ready_since)
        for pod in snapshot.pods_of(component)
        if pod.created and pod.ready_since
    )
    return spans[len(spans) // 2] if spans else DEFAULT_POD_SECONDS


def _seconds_between(start: str, end: str) -> float:
    first, last = (datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (start, end))
    return max(0.0, (last - first).total_seconds())


def _risks(
    snapshot: Snapshot,
    spec: UpgradeSpec,
    baseline: Baseline,
    target: dict[Component, str],
    fronts: leader.LeaderPlan | None,
    keys: tuple[str, ...],
) -> tuple[Risk, ...]:
    risks: list[Risk] = []
    if fronts and fronts.means == "early-restart":
        risks.append(Risk("leader-restart", "warning", fronts.text, "leader-restart", True))
    if fronts and fronts.means == "on-delete":
        text = "operators without pull request 792 (1.11.5 and older) report the phase failed while OnDelete is set"
        risks.append(Risk("on-delete", "warning", text))
    risks += _outage_risks(snapshot, spec, target)
    risks += _way_back_risks(spec, baseline, target)
    for drift in settings.drifts(snapshot, keys):
        risks.append(Risk("settings-differ", "warning", f"{drift}; all go to the leader's value in the end"))
    if snapshot.mode == "shared_data":
        text = "shared-data: tablet gates say nothing there, compute nodes are judged instead"
        risks.append(Risk("shared-data", "info", text))
    for override in spec.overrides:
        risks.append(Risk("override", "warning", f"gate {override.gate} is overridden: {override.reason}", "", True))
    return tuple(risks)


def _outage_risks(snapshot: Snapshot, spec: UpgradeSpec, target: dict[Component, str]) -> list[Risk]:
    risks = []
    fronts = snapshot.workloads.get("fe")
    if fronts is not None and "fe" in target and fronts.replicas < 3:
        text = f"{fronts.replicas} FE(s): while one restarts no leader can be elected, and the cluster answers nothing"
        risks.append(Risk("frontend-outage", "danger", text, "frontend-outage", "frontend-outage" in spec.acknowledge))
    backends = snapshot.workloads.get("be")
    if backends is not None and "be" in target and backends.replicas < 3:
        text = f"{backends.replicas} BE(s): tables with fewer replicas than one can miss are not readable meanwhile"
        risks.append(Risk("backend-outage", "warning", text))
    return risks


def _way_back_risks(spec: UpgradeSpec, baseline: Baseline, target: dict[Component, str]) -> list[Risk]:
    before, after = _version(baseline.images.get("fe", "")), _version(target.get("fe", ""))
    if before is None or after is None or before == after:
        return []
    if after < before:
        text = f"{before} to {after} is a downgrade: finish schema changes first (StarRocks downgrade guide)"
        return [Risk("downgrade", "danger", text, "downgrade", "downgrade" in spec.acknowledge)]
    forbidden = path.forbidden_downgrade(after, before)
    if forbidden:
        text = f"there is no way back once an FE runs {after}: {forbidden}"
        return [Risk("no-way-back", "danger", text, "no-way-back", "no-way-back" in spec.acknowledge)]
    if before.series != after.series:
        text = f"{before} to {after} changes the minor version: no automatic rollback once an FE runs {after}"
        return [Risk("way-back-by-hand", "warning", text)]
    return []


def _unacknowledged(risks: tuple[Risk, ...]) -> list[Refused]:
    return [
        Refused("spec.acknowledge", None, risk.text, remedy=f"accept it with acknowledge: [{risk.acknowledge}]")
        for risk in risks
        if risk.acknowledge and not risk.acknowledged
    ]


def _leader_refusals(fronts: leader.LeaderPlan | None) -> list[Refused]:
    if fronts is None or fronts.means != "refuse":
        return []
    remedy = (
        "leader.strategy: transfer where StarRocks has ALTER SYSTEM TRANSFER LEADER, on-delete where the operator "
        "supports it, or accept the early restart with acknowledge: [leader-restart]"
    )
    return [Refused("spec.leader.strategy", None, fronts.text, remedy=remedy)]


def rollback_freeze(record: Record, policy: str) -> str:
    """Why this run must not be rolled back automatically; empty when it may."""
    if policy == "never":
        return "spec.rollback.policy is never"
    if not record.frontend_touched:
        return ""
    before, after = _version(record.baseline.images.get("fe", "")), _version(record.target.get("fe", ""))
    if before is None or after is None:
        return "an FE was touched, and the versions are not known from the tags"
    forbidden = path.forbidden_downgrade(after, before)
    if forbidden:
        return f"an FE of {after} may have led the cluster: {forbidden}"
    if before.series != after.series:
        return f"an FE of {after} may have led the cluster, and {before} is another minor version"
    return ""


def _foreign_image(snapshot: Snapshot, record: Record) -> str:
    """Why nothing is rolled back when somebody else has changed an image meanwhile: theirs would be overwritten."""
    for component, workload in snapshot.workloads.items():
        known = (record.target.get(component), record.baseline.images.get(component))
        touched = any(record.component_of(pod) == component for pod in record.touched)
        if touched and workload.image not in known:
            return f"somebody else changed the image of {component} to {workload.image}"
    return ""


def plan_rollback(snapshot: Snapshot, record: Record, spec: UpgradeSpec, hooks: HookPlan = NO_HOOKS) -> Plan:
    """The way back: only pods that were touched, FE before BE and CN, then hooks and settings; frozen where unsafe."""
    if record.phase == "done" or record.cluster_uid != snapshot.uid:
        return plan_release(snapshot)
    freeze = rollback_freeze(record, spec.rollback) or _foreign_image(snapshot, record)
    pods: list[Step] = []
    fronts = None
    order_back = (
        UPGRADE_ORDER if direction_of(record.baseline.images, record.target) == "downgrade" else DOWNGRADE_ORDER
    )
    for component in () if freeze else order_back:
        image = record.baseline.images.get(component)
        if image is None:
            continue
        touched = [p for p in _touched_pods(snapshot, record, component) if _changed(snapshot, p, image)]
        # What is down already goes first: taking a healthy one down beside it would cost the quorum or the replicas.
        # That works while the StatefulSet's current revision is the old one, so until its rollout has ended.
        ended = all(p.image != image for p in _all_pods(snapshot, component))
        broken = tuple(p for p in sorted(touched, key=lambda p: -p.ordinal) if not p.ready and not ended)
        order = tuple(p for p in sorted(touched, key=lambda p: -p.ordinal) if p not in broken)
        on_delete = component == "fe" and _on_delete(snapshot)
        if component == "fe":
            fronts = leader.plan_leader(snapshot, order, "on-delete" if on_delete else "auto", accepted=True)
            order = fronts.order
        steps = _pending_steps(broken, image, snapshot, spec, "delete" if on_delete else "hold")
        steps += _pending_steps(order, image, snapshot, spec, "delete" if on_delete else "partition")
        steps = [replace(s, last_of_component=number == len(steps)) for number, s in enumerate(steps, 1)]
        pods += [replace(s, id=f"rollback/{s.pod}", kind="rollback-pod", title=f"back: {s.title}") for s in steps]
    return Plan(
        cluster=snapshot.cluster,
        namespace=snapshot.namespace,
        direction="rollback",
        hash=record.plan_hash,
        approval="",
        images_from=record.target,
        images_to=record.baseline.images,
        steps=(
            *pods,
            *(() if freeze else _hook_steps("rollback", hooks, record)),
            _restore("restore the settings, release the lease"),
        ),
        risks=(Risk("leader-restart", "warning", fronts.text),) if fronts and fronts.means == "early-restart" else (),
        keys=tuple(record.journal.entries),
        baseline=record.baseline,
        continues=record.run,
        freeze=freeze,
    )


def plan_restore(snapshot: Snapshot, record: Record | None) -> Plan:
    """Only what an earlier run still owes: settings and update strategies; no image is changed."""
    if record is None or record.finished or record.cluster_uid != snapshot.uid:
        return replace(plan_release(snapshot), direction="restore", steps=())
    return Plan(
        cluster=snapshot.cluster,
        namespace=snapshot.namespace,
        direction="restore",
        hash=record.plan_hash,
        approval="",
        images_from=record.baseline.images,
        images_to=record.target,
        steps=(_restore("finish what an earlier run left open"),),
        risks=(),
        keys=tuple(record.journal.entries),
        baseline=record.baseline,
        continues=record.run,
    )


def plan_preparation(snapshot: Snapshot, record: Record | None, hooks: HookPlan) -> Plan:
    """Only the hooks before the first pod: somebody else changes the images."""
    images = {component: workload.image for component, workload in snapshot.workloads.items()}
    return Plan(
        cluster=snapshot.cluster,
        namespace=snapshot.namespace,
        direction="upgrade",
        hash=record.plan_hash if record is not None else "",
        approval="",
        images_from=images,
        images_to=images,
        steps=_hook_steps("pre", hooks, record),
        risks=(),
        keys=(),
        baseline=baseline_of(snapshot),
    )


def plan_frozen(snapshot: Snapshot, record: Record, reasons: tuple[Refused, ...]) -> Plan:
    """The end of a run whose rest is refused: nothing is broken, so nothing goes back; the settings do."""
    return replace(
        plan_restore(snapshot, record),
        direction="rollback",
        steps=(_restore("put the settings back, and stop here"),),
        freeze="; ".join(dict.fromkeys(str(refused) for refused in reasons)),
        remedy="; ".join(dict.fromkeys(refused.remedy for refused in reasons)),
    )


def plan_release(snapshot: Snapshot, record: Record | None = None, hooks: HookPlan = NO_HOOKS) -> Plan:
    """The end of a run that touched no pod: its settings are put back, its lease is given up.

    Hooks of the way back run where one from before the first pod has begun, for they may have something to undo.
    """
    begun = record is not None and any(
        step.kind == "hook" and step.state != "pending" for step in record.steps.values()
    )
    images = {component: workload.image for component, workload in snapshot.workloads.items()}
    return Plan(
        cluster=snapshot.cluster,
        namespace=snapshot.namespace,
        direction="release",
        hash="",
        approval="",
        images_from=images,
        images_to=images,
        steps=(
            *(_hook_steps("rollback", hooks, record) if begun else ()),
            _restore("put back what was switched off, release the lease"),
        ),
        risks=(),
        keys=(),
        baseline=baseline_of(snapshot),
    )


def _on_delete(snapshot: Snapshot) -> bool:
    workload = snapshot.workloads.get("fe")
    return workload is not None and workload.strategy_type == "OnDelete"


def _touched_pods(snapshot: Snapshot, record: Record, component: Component) -> list[Pod]:
    """Touched pods as they are; one that does not exist at this moment stands in as a placeholder without image."""
    pods = []
    for name in record.touched:
        workload = snapshot.workloads.get(component)
        if record.component_of(name) == component and workload is not None:
            pod = snapshot.pod(name) or _missing(name, component)
            if pod.ordinal < workload.replicas:
                pods.append(pod)
    return pods


def _changed(snapshot: Snapshot, pod: Pod, image: str) -> bool:
    workload = snapshot.workloads[pod.component]
    return pod.image != image or not pod.ready or workload.image != image
