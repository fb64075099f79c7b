# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole runs with TLS to the FEs, over each transport; and what is refused before anything is touched."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from scenarios.cluster import Mark, StarRocks
from scenarios.conftest import MakeCluster
from scenarios.playbook import ROOT, Driver

from steadylab.certs import Authority

FE_IMAGE, BE_IMAGE = "starrocks/fe-ubuntu", "starrocks/be-ubuntu"
RESOLVER = ROOT / "tests" / "scenarios" / "resolver"


@pytest.fixture
def starrocks(cluster: MakeCluster) -> StarRocks:
    """Three FEs and one BE, of the first version with TLS."""
    return cluster(fe=3, be=1, version="3.4.1")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority, whose certificate is in ca.crt."""
    made = Authority.create()
    made.pair.write(tmp_path, "ca")
    return made


def host_of(starrocks: StarRocks, pod: str) -> str:
    return f"{pod}.{starrocks.name}-fe-search.{starrocks.namespace}.svc"


def offer(starrocks: StarRocks, authority: Authority, *pods: str, name: str | None = None) -> None:
    """Give FEs (all where none is named) a certificate each, for their own name or the one given."""
    for pod in pods or starrocks.frontends:
        pair = authority.issue("fe", names=(name or host_of(starrocks, pod),))
        starrocks.simulate(tls={pod: {"certificate": pair.certificate.decode(), "key": pair.key.decode()}})


def access(tmp_path: Path, **options: Any) -> dict[str, Any]:
    """The variable that the playbooks take options of the connection in."""
    return {"starrocks_access": {"fe_tls": "required", "fe_ca_cert": str(tmp_path / "ca.crt"), **options}}


def addresses(starrocks: StarRocks) -> dict[str, tuple[str, int]]:
    """Where the lab has the listener of each FE."""
    return {pod: (entry["host"], entry["port"]) for pod, entry in starrocks.state["frontends"].items()}


def encrypted(starrocks: StarRocks, since: Mark) -> set[bool]:
    return {entry["encrypted"] for entry in starrocks.queries(since)}


def upgrade(product: Driver, *, version: str = "3.4.2") -> dict[str, Any]:
    """Everything, with the leader last: each FE is connected to before and after it was replaced."""
    return product.document(version, acknowledge=["leader-restart"])


def assert_each_frontend_was_asked(starrocks: StarRocks, since: Mark) -> None:
    """Every FE answered on a connection of its own; what an FE passed on to the leader does not count."""
    asked = {entry["fe"] for entry in starrocks.queries(since) if entry["forwarded_from"] is None}
    assert asked == set(starrocks.frontends)


def test_an_upgrade_by_port_forward(
    starrocks: StarRocks, product: Driver, authority: Authority, tmp_path: Path
) -> None:
    offer(starrocks, authority)
    mark = starrocks.mark()
    product.run(upgrade(product), **access(tmp_path, fe_transport="port_forward")).succeeded()
    assert encrypted(starrocks, mark) == {True}
    assert_each_frontend_was_asked(starrocks, mark)
    assert set(starrocks.tags.values()) == {"3.4.2"}
    starrocks.assert_settings()


def test_an_upgrade_by_direct_connections(
    starrocks: StarRocks, product: Driver, authority: Authority, tmp_path: Path
) -> None:
    offer(starrocks, authority)
    hosts = {host_of(starrocks, pod): address for pod, address in addresses(starrocks).items()}
    mark = starrocks.mark()
    run = product.run(
        upgrade(product),
        environment={"STEADY_HOSTS": json.dumps(hosts), "PYTHONPATH": str(RESOLVER)},
        **access(tmp_path, fe_transport="direct"),
    )
    run.succeeded()
    assert encrypted(starrocks, mark) == {True}
    assert_each_frontend_was_asked(starrocks, mark)
    assert not [entry for entry in starrocks.requests(mark) if entry["objectRef"].get("subresource") == "portforward"]


def test_the_certificate_is_checked_on_static_addresses(
    starrocks: StarRocks, product: Driver, authority: Authority, tmp_path: Path
) -> None:
    offer(starrocks, authority)
    static = {pod: f"{host}:{port}" for pod, (host, port) in addresses(starrocks).items()}
    first, second, *_ = sorted(static)
    swapped = {**static, first: static[second], second: static[first]}
    mark = starrocks.mark()
    run = product.run(upgrade(product), **access(tmp_path, fe_addresses=swapped))
    run.failed(f"the certificate of FE {first} is not for {host_of(starrocks, first)}", "fe_tls_server_name")
    starrocks.untouched(mark)
    product.run(upgrade(product), **access(tmp_path, fe_addresses=static)).succeeded()


def test_preferred_takes_tls_up_where_the_upgrade_brings_it(
    cluster: MakeCluster, driver: Any, authority: Authority
) -> None:
    starrocks = cluster(fe=3, be=1, version="3.4.0")
    product = driver(starrocks)
    offer(starrocks, authority)
    mark = starrocks.mark()
    product.run(upgrade(product, version="3.4.1")).succeeded()
    assert encrypted(starrocks, mark) == {False, True}
    starrocks.assert_settings()


@pytest.mark.parametrize(
    ("target", "words"),
    [("3.4.1", "FE prod-fe-0 runs 3.4.0"), ("3.4.2", "StarRocks offers TLS from 3.4.1 on")],
)
def test_a_version_without_tls_is_refused_where_it_is_required(
    target: str, words: str, cluster: MakeCluster, driver: Any, authority: Authority, tmp_path: Path
) -> None:
    starrocks = cluster(fe=1, be=1, version="3.4.0")
    offer(starrocks, authority)
    mark = starrocks.mark()
    product = driver(starrocks)
    product.preflight(upgrade(product, version=target), **access(tmp_path)).failed("fe_tls", "required", words)
    starrocks.untouched(mark)
    assert starrocks.queries(mark) == []


def test_a_target_without_tls_is_refused_where_it_is_required(
    starrocks: StarRocks, product: Driver, authority: Authority, tmp_path: Path
) -> None:
    offer(starrocks, authority)
    mark = starrocks.mark()
    run = product.preflight(upgrade(product, version="3.4.0"), **access(tmp_path))
    run.failed("fe_tls", "the FEs shall run 3.4.0", "Use fe_tls: preferred for this run")
    starrocks.untouched(mark)


def test_an_untrusted_authority_is_refused(
    starrocks: StarRocks, product: Driver, authority: Authority, tmp_path: Path
) -> None:
    offer(starrocks, Authority.create())
    mark = starrocks.mark()
    run = product.preflight(upgrade(product), **access(tmp_path))
    run.failed("fe_ca_cert", "certificate of FE prod-fe-. is not to be trusted")
    starrocks.untouched(mark)
    assert starrocks.queries(mark) == []


def test_a_wrong_name_is_refused(starrocks: StarRocks, product: Driver, authority: Authority, tmp_path: Path) -> None:
    offer(starrocks, authority, name="fe.example.com")
    mark = starrocks.mark()
    run = product.preflight(upgrade(product), **access(tmp_path))
    run.failed("fe_tls_server_name", "is not for prod-fe-..prod-fe-search")
    starrocks.untouched(mark)
    target = {"images": {"be": f"{BE_IMAGE}:3.4.2"}}
    document = product.document(None, target=target)
    product.preflight(document, **access(tmp_path, fe_tls_server_name="fe.example.com")).succeeded()
    assert encrypted(starrocks, mark) == {True}


def test_one_fe_that_offers_no_tls_is_refused(
    starrocks: StarRocks, product: Driver, authority: Authority, tmp_path: Path
) -> None:
    """As when it is forgotten, or somebody in between hides the offer."""
    offer(starrocks, authority, "prod-fe-0", "prod-fe-1")
    mark = starrocks.mark()
    product.preflight(upgrade(product), **access(tmp_path)).failed("FE prod-fe-2 offers no TLS")
    starrocks.untouched(mark)
    assert {entry["fe"] for entry in starrocks.queries(mark)} <= {"prod-fe-0", "prod-fe-1"}


def test_a_password_that_changes_in_the_middle(
    starrocks: StarRocks, product: Driver, authority: Authority, tmp_path: Path
) -> None:
    """Every FE is replaced after the change, so each has to be logged in to anew."""
    offer(starrocks, authority)
    run = product.as_root().start(upgrade(product), **access(tmp_path))
    # Held, it does not log in between the two changes.
    starrocks.hold_in_window()
    password = f"{starrocks.password}-changed"
    secret = {"data": {"password": base64.b64encode(password.encode()).decode()}}
    starrocks.api.patch("Secret", f"{starrocks.name}-root", secret, starrocks.namespace)
    starrocks.simulate(rotate_password=True)
    starrocks.simulate(tablets={"broken": 0})
    run.finish().succeeded()
    assert set(starrocks.tags.values()) == {"3.4.2"}
    starrocks.assert_settings()
