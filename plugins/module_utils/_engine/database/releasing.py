# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""One pass over a DBUpgrade that is being deleted: see _domain/database/release.py for what is waited for."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.steady.rollout.plugins.module_utils._domain.database import plan, release
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.conditions import State
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.record import Record
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.snapshot import Source
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Conflict, LeaseLost, RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.events.kubernetes import Regarding
from ansible_collections.steady.rollout.plugins.module_utils._engine import letting_go
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.act import carry_out
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.look import Origin, Seen, look
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.passes import (
    MOST_CONFLICTS,
    Outcome,
    recorded,
)
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.undertaking import (
    RESOURCE_API,
    Undertaking,
)

# No release needs more acts in a row: delete a Job, renew or give up the Lease.
_MOST_ACTS = MOST_CONFLICTS + 5


def released(work: Undertaking, deadline: float, *, act: bool) -> Outcome:
    """One pass, or its end where the DBUpgrade must go whatever still runs; without `act` nothing is written."""
    metadata = (work.resource or {}).get("metadata") or {"namespace": work.namespace}
    why = letting_go.let_go(work.client, metadata, work.clock, deadline)
    record = recorded(work)
    outcome = _attempted(work, record, act=act and not why)
    if not why or not outcome.seconds:
        return outcome
    text = f"{outcome.state.message} {why[0].upper()}{why[1:]}. Its Lease stays until that Job is over."
    regarding = Regarding(RESOURCE_API, "DBUpgrade", work.owner.name, work.namespace, work.owner.uid)
    if act:
        letting_go.tell(work.client, regarding, work.clock, text, work.say)
    return replace(outcome, state=State("Degraded", letting_go.REASON, text), seconds=0.0)


def _attempted(work: Undertaking, record: Record | None, *, act: bool) -> Outcome:
    """Do what can be done now, until something has to be waited for; without `act` only look."""
    seen = _look(work, record)
    for _act in range(_MOST_ACTS):
        snapshot = seen.snapshot(work)
        decision = release.decide(snapshot, record)
        if isinstance(decision.action, plan.Wait):
            return Outcome(decision.state, record, snapshot, decision.action.seconds)
        if not act:
            return Outcome(decision.state, record, snapshot, plan.AGAIN_RUNNING)
        try:
            carry_out(work, seen, decision.action)
        except (Conflict, LeaseLost) as moved:
            # Another runner of this DBUpgrade wrote meanwhile; what it wrote is seen now.
            work.say(moved.reason)
        seen = _look(work, record)
    raise RolloutError(f"{_MOST_ACTS} writes and no end", remedy="look who else writes the Lease or the Job")


def _look(work: Undertaking, record: Record | None) -> Seen:
    """The Lease that the record names, and the Jobs. The Secret with the URL is not needed, and may be gone."""
    known = Seen(origin=Origin(Source(lease=record.database if record is not None else "")))
    return look(work, known, ("lease", "jobs"))
