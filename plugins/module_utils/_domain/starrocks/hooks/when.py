# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Conditions of hooks: a JMESPath expression over what was seen of the cluster, which must say true or false."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import to_plain
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused, missing_package
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Component, Snapshot

LONGEST_CONDITION = 1000
# How many times over a condition may copy what it sees: `[@,@][]` doubles it, and a row of them has no end.
MOST_COPIES = 1000
_FIELDS = ("cluster", "namespace", "workloads", "pods", "frontends", "workers", "settings", "tablets", "mode", "blind")


def view(
    snapshot: Snapshot, direction: str, images_from: Mapping[Component, str], images_to: Mapping[Component, str]
) -> dict[str, Any]:
    """What a condition sees: the snapshot as plain values, its leader, and what the run is about."""
    plain = to_plain(snapshot)
    return {
        **{name: plain[name] for name in _FIELDS},
        "leader": snapshot.leader,
        "run": {"direction": direction, "from": dict(images_from), "to": dict(images_to)},
    }


def check_condition(expression: str, path: str, data: Mapping[str, Any] | None = None) -> None:
    """Refuse what does not compile, or does not say true or false of `data`."""
    if len(expression) > LONGEST_CONDITION:
        remedy = f"at most {LONGEST_CONDITION} characters"
        raise Refused(path, expression[:60] + "...", "the condition is too long", remedy=remedy)
    compiled = _compile(expression, path)
    if data is not None:
        _evaluate(compiled, expression, path, data)


def holds(expression: str, path: str, data: Mapping[str, Any]) -> bool:
    """Whether the condition holds for `data`; Refused when it says neither true nor false."""
    return _evaluate(_compile(expression, path), expression, path, data)


def _compile(expression: str, path: str) -> Any:
    jmespath = _library()
    try:
        compiled = jmespath.compile(expression)
        copies = _copies(compiled.parsed)
    except (jmespath.exceptions.JMESPathError, RecursionError, ValueError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        remedy = "write a JMESPath expression, such as tablets.unhealthy == `0`"
        raise Refused(path, expression, f"not a JMESPath expression: {first}", remedy=remedy) from error
    if copies > MOST_COPIES:
        remedy = "make fewer lists and mappings of several parts within one another"
        raise Refused(path, expression, "the condition would copy what it sees too often", remedy=remedy)
    return compiled


def _copies(node: Mapping[str, Any]) -> int:
    """How many times over the expression may copy a value at most: the product of all lists and mappings it makes.

    Nothing else in JMESPath makes more out of less: it knows no loops, and no way back to the root.
    """
    parts = [part for part in node.get("children", ()) if isinstance(part, Mapping)]
    makes = node.get("type") in ("multi_select_list", "multi_select_dict")
    copies = max(1, len(parts)) if makes else 1
    if node.get("type") == "literal":
        copies = _size(node.get("value"))
    for part in parts:
        # More than enough is enough: the product of a long row is a number of hundreds of digits.
        copies = min(copies * _copies(part), MOST_COPIES + 1)
    return copies


def _size(value: object) -> int:
    """The number of values in a literal."""
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return max(1, sum(map(_size, inner)))


def _evaluate(compiled: Any, expression: str, path: str, data: Mapping[str, Any]) -> bool:
    jmespath = _library()
    try:
        result = compiled.search(data)
    except (jmespath.exceptions.JMESPathError, RecursionError, TypeError, ValueError, OverflowError) as error:
        remedy = "a condition reads the fields that docs/hooks.md lists"
        raise Refused(path, expression, f"cannot be evaluated: {error}", remedy=remedy) from error
    if not isinstance(result, bool):
        problem = f"says {type(result).__name__ if result is not None else 'null'}, not true or false"
        remedy = "compare with something, such as length(workers) > `1`; a number stands in backquotes"
        raise Refused(path, expression, problem, remedy=remedy)
    return result


def _library() -> Any:
    try:
        import jmespath
        import jmespath.exceptions
    except ImportError as error:
        raise missing_package("jmespath", "1.0", error, ", and a hook has a condition (when)") from error
    return jmespath
