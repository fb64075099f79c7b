# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The hooks of one step: conditions, intents in the record, threads for what may run at the same time, and results.

Only the thread of the step touches the record, the lease and the settings. Each other hook has a thread and a
connection of its own, and tells what it is about to do through a queue, so that an intent is written before the act.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Denied, Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks import when
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.judge import ended, interrupted
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.resolve import (
    Action,
    PlannedHook,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import HookRecord, ValueChange
from ansible_collections.steady.rollout.plugins.module_utils._engine.attempts import (
    Answer,
    Attempt,
    Outcome,
    Runners,
    persevere,
)
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock, seconds_of
from ansible_collections.steady.rollout.plugins.module_utils._engine.ledger import Ledger
from ansible_collections.steady.rollout.plugins.module_utils._engine.patience import Waiting
from ansible_collections.steady.rollout.plugins.module_utils._engine.quiesce import SET_DEADLINE_SECONDS, Switch
from ansible_collections.steady.rollout.plugins.module_utils._engine.setting_hooks import SettingActions
from ansible_collections.steady.rollout.plugins.module_utils._engine.wait import StepFailed
from ansible_collections.steady.rollout.plugins.module_utils._engine.world import World
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Frontends, Session
from ansible_collections.steady.rollout.plugins.module_utils._fe.observe import find_leader

# How much of a hook's output the record keeps: several hooks have to fit into one ConfigMap.
LONGEST_LOG = 4096
LONGEST_TEXT = 500
# The queue of the threads is looked at this often, between renewals of the lease; seconds.
TURN_SECONDS = 0.5


class _Sessions(AbstractContextManager["_Sessions"]):
    """Connections of the hooks' own threads, closed together, which also ends whoever waits on one."""

    def __init__(self, frontends: Frontends, pods: Sequence[str], leader: str | None) -> None:
        self._frontends = frontends
        self._pods = pods
        self._leader = leader
        self._open: list[Session] = []
        self._closed = False
        self._lock = threading.Lock()

    def connect(self) -> Session:
        """One more connection to the leader; none after the end, for a run that has lost its lease sends nothing."""
        session = self._frontends.connect(find_leader(self._frontends, self._pods, self._leader))
        with self._lock:
            self._open.append(session)
            if self._closed:
                session.close()
                raise StepFailed("the hooks of this step were given up", remedy="run it again")
        return session

    def __exit__(self, *_exception: object) -> None:
        with self._lock:
            self._closed = True
            for session in self._open:
                session.close()


@dataclass(frozen=True)
class _Intent:
    """A thread is about to make a further attempt, and waits until that is written down."""

    hook: str
    number: int
    written: threading.Event


@dataclass
class HookStep:
    """Carries out the hooks of one step, whose entry stands in the record. `about` gives what conditions see.

    `patience` is how long a hook that waits may take in one pass of a reconciler, in seconds; None in a play.
    """

    world: World
    ledger: Ledger
    clock: Clock
    switch: Switch
    step: str
    hooks: tuple[PlannedHook, ...]
    about: Callable[[], Mapping[str, Any]]
    say: Callable[[str], None]
    runners: Runners = field(default_factory=Runners)
    patience: float | None = None
    _inbox: queue.Queue[_Intent | None] = field(default_factory=queue.Queue)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> list[str]:
        """Run what has not come to its end yet; returns sentences for a person. StepFailed when a critical one failed.

        The hooks of a group all come to their end before one of them ends the step.
        """
        due = [hook for hook in self.hooks if not ended(hook, self._known(hook))]
        for hook in due:
            problem = interrupted(hook, self._known(hook))
            if problem:
                remedy = "find out whether it took effect; then set onInterrupted: rerun, or take the hook out"
                raise StepFailed(problem, remedy=remedy)
        due = self._with_condition(due)
        for hook in due:
            self._begin(hook)
        self.ledger.write()
        outcomes = self._carry_out(due)
        self.ledger.write()
        notes = self._verdict(outcomes)
        waiting = [(name, outcome) for name, outcome in outcomes.items() if outcome.state == "waiting"]
        if waiting:
            name, outcome = waiting[0]
            raise Waiting(f"hook {name}: {outcome.reason}", again_in=outcome.again_in, gate=name, remedy=outcome.remedy)
        return notes

    def _known(self, hook: PlannedHook) -> HookRecord | None:
        return self.ledger.record.steps[self.step].hooks.get(hook.name)

    # -- conditions ----------------------------------------------------------------------------------------------

    def _with_condition(self, hooks: list[PlannedHook]) -> list[PlannedHook]:
        """Those whose condition holds now; the others are noted as skipped."""
        if not any(hook.terms.when for hook in hooks):
            return hooks
        data = self.about()
        due = []
        for hook in hooks:
            if not hook.terms.when or when.holds(hook.terms.when, f"{hook.place.entry}.when", data):
                due.append(hook)
            else:
                self._skip(hook)
        return due

    def _skip(self, hook: PlannedHook) -> None:
        now = self.clock.stamp()
        text = f"not run: {hook.terms.when} does not hold"
        record = HookRecord(hook.source, hook.digest, "skipped", hook.terms.critical, now, now, text=text)
        self._note(hook, record)
        self._tell(hook, f"{hook.name}: {text}", "skipped")
        self.say(f"hook {hook.name} {text}")

    # -- intents -------------------------------------------------------------------------------------------------

    def _begin(self, hook: PlannedHook) -> None:
        """The intent: what will be done, and the number of its first attempt here."""
        known = self._known(hook)
        same = known if known is not None and known.digest == hook.digest else None
        goes_on = same is not None and same.outcome == "running" and self.patience is not None
        record = HookRecord(
            hook.source,
            hook.digest,
            critical=hook.terms.critical,
            started_at=same.started_at if same is not None else self.clock.stamp(),
            attempts=(same.attempts if same is not None else 0) + 1,
            text=same.text if same is not None and goes_on else "",
            note=same.note if same is not None else "",
            statements=hook.shown,
        )
        self._note(hook, record)
        if not goes_on:
            # A hook that is waited for over many passes has begun once.
            self._tell(hook, hook.title, "started")

    def _note(self, hook: PlannedHook, record: HookRecord) -> None:
        self.ledger.change(self.ledger.record.with_hook(self.step, hook.name, record))

    def _tell(self, hook: PlannedHook, text: str, state: str, **data: object) -> None:
        self.ledger.event(
            "hook",
            text,
            step=self.step,
            subject=hook.name,
            state=state,
            stage=hook.stage,
            critical=hook.terms.critical,
            **data,
        )

    def _attempt(self, hook: PlannedHook, sessions: _Sessions) -> Attempt:
        record, known = self.ledger.record, self._known(hook)
        return Attempt(
            number=known.attempts if known else 1,
            run=self.ledger.handover.run,
            step=self.step,
            hook=hook.name,
            identity=f"{record.plan_hash}/{known.started_at if known else ''}/{self.step}/{hook.name}",
            first_started=seconds_of(known.started_at) if known and known.started_at else self.clock.epoch(),
            end=self._end(hook, known),
            pass_end=None if self.patience is None else self.clock.ticks() + self.patience,
            clock=self.clock,
            stop=self._stop,
            connect=sessions.connect,
            say=self.say,
            note=known.note if known else "",
        )

    def _end(self, hook: PlannedHook, known: HookRecord | None) -> float:
        """When its time is over, in ticks. Over the passes of a reconciler it counts from when it was first begun."""
        if self.patience is None or known is None or not known.started_at:
            return self.clock.ticks() + hook.terms.timeout_seconds
        return self.clock.ticks() + hook.terms.timeout_seconds - (self.clock.epoch() - seconds_of(known.started_at))

    # -- the act -------------------------------------------------------------------------------------------------

    def _carry_out(self, hooks: list[PlannedHook]) -> dict[str, Outcome]:
        """All hooks at the same time, as far as they touch no settings: those share the one journal."""
        apart = [hook for hook in hooks if not _touches_settings(hook)]
        names, leader = self.world.frontend_names(), self.world.view.leader
        outcomes: dict[str, Outcome] = {}
        pool = ThreadPoolExecutor(max(1, len(hooks)), thread_name_prefix="hook")
        with _Sessions(self.world.frontends, names, leader) as sessions:
            try:
                futures = {hook.name: self._submit(pool, hook, self._attempt(hook, sessions)) for hook in apart}
                for hook in hooks:
                    if hook not in apart:
                        outcomes[hook.name] = self._finish(hook, self._settings(hook, sessions, pool))
                self._await(futures, hooks, outcomes)
            except BaseException:
                self._stop.set()
                raise
            finally:
                pool.shutdown(wait=not self._stop.is_set(), cancel_futures=True)
        return outcomes

    def _submit(self, pool: ThreadPoolExecutor, hook: PlannedHook, attempt: Attempt) -> Future[Outcome]:
        """Start the hook in a thread; its end wakes the thread of the step."""
        future = pool.submit(self._persevere, hook, attempt)
        future.add_done_callback(lambda _future: self._inbox.put(None))
        return future

    def _persevere(self, hook: PlannedHook, attempt: Attempt) -> Outcome:
        """In a thread of the hook's own."""

        def announce(number: int) -> None:
            intent = _Intent(hook.name, number, threading.Event())
            self._inbox.put(intent)
            while not intent.written.wait(TURN_SECONDS):
                if self._stop.is_set():
                    raise StepFailed(f"hook {hook.name} was given up", remedy="run it again")

        return persevere(hook, self.runners.of(hook), attempt, announce)

    def _await(
        self, futures: dict[str, Future[Outcome]], hooks: list[PlannedHook], outcomes: dict[str, Outcome]
    ) -> None:
        """Until every thread has ended; meanwhile the lease is renewed, and intents and ends are written down."""
        by_name = {hook.name: hook for hook in hooks}
        while len(outcomes) < len(hooks):
            self._serve()
            for name, future in futures.items():
                if name not in outcomes and future.done():
                    outcomes[name] = self._finish(by_name[name], future.result())
                    self.ledger.write()

    def _serve(self) -> None:
        """One turn: the next intent is written down, and the lease renewed."""
        self.ledger.renew()
        try:
            intent = self._inbox.get(timeout=min(TURN_SECONDS, self.ledger.renewal_due + 0.01))
        except queue.Empty:
            return
        if intent is None:
            return
        step = self.ledger.record.steps[self.step]
        known = step.hooks[intent.hook]
        self.ledger.change(self.ledger.record.with_hook(self.step, intent.hook, replace(known, attempts=intent.number)))
        self.ledger.write()
        intent.written.set()

    # -- settings ------------------------------------------------------------------------------------------------

    def _settings(self, hook: PlannedHook, sessions: _Sessions, pool: ThreadPoolExecutor) -> Outcome:
        """A hook that sets something, in the thread of the step; its statements have a thread of their own."""
        began, attempt = self.clock.ticks(), self._attempt(hook, sessions)
        changed: dict[str, ValueChange] = {}
        try:
            for action in hook.actions:
                if action.kind == "sql":
                    outcome = self._one_statement(hook, action, attempt, pool)
                    if not outcome.ok:
                        raise StepFailed(outcome.reason, remedy=outcome.remedy)
                else:
                    seconds = min(attempt.seconds_left(), SET_DEADLINE_SECONDS)
                    done = SettingActions(self.world, self.ledger, self.switch).carry_out(action, seconds)
                    changed |= {change.key: change for change in done}
        except (StepFailed, Denied, Refused) as error:
            self._note_values(hook, changed)
            seconds = round(self.clock.ticks() - began, 2)
            return Outcome("failed", attempt.number, seconds, reason=error.reason, remedy=error.remedy)
        self._note_values(hook, changed)
        text = ", ".join(f"{c.key} {c.before} -> {c.after}" for c in changed.values() if c.before != c.after)
        altered = any(c.before != c.after for c in changed.values())
        return Outcome("done", attempt.number, round(self.clock.ticks() - began, 2), Answer(altered, text))

    def _note_values(self, hook: PlannedHook, changed: Mapping[str, ValueChange]) -> None:
        known = self._known(hook)
        if known is not None:
            self._note(hook, replace(known, values=tuple(changed.values())))

    def _one_statement(self, hook: PlannedHook, action: Action, attempt: Attempt, pool: ThreadPoolExecutor) -> Outcome:
        single = replace(hook, actions=(action,), proof="")
        future = self._submit(pool, single, attempt)
        while not future.done():
            self._serve()
        return future.result()

    # -- ends ----------------------------------------------------------------------------------------------------

    def _finish(self, hook: PlannedHook, outcome: Outcome) -> Outcome:
        """Write down how a hook ended, and tell it."""
        known = self._known(hook)
        if known is None:
            return outcome
        if outcome.state == "waiting":
            text = outcome.reason[:LONGEST_TEXT]
            self._note(hook, replace(known, attempts=outcome.attempts, text=text, note=outcome.note))
            if text != known.text:
                self._tell(hook, f"{hook.name}: waits: {outcome.reason}"[:LONGEST_TEXT], "waiting")
            return outcome
        text = outcome.answer.text if outcome.ok else outcome.reason
        record = replace(
            known,
            outcome="done" if outcome.ok else "failed",
            finished_at=self.clock.stamp(),
            attempts=outcome.attempts,
            seconds=outcome.seconds,
            text=text[:LONGEST_TEXT],
            log=outcome.answer.log[-LONGEST_LOG:],
        )
        self._note(hook, record)
        words = "done" if outcome.ok else "failed"
        line = f"{hook.name}: {words}{': ' + text if text else ''}"
        self._tell(
            hook,
            line[:LONGEST_TEXT],
            words,
            seconds=outcome.seconds,
            attempts=outcome.attempts,
            sql=[action.shown for action in hook.actions if action.kind == "sql"],
        )
        tries = f", {outcome.attempts} attempts" if outcome.attempts > 1 else ""
        self.say(f"hook {hook.name} {words} ({outcome.seconds:.1f} s{tries}){': ' + text if text else ''}")
        return outcome

    def _verdict(self, outcomes: Mapping[str, Outcome]) -> list[str]:
        """What a person should read; StepFailed when a critical hook failed."""
        by_name = {hook.name: hook for hook in self.hooks}
        failed = {name: outcome for name, outcome in outcomes.items() if outcome.state == "failed"}
        critical = [name for name in failed if by_name[name].terms.critical]
        if critical:
            first = failed[critical[0]]
            reason = "; ".join(f"hook {name} failed: {failed[name].reason}" for name in critical)
            raise StepFailed(reason, remedy=first.remedy or "mend the cause and run it again, or set critical: false")
        return [f"hook {name} failed, which is not critical: {outcome.reason}" for name, outcome in failed.items()]


def _touches_settings(hook: PlannedHook) -> bool:
    return any(action.kind != "sql" for action in hook.actions)
