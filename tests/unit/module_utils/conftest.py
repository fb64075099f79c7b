# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server and a receiver of calls on loopback, for every test that wants one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from scenarios.receiver import Receiver, answering
from unit.module_utils._kube.apiserver import ApiServer, ObjectStore


@pytest.fixture
def store() -> ObjectStore:
    """What the API server keeps."""
    return ObjectStore()


@pytest.fixture
def api(store: ObjectStore) -> Iterator[ApiServer]:
    """The API server."""
    with ApiServer(store.handle) as server:
        yield server


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """A receiver of calls, without TLS."""
    with Receiver(answering(), None, tmp_path) as receiver:
        yield receiver
