# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Database URLs: spellings of one database, what is refused, and that a password gets into no text."""

from __future__ import annotations

import json
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.database.url import (
    DEFAULT_PORTS,
    SCHEMES,
    DatabaseUrl,
    normal_host,
    parse,
    target,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused

CANARY = "c4nary/Ov3r@the:hills?"
WHERE = "Secret shop/orders-url key url"
MANY = settings(max_examples=100, derandomize=True, deadline=None)


def lease(url: str, namespace: str = "shop") -> str:
    """The Lease of the database that a URL names."""
    return parse(url, WHERE).target(namespace).lease


SAME = [
    "postgres://app:pw@db.shop.svc.cluster.local:5432/orders",
    "postgres://app:pw@db.shop.svc.cluster.local.:5432/orders",
    "postgresql://app:pw@db.shop.svc/orders",
    "postgres://other:login@DB.Shop/orders?sslmode=require",
    "postgres://db/orders",
    "postgres://db:/orders",
    "postgres://db:05432/orders",
    "postgres://@db/%6Frders",
    "POSTGRES://d%62/Orders?search_path=public",
    "postgres:///orders?host=db&port=5432",
    " postgres://db/orders\n",
]


@pytest.mark.parametrize("url", SAME)
def test_spellings_of_one_database_have_one_lease(url: str) -> None:
    assert lease(url) == lease(SAME[0])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("postgres://localhost/a", "postgres://127.0.0.1:5432/a"),
        ("postgres://[::1]/a", "postgres://127.0.0.53/a"),
        ("postgres://[2001:DB8::1]/a", "postgres://[2001:0db8:0:0::0001]:5432/a"),
        ("postgres://[::ffff:10.0.0.1]/a", "postgres://10.0.0.1/a"),
        ("mysql://db/a", "mariadb://db:3306/a"),
        ("mysql://db/a", "maria://app:x@db/a?tls=true"),
        ("mysql+unix:///run//mysqld/./mysqld.sock?database=a", "maria+unix://u:p@/run/mysqld/mysqld.sock?database=A"),
        ("postgres:///a?host=/run/postgresql", "postgres://u:p@/a?host=/run/postgresql/&port=5432"),
        ("postgres://bücher.example/a", "postgres://xn--bcher-kva.example/a"),
    ],
)
def test_further_pairs_of_spellings(one: str, other: str) -> None:
    assert lease(one) == lease(other)


@pytest.mark.parametrize(
    "url",
    [
        "postgres://db/customers",
        "postgres://db:5433/orders",
        "postgres://db2/orders",
        "postgres://db.stage/orders",
        "mysql://db/orders",
        "postgres:///orders?host=/run/postgresql",
    ],
)
def test_other_databases_have_other_leases(url: str) -> None:
    assert lease(url) != lease(SAME[0])


def test_a_bare_service_name_belongs_to_its_namespace() -> None:
    assert lease("postgres://db/orders", "shop") != lease("postgres://db/orders", "stage")
    assert lease("postgres://db.shop/orders", "stage") == lease("postgres://db/orders", "shop")


def test_a_lease_has_a_name_that_kubernetes_takes() -> None:
    assert lease(SAME[0]) == "steady-rollout-db-" + parse(SAME[0], WHERE).target("shop").digest[:16]


REFUSED = {
    "": "is empty",
    " \n": "is empty",
    "orders": "is not a URL",
    "db:5432/orders": "is not a URL",
    f"postgres://app:{CANARY}": "",
    f"sqlite://{CANARY}": "scheme 'sqlite'",
    f"postgres://app:{CANARY} x@db/orders": "white space",
    "postgres://app:x%zz@db/orders": "a % that begins no code",
    "postgres://app:%ff@db/orders": "not UTF-8",
    "postgres://app:a%0Ab@db/orders": "control characters",
    "postgres://app:x@db": "names no database",
    "postgres://app:x@db/": "names no database",
    "postgres:///orders": "names no host",
    "postgres://app:x@db/orders/more": "slash",
    "postgres://app:x@a,b/orders": "several hosts",
    "postgres://app:x@db:port/orders": "host or a port",
    "postgres://app:x@db:0/orders": "port 0",
    "postgres://app:x@db:65536/orders": "port 65536",
    "postgres://app:x@[::g]/orders": "IPv6",
    "postgres://app:x@-db/orders": "a host that is none",
    "postgres://app:x@d..b/orders": "a host that is none",
    "postgres://db/orders?password=x": "says password in a parameter",
    "postgres://db/orders?host=other": "says host in a parameter",
    "postgres://db/orders?dbname=other": "says dbname in a parameter",
    "postgres:///orders?host=a&host=b": "twice",
    "postgres://db/orders?sslmode": "not key=value",
    "postgres://db/orders?a=b;c=d": "not key=value",
    "mysql+unix:///run/s.sock": "socket",
    "mysql+unix://db/run/s.sock?database=a": "socket",
}


@pytest.mark.parametrize("url", REFUSED)
def test_refuses_without_showing_any_of_it(url: str) -> None:
    with pytest.raises(Refused) as caught:
        parse(url, WHERE)
    said = json.dumps(caught.value.as_result())
    assert REFUSED[url] in said
    assert caught.value.field == WHERE
    assert caught.value.value is None
    assert caught.value.remedy
    assert "c4nary" not in said


NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z][a-z0-9]{0,5}){0,3}", fullmatch=True)
HOSTS = NAMES | st.ip_addresses().map(str)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=12)
SCHEME = st.sampled_from([name for name in SCHEMES if "+" not in name])


def spelled(draw: st.DrawFn, text: str) -> str:
    """A text with some of its characters percent-encoded, and all that must be."""
    coded = ["".join(f"%{byte:02x}" for byte in char.encode()) for char in text]
    must = "%/?#@:[] \x7f"
    wanted = [not c.isascii() or c in must or not c.isprintable() or draw(st.booleans()) for c in text]
    return "".join(code if want else char for char, code, want in zip(text, coded, wanted, strict=True))


@st.composite
def two_spellings(draw: st.DrawFn) -> tuple[str, str]:
    """Two URLs of one database."""
    host, port = draw(HOSTS), draw(st.integers(1, 65535))
    name = draw(TEXTS.filter(lambda text: text and "/" not in text))
    engine = draw(st.sampled_from(sorted(set(SCHEMES.values()))))
    urls = []
    for _number in range(2):
        scheme = draw(st.sampled_from([s for s, e in SCHEMES.items() if e == engine and "+" not in s]))
        shown = f"[{host}]" if ":" in host else draw(st.sampled_from([host, host.upper(), host.title()]))
        if ":" not in host and draw(st.booleans()) and "." in host:
            shown += "."
        place = f"{shown}:{port}" if port != DEFAULT_PORTS[engine] or draw(st.booleans()) else shown
        login = f"{spelled(draw, draw(TEXTS))}:{spelled(draw, draw(TEXTS))}@" if draw(st.booleans()) else ""
        urls.append(f"{scheme}://{login}{place}/{spelled(draw, name)}")
    return urls[0], urls[1]


@given(two_spellings())
@MANY
def test_any_two_spellings_are_one_target(urls: tuple[str, str]) -> None:
    one, other = (parse(url, WHERE).target("shop") for url in urls)
    assert one == other
    assert one.digest == other.digest


@given(SCHEME, TEXTS, TEXTS, HOSTS, st.integers(1, 65535), TEXTS.filter(lambda text: text and "/" not in text))
@MANY
def test_what_is_written_is_read_again_and_is_a_url_for_others(
    scheme: str, user: str, password: str, host: str, port: int, database: str
) -> None:
    url = DatabaseUrl(SCHEMES[scheme], user, password, host, port, database, (("sslmode", "a&b=c d"),))
    assume(user or not password)
    text = url.text()
    assert text.isascii()
    assert not any(char.isspace() for char in text)
    again = parse(text, WHERE)
    assert (again.user, again.password, again.port, again.database) == (user, password, port, database)
    assert again.parameters == url.parameters
    assert normal_host(again.host) == normal_host(host)
    assert urlsplit(text).port == port


@given(
    st.text(max_size=60)
    | st.text(alphabet="postgres:/@%?#[]&=a1. ", max_size=60).map(lambda rest: f"postgres://{rest}")
)
@MANY
def test_any_text_is_read_or_refused(text: str) -> None:
    url = refusal = None
    try:
        url = parse(text, WHERE)
    except Refused as error:
        refusal = error
    assert (url is None) != (refusal is None)
    assert refusal is None or refusal.value is None
    assert url is None or parse(url.text(), WHERE).target("n") == url.target("n")


@given(HOSTS, st.integers(1, 65535))
@MANY
def test_an_aws_host_and_a_url_of_it_are_one_target(host: str, port: int) -> None:
    shown = f"[{host}]" if ":" in host else host
    assert target(host.upper(), port, "Orders", "a") == parse(f"mysql://{shown}:{port}/orders", WHERE).target("a")


def test_no_password_in_the_repr() -> None:
    url = parse(f"postgres://app:{quote(CANARY, safe='')}@db/orders?options=secret", WHERE)
    assert url.password == CANARY
    assert "c4nary" not in repr(url)
    assert "secret" not in repr(url)


def test_another_login_for_the_same_database() -> None:
    url = parse("postgres://app:old@db/orders?sslmode=require", WHERE)
    again = parse(url.with_login("iam", "t/k?n=1&x").text(), WHERE)
    assert (again.user, again.password, again.parameters) == ("iam", "t/k?n=1&x", url.parameters)
    assert again.target("n") == url.target("n")


def test_postgres_is_told_to_look_for_its_client() -> None:
    url = parse("postgres://app:x@db/orders?sslmode=require", WHERE)
    assert url.checking_client(1000).parameters == (
        ("sslmode", "require"),
        ("client_connection_check_interval", "1000"),
    )
    assert url.checking_client(1000).target("n") == url.target("n")
    assert url.checking_client(0) == url
    own = parse("postgres://db/orders?client_connection_check_interval=5", WHERE)
    assert own.checking_client(1000) == own
    other = parse("mysql://db/orders", WHERE)
    assert other.checking_client(1000) == other
