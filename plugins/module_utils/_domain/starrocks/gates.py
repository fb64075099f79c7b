# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The gates of an upgrade. Each is a function of (snapshot, target) that answers None or a Refusal with the numbers.

They stand in explicit ordered tuples; the first refusal is what a person is shown. None of them reads anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from ansible_collections.steady.rollout.plugins.module_utils._domain.gate import Override, Refusal, first_refusal
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import REPAIR_LIMIT, rule
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import (
    Component,
    Snapshot,
    Tablets,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.version import Image, Version


@dataclass(frozen=True)
class GateLimits:
    """How patient and how strict the gates are: seconds, except `consecutive_passes` and `max_replay_lag`."""

    settle_seconds: float = 10.0
    consecutive_passes: int = 2
    max_replay_lag: int = 1000
    pod_deadline_seconds: float = 900.0
    tablet_deadline_seconds: float = 3600.0


@dataclass(frozen=True)
class Target:
    """What one pod has to become, and what the cluster looked like before anything was touched.

    `old_start_time` is the StartTime its FE/BE/CN row had before; `expected` holds the settings every FE must have at
    this moment (empty: none were switched off); `judge_tablets` is False where tablets say nothing (shared-data). Gates
    that are about all FEs read nothing of a pod: for them the defaults do.
    """

    pod: str = ""
    component: Component = "fe"
    image: str = ""
    old_uid: str = ""
    old_start_time: str | None = None
    baseline_tablets: Tablets | None = None
    limits: GateLimits = field(default_factory=GateLimits)
    expected: dict[str, str] = field(default_factory=dict)
    judge_tablets: bool = True
    frontend_outage_accepted: bool = False


Gate = Callable[[Snapshot, Target], "Refusal | None"]


def pod_replaced(snapshot: Snapshot, target: Target) -> Refusal | None:
    """The pod exists anew with the target image."""
    pod = snapshot.pod(target.pod)
    if pod is None:
        return Refusal("pod_replaced", target.pod, "the pod does not exist at this moment")
    if pod.deleting or pod.uid == target.old_uid:
        return Refusal("pod_replaced", target.pod, "the old pod is still there")
    if pod.image != target.image:
        return Refusal("pod_replaced", target.pod, f"runs {pod.image}, wanted {target.image}")
    return None


def pod_ready(snapshot: Snapshot, target: Target) -> Refusal | None:
    """The pod is Ready."""
    pod = snapshot.pod(target.pod)
    if pod is None or not pod.ready:
        return Refusal("pod_ready", target.pod, f"not Ready, phase {pod.phase if pod else 'gone'}")
    return None


def others_up(snapshot: Snapshot, target: Target) -> Refusal | None:
    """No other pod of the cluster is missing, leaving or unready: one at a time means one."""
    down = [p.name for p in snapshot.pods if p.name != target.pod and (p.deleting or not p.ready)]
    missing = [name for name in _expected_pods(snapshot) if name != target.pod and snapshot.pod(name) is None]
    if down or missing:
        return Refusal("others_up", target.pod, f"also down: {', '.join(sorted(set(down + missing)))}")
    return None


def _expected_pods(snapshot: Snapshot) -> list[str]:
    return [f"{snapshot.cluster}-{c}-{n}" for c, w in snapshot.workloads.items() for n in range(w.replicas)]


# Where the row of a component's member comes from, as named in Snapshot.blind.
LISTS: dict[Component, str] = {"fe": "frontends", "be": "backends", "cn": "compute_nodes"}


def member_alive(snapshot: Snapshot, target: Target) -> Refusal | None:
    """The leader lists the member as Alive, in the target version, started after the old one."""
    row = snapshot.frontend(target.pod) if target.component == "fe" else snapshot.worker(target.pod)
    if row is None:
        why = snapshot.blind.get(LISTS[target.component], "not in the leader's list")
        return Refusal("member_alive", target.pod, why)
    if not row.alive:
        return Refusal("member_alive", target.pod, f"Alive=false{': ' + row.error if row.error else ''}")
    wanted = Image.parse(target.image, "image").version
    if row.version is None:
        return Refusal("member_alive", target.pod, "reports no version")
    if wanted is not None and Version.parse(row.version) != wanted:
        return Refusal("member_alive", target.pod, f"reports version {row.version}, wanted {wanted}")
    if row.start_time is None:
        return Refusal("member_alive", target.pod, "reports no StartTime")
    if target.old_start_time is not None and row.start_time <= target.old_start_time:
        return Refusal("member_alive", target.pod, f"StartTime {row.start_time} is not newer than before")
    return None


def electors(snapshot: Snapshot) -> tuple[int, int]:
    """(alive, all) FEs that vote: leader and followers; observers do not.

    An FE that the leader does not list, or lists in a role it does not know yet, counts as one that votes and is away.
    """
    observers = sum(row.role == "OBSERVER" for row in snapshot.frontends)
    alive = sum(row.alive and row.role in ("LEADER", "FOLLOWER") for row in snapshot.frontends)
    fronts = snapshot.workloads.get("fe")
    return alive, max(len(snapshot.frontends), fronts.replicas if fronts else 0) - observers


def _unlisted(gate: str, snapshot: Snapshot) -> Refusal | None:
    """A refusal when the leader does not list an FE, or lists it in a role that says nothing."""
    for pod in snapshot.pods_of("fe"):
        row = snapshot.frontend(pod.name)
        if row is None:
            return Refusal(gate, pod.name, snapshot.blind.get("frontends", "not in the leader's list"))
        if row.role not in _ROLES:
            return Refusal(gate, pod.name, f"its role is {row.role or 'not known'}")
    return None


_ROLES = ("LEADER", "FOLLOWER", "OBSERVER")


def quorum(snapshot: Snapshot, target: Target) -> Refusal | None:
    """There is one leader, every FE is listed, and a majority of the electors is alive."""
    unlisted = _unlisted("quorum", snapshot)
    if unlisted is not None:
        return unlisted
    alive, voting = electors(snapshot)
    if snapshot.leader is None:
        return Refusal("quorum", target.pod, snapshot.blind.get("frontends", "no single alive leader"))
    if alive * 2 <= voting:
        return Refusal("quorum", target.pod, f"{alive} of {voting} electors alive")
    return None


def leader_moved(snapshot: Snapshot, target: Target) -> Refusal | None:
    """The pod is the leader."""
    if snapshot.leader != target.pod:
        return Refusal("leader_moved", target.pod, f"the leader is {snapshot.leader}")
    return None


def quorum_survives(snapshot: Snapshot, target: Target) -> Refusal | None:
    """Restarting this FE leaves a majority of electors alive."""
    if target.component != "fe" or target.frontend_outage_accepted:
        return None
    alive, voting = electors(snapshot)
    row = snapshot.frontend(target.pod)
    left = alive - 1 if row is not None and row.alive and row.role != "OBSERVER" else alive
    if row is None or row.role not in _ROLES:
        return Refusal("quorum_survives", target.pod, "not listed by the leader in a role that says anything")
    if voting == 0 or left * 2 <= voting:
        return Refusal("quorum_survives", target.pod, f"{left} of {voting} electors would be left")
    return None


def replay_caught_up(snapshot: Snapshot, target: Target) -> Refusal | None:
    """Every alive FE has replayed the journal up to the leader's, within the limit."""
    leader = snapshot.frontend(snapshot.leader or "")
    if leader is None or leader.replayed_journal_id is None:
        return Refusal("replay_caught_up", target.pod, "the leader's ReplayedJournalId is not known")
    unlisted = _unlisted("replay_caught_up", snapshot)
    if unlisted is not None:
        return unlisted
    for row in snapshot.frontends:
        if not row.alive:
            continue
        if row.replayed_journal_id is None:
            return Refusal("replay_caught_up", row.pod, "its ReplayedJournalId is not known")
        lag = leader.replayed_journal_id - row.replayed_journal_id
        if lag > target.limits.max_replay_lag:
            return Refusal("replay_caught_up", row.pod, f"{lag} journals behind, limit {target.limits.max_replay_lag}")
    return None


def settings_held(snapshot: Snapshot, target: Target) -> Refusal | None:
    """Every alive FE holds the values that must be in force at this moment."""
    if not target.expected:
        return None
    unlisted = _unlisted("settings_held", snapshot)
    if unlisted is not None or not snapshot.frontends:
        why = snapshot.blind.get("frontends", "no FE is listed")
        return unlisted or Refusal("settings_held", target.pod, f"the FEs are not known: {why}")
    for row in snapshot.frontends:
        if not row.alive:
            continue
        view = snapshot.settings.get(row.pod)
        if view is None:
            why = snapshot.blind.get(f"settings:{row.pod}", "not read")
            return Refusal("settings_held", row.pod, f"its settings are not known: {why}")
        for key, value in target.expected.items():
            seen = view.values.get(key)
            if not rule(key).same(seen, value):
                return Refusal("settings_held", row.pod, f"{key} is {seen}, wanted {value}")
    return None


def tablets_settled(snapshot: Snapshot, target: Target) -> Refusal | None:
    """Replicas are as healthy as before the upgrade and the scheduler has nothing left to do.

    It refuses to judge while scheduling is at 0 on the leader: then nothing is ever pending, healthy or not.
    """
    if not target.judge_tablets:
        return None
    leader = snapshot.settings.get(snapshot.leader or "")
    limit = leader.values.get(REPAIR_LIMIT) if leader else None
    if limit is None or not limit.strip().isdigit() or int(limit) == 0:
        return Refusal("tablets_settled", target.pod, f"cannot be judged while {REPAIR_LIMIT} is {limit}")
    now, before = snapshot.tablets, target.baseline_tablets
    if now is None or before is None:
        return Refusal("tablets_settled", target.pod, snapshot.blind.get("tablets", "tablet health is not known"))
    if before.total and not now.total:
        return Refusal("tablets_settled", target.pod, f"no tablet is listed, there were {before.total}")
    worse = [
        f"{name} {getattr(now, field_)} (before: {getattr(before, field_)})"
        for name, field_ in _TABLET_COUNTS
        if getattr(now, field_) > getattr(before, field_)
    ]
    return Refusal("tablets_settled", target.pod, ", ".join(worse)) if worse else None


_TABLET_COUNTS = (
    ("unhealthy", "unhealthy"),
    ("inconsistent", "inconsistent"),
    ("error state", "error_state"),
    ("cloning", "cloning"),
    ("pending", "pending"),
    ("running", "running"),
)

BEFORE_POD: tuple[Gate, ...] = (others_up, quorum, quorum_survives, settings_held)
POD_UP: tuple[Gate, ...] = (pod_replaced, pod_ready, others_up)
MEMBER_UP: tuple[Gate, ...] = (*POD_UP, member_alive, quorum, replay_caught_up)
SETTLED: tuple[Gate, ...] = (*MEMBER_UP, settings_held, tablets_settled)
# Gates about the state found before anything is touched; plan.py asks them.
PREFLIGHT_NAMES = ("cluster_healthy", "unfinished_run")
GATE_NAMES = tuple(dict.fromkeys([gate.__name__ for gate in (*BEFORE_POD, *SETTLED)] + list(PREFLIGHT_NAMES)))


def ask(
    gates: Iterable[Gate], snapshot: Snapshot, target: Target, overrides: Iterable[Override], now: float
) -> Refusal | None:
    """The first refusal of these gates that no unexpired override covers."""
    return first_refusal([partial(gate, snapshot, target) for gate in gates], overrides, now)


@dataclass(frozen=True)
class Passes:
    """How often in a row a gate sequence has passed: `first_at` is the moment of the first of these passes."""

    count: int = 0
    first_at: float = 0.0

    def after(self, refusal: Refusal | None, now: float) -> Passes:
        """The count after one more evaluation; a refusal starts it again."""
        if refusal is not None:
            return Passes()
        return Passes(self.count + 1, self.first_at if self.count else now)

    def enough(self, limits: GateLimits, now: float) -> bool:
        """Whether the passes are as many and have lasted as long as the limits ask."""
        return self.count >= limits.consecutive_passes and now - self.first_at >= limits.settle_seconds
