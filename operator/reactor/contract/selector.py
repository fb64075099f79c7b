# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A LabelSelector as the text that the API server takes."""

from __future__ import annotations

import re

from reactor.contract.fields import Fatal, Fields

_KEY = re.compile(r"(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?", re.ASCII)
_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?)?", re.ASCII)


def selector_text(selector: Fields | None, where: str) -> str:
    """matchLabels and matchExpressions in the syntax of a request's labelSelector; Fatal for one that is invalid."""
    if selector is None:
        return ""
    parts = []
    for key, value in selector.mapping("matchLabels").items():
        parts.append(f"{_checked(_KEY, key, where)}={_checked(_VALUE, value, where)}")
    for number, entry in enumerate(selector.sequence("matchExpressions"), start=1):
        parts.append(_expression(Fields(entry, f"{where}: matchExpressions {number}"), where))
    return ",".join(parts)


def _expression(entry: Fields, where: str) -> str:
    key = _checked(_KEY, entry.text("key"), where)
    operator = entry.text("operator")
    values = [_checked(_VALUE, value, where) for value in entry.sequence("values")]
    if operator in ("In", "NotIn") and values:
        return f"{key} {operator.lower()} ({','.join(values)})"
    if operator in ("Exists", "DoesNotExist") and not values:
        return key if operator == "Exists" else f"!{key}"
    raise Fatal(f"{where}: {operator!r} with {len(values)} values is no valid selector operator")


def _checked(pattern: re.Pattern[str], value: object, where: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise Fatal(f"{where}: {value!r} is no valid label key or value")
    return value
