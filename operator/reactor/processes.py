# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes as Linux sees them: who descends from whom, and how none is left behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

# From linux/prctl.h.
_SET_PDEATHSIG = 1
_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """Have this process killed when its parent ends, whatever ended that."""
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, so that they can be found and waited for."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if _LIBC.prctl(option, value, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def descendants(root: int) -> set[int]:
    """All processes that descend from the one, as far as /proc tells at this moment; not the process itself."""
    parents = dict(_parents())
    found: set[int] = set()
    grown = {root}
    while grown:
        grown = {pid for pid, parent in parents.items() if parent in grown and pid not in found}
        found |= grown
    return found


def kill(pids: Iterable[int]) -> None:
    """Kill the processes that are still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def kill_tree(root: int) -> None:
    """Kill a process and all that descend from it; the root first, so that it starts nothing more."""
    below = descendants(root)
    kill([root, *below])


def kill_descendants() -> None:
    """Kill all that descend from this process, also what is started meanwhile, and wait for their ends.

    Needs `adopt_orphans` before, so that what loses its own parent comes to this one.
    """
    while below := descendants(os.getpid()):
        kill(below)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _parents() -> Iterator[tuple[int, int]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            # A process may end while it is looked at.
            with contextlib.suppress(OSError):
                text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
                # The name stands in parentheses and may hold anything; the parent is the second field after it.
                yield int(entry.name), int(text.rpartition(")")[2].split()[1])
