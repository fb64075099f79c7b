# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Gates: named questions about a snapshot whose only answers are "pass" (None) and a refusal with the numbers seen.

A gate that could not be evaluated refuses. It never passes on missing data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """Why a gate says no: `text` holds the numbers seen, `subject` the pod or component it is about."""

    gate: str
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.gate}({self.subject}): {self.text}"


@dataclass(frozen=True)
class Override:
    """A person's permission to pass one named gate until a moment (seconds since the epoch), with the reason."""

    gate: str
    until: float
    reason: str


Question = Callable[[], "Refusal | None"]


def first_refusal(questions: Iterable[Question], overrides: Iterable[Override], now: float) -> Refusal | None:
    """Ask in order and return the first refusal that no unexpired override covers."""
    waived = {override.gate for override in overrides if override.until > now}
    for question in questions:
        refusal = question()
        if refusal is not None and refusal.gate not in waived:
            return refusal
    return None
