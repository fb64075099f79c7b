# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One simulated StarRocks cluster as a state machine; the time is passed in, in seconds since the epoch.

Nothing here does I/O. Facts cited are StarRocks sources (paths under fe/fe-core/src/main/java/com/starrocks unless
they say docs/) or numbers of issues and pull requests of StarRocks; "inferred" marks what the sources do not say.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any, Final

from steadylab.simulator import errors, settings
from steadylab.simulator.model import (
    EDIT_LOG_PORT,
    PRIVILEGES,
    ROLES,
    Frontend,
    Heartbeat,
    Node,
    Options,
    Pod,
    User,
    native_password,
)
from steadylab.simulator.tablets import Tablets
from steadylab.simulator.versions import Version, version_of_image

SCHEDULING_LIMIT: Final = "tablet_sched_max_scheduling_tablets"


class Cluster:
    """The state of one StarRocks cluster. Every method that moves it takes the time as ``now``."""

    def __init__(self, namespace: str, name: str, now: float, *, options: Options, seed: int = 0) -> None:
        self.namespace = namespace
        self.name = name
        self.options = options
        self.created = now
        self.frontends: dict[str, Frontend] = {}
        self.backends: dict[str, Node] = {}
        self.compute_nodes: dict[str, Node] = {}
        self.users: dict[str, User] = {"root": User("root", None, PRIVILEGES)}
        self.leader: str | None = None
        self.successors: list[str] = []
        self.tablets = Tablets(options)
        self.history: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.images = 0
        self._closed_at: int | None = None
        self._checkpoint_due: float | None = None
        self._push_to: set[str] = set()
        self._writes = 0
        self._election_due: float | None = None
        self._forced: list[tuple[float, str]] = []
        self._heartbeats: list[tuple[float, Node]] = []
        self._random = random.Random(f"{seed}/{namespace}/{name}")

    @property
    def key(self) -> str:
        """``namespace/cluster``."""
        return f"{self.namespace}/{self.name}"

    @property
    def shared_data(self) -> bool:
        """Whether data lives in object storage (fe.conf run_mode)."""
        return self.options.run_mode == "shared_data"

    # Pods come and go.

    def apply(self, pod: Pod, now: float) -> None:
        """A pod exists as described; what differs from before happens now."""
        self.advance(now)
        if pod.component != "fe" and not pod.up and self.node(pod.name) is None:
            # A BE or CN becomes known when it starts and adds itself, not when its pod is created.
            return
        node = self._node(pod)
        restarted = pod.up and node.incarnation != pod.incarnation
        if node.up and (restarted or not pod.up):
            self._stop(node, now)
        if pod.up and not node.up:
            self._start(node, pod, now, restarted=restarted)
        self._settle(now)

    def remove(self, pod_name: str, now: float) -> None:
        """A pod is gone; the cluster still knows its node, as StarRocks does until it is dropped."""
        self.advance(now)
        node = self.node(pod_name)
        if node is not None and node.up:
            self._stop(node, now)
        self._settle(now)

    def node(self, pod_name: str) -> Node | None:
        """The FE, BE or CN of a pod."""
        return self.frontends.get(pod_name) or self.backends.get(pod_name) or self.compute_nodes.get(pod_name)

    def _node(self, pod: Pod) -> Node:
        known = self.node(pod.name)
        if known is not None:
            return known
        node_id = 10001 + len(self.frontends) + len(self.backends) + len(self.compute_nodes)
        if pod.component == "fe":
            role = "OBSERVER" if pod.name in self.options.observers else "FOLLOWER"
            frontend = Frontend(pod.name, pod.host, node_id, role=role)
            self.frontends[pod.name] = frontend
            return frontend
        node = Node(pod.name, pod.host, node_id)
        (self.backends if pod.component == "be" else self.compute_nodes)[pod.name] = node
        return node

    def _start(self, node: Node, pod: Pod, now: float, *, restarted: bool) -> None:
        node.up = True
        if restarted:
            # A start takes a second at least, and StartTime is shown in whole seconds: it always grows.
            node.start_time = max(pod.started or now, node.start_time + 1)
            node.incarnation = pod.incarnation
            version = version_of_image(pod.image, default=node.version.partition("-")[0])
            node.version = f"{version}-{self.options.commit_hash}" if self.options.commit_hash else version
        if isinstance(node, Frontend):
            if restarted:
                self._load_settings(node, now)
                node.image_writes = node.image_pushes = 0
            node.joined_at = now
        elif node.pod in self.backends:
            self.tablets.backend_comes(node.pod, now)
        self._expect_heartbeat(node, now)
        self._record(now, "up", pod=node.pod, version=node.version, restarted=restarted)

    def _stop(self, node: Node, now: float) -> None:
        if isinstance(node, Frontend):
            node.journal_at_stop = self.replayed(node, now)
        node.up = False
        self._expect_heartbeat(node, now)
        self.tablets.backend_goes(node.pod)
        self._record(now, "down", pod=node.pod)

    def _expect_heartbeat(self, node: Node, now: float) -> None:
        self._heartbeats.append((now + self.options.heartbeat_seconds, node))
        self._beat(now)

    def _beat(self, now: float) -> None:
        """Heartbeats that are due tell how things are now; a dead process keeps the version it had."""
        for _, node in [beat for beat in self._heartbeats if beat[0] <= now]:
            if node.up:
                node.heartbeat = Heartbeat(now, True, node.version, node.start_time)
            else:
                node.heartbeat = replace(node.heartbeat, at=now, alive=False)
        self._heartbeats = [beat for beat in self._heartbeats if beat[0] > now]

    def _record(self, now: float, event: str, **details: Any) -> None:
        self.events.append({"at": now, "event": event, **details})

    # Settings live in the memory of each FE.

    def _load_settings(self, frontend: Frontend, now: float) -> None:
        """A starting FE takes fe.conf, else the default of its version; what ADMIN SET had set is gone.

        docs/en/sql-reference/sql-statements/cluster-management/config_vars/ADMIN_SET_CONFIG.md.
        """
        version = Version.parse(frontend.version)
        loaded: dict[str, str] = {}
        for key in settings.KEYS:
            value = self._configured(frontend, key) or self._new_default(version, key)
            loaded[key.name] = key.default_of(version) if value is None else key.read(value)
        for name, value in loaded.items():
            old = frontend.settings.get(name)
            if old is not None and old != value:
                self._note_setting(now, frontend.pod, name, old, value, "restart", "")
        frontend.settings = loaded

    def _configured(self, frontend: Frontend, key: settings.ConfigKey) -> str | None:
        """fe.conf: the key under its own name, then under an alias (ConfigBase.getConfigValue)."""
        for conf in (frontend.conf, self.options.fe_conf):
            for name in (key.name, *key.aliases):
                if name in conf:
                    return conf[name]
        return self.options.run_mode if key.name == "run_mode" else None

    def _new_default(self, version: Version, key: settings.ConfigKey) -> str | None:
        changed = sorted((Version.parse(text), values) for text, values in self.options.version_defaults.items())
        values = [default[key.name] for since, default in changed if since <= version and key.name in default]
        return values[-1] if values else None

    def _note_setting(self, now: float, fe: str, key: str, old: str, new: str, cause: str, user: str) -> None:
        entry = {"at": now, "fe": fe, "key": key, "old": old, "new": new, "cause": cause, "user": user}
        self.history.append({**entry, "leader": self.leader})

    def set_config(self, key_name: str, text: str, *, persistent: bool, user: str, now: float) -> None:
        """ADMIN SET FRONTEND CONFIG, on the leader (ConfigBase.setConfig).

        The leader takes the value first, then the FEs it takes for alive; others are skipped in silence. Raises
        StatementError when the leader refuses (nothing is set), or when an FE could not be reached (all the others
        have the value).
        """
        leader = self.require_leader()
        if persistent:
            # ConfigBase.init: nothing is persisted in a container.
            raise errors.StatementError("set persisted config failed, because current running mode is not persisted")
        key = settings.BY_ANY_NAME.get(key_name)
        if key is None or not key.mutable:
            raise errors.unknown_config(key_name)
        try:
            value = key.read(text)
        except ValueError as error:
            raise errors.StatementError(f"Failed to set config '{key_name}'. err: {error}") from error
        self._set_on(leader, key.name, value, user, now)
        failures = ""
        for frontend in self._others(leader):
            failures += self._push(frontend, key.name, value, user, now)
        self._settle(now)
        if failures:
            raise errors.set_config_failed(failures)

    def _others(self, leader: Frontend) -> list[Frontend]:
        return [frontend for frontend in self.members() if frontend is not leader]

    def _push(self, frontend: Frontend, key: str, value: str, user: str, now: float) -> str:
        if not frontend.heartbeat.alive and not self.options.set_config_calls_dead:
            return ""
        if not frontend.up or frontend.pod in self.options.set_config_unreachable:
            return f"set config for fe[{frontend.host}] failed: java.net.ConnectException: Connection refused"
        self._set_on(frontend, key, value, user, now)
        return ""

    def _set_on(self, frontend: Frontend, key: str, value: str, user: str, now: float) -> None:
        old = frontend.settings[key]
        frontend.settings[key] = value
        self._note_setting(now, frontend.pod, key, old, value, "set", user)

    def put_setting(self, pod: str, key_name: str, text: str, now: float) -> None:
        """Give one FE a value directly, as a test may; raises ValueError for what does not exist or does not read."""
        frontend = self.frontends.get(pod)
        key = settings.BY_ANY_NAME.get(key_name)
        if frontend is None or key is None:
            raise ValueError(f"no FE {pod!r} or no key {key_name!r}")
        old, new = frontend.settings.get(key.name, ""), key.read(text)
        frontend.settings[key.name] = new
        self._note_setting(now, pod, key.name, old, new, "control", "")
        self._settle(now)

    # The leader.

    def members(self) -> list[Frontend]:
        """The FEs of the replication group, dead ones included, by name."""
        return sorted((fe for fe in self.frontends.values() if fe.member), key=lambda fe: fe.pod)

    def require_leader(self) -> Frontend:
        """The leader's FE; raises StatementError when there is none."""
        if self.leader is None:
            # Text as in StarRocks issue 5822.
            raise errors.StatementError("Failed to get master client.")
        return self.frontends[self.leader]

    def _voters(self) -> list[Frontend]:
        return [frontend for frontend in self.members() if frontend.role == "FOLLOWER"]

    def _has_quorum(self) -> bool:
        voters = self._voters()
        return 2 * sum(frontend.up for frontend in voters) > len(voters)

    def _settle(self, now: float) -> None:
        """Draw the consequences of a change: the leader lost, an election due, FEs that join, tablets to repair."""
        if self.leader is not None and not (self.frontends[self.leader].up and self._has_quorum()):
            self._lose_leader(now)
        if self.leader is None:
            self._plan_election(now)
        self._admit(now)
        self.tablets.repair(self.scheduling_limit(), now)

    def _lose_leader(self, now: float) -> None:
        self._record(now, "leader lost", pod=self.leader)
        self.leader = None
        self.tablets.leader_lost()

    def _plan_election(self, now: float) -> None:
        if not self._voters():
            self._plan_founding(now)
        elif not self._has_quorum():
            self._election_due = None
        elif self._election_due is None:
            self._election_due = now + self.options.election_seconds

    def _plan_founding(self, now: float) -> None:
        """The FE of ordinal 0 founds a new cluster (the FE image's start script); others only when it stays away."""
        founders = self._candidates_to_found()
        if not founders:
            self._election_due = None
        elif founders[0].pod.endswith("-0"):
            self._elect(founders[0], now)
        elif self._election_due is None:
            self._election_due = now + self.options.bootstrap_seconds

    def _candidates_to_found(self) -> list[Frontend]:
        waiting = (fe for fe in self.frontends.values() if fe.up and fe.role == "FOLLOWER")
        return sorted(waiting, key=lambda fe: (len(fe.pod), fe.pod))

    def _hold_election(self, now: float) -> None:
        voters = [frontend for frontend in self._voters() if frontend.up]
        if not voters:
            voters = self._candidates_to_found()[:1]
        wanted = [pod for pod in self.successors if pod in {frontend.pod for frontend in voters}]
        if wanted:
            self.successors.remove(wanted[0])
            self._elect(self.frontends[wanted[0]], now)
            return
        # BDB JE elects the node that has replayed most; which one of equals is arbitrary.
        furthest = max(self.replayed(frontend, now) for frontend in voters)
        equals = [frontend for frontend in voters if self.replayed(frontend, now) == furthest]
        self._elect(self._random.choice(equals), now)

    def _elect(self, frontend: Frontend, now: float) -> None:
        self._election_due = None
        frontend.member = True
        self.leader = frontend.pod
        self._writes += 1
        self._record(now, "leader elected", pod=frontend.pod)

    def _admit(self, now: float) -> None:
        """A new FE is added to the group by the leader, so it joins only while there is one."""
        if self.leader is None:
            return
        for frontend in self.frontends.values():
            if frontend.up and not frontend.member:
                frontend.member = True
                frontend.joined_at = now
                self._record(now, "joined", pod=frontend.pod, role=frontend.role)

    def make_leader(self, pod: str, now: float, *, demoted_exits: bool = False) -> None:
        """Make an FE the leader at once; ``demoted_exits`` restarts the old leader's process.

        Without StarRocks PR 75592 an FE that loses the role exits (System.exit) and starts anew. Raises ValueError
        for an FE that is not a live follower.
        """
        self.advance(now)
        frontend = self.frontends.get(pod)
        if frontend is None or not frontend.up or not frontend.member or frontend.role != "FOLLOWER":
            raise ValueError(f"{pod!r} is not a live follower of {self.key}")
        old = self.leader
        if old == pod:
            return
        if old is not None:
            self._lose_leader(now)
        self._elect(frontend, now)
        if old is not None and demoted_exits:
            self._restart_process(self.frontends[old], now)
        self._settle(now)

    def _restart_process(self, frontend: Frontend, now: float) -> None:
        frontend.start_time = max(now, frontend.start_time + 1)
        self._expect_heartbeat(frontend, now)
        frontend.joined_at = now
        self._load_settings(frontend, now)
        self._record(now, "process restarted", pod=frontend.pod)

    def lead_in_turn(self, pods: list[str], every: float, now: float) -> None:
        """Move the leadership to each of the pods in turn, ``every`` seconds apart, the first one now."""
        self.make_leader(pods[0], now)
        self._forced = [(now + every * (index + 1), pod) for index, pod in enumerate(pods[1:])]

    def transfer_leader(self, host: str, port: int, now: float) -> None:
        """ALTER SYSTEM TRANSFER LEADER TO (StarRocks PR 75592; its grammar and texts are inferred)."""
        for frontend in self._voters():
            if frontend.host == host and port == EDIT_LOG_PORT and frontend.up:
                self.make_leader(frontend.pod, now)
                return
        raise errors.StatementError(f"Frontend '{host}:{port}' is not an alive follower")

    # The journal.

    def journal(self, now: float) -> int:
        """The leader's largest journal id: it grows with time (heartbeats, timestamps) and with writes."""
        return 10_000 + int(now - self.created) + self._writes

    def replayed(self, frontend: Frontend, now: float) -> int:
        """How far an FE has replayed: a dead one stands still, one that joined lately trails behind."""
        if not frontend.up:
            return frontend.journal_at_stop
        if frontend.pod == self.leader:
            return self.journal(now)
        share = 1.0
        if self.options.lag_seconds > 0:
            share = min(1.0, (now - frontend.joined_at) / self.options.lag_seconds)
        lag = int(self.options.lag_entries * (1.0 - share)) + frontend.extra_lag
        return max(0, self.journal(now) - lag)

    def create_image(self, now: float) -> None:
        """ALTER SYSTEM CREATE IMAGE: the journal's current part is closed (GlobalStateMgr.triggerNewImage).

        The image itself is made when the leader looks next.
        """
        self.require_leader()
        self.images += 1
        self._closed_at = self.journal(now)
        self._writes += 1
        if self._checkpoint_due is None:
            self._checkpoint_due = now + self.options.checkpoint_seconds
        self._record(now, "journal closed", pod=self.leader, journal=self._closed_at)

    def _checkpoint(self, now: float) -> None:
        """The leader makes the image that is due and pushes it (leader/Checkpoint.java, CheckpointController.java).

        Before 3.4 a push counts once, when all others have the image, and one that failed waits for the next image;
        since 3.4 each FE counts, and a failed push is repeated.
        """
        self._checkpoint_due = None
        if self.leader is None:
            # Whoever leads next finds the closed part of the journal.
            self._checkpoint_due = now + self.options.checkpoint_seconds
            return
        leader = self.frontends[self.leader]
        repeats = Version.parse(leader.version) >= Version(3, 4, 0)
        if self._closed_at is not None:
            leader.image, self._closed_at = self._closed_at, None
            leader.image_writes += 1
            self._push_to = {frontend.pod for frontend in self._others(leader)}
            self._record(now, "image made", pod=leader.pod, journal=leader.image)
        pushed = self._push_image(leader)
        leader.image_pushes += len(pushed) if repeats else int(bool(pushed) and not self._push_to)
        if self._push_to and repeats:
            self._checkpoint_due = now + self.options.checkpoint_seconds
        missing = sorted(self._push_to)
        self._record(now, "image pushed", pod=leader.pod, journal=leader.image, to=sorted(pushed), missing=missing)

    def _push_image(self, leader: Frontend) -> list[str]:
        pushed = [
            pod
            for pod in sorted(self._push_to)
            if self.frontends[pod].up and pod not in self.options.image_push_refused
        ]
        for pod in pushed:
            self.frontends[pod].image = leader.image
        self._push_to -= set(pushed)
        return pushed

    # Tablets.

    def unhealthy(self) -> int:
        """UnhealthyTabletNum of '/statistic'."""
        return self.tablets.unhealthy([backend.pod for backend in self.backends.values() if not backend.up])

    def scheduling_limit(self) -> int:
        """The limit of the leader, whose tablet scheduler alone repairs."""
        return 0 if self.leader is None else int(self.frontends[self.leader].settings[SCHEDULING_LIMIT])

    def pending(self, now: float) -> int:
        """Tablets that wait in the leader's scheduler."""
        return 0 if self.leader is None else self.tablets.pending(self.scheduling_limit(), now)

    # Time passes.

    def next_event(self, now: float) -> float | None:
        """When something will happen by itself; None when nothing will."""
        moments = [at for at, _ in self._forced] + [at for at, _ in self._heartbeats]
        moments += [at for at in (self._election_due, self._checkpoint_due) if at is not None]
        moments += self.tablets.moments(self.scheduling_limit(), now)
        caught_up = (fe.joined_at + self.options.lag_seconds for fe in self.members() if fe.up)
        moments += [at for at in caught_up if at > now]
        return min(moments, default=None)

    def advance(self, now: float) -> None:
        """Let happen what is due by now."""
        self._beat(now)
        while self._forced and self._forced[0][0] <= now:
            _, pod = self._forced.pop(0)
            self._force(pod, now)
        if self._election_due is not None and self._election_due <= now:
            self._hold_election(now)
        if self._checkpoint_due is not None and self._checkpoint_due <= now:
            self._checkpoint(now)
        self._settle(now)

    def _force(self, pod: str, now: float) -> None:
        try:
            self.make_leader(pod, now)
        except ValueError as error:
            self._record(now, "leader change dropped", pod=pod, reason=str(error))

    # Users.

    def put_user(self, name: str, password: str, privileges: frozenset[str]) -> None:
        """Create a user or change its password and privileges; raises ValueError for an unknown privilege."""
        if not privileges <= PRIVILEGES:
            raise ValueError(f"unknown privileges {sorted(privileges - PRIVILEGES)}; known: {sorted(PRIVILEGES)}")
        self.users[name] = User(name, native_password(password), privileges)

    def create_user(self, name: str, password: str, *, may_exist: bool) -> None:
        """CREATE USER (authentication/AuthenticationMgr.java); raises StatementError."""
        if name not in self.users:
            self.put_user(name, password, frozenset())
        elif not may_exist:
            raise errors.StatementError(f"Operation CREATE USER failed for '{name}'@'%' : user already exists")

    def grant(self, name: str, *, privileges: frozenset[str]) -> None:
        """GRANT privileges TO USER; raises StatementError."""
        user = self._user(name)
        self.users[name] = replace(user, privileges=user.privileges | privileges)

    def grant_role(self, name: str, role: str) -> None:
        """GRANT role TO USER; raises StatementError."""
        if role not in ROLES:
            raise errors.StatementError(f"Getting analyzing error. Detail message: cannot find role {role}!")
        user = self._user(name)
        self.users[name] = replace(user, roles=user.roles | {role})

    def set_default_role(self, name: str, role: str) -> None:
        """SET DEFAULT ROLE; here it counts for open sessions as well. Raises StatementError."""
        user = self._user(name)
        if role not in user.roles:
            raise errors.StatementError(
                f"Getting analyzing error. Detail message: Role {role} is not granted to {name}."
            )
        self.grant(name, privileges=ROLES[role])

    def _user(self, name: str) -> User:
        if name not in self.users:
            raise errors.StatementError(f"Getting analyzing error. Detail message: user '{name}'@'%' not exist!")
        return self.users[name]

    def set_root_password(self, password: str) -> None:
        """Change the password of root; connections that are open stay."""
        self.users["root"].auth_string = native_password(password)
