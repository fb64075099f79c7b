# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one way out, over a real wire: TLS, addresses, redirects, bounds of time and size."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scenarios.receiver import Got, Receiver, Reply

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.reach import WebhookPolicy
from ansible_collections.steady.rollout.plugins.module_utils._domain.webhook import WebhookFailed
from ansible_collections.steady.rollout.plugins.module_utils._http.call import Answer, call
from steadylab.certs import Authority

LOOPBACK = ("127.0.0.0/8", "::1/128")
Start = Callable[..., Receiver]


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Who signs the receivers' certificates."""
    return Authority.create()


@pytest.fixture
def start(tmp_path: Path, authority: Authority) -> Iterator[Start]:
    """Starts receivers: `start(Reply(204))`, `start(handle, tls=False)`."""
    started: list[Receiver] = []

    def start_(reply: Reply | None = None, *, tls: bool = True) -> Receiver:
        def handle(_got: Got) -> Reply:
            return reply or Reply()

        started.append(Receiver(handle, authority if tls else None, tmp_path))
        return started[-1]

    yield start_
    for receiver in started:
        receiver.close()


@pytest.fixture
def ca_file(tmp_path: Path, authority: Authority) -> str:
    """The certificate to trust."""
    path = tmp_path / "ca.pem"
    path.write_bytes(authority.pair.certificate)
    return str(path)


def policy(receiver: Receiver, ca_file: str = "", **fields: Any) -> WebhookPolicy:
    """What allows just this receiver."""
    base = WebhookPolicy(allowed_hosts=(receiver.authority,), allowed_networks=LOOPBACK, ca_file=ca_file)
    return replace(base, **fields)


def send(receiver: Receiver, rules: WebhookPolicy, **fields: Any) -> Answer:
    """A POST to the receiver."""
    given = {"url": receiver.url("/start?a=b"), "method": "POST", "headers": {"X-A": "b"}, "body": b"{}", **fields}
    given.setdefault("timeout", 20.0)
    return call(policy=rules, **given)


def test_one_request_goes_out_as_it_was_given(start: Start, ca_file: str) -> None:
    receiver = start(Reply(201, b"made", {"Retry-After": " 7 "}))
    assert send(receiver, policy(receiver, ca_file)) == Answer(201, b"made", "7")
    (got,) = receiver.got
    assert (got.method, got.target, got.body) == ("POST", "/start?a=b", b"{}")
    assert got.headers == {
        "host": receiver.authority,
        "connection": "close",
        "x-a": "b",
        "content-length": "2",
    }


def test_a_get_has_no_body(start: Start, ca_file: str) -> None:
    receiver = start()
    send(receiver, policy(receiver, ca_file), method="GET", body=b"")
    assert "content-length" not in receiver.got[0].headers


def test_a_certificate_nobody_trusts_ends_the_call(start: Start) -> None:
    receiver = start()
    with pytest.raises(WebhookFailed, match="TLS") as failed:
        send(receiver, policy(receiver))
    assert not failed.value.transient
    assert receiver.got == []


def test_a_certificate_for_another_name_ends_the_call(start: Start, ca_file: str) -> None:
    """The address is the right one and the chain as well: it is the name that is verified."""
    receiver = start()
    url = f"https://hooks.example.com:{receiver.port}/"
    rules = policy(receiver, ca_file, allowed_hosts=(f"hooks.example.com:{receiver.port}",))
    with pytest.raises(WebhookFailed, match=r"TLS.*[Hh]ostname"):
        send(receiver, rules, url=url, resolver=lambda _host, _port: ["127.0.0.1"])
    assert receiver.got == []


def test_the_name_and_not_the_address_is_sent(start: Start) -> None:
    receiver = start(tls=False)
    name = f"hooks.example.com:{receiver.port}"
    rules = policy(receiver, allowed_hosts=(name,), plain_http_hosts=(name,))
    send(receiver, rules, url=f"http://{name}/", resolver=lambda _host, _port: ["127.0.0.1"])
    assert receiver.got[0].headers["host"] == name


def test_plain_http_is_refused_unless_the_host_is_named_for_it(start: Start) -> None:
    receiver = start(tls=False)
    with pytest.raises(Refused, match="without TLS"):
        send(receiver, policy(receiver))
    assert send(receiver, policy(receiver, plain_http_hosts=(receiver.authority,))).status == 200
    assert len(receiver.got) == 1


def test_an_address_inside_is_refused_unless_a_network_names_it(start: Start, ca_file: str) -> None:
    receiver = start()
    with pytest.raises(Refused, match=r"loopback.*allowedNetworks"):
        send(receiver, policy(receiver, ca_file, allowed_networks=()))
    assert receiver.got == []


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "fe80::1", "10.0.0.1", "::ffff:10.0.0.1"])
def test_one_address_inside_among_others_is_enough_to_refuse(start: Start, ca_file: str, address: str) -> None:
    """A name with two answers, one of them harmless, is how an allowed host would be led inside."""
    receiver = start()
    with pytest.raises(Refused, match=r"is a "):
        send(receiver, policy(receiver, ca_file), resolver=lambda _host, _port: ["127.0.0.1", address])
    assert receiver.got == []


def test_the_name_is_looked_up_once_and_the_checked_address_is_called(start: Start, ca_file: str) -> None:
    """DNS that answers otherwise the second time (rebinding) is not asked a second time."""
    receiver = start()
    answers = iter([["127.0.0.1"]])
    assert send(receiver, policy(receiver, ca_file), resolver=lambda _host, _port: next(answers)).status == 200
    assert len(receiver.got) == 1


@pytest.mark.parametrize("url", ["http://127.1:{port}/", "http://2130706433:{port}/", "http://0x7f000001:{port}/"])
def test_other_spellings_of_an_address_inside_are_refused(start: Start, url: str) -> None:
    receiver = start(tls=False)
    given = url.format(port=receiver.port)
    host = given.removeprefix("http://").rstrip("/")
    rules = policy(receiver, allowed_hosts=(host,), plain_http_hosts=(host,), allowed_networks=())
    with pytest.raises(Refused, match="loopback"):
        send(receiver, rules, url=given)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_not_followed(start: Start, ca_file: str, status: int) -> None:
    elsewhere = start()
    receiver = start(Reply(status, b"", {"Location": elsewhere.url("/inside")}))
    rules = policy(receiver, ca_file, allowed_hosts=(receiver.authority, elsewhere.authority))
    assert send(receiver, rules).status == status
    assert elsewhere.got == []


def test_a_proxy_in_the_environment_is_not_used(start: Start, ca_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, receiver = start(tls=False), start()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, proxy.url())
    assert send(receiver, policy(receiver, ca_file)).status == 200
    assert proxy.got == []


def drip(receiver_stopped: threading.Event) -> Reply:
    """An answer that comes one byte at a time and never ends: no single read of it is ever slow."""
    return Reply(raw=(b"HTTP/1.1 200 Said\r\nX: ", *([b"x"] * 10_000)), hold=lambda: receiver_stopped.wait(0.02))


@pytest.mark.parametrize("tls", [True, False])
def test_an_answer_that_never_ends_is_given_up(start: Start, ca_file: str, tls: bool) -> None:
    receiver = start(tls=tls)
    receiver.handle = lambda _got: drip(receiver.stopped)
    rules = policy(receiver, ca_file, plain_http_hosts=(receiver.authority,))
    with pytest.raises(WebhookFailed, match="in time") as failed:
        send(receiver, rules, timeout=0.5)
    assert failed.value.transient


def test_a_body_that_is_cut_off_by_the_time_is_no_answer(start: Start, ca_file: str) -> None:
    """Without a length an answer ends where the connection ends, which the time may have done."""
    receiver = start()
    head = b'HTTP/1.1 200 Said\r\n\r\n{"status": "approved"}'
    receiver.handle = lambda _got: Reply(raw=(head, *([b" "] * 10_000)), hold=lambda: receiver.stopped.wait(0.02))
    with pytest.raises(WebhookFailed, match="in time"):
        send(receiver, policy(receiver, ca_file), timeout=0.5)


def test_a_receiver_that_says_nothing_is_given_up(start: Start, ca_file: str) -> None:
    receiver = start()
    receiver.handle = lambda _got: Reply(hold=receiver.stopped.wait)
    with pytest.raises(WebhookFailed, match="in time"):
        send(receiver, policy(receiver, ca_file), timeout=0.3)


def test_a_resolver_that_says_nothing_is_given_up(start: Start, ca_file: str) -> None:
    receiver = start()

    def silent(_host: str, _port: int) -> list[str]:
        receiver.stopped.wait()
        return []

    with pytest.raises(WebhookFailed, match="looked up in time"):
        send(receiver, policy(receiver, ca_file), timeout=0.1, resolver=silent)


def test_the_policys_time_bounds_every_call(start: Start, ca_file: str) -> None:
    receiver = start()
    receiver.handle = lambda _got: Reply(hold=receiver.stopped.wait)
    with pytest.raises(WebhookFailed, match="in time"):
        send(receiver, policy(receiver, ca_file, timeout_seconds=0.3), timeout=3600.0)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 Said\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000,
        b"HTTP/1.1 200 Said\r\n\r\n" + b"x" * 5000,
        b"HTTP/1.1 200 Said\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n" + b"x" * 5000 + b"\r\n0\r\n\r\n",
    ],
    ids=["length", "until the end", "chunked"],
)
def test_an_answer_that_is_too_large_is_refused(start: Start, ca_file: str, raw: bytes) -> None:
    receiver = start(Reply(raw=(raw,)))
    with pytest.raises(WebhookFailed, match="more than 1000 bytes"):
        send(receiver, policy(receiver, ca_file, max_body_bytes=1000))
    assert len(send(receiver, policy(receiver, ca_file, max_body_bytes=5000)).body) == 5000


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 Said\r\nContent-Length: 500\r\n\r\nshort",
        b"HTTP/1.1 200 Said\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\nshort",
        b"SSH-2.0-OpenSSH\r\n",
        b"\r\n",
    ],
    ids=["shorter than said", "a broken chunk", "no HTTP", "nothing"],
)
def test_half_an_answer_is_none(start: Start, ca_file: str, raw: bytes) -> None:
    receiver = start(Reply(raw=(raw,)))
    with pytest.raises(WebhookFailed) as failed:
        send(receiver, policy(receiver, ca_file))
    assert failed.value.transient


def test_a_port_where_nobody_listens_is_transient(start: Start, ca_file: str) -> None:
    receiver = start()
    rules = policy(receiver, ca_file)
    receiver.close()
    with pytest.raises(WebhookFailed, match="refused") as failed:
        send(receiver, rules)
    assert failed.value.transient


def test_the_next_address_is_tried_when_one_does_not_answer(start: Start, ca_file: str) -> None:
    receiver = start()
    # The receiver listens on 127.0.0.1 alone.
    addresses = ["127.0.0.2", "127.0.0.1"]
    assert send(receiver, policy(receiver, ca_file), resolver=lambda _host, _port: addresses).status == 200


def test_a_name_without_an_address_is_transient(start: Start, ca_file: str) -> None:
    receiver = start()

    def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(WebhookFailed, match="no address"):
        send(receiver, policy(receiver, ca_file), resolver=unknown)
    with pytest.raises(WebhookFailed, match="no address"):
        send(receiver, policy(receiver, ca_file), resolver=lambda _host, _port: [])


def test_a_certificate_file_that_is_not_there_is_named(start: Start) -> None:
    receiver = start()
    with pytest.raises(Refused, match="caFile"):
        send(receiver, policy(receiver, "/nowhere/ca.pem"))


def test_a_header_with_a_line_break_is_not_sent(start: Start, ca_file: str) -> None:
    receiver = start()
    with pytest.raises(ValueError, match="header"):
        send(receiver, policy(receiver, ca_file), headers={"X-A": "b\r\nX-B: c"})
    assert receiver.got == []
