# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped playbooks and modules, run as a person runs them: a process of its own, a document, an exit code."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from programs import begin, for_ansible
from scenarios import rights
from scenarios.cluster import StarRocks

from ansible_collections.steady.rollout.plugins.module_utils._module import info, plan
from ansible_collections.steady.rollout.plugins.module_utils._module.call import Call, Verb, perform
from steadylab.processes import end_child

ROOT: Final = Path(__file__).resolve().parents[2]
BIN: Final = Path(sys.executable).parent
# No scenario takes nearly as long: what is still running then hangs.
PATIENCE_SECONDS: Final = 240.0
# Gates ask once and at once, and give up soon: the tests' clusters are quick, and no test measures time.
QUICK_GATES: Final[dict[str, Any]] = {
    "settleSeconds": 0,
    "consecutivePasses": 1,
    "podDeadlineSeconds": 60,
    "tabletDeadlineSeconds": 60,
}
# For tests that wait such a deadline out at a pod that is never ready: the pod of the way back has no more time either.
BRIEF_POD_GATES: Final[dict[str, Any]] = {"podDeadlineSeconds": 15}

Document = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A run that has ended: exit code, everything it printed, and the reports it wrote (name: content)."""

    rc: int
    stdout: str
    seconds: float
    reports: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The output as one line, so that no assertion depends on where lines were broken."""
        return re.sub(r"\s+", " ", self.stdout)

    @property
    def report(self) -> Document:
        """The one JSON report."""
        documents = [json.loads(text) for name, text in self.reports.items() if name.endswith(".json")]
        assert len(documents) == 1, f"expected one report, found {sorted(self.reports)}\n{self.stdout}"
        report: Document = documents[0]
        return report

    @property
    def html(self) -> str:
        """The one HTML report."""
        pages = [text for name, text in self.reports.items() if name.endswith(".html")]
        assert len(pages) == 1, f"expected one page, found {sorted(self.reports)}\n{self.stdout}"
        return pages[0]

    @property
    def recap(self) -> dict[str, int]:
        """Ansible's own counts for localhost, as the default callback shows them."""
        found = re.search(r"^localhost\s*:(.*)$", self.stdout, re.MULTILINE)
        assert found, f"no recap in:\n{self.stdout}"
        return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", found[1])}

    def succeeded(self) -> Run:
        """This run, which must have ended well."""
        assert self.rc == 0, f"exit code {self.rc}\n{self.stdout}"
        return self

    def failed(self, *parts: str) -> Run:
        """This run, which must have failed and said each of the parts (regular expressions, any case)."""
        assert self.rc != 0, f"it did not fail\n{self.stdout}"
        missing = [part for part in parts if not re.search(part, self.text, re.IGNORECASE)]
        assert not missing, f"not said: {missing}\n{self.stdout}"
        return self


class Process:
    """A run that goes on."""

    def __init__(self, command: list[str], environment: Mapping[str, str], directory: Path) -> None:
        self._began = time.monotonic()
        self._directory = directory
        self._output = directory / "output"
        self._process = begin(command, self._output, environment, ROOT)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    @property
    def output(self) -> str:
        """What it printed so far."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    def finish(self) -> Run:
        """Wait for its end."""
        try:
            rc = self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise AssertionError(f"it did not end within {PATIENCE_SECONDS:g} s:\n{self.output}") from error
        reports = {path.name: path.read_text("utf-8") for path in sorted((self._directory / "reports").glob("*"))}
        return Run(rc, self.output, time.monotonic() - self._began, reports)

    def kill(self) -> None:
        """SIGKILL to ansible-playbook and its workers, which have sessions of their own: nobody can say goodbye."""
        if self.running:
            end_child(self._process.pid)
        self._process.wait()

    def interrupt(self) -> None:
        """SIGINT, as Ctrl-C sends it."""
        os.killpg(self._process.pid, signal.SIGINT)


@dataclass
class Driver:
    """Runs the collection's playbooks and modules against one cluster, each run in a folder of its own.

    Each runs as a user who holds the shipped Role for it and no other right, and logs in to the FEs as the shipped
    user.

    :param hooks: the users hold the Role for scripts and webhooks besides.
    :param root: it logs in to the FEs as root, with the password of the cluster itself.
    :param kubeconfig: who runs it where it is nobody of these.
    """

    directory: Path
    starrocks: StarRocks
    hooks: bool = False
    root: bool = False
    kubeconfig: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def cluster(self) -> str:
        """The name of the cluster."""
        return self.starrocks.name

    @property
    def namespace(self) -> str:
        """The namespace of the cluster."""
        return self.starrocks.namespace

    def with_hooks(self) -> Driver:
        """The same for who may run scripts and call webhooks as well."""
        return replace(self, directory=self.directory / "hooks", hooks=True)

    def as_root(self) -> Driver:
        """The same for who logs in to the FEs as root."""
        return replace(self, directory=self.directory / "root", root=True)

    def user(self, name: str) -> Path:
        """The kubeconfig for a playbook or module."""
        if self.kubeconfig is not None:
            return self.kubeconfig
        if name == "starrocks_crd":
            return rights.definer(self.starrocks.lab)
        role: rights.Role = "reconcile" if name == "starrocks_reconcile" else "upgrade"
        besides: tuple[rights.Role, ...] = ("hooks",) if self.hooks else ()
        secret = rights.ROOT_SECRET if self.root else rights.USER_SECRET
        return rights.holder(self.starrocks.lab, self.namespace, role, *besides, secret=secret)

    @property
    def access(self) -> Document:
        """The options of modules that say who logs in to the FEs."""
        return {} if self.root else rights.ACCESS

    @property
    def runs(self) -> int:
        """How many runs there were."""
        return len(list(self.directory.glob("run-*")))

    def document(self, version: str | None = "3.3.2", **spec: Any) -> Document:
        """A StarRocksUpgrade: the target version and further fields of its spec."""
        target = {"target": {"version": version}} if version is not None else {}
        gates = {**QUICK_GATES, **spec.pop("gates", {})}
        return {
            "apiVersion": "rollout.steady.dev/v1alpha1",
            "kind": "StarRocksUpgrade",
            "metadata": {"name": self.cluster, "namespace": self.namespace},
            "spec": {"clusterRef": {"name": self.cluster}, **target, "gates": gates, **spec},
        }

    def start(
        self,
        document: Document,
        *options: str,
        playbook: str = "starrocks_upgrade",
        kubeconfig: Path | None = None,
        environment: Mapping[str, str] | None = None,
        **variables: Any,
    ) -> Process:
        """Start a playbook with a document and further variables."""
        directory = self._folder()
        verb = "restore" if playbook.endswith("restore") else "upgrade"
        access = {**self.access, **variables.pop("starrocks_access", {})}
        variables = {
            f"starrocks_{verb}_report_dir": str(directory / "reports"),
            "starrocks_access": access,
            **variables,
        }
        (directory / "document.yml").write_text(json.dumps(document))
        (directory / "variables.yml").write_text(json.dumps(variables))
        files = [f"--extra-vars=@{directory / name}.yml" for name in ("document", "variables")]
        command = [str(BIN / "ansible-playbook"), f"steady.rollout.{playbook}", *files, *options]
        user = kubeconfig or self.user(playbook)
        return Process(command, {**self._environment(user), **(environment or {})}, directory)

    def run(self, document: Document, *options: str, **others: Any) -> Run:
        """Run a playbook with a document to its end."""
        return self.start(document, *options, **others).finish()

    def upgrade(self, version: str | None = "3.3.2", *options: str, **spec: Any) -> Run:
        """Run the upgrade with `spec` to its end."""
        return self.run(self.document(version, **spec), *options)

    def restore(self, *options: str, **variables: Any) -> Run:
        """Run starrocks_restore."""
        document = {"metadata": {"namespace": self.namespace}, "spec": {"clusterRef": {"name": self.cluster}}}
        return self.run(document, *options, playbook="starrocks_restore", **variables)

    def module(
        self, name: str, *options: str, kubeconfig: Path | None = None, **arguments: Any
    ) -> tuple[int, Document]:
        """Run one module of the collection on the cluster; its exit code and its result."""
        arguments = {"cluster": self.cluster, "namespace": self.namespace, **arguments}
        return self.plain_module(name, arguments, *options, kubeconfig=kubeconfig)

    def plain_module(
        self, name: str, arguments: Document, *options: str, kubeconfig: Path | None = None
    ) -> tuple[int, Document]:
        """Run one module of the collection with these options and no cluster; its exit code and its result."""
        directory = self._folder()
        arguments = {**self.access, **arguments}
        command = [
            str(BIN / "ansible"),
            "localhost",
            f"--module-name=steady.rollout.{name}",
            f"--args={json.dumps(arguments)}",
            *options,
        ]
        user = kubeconfig or self.user(name)
        environment = {**self._environment(user), "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal"}
        ended = Process(command, environment, directory).finish()
        answer = ended.stdout.partition(" => ")[2]
        assert answer, ended.stdout
        result: Document = json.JSONDecoder().raw_decode(answer)[0]
        return ended.rc, result

    def verb(self, verb: Verb, *, check: bool = False, **arguments: Any) -> Document:
        """Carry out a module's verb in this process, as its action plugin does; its result as it would be told.

        What a door adds to a verb is tested once for each door; this is for tests that ask many times.
        """
        directory = self._folder()
        own = {"kubeconfig": str(self.user(verb.name)), **self.access} if "kubeconfig" in verb.arguments else {}
        given = {**own, **arguments}
        validation = ArgumentSpecValidator(verb.arguments, **verb.conditions).validate(given)
        assert not validation.error_messages, validation.error_messages
        said: list[str] = []
        call = Call(validation.validated_parameters, check_mode=check, say=said.append)
        told = json.dumps(perform(verb, call))
        (directory / "output").write_text("\n".join([*said, told]))
        result: Document = json.loads(told)
        return result

    def preflight(
        self,
        document: Document,
        *,
        kubeconfig: Path | None = None,
        rollout_installation: Document | None = None,
        starrocks_access: Document | None = None,
    ) -> Run:
        """The first two tasks of an upgrade in this process, as a run: what is refused before anything is touched."""
        installation, began = {"installation": rollout_installation or {}}, time.monotonic()
        connection = {**(starrocks_access or {}), "kubeconfig": str(kubeconfig or self.user("starrocks_upgrade"))}
        about = {"cluster": self.cluster, "namespace": self.namespace, "spec": document["spec"]}
        result = self.verb(info.VERB, purpose="upgrade", **about, **installation, **connection)
        if not result.get("failed"):
            seen = {name: result[name] for name in ("snapshot", "record", "lease", "hooks")}
            result = self.verb(plan.VERB, spec=document["spec"], **seen, **installation)
        return Run(2 if result.get("failed") else 0, str(result.get("msg", "")), time.monotonic() - began)

    def shell(self, script: str, tools: Path, *, person: Path | None = None, runs: str = "starrocks_upgrade") -> Run:
        """Run a script as a person would, with the programs of a folder and of this checkout on PATH.

        :param person: the kubeconfig of the person, for kubectl.
        :param runs: the playbook in it, which has the rights for this and not the person's.
        """
        user = self.user(runs)
        environment = {**self._environment(person or user), "K8S_AUTH_KUBECONFIG": str(user)}
        environment["PATH"] = f"{tools}:{BIN}:{environment['PATH']}"
        return Process(["bash", "-euo", "pipefail", "-c", script], environment, self._folder()).finish()

    def _folder(self) -> Path:
        directory = self.directory / f"run-{self.runs + 1}"
        directory.mkdir(parents=True)
        return directory

    def _environment(self, kubeconfig: Path) -> dict[str, str]:
        return for_ansible(kubeconfig, self.directory / "ansible") | self.environment
