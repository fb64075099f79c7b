# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What operator/watches.yaml makes of an object, without an operator: the same playbook, variables and verdict.

From operator-framework/ansible-operator-plugins v1.42.3: how the variables are made (internal/ansible/runner/runner.go,
makeParameters, and internal/ansible/watches/watches.go), and how a run is judged
(internal/ansible/controller/reconcile.go).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import yaml
from programs import impersonal
from scenarios.playbook import BIN, ROOT, Process

from steadylab.kube import Api, ApiError

Json = dict[str, Any]
WATCHES: Final = ROOT / "operator" / "watches.yaml"
COLLECTIONS: Final = ROOT / ".venv" / "collections"
PLUGINS: Final = Path(__file__).with_name("operating_plugins")
CONFIGURATION: Final = ("installation", "starrocks", "database")
# More runs than any test needs: whoever needs more does not come to rest.
MOST_RUNS: Final = 60
_PLURALS: Final = {
    "StarRocksUpgrade": "starrocksupgrades",
    "StarRocksCluster": "starrocksclusters",
    "DBUpgrade": "dbupgrades",
}


def configuration(folder: Path, **content: Json) -> Path:
    """The folder that an installation mounts, with what is given and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in CONFIGURATION:
        (folder / f"{name}.yml").write_text(json.dumps(content.get(name, {})))
    return folder


def watches(environment: Mapping[str, str], path: Path = WATCHES) -> dict[str, Json]:
    """The watches by kind, with the variables of the environment put in."""
    text = re.sub(r"\$\{(\w+)\}", lambda found: environment.get(found[1], found[0]), path.read_text("utf-8"))
    return {watch["kind"]: watch for watch in yaml.safe_load(text)}


def unsafe(value: Any) -> Any:
    """A value whose strings Ansible does not template, as markUnsafe makes it."""
    if isinstance(value, str):
        return {"__ansible_unsafe": value}
    if isinstance(value, Mapping):
        return {key: unsafe(item) for key, item in value.items()}
    return [unsafe(item) for item in value] if isinstance(value, list) else value


def extra_vars(watch: Json, resource: Json, *, final: bool) -> Json:
    """The variables of a run; what stands later wins."""
    group = f"_{watch['group']}_{watch['kind'].lower()}".replace(".", "_").replace("-", "_")
    wrap = unsafe if watch.get("markUnsafe") else lambda value: value
    metadata = resource["metadata"]
    return {
        **wrap(resource.get("spec") or {}),
        "ansible_operator_meta": wrap({"name": metadata["name"], "namespace": metadata["namespace"]}),
        group: wrap(resource),
        f"{group}_spec": wrap(resource.get("spec") or {}),
        **(watch.get("vars") or {}),
        **(watch["finalizer"].get("vars") or {} if final else {}),
    }


def _went_well(entry: Json) -> bool:
    return bool(entry["event"] == "runner_on_ok")


@dataclass(frozen=True)
class Ended:
    """How a run ended: its events, and what a person would see."""

    events: list[Json]
    output: str

    @property
    def failures(self) -> list[Json]:
        """What makes the run a failure."""
        found = (entry for entry in self.events if entry["event"] == "runner_on_failed")
        return [entry for entry in found if not entry.get("ignore_errors")]

    @property
    def again_in(self) -> str:
        """When the object is due again, empty where the run did not say it."""
        names = ("requeue_after", "operator_sdk.util.requeue_after")
        asked = (entry["res"] for entry in self.events if entry.get("task_action") in names and _went_well(entry))
        return str(next(asked, {"period": ""})["period"])

    @property
    def result(self) -> Json:
        """What the pass returned."""
        return next(dict(entry["res"]) for entry in self.events if "rollout" in entry.get("res", {}))

    def succeeded(self) -> Ended:
        """This run, which must have ended well."""
        ended = bool(self.events) and self.events[-1]["event"] == "playbook_on_stats"
        assert ended, self.output
        assert self.failures == [], self.output
        return self


@dataclass
class Operation:
    """The watches of one installation, carried out run by run."""

    directory: Path
    kubeconfig: Path
    configuration: Path
    collections: Path = COLLECTIONS
    runs: int = 0

    @cached_property
    def api(self) -> Api:
        """What the operator itself does, it does with the same rights."""
        return Api(self.kubeconfig)

    @property
    def variables(self) -> dict[str, str]:
        """What the image sets for the watches."""
        playbooks = self.collections / "ansible_collections" / "steady" / "rollout" / "playbooks" / "operator"
        return {"ROLLOUT_PLAYBOOKS": str(playbooks), "ROLLOUT_CONFIG": str(self.configuration)}

    def watch(self, kind: str) -> Json:
        """The watch of a kind."""
        return watches(self.variables)[kind]

    def path(self, kind: str, namespace: str, name: str) -> str:
        """The request path of an object."""
        watch = self.watch(kind)
        return f"/apis/{watch['group']}/{watch['version']}/namespaces/{namespace}/{_PLURALS[kind]}/{name}"

    def start(self, kind: str, resource: Json, *, final: bool = False) -> tuple[Process, Path]:
        """Start a run; where its events go."""
        watch = self.watch(kind)
        self.runs += 1
        folder = self.directory / f"operated-{self.runs}"
        (folder / "inventory").mkdir(parents=True)
        (folder / "extravars").write_text(json.dumps(extra_vars(watch, resource, final=final)))
        hosts = "localhost ansible_connection=local ansible_python_interpreter={{ansible_playbook_python}}\n"
        (folder / "inventory" / "hosts").write_text(hosts)
        command = [
            str(BIN / "ansible-playbook"),
            f"--inventory={folder / 'inventory'}",
            f"--extra-vars=@{folder / 'extravars'}",
            watch["playbook"],
        ]
        return Process(command, self._environment(folder), folder), folder / "events"

    def run(self, kind: str, resource: Json, *, final: bool = False) -> Ended:
        """One run to its end."""
        process, events = self.start(kind, resource, final=final)
        ended = process.finish()
        lines = events.read_text("utf-8").splitlines() if events.exists() else []
        return Ended([json.loads(line) for line in lines], ended.stdout)

    def reconcile(self, kind: str, namespace: str, name: str) -> Ended | None:
        """What the operator does at a sight of the object; None where it is gone or none of its business."""
        path = self.path(kind, namespace, name)
        resource = self._found(path)
        if resource is None:
            return None
        own = (self.watch(kind).get("finalizer") or {}).get("name")
        held, going = resource["metadata"].get("finalizers") or [], bool(resource["metadata"].get("deletionTimestamp"))
        if own and own not in held:
            if going:
                return None
            resource = self._finalizers(path, resource, [*held, own])
        ended = self.run(kind, resource, final=bool(own) and going).succeeded()
        if own and going and not ended.again_in:
            found = self._found(path) or resource
            self._finalizers(path, found, [name for name in held if name != own])
        return ended

    def settle(self, kind: str, namespace: str, name: str) -> list[Ended]:
        """Until nothing is due any more."""
        runs: list[Ended] = []
        while len(runs) < MOST_RUNS:
            ended = self.reconcile(kind, namespace, name)
            if ended is None:
                return runs
            runs.append(ended)
            if not ended.again_in and not self._going(kind, namespace, name):
                return runs
        raise AssertionError(f"{kind} {namespace}/{name} does not come to rest: {runs[-1].output}")

    def _going(self, kind: str, namespace: str, name: str) -> bool:
        """Whether it was deleted meanwhile, which the operator is told of."""
        found = self._found(self.path(kind, namespace, name))
        return found is not None and bool(found["metadata"].get("deletionTimestamp"))

    def _found(self, path: str) -> Json | None:
        try:
            return self.api.request("GET", path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def _finalizers(self, path: str, resource: Json, names: list[str]) -> Json:
        """The object with these finalizers. It is updated as a whole: where it was just written, as it is then."""
        while True:
            metadata = {**resource["metadata"], "finalizers": names}
            try:
                return self.api.request("PUT", path, {**resource, "metadata": metadata})
            except ApiError as error:
                if error.status != 409:
                    raise
            resource = self.api.request("GET", path)

    def _environment(self, folder: Path) -> dict[str, str]:
        return {
            **impersonal(),
            "KUBECONFIG": str(self.kubeconfig),
            "K8S_AUTH_KUBECONFIG": str(self.kubeconfig),
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_HOME": str(self.directory / "ansible"),
            "ANSIBLE_CALLBACK_PLUGINS": str(PLUGINS),
            "ANSIBLE_CALLBACKS_ENABLED": "run_events",
            "ANSIBLE_NOCOLOR": "1",
            "RUN_EVENTS": str(folder / "events"),
        }
