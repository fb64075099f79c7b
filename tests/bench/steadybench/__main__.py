# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench`: measure, keep the raw results under bench/results, and write docs/figures.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

import checkout

from steadybench import cases, clients, figures, measure, migrating, operating, preparing, reacting
from steadylab import ansible_wheel, build
from steadylab.lab import Lab, LabError

GIB = 1024**3


def main() -> int:
    """Run every case; 1 when a client did not do what its case needs."""
    options = _options()
    folder = clients.logs_home() / time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    folder.mkdir(parents=True)
    bench = cases.Bench(folder, options.repeats, options.peer_timeout, options.migrations)
    try:
        ansible_wheel.collections()
        run = _measure(bench)
    except (cases.Failed, LabError, ansible_wheel.NoCollections) as error:
        bench.say(str(error))
        return 1
    text = figures.page(run)
    (folder / "figures.md").write_text(text)
    options.output.write_text(text)
    print(options.output)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/bench/run", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="upgrades by each client (default 3)")
    parser.add_argument("--peer-timeout", type=int, default=60, help="what the peers wait for pods, seconds (60)")
    parser.add_argument("--migrations", type=int, default=200, help="database upgrades in one process (200)")
    parser.add_argument("--output", type=Path, default=checkout.ROOT / "docs" / "figures.md")
    return parser.parse_args()


def _measure(bench: cases.Bench) -> figures.Run:
    starts = cases.starts(bench)
    with Lab.up(f"bench-{os.getpid()}", audit=True) as lab:
        upgrades = cases.upgrades(bench, lab)
        prepared = preparing.preparations(bench, lab)
        broken = cases.broken_images(bench, lab)
        killed = cases.kills(bench, lab)
    with Lab.up(f"bench-{os.getpid()}-slow", None, ready_seconds=cases.SLOW_READY_SECONDS) as lab:
        waiting = cases.waiting(bench, lab)
        reacted = reacting.reactions(bench, lab)
    with Lab.up(f"bench-{os.getpid()}-operated", be=1) as lab:
        operated = operating.passes(bench, lab)
    with Lab.up(f"bench-{os.getpid()}-data", None, processes=True, ready_seconds=0.2, audit=True) as lab:
        database = migrating.Database.start(lab)
        migrated = migrating.migrations(bench, database)
        memory = migrating.memory(bench, database, bench.migrations)
    results = {
        "starts": starts,
        "upgrades": upgrades,
        "preparations": prepared,
        "waiting": waiting,
        "broken": broken,
        "killed": killed,
        "migrated": migrated,
        "memory": memory,
        "reacted": reacted,
        "operated": operated,
    }
    (bench.folder / "results.json").write_text(json.dumps(cases.plain(results), indent=1))
    date = time.strftime("%Y-%m-%d", time.gmtime())
    return figures.Run(date, _machine(), _method(bench), **results)


def _method(bench: cases.Bench) -> dict[str, object]:
    wheel = next(line for line in ansible_wheel.REQUIREMENTS.read_text().splitlines() if line.startswith("ansible=="))
    return {
        "kubernetes": build.KUBERNETES_VERSION,
        "mysql": "the machine's" if clients.own_mysql() else "a stand-in of ten lines on PyMySQL",
        "wheel": wheel.split()[0],
        "sample": measure.SAMPLE_SECONDS,
        "repeats": bench.repeats,
        "wait": cases.WAIT_SECONDS,
        "timeout": bench.peer_timeout,
    }


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    cores = len(os.sched_getaffinity(0))
    return (
        f"{cores} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    )


if __name__ == "__main__":
    sys.exit(main())
