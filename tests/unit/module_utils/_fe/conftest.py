# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated cluster on the wire, and sessions with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Credentials, Frontends
from ansible_collections.steady.rollout.plugins.module_utils._fe.options import FeOptions
from steadylab.simulator import harness
from steadylab.simulator.harness import Harness

PASSWORD = "pä55 \"w'rd"
Open = Callable[..., Frontends]


@pytest.fixture
def cluster() -> Iterator[Harness]:
    """Three FEs and three BEs, prod-fe-0 leading."""
    with harness.start(password=PASSWORD) as cluster:
        yield cluster


@pytest.fixture
def frontends(cluster: Harness) -> Iterator[Open]:
    """A function that gives the FEs of the cluster; its keywords are fields of FeOptions, `credentials` a callable."""
    opened: list[Frontends] = []

    def open_(*, credentials: Callable[[], Credentials] | None = None, **options: Any) -> Frontends:
        given = {
            "transport": "static",
            "addresses": cluster.addresses(),
            "connect_timeout": 5.0,
            "read_timeout": 5.0,
            **options,
        }
        ask = credentials or (lambda: Credentials("root", PASSWORD))
        opened.append(Frontends(None, "prod", "starrocks", ask, FeOptions(**given)))
        return opened[-1]

    yield open_
    for frontends in opened:
        frontends.close()
