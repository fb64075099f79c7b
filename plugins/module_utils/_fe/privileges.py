# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Which privileges on SYSTEM the user of a session has, asked before anything is done with them."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused, SqlFailed
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import privileges
from ansible_collections.steady.rollout.plugins.module_utils._fe import statements
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Session

_REMEDIES = {
    "NODE": "GRANT cluster_admin TO USER {user}; SET DEFAULT ROLE cluster_admin TO {user}: NODE cannot be granted by"
    " itself; or leave out what needs it",
    "OPERATE": "GRANT OPERATE ON SYSTEM TO USER {user}",
}


def system_privileges(session: Session, *, timeout: float | None = None) -> frozenset[str]:
    """The privileges on SYSTEM of the session's user: its own, and those of the roles that are active in the session.

    A role that was granted and is not active gives nothing until SET ROLE or SET DEFAULT ROLE.
    """
    own = _grants(session, statements.SHOW_GRANTS, timeout)
    found = set(privileges.granted(text for text in own))
    waiting, seen = _active_roles(session, timeout), set()
    while waiting:
        role = waiting.pop()
        if role in seen:
            continue
        seen.add(role)
        built_in = privileges.of_built_in(role)
        found |= built_in
        if not built_in:
            texts = _grants(session, statements.show_grants_of_role(role), timeout)
            found |= privileges.granted(texts)
            waiting += privileges.roles_granted(texts)
    return frozenset(found)


def check_privileges(session: Session, needed: Iterable[str], user: str, what: str) -> None:
    """Refuse `what`, with the grant that is lacking, unless the session's user has the privileges on SYSTEM."""
    lacking = sorted(set(needed) - system_privileges(session))
    if lacking:
        remedy = "; ".join(_REMEDIES.get(name, f"GRANT {name} ON SYSTEM TO USER {{user}}") for name in lacking)
        problem = f"user {user} of the FE lacks {' and '.join(lacking)} on SYSTEM"
        raise Refused(what, None, problem, remedy=remedy.format(user=user))


def _active_roles(session: Session, timeout: float | None) -> list[str]:
    """The session's active roles; none where the FE knows no roles (before 3.0, current_role() does not exist)."""
    try:
        rows = session.run(statements.CURRENT_ROLE, timeout=timeout)
    except SqlFailed:
        return []
    return [role for row in rows for value in row.values() for role in privileges.role_names(value)]


def _grants(session: Session, statement: str, timeout: float | None) -> list[str]:
    """The GRANT statements of an answer: which column they are in depends on the version."""
    rows = session.run(statement, timeout=timeout)
    return [value for row in rows for name, value in row.items() if value and name != "UserIdentity"]
