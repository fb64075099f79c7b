# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the simulated world is made of: pods as they are told, nodes as StarRocks knows them, users, and the options."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from hashlib import sha1
from typing import Any, Final, Literal

Component = Literal["fe", "be", "cn"]

EDIT_LOG_PORT: Final = 9010
# What root's roles hold of it all (docs: privilege_item.md): OPERATE and GRANT on SYSTEM; NODE, which cannot be granted
# singly; SELECT, here on every table.
PRIVILEGES: Final = frozenset({"OPERATE", "NODE", "SELECT", "GRANT"})
# docs: built_in_roles.md, a selection.
ROLES: Final = {
    "cluster_admin": frozenset({"OPERATE", "NODE"}),
    "db_admin": frozenset({"OPERATE", "SELECT"}),
    "user_admin": frozenset({"GRANT"}),
}


@dataclass(frozen=True)
class Pod:
    """What the simulator needs to know of one pod of a StarRocks cluster.

    ``up`` says that the process serves; ``incarnation`` changes with every start of the process (pod uid and restart
    count of the container), so that a pod that was only unready keeps what its process holds in memory.
    ``started`` is when the process became ready, in seconds since the epoch; None means "now".
    """

    namespace: str
    cluster: str
    component: Component
    name: str
    image: str
    up: bool
    incarnation: str
    started: float | None = None

    @property
    def cluster_key(self) -> str:
        """``namespace/cluster``."""
        return f"{self.namespace}/{self.cluster}"

    @property
    def host(self) -> str:
        """The FQDN that the IP columns hold (HOST_TYPE=FQDN); its first label is the pod's name."""
        return f"{self.name}.{self.cluster}-{self.component}-search.{self.namespace}.svc.cluster.local"


@dataclass
class Options:
    """How a cluster behaves; every field can be changed while it runs. Durations are seconds."""

    election_seconds: float = 0.3
    """From the loss of a leader to the next one."""
    bootstrap_seconds: float = 5.0
    """How long a new cluster waits for its FE of ordinal 0 before another FE founds it."""
    heartbeat_seconds: float = 0.0
    """How long the FEs still take a process for what it was before it started or stopped (StarRocks: up to 5)."""
    lag_seconds: float = 0.2
    """How long an FE that joins trails behind in ReplayedJournalId."""
    lag_entries: int = 50
    """By how many journal entries it trails at first."""
    no_leader: str = "hang"
    """What a statement for the leader gets without one: hang (up to forward_wait_seconds) or error."""
    forward_wait_seconds: float = 15.0
    """How long a forwarded statement waits for a leader before it fails."""
    heal_seconds: float = 0.3
    """How long one batch of clone tasks takes."""
    heal_batch: int = 1000
    """How many tablets are repaired in one batch, the scheduling limit permitting."""
    repair_delay_seconds: float = 0.0
    """How long a tablet stays unhealthy before the scheduler takes it up."""
    databases: int = 1
    """Databases of the cluster: 1, or 0 for a cluster without any, whose '/statistic' is empty."""
    tablets: int = 30
    """Tablets of the one table, with three replicas each."""
    stale_share: float = 1.0
    """Share of a BE's replicas that miss data when it returns, because loads went on meanwhile."""
    single_replica_partitions: int = 0
    """Partitions whose REPLICATION_NUM is 1, for what reads information_schema.partitions_meta."""
    schema_changes: int = 0
    """Schema changes that run, for what reads SHOW PROC '/jobs/<db>/schema_change'."""
    run_mode: str = "shared_nothing"
    """shared_nothing or shared_data."""
    commit_hash: str = ""
    """Appended to every version as -<hash>, as StarRocks does (3.3.0-rc01-3b8cb0c, StarRocks issue 45774)."""
    transfer_leader: bool = False
    """Whether ALTER SYSTEM TRANSFER LEADER exists (StarRocks PR 75592, releases after mid-2026)."""
    set_config_calls_dead: bool = False
    """Older NodeMgr.setConfig: dead FEs are called too, and the error comes after the rest has the value."""
    checkpoint_seconds: float = 0.3
    """How often the leader looks whether a metadata image is due (StarRocks: 60, FeConstants)."""
    http_auth: bool = False
    """fe.conf enable_http_auth (StarRocks PR 73822): the FE's HTTP interface wants a user with OPERATE."""
    leader_role_hidden: bool = False
    """SHOW FRONTENDS shows no LEADER, SHOW PROC '/frontends' does (StarRocks issue 50999, seen on 3.3.0 to 3.3.3)."""
    observers: list[str] = field(default_factory=list)
    """FE pods that join as OBSERVER: they replay, but never vote or lead."""
    image_push_refused: list[str] = field(default_factory=list)
    """FE pods that take no image from the leader."""
    set_config_unreachable: list[str] = field(default_factory=list)
    """Live FE pods whose thrift port does not answer the leader's setConfig call."""
    fe_conf: dict[str, str] = field(default_factory=dict)
    """fe.conf of every FE (the ConfigMap of the cluster): what a starting FE takes instead of the defaults."""
    version_defaults: dict[str, dict[str, str]] = field(default_factory=dict)
    """Defaults that are new in a version: {"3.3.2": {"tablet_sched_max_scheduling_tablets": "20000"}}."""

    def update(self, changes: Mapping[str, Any]) -> None:
        """Change fields by name; raises ValueError for an unknown name or a value of another type."""
        known = {item.name for item in fields(self)}
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f"unknown option {name!r}; known: {', '.join(sorted(known))}")
            setattr(self, name, _like(getattr(self, name), name, value))


def _like(example: object, name: str, value: Any) -> Any:
    if isinstance(example, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(example):
        raise ValueError(f"option {name} is a {type(example).__name__}, not {value!r}")
    return value


@dataclass
class User:
    """A StarRocks user; ``auth_string`` is the double SHA-1 that mysql_native_password stores, empty for no password.

    None means that the password is not known yet (its Secret could not be read), so that nobody can log in.
    ``privileges`` are those in force, ``roles`` what was granted, which gives nothing until it is activated.
    """

    name: str
    auth_string: str | None
    privileges: frozenset[str]
    roles: frozenset[str] = frozenset()


def native_password(password: str) -> str:
    """What the server keeps of a password with mysql_native_password; never the password itself."""
    return sha1(sha1(password.encode()).digest()).hexdigest() if password else ""


@dataclass(frozen=True)
class Heartbeat:
    """What the last heartbeat to a process told: all that SHOW FRONTENDS and SHOW BACKENDS know of it."""

    at: float = 0.0
    alive: bool = False
    version: str = "NULL"
    start_time: float = 0.0


@dataclass
class Node:
    """A process of the cluster as the FEs know it; BE and CN need no more than this."""

    pod: str
    host: str
    node_id: int
    version: str = "0.0.0"
    up: bool = False
    incarnation: str = ""
    start_time: float = 0.0
    heartbeat: Heartbeat = Heartbeat()
    queries: int = 0


@dataclass(frozen=True)
class Keystore:
    """TLS of an FE, as ssl_keystore_location in its fe.conf; ``required`` is ssl_force_secure_transport."""

    context: ssl.SSLContext
    required: bool


@dataclass
class Frontend(Node):
    """An FE: its place in the replication group and the settings its process holds in memory."""

    role: str = "FOLLOWER"
    member: bool = False
    joined_at: float = 0.0
    journal_at_stop: int = 0
    extra_lag: int = 0
    image: int | None = None
    """The journal id that its newest metadata image ends with; it survives a restart of the process."""
    image_writes: int = 0
    image_pushes: int = 0
    """What its process has counted as leader (starrocks_fe_image_write, starrocks_fe_image_push)."""
    settings: dict[str, str] = field(default_factory=dict)
    conf: dict[str, str] = field(default_factory=dict)
    keystore: Keystore | None = None
