# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What an FE's error number, or the loss of its connection, means.

Numbers of 5000 and above are StarRocks' own (fe/fe-core/src/main/java/com/starrocks/common/ErrorCode.java), those of
2000 to 2999 are the client library's, the others MySQL's.
"""

from __future__ import annotations

import re

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import (
    Denied,
    RolloutError,
    SqlFailed,
    Unreachable,
)

# ERR_ACCESS_DENIED_ERROR; the host is not allowed (1130); ERR_SECURE_TRANSPORT_REQUIRED.
WRONG_PASSWORD = 1045
_LOGIN = frozenset({WRONG_PASSWORD, 1130, 1251, 5205})
# ERR_DB_ACCESS_DENIED, ERR_TABLEACCESS_DENIED_ERROR, ERR_SPECIFIC_ACCESS_DENIED_ERROR, ERR_ACCESS_DENIED (3.x) and
# its form for external access controllers.
_PRIVILEGE = frozenset({1044, 1142, 1227, 5203, 5204})
# CR_CONNECTION_ERROR, CR_CONN_HOST_ERROR, CR_UNKNOWN_HOST, CR_SERVER_GONE_ERROR, CR_SERVER_LOST; 0: closed by us.
_LOST = frozenset({0, 2002, 2003, 2005, 2006, 2013})
# Too many connections (MySQL's 1040, StarRocks' ERR_TOO_MANY_USER_CONNECTIONS), ERR_BACKEND_OFFLINE,
# ERR_QUERY_TIMEOUT, ERROR_SET_CONFIG_FAILED (an FE did not take the value, the others did; 5076 in older versions),
# ERR_QUERY_EXCEPTION (a backend went away).
_TRANSIENT = frozenset({1040, 1203, 5021, 5024, 5076, 5077, 5101})

_WORDS = re.compile(r"[A-Za-z][A-Za-z_ ]*")
_RIGHT = re.compile(r"\bthe ([A-Z, _]+?) privilege", re.IGNORECASE)


def sql_failure(errno: int, message: str, *, pod: str, user: str, sql: str = "") -> RolloutError:
    """The domain error for an error packet or a lost connection. Of the statement only its first words are shown."""
    text = message.strip().rstrip(".")
    doing = f" to {_first_words(sql)}" if sql else ""
    if errno in _LOGIN:
        return Denied(
            f"FE {pod} does not let user {user} in: {text}.",
            remedy="Check fe_user and fe_password, or the Secret that fe_password_secret or MYSQL_PWD of the "
            "StarRocksCluster names.",
        )
    if errno in _PRIVILEGE:
        return Denied(f"FE {pod} does not allow user {user}{doing}: {text}.", remedy=_grant(text, user))
    if errno in _LOST:
        return Unreachable(f"FE {pod}: {text}.", remedy="Check that the pod runs and that its query port is reached.")
    reason = f"FE {pod} answered{doing} with error {errno}: {text}."
    return SqlFailed(reason, errno=errno, transient=errno in _TRANSIENT)


def _first_words(sql: str) -> str:
    """The keywords that a statement begins with: what follows may be a secret of the user's own statement."""
    match = _WORDS.match(sql.lstrip())
    return " ".join(match[0].split()[:4]) if match else "a statement"


def _grant(message: str, user: str) -> str:
    right = _RIGHT.search(message)
    if right and "NODE" in right[1].upper():
        # Only the role cluster_admin has NODE, and it cannot be granted singly.
        return f"GRANT cluster_admin TO USER {user}"
    return f"GRANT OPERATE ON SYSTEM TO USER {user}"
