# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One deadline over all reads and writes, and TLS without a socket of its own."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._fe.wire import NotSecured, TlsStarter, Wire
from steadylab.certs import Authority


@pytest.fixture
def pair() -> Iterator[tuple[Wire, socket.socket]]:
    """A wire and its far end."""
    near, far = socket.socketpair()
    with near, far:
        yield Wire(near), far


def test_bytes_pass_within_the_deadline(pair: tuple[Wire, socket.socket]) -> None:
    wire, far = pair
    wire.within(5)
    wire.sendall(b"ping")
    assert far.recv(4) == b"ping"
    far.sendall(b"pong")
    assert wire.makefile("rb").read(4) == b"pong"


def test_the_deadline_is_over_all_reads_together(pair: tuple[Wire, socket.socket]) -> None:
    wire, far = pair
    wire.within(0.1)
    reader = wire.makefile("rb")
    far.sendall(b"x")
    assert reader.read(1) == b"x"
    with pytest.raises(TimeoutError):
        reader.read(1)
    far.sendall(b"y")
    with pytest.raises(TimeoutError):
        reader.read(1)


def test_a_librarys_own_timeout_does_not_count(pair: tuple[Wire, socket.socket]) -> None:
    wire, _far = pair
    wire.within(0.05)
    wire.settimeout(None)
    with pytest.raises(TimeoutError):
        wire.recv(1)


def test_the_end_is_an_empty_read(pair: tuple[Wire, socket.socket]) -> None:
    wire, far = pair
    wire.within(5)
    far.close()
    assert wire.makefile("rb").read(1) == b""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A CA's file, and the TLS context of a server named localhost that it signed for."""
    folder = tmp_path_factory.mktemp("pki")
    ca = Authority.create()
    ca.pair.write(folder, "ca")
    ca.issue("fe", server=True).write(folder, "fe")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*(next(folder.glob(f"fe*{ending}")) for ending in (".crt", ".key")))
    return next(folder.glob("ca*.crt")), context


def _echo(far: socket.socket, context: ssl.SSLContext) -> None:
    try:
        with context.wrap_socket(far, server_side=True) as secured:
            while data := secured.recv(65536):
                secured.sendall(data)
    except OSError:
        # The client does not trust the certificate, which is what that test is about.
        return


def test_tls_carries_more_than_one_record(
    pair: tuple[Wire, socket.socket], authority: tuple[Path, ssl.SSLContext]
) -> None:
    wire, far = pair
    thread = threading.Thread(target=_echo, args=(far, authority[1]), daemon=True)
    thread.start()
    wire.within(10)
    same = TlsStarter(lambda: ssl.create_default_context(cafile=authority[0]), "localhost").wrap_socket(wire)
    sent = bytes(range(256)) * 200
    same.sendall(sent)

    assert same is wire
    assert wire.secured
    assert wire.makefile("rb").read(len(sent)) == sent


def test_a_certificate_of_somebody_else_is_not_accepted(
    pair: tuple[Wire, socket.socket], authority: tuple[Path, ssl.SSLContext]
) -> None:
    wire, far = pair
    threading.Thread(target=_echo, args=(far, authority[1]), daemon=True).start()
    wire.within(10)

    with pytest.raises(ssl.SSLCertVerificationError):
        wire.secure(ssl.create_default_context(cafile=authority[0]), "other.example.com")


def test_a_wire_that_insists_on_tls_lets_only_the_request_for_it_through(pair: tuple[Wire, socket.socket]) -> None:
    wire, far = pair
    wire.within(5)
    wire.insist_on_tls()
    for data in (b"\x50\x00\x00\x01" + b"x" * 80, b"", b"x" * 35, b"x" * 37):
        with pytest.raises(NotSecured):
            wire.sendall(data)
    wire.sendall(b"\x20\x00\x00\x01" + b"x" * 32)
    assert far.recv(100) == b"\x20\x00\x00\x01" + b"x" * 32
