# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""One look at a cluster through its frontends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import NotFound, RolloutError, Unreachable
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import (
    Frontend,
    FrontendSettings,
    Tablets,
    Worker,
)
from ansible_collections.steady.rollout.plugins.module_utils._fe import statements
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Frontends, Session, in_parallel
from ansible_collections.steady.rollout.plugins.module_utils._fe.rows import frontends_of, tablets_of, workers_of
from ansible_collections.steady.rollout.plugins.module_utils._fe.settings import read_settings

Value = TypeVar("Value")


@dataclass(frozen=True)
class FeView:
    """What the frontends say. `blind` maps what could not be seen to the reason, with the keys of Snapshot.blind:
    frontends, backends, compute_nodes, tablets, settings:<pod>.
    """

    frontends: tuple[Frontend, ...] = ()
    workers: tuple[Worker, ...] = ()
    tablets: Tablets | None = None
    settings: dict[str, FrontendSettings] = field(default_factory=dict)
    leader: str | None = None
    blind: dict[str, str] = field(default_factory=dict)


def observe(
    frontends: Frontends,
    pods: Sequence[str],
    *,
    keys: Iterable[str] = (),
    known_leader: str | None = None,
    workers: bool = True,
    compute_nodes: bool = True,
    tablets: bool = True,
    timeout: float | None = None,
) -> FeView:
    """Read what is asked for. `pods` are the FE pods that may answer; `keys` the settings to read on each of them.

    `workers` are the BEs. Without keys only one FE is asked, and the leader where that is another one. Nothing is
    raised: what could not be read is in `blind`.
    """
    blind: dict[str, str] = {}
    wanted = sorted(set(keys))
    answers = _settings_everywhere(frontends, pods, wanted, timeout) if wanted else {}
    values = {pod: answer for pod, answer in answers.items() if not isinstance(answer, RolloutError)}
    blind |= {f"settings:{pod}": a.reason for pod, a in answers.items() if isinstance(a, RolloutError)}
    silent = {pod: answer.reason for pod, answer in answers.items() if isinstance(answer, Unreachable)}
    rows = _frontend_rows(frontends, _order(pods, known_leader), silent, timeout, blind)
    leader = _leader(rows)
    asked = partial(_asked, frontends, leader, blind)
    backends = asked("backends", partial(_backends, timeout=timeout)) if workers else None
    nodes = asked("compute_nodes", partial(_compute_nodes, timeout=timeout)) if compute_nodes else None
    started = {row.pod: row.start_time for row in rows}
    return FeView(
        frontends=rows,
        workers=(backends or ()) + (nodes or ()),
        tablets=asked("tablets", partial(_tablets, timeout=timeout)) if tablets else None,
        settings={pod: FrontendSettings(pod, started.get(pod), found) for pod, found in values.items()},
        leader=leader,
        blind=blind,
    )


def find_leader(
    frontends: Frontends, pods: Sequence[str], known_leader: str | None = None, *, timeout: float | None = None
) -> str:
    """The pod of the leader at this moment; Unreachable when no FE answers, NotFound when there is none, or two."""
    blind: dict[str, str] = {}
    rows = _frontend_rows(frontends, _order(pods, known_leader), {}, timeout, blind)
    if not rows:
        raise Unreachable(blind["frontends"], remedy="Check that the FE pods run and that their query port is reached.")
    leader = _leader(rows)
    if leader is None:
        roles = ", ".join(f"{row.pod} {row.role} alive={str(row.alive).lower()}" for row in rows)
        raise NotFound(f"There is not exactly one live leader: {roles}.", remedy="Wait for the election to end.")
    return leader


def frontend_rows(frontends: Frontends, pods: Sequence[str], *, timeout: float | None = None) -> tuple[Frontend, ...]:
    """SHOW FRONTENDS of the first FE that answers; none when no FE does."""
    return _frontend_rows(frontends, list(pods), {}, timeout, {})


def leader_session(
    frontends: Frontends, pods: Sequence[str], known_leader: str | None = None, *, timeout: float | None = None
) -> Session:
    """A session with the leader at this moment; errors as of find_leader."""
    return frontends.session(find_leader(frontends, pods, known_leader, timeout=timeout))


def _settings_everywhere(
    frontends: Frontends, pods: Sequence[str], keys: list[str], timeout: float | None
) -> dict[str, dict[str, str] | RolloutError]:
    def job(pod: str) -> Callable[[], dict[str, str]]:
        return lambda: frontends.run(pod, lambda session: read_settings(session, keys, timeout=timeout))

    return in_parallel({pod: job(pod) for pod in pods})


def _order(pods: Sequence[str], known_leader: str | None) -> list[str]:
    """The pods to ask: the leader as it was known first."""
    return sorted(pods, key=lambda pod: pod != known_leader)


def _frontend_rows(
    frontends: Frontends,
    order: Sequence[str],
    silent: Mapping[str, str],
    timeout: float | None,
    blind: dict[str, str],
) -> tuple[Frontend, ...]:
    """SHOW FRONTENDS of the first FE that answers; `silent` ones, with the reason, just gave no answer."""
    able = [pod for pod in order if pod not in silent]

    def job(pod: str) -> Callable[[], tuple[Frontend, ...]]:
        return lambda: frontends.run(pod, partial(_frontends, timeout=timeout))

    reasons = list(silent.values())
    # One is enough while it answers. Without a leader each of them may hang until its timeout: the rest all at once.
    for pods in (able[:1], able[1:]):
        for answer in in_parallel({pod: job(pod) for pod in pods}).values():
            if not isinstance(answer, RolloutError):
                return answer
            reasons.append(answer.reason)
    blind["frontends"] = " ".join(reasons) or "There is no FE to ask."
    return ()


def _frontends(session: Session, timeout: float | None) -> tuple[Frontend, ...]:
    """The FE rows. Releases 3.3.0, 3.3.2 and 3.3.3 may show the LEADER in the proc alone (StarRocks issue 50999)."""
    rows = frontends_of(session.run(statements.SHOW_FRONTENDS, timeout=timeout))
    if any(row.role == "LEADER" for row in rows):
        return rows
    return frontends_of(session.run(statements.SHOW_PROC_FRONTENDS, timeout=timeout))


def _leader(rows: Sequence[Frontend]) -> str | None:
    leaders = [row.pod for row in rows if row.role == "LEADER" and row.alive]
    return leaders[0] if len(leaders) == 1 else None


def _asked(
    frontends: Frontends, leader: str | None, blind: dict[str, str], what: str, read: Callable[[Session], Value]
) -> Value | None:
    """What the leader answers; nobody else, because the clone counts come from its own task queues."""
    if leader is None:
        blind[what] = "There is not exactly one live leader to ask."
        return None
    try:
        return frontends.run(leader, read)
    except RolloutError as error:
        blind[what] = error.reason
        return None


def _backends(session: Session, timeout: float | None) -> tuple[Worker, ...]:
    return workers_of(session.run(statements.SHOW_BACKENDS, timeout=timeout), "be")


def _compute_nodes(session: Session, timeout: float | None) -> tuple[Worker, ...]:
    return workers_of(session.run(statements.SHOW_COMPUTE_NODES, timeout=timeout), "cn")


def _tablets(session: Session, timeout: float | None) -> Tablets:
    return tablets_of(
        session.run(statements.SHOW_STATISTIC, timeout=timeout),
        session.run(statements.SHOW_CLUSTER_BALANCE, timeout=timeout),
    )
