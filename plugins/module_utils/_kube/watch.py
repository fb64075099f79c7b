# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""A list and its changes as they happen, from a thread of their own."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import (
    Denied,
    NotFound,
    Refused,
    RolloutError,
    Unreachable,
)
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import (
    METADATA,
    METADATA_LIST,
    BrokenStream,
    KubeClient,
    Stream,
)
from ansible_collections.steady.rollout.plugins.module_utils._kube.decode import parsed
from ansible_collections.steady.rollout.plugins.module_utils._kube.failures import Expired, of_status

# The server ends a watch after this; a bookmark comes about once a minute, so silence beyond `_IDLE` is a dead peer.
_SERVER_SECONDS = 290
_IDLE_SECONDS = 100.0
_LONGEST_PAUSE = 5.0
_INITIAL_END = "k8s.io/initial-events-end"


class Change(NamedTuple):
    """What a feed reports: SYNC with all items (replaces what was known), one object's change, or ERROR."""

    kind: Literal["SYNC", "ADDED", "MODIFIED", "DELETED", "ERROR"]
    value: Any
    feed: str


class Feed:
    """One list, watched. The server's list and watch are one request where it can stream the list, else two.

    A lost connection is taken up again from the last resourceVersion; an expired one is read anew and reported as
    SYNC. ERROR is reported once for each outage: at once for a refusal (Denied, NotFound), for anything else after
    `patience` seconds; the feed goes on trying, and SYNC tells that the outage is over.
    """

    def __init__(
        self,
        client: KubeClient,
        path: str,
        label_selector: str = "",
        *,
        field_selector: str = "",
        key: str = "",
        changes: queue.Queue[Change] | None = None,
        metadata_only: bool = False,
        patience: float = 20.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`key` names the feed in its changes; `changes` may be one queue shared by several feeds.

        With `metadata_only` the server leaves everything but apiVersion, kind and metadata out of the objects.
        """
        self.key = key or path
        self._client = client
        self._path = path
        self._selectors = {"labelSelector": label_selector or None, "fieldSelector": field_selector or None}
        self._changes: queue.Queue[Change] = queue.Queue() if changes is None else changes
        self._metadata_only = metadata_only
        self._patience = patience
        self._clock = clock
        self._heard = clock()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._stream: Stream | None = None
        self._version = ""
        self._streams_lists = True
        self._down_since: float | None = None
        self._reported = False
        self._thread = threading.Thread(target=self._run, name=f"feed {self.key}", daemon=True)

    def start(self) -> Feed:
        """Begin; returns itself."""
        self._thread.start()
        return self

    @property
    def silent_seconds(self) -> float:
        """How long there has been no sign of life: no event, no bookmark, no failure. A sound feed has one a minute."""
        return self._clock() - self._heard

    def next(self, timeout: float) -> Change | None:
        """The next change, or None when there was none for `timeout` seconds."""
        try:
            return self._changes.get(timeout=max(timeout, 0.0))
        except queue.Empty:
            return None

    def stop(self) -> None:
        """End the feed; its connection is closed under it, so that it ends at once."""
        self._stopped.set()
        with self._lock:
            if self._stream is not None:
                self._stream.close()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    def __enter__(self) -> Feed:
        return self.start()

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def _run(self) -> None:
        pause = 0.1
        while not self._stopped.is_set():
            try:
                self._follow()
                pause = 0.1
            except Expired:
                self._version = ""
            except RolloutError as error:
                self._note(error)
                self._stopped.wait(pause * random.uniform(0.75, 1.25))
                pause = min(pause * 2, _LONGEST_PAUSE)

    def _follow(self) -> None:
        """One connection's life: the list when nothing is known yet, then events until it ends."""
        if not self._version and not self._streams_lists:
            self._list()
        initial = not self._version
        try:
            stream = self._client.stream(
                self._path,
                query=self._query(initial),
                idle_seconds=_IDLE_SECONDS,
                accept=METADATA if self._metadata_only else None,
            )
        except Refused:
            if not initial:
                raise
            # A server without streamed lists (feature gate WatchList) refuses the query's sendInitialEvents.
            self._streams_lists = False
            return
        try:
            with self._lock:
                self._stream = stream
            if not self._stopped.is_set():
                self._consume(stream, initial)
        finally:
            with self._lock:
                self._stream = None
            stream.close()

    def _query(self, initial: bool) -> dict[str, str | int | bool | None]:
        query: dict[str, str | int | bool | None] = {
            **self._selectors,
            "watch": True,
            "allowWatchBookmarks": True,
            "timeoutSeconds": _SERVER_SECONDS,
        }
        if initial:
            return {**query, "sendInitialEvents": True, "resourceVersionMatch": "NotOlderThan"}
        return {**query, "resourceVersion": self._version}

    def _list(self) -> None:
        listing = self._client.list_(
            self._path,
            label_selector=str(self._selectors["labelSelector"] or ""),
            field_selector=str(self._selectors["fieldSelector"] or ""),
            accept=METADATA_LIST if self._metadata_only else None,
        )
        self._version = listing.resource_version
        self._put("SYNC", listing.items)

    def _consume(self, stream: Stream, initial: bool) -> None:
        """Report what comes until the server ends it; Unreachable where nothing came.

        Without that a server that ends every watch at once would be asked again without a pause.
        """
        items: dict[tuple[str, str], dict[str, Any]] | None = {} if initial else None
        empty = True
        for kind, value in self._events(stream):
            empty = False
            metadata = value.get("metadata") or {}
            version = str(metadata.get("resourceVersion", ""))
            if kind == "BOOKMARK":
                if items is not None and _ends_the_list(value):
                    self._put("SYNC", list(items.values()))
                    items = None
            elif items is not None:
                # A server may send changes before it says that the list is at its end, as Kubernetes 1.32 does.
                key = (str(metadata.get("namespace", "")), str(metadata.get("name", "")))
                items.pop(key, None)
                if kind != "DELETED":
                    items[key] = value
            else:
                self._put(kind, value)
            if items is None:
                self._version = version or self._version
        if empty and not self._stopped.is_set():
            raise Unreachable(f"The watch of {self._path} ended before anything came.")

    def _events(self, stream: Stream) -> Any:
        """Yield (type, object) of each event; raises for an ERROR event and for a broken connection."""
        try:
            for line in stream.lines():
                kind, value = _event(line)
                if kind == "ERROR":
                    raise of_status(int(value.get("code") or 500), value, "GET", self._path, watch=True)
                self._well()
                yield kind, value
        except BrokenStream as error:
            if not self._stopped.is_set():
                raise Unreachable(f"The watch of {self._path} broke: {error}.") from error

    def _put(self, kind: Any, value: Any) -> None:
        self._well()
        self._changes.put(Change(kind, value, self.key))

    def _well(self) -> None:
        self._heard = self._clock()
        self._down_since = None
        self._reported = False

    def _note(self, error: RolloutError) -> None:
        now = self._heard = self._clock()
        self._down_since = now if self._down_since is None else self._down_since
        lasting = isinstance(error, (Denied, NotFound, Refused)) or now - self._down_since >= self._patience
        if lasting and not self._reported:
            self._reported = True
            # Read anew after it, so that the end of the outage is seen as SYNC even if nothing has changed.
            self._version = ""
            self._changes.put(Change("ERROR", error, self.key))


def _event(line: bytes) -> tuple[str, dict[str, Any]]:
    try:
        event = parsed(line, "a watched object")
        return str(event["type"]), dict(event["object"])
    except (ValueError, KeyError, TypeError) as error:
        raise Unreachable("The API server sent a watch event that cannot be read.") from error


def _ends_the_list(bookmark: dict[str, Any]) -> bool:
    annotations = (bookmark.get("metadata") or {}).get("annotations") or {}
    return bool(annotations.get(_INITIAL_END) == "true")
