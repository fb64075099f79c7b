# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pod runner as a program: `python -m steadylab.podrunner --kubeconfig <path> --dir <directory>`."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from steadylab.informer import follow
from steadylab.kube import Api, Object
from steadylab.podrunner import LABEL
from steadylab.podrunner.images import Table
from steadylab.podrunner.pod import PodRun, Surroundings

LOG: Final = logging.getLogger("steadylab.podrunner")
SELECTOR: Final = f"{LABEL}=true"
_RETRY_SECONDS: Final = 0.5


class Follower:
    """Follows the pods that are to run as processes."""

    def __init__(self, shared: Surroundings) -> None:
        self._shared = shared
        self._runs: dict[str, PodRun] = {}

    def follow_for_ever(self) -> None:
        """List and watch; after a break list again and do what was missed."""
        follow(self._shared.api, "Pod", self._saw_all, self._changed, SELECTOR, _RETRY_SECONDS)

    def _saw_all(self, pods: Sequence[Object]) -> None:
        for uid in self._runs.keys() - {pod["metadata"]["uid"] for pod in pods}:
            self._remove(uid)
        for pod in pods:
            self._see(pod)

    def _changed(self, event: str, pod: Object) -> None:
        if event == "DELETED":
            self._remove(pod["metadata"]["uid"])
        else:
            self._see(pod)

    def _see(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if uid in self._runs:
            self._runs[uid].update(pod)
        elif pod["spec"].get("nodeName"):
            LOG.info("pod %s/%s", pod["metadata"]["namespace"], pod["metadata"]["name"])
            self._runs[uid] = PodRun(self._shared, pod)
            self._runs[uid].start()
            self._runs[uid].update(pod)

    def _remove(self, uid: str) -> None:
        run = self._runs.pop(uid, None)
        if run is not None:
            run.removed()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run for ever."""
    parser = argparse.ArgumentParser(prog="podrunner", description=__doc__)
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--dir", required=True, type=Path, help="for pods' volumes and logs, and the table of images")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    api = Api(options.kubeconfig)
    server = urlsplit(api.server)
    variables = {"KUBERNETES_SERVICE_HOST": str(server.hostname), "KUBERNETES_SERVICE_PORT": str(server.port)}
    shared = Surroundings(api, options.dir, Table(options.dir / "images.json"), variables)
    Follower(shared).follow_for_ever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
