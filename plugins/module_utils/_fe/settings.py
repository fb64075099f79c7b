# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""FE settings: read on one FE with few statements, names resolved; set through the leader."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import takewhile

from ansible_collections.steady.rollout.plugins.module_utils._fe import statements
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Session
from ansible_collections.steady.rollout.plugins.module_utils._fe.rows import Setting, settings_of

# A shorter common start would bring hundreds of rows for the few that are wanted.
_LEAST_PREFIX = 8


def look_up(session: Session, keys: Iterable[str], *, timeout: float | None = None) -> dict[str, Setting]:
    """The settings by the names asked for, which may be aliases; a name that this FE does not know is left out."""
    wanted = sorted(set(keys))
    found: dict[str, Setting] = {}
    for pattern in _patterns(wanted):
        rows = settings_of(session.run(statements.show_settings(pattern), timeout=timeout))
        found |= {key: row for key in wanted for row in rows if row.is_called(key)}
        if pattern in wanted and pattern not in found and len(rows) == 1:
            # A version without AliasNames: LIKE has matched the alias, the row shows the canonical key.
            found[pattern] = rows[0]
    return found


def read_settings(session: Session, keys: Iterable[str], *, timeout: float | None = None) -> dict[str, str]:
    """The values on the FE of the session, by canonical key; what this FE does not know is left out."""
    return {row.key: row.value for row in look_up(session, keys, timeout=timeout).values()}


def set_setting(session: Session, key: str, value: str | int | bool, *, timeout: float | None = None) -> None:
    """Set one setting: the FE passes the statement to the leader, which sets it on every live FE.

    An error does not mean that nothing was set, nor its absence that every FE took it: read it back everywhere.
    """
    session.run(statements.set_setting(key, value), timeout=timeout)


def _patterns(keys: list[str]) -> Iterator[str]:
    """As few LIKE patterns as cover the keys: one for neighbours with a long common start, the key for the others."""
    group: list[str] = []
    for key in keys:
        if group and len(_common_start([*group, key])) < _LEAST_PREFIX:
            yield _pattern(group)
            group = []
        group.append(key)
    if group:
        yield _pattern(group)


def _pattern(group: list[str]) -> str:
    return group[0] if len(group) == 1 else _common_start(group) + "%"


def _common_start(names: list[str]) -> str:
    first, last = min(names), max(names)
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "".join(letter for letter, _same in alike)
