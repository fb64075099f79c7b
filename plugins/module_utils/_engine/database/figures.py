# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The metrics of database upgrades, written where the installation wants them. They never stop an upgrade."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ansible_collections.steady.rollout.plugins.module_utils._domain.database import metrics
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.conditions import State
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.record import Record
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation.told import MetricsTarget
from ansible_collections.steady.rollout.plugins.module_utils._engine.exporting import to_gateway, to_textfile

OPERATOR = "dbupgrade_operator"


@dataclass
class Figures:
    """Where the metrics of one call go. A target that fails is left alone for the rest of the call."""

    target: MetricsTarget = field(default_factory=MetricsTarget)
    say: Callable[[str], None] = lambda line: None
    _broken: set[str] = field(default_factory=set)
    _pushed: State | None = None

    def beat(self, now: float) -> None:
        """Say that whoever makes passes is alive; `now` is in seconds since the epoch."""
        text = metrics.heartbeat(now)
        self._write(OPERATOR, text)
        self._push(OPERATOR, {}, text)

    def tell(self, state: State, record: Record | None, namespace: str, name: str, now: float) -> None:
        """Write where a DBUpgrade is. A gateway is told when that changes; after every pass would be too often."""
        text = metrics.render(state, record, namespace, name, now)
        self._write(f"dbupgrade_{namespace}_{name}", text)
        if state != self._pushed:
            self._pushed = state
            self._push("dbupgrade", {"rollout_namespace": namespace, "rollout_target": name}, text)

    def _write(self, name: str, text: str) -> None:
        folder = self.target.textfile
        self._try("metrics textfile", bool(folder), lambda: to_textfile(folder, name, text))

    def _push(self, job: str, group: dict[str, str], text: str) -> None:
        wanted = bool(self.target.pushgateway)
        self._try("metrics pushgateway", wanted, lambda: to_gateway(self.target, job, group, text))

    def _try(self, name: str, wanted: bool, act: Callable[[], None]) -> None:
        if not wanted or name in self._broken:
            return
        try:
            act()
        except RolloutError as error:
            self._broken.add(name)
            self.say(f"{name}: {error.reason} Nothing else depends on it. Remedy: {error.remedy}")
