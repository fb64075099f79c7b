# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds the reactor together: feeds tell of changes, the schedule says what is due, threads carry passes out.

One thread owns the schedule and what is known of the objects. Everybody else puts messages into its queue.
"""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, cast

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.watch import Change, Feed
from reactor import cluster
from reactor.artifacts import Artifacts
from reactor.contract.duration import short
from reactor.contract.lifecycle import triggers
from reactor.contract.schedule import Key, Schedule
from reactor.contract.watches import Watch
from reactor.reconciler import Outcome, Reconciler
from reactor.runs import ZygoteGone
from reactor.screen import Screen
from reactor.serve import Metrics

# A kind that is not installed is looked for again after this; also how often the loop proves that it lives.
LOOK_AGAIN = 5.0
# Bookmarks come once a minute and a silent connection is given up after 100 s, so this is silence of the feed itself.
LONGEST_SILENCE = 180.0


@dataclass(frozen=True, slots=True)
class Ended:
    """A pass has ended."""

    key: Key
    outcome: Outcome
    seconds: float


@dataclass(frozen=True, slots=True)
class Found:
    """A kind is served by the API server, under this name."""

    resource: cluster.Resource


@dataclass(frozen=True, slots=True)
class Stopping:
    """How the reactor stops: `patience` seconds for runs to end, then `now` stops them before their next step."""

    patience: float
    now: Callable[[], None]


@dataclass(slots=True)
class Kept:
    """What is kept of a kind while it is watched: names and what decides about changes, never whole objects."""

    watch: Watch
    resource: cluster.Resource | None = None
    feeds: list[Feed] = field(default_factory=list)
    known: dict[str, dict[Key, dict[str, Any]]] = field(default_factory=dict)
    synced: set[str] = field(default_factory=set)
    resumed: set[Key] = field(default_factory=set)
    complained: bool = False


class Controller:
    """Runs until it is told to stop."""

    def __init__(
        self,
        client: KubeClient,
        reconciler: Reconciler,
        files: Artifacts,
        watches: tuple[Watch, ...],
        namespaces: tuple[str, ...],
        total: int,
        screen: Screen,
        stopping: Stopping,
        metrics: Metrics,
    ) -> None:
        """`namespaces`: what is watched, empty for all; `total`: runs at once of all kinds together."""
        self._client = client
        self._reconciler = reconciler
        self._files = files
        self._kinds = {str(watch.kind): Kept(watch) for watch in watches}
        self._namespaces = namespaces or ("",)
        self._schedule = Schedule({str(watch.kind): watch.max_concurrent for watch in watches}, total)
        self._screen = screen
        self._metrics = metrics
        # A signal handler puts into it too, possibly while this thread is inside `get`: SimpleQueue stands that.
        self._messages: queue.SimpleQueue[Change | Ended | Found | None] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(total, thread_name_prefix="pass")
        self._how_to_stop = stopping
        self._stops = 0
        self._stop_by: float | None = None
        self._hurried = False
        self._ending = threading.Event()
        self._beat = time.monotonic()
        self._broken: Exception | None = None

    def run(self) -> None:
        """Work until `stop`, and until the passes under way have ended then. Raises ZygoteGone."""
        seeker = threading.Thread(target=self._seek, name="seek", daemon=True)
        seeker.start()
        try:
            while not self._stops or self._schedule.running:
                self._turn()
                if self._broken is not None:
                    raise self._broken
        finally:
            self._ending.set()
            for kept in self._kinds.values():
                for feed in kept.feeds:
                    feed.stop()
            seeker.join()
            self._threads.shutdown()

    def stop(self, *_signal: object) -> None:
        """Begin no pass any more; called again, do not wait for runs either. May be a signal's handler."""
        self._stops += 1
        self._messages.put(None)

    def silence(self) -> str:
        """What has been silent for too long, or nothing: the loop, or a feed that gives no sign of life."""
        if time.monotonic() - self._beat > LONGEST_SILENCE:
            return "the reactor's loop"
        silent = [name for name, seconds in self.silences().items() if seconds > LONGEST_SILENCE]
        return f"the watch of {silent[0]}" if silent else ""

    def silences(self) -> dict[str, float]:
        """For each kind that is watched, seconds since the most silent of its feeds gave a sign of life."""
        feeds = {name: list(kept.feeds) for name, kept in self._kinds.items()}
        return {name: max(feed.silent_seconds for feed in each) for name, each in feeds.items() if each}

    def not_synced(self) -> str:
        """The kinds whose objects are not known, parted by commas; one that is not installed counts for nothing."""
        lacking = [name for name, kept in self._kinds.items() if not kept.complained and self._lacks(kept)]
        return ", ".join(lacking)

    def depths(self) -> dict[str, tuple[int, int]]:
        """For each kind how many objects wait for their turn and how many run."""
        running = self._schedule.running
        return {name: (self._schedule.depth(name), sum(key.kind == name for key in running)) for name in self._kinds}

    def _lacks(self, kept: Kept) -> bool:
        return len(kept.synced) < len(self._spaces(kept))

    def _spaces(self, kept: Kept) -> tuple[str, ...]:
        namespaced = kept.resource is not None and kept.resource.namespaced
        return self._namespaces if namespaced else ("",)

    def _turn(self) -> None:
        """Take one message, or wait for the next time that something is due, then start what is due."""
        try:
            message = self._messages.get(timeout=self._pause(time.monotonic()))
        except queue.Empty:
            message = None
        self._beat = time.monotonic()
        if isinstance(message, Found):
            self._follow(message.resource)
        elif isinstance(message, Ended):
            self._settle(message)
        elif message is not None:
            self._learn(message)
        if self._stops:
            self._stop(time.monotonic())
        while not self._stops and (key := self._schedule.take(time.monotonic())) is not None:
            self._threads.submit(self._pass, key)

    def _pause(self, now: float) -> float:
        """Seconds until something is to be done even if nobody says anything."""
        if self._stop_by is not None:
            return LOOK_AGAIN if self._hurried else min(max(self._stop_by - now, 0.0), LOOK_AGAIN)
        pause = self._schedule.pause(now)
        return LOOK_AGAIN if pause is None else min(pause, LOOK_AGAIN)

    def _stop(self, now: float) -> None:
        if self._stop_by is None:
            self._stop_by = now + self._how_to_stop.patience
            count = len(self._schedule.running)
            self._screen.say("", "", "stopping", f"{count} runs have {short(self._how_to_stop.patience)} to end")
        if not self._hurried and (self._stops > 1 or now >= self._stop_by):
            self._hurried = True
            self._how_to_stop.now()
            self._screen.say("", "", "stopping", "runs end before their next step")

    def _seek(self) -> None:
        """Find out what the kinds are called; look again for those that are not there, so that none holds up others."""
        missing = list(self._kinds.values())
        while missing and not self._ending.is_set():
            missing = [kept for kept in missing if not self._sought(kept)]
            if missing:
                self._ending.wait(LOOK_AGAIN)

    def _sought(self, kept: Kept) -> bool:
        try:
            resource = cluster.discover(self._client, kept.watch.kind)
        except RolloutError as error:
            return self._complain(kept, error.reason)
        if resource is None:
            return self._complain(kept, "the API server does not serve it; waiting for its definition")
        self._messages.put(Found(resource))
        return True

    def _complain(self, kept: Kept, why: str) -> bool:
        if not kept.complained:
            kept.complained = True
            self._screen.say(kept.watch.kind.kind, "", "not watched", why)
        return False

    def _follow(self, resource: cluster.Resource) -> None:
        kept = self._kinds[str(resource.kind)]
        kept.resource = resource
        kept.complained = False
        for namespace in self._spaces(kept):
            feed = Feed(
                self._client,
                resource.list_path(namespace),
                kept.watch.selector,
                key=f"{resource.kind}|{namespace}",
                changes=cast("queue.Queue[Change]", self._messages),
                metadata_only=True,
            )
            kept.feeds.append(feed.start())
        self._screen.say(resource.kind.kind, "", "watched", f"in {', '.join(self._spaces(kept)) or 'all namespaces'}")

    def _learn(self, change: Change) -> None:
        """Take what a feed tells."""
        name, _bar, space = change.feed.rpartition("|")
        kept = self._kinds[name]
        if change.kind == "ERROR":
            kept.synced.discard(space)
            self._screen.say(kept.watch.kind.kind, "", "watch is broken", str(change.value))
        elif change.kind == "SYNC":
            self._sync(kept, name, space, change.value)
        elif change.kind == "DELETED":
            self._lose(kept, space, _key(name, change.value["metadata"]))
        else:
            self._see(kept, space, _key(name, change.value["metadata"]), change.value["metadata"])

    def _sync(self, kept: Kept, name: str, space: str, items: list[dict[str, Any]]) -> None:
        present = {_key(name, item["metadata"]): item["metadata"] for item in items}
        first = space not in kept.known
        for key in [key for key in kept.known.get(space, {}) if key not in present]:
            self._lose(kept, space, key)
        for key, metadata in present.items():
            if first and kept.watch.settings.resume:
                kept.resumed.add(key)
            self._see(kept, space, key, metadata)
        kept.known.setdefault(space, {})
        kept.synced.add(space)

    def _see(self, kept: Kept, space: str, key: Key, metadata: dict[str, Any]) -> None:
        known = kept.known.setdefault(space, {})
        if triggers(known.get(key), metadata, kept.watch):
            self._schedule.add(key, time.monotonic())
        # Only what `triggers` reads.
        names = ("uid", "generation", *(("annotations",) if kept.watch.watch_annotations_changes else ()))
        known[key] = {name: metadata[name] for name in names if name in metadata}

    def _lose(self, kept: Kept, space: str, key: Key) -> None:
        kept.known.get(space, {}).pop(key, None)
        kept.resumed.discard(key)
        self._schedule.drop(key)
        if key not in self._schedule.running:
            self._files.forget(key, kept.watch.kind.group, kept.watch.kind.version)

    def _pass(self, key: Key) -> None:
        """In a thread of its own: carry out one pass and tell how it went, whatever happens."""
        began = time.monotonic()
        try:
            outcome = self._guarded(key)
        except Exception as error:  # noqa: BLE001 - as a panic there, a fault here is told and the pass tried again
            traceback.print_exc()
            outcome = Outcome("failed", f"{type(error).__name__}: {error}", failed=True)
        self._messages.put(Ended(key, outcome, time.monotonic() - began))

    def _guarded(self, key: Key) -> Outcome:
        kept = self._kinds[key.kind]
        if kept.resource is None:
            raise RuntimeError(f"{key} is run before its kind is known")
        try:
            return self._reconciler.reconcile(kept.watch, kept.resource, key, resuming=key in kept.resumed)
        except ZygoteGone as error:
            self._broken = error
            return Outcome("failed", str(error), failed=True)
        except RolloutError as error:
            return Outcome("failed", error.reason, failed=True)

    def _settle(self, ended: Ended) -> None:
        kept = self._kinds[ended.key.kind]
        kept.resumed.discard(ended.key)
        after = self._schedule.done(ended.key, time.monotonic(), failed=ended.outcome.failed, after=ended.outcome.after)
        if ended.outcome.ended is not None:
            cpu = ended.outcome.ended.cpu_seconds
            self._metrics.passed(ended.key.kind, ended.seconds, failed=ended.outcome.failed, cpu_seconds=cpu)
        if ended.outcome.word in ("gone", "released"):
            self._files.forget(ended.key, kept.watch.kind.group, kept.watch.kind.version)
        self._screen.tell(ended.key, ended.outcome, ended.seconds, after)


def _key(kind: str, metadata: dict[str, Any]) -> Key:
    return Key(kind, str(metadata.get("namespace") or ""), str(metadata["name"]))
