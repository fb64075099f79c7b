#!/usr/bin/env python3
# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run every linter, type checker and consistency check; print one line a step, and a step's output only if it fails."""

from __future__ import annotations

import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from checkout import ROOT, VENV, heard

PLUGINS = "ansible_collections.steady.rollout.plugins"
TOOLS = tuple(part for path in sorted((ROOT / "tools").glob("*.py")) for part in ("-m", path.stem))
CORES = 2


@dataclass(frozen=True)
class Step:
    """One check: a program of the environment (or a script of tools/) and its arguments."""

    name: str
    command: tuple[str, ...]
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What a step said and how long it took, in seconds."""

    step: Step
    passed: bool
    seconds: float
    output: str


def steps(home: Path) -> list[Step]:
    """Every step, the longest first, so that they fill the cores; ``home`` takes what tools write to a home folder."""
    away = {"HOME": str(home), "ANSIBLE_HOME": str(home / ".ansible")}
    script = sys.executable
    documented = ("--plugin-docs", "--validate-collection-refs=all")
    return [
        Step("ansible-test sanity", (script, "tools/sanity.py")),
        Step("ansible-lint", ("ansible-lint", "--offline", "--profile", "production", "-q", "--nocolor"), away),
        Step(
            "mypy",
            ("mypy", "-p", PLUGINS, "-p", "reactor", "-p", "steadylab", *TOOLS),
        ),
        Step("antsibull-docs", ("antsibull-docs", "lint-collection-docs", *documented, "."), away),
        Step("antsibull-changelog", ("antsibull-changelog", "lint"), away),
        Step("import-linter", ("lint-imports", "--no-logo"), {"PYTHONPATH": "operator"}),
        Step("yamllint", ("yamllint", "--strict", ".")),
        Step("ruff check", ("ruff", "check", ".")),
        Step("ruff format", ("ruff", "format", "--check", ".")),
        Step("verification", (script, "tools/check_verification.py")),
        Step("house rules", (script, "tools/check_house.py")),
    ]


def run(step: Step) -> Result:
    """Run one step in the checkout's root."""
    started = time.monotonic()
    done = heard(step.command, **step.variables)
    return Result(step, done.returncode == 0, time.monotonic() - started, done.stdout)


def run_all(only: list[str], cores: int = CORES) -> list[Result]:
    """Run the steps (those named, or all) and report each as it ends."""
    with tempfile.TemporaryDirectory(prefix="steady-lint-") as home, ThreadPoolExecutor(cores) as pool:
        chosen = [step for step in steps(Path(home)) if not only or step.name in only]
        results = []
        for future in as_completed([pool.submit(run, step) for step in chosen]):
            result = future.result()
            results.append(result)
            print(
                f"lint: {result.step.name:20} {result.seconds:5.1f} s  {'ok' if result.passed else 'FAILED'}",
                flush=True,
            )
            if not result.passed:
                print(result.output.rstrip() or "(it printed nothing)", flush=True)
    return results


def main(arguments: list[str]) -> int:
    """Run the steps named on the command line, or all."""
    if not VENV.is_dir():
        print("There is no .venv here; run `make lint`.", file=sys.stderr)
        return 1
    results = run_all(arguments)
    failed = [result.step.name for result in results if not result.passed]
    print(f"lint: {len(results) - len(failed)} passed, {len(failed)} failed" + "".join(f", {name}" for name in failed))
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
