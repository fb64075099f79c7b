# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start a control plane: etcd, kube-apiserver, controller manager, scheduler and kwok, all below one directory."""

from __future__ import annotations

import base64
import json
import os
import shlex
import socket
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import urllib3

from steadylab import kubelet, paths, processes
from steadylab.certs import Authority, Pair
from steadylab.kube import Api
from steadylab.podrunner import LABEL as PROCESS_LABEL
from steadylab.ports import free_ports
from steadylab.processes import Component

SERVICE_RANGE: Final = "10.96.0.0/16"
START_SECONDS: Final = 60.0
# kube-apiserver, etcd and kwok say this when another process took their port first.
_PORT_TAKEN: Final = "address already in use"
# Go collects garbage when a heap has doubled; the API server's small one doubles so often that a start takes a seventh
# more CPU time (5.7 s instead of 4.9 for the whole plane, 2 cores). Near the limit it collects as usual.
_SELDOM_COLLECTED: Final = {"GOGC": "400", "GOMEMLIMIT": "1GiB"}
# How long whoever listens may take for a handshake before it is seen whether the API server lives at all.
_QUESTION: Final = urllib3.Timeout(connect=5, read=30)
# How long to wait between two questions to a server that is starting; the wait ends at once if a process ends.
_QUESTION_SECONDS: Final = 0.05


class StartError(Exception):
    """The control plane did not start; the message holds the end of the log that says why."""


class PortTaken(StartError):
    """Another process was quicker to take a port: worth another try with other ports."""


@dataclass(frozen=True)
class Ports:
    """The loopback ports of one plane."""

    etcd: int
    etcd_peer: int
    apiserver: int
    kubelet: int

    @classmethod
    def find(cls) -> Ports:
        """Ports that are free now."""
        return cls(*free_ports(4))


def write_private(path: Path, content: str) -> None:
    """Write a file that only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(content)


def kubeconfig(server: str, authority: bytes, user: str, pair: Pair, namespace: str = "default") -> str:
    """A kubeconfig with everything inside, as JSON (which is YAML too)."""

    def inline(data: bytes) -> str:
        return base64.b64encode(data).decode()

    credentials = {"client-certificate-data": inline(pair.certificate), "client-key-data": inline(pair.key)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": {"server": server, "certificate-authority-data": inline(authority)}}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": user, "namespace": namespace}}],
        "current-context": "lab",
    }
    return json.dumps(config, indent=1)


def start_python(directory: Path, name: str, module: str, *arguments: str) -> Component:
    """Start one of the lab's own programs in a lab's directory."""
    environment = {"PYTHONPATH": str(paths.LAB_SOURCE), "PYTHONDONTWRITEBYTECODE": "1"}
    return processes.spawn(name, [sys.executable, "-m", module, *arguments], directory, environment)


@dataclass
class Plane:
    """One control plane in a lab's directory."""

    directory: Path
    binaries: Path
    ports: Ports
    audit: bool = False
    spawned: Callable[[list[Component]], None] = lambda components: None
    components: list[Component] = field(default_factory=list)

    @property
    def pki(self) -> Path:
        """Where keys and certificates are."""
        return self.directory / "pki"

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://127.0.0.1:{self.ports.apiserver}"

    def prepare(self) -> None:
        """Make directories, certificates, kubeconfigs and configuration files."""
        for name in ("pki", "logs", "etcd", "kubeconfigs"):
            (self.directory / name).mkdir(exist_ok=True, mode=0o700)
        authority = Authority.create()
        authority.pair.write(self.pki, "ca")
        for name in ("apiserver", "etcd", "kubelet"):
            authority.issue(name, server=True).write(self.pki, name)
        authority.issue("steady-lab:apiserver", ("system:masters",)).write(self.pki, "apiserver-client")
        authority.issue("service-accounts").write(self.pki, "service-accounts")
        for file, (user, groups) in _USERS.items():
            path = self.directory / ("kubeconfig" if file == "admin" else f"kubeconfigs/{file}")
            pair = authority.issue(user, groups)
            write_private(path, kubeconfig(self.server, authority.pair.certificate, user, pair))
        self._write_programs()
        self._write_configuration()

    def _write_programs(self) -> None:
        """The commands that pods of the lab have and the machine may not."""
        (self.directory / "bin").mkdir(exist_ok=True)
        source, python = shlex.quote(str(paths.LAB_SOURCE)), shlex.quote(sys.executable)
        # In an image both are elsewhere, see mysql.in_image.
        command = f'PYTHONPATH="${{STEADY_LAB_SOURCE:-{source}}}" exec "${{STEADY_LAB_PYTHON:-{python}}}"'
        path = self.directory / "bin" / "mysql"
        path.write_text(f'#!/bin/sh\n{command} -m steadylab.mysql "$@"\n')
        path.chmod(0o755)

    def _write_configuration(self) -> None:
        pod_log = self.directory / "logs" / "pods.log"
        # The format of the container runtime interface: time, stream, F for a full line, text.
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime())
        pod_log.write_text(f"{stamp} stdout F simulated pod of a steady.rollout lab\n")
        # The lab's own components, and what the API server asks of itself.
        own = sorted(user for name, (user, _groups) in _USERS.items() if name != "admin")
        rules = [
            {"level": "None", "users": [*own, "system:apiserver"]},
            {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
            {"level": "None", "nonResourceURLs": ["/readyz*", "/livez*", "/healthz*"]},
            {"level": "Metadata", "omitStages": ["RequestReceived"]},
        ]
        policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules}
        (self.directory / "audit-policy.yaml").write_text(json.dumps(policy, indent=1))

    def start_server(self) -> Api:
        """Start etcd and the API server, up to the moment when an administrator can write; returns a client.

        That is a second earlier than ready: the roles of the controllers are written last.

        :raises StartError: a process ended or the API server did not come up.
        """
        self._spawn("etcd", self._etcd_command())
        self._wait_for(self._etcd_ready, "etcd")
        self._spawn("kube-apiserver", self._apiserver_command())
        api = Api(self.directory / "kubeconfigs" / "setup")
        self._wait_for(lambda: _answers(api, "/api/v1/namespaces/default"), "kube-apiserver")
        return api

    def start_controllers(self, api: Api) -> None:
        """Wait until the API server is ready, then start the controller manager and the scheduler.

        Started earlier they would be refused for lack of their roles and would wait for seconds before the next try.

        :raises StartError: the API server did not become ready.
        """
        self._wait_for(lambda: _answers(api, "/readyz"), "kube-apiserver")
        self._spawn("kube-controller-manager", self._controller_manager_command())
        self._spawn("kube-scheduler", self._scheduler_command())

    def start_kubelets(self, timing: kubelet.Timing) -> None:
        """Start kwok, which plays all kubelets; its custom resource definitions must be there."""
        configuration = kubelet.configuration(timing, self.directory / "logs" / "pods.log")
        (self.directory / "kwok.yaml").write_text(configuration)
        path = f"{self.directory / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        # On one thread: its controllers compile their stages at once and write one map without a lock (kwok 0.8.0 by
        # easycel 0.6.0, `getTrait`). With nodes and pods there from the start, "concurrent map writes" ended it.
        self._spawn("kwok", self._kwok_command(), {"PATH": path, "GOMAXPROCS": "1"})

    def restart_kubelets(self, timing: kubelet.Timing) -> None:
        """Start kwok anew with other delays and wait until port-forwards reach it; pods keep the state they have.

        :raises StartError: it did not start.
        """
        for component in [entry for entry in self.components if entry.name == "kwok"]:
            processes.end(component, self.directory)
            self.components.remove(component)
        self.start_kubelets(timing)
        self._wait_for(self._kubelets_ready, "kwok")

    def start_python(self, name: str, module: str, *arguments: str) -> None:
        """Start one of the lab's own programs."""
        self.components.append(start_python(self.directory, name, module, *arguments))
        self.spawned(self.components)

    def _spawn(self, name: str, command: list[str], environment: dict[str, str] | None = None) -> None:
        variables = {**_SELDOM_COLLECTED, **(environment or {})}
        self.components.append(processes.spawn(name, command, self.directory, variables))
        self.spawned(self.components)

    def _wait_for(self, ready: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            ended = processes.wait_any_end(self.components, _QUESTION_SECONDS)
            if ended is not None:
                raise _ended(ended)
            if time.monotonic() > deadline:
                raise StartError(
                    f"{what} was not ready within {START_SECONDS:g} s; the end of its log:\n"
                    + self.components[-1].log_tail()
                )

    def check(self) -> None:
        """See that all started processes still run.

        :raises StartError: one has ended.
        """
        for component in self.components:
            if not component.alive():
                raise _ended(component)

    def _etcd_ready(self) -> bool:
        return _accepts(self.ports.etcd)

    def _kubelets_ready(self) -> bool:
        """Whether kwok is who accepts there, as its certificate shows: nothing else would tell that it does not."""
        authority = ssl.create_default_context(cafile=self._pki("ca.crt"))
        try:
            with (
                socket.create_connection(("127.0.0.1", self.ports.kubelet), timeout=5) as plain,
                authority.wrap_socket(plain, server_hostname="127.0.0.1"),
            ):
                return True
        except OSError:
            return False

    def _pki(self, name: str) -> str:
        return str(self.pki / name)

    def _etcd_command(self) -> list[str]:
        client, peer = f"https://127.0.0.1:{self.ports.etcd}", f"https://127.0.0.1:{self.ports.etcd_peer}"
        command = [str(self.binaries / "etcd"), f"--data-dir={self.directory / 'etcd'}", "--name=lab"]
        command += ["--unsafe-no-fsync", "--log-level=warn", "--client-cert-auth", "--peer-client-cert-auth"]
        command += [f"--listen-client-urls={client}", f"--advertise-client-urls={client}"]
        command += [
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=lab={peer}",
        ]
        for prefix in ("", "peer-"):
            command += [
                f"--{prefix}cert-file={self._pki('etcd.crt')}",
                f"--{prefix}key-file={self._pki('etcd.key')}",
                f"--{prefix}trusted-ca-file={self._pki('ca.crt')}",
            ]
        return command

    def _apiserver_command(self) -> list[str]:
        options = {
            "etcd-servers": f"https://127.0.0.1:{self.ports.etcd}",
            "etcd-cafile": self._pki("ca.crt"),
            "etcd-certfile": self._pki("apiserver-client.crt"),
            "etcd-keyfile": self._pki("apiserver-client.key"),
            "bind-address": "127.0.0.1",
            "secure-port": str(self.ports.apiserver),
            # Loopback may not be advertised to pods; no pod is real, so nobody looks (TEST-NET-1, RFC 5737).
            "advertise-address": "192.0.2.1",
            "endpoint-reconciler-type": "none",
            "tls-cert-file": self._pki("apiserver.crt"),
            "tls-private-key-file": self._pki("apiserver.key"),
            "client-ca-file": self._pki("ca.crt"),
            "authorization-mode": "RBAC",
            "anonymous-auth": "false",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": self._pki("service-accounts.crt"),
            "service-account-signing-key-file": self._pki("service-accounts.key"),
            "service-cluster-ip-range": SERVICE_RANGE,
            "kubelet-client-certificate": self._pki("apiserver-client.crt"),
            "kubelet-client-key": self._pki("apiserver-client.key"),
            "kubelet-certificate-authority": self._pki("ca.crt"),
            "kubelet-preferred-address-types": "InternalIP",
            "profiling": "false",
        }
        if self.audit:
            options["audit-policy-file"] = str(self.directory / "audit-policy.yaml")
            options["audit-log-path"] = str(self.directory / "audit.log")
        return [str(self.binaries / "kube-apiserver"), *(f"--{name}={value}" for name, value in options.items())]

    def _controller_manager_command(self) -> list[str]:
        options = {
            "kubeconfig": str(self.directory / "kubeconfigs" / "controller-manager"),
            "leader-elect": "false",
            "secure-port": "0",
            "use-service-account-credentials": "true",
            "service-account-private-key-file": self._pki("service-accounts.key"),
            "root-ca-file": self._pki("ca.crt"),
            "cluster-signing-cert-file": self._pki("ca.crt"),
            "cluster-signing-key-file": self._pki("ca.key"),
            "kube-api-qps": "400",
            "kube-api-burst": "800",
            # A lost node is noticed by its status within a second; its heartbeat would take 40 (see lose_node).
            "node-monitor-period": "1s",
            # kwok keeps no node leases (below), so nodes are lost only when a test says so.
            "node-monitor-grace-period": "24h",
        }
        return [
            str(self.binaries / "kube-controller-manager"),
            *(f"--{name}={value}" for name, value in options.items()),
        ]

    def _scheduler_command(self) -> list[str]:
        options = {
            "kubeconfig": str(self.directory / "kubeconfigs" / "scheduler"),
            "leader-elect": "false",
            "secure-port": "0",
            "kube-api-qps": "400",
            "kube-api-burst": "800",
        }
        return [str(self.binaries / "kube-scheduler"), *(f"--{name}={value}" for name, value in options.items())]

    def _kwok_command(self) -> list[str]:
        options = {
            "kubeconfig": str(self.directory / "kubeconfigs" / "kwok"),
            "config": str(self.directory / "kwok.yaml"),
            "manage-all-nodes": "true",
            "node-ip": "127.0.0.1",
            "node-port": str(self.ports.kubelet),
            "server-address": f"127.0.0.1:{self.ports.kubelet}",
            "tls-cert-file": self._pki("kubelet.crt"),
            "tls-private-key-file": self._pki("kubelet.key"),
            # With leases kwok acts on no pod of a node until its first renewal, up to the lease's duration after start.
            "node-lease-duration-seconds": "0",
            "enable-crds": "PortForward,Logs,Exec",
            # Their containers are processes, and the pod runner is their kubelet.
            "disregard-status-with-label-selector": f"{PROCESS_LABEL}=true",
        }
        return [str(self.binaries / "kwok"), *(f"--{name}={value}" for name, value in options.items())]


_USERS: Final = {
    "admin": ("steady-lab:admin", ("system:masters",)),
    "controller-manager": ("system:kube-controller-manager", ()),
    "scheduler": ("system:kube-scheduler", ()),
    "kwok": ("steady-lab:kubelets", ("system:masters",)),
    "operator": ("steady-lab:operator", ("system:masters",)),
    "simulator": ("steady-lab:simulator", ("system:masters",)),
    "podrunner": ("steady-lab:podrunner", ("system:masters",)),
    "setup": ("steady-lab:setup", ("system:masters",)),
}


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers(api: Api, path: str) -> bool:
    try:
        return api.raw("GET", path, timeout=_QUESTION).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def _ended(component: Component) -> StartError:
    tail = component.log_tail()
    kind = PortTaken if _PORT_TAKEN in tail else StartError
    return kind(f"{component.name} ended; the end of its log ({component.log}):\n{tail}")
