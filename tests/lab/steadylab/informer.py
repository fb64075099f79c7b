# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One kind of object, listed once and watched from then on: to read it costs the API server nothing.

A controller of the real world reads from such a store too (client-go's informers), and sees an object as it was at the
last event: a change that it has not heard of yet brings the next event.
"""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable
from typing import NoReturn

import urllib3

from steadylab.kube import Api, ApiError, Object

LOG = logging.getLogger("steadylab.informer")
# A definition that was just made answers 429 for a moment.
BUSY_SECONDS, RETRY_SECONDS = 0.1, 1.0


def follow(
    api: Api,
    kind: str,
    listed: Callable[[list[Object]], None],
    changed: Callable[[str, Object], None],
    selector: str = "",
    retry_seconds: float = RETRY_SECONDS,
) -> NoReturn:
    """List and watch the objects of a kind, those with the label selector, for ever; after a break list again.

    `listed` gets each list as a whole, `changed` the type and object of each event from there on, bookmarks apart.
    """
    pause = threading.Event()
    while True:
        try:
            found = api.list(kind, selector=selector)
            listed(found["items"])
            version = found["metadata"]["resourceVersion"]
            while True:
                for event, item in api.watch(kind, version, selector=selector):
                    version = item["metadata"]["resourceVersion"]
                    if event != "BOOKMARK":
                        changed(event, item)
        except (ApiError, urllib3.exceptions.HTTPError) as error:
            LOG.warning("watch of %s ended: %s", kind, error)
            pause.wait(BUSY_SECONDS if getattr(error, "status", 0) == 429 else retry_seconds)


class Informer:
    """Follows one kind in all namespaces, and tells of each object that changed."""

    def __init__(self, api: Api, kind: str, changed: Callable[[str, Object], None]) -> None:
        self._api = api
        self._kind = kind
        self._changed = changed
        self._objects: dict[tuple[str, str], Object] = {}
        self._lock = threading.Lock()
        self._listed = threading.Event()

    def start(self) -> None:
        """Follow in a thread of its own, as long as the process lives."""
        arguments = (self._api, self._kind, self._list, self._take)
        threading.Thread(target=follow, args=arguments, daemon=True, name=f"informer-{self._kind}").start()

    def wait(self) -> None:
        """Until the first list is there: before it, an object that is missing says nothing."""
        self._listed.wait()

    def find(self, namespace: str, name: str) -> Object | None:
        """A copy of one object, or None."""
        with self._lock:
            return copy.deepcopy(self._objects.get((namespace, name)))

    def labelled(self, namespace: str, label: str, value: str) -> list[Object]:
        """Copies of those in the namespace with that label."""
        with self._lock:
            found = [
                item
                for (where, _name), item in self._objects.items()
                if where == namespace and item["metadata"].get("labels", {}).get(label) == value
            ]
            return copy.deepcopy(found)

    def _list(self, items: list[Object]) -> None:
        with self._lock:
            self._objects = {_key(item): item for item in items}
        self._listed.set()
        for item in items:
            self._changed(self._kind, item)

    def _take(self, event: str, item: Object) -> None:
        with self._lock:
            if event == "DELETED":
                self._objects.pop(_key(item), None)
            else:
                self._objects[_key(item)] = item
        self._changed(self._kind, item)


def _key(item: Object) -> tuple[str, str]:
    metadata = item["metadata"]
    return metadata["namespace"], metadata["name"]
