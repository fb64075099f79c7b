# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A port-forward by WebSocket, against a peer that speaks the kubelet's protocol."""

from __future__ import annotations

import socket
import threading

import pytest
from unit.module_utils._kube.apiserver import ApiServer, WebSocketPeer, answering, status

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Denied, NotFound, Unreachable
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.connection import Connection
from ansible_collections.steady.rollout.plugins.module_utils._kube.portforward import open_socket


def client_of(url: str) -> KubeClient:
    return KubeClient(Connection(url, headers=lambda: {"Authorization": "Bearer t", "Accept": "application/json"}))


def test_bytes_pass_both_ways() -> None:
    def converse(peer: WebSocketPeer) -> None:
        peer.open_channels(9030)
        peer.send(b"\x00hello")
        peer.send(b"\x00" + peer.receive()[1:].upper())

    with WebSocketPeer(converse) as peer:
        tunnel = open_socket(client_of(peer.url), "n", "p", 9030, 5)
        parts = [tunnel.recv(2), tunnel.recv(100)]
        tunnel.sendall(b"world")
        parts.append(tunnel.recv(100))
        tunnel.close()

    assert parts == [b"he", b"llo", b"WORLD"]
    request = peer.request.lower()
    assert request.startswith("get /api/v1/namespaces/n/pods/p/portforward?ports=9030 ")
    assert "authorization: bearer t" in request
    assert "accept: " not in request


def test_what_the_kubelet_reports_is_a_connection_error() -> None:
    def converse(peer: WebSocketPeer) -> None:
        peer.open_channels(9030)
        peer.send(b"\x01connection refused")

    with WebSocketPeer(converse) as peer:
        tunnel = open_socket(client_of(peer.url), "n", "p", 9030, 5)
        with pytest.raises(ConnectionError, match="pod n/p port 9030: connection refused"):
            tunnel.recv(1)
        tunnel.close()


def test_the_end_of_the_connection_is_the_end_of_the_stream() -> None:
    def converse(peer: WebSocketPeer) -> None:
        peer.open_channels(9030)
        peer.send(b"", opcode=8)

    with WebSocketPeer(converse) as peer:
        tunnel = open_socket(client_of(peer.url), "n", "p", 9030, 5)
        assert tunnel.recv(1) == b""
        tunnel.close()


def test_a_broken_connection_is_a_connection_error() -> None:
    with WebSocketPeer(lambda peer: peer.open_channels(9030)) as peer:
        tunnel = open_socket(client_of(peer.url), "n", "p", 9030, 5)
        with pytest.raises(ConnectionError):
            tunnel.recv(1)
        tunnel.close()


def test_a_ping_is_answered_while_waiting() -> None:
    answers: list[bytes] = []

    def converse(peer: WebSocketPeer) -> None:
        peer.open_channels(9030)
        peer.send(b"there?", opcode=9)
        answers.append(peer.receive())
        peer.send(b"\x00x")

    with WebSocketPeer(converse) as peer:
        tunnel = open_socket(client_of(peer.url), "n", "p", 9030, 5)
        assert tunnel.recv(1) == b"x"
        tunnel.close()
    assert answers == [b"there?"]


def test_waiting_ends_with_the_timeout() -> None:
    done = threading.Event()
    with WebSocketPeer(lambda _peer: done.wait(5) and None) as peer:
        tunnel = open_socket(client_of(peer.url), "n", "p", 9030, 5)
        tunnel.settimeout(0.05)
        with pytest.raises(TimeoutError):
            tunnel.recv(1)
        tunnel.close()
        done.set()


def test_it_needs_no_thread() -> None:
    with WebSocketPeer(lambda peer: peer.receive() and None) as peer:
        before = threading.active_count()
        tunnel = open_socket(client_of(peer.url), "n", "p", 9030, 5)
        assert threading.active_count() == before
        tunnel.sendall(b"x")
        tunnel.close()


def test_a_missing_right_is_denied_with_the_rule() -> None:
    with ApiServer(answering(status(403, 'User "bob" cannot get resource "pods/portforward"'))) as server:
        with pytest.raises(Denied, match="bob") as caught:
            open_socket(client_of(server.url), "n", "p", 9030, 5)

    assert 'resources: ["pods/portforward"], verbs: ["create", "get"]' in caught.value.remedy


def test_a_missing_pod_is_not_found() -> None:
    with ApiServer(answering(status(404, "no", details={"name": "p"}))) as server:
        with pytest.raises(NotFound, match='pods "p" in namespace "n" does not exist'):
            open_socket(client_of(server.url), "n", "p", 9030, 5)


@pytest.mark.parametrize("code", [400, 500, 502])
def test_a_node_that_cannot_forward_is_unreachable(code: int) -> None:
    with ApiServer(answering(status(code, "unable to upgrade connection"))) as server:
        with pytest.raises(Unreachable, match="unable to upgrade"):
            open_socket(client_of(server.url), "n", "p", 9030, 5)


def test_no_api_server_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(Unreachable, match="Connection refused"):
        open_socket(client_of(url), "n", "p", 9030, 5)
