#!/usr/bin/env python3
# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the checkout's virtual environments: ``.venv``, and those that only some tests need, each named in ``FOLDERS``.

An environment counts as made only when its stamp file is there and carries the key of what it was made from; the stamp
is written last. A killed run therefore leaves a folder that the next run takes down and makes again. One lock file per
environment keeps two runs apart; pip inherits the lock, so it stays held while an orphaned pip still writes.

Runs on the standard library alone (tools/bootstrap.py has already chosen a suitable Python).
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAMP = "steady-rollout.json"
# Raise it when link_collection changes, so that environments made before are made again.
LAYOUT = "1"
CREATE = ("-m", "venv")
PYTHON_VERSION = ".".join(map(str, sys.version_info[:3]))
GIB = 1024**3
VENV_DISK = 1 * GIB
LAB_MEMORY = 3 * GIB
# What pip says when it could not reach its index; the exact words differ between pip 23 and 25.
NETWORK_SIGNS = (
    "NewConnectionError",
    "NameResolutionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ProxyError",
    "SSLError",
    "Network is unreachable",
    "Temporary failure in name resolution",
    "(from versions: none)",
)


# By the name of its requirements file: what everything uses, the oldest supported versions, AWS packages, and the
# Python of the operator's image.
FOLDERS = {"dev": ".venv", "compat": ".venv-min", "aws": ".venv-aws", "operator": ".venv-operator"}


class Unfit(Exception):
    """This machine cannot do what was asked; the message names the lack and its remedy."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment of the checkout, and the requirements file it is made from.

    `linked`: whether the checkout is a collection there. The operator's image has one of its own.
    """

    folder: Path
    requirements: Path
    linked: bool = True

    @property
    def python(self) -> Path:
        """The environment's own interpreter."""
        return self.folder / "bin" / "python"

    def key(self) -> str:
        """Digest of what the environment is made from; it holds absolute paths, so the checkout's is part of it."""
        parts = [self.requirements.read_text(), LAYOUT, str(ROOT)]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def is_made(self) -> bool:
        """Whether the environment is whole and made from what is here now.

        Any suitable Python will do, so that another PATH does not make it anew, unless PYTHON asks for a certain one.
        """
        stamp = read_stamp(self.folder)
        if os.environ.get("PYTHON") and stamp.get("python") != PYTHON_VERSION:
            return False
        return stamp.get("state") == "made" and stamp.get("key") == self.key() and self.python.exists()


def environments() -> dict[str, Environment]:
    """The environments by the name of their requirements file."""
    return {
        name: Environment(ROOT / folder, ROOT / "requirements" / f"{name}.txt", linked=name != "operator")
        for name, folder in FOLDERS.items()
    }


def read_stamp(folder: Path) -> dict[str, str]:
    """Return the stamp's content; an absent or damaged one is an empty one."""
    try:
        content = json.loads((folder / STAMP).read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_stamp(folder: Path, state: str, key: str) -> None:
    """Replace the stamp in one step."""
    aside = folder / f"{STAMP}.new"
    aside.write_text(json.dumps({"state": state, "key": key, "python": PYTHON_VERSION}) + "\n")
    aside.replace(folder / STAMP)


def existing_parent(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def check_writable(folder: Path) -> None:
    """Refuse a folder in which nothing can be made (the permission bits do not tell on a read-only mount)."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise Unfit(
            f"{folder} cannot be written to ({error.strerror}).\n"
            "Remedy: clone the project to a folder of your own, or free space there."
        ) from error


def check_disk(folder: Path, needed: int, purpose: str, variable: str = "") -> None:
    """Refuse when the file system of the folder has less than ``needed`` bytes free for us."""
    free = shutil.disk_usage(existing_parent(folder)).free
    if free < needed:
        elsewhere = f", or set {variable} to a folder on a larger disk" if variable else ""
        raise Unfit(
            f"{purpose} needs about {needed / GIB:.0f} GiB of disk, and {folder} has {free / GIB:.1f} GiB free.\n"
            f"Remedy: free some space there{elsewhere}."
        )


def memory_limit() -> int:
    """Bytes of memory this process may use: the machine's, or its control group's where that is less."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        with contextlib.suppress(OSError, ValueError):  # absent outside a control group; "max" means none
            total = min(total, int(limit.read_text()))
    return total


def check_memory(needed: int, purpose: str) -> None:
    """Refuse when there is less than ``needed`` bytes of memory in all."""
    total = memory_limit()
    if total < needed:
        raise Unfit(
            f"{purpose} needs {needed / GIB:.0f} GiB of memory, and there is {total / GIB:.1f} GiB.\n"
            "Remedy: give the machine or the container more memory; `make test-fast` needs no lab."
        )


def check_lab() -> None:
    """Refuse what the control plane cannot be built or run on. With a build in the cache only memory matters."""
    check_memory(LAB_MEMORY, "The lab's control plane")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "steady-rollout" / "lab-bin"
    if not cache.is_dir() or not any(cache.iterdir()):
        # The variable is the one with which the build itself (steadylab.build) is told of warm Go caches.
        needed = float(os.environ.get("STEADY_LAB_MIN_FREE_GB", "6")) * GIB
        check_disk(cache, int(needed), "The first build of the lab's control plane", "XDG_CACHE_HOME")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[int]:
    """Hold an exclusive lock on the file; say so when another run has it. Yields the lock's descriptor."""
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{path.stem}: another run is making it, waiting for that", flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle.fileno()


def clear(environment: Environment) -> None:
    """Empty the environment's folder and mark it as being made; a folder that is not ours is refused."""
    folder = environment.folder
    if folder.is_symlink() or folder.exists():
        if folder.is_symlink() or not folder.is_dir() or (any(folder.iterdir()) and not read_stamp(folder)):
            raise Unfit(f"{folder} was not made by this project.\nRemedy: move it away, then run make again.")
        write_stamp(folder, "unmade", "")
    folder.mkdir(exist_ok=True)
    write_stamp(folder, "unmade", "")
    for child in folder.iterdir():
        if child.name != STAMP:
            shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()


def pip_environment() -> dict[str, str]:
    """The caller's environment without what would make pip install elsewhere than into the environment."""
    unwanted = {"PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_DRY_RUN"}
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return kept | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}


def install(environment: Environment, lock: int) -> None:
    """Install the pinned requirements, telling now and then how far it is."""
    total = sum("==" in line for line in environment.requirements.read_text().splitlines())
    command = [str(environment.python), "-m", "pip", "install", "--require-hashes", "--requirement"]
    started = told = time.monotonic()
    lines: list[str] = []
    with subprocess.Popen(
        [*command, str(environment.requirements)],
        env=pip_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        pass_fds=[lock],
    ) as pip:
        for line in pip.stdout or ():
            lines.append(line)
            fetched = sum(known.startswith("Collecting ") for known in lines)
            if time.monotonic() - told >= 5 or line.startswith("Installing collected"):
                told = time.monotonic()
                what = "installing" if line.startswith("Installing collected") else f"fetched {fetched} of {total}"
                print(f"{environment.folder.name}: {told - started:4.0f} s  {what}", flush=True)
    if pip.returncode:
        raise Unfit(pip_failure(lines))


def pip_failure(lines: list[str]) -> str:
    """Explain a failed pip by what it printed."""
    text = "".join(lines)
    end = "".join(lines[-15:])
    if any(sign in text for sign in NETWORK_SIGNS):
        return (
            f"{end}\nThe package index that pip is set to use cannot be reached.\n"
            "Remedy: check the network and pip's settings (pip config list; PIP_INDEX_URL, PIP_CERT, HTTPS_PROXY), "
            "then run make again."
        )
    if "No space left on device" in text:
        return f"{end}\nThe disk is full.\nRemedy: free some space, then run make again; it starts afresh."
    return f"{end}\npip failed; its last lines are above."


def link_collection(environment: Environment) -> None:
    """Make the checkout, whatever its name, the collection steady.rollout for Ansible, pytest and mypy alike.

    Ansible looks for ``ansible_collections`` in every entry of sys.path, and a .pth file adds one. mypy wants it apart
    from site-packages, whose packages it takes for somebody else's.
    """
    namespace = environment.folder / "collections" / "ansible_collections" / "steady"
    namespace.mkdir(parents=True)
    (namespace / "rollout").symlink_to(os.path.relpath(ROOT, namespace), target_is_directory=True)
    (site_packages,) = environment.folder.glob("lib/python3.*/site-packages")
    pth = site_packages / "steady_rollout.pth"
    pth.write_text(os.path.relpath(environment.folder / "collections", site_packages) + "\n")


def make(environment: Environment) -> None:
    """Make the environment unless it is made already."""
    if environment.is_made():
        return
    check_writable(ROOT)
    with locked(ROOT / f"{environment.folder.name}.lock") as lock:
        if environment.is_made():
            return
        check_disk(ROOT, VENV_DISK, "The virtual environment")
        name, started = environment.folder.name, time.monotonic()
        print(f"{name}: making it with Python {PYTHON_VERSION}, about a minute", flush=True)
        clear(environment)
        # By its real name (python3.12, not python3): when that goes, the environment is seen to be broken.
        interpreter = os.path.realpath(sys.executable)
        subprocess.run([interpreter, *CREATE, environment.folder], check=True, pass_fds=[lock])
        install(environment, lock)
        if environment.linked:
            link_collection(environment)
        write_stamp(environment.folder, "made", environment.key())
        print(f"{name}: {time.monotonic() - started:4.0f} s  made", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Check the machine, make what was asked for, return the exit status."""
    parser = argparse.ArgumentParser(description="Make the checkout's virtual environments.")
    known = ", ".join(f"{name} ({folder})" for name, folder in FOLDERS.items())
    parser.add_argument("names", nargs="*", default=["dev"], help=known)
    parser.add_argument("--lab", action="store_true", help="also check that the lab can be built and run here")
    options = parser.parse_args(arguments)
    try:
        if options.lab:
            check_lab()
        for name in options.names:
            make(environments()[name])
    except Unfit as lack:
        print(lack, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"{error}\nThe virtual environment could not be made; the reason is above.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; the next run starts this step afresh.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
