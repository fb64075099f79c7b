# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Waiting for something that a decision looks at to change: Jobs, their pods, the customer's Secret, the Lease."""

from __future__ import annotations

import queue
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.look import Part
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.undertaking import Undertaking
from ansible_collections.steady.rollout.plugins.module_utils._kube import jobs
from ansible_collections.steady.rollout.plugins.module_utils._kube.paths import path_to
from ansible_collections.steady.rollout.plugins.module_utils._kube.watch import Change, Feed

Key = tuple[str, str]
Mark = tuple[object, ...]


class Watch:
    """Feeds that are opened when there is something to wait for, and closed in the end."""

    def __init__(self, work: Undertaking) -> None:
        self._work = work
        self._changes: queue.Queue[Change] = queue.Queue()
        self._feeds: dict[str, Feed] = {}
        self._marks: dict[Key, Mark] = {}
        # What the caller knows, or was told to look at.
        self._told: dict[Key, Mark] = {}

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for feed in self._feeds.values():
            feed.stop()

    def open(self, lease: str) -> frozenset[Part]:
        """Watch what is of interest; `lease` is the name of the database's Lease.

        Returns what the feeds that are new tell of: what changed before they began is not told by them.
        """
        work, before = self._work, set(self._feeds)
        mine = jobs.selector(work.owner.name)
        self._feed("jobs", path_to(jobs.JOB_API, "jobs", work.namespace), label=mine)
        self._feed("pods", path_to("v1", "pods", work.namespace), label=mine)
        if work.spec.secret is not None:
            self._feed("secret", path_to("v1", "secrets", work.namespace), name=work.spec.secret.name)
        if lease:
            leases = path_to("coordination.k8s.io/v1", "leases", work.rules.lease_namespace)
            self._feed(f"lease {lease}", leases, name=lease)
        opened = self._feeds.keys() - before
        self._told |= {key: fact for key, fact in self._facts().items() if key[0] in opened}
        return _parts(opened)

    def _feed(self, key: str, path: str, *, label: str = "", name: str = "") -> None:
        if key in self._feeds:
            return
        field = f"metadata.name={name}" if name else ""
        feed = Feed(self._work.client, path, label, field_selector=field, key=key, changes=self._changes)
        self._feeds[key] = feed.start()
        self._until_synced(key)

    def _until_synced(self, key: str) -> None:
        """Take in what the feed begins with; what the others tell meanwhile is seen by the look that follows."""
        while True:
            change = self._changes.get()
            self._take_in(change)
            if change.feed == key and change.kind == "SYNC":
                return

    def wait(self, seconds: float) -> frozenset[Part] | None:
        """What has changed, as soon as something of interest has; None when the seconds are over before that."""
        end = self._work.clock.ticks() + seconds
        while True:
            facts = self._facts()
            changed = {key[0] for key in self._told.keys() - facts.keys()}
            changed |= {key[0] for key, fact in facts.items() if self._told.get(key, _begins(key)) != fact}
            self._told = facts
            left = end - self._work.clock.ticks()
            if changed or left <= 0:
                return _parts(changed) if changed else None
            try:
                self._take_in(self._changes.get(timeout=left))
            except queue.Empty:
                return None
            while not self._changes.empty():
                self._take_in(self._changes.get())

    def _facts(self) -> dict[Key, Mark]:
        """What decisions depend on.

        That a pod begins or ends says nothing while its Job has not ended: the Job's own end does. Whether one lives
        whose Job has ended, or is gone, decides whether it is over. Our own Lease is what we made it.
        """
        running = {mark[0] for (feed, _uid), mark in self._marks.items() if feed == "jobs" and not mark[-1]}
        facts: dict[Key, Mark] = {}
        for key, mark in self._marks.items():
            if key[0] == "jobs":
                facts[key] = mark[1:]
            elif key[0] == "pods":
                facts[key] = (False, True, mark[-1]) if mark[0] in running else mark[1:]
            elif mark[0] == self._work.holder:
                facts[key] = mark[:1]
            else:
                facts[key] = mark
        return facts

    def _take_in(self, change: Change) -> None:
        """Remember what was told."""
        if change.kind == "ERROR":
            if isinstance(change.value, RolloutError):
                raise change.value
            return
        if change.kind == "SYNC":
            found = {(change.feed, str(item["metadata"]["uid"])): _mark(change.feed, item) for item in change.value}
            others = {key: mark for key, mark in self._marks.items() if key[0] != change.feed}
            self._marks = {**others, **found}
            return
        key = (change.feed, str(change.value["metadata"]["uid"]))
        if change.kind == "DELETED":
            self._marks.pop(key, None)
        else:
            self._marks[key] = _mark(change.feed, change.value)


def _begins(key: Key) -> Mark | None:
    """What is no news of something new: a Job that runs, a pod that does not wait."""
    return {"jobs": (False, ""), "pods": (False, True, "")}.get(key[0])


def _parts(feeds: Iterable[str]) -> frozenset[Part]:
    """What is to be looked at after news of these feeds."""
    found: set[Part] = set()
    for feed in feeds:
        if feed in ("jobs", "pods"):
            found.add("jobs")
        elif feed == "secret":
            found.add("origin")
        else:
            found.add("lease")
    return frozenset(found)


def _mark(feed: str, item: dict[str, Any]) -> Mark:
    if feed == "jobs":
        return jobs.mark_of(item)
    if feed == "pods":
        return jobs.pod_mark_of(item)
    if feed == "secret":
        return (item["metadata"].get("resourceVersion"),)
    spec = item.get("spec") or {}
    # Renewals are no news.
    return (spec.get("holderIdentity"), *sorted((item["metadata"].get("annotations") or {}).items()))
