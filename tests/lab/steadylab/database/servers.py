# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Database servers of a lab, each in a directory of the lab and ended with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import pg8000.exceptions
import pg8000.native
import pymysql

from steadylab import processes, sandbox
from steadylab.certs import Authority
from steadylab.database import packages
from steadylab.database.packages import Server
from steadylab.podrunner import images
from steadylab.ports import free_ports
from steadylab.processes import Component
from steadylab.sandbox import Bind, Plan

ADMINISTRATOR: Final = "administrator"
# Protects nothing but test data.
PASSWORD: Final = "lab-Passw0rd"
START_SECONDS: Final = 60.0
_QUESTION_SECONDS: Final = 0.05
# Nobody's number: PostgreSQL and MariaDB refuse to run as root.
_NOBODY: Final = 65534


class ServerError(Exception):
    """A database server did not start; the message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server of a lab keeps its files, and how its programs are run there."""

    lab: Path
    name: str
    server: Server

    @property
    def directory(self) -> Path:
        """The server's directory of the lab."""
        return self.lab / self.name

    @property
    def data(self) -> str:
        """The data directory as the server's programs see it."""
        return f"{self.inside}/data"

    @property
    def inside(self) -> str:
        """The server's directory as its programs see it."""
        return f"/srv/{self.name}" if os.geteuid() == 0 else str(self.directory)

    def prepare(self) -> None:
        """Make the directory anew."""
        if self.directory.exists():
            shutil.rmtree(self.directory)
        self.directory.mkdir(mode=0o700)

    def own(self) -> None:
        """Give all files to the user that the server runs as."""
        if os.geteuid() == 0:
            for path in (self.directory, *self.directory.rglob("*")):
                os.chown(path, _NOBODY, _NOBODY, follow_symlinks=False)

    def command(self, program: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
        """The command and its variables to run a program of the server as another user than root.

        As root it runs in a file system of its own, because another user may not look into root's directories.
        """
        argv = [self.server.program(program), *arguments]
        if os.geteuid() != 0:
            return argv, self.server.environment
        root = self.lab / f"{self.name}-root"
        root.mkdir(exist_ok=True)
        system = images.host()
        binds = [Bind(source, target) for target, source in sorted(system.files.items())]
        binds += [Bind(str(path), str(path)) for path in self.server.directories]
        binds.append(Bind(str(self.directory), self.inside, False))
        plan = Plan(
            root=str(root),
            report=str(self.lab / "logs" / f"{self.name}-start.log"),
            argv=argv,
            environment={**system.environment, **self.server.environment},
            binds=binds,
            files={"/etc/passwd": f"nobody:x:{_NOBODY}:{_NOBODY}:nobody:/:/bin/sh\n"},
            directories=["/tmp", "/dev/shm"],
            uid=_NOBODY,
            gid=_NOBODY,
        )
        path = self.lab / f"{self.name}-plan.json"
        plan.write(path)
        return sandbox.command(path), {}

    def run(self, program: str, *arguments: str, script: str = "") -> None:
        """Run a program of the server to its end.

        :raises ServerError: it failed.
        """
        command, environment = self.command(program, *arguments)
        env = {**os.environ, **environment, processes.MARKER: str(self.lab)}
        result = subprocess.run(command, input=script, env=env, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            report = self.lab / "logs" / f"{self.name}-start.log"
            reason = report.read_text() if report.exists() else result.stderr.strip()
            raise ServerError(f"{program} failed: {reason[-2000:]}")

    def spawn(self, program: str, *arguments: str) -> Component:
        """Start a program of the server that runs until the lab's end."""
        command, environment = self.command(program, *arguments)
        return processes.spawn(self.name, command, self.lab, environment)


def _wait(component: Component, ready: Callable[[], bool]) -> None:
    """Wait until a server answers.

    :raises ServerError: it ended, or does not.
    """
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if processes.wait_any_end([component], _QUESTION_SECONDS) is not None or time.monotonic() > deadline:
            raise ServerError(f"{component.name} does not answer; the end of its log:\n{component.log_tail()}")


def _write_certificate(place: Place) -> None:
    """A certificate of the lab's authority for the server, valid for localhost and 127.0.0.1."""
    pair = Authority.read(place.lab / "pki").issue(place.name, server=True)
    pair.write(place.directory, "server")
    shutil.copy(place.lab / "pki" / "ca.crt", place.directory / "ca.crt")


class Postgres:
    """PostgreSQL 15 on a loopback port, with TLS for whoever asks for it."""

    def __init__(self, lab: Path, name: str = "postgres") -> None:
        self._place = Place(lab, name, packages.postgres())
        self.port = free_ports(1)[0]
        self._component: Component | None = None

    @classmethod
    def start(cls, lab: Path, name: str = "postgres") -> Postgres:
        """Make and start a server in a lab's directory.

        :raises packages.Unavailable: there is no PostgreSQL 15 to be had.
        :raises ServerError: it does not start.
        """
        server = cls(lab, name)
        place = server._place
        place.prepare()
        (place.directory / "password").write_text(PASSWORD)
        _write_certificate(place)
        place.own()
        arguments = [f"--pgdata={place.data}", f"--username={ADMINISTRATOR}", f"--pwfile={place.inside}/password"]
        place.run("initdb", *arguments, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync")
        server.resume()
        return server

    def resume(self) -> None:
        """Start the stopped server again, on the same port.

        :raises ServerError: it does not start.
        """
        place = self._place
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": "200",
            "ssl": "on",
            "ssl_cert_file": f"{place.inside}/server.crt",
            "ssl_key_file": f"{place.inside}/server.key",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._component = place.spawn("postgres", "-D", place.data, *options)
        _wait(self._component, self._answers)

    def stop(self) -> None:
        """End the server at once, as a crash would; its data stay."""
        if self._component is not None:
            processes.end_tree(self._component, self._place.lab)
            self._component = None
            (self._place.directory / "data" / "postmaster.pid").unlink(missing_ok=True)

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except (pg8000.exceptions.InterfaceError, pg8000.exceptions.DatabaseError, OSError):
            return False
        return True

    def connect(
        self, database: str = "postgres", user: str = ADMINISTRATOR, password: str = PASSWORD
    ) -> pg8000.native.Connection:
        """A connection."""
        return pg8000.native.Connection(user, "127.0.0.1", database, self.port, password)

    def run(self, sql: str, database: str = "postgres") -> list[list[Any]]:
        """Execute one statement as administrator; its rows."""
        connection = self.connect(database)
        try:
            return list(connection.run(sql) or ())
        finally:
            connection.close()

    def create(self, database: str, user: str, password: str) -> str:
        """Make a database and the user who owns it; its URL."""
        self.run(f"CREATE ROLE {_quoted(user)} LOGIN PASSWORD {_literal(password)}")
        self.run(f"CREATE DATABASE {_quoted(database)} OWNER {_quoted(user)}")
        return self.url(database, user, password)

    def set_password(self, user: str, password: str) -> None:
        """Change a user's password."""
        self.run(f"ALTER ROLE {_quoted(user)} PASSWORD {_literal(password)}")

    def url(
        self,
        database: str,
        user: str = ADMINISTRATOR,
        password: str = PASSWORD,
        host: str = "127.0.0.1",
        **parameters: str,
    ) -> str:
        """The URL of a database as Atlas reads it; without TLS unless `sslmode` says otherwise."""
        query = urlencode({"sslmode": "disable", **parameters})
        return f"postgres://{quote(user, '')}:{quote(password, '')}@{host}:{self.port}/{quote(database, '')}?{query}"

    def tables(self, database: str) -> list[str]:
        """The tables of a database as schema.name, Atlas's own among them."""
        sql = (
            "SELECT schemaname || '.' || tablename FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
        )
        return [str(row[0]) for row in self.run(sql, database)]

    def wait_session_end(self, backend: int, seconds: float) -> None:
        """Wait until a session (by its process id) is gone.

        :raises TimeoutError: it is still there after so many seconds.
        """
        deadline = time.monotonic() + seconds
        while self.run(f"SELECT 1 FROM pg_stat_activity WHERE pid = {backend}"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"session {backend} is still there after {seconds:g} s")

    def hold_atlas_lock(self, database: str) -> pg8000.native.Connection:
        """A connection that holds the lock by which Atlas keeps others out, until it is closed."""
        connection = self.connect(database)
        connection.run("SELECT pg_advisory_lock(:lock)", lock=ATLAS_LOCK)
        return connection


# Atlas's lock for `migrate apply`: FNV-1 (32 bits) of "atlas_migrate_execute" (sql/postgres/driver.go, Lock).
ATLAS_LOCK: Final = 2686470616


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class MariaDB:
    """MariaDB on a loopback port, with TLS for whoever asks for it."""

    def __init__(self, lab: Path, name: str = "mariadb") -> None:
        self._place = Place(lab, name, packages.mariadb())
        self.port = free_ports(1)[0]
        self._component: Component | None = None

    @classmethod
    def start(cls, lab: Path, name: str = "mariadb") -> MariaDB:
        """Make and start a server in a lab's directory.

        :raises packages.Unavailable: there is no MariaDB to be had.
        :raises ServerError: it does not start.
        """
        server = cls(lab, name)
        place = server._place
        place.prepare()
        (place.directory / "data").mkdir()
        grant = f"GRANT ALL ON *.* TO '{ADMINISTRATOR}'@'%' IDENTIFIED BY '{PASSWORD}' WITH GRANT OPTION;\n"
        (place.directory / "init.sql").write_text(grant)
        _write_certificate(place)
        place.own()
        place.run("mariadbd", *server._options(), "--bootstrap", "--log-warnings=0", script=server._system_tables())
        server.resume()
        return server

    def _share(self) -> Path:
        return self._place.server.share or Path("/usr/share/mysql")

    def _system_tables(self) -> str:
        """What mariadb-install-db feeds a new server."""
        names = ("mysql_system_tables", "mysql_performance_tables", "mysql_system_tables_data")
        scripts = [(self._share() / f"{name}.sql").read_text() for name in names]
        variables = "SET @auth_root_socket=NULL, @current_hostname='localhost', @skip_auth_anonymous_user=1;\n"
        return "CREATE DATABASE mysql;\nUSE mysql;\n" + variables + "\n".join(scripts)

    def _options(self) -> list[str]:
        place = self._place
        return [
            "--no-defaults",
            f"--datadir={place.data}",
            f"--lc-messages-dir={self._share()}",
            f"--character-sets-dir={self._share() / 'charsets'}",
            "--character-set-server=utf8mb4",
            "--innodb-flush-log-at-trx-commit=0",
        ]

    def resume(self) -> None:
        """Start the stopped server again, on the same port.

        :raises ServerError: it does not start.
        """
        inside = self._place.inside
        network = ["--bind-address=127.0.0.1", f"--port={self.port}", "--skip-name-resolve"]
        files = [f"--socket={inside}/socket", f"--pid-file={inside}/pid", f"--init-file={inside}/init.sql"]
        files += [f"--ssl-cert={inside}/server.crt", f"--ssl-key={inside}/server.key"]
        self._component = self._place.spawn("mariadbd", *self._options(), *network, *files)
        _wait(self._component, self._answers)

    def stop(self) -> None:
        """End the server at once, as a crash would; its data stay."""
        if self._component is not None:
            processes.end_tree(self._component, self._place.lab)
            self._component = None

    def _answers(self) -> bool:
        try:
            self.run("SELECT 1")
        except pymysql.err.OperationalError:
            return False
        return True

    def run(self, sql: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """Execute one statement as administrator; its rows."""
        connection = pymysql.connect(
            host="127.0.0.1", port=self.port, user=ADMINISTRATOR, password=PASSWORD, database=database, autocommit=True
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def hold_atlas_lock(self) -> pymysql.connections.Connection[Any]:
        """A connection that holds the lock by which Atlas keeps others out of the whole server, until it is closed."""
        connection = pymysql.connect(host="127.0.0.1", port=self.port, user=ADMINISTRATOR, password=PASSWORD)
        with connection.cursor() as cursor:
            # sql/mysql/driver.go, Lock.
            cursor.execute("SELECT GET_LOCK('atlas_migrate_execute', 0)")
        return connection

    def create(self, database: str, user: str, password: str) -> str:
        """Make a database and a user who may do all in it; its URL."""
        self.run(f"CREATE DATABASE `{database}`")
        self.run(f"GRANT ALL ON `{database}`.* TO '{user}'@'%' IDENTIFIED BY {_literal(password)}")
        return self.url(database, user, password)

    def url(self, database: str, user: str = ADMINISTRATOR, password: str = PASSWORD, scheme: str = "maria") -> str:
        """The URL of a database as Atlas reads it."""
        return f"{scheme}://{quote(user, '')}:{quote(password, '')}@127.0.0.1:{self.port}/{quote(database, '')}"

    def tables(self, database: str) -> list[str]:
        """The tables of a database, Atlas's own among them."""
        sql = f"SELECT table_name FROM information_schema.tables WHERE table_schema = {_literal(database)} ORDER BY 1"
        return [str(row[0]) for row in self.run(sql)]
