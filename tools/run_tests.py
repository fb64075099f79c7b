#!/usr/bin/env python3
# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the suites of tests; say what runs now and since when; end with one line that counts.

``all`` is every check; ``fast`` needs no lab; ``compat`` uses the oldest supported versions; ``crash`` is the full
matrix of kills. A test that was skipped proves nothing, so it fails the run.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import textwrap
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import lint
from checkout import ROOT, VENV, cache_home, environment, heard

FAST = ("unit", "tooling")
SCENARIOS = "scenarios"
DOMAIN_TESTS = "tests/unit/module_utils/_domain"
MOLECULE = ROOT / "extensions" / "molecule"
# What each suite's tests came to and how long each took, as JUnit reports; kept until the suite runs again.
REPORTS = ROOT / "build" / "tests"
LONGEST_REASON = 800


@dataclass
class Tally:
    """What the suites that ran so far came to."""

    passed: int = 0
    failed: int = 0
    skipped: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def elapsed(self) -> str:
        """Minutes and seconds since the start."""
        minutes, seconds = divmod(int(time.monotonic() - self.started), 60)
        return f"{minutes:02d}:{seconds:02d}"

    def add(self, other: Tally) -> None:
        """Add what another tally counted."""
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += other.failures

    def say(self, text: str) -> None:
        """Print what happens now."""
        print(f"\n== {self.elapsed()}  {text}", flush=True)

    def count(self, name: str, passed: bool, reason: str = "") -> None:
        """Count one check, with the reason if it failed: whoever has only the end of the output needs it there."""
        self.passed += passed
        self.failed += not passed
        if not passed:
            self.failures.append(f"{name}: {reason}" if reason else name)

    def summary(self) -> str:
        """The last line: counts as pytest gives them, for people and for CI."""
        skipped = f", {len(self.skipped)} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped} in {time.monotonic() - self.started:.0f}s"


def read_report(report: Path, tally: Tally) -> None:
    """Add a JUnit report of pytest to the tally."""
    for case in ET.parse(report).getroot().iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        skip = case.find("skipped")
        wrong = case.find("failure") if case.find("failure") is not None else case.find("error")
        if wrong is not None:
            tally.count(name, passed=False, reason=textwrap.shorten(wrong.get("message") or "", LONGEST_REASON))
        elif skip is None:
            tally.count(name, passed=True)
        else:
            tally.skipped.append(f"{name}: {skip.get('message')}")


def with_tests(folders: list[Path]) -> list[str]:
    """Those of the folders that hold tests, relative to the root."""
    return [str(folder.relative_to(ROOT)) for folder in folders if any(folder.rglob("test_*.py"))]


def lab_folders() -> list[str]:
    """Every folder below tests/ that needs the lab, so that no test is left out; whole upgrades come last."""
    others = sorted(
        path for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name not in (*FAST, SCENARIOS)
    )
    return with_tests(others)


def pytest(tally: Tally, name: str, paths: list[str], *options: str, python: Path | None = None, **more: str) -> None:
    """Run pytest on the paths and add its outcome; no tests at all is a failure too."""
    if not paths:
        tally.say(f"{name}: no tests")
        return tally.count(f"{name}: there are no tests", passed=False)
    tally.say(f"{name}: {' '.join(paths)}")
    report = REPORTS / f"{name.replace(' ', '-')}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    command = [python or sys.executable, "-m", "pytest", *options, f"--junit-xml={report}", *paths]
    status = subprocess.run(
        command, cwd=ROOT, env=environment(**more), stdin=subprocess.DEVNULL, check=False
    ).returncode
    before = tally.failed
    if report.exists():
        read_report(report, tally)
    if status and tally.failed == before:
        tally.count(f"{name}: pytest ended with status {status}", passed=False)
    return None


def lint_suite(tally: Tally) -> None:
    """Every step of `make lint` counts as a test."""
    tally.say("lint")
    for result in lint.run_all([], cores=1):
        tally.count(f"lint: {result.step.name}", result.passed)


def fast_suite(tally: Tally) -> None:
    """What needs no lab, on two cores."""
    pytest(tally, "unit tests", with_tests([ROOT / "tests" / name for name in FAST]), "-q", "-n", "2")


def compat_suite(tally: Tally) -> None:
    """Unit tests and some whole upgrades on the oldest ansible-core and Kubernetes client that are supported.

    Not the tests of `_domain`: it imports neither of them, which `make lint` checks (.importlinter).
    """
    if not make_environments(tally, "compat"):
        return
    python = ROOT / ".venv-min" / "bin" / "python"
    paths = with_tests([ROOT / "tests" / "unit"])
    pytest(tally, "oldest supported versions", paths, "-q", "-n", "2", f"--ignore={DOMAIN_TESTS}", python=python)
    if build_lab(tally):
        paths = with_tests([ROOT / "tests" / SCENARIOS])
        pytest(tally, "whole upgrades on them", paths, "-v", "-n", "2", "-m", "oldest", python=python)


def build_lab(tally: Tally, *options: str) -> bool:
    """Build the lab's control plane, or find it in the cache."""
    tally.say("lab: build, or take from the cache")
    command = [sys.executable, "-m", "steadylab.build", *options]
    variables = environment(PYTHONPATH=ROOT / "tests" / "lab")
    built = subprocess.run(command, cwd=ROOT, env=variables, stdout=subprocess.DEVNULL, check=False).returncode == 0
    tally.count("lab: build", built)
    return built


def make_environments(tally: Tally, *names: str) -> bool:
    """Make virtual environments of the checkout, unless they are made."""
    tally.say(f"virtual environments: {', '.join(names)}")
    command = [sys.executable, "-I", "tools/bootstrap.py", *names]
    made = subprocess.run(command, cwd=ROOT, check=False).returncode == 0
    tally.count("virtual environments", made)
    return made


def lab_suite(tally: Tally) -> None:
    """What needs the lab: its own tests, the modules on the wire, whole upgrades."""
    # Waiting dominates: three labs side by side take far less than three times as long as one.
    pytest(tally, "lab tests", lab_folders(), "-v", "-n", "3", "--dist", "loadfile")
    pytest(tally, "whole upgrades", with_tests([ROOT / "tests" / SCENARIOS]), "-v", "-n", "3")


def complete_suite(tally: Tally) -> None:
    """Everything; what computes runs beside what waits. What is made only once is made before anything waits for it."""
    fast_suite(tally)
    if not (build_lab(tally, "--all") and make_environments(tally, "compat", "aws", "operator")):
        return lint_suite(tally)
    with beside(tally, lint_suite, *molecule_suites()):
        compat_suite(tally)
        lab_suite(tally)
    return None


@contextlib.contextmanager
def beside(tally: Tally, *suites: Callable[[Tally], None]) -> Iterator[None]:
    """Run suites one after the other in a thread while the body runs, and count them in the end.

    Where the body raises, as at Ctrl-C, the suite that runs is waited for, and no other begins.
    """
    own = Tally(started=tally.started)
    with ThreadPoolExecutor(1) as pool:
        running = [pool.submit(suite, own) for suite in suites]
        try:
            yield
            if not all(future.done() for future in running):
                tally.say("waiting for what runs beside")
            for future in running:
                future.result()
        finally:
            pool.shutdown(cancel_futures=True)
            tally.add(own)


def molecule_suites() -> list[Callable[[Tally], None]]:
    """A suite for each molecule scenario."""
    scenarios = sorted(path.parent.name for path in MOLECULE.glob("*/molecule.yml"))
    if not scenarios:
        return [lambda tally: tally.count("molecule: there are no scenarios", passed=False)]
    return [partial(molecule_suite, scenario) for scenario in scenarios]


def molecule_suite(scenario: str, tally: Tally) -> None:
    """A molecule scenario; its output is shown in one piece."""
    tally.say(f"molecule scenario: {scenario}")
    with tempfile.TemporaryDirectory(prefix="steady-molecule-") as home:
        # The home is set aside for what molecule installs; the lab's build must still be found.
        command = [str(VENV / "bin" / "molecule"), "test", "--scenario-name", scenario]
        done = heard(command, ANSIBLE_HOME=home, XDG_CACHE_HOME=cache_home())
    tally.say(f"molecule scenario: {scenario} has ended\n{done.stdout.rstrip()}")
    tally.count(f"molecule: {scenario}", done.returncode == 0)


def crash_suite(tally: Tally) -> None:
    """The full matrix of kills; the tests keep what is done and go on from there."""
    if build_lab(tally):
        paths = with_tests([ROOT / "tests" / SCENARIOS])
        pytest(tally, "crash matrix", paths, "-v", "-s", "-m", "crash", STEADY_CRASH_MATRIX="full")


SUITES: dict[str, tuple[Callable[[Tally], None], ...]] = {
    "all": (complete_suite,),
    "fast": (fast_suite,),
    "compat": (compat_suite,),
    "crash": (crash_suite,),
}


def report_skips(tally: Tally) -> None:
    """A skip is a failure, with the reason the test gave."""
    for skip in tally.skipped:
        print(f"skipped, which counts as missing: {skip}")
    if tally.skipped:
        tally.count(f"{len(tally.skipped)} tests were skipped", passed=False)


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; 0 only if all of it passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", choices=sorted(SUITES))
    tally = Tally()
    interrupted = False
    try:
        for suite in SUITES[parser.parse_args(arguments).suite]:
            suite(tally)
    except KeyboardInterrupt:
        interrupted = True
    report_skips(tally)
    tally.say("interrupted" if interrupted else "done")
    for failure in tally.failures:
        print(f"FAILED {failure}")
    print(tally.summary(), flush=True)
    return 130 if interrupted else int(tally.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
