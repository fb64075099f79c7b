# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An operator as a process, objects for it to look after, and the notes that its runs leave."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

import yaml
from programs import begin, impersonal
from waiting import PATIENCE, until

from steadylab import Lab
from steadylab.ansible_operator import AnsibleOperator
from steadylab.kube import ApiError

SUITE: Final = Path(__file__).resolve().parent
ROOT: Final = SUITE.parents[1]
KINDS: Final = ("Note", "Written", "End", "Broken", "Often", "Chosen", "Role", "Held", "Kept", "Slow")
# Tests with reactors of their own have kinds of their own: the operator that all others share would see to them too.
OWN_KINDS: Final = ("Note", "End", "Slow")
SHARED, OWN = "reactor.test", "own.reactor.test"
DEFINITIONS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

Object = dict[str, Any]


class Operator:
    """A reactor over a lab, or the real operator in its place."""

    def __init__(
        self,
        lab: Lab,
        folder: Path,
        watches: str,
        *flags: str,
        real: AnsibleOperator | None = None,
        **variables: str,
    ) -> None:
        """`watches` is the text of watches.yaml; `variables` are added to the environment."""
        self.lab = lab
        self.real = real is not None
        self.folder = folder
        self.notes = folder / "notes"
        self.notes.mkdir(parents=True, exist_ok=True)
        (folder / "watches.yaml").write_text(watches, encoding="utf-8")
        modules = folder / "collections" / "ansible_collections" / "operator_sdk" / "util" / "plugins" / "modules"
        modules.mkdir(parents=True, exist_ok=True)
        shutil.copy(SUITE / "playbooks" / "library" / "requeue_after.py", modules)
        self.output = folder / f"output-{time.monotonic_ns()}"
        places = ["--metrics-bind-address=127.0.0.1:0", "--health-probe-bind-address=127.0.0.1:0"]
        if real:
            command = [str(real.program), "run"]
            environment = real.variables(impersonal())
        else:
            command = [sys.executable, "-m", "reactor", "--artifacts-dir", str(folder / "artifacts")]
            environment = impersonal() | {"PYTHONPATH": str(ROOT / "operator")}
        environment |= {
            "KUBECONFIG": str(lab.kubeconfig),
            "SUITE": str(SUITE),
            "NOTES": str(self.notes),
            "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections"),
        }
        command += ["--watches-file", str(folder / "watches.yaml"), *places, *flags]
        self.process = begin(command, self.output, environment | variables, folder)

    @property
    def said(self) -> str:
        """All that it has printed."""
        return self.output.read_text("utf-8", "replace")

    def says(self, text: str) -> str:
        """Wait until it has printed the text."""
        until(lambda: text in self.said or self.process.poll() is not None, text)
        assert text in self.said, self.said
        return self.said

    def ask(self, path: str) -> tuple[int, str]:
        """Ask /metrics, /healthz or /readyz: status and body."""
        said = self.says("/readyz on port")
        (line,) = [line for line in said.splitlines() if path in line and "on port" in line]
        with urlopen(f"http://127.0.0.1:{line.rpartition(' ')[2]}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send a signal to the process itself."""
        self.process.send_signal(number)

    def end(self, seconds: float = PATIENCE) -> int:
        """Ask it to stop and wait; its exit status."""
        if self.process.poll() is None:
            self.signal()
        return self.process.wait(seconds)

    def kill(self) -> None:
        """Kill it and whatever is left in its session."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def over_all_kinds(lab: Lab, folder: Path, real: AnsibleOperator | None = None) -> Iterator[Operator]:
    """An operator with the watches of all kinds."""
    operator = Operator(
        lab,
        folder,
        (SUITE / "watches.yaml").read_text(encoding="utf-8"),
        "--max-concurrent-reconciles=2",
        real=real,
        MAX_CONCURRENT_RECONCILES_SLOW_REACTOR_TEST="1",
        ANSIBLE_VERBOSITY_WRITTEN_REACTOR_TEST="0",
    )
    try:
        yield operator
        assert operator.end() == 0, operator.said
    finally:
        operator.kill()


class Team:
    """A namespace of one test and the objects in it."""

    def __init__(self, lab: Lab, notes: Path, namespace: str, group: str = SHARED, *, real: bool = False) -> None:
        """`real`: whether the real operator looks after them."""
        self.real = real
        self.namespace = namespace
        self.group = group
        self.notes_folder = notes
        self.api = lab.setup_api
        self.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})

    def path(self, kind: str, name: str = "") -> str:
        """The path of an object, or of the list of its kind."""
        tail = f"/{name}" if name else ""
        return f"/apis/{self.group}/v1/namespaces/{self.namespace}/{kind.lower()}s{tail}"

    def make(self, kind: str, name: str = "one", spec: Any = None, **metadata: Any) -> Object:
        """Make an object."""
        body = {"apiVersion": f"{self.group}/v1", "kind": kind, "metadata": {"name": name, **metadata}}
        return self.api.request("POST", self.path(kind), body | ({} if spec is None else {"spec": spec}))

    def get(self, kind: str, name: str = "one") -> Object | None:
        """The object, None when it is gone."""
        try:
            return self.api.request("GET", self.path(kind, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def change(self, kind: str, patch: Object, name: str = "one") -> None:
        """Merge a patch into an object."""
        self.api.request("PATCH", self.path(kind, name), patch, content_type="application/merge-patch+json")

    def delete(self, kind: str, name: str = "one") -> None:
        """Delete an object."""
        self.api.request("DELETE", self.path(kind, name))

    def conditions(self, kind: str, name: str = "one") -> dict[str, Object]:
        """The conditions of an object by their types."""
        found = self.get(kind, name) or {}
        return {each["type"]: each for each in (found.get("status") or {}).get("conditions") or []}

    def becomes(self, kind: str, condition: str, name: str = "one", status: str = "True") -> dict[str, Object]:
        """Wait until a condition is so; all conditions then."""

        def reached() -> Any:
            found = self.conditions(kind, name)
            return found if (found.get(condition) or {}).get("status") == status else None

        found: dict[str, Object] = until(reached, f"{condition} of {kind} {self.namespace}/{name} is {status}")
        return found

    def note(self, name: str = "one") -> Path:
        """The file in which runs over an object leave their notes; a name may be too long for one of its own."""
        return self.notes_folder / hashlib.sha1(f"{self.namespace}/{name}".encode()).hexdigest()

    def go(self, name: str = "one", step: str = "") -> None:
        """Let the slow run over an object go on, or one step of it."""
        self.note(name).with_suffix(f".go-{step}" if step else ".go").touch()

    def lines(self, name: str = "one") -> list[str]:
        """The notes so far."""
        return self.note(name).read_text("utf-8").splitlines() if self.note(name).exists() else []

    def noted(self, count: int = 1, name: str = "one") -> list[Any]:
        """Wait for so many notes and read them."""
        until(lambda: len(self.lines(name)) >= count, f"{count} notes of {self.namespace}/{name}")
        return [json.loads(line) for line in self.lines(name)]


def definition(kind: str, group: str) -> Object:
    """The definition of a kind."""
    text = (SUITE / "crd.yaml").read_text(encoding="utf-8")
    for name, value in (("KINDs", f"{kind.lower()}s"), ("KIND", kind), (SHARED, group)):
        text = text.replace(name, value)
    made: Object = yaml.safe_load(text)
    made["spec"]["names"]["singular"] = kind.lower()
    return made


def define(lab: Lab) -> None:
    """Define the suite's kinds and wait until they are served."""
    for group, kinds in ((SHARED, KINDS), (OWN, OWN_KINDS)):
        for kind in kinds:
            lab.setup_api.request("POST", DEFINITIONS, definition(kind, group))
    for group, kinds in ((SHARED, KINDS), (OWN, OWN_KINDS)):
        wanted = {f"{kind.lower()}s" for kind in kinds}
        until(lambda group=group, wanted=wanted: wanted <= served(lab, group), f"all kinds of {group} are served")


def served(lab: Lab, group: str) -> set[str]:
    """The resources of a group that the API server serves."""
    try:
        listing = lab.setup_api.request("GET", f"/apis/{group}/v1")
    except ApiError:
        return set()
    return {entry["name"] for entry in listing["resources"]}
