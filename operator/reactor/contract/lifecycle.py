# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done with an object as it is, and after its run; the order is that of Reconcile in reconcile.go."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reactor.contract.duration import parse_duration
from reactor.contract.watches import LARGEST_VERBOSITY, Watch

PREFIX = "ansible.sdk.operatorframework.io"
PERIOD, VERBOSITY, ARTIFACTS = f"{PREFIX}/reconcile-period", f"{PREFIX}/verbosity", f"{PREFIX}/max-runner-artifacts"
# An object that was deleted while its run went on is looked at again after this.
DELETED_MEANWHILE = 5.0
DEFAULT_PERIOD = 36000.0

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Decision:
    """`run` says whether a run is due at all; before it `add_finalizer` is put on the object.

    `period` is in seconds, 0 for no period. `error` is why there can be no run, and asks for another try.
    """

    run: bool
    finalizing: bool = False
    add_finalizer: str = ""
    period: float = 0.0
    verbosity: int = 0
    artifacts: int = 0
    error: str = ""


def decide(resource: Object, watch: Watch, default_period: float = DEFAULT_PERIOD) -> Decision:
    """What is to be done with the object."""
    metadata = resource.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    deleted = bool(metadata.get("deletionTimestamp"))
    name = watch.finalizer.name if watch.finalizer else ""
    present = bool(name) and name in (metadata.get("finalizers") or [])
    try:
        own = watch.reconcile_period or default_period
        period = parse_duration(annotations[PERIOD]) if PERIOD in annotations else own
    except ValueError as error:
        return Decision(run=False, error=f"Unable to parse reconcile period annotation: {error}")
    if deleted and not present:
        return Decision(run=False)
    return Decision(
        run=True,
        finalizing=deleted,
        add_finalizer="" if present else name,
        period=max(period, 0.0),
        verbosity=min(_number(annotations.get(VERBOSITY), watch.verbosity), LARGEST_VERBOSITY),
        artifacts=_number(annotations.get(ARTIFACTS), watch.max_runner_artifacts),
    )


@dataclass(frozen=True, slots=True)
class Next:
    """What follows a run that ended: whether its finalizer goes, and when to look again (seconds; None: not)."""

    remove_finalizer: bool = False
    after: float | None = None


def after_run(decision: Decision, watch: Watch, *, good: bool, requeue: float | None, deleted_now: bool) -> Next:
    """What follows a run. `deleted_now`: whether the object is being deleted as it is read after the run."""
    if good and requeue is not None:
        return Next(after=max(requeue, 0.0))
    if decision.finalizing and good:
        return Next(remove_finalizer=True)
    if deleted_now and watch.finalizer is not None:
        return Next(after=DELETED_MEANWHILE)
    return Next(after=decision.period or None)


def triggers(before: Object | None, after: Object, watch: Watch) -> bool:
    """Whether the change of an object's metadata starts a run: its generation, or annotations where they are watched.

    Objects without a generation, such as Secrets, start one with every change.
    """
    if before is None or before.get("uid") != after.get("uid"):
        return True
    if not after.get("generation") or before.get("generation") != after.get("generation"):
        return True
    return watch.watch_annotations_changes and (before.get("annotations") or {}) != (after.get("annotations") or {})


def _number(text: Any, default: int) -> int:
    """The whole number that an annotation gives; the default for any other text."""
    return int(text) if isinstance(text, str) and re.fullmatch(r"[-+]?[0-9]+", text) else default
