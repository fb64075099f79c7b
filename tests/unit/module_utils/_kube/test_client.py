# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests on the wire: what is sent, what comes back, and what is tried again."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from unit.module_utils._kube.apiserver import Answer, ApiServer, Request, answering, status

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import (
    Conflict,
    Denied,
    NotFound,
    Refused,
    Unreachable,
)
from ansible_collections.steady.rollout.plugins.module_utils._kube import client as client_module
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import ATTEMPTS, KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.connection import Connection

PODS = "/api/v1/namespaces/n/pods"
POD = f"{PODS}/p"


def test_an_object_comes_back_as_it_is() -> None:
    with ApiServer(answering(Answer(body={"metadata": {"name": "p"}}))) as server:
        assert server.client(Authorization="Bearer x").get(POD) == {"metadata": {"name": "p"}}

    assert server.requests[0].header("Authorization") == "Bearer x"


def test_a_log_comes_back_as_text_and_is_asked_for_again_after_a_fault() -> None:
    log = "line \u00e4\n".encode() + b"\xff\n"
    with ApiServer(answering(status(503, "away"), Answer(body=log))) as server:
        text = server.client(Accept="application/json").text(f"{POD}/log", query={"tailLines": 5})

    assert text == "line \u00e4\n\ufffd\n"
    assert [(request.query, request.header("Accept")) for request in server.requests] == [
        ({"tailLines": "5"}, "*/*")
    ] * 2


def test_a_log_that_may_not_be_read_is_denied() -> None:
    forbidden = status(403, 'pods "p" is forbidden: User "x" cannot get resource "pods/log"')
    with ApiServer(answering(forbidden)) as server, pytest.raises(Denied, match="cannot get"):
        server.client().text(f"{POD}/log")


def test_each_value_of_a_list_is_a_header_line() -> None:
    with ApiServer(answering(Answer())) as server:
        KubeClient(Connection(server.url, headers=lambda: {"Impersonate-Group": ["a", "b"]})).get(POD)

    assert [v for k, v in server.requests[0].headers if k.lower() == "impersonate-group"] == ["a", "b"]


def test_a_list_is_read_page_by_page() -> None:
    def page(name: str, token: str) -> Answer:
        return Answer(
            body={"items": [{"metadata": {"name": name}}], "metadata": {"continue": token, "resourceVersion": "7"}}
        )

    with ApiServer(answering(page("a", "next"), page("b", ""))) as server:
        listing = server.client().list_(PODS, label_selector="x in (a,b)", page=1)

    assert [item["metadata"]["name"] for item in listing.items] == ["a", "b"]
    assert listing.resource_version == "7"
    assert [request.query for request in server.requests] == [
        {"labelSelector": "x in (a,b)", "limit": "1"},
        {"labelSelector": "x in (a,b)", "limit": "1", "continue": "next"},
    ]


def test_a_list_whose_pages_expired_is_read_again() -> None:
    first = Answer(body={"items": [{}], "metadata": {"continue": "old"}})
    whole = Answer(body={"items": [{}, {}], "metadata": {"resourceVersion": "9"}})
    with ApiServer(answering(first, status(410, "expired", reason="Expired"), whole)) as server:
        assert len(server.client().list_(PODS).items) == 2


@pytest.mark.parametrize("code", [500, 502, 503, 504])
def test_a_read_is_tried_again_after_a_fault(code: int) -> None:
    with ApiServer(answering(status(code), status(code), Answer(body={"ok": True}))) as server:
        assert server.client().get(POD) == {"ok": True}
        assert len(server.requests) == 3


def test_a_read_is_tried_again_after_a_lost_connection() -> None:
    with ApiServer(answering(Answer(hang_up=True), Answer(body={"ok": True}))) as server:
        assert server.client().get(POD) == {"ok": True}


def test_tries_are_bounded() -> None:
    with ApiServer(answering(status(503, "busy"))) as server:
        with pytest.raises(Unreachable, match="busy"):
            server.client().get(POD)
        assert len(server.requests) == ATTEMPTS


@pytest.mark.parametrize("answer", [status(500), status(503), Answer(hang_up=True)])
def test_a_write_that_may_have_been_done_is_not_sent_again(answer: Answer) -> None:
    with ApiServer(answering(answer)) as server:
        with pytest.raises(Unreachable):
            server.client().merge_patch(POD, {})
        assert len(server.requests) == 1


def test_a_write_that_was_turned_away_is_sent_again_when_the_server_says() -> None:
    pauses: list[float] = []
    with ApiServer(answering(Answer(429, headers={"Retry-After": "2"}), Answer(body={"ok": True}))) as server:
        client = KubeClient(Connection(server.url), pause=pauses.append)
        assert client.create(PODS, {}) == {"ok": True}

    assert pauses == [2.0]


def test_a_pause_that_the_server_asks_for_is_bounded() -> None:
    pauses: list[float] = []
    with ApiServer(answering(Answer(429, headers={"Retry-After": "86400"}), Answer())) as server:
        KubeClient(Connection(server.url), pause=pauses.append).get(POD)

    assert pauses == [client_module.LONGEST_PAUSE]


def test_nobody_listening_is_unreachable_and_tried_also_for_a_write() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    pauses: list[float] = []
    with pytest.raises(Unreachable, match="Connection refused") as caught:
        KubeClient(Connection(url), pause=pauses.append).merge_patch(POD, {})

    assert len(pauses) == ATTEMPTS - 1
    assert "carried out" not in caught.value.reason


def test_no_answer_in_time_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unreachable, match="may have been carried out"):
            KubeClient(Connection(url)).request("PATCH", POD, body={}, timeout=0.05)


def test_the_token_is_in_no_error() -> None:
    with ApiServer(answering(status(401, "Unauthorized"))) as server:
        with pytest.raises(Denied) as caught:
            server.client(Authorization="Bearer s3cret").get(POD)

    assert "s3cret" not in json.dumps(caught.value.as_result())


@pytest.mark.parametrize(
    ("code", "kind"), [(403, Denied), (404, NotFound), (409, Conflict), (412, Conflict), (422, Refused)]
)
def test_a_refusal_is_not_tried_again(code: int, kind: type[Exception]) -> None:
    with ApiServer(answering(status(code, "no", details={"name": "p"}))) as server:
        with pytest.raises(kind):
            server.client().get(POD)
        assert len(server.requests) == 1


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'"text"'])
def test_an_answer_that_is_no_object_is_unreachable(body: bytes) -> None:
    with ApiServer(answering(Answer(body=body))) as server:
        with pytest.raises(Unreachable, match="JSON"):
            server.client().create(PODS, {})


def sent(server: ApiServer) -> Request:
    return server.requests[-1]


@pytest.mark.parametrize("dry_run", [False, True])
def test_writes_say_who_writes_and_whether_for_real(dry_run: bool) -> None:
    with ApiServer(answering(Answer())) as server:
        client = server.client()
        writes: list[tuple[Any, str, str]] = [
            (lambda: client.create(PODS, {"a": 1}, dry_run=dry_run), "POST", "application/json"),
            (lambda: client.merge_patch(POD, {"a": 1}, dry_run=dry_run), "PATCH", "application/merge-patch+json"),
            (lambda: client.json_patch(POD, [], dry_run=dry_run), "PATCH", "application/json-patch+json"),
        ]
        for write, method, content_type in writes:
            write()
            assert sent(server).method == method
            assert sent(server).header("Content-Type") == content_type
            assert sent(server).query["fieldManager"] == "steady-rollout"
            assert sent(server).query.get("dryRun") == ("All" if dry_run else None)


def test_a_deletion_carries_its_preconditions() -> None:
    with ApiServer(answering(Answer())) as server:
        server.client().delete(POD, uid="u", resource_version="5", grace_seconds=0, dry_run=True)

    assert sent(server).body["preconditions"] == {"uid": "u", "resourceVersion": "5"}
    assert sent(server).body["gracePeriodSeconds"] == 0
    assert sent(server).query == {"dryRun": "All"}


def test_a_proxy_is_asked_with_its_credentials() -> None:
    with ApiServer(answering(Answer(body={"ok": True}))) as proxy:
        address = proxy.url.replace("http://", "http://bob:p%40ss@")
        assert KubeClient(Connection("http://api.example.com", proxy=address)).get(POD) == {"ok": True}

    assert proxy.requests[0].header("Proxy-Authorization") == "Basic Ym9iOnBAc3M="


def test_connections_are_kept() -> None:
    with ApiServer(answering(Answer())) as server:
        client = server.client()
        for _ in range(5):
            client.get(POD)
        assert client._pools.connection_from_url(server.url).num_connections == 1
