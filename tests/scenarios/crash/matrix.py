# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kills there are, and what has to hold after each of them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from scenarios.cluster import KEYS, StarRocks, down_at_once
from scenarios.crash import probe
from scenarios.crash.edges import PASSING, Edge, Kind
from scenarios.crash.fronts import LEASE_SECONDS, VARIABLES, Ending, Play, Preparation, Upgrade
from scenarios.playbook import Driver, Run

# Values nobody has by default: a restore of constants would be seen.
VALUES: Final = dict(zip(KEYS, ("12345", "321", "false", "false"), strict=True))
# What a hook holds beside the settings of the upgrade guide.
HELD: Final = ("history_job_keep_max_second", "7654")
BEFORE: Final = "3.3.1"


@dataclass(frozen=True)
class Story:
    """An upgrade: what is asked for, and the tag that all pods of a component have in the end.

    `leader` leads at first, in a StarRocks that can transfer its leader; `released`: an earlier run left its lease.
    `component` is the one that the upgrade is about; empty means all. `front` plays it. `node`: it has statements that
    need NODE.
    """

    name: str
    spec: dict[str, Any]
    final: str
    leader: str = "prod-fe-0"
    released: bool = False
    component: str = ""
    front: type[Play | Upgrade | Preparation] = Play
    node: bool = False

    @property
    def succeeds(self) -> bool:
        """Whether the upgrade reaches what was asked for."""
        return self.final != BEFORE


STORIES: Final = (
    Story("success", {"target": {"version": "3.3.2"}}, "3.3.2"),
    Story("broken-backend", {"target": {"images": {"be": "starrocks/be-ubuntu:3.3.2-broken"}}}, BEFORE),
    Story("broken-frontend", {"target": {"images": {"fe": "starrocks/fe-ubuntu:3.3.2-broken"}}}, BEFORE),
    Story(
        "leader-moves",
        {"target": {"version": "3.3.2"}, "leader": {"strategy": "transfer"}},
        "3.3.2",
        leader="prod-fe-2",
        released=True,
        node=True,
    ),
    Story(
        "hooks",
        {
            "target": {"images": {"be": "starrocks/be-ubuntu:3.3.2"}},
            "stages": {
                "pre": [
                    {"name": "history", "predefined": "drop-job-history"},
                    {"name": "image", "sql": "ALTER SYSTEM CREATE IMAGE"},
                    {"name": "one", "sql": "SELECT 4711", "group": "together"},
                    {"name": "other", "sql": "SELECT 4712", "group": "together"},
                ],
                "post": [{"name": "early", "predefined": "keep-job-history"}, {"name": "look", "sql": "SELECT 4713"}],
            },
        },
        "3.3.2",
        component="be",
        node=True,
    ),
    Story(
        "passes",
        {
            "target": {"images": {"be": "starrocks/be-ubuntu:3.3.2"}},
            "stages": {"pre": [{"name": "history", "predefined": "drop-job-history"}]},
        },
        "3.3.2",
        component="be",
        front=Upgrade,
    ),
    Story(
        "broken-passes",
        {"target": {"images": {"be": "starrocks/be-ubuntu:3.3.2-broken"}}},
        BEFORE,
        component="be",
        front=Upgrade,
    ),
    Story(
        "preparation",
        {"hooks": "disable-tablet-clone,disable-balancer,drop-job-history"},
        BEFORE,
        component="be",
        front=Preparation,
    ),
)


@dataclass(frozen=True)
class Case:
    """One kill: where, and what is done afterwards."""

    story: str
    edge: str
    moment: probe.Moment
    reach: probe.Reach
    ending: Ending

    def __str__(self) -> str:
        return f"{self.story}: {self.moment} {self.edge} [{self.reach}] then {self.ending}"


def points(trace: probe.Trace) -> Iterator[tuple[Edge, probe.Moment]]:
    """The kills of an undisturbed run: before and after each write, and before the first read of each kind and name."""
    seen: set[str] = set()
    for edge, moment in trace.edges:
        name = str(edge)
        if edge.kind in PASSING:
            name = f"{edge.kind} {edge.what}"
            if moment == "after":
                continue
        key = f"{moment} {name}"
        if key not in seen:
            seen.add(key)
            yield edge, moment


def all_cases(traces: dict[str, probe.Trace]) -> list[Case]:
    """The full matrix: each point with each way to go on; at some the runner's worker is left alive.

    First each point once, by one of its endings, then each by its next ending, so that a matrix that was stopped has
    been everywhere before it has been anywhere twice. What is drawn for a point is drawn by its name: threads that take
    turns differently in the next run must not make other cases of the same points.
    """
    cases: list[tuple[int, Case]] = []
    for story, trace in traces.items():
        endings = story_of(story).front.endings
        for edge, moment in points(trace):
            lot = zlib.crc32(f"{moment} {edge}".encode())
            reach: probe.Reach = "playbook" if lot % 5 == 4 else "everything"
            for turn in range(len(endings)):
                ending = endings[(lot // 5 + turn) % len(endings)]
                cases.append((turn, Case(story, str(edge), moment, reach, ending)))
    return [case for _turn, case in sorted(cases, key=itemgetter(0))]


# Kinds that these stories pass; the others are a second run's, or need a StarRocks that can transfer its leader.
KINDS: Final = tuple(kind for kind in Kind if kind is not Kind.UNKNOWN)


def sample(cases: list[Case], kind: Kind, seed: int) -> Case:
    """A case of that kind of edge, drawn by the seed; the endings take turns.

    It is drawn by its name: one more case than in the last run must not make it another one.
    """
    of_kind = [case for case in cases if Edge.parse(case.edge).kind is kind]
    assert of_kind, f"no run came to an edge of kind {kind.value}"
    endings = sorted({case.ending for case in of_kind})
    ending = endings[KINDS.index(kind) % len(endings)]
    fitting = [case for case in of_kind if case.ending == ending]
    return min(fitting, key=lambda case: zlib.crc32(f"{seed} {case}".encode()))


def story_of(name: str) -> Story:
    """The story of that name."""
    return next(story for story in STORIES if story.name == name)


def _prepare(starrocks: StarRocks, story: Story) -> None:
    """The cluster as the story begins with it."""
    starrocks.set_everywhere(**VALUES, **dict([HELD]))
    if starrocks.leader != story.leader:
        starrocks.simulate(leader=story.leader, options={"transfer_leader": True})
    if story.released:
        starrocks.add_released_lease()
    if story.node:
        starrocks.grant_node()


def undisturbed(driver: Driver, starrocks: StarRocks, story: Story, trace: Path) -> probe.Trace:
    """Play the story to its end and return the edges it passed."""
    _prepare(starrocks, story)
    ended = story.front(driver, starrocks, story.spec).tell(probe.environment(trace))
    assert (ended.rc == 0) is (story.succeeds or story.front is not Play), ended.stdout
    return probe.Trace.read(trace)


def play(driver: Driver, starrocks: StarRocks, case: Case, trace: Path) -> None:
    """Kill the story at the case's edge, go on as the case says, and check the cluster's own state."""
    story = story_of(case.story)
    _prepare(starrocks, story)
    strategies, pods, mark = starrocks.strategies, set(starrocks.pods), starrocks.mark()
    front = story.front(driver, starrocks, story.spec)
    order = probe.Order(case.edge, moment=case.moment, reach=case.reach)
    killed = front.tell(probe.environment(trace, order))
    assert probe.Trace.read(trace).killed_at == case.edge, f"{case}: never came to that edge\n{killed.stdout}"
    assert killed.rc < 0 or killed.rc > 128, f"{case}: it was not killed\n{killed.stdout}"
    dead = _left_over(starrocks)
    if case.ending == "restore":
        _restore(driver, starrocks, case)
        _check_settings(starrocks, story)
    elif case.ending == "delete":
        front.delete()
        _check_settings(starrocks, story)
        _check_released(starrocks, dead)
    front.go_on(case.ending)
    if story.front is not Play:
        _check_settings(starrocks, story)
    if story.front is not Preparation:
        _continue(driver, starrocks, case, story, strategies, dead)
    _check_released(starrocks, dead)
    assert starrocks.strategies == strategies, case
    assert all(len(down) <= 1 for down in down_at_once(pods, starrocks.pod_events(mark))), case


def _restore(driver: Driver, starrocks: StarRocks, case: Case) -> None:
    owed = starrocks.record is not None and starrocks.record["phase"] != "done"
    ended = driver.restore(starrocks_restore_lease_seconds=LEASE_SECONDS)
    assert ended.rc == 0, f"{case}\n{ended.stdout}"
    if owed:
        # Where nothing is, nothing is done, and a dead run's lease runs out by itself.
        starrocks.assert_released()


def _left_over(starrocks: StarRocks) -> str:
    """The dead run's name, where it owed nothing and had nothing but its lease: before its record, or after its last.

    Who comes then has nothing to do, so it needs no lease, and this one runs out by itself.
    """
    record, lease = starrocks.record, starrocks.lease
    owed = record is not None and record["phase"] != "done"
    return "" if owed or lease is None else str(lease.get("holderIdentity") or "")


def _check_released(starrocks: StarRocks, dead: str) -> None:
    """Nobody holds the lease, or nobody but a dead run."""
    lease = starrocks.lease
    assert lease is None or lease.get("holderIdentity") in (None, "", dead), lease


def _continue(
    driver: Driver, starrocks: StarRocks, case: Case, story: Story, strategies: dict[str, Any], dead: str
) -> None:
    """The same command again ends the story; where it succeeds, once more changes nothing."""
    document = driver.document(None, **_accepting(story.spec))
    ended = driver.run(document, **VARIABLES)
    _check_end(starrocks, case, story, ended)
    _check_released(starrocks, dead)
    assert starrocks.strategies == strategies, f"{case}\n{ended.stdout}"
    if story.succeeds:
        again = driver.run(document, **VARIABLES).succeeded()
        assert " changed=0 " in f"{again.text} ", f"{case}\n{again.stdout}"


def _accepting(spec: dict[str, Any]) -> dict[str, Any]:
    """A kill may leave the leader anywhere, and a person who goes on would accept that."""
    return {**spec, "acknowledge": ["leader-restart"]}


def _check_end(starrocks: StarRocks, case: Case, story: Story, ended: Run) -> None:
    assert (ended.rc == 0) is story.succeeds, f"{case}\n{ended.stdout}"
    tags = {tag for pod, tag in starrocks.tags.items() if f"-{story.component}" in pod}
    assert tags == {story.final}, f"{case}\n{starrocks.tags}\n{ended.stdout}"
    starrocks.assert_all_ready()
    _check_settings(starrocks, story)


def _check_settings(starrocks: StarRocks, story: Story) -> None:
    """Every FE that lives has what it had before; of what only a hook holds, one that restarted has the default."""
    starrocks.assert_settings(**VALUES)
    key, value = HELD
    seen = {f["settings"][key] for f in starrocks.state["frontends"].values() if f["alive"]}
    assert seen == {value} if story.component == "be" else seen <= {value, "604800"}
