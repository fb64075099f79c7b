# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calm console output for rollout playbooks."""

from __future__ import annotations

DOCUMENTATION = r"""
name: rollout
type: stdout
short_description: Calm console output for rollout playbooks
version_added: "1.0.0"
author:
  - The steady.rollout authors (@steady-rollout)
description:
  - One line per step of a rollout, with its result, the time it took and what it waited for.
  - Tasks that change nothing are not shown. Changed and failed tasks of other collections look as usual.
  - A failed step says what failed, why, and what to do. The raw result is shown from C(-vvv) on.
  - With C(-v) every task is shown as the default callback does.
  - When a playbook ends, is interrupted or is terminated while a rollout has something switched off, it says what is
    still open and how to go on.
  - Colours follow Ansible's own settings, which honour E(NO_COLOR); without a terminal there are no control codes.
    Where the output's encoding is not UTF-8, only ASCII is written.
  - Every line is written at once, also into a pipe, so that a CI log shows a long step while it runs.
requirements:
  - set as stdout in configuration
extends_documentation_fragment:
  - default_callback
  - result_format_callback
"""

EXAMPLES = r"""
ansible.cfg: |
  [defaults]
  stdout_callback = steady.rollout.rollout

environment: |
  ANSIBLE_STDOUT_CALLBACK=steady.rollout.rollout ansible-playbook steady.rollout.starrocks_upgrade -e @upgrade.yml
"""

import atexit
import io
import os
import signal
import sys
import threading
from collections.abc import Iterable, Mapping
from types import FrameType
from typing import Any

from ansible import constants as C
from ansible import context
from ansible.playbook.task_include import TaskInclude
from ansible.plugins.callback.default import CallbackModule as DefaultCallback
from ansible.utils.color import stringc

from ansible_collections.steady.rollout.plugins.module_utils._domain.report import console

_COLOURS = {"quiet": "COLOR_SKIP", "ok": "COLOR_OK", "warn": "COLOR_WARN", "bad": "COLOR_ERROR"}
_QUIET_OPTIONS = frozenset({"display_ok_hosts", "display_skipped_hosts"})
_OWN_FAILURE_KEYS = frozenset({"rollout", "remedy", "reason"})
_RAW_RESULT_VERBOSITY = 3
_STDOUT = 1
_OURS = "steady.rollout."
# How often the main loop looks at a worker of ours: at first often, so that short steps cost no time, then seldom.
_POLL_SECONDS = 0.01
_LATE_POLL_SECONDS = 0.25
_LATE_AFTER_SECONDS = 4.0
_POLL_INTERVAL = "DEFAULT_INTERNAL_POLL_INTERVAL"


def _rollout(data: Mapping[str, Any]) -> Mapping[str, Any]:
    rollout = data.get("rollout")
    return rollout if isinstance(rollout, Mapping) else {}


def _is_own_failure(data: Mapping[str, Any]) -> bool:
    return not _OWN_FAILURE_KEYS.isdisjoint(data)


class CallbackModule(DefaultCallback):
    """The default callback, with everything that went as expected reduced to the rollout's own lines."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "steady.rollout.rollout"

    def __init__(self) -> None:
        super().__init__()
        self._pid = os.getpid()
        self._poll_interval = getattr(C, _POLL_INTERVAL)
        self._unicode = "utf" in (sys.stdout.encoding or "").lower()
        self._state: dict[str, Any] = {}
        self._begun = False
        self._ended = False
        self._previous_handlers: dict[int, Any] = {}
        if isinstance(sys.stdout, io.TextIOWrapper):
            # Display never flushes; into a pipe a line would otherwise wait for 8 KiB of others.
            sys.stdout.reconfigure(line_buffering=True)
        self._watch_for_the_end()
        self._alarm = self._take_alarm()

    # ---- how a run ends

    def _watch_for_the_end(self) -> None:
        """Arrange to speak when no more callback is called.

        At the signal itself: SIGTERM ends without atexit, and after SIGINT ansible-core 2.19 can wait for ever for
        a queue that a killed worker had locked. atexit covers every other end, such as an internal error.
        """
        atexit.register(self._at_exit)
        if threading.current_thread() is threading.main_thread():
            for signum in (signal.SIGINT, signal.SIGTERM):
                previous = signal.getsignal(signum)
                if previous is not signal.SIG_IGN:
                    self._previous_handlers[signum] = previous
                    signal.signal(signum, self._at_signal)

    def _take_alarm(self) -> bool:
        """Arrange to look less often once a task takes long; False where SIGALRM is somebody else's.

        A timer and not a thread, because ansible-core forks while it runs. A fork inherits no timer, and must not
        inherit the handler either: ansible-core 2.19 refuses a task's `timeout` where SIGALRM is taken.
        """
        main = threading.current_thread() is threading.main_thread()
        if not main or signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL:
            return False
        signal.signal(signal.SIGALRM, lambda _signum, _frame: setattr(C, _POLL_INTERVAL, _LATE_POLL_SECONDS))
        os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGALRM, signal.SIG_DFL))
        return True

    def _stop_alarm(self) -> None:
        """No alarm may come once the interpreter has given up its handlers: it would end the process."""
        if self._alarm and os.getpid() == self._pid:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _at_exit(self) -> None:
        self._stop_alarm()
        self._say_all(self._farewell())

    def _at_signal(self, signum: int, frame: FrameType | None) -> None:
        # Only os.write is safe here: the signal may have come in the middle of a write to sys.stdout.
        text = "".join(f"{line}\n" for line in console.plain(self._farewell(), unicode=self._unicode))
        if text:
            os.write(_STDOUT, text.encode("utf-8", "replace"))
        previous = self._previous_handlers[signum]
        signal.signal(signum, previous or signal.SIG_DFL)
        if callable(previous):
            previous(signum, frame)
        else:
            os.kill(os.getpid(), signum)

    def _farewell(self) -> list[console.Line]:
        """What to say if the run ended without its recap; nothing in a worker process or a second time."""
        if os.getpid() != self._pid or self._ended or not self._begun:
            return []
        self._ended = True
        return console.still_open(self._state, interrupted_in=self._last_task_name or "the playbook")

    # ---- output

    @property
    def _calm(self) -> bool:
        return self._display.verbosity == 0

    def get_option(self, k: str, hostvars: object = None) -> Any:
        """Hide ok and skipped hosts, and with them their banners, unless the output is verbose."""
        if self._calm and k in _QUIET_OPTIONS:
            return False
        return super().get_option(k)

    def _say(self, line: console.Line) -> None:
        text = line.text if self._unicode else console.ascii_only(line.text)
        symbol = line.symbol if self._unicode else console.ascii_only(line.symbol)
        colour = getattr(C, _COLOURS[line.tone]) if line.tone in _COLOURS else None
        shown = text
        if colour and symbol and text.startswith(symbol):
            shown = stringc(symbol, colour) + text[len(symbol) :]
        elif colour:
            shown = stringc(text, colour)
        self._display.display(shown, screen_only=True)
        self._display.display(text, log_only=True)

    def _say_all(self, lines: Iterable[console.Line]) -> None:
        for line in lines:
            self._say(line)

    def _remember(self, rollout: Mapping[str, Any]) -> None:
        if not self._begun:
            head = console.header(rollout)
            self._say_all([*head, console.Line("")] if head else [])
            self._begun = bool(rollout.get("run")) or rollout.get("type") in ("plan", "step")
        self._state |= {key: rollout[key] for key in ("open", "resume") if key in rollout}

    def _show(self, rollout: Mapping[str, Any]) -> None:
        if not rollout:
            return
        self._remember(rollout)
        self._say_all(console.lines(rollout))

    def _show_failure(self, data: Mapping[str, Any], task: str, ignored: bool) -> None:
        rollout = _rollout(data)
        self._remember(rollout)
        if rollout.get("type") == "report":
            self._say_all(console.lines(rollout))
        self._say_all([console.Line(""), *console.failure(data, task)])
        if ignored:
            self._say(console.Line("    ignored, the playbook goes on", "quiet"))

    # ---- results

    def v2_runner_on_ok(self, result: Any) -> None:
        data = result._result
        items = data.get("results") if isinstance(data.get("results"), list) else []
        own = bool(_rollout(data)) or any(isinstance(item, Mapping) and _rollout(item) for item in items)
        if not (own and self._calm):
            self._as_usual(result)
        if own:
            self._handle_warnings(data)
            self._show(_rollout(data))

    def _as_usual(self, result: Any) -> None:
        """Show a foreign result; one that wants to be read, such as debug's, is shown although it changed nothing."""
        data = result._result
        if self._calm and not data.get("changed") and data.get("_ansible_verbose_always"):
            self._show_message(result)
        elif self._calm and (not data.get("changed") or isinstance(result._task, TaskInclude)):
            self._handle_warnings(data)
        else:
            super().v2_runner_on_ok(result)

    def _show_message(self, result: Any) -> None:
        """Show what a task such as debug says: a message as plain lines, anything else as its value."""
        data = result._result
        self._handle_warnings(data)
        self._clean_results(data, result._task.action)
        message = data.get("msg")
        if isinstance(message, (str, list, tuple)):
            self._say_all(console.lines({"lines": message}))
        else:
            self._display.display(f"{self.host_label(result)}: {self._dump_results(data)}")

    def v2_runner_item_on_ok(self, result: Any) -> None:
        rollout = _rollout(result._result)
        if not (rollout and self._calm):
            super().v2_runner_item_on_ok(result)
        self._show(rollout)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        data = result._result
        if self._display.verbosity < _RAW_RESULT_VERBOSITY:
            # A role's refused arguments: the specification itself is pages long, and says nothing about the mistake.
            for key in ("argument_spec_data", "validate_args_context"):
                data.pop(key, None)
        if not _is_own_failure(data):
            super().v2_runner_on_failed(result, ignore_errors=ignore_errors)
            return
        task = result._task.get_name().strip()
        if self._display.verbosity >= _RAW_RESULT_VERBOSITY:
            super().v2_runner_on_failed(result, ignore_errors=ignore_errors)
        self._handle_warnings(data)
        self._show_failure(data, task, ignore_errors)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        if not _is_own_failure(result._result):
            super().v2_runner_item_on_failed(result)
            return
        if self._display.verbosity >= _RAW_RESULT_VERBOSITY:
            super().v2_runner_item_on_failed(result)
        self._show_failure(result._result, result._task.get_name().strip(), False)

    def v2_on_file_diff(self, result: Any) -> None:
        if self._calm and _rollout(result._result):
            # The diff belongs to the rollout's own lines, so it needs no banner.
            self._last_task_banner = result._task._uuid
        super().v2_on_file_diff(result)

    # ---- the playbook

    def v2_playbook_on_start(self, playbook: Any) -> None:
        super().v2_playbook_on_start(playbook)
        if self._calm and context.CLIARGS.get("check"):
            self._say(console.Line("check mode: nothing is written", "quiet"))

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Show the task as usual; while one of ours waits for minutes, let the main loop look at it less often.

        ansible-core looks every millisecond (internal_poll_interval), which costs a second of CPU in each minute.
        """
        ours = task.action.startswith(_OURS)
        setattr(C, _POLL_INTERVAL, _POLL_SECONDS if ours else self._poll_interval)
        if self._alarm:
            signal.setitimer(signal.ITIMER_REAL, _LATE_AFTER_SECONDS if ours else 0)
        super().v2_playbook_on_task_start(task, is_conditional)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        if self._calm:
            self._play = play
        else:
            super().v2_playbook_on_play_start(play)

    def v2_playbook_on_include(self, included_file: Any) -> None:
        if not self._calm:
            super().v2_playbook_on_include(included_file)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._stop_alarm()
        if self._calm and not (stats.custom and self.get_option("show_custom_stats")):
            self._say_all([console.Line(""), self._recap(stats)])
        else:
            super().v2_playbook_on_stats(stats)
        self._ended = True
        self._say_all(console.still_open(self._state))

    def _recap(self, stats: Any) -> console.Line:
        hosts = sorted(stats.processed)
        sums = {host: stats.summarize(host) for host in hosts}
        bad = [host for host in hosts if sums[host]["failures"] or sums[host]["unreachable"]]
        names = ("ok", "changed", "unreachable", "failures", "skipped", "rescued", "ignored")
        counts = {name: sum(values[name] for values in sums.values()) for name in names}
        always = ("ok", "changed", "failures")
        figures = [
            f"{name.replace('failures', 'failed')}={counts[name]}" for name in names if counts[name] or name in always
        ]
        where = hosts[0] if len(hosts) == 1 else f"{len(hosts)} hosts"
        failed = f"  (failed: {', '.join(bad)})" if bad and len(hosts) > 1 else ""
        return console.Line(f"{where}: {' '.join(figures)}{failed}", "bad" if bad else "quiet")
