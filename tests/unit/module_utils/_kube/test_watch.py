# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A list and its changes, on a server that streams what a test puts into a queue."""

from __future__ import annotations

import queue
import threading
from typing import Any

import pytest
from unit.module_utils._kube.apiserver import (
    END,
    PATIENCE,
    Answer,
    ApiServer,
    Request,
    bookmark,
    event,
    status,
)

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Denied, Unreachable
from ansible_collections.steady.rollout.plugins.module_utils._kube.watch import Change, Feed

PODS = "/api/v1/namespaces/n/pods"
FORBIDDEN_LIST = status(422, "sendInitialEvents is forbidden for watch", details={"kind": "ListOptions"})


def pod(name: str, version: str = "1") -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": version}}


class Script:
    """Watches in their order: a queue of lines for each, or an answer; what is asked for beyond them waits."""

    def __init__(self, *watches: queue.Queue[bytes] | Answer, lists: list[Answer] | None = None) -> None:
        self._watches = list(watches)
        self._lists = lists or []
        self._end = threading.Event()

    def __call__(self, request: Request) -> Answer:
        if request.query.get("watch") != "true":
            return self._lists.pop(0)
        found = self._watches.pop(0) if self._watches else queue.Queue[bytes]()
        return found if isinstance(found, Answer) else Answer(stream=found)


def lines(*content: bytes) -> queue.Queue[bytes]:
    found: queue.Queue[bytes] = queue.Queue()
    for line in content:
        found.put(line)
    return found


def got(feed: Feed) -> Change:
    change = feed.next(PATIENCE)
    assert change is not None, "nothing came"
    return change


def test_list_and_watch_are_one_request() -> None:
    stream = lines(event("ADDED", pod("a")), event("ADDED", pod("b")), bookmark("7", initial=True))
    with ApiServer(Script(stream)) as server, Feed(server.client(), PODS, "x=y", key="pods") as feed:
        first = got(feed)
        stream.put(event("MODIFIED", pod("a", "8")))
        second = got(feed)

    assert (first.kind, [item["metadata"]["name"] for item in first.value], first.feed) == ("SYNC", ["a", "b"], "pods")
    assert (second.kind, second.value) == ("MODIFIED", pod("a", "8"))
    assert len(server.requests) == 1
    assert server.requests[0].query == {
        "labelSelector": "x=y",
        "watch": "true",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": "290",
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
    }


def test_changes_before_the_end_of_the_list_count() -> None:
    """What is deleted meanwhile is not in the list: nobody would ever hear of its end."""
    changes = (event("DELETED", pod("a", "8")), event("MODIFIED", pod("b", "9")))
    stream = lines(event("ADDED", pod("a")), event("ADDED", pod("b")), *changes, bookmark("9", initial=True))
    with ApiServer(Script(stream)) as server, Feed(server.client(), PODS) as feed:
        assert got(feed) == Change("SYNC", [pod("b", "9")], PODS)


def test_a_server_that_cannot_stream_a_list_is_asked_for_list_and_watch() -> None:
    listed = Answer(body={"items": [pod("a")], "metadata": {"resourceVersion": "7"}})
    stream = lines()
    with ApiServer(Script(FORBIDDEN_LIST, stream, lists=[listed])) as server, Feed(server.client(), PODS) as feed:
        assert got(feed).value == [pod("a")]
        stream.put(event("DELETED", pod("a", "9")))
        assert got(feed).kind == "DELETED"

    assert server.requests[-1].query["resourceVersion"] == "7"
    assert "sendInitialEvents" not in server.requests[-1].query


def test_a_watch_that_ends_is_taken_up_from_the_last_version() -> None:
    ended = lines(bookmark("7", initial=True), event("ADDED", pod("a", "8")), bookmark("12"), END)
    with ApiServer(Script(ended, lines(event("MODIFIED", pod("a", "13"))))) as server:
        with Feed(server.client(), PODS) as feed:
            assert [got(feed).kind for _ in range(3)] == ["SYNC", "ADDED", "MODIFIED"]

    assert server.requests[1].query["resourceVersion"] == "12"


@pytest.mark.parametrize("where", ["status", "event"])
def test_an_expired_version_is_read_anew(where: str) -> None:
    gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
    refused = status(410, "too old", reason="Expired") if where == "status" else lines(event("ERROR", gone))
    again = lines(event("ADDED", pod("b")), bookmark("20", initial=True))
    script = Script(lines(bookmark("7", initial=True), END), refused, again)
    with ApiServer(script) as server, Feed(server.client(), PODS) as feed:
        assert got(feed).value == []
        assert got(feed) == Change("SYNC", [pod("b")], PODS)


def test_a_broken_connection_is_taken_up_again_without_an_error() -> None:
    script = Script(lines(bookmark("7", initial=True), END), Answer(hang_up=True), lines(event("ADDED", pod("a", "8"))))
    with ApiServer(script) as server, Feed(server.client(), PODS) as feed:
        assert [got(feed).kind for _ in range(2)] == ["SYNC", "ADDED"]


def test_a_missing_right_is_reported_at_once_and_its_end_as_sync() -> None:
    forbidden = status(403, 'User "bob" cannot watch resource "pods"')
    with ApiServer(Script(forbidden, forbidden, lines(bookmark("7", initial=True)))) as server:
        with Feed(server.client(), PODS) as feed:
            refused, recovered = got(feed), got(feed)

    assert refused.kind == "ERROR"
    assert isinstance(refused.value, Denied)
    assert recovered.kind == "SYNC"


def test_an_outage_is_reported_once_it_lasts() -> None:
    now = iter(range(0, 1000, 15))
    script = Script(*[status(503, "down")] * 4, lines(bookmark("7", initial=True)))
    with ApiServer(script) as server, Feed(server.client(), PODS, patience=20, clock=lambda: next(now)) as feed:
        lasting, recovered = got(feed), got(feed)

    assert isinstance(lasting.value, Unreachable)
    assert recovered.kind == "SYNC"
    assert len(server.requests) == 5


def test_watches_that_end_at_once_are_an_outage() -> None:
    """Without a word, as behind a proxy that cuts them: asked for again after growing pauses, and reported."""
    now = iter(range(0, 1000, 15))
    script = Script(*[lines(END) for _ in range(4)], lines(bookmark("7", initial=True)))
    with ApiServer(script) as server, Feed(server.client(), PODS, patience=20, clock=lambda: next(now)) as feed:
        lasting, recovered = got(feed), got(feed)

    assert "ended before anything came" in str(lasting.value)
    assert recovered.kind == "SYNC"


def test_a_line_that_is_no_event_breaks_the_watch_only() -> None:
    script = Script(lines(bookmark("7", initial=True), b"<html>\n"), lines(event("ADDED", pod("a", "8"))))
    with ApiServer(script) as server, Feed(server.client(), PODS) as feed:
        assert [got(feed).kind for _ in range(2)] == ["SYNC", "ADDED"]


def test_feeds_can_share_a_queue() -> None:
    changes: queue.Queue[Change] = queue.Queue()
    with ApiServer(lambda _request: Answer(stream=lines(bookmark("7", initial=True)))) as server:
        client = server.client()
        with Feed(client, PODS, key="a", changes=changes), Feed(client, PODS, key="b", changes=changes):
            assert {changes.get(timeout=PATIENCE).feed, changes.get(timeout=PATIENCE).feed} == {"a", "b"}


def test_stopping_ends_a_read_that_waits() -> None:
    with ApiServer(Script(lines(bookmark("7", initial=True)))) as server:
        feed = Feed(server.client(), PODS).start()
        got(feed)
        feed.stop()

    assert not [thread for thread in threading.enumerate() if thread.name == f"feed {PODS}"]


def test_nothing_new_is_none() -> None:
    with ApiServer(Script()) as server, Feed(server.client(), PODS) as feed:
        assert feed.next(0) is None
