# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cases of the reactor: what a pass costs, how many objects it gets through, what it holds in memory."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import checkout
import yaml

from steadybench.cases import Bench, Failed
from steadybench.measure import Measured, tree, tree_pss
from steadybench.stage import until
from steadylab.lab import Lab

PLURAL: Final = "benches"
PATH: Final = f"/apis/reactor.test/v1/namespaces/default/{PLURAL}"
DEFINITIONS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MERGE: Final = "application/merge-patch+json"
PASSES: Final = 10
PARALLEL: Final = 4
# A day of a settled object that is looked at each minute, with the minutes left out.
DAY_PASSES: Final = 24 * 60
LONGEST_SECONDS: Final = 600.0
PERIOD: Final = "ansible.sdk.operatorframework.io/reconcile-period"
# One task without a process of its own, as a pass that finds nothing to do; with `hold` it stays until a file is there.
PLAYBOOK: Final = """\
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: nothing to do
    - ansible.builtin.wait_for:
        path: "{{ go }}"
        sleep: 1
      when: hold | default(false)
"""


@dataclass(frozen=True)
class Reacted:
    """What was measured of the reactor. Seconds; MB are 10^6 bytes of proportional set size.

    `wall` and `cpu` are of one pass that finds nothing to do, the CPU of all its processes; `many` how long so many
    objects took from the first write to the last status, and with how many CPU seconds; `idle` the memory with nothing
    to do, `each` what one more run at once adds; `grown` how much more is held after all of this, and `day` how much
    more than that after `DAY_PASSES` further passes that found nothing to do.
    """

    wall: float
    cpu: float
    many: Mapping[int, tuple[float, float]]
    idle: float
    each: float
    grown: float
    day: float
    load: float


class Site:
    """A lab with one kind of objects, and a reactor that looks after them."""

    def __init__(self, bench: Bench, lab: Lab) -> None:
        self.lab = lab
        self.go = bench.folder / "reactor-go"
        text = (checkout.ROOT / "tests" / "reactor" / "crd.yaml").read_text()
        definition = yaml.safe_load(text.replace("KINDs", PLURAL).replace("KIND", "Bench"))
        definition["spec"]["names"]["singular"] = "bench"
        lab.setup_api.request("POST", DEFINITIONS, definition)
        playbook = bench.folder / "reactor.yml"
        playbook.write_text(PLAYBOOK)
        watch = {"group": "reactor.test", "version": "v1", "kind": "Bench", "playbook": str(playbook)}
        more = {"markUnsafe": True, "watchDependentResources": False, "vars": {"go": str(self.go)}}
        watches = bench.folder / "reactor-watches.yaml"
        watches.write_text(yaml.safe_dump([watch | more]))
        flags = [f"--watches-file={watches}", f"--max-concurrent-reconciles={PARALLEL}", f"--max-runs={PARALLEL}"]
        places = ["--metrics-bind-address=0", "--health-probe-bind-address=0"]
        variables = {"KUBECONFIG": lab.kubeconfig, "PYTHONPATH": checkout.ROOT / "operator"}
        self.reactor = Measured(
            [sys.executable, "-m", "reactor", *flags, *places],
            checkout.environment(**variables),
            bench.folder / "reactor.log",
        )
        self.await_(lambda: self.said("watched") > 0, "the kind is watched")

    def said(self, word: str) -> int:
        """How many lines have said the word."""
        return sum(f"  {word} " in line.text for line in self.reactor.lines)

    def make(self, name: str, period: str = "", **spec: Any) -> None:
        """Make an object, which is looked at again after the period."""
        metadata = {"name": name, "annotations": {PERIOD: period}} if period else {"name": name}
        body = {"apiVersion": "reactor.test/v1", "kind": "Bench", "metadata": metadata, "spec": spec}
        self.lab.setup_api.request("POST", PATH, body)

    def remove(self, name: str) -> None:
        """Delete an object."""
        self.lab.setup_api.request("DELETE", f"{PATH}/{name}")

    def touch(self, name: str, **spec: Any) -> None:
        """Change an object, so that it is looked at again."""
        self.lab.setup_api.request("PATCH", f"{PATH}/{name}", {"spec": spec}, content_type=MERGE)

    def await_(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for it; Failed when it does not come."""
        if not until(condition, LONGEST_SECONDS):
            raise Failed(f"reactor: not within {LONGEST_SECONDS:.0f} s: {what}; its log is reactor.log")


def reactions(bench: Bench, lab: Lab, sizes: tuple[int, ...] = (50, 500)) -> Reacted:
    """All cases, one after the other, with one reactor."""
    site, load = Site(bench, lab), os.getloadavg()[0]
    try:
        wall, cpu = _passes(site)
        idle = tree_pss(site.reactor.pid)
        each = (_holding(site) - idle) / PARALLEL
        many = {size: _many(site, size) for size in sizes}
        grown = tree_pss(site.reactor.pid) - idle
        day = _day(site) - grown - idle
    finally:
        site.reactor.kill()
    reacted = Reacted(wall, cpu, many, idle, each, grown, day, load)
    took = ", ".join(f"{size} objects {seconds:.1f} s with {used:.1f} CPU s" for size, (seconds, used) in many.items())
    bench.say(f"reactor: a pass {wall:.2f} s, {cpu:.2f} CPU s; {took}; {each:.0f} MB a run (load {load:.1f})")
    return reacted


def _passes(site: Site) -> tuple[float, float]:
    """Passes over one object, one after the other: median of the seconds that the reactor says, mean of their CPU."""
    site.make("one")
    site.await_(lambda: site.said("done") == 1, "the first pass")
    before = site.reactor.cpu_so_far()
    for number in range(PASSES):
        site.touch("one", number=number)
        site.await_(lambda number=number: site.said("done") == number + 2, f"pass {number + 2}")
    cpu = (site.reactor.cpu_so_far() - before) / PASSES
    lines = [line.text for line in site.reactor.lines if "  done " in line.text][1:]
    return statistics.median(float(text.split(" s;")[0].split()[-1]) for text in lines), cpu


def _holding(site: Site) -> float:
    """The memory of the whole tree while so many runs are under way."""
    names = [f"hold-{number}" for number in range(PARALLEL)]
    for name in names:
        site.make(name, hold=True)
    site.await_(lambda: _steps(site.reactor.pid) >= PARALLEL, f"{PARALLEL} runs that wait")
    held = tree_pss(site.reactor.pid)
    done = site.said("done")
    site.go.touch()
    site.await_(lambda: site.said("done") == done + PARALLEL, "the held runs ended")
    return held


def _steps(root: int) -> int:
    """How many modules run below the process."""
    commands = [Path(f"/proc/{pid}/cmdline") for pid in tree(root)]
    return sum(b"wait_for" in path.read_bytes() for path in commands if path.exists())


def _many(site: Site, size: int) -> tuple[float, float]:
    """Seconds from the first of so many objects to the last status, and the CPU seconds of the reactor meanwhile."""
    before = site.reactor.cpu_so_far()
    done, began = site.said("done"), time.monotonic()
    for number in range(size):
        site.make(f"many-{size}-{number}")
    site.await_(lambda: site.said("done") == done + size, f"{size} objects")
    return time.monotonic() - began, site.reactor.cpu_so_far() - before


def _day(site: Site) -> float:
    """The memory after a day of periodic passes over one object, which is deleted then."""
    done = site.said("done")
    site.make("daily", period="10ms")
    site.await_(lambda: site.said("done") >= done + DAY_PASSES, f"{DAY_PASSES} passes over one object")
    site.remove("daily")
    return tree_pss(site.reactor.pid)
