# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 at the product's own I/O edges, each followed by continuing, by restoring, or by deleting what asked for it.

`make test` plays a seeded sample with a point of each kind; `make test-crash` the whole matrix, in `STEADY_CRASH_JOBS`
clusters at a time, and goes on where it was stopped.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from scenarios.cluster import StarRocks
from scenarios.conftest import make_cluster
from scenarios.crash import probe
from scenarios.crash.edges import Kind
from scenarios.crash.matrix import KINDS, STORIES, Case, Story, all_cases, play, sample, undisturbed
from scenarios.playbook import ROOT, Driver

from steadylab import Lab

pytestmark = pytest.mark.crash
FULL = os.environ.get("STEADY_CRASH_MATRIX") == "full"
# What this one draws is in each run: some points are there only where a pod takes long.
SEED = int(os.environ.get("STEADY_CRASH_SEED", "29"))
_NAMES = itertools.count(1)


def fresh(lab: Lab) -> StarRocks:
    """A cluster in a namespace of its own."""
    return make_cluster(lab, namespace=f"crash-{os.getpid()}-{next(_NAMES)}", fe=3, be=2)


def driver_of(starrocks: StarRocks, folder: Path) -> Driver:
    """The product, for that cluster."""
    folder.mkdir(parents=True, exist_ok=True)
    return Driver(folder, starrocks)


@pytest.fixture(scope="session")
def undisturbed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the processes of this test run share."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "undisturbed"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def cases(lab: Lab, upgrades_defined: None, undisturbed_folder: Path) -> list[Case]:
    """The full matrix, from one undisturbed run of each story, which one process plays for all."""
    traces = {story.name: undisturbed_folder / f"{story.name}.trace" for story in STORIES}

    def trace(story: Story) -> None:
        starrocks = fresh(lab)
        own = undisturbed_folder / starrocks.namespace
        undisturbed(driver_of(starrocks, own), starrocks, story, own / "trace")
        (own / "trace").rename(traces[story.name])
        lab.remove_namespace(starrocks.namespace, wait=False)

    with (undisturbed_folder / "lock").open("w") as lock, ThreadPoolExecutor(2) as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)
        list(pool.map(trace, [story for story in STORIES if not traces[story.name].exists()]))
    return all_cases({name: probe.Trace.read(path) for name, path in traces.items()})


def played(lab: Lab, case: Case, folder: Path) -> None:
    """Play one case on a cluster of its own."""
    starrocks = fresh(lab)
    own = folder / starrocks.namespace
    play(driver_of(starrocks, own), starrocks, case, own / "trace")
    lab.remove_namespace(starrocks.namespace, wait=False)


def test_no_edge_is_of_an_unknown_kind(cases: list[Case]) -> None:
    assert [str(case) for case in cases if f" {Kind.UNKNOWN.value} " in case.edge] == []


class Progress:
    """The cases that have passed, each with the commit it passed on, in a file that the next run goes on with.

    It is for a person to say when a change of the product asks for all of it again: by removing the file.
    """

    def __init__(self, cases: list[Case]) -> None:
        self._path = ROOT / "build" / "crash" / "passed.jsonl"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._commit = _commit()
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        names = set(map(str, cases))
        self._passed = {entry["case"]: entry["commit"] for entry in map(json.loads, lines) if entry["case"] in names}

    def open(self, cases: list[Case]) -> Iterator[Case]:
        """Those that are still to be played."""
        return (case for case in cases if str(case) not in self._passed)

    def passed(self, case: Case) -> None:
        """Write one down."""
        self._passed[str(case)] = self._commit
        with self._path.open("a") as file:
            file.write(json.dumps({"case": str(case), "commit": self._commit}) + "\n")

    def __len__(self) -> int:
        return len(self._passed)

    def __str__(self) -> str:
        if not self._passed:
            return "none has passed yet"
        return f"{len(self)} have passed already, on {', '.join(sorted(set(self._passed.values())))}"


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if FULL:

    def test_every_kill_is_made_good(lab: Lab, cases: list[Case], tmp_path: Path) -> None:
        progress, began = Progress(cases), time.monotonic()
        failures: list[str] = []
        start = len(progress)
        print(f"\n{len(cases)} cases; {progress}", flush=True)

        def attempt(case: Case) -> None:
            try:
                played(lab, case, tmp_path)
            except AssertionError as error:
                failures.append(f"{case}\n{error}")
                print(f"\nFAILED {case}\n{error}", flush=True)
                return
            progress.passed(case)
            done, seconds = len(progress) - start, time.monotonic() - began
            left = (len(cases) - len(progress)) * seconds / max(done, 1)
            print(
                f"{len(progress)} of {len(cases)}, {seconds:.0f} s, about {left / 60:.0f} min left: {case}", flush=True
            )

        with ThreadPoolExecutor(int(os.environ.get("STEADY_CRASH_JOBS", "2"))) as pool:
            list(pool.map(attempt, progress.open(cases)))
        assert not failures, f"{len(failures)} of {len(cases)} kills were not made good:\n" + "\n\n".join(failures)

else:

    @pytest.mark.parametrize("kind", KINDS, ids=[kind.value for kind in KINDS])
    def test_a_kill_of_each_kind_is_made_good(kind: Kind, lab: Lab, cases: list[Case], tmp_path: Path) -> None:
        case = sample(cases, kind, SEED)
        print(case)
        played(lab, case, tmp_path)
