# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated kubelets: what kwok is told, made from the stage files beside this module.

A stage file is a kwok Stage with `${name}` where a delay or version goes. Which stage a pod takes is decided by the
tag of its image: see README.md of the lab for the list of special tags.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from steadylab.build import KUBERNETES_VERSION

STAGES: Final = Path(__file__).parent / "stages"
NODE_LOST_LABEL: Final = "rollout.steady.dev/lab-node-lost"
_PLACEHOLDER: Final = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class Timing:
    """How long the simulated kubelets take, in seconds."""

    ready: float = 2.0
    termination: float = 0.0
    flaky: float = 5.0
    backoff: float = 4.0
    pull: float = 0.5
    job: float = 0.5

    def values(self) -> dict[str, str]:
        """The placeholders of the stage files."""
        seconds = {
            "half_ready_ms": self.ready / 2,
            "slow_rest_ms": self.ready * 4.5,
            "crash_ms": 0.5,
            "flaky_ms": self.flaky,
            "backoff_ms": self.backoff,
            "pull_ms": self.pull,
            "job_ms": self.job,
            "termination_ms": self.termination,
        }
        milliseconds = {name: str(round(value * 1000)) for name, value in seconds.items()}
        return {**milliseconds, "kubernetes_version": KUBERNETES_VERSION}


def _fill(text: str, values: dict[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: values[match[1]], text)


def _document(kind: str, spec: dict[str, object]) -> str:
    header = {"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": kind, "metadata": {"name": "steady-lab"}}
    return "---\n" + json.dumps({**header, "spec": spec}) + "\n"


def configuration(timing: Timing, pod_log: Path) -> str:
    """The file that kwok reads at its start: all stages, local exec in any pod, and one log file for all pods."""
    values = timing.values()
    stages = [_fill(path.read_text(), values) for path in sorted(STAGES.glob("*.yaml"))]
    exec_locally = _document("ClusterExec", {"execs": [{"local": {"workDir": str(pod_log.parent)}}]})
    logs = _document("ClusterLogs", {"logs": [{"logsFile": str(pod_log), "previousLogsFile": str(pod_log)}]})
    return "".join([*stages, exec_locally, logs])
