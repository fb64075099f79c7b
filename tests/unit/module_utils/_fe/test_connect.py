# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions with simulated FEs: transports, credentials, and every way in which an answer may not come."""

from __future__ import annotations

import json
import socket

import pytest
from unit.module_utils._fe.conftest import PASSWORD, Open

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import (
    Denied,
    Refused,
    RolloutError,
    SqlFailed,
    Unreachable,
)
from ansible_collections.steady.rollout.plugins.module_utils._fe import connect
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Credentials, Frontends, in_parallel
from ansible_collections.steady.rollout.plugins.module_utils._fe.options import FeOptions
from steadylab.simulator.harness import Harness

FE = "prod-fe-0"
FES = (FE, "prod-fe-1", "prod-fe-2")


def test_values_are_texts_by_column(frontends: Open) -> None:
    row = frontends().session(FE).run("SHOW FRONTENDS")[0]

    assert (row["Role"], row["Alive"]) == ("LEADER", "true")
    assert {type(value) for value in row.values()} <= {str, type(None)}


def test_a_statement_without_rows_gives_none(frontends: Open) -> None:
    assert frontends().session(FE).run('ADMIN SET FRONTEND CONFIG ("tablet_sched_disable_balance" = "true")') == []


def test_a_session_is_opened_once(frontends: Open) -> None:
    opened = frontends()

    assert opened.session(FE) is opened.session(FE)
    assert opened.session(FE) is not opened.session("prod-fe-1")


class Source:
    """Where a password comes from; counts how often it was asked."""

    def __init__(self, password: str = PASSWORD) -> None:
        self.password = password
        self.asked = 0

    def __call__(self) -> Credentials:
        self.asked += 1
        return Credentials("root", self.password)


def everywhere(opened: Frontends) -> None:
    """A round: a statement on every FE at the same time, on the sessions that there are or on new ones."""
    answers = in_parallel({pod: lambda pod=pod: opened.session(pod).run("SHOW FRONTENDS") for pod in FES})
    assert not [answer for answer in answers.values() if isinstance(answer, RolloutError)]


def test_credentials_are_asked_once_for_a_round_of_connections(frontends: Open) -> None:
    source = Source()
    everywhere(frontends(credentials=source))
    assert source.asked == 1


def test_credentials_are_asked_for_a_connection_that_is_opened_later(
    frontends: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source()
    opened = frontends(credentials=source)
    opened.session(FE)
    opened.session(FE)
    monkeypatch.setattr(connect, "CREDENTIALS_SECONDS", 0.0)
    opened.session("prod-fe-1")
    opened.session("prod-fe-2")
    assert source.asked == 3


def test_a_password_changed_within_a_round_is_read_once_more_for_all(cluster: Harness, frontends: Open) -> None:
    source = Source()
    opened = frontends(credentials=source)
    everywhere(opened)
    cluster.change(rotate_password="new")
    source.password = "new"
    for pod in FES:
        opened.forget(pod)
    everywhere(opened)
    assert source.asked == 2


def test_a_password_changed_meanwhile_is_read_again(cluster: Harness, frontends: Open) -> None:
    current = [PASSWORD]
    opened = frontends(credentials=lambda: Credentials("root", current[0]))
    opened.session(FE)
    cluster.change(rotate_password="new")
    current[0] = "new"

    assert opened.session("prod-fe-1").run("SHOW FRONTENDS")
    assert opened.session(FE).run("SHOW FRONTENDS")
    assert not [entry for entry in cluster.queries() if entry["result"] == "error"]


def test_a_password_changed_between_reading_and_connecting_is_read_again(cluster: Harness, frontends: Open) -> None:
    given = iter([PASSWORD, "new"])
    cluster.change(rotate_password="new")

    assert frontends(credentials=lambda: Credentials("root", next(given))).session(FE).run("SHOW FRONTENDS")


def test_a_wrong_password_is_denied_after_one_more_look(cluster: Harness, frontends: Open) -> None:
    asked: list[int] = []

    def ask() -> Credentials:
        asked.append(1)
        return Credentials("root", f"wrong{len(asked)}")

    with pytest.raises(Denied, match="prod-fe-0 does not let user root in") as caught:
        frontends(credentials=ask).session(FE)
    assert len(asked) == 2
    assert type(caught.value) is Denied
    assert "wrong" not in json.dumps(caught.value.as_result())


def test_credentials_do_not_show_the_password() -> None:
    assert "s3cret" not in repr(Credentials("root", "s3cret"))


def test_a_missing_privilege_is_denied_with_the_grant(cluster: Harness, frontends: Open) -> None:
    cluster.change(users={"reader": {"password": "", "privileges": []}})
    opened = frontends(credentials=lambda: Credentials("reader", ""))

    with pytest.raises(Denied, match="OPERATE") as caught:
        opened.session(FE).run('ADMIN SET FRONTEND CONFIG ("tablet_sched_disable_balance" = "true")')
    assert caught.value.remedy == "GRANT OPERATE ON SYSTEM TO USER reader"


def test_an_error_keeps_its_number(cluster: Harness, frontends: Open) -> None:
    cluster.faults({"kind": "error", "errno": 5101, "message": "Set config failed"})

    with pytest.raises(SqlFailed, match="5101") as caught:
        frontends().session(FE).run("SHOW FRONTENDS")
    assert (caught.value.errno, caught.value.transient) == (5101, True)


def test_a_session_goes_on_after_an_error(cluster: Harness, frontends: Open) -> None:
    session = frontends().session(FE)
    cluster.faults({"kind": "error", "match": "BACKENDS"})
    with pytest.raises(SqlFailed):
        session.run("SHOW BACKENDS")

    assert session.run("SHOW FRONTENDS")


@pytest.mark.parametrize("kind", ["drop", "drop_after_apply"])
def test_a_lost_connection_is_unreachable(cluster: Harness, frontends: Open, kind: str) -> None:
    cluster.faults({"kind": kind, "match": "FRONTENDS"})

    with pytest.raises(Unreachable, match=r"FE prod-fe-0 did not answer \(static, \d"):
        frontends().session(FE).run("SHOW FRONTENDS")


@pytest.mark.parametrize("fault", [{"kind": "hang"}, {"kind": "slow", "seconds": 30}])
def test_an_answer_that_does_not_come_in_time_is_unreachable(
    cluster: Harness, frontends: Open, fault: dict[str, object]
) -> None:
    cluster.faults({**fault, "match": "FRONTENDS"})

    with pytest.raises(Unreachable, match="timed out"):
        frontends().session(FE).run("SHOW FRONTENDS", timeout=0.1)


def test_an_fe_that_refuses_connections_is_unreachable(cluster: Harness, frontends: Open) -> None:
    opened = frontends()
    cluster.stop_pod(FE)

    with pytest.raises(Unreachable, match="FE prod-fe-0 did not answer"):
        opened.session(FE)


def test_a_server_that_says_nothing_costs_the_connect_timeout(frontends: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        opened = frontends(addresses={FE: silent.getsockname()[:2]}, connect_timeout=0.1)
        with pytest.raises(Unreachable, match="timed out"):
            opened.session(FE)


@pytest.mark.parametrize(
    "greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05\x00\x00\x00abcde", b"\x00\x00\x00\x00", b""]
)
def test_a_server_of_another_kind_is_a_domain_error(frontends: Open, greeting: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        opened = frontends(addresses={FE: listener.getsockname()[:2]}, connect_timeout=2.0)
        results = in_parallel({"client": lambda: opened.session(FE), "server": lambda: _greet(listener, greeting)})

    assert isinstance(results["client"], RolloutError)


def _greet(listener: socket.socket, greeting: bytes) -> None:
    with listener.accept()[0] as connection:
        connection.sendall(greeting)


def test_a_kept_session_that_broke_is_replaced_for_reads(cluster: Harness, frontends: Open) -> None:
    opened = frontends()
    opened.session(FE)
    cluster.restart_pod(FE)

    assert opened.run(FE, lambda session: session.run("SHOW FRONTENDS"))


def test_a_new_session_that_breaks_is_not_replaced(cluster: Harness, frontends: Open) -> None:
    cluster.faults({"kind": "drop", "match": "FRONTENDS"})
    calls: list[int] = []

    def work(session: connect.Session) -> object:
        calls.append(1)
        return session.run("SHOW FRONTENDS")

    with pytest.raises(Unreachable):
        frontends().run(FE, work)
    assert len(calls) == 1


def test_what_was_forgotten_is_opened_again(frontends: Open) -> None:
    opened = frontends()
    before = opened.session(FE)
    opened.forget(FE)

    assert opened.session(FE) is not before


def test_a_session_that_was_idle_is_asked_for_a_sign_of_life(
    cluster: Harness, frontends: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "_IDLE_SECONDS", 0.0)
    opened = frontends()
    before = opened.session(FE)
    statements = len(cluster.queries())

    assert opened.session(FE) is before
    assert len(cluster.queries()) == statements
    cluster.restart_pod(FE)
    assert opened.session(FE) is not before


def test_a_session_that_gives_no_sign_of_life_is_replaced(
    cluster: Harness, frontends: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As over a port-forward whose far end is gone: nothing comes, not even an end."""
    opened = frontends()
    before = opened.session(FE)
    near, far = socket.socketpair()
    with near, far:
        monkeypatch.setattr(before._wire, "_pipe", near)
        monkeypatch.setattr(connect, "_IDLE_SECONDS", 0.0)
        monkeypatch.setattr(connect, "_PING_SECONDS", 0.05)
        assert opened.session(FE) is not before


def test_an_fe_without_an_address_is_refused(frontends: Open) -> None:
    with pytest.raises(Refused, match="has no address for FE prod-fe-9"):
        frontends().session("prod-fe-9")


def transport(options: FeOptions) -> str:
    return Frontends(None, "prod", "n", lambda: Credentials("root", ""), options).transport_of(FE)


def test_how_an_fe_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert transport(FeOptions()) == "port_forward"
    assert transport(FeOptions(addresses={FE: ("host", 1)})) == "static"
    assert transport(FeOptions(transport="direct")) == "direct"

    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setattr(connect, "_resolves", lambda host: host == "prod-fe-0.prod-fe-search.n.svc.x")
    assert transport(FeOptions()) == "port_forward"
    assert transport(FeOptions(domain="x")) == "direct"


def test_direct_asks_for_each_pod_by_its_own_name(
    cluster: Harness, frontends: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names of the pods resolve as they do inside the cluster; the Service's name is never asked for."""
    asked: list[tuple[str, int]] = []

    def resolve(host: str, port: int, *_others: object, **_more: object) -> list[tuple[object, ...]]:
        asked.append((host, port))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", cluster.address(host.partition(".")[0]))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    opened = frontends(transport="direct", addresses={}, domain="cluster.local", port=9031)
    pods = ["prod-fe-0", "prod-fe-1", "prod-fe-2"]
    assert [opened.session(pod).run("SELECT 1") for pod in pods] == [[{"1": "1"}]] * 3
    assert asked == [(f"{pod}.prod-fe-search.starrocks.svc.cluster.local", 9031) for pod in pods]
    assert [entry["fe"] for entry in cluster.queries() if entry["sql"] == "SELECT 1"] == pods


def test_a_port_forward_needs_an_api_server() -> None:
    opened = Frontends(None, "prod", "n", lambda: Credentials("root", ""), FeOptions(transport="port_forward"))
    with pytest.raises(Refused, match="fe_transport"):
        opened.session(FE)


def test_jobs_at_the_same_time_keep_their_names_and_errors() -> None:
    def fail() -> int:
        raise Unreachable("gone")

    results = in_parallel({"a": lambda: 1, "b": fail})
    assert results["a"] == 1
    assert isinstance(results["b"], Unreachable)
    assert in_parallel({}) == {}


def test_a_mistake_in_a_job_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        in_parallel({"a": lambda: 1 // 0, "b": lambda: 1})
