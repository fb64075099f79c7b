# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The record of what stands for no upgrade: a preparation, or hooks alone. Its target is what the cluster has."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.preflight import strategies_kept
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import (
    SCHEMA,
    Baseline,
    Record,
    plan_hash,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import Journal
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._engine.ledger import Ledger


def standing_record(ledger: Ledger, request: str, baseline: Baseline, clock: Clock) -> Record:
    """A record with what an earlier run on the same cluster still owes.

    That is settings, and update strategies which the earlier run put there and died or stopped with: a person's are
    those of its baseline, and whoever upgrades next has to know.
    """
    handover, before = ledger.handover, ledger.present
    previous = before if before is not None and before.cluster_uid == handover.uid else None
    theirs = strategies_kept(handover.workloads, previous, handover.uid)
    owed = {key: previous.journal.entries[key] for key in previous.journal.open_keys} if previous is not None else {}
    return Record(
        schema=SCHEMA,
        run=handover.run,
        cluster=handover.cluster,
        cluster_uid=handover.uid,
        plan_hash=plan_hash(request, handover.uid, baseline),
        spec_hash=request,
        target=baseline.images,
        baseline=replace(baseline, strategies={**baseline.strategies, **theirs}),
        started_at=clock.stamp(),
        phase="restoring",
        journal=Journal(owed),
        held=tuple(theirs),
        preparation=previous.preparation if previous is not None else None,
    )
