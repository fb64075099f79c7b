# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hooks of one step: intents written before acts, threads that run at the same time, ends that are written down."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import LeaseLost, RolloutError, SqlFailed
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.entries import Place, Terms
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.resolve import PlannedHook
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import (
    Baseline,
    HookRecord,
    Record,
    StepRecord,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.webhook import Webhook
from ansible_collections.steady.rollout.plugins.module_utils._engine import stages
from ansible_collections.steady.rollout.plugins.module_utils._engine.attempts import Answer, Attempt, Held, Runners
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._engine.patience import Waiting
from ansible_collections.steady.rollout.plugins.module_utils._engine.stages import HookStep
from ansible_collections.steady.rollout.plugins.module_utils._engine.wait import StepFailed

STEP = "pre/0-a"
PATIENCE_SECONDS = 30.0


def a_hook(name: str, **terms: Any) -> PlannedHook:
    """A hook that a runner of the test carries out."""
    webhook = Webhook(f"https://hooks.example.org/{name}")
    return PlannedHook(
        name,
        "pre",
        0,
        Place("spec.stages.pre[0]"),
        "webhook",
        "webhook",
        webhook=webhook,
        terms=replace(Terms(backoff_seconds=0), **terms),
    )


@dataclass
class FakeLedger:
    """A record, and what of it was written."""

    record: Record
    fail_at: int = 0
    writes: list[dict[str, tuple[str, int]]] = field(default_factory=list)
    events: list[tuple[str, str]] = field(default_factory=list)
    handover: Any = field(default_factory=lambda: SimpleNamespace(run="run-1"))
    renewal_due: float = 10.0

    def change(self, record: Record) -> None:
        self.record = record

    def event(self, kind: str, _text: str, *, subject: str = "", state: str = "", **_data: object) -> None:
        if kind == "hook":
            self.events.append((subject, state))

    def renew(self) -> None:
        if self.fail_at and len(self.writes) >= self.fail_at:
            raise LeaseLost("another run has taken over")

    def write(self) -> None:
        self.writes.append({name: (h.outcome, h.attempts) for name, h in self.hooks.items()})

    @property
    def hooks(self) -> dict[str, HookRecord]:
        return self.record.steps[STEP].hooks


def a_record(**hooks: HookRecord) -> Record:
    """The record of a run whose step of hooks has begun."""
    return Record(
        schema=1,
        run="run-1",
        cluster="prod",
        cluster_uid="uid",
        plan_hash="hash",
        spec_hash="hash",
        target={},
        baseline=Baseline({}, {}, {}, {}),
        started_at="2026-11-21T06:00:00.000Z",
        steps={STEP: StepRecord("hooks", "hook", hooks=hooks)},
    )


class Stage:
    """One step of hooks with everything around it."""

    def __init__(self, *hooks: PlannedHook, record: Record | None = None, fail_at: int = 0) -> None:
        self.hooks = hooks
        self.ledger = FakeLedger(record or a_record(), fail_at)
        self.lines: list[str] = []
        self.about: dict[str, Any] = {}
        self.patience: float | None = None

    def run(self, work: Callable[[PlannedHook, Attempt], Answer]) -> list[str]:
        world = SimpleNamespace(frontend_names=list, view=SimpleNamespace(leader=None), frontends=None)
        step = HookStep(
            world,  # type: ignore[arg-type]
            self.ledger,  # type: ignore[arg-type]
            Clock(),
            None,  # type: ignore[arg-type]
            STEP,
            self.hooks,
            lambda: self.about,
            self.lines.append,
            Runners(webhook=work),
            self.patience,
        )
        return step.run()


def fine(_hook: PlannedHook, _attempt: Attempt) -> Answer:
    """Work that works."""
    return Answer(text="fine")


def test_the_intent_is_written_before_the_act_and_the_end_after_it() -> None:
    stage, seen = Stage(a_hook("a")), []

    def work(_hook: PlannedHook, _attempt: Attempt) -> Answer:
        seen.append(list(stage.ledger.writes))
        return Answer()

    assert stage.run(work) == []
    assert seen == [[{"a": ("running", 1)}]]
    assert stage.ledger.writes[-1] == {"a": ("done", 1)}
    assert stage.ledger.events == [("a", "started"), ("a", "done")]


def test_hooks_of_a_group_run_at_the_same_time() -> None:
    """Each waits for the other: one after the other they would never end."""
    together = threading.Barrier(2, timeout=PATIENCE_SECONDS)

    def work(_hook: PlannedHook, _attempt: Attempt) -> Answer:
        together.wait()
        return Answer()

    stage = Stage(a_hook("a"), a_hook("b"))
    stage.run(work)
    assert {name: hook.outcome for name, hook in stage.ledger.hooks.items()} == {"a": "done", "b": "done"}


def test_each_further_attempt_is_written_down_before_it_begins() -> None:
    stage, seen = Stage(a_hook("a", retries=2)), []

    def work(_hook: PlannedHook, attempt: Attempt) -> Answer:
        seen.append((attempt.number, stage.ledger.writes[-1]["a"]))
        if attempt.number < 3:
            raise SqlFailed("busy", errno=1040, transient=True)
        return Answer()

    stage.run(work)
    assert seen == [(1, ("running", 1)), (2, ("running", 2)), (3, ("running", 3))]


def test_a_continued_hook_counts_on_and_keeps_its_identity() -> None:
    hook, seen = a_hook("a"), []
    known = HookRecord(hook.source, hook.digest, started_at="2026-11-21T06:00:00.000Z", attempts=2)
    stage = Stage(hook, record=a_record(a=known))

    def work(_hook: PlannedHook, attempt: Attempt) -> Answer:
        seen.append((attempt.number, attempt.identity))
        return Answer()

    stage.run(work)
    assert seen == [(3, f"hash/2026-11-21T06:00:00.000Z/{STEP}/a")]
    assert stage.ledger.hooks["a"].started_at == "2026-11-21T06:00:00.000Z"
    # Another begin is another execution.
    stage.ledger.change(a_record(a=replace(known, started_at="2026-11-22T06:00:00.000Z")))
    stage.run(work)
    assert seen[1][1] != seen[0][1]


def test_what_has_ended_is_not_run_again() -> None:
    done, other = a_hook("a"), a_hook("b")
    stage = Stage(done, other, record=a_record(a=HookRecord(done.source, done.digest, "done")))
    ran: list[str] = []

    def work(hook: PlannedHook, _attempt: Attempt) -> Answer:
        ran.append(hook.name)
        return Answer()

    stage.run(work)
    assert ran == ["b"]


def test_a_critical_hook_ends_the_step_after_its_group_has_ended() -> None:
    ended = threading.Event()

    def work(hook: PlannedHook, _attempt: Attempt) -> Answer:
        if hook.name == "broken":
            raise RolloutError("it broke", remedy="mend it")
        ended.set()
        return Answer()

    stage = Stage(a_hook("broken"), a_hook("fine"))
    with pytest.raises(StepFailed, match="hook broken failed: it broke") as caught:
        stage.run(work)
    assert caught.value.remedy == "mend it"
    assert ended.is_set()
    assert {name: hook.outcome for name, hook in stage.ledger.hooks.items()} == {"broken": "failed", "fine": "done"}


def test_a_hook_that_is_not_critical_is_noted() -> None:
    def broken(_hook: PlannedHook, _attempt: Attempt) -> Answer:
        raise RolloutError("it broke")

    stage = Stage(a_hook("a", critical=False))
    assert stage.run(broken) == ["hook a failed, which is not critical: it broke"]


def test_a_condition_is_asked_when_the_hooks_turn_has_come() -> None:
    stage = Stage(a_hook("a", when="mode == 'x'"), a_hook("b", when="mode == 'y'"))
    stage.about = {"mode": "y"}
    stage.run(fine)
    assert {name: hook.outcome for name, hook in stage.ledger.hooks.items()} == {"a": "skipped", "b": "done"}
    assert ("a", "skipped") in stage.ledger.events


def test_a_lost_lease_gives_the_hooks_up() -> None:
    given_up = threading.Event()

    def work(_hook: PlannedHook, attempt: Attempt) -> Answer:
        if attempt.stop.wait(PATIENCE_SECONDS):
            given_up.set()
        raise RolloutError("given up")

    with pytest.raises(LeaseLost):
        Stage(a_hook("a"), fail_at=1).run(work)
    assert given_up.wait(PATIENCE_SECONDS)


def test_a_pass_of_a_reconciler_leaves_a_held_hook_for_the_next_one() -> None:
    def held(_hook: PlannedHook, _attempt: Attempt) -> Answer:
        raise Held("not approved yet", again_in=7, note="asked")

    stage = Stage(a_hook("a"), a_hook("b"))
    stage.patience = 1.0
    with pytest.raises(Waiting, match="not approved yet") as caught:
        stage.run(lambda hook, attempt: held(hook, attempt) if hook.name == "a" else Answer())
    assert caught.value.again_in == 7
    known = stage.ledger.hooks
    assert (known["a"].outcome, known["a"].note, known["b"].outcome) == ("running", "asked", "done")


def test_a_hook_that_is_waited_for_over_many_passes_is_told_of_once() -> None:
    words = iter(["not yet", "not yet", "still not", "still not"])

    def held(_hook: PlannedHook, _attempt: Attempt) -> Answer:
        raise Held(next(words), again_in=7)

    stage = Stage(a_hook("a"))
    stage.patience = 1.0
    for _pass in range(4):
        with pytest.raises(Waiting):
            stage.run(held)
    stage.run(fine)
    assert stage.ledger.events == [("a", "started"), ("a", "waiting"), ("a", "waiting"), ("a", "done")]
    assert stage.ledger.hooks["a"].attempts == 5


def test_who_connects_after_the_hooks_were_given_up_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    session: Any = SimpleNamespace(close=lambda: closed.append("closed"))
    monkeypatch.setattr(stages, "find_leader", lambda *_arguments: "prod-fe-0")
    sessions = stages._Sessions(SimpleNamespace(connect=lambda _pod: session), [], None)  # type: ignore[arg-type]
    with sessions:
        assert sessions.connect() is session
    with pytest.raises(StepFailed, match="given up"):
        sessions.connect()
    assert closed == ["closed", "closed"]


def test_long_output_is_cut() -> None:
    stage = Stage(a_hook("a"))
    stage.run(lambda _hook, _attempt: Answer(text="t" * 10_000, log="l" * 10_000))
    known = stage.ledger.hooks["a"]
    assert (len(known.text), len(known.log)) == (500, 4096)


def test_a_mistake_of_a_runner_is_not_swallowed() -> None:
    def mistaken(_hook: PlannedHook, _attempt: Attempt) -> Answer:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Stage(a_hook("a")).run(mistaken)
