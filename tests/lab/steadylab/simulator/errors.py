# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors an FE sends to a client: number, SQL state and text.

Numbers, states and texts follow StarRocks ``common/ErrorCode.java``; an error without a code of its own reaches a
client as 1064 (HY000).
"""

from __future__ import annotations


class StatementError(Exception):
    """A statement was refused or failed on the FE."""

    def __init__(self, message: str, errno: int = 1064, sqlstate: str = "HY000") -> None:
        super().__init__(message)
        self.message = message
        self.errno = errno
        self.sqlstate = sqlstate


def parse_error(sql: str) -> StatementError:
    """The answer to a statement the grammar does not know."""
    words = sql.split()
    near = words[0] if words else "<EOF>"
    return StatementError(
        f"Getting syntax error at line 1, column 0. Detail message: Unexpected input '{near[:40]}', the most similar "
        "input is {<EOF>, ';'}.",
        1064,
        "42000",
    )


def login_denied(user: str, *, with_password: bool) -> StatementError:
    """ERR_ACCESS_DENIED_ERROR: wrong user or password."""
    using = "YES" if with_password else "NO"
    return StatementError(f"Access denied for user '{user}' (using password: {using})", 1045, "28000")


def insecure_transport() -> StatementError:
    """ERR_SECURE_TRANSPORT_REQUIRED: ssl_force_secure_transport, and the client did not ask for TLS."""
    return StatementError("Connections using insecure transport are prohibited", 5205, "HY000")


def privilege_denied(privilege: str) -> StatementError:
    """ERR_ACCESS_DENIED: a SYSTEM-level privilege is missing."""
    return StatementError(
        f"Access denied; you need (at least one of) the {privilege} privilege(s) on SYSTEM for this operation. "
        "Please ask the admin to grant permission(s) or try activating existing roles using <set [default] role>. "
        "Current role(s): NONE. Inactivated role(s): NONE.",
        5203,
        "42000",
    )


def unknown_config(key: str) -> StatementError:
    """ERROR_CONFIG_NOT_EXIST: no such key, or one that only fe.conf can set."""
    return StatementError(f"Config '{key}' does not exist or is not mutable", 5102, "F0000")


def set_config_failed(details: str) -> StatementError:
    """ERROR_SET_CONFIG_FAILED: some FE did not take the value; the leader and the others did."""
    return StatementError(f"Set config failed: {details}", 5101, "F0000")


def unknown_variable(name: str) -> StatementError:
    """ERR_UNKNOWN_SYSTEM_VARIABLE."""
    return StatementError(f"Unknown system variable '{name}'", 1193)


def wrong_proc_path(path: str) -> StatementError:
    """ERR_WRONG_PROC_PATH."""
    return StatementError(f"Proc path '{path}' doesn't exist", 5001)
