# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The error codes an FE or its client library may answer with, each with its class and its source.

Only what is transient is tried again: the same statement may work a moment later, and nothing of it is known to be
wrong. A code that is not listed is permanent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["login", "privilege", "lost", "transient", "permanent"]

_FE = "StarRocks fe/fe-core/src/main/java/com/starrocks/common/ErrorCode.java"
_CLIENT = "MySQL client library, errmsg.h"
_SERVER = "MySQL server, mysqld_error.h"


@dataclass(frozen=True, slots=True)
class Code:
    """One error code. `lost` means that no answer came, so that the statement may have been carried out."""

    number: int
    name: str
    kind: Kind
    source: str


WRONG_PASSWORD = 1045
NEEDS_TLS = 5205

CODES: dict[int, Code] = {
    code.number: code
    for code in (
        Code(WRONG_PASSWORD, "ERR_ACCESS_DENIED_ERROR", "login", _FE),
        Code(1130, "ERR_IP_NOT_ALLOWED", "login", _FE),
        Code(1251, "ERR_NOT_SUPPORTED_AUTH_MODE", "login", _FE),
        Code(NEEDS_TLS, "ERR_SECURE_TRANSPORT_REQUIRED", "login", _FE),
        Code(1044, "ERR_DB_ACCESS_DENIED", "privilege", _FE),
        Code(1142, "ERR_TABLEACCESS_DENIED_ERROR", "privilege", _FE),
        Code(1227, "ERR_SPECIFIC_ACCESS_DENIED_ERROR", "privilege", _FE),
        Code(5203, "ERR_ACCESS_DENIED", "privilege", _FE),
        Code(5204, "ERR_ACCESS_DENIED_FOR_EXTERNAL_ACCESS_CONTROLLER", "privilege", _FE),
        Code(0, "the connection was closed on this side", "lost", _CLIENT),
        Code(2002, "CR_CONNECTION_ERROR", "lost", _CLIENT),
        Code(2003, "CR_CONN_HOST_ERROR", "lost", _CLIENT),
        Code(2005, "CR_UNKNOWN_HOST", "lost", _CLIENT),
        Code(2006, "CR_SERVER_GONE_ERROR", "lost", _CLIENT),
        Code(2013, "CR_SERVER_LOST", "lost", _CLIENT),
        Code(1040, "ER_CON_COUNT_ERROR", "transient", _SERVER),
        Code(1203, "ERR_TOO_MANY_USER_CONNECTIONS", "transient", _FE),
        Code(5021, "ERR_BACKEND_OFFLINE", "transient", _FE),
        Code(5024, "ERR_QUERY_TIMEOUT", "transient", _FE),
        # An FE did not take the value, the others did.
        Code(5076, "ERROR_SET_CONFIG_FAILED in older releases", "transient", _FE),
        Code(5101, "ERROR_SET_CONFIG_FAILED", "transient", _FE),
        # A backend went away under the query.
        Code(5077, "ERR_QUERY_EXCEPTION", "transient", _FE),
    )
}


def kind_of(number: int) -> Kind:
    """The class of an error code."""
    return CODES[number].kind if number in CODES else "permanent"
