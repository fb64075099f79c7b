# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The console callback: quiet where all is well, clear where not, and never gone without a word."""

from __future__ import annotations

import atexit
import os
import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import constants

from ansible_collections.steady.rollout.plugins.callback.rollout import CallbackModule

# The defaults of Ansible's documentation fragments `default_callback` and `result_format_callback`.
OPTIONS = {
    "check_mode_markers": False,
    "display_failed_stderr": False,
    "display_ok_hosts": True,
    "display_skipped_hosts": True,
    "pretty_results": None,
    "result_format": "json",
    "show_custom_stats": False,
    "show_per_host_start": False,
    "show_task_path_on_failure": False,
}
INTERVAL = "DEFAULT_INTERNAL_POLL_INTERVAL"
RUN = {"cluster": "prod", "from": "3.3.1", "to": "3.3.2", "id": "r1"}
STEP = {
    "type": "step",
    "run": RUN,
    "step": {"id": "be/prod-be-0", "title": "prod-be-0 to 3.3.2", "index": 1, "total": 2},
    "outcome": "done",
    "elapsed": 2.9,
    "text": "pod ready 2.1 s",
}


class _Display:
    """Keeps what would be shown."""

    def __init__(self, verbosity: int = 0) -> None:
        self.verbosity = verbosity
        self.lines: list[str] = []

    def display(self, msg: str, *_args: object, log_only: bool = False, **_kwargs: object) -> None:
        if not log_only:
            self.lines += msg.split("\n")

    def banner(self, msg: str, *_args: object, **_kwargs: object) -> None:
        self.lines.append(f"{msg} ***")

    def warning(self, msg: str, *_args: object, **_kwargs: object) -> None:
        self.lines.append(f"[WARNING]: {msg}")


@pytest.fixture(autouse=True)
def _signals_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(atexit, "register", lambda _function: None)
    monkeypatch.setattr(constants, INTERVAL, 0.001)
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)}
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for signum, handler in before.items():
        signal.signal(signum, handler)


def _callback(verbosity: int = 0) -> tuple[CallbackModule, list[str]]:
    callback = CallbackModule()
    callback._plugin_options = dict(OPTIONS)
    display = _Display(verbosity)
    callback._display = display  # type: ignore[assignment]  # only what the callback calls
    callback._play = SimpleNamespace(strategy="linear")
    callback._unicode = True
    return callback, display.lines


def _result(data: dict[str, Any], name: str = "A task", **task: Any) -> Any:
    fields = {"action": "x", "loop": None, "no_log": False, "check_mode": False, "delegate_to": None, "_uuid": name}
    made_task = SimpleNamespace(**{**fields, **task}, get_name=lambda: name, ignore_unreachable=False)
    host = SimpleNamespace(get_name=lambda: "localhost")
    return SimpleNamespace(
        _result=data, result=data, _task=made_task, task=made_task, _host=host, host=host, exception=None, warnings=()
    )


def _stats(**figures: int) -> Any:
    names = ("ok", "changed", "unreachable", "failures", "skipped", "rescued", "ignored")
    return SimpleNamespace(
        processed={"localhost": 1}, custom={}, summarize=lambda _host: {**dict.fromkeys(names, 0), **figures}
    )


def test_a_step_is_one_line_under_a_header() -> None:
    callback, lines = _callback()
    for _ in range(2):
        callback.v2_runner_on_ok(_result({"rollout": STEP, "changed": True}))
    assert lines[0] == "prod  ·  3.3.1 → 3.3.2  ·  run r1"
    assert lines[1] == ""
    assert [line.split()[:2] for line in lines[2:]] == [["✓", "1/2"], ["✓", "1/2"]]


def test_loop_items_show_their_own_lines_once() -> None:
    callback, lines = _callback()
    item = {"rollout": STEP, "changed": True}
    callback.v2_runner_item_on_ok(_result(item, loop=["a"]))
    callback.v2_runner_on_ok(_result({"results": [item], "changed": True}, loop=["a"]))
    assert len(lines) == 3


@pytest.mark.parametrize("data", [{"changed": False}, {"changed": False, "msg": "All assertions passed"}])
def test_what_changes_nothing_is_not_shown(data: dict[str, Any]) -> None:
    callback, lines = _callback()
    callback.v2_playbook_on_play_start(SimpleNamespace(get_name=lambda: "play", check_mode=False, strategy="linear"))
    callback.v2_runner_on_ok(_result(data))
    callback.v2_runner_on_skipped(_result({"skipped": True}))
    assert lines == []


def test_a_changed_foreign_task_looks_as_usual() -> None:
    callback, lines = _callback()
    task = _result({"changed": True}, name="Copy a file")
    callback._task_start(task._task, prefix="TASK")
    callback.v2_runner_on_ok(task)
    assert lines == ["TASK [Copy a file] ***", "changed: [localhost]"]


def test_a_message_for_the_reader_is_shown_as_text() -> None:
    callback, lines = _callback()
    callback.v2_runner_on_ok(_result({"msg": "first\nsecond", "_ansible_verbose_always": True, "changed": False}))
    assert lines == ["first", "second"]


def test_a_failure_of_ours_is_readable_and_not_dumped() -> None:
    callback, lines = _callback()
    data = {
        "failed": True,
        "msg": "not ready",
        "reason": "CrashLoopBackOff",
        "remedy": "fix it",
        "exception": "Traceback",
    }
    callback.v2_runner_on_failed(_result(data, name="Upgrade prod-be-0"))
    text = "\n".join(lines)
    assert "Upgrade prod-be-0" in text
    assert "remedy  fix it" in text
    assert "Traceback" not in text
    assert "{" not in text


def test_the_raw_result_is_shown_from_verbosity_three_on() -> None:
    callback, lines = _callback(verbosity=3)
    callback.v2_runner_on_failed(_result({"failed": True, "msg": "no", "remedy": "fix it"}, get_path=lambda: "p.yml:1"))
    assert any("FAILED! =>" in line for line in lines)
    assert "    remedy  fix it" in lines


def test_verbose_output_shows_every_task() -> None:
    callback, lines = _callback(verbosity=1)
    task = _result({"changed": False}, name="Look")
    callback._task_start(task._task, prefix="TASK")
    callback.v2_runner_on_ok(task)
    assert lines[0] == "TASK [Look] ***"


@pytest.mark.parametrize(
    ("figures", "recap"),
    [
        ({"ok": 3, "changed": 1}, "localhost: ok=3 changed=1 failed=0"),
        ({"failures": 1}, "localhost: ok=0 changed=0 failed=1"),
    ],
)
def test_the_recap_is_one_line(figures: dict[str, int], recap: str) -> None:
    callback, lines = _callback()
    callback.v2_playbook_on_stats(_stats(**figures))
    assert lines == ["", recap]


def test_what_is_still_open_is_said_at_the_end() -> None:
    callback, lines = _callback()
    callback.v2_runner_on_ok(_result({"rollout": {**STEP, "open": ["repair is off"], "resume": "run restore"}}))
    callback.v2_playbook_on_stats(_stats())
    assert lines[-3:] == ["✕ still open:", "    repair is off", "    remedy  run restore"]


def test_what_was_closed_again_is_not_said() -> None:
    callback, lines = _callback()
    for still in (["repair is off"], []):
        callback.v2_runner_on_ok(_result({"rollout": {**STEP, "open": still}}))
    callback.v2_playbook_on_stats(_stats())
    assert "still open" not in "\n".join(lines)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_says_what_is_open_and_goes_on_to_the_handler_before(
    signum: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    seen: list[int] = []
    signal.signal(signum, lambda number, _frame: seen.append(number))
    callback, _lines = _callback()
    callback.v2_runner_on_ok(_result({"rollout": {**STEP, "open": ["repair is off"]}}))
    callback._last_task_name = "Upgrade prod-be-1"
    signal.raise_signal(signum)
    assert seen == [signum]
    shown = capfd.readouterr().out
    assert "interrupted in: Upgrade prod-be-1" in shown
    assert "repair is off" in shown
    assert callback._farewell() == []


def test_an_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _callback()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_worker_process_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    callback, _lines = _callback()
    callback.v2_runner_on_ok(_result({"rollout": STEP}))
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert callback._farewell() == []


def test_other_playbooks_end_without_a_word_of_ours() -> None:
    callback, lines = _callback()
    callback._at_exit()
    assert lines == []


def test_ascii_output_has_only_ascii() -> None:
    callback, lines = _callback()
    callback._unicode = False
    callback.v2_runner_on_ok(_result({"rollout": STEP}))
    assert all(line.isascii() for line in lines)


def _start(callback: CallbackModule, action: str) -> None:
    task = _result({}, name="A task")._task
    task.action = action
    callback.v2_playbook_on_task_start(task, False)


def test_a_task_of_ours_is_looked_at_often_at_first_and_seldom_later() -> None:
    callback, _lines = _callback()
    _start(callback, "steady.rollout.starrocks_step")
    assert getattr(constants, INTERVAL) == 0.01
    assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    signal.raise_signal(signal.SIGALRM)
    assert getattr(constants, INTERVAL) == 0.25
    _start(callback, "ansible.builtin.copy")
    assert getattr(constants, INTERVAL) == 0.001
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_no_alarm_is_left_at_the_end() -> None:
    callback, _lines = _callback()
    _start(callback, "steady.rollout.starrocks_report")
    callback._at_exit()
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_somebody_elses_alarm_is_left_alone() -> None:
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    callback, _lines = _callback()
    _start(callback, "steady.rollout.starrocks_step")
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_IGN
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_worker_may_have_the_alarm_for_the_timeout_of_its_task() -> None:
    _callback()
    assert signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL
    pid = os.fork()
    if pid == 0:
        os._exit(signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
