# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""One call of a verb, whichever door it came through: a module, or an action plugin in the controller's process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused, RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation import (
    Installation,
    parse_installation,
)
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._fe import options as fe_options
from ansible_collections.steady.rollout.plugins.module_utils._kube import options as kube_options

Result = dict[str, Any]
CONNECTION: dict[str, dict[str, Any]] = {**kube_options.ARGUMENTS, **fe_options.ARGUMENTS}
TARGET: dict[str, dict[str, Any]] = {
    "cluster": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
}
LEASE: dict[str, dict[str, Any]] = {"lease_seconds": {"type": "int", "default": 30}}
# What whoever installs decides, see docs/installation.md.
INSTALLATION: dict[str, dict[str, Any]] = {"installation": {"type": "dict", "default": {}}}


@dataclass(frozen=True)
class Call:
    """The validated options of one call, and how to talk meanwhile. `say` shows a line at once where that can be."""

    params: Mapping[str, Any]
    check_mode: bool = False
    say: Callable[[str], None] = lambda line: None
    clock: Clock = field(default_factory=Clock)


def installation_of(params: Mapping[str, Any]) -> Installation:
    """The option `installation`, checked."""
    return parse_installation(params["installation"])


def lease_seconds(params: Mapping[str, Any]) -> int:
    """The lease's duration, refused where it could not be renewed in time or would outlive a dead run for hours."""
    seconds = int(params["lease_seconds"])
    if not 2 <= seconds <= 3600:
        raise Refused("lease_seconds", seconds, "out of bounds", remedy="2 to 3600 seconds; 30 is usual")
    return seconds


@dataclass(frozen=True)
class Verb:
    """What a module does: its options, and the function that does it. Errors are raised as RolloutError."""

    name: str
    arguments: dict[str, dict[str, Any]]
    run: Callable[[Call], Result]
    conditions: Mapping[str, Any] = field(default_factory=dict)


def perform(verb: Verb, call: Call) -> Result:
    """Run a verb: the one place where an error becomes a failed result."""
    try:
        return verb.run(call)
    except RolloutError as error:
        return {"failed": True, "changed": False, **error.as_result()}
