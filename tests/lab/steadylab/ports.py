# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Free loopback ports for a lab's servers."""

from __future__ import annotations

import contextlib
import os
import random
import socket
from collections.abc import Iterator
from typing import Final

# Below the range from which Linux takes ports for outgoing connections (32768 and up), so that none of those can
# take a port between the moment it is found free and the moment its server binds it.
RANGE: Final = range(20000, 32000)
ATTEMPTS: Final = 400


class NoFreePort(Exception):
    """No free port could be found."""


def _own() -> range:
    """The ports of this process: where pytest runs in several, none finds what another has found and not bound yet."""
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return RANGE[number % count :: count]


def _try(port: int) -> socket.socket | None:
    # Without SO_REUSEADDR, by which several processes could hold one port as long as none listens.
    candidate = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        candidate.bind(("127.0.0.1", port))
    except OSError:
        candidate.close()
        return None
    return candidate


def _candidates() -> Iterator[socket.socket]:
    own = _own()
    for port in random.sample(own, min(ATTEMPTS, len(own))):
        candidate = _try(port)
        if candidate is not None:
            yield candidate


def free_ports(count: int) -> list[int]:
    """So many different ports that are free on 127.0.0.1 now, all held until the last one is found.

    :raises NoFreePort: too few are free.
    """
    with contextlib.ExitStack() as stack:
        found = []
        for candidate in _candidates():
            stack.enter_context(candidate)
            found.append(candidate.getsockname()[1])
            if len(found) == count:
                return found
    raise NoFreePort(f"no {count} free ports on 127.0.0.1 between {RANGE.start} and {RANGE.stop}")
