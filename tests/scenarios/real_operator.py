# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real ansible-operator, where somebody has it: the image's content, its environment and the Deployment's options.

STEADY_ANSIBLE_OPERATOR names the program (cmd/ansible-operator of operator-framework/ansible-operator-plugins, v1.42.3)
and STEADY_ANSIBLE_OPERATOR_PYTHON a virtual environment with the image's packages: ansible-core, ansible-runner, its
plugin for HTTP from that repository (images/ansible-operator/ansible_runner_http), kubernetes, and what
operator/image/requirements.txt adds.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import lay_out_image
import pytest
import yaml
from programs import begin, impersonal
from scenarios.playbook import ROOT

from steadylab import Lab
from steadylab.kube import ApiError

PROGRAM: Final = os.environ.get("STEADY_ANSIBLE_OPERATOR", "")
PYTHON: Final = os.environ.get("STEADY_ANSIBLE_OPERATOR_PYTHON", "")
needed = pytest.mark.skipif(not (PROGRAM and PYTHON), reason="STEADY_ANSIBLE_OPERATOR names no ansible-operator")
SECONDS: Final = 300.0
Json = dict[str, Any]


def options(watches: Path) -> list[str]:
    """The Deployment's, without what needs a pod: the leader's namespace, TLS of the metrics."""
    path = ROOT / "operator" / "kustomize" / "deployment" / "deployment.yaml"
    (container,) = yaml.safe_load(path.read_text("utf-8"))["spec"]["template"]["spec"]["containers"]
    elsewhere = ("--watches-file", "--leader", "--health", "--metrics")
    kept = [option for option in container["args"] if not option.startswith(elsewhere)]
    return [f"--watches-file={watches}", "--health-probe-bind-address=0", "--metrics-bind-address=0", *kept]


@contextmanager
def running(
    lab: Lab, folder: Path, configuration: Path, kubeconfig: Path, watches: str = "watches.yaml"
) -> Iterator[Path]:
    """The operator with watches of the image, for as long as the block lasts; where it logs to."""
    tree = folder / "image"
    text = lay_out_image.CONTAINERFILE.read_text("utf-8")
    lay_out_image.lay_out(text, ROOT, tree)
    image = {name: f"{tree}{value}" for name, value in lay_out_image.environment(text).items() if value[0] == "/"}
    environment = {
        **{key: value for key, value in impersonal().items() if not key.startswith("PYTHON")},
        **image,
        "ROLLOUT_CONFIG": str(configuration),
        "PATH": f"{PYTHON}/bin:{os.environ['PATH']}",
        "VIRTUAL_ENV": PYTHON,
        "HOME": str(folder),
        "KUBECONFIG": str(kubeconfig),
        "ANSIBLE_GATHERING": "explicit",
        "ANSIBLE_TASK_TIMEOUT": "600",
        "WATCH_NAMESPACE": "",
    }
    log = folder / "operator.log"
    process = begin([PROGRAM, "run", *options(tree / "opt" / "ansible" / watches)], log, environment, folder)
    try:
        yield log
        assert process.poll() is None, log.read_text("utf-8")[-4000:]
    finally:
        if process.poll() is None:
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
