# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tools/run_tests.py: the counts and the exit status, above all for tests that did not run."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import run_tests

REPORT = """<testsuites><testsuite>
<testcase classname="tests.unit.test_a" name="test_good"/>
<testcase classname="tests.unit.test_a" name="test_bad"><failure message="no"/></testcase>
<testcase classname="tests.unit.test_a" name="test_broken"><error message="no"/></testcase>
<testcase classname="tests.unit.test_a" name="test_left[out]"><skipped message="no IPv6"/></testcase>
</testsuite></testsuites>"""


def tally_of(tmp_path: Path) -> run_tests.Tally:
    """The tally of the report above."""
    tally = run_tests.Tally()
    report = tmp_path / "report.xml"
    report.write_text(REPORT)
    run_tests.read_report(report, tally)
    return tally


def test_a_failure_is_named_with_its_reason(tmp_path: Path) -> None:
    names = ("test_bad", "test_broken")
    assert tally_of(tmp_path).failures == [f"tests.unit.test_a::{name}: no" for name in names]


def test_a_skip_fails_the_run_with_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tally = tally_of(tmp_path)
    assert (tally.passed, tally.failed) == (1, 2)
    run_tests.report_skips(tally)
    assert tally.failed == 3
    assert "tests.unit.test_a::test_left[out]: no IPv6" in capsys.readouterr().out


def test_no_tests_at_all_is_a_failure() -> None:
    tally = run_tests.Tally()
    run_tests.pytest(tally, "unit tests", [])
    assert tally.failures == ["unit tests: there are no tests"]


def test_a_pytest_that_dies_without_a_report_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_tests, "REPORTS", tmp_path)
    (tmp_path / "unit-tests.xml").write_text(REPORT)
    tally = run_tests.Tally()
    run_tests.pytest(tally, "unit tests", ["absent"], python=Path("/bin/false"))
    assert tally.failures == ["unit tests: pytest ended with status 1"]


def test_an_interrupted_run_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_tally: run_tests.Tally) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(run_tests.SUITES, "fast", (interrupted,))
    assert run_tests.main(["fast"]) == 130
    assert capsys.readouterr().out.splitlines()[-1].startswith("0 passed, 0 failed in ")


def good(tally: run_tests.Tally) -> None:
    """A suite of one check that passes."""
    tally.count("good", passed=True)


def bad(tally: run_tests.Tally) -> None:
    """A suite of one check that fails."""
    tally.count("bad", passed=False)


def test_what_runs_beside_counts() -> None:
    tally = run_tests.Tally()
    with run_tests.beside(tally, good, bad):
        good(tally)
    assert (tally.passed, tally.failed, tally.failures) == (2, 1, ["bad"])


def test_a_suite_beside_that_breaks_breaks_the_run() -> None:
    def broken(_tally: run_tests.Tally) -> None:
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"), run_tests.beside(run_tests.Tally(), broken):
        pass


def test_an_interrupted_run_begins_nothing_more_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    tally, cancelled = run_tests.Tally(), threading.Event()

    class Pool(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            cancelled.set()
            super().shutdown(wait=wait)

    def long(own: run_tests.Tally) -> None:
        cancelled.wait()
        good(own)

    monkeypatch.setattr(run_tests, "ThreadPoolExecutor", Pool)
    with pytest.raises(KeyboardInterrupt), run_tests.beside(tally, long, bad):
        raise KeyboardInterrupt
    assert (tally.passed, tally.failed) == (1, 0)
