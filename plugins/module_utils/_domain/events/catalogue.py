# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""From an event of the record to what is announced: a reason, whether it is a warning, and one line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.steady.rollout.plugins.module_utils._domain.report.text import one_line

if TYPE_CHECKING:
    from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import Event


@dataclass(frozen=True, slots=True)
class Announcement:
    """Something to tell. `number` is the event's place in the run; `about` is the pod, hook, gate or setting."""

    number: int
    at: str
    reason: str
    warning: bool
    message: str
    step: str = ""
    about: str = ""

    @property
    def type(self) -> str:
        """The type as Kubernetes names it."""
        return "Warning" if self.warning else "Normal"


# (kind, state) of an event: its reason, and whether it is a warning. What is not listed is told to nobody.
_REASONS: dict[tuple[str, str], tuple[str, bool]] = {
    ("run", "begun"): ("RunStarted", False),
    ("run", "continued"): ("RunContinued", False),
    ("run", "succeeded"): ("RunSucceeded", False),
    ("run", "unchanged"): ("RunSucceeded", False),
    ("run", "rolled-back"): ("RolledBack", True),
    ("run", "frozen"): ("RunFrozen", True),
    ("run", "failed"): ("RunFailed", True),
    ("run", "restored"): ("Restored", False),
    ("step", "done"): ("StepDone", False),
    ("step", "failed"): ("StepFailed", True),
    ("hook", "started"): ("HookStarted", False),
    ("hook", "done"): ("HookDone", False),
    ("hook", "failed"): ("HookFailed", True),
    ("hook", "skipped"): ("HookSkipped", False),
    ("hook", "waiting"): ("HookWaiting", False),
    ("gate", "waiting"): ("GateRefused", False),
    ("gate", "refused"): ("GateRefused", True),
    ("rollback", ""): ("RollbackStarted", True),
    ("note", "preparing"): ("PreparationStarted", False),
    ("note", "prepared"): ("PreparationEnded", False),
    ("setting", "restored"): ("Restored", False),
    ("setting", "conflict"): ("SettingConflict", True),
}
REASONS = tuple(dict.fromkeys(reason for reason, _warning in _REASONS.values()))
# What a person is told who has not chosen: how the run goes as a whole, and whatever went wrong.
USUAL_REASONS = (
    "RunStarted",
    "RunContinued",
    "RunSucceeded",
    "RunFailed",
    "RunFrozen",
    "RollbackStarted",
    "RolledBack",
    "Restored",
    "StepFailed",
    "HookFailed",
    "HookWaiting",
    "GateRefused",
    "SettingConflict",
)


def announce(number: int, event: Event) -> Announcement | None:
    """What is told of the event of this number, or None where it is only for the report."""
    state = str(event.data.get("state") or "")
    found = _REASONS.get((event.kind, state))
    if found is None:
        return None
    reason, warning = found
    about = one_line(event.subject or event.step)
    return Announcement(number, event.at, reason, warning, one_line(event.text), one_line(event.step), about)


def announcements(events: Iterable[tuple[int, Event]]) -> list[Announcement]:
    """What is told of numbered events, in their order."""
    told = (announce(number, event) for number, event in events)
    return [announcement for announcement in told if announcement is not None]
