# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""From an FE's rows to the domain's values. Columns are found by name, because versions add, drop and move them.

A missing or malformed value of a column that a gate reads is an error (Malformed) or None, never 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import (
    Component,
    Frontend,
    Tablets,
    Worker,
)
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Row

_ADDRESS = re.compile(r"[0-9.]+|[0-9a-fA-F:]*:[0-9a-fA-F:.]*")
_ABSENT = frozenset({"", "null", "\\n", "n/a"})


class Malformed(RolloutError):
    """An FE's answer lacks what it must have, or has what cannot be read."""

    def __init__(self, what: str, problem: str) -> None:
        super().__init__(
            f"The answer to {what} cannot be used: {problem}.",
            remedy="Run the statement by hand; if this StarRocks version answers so, it is not supported yet.",
        )


@dataclass(frozen=True)
class Setting:
    """A row of ADMIN SHOW FRONTEND CONFIG. `key` is the canonical name; `kind` StarRocks' type (int, boolean, ...)."""

    key: str
    value: str
    aliases: frozenset[str] = frozenset()
    kind: str = ""
    mutable: bool | None = None

    def is_called(self, name: str) -> bool:
        """Whether the name is its key or one of its aliases."""
        return name == self.key or name in self.aliases


def frontends_of(rows: Sequence[Row]) -> tuple[Frontend, ...]:
    """The rows of SHOW FRONTENDS."""
    what = "SHOW FRONTENDS"
    if not rows:
        raise Malformed(what, "it has no rows")
    return tuple(
        Frontend(
            pod=_pod(row, what),
            role=_required(row, "Role", what).upper(),
            alive=_flag(row, "Alive", what),
            join=_flag(row, "Join", what),
            replayed_journal_id=_number(row, "ReplayedJournalId", what),
            start_time=_optional(row, "StartTime"),
            version=_optional(row, "Version"),
            error=_optional(row, "ErrMsg") or "",
            address=":".join(filter(None, (_optional(row, "IP"), _optional(row, "EditLogPort")))),
            http_port=_number(row, "HttpPort", what),
        )
        for row in rows
    )


def workers_of(rows: Sequence[Row], component: Component) -> tuple[Worker, ...]:
    """The rows of SHOW BACKENDS (be) or SHOW COMPUTE NODES (cn); none is a valid answer."""
    what = "SHOW BACKENDS" if component == "be" else "SHOW COMPUTE NODES"
    return tuple(
        Worker(
            pod=_pod(row, what),
            component=component,
            alive=_flag(row, "Alive", what),
            start_time=_optional(row, "LastStartTime"),
            version=_optional(row, "Version"),
            decommissioned="true" in {str(row.get(f"{kind}Decommissioned")).lower() for kind in ("System", "Cluster")},
            tablets=_number(row, "TabletNum", what),
            running_queries=_number(row, "NumRunningQueries", what),
            error=_optional(row, "ErrMsg") or "",
        )
        for row in rows
    )


def tablets_of(statistic: Sequence[Row], balance: Sequence[Row]) -> Tablets:
    """The Total row of SHOW PROC '/statistic' with the queue lengths of SHOW PROC '/cluster_balance'."""
    what = "SHOW PROC '/statistic'"
    total = next((row for row in statistic if row.get("DbId") == "Total"), None)
    if total is None:
        raise Malformed(what, "it has no Total row")
    queues = {row.get("Item"): row for row in balance}
    return Tablets(
        total=_count(total, "TabletNum", what),
        unhealthy=_count(total, "UnhealthyTabletNum", what),
        inconsistent=_count(total, "InconsistentTabletNum", what),
        cloning=_count(total, "CloningTabletNum", what),
        error_state=_count(total, "ErrorStateTabletNum", what),
        pending=_queue(queues.get("pending_tablets"), "pending_tablets"),
        running=_queue(queues.get("running_tablets"), "running_tablets"),
    )


def settings_of(rows: Sequence[Row]) -> tuple[Setting, ...]:
    """The rows of ADMIN SHOW FRONTEND CONFIG; older versions have no AliasNames."""
    what = "ADMIN SHOW FRONTEND CONFIG"
    return tuple(
        Setting(
            key=_required(row, "Key", what),
            value=_present(row, "Value", what),
            aliases=_names(row.get("AliasNames")),
            kind=(row.get("Type") or "").lower(),
            mutable=_flag(row, "IsMutable", what) if row.get("IsMutable") is not None else None,
        )
        for row in rows
    )


def _pod(row: Row, what: str) -> str:
    """The pod's name: the first label of the FQDN in the IP column, or the address when it is one."""
    address = _required(row, "IP", what)
    return address if _ADDRESS.fullmatch(address) else address.split(".", 1)[0]


def _present(row: Row, column: str, what: str) -> str:
    value = row.get(column)
    if value is None:
        raise Malformed(what, f"it has no column {column}" if column not in row else f"{column} is NULL")
    return value.strip()


def _required(row: Row, column: str, what: str) -> str:
    value = _present(row, column, what)
    if value.lower() in _ABSENT:
        raise Malformed(what, f"{column} is empty")
    return value


def _optional(row: Row, column: str) -> str | None:
    value = (row.get(column) or "").strip()
    return None if value.lower() in _ABSENT else value


def _flag(row: Row, column: str, what: str) -> bool:
    value = _required(row, column, what).lower()
    if value not in ("true", "false"):
        raise Malformed(what, f"{column} is {value!r}, neither true nor false")
    return value == "true"


def _number(row: Row, column: str, what: str) -> int | None:
    """The count in a column that not every version has, None without one."""
    return None if _optional(row, column) is None else _count(row, column, what)


def _count(row: Row, column: str, what: str) -> int:
    value = _required(row, column, what)
    if not (value.isascii() and value.isdigit()):
        raise Malformed(what, f"{column} is {value!r}, no number")
    return int(value)


def _queue(row: Row | None, item: str) -> int:
    what = "SHOW PROC '/cluster_balance'"
    if row is None:
        raise Malformed(what, f"it has no row {item}")
    return _count(row, "Number", what)


def _names(text: str | None) -> frozenset[str]:
    """The names in a Java list's text, such as [disable_balance]."""
    inner = (text or "").strip().removeprefix("[").removesuffix("]")
    return frozenset(name.strip() for name in inner.split(",") if name.strip())
