# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""When an object that is being deleted is let go although what it holds could not be put back.

Its finalizer keeps it until everything is back. That must not last for ever: what it would need may be gone for good.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

# A person's word that the object may go as it is, whatever is left behind.
ANNOTATION = "rollout.steady.dev/abandon"


def why_let_go(metadata: Mapping[str, Any], now: float, deadline: float, *, namespace_goes: bool) -> str:
    """Why the object may go now, as a sentence; empty as long as it may not.

    :param metadata: the object's; one that is not being deleted has no deadline
    :param now: seconds since the epoch
    :param deadline: seconds that putting back may take
    :param namespace_goes: whether the namespace is being deleted as well
    """
    if (metadata.get("annotations") or {}).get(ANNOTATION) == "true":
        return f"the annotation {ANNOTATION} says so"
    if namespace_goes:
        return "its namespace is being deleted, with everything in it"
    since = str(metadata.get("deletionTimestamp") or "")
    if since and now - datetime.fromisoformat(since).timestamp() >= deadline:
        return f"nothing could be put back within {deadline:g} seconds"
    return ""
