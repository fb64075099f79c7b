# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends what happens in a run to the watcher, in the shape of ansible-runner's events."""

from __future__ import annotations

DOCUMENTATION = """
name: reactor_events
type: notification
short_description: Sends events to the reactor that started the run
description:
  - For runs that the reactor starts. Anywhere else it does nothing.
requirements: []
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ansible.plugins.callback import CallbackBase

from reactor import child

_LONGEST_TEXT = 64 * 1024
# What the watcher decides by; nothing else leaves the run.
_TOLD = ("msg", "period")


class CallbackModule(CallbackBase):
    """Tells of tasks that succeeded or failed, and of the counts at the end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "reactor_events"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.disabled = child.current() is None

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """A step has ended: the place where a run can be asked to stop."""
        _run().between_tasks()

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """As for any other task."""
        _run().between_tasks()

    def v2_runner_on_ok(self, result: Any) -> None:
        """A task, or the last of its items, went well."""
        self._tell("runner_on_ok", result, said=True)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """A task failed; `ignore_errors` is what its author said about that."""
        self._tell("runner_on_failed", result, ignore_errors=ignore_errors)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """The run has come to its end."""
        counts = {name: dict(getattr(stats, name)) for name in ("ok", "changed", "skipped", "failures", "dark")}
        _run().tell({"event": "playbook_on_stats", "event_data": counts, "created": datetime.now(UTC).isoformat()})

    def _tell(self, event: str, result: Any, *, said: bool = False, **more: Any) -> None:
        task = result._task
        data = {"task_action": str(task.action), "task": str(task.get_name()), **more}
        # The API of callbacks has taken the secrets of a `no_log` task out already; its message is not told either.
        found = {} if task.no_log else result._result
        found = found if isinstance(found, Mapping) else {}
        data["res"] = {name: _short(found[name]) for name in _TOLD if name in found}
        if said:
            data["res"].setdefault("msg", _short(_sentence(found)))
        _run().tell({"event": event, "event_data": data})


def _run() -> child.Run:
    run = child.current()
    if run is None:
        raise RuntimeError("the callback reactor_events belongs to runs of the reactor")
    return run


def _sentence(found: Mapping[str, Any]) -> Any:
    """What a module of this collection says of an object: its `message`, which may stand in its `state`."""
    state = found.get("state")
    return found.get("message") or (state.get("message", "") if isinstance(state, Mapping) else "")


def _short(value: Any) -> Any:
    return str(value[:_LONGEST_TEXT]) if isinstance(value, str) else value
