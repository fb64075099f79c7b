# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a value that nobody knows is waited for, on a clock that only moves when something is waited for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from unit.module_utils._domain.starrocks.builders import NEW_START, QUIESCED, a_cluster, a_record, a_spec

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import Record
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import (
    REPAIR_LIMIT,
    Journal,
    open_journal,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import FrontendSettings
from ansible_collections.steady.rollout.plugins.module_utils._engine.quiesce import STALE_SECONDS, Switch


class Bench:
    """A world, a ledger and a clock in one: a cluster that is switched off, and an FE's answers as given here."""

    view = SimpleNamespace(leader="prod-fe-0")

    def __init__(self) -> None:
        self.now = 0.0
        self.looks = 0
        self.later: Callable[[], None] = lambda: None
        cluster = a_cluster()
        journal = open_journal(cluster.snapshot, tuple(QUIESCED), Journal())
        self.record: Record = a_record(cluster.snapshot, a_spec(), journal=journal)
        self.seen = dict(a_cluster().settings(**QUIESCED).snapshot.settings)
        self.switch = Switch(cast(Any, self), cast(Any, self), cast(Any, self), "step", lambda _line: None)

    def holds(self, value: str, *frontends: str, started: str | None = None) -> None:
        """These FEs answer with another repair limit; `started`: listed with that StartTime."""
        for pod in frontends:
            before = self.seen[pod]
            values = {**before.values, REPAIR_LIMIT: value}
            self.seen[pod] = FrontendSettings(pod, started or before.start_time, values)

    def look(self, *, settings: bool) -> None:
        """Each look sees what there is, and the next one what `later` has made of it."""
        assert settings
        self.looks += 1
        if self.looks > 1:
            self.later()

    def seen_settings(self) -> dict[str, FrontendSettings]:
        """What the FEs answer."""
        return self.seen

    def next_change(self, timeout: float) -> bool:
        """Nothing changes within the time."""
        self.now += timeout
        return False

    def restarted(self, timeout: float) -> bool:
        """The leader's heartbeat shows that it has restarted."""
        self.now += timeout
        self.holds("42", "prod-fe-0", started=NEW_START)
        return True

    def ticks(self) -> float:
        """The clock."""
        return self.now

    def renew(self) -> None:
        """The lease is ours."""

    def change(self, record: Record) -> None:
        """Take over a changed record."""
        self.record = record

    def write(self) -> None:
        """Write the record."""

    def event(self, *_args: str, **_data: str) -> None:
        """Note what happened."""

    def waited(self) -> tuple[float, list[str]]:
        """Look once: how long that took, and the settings that somebody else has changed."""
        before = self.now
        drifts = self.switch.look()
        return self.now - before, [drift.key for drift in drifts]


EVERYWHERE = ("prod-fe-0", "prod-fe-1", "prod-fe-2")


def test_what_is_ours_is_not_waited_for() -> None:
    assert Bench().waited() == (0, [])


def test_what_somebody_has_set_is_waited_for_once() -> None:
    bench = Bench()
    bench.holds("42", *EVERYWHERE)
    assert bench.waited() == (STALE_SECONDS, [REPAIR_LIMIT])
    assert bench.waited() == (0, [REPAIR_LIMIT])
    # The next task of the run begins with the record alone.
    bench.switch = replace(bench.switch)
    assert bench.waited() == (0, [REPAIR_LIMIT])


def test_another_value_of_somebody_is_waited_for_again() -> None:
    bench = Bench()
    bench.holds("42", *EVERYWHERE)
    bench.waited()
    bench.holds("43", *EVERYWHERE)
    assert bench.waited() == (STALE_SECONDS, [REPAIR_LIMIT])


def test_a_restart_that_is_listed_later_makes_the_value_its_own() -> None:
    bench = Bench()
    bench.holds("42", "prod-fe-0")
    bench.next_change = bench.restarted  # type: ignore[method-assign]
    assert bench.waited() == (1, [])
    assert not any(entry.foreign for entry in bench.record.journal.entries.values())


def test_a_set_that_comes_between_two_reads_is_somebodys() -> None:
    """The leader had been read when it came, and the others had not."""
    bench = Bench()
    bench.holds("42", "prod-fe-1", "prod-fe-2")
    bench.later = lambda: bench.holds("42", "prod-fe-0")
    assert bench.waited() == (STALE_SECONDS, [REPAIR_LIMIT])


def test_a_value_that_a_follower_alone_keeps_came_with_its_restart() -> None:
    bench = Bench()
    bench.holds("42", "prod-fe-2")
    assert bench.waited() == (0, [])
    assert bench.looks == 2
    assert bench.record.journal.entries[REPAIR_LIMIT].known("prod-fe-2", bench.seen["prod-fe-2"].start_time) >= {"42"}
