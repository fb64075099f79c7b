# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a preparation, or of hooks alone, keeps what an earlier run on the cluster owes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from unit.module_utils._domain.starrocks.builders import a_cluster, a_record, a_spec
from unit.module_utils._kube.apiserver import ApiServer, ObjectStore

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import settings
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.handover import Handover
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.preflight import strategy_is_ours
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import (
    Record,
    baseline_of,
    load,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import SETTINGS, Journal
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Snapshot
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._engine.ledger import Ledger
from ansible_collections.steady.rollout.plugins.module_utils._engine.standing import standing_record

REQUEST = "a preparation"
PARTITION: dict[str, Any] = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
BEFORE = a_cluster().snapshot


def standing(snapshot: Snapshot, previous: Record | None) -> Record:
    """The record of a preparation on a cluster where an earlier run left its record."""
    handover = Handover(snapshot.cluster, snapshot.namespace, snapshot.uid, snapshot.workloads, run="me")
    with ApiServer(ObjectStore().handle) as server:
        ledger = Ledger(server.client(), handover, Clock(), lease_seconds=30)
        if previous is not None:
            ledger.change(previous)
        record = standing_record(ledger, REQUEST, baseline_of(snapshot), Clock())
    # It is one that is read back.
    return load(record.to_record(), cluster=snapshot.cluster)


def test_it_stands_for_no_upgrade() -> None:
    record = standing(BEFORE, None)
    assert (record.target, record.spec_hash, record.run) == (record.baseline.images, REQUEST, "me")
    assert (record.held, record.journal.open_keys, record.preparation) == ((), [], None)


def test_a_strategy_that_a_dead_run_left_is_still_known_as_its_own() -> None:
    """Whoever upgrades next puts back what the person had, and is not refused for a partition of somebody else."""
    dead = a_record(BEFORE, a_spec(), "prod-fe-2", outcome="frozen", phase="done")
    left = a_cluster().workload("fe", strategy=PARTITION, partition=2).snapshot
    record = standing(left, dead)
    assert record.held == ("fe",)
    assert record.baseline.strategies["fe"] == BEFORE.workloads["fe"].strategy
    assert strategy_is_ours(left.workloads["fe"], record, left.uid)
    # And over one more of its kind.
    again = standing(left, replace(record, phase="done", outcome="restored"))
    assert (again.held, again.baseline.strategies) == (record.held, record.baseline.strategies)


def test_a_strategy_of_the_person_stays_the_persons() -> None:
    own = a_cluster().workload("be", strategy={"type": "OnDelete"}, strategy_type="OnDelete").snapshot
    record = standing(own, a_record(own, a_spec(), "prod-fe-2", outcome="frozen", phase="done"))
    assert record.held == ()
    assert record.baseline.strategies["be"] == {"type": "OnDelete"}


@pytest.mark.parametrize("same", [True, False], ids=["the same cluster", "one that was made anew"])
def test_open_settings_are_owed_by_the_same_cluster_alone(same: bool) -> None:
    owed = settings.open_journal(BEFORE, tuple(SETTINGS), Journal())
    dead = replace(a_record(BEFORE, a_spec()), journal=owed)
    now = BEFORE if same else replace(BEFORE, uid="another")
    assert sorted(standing(now, dead).journal.open_keys) == (sorted(SETTINGS) if same else [])
