# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results as a page for people: each figure, each aim, and whether it is met."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from steadybench import cases, clients
from steadybench.cases import Broken, Killed, Upgrade
from steadybench.migrating import Memory, Migrated
from steadybench.operating import Operated
from steadybench.preparing import Prepared
from steadybench.reacting import DAY_PASSES, PARALLEL, Reacted

PODS: Final = 6
CLIENTS: Final = {client.key: client for client in clients.ALL}
PREPARING: Final = {client.key: client for client in clients.PREPARING}

METHOD: Final = """\
One lab (a real kube-apiserver, etcd, controller-manager and scheduler {kubernetes}, simulated kubelets, the StarRocks
simulator and the stand-in for its operator): 3 FE + 3 BE, pods ready 2 s after they are made, deletion at once. Real
pods take 30 to 300 s, so what a client adds and what a minute of waiting costs carry over to a real cluster; the ratios
of wall time do not. Gates are all on; only their settle time is zero and one pass is enough.

- **bound**: raw HTTP, one pod watch, the same pods in the same order by `partition`; no SQL, no gate, no record.
- **shell**: `tests/bench/clients/upgrade.sh`, FEs by `kubectl port-forward`, MySQL client: {mysql}.
- **playbook**: `tests/bench/clients/upgrade.yml` with kubernetes.core and community.mysql of the PyPI wheel
  `{wheel}`, FEs at their addresses as from inside the cluster.
- **ours**: the shipped playbook; and the shipped role with the FEs at their addresses.
- Ours also waits for what the bound does not look at: settings read back on every FE, and tablets that the simulated BE
  has to repair after each restart (about 0.4 s a BE).
- Wall, CPU (`wait4`, children included) and memory (proportional set size of the process tree, sampled every
  {sample} s, peak) of each client; API requests by the audit log, one user for each client. Clients take turns;
  medians of {repeats}, wall with least and most.
- Before each upgrade ordinal 0 leads and the four settings have values of this cluster's own fe.conf, which are not
  StarRocks' defaults: what a script puts back is a constant, and that shows.
- An Event costs one request, and three where another process wrote it before. How many there are depends on what there
  is to tell, so the aim is about the other requests; the tables show both.
- Preparing: the trigger `starrocks.com/prepare-upgrade=true` with two hooks, `disable-tablet-clone` and
  `disable-balancer`. Ours is one `ansible-playbook steady.rollout.starrocks_reconcile`, started once the trigger
  stands; the script (`tests/bench/clients/prepare.sh`) writes the trigger itself, and its CPU has that in it. Seconds
  count from the answer to that write to the answer to the write of the annotation that says Completed, requests from
  there to the client's end (audit log). FE time is the sum of what the simulator took for the statements; a connection
  is one that ran a statement (query log). Between turns the trigger is removed and ours puts the settings back; the
  script has no way back.
- Migrating: one `ansible-playbook steady.rollout.db_upgrade` with two files for an empty PostgreSQL 15; real crane and
  Atlas as processes of this machine, three Jobs one after the other. A Job's time is from when it may start to its end,
  as a watch sees them. Ansible's start is until the first request.
- Memory: as many DBUpgrades as it says, with an inspection Job each, carried out by the module's code in one process.
  Growth is the median of the last quarter less that of the second.
- Waiting: CPU of the process tree over {wait:.0f} s in which a BE is not ready; four clients at once.
- Broken image: from the first container state that is a fault, seen by a watch, to the first line on the client's
  screen that names it. The peers' timeout was set to {timeout} s; people use 600.
- The reactor: `python -m reactor` over an empty plane, one kind, a playbook of one `debug` task, {parallel} runs at
  once. A pass is timed by its own line on the screen, median of 10; objects from the first write to the last status;
  memory while {parallel} runs wait in a module each. The passes of growth are those of a day in which one settled
  object is looked at each minute, one after the other.
- kill -9 while the first BE is away. The next run is our `starrocks_restore`; for a peer the same command again.
"""


@dataclass(frozen=True)
class Run:
    """What all cases gave, and on what machine."""

    date: str
    machine: str
    method: Mapping[str, Any]
    starts: Mapping[str, float]
    upgrades: Mapping[str, Sequence[Upgrade]]
    preparations: Mapping[str, Sequence[Prepared]]
    waiting: Mapping[str, float]
    broken: Sequence[Broken]
    killed: Sequence[Killed]
    migrated: Sequence[Migrated]
    memory: Memory
    reacted: Reacted
    operated: Operated


def page(run: Run) -> str:
    """The whole page, Markdown."""
    parts = [
        "# Figures",
        f"Written by `make bench` on {run.date}; {run.machine}.",
        "## Aims",
        _table(("figure", "aim", "measured", "met"), _aims(run)),
        "## An upgrade that goes well",
        _table(
            (
                "client",
                "wall s (least-most)",
                "/ bound",
                "CPU s",
                "API requests",
                "of them for Events",
                "PSS MB",
                "settings as before",
                "load",
            ),
            _upgrades(run),
        ),
        "## Preparing by an annotation",
        preparations(run.preparations),
        "## A minute of waiting for a pod",
        _table(
            ("client", "CPU s per minute"), ((CLIENTS[key].title, f"{value:.2f}") for key, value in run.waiting.items())
        ),
        "## A BE image that does not come up",
        _table(("client", "image", "first sign", "told after s", "ended after s", "settings as before"), _broken(run)),
        "## kill -9 of the runner",
        _table(
            ("client", "settings left off", "next run s", "exit status", "settings as before after it"), _killed(run)
        ),
        "## Migrating a database",
        migrations(run.migrated),
        f"Memory of one process that carries out {run.memory.runs} DBUpgrades, one after the other: "
        + ", ".join(f"{size:.0f}" for size in run.memory.sizes)
        + " MB.",
        "## The reactor",
        reactions(run.reacted),
        "## Under the real ansible-operator",
        operations(run.operated),
        "## Method",
        METHOD.format(parallel=PARALLEL, **run.method),
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def reactions(found: Reacted) -> str:
    """The table of the reactor."""
    rows = [
        ("a pass over an object, nothing to do, s", f"{found.wall:.2f}"),
        ("its CPU s, all processes", f"{found.cpu:.2f}"),
        *((f"{size} objects, s", f"{seconds:.1f}") for size, (seconds, _) in found.many.items()),
        *((f"{size} objects, CPU s", f"{used:.1f}") for size, (_, used) in found.many.items()),
        ("with nothing to do, PSS MB", f"{found.idle:.0f}"),
        (f"each of {PARALLEL} runs at once, PSS MB", f"{found.each:.0f}"),
        ("more than before, after all of this, PSS MB", f"{found.grown:.1f}"),
        (f"more than that, after {DAY_PASSES} more passes, PSS MB", f"{found.day:.1f}"),
        ("load", f"{found.load:.1f}"),
    ]
    return _table(("figure", "measured"), rows)


def operations(found: Operated) -> str:
    """The table of the real ansible-operator."""
    rows = [
        (f"a pass of the shipped playbook, nothing to do, s (mean of {found.passes})", f"{found.wall:.2f}"),
        ("its CPU s, all processes", f"{found.cpu:.2f}"),
        ("the operator after it, PSS MB", f"{found.pss:.0f}"),
        ("load", f"{found.load:.1f}"),
    ]
    return _table(("figure", "measured"), rows)


def preparations(found: Mapping[str, Sequence[Prepared]]) -> str:
    """The table of the preparations; seconds from the trigger on."""
    heads = (
        "client",
        "first statement s",
        "first ADMIN SET s",
        "Completed s (least-most)",
        "of it FE s",
        "CPU s",
        "FE connections",
        "statements",
        "API requests",
        "of them for Events",
        "held on every FE",
        "load",
    )
    return _table(heads, _preparations(found))


def _preparations(found: Mapping[str, Sequence[Prepared]]) -> Iterable[Sequence[str]]:
    names = ("first", "setting", "completed", "fe", "cpu", "connections", "statements", "requests", "events", "load")
    for key, runs in found.items():
        figures = cases.middle(runs, names)
        spread = f"{min(run.completed for run in runs):.2f}-{max(run.completed for run in runs):.2f}"
        yield (
            PREPARING[key].title,
            f"{figures['first']:.2f}",
            f"{figures['setting']:.2f}",
            f"{figures['completed']:.2f} ({spread})",
            f"{figures['fe']:.3f}",
            f"{figures['cpu']:.2f}",
            f"{figures['connections']:.0f}",
            f"{figures['statements']:.0f}",
            f"{figures['requests']:.0f}",
            f"{figures['events']:.0f}",
            _yes(all(run.everywhere for run in runs)),
            f"{figures['load']:.1f}",
        )


def migrations(found: Sequence[Migrated]) -> str:
    """The table of the migrations."""
    heads = (
        "wall s (least-most)",
        "of it Jobs s",
        "of it Ansible's start s",
        "CPU s",
        "API requests",
        "PSS MB",
        "load",
    )
    seen = cases.middle(found, ("wall", "jobs", "ansible", "cpu", "requests", "pss", "load"))
    row = (
        f"{seen['wall']:.2f} ({min(run.wall for run in found):.2f}-{max(run.wall for run in found):.2f})",
        f"{seen['jobs']:.2f}",
        f"{seen['ansible']:.2f}",
        f"{seen['cpu']:.2f}",
        f"{seen['requests']:.0f}",
        f"{seen['pss']:.0f}",
        f"{seen['load']:.1f}",
    )
    return _table(heads, [row])


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _aims(run: Run) -> list[tuple[str, str, str, str]]:
    ours, bound = (cases.medians(run.upgrades[client.key]) for client in (clients.OURS_DIRECT, clients.BOUND))
    prepared = cases.middle(run.preparations[clients.PREPARE_OURS_DIRECT.key], ("first", "apart"))
    told = [entry.told for entry in run.broken if CLIENTS[entry.client].ours]
    worst = max((seconds for seconds in told if seconds is not None), default=None)
    kept = [entry.kept for entry in run.broken if CLIENTS[entry.client].ours]
    kept += [entry.kept for entry in run.killed if CLIENTS[entry.client].ours]
    migrated = cases.middle(run.migrated, ("overhead",))
    slowest = None if worst is None or None in told else worst
    rows = [
        ("wall / bound", 1.2, ours["wall"] / bound["wall"], "{:.2f}"),
        ("client CPU s", 3.0, ours["cpu"], "{:.2f}"),
        ("CPU s per minute of waiting", 0.1, run.waiting[clients.OURS_DIRECT.key], "{:.2f}"),
        (
            "own API requests without Events (8 + 5 per pod)",
            8.0 + 5 * PODS,
            ours["requests"] - ours["events"],
            "{:.0f}",
        ),
        ("process tree, PSS MB", 110.0, ours["pss"], "{:.0f}"),
        ("broken image told after s", 5.0, slowest, "{:.1f}"),
        ("annotation to first statement, s", 2.0, prepared["first"], "{:.2f}"),
        ("annotation to Completed, FE time apart, s", 2.0, prepared["apart"], "{:.2f}"),
        ("migration: start to Ready without its Jobs, s", 2.0, migrated["overhead"], "{:.2f}"),
        (f"memory growth over {run.memory.runs} migrations, MB", 1.0, run.memory.growth, "{:.2f}"),
        ("reactor: a pass that finds nothing to do, s", 0.45, run.reacted.wall, "{:.2f}"),
        ("reactor: its CPU s", 0.4, run.reacted.cpu, "{:.2f}"),
        *(
            (f"reactor: {size} objects, s", aim, run.reacted.many[size][0], "{:.1f}")
            for size, aim in ((50, 5.0), (500, 60.0))
        ),
        ("reactor: memory of one more run at once, PSS MB", 60.0, run.reacted.each, "{:.0f}"),
        (f"reactor: growth over {DAY_PASSES} passes, PSS MB", 1.0, run.reacted.day, "{:.1f}"),
        ("real ansible-operator: a pass of ours that finds nothing to do, s", 1.3, run.operated.wall, "{:.2f}"),
        ("lab with a cluster started, s", 8.0, run.starts[cases.LAB_STARTED], "{:.1f}"),
        ("built control plane found in the cache, s", 5.0, run.starts[cases.BUILD_FOUND], "{:.1f}"),
    ]
    figures = [
        (
            name,
            f"at most {aim:g}",
            "never" if seen is None else form.format(seen),
            _yes(seen is not None and seen <= aim),
        )
        for name, aim, seen, form in rows
    ]
    return [*figures, ("settings restored in each failure", "all", f"{sum(kept)} of {len(kept)}", _yes(all(kept)))]


def _upgrades(run: Run) -> Iterable[Sequence[str]]:
    bound = cases.medians(run.upgrades[clients.BOUND.key])["wall"]
    for key, found in run.upgrades.items():
        figures = cases.medians(found)
        yield (
            CLIENTS[key].title,
            f"{figures['wall']:.1f} ({figures['wall_least']:.1f}-{figures['wall_most']:.1f})",
            f"{figures['wall'] / bound:.2f}",
            f"{figures['cpu']:.2f}",
            f"{figures['requests']:.0f}",
            f"{figures['events']:.0f}",
            f"{figures['pss']:.0f}",
            "not touched" if key == clients.BOUND.key else _yes(all(entry.kept for entry in found)),
            f"{figures['load']:.1f}",
        )


def _broken(run: Run) -> Iterable[Sequence[str]]:
    for entry in run.broken:
        seconds = ["never" if value is None else f"{value:.1f}" for value in (entry.told, entry.ended)]
        yield CLIENTS[entry.client].title, cases.BROKEN[entry.kind], entry.sign, *seconds, _yes(entry.kept)


def _killed(run: Run) -> Iterable[Sequence[str]]:
    for entry in run.killed:
        yield (
            CLIENTS[entry.client].title,
            _yes(entry.left_off),
            f"{entry.next_run:.1f}",
            str(entry.status),
            _yes(entry.kept),
        )


def _yes(value: bool) -> str:
    return "yes" if value else "no"
