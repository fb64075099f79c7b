# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The domain error for an FE's error number, or for the loss of its connection."""

from __future__ import annotations

import re

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import (
    Denied,
    RolloutError,
    SqlFailed,
    Unreachable,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.sql_errors import (
    NEEDS_TLS,
    WRONG_PASSWORD,
    kind_of,
)

__all__ = ["WRONG_PASSWORD", "sql_failure"]

_WORDS = re.compile(r"[A-Za-z][A-Za-z_ ]*")
_RIGHT = re.compile(r"\bthe ([A-Z, _]+?) privilege", re.IGNORECASE)


def sql_failure(errno: int, message: str, *, pod: str, user: str, sql: str = "") -> RolloutError:
    """The domain error for an error packet or a lost connection. Of the statement only its first words are shown."""
    text = message.strip().rstrip(".")
    doing = f" to {_first_words(sql)}" if sql else ""
    kind = kind_of(errno)
    if errno == NEEDS_TLS:
        return Denied(f"FE {pod} lets nobody in without TLS: {text}.", remedy="Set fe_tls: required or preferred.")
    if kind == "login":
        return Denied(
            f"FE {pod} does not let user {user} in: {text}.",
            remedy="Check fe_user and fe_password, or the Secret that fe_password_secret or MYSQL_PWD of the "
            "StarRocksCluster names.",
        )
    if kind == "privilege":
        return Denied(f"FE {pod} does not allow user {user}{doing}: {text}.", remedy=_grant(text, user))
    if kind == "lost":
        return Unreachable(f"FE {pod}: {text}.", remedy="Check that the pod runs and that its query port is reached.")
    reason = f"FE {pod} answered{doing} with error {errno}: {text}."
    return SqlFailed(reason, errno=errno, transient=kind == "transient")


def _first_words(sql: str) -> str:
    """The keywords that a statement begins with: what follows may be a secret of the user's own statement."""
    match = _WORDS.match(sql.lstrip())
    return " ".join(match[0].split()[:4]) if match else "a statement"


def _grant(message: str, user: str) -> str:
    right = _RIGHT.search(message)
    rights = right[1].upper().split(" OR ") if right else []
    if rights == ["NODE"]:
        # Only the role cluster_admin has NODE, and it cannot be granted singly.
        return f"GRANT cluster_admin TO USER {user}; SET DEFAULT ROLE cluster_admin TO {user}"
    return f"GRANT OPERATE ON SYSTEM TO USER {user}"
