# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take a lab down when the process that started it has ended, however that ended.

A process of the lab itself, so that it ends with the lab when somebody takes that down in time.
"""

from __future__ import annotations

import os
import select
import sys

from steadylab import processes


def await_end(pid: int, start_ticks: int) -> None:
    """Return once the process of that id and start (clock ticks since boot) has ended; at once where it is gone."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    with open(descriptor, "rb", buffering=0):
        if processes.start_ticks(pid) == start_ticks:
            select.select([descriptor], [], [])


def main(name: str, pid: str, start_ticks: str) -> None:
    """Watch the starter of the lab of that name."""
    await_end(int(pid), int(start_ticks))
    # Only now: while it waits, which is as long as a test run takes, it should cost next to nothing.
    from steadylab.lab import Lab

    Lab(name).down()


if __name__ == "__main__":
    main(*sys.argv[1:])
