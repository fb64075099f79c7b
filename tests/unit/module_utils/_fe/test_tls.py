# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS to an FE: what is encrypted, what is verified, and that nothing is sent to who is not the FE."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from unit.module_utils._fe.conftest import PASSWORD, Open

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Denied, Refused, RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._fe import tls
from ansible_collections.steady.rollout.plugins.module_utils._fe.options import FeOptions
from steadylab.certs import Authority
from steadylab.simulator import harness
from steadylab.simulator.harness import Harness

FE, OTHER = "prod-fe-0", "prod-fe-1"
HOST, OTHER_HOST = (f"{pod}.prod-fe-search.starrocks.svc" for pod in (FE, OTHER))
SHOW = "SHOW FRONTENDS"
# In the greeting behind the header, the protocol's number and the version: the connection's id, 8 bytes of salt and a
# zero, then the lower half of what the server can do. CLIENT_SSL is the bit 0x0800 of it.
_BEHIND_VERSION = 4 + 8 + 1
_CLIENT_SSL = 0x08


@pytest.fixture
def cluster() -> Iterator[Harness]:
    """Two FEs of the first version with TLS, here instead of the older ones."""
    with harness.start(fe=2, be=0, version="3.4.1", password=PASSWORD) as cluster:
        yield cluster


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority, whose certificate is in ca.crt."""
    made = Authority.create()
    made.pair.write(tmp_path, "ca")
    return made


@pytest.fixture
def ca_cert(tmp_path: Path) -> str:
    """The path of its certificate."""
    return str(tmp_path / "ca.crt")


def offer(cluster: Harness, authority: Authority, *names: str, pod: str = FE, required: bool = False) -> None:
    """Give an FE a certificate with those names."""
    pair = authority.issue("fe", names=names or (f"{pod}.prod-fe-search.starrocks.svc",))
    keystore = {"certificate": pair.certificate.decode(), "key": pair.key.decode(), "required": required}
    cluster.change(tls={pod: keystore})


def encrypted(cluster: Harness) -> list[bool]:
    """Whether each SHOW FRONTENDS came with TLS."""
    return [entry["encrypted"] for entry in cluster.queries() if entry["sql"] == SHOW]


class Between:
    """Somebody between client and FE, who keeps what the client sends and may change the FE's greeting."""

    def __init__(self, target: tuple[str, int], *, hide_tls: bool) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()[:2]
        self.sent = b""
        self._hide_tls = hide_tls
        self._target = target
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        client, _peer = self._listener.accept()
        with client, socket.create_connection(self._target) as server:
            greeting = bytearray(server.recv(4096))
            if self._hide_tls:
                position = greeting.index(0, 5) + 1 + _BEHIND_VERSION + 1
                assert greeting[position] & _CLIENT_SSL
                greeting[position] &= ~_CLIENT_SSL
            client.sendall(greeting)
            back = threading.Thread(target=_copy, args=(server, client))
            back.start()
            while data := _received(client):
                self.sent += data
                server.sendall(data)
            server.shutdown(socket.SHUT_RDWR)
            back.join()

    def finish(self) -> bytes:
        """What the client sent, once it is gone."""
        self._thread.join()
        self._listener.close()
        return self.sent


def _received(source: socket.socket) -> bytes:
    try:
        return source.recv(4096)
    except ConnectionError:
        return b""


def _copy(source: socket.socket, target: socket.socket) -> None:
    while data := _received(source):
        target.sendall(data)
    target.close()


# What is encrypted.


@pytest.mark.parametrize(("mode", "expected"), [("required", True), ("preferred", True), ("off", False)])
def test_an_fe_that_offers_tls(
    mode: str, expected: bool, cluster: Harness, frontends: Open, authority: Authority, ca_cert: str
) -> None:
    offer(cluster, authority)
    assert frontends(tls=mode, ca_cert=ca_cert).session(FE).run(SHOW)
    assert encrypted(cluster) == [expected]


@pytest.mark.parametrize("mode", ["preferred", "off"])
def test_an_fe_without_tls_does_where_it_is_not_required(mode: str, cluster: Harness, frontends: Open) -> None:
    assert frontends(tls=mode).session(FE).run(SHOW)
    assert encrypted(cluster) == [False]


def test_an_fe_without_tls_is_refused_where_it_is_required(frontends: Open) -> None:
    with pytest.raises(Refused, match="prod-fe-0 offers no TLS") as caught:
        frontends(tls="required").session(FE)
    assert (caught.value.field, caught.value.value) == ("fe_tls", "required")
    assert "3.4.1" in caught.value.remedy


def test_an_fe_that_insists_on_tls_says_so(cluster: Harness, frontends: Open, authority: Authority) -> None:
    offer(cluster, authority, required=True)
    with pytest.raises(Denied, match="without TLS") as caught:
        frontends(tls="off").session(FE)
    assert caught.value.remedy == "Set fe_tls: required or preferred."
    assert frontends(tls="preferred").session(FE).run(SHOW)


# What is verified.


def test_a_certificate_of_another_authority_is_refused(cluster: Harness, frontends: Open, ca_cert: str) -> None:
    ours, theirs = Authority.create(), Authority.create()
    Path(ca_cert).write_bytes(ours.pair.certificate)
    offer(cluster, theirs)
    with pytest.raises(Refused, match=r"certificate of FE prod-fe-0 is not to be trusted: .*issuer") as caught:
        frontends(tls="required", ca_cert=ca_cert).session(FE)
    assert (caught.value.field, caught.value.value) == ("fe_ca_cert", ca_cert)
    assert frontends(tls="required", validate_certs=False).session(FE).run(SHOW)
    assert frontends(tls="preferred").session(FE).run(SHOW)


def test_the_certificate_of_another_fe_is_refused(
    cluster: Harness, frontends: Open, authority: Authority, ca_cert: str
) -> None:
    """As when an address in fe_addresses is another FE's: by which way one came says nothing about who is there."""
    for pod in (FE, OTHER):
        offer(cluster, authority, pod=pod)
    addresses = cluster.addresses()
    swapped = {FE: addresses[OTHER], OTHER: addresses[FE]}
    with pytest.raises(Refused, match=f"certificate of FE prod-fe-0 is not for {HOST}") as caught:
        frontends(tls="required", ca_cert=ca_cert, addresses=swapped).session(FE)
    assert caught.value.field == "fe_tls_server_name"
    assert "fe_domain" in caught.value.remedy
    opened = frontends(tls="required", ca_cert=ca_cert)
    assert [opened.session(pod).run("SELECT 1") for pod in (FE, OTHER)]


@pytest.mark.parametrize(
    ("names", "options"),
    [
        (["*.prod-fe-search.starrocks.svc"], {}),
        (["*.prod-fe-search.starrocks.svc.cluster.local"], {"domain": "cluster.local"}),
        (["fe.example.com"], {"tls_server_name": "fe.example.com"}),
    ],
    ids=["wildcard", "domain", "name given"],
)
def test_names_that_a_certificate_may_have(
    names: list[str],
    options: dict[str, str],
    cluster: Harness,
    frontends: Open,
    authority: Authority,
    ca_cert: str,
) -> None:
    offer(cluster, authority, *names)
    assert frontends(tls="required", ca_cert=ca_cert, **options).session(FE).run(SHOW)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_that_is_no_authority_is_refused(
    content: str | None, cluster: Harness, frontends: Open, authority: Authority, tmp_path: Path
) -> None:
    offer(cluster, authority)
    path = tmp_path / "given.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Refused, match="cannot be loaded") as caught:
        frontends(tls="required", ca_cert=str(path)).session(FE)
    assert (caught.value.field, caught.value.value) == ("fe_ca_cert", str(path))


def test_without_a_file_the_system_decides(cluster: Harness, frontends: Open, authority: Authority) -> None:
    offer(cluster, authority)
    with pytest.raises(Refused, match="is not to be trusted"):
        frontends(tls="required").session(FE)


# What is sent to whom.


def test_a_hidden_offer_of_tls_gets_nothing_where_it_is_required(
    cluster: Harness, frontends: Open, authority: Authority, ca_cert: str
) -> None:
    offer(cluster, authority)
    between = Between(cluster.address(FE), hide_tls=True)
    with pytest.raises(Refused, match="offers no TLS"):
        frontends(tls="required", ca_cert=ca_cert, addresses={FE: between.address}).session(FE)
    assert between.finish() == b""


def test_who_is_not_the_fe_gets_the_request_for_tls_at_most(
    cluster: Harness, frontends: Open, authority: Authority, ca_cert: str
) -> None:
    offer(cluster, Authority.create())
    between = Between(cluster.address(FE), hide_tls=False)
    with pytest.raises(Refused, match="not to be trusted"):
        frontends(tls="required", ca_cert=ca_cert, addresses={FE: between.address}).session(FE)
    assert b"root" not in between.finish()


def test_with_tls_neither_user_nor_statement_is_readable(
    cluster: Harness, frontends: Open, authority: Authority, ca_cert: str
) -> None:
    offer(cluster, authority)
    between = Between(cluster.address(FE), hide_tls=False)
    opened = frontends(tls="required", ca_cert=ca_cert, addresses={FE: between.address})
    assert opened.session(FE).run(SHOW)
    opened.close()
    sent = between.finish()
    assert sent
    assert b"root" not in sent
    assert SHOW.encode() not in sent


def _asks_for_a_clear_password(listener: socket.socket, received: list[bytes]) -> None:
    """A server without TLS that switches to mysql_clear_password."""
    body = b"\x0a" + b"5.1.0\0" + b"\x01\0\0\0" + b"12345678\0"
    body += (0x8200).to_bytes(2, "little") + b"\x21\x02\0" + (0x0008).to_bytes(2, "little") + b"\x15" + b"\0" * 10
    body += b"901234567890\0" + b"mysql_native_password\0"
    switch = b"\xfemysql_clear_password\0"
    client, _peer = listener.accept()
    with client:
        client.sendall(len(body).to_bytes(3, "little") + b"\0" + body)
        received.append(_received(client))
        client.sendall(len(switch).to_bytes(3, "little") + b"\x02" + switch)
        while data := _received(client):
            received.append(data)


@pytest.mark.parametrize("mode", ["off", "preferred"])
def test_a_password_never_goes_in_clear_over_an_open_line(mode: str, frontends: Open) -> None:
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=_asks_for_a_clear_password, args=(listener, received))
        server.start()
        with pytest.raises(Denied, match="mysql_clear_password, over a connection without TLS") as caught:
            frontends(tls=mode, addresses={FE: listener.getsockname()[:2]}).session(FE)
        server.join()
    assert PASSWORD.encode() not in b"".join(received)
    assert "root" in caught.value.reason


@pytest.mark.parametrize(
    ("name", "closed", "own"),
    [
        ("mysql_native_password", False, True),
        (b"mysql_native_password", False, True),
        ("", False, True),
        (b"mysql_clear_password", True, True),
        (b"mysql_clear_password", False, False),
        ("caching_sha2_password", False, False),
        (b"dialog", False, False),
    ],
)
def test_which_ways_to_log_in_are_open_on_which_line(name: bytes | str, closed: bool, own: bool) -> None:
    handler = tls.Plugins(FE, "root", lambda: closed).get(name)
    assert (handler is None) == own
    if handler is not None:
        with pytest.raises(RolloutError):
            handler(None)


def test_without_verification_nothing_is_loaded() -> None:
    assert tls.context(FeOptions(tls="preferred", ca_cert="/nowhere")).check_hostname is False
    assert tls.context(FeOptions(tls="required", ca_cert="/nowhere", validate_certs=False)).check_hostname is False


def test_the_hash_that_goes_without_tls_is_not_the_password(cluster: Harness, frontends: Open) -> None:
    between = Between(cluster.address(FE), hide_tls=False)
    opened = frontends(tls="off", addresses={FE: between.address})
    opened.session(FE)
    opened.close()
    sent = between.finish()
    assert b"root" in sent
    assert PASSWORD.encode() not in sent
    assert hashlib.sha1(PASSWORD.encode()).digest() not in sent
