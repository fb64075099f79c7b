# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which other run a preparation waits for, from the record alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.module_utils._domain.starrocks.builders import a_cluster, a_record, a_spec

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import settings
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import Phase
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import SETTINGS, Journal
from ansible_collections.steady.rollout.plugins.module_utils._engine.preparing import PREPARATION
from ansible_collections.steady.rollout.plugins.module_utils._module.reconcile_cluster import _busy

UPGRADE = "starrocksupgrade/1b4e28ba"
PLAY = "rollout-6ba7b810"


@pytest.mark.parametrize(
    ("run", "phase", "spec_hash", "waited_for"),
    [
        (UPGRADE, "running", "request", True),
        (PLAY, "rolling-back", "request", True),
        # It comes back for what it owes; if its record were taken away, it would be begun again.
        (UPGRADE, "restoring", "request", True),
        (PLAY, "restoring", "request", False),
        (UPGRADE, "done", "request", False),
        (UPGRADE, "running", PREPARATION, False),
    ],
)
def test_a_run_that_has_not_ended_is_waited_for(run: str, phase: Phase, spec_hash: str, waited_for: bool) -> None:
    snapshot = a_cluster().snapshot
    owed = settings.open_journal(snapshot, tuple(SETTINGS), Journal()) if phase != "done" else Journal()
    record = replace(a_record(snapshot, a_spec()), run=run, phase=phase, spec_hash=spec_hash, journal=owed)
    assert bool(_busy(record)) is waited_for


def test_without_a_record_nobody_is_waited_for() -> None:
    assert _busy(None) == ""
