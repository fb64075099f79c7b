# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Proving that ALTER SYSTEM CREATE IMAGE did its work: an image, made after it, on every FE."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.resolve import PlannedHook
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.image import ImageProof, unproved
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Frontend
from ansible_collections.steady.rollout.plugins.module_utils._engine.attempts import (
    Answer,
    Attempt,
    Held,
    HookFailed,
)
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._engine.wait import StepFailed
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Frontends, in_parallel
from ansible_collections.steady.rollout.plugins.module_utils._fe.http import MetaInfo, image_counters, meta_info
from ansible_collections.steady.rollout.plugins.module_utils._fe.observe import find_leader, frontend_rows

# FEs look every 60 s whether an image is due; asking is one small HTTP request each.
FIRST_POLL_SECONDS = 0.2
LAST_POLL_SECONDS = 5.0


# A later pass of a reconciler looks at the images after so many seconds.
AGAIN_SECONDS = 10.0


@dataclass(frozen=True)
class Before:
    """Where the leader's journal stood before the statement: the image has to reach that far."""

    journal_id: int
    leader: str = ""
    pushes: int | None = None


@dataclass
class ImageWatch:
    """Looks at the images of all FEs. `pods` are the FE pods that may be asked for the rows of SHOW FRONTENDS."""

    frontends: Frontends
    pods: Sequence[str]
    clock: Clock
    timeout: float

    def before(self) -> Before:
        """Note where the journal stands; raises what keeps the proof from being had, before anything is sent."""
        leader = find_leader(self.frontends, self.pods)
        rows = {row.pod: row for row in self._rows()}
        port = rows[leader].http_port if leader in rows else None
        seen = meta_info(self.frontends, leader, port, timeout=self.timeout)
        counters = image_counters(self.frontends, leader, port, timeout=self.timeout)
        return Before(seen.journal_id, leader, counters.get("image_push"))

    def prove(
        self, before: Before, *, seconds: float, pause: Callable[[float], None], say: Callable[[str], None]
    ) -> ImageProof:
        """Wait until every FE holds such an image; StepFailed after `seconds`, saying which FE lacks it.

        `pause` lets time pass and may raise to give up.
        """
        end = self.clock.ticks() + seconds
        interval, told = FIRST_POLL_SECONDS, ""
        while True:
            rows = self._rows()
            images = self._images(rows)
            missing = unproved(before.journal_id, images, rows)
            if rows and not missing:
                held = {pod: image for pod, image in images.items() if isinstance(image, int)}
                return ImageProof(before.journal_id, held, self._pushes(before, rows))
            text = "; ".join(missing) or "no FE answers"
            if (left := end - self.clock.ticks()) <= 0:
                raise StepFailed(
                    f"no image up to journal id {before.journal_id} on every FE after {seconds:.0f} s: {text}",
                    remedy="FEs make one every 60 s; look for 'push image' and errors in the leader's fe.log, "
                    "or give the hook more time (timeoutSeconds)",
                )
            if text != told:
                say(f"waits for the image up to journal id {before.journal_id}: {text}")
                told = text
            pause(min(interval, left))
            interval = min(interval * 1.6, LAST_POLL_SECONDS)

    def _rows(self) -> tuple[Frontend, ...]:
        return frontend_rows(self.frontends, self.pods, timeout=self.timeout)

    def _images(self, rows: Sequence[Frontend]) -> dict[str, int | str | None]:
        def job(row: Frontend) -> Callable[[], MetaInfo]:
            return partial(meta_info, self.frontends, row.pod, row.http_port, timeout=self.timeout)

        answers = in_parallel({row.pod: job(row) for row in rows if row.alive})
        return {pod: a.reason if isinstance(a, RolloutError) else a.image_id for pod, a in answers.items()}

    def _pushes(self, before: Before, rows: Sequence[Frontend]) -> int | None:
        """How many pushes the leader has counted since; None when it does not tell, or is another process now."""
        if before.pushes is None:
            return None
        port = next((row.http_port for row in rows if row.pod == before.leader), None)
        now = image_counters(self.frontends, before.leader, port, timeout=self.timeout).get("image_push")
        return None if now is None or now < before.pushes else now - before.pushes


@dataclass(frozen=True)
class ImagePushed:
    """The proof of the hook create-image, in the thread of its hook: called before the statement, and then after it.

    `pods` are the FE pods that there should be.
    """

    frontends: Frontends
    pods: Sequence[str]

    def __call__(self, hook: PlannedHook, attempt: Attempt) -> Callable[[Attempt], Answer]:
        """Note where the journal stands, or take the note of the pass before; the result waits for the images."""
        watch = ImageWatch(self.frontends, self.pods, attempt.clock, self.frontends.read_timeout)
        before = Before(int(attempt.note)) if attempt.note.isdecimal() else watch.before()

        def prove(attempt: Attempt) -> Answer:
            pause = partial(_pause, attempt, before)
            proof = watch.prove(before, seconds=attempt.seconds_left(), pause=pause, say=attempt.say)
            return Answer(text=proof.sentence())

        return prove


def _pause(attempt: Attempt, before: Before, seconds: float) -> None:
    """Let time pass, unless nobody waits any more."""
    if attempt.pass_end is not None and attempt.clock.ticks() + seconds >= attempt.pass_end:
        reason = f"the image up to journal id {before.journal_id} is not on every FE yet"
        raise Held(reason, again_in=AGAIN_SECONDS, note=str(before.journal_id))
    if attempt.stop.wait(seconds):
        raise HookFailed("given up while the image was waited for", remedy="run it again")
