# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cases of databases: a migration beside its Jobs' own time, and the memory of many in one process."""

from __future__ import annotations

import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import checkout

from steadybench.cases import Bench, Failed, await_end
from steadybench.measure import Measured
from steadybench.stage import Requests, user
from steadylab.database import tools
from steadylab.database.registry import Registry
from steadylab.database.servers import Postgres
from steadylab.lab import Lab

LEASES: Final = "steady-rollout"
LABEL: Final = "rollout.steady.dev/dbupgrade"
PASSWORD: Final = "bench-Ov3r/the@hills"
MIGRATIONS: Final = {
    "20260101000001_a.sql": "CREATE TABLE t1 (id int PRIMARY KEY, name varchar(20));\n",
    "20260101000002_b.sql": "ALTER TABLE t1 ADD COLUMN age int;\nCREATE TABLE t2 (id int);\n",
}
LONGEST_SECONDS: Final = 120.0
# Every so many runs the memory is read; a run takes one or two seconds, most of it the Job's.
EVERY: Final = 10
LONGEST_RUN_SECONDS: Final = 20.0


@dataclass(frozen=True)
class Migrated:
    """One migration with an inspection, an apply and a verify Job. Seconds.

    `jobs` is how long Jobs ran, as a watch sees it: from when one may start to its end. `ansible` is from the start of
    ansible-playbook to the first request.
    """

    wall: float
    jobs: float
    ansible: float
    cpu: float
    pss: float
    requests: int
    load: float

    @property
    def overhead(self) -> float:
        """What the migration took beside its Jobs."""
        return self.wall - self.jobs


@dataclass(frozen=True)
class Memory:
    """The memory of one process (proportional set size, MB) after every so many runs."""

    runs: int
    sizes: tuple[float, ...]

    @property
    def growth(self) -> float:
        """From the second quarter to the last: in the first one modules are loaded and caches filled."""
        quarter = max(1, len(self.sizes) // 4)
        return statistics.median(self.sizes[-quarter:]) - statistics.median(self.sizes[quarter : 2 * quarter])


@dataclass(frozen=True)
class Database:
    """A lab with a PostgreSQL and a registry, and an image that is in it."""

    lab: Lab
    postgres: Postgres
    image: str

    @classmethod
    def start(cls, lab: Lab) -> Database:
        """Start them in a lab whose Jobs run as processes."""
        tools.install_images(lab)
        lab.setup_api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": LEASES}})
        image = Registry.start(lab.directory).push("bench/migrations:v1", tools.hashed(MIGRATIONS))
        return cls(lab, Postgres.start(lab.directory), image)

    def ready(self, namespace: str) -> None:
        """A namespace with the Secret of a new database."""
        self.lab.process_namespace(namespace)
        name = namespace.replace("-", "_")
        url = self.postgres.create(name, name, PASSWORD)
        metadata = {"name": "source", "namespace": namespace}
        self.lab.setup_api.apply(
            {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"url": url}}
        )


def document(name: str, namespace: str, image: str) -> dict[str, Any]:
    """A DBUpgrade."""
    reference = {"urlSecretRef": {"name": "source", "key": "url"}}
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"migrations": {"image": image}, "database": {"type": "selfHosted", "connection": reference}},
    }


def migrations(bench: Bench, database: Database) -> list[Migrated]:
    """One migration after the other by the shipped playbook, each of a database of its own."""
    found = []
    for number in range(1, bench.repeats + 1):
        namespace = f"migrate-{number}"
        database.ready(namespace)
        found.append(_migrate(bench, database, namespace))
        bench.say(
            f"migrating: {found[-1].wall:.2f} s, of it Jobs {found[-1].jobs:.2f} s and Ansible's start"
            f" {found[-1].ansible:.2f} s, {found[-1].requests} requests (load {found[-1].load:.1f})"
        )
    return found


def _migrate(bench: Bench, database: Database, namespace: str) -> Migrated:
    lab, config = database.lab, user(database.lab, namespace)
    variables = bench.folder / f"{namespace}.json"
    variables.write_text(json.dumps(document("orders", namespace, database.image)))
    command = ["ansible-playbook", "steady.rollout.db_upgrade", "-e", f"@{variables}"]
    times = JobTimes(lab, namespace)
    times.start()
    requests, load, began = Requests(lab, namespace), os.getloadavg()[0], datetime.now().astimezone().timestamp()
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)])
    environment = checkout.environment(PATH=path, KUBECONFIG=config, K8S_AUTH_KUBECONFIG=config)
    usage = await_end(Measured(command, environment, bench.folder / f"{namespace}.log"), LONGEST_SECONDS, namespace)
    tables = database.postgres.tables(namespace.replace("-", "_"))
    if usage.status != 0 or "public.t2" not in tables:
        raise Failed(f"{namespace}: ended with status {usage.status}, tables {tables}; its log has that name")
    own = list(requests.entries())
    first = min(map(_moment, own))
    return Migrated(usage.wall, times.total(), first - began, usage.cpu, usage.pss, requests.count(), load)


def _moment(entry: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(entry["requestReceivedTimestamp"]).timestamp()


class JobTimes(threading.Thread):
    """Sees by a watch how long each Job of a namespace runs: from when it may start to when it has ended."""

    def __init__(self, lab: Lab, namespace: str) -> None:
        super().__init__(daemon=True)
        self._api = lab.setup_api
        self._namespace = namespace
        self._version = self._api.list("Job", namespace)["metadata"]["resourceVersion"]
        self._begun: dict[str, float] = {}
        self._ended: dict[str, float] = {}
        self._stopped = threading.Event()

    def run(self) -> None:
        """Watch until it is stopped."""
        while not self._stopped.is_set():
            for _event, job in self._api.watch("Job", self._version, self._namespace, seconds=1):
                self._version = job["metadata"]["resourceVersion"]
                self._see(job)

    def _see(self, job: Mapping[str, Any]) -> None:
        name, now = str(job["metadata"]["name"]), time.monotonic()
        if not job["spec"].get("suspend"):
            self._begun.setdefault(name, now)
        conditions = job["status"].get("conditions") or ()
        if any(entry["type"] in ("Complete", "Failed") and entry["status"] == "True" for entry in conditions):
            self._ended.setdefault(name, now)

    def total(self) -> float:
        """Stop; the seconds of all Jobs together.

        :raises Failed: there was none, or one has not ended.
        """
        self._stopped.set()
        self.join()
        if not self._begun or self._begun.keys() != self._ended.keys():
            raise Failed(f"{self._namespace}: Jobs {sorted(self._begun)} began, and {sorted(self._ended)} ended")
        return sum(self._ended[name] - begun for name, begun in self._begun.items())


def memory(bench: Bench, database: Database, runs: int) -> Memory:
    """That many DBUpgrades of one database, one after the other, by one process."""
    namespace = "many"
    database.ready(namespace)
    config = user(database.lab, namespace)
    command = [sys.executable, "-m", "steadybench.migrating", str(config), namespace, database.image, str(runs)]
    environment = checkout.environment(PYTHONPATH=os.pathsep.join(sys.path))
    log = bench.folder / f"{namespace}.log"
    usage = await_end(Measured(command, environment, log), LONGEST_RUN_SECONDS * runs, namespace)
    if usage.status != 0:
        raise Failed(f"{namespace}: ended with status {usage.status}; its log has that name")
    found = Memory(runs, tuple(float(line.text) for line in usage.lines))
    bench.say(f"{runs} migrations in one process: memory grew by {found.growth:.2f} MB to {found.sizes[-1]:.0f} MB")
    return found


def _many(kubeconfig: str, namespace: str, image: str, runs: int) -> None:
    """Carry out so many DBUpgrades in this process; one line with its memory after every so many."""
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

    from ansible_collections.steady.rollout.plugins.module_utils._module.call import Call, perform
    from ansible_collections.steady.rollout.plugins.module_utils._module.db_upgrade import VERB
    from steadybench.measure import pss

    for number in range(1, runs + 1):
        wanted = document(f"n{number}", namespace, image)
        given = {"name": f"n{number}", "namespace": namespace, "kubeconfig": kubeconfig, "spec": wanted["spec"]}
        result = perform(VERB, Call(ArgumentSpecValidator(VERB.arguments).validate(given).validated_parameters))
        if result.get("failed"):
            sys.exit(str(result["msg"]))
        if number % EVERY == 0:
            print(pss(os.getpid()) / 1e6, flush=True)


if __name__ == "__main__":
    _many(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
