# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small world for the plan: databases, Jobs with pods that outlive runners, Leases and records with preconditions.

Databases have no lock here, and Jobs apply whatever they are told: nothing but the plan keeps them apart.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.database import plan
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.job import WRITING, Order, Owner
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.output import Container
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.record import Record, load
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.snapshot import (
    JobView,
    Lease,
    Managed,
    Snapshot,
    Source,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.spec import DatabaseSpec, parse_document
from ansible_collections.steady.rollout.plugins.module_utils._domain.gate import Refusal

from .documents import SELF_HOSTED, changed, named

START = 1_795_000_000.0
REPOSITORY = "registry.example/migrations"


class Precondition(Exception):
    """A write whose precondition does not hold: the API server answers 404 or 409."""


def files_of(count: int, *, down: bool = False, drop: bool = False) -> dict[str, str]:
    """A directory of so many migrations."""
    files = {f"{n:04d}_step.sql": f"CREATE TABLE t{n} (id int);" for n in range(1, count + 1)}
    if drop:
        files[f"{count:04d}_step.sql"] = "DROP TABLE t1;"
    downs = {f"down/{name}": "DROP TABLE x;" for name in files} if down else {}
    return {**files, **downs, "atlas.sum": "h1:"}


def a_spec(tag: str = "v1", **fields: Any) -> DatabaseSpec:
    """The request for an image; `fields` are dotted paths of the document with __ for dots."""
    document = changed(SELF_HOSTED, "migrations.image", f"{REPOSITORY}:{tag}")
    for path, value in fields.items():
        document = changed(document, path.replace("__", "."), value)
    return parse_document(named(document))


@dataclass
class Database:
    """What is applied, and a statement that a migration was left with in the middle."""

    applied: tuple[str, ...] = ()
    error: str = ""
    history: list[str] = field(default_factory=list)


@dataclass
class Job:
    """A Job and its pod."""

    uid: str
    order: Order
    owner: Owner
    suspended: bool
    pod: bool = False
    started: float = 0.0
    finish: str = ""
    reason: str = ""
    containers: tuple[Container, ...] = ()
    deleted: bool = False
    version: int = 0


@dataclass
class LeaseState:
    """A Lease."""

    holder: str = ""
    taken: int = 0
    renewed: float = 0.0
    job: str = ""
    version: int = 0


@dataclass
class Upgrade:
    """A DBUpgrade with what stands in the cluster for it."""

    name: str
    namespace: str
    spec: DatabaseSpec
    database: str = "db"
    uid: str = "uid-1"
    secret: int = 1
    secret_there: bool = True
    managed: Managed | None = None
    record: dict[str, Any] | None = None
    record_version: int = 0
    directory: str = ""
    pre: tuple[Refusal, ...] | None = ()
    post: tuple[Refusal, ...] | None = ()
    tokens: float = 0.0
    events: list[plan.Event] = field(default_factory=list)
    secret_version: int = 0

    @property
    def owner(self) -> Owner:
        """Whose Jobs they are."""
        return Owner(self.name, self.namespace, self.uid)


@dataclass
class Seen:
    """What a runner saw, with the versions that its writes have to meet."""

    snapshot: Snapshot
    record: Record | None
    record_version: int
    lease_version: int
    jobs: dict[str, tuple[str, int]]


class World:
    """Everything there is."""

    def __init__(self) -> None:
        self.now = START
        self.databases: dict[str, Database] = {}
        self.images: dict[str, dict[str, str]] = {}
        self.leases: dict[str, LeaseState] = {}
        self.jobs: dict[tuple[str, str], Job] = {}
        self.dying: list[Job] = []
        self.upgrades: dict[str, Upgrade] = {}
        self.ran: Counter[str] = Counter()
        self.counter = 0

    # What a runner sees.

    def look(self, upgrade: Upgrade) -> Seen:
        """One observation."""
        lease = self.leases.setdefault(self.lease_name(upgrade), LeaseState())
        jobs = {
            name: job
            for (namespace, name), job in self.jobs.items()
            if namespace == upgrade.namespace and job.owner.name == upgrade.name
        }
        snapshot = Snapshot(
            name=upgrade.name,
            namespace=upgrade.namespace,
            uid=upgrade.uid,
            generation=1,
            source=self._source(upgrade),
            managed=upgrade.managed,
            lease=self._lease(lease),
            jobs=tuple(self._view(name, job) for name, job in jobs.items()),
            stray_pods=tuple(self._name(job) for job in self.dying if job.owner == upgrade.owner),
            directory=upgrade.directory,
            pre=upgrade.pre,
            post=upgrade.post,
        )
        record = None
        if upgrade.record is not None:
            record = load(json.loads(json.dumps(upgrade.record)), name=upgrade.name)
        versions = {name: (job.uid, job.version) for name, job in jobs.items()}
        return Seen(snapshot, record, upgrade.record_version, lease.version, versions)

    def _source(self, upgrade: Upgrade) -> Source:
        if not upgrade.secret_there:
            return Source(reason="SecretNotFound", problem="Secret db has no key url")
        return Source(str(upgrade.secret), self.lease_name(upgrade), upgrade.database, token=bool(upgrade.tokens))

    def lease_name(self, upgrade: Upgrade) -> str:
        """The Lease of an upgrade's database."""
        return f"steady-rollout-{upgrade.database}"

    def _lease(self, lease: LeaseState) -> Lease:
        remaining = max(0.0, lease.renewed + plan.LEASE_SECONDS - self.now) if lease.holder else 0.0
        namespace, _slash, name = lease.job.partition("/")
        job = self.jobs.get((namespace, name))
        alive = any(self._name(item) == name and item.owner.namespace == namespace for item in self.dying)
        over = not alive and (job is None or (bool(job.finish) and not job.pod))
        return Lease(lease.holder, str(lease.taken), remaining, lease.job, over)

    def _view(self, name: str, job: Job) -> JobView:
        return JobView(
            name=name,
            kind=job.order.kind,
            uid=job.uid,
            hash=job.order.hash(job.owner),
            suspended=job.suspended,
            finish="" if not job.finish else "Complete" if job.finish == "Complete" else "Failed",
            reason=job.reason,
            pods=int(job.pod),
            started=job.started,
            containers=job.containers if job.finish else (),
        )

    @staticmethod
    def _name(job: Job) -> str:
        return job.order.name(job.owner)

    # What a runner does.

    def decide(self, upgrade: Upgrade, seen: Seen) -> plan.Decision:
        """The plan's answer."""
        return plan.decide(seen.snapshot, upgrade.spec, seen.record, self.now, plan.Tool())

    def act(self, upgrade: Upgrade, seen: Seen, action: plan.Action) -> None:
        """Carry out an action; raises Precondition where the API server would refuse."""
        match action:
            case plan.Save(record, events):
                self._expect(upgrade.record_version == seen.record_version)
                upgrade.record = json.loads(json.dumps(record.to_record()))
                upgrade.record_version += 1
                upgrade.events += events
            case plan.WriteSecret(source):
                self._expect(source == str(upgrade.secret))
                upgrade.managed = Managed(source, self.now + upgrade.tokens if upgrade.tokens else 0.0)
                upgrade.secret_version += 1
            case plan.ClearSecret():
                upgrade.managed = Managed("")
                upgrade.secret_version += 1
            case plan.KeepDirectory(directory, _image):
                upgrade.directory = directory.hash
            case plan.CreateJob(order):
                self._create(upgrade, order)
            case plan.ResumeJob(name, uid):
                job = self._exactly(upgrade, seen, name, uid)
                job.suspended, job.pod = False, True
                job.version += 1
                self.ran[job.order.hash(job.owner)] += 1
            case plan.DeleteJob(name, uid):
                self._exactly(upgrade, seen, name, uid)
                self.delete(upgrade, name)
            case plan.TakeLease() | plan.RenewLease() | plan.NameJob() | plan.ReleaseLease():
                self._on_lease(upgrade, seen, action)
            case _:
                raise AssertionError(action)

    @staticmethod
    def _expect(holds: bool) -> None:
        if not holds:
            raise Precondition

    def _exactly(self, upgrade: Upgrade, seen: Seen, name: str, uid: str) -> Job:
        job = self.jobs.get((upgrade.namespace, name))
        self._expect(job is not None and job.uid == uid and seen.jobs.get(name) == (uid, job.version))
        assert job is not None
        return job

    def _create(self, upgrade: Upgrade, order: Order) -> None:
        name = order.name(upgrade.owner)
        self._expect((upgrade.namespace, name) not in self.jobs)
        self.counter += 1
        suspended = order.kind in WRITING
        job = Job(f"job-{self.counter}", order, upgrade.owner, suspended, pod=not suspended)
        self.jobs[upgrade.namespace, name] = job

    def _on_lease(self, upgrade: Upgrade, seen: Seen, action: plan.Action) -> None:
        assert isinstance(action, (plan.TakeLease, plan.RenewLease, plan.NameJob, plan.ReleaseLease))
        lease = self.leases.setdefault(action.name, LeaseState())
        self._expect(action.name != self.lease_name(upgrade) or lease.version == seen.lease_version)
        lease.version += 1
        match action:
            case plan.TakeLease():
                if lease.holder != seen.snapshot.holder:
                    lease.holder, lease.job = seen.snapshot.holder, ""
                    lease.taken += 1
                lease.renewed = self.now
            case plan.RenewLease():
                lease.renewed = self.now
            case plan.NameJob(_name, job):
                lease.job = job
            case plan.ReleaseLease():
                lease.holder, lease.job = "", ""

    def go_on(self, upgrade: Upgrade) -> None:
        """One write of a runner; where it waits, one of its Jobs that only read comes to its end."""
        seen = self.look(upgrade)
        action = self.decide(upgrade, seen).action
        if not isinstance(action, plan.Wait):
            self.act(upgrade, seen, action)
            return
        reading = [job for job in self.running() if job.order.kind not in WRITING and job.owner == upgrade.owner]
        if reading:
            self.finish(reading[0])

    # What happens by itself, or by others.

    def writing(self) -> list[Job]:
        """The Jobs with a pod that may write to a database at this moment."""
        return [job for job in [*self.jobs.values(), *self.dying] if job.pod and job.order.kind in WRITING]

    def running(self) -> list[Job]:
        """The Jobs with a pod."""
        return [job for job in self.jobs.values() if job.pod and not job.finish]

    def delete(self, upgrade: Upgrade, name: str) -> None:
        """The Job goes at once, its pod when it likes."""
        job = self.jobs.pop((upgrade.namespace, name))
        if job.pod:
            self.dying.append(job)

    def bury(self) -> None:
        """The pods of deleted Jobs go."""
        for job in self.dying:
            job.pod = False
        self.dying.clear()

    def start(self, job: Job) -> None:
        """The container that talks to the database starts."""
        job.started = job.started or self.now

    def migrate(self, job: Job) -> bool:
        """One file of an apply or rollback Job is carried out; False when there is none left."""
        self.start(job)
        database = self.database_of(job)
        left = self._left(job, database)
        if not left:
            return False
        if job.order.kind == "rollback":
            database.applied = tuple(v for v in database.applied if v != left[0])
        else:
            database.applied = (*database.applied, left[0])
            database.history.append(left[0])
            database.error = ""
        return True

    def _left(self, job: Job, database: Database) -> list[str]:
        if job.order.kind == "rollback":
            return [version for version in job.order.undo if version in database.applied]
        return [version for version in self._versions(job) if version not in database.applied]

    def database_of(self, job: Job) -> Database:
        """The database that a Job's Secret named when it started."""
        return self.databases.setdefault(job.order.database, Database())

    def _versions(self, job: Job) -> list[str]:
        return [name[:4] for name in sorted(self.directory_of(job)) if name.endswith(".sql") and "/" not in name]

    def directory_of(self, job: Job) -> dict[str, str]:
        """The directory in the image that a Job works with."""
        image = job.order.image
        if "@" not in image:
            return self.images[image]
        return next(files for files in self.images.values() if _reference(files) == image)

    def finish(self, job: Job, *, failed: str = "", partly: bool = False) -> None:
        """The pod ends: well when all is done, or with a failure in the container that talks to the database."""
        self.start(job)
        database = self.database_of(job)
        if job.order.kind in WRITING:
            if failed and partly and job.order.kind == "apply" and (left := self._left(job, database)):
                database.applied, database.error = (*database.applied, left[0]), "syntax error"
            while not failed and self.migrate(job):
                pass
        job.pod, job.finish = False, "Failed" if failed else "Complete"
        job.containers = self._said(job, database, failed)
        job.version += 1

    def _said(self, job: Job, database: Database, failed: str) -> tuple[Container, ...]:
        last = Container("atlas", 1 if failed else 0, failed or self._status(job, database))
        if job.order.kind != "inspect":
            return (last,)
        files = self.directory_of(job)
        return (
            Container("resolve", 0, _reference(files) + "\n"),
            Container("fetch", 0, ""),
            Container("unpack", 0, _printed(files)),
            Container("validate", 0, ""),
            last,
        )

    def _status(self, job: Job, database: Database) -> str:
        if job.order.kind in WRITING:
            return ""
        whole = database.applied[:-1] if database.error else database.applied
        names = {name[:4]: name for name in self.directory_of(job) if name.endswith(".sql") and "/" not in name}
        # Atlas looks behind the latest applied version only.
        pending = [v for v in sorted(names) if v not in whole and (not whole or v > whole[-1])]
        return json.dumps(
            {
                "status": "PENDING" if pending else "OK",
                "current": "",
                "pending": [{"name": names[v], "version": v} for v in pending],
                "applied": list(database.applied),
                "error": database.error,
                "sql": "",
            }
        )


def _reference(files: dict[str, str]) -> str:
    return f"{REPOSITORY}@{_hash(files)}"


def _hash(files: dict[str, str]) -> str:
    return f"sha256:{zlib.crc32(json.dumps(files).encode()):064x}"


def _printed(files: dict[str, str]) -> str:
    packed = base64.b64encode(zlib.compress(json.dumps(files).encode())).decode()
    lines: list[dict[str, Any]] = [{"kind": "file", "name": name} for name in files]
    lines += [{"kind": "part", "data": packed}]
    lines += [{"kind": "end", "hash": _hash(files), "files": len(files), "parts": 1}]
    return "".join(json.dumps(line) + "\n" for line in lines)


def settle(world: World, upgrade: Upgrade, *, steps: int = 200) -> plan.Decision:
    """Run passes, and let what runs come to a good end, until there is nothing to wait for but people."""
    retries: Counter[str] = Counter()
    for _step in range(steps):
        seen = world.look(upgrade)
        decision = world.decide(upgrade, seen)
        if not isinstance(decision.action, plan.Wait):
            world.act(upgrade, seen, decision.action)
            continue
        world.bury()
        running = world.running()
        retries[decision.state.reason] += 1
        if running:
            world.finish(running[0])
        elif not decision.action.seconds or retries[decision.state.reason] > 3:
            return decision
        else:
            world.now += decision.action.seconds
    raise AssertionError(f"it does not come to an end: {decision}")


def a_world(*upgrades: Upgrade) -> World:
    """A world with these upgrades and a few images."""
    world = World()
    world.images = {
        f"{REPOSITORY}:v1": files_of(2),
        f"{REPOSITORY}:v2": files_of(4),
        f"{REPOSITORY}:v3": files_of(5, down=True),
        f"{REPOSITORY}:drop": files_of(6, drop=True),
    }
    world.upgrades = {upgrade.name: upgrade for upgrade in upgrades}
    return world


def copied(upgrade: Upgrade, **changes: Any) -> Upgrade:
    """An upgrade like another."""
    return replace(upgrade, events=[], **changes)
