# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A `mysql` command for the lab's pods, with the options that people type, for machines that have none.

In a pod of the lab `127.0.0.1` is that pod, and the names of the cluster's DNS are the simulator's listeners. With
`kubectl exec` the password is what the pod's own container has as MYSQL_PWD.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

import pymysql
from pymysql.cursors import Cursor

from steadylab.kube import Api
from steadylab.paths import LAB_SOURCE
from steadylab.simulator.pods import read_secret, root_password

# NAMESPACE/POD of the pod that this runs in, and the lab's directory.
POD: Final = "STEADY_LAB_POD"
DIRECTORY: Final = "STEADY_LAB_DIRECTORY"
SERVICE: Final = re.compile(r"(?P<cluster>.+)-fe-service(?:\.(?P<namespace>[^.]+)(?:\.svc.*)?)?")
MEMBER: Final = re.compile(r"(?P<pod>[^.]+)\.(?P<cluster>.+)-fe-search(?:\.(?P<namespace>[^.]+)(?:\.svc.*)?)?")
QUERY_PORT: Final = 9030
SECONDS: Final = 10.0
_STATEMENT: Final = re.compile(
    r"""((?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`[^`]*`|[^;'"`\\]|\\(?![Gg]))+)(;|\\[Gg]|$)"""
)

_END: Final = re.compile(r"(?:;|\\[Gg])\s*$")
_QUIT: Final = re.compile(r"(?:exit|quit|\\q)\s*;?", re.IGNORECASE)


def in_image(lab: Path) -> tuple[dict[str, str], dict[str, str]]:
    """What an image with this command holds: files of the machine by their path in it, and the environment.

    Nothing is below /tmp, which pods mount a volume on.
    """
    root = "/opt/steady-lab"
    files = {
        f"{root}/venv": sys.prefix,
        f"{root}/source": str(LAB_SOURCE),
        f"{root}/bin": str(lab / "bin"),
        f"{root}/lab/simulator": str(lab / "simulator"),
    }
    environment = {
        "STEADY_LAB_PYTHON": f"{root}/venv/bin/python",
        "STEADY_LAB_SOURCE": f"{root}/source",
        "PYTHONDONTWRITEBYTECODE": "1",
        DIRECTORY: f"{root}/lab",
        "PATH": f"{root}/bin",
    }
    return files, environment


class Unreachable(Exception):
    """No FE listens there."""


@dataclass(frozen=True)
class Place:
    """Where this runs: the namespace and the pod, empty outside of pods."""

    namespace: str
    pod: str
    lab: Path | None

    @classmethod
    def here(cls) -> Place:
        """As the environment says."""
        namespace, _, pod = os.environ.get(POD, "").partition("/")
        lab = os.environ.get(DIRECTORY)
        return cls(namespace, pod, Path(lab) if lab else None)

    def password(self) -> str:
        """What a container of this pod has as MYSQL_PWD."""
        if "MYSQL_PWD" in os.environ or self.lab is None or not self.pod:
            return os.environ.get("MYSQL_PWD", "")
        api = Api(self.lab / "kubeconfigs" / "simulator")
        source = root_password(api.get("Pod", self.pod, self.namespace), "fe")
        return source if isinstance(source, str) else read_secret(api, source)

    def address(self, host: str, port: int) -> tuple[str, int]:
        """The address behind host and port; raises Unreachable where no FE of the lab is meant or none listens."""
        if self.lab is None or port != QUERY_PORT:
            return host, port
        ports = list(self._ports(host))
        if not ports:
            raise Unreachable(f"Can't connect to MySQL server on '{host}:{port}' (111)")
        return "127.0.0.1", ports[0]

    def _ports(self, host: str) -> Iterator[int]:
        """Ports of the listeners that a name stands for."""
        if host in ("127.0.0.1", "localhost"):
            wanted, namespace, cluster = self.pod, self.namespace, ""
        elif match := SERVICE.fullmatch(host):
            wanted, namespace, cluster = "", match["namespace"] or self.namespace, match["cluster"]
        elif match := MEMBER.fullmatch(host):
            wanted, namespace, cluster = match["pod"], match["namespace"] or self.namespace, match["cluster"]
        else:
            raise Unreachable(f"Unknown MySQL server host '{host}' (-2)")
        for key, state in self._state()["clusters"].items():
            if key.partition("/")[0] != namespace or (cluster and key != f"{namespace}/{cluster}"):
                continue
            for pod, frontend in sorted(state["frontends"].items()):
                if frontend["listening"] and wanted in ("", pod):
                    yield int(frontend["port"])

    def _state(self) -> Any:
        assert self.lab is not None
        url = json.loads((self.lab / "simulator" / "control.json").read_text())["url"]
        with urlopen(f"{url}/state", timeout=SECONDS) as answer:
            return json.load(answer)


def _parser() -> argparse.ArgumentParser:
    """The options of the real client that mean something here; -h is the host, so help is --help alone."""
    parser = argparse.ArgumentParser(prog="mysql", add_help=False, description=__doc__)
    parser.add_argument("--help", action="help")
    parser.add_argument("-h", "--host", default=os.environ.get("MYSQL_HOST", "localhost"))
    parser.add_argument("-P", "--port", type=int, default=int(os.environ.get("MYSQL_TCP_PORT", "3306")))
    parser.add_argument("-u", "--user", default=os.environ.get("USER", "root"))
    parser.add_argument("-p", "--password", nargs="?", const="")
    parser.add_argument("-e", "--execute")
    parser.add_argument("-D", "--database")
    parser.add_argument("-N", "--skip-column-names", action="store_true")
    parser.add_argument("-B", "--batch", action="store_true")
    parser.add_argument("-t", "--table", action="store_true")
    parser.add_argument("-E", "--vertical", action="store_true")
    parser.add_argument("--connect-timeout", type=float, default=SECONDS)
    parser.add_argument("name", nargs="?", metavar="DATABASE")
    return parser


def statements(text: str) -> list[tuple[str, bool]]:
    """The statements of a text, each with whether its rows are wanted below each other (\\G)."""
    found = ((match[1].strip(), match[2] in ("\\G", "\\g")) for match in _STATEMENT.finditer(text))
    return [(sql, vertical) for sql, vertical in found if sql]


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, names: bool) -> Iterator[str]:
    """Rows in a frame, as for a terminal."""
    lines = [list(columns), *map(list, rows)] if names else [list(row) for row in rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))] if lines else []
    frame = "+" + "".join("-" * (width + 2) + "+" for width in widths)
    yield frame
    for number, line in enumerate(lines):
        yield "|" + "".join(f" {cell.ljust(width)} |" for cell, width in zip(line, widths, strict=True))
        if names and number == 0:
            yield frame
    if rows or not names:
        yield frame


def vertical(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Each row as lines of name and value."""
    width = max((len(name) for name in columns), default=0)
    for number, row in enumerate(rows, start=1):
        yield f"{'*' * 27} {number}. row {'*' * 27}"
        yield from (f"{name:>{width}}: {cell}" for name, cell in zip(columns, row, strict=True))


def _shown(
    options: argparse.Namespace, columns: Sequence[str], rows: Sequence[Sequence[str]], below: bool
) -> Iterable[str]:
    names = not options.skip_column_names
    if below or options.vertical:
        return vertical(columns, rows)
    if options.table or (sys.stdout.isatty() and not options.batch):
        return table(columns, rows, names=names) if rows else ()
    return ["\t".join(line) for line in ([list(columns)] if names and rows else []) + [list(row) for row in rows]]


def _run(options: argparse.Namespace, place: Place) -> None:
    host, port = place.address(options.host, options.port)
    connection = pymysql.connect(
        host=host,
        port=port,
        user=options.user,
        password=place.password() if options.password is None else options.password,
        database=options.database or options.name,
        connect_timeout=options.connect_timeout,
    )
    with connection, connection.cursor() as cursor:
        for text in _typed(sys.stdin) if options.execute is None else [options.execute]:
            for sql, below in statements(text):
                cursor.execute(sql)
                _print(options, cursor, below)


def _typed(lines: Iterable[str]) -> Iterator[str]:
    """What is typed, as soon as a statement is complete: kwok's exec never ends the input of a command."""
    text = ""
    for line in lines:
        if not text.strip() and _QUIT.fullmatch(line.strip()):
            return
        text += line
        if _END.search(text):
            yield text
            text = ""
    yield text


def _print(options: argparse.Namespace, cursor: Cursor, below: bool) -> None:
    if not cursor.description:
        return
    columns = [column[0] for column in cursor.description]
    rows = [["NULL" if cell is None else str(cell) for cell in row] for row in cursor.fetchall()]
    for line in _shown(options, columns, rows, below):
        print(line)
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; errors as the real client tells them, with its exit code 1."""
    options = _parser().parse_args(arguments)
    try:
        _run(options, Place.here())
    except Unreachable as error:
        print(f"ERROR 2003 (HY000): {error}", file=sys.stderr)
        return 1
    except pymysql.MySQLError as error:
        number, text = (*error.args, "")[:2]
        print(f"ERROR {number} ({getattr(error, 'sqlstate', None) or 'HY000'}): {text}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
