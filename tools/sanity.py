#!/usr/bin/env python3
# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ``ansible-test sanity`` on the part of the collection that is shipped, without containers.

ansible-test insists on a path that ends in ansible_collections/<namespace>/<name>, writes into the collection, and
keeps its own environments under HOME. So it gets a copy of the files and a home in the user's cache, where its
environments (about 50 MB) survive from run to run.
"""

from __future__ import annotations

import ast
import contextlib
import fcntl
import fnmatch
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml
from checkout import ROOT, cache_home, environment, files

# ansible-test fetches pip's bootstrap script from a site of its own unless this file is in its cache; the number is
# that of the pip which ansible-core 2.18 and 2.19 ask for. The stand-in starts from the pip that comes with the
# interpreter (in other places on Debian than elsewhere) and uses the index that the user's pip is set to use.
BOOTSTRAP_NAME = "get_pip_24_2.py"
BOOTSTRAP = """\
import ensurepip
import subprocess
import sys

ensurepip.bootstrap()
options = [option for option in sys.argv[1:] if option not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", "--upgrade", *options]))
"""
# Not shipped, but it steers ansible-test.
STEERING = ("tests/config.yml", "tests/sanity/*")


def shipped(paths: list[Path], ignored: list[str]) -> list[Path]:
    """The files that ``ansible-galaxy collection build`` would pack, and those that steer ansible-test."""

    def kept(path: Path) -> bool:
        if any(fnmatch.fnmatch(str(path), pattern) for pattern in STEERING):
            return True
        parents = [str(Path(*path.parts[:count])) for count in range(1, len(path.parts) + 1)]
        return not any(fnmatch.fnmatch(part, pattern) for part in parents for pattern in ignored)

    return [path for path in paths if kept(path)]


def copy_collection(target: Path) -> None:
    """Copy the shipped files below ``target``."""
    ignored = yaml.safe_load((ROOT / "galaxy.yml").read_text())["build_ignore"]
    for path in shipped(files(), ignored):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, target / path)


def pip_settings() -> str:
    """The caller's pip settings, from variables and files, as one pip.conf: ansible-test passes on neither."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    sections: dict[str, dict[str, str]] = {}
    # Variables are listed as :env:.name='value', and win over files.
    for line in sorted(listed.splitlines(), key=lambda line: line.startswith(":env:")):
        name, _equals, value = line.partition("=")
        section, _dot, option = name.replace(":env:", "global").rpartition(".")
        sections.setdefault(section, {})[option] = str(ast.literal_eval(value)).replace("\n", "\n    ")
    lines = (
        (f"[{section}]", *(f"{name} = {value}" for name, value in found.items())) for section, found in sections.items()
    )
    return "".join(f"{line}\n" for section in lines for line in section)


@contextlib.contextmanager
def lent_pip_settings(home: Path) -> Iterator[None]:
    """Put the caller's pip settings into ``home`` for a while; they can hold a password, so they do not stay."""
    settings = home / ".config" / "pip" / "pip.conf"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.touch(mode=0o600)
    try:
        settings.write_text(pip_settings())
        yield
    finally:
        settings.unlink()


def sanity(home: Path, arguments: list[str]) -> int:
    """Run ansible-test with the given home and return its exit status."""
    slot = home / ".ansible" / "test" / "cache" / BOOTSTRAP_NAME
    slot.parent.mkdir(parents=True, exist_ok=True)
    slot.write_text(BOOTSTRAP)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    with lent_pip_settings(home), tempfile.TemporaryDirectory(prefix="steady-sanity-") as scratch:
        collection = Path(scratch, "ansible_collections", "steady", "rollout")
        copy_collection(collection)
        command = ["ansible-test", "sanity", "--local", "--python", version, "--color", "no", *arguments]
        variables = environment(HOME=home, ANSIBLE_HOME=home / ".ansible", ANSIBLE_COLLECTIONS_PATH=scratch)
        return subprocess.run(command, cwd=collection, env=variables, check=False).returncode


def main(arguments: list[str]) -> int:
    """Run the sanity tests; two runs of one user take turns, because they share ansible-test's environments."""
    home = cache_home() / "steady-rollout" / "ansible-test"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return sanity(home, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
