# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process of one run: forked from the zygote, it carries out one playbook in the way of ansible-playbook.

It is given its order over its channel, tells of events over the same, and writes what ansible-playbook would print to
the file `stdout`. SIGUSR1 asks it to stop before its next task.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

from reactor import channel, processes

# The exit status of ansible-playbook when somebody interrupted it.
INTERRUPTED = 99
BROKEN = 250


class Run:
    """The run of this process, as its callback sees it."""

    def __init__(self, events: socket.socket, variables: Path) -> None:
        self._events = events
        self._variables = variables
        self._stopping = False

    def ask_to_stop(self, *_signal: object) -> None:
        """Stop before the next task."""
        self._stopping = True

    def between_tasks(self) -> None:
        """Called before each task; KeyboardInterrupt, which ends a playbook in order, when it is to stop here."""
        # They were read before the first task, and what is in them is nobody's business any longer.
        self._variables.unlink(missing_ok=True)
        if self._stopping:
            raise KeyboardInterrupt

    def tell(self, event: dict[str, Any]) -> None:
        """Send an event. Without a watcher nobody would ever hear of this run: it ends."""
        try:
            channel.send_event(self._events, event)
        except OSError as error:
            raise KeyboardInterrupt from error


_current: Run | None = None


def current() -> Run | None:
    """The run of this process; None anywhere else."""
    return _current


def become_run(events: socket.socket) -> None:
    """Carry out the order that comes over the channel, and end the process. Never returns."""
    status = BROKEN
    try:
        processes.die_with_parent()
        # Where a task is forked from this process, it must not outlive it either.
        os.register_at_fork(after_in_child=processes.die_with_parent)
        status = _carry_out(events)
    except EOFError:
        status = INTERRUPTED
    except BaseException:  # noqa: BLE001 - the process ends here: what is not said now is never said
        traceback.print_exc()
    finally:
        _flush()
        os._exit(status)


def _carry_out(events: socket.socket) -> int:
    global _current
    order = channel.receive_order(events)
    folder = Path(order["folder"])
    _redirect(folder / "stdout")
    variables = folder / "extravars"
    with os.fdopen(os.open(variables, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        json.dump(order["variables"], handle)
    _current = Run(events, variables)
    signal.signal(signal.SIGUSR1, _current.ask_to_stop)
    os.environ.update(order["environment"])
    os.chdir(folder)
    try:
        return _playbook([*order["arguments"], "--extra-vars", f"@{variables}", order["playbook"]])
    finally:
        variables.unlink(missing_ok=True)


def _playbook(arguments: list[str]) -> int:
    """Do what the command ansible-playbook does, and return its exit status."""
    from ansible.cli import playbook

    command: Any = playbook.PlaybookCLI
    try:
        command.cli_executor(["ansible-playbook", *arguments])
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def _redirect(path: Path) -> None:
    """Send what the process prints to the file, and give it nothing to read."""
    output = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(output)
    os.close(nothing)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # A full disk or a closed stream: the exit status says what there is to say.
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
