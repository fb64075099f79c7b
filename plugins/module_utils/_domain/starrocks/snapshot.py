# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What was seen of a StarRocks cluster at one moment: frozen values, no behaviour that reaches outside.

A value that could not be had is None or an entry in `Snapshot.blind`; it is never replaced by a guess, because a
gate must be able to tell "zero" from "not known".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Component = Literal["fe", "be", "cn"]
COMPONENTS: tuple[Component, ...] = ("fe", "be", "cn")


@dataclass(frozen=True)
class Waiting:
    """Why a container does not run: `reason` and `message` as the kubelet reports them."""

    container: str
    reason: str
    message: str = ""


@dataclass(frozen=True)
class Pod:
    """One pod of a component. `created` and `ready_since` are RFC 3339 texts as the API server gives them."""

    name: str
    component: Component
    ordinal: int
    uid: str
    image: str
    phase: str
    ready: bool
    deleting: bool = False
    restarts: int = 0
    created: str = ""
    ready_since: str = ""
    node: str = ""
    waiting: tuple[Waiting, ...] = ()
    terminated: tuple[Waiting, ...] = ()
    unschedulable: str = ""


@dataclass(frozen=True)
class Workload:
    """A component as the StarRocksCluster and its StatefulSet state it.

    `strategy` is the `updateStrategy` object of the component's spec exactly as found (None when absent), so that it
    can be put back. `partition` is the effective one of the custom resource (0 when none is given).
    """

    component: Component
    image: str
    replicas: int
    strategy: dict[str, object] | None = None
    partition: int = 0
    strategy_type: str = "RollingUpdate"


@dataclass(frozen=True)
class Frontend:
    """A row of SHOW FRONTENDS. `pod` is the first label of the FQDN in the IP column.

    `address` is that column and the edit-log port, which is how statements name an FE.
    """

    pod: str
    role: str
    alive: bool
    join: bool
    replayed_journal_id: int | None
    start_time: str | None
    version: str | None
    error: str = ""
    address: str = ""
    http_port: int | None = None


@dataclass(frozen=True)
class Worker:
    """A row of SHOW BACKENDS (component be) or SHOW COMPUTE NODES (component cn)."""

    pod: str
    component: Component
    alive: bool
    start_time: str | None
    version: str | None
    decommissioned: bool = False
    tablets: int | None = None
    running_queries: int | None = None
    error: str = ""


@dataclass(frozen=True)
class FrontendSettings:
    """Values of FE settings read on one FE (ADMIN SHOW FRONTEND CONFIG is answered locally), by canonical key."""

    pod: str
    start_time: str | None
    values: dict[str, str]


@dataclass(frozen=True)
class Tablets:
    """Replica health: the Total row of SHOW PROC '/statistic' and the rows of SHOW PROC '/cluster_balance'."""

    total: int
    unhealthy: int
    inconsistent: int
    cloning: int
    error_state: int
    pending: int
    running: int


@dataclass(frozen=True)
class Snapshot:
    """The whole of one observation of one cluster.

    `mode` is fe.conf's run_mode (`shared_nothing` or `shared_data`); `blind` maps what could not be seen
    ("frontends", "settings:prod-fe-1", "tablets", ...) to the reason; `server_version` is the API server's
    gitVersion.
    """

    cluster: str
    namespace: str
    uid: str
    resource_version: str
    phase: str
    workloads: dict[Component, Workload]
    pods: tuple[Pod, ...]
    frontends: tuple[Frontend, ...] = ()
    workers: tuple[Worker, ...] = ()
    settings: dict[str, FrontendSettings] = field(default_factory=dict)
    tablets: Tablets | None = None
    mode: str = "shared_nothing"
    wait_for_full_rollout: bool = False
    server_version: str = ""
    blind: dict[str, str] = field(default_factory=dict)

    def pod(self, name: str) -> Pod | None:
        """The pod of that name, or None when it does not exist at this moment."""
        return next((pod for pod in self.pods if pod.name == name), None)

    def pods_of(self, component: Component) -> tuple[Pod, ...]:
        """The component's pods, lowest ordinal first."""
        return tuple(sorted((p for p in self.pods if p.component == component), key=lambda p: p.ordinal))

    def frontend(self, pod: str) -> Frontend | None:
        """The FE's own row, or None when the leader does not list it."""
        return next((row for row in self.frontends if row.pod == pod), None)

    def worker(self, pod: str) -> Worker | None:
        """The BE's or CN's own row, or None when the leader does not list it."""
        return next((row for row in self.workers if row.pod == pod), None)

    @property
    def leader(self) -> str | None:
        """The pod that is leader and alive; None without one, and None when two rows claim to be it."""
        leaders = [row.pod for row in self.frontends if row.role == "LEADER" and row.alive]
        return leaders[0] if len(leaders) == 1 else None
