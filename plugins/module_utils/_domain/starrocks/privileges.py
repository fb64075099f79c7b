# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What SHOW GRANTS says: which privileges on SYSTEM a user of the FE has, by itself and by its active roles.

Since 3.0 the rows are GRANT statements (docs: sql-statements/account-management/SHOW_GRANTS.md); names are quoted in
one version and bare in another. NODE cannot be granted: cluster_admin and root alone have it (docs: privilege_item.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# The built-in db_admin and cluster_admin have OPERATE (docs: built_in_roles.md).
_BUILT_IN = {
    "root": frozenset({"NODE", "OPERATE"}),
    "cluster_admin": frozenset({"NODE", "OPERATE"}),
    "db_admin": frozenset({"OPERATE"}),
}
_ON_SYSTEM = re.compile(r"GRANT\s+(.+?)\s+ON\s+SYSTEM\b", re.IGNORECASE)
_ROLES = re.compile(r"GRANT\s+((?:(?!\sON\s).)+?)\s+TO\s", re.IGNORECASE)
# Before 3.0, the column GlobalPrivs: "Admin_priv Node_priv  (false)".
_OLD = {"NODE": "NODE_PRIV", "OPERATE": "ADMIN_PRIV"}


def role_names(text: str | None) -> list[str]:
    """The roles in what current_role() answers, or in a list of a GRANT statement."""
    names = (name.strip().strip("'\"`") for name in (text or "").split(","))
    return [name for name in names if name and name.upper() not in ("NONE", "NULL")]


def granted(texts: Iterable[str]) -> frozenset[str]:
    """The privileges on SYSTEM that these GRANT statements give, in capitals."""
    found: set[str] = set()
    for text in texts:
        for match in _ON_SYSTEM.finditer(text):
            found |= {name.strip().upper() for name in match[1].split(",")}
        found |= {name for name, old in _OLD.items() if old in text.upper()}
    return frozenset(found)


def roles_granted(texts: Iterable[str]) -> list[str]:
    """The roles that these GRANT statements give."""
    return [role for text in texts for match in _ROLES.finditer(text) for role in role_names(match[1])]


def of_built_in(role: str) -> frozenset[str]:
    """The privileges of a built-in role that matter here; none for any other role."""
    return _BUILT_IN.get(role, frozenset())
