# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an FE pod logs: fe.log as StarRocks' images write it to their output, in the format of a container runtime.

The lines about images are those of leader/Checkpoint.java (below fe/fe-core/src/main/java/com/starrocks); the others
say in the same form what happened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from steadylab.simulator.world import Cluster

Event = Mapping[str, Any]


def _pushed(event: Event) -> str:
    nodes = len(event["to"]) + len(event["missing"])
    return (
        f"[Checkpoint.runAfterCatalogReady()] push image.{event['journal']} from subdir [] to other nodes. "
        f"totally {nodes} nodes, push succeeded {len(event['to'])} nodes"
    )


_TEXTS: Final[dict[str, Callable[[Event], str]]] = {
    "up": lambda event: f"[StarRocksFE.start()] StarRocks FE starting, version: {event['version']}",
    "down": lambda event: "[StarRocksFE.exit()] FE shutdown",
    "joined": lambda event: f"[GlobalStateMgr.initialize()] the role is {event['role']}",
    "leader elected": lambda event: "[StateChangeExecutor.runOneCycle()] begin to transfer FE type to LEADER",
    "leader lost": lambda event: "[StateChangeExecutor.runOneCycle()] no longer LEADER",
    "journal closed": lambda event: f"[BDBJEJournal.rollJournal()] roll edit log, journal id {event['journal']}",
    "image made": lambda event: (
        f"[Checkpoint.runAfterCatalogReady()] checkpoint finished save image.{event['journal']}"
    ),
    "image pushed": _pushed,
}


class FrontendLogs:
    """One file for each FE pod, `<namespace>_<pod>.log` in a directory."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._written: dict[str, tuple[int, int]] = {}

    def path(self, namespace: str, pod: str) -> Path:
        """The pod's file."""
        return self._directory / f"{namespace}_{pod}.log"

    def follow(self, cluster: Cluster) -> None:
        """Write down what has happened in the cluster since the last call."""
        key = f"{cluster.key}@{cluster.created}"
        events, settings = self._written.get(key, (0, 0))
        for event in cluster.events[events:]:
            text = _TEXTS.get(event["event"])
            if text is not None and event["pod"] in cluster.frontends:
                self._line(cluster, event["pod"], event["at"], text(event))
        for change in cluster.history[settings:]:
            text_of_change = (
                f"[ConfigBase.setMutableConfig()] set {change['key']} from {change['old']} to {change['new']}"
            )
            self._line(cluster, change["fe"], change["at"], text_of_change)
        self._written[key] = (len(cluster.events), len(cluster.history))

    def _line(self, cluster: Cluster, pod: str, at: float, text: str) -> None:
        moment = datetime.fromtimestamp(at, UTC)
        stamp, shown = moment.strftime("%Y-%m-%dT%H:%M:%S.%f000Z"), moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        with self.path(cluster.namespace, pod).open("a", encoding="utf-8") as file:
            file.write(f"{stamp} stdout F {shown}Z INFO {text}\n")
