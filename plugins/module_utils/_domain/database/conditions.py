# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The status of a DBUpgrade as a pure function of what was decided: Kubernetes conditions with reasons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

TYPES = ("Accepted", "Ready", "Progressing", "Degraded", "Blocked")
LONGEST_MESSAGE = 4096

Aspect = Literal["Initializing", "Progressing", "Blocked", "Degraded", "Ready", "Planned", "Refused"]


@dataclass(frozen=True, slots=True)
class State:
    """Where a DBUpgrade is, in one value.

    :ivar aspect: what is the case above all else
    :ivar reason: that in one word, for machines
    :ivar message: that in a sentence with what was seen, for people
    :ivar degraded: a reason and a message for Degraded beside another aspect, such as Ready
    """

    aspect: Aspect
    reason: str
    message: str
    degraded: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition, as metav1.Condition has it."""

    type: str
    status: Literal["True", "False"]
    reason: str
    message: str
    observed_generation: int
    last_transition_time: str

    def as_plain(self) -> dict[str, object]:
        """With Kubernetes' names."""
        return {
            "type": self.type,
            "status": self.status,
            "reason": self.reason,
            "message": self.message,
            "observedGeneration": self.observed_generation,
            "lastTransitionTime": self.last_transition_time,
        }


def conditions(
    state: State, generation: int, previous: Iterable[Mapping[str, object]], now: str
) -> tuple[Condition, ...]:
    """All five conditions; the time of one is that of the last change of its status.

    :param previous: the conditions as they stand, untrusted
    :param now: RFC 3339
    """
    before = {str(item.get("type")): item for item in previous}
    return tuple(
        Condition(
            name,
            "True" if holds else "False",
            reason,
            message if len(message) <= LONGEST_MESSAGE else message[: LONGEST_MESSAGE - 3] + "...",
            generation,
            _since(before.get(name), "True" if holds else "False", now),
        )
        for name, (holds, reason, message) in _answers(state).items()
    )


def _since(before: Mapping[str, object] | None, status: str, now: str) -> str:
    if before is None or before.get("status") != status:
        return now
    return str(before.get("lastTransitionTime") or now)


def _answers(state: State) -> dict[str, tuple[bool, str, str]]:
    here = (state.reason, state.message)
    refused = state.aspect == "Refused"
    degraded = state.degraded or (here if state.aspect in ("Degraded", "Refused") else None)
    return {
        "Accepted": (False, *here) if refused else (True, "SpecValid", "The spec is valid."),
        "Ready": (state.aspect == "Ready", *here),
        "Progressing": (state.aspect == "Progressing", *here),
        "Degraded": (True, *degraded) if degraded else (False, *_no("Degraded", here)),
        "Blocked": (True, *here) if state.aspect == "Blocked" else (False, *_no("Blocked", here)),
    }


def _no(name: str, here: tuple[str, str]) -> tuple[str, str]:
    """A condition that does not hold says the reason of the whole, so that it is never older than the rest."""
    return here[0], f"Not {name.lower()}."
