# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults on request: which statement on which FE they meet, and how often they strike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

KINDS: Final = ("refuse", "drop", "drop_after_apply", "slow", "error", "error_after_apply", "hang")
ANY: Final = "any"


@dataclass
class Fault:
    """One fault.

    kind:
        ``refuse`` closes the FE's listener (or, with ``times``, aborts that many connections as they arrive);
        ``drop`` aborts the connection before the statement is applied, ``drop_after_apply`` after it was;
        ``slow`` waits ``seconds`` before it answers, ``hang`` never answers; ``error`` answers ``errno``/``message``
        without applying, ``error_after_apply`` after applying.
    fe, cluster: pod name and ``namespace/name``, or ``any``.
    match: a regular expression searched in the statement's text, ignoring case.
    seconds: how long a slow answer takes; for ``refuse`` how long it lasts, where 0 is "until removed".
    on_nth: strike first at the n-th statement that matches, counted from 1.
    times: how often to strike; None is "until removed", or once where ``on_nth`` is given.
    """

    kind: str
    fe: str = ANY
    cluster: str = ANY
    match: str = ""
    seconds: float = 0.0
    errno: int = 1064
    sqlstate: str = "HY000"
    message: str = "injected fault"
    on_nth: int | None = None
    times: int | None = None
    fault_id: int = 0
    seen: int = 0
    struck: int = 0

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Fault:
        """Read a fault from JSON; raises ValueError that names the field."""
        known = {item.name for item in fields(cls)} - {"fault_id", "seen", "struck"}
        unknown = sorted(set(document) - known)
        if unknown:
            raise ValueError(f"unknown fault fields {unknown}; known: {sorted(known)}")
        if document.get("kind") not in KINDS:
            raise ValueError(f"fault kind {document.get('kind')!r} is none of {', '.join(KINDS)}")
        fault = cls(**document)
        try:
            re.compile(fault.match)
        except re.error as error:
            raise ValueError(f"match {fault.match!r} is no regular expression: {error}") from error
        if fault.on_nth is not None and fault.times is None:
            fault.times = 1
        return fault

    def to_json(self) -> dict[str, Any]:
        """The fault with its counters."""
        return asdict(self)

    def concerns(self, cluster: str, fe: str) -> bool:
        """Whether the fault is about this FE."""
        return self.cluster in (ANY, cluster) and self.fe in (ANY, fe)

    @property
    def spent(self) -> bool:
        """Whether it has struck as often as it should."""
        return self.times is not None and self.struck >= self.times

    def strike(self) -> bool:
        """Count one occasion; True when the fault strikes at it."""
        self.seen += 1
        if self.spent or (self.on_nth is not None and self.seen < self.on_nth):
            return False
        self.struck += 1
        return True


class Faults:
    """The faults in force."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._last_id = 0

    def add(self, fault: Fault) -> int:
        """Put a fault in force; returns its number."""
        self._last_id += 1
        fault.fault_id = self._last_id
        self._faults.append(fault)
        return fault.fault_id

    def remove(self, fault_id: int | None = None) -> None:
        """Remove one fault, or all of them; raises KeyError for a number that is not in force."""
        if fault_id is None:
            self._faults.clear()
            return
        left = [fault for fault in self._faults if fault.fault_id != fault_id]
        if len(left) == len(self._faults):
            raise KeyError(fault_id)
        self._faults = left

    def to_json(self) -> list[dict[str, Any]]:
        """All faults with their counters."""
        return [fault.to_json() for fault in self._faults]

    def for_statement(self, cluster: str, fe: str, sql: str) -> Fault | None:
        """The first fault that strikes at this statement; every matching one counts it."""
        struck: Fault | None = None
        for fault in self._faults:
            if fault.kind == "refuse" or not fault.concerns(cluster, fe):
                continue
            if re.search(fault.match, sql, re.IGNORECASE) and fault.strike() and struck is None:
                struck = fault
        return struck

    def in_force(self, fault_id: int) -> bool:
        """Whether a fault has not been removed."""
        return any(fault.fault_id == fault_id for fault in self._faults)

    def listener_closed(self, cluster: str, fe: str) -> bool:
        """Whether the FE's listener is to refuse connections altogether."""
        return any(
            fault.kind == "refuse" and fault.times is None and fault.concerns(cluster, fe) for fault in self._faults
        )

    def aborts_connection(self, cluster: str, fe: str) -> bool:
        """Whether a connection that arrives now is to be aborted; counts it."""
        for fault in self._faults:
            if fault.kind == "refuse" and fault.times is not None and fault.concerns(cluster, fe) and fault.strike():
                return True
        return False
