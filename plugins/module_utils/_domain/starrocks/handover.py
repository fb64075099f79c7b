# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What one task of a play hands to the next, so that it need not ask the API server again.

It travels through a playbook's variables as JSON text and holds no secret. It is only a hint: writes are guarded by
the versions and values in it, so a stale one leads to a conflict and a fresh look, never to a wrong write.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import from_plain, to_plain
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import Outcome
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Component, Workload

_PREFIX = "progress "


@dataclass(frozen=True)
class LeaseSeen:
    """A Lease that nobody held when it was looked at; without a resource version there was none at all."""

    holder: str = ""
    resource_version: str = ""
    transitions: int = 0


@dataclass(frozen=True)
class Handover:
    """State between two tasks. `run` is who took the lease; empty while no step has worked under it.

    `stopped` is set once a step failed or asked for a new plan: later steps then pass; `way_back` is the direction of
    the plan that has to follow a failure."""

    cluster: str
    namespace: str
    uid: str
    workloads: dict[Component, Workload]
    mode: str = ""
    password_secret: str = ""
    password_key: str = ""
    pull_secrets: tuple[str, ...] = ()
    record: dict[str, object] | None = None
    record_version: str | None = None
    record_digest: str = ""
    run: str = ""
    holder: str = ""
    lease_version: str = ""
    free_lease: LeaseSeen | None = None
    lease_renewed: float = 0.0
    stopped: str = ""
    replans: int = 0
    way_back: str = "rollback"
    outcome: Outcome = ""
    reason: str = ""
    remedy: str = ""

    def continuing(self, earlier: Handover) -> Handover:
        """This fresh look with the lease and the story of the run that it belongs to."""
        return replace(
            self,
            record=earlier.record,
            record_digest=earlier.record_digest,
            run=earlier.run,
            replans=earlier.replans,
            way_back=earlier.way_back,
            holder=earlier.holder,
            lease_version=earlier.lease_version,
            lease_renewed=earlier.lease_renewed,
            outcome=earlier.outcome,
            reason=earlier.reason,
            remedy=earlier.remedy,
        )

    def to_text(self) -> str:
        """JSON text behind a prefix.

        Text that begins with a brace becomes a dict between two tasks in ansible-core before 2.19.
        """
        return _PREFIX + json.dumps(to_plain(self), sort_keys=True, separators=(",", ":"))


def from_text(text: str, *, cluster: str, namespace: str) -> Handover:
    """The handover from what a task was given; refused when it is not one of this cluster's."""
    try:
        data = json.loads(text.removeprefix(_PREFIX))
    except ValueError as error:
        raise Refused("progress", None, "not JSON", remedy="pass on what the task before returned") from error
    result = from_plain(Handover, data, "progress")
    if (result.cluster, result.namespace) != (cluster, namespace):
        seen = f"{result.namespace}/{result.cluster}"
        raise Refused("progress", seen, f"belongs to another cluster than {namespace}/{cluster}", remedy="start anew")
    return result
