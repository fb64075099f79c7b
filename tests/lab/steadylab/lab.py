# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab as tests use it: started, looked at, disturbed and taken down again."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from steadylab import build, kubelet, objects, paths, plane, podrunner, processes, sandbox
from steadylab.certs import Authority
from steadylab.forward import Control, ControlError
from steadylab.kube import Api, ApiError, Object, path_of
from steadylab.objects import LAB_LABEL, ClusterSpec
from steadylab.podrunner.images import Image, Table
from steadylab.processes import Component

NODES: Final = ("node-0", "node-1", "node-2", "node-3")
START_ATTEMPTS: Final = 3
CLUSTER_SECONDS: Final = 120.0
SIMULATOR_SECONDS: Final = 20.0
# The API server takes new rights up when it sees them; a loaded machine gets its time.
RIGHT_SECONDS: Final = 60.0
# The FE of ordinal 0 founds a cluster, also where a busy machine brings it up long after the others.
_SIMULATED: Final = {"bootstrap_seconds": 60.0}
# How often is asked for what cannot be watched for.
_QUESTION: Final = 0.05


class LabError(Exception):
    """The lab cannot do what was asked; the message says why and what to do."""


@dataclass(frozen=True)
class Parameters:
    """What a lab was asked to be. A running lab is reused only for the same."""

    cluster: ClusterSpec | None = field(default_factory=ClusterSpec)
    ready_seconds: float = 2.0
    termination_seconds: float = 0.0
    operator: bool = True
    operator_version: str = "1.11.5"
    audit: bool = False
    processes: bool = False

    def check(self) -> None:
        """Refuse what cannot be.

        :raises objects.SpecError: with field, value and remedy.
        """
        if self.cluster is not None:
            self.cluster.check()
        if not re.fullmatch(r"v?\d+\.\d+\.\d+", self.operator_version):
            raise objects.SpecError(f"--operator-version={self.operator_version!r}: use a version such as 1.11.5")
        for name, seconds in (("ready", self.ready_seconds), ("termination", self.termination_seconds)):
            if not 0 <= seconds <= 3600:
                raise objects.SpecError(f"--{name}-seconds={seconds:g}: use a number from 0 to 3600")


def say(text: str) -> None:
    """A line for the person at the terminal; standard output belongs to the result."""
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold a lab's directory alone, made if need be. The lock ends with the process, however that ends."""
    while True:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _lock(descriptor, directory.name)
            if _is_still(directory, descriptor):
                yield
                return
        finally:
            os.close(descriptor)


def _lock(descriptor: int, name: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"lab {name}: another command works on it; waiting")
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _is_still(directory: Path, descriptor: int) -> bool:
    """Whether the locked directory is the one at that path: another command may have removed it meanwhile."""
    try:
        return os.path.samestat(os.stat(directory), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _empty(directory: Path) -> None:
    """Remove all that is in a directory, which itself stays and stays locked."""
    for entry in directory.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


class Lab:
    """One lab. Make it with `Lab.up`, or `Lab.attach` for one that runs already."""

    def __init__(self, name: str) -> None:
        objects.check_name("name", name)
        self.name = name
        self.directory = paths.labs_home() / name
        self._api: Api | None = None
        self._setup_api: Api | None = None
        self._starter: int | None = None

    # Start and end.

    @classmethod
    def up(
        cls,
        name: str = "lab",
        cluster: str | None = "prod",
        *,
        namespace: str = "starrocks",
        fe: int = 3,
        be: int = 3,
        cn: int = 0,
        version: str = "3.3.1",
        stays: bool = False,
        **others: Any,
    ) -> Lab:
        """Start a lab (or reuse a healthy one of the same name and parameters) and wait until its cluster runs.

        `cluster=None` makes an empty plane; `others` are the further fields of `Parameters`. A lab that is started here
        goes with the process that starts it, also where that is killed, unless it `stays`.

        :raises LabError: it cannot be started, or one of that name runs with other parameters.
        """
        spec = ClusterSpec(cluster, namespace, fe, be, cn, version) if cluster else None
        parameters = Parameters(cluster=spec, **others)
        parameters.check()
        lab = cls(name)
        external = os.environ.get("LAB_KUBECONFIG")
        binaries = build.ensure()
        with _locked(lab.directory):
            if lab._reusable(parameters, external):
                say(f"lab {name}: already up, reused")
            else:
                lab._starter = None if stays else os.getpid()
                lab._start(parameters, binaries, external)
        return lab

    @classmethod
    def attach(cls, name: str = "lab") -> Lab:
        """A lab that runs already.

        :raises LabError: there is none of that name.
        """
        lab = cls(name)
        if not (lab.directory / "lab.json").exists():
            raise LabError(f"there is no lab {name!r}; start it with tests/lab/up --name {name}")
        return lab

    @classmethod
    def all(cls) -> list[Lab]:
        """All labs of this user, also half-started ones."""
        home = paths.labs_home()
        return [cls(entry.name) for entry in sorted(home.iterdir())] if home.is_dir() else []

    def down(self) -> None:
        """End every process of the lab and remove every file of it; it is no error if there is none."""
        with _locked(self.directory):
            external = self._external()
            processes.end_all(self.directory)
            if external is not None:
                self._remove_objects(Api(external))
            shutil.rmtree(self.directory)
        for parent in (paths.labs_home(), paths.state_home()):
            with contextlib.suppress(OSError):
                parent.rmdir()

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def _reusable(self, parameters: Parameters, external: str | None) -> bool:
        """Whether a healthy lab with these parameters runs here; clears away one that is broken.

        :raises LabError: a healthy one with other parameters runs.
        """
        record = self.record()
        if record is None or not all(self.health().values()):
            processes.end_all(self.directory)
            _empty(self.directory)
            return False
        if record["parameters"] == asdict(parameters) and record["external"] == external:
            return True
        raise LabError(
            f"lab {self.name!r} is up with other parameters: {json.dumps(record['parameters'])}. Take it"
            f" down first (tests/lab/down --name {self.name}) or choose another --name."
        )

    @contextlib.contextmanager
    def _ended_on_failure(self) -> Iterator[None]:
        """End all processes if the start fails or is interrupted; the logs stay for whoever wants to know why."""
        try:
            yield
        except (plane.StartError, processes.ProcessError, TimeoutError, ApiError, ControlError) as error:
            processes.end_all(self.directory)
            raise LabError(
                f"lab {self.name!r} did not start: {error}\nIts logs are in {self.directory / 'logs'}"
                f" until tests/lab/down --name {self.name}"
            ) from error
        except BaseException:
            processes.end_all(self.directory)
            raise

    def _start(self, parameters: Parameters, binaries: Path, external: str | None) -> None:
        if parameters.processes:
            self._refuse_processes(external)
        with self._ended_on_failure():
            if external is not None:
                self._start_external(parameters, binaries, external)
                return
            for _attempt in range(1, START_ATTEMPTS):
                try:
                    self._start_plane(parameters, binaries)
                    return
                except plane.PortTaken as error:
                    say(f"lab {self.name}: {str(error).splitlines()[0]}: a port was taken meanwhile; trying others")
                    processes.end_all(self.directory)
                    _empty(self.directory)
                    # It knew the certificates that have just gone.
                    self._setup_api = None
            self._start_plane(parameters, binaries)

    def _start_plane(self, parameters: Parameters, binaries: Path) -> None:
        new = plane.Plane(self.directory, binaries, plane.Ports.find(), parameters.audit)
        new.spawned = self._recorder(parameters, binaries, asdict(new.ports), None)
        new.spawned([])
        self._start_warden()
        new.prepare()
        api = new.start_server()
        definitions = objects.crds()
        for definition in definitions:
            api.apply(definition)
        self._start_programs(new, parameters, forward=True)
        for definition in definitions:
            api.wait_served(definition["metadata"]["name"])
        # The first pods are ready at once: who starts a lab wants a running cluster. Later ones take their time.
        new.start_kubelets(kubelet.Timing(ready=0))
        for node in NODES:
            api.apply(objects.node(node, self.name))
        if parameters.cluster is not None:
            self._create_cluster(api, parameters.cluster, objects.PASSWORD)
        new.start_controllers(api)
        if parameters.processes:
            self._start_podrunner(new, api)
        self._wait_first_cluster(parameters)
        new.restart_kubelets(kubelet.Timing(ready=parameters.ready_seconds, termination=parameters.termination_seconds))
        new.check()
        self._complete()

    def _start_warden(self) -> None:
        """Start what takes the lab down when its starter has ended, before anything else that could be left."""
        if self._starter is None:
            return
        (self.directory / "logs").mkdir(exist_ok=True, mode=0o700)
        ticks = processes.start_ticks(self._starter)
        plane.start_python(self.directory, "warden", "steadylab.warden", self.name, str(self._starter), str(ticks))

    def _start_programs(self, new: plane.Plane, parameters: Parameters, *, forward: bool) -> None:
        """Start the operator, the simulator and what links port-forwards to it."""
        kubeconfigs, simulator = self.directory / "kubeconfigs", self.directory / "simulator"
        simulator.mkdir(exist_ok=True)
        new.start_python(
            "simulator",
            "steadylab.simulator",
            "--kubeconfig",
            str(kubeconfigs / "simulator"),
            "--dir",
            str(simulator),
            "--options",
            json.dumps(_SIMULATED),
        )
        if parameters.operator:
            new.start_python(
                "operator",
                "steadylab.operator",
                "--kubeconfig",
                str(kubeconfigs / "operator"),
                "--operator-version",
                parameters.operator_version,
            )
        if forward:
            new.start_python(
                "forward", "steadylab.forward", "--kubeconfig", str(kubeconfigs / "simulator"), "--dir", str(simulator)
            )

    def _refuse_processes(self, external: str | None) -> None:
        """Refuse to run containers as processes where that cannot be.

        :raises LabError: with the reason and the remedy.
        """
        if external is not None:
            raise LabError("--processes: only on a plane of the lab's own do containers run here: unset LAB_KUBECONFIG")
        reason = sandbox.why_not(self.directory)
        if reason is not None:
            raise LabError(
                f"--processes: containers cannot be run as processes here: {reason}. It needs root, or user namespaces"
                " for this user (sysctl user.max_user_namespaces > 0 and, where the kernel has it,"
                " kernel.apparmor_restrict_unprivileged_userns=0)"
            )

    def _start_podrunner(self, new: plane.Plane, api: Api) -> None:
        """Start what runs the containers of Jobs as processes."""
        (self.directory / "podrunner").mkdir(exist_ok=True)
        for manifest in objects.process_policy(self.name):
            api.apply(manifest)
        new.start_python(*self._podrunner())

    def _wait_first_cluster(self, parameters: Parameters) -> None:
        """Wait for the cluster that was asked for, if anything makes its pods."""
        if parameters.cluster is not None and parameters.operator:
            self.wait_cluster(parameters.cluster)

    def _complete(self) -> None:
        """Write down that the start came to its end."""
        record = self.record()
        assert record is not None
        self._write_record({**record, "complete": True})

    def _recorder(
        self, parameters: Parameters, binaries: Path, ports: dict[str, int], external: str | None
    ) -> Callable[[list[Component]], None]:
        """What writes lab.json, anew after each started process."""
        fixed = {
            "name": self.name,
            "parameters": asdict(parameters),
            "external": external,
            "ports": ports,
            "binaries": str(binaries),
            "kubernetes": build.KUBERNETES_VERSION,
            "complete": False,
        }

        def write(components: list[Component]) -> None:
            entries = [{"name": entry.name, "pid": entry.pid, "start_ticks": entry.start_ticks} for entry in components]
            self._write_record({**fixed, "processes": entries})

        return write

    def _write_record(self, record: Object) -> None:
        temporary = self.directory / "lab.json.new"
        temporary.write_text(json.dumps(record, indent=1))
        temporary.rename(self.directory / "lab.json")

    # An existing cluster (LAB_KUBECONFIG).

    def _external(self) -> str | None:
        """The kubeconfig of the existing cluster that this lab uses, or None."""
        record = self.record()
        recorded = os.environ.get("LAB_KUBECONFIG") if record is None else record["external"]
        return str(recorded) if recorded else None

    def _start_external(self, parameters: Parameters, binaries: Path, external: str) -> None:
        """Put the test objects into an existing cluster.

        :raises LabError: it has no marker namespace, or something of that name is there that the lab did not make.
        """
        api = _marked(external)
        self._refuse_foreign(api, parameters.cluster)
        new = plane.Plane(self.directory, binaries, plane.Ports(0, 0, 0, 0))
        new.spawned = self._recorder(parameters, binaries, {}, external)
        new.spawned([])
        self._start_warden()
        for name in ("logs", "kubeconfigs"):
            (self.directory / name).mkdir(exist_ok=True, mode=0o700)
        plane.write_private(self.directory / "kubeconfig", Path(external).read_text())
        for name in ("operator", "simulator"):
            plane.write_private(self.directory / "kubeconfigs" / name, Path(external).read_text())
        self._install_definition(api)
        has_kwok = api.find("CustomResourceDefinition", "portforwards.kwok.x-k8s.io") is not None
        self._start_programs(new, parameters, forward=has_kwok)
        if parameters.cluster is not None:
            self._create_cluster(api, parameters.cluster, objects.PASSWORD)
        self._wait_first_cluster(parameters)
        new.check()
        self._complete()

    def _refuse_foreign(self, api: Api, cluster: ClusterSpec | None) -> None:
        if cluster is None:
            return
        found = api.find("Namespace", cluster.namespace)
        if found is not None and found["metadata"].get("labels", {}).get(LAB_LABEL) != self.name:
            raise LabError(
                f"namespace {cluster.namespace!r} exists and was not made by this lab (label"
                f" {LAB_LABEL}={self.name}): choose another --namespace"
            )

    def _install_definition(self, api: Api) -> None:
        """Install the test definition of StarRocksCluster where there is none."""
        name = "starrocksclusters.starrocks.com"
        if api.find("CustomResourceDefinition", name) is None:
            definition = next(entry for entry in objects.crds() if entry["metadata"]["name"] == name)
            definition["metadata"]["labels"] = {LAB_LABEL: self.name}
            api.apply(definition)
            api.wait_served(name)

    def _remove_objects(self, api: Api) -> None:
        """Remove from an existing cluster what carries this lab's label, and wait until it is gone."""
        selector = f"{LAB_LABEL}={self.name}"
        for item in api.list("Namespace", selector=selector)["items"]:
            _remove_namespace(api, item["metadata"]["name"])
        for item in api.list("CustomResourceDefinition", selector=selector)["items"]:
            api.delete("CustomResourceDefinition", item["metadata"]["name"])
            api.wait_for("CustomResourceDefinition", item["metadata"]["name"], None, _is_gone, CLUSTER_SECONDS)

    # What it is.

    def record(self) -> Object | None:
        """The content of lab.json, or None if the lab never came so far."""
        try:
            record: Object = json.loads((self.directory / "lab.json").read_text())
        except FileNotFoundError:
            return None
        return record

    def health(self) -> dict[str, bool]:
        """Which parts are well: each process by name, and `complete` for a start that came to its end."""
        record = self.record() or {"processes": [], "complete": False}
        logs = self.directory / "logs"
        parts = {
            entry["name"]: Component(entry["name"], entry["pid"], entry["start_ticks"], logs).alive()
            for entry in record["processes"]
        }
        return {**parts, "complete": bool(record["complete"])}

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.directory / "kubeconfig"

    @property
    def api(self) -> Api:
        """A small client with the administrator's rights, whose requests the audit log shows under that name."""
        if self._api is None:
            self._api = Api(self.kubeconfig)
        return self._api

    @property
    def setup_api(self) -> Api:
        """A small client for what a test prepares and looks at: the audit log leaves it out."""
        if self._setup_api is None:
            path = self.directory / "kubeconfigs" / "setup"
            self._setup_api = Api(path) if path.exists() else self.api
        return self._setup_api

    @property
    def queries(self) -> list[Object]:
        """All statements that the simulator has seen, oldest first."""
        return _json_lines(self.directory / "simulator" / "queries.jsonl")

    def audit_entries(self) -> list[Object]:
        """All requests to the API server but those of the lab's own programs, oldest first; needs `audit=True`.

        The API server writes an entry before it answers, so what a client has done is here when it returns.
        """
        return _json_lines(self.directory / "audit.log")

    # The StarRocks clusters.

    def add_cluster(
        self,
        name: str = "prod",
        namespace: str = "starrocks",
        *,
        fe: int = 3,
        be: int = 3,
        cn: int = 0,
        version: str = "3.3.1",
        password: str = objects.PASSWORD,
        wait: bool = True,
    ) -> ClusterSpec:
        """Make a further StarRocks cluster and wait until it runs.

        :raises objects.SpecError: a value that cannot be.
        """
        spec = ClusterSpec(name, namespace, fe, be, cn, version)
        spec.check()
        self._create_cluster(self.setup_api, spec, password)
        if wait:
            self.wait_cluster(spec)
        return spec

    def _create_cluster(self, api: Api, spec: ClusterSpec, password: str) -> None:
        api.apply(objects.namespace(spec.namespace, self.name))
        api.apply(objects.secret(spec, self.name, password))
        api.apply(objects.starrocks_cluster(spec, self.name))

    def wait_cluster(self, spec: ClusterSpec, seconds: float = CLUSTER_SECONDS) -> None:
        """Wait until a cluster is running, its FEs have a leader and each can be reached by port-forward.

        :raises TimeoutError: it is not so after that many seconds.
        """
        deadline = time.monotonic() + seconds
        api = self.setup_api
        api.wait_for("StarRocksCluster", spec.name, spec.namespace, lambda found: _running(found, spec), seconds)
        pods = [f"{spec.name}-fe-{ordinal}" for ordinal in range(spec.fe)]
        if api.find("CustomResourceDefinition", "portforwards.kwok.x-k8s.io") is not None:
            for pod in pods:
                api.wait_for(
                    "PortForward", pod, spec.namespace, lambda found: found is not None, deadline - time.monotonic()
                )
        self._wait_simulated(spec, pods, deadline)

    def _wait_simulated(self, spec: ClusterSpec, pods: Sequence[str], deadline: float) -> None:
        while not _serving(self.simulator_state(), spec, pods):
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"the simulator does not show cluster {spec.namespace}/{spec.name} with a leader;"
                    f" see {self.directory / 'logs' / 'simulator.log'}"
                )
            self._pause()

    def _pause(self, program: str = "simulator") -> None:
        """Wait a moment before a program of the lab is asked again, and see meanwhile that it lives.

        :raises LabError: it has ended.
        """
        record = self.record() or {"processes": []}
        log = self.directory / "logs" / f"{program}.log"
        asked = [
            Component(entry["name"], entry["pid"], entry["start_ticks"], log)
            for entry in record["processes"]
            if entry["name"] == program
        ]
        ended = processes.wait_any_end(asked, _QUESTION)
        if ended is not None:
            raise LabError(f"the {program} has ended; the end of its log:\n{ended.log_tail()}")

    def remove_namespace(self, name: str, *, wait: bool = True) -> None:
        """Delete a namespace with all in it, and wait until it is gone.

        That takes 5 s, all of it the namespace controller's patience: a test that does not need the name again saves
        them with `wait=False`.
        """
        if wait:
            _remove_namespace(self.setup_api, name)
        else:
            self.setup_api.delete("Namespace", name)

    # Jobs whose containers are processes.

    def process_namespace(self, name: str, seconds: float = 30.0) -> None:
        """Make a namespace whose Jobs' containers run as processes; returns when that is in force.

        :raises LabError: the lab was started without `processes`, or it does not come into force.
        """
        if not (self.record() or {}).get("parameters", {}).get("processes"):
            raise LabError(f"lab {self.name!r} has no pod runner: start it with --processes (processes=True)")
        manifest = objects.namespace(name, self.name)
        manifest["metadata"]["labels"][podrunner.LABEL] = "true"
        self.setup_api.apply(manifest)
        deadline = time.monotonic() + seconds
        while not self._labels_pods(name):
            if time.monotonic() > deadline:
                raise LabError(f"pods of Jobs in namespace {name!r} do not get the label {podrunner.LABEL}")
            self._pause("podrunner")

    def restart_podrunner(self) -> Component:
        """Start the pod runner anew after it was ended; the pods that it ran are lost."""
        record = self.record()
        assert record is not None
        others = [entry for entry in record["processes"] if entry["name"] != "podrunner"]
        started = plane.start_python(self.directory, *self._podrunner())
        entry = {"name": started.name, "pid": started.pid, "start_ticks": started.start_ticks}
        self._write_record({**record, "processes": [*others, entry]})
        return started

    def _podrunner(self) -> tuple[str, ...]:
        """Name, module and arguments of the pod runner."""
        kubeconfig, directory = self.directory / "kubeconfigs" / "podrunner", self.directory / "podrunner"
        return ("podrunner", "steadylab.podrunner", "--kubeconfig", str(kubeconfig), "--dir", str(directory))

    def _labels_pods(self, namespace: str) -> bool:
        """Whether a pod of a Job would be labelled now; the API server learns of policies and namespaces by watch."""
        try:
            pod = self.setup_api.request(
                "POST", path_of("Pod", namespace), objects.process_probe(), query={"dryRun": "All"}
            )
        except ApiError as error:
            if error.status == 403:
                # The namespace's service account is not there yet.
                return False
            raise
        return podrunner.LABEL in pod["metadata"]["labels"]

    def set_image(self, reference: str, image: Image) -> None:
        """What the pod runner finds in an image; a reference without tag stands for all tags and digests."""
        Table(self.directory / "podrunner" / "images.json").set(reference, image)

    # The simulator.

    @property
    def _control(self) -> Control:
        return Control(self.directory / "simulator")

    def simulator_state(self) -> Object:
        """The whole simulated state: clusters by `namespace/name`.

        :raises LabError: the simulator does not answer.
        """
        deadline = time.monotonic() + SIMULATOR_SECONDS
        while True:
            try:
                return self._control.call("GET", "/state")
            except ControlError as error:
                if time.monotonic() > deadline:
                    raise LabError(str(error)) from error
                self._pause()

    def simulate(self, **changes: Any) -> Object:
        """Change the simulated state (POST /state: leader, settings, tablets, ...); returns the new state."""
        return self._control.call("POST", "/state", changes)

    def faults(self, *faults: Object) -> list[int]:
        """Put faults in force; returns their numbers. Without any, all faults end."""
        if not faults:
            self._control.call("DELETE", "/faults")
            return []
        numbers: list[int] = self._control.call("POST", "/faults", list(faults))["faults"]
        return numbers

    # Disturbances and users of the control plane.

    def lose_node(self, name: str) -> None:
        """A node falls silent with its pods: the control plane marks it and them, nobody confirms a deletion there.

        What the node controller does after 40 s without a heartbeat happens at once.
        """
        api = self.setup_api
        labels = {"metadata": {"labels": {kubelet.NODE_LOST_LABEL: "true"}}}
        api.patch("Node", name, labels)
        for pod in self._pods_on(api, name):
            try:
                self.cut_off(pod["metadata"]["name"], pod["metadata"]["namespace"])
            except ApiError as error:
                # A pod whose deletion was confirmed before its node fell silent.
                if error.status != 404:
                    raise
        node = api.get("Node", name)
        _set_ready(api, node, "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")

    def cut_off(self, pod: str, namespace: str) -> None:
        """A pod is out of reach, as on a lost node: its containers run on, and nobody confirms its deletion."""
        api = self.setup_api
        api.patch("Pod", pod, {"metadata": {"labels": {kubelet.NODE_LOST_LABEL: "true"}}}, namespace)
        _set_ready(api, api.get("Pod", pod, namespace), "False", "NodeNotReady", "Node is not ready")

    def reconnect(self, pod: str, namespace: str) -> None:
        """A pod that was cut off is within reach again, and as ready as its containers are."""
        api = self.setup_api
        found = api.get("Pod", pod, namespace)
        if all(status["ready"] for status in found["status"].get("containerStatuses") or [{"ready": False}]):
            _set_ready(api, found, "True", "", "")
        api.patch("Pod", pod, {"metadata": {"labels": {kubelet.NODE_LOST_LABEL: None}}}, namespace)

    def restore_node(self, name: str) -> None:
        """A lost node reports again, and its pods are as ready as their containers are.

        The node comes first: the node controller marks the pods of a node that is not ready as not ready themselves.
        """
        api = self.setup_api
        labels = {"metadata": {"labels": {kubelet.NODE_LOST_LABEL: None}}}
        api.patch("Node", name, labels)
        _set_ready(api, api.get("Node", name), "True", "KubeletReady", "kubelet is posting ready status")
        for pod in self._pods_on(api, name):
            self.reconnect(pod["metadata"]["name"], pod["metadata"]["namespace"])

    def _pods_on(self, api: Api, node: str) -> list[Object]:
        return [pod for pod in api.list("Pod")["items"] if pod["spec"].get("nodeName") == node]

    def user_kubeconfig(
        self, name: str, rules: Sequence[Object], namespace: str | None = None, groups: Sequence[str] = ()
    ) -> Path:
        """A kubeconfig of a new user who may do just what the RBAC rules say, in one namespace or (None) in all.

        :raises LabError: the rules do not come into force.
        """
        pair = Authority.read(self.directory / "pki").issue(name, groups)
        record = self.record()
        assert record is not None
        server = f"https://127.0.0.1:{record['ports']['apiserver']}"
        path = self.directory / "kubeconfigs" / f"user-{name}"
        authority = (self.directory / "pki" / "ca.crt").read_bytes()
        plane.write_private(path, plane.kubeconfig(server, authority, name, pair, namespace or "default"))
        api = self.setup_api
        for manifest in _grant(name, rules, namespace, self.name):
            api.apply(manifest)
        # All of them: a user of that name may have had some by an earlier Role.
        for rule in rules:
            self.await_right(name, rule, namespace)
        return path

    def await_right(self, user: str, rule: Object, namespace: str | None = None) -> None:
        """Wait until a user has the right of an RBAC rule, and with it all that came by the same Role.

        The API server tells nobody when it has taken a Role up.

        :raises LabError: it does not.
        """
        asked = {
            "verb": rule["verbs"][0],
            "group": rule["apiGroups"][0],
            "resource": rule["resources"][0],
            **({"namespace": namespace} if namespace else {}),
            **({"name": rule["resourceNames"][0]} if "resourceNames" in rule else {}),
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": user, "resourceAttributes": asked},
        }
        path, deadline = "/apis/authorization.k8s.io/v1/subjectaccessreviews", time.monotonic() + RIGHT_SECONDS
        while not self.setup_api.request("POST", path, review)["status"]["allowed"]:
            if time.monotonic() > deadline:
                raise LabError(f"{user} has no right to {asked}")
            self._pause("kube-apiserver")

    def kubectl(self, *arguments: str, check: bool = True, kubeconfig: Path | None = None) -> str:
        """Run kubectl and return its output.

        :raises LabError: it failed (with `check`); the message holds what it said.
        """
        record = self.record()
        assert record is not None
        command = [
            str(Path(record["binaries"]) / "kubectl"),
            f"--kubeconfig={kubeconfig or self.kubeconfig}",
            f"--cache-dir={self.directory / 'kubectl-cache'}",
            *arguments,
        ]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if check and result.returncode != 0:
            raise LabError(f"kubectl {' '.join(arguments)}: {result.stderr.strip()}")
        return result.stdout


def _is_gone(item: Object | None) -> bool:
    return item is None


def _remove_namespace(api: Api, name: str) -> None:
    """Delete a namespace, what makes pods in it first.

    The namespace controller would wait for half of a pod's grace period (StarRocks: 120 s) before it looks again.
    """
    for kind in ("StarRocksCluster", "StatefulSet", "Pod"):
        items = api.list(kind, name)["items"]
        for item in items:
            api.delete(kind, item["metadata"]["name"], name)
        for item in items:
            api.wait_for(kind, item["metadata"]["name"], name, _is_gone, CLUSTER_SECONDS)
    api.delete("Namespace", name)
    api.wait_for("Namespace", name, None, _is_gone, CLUSTER_SECONDS)


def _set_ready(api: Api, item: Object, status: str, reason: str, message: str) -> None:
    """Set the Ready condition of a node or a pod, as the node controller or a kubelet does."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    ready = {"type": "Ready", "status": status, "reason": reason, "message": message, "lastTransitionTime": now}
    others = [entry for entry in item["status"].get("conditions") or () if entry["type"] != "Ready"]
    kind = "Pod" if "namespace" in item["metadata"] else "Node"
    patch = {"status": {"conditions": [*others, ready]}}
    api.patch(kind, item["metadata"]["name"], patch, item["metadata"].get("namespace"), "status")


def _marked(kubeconfig: str) -> Api:
    """A client for an existing cluster that may be used.

    :raises LabError: it cannot be read or reached, or has no marker namespace.
    """
    try:
        api = Api(kubeconfig)
        marker = api.find("Namespace", objects.MARKER_NAMESPACE)
    except (OSError, ValueError, ApiError) as error:
        raise LabError(f"LAB_KUBECONFIG={kubeconfig}: {error}") from error
    if marker is None:
        raise LabError(
            f"LAB_KUBECONFIG={kubeconfig}: that cluster has no namespace {objects.MARKER_NAMESPACE}, so it"
            " is left alone. If it is a cluster for tests:"
            f" kubectl create namespace {objects.MARKER_NAMESPACE}"
        )
    return api


def _running(cluster: Object | None, spec: ClusterSpec) -> bool:
    """Whether the operator calls the cluster running, with all pods of all its components."""
    status = (cluster or {}).get("status", {})
    counts = (("Fe", spec.fe), ("Be", spec.be), ("Cn", spec.cn))
    return status.get("phase") == "running" and all(
        len(status.get(f"starRocks{component}Status", {}).get("runningInstances", ())) == count
        for component, count in counts
    )


def _serving(state: Object, spec: ClusterSpec, pods: Sequence[str]) -> bool:
    """Whether the simulator shows the cluster with a leader and every node alive."""
    cluster = state["clusters"].get(f"{spec.namespace}/{spec.name}")
    if cluster is None or cluster["leader"] is None or not set(pods) <= set(cluster["frontends"]):
        return False
    nodes = [*cluster["frontends"].values(), *cluster["backends"].values(), *cluster["compute_nodes"].values()]
    return len(nodes) >= spec.fe + spec.be + spec.cn and all(node["alive"] for node in nodes)


def _grant(user: str, rules: Sequence[Object], namespace: str | None, lab: str) -> list[Object]:
    scope = "" if namespace else "Cluster"
    group = "rbac.authorization.k8s.io"
    metadata: Object = {"name": f"steady-lab-{user}", "labels": {LAB_LABEL: lab}}
    if namespace:
        metadata["namespace"] = namespace
    role = {"apiVersion": f"{group}/v1", "kind": f"{scope}Role", "metadata": metadata, "rules": list(rules)}
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": f"{scope}RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": f"{scope}Role", "name": metadata["name"]},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    }
    return [role, binding]


def _json_lines(path: Path) -> list[Object]:
    """The whole lines of a file of JSON lines; one that is being written has no end yet and is left out."""
    if not path.exists():
        return []
    whole, _, _ = path.read_text().rpartition("\n")
    return [json.loads(line) for line in whole.split("\n") if line]
