# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines for the console."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.report import console

STEP = {
    "type": "step",
    "step": {"id": "be/prod-be-0", "title": "prod-be-0 to 3.3.2", "index": 3, "total": 12},
    "outcome": "done",
    "elapsed": 2.9,
    "text": "pod ready 2.1 s",
}


@pytest.mark.parametrize(
    ("outcome", "symbol"),
    [
        ("done", "✓"),
        ("failed", "✕"),
        ("skipped", "–"),
        ("waiting", "…"),
        ("replan", "↻"),
        ("unchanged", "="),
        ("", "•"),
    ],
)
def test_a_step_is_one_line(outcome: str, symbol: str) -> None:
    (line,) = console.lines({**STEP, "outcome": outcome})
    assert line.text.split() == [symbol, "3/12", "prod-be-0", "to", "3.3.2", "2.9", "s", "pod", "ready", "2.1", "s"]


def test_the_header_names_cluster_versions_and_run() -> None:
    (line,) = console.header({"run": {"cluster": "prod", "from": "3.3.1", "to": "3.3.2", "id": "r1"}})
    assert line.text == "prod  ·  3.3.1 → 3.3.2  ·  run r1"
    assert console.header({}) == []


def test_a_failure_says_what_why_and_what_to_do() -> None:
    result = {
        "msg": "not ready",
        "reason": "CrashLoopBackOff",
        "remedy": "fix the image",
        "gate": "pod_ready",
        "rollout": STEP,
    }
    texts = console.plain(console.failure(result, "task"))
    assert texts[0].startswith("✕  3/12  prod-be-0 to 3.3.2")
    assert texts[1:] == [
        "    gate    pod_ready",
        "    why     CrashLoopBackOff",
        "    remedy  fix the image",
    ]


def test_a_failure_says_nothing_twice() -> None:
    assert len(console.failure({"msg": "same", "reason": "same"}, "task")) == 2


def test_open_things_come_with_a_remedy() -> None:
    texts = console.plain(console.still_open({"open": ["repair is off"], "resume": "run restore"}))
    assert texts == ["✕ still open:", "    repair is off", "    remedy  run restore"]
    assert console.still_open({"open": []}) == []


def test_an_interrupt_is_told_even_with_nothing_open() -> None:
    texts = console.plain(console.still_open({}, interrupted_in="Quiesce"))
    assert texts[0] == "✕ interrupted in: Quiesce"
    assert texts[1].startswith("    remedy  ")


def test_ascii_terminals_get_ascii() -> None:
    assert all(text.isascii() for text in console.plain(console.lines(STEP), unicode=False))
    assert console.ascii_only("✓ 3.3.1 → 3.3.2 é") == "+ 3.3.1 -> 3.3.2 ?"


def test_indented_lines_keep_their_indent() -> None:
    assert console.plain(console.lines({"type": "report", "lines": ["a\n  b", ""]})) == ["a", "  b", ""]


@given(
    st.dictionaries(st.sampled_from(["type", "line", "lines", "step", "outcome", "elapsed", "text", "open"]), st.text())
)
def test_no_text_carries_control_characters(rollout: dict[str, str]) -> None:
    for text in console.plain([*console.lines(rollout), *console.still_open(rollout), *console.failure(rollout, "t")]):
        assert not [character for character in text if ord(character) < 32]
