# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The texts of the statements that this collection sends on its own, and the quoting of what is put into them."""

from __future__ import annotations

import re
from typing import Final

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused

SHOW_FRONTENDS: Final = "SHOW FRONTENDS"
# Answered by the FE one is connected to.
SHOW_PROC_FRONTENDS: Final = "SHOW PROC '/frontends'"
SHOW_BACKENDS: Final = "SHOW BACKENDS"
SHOW_COMPUTE_NODES: Final = "SHOW COMPUTE NODES"
# Answered by the FE one is connected to (ShowProcStmt.NEED_FORWARD_PATH_ROOT lacks it): ask the leader.
SHOW_STATISTIC: Final = "SHOW PROC '/statistic'"
SHOW_CLUSTER_BALANCE: Final = "SHOW PROC '/cluster_balance'"
CREATE_IMAGE: Final = "ALTER SYSTEM CREATE IMAGE"
SHOW_GRANTS: Final = "SHOW GRANTS"
CURRENT_ROLE: Final = "SELECT current_role()"

_ADDRESS = re.compile(r"[A-Za-z0-9.:-]{1,253}:[0-9]{1,5}")
_KEY = re.compile(r"[a-z0-9_]{1,128}")
# Names of roles begin with a letter (docs: sql-reference/System_limit.md).
_ROLE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
# Numbers, booleans and the plain texts that FE settings hold: nothing that could end a quoted text.
_VALUE = re.compile(r"[A-Za-z0-9_.,:/@*+ -]{0,256}")


def transfer_leader(address: str) -> str:
    """The statement that hands the lead to a follower, addressed as SHOW FRONTENDS does: host and edit-log port.

    Grammar as in StarRocks issue 71925 and pull request 75592; not every release has it.
    """
    if not _ADDRESS.fullmatch(address):
        raise Refused("address", address, "is no host:port", remedy="Use what SHOW FRONTENDS says of the FE.")
    return f"ALTER SYSTEM TRANSFER LEADER TO '{address}'"


def show_settings(pattern: str) -> str:
    """The statement that reads the settings whose key or alias matches the pattern: a key, or the start of one and %.

    It is answered by the FE one is connected to (NO_FORWARD); `_` in the pattern also matches any other character.
    """
    if not _KEY.fullmatch(pattern.removesuffix("%")):
        raise _bad_key(pattern)
    return f"ADMIN SHOW FRONTEND CONFIG LIKE '{pattern}'"


def set_setting(key: str, value: str | int | bool) -> str:
    """The statement that sets one setting on the leader, which passes it on to the other live FEs."""
    if not _KEY.fullmatch(key):
        raise _bad_key(key)
    return f'ADMIN SET FRONTEND CONFIG ("{key}" = "{setting_text(key, value)}")'


def setting_text(key: str, value: str | int | bool) -> str:
    """The value as StarRocks writes it: true, false, a number or a plain text."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if not _VALUE.fullmatch(text):
        raise Refused(
            key, value, "has characters that no FE setting needs", remedy="Use letters, digits and .,:/@*+_- only."
        )
    return text


def show_grants_of_role(role: str) -> str:
    """The statement that shows what a role gives; everybody may see that of the roles granted to them."""
    if not _ROLE.fullmatch(role):
        raise Refused("role", role, "is no name of a role", remedy="Use what SHOW GRANTS says.")
    return f"SHOW GRANTS FOR ROLE `{role}`"


def _bad_key(key: str) -> Refused:
    return Refused(
        "key", key, "is no name of an FE setting", remedy="Use lower-case letters, digits and _, as in fe.conf."
    )
