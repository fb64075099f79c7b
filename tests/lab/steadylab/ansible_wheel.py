# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collections of others that measurements and tests use, out of the PyPI wheel `ansible`, in a cache of our own."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from steadylab import paths

REQUIREMENTS: Final = paths.LAB_SOURCE.parent.parent / "requirements" / "collections.txt"
WANTED: Final = ("kubernetes/core", "community/mysql", "community/general")


class NoCollections(Exception):
    """The wheel could not be had; the message says what pip said."""


def collections() -> Path:
    """The folder for ANSIBLE_COLLECTIONS_PATH, made at first use.

    :raises NoCollections: pip could not fetch the wheel.
    """
    key = hashlib.sha256("\0".join((REQUIREMENTS.read_text(), *WANTED)).encode()).hexdigest()[:16]
    home = paths.cache_home() / "collections" / key
    if home.is_dir():
        return home
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as folder:
        unpacked = Path(folder) / "unpacked"
        _unpack(_download(Path(folder)), unpacked)
        # Whole or not at all: another run may do the same, and this one may be killed.
        try:
            unpacked.rename(home)
        except OSError:
            if not home.is_dir():
                raise
    return home


def _download(folder: Path) -> Path:
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--dest",
        str(folder),
        "--requirement",
        str(REQUIREMENTS),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise NoCollections(f"pip could not fetch the wheel of {REQUIREMENTS}: {result.stderr.strip()}")
    return next(folder.glob("*.whl"))


def _unpack(wheel: Path, home: Path) -> None:
    prefixes = tuple(f"ansible_collections/{name}/" for name in WANTED)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(home, [name for name in archive.namelist() if name.startswith(prefixes)])
    for name in WANTED:
        if not (home / "ansible_collections" / name / "plugins").is_dir():
            shutil.rmtree(home)
            raise NoCollections(f"the wheel of {REQUIREMENTS} has no collection {name}")
