# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The metrics of the latest run on a cluster, from its record. All are gauges: each run replaces those of the last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import get_args

from ansible_collections.steady.rollout.plugins.module_utils._domain.events.exposition import (
    Family,
    Sample,
    exposition,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.model import parse_time
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.describe import versions
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import (
    HookRecord,
    Outcome,
    Record,
    StepRecord,
)

OUTCOMES = tuple(outcome for outcome in get_args(Outcome) if outcome)
_Key = tuple[str, ...]


def render(record: Record, namespace: str, now: float) -> str:
    """The metrics as text; `now` is in seconds since the epoch."""
    return exposition(families(record, namespace, now))


def families(record: Record, namespace: str, now: float) -> Iterator[Family]:
    """Every family, in a fixed order."""
    # Prometheus gives `namespace` and `cluster` to what it scrapes, and would rename ours.
    common = {"rollout_namespace": namespace, "rollout_target": record.cluster}
    yield from _run(record, common, now)
    yield from _steps(record, common)
    yield from _hooks(record, common)
    yield _gates(record, common)


def _run(record: Record, common: Mapping[str, str], now: float) -> Iterator[Family]:
    before, after = versions(record.baseline.images), versions(record.target)
    started, finished = parse_time(record.started_at), parse_time(record.finished_at)
    labels = {**common, "run": record.run, "from": before, "to": after}
    yield _one("run_info", "The latest run on the cluster; always 1.", 1, labels)
    if started is not None:
        end = finished if finished is not None else now
        yield _one("run_start_timestamp_seconds", "When the latest run began, since the epoch.", started, common)
        yield _one("run_duration_seconds", "How long the latest run has taken.", max(0.0, end - started), common)
    if finished is not None:
        yield _one("run_end_timestamp_seconds", "When the latest run ended, since the epoch.", finished, common)
    yield _one("run_active", "Whether the latest run has not ended: 1 or 0.", int(record.phase != "done"), common)
    yield Family(
        "steady_rollout_run_outcome",
        "How the latest run ended: 1 for its outcome, 0 for every other.",
        tuple(Sample(int(record.outcome == outcome), {**common, "outcome": outcome}) for outcome in OUTCOMES),
    )
    opened = len(record.journal.open_keys)
    yield _one("settings_open", "FE settings that the run switched off and has not put back.", opened, common)
    yield _one("record_timestamp_seconds", "When these figures were written, since the epoch.", now, common)


def _steps(record: Record, common: Mapping[str, str]) -> Iterator[Family]:
    counts: dict[_Key, int] = defaultdict(int)
    seconds: dict[_Key, float] = defaultdict(float)
    attempts: dict[_Key, int] = defaultdict(int)
    waited: dict[_Key, float] = defaultdict(float)
    for step in record.steps.values():
        key = (step.kind, step.state)
        counts[key] += 1
        if step.started_at:
            seconds[key] += _seconds(step)
            attempts[key] += step.attempts
        for what, took in step.waited.items():
            waited[(step.kind, _waited_for(what))] += took
    names = ("kind", "result")
    yield _sums("steps", "Steps of the latest run.", counts, names, common)
    yield _sums("steps_duration_seconds", "How long the steps took together.", seconds, names, common)
    yield _sums("steps_attempts", "How often the steps were begun.", attempts, names, common)
    yield _sums("steps_waited_seconds", "How long the steps waited, by what for.", waited, ("kind", "for"), common)


def _hooks(record: Record, common: Mapping[str, str]) -> Iterator[Family]:
    hooks = [(_stage(step_id), name, hook) for step_id, name, hook in _each_hook(record)]
    names = ("stage", "hook", "result")
    counts: dict[_Key, int] = defaultdict(int)
    seconds: dict[_Key, float] = defaultdict(float)
    attempts: dict[_Key, int] = defaultdict(int)
    for stage, name, hook in hooks:
        key = (stage, name, hook.outcome)
        counts[key] += 1
        seconds[key] += hook.seconds
        attempts[key] += hook.attempts
    yield _sums("hooks", "Hooks of the latest run.", counts, names, common)
    yield _sums("hooks_duration_seconds", "How long the hooks took together.", seconds, names, common)
    yield _sums("hooks_attempts", "How often the hooks were tried.", attempts, names, common)


def _gates(record: Record, common: Mapping[str, str]) -> Family:
    refused: dict[_Key, int] = defaultdict(int)
    for gate in record.gates:
        refused[(gate.name,)] += int(gate.verdict == "refused")
    return _sums("gates_refusing", "Gates whose last answer in a step was no.", refused, ("gate",), common)


def _each_hook(record: Record) -> Iterator[tuple[str, str, HookRecord]]:
    for step_id, step in record.steps.items():
        for name, hook in step.hooks.items():
            yield step_id, name, hook


def _stage(step_id: str) -> str:
    """The stage of a hook's step, whose id is `<stage>/<number>-<name>`."""
    return step_id.partition("/")[0]


def _waited_for(what: str) -> str:
    """What was waited for, without the name of the pod: a label has few values."""
    return " ".join(word for word in what.split() if not word[-1:].isdigit())


def _seconds(step: StepRecord) -> float:
    started, finished = parse_time(step.started_at), parse_time(step.finished_at)
    return max(0.0, finished - started) if started is not None and finished is not None else 0.0


def _one(name: str, text: str, value: float, labels: Mapping[str, str]) -> Family:
    return Family(f"steady_rollout_{name}", text, (Sample(value, labels),))


def _sums(
    name: str, text: str, values: Mapping[_Key, float], names: tuple[str, ...], common: Mapping[str, str]
) -> Family:
    samples = (
        Sample(round(value, 3), {**common, **dict(zip(names, key, strict=True))})
        for key, value in sorted(values.items())
    )
    return Family(f"steady_rollout_{name}", text, tuple(samples))
