# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The end of a DBUpgrade that is being deleted: what still writes comes to its end, and the Lease goes to others.

A Job is the DBUpgrade's own, so Kubernetes would delete it together with the DBUpgrade, in the middle of a statement.
Only what may never have run is deleted here.
"""

from __future__ import annotations

from ansible_collections.steady.rollout.plugins.module_utils._domain.database import plan
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.conditions import State
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.record import Record
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.snapshot import Lease, Snapshot

RELEASED = State("Initializing", "Released", "Nothing of it writes, and the Lease of the database is free.")


def decide(snapshot: Snapshot, record: Record | None) -> plan.Decision:
    """The next action; a Wait of 0 seconds when nothing is left to do."""
    attempt = record.open if record is not None and record.uid == snapshot.uid else None
    if attempt is None:
        return _give_up(snapshot, record)
    job = snapshot.job(attempt.job)
    state = State("Progressing", "Releasing", f"Job {attempt.job} writes to the database and comes to its end first.")
    if job is not None and job.suspended and not job.pods and not job.deleting:
        return plan.Decision(plan.DeleteJob(job.name, job.uid), state)
    if (job is None and snapshot.gone(attempt.job)) or (job is not None and job.over):
        return _give_up(snapshot, record)
    if record is not None and snapshot.holds and snapshot.lease.remaining < plan.RENEW_BELOW:
        return plan.Decision(plan.RenewLease(record.database), state)
    return plan.Decision(plan.Wait(plan.AGAIN_RUNNING), state)


def _give_up(snapshot: Snapshot, record: Record | None) -> plan.Decision:
    if record is not None and record.database and _ours(snapshot.lease, snapshot.holder):
        return plan.Decision(plan.ReleaseLease(record.database), RELEASED)
    return plan.Decision(plan.Wait(0), RELEASED)


def _ours(lease: Lease, holder: str) -> bool:
    """Whether it is ours, also when it has expired: the name of our Job on it would keep others waiting."""
    return lease.holder == holder
