# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.

"""JSON from the API server, whatever the author of an object has put into it."""

from __future__ import annotations

import json
import re
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused

# In JSON a quote inside a text is escaped, so this is always a key; texts of that name have no bracket after them.
_MANAGED = re.compile(rb'"managedFields":\s*\[')
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]]', re.DOTALL)


class TooDeep(Refused):
    """An object whose nesting is deeper than Python's own limit."""


def parsed(data: bytes, what: str) -> Any:
    """The value that the JSON is of. ValueError for what is none, TooDeep for what is nested too deeply to be read.

    metadata.managedFields repeats the nesting of the whole object; where that is what is too deep, it is left out, so
    that at least an object's metadata can always be read. `what` names what was asked for.
    """
    try:
        return json.loads(data)
    except RecursionError:
        pass
    try:
        return json.loads(without_managed_fields(data))
    except RecursionError:
        raise TooDeep(what, None, "is nested too deeply to be read", remedy="Make the object flatter.") from None


def without_managed_fields(data: bytes) -> bytes:
    """The JSON with an empty list for each metadata.managedFields; without recursion, in one pass."""
    kept, at = bytearray(), 0
    while match := _MANAGED.search(data, at):
        kept += data[at : match.end()]
        at = _closing(data, match.end())
    return bytes(kept + data[at:])


def _closing(data: bytes, start: int) -> int:
    """Where the list ends whose first item begins at `start`; the end of the data for one that does not."""
    depth = 1
    for token in _TOKEN.finditer(data, start):
        depth += {b"[": 1, b"]": -1}.get(token[0], 0)
        if depth == 0:
            return token.start()
    return len(data)
