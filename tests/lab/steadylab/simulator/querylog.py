# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of all statements that clients sent: one JSON object a line, without secrets."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from steadylab.simulator.statements import redact


@dataclass(frozen=True)
class Entry:
    """One statement, logged ``at`` the moment of its answer, ``seconds`` after it came. ``fe`` is the pod that executed
    it; ``forwarded_from`` the pod the client was connected to, ``encrypted`` whether with TLS, ``connection`` its
    number on that pod."""

    at: float
    cluster: str
    fe: str
    user: str
    sql: str
    forwarded_from: str | None
    result: str
    errno: int | None = None
    error: str | None = None
    encrypted: bool = False
    seconds: float = 0.0
    connection: int = 0


class QueryLog:
    """Keeps the entries in memory and, where a path is given, appends them to a file as they come."""

    def __init__(self, path: Path | None = None) -> None:
        self._entries: list[Entry] = []
        self._file: TextIO | None = path.open("a", encoding="utf-8") if path else None

    def add(self, entry: Entry) -> None:
        """Append one statement; a password in it is blanked before anything is kept."""
        clean = Entry(**{**asdict(entry), "sql": redact(entry.sql)})
        self._entries.append(clean)
        if self._file is not None:
            self._file.write(json.dumps(asdict(clean)) + "\n")
            self._file.flush()

    def entries(self) -> list[dict[str, Any]]:
        """All entries so far, oldest first."""
        return [asdict(entry) for entry in self._entries]

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
