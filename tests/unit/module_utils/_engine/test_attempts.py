# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trying a hook again: only what is transient, within its time, and never what may have been carried out already."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples_of
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import (
    Denied,
    RolloutError,
    SqlFailed,
    Unreachable,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.entries import Place, Terms
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.resolve import (
    Action,
    PlannedHook,
)
from ansible_collections.steady.rollout.plugins.module_utils._engine.attempts import (
    LONGEST_BACKOFF_SECONDS,
    Answer,
    Attempt,
    Held,
    Outcome,
    Runners,
    Statements,
    backoff,
    persevere,
)
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock

HOOK = PlannedHook(
    "own",
    "pre",
    0,
    Place("spec.stages.pre[0]", "spec.stages.pre[0].sql"),
    "sql",
    "sql",
    terms=Terms(retries=3, backoff_seconds=1, timeout_seconds=60),
)
BUSY = SqlFailed("too many connections", errno=1040, transient=True)


def patient(**terms: Any) -> PlannedHook:
    """The hook on other terms."""
    return replace(HOOK, terms=replace(HOOK.terms, **terms))


class FakeClock(Clock):
    """A clock that stands still until a hook pauses."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def ticks(self) -> float:
        return self.seconds


class Pauses(threading.Event):
    """The event that hooks pause on: time passes at once."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock = clock
        self.pauses: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.pauses.append(timeout)
        self.clock.seconds += timeout
        return self.is_set()


class Bench:
    """One hook on a fake clock."""

    def __init__(self, hook: PlannedHook = HOOK, pass_seconds: float | None = None) -> None:
        self.clock = FakeClock()
        self.stop = Pauses(self.clock)
        self.hook = hook
        self.announced: list[int] = []
        self.connect: Callable[[], Any] = lambda: None
        self.pass_seconds = pass_seconds

    def attempt(self, number: int = 1) -> Attempt:
        return Attempt(
            number=number,
            run="run-1",
            step="pre/0-own",
            hook=self.hook.name,
            identity="identity",
            first_started=0.0,
            end=self.clock.ticks() + self.hook.terms.timeout_seconds,
            pass_end=None if self.pass_seconds is None else self.clock.ticks() + self.pass_seconds,
            clock=self.clock,
            stop=self.stop,
            connect=self.connect,
            say=lambda line: None,
        )

    def run(self, work: Callable[[PlannedHook, Attempt], Answer], number: int = 1) -> Outcome:
        return persevere(self.hook, work, self.attempt(number), self.announced.append, jitter=lambda: 1.0)


def failing(*errors: RolloutError) -> Callable[[PlannedHook, Attempt], Answer]:
    """Work that fails with these errors, one each time, and then is done."""
    left = list(errors)

    def work(_hook: PlannedHook, _attempt: Attempt) -> Answer:
        if left:
            raise left.pop(0)
        return Answer(text="worked")

    return work


def test_what_works_is_tried_once() -> None:
    bench = Bench()
    outcome = bench.run(failing())
    assert (outcome.ok, outcome.attempts, outcome.answer.text) == (True, 1, "worked")
    assert bench.stop.pauses == []


def test_what_is_transient_is_tried_again_after_growing_pauses() -> None:
    bench = Bench()
    outcome = bench.run(failing(BUSY, BUSY, BUSY))
    assert (outcome.ok, outcome.attempts) == (True, 4)
    assert bench.stop.pauses == [1, 2, 4]
    assert bench.announced == [2, 3, 4]


def test_retries_have_an_end() -> None:
    outcome = Bench(patient(retries=2)).run(failing(BUSY, BUSY, BUSY))
    assert (outcome.ok, outcome.attempts, outcome.reason) == (False, 3, "too many connections")


@pytest.mark.parametrize(
    "error", [SqlFailed("syntax", errno=1064), Denied("no right", remedy="GRANT"), RolloutError("wrong")]
)
def test_what_is_not_transient_is_not_tried_again(error: RolloutError) -> None:
    bench = Bench()
    outcome = bench.run(failing(error))
    assert (outcome.ok, outcome.attempts, outcome.reason, outcome.remedy) == (False, 1, error.reason, error.remedy)
    assert bench.stop.pauses == []


def test_no_pause_outlasts_the_hooks_time() -> None:
    bench = Bench(patient(timeout_seconds=2.5, retries=9))
    outcome = bench.run(failing(*[BUSY] * 9))
    assert not outcome.ok
    assert outcome.reason == "not within 2.5 s: too many connections"
    assert bench.stop.pauses == [1]


def test_a_hook_that_is_held_is_asked_again_without_a_retry() -> None:
    bench = Bench(patient(retries=0))
    outcome = bench.run(failing(Held("not yet", again_in=5), Held("not yet", again_in=5)))
    assert (outcome.ok, outcome.attempts) == (True, 3)
    assert bench.stop.pauses == [5, 5]


def test_a_hook_that_is_held_too_long_has_failed() -> None:
    outcome = Bench().run(failing(*[Held("not yet", again_in=25, remedy="approve it")] * 9))
    assert (outcome.ok, outcome.reason) == (False, "not within 60 s: not yet")
    assert outcome.remedy == "approve it"


def test_whoever_wants_to_be_asked_late_is_asked_once_more_before_the_time_is_over() -> None:
    """A gate with a long Retry-After is not given up while there is time to ask it."""
    bench = Bench()
    outcome = bench.run(failing(Held("not yet", again_in=600)))
    assert (outcome.ok, outcome.attempts) == (True, 2)
    assert bench.stop.pauses == [58]
    slow = Bench(pass_seconds=3).run(failing(Held("not yet", again_in=600)))
    assert (slow.state, slow.again_in) == ("waiting", 58)


def test_a_pass_of_a_reconciler_does_not_wait_for_a_hook_that_is_held() -> None:
    bench = Bench(pass_seconds=3)
    outcome = bench.run(failing(Held("not yet", again_in=5)))
    assert (outcome.state, outcome.again_in, outcome.reason) == ("waiting", 5, "not yet")
    assert bench.stop.pauses == []


def test_a_hook_that_is_given_up_ends_in_its_pause() -> None:
    bench = Bench()
    bench.stop.set()
    outcome = bench.run(failing(BUSY, BUSY))
    assert (outcome.ok, outcome.reason) == (False, "given up: too many connections")


def test_attempts_count_over_every_runner_and_each_has_a_key_of_its_own() -> None:
    seen: list[str] = []

    def work(_hook: PlannedHook, attempt: Attempt) -> Answer:
        seen.append(attempt.key)
        if len(seen) < 3:
            raise BUSY
        return Answer()

    assert Bench().run(work, number=4).attempts == 6
    assert seen == ["identity/4", "identity/5", "identity/6"]


@examples_of(max_examples=200, derandomize=True)
@given(st.integers(1, 200), st.floats(0, 60))
def test_the_pause_is_bounded_and_never_shrinks(tries: int, first: float) -> None:
    assert 0 <= backoff(tries, first) <= backoff(tries + 1, first) <= LONGEST_BACKOFF_SECONDS


class FakeSession:
    """A connection that answers, or fails, as it is told."""

    def __init__(self, *errors: RolloutError | None) -> None:
        self.errors = list(errors)
        self.sent: list[str] = []

    def run(self, sql: str, *, timeout: float) -> list[dict[str, str]]:
        assert timeout > 0
        self.sent.append(sql)
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        return [{"sql": sql}]


READS = tuple(Action("sql", sql=sql, reads=True) for sql in ("SHOW FRONTENDS", "SHOW BACKENDS"))
WRITES = tuple(Action("sql", sql=sql, safe=False) for sql in ("PAUSE JOB a", "PAUSE JOB b"))


def test_a_retry_goes_on_with_the_statement_that_failed() -> None:
    bench, session = Bench(replace(HOOK, actions=WRITES)), FakeSession(None, BUSY)
    bench.connect = lambda: session
    outcome = bench.run(Statements({}))
    assert outcome.ok
    assert session.sent == ["PAUSE JOB a", "PAUSE JOB b", "PAUSE JOB b"]
    assert outcome.answer.changed


def test_what_only_reads_has_changed_nothing() -> None:
    bench = Bench(replace(HOOK, actions=READS))
    bench.connect = FakeSession
    outcome = bench.run(Statements({}))
    assert (outcome.answer.changed, len(outcome.answer.rows)) == (False, 2)


LOST = Unreachable("the connection was lost")


def test_a_reading_statement_without_an_answer_is_sent_again() -> None:
    bench, session = Bench(replace(HOOK, actions=READS[:1])), FakeSession(LOST)
    bench.connect = lambda: session
    assert bench.run(Statements({})).ok
    assert session.sent == ["SHOW FRONTENDS"] * 2


def test_a_changing_statement_without_an_answer_is_not_sent_again() -> None:
    bench, session = Bench(replace(HOOK, actions=WRITES[:1])), FakeSession(LOST)
    bench.connect = lambda: session
    outcome = bench.run(Statements({}))
    assert not outcome.ok
    assert "may have been carried out" in outcome.reason
    assert session.sent == ["PAUSE JOB a"]


def test_what_an_fe_repeats_of_a_statement_is_hidden() -> None:
    action = Action("sql", sql="CREATE USER jane IDENTIFIED BY 'canary-of-jane'", safe=False)
    bench = Bench(replace(HOOK, actions=(action,)))
    session = FakeSession(SqlFailed("error 1064: Unexpected input 'canary-of-jane' in line 1", errno=1064))
    bench.connect = lambda: session
    outcome = bench.run(Statements({}))
    assert outcome.reason == "error 1064: Unexpected input '********' in line 1"


def test_unless_its_author_allows_it() -> None:
    bench, session = Bench(replace(patient(on_interrupted="rerun"), actions=WRITES[:1])), FakeSession(LOST)
    bench.connect = lambda: session
    assert bench.run(Statements({})).ok
    assert session.sent == ["PAUSE JOB a"] * 2


def test_a_connection_that_does_not_come_about_has_sent_nothing() -> None:
    bench, session, failures = Bench(replace(HOOK, actions=WRITES[:1])), FakeSession(), [LOST]

    def connect() -> FakeSession:
        if failures:
            raise failures.pop()
        return session

    bench.connect = connect
    assert bench.run(Statements({})).ok
    assert session.sent == ["PAUSE JOB a"]


def test_the_proof_comes_after_the_statements_and_is_tried_again_without_them() -> None:
    image = Action("sql", sql="ALTER SYSTEM CREATE IMAGE")
    bench, session = Bench(replace(HOOK, actions=(image,), proof="image")), FakeSession()
    bench.connect = lambda: session
    prove = failing(BUSY)
    outcome = bench.run(Statements({"image": lambda hook, _attempt: lambda attempt: prove(hook, attempt)}))
    assert (outcome.ok, outcome.answer.text, outcome.answer.changed) == (True, "worked", True)
    assert session.sent == ["ALTER SYSTEM CREATE IMAGE"]


def test_each_kind_of_hook_has_its_runner() -> None:
    work = failing()
    runners = Runners(script=work, webhook=work)
    assert runners.of(replace(HOOK, kind="script")) is work
    assert runners.of(replace(HOOK, kind="webhook")) is work
    assert isinstance(runners.of(HOOK), Statements)
