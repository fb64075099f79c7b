# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs leave on disk: their output, the newest few of each object, and never more than a limit in all."""

from __future__ import annotations

import shutil
import threading
from collections import OrderedDict
from pathlib import Path
from urllib.parse import quote

from reactor.contract.schedule import Key


class Artifacts:
    """The folders of runs below one root, which holds nothing else. Safe for several threads."""

    def __init__(self, root: Path, limit: int) -> None:
        """`limit` in bytes for all runs that have ended. What an earlier process left is counted, oldest first."""
        self._root = root
        self._limit = limit
        self._lock = threading.Lock()
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        left = sorted((path.parent.stat().st_mtime, path.parent) for path in root.rglob("stdout"))
        self._sizes: OrderedDict[Path, int] = OrderedDict((folder, _size(folder)) for _moment, folder in left)

    def begin(self, key: Key, group: str, version: str, ident: str) -> Path:
        """Make the folder of a run."""
        folder = self._of(key, group, version) / ident
        folder.mkdir(parents=True, mode=0o700)
        return folder

    def finish(self, folder: Path, keep: int, status: int) -> None:
        """A run has ended: note its exit status. Its object keeps the newest `keep` (0 or less: all), all the limit."""
        (folder / "rc").write_text(f"{status}\n", encoding="ascii")
        with self._lock:
            self._sizes[folder] = _size(folder)
            siblings = [path for path in self._sizes if path.parent == folder.parent]
            for path in siblings[:-keep] if keep > 0 else []:
                self._drop(path)
            while len(self._sizes) > 1 and sum(self._sizes.values()) > self._limit:
                self._drop(next(iter(self._sizes)))

    def forget(self, key: Key, group: str, version: str) -> None:
        """The object is gone: so is what its runs left."""
        parent = self._of(key, group, version)
        with self._lock:
            for path in [path for path in self._sizes if path.parent == parent]:
                del self._sizes[path]
            shutil.rmtree(parent, ignore_errors=True)

    def _of(self, key: Key, group: str, version: str) -> Path:
        kind = key.kind.rpartition("=")[2]
        parts = (group or "core", version, kind, key.namespace or "cluster-scoped", key.name)
        return self._root.joinpath(*(quote(part, safe="") for part in parts))

    def _drop(self, folder: Path) -> None:
        del self._sizes[folder]
        shutil.rmtree(folder, ignore_errors=True)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def tail(folder: Path, most: int = 2000) -> str:
    """The end of what a run printed."""
    path = folder / "stdout"
    if not path.exists():
        return ""
    with path.open("rb") as handle:
        handle.seek(max(path.stat().st_size - most, 0))
        return handle.read().decode("utf-8", "replace").strip()
