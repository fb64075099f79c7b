# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pod runner as a program: `python -m steadylab.podrunner --kubeconfig <path> --dir <directory>`."""

from __future__ import annotations

import argparse
import logging
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import urllib3

from steadylab.kube import Api, ApiError, Object
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
        pause = threading.Event()
        while True:
            try:
                self._follow()
            except (ApiError, urllib3.exceptions.HTTPError) as error:
                LOG.warning("the watch of pods broke: %s", error)
                pause.wait(_RETRY_SECONDS)

    def _follow(self) -> None:
        listed = self._shared.api.list("Pod", selector=SELECTOR)
        present = {pod["metadata"]["uid"] for pod in listed["items"]}
        for uid in self._runs.keys() - present:
            self._remove(uid)
        for pod in listed["items"]:
            self._see(pod)
        version = listed["metadata"]["resourceVersion"]
        for event, pod in self._shared.api.watch("Pod", version, selector=SELECTOR):
            if event == "DELETED":
                self._remove(pod["metadata"]["uid"])
            elif event != "BOOKMARK":
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
