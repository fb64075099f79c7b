# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""How the FE that is leader comes last.

A StatefulSet's partition walks only from the highest ordinal down, so with the leader at ordinal 0 the walk is the
order StarRocks asks for. With the leader anywhere else something has to give, in this order: transfer the leader, let
the pods be replaced one by one in any order (OnDelete), or accept that the leader restarts early.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Pod, Snapshot

Means = Literal["walk", "transfer", "on-delete", "early-restart", "refuse"]


@dataclass(frozen=True)
class LeaderPlan:
    """The means, the FEs in the order they are replaced, and the sentence that explains it."""

    means: Means
    order: tuple[Pod, ...]
    text: str


def plan_leader(snapshot: Snapshot, pending: tuple[Pod, ...], strategy: str, *, accepted: bool) -> LeaderPlan:
    """Decide for the FEs that are still to be replaced; `accepted` is the acknowledgement of an early restart.

    `strategy` is the person's word on what the versions in use can do: `transfer` (ALTER SYSTEM TRANSFER LEADER,
    StarRocks pull request 75592) or `on-delete` (operators that report a sane status for it: operator pull request
    792); `auto` relies on neither, because neither can be seen from outside.
    """
    walk = tuple(sorted(pending, key=lambda pod: -pod.ordinal))
    leader = snapshot.leader
    if not walk or leader is None or leader == walk[-1].name or leader not in {pod.name for pod in walk}:
        return LeaderPlan("walk", walk, "the leader comes last")
    if strategy == "transfer":
        text = f"the leader moves from {leader} to {walk[-1].name} first, so that it comes last"
        return LeaderPlan("transfer", walk, text)
    if strategy == "on-delete":
        last = tuple(pod for pod in walk if pod.name == leader)
        order = tuple(pod for pod in walk if pod.name != leader) + last
        return LeaderPlan("on-delete", order, f"pods are replaced one by one (OnDelete), the leader {leader} last")
    if accepted:
        position = [pod.name for pod in walk].index(leader)
        elections = len(walk) - position
        text = (
            f"the leader {leader} restarts before {len(walk) - position - 1} other FE(s), because a partition walks "
            f"from the highest ordinal down: expect 1 to {elections} elections"
        )
        return LeaderPlan("early-restart", walk, text)
    text = f"the leader is {leader}, and a partition would restart it before the other FEs"
    return LeaderPlan("refuse", walk, text)
