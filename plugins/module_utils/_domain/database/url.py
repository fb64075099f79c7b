# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The URL of a database: read strictly, written anew, and reduced to what tells two databases apart.

Why it is written anew: Go prints a URL that it cannot parse, password and all (net/url, Error), and Atlas passes that
on. So nothing reaches a Job that was not parsed here and encoded again.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import quote, unquote

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused

Engine = Literal["postgres", "mysql", "mariadb"]

# The schemes that Atlas knows for these databases (atlasgo.io/concepts/url), and the engine that each means.
SCHEMES: dict[str, Engine] = {
    "postgres": "postgres",
    "postgresql": "postgres",
    "mysql": "mysql",
    "mysql+unix": "mysql",
    "maria": "mariadb",
    "mariadb": "mariadb",
    "maria+unix": "mariadb",
    "mariadb+unix": "mariadb",
}
_WRITTEN: dict[Engine, str] = {"postgres": "postgres", "mysql": "mysql", "mariadb": "maria"}
DEFAULT_PORTS: dict[Engine, int] = {"postgres": 5432, "mysql": 3306, "mariadb": 3306}
CLIENT_CHECK = "client_connection_check_interval"

_SHAPE = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?"
)
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
# Parameters that say again what the URL itself says: which of the two wins is the driver's secret.
_DOUBLES = ("user", "password", "passwd", "pass", "dbname", "hostaddr", "port", "sslpassword", "service", "servicefile")
_EXAMPLE = "write it as postgres://user:password@host:5432/database, with special characters percent-encoded"
_IN_CLUSTER = ".cluster.local"
_SERVICE = ".svc"


@dataclass(frozen=True, slots=True)
class Target:
    """What tells one database from another: three texts that are the same for every spelling of its URL."""

    host: str
    port: int
    database: str

    @property
    def digest(self) -> str:
        """SHA-256 over the three."""
        return hashlib.sha256(f"{self.host}\n{self.port}\n{self.database}".encode()).hexdigest()

    @property
    def lease(self) -> str:
        """The name of the Lease that whoever migrates this database holds."""
        return f"steady-rollout-db-{self.digest[:16]}"

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.database}"


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """A parsed URL. `host` is a name, an address, or the path of a socket; the password is never in its `repr`."""

    engine: Engine
    user: str
    password: str = field(repr=False)
    host: str
    port: int
    database: str
    parameters: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def socket(self) -> bool:
        """Whether the database is reached through a socket in a file system."""
        return self.host.startswith("/")

    def text(self) -> str:
        """The URL as Go reads it without an error; a secret."""
        scheme, parameters = _WRITTEN[self.engine], list(self.parameters)
        login = quote(self.user, safe="")
        login += f":{quote(self.password, safe='')}" if self.password else ""
        authority = f"{login}@" if login else ""
        path = f"/{quote(self.database, safe='')}"
        if not self.socket:
            authority += f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        elif self.engine == "postgres":
            parameters += [("host", self.host), ("port", str(self.port))]
        else:
            scheme, path = f"{scheme}+unix", quote(self.host)
            parameters += [("database", self.database)]
        query = "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in parameters)
        return f"{scheme}://{authority}{path}" + (f"?{query}" if query else "")

    def target(self, namespace: str) -> Target:
        """The database as every spelling has it; a bare Service name is one of `namespace`."""
        if self.socket:
            return Target(self.host, self.port, self.database.casefold())
        return target(self.host, self.port, self.database, namespace)

    def checking_client(self, milliseconds: int) -> DatabaseUrl:
        """The same, with PostgreSQL told to look so often whether its client is still there.

        Without it a statement goes on after its client was killed, while Atlas's lock, which another session holds,
        is free at once. A release before 14 refuses the parameter (postgresql.org/docs/14/runtime-config-connection).
        """
        known = any(key.lower() == CLIENT_CHECK for key, _value in self.parameters)
        if self.engine != "postgres" or not milliseconds or known:
            return self
        return replace(self, parameters=(*self.parameters, (CLIENT_CHECK, str(milliseconds))))

    def with_login(self, user: str, password: str) -> DatabaseUrl:
        """The same database for another login."""
        return DatabaseUrl(self.engine, user, password, self.host, self.port, self.database, self.parameters)


def target(host: str, port: int, database: str, namespace: str) -> Target:
    """What tells a database on the network from another.

    A Service can be spelled `db`, `db.prod`, `db.prod.svc` and `db.prod.svc.cluster.local`: all become `db.prod`. Upper
    and lower case are one, also in the database's name, where some servers make a difference: two databases that share
    a Lease wait for one another, which does no harm. Two names of one address cannot be told here: for those there is
    the lock that Atlas takes in the database.
    """
    name = normal_host(host)
    if "." not in name and ":" not in name and not host.endswith(".") and name != "localhost":
        name = f"{name}.{namespace}"
    return Target(name.removesuffix(_IN_CLUSTER).removesuffix(_SERVICE), port, database.casefold())


def normal_host(host: str) -> str:
    """A host in one spelling: lower case, no final dot, addresses in their shortest form, loopback as localhost."""
    name = host.casefold().removesuffix(".")
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return "localhost" if address.is_loopback else str(address)


def parse(text: str, where: str) -> DatabaseUrl:
    """Read a URL; `where` is what is named in a refusal, which never shows any of the URL.

    White space around it is dropped, because Secrets made from files end with a line feed.
    """
    text = text.strip()
    if not text:
        raise _refused(where, "is empty", _EXAMPLE)
    if re.search(r"[\x00-\x20\x7f]", text):
        raise _refused(where, "holds white space or control characters", "percent-encode them")
    shape = _SHAPE.fullmatch(text)
    if not shape:
        raise _refused(where, "is not a URL", _EXAMPLE)
    scheme = shape["scheme"].lower()
    if scheme not in SCHEMES:
        problem = f"has the scheme {scheme!r}" if len(scheme) <= 16 else "has a scheme that is not known"
        raise _refused(where, problem, f"one of: {', '.join(SCHEMES)}")
    engine = SCHEMES[scheme]
    parameters = _parameters(shape["query"] or "", where)
    login, _at, place = shape["authority"].rpartition("@")
    user, _colon, password = login.partition(":")
    host, port = _place(place, engine, where)
    path = _decoded(shape["path"] or "", where)
    if scheme.endswith("+unix"):
        host, path, parameters = _mysql_socket(host, path, parameters, where)
    elif engine == "postgres":
        host, port, parameters = _postgres_socket(host, port, parameters, where)
    database = path.removeprefix("/")
    _check(engine, host, database, parameters, where)
    return DatabaseUrl(engine, _decoded(user, where), _decoded(password, where), host, port, database, parameters)


def _refused(where: str, problem: str, remedy: str) -> Refused:
    return Refused(where, None, problem, remedy=remedy)


def _check(engine: Engine, host: str, database: str, parameters: tuple[tuple[str, str], ...], where: str) -> None:
    if not host:
        raise _refused(where, "names no host", _EXAMPLE)
    if not database:
        raise _refused(where, "names no database", "put it behind the host: .../orders")
    if "/" in database or "\x00" in database:
        raise _refused(
            where, "names a database with a slash in it", "percent-encode special characters of the password"
        )
    for name, _value in parameters:
        doubled = name.lower() in _DOUBLES or (name.lower() == "host" and engine == "postgres")
        if doubled:
            raise _refused(where, f"says {name} in a parameter", f"say it in its place: {_EXAMPLE}")


def _place(place: str, engine: Engine, where: str) -> tuple[str, int]:
    """Host and port; the host is empty where a socket is named elsewhere."""
    match = re.fullmatch(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>\d{0,5}))?", place)
    if not match:
        raise _refused(where, "has a host or a port that is none", _EXAMPLE)
    port = int(match["port"] or DEFAULT_PORTS[engine])
    if not 1 <= port <= 65535:
        raise _refused(where, f"has the port {port}", "1 to 65535")
    return _host(_decoded(match["host"], where), where), port


def _host(host: str, where: str) -> str:
    if not host:
        return ""
    if host.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            raise _refused(where, "has an IPv6 address that is none", "such as [2001:db8::1]") from None
    if "," in host:
        raise _refused(where, "names several hosts", "name one: the host that takes writes")
    try:
        name = host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError:
        name = ""
    if not _HOST_NAME.fullmatch(name.lower().removesuffix(".")):
        raise _refused(where, "has a host that is none", _EXAMPLE)
    return name.lower()


def _mysql_socket(
    host: str, path: str, parameters: tuple[tuple[str, str], ...], where: str
) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """mysql+unix:///path/of.sock?database=NAME, as Atlas has it: socket, database and the other parameters."""
    names = [value for key, value in parameters if key == "database"]
    if host or path in ("", "/") or len(names) != 1:
        problem = "is not the URL of a socket"
        raise _refused(where, problem, "write it as mysql+unix://user:password@/path/of.sock?database=orders")
    others = tuple((key, value) for key, value in parameters if key != "database")
    return _plain_path(path), f"/{names[0]}", others


def _postgres_socket(
    host: str, port: int, parameters: tuple[tuple[str, str], ...], where: str
) -> tuple[str, int, tuple[tuple[str, str], ...]]:
    """postgres://user@/database?host=/path&port=5432: the directory of a socket, or a host said as a parameter."""
    hosts = [value for key, value in parameters if key == "host"]
    if host or not hosts:
        return host, port, parameters
    ports = [value for key, value in parameters if key == "port"]
    if len(hosts) > 1 or len(ports) > 1 or any(not re.fullmatch(r"\d{1,5}", value) for value in ports):
        raise _refused(where, "says host or port twice, or a port that is none", _EXAMPLE)
    others = tuple((key, value) for key, value in parameters if key not in ("host", "port"))
    port = int(ports[0]) if ports else port
    if not 1 <= port <= 65535:
        raise _refused(where, f"has the port {port}", "1 to 65535")
    return (_plain_path(hosts[0]) if hosts[0].startswith("/") else _host(hosts[0], where)), port, others


def _plain_path(path: str) -> str:
    """A path without empty and dot elements; `..` is followed as text."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def _parameters(query: str, where: str) -> tuple[tuple[str, str], ...]:
    found = []
    for part in query.split("&"):
        if not part:
            continue
        key, equals, value = part.partition("=")
        if ";" in part or not key or not equals:
            raise _refused(where, "has a parameter that is not key=value", "join parameters with &")
        found.append((_decoded(key, where), _decoded(value.replace("+", "%20"), where)))
    return tuple(found)


def _decoded(text: str, where: str) -> str:
    """Percent-decoded, when every % begins a code and the whole is UTF-8 without control characters."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise _refused(where, "holds a % that begins no code", "write % itself as %25")
    try:
        plain = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise _refused(where, "holds codes that are not UTF-8", "percent-encode the UTF-8 form") from None
    if re.search(r"[\x00-\x1f\x7f]", plain):
        raise _refused(where, "holds coded control characters", "use a login without them")
    return plain
