# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Waiting for something that a decision looks at to change: Jobs, their pods, the customer's Secret, the Lease."""

from __future__ import annotations

import queue
from types import TracebackType
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.undertaking import Undertaking
from ansible_collections.steady.rollout.plugins.module_utils._kube import jobs
from ansible_collections.steady.rollout.plugins.module_utils._kube.paths import path_to
from ansible_collections.steady.rollout.plugins.module_utils._kube.watch import Change, Feed


class Watch:
    """Feeds that are opened when there is something to wait for, and closed in the end."""

    def __init__(self, work: Undertaking) -> None:
        self._work = work
        self._changes: queue.Queue[Change] = queue.Queue()
        self._feeds: dict[str, Feed] = {}
        self._marks: dict[tuple[str, str], tuple[object, ...]] = {}

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for feed in self._feeds.values():
            feed.stop()

    def open(self, lease: str) -> bool:
        """Watch what is of interest; `lease` is the name of the database's Lease. True when a feed is new.

        What changed before a feed began is not told by it: the caller looks once more.
        """
        work, before = self._work, len(self._feeds)
        mine = jobs.selector(work.owner.name)
        self._feed("jobs", path_to(jobs.JOB_API, "jobs", work.namespace), label=mine)
        self._feed("pods", path_to("v1", "pods", work.namespace), label=mine)
        if work.spec.secret is not None:
            self._feed("secret", path_to("v1", "secrets", work.namespace), name=work.spec.secret.name)
        if lease:
            leases = path_to("coordination.k8s.io/v1", "leases", work.rules.lease_namespace)
            self._feed(f"lease {lease}", leases, name=lease)
        return len(self._feeds) > before

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

    def wait(self, seconds: float) -> bool:
        """Until something of interest changes (True), or the seconds are over (False)."""
        end = self._work.clock.ticks() + seconds
        while (left := end - self._work.clock.ticks()) > 0:
            try:
                change = self._changes.get(timeout=left)
            except queue.Empty:
                return False
            if self._take_in(change):
                self._take_in_the_rest()
                return True
        return False

    def _take_in_the_rest(self) -> None:
        while not self._changes.empty():
            self._take_in(self._changes.get())

    def _take_in(self, change: Change) -> bool:
        """Remember what was told; whether it is news."""
        if change.kind == "ERROR":
            if isinstance(change.value, RolloutError):
                raise change.value
            return True
        if change.kind == "SYNC":
            found = {(change.feed, str(item["metadata"]["uid"])): _mark(change.feed, item) for item in change.value}
            others = {key: mark for key, mark in self._marks.items() if key[0] != change.feed}
            news = {**others, **found} != self._marks
            self._marks = {**others, **found}
            return news
        key = (change.feed, str(change.value["metadata"]["uid"]))
        if change.kind == "DELETED":
            return self._marks.pop(key, None) is not None
        mark = _mark(change.feed, change.value)
        news = self._marks.get(key) != mark
        self._marks[key] = mark
        return news


def _mark(feed: str, item: dict[str, Any]) -> tuple[object, ...]:
    if feed in ("jobs", "pods"):
        return jobs.mark_of(item)
    if feed == "secret":
        return (item["metadata"].get("resourceVersion"),)
    spec = item.get("spec") or {}
    # Renewals are no news.
    return (spec.get("holderIdentity"), *sorted((item["metadata"].get("annotations") or {}).items()))
