# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cases that are measured: a good upgrade, a long wait, a broken image, and a killed runner."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from steadybench import clients
from steadybench.clients import Client, Job
from steadybench.measure import Measured, Usage, end_left_over
from steadybench.stage import CLUSTER, FirstSign, Requests, Site, until, user
from steadylab import build
from steadylab.lab import Lab

WAIT_SECONDS: Final = 60.0
# A pod whose tag ends in -slow takes five times as long: longer than the minute that is measured.
SLOW_READY_SECONDS: Final = 16.0
NOTICE_SECONDS: Final = 300.0
LONGEST_UPGRADE_SECONDS: Final = 180.0
# Words by which our screen and the peers' tell that it went wrong.
BAD: Final = ("✕", "fatal:", "FAILED!", "error: timed out")
BUILD_FOUND: Final = "built control plane found"
LAB_STARTED: Final = "lab with a cluster started"
BROKEN: Final = {"broken": "crash-looping", "nopull": "never pulled"}


class Failed(Exception):
    """A client did not do what its case needs; the message names its log."""


@dataclass
class Bench:
    """One run of the whole: where it writes, repeats of each upgrade, how many migrations one process does."""

    folder: Path
    repeats: int
    peer_timeout: int
    migrations: int = 200

    def say(self, text: str) -> None:
        """A line for the person who waits."""
        print(f"bench: {text}", file=sys.stderr, flush=True)

    def start(self, client: Client, job: Job, name: str) -> Measured:
        """Start a client; its screen goes to a log of that name."""
        command, environment = client.start(job)
        return Measured(command, environment, self.folder / f"{name}.log")


@dataclass(frozen=True)
class Upgrade:
    """One good upgrade by one client."""

    wall: float
    cpu: float
    pss: float
    requests: int
    events: int
    load: float
    kept: bool


def upgrades(bench: Bench, lab: Lab) -> dict[str, list[Upgrade]]:
    """Every client in turn, and that as often as asked; each run goes one version up."""
    import os

    site = Site(lab, "starrocks")
    configs = {client.key: user(lab, f"bench-{client.key}") for client in clients.ALL}
    results: dict[str, list[Upgrade]] = {client.key: [] for client in clients.ALL}
    version = _versions()
    for turn in range(bench.repeats):
        for client in clients.ALL:
            job = Job(site, next(version), configs[client.key], bench.folder)
            site.prepare()
            requests, load = Requests(lab, f"bench-{client.key}"), os.getloadavg()[0]
            name = f"upgrade-{client.key}-{turn + 1}"
            usage = await_end(bench.start(client, job, name), LONGEST_UPGRADE_SECONDS, name)
            _check(usage, site.upgraded(job.version), bench.folder / f"{name}.log")
            asked, kept = (requests.count(), requests.events()), site.settings_kept()
            found = Upgrade(usage.wall, usage.cpu, usage.pss, *asked, load, kept)
            results[client.key].append(found)
            bench.say(
                f"{client.title}: {found.wall:.1f} s, {found.cpu:.2f} CPU s, {found.requests} requests,"
                f" {found.pss:.0f} MB (load {load:.1f})"
            )
    return results


def waiting(bench: Bench, lab: Lab) -> dict[str, float]:
    """CPU seconds of each client in one minute in which a pod is not ready; all at once, a cluster each."""
    measured = (clients.BOUND, clients.SHELL, clients.PLAYBOOK, clients.OURS_DIRECT)
    sites = {client.key: Site(lab, f"wait-{client.key}", be=1) for client in measured}
    for site in sites.values():
        lab.add_cluster(CLUSTER, site.namespace, be=1, wait=False)
    for site in sites.values():
        until(lambda site=site: site.upgraded("3.3.1") and len(site.pods()) == 4, SLOW_READY_SECONDS * 5)
    with ThreadPoolExecutor(len(measured)) as pool:
        jobs = {client.key: pool.submit(_wait_a_minute, bench, client, sites[client.key]) for client in measured}
        return {key: job.result() for key, job in jobs.items()}


def _wait_a_minute(bench: Bench, client: Client, site: Site) -> float:
    site.prepare()
    job = Job(site, "3.3.2-slow", user(site.lab, site.namespace), bench.folder, ("be",))
    running = bench.start(client, job, f"wait-{client.key}")
    image = "starrocks/be-ubuntu:3.3.2-slow"
    if not until(lambda: any(pod["spec"]["containers"][0]["image"] == image for pod in site.pods()), 60):
        raise Failed(f"wait-{client.key}: no pod with the new image; see {bench.folder}")
    # The step has begun to wait only a moment later.
    running.wait(5)
    before, began = running.cpu_so_far(), time.monotonic()
    if running.wait(WAIT_SECONDS):
        raise Failed(f"wait-{client.key}: ended although its pod is not ready; see {bench.folder}")
    cpu = running.cpu_so_far() - before
    minutes = (time.monotonic() - began) / 60
    end_left_over(running.kill())
    bench.say(f"waiting, {client.title}: {cpu / minutes:.2f} CPU s per minute")
    return cpu / minutes


@dataclass(frozen=True)
class Broken:
    """One upgrade to a BE image that does not come up. Seconds from the first sign; None: never reported."""

    client: str
    kind: str
    sign: str
    told: float | None
    ended: float | None
    kept: bool
    status: int


def broken_images(bench: Bench, lab: Lab) -> list[Broken]:
    """Ours alone for each kind of image, then the peers at the same time, each in a cluster of its own."""
    found = [_broken(bench, lab, clients.OURS_DIRECT, kind) for kind in BROKEN]
    peers = (clients.SHELL, clients.PLAYBOOK)
    with ThreadPoolExecutor(len(peers)) as pool:
        jobs = [pool.submit(_broken, bench, lab, client, "broken") for client in peers]
        return found + [job.result() for job in jobs]


def _broken(bench: Bench, lab: Lab, client: Client, kind: str) -> Broken:
    site = Site(lab, f"{kind}-{client.key}")
    lab.add_cluster(CLUSTER, site.namespace)
    site.prepare()
    sign = FirstSign(site, "be")
    sign.start()
    job = Job(site, f"3.3.2-{kind}", user(lab, site.namespace), bench.folder, timeout=bench.peer_timeout)
    name = f"{kind}-{client.key}"
    running = bench.start(client, job, name)
    usage = await_end(running, NOTICE_SECONDS + bench.peer_timeout, name)
    sign.stop()
    told = _told(usage, sign) if sign.at is not None else None
    ended = usage.lines[-1].at - sign.at if sign.at is not None and usage.lines else None
    result = Broken(client.key, kind, sign.reason, told, ended, site.settings_kept(), usage.status)
    bench.say(
        f"image {BROKEN[kind]}, {client.title}: {sign.reason}, told after"
        f" {'never' if told is None else f'{told:.1f} s'}, settings {'as before' if result.kept else 'left off'}"
    )
    lab.remove_namespace(site.namespace, wait=False)
    return result


def _told(usage: Usage, sign: FirstSign) -> float | None:
    """Seconds from the first sign to the first line that names its cause or says that it went wrong."""
    assert sign.at is not None
    for line in usage.lines:
        if any(word in line.text for word in (*BAD, "CrashLoopBackOff", "ErrImagePull", "ImagePull", sign.reason)):
            return line.at - sign.at
    return None


@dataclass(frozen=True)
class Killed:
    """A runner killed while settings were off: are they as before a while later, and after the next run?"""

    client: str
    left_off: bool
    next_run: float
    status: int
    kept: bool


def kills(bench: Bench, lab: Lab) -> list[Killed]:
    """kill -9 while the first BE is away; the next run is ours' restore, and for a peer the same command again."""
    return [_kill(bench, lab, client) for client in (clients.SHELL, clients.PLAYBOOK, clients.OURS_DIRECT)]


def _kill(bench: Bench, lab: Lab, client: Client) -> Killed:
    site = Site(lab, f"kill-{client.key}")
    lab.add_cluster(CLUSTER, site.namespace)
    site.prepare()
    job = Job(site, "3.3.2", user(lab, site.namespace), bench.folder)
    running = bench.start(client, job, f"kill-{client.key}")
    new = "starrocks/be-ubuntu:3.3.2"
    if not until(lambda: any(pod["spec"]["containers"][0]["image"] == new for pod in site.pods()), 60):
        raise Failed(f"kill-{client.key}: no pod with the new image; see {bench.folder}")
    end_left_over(running.kill())
    left_off = not site.settings_kept()
    again: Callable[[Job], tuple[list[str], dict[str, str]]] = clients.restore if client.ours else client.start
    name = f"kill-{client.key}-next"
    usage = await_end(Measured(*again(job), bench.folder / f"{name}.log"), LONGEST_UPGRADE_SECONDS, name)
    result = Killed(client.key, left_off, usage.wall, usage.status, site.settings_kept())
    bench.say(
        f"kill -9, {client.title}: next run took {usage.wall:.1f} s, settings"
        f" {'as before' if result.kept else 'not as before'}"
    )
    lab.remove_namespace(site.namespace, wait=False)
    return result


def starts(bench: Bench) -> dict[str, float]:
    """Medians in seconds: finding the built control plane in the cache, and starting a lab with a cluster."""
    seconds: dict[str, list[float]] = {BUILD_FOUND: [], LAB_STARTED: []}
    for number in range(bench.repeats):
        began = time.monotonic()
        build.ensure()
        seconds[BUILD_FOUND].append(time.monotonic() - began)
        began = time.monotonic()
        with Lab.up(f"bench-{os.getpid()}-start-{number}"):
            seconds[LAB_STARTED].append(time.monotonic() - began)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    bench.say(", ".join(f"{name} {value:.1f} s" for name, value in medians.items()))
    return medians


def _versions() -> Iterator[str]:
    patch = 1
    while True:
        patch += 1
        yield f"3.3.{patch}"


def await_end(running: Measured, seconds: float, name: str) -> Usage:
    """What it took, once it has ended by itself.

    :raises Failed: it did not within so many seconds.
    """
    if not running.wait(seconds):
        end_left_over(running.kill())
        raise Failed(f"{name}: did not end within {seconds:.0f} s; its log has that name")
    return running.end()


def _check(usage: Usage, upgraded: bool, log: Path) -> None:
    if usage.status != 0 or not upgraded:
        raise Failed(
            f"an upgrade ended with status {usage.status}{'' if upgraded else ', not every pod upgraded'}: {log}"
        )


def medians(runs: Sequence[Upgrade]) -> dict[str, float]:
    """The median of each figure, and the least and most of the wall time."""
    found = middle(runs, ("wall", "cpu", "pss", "requests", "events", "load"))
    return found | {"wall_least": min(run.wall for run in runs), "wall_most": max(run.wall for run in runs)}


def middle(runs: Sequence[object], names: Sequence[str]) -> dict[str, float]:
    """The median of each figure."""
    return {name: statistics.median(float(getattr(run, name)) for run in runs) for name in names}


def plain(results: dict[str, Any]) -> dict[str, Any]:
    """The results as JSON takes them."""
    return {
        "starts": results["starts"],
        "upgrades": {key: [asdict(run) for run in runs] for key, runs in results["upgrades"].items()},
        "preparations": {key: [asdict(run) for run in runs] for key, runs in results["preparations"].items()},
        "waiting": results["waiting"],
        "broken": [asdict(entry) for entry in results["broken"]],
        "killed": [asdict(entry) for entry in results["killed"]],
        "migrated": [asdict(entry) for entry in results["migrated"]],
        "memory": asdict(results["memory"]),
        "reacted": asdict(results["reacted"]),
    }
