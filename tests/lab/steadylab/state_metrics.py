# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real kube-state-metrics, over a lab's API server, on a loopback port."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import urllib3

from steadylab import build, processes
from steadylab.ports import free_ports
from steadylab.processes import Component

# It looks for definitions every 3 s (internal/discovery/discovery.go) and then lists their objects.
PATIENCE_SECONDS: Final = 60.0
_QUESTION_SECONDS: Final = 0.1
# As Prometheus asks: in OpenMetrics, which alone has the types info and stateset (pkg/metricshandler).
_ACCEPT: Final = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}


class StateMetricsError(Exception):
    """It ended, or does not tell what was waited for."""


class StateMetrics:
    """A running kube-state-metrics; it ends with the lab, or by `end`."""

    def __init__(self, lab: Path, component: Component, port: int) -> None:
        self._lab = lab
        self._component = component
        self._url = f"http://127.0.0.1:{port}/metrics"
        self._http = urllib3.PoolManager(retries=False, timeout=10)

    @classmethod
    def start(cls, lab: Path, kubeconfig: Path, configuration: Path) -> StateMetrics:
        """Start it in a lab's directory, as that user, with metrics of custom resources alone.

        :raises build.BuildError: it cannot be built.
        """
        binary = build.ensure(build.STATE_METRICS) / "kube-state-metrics"
        port, own_port = free_ports(2)
        command = [
            str(binary),
            f"--kubeconfig={kubeconfig}",
            "--custom-resource-state-only",
            f"--custom-resource-state-config-file={configuration}",
            "--host=127.0.0.1",
            f"--port={port}",
            "--telemetry-host=127.0.0.1",
            f"--telemetry-port={own_port}",
        ]
        return cls(lab, processes.spawn("kube-state-metrics", command, lab), port)

    def wait(self, wanted: Callable[[str], bool], what: str) -> str:
        """What it tells when it is as wanted. It says nowhere that it knows all objects, so it is asked.

        :raises StateMetricsError: it ended, or was not so in time.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        said = "no answer"
        while time.monotonic() < deadline:
            try:
                said = self._http.request("GET", self._url, headers=_ACCEPT).data.decode()
            except urllib3.exceptions.HTTPError as error:
                said = str(error)
            else:
                if wanted(said):
                    return said
            if processes.wait_any_end([self._component], _QUESTION_SECONDS) is not None:
                raise StateMetricsError(f"it ended; the end of its log:\n{self._component.log_tail()}")
        raise StateMetricsError(f"{what}: not within {PATIENCE_SECONDS:g} s\n{said}\n{self._component.log_tail()}")

    def end(self) -> None:
        """Kill it and wait until it is gone."""
        processes.end(self._component, self._lab)
