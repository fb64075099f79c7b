# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The metrics of a DBUpgrade, from its state and its record, and the heartbeat of whoever makes the passes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import get_args

from ansible_collections.steady.rollout.plugins.module_utils._domain.database.conditions import Aspect, State
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.record import Outcome, Record
from ansible_collections.steady.rollout.plugins.module_utils._domain.events.exposition import (
    Family,
    Sample,
    exposition,
)

OUTCOMES: tuple[str, ...] = tuple(outcome for outcome in get_args(Outcome) if outcome)
ASPECTS: tuple[str, ...] = get_args(Aspect)
Labels = Mapping[str, str]


def heartbeat(now: float) -> str:
    """That an operator makes passes; `now` is in seconds since the epoch.

    A file or a gateway goes on to say 1 after the operator has died, so the moment stands beside it.
    """
    return exposition(
        (
            _one("operator_up", "Whether an operator makes passes over DBUpgrades; always 1.", 1, {}),
            _one("operator_last_pass_timestamp_seconds", "When the latest pass began, since the epoch.", now, {}),
        )
    )


def render(state: State, record: Record | None, namespace: str, name: str, now: float) -> str:
    """The metrics of one DBUpgrade as text."""
    # Prometheus gives `namespace` to what it scrapes, and would rename ours.
    common = {"rollout_namespace": namespace, "rollout_target": name}
    return exposition((*_state(state, common, now), *(_run(record, common, now) if record is not None else ())))


def _state(state: State, common: Labels, now: float) -> Iterator[Family]:
    yield _set("state", "Where the DBUpgrade is: 1 for that, 0 for all else.", "aspect", ASPECTS, state.aspect, common)
    yield _one("reason", "Why it is there, in one word; always 1.", 1, {**common, "reason": state.reason})
    yield _one("record_timestamp_seconds", "When these figures were written, since the epoch.", now, common)


def _run(record: Record, common: Labels, now: float) -> Iterator[Family]:
    inspection, status = record.inspection, record.status
    if inspection is not None and status is not None:
        labels = {"image": inspection.image, "from": inspection.status.current, "to": inspection.status.target}
        yield _one("run_info", "The latest run; always 1.", 1, {**common, **labels})
        yield _one("pending_files", "Migrations of the image that are not applied.", len(status.pending), common)
    yield _one("run_active", "Whether the latest run has not ended: 1 or 0.", int(not record.outcome), common)
    began, finished = record.began_at, record.finished_at
    if began:
        took = max(0.0, (finished or now) - began)
        yield _one("run_start_timestamp_seconds", "When the latest run began, since the epoch.", began, common)
        yield _one("run_duration_seconds", "How long the latest run has taken.", round(took, 3), common)
    if finished:
        yield _one("run_end_timestamp_seconds", "When the latest run ended, since the epoch.", finished, common)
    words = "How the latest run ended: 1 for its outcome, 0 for every other."
    yield _set("run_outcome", words, "outcome", OUTCOMES, record.outcome, common)
    yield from _totals(record, common)


def _totals(record: Record, common: Labels) -> Iterator[Family]:
    counts = {tally.outcome: tally for tally in record.tallies}
    runs = [Sample(counts[o].runs if o in counts else 0, {**common, "outcome": o}) for o in OUTCOMES]
    took = [Sample(round(counts[o].seconds, 3) if o in counts else 0, {**common, "outcome": o}) for o in OUTCOMES]
    yield Family("dbupgrade_runs_total", "Runs that have ended, by how.", tuple(runs), "counter")
    yield Family("dbupgrade_runs_duration_seconds_total", "How long they took together.", tuple(took), "counter")


def _one(name: str, text: str, value: float, labels: Labels) -> Family:
    return Family(f"dbupgrade_{name}", text, (Sample(value, labels),))


def _set(name: str, text: str, label: str, words: tuple[str, ...], present: str, common: Labels) -> Family:
    samples = tuple(Sample(int(word == present), {**common, label: word}) for word in words)
    return Family(f"dbupgrade_{name}", text, samples)
