# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clients that are measured: what each is called, and the command and environment that start it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import checkout

from steadybench import stage
from steadylab import ansible_wheel

CLIENTS: Final = Path(__file__).resolve().parent.parent / "clients"
RETRY_SECONDS: Final = 5
# What waits for time, not for the cluster: none of it.
GATES: Final = {"settleSeconds": 0, "consecutivePasses": 1}


@dataclass(frozen=True)
class Job:
    """One upgrade: of which cluster, to what, and for how long a peer waits (seconds)."""

    site: stage.Site
    version: str
    kubeconfig: Path
    folder: Path
    components: tuple[str, ...] = ("be", "fe")
    timeout: int = 600

    @property
    def environment(self) -> dict[str, str]:
        """What every client gets. KUBECONFIG names a user of its own."""
        binaries = (self.site.lab.record() or {})["binaries"]
        path = os.pathsep.join([binaries, os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)])
        return checkout.environment(PATH=path, KUBECONFIG=self.kubeconfig, K8S_AUTH_KUBECONFIG=self.kubeconfig)


@dataclass(frozen=True)
class Client:
    """A client: its key, what a reader calls it, and how it is started."""

    key: str
    title: str
    start: Callable[[Job], tuple[list[str], dict[str, str]]]
    ours: bool = False


def _bound(job: Job) -> tuple[list[str], dict[str, str]]:
    replicas = {"be": job.site.be, "fe": job.site.fe}
    walk = [f"{component}={replicas[component]}" for component in job.components]
    program = Path(__file__).with_name("bound.py")
    command = [sys.executable, "-I", str(program), str(job.kubeconfig), job.site.namespace, stage.CLUSTER, job.version]
    return [*command, *walk], job.environment


def _shell(job: Job) -> tuple[list[str], dict[str, str]]:
    return _script("upgrade.sh", job)


def _prepare_shell(job: Job) -> tuple[list[str], dict[str, str]]:
    return _script("prepare.sh", job)


def _script(name: str, job: Job) -> tuple[list[str], dict[str, str]]:
    words = {
        "NAMESPACE": job.site.namespace,
        "CLUSTER": stage.CLUSTER,
        "VERSION": job.version,
        "TIMEOUT": str(job.timeout),
        "FORWARDED": str(job.folder / f"forwarded-{job.site.namespace}"),
        "MYSQL_PWD": job.site.password(),
    }
    environment = job.environment | words
    if not own_mysql():
        environment["PATH"] = os.pathsep.join([environment["PATH"], str(CLIENTS)])
    return ["/bin/sh", str(CLIENTS / name)], environment


def _playbook(job: Job) -> tuple[list[str], dict[str, str]]:
    host, _, port = job.site.addresses()[f"{stage.CLUSTER}-fe-0"].partition(":")
    variables = {
        "namespace": job.site.namespace,
        "cluster": stage.CLUSTER,
        "version": job.version,
        "fe_host": host,
        "fe_port": int(port),
        "retries": job.timeout // RETRY_SECONDS,
    }
    environment = job.environment | {
        "ANSIBLE_COLLECTIONS_PATH": str(ansible_wheel.collections()),
        "MYSQL_PWD": job.site.password(),
    }
    return _ansible(CLIENTS / "upgrade.yml", variables), environment


def _ours(job: Job) -> tuple[list[str], dict[str, str]]:
    return _ansible("steady.rollout.starrocks_upgrade", _request(job)), _shipped(job)


def _ours_direct(job: Job) -> tuple[list[str], dict[str, str]]:
    variables = _request(job) | {"fe_addresses": job.site.addresses()}
    return _ansible(CLIENTS / "ours_direct.yml", variables), _shipped(job)


def _prepare_ours(job: Job) -> tuple[list[str], dict[str, str]]:
    return _pass(job)


def _prepare_ours_direct(job: Job) -> tuple[list[str], dict[str, str]]:
    return _pass(job, {"fe_transport": "static", "fe_addresses": job.site.addresses()})


def _pass(job: Job, access: Mapping[str, Any] | None = None) -> tuple[list[str], dict[str, str]]:
    variables = {"kind": "StarRocksCluster", "object": f"{job.site.namespace}/{stage.CLUSTER}"}
    return _ansible("steady.rollout.starrocks_reconcile", variables | {"starrocks_access": access or {}}), _shipped(job)


def restore(job: Job) -> tuple[list[str], dict[str, str]]:
    """Our playbook that puts back what a killed run left off."""
    variables = {"cluster": f"{job.site.namespace}/{stage.CLUSTER}", "starrocks_restore_report_dir": str(job.folder)}
    return _ansible("steady.rollout.starrocks_restore", variables), _shipped(job)


def _request(job: Job) -> dict[str, Any]:
    images = {component: f"starrocks/{component}-ubuntu:{job.version}" for component in job.components}
    return {
        "cluster": f"{job.site.namespace}/{stage.CLUSTER}",
        "spec": {"target": {"images": images}, "gates": GATES},
        "starrocks_upgrade_report_dir": str(job.folder),
    }


def _shipped(job: Job) -> dict[str, str]:
    """With the checkout's ansible.cfg, as a person who runs our playbooks there has it."""
    return job.environment | {"ANSIBLE_CONFIG": str(checkout.ROOT / "ansible.cfg")}


def _ansible(playbook: str | Path, variables: dict[str, Any]) -> list[str]:
    return [str(Path(sys.executable).with_name("ansible-playbook")), str(playbook), "-e", json.dumps(variables)]


def own_mysql() -> str | None:
    """The machine's own mysql command, or None: the stand-in then serves."""
    return shutil.which("mysql")


BOUND: Final = Client("bound", "bound: one pod watch, raw HTTP", _bound)
SHELL: Final = Client("shell", "shell: kubectl, rollout status, mysql", _shell)
PLAYBOOK: Final = Client("playbook", "playbook: k8s_info, mysql_query, delay 5", _playbook)
OURS: Final = Client("ours", "ours, FEs by port-forward", _ours, ours=True)
OURS_DIRECT: Final = Client("ours-direct", "ours, FEs reached directly", _ours_direct, ours=True)
ALL: Final = (BOUND, SHELL, PLAYBOOK, OURS_DIRECT, OURS)
PREPARE_SHELL: Final = Client("shell", "shell: kubectl annotate, port-forward, mysql", _prepare_shell)
PREPARE_OURS: Final = Client("ours", OURS.title, _prepare_ours, ours=True)
PREPARE_OURS_DIRECT: Final = Client("ours-direct", OURS_DIRECT.title, _prepare_ours_direct, ours=True)
PREPARING: Final = (PREPARE_SHELL, PREPARE_OURS_DIRECT, PREPARE_OURS)


def logs_home() -> Path:
    """Where a run's raw output goes."""
    return checkout.ROOT / "bench" / "results"
