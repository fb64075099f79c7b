# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Database upgrades as a person runs them: the shipped playbooks and modules, and what they leave in the cluster."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from programs import for_ansible
from scenarios.playbook import BIN, Process, Run
from scenarios.rights import migrator

from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._module.call import Call, perform
from ansible_collections.steady.rollout.plugins.module_utils._module.db_upgrade import VERB
from steadylab import Lab
from steadylab.database.servers import MariaDB, Postgres

Document = dict[str, Any]
LEASES: Final = "steady-rollout"
# What takes seconds; a loaded machine gets its time.
SECONDS: Final = 300.0
A: Final = {"20260101000001_a.sql": "CREATE TABLE t1 (id int PRIMARY KEY, name varchar(20));\n"}
B: Final = {"20260101000002_b.sql": "ALTER TABLE t1 ADD COLUMN age int;\nCREATE TABLE t2 (id int);\n"}
BROKEN: Final = {"20260101000003_c.sql": "CREATE TABLE t3 (id int);\nSELECT nope FROM t3;\n"}
# It goes on for as long as a test holds the lock (`held`).
WAITING: Final = {"20260101000004_d.sql": "SELECT pg_advisory_lock(7);\n"}
SLOW: Final = {"20260101000004_d.sql": "SELECT pg_sleep(300);\n"}
PASSWORD: Final = "canary-Ov3r/the@hills"
RESOURCE: Final = "dbupgrade.subbug.learning/v1alpha1"


@dataclass
class Upgrade:
    """One DBUpgrade of a test, carried out from a document or as a custom resource.

    Who carries it out holds the shipped Roles for it and no other right; another one is named in `options`.
    """

    lab: Lab
    directory: Path
    namespace: str
    name: str = "orders"
    environment: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    installation: dict[str, Any] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    said: list[str] = field(default_factory=list)
    secret: str = "source"
    _news: threading.Condition = field(default_factory=threading.Condition)
    _runs: int = 0

    @property
    def kubeconfig(self) -> Path:
        """Of who carries it out."""
        return Path(self.options.get("kubeconfig") or migrator(self.lab, self.namespace, self.name, self.secret))

    def source(self, url: str, name: str = "source", **more: str) -> None:
        """Write the customer's Secret with the database's URL; its password must be nowhere else in the end."""
        self.secret = name
        password = unquote(urlsplit(url).password or "")
        self.secrets |= {password, quote(password, ""), base64.b64encode(password.encode()).decode()}
        metadata = {"name": name, "namespace": self.namespace}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"url": url, **more}}
        self.lab.setup_api.apply(body)

    def document(self, image: str, **spec: Any) -> Document:
        """A DBUpgrade for the image, with further sections of its spec."""
        migrations = {"image": image, **spec.pop("migrations", {})}
        connection = {"urlSecretRef": {"name": "source", "key": "url"}}
        database = spec.pop("database", {"type": "selfHosted", "connection": connection})
        return {
            "apiVersion": RESOURCE,
            "kind": "DBUpgrade",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {"migrations": migrations, "database": database, **spec},
        }

    def start(
        self,
        document: Document,
        *options: str,
        playbook: str = "db_upgrade",
        programs: Path = BIN,
        environment: Mapping[str, str] | None = None,
        **variables: Any,
    ) -> Process:
        """Start a playbook with a document and further variables; `programs` is the folder of Ansible's."""
        directory = self._folder()
        given = {"db_upgrade_report_dir": "", **self._decided(), **variables}
        (directory / "document.yml").write_text(json.dumps(document))
        (directory / "variables.yml").write_text(json.dumps(given))
        files = [f"--extra-vars=@{directory / name}.yml" for name in ("document", "variables")]
        command = [str(programs / "ansible-playbook"), f"steady.rollout.{playbook}", *files, *options]
        return Process(command, {**self._environment(), **(environment or {})}, directory)

    def run(self, document: Document, *options: str, **others: Any) -> Run:
        """Run a playbook with a document to its end."""
        ended = self.start(document, *options, **others).finish()
        assert [secret for secret in self.secrets if secret in ended.stdout] == []
        return ended

    def perform(
        self, document: Document | None = None, *, check: bool = False, clock: Clock | None = None, **arguments: Any
    ) -> Document:
        """What the verb does with a document, or with the custom resource, in this process."""
        spec = {} if document is None else {"spec": document["spec"]}
        given = {"name": self.name, "namespace": self.namespace, "kubeconfig": str(self.kubeconfig), **spec}
        given |= {"installation": self.installation, **self.options, **arguments}
        checked = ArgumentSpecValidator(VERB.arguments).validate(given)
        assert not checked.error_messages, checked.error_messages
        call = Call(checked.validated_parameters, check_mode=check, say=self._say, clock=clock or Clock())
        result = perform(VERB, call)
        shown = json.dumps(result) + "".join(self.said)
        assert [secret for secret in self.secrets if secret in shown] == []
        return result

    def _say(self, line: str) -> None:
        with self._news:
            self.said.append(line)
            self._news.notify_all()

    def until_said(self, words: str, seconds: float = SECONDS) -> None:
        """Wait until a run of `perform` says a line with these words."""
        with self._news:
            assert self._news.wait_for(lambda: any(words in line for line in self.said), seconds), self.said

    def is_in(self, path: Path) -> bool:
        """Whether a secret of this upgrade stands in a file."""
        text = path.read_text("utf-8", "replace")
        return any(secret in text for secret in self.secrets)

    def module(self, *options: str, **arguments: Any) -> tuple[int, Document]:
        """Run the module; its exit code and its result."""
        given = {"name": self.name, "namespace": self.namespace, "installation": self.installation}
        given |= {**self.options, **arguments}
        command = [
            str(BIN / "ansible"),
            "localhost",
            "--module-name=steady.rollout.db_upgrade",
            f"--args={json.dumps(given)}",
            *options,
        ]
        environment = {**self._environment(), "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal"}
        ended = Process(command, environment, self._folder()).finish()
        answer = ended.stdout.partition(" => ")[2]
        assert answer, ended.stdout
        result: Document = json.JSONDecoder().raw_decode(answer)[0]
        return ended.rc, result

    @property
    def record(self) -> Document:
        """The record as it is in the cluster."""
        found = self.lab.api.get("ConfigMap", f"steady-rollout-dbupgrade-{self.name}", self.namespace)
        record: Document = json.loads(found["data"]["record.json"])
        return record

    def jobs(self, kind: str | None = None) -> list[Document]:
        """Its Jobs, of one kind or all."""
        selector = f"rollout.steady.dev/dbupgrade={self.name}" + (f",rollout.steady.dev/kind={kind}" if kind else "")
        found: list[Document] = self.lab.api.list("Job", self.namespace, selector)["items"]
        return found

    @property
    def path(self) -> str:
        """The request path of the custom resource."""
        return f"/apis/{RESOURCE}/namespaces/{self.namespace}/dbupgrades/{self.name}"

    def create(self, document: Document) -> None:
        """Create the custom resource."""
        self.lab.setup_api.request("POST", self.path.rpartition("/")[0], document)

    def resource(self) -> Document:
        """The custom resource as it is."""
        found: Document = self.lab.setup_api.request("GET", self.path)
        return found

    def conditions(self) -> dict[str, tuple[str, str]]:
        """Status and reason of each condition."""
        found = self.resource()["status"]["conditions"]
        return {entry["type"]: (entry["status"], entry["reason"]) for entry in found}

    def events(self) -> dict[str, Document]:
        """The Events about the custom resource, by their reason."""
        found = self.lab.api.list("Event", self.namespace)["items"]
        return {entry["reason"]: entry for entry in found if entry["involvedObject"]["kind"] == "DBUpgrade"}

    def await_jobs(self, seconds: float = SECONDS) -> None:
        """Wait until no Job of it that may run is unfinished."""
        for job in self.jobs():
            if not job["spec"].get("suspend"):
                self.lab.api.wait_for("Job", job["metadata"]["name"], self.namespace, _over, seconds)

    def until(self, kind: str, wanted: Callable[[Document | None], bool], seconds: float = SECONDS) -> None:
        """Wait until a Job of the kind is as wanted."""
        deadline = time.monotonic() + seconds
        while not (found := self.jobs(kind)) or not wanted(found[0]):
            listed = self.lab.api.request("GET", f"/apis/batch/v1/namespaces/{self.namespace}/jobs")
            assert time.monotonic() < deadline, f"no {kind} Job as wanted: {found}"
            version = listed["metadata"]["resourceVersion"]
            next(iter(self.lab.api.watch("Job", version, self.namespace, seconds=5)), None)

    def pod_of(self, job: Document) -> str:
        """The name of a Job's pod."""
        name = job["metadata"]["name"]
        pods = self.lab.api.list("Pod", self.namespace, f"batch.kubernetes.io/job-name={name}")["items"]
        return str(pods[0]["metadata"]["name"])

    def delete_job(self, kind: str, propagation: str = "Background") -> None:
        """Delete a Job; as kubectl does it, with its pods."""
        name = self.jobs(kind)[0]["metadata"]["name"]
        path = f"/apis/batch/v1/namespaces/{self.namespace}/jobs/{name}"
        self.lab.setup_api.request("DELETE", path, {"propagationPolicy": propagation})

    def managed_url(self) -> str:
        """The URL in the Secret that the Jobs read."""
        secret = self.lab.api.get("Secret", f"dbupgrade-{self.name}-connection", self.namespace)
        return base64.b64decode(secret["data"]["url"]).decode()

    def writes(self) -> list[Document]:
        """What was written by requests of this collection in the namespace, from the audit log.

        And to the Leases by who carries it out, because all tests have theirs in one namespace.
        """
        user = self.kubeconfig.name.removeprefix("user-")

        def own(entry: Document) -> bool:
            namespace = (entry.get("objectRef") or {}).get("namespace")
            return namespace == self.namespace or (namespace == LEASES and entry["user"]["username"] == user)

        return [
            entry
            for entry in self.lab.audit_entries()
            if entry["verb"] in ("create", "update", "patch", "delete")
            and own(entry)
            and "steady-rollout" in entry.get("requestURI", "")
        ]

    def leases(self) -> list[Document]:
        """The Leases of all databases."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/{LEASES}/leases"
        found: list[Document] = self.lab.api.request("GET", path)["items"]
        return found

    def everything(self) -> str:
        """All objects of the namespace but Secrets, custom resources with their status, Leases, and all logs."""
        kinds = ("ConfigMap", "Event", "Job", "Pod")
        parts = [json.dumps(self.lab.api.list(kind, self.namespace)) for kind in kinds]
        # Where the definition is not served there are none.
        resources = self.lab.setup_api.raw("GET", self.path.rpartition("/")[0])
        parts.append(resources.data.decode())
        parts.append(json.dumps(self.leases()))
        for pod in self.lab.api.list("Pod", self.namespace)["items"]:
            name = pod["metadata"]["name"]
            for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
                # A container that never ran has no log.
                path = f"/api/v1/namespaces/{self.namespace}/pods/{name}/log?container={container['name']}"
                parts.append(self.lab.api.raw("GET", path).data.decode("utf-8", "replace"))
        return "\n".join(parts)

    def _decided(self) -> Document:
        return {"db_upgrade_access": self.options, "rollout_installation": self.installation}

    def _folder(self) -> Path:
        self._runs += 1
        directory = self.directory / f"run-{self._runs}"
        directory.mkdir(parents=True)
        return directory

    def _environment(self) -> dict[str, str]:
        return for_ansible(self.kubeconfig, self.directory / "ansible") | self.environment


class Later(Clock):
    """A clock that is ahead, as if so much time had passed."""

    def __init__(self, seconds: float) -> None:
        self._ahead = timedelta(seconds=seconds)

    def now(self) -> datetime:
        """The moment, in UTC."""
        return super().now() + self._ahead


def _over(job: Document | None) -> bool:
    """Whether a Job is finished or gone."""
    conditions = ((job or {}).get("status") or {}).get("conditions") or []
    return job is None or any(c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in conditions)


def own_tables(server: Postgres | MariaDB, database: str) -> set[str]:
    """The tables of a database without Atlas's."""
    return {name.rpartition(".")[2] for name in server.tables(database)} - {"atlas_schema_revisions"}


def begun(upgrade: Upgrade, kind: str = "apply") -> None:
    """Wait until the container of a Job that talks to the database runs."""

    def running(pod: dict[str, Any] | None) -> bool:
        statuses = ((pod or {}).get("status") or {}).get("containerStatuses") or []
        return any("running" in status["state"] for status in statuses)

    def started(job: dict[str, Any] | None) -> bool:
        return bool(((job or {}).get("status") or {}).get("active"))

    upgrade.until(kind, started)
    pod = upgrade.pod_of(upgrade.jobs(kind)[0])
    upgrade.lab.api.wait_for("Pod", pod, upgrade.namespace, running, SECONDS)


@contextmanager
def held(server: Postgres, database: str) -> Iterator[None]:
    """The migration WAITING waits until this ends."""
    connection = server.connect(database)
    connection.run("SELECT pg_advisory_lock(7)")
    try:
        yield
    finally:
        connection.close()


def in_background(work: Callable[[], Any]) -> threading.Thread:
    """Do it in a thread."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def reconciled(upgrade: Upgrade) -> dict[str, Any]:
    """Pass after pass, as an operator makes them, until none is due any more."""
    deadline = time.monotonic() + SECONDS
    while True:
        result = upgrade.perform(wait=False)
        if result.get("failed") or not result["requeue_after"] or result["state"]["aspect"] in ("Blocked", "Degraded"):
            return result
        assert time.monotonic() < deadline, result
        upgrade.await_jobs()
