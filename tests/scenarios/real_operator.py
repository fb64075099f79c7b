# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real ansible-operator (steadylab/ansible_operator.py), with the image's content, as a Deployment runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import lay_out_image
from programs import begin, impersonal
from scenarios.manifests import NAMESPACE, Json
from scenarios.playbook import ROOT

from steadylab import Lab, ansible_operator
from steadylab.kube import ApiError
from steadylab.ports import free_ports

SECONDS: Final = 300.0


def container(manifests: Iterable[Json]) -> Json:
    """The operator's container, with its variables put into its options."""
    (deployment,) = [item for item in manifests if item["kind"] == "Deployment"]
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    variables = {entry["name"]: entry["value"] for entry in found["env"]}
    options = [re.sub(r"\$\((\w+)\)", lambda match: variables[match[1]], option) for option in found["args"]]
    return {"options": options, "variables": variables}


@dataclass(frozen=True)
class Running:
    """The process, where it logs to, and its ports for probes and metrics."""

    process: subprocess.Popen[bytes]
    log: Path
    probes: int
    metrics: int

    @property
    def said(self) -> str:
        """All that it has printed."""
        return self.log.read_text("utf-8")


@contextmanager
def running(
    manifests: Iterable[Json], folder: Path, configuration: Path, kubeconfig: Path, *more: str
) -> Iterator[Running]:
    """The operator as the Deployment of an overlay has it, for as long as the block lasts.

    What needs a pod is set here: where the image and the configuration are, the ports, and the leader's namespace.
    `more` are further options.
    """
    installed = ansible_operator.ensure()
    tree = folder / "image"
    text = lay_out_image.CONTAINERFILE.read_text("utf-8")
    lay_out_image.lay_out(text, ROOT, tree)
    image = {name: f"{tree}{value}" for name, value in lay_out_image.environment(text).items() if value[0] == "/"}
    deployed = container(manifests)
    probes, metrics = free_ports(2)
    environment = {
        **installed.variables(impersonal()),
        **deployed["variables"],
        **image,
        "ROLLOUT_CONFIG": str(configuration),
        "HOME": str(folder),
        "KUBECONFIG": str(kubeconfig),
    }
    here = [
        f"--watches-file={tree}{deployed['variables']['WATCHES_FILE']}",
        f"--health-probe-bind-address=127.0.0.1:{probes}",
        f"--metrics-bind-address=127.0.0.1:{metrics}",
        f"--leader-election-namespace={NAMESPACE}",
    ]
    log = folder / "operator.log"
    with ansible_operator.alone():
        # Of an option that is given twice the last one counts.
        command = [installed.program, "run", *deployed["options"], *here, *more]
        process = begin(command, log, environment, folder)
        try:
            yield Running(process, log, probes, metrics)
            assert process.poll() in (None, 0), log.read_text("utf-8")[-4000:]
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def awaited(lab: Lab, path: str, wanted: Callable[[Json | None], bool], log: Path) -> Json | None:
    """The object when it is as wanted; None for one that is gone."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            found: Json | None = lab.setup_api.request("GET", path)
        except ApiError as error:
            if error.status != 404:
                raise
            found = None
        if wanted(found):
            return found
        assert time.monotonic() < deadline, f"{found}\n{log.read_text('utf-8')[-4000:]}"
        # A second of watching objects of its kind: it ends by itself.
        lab.setup_api.raw("GET", f"{path.rpartition('/')[0]}?watch=1&timeoutSeconds=1")


def phase_is(phase: str) -> Callable[[Json | None], bool]:
    """Whether the status says so."""
    return lambda found: bool(found and (found.get("status") or {}).get("phase") == phase)


def gone(found: Json | None) -> bool:
    """Whether there is no such object any more."""
    return found is None
