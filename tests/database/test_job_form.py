# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Jobs of a DBUpgrade with the real crane, the real Atlas and real databases, through the real API server."""

from __future__ import annotations

import base64
import json
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from ansible_collections.steady.rollout.plugins.module_utils._domain.database import job
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.spec import parse_document
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation.databases import Tools
from ansible_collections.steady.rollout.plugins.module_utils._pod import unpack
from steadylab import Lab
from steadylab.database.layouts import Entry, files, hardlink, symlink
from steadylab.database.registry import Registry
from steadylab.database.servers import ATLAS_LOCK, MariaDB, Postgres
from steadylab.database.tools import hashed

MIGRATIONS = {
    "20260101000001_a.sql": "CREATE TABLE t1 (id int PRIMARY KEY, name varchar(20));\n",
    "20260101000002_b.sql": "ALTER TABLE t1 ADD COLUMN age int;\nCREATE TABLE t2 (id int);\n",
}
PROGRAM = Path(unpack.__file__).read_text()
SECONDS = 60.0
# What tells this order from others: who gave it, and for which database.
SPEC_HASH, OTHER_HASH = "sha256:" + "0" * 64, "sha256:" + "1" * 64
DATABASE = "steady-rollout-db-0123456789abcdef"


@dataclass
class Ended:
    """A Job that came to its end."""

    lab: Lab
    namespace: str
    manifest: dict[str, Any]
    status: dict[str, Any]

    @property
    def succeeded(self) -> bool:
        return any(entry["type"] == "Complete" for entry in self.status["conditions"])

    @property
    def reasons(self) -> set[str]:
        return {entry["reason"] for entry in self.status["conditions"] if entry["status"] == "True"}

    def pod(self) -> dict[str, Any]:
        selector = f"batch.kubernetes.io/job-name={self.manifest['metadata']['name']}"
        pod: dict[str, Any] = self.lab.api.list("Pod", self.namespace, selector)["items"][0]
        return pod

    def log(self, container: str) -> str:
        name = self.pod()["metadata"]["name"]
        return self.lab.kubectl("logs", name, f"--namespace={self.namespace}", f"--container={container}")

    def exit_code(self, container: str) -> int | None:
        status = self.pod()["status"]
        entries = [*status["initContainerStatuses"], *status["containerStatuses"]]
        state = next(entry["state"] for entry in entries if entry["name"] == container)
        code: int | None = state.get("terminated", {}).get("exitCode")
        return code


class Bench:
    """Runs the Jobs of one upgrade in a namespace."""

    def __init__(self, lab: Lab, namespace: str, url: str, **spec: Any) -> None:
        self.lab = lab
        self.namespace = namespace
        self.owner = job.Owner("app", namespace)
        connection = {"urlSecretRef": {"name": "source", "key": "url"}}
        document = {
            "migrations": {"image": "example.org/app:v1", **spec.pop("migrations", {})},
            "database": {"type": "selfHosted", "connection": connection},
            **spec,
        }
        self.spec = parse_document({"metadata": {"name": "app"}, "spec": document})
        self.workshop = job.Workshop(Tools(), PROGRAM)
        self.secret(self.owner.secret, {"url": url})

    def secret(self, name: str, data: dict[str, str], kind: str = "Opaque") -> None:
        metadata = {"name": name, "namespace": self.namespace}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "stringData": data}
        self.lab.setup_api.apply(body)

    def run(self, order: job.Order) -> Ended:
        return self.finish(self.start(order))

    def start(self, order: job.Order) -> dict[str, Any]:
        """Make the Job and let it run; its manifest."""
        manifest: dict[str, Any] = job.manifest(order, self.owner, self.spec, self.workshop)
        manifest["spec"]["suspend"] = False
        self.lab.api.apply(manifest)
        return manifest

    def finish(self, manifest: dict[str, Any]) -> Ended:
        """Wait for the Job's end."""
        name = manifest["metadata"]["name"]
        self.lab.api.wait_for("Job", name, self.namespace, _has_ended, SECONDS)
        status = self.lab.api.get("Job", name, self.namespace)["status"]
        return Ended(self.lab, self.namespace, manifest, status)

    def wait_main(self, manifest: dict[str, Any]) -> str:
        """Wait until the main container runs; the pod's name."""
        name = manifest["metadata"]["name"]
        self.lab.api.wait_for("Job", name, self.namespace, _is_ready, SECONDS)
        selector = f"batch.kubernetes.io/job-name={name}"
        pod: str = self.lab.api.list("Pod", self.namespace, selector)["items"][0]["metadata"]["name"]
        return pod

    def inspect(self, image: str) -> Ended:
        return self.run(job.Order("inspect", SPEC_HASH, DATABASE, image))

    def apply(self, image: str, directory_hash: str) -> Ended:
        return self.run(job.Order("apply", SPEC_HASH, DATABASE, image, directory_hash))


def _has_ended(found: dict[str, Any] | None) -> bool:
    conditions = (found or {}).get("status", {}).get("conditions", ())
    return any(entry["type"] in ("Complete", "Failed") and entry["status"] == "True" for entry in conditions)


def _is_ready(found: dict[str, Any] | None) -> bool:
    return bool((found or {}).get("status", {}).get("ready"))


def _end(ended: Ended) -> dict[str, Any]:
    """The last line of the container `unpack`."""
    line: dict[str, Any] = json.loads(ended.log("unpack").splitlines()[-1])
    return line


@pytest.fixture(params=["postgres", "mariadb"])
def server(request: pytest.FixtureRequest) -> Postgres | MariaDB:
    found: Postgres | MariaDB = request.getfixturevalue(request.param)
    return found


def test_inspect_then_apply_then_nothing_left(
    lab: Lab, namespace: str, database_name: str, server: Postgres | MariaDB, registry: Registry
) -> None:
    bench = Bench(lab, namespace, server.create(database_name, database_name, "canary-/@Ov3r"))
    pinned = registry.push("app/migrations:v1", hashed(MIGRATIONS))
    inspected = bench.inspect(registry.reference("app/migrations:v1"))
    assert inspected.succeeded, inspected.status
    assert inspected.log("resolve").strip() == pinned
    found = json.loads(inspected.log("atlas"))
    assert (found["status"], [entry["version"] for entry in found["pending"]]) == (
        "PENDING",
        ["20260101000001", "20260101000002"],
    )
    assert server.tables(database_name) == [], "an inspection changes nothing"
    applied = bench.apply(pinned, _end(inspected)["hash"])
    assert applied.succeeded, applied.log("atlas")
    assert json.loads(applied.log("atlas"))["target"] == "20260101000002"
    assert {name.rpartition(".")[2] for name in server.tables(database_name)} == {"t1", "t2", "atlas_schema_revisions"}
    verified = bench.run(job.Order("verify", SPEC_HASH, DATABASE, pinned, _end(inspected)["hash"]))
    assert json.loads(verified.log("atlas"))["status"] == "OK"


def test_printed_directory_is_what_was_pushed(
    lab: Lab, namespace: str, database_name: str, postgres: Postgres, registry: Registry
) -> None:
    bench = Bench(lab, namespace, postgres.create(database_name, database_name, "pw"))
    directory = hashed({**MIGRATIONS, "20260101000003_c.sql": "-- " + "x" * 100_000 + "\n"})
    inspected = bench.inspect(registry.push("app/printed:v1", directory))
    lines = [json.loads(line) for line in inspected.log("unpack").splitlines()]
    assert {line["name"] for line in lines if line["kind"] == "file"} == set(directory)
    assert max(map(len, inspected.log("unpack").splitlines())) < 16 * 1024


def test_failing_sql_fails_the_job_and_leaves_the_database(
    lab: Lab, namespace: str, database_name: str, postgres: Postgres, registry: Registry
) -> None:
    bench = Bench(lab, namespace, postgres.create(database_name, database_name, "canary-pw"))
    broken = {**MIGRATIONS, "20260101000003_c.sql": "CREATE TABLE t3 (id int);\nSELECT nope FROM t3;\n"}
    pinned = registry.push("app/broken:v1", hashed(broken))
    applied = bench.apply(pinned, _end(bench.inspect(pinned))["hash"])
    assert not applied.succeeded
    assert "BackoffLimitExceeded" in applied.reasons
    assert applied.exit_code("atlas") == 1
    assert 'column \\"nope\\" does not exist' in applied.log("atlas")
    assert "public.t2" in postgres.tables(database_name)
    assert "public.t3" not in postgres.tables(database_name)


def test_moved_image_is_not_applied(
    lab: Lab, namespace: str, database_name: str, postgres: Postgres, registry: Registry
) -> None:
    bench = Bench(lab, namespace, postgres.create(database_name, database_name, "pw"))
    seen = _end(bench.inspect(registry.push("app/moved:v1", hashed(MIGRATIONS))))["hash"]
    moved = registry.push("app/moved:v1", hashed({"20260101000009_z.sql": "CREATE TABLE z (id int);"}))
    applied = bench.apply(moved, seen)
    assert applied.exit_code("unpack") == unpack.REFUSED
    assert "somebody moved the image" in applied.log("unpack")
    assert postgres.tables(database_name) == []


def test_private_registry_needs_the_secret(
    lab: Lab, namespace: str, database_name: str, postgres: Postgres, private_registry: Registry
) -> None:
    pinned = private_registry.push("app/private:v1", hashed(MIGRATIONS))
    url = postgres.create(database_name, database_name, "pw")
    refused = Bench(lab, namespace, url).inspect(pinned)
    assert refused.exit_code("resolve") == 1
    assert "UNAUTHORIZED" in refused.log("resolve")
    bench = Bench(lab, namespace, url, runner={"imagePullSecrets": [{"name": "pull"}]})
    config = {".dockerconfigjson": private_registry.docker_config()}
    bench.secret("pull", config, "kubernetes.io/dockerconfigjson")
    allowed = bench.run(job.Order("inspect", OTHER_HASH, DATABASE, pinned))
    assert allowed.succeeded, allowed.log("resolve")
    shown = json.dumps(allowed.pod()) + "".join(allowed.log(name) for name in ("resolve", "fetch", "unpack", "atlas"))
    secrets = [private_registry.docker_config(), base64.b64encode(b"canary-registry").decode()[:16], "canary-registry"]
    assert [secret for secret in secrets if secret in shown] == []


def _whole() -> list[Entry]:
    return files("migrations", hashed(MIGRATIONS))


HOSTILE: dict[str, Callable[[], list[Entry]]] = {
    "a file is a symlink": lambda: [*_whole(), symlink("migrations/3_c.sql", "/etc/passwd")],
    "a file is a hard link": lambda: [*_whole(), hardlink("migrations/3_c.sql", "etc/x")],
    "the directory is a symlink": lambda: [*files("real", hashed(MIGRATIONS)), symlink("migrations", "real")],
    "a device": lambda: [*_whole(), Entry("migrations/3_c.sql", kind=tarfile.CHRTYPE)],
    "no such directory": lambda: files("elsewhere", hashed(MIGRATIONS)),
    "an empty directory": lambda: files("migrations", {}),
    "a huge file": lambda: [*_whole(), Entry("migrations/3_c.sql", zeros=64 << 20)],
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_image_is_refused_before_the_database_is_asked(
    lab: Lab, namespace: str, database_name: str, postgres: Postgres, registry: Registry, case: str
) -> None:
    bench = Bench(lab, namespace, postgres.create(database_name, database_name, "pw"))
    ended = bench.inspect(registry.push_layers(f"hostile/{namespace}:v1", [HOSTILE[case]()]))
    assert (ended.exit_code("unpack"), _end(ended)["kind"]) == (unpack.REFUSED, "refused")
    assert not ended.succeeded
    assert postgres.tables(database_name) == []


def test_crane_refuses_a_path_that_leads_out(
    lab: Lab, namespace: str, database_name: str, postgres: Postgres, registry: Registry
) -> None:
    layer = [*_whole(), Entry("../../evil.sql", b"DROP TABLE t1;")]
    bench = Bench(lab, namespace, postgres.create(database_name, database_name, "pw"))
    ended = bench.inspect(registry.push_layers("hostile/traversal:v1", [layer]))
    assert ended.exit_code("fetch") == 1
    assert "unsafe tar path" in ended.log("fetch")


def test_image_that_fills_the_volume_is_evicted(
    lab: Lab, namespace: str, database_name: str, postgres: Postgres, registry: Registry
) -> None:
    bench = Bench(lab, namespace, postgres.create(database_name, database_name, "pw"))
    bench.workshop = job.Workshop(Tools(work_size="8Mi"), PROGRAM)
    layer = [*_whole(), Entry("ballast", zeros=600 << 20)]
    ended = bench.inspect(registry.push_layers("hostile/ballast:v1", [layer]))
    assert not ended.succeeded
    assert ended.pod()["status"]["reason"] == "Evicted"


def _is_gone(found: dict[str, Any] | None) -> bool:
    return found is None


def _sleeping(postgres: Postgres, database: str) -> list[list[Any]]:
    """The sessions in a database that carry out a slow statement."""
    sql = "SELECT pid FROM pg_stat_activity WHERE datname = '{}' AND state = 'active' AND query LIKE '%pg_sleep(%'"
    return postgres.run(sql.format(database))


# Longer than anything takes here, so that the statement never ends by itself.
SLEEP = 120
SLOW = {
    "20260101000001_a.sql": "CREATE TABLE t1 (id int);\n",
    "20260101000002_b.sql": f"CREATE TABLE t2 (id int);\nSELECT pg_sleep({SLEEP});\n",
}


@pytest.fixture
def slow(
    lab: Lab, namespace: str, database_name: str, postgres: Postgres, registry: Registry
) -> tuple[Bench, job.Order]:
    """An upgrade whose second file takes for ever, and the order to apply it."""
    bench = Bench(lab, namespace, postgres.create(database_name, database_name, "canary-0ver-the-hills"))
    pinned = registry.push(f"app/{namespace}:v1", hashed(SLOW))
    return bench, job.Order("apply", SPEC_HASH, DATABASE, pinned, _end(bench.inspect(pinned))["hash"])


def test_url_is_in_no_process_list_and_no_object(
    slow: tuple[Bench, job.Order], postgres: Postgres, database_name: str
) -> None:
    bench, order = slow
    manifest = bench.start(order)
    _wait_statement(bench, manifest, postgres, database_name)
    lines = subprocess.run(["ps", "-ewwo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line for line in lines if "migrate apply" in line]
    assert [line for line in lines if "canary-0ver" in line] == []
    [[backend]] = _sleeping(postgres, database_name)
    postgres.run(f"SELECT pg_terminate_backend({backend})")
    applied = bench.finish(manifest)
    assert not applied.succeeded
    logs = [applied.log(name) for name in ("fetch", "unpack", "atlas")]
    assert "canary-0ver" not in json.dumps([applied.manifest, applied.pod(), logs])


def _wait_statement(bench: Bench, manifest: dict[str, Any], postgres: Postgres, database: str) -> None:
    """Wait until the database carries out the slow statement."""
    name = manifest["metadata"]["name"]

    def runs() -> bool:
        assert not _has_ended(bench.lab.api.get("Job", name, bench.namespace))
        return bool(_sleeping(postgres, database))

    until(runs, "the slow statement runs")


def _delete(bench: Bench, manifest: dict[str, Any]) -> None:
    """Delete the Job and wait until its pod, and with it Atlas, is gone."""
    pod = bench.wait_main(manifest)
    bench.lab.api.delete("Job", manifest["metadata"]["name"], bench.namespace)
    bench.lab.api.delete("Pod", pod, bench.namespace)
    bench.lab.api.wait_for("Pod", pod, bench.namespace, _is_gone, SECONDS)


def test_deadline_ends_atlas_and_leaves_what_was_committed(
    slow: tuple[Bench, job.Order], postgres: Postgres, database_name: str
) -> None:
    bench, order = slow
    manifest = bench.start(order)
    _wait_statement(bench, manifest, postgres, database_name)
    bench.lab.api.patch("Job", manifest["metadata"]["name"], {"spec": {"activeDeadlineSeconds": 1}}, bench.namespace)
    assert bench.finish(manifest).reasons >= {"DeadlineExceeded"}
    tables = postgres.tables(database_name)
    assert "public.t1" in tables
    assert "public.t2" not in tables


def test_statement_outlives_its_pod_and_atlas_lock_does_not(
    slow: tuple[Bench, job.Order], postgres: Postgres, database_name: str
) -> None:
    """PostgreSQL notices a vanished client when it next talks to it, and Atlas's lock is in another, idle session.

    So the lock is no fence against what a killed Job left running.
    """
    bench, order = slow
    manifest = bench.start(order)
    _wait_statement(bench, manifest, postgres, database_name)
    _delete(bench, manifest)
    other = postgres.connect(database_name)
    other.run("SELECT pg_advisory_lock(:lock)", lock=ATLAS_LOCK)
    assert _sleeping(postgres, database_name)
    other.close()


def test_connection_check_ends_what_a_killed_job_left_running(
    slow: tuple[Bench, job.Order], postgres: Postgres, database_name: str
) -> None:
    bench, order = slow
    check = {"client_connection_check_interval": "200"}
    url = postgres.url(database_name, database_name, "canary-0ver-the-hills", **check)
    bench.secret(bench.owner.secret, {"url": url})
    manifest = bench.start(order)
    _wait_statement(bench, manifest, postgres, database_name)
    [[backend]] = _sleeping(postgres, database_name)
    _delete(bench, manifest)
    postgres.wait_session_end(backend, seconds=SLEEP / 2)
    assert "public.t2" not in postgres.tables(database_name)
