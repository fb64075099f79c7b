# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The events of a play that the ansible-operator judges it by, as lines of JSON.

Names and contents are those of ansible-runner (its display callback: task_action is the action as the task spells it).
"""

from __future__ import annotations

DOCUMENTATION = """
name: run_events
type: aggregate
short_description: The events of a play, as lines of JSON
description: For tests.
"""

import json
import os
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    """Writes to the file that RUN_EVENTS names."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "run_events"

    def v2_runner_on_ok(self, result: Any) -> None:
        """A task that went well."""
        self._write("runner_on_ok", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        """A task whose condition was not met."""
        self._write("runner_on_skipped", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """A task that failed."""
        self._write("runner_on_failed", result, ignore_errors=ignore_errors)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """The end."""
        self._append({"event": "playbook_on_stats"})

    def _write(self, event: str, result: Any, **more: Any) -> None:
        task = result._task
        self._append({"event": event, "task_action": task.action, "res": result._result, **more})

    def _append(self, entry: dict[str, Any]) -> None:
        with Path(os.environ["RUN_EVENTS"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, default=str) + "\n")
