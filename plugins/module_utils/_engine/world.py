# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The live view of one cluster while a step works: pods from a watch, FE rows when asked, workloads as last written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.handover import Handover
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import Record
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import (
    FrontendSettings,
    Pod,
    Snapshot,
)
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Frontends
from ansible_collections.steady.rollout.plugins.module_utils._fe.observe import FeView, observe
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.paths import path_to
from ansible_collections.steady.rollout.plugins.module_utils._kube.read import pod_of, pod_selector
from ansible_collections.steady.rollout.plugins.module_utils._kube.watch import Change, Feed


@dataclass
class World:
    """Everything a step sees. `snapshot()` freezes it for the gates."""

    client: KubeClient
    frontends: Frontends
    handover: Handover
    keys: tuple[str, ...]
    view: FeView = field(default_factory=FeView)
    pods: dict[str, Pod] = field(default_factory=dict)
    pods_error: str = "the pods have not been listed yet"
    feed: Feed | None = None
    on_leader: Callable[[str | None, str], None] | None = None
    returned: set[str] = field(default_factory=set)
    on_pod: Callable[[Pod | None, Pod | None], None] | None = None

    def __enter__(self) -> World:
        return self

    def _started(self) -> Feed:
        """The watch of the cluster's pods, started when something waits for it."""
        if self.feed is None:
            path = path_to("v1", "pods", self.handover.namespace)
            self.feed = Feed(self.client, path, label_selector=pod_selector(self.handover.cluster)).start()
        return self.feed

    def __exit__(self, *_exception: object) -> None:
        if self.feed is not None:
            self.feed.stop()

    def next_change(self, timeout: float) -> bool:
        """Wait for pods to change, at most `timeout` seconds, and take in all that has come; False when nothing did."""
        feed = self._started()
        change = feed.next(timeout)
        if change is None:
            return False
        while change is not None:
            self._apply(change)
            change = feed.next(0)
        return True

    def _apply(self, change: Change) -> None:
        if change.kind == "ERROR":
            self.pods_error = change.value.reason if isinstance(change.value, RolloutError) else str(change.value)
            return
        self.pods_error = ""
        if change.kind == "SYNC":
            self._sync(change.value)
            return
        self._apply_pod(change.value, gone=change.kind == "DELETED")

    def _sync(self, items: list[dict[str, object]]) -> None:
        """A whole list: the first one, or one after a gap in the watch."""
        names = {pod.name for item in items if (pod := pod_of(item, self.handover.cluster)) is not None}
        for name in set(self.pods) - names:
            self._tell(self.pods.pop(name), None)
        first = not self.pods
        for item in items:
            self._apply_pod(item, gone=False, quiet=first)

    def _tell(self, before: Pod | None, after: Pod | None) -> None:
        if self.on_pod is not None:
            self.on_pod(before, after)

    def _apply_pod(self, item: dict[str, object], *, gone: bool, quiet: bool = False) -> None:
        pod = pod_of(item, self.handover.cluster)
        if pod is None:
            return
        before = self.pods.get(pod.name)
        if pod.component == "fe" and pod.ready and before is not None and (not before.ready or before.uid != pod.uid):
            self.returned.add(pod.name)
        if gone:
            if before is not None and before.uid == pod.uid:
                self._tell(self.pods.pop(pod.name), None)
        else:
            self.pods[pod.name] = pod
            if not quiet:
                self._tell(before if before is not None and before.uid == pod.uid else None, pod)
        if pod.component == "fe" and (gone or before is None or before.uid != pod.uid):
            self.frontends.forget(pod.name)

    def look(self, *, tablets: bool = False, settings: bool = False) -> None:
        """Ask the FEs; what is not asked for keeps nothing of an older answer."""
        keys = self.keys if settings else ()
        names = self.frontend_names()
        before = self.view.leader
        self.view = observe(
            self.frontends,
            sorted(names),
            keys=keys,
            known_leader=self.view.leader,
            workers="be" in self.handover.workloads,
            compute_nodes="cn" in self.handover.workloads,
            tablets=tablets and self.judges_tablets,
        )
        leader = self.view.leader
        if leader is None:
            # Whoever led before is asked first next time, and a change of leader is told from it.
            self.view = replace(self.view, leader=before)
        elif leader != before and self.on_leader is not None:
            self.on_leader(before, leader)

    @property
    def judges_tablets(self) -> bool:
        """Whether tablets say anything: only BEs hold them, and in shared-data mode they hold nothing but cache."""
        return self.handover.mode != "shared_data" and "be" in self.handover.workloads

    def frontend_names(self) -> list[str]:
        """FEs that may answer: the ready ones, or all that there should be while no pod has been listed."""
        if self.pods_error:
            fronts = self.handover.workloads.get("fe")
            return [f"{self.handover.cluster}-fe-{number}" for number in range(fronts.replicas if fronts else 0)]
        return [pod.name for pod in self.pods.values() if pod.component == "fe" and pod.ready and not pod.deleting]

    def snapshot(self) -> Snapshot:
        """The world at this moment, frozen."""
        handover, view = self.handover, self.view
        blind = dict(view.blind)
        if self.pods_error:
            blind["pods"] = self.pods_error
        return Snapshot(
            cluster=handover.cluster,
            namespace=handover.namespace,
            uid=handover.uid,
            resource_version="",
            phase="",
            workloads=handover.workloads,
            pods=tuple(self.pods.values()) if not self.pods_error else (),
            frontends=view.frontends,
            workers=view.workers,
            settings=view.settings,
            tablets=view.tablets,
            mode=handover.mode,
            blind=blind,
        )

    def seen_settings(self) -> dict[str, FrontendSettings]:
        """Settings of the FEs that are alive, with the StartTime the leader reports for them."""
        alive = {row.pod: row for row in self.view.frontends if row.alive}
        return {
            pod: replace(seen, start_time=alive[pod].start_time)
            for pod, seen in self.view.settings.items()
            if pod in alive
        }

    def may_hold_ours(self, record: Record) -> tuple[str, ...]:
        """FEs whose settings are not known, and that may have what this run has set: nothing counts as restored yet."""
        cut_off = record.cut_off(self.pods.values(), self.seen_settings())
        return tuple(dict.fromkeys((*self.unseen_frontends(), *cut_off)))

    def unseen_frontends(self) -> tuple[str, ...]:
        """FEs that run and whose settings are not known: the leader may not see one that is cut off from it alone."""
        seen = self.seen_settings()
        ready = {pod.name for pod in self.pods.values() if pod.ready and not pod.deleting}
        return tuple(row.pod for row in self.view.frontends if row.pod not in seen and (row.alive or row.pod in ready))
