# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""One hook, tried until it worked, its time is over, or trying again makes no sense. Knows neither record nor lease."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import RolloutError, Unreachable
from ansible_collections.steady.rollout.plugins.module_utils._domain.redact import redacted
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.resolve import (
    Action,
    PlannedHook,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.tokens import quoted
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Row, Session

LONGEST_BACKOFF_SECONDS = 30.0
# Whoever said "not yet" is asked once more so long before the hook's time is over, however late it wanted to be asked.
LAST_ASK_SECONDS = 2.0


class Held(RolloutError):
    """The hook says "not yet": it is asked again in `again_in` seconds, which is no retry.

    `note` is what it has to know then, when another process asks.
    """

    def __init__(self, reason: str, *, again_in: float, remedy: str = "", note: str = "") -> None:
        super().__init__(reason, remedy=remedy)
        self.again_in = again_in
        self.note = note


class HookFailed(RolloutError):
    """The hook did not do what it should. `log` is its output, without secrets."""

    def __init__(self, reason: str, *, remedy: str = "", log: str = "") -> None:
        super().__init__(reason, remedy=remedy)
        self.log = log


@dataclass(frozen=True)
class Attempt:
    """One attempt of one hook.

    `key` differs for each attempt, `identity` is the same for all of them, also when another runner continues the run.
    `first_started` is when the hook was first begun, in seconds since the epoch; `stop` is set when it is given up.
    `pass_end` is when a reconciler's pass has waited long enough, in ticks: a runner that waits then raises Held.
    `note` is the one of the Held that ended the pass before.
    """

    number: int
    run: str
    step: str
    hook: str
    identity: str
    first_started: float
    end: float
    pass_end: float | None
    clock: Clock
    stop: threading.Event
    connect: Callable[[], Session]
    say: Callable[[str], None]
    note: str = ""

    @property
    def key(self) -> str:
        """What tells this attempt from every other one."""
        return f"{self.identity}/{self.number}"

    def seconds_left(self) -> float:
        """Seconds of the hook's time that are left."""
        return max(0.0, self.end - self.clock.ticks())

    def session(self) -> Session:
        """A connection to the leader for this hook alone."""
        return self.connect()


@dataclass(frozen=True)
class Answer:
    """What a hook that worked has to tell. `log` is its output, without secrets; `rows` what statements answered."""

    changed: bool = True
    text: str = ""
    log: str = ""
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a hook ended, or that it waits and is to be asked again in `again_in` seconds, by a later pass.

    `attempts` counts over every runner of the run; seconds are those of this one.
    """

    state: Literal["done", "failed", "waiting"]
    attempts: int
    seconds: float
    answer: Answer = field(default_factory=Answer)
    reason: str = ""
    remedy: str = ""
    again_in: float = 0.0
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether it worked."""
        return self.state == "done"


Runner: TypeAlias = Callable[[PlannedHook, Attempt], Answer]
# Called before the statements of a hook; what it returns is called after them, until it answers.
Proof: TypeAlias = Callable[[PlannedHook, Attempt], Callable[[Attempt], Answer]]


@dataclass(frozen=True)
class Runners:
    """What carries out the hooks that are neither settings nor statements, and what proves that one took effect."""

    script: Runner | None = None
    webhook: Runner | None = None
    proofs: Mapping[str, Proof] = field(default_factory=dict)

    def of(self, hook: PlannedHook) -> Runner:
        """What carries out this hook."""
        runner = {"script": self.script, "webhook": self.webhook}.get(hook.kind)
        return runner or Statements(self.proofs)


def persevere(
    hook: PlannedHook,
    work: Runner,
    first: Attempt,
    announce: Callable[[int], None],
    *,
    jitter: Callable[[], float] = lambda: random.uniform(0.5, 1.0),
) -> Outcome:
    """Do `work` until it worked. `announce` is told of each further attempt before it begins.

    Only what is transient is tried again, after a growing, jittered pause, and never beyond the hook's time.
    """
    began, attempt, retries = first.clock.ticks(), first, 0
    error: RolloutError
    while True:
        try:
            answer = work(hook, attempt)
        except Held as held:
            last = attempt.seconds_left() - LAST_ASK_SECONDS
            pause, error = min(held.again_in, last) if last > 0 else held.again_in, held
        except RolloutError as failure:
            retries += 1
            if not failure.transient or retries > hook.terms.retries:
                log = failure.log if isinstance(failure, HookFailed) else ""
                return replace(_failed(attempt, began, failure.reason, failure.remedy), answer=Answer(False, log=log))
            pause, error = backoff(retries, hook.terms.backoff_seconds) * jitter(), failure
        else:
            return Outcome("done", attempt.number, _since(attempt, began), answer)
        if pause >= attempt.seconds_left():
            reason = f"not within {hook.terms.timeout_seconds:g} s: {error.reason}"
            return _failed(attempt, began, reason, error.remedy)
        if isinstance(error, Held) and attempt.pass_end is not None and first.clock.ticks() + pause >= attempt.pass_end:
            seconds = _since(attempt, began)
            outcome = Outcome("waiting", attempt.number, seconds, reason=error.reason, remedy=error.remedy)
            return replace(outcome, again_in=pause, note=error.note)
        if attempt.stop.wait(pause):
            return _failed(attempt, began, f"given up: {error.reason}", error.remedy)
        attempt = replace(attempt, number=attempt.number + 1)
        announce(attempt.number)


def _failed(attempt: Attempt, began: float, reason: str, remedy: str) -> Outcome:
    return Outcome("failed", attempt.number, _since(attempt, began), reason=reason, remedy=remedy)


def _since(attempt: Attempt, began: float) -> float:
    return round(attempt.clock.ticks() - began, 2)


def backoff(tries: int, first: float) -> float:
    """Seconds before the next attempt: doubled each time, bounded."""
    return min(first * 2.0 ** (tries - 1), LONGEST_BACKOFF_SECONDS)


@dataclass
class Statements:
    """The statements of one hook on the leader, one by one, then its proof. A retry goes on where it stopped."""

    proofs: Mapping[str, Proof]
    answered: list[list[Row]] = field(default_factory=list)
    prove: Callable[[Attempt], Answer] | None = None

    def __call__(self, hook: PlannedHook, attempt: Attempt) -> Answer:
        """Send what has not been answered yet; what waits for its proof alone, as its note says, was sent already."""
        if hook.proof and self.prove is None:
            self.prove = self.proofs[hook.proof](hook, attempt)
        if len(self.answered) < len(hook.actions) and not (hook.proof and attempt.note):
            session = attempt.session()
            for action in hook.actions[len(self.answered) :]:
                self.answered.append(send(hook, action, session, attempt.seconds_left()))
        changed = any(not action.reads for action in hook.actions)
        if self.prove is not None:
            return replace(self.prove(attempt), changed=changed)
        return Answer(changed=changed, rows=tuple(row for rows in self.answered for row in rows))


def send(hook: PlannedHook, action: Action, session: Session, seconds: float) -> list[Row]:
    """One statement. One that changes something and got no answer is not sent again unless that was allowed."""
    if seconds <= 0:
        raise RolloutError(
            f"not within {hook.terms.timeout_seconds:g} s: {action.shown} was not sent",
            remedy="give the hook more time",
        )
    try:
        return session.run(action.sql, timeout=seconds)
    except Unreachable as error:
        if hook.reruns:
            raise
        raise RolloutError(
            f"no answer came to {action.shown}, which may have been carried out: {error.reason}",
            remedy="find out whether it was; onInterrupted: rerun lets it be sent again",
        ) from error
    except RolloutError as error:
        if not action.reads:
            # What stands in quotes is never shown, and an FE may repeat it.
            error.reason = redacted(error.reason, quoted(action.sql))
            error.args = (error.reason,)
        raise
