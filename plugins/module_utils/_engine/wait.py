# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Waiting until gates pass: pods by watch, the FE by bounded polling, and an end that always comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.gate import Override, Refusal
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import causes
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.gates import (
    Gate,
    GateLimits,
    Passes,
    Target,
    ask,
)
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._engine.ledger import Ledger
from ansible_collections.steady.rollout.plugins.module_utils._engine.patience import AGAIN_SECONDS, Stretch
from ansible_collections.steady.rollout.plugins.module_utils._engine.world import World

HEARTBEAT_SECONDS = 20.0
# What is over sooner is told by the step's own line.
QUIET_SECONDS = 1.0
FIRST_POLL_SECONDS = 0.1
LAST_POLL_SECONDS = 5.0
LAST_TABLET_POLL_SECONDS = 30.0


class StepFailed(RolloutError):
    """A step came to an end it must not have: a deadline, a cause that will not go away, or a gate that stays shut."""


@dataclass
class Poll:
    """When the FEs are asked again: soon at first, then ever more seldom, up to `longest` seconds."""

    look: Callable[[], None]
    longest: float
    interval: float = FIRST_POLL_SECONDS
    due: float = 0.0
    quick_until: float = 0.0

    def run_if_due(self, now: float) -> bool:
        """Ask when it is time; True when it was."""
        if now < self.due:
            return False
        self.look()
        self.quick_until = self.quick_until or now + QUIET_SECONDS
        if now >= self.quick_until:
            self.interval = min(self.interval * 1.6, self.longest)
        self.due = now + self.interval
        return True

    def soon(self) -> None:
        """Begin with short intervals again, because something has changed."""
        self.interval = FIRST_POLL_SECONDS
        self.due = self.quick_until = 0.0


@dataclass(frozen=True)
class Answer:
    """How the gates answered in one turn. `asked`: no gate before the FEs refused; `fresh`: the FEs were asked now."""

    refusal: Refusal | None
    asked: bool
    fresh: bool


@dataclass
class Waiter:
    """Waits within one step, tells what for, renews the lease, and writes down how gates answered.

    `meanwhile` is called each time something may have changed; it raises to end the wait. `patience` is how many
    seconds one wait may take before Waiting is raised; None where it goes on to its deadline.
    """

    world: World
    ledger: Ledger
    clock: Clock
    step: str
    say: Callable[[str], None]
    overrides: tuple[Override, ...] = ()
    rules: dict[str, causes.Rule] = field(default_factory=dict)
    waited: dict[str, float] = field(default_factory=dict)
    meanwhile: Callable[[], None] = lambda: None
    patience: float | None = None
    _told: dict[str, float] = field(default_factory=dict)

    def until(
        self,
        what: str,
        gates: Iterable[Gate],
        target: Callable[[], Target],
        *,
        deadline: float,
        poll: Poll | None = None,
        limits: GateLimits | None = None,
        watch_pod: str = "",
        before: Iterable[Gate] = (),
    ) -> None:
        """Return when all gates pass (as often and as long as `limits` say); StepFailed at a fatal cause or deadline.

        `before` are gates that need no answer of an FE: while one of them refuses no FE is asked.
        """
        stretch = Stretch(self.ledger, self.clock, self.step, what, deadline, self.patience)
        first, gates = tuple(before), tuple(gates)
        while True:
            now = self.clock.ticks()
            self.ledger.renew()
            self.meanwhile()
            aim = target()
            answer = self._evaluate(first, gates, aim, poll, now)
            refusal = answer.refusal
            if refusal is not None or answer.fresh:
                stretch.passes = stretch.passes.after(refusal, now)
            if refusal is None and answer.fresh and (limits is None or stretch.passes.enough(limits, now)):
                self.waited[what] = round(self.waited.get(what, 0.0) + now - stretch.began, 2)
                stretch.close()
                return
            self._fail_on_cause(watch_pod, aim, now, stretch.causes)
            if now - stretch.began >= deadline:
                self._note_refused(refusal, "refused")
                raise self._too_late(what, refusal, now - stretch.began)
            if now - stretch.began >= HEARTBEAT_SECONDS and self._note_refused(refusal, "waiting"):
                self.ledger.write()
            reason, again_in = self._pause(refusal, limits, stretch.passes, now)
            stretch.pause(reason, again_in=again_in, gate=refusal.gate if refusal else "")
            self._tell(what, refusal, now - stretch.began)
            self._sleep(poll if answer.asked else None, now, limits, stretch)

    def begun(self, what: str) -> bool:
        """Whether an earlier pass has begun this wait and left it to this one."""
        record = self.ledger.present
        entry = record.steps.get(self.step) if record is not None and self.patience is not None else None
        return entry is not None and what in entry.waits

    def _evaluate(
        self, first: tuple[Gate, ...], gates: tuple[Gate, ...], target: Target, poll: Poll | None, now: float
    ) -> Answer:
        epoch = self.clock.epoch()
        early = ask(first, self.world.snapshot(), target, self.overrides, epoch)
        if early is not None:
            if poll is not None:
                poll.soon()
            self._note(early, None)
            return Answer(early, asked=False, fresh=False)
        fresh = poll.run_if_due(now) if poll is not None else True
        refusal = ask(gates, self.world.snapshot(), target, self.overrides, epoch)
        self._note(refusal, (*first, *gates))
        return Answer(refusal, asked=True, fresh=fresh)

    def _note(self, refusal: Refusal | None, passed: tuple[Gate, ...] | None) -> None:
        """Write down the refusal, or that every gate of the sequence passes."""
        record = self.ledger.present
        if record is None:
            return
        at = self.clock.stamp()
        if refusal is not None:
            record = record.with_answer(refusal.gate, self.step, at, refusal)
        for gate in passed or ():
            record = record.with_answer(gate.__name__, self.step, at, None)
        self.ledger.change(record)

    def _fail_on_cause(self, watch_pod: str, target: Target, now: float, first_seen: dict[str, float]) -> None:
        """Judge what keeps the new pod from coming up; what the old one suffers from is why it is replaced."""
        pod = self.world.pods.get(watch_pod)
        new = pod is not None and pod.uid != target.old_uid and pod.image == target.image
        cause = causes.find(pod) if pod is not None and new else None
        if cause is None:
            first_seen.clear()
            return
        first = first_seen.setdefault(cause.name, now)
        judgement = causes.judge(cause, now - first, self.rules)
        if judgement.fatal:
            raise StepFailed(cause.text, remedy=f"cause {cause.name}: look at the image, its tag and the pod's events")
        self._once(f"cause {cause.name}", f"{cause.text}{judgement.patience}", now)

    def _pause(
        self, refusal: Refusal | None, limits: GateLimits | None, passes: Passes, now: float
    ) -> tuple[str, float]:
        """What a pass that ends here waits for, and in how many seconds that may have come."""
        if refusal is not None:
            return str(refusal), AGAIN_SECONDS
        left = passes.first_at + limits.settle_seconds - now if limits is not None and passes.count else AGAIN_SECONDS
        return "settling", min(max(left, FIRST_POLL_SECONDS), AGAIN_SECONDS)

    def _too_late(self, what: str, refusal: Refusal | None, seconds: float) -> StepFailed:
        seen = str(refusal) if refusal else "the gates passed, but not often or long enough"
        return StepFailed(
            f"{what}: not after {seconds:.0f} s; last refusal {seen}",
            remedy="docs/gates.md says what each gate means; deadlines are in spec.gates",
        )

    def _tell(self, what: str, refusal: Refusal | None, seconds: float) -> None:
        if seconds < QUIET_SECONDS:
            return
        text = str(refusal) if refusal else "settling"
        topic = refusal.gate if refusal else "settling"
        self._once(topic, f"{seconds:.0f} s, waits for {what}: {text}", self.clock.ticks())

    def _note_refused(self, refusal: Refusal | None, state: str) -> bool:
        """An event for a gate that keeps refusing (`waiting`) or that ended the step (`refused`), once for each."""
        record = self.ledger.present
        if refusal is None or record is None:
            return False
        seen = {(e.kind, e.step, e.subject, e.data.get("state")) for e in record.events if e.kind == "gate"}
        if ("gate", self.step, refusal.gate, state) in seen:
            return False
        self.ledger.event("gate", str(refusal), step=self.step, subject=refusal.gate, state=state)
        return True

    def _once(self, topic: str, line: str, now: float) -> None:
        """Say a line when its topic is new, and again only after a while."""
        last = self._told.get(topic)
        if last is None or now - last >= HEARTBEAT_SECONDS:
            self._told[topic] = now
            self.say(line)

    def _sleep(self, poll: Poll | None, now: float, limits: GateLimits | None, stretch: Stretch) -> None:
        """Until a pod changes, or the next thing is due."""
        moments = [
            stretch.end,
            now + (QUIET_SECONDS if not self._told else HEARTBEAT_SECONDS),
            now + self.ledger.renewal_due + 0.01,
        ]
        if poll is not None:
            moments.append(poll.due)
        if limits is not None and stretch.passes.count >= limits.consecutive_passes:
            moments.append(stretch.passes.first_at + limits.settle_seconds)
            if poll is not None:
                poll.due = min(poll.due, stretch.passes.first_at + limits.settle_seconds)
        moments += [first + rule for first, rule in self._cause_moments(stretch.causes)]
        wait = max(0.0, min(moments) - self.clock.ticks())
        if self.world.next_change(wait) and poll is not None:
            poll.due = min(poll.due, self.clock.ticks() + FIRST_POLL_SECONDS)

    def _cause_moments(self, first_seen: dict[str, float]) -> list[tuple[float, float]]:
        rules = {**causes.DEFAULT_RULES, **self.rules}
        return [
            (first, rules[name].seconds)
            for name, first in first_seen.items()
            if rules[name].fatal and first + rules[name].seconds > self.clock.ticks()
        ]
