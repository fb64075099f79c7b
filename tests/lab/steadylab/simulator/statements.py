# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statements the simulator understands, read by strict small patterns; everything else is a syntax error."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from steadylab.simulator.errors import parse_error


@dataclass(frozen=True)
class SetVariable:
    """``SET name = value``: a session variable."""

    name: str
    value: str


@dataclass(frozen=True)
class SelectExpressions:
    """``SELECT 1, @@name, current_version()``: constants, variables and information functions."""

    expressions: tuple[str, ...]


@dataclass(frozen=True)
class SelectPartitions:
    """``SELECT columns FROM information_schema.partitions_meta [WHERE REPLICATION_NUM op n]``."""

    columns: tuple[str, ...]
    operator: str | None
    operand: int


@dataclass(frozen=True)
class ShowNodes:
    """``SHOW FRONTENDS | BACKENDS | COMPUTE NODES``."""

    kind: str


@dataclass(frozen=True)
class ShowProc:
    """``SHOW PROC 'path'``, the path without a trailing slash."""

    path: str


@dataclass(frozen=True)
class ShowConfig:
    """``ADMIN SHOW FRONTEND CONFIG [LIKE 'pattern']``."""

    pattern: str | None


@dataclass(frozen=True)
class SetConfig:
    """``ADMIN SET FRONTEND CONFIG ("key" = "value") [WITH PERSISTENT]``."""

    key: str
    value: str
    persistent: bool


@dataclass(frozen=True)
class CreateImage:
    """``ALTER SYSTEM CREATE IMAGE``."""


@dataclass(frozen=True)
class TransferLeader:
    """``ALTER SYSTEM TRANSFER LEADER TO 'host:edit_log_port'``."""

    host: str
    port: int


@dataclass(frozen=True)
class ShowVariables:
    """``SHOW [SESSION | GLOBAL] VARIABLES [LIKE 'pattern']``."""

    pattern: str | None


@dataclass(frozen=True)
class ShowNothing:
    """A statement whose answer is an empty table in the simulator, such as SHOW WARNINGS."""

    columns: tuple[str, ...]


@dataclass(frozen=True)
class ShowDatabases:
    """``SHOW DATABASES``."""


@dataclass(frozen=True)
class CreateUser:
    """``CREATE USER [IF NOT EXISTS] name [IDENTIFIED BY 'password']``."""

    name: str
    password: str
    may_exist: bool


@dataclass(frozen=True)
class GrantOperate:
    """``GRANT OPERATE ON SYSTEM TO USER name``."""

    user: str


@dataclass(frozen=True)
class GrantRole:
    """``GRANT role TO USER name``, which activates nothing."""

    role: str
    user: str


@dataclass(frozen=True)
class SetDefaultRole:
    """``SET DEFAULT ROLE role TO name``."""

    role: str
    user: str


@dataclass(frozen=True)
class ShowGrants:
    """``SHOW GRANTS [FOR ROLE name]``: the user's own without a role."""

    role: str | None


@dataclass(frozen=True)
class UseDatabase:
    """``USE name``."""

    name: str


Statement = (
    SetVariable
    | SelectExpressions
    | SelectPartitions
    | ShowNodes
    | ShowProc
    | ShowConfig
    | SetConfig
    | CreateImage
    | TransferLeader
    | ShowVariables
    | ShowNothing
    | ShowDatabases
    | CreateUser
    | GrantOperate
    | GrantRole
    | SetDefaultRole
    | ShowGrants
    | UseDatabase
)

_STRING: Final = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_EXPRESSION: Final = rf"@@(?:(?:session|global)\.)?{_NAME}|{_NAME}\s*\(\s*\)|\d+|{_STRING}"


# A user identity without a host means any host.
_USER: Final = rf"""(?:['"`]?({_NAME})['"`]?(?:@['"]%['"])?)"""


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def _optional(text: str | None) -> str | None:
    return None if text is None else _unquote(text)


def _set_names(match: re.Match[str]) -> Statement:
    return SetVariable("character_set_client", match[1].strip("'\""))


def _set_variable(match: re.Match[str]) -> Statement:
    value = match["value"]
    return SetVariable(match["name"].lower(), _unquote(value) if value[0] in "'\"" else value)


def _select(match: re.Match[str]) -> Statement:
    return SelectExpressions(tuple(re.findall(_EXPRESSION, match["expressions"], re.IGNORECASE)))


def _partitions(match: re.Match[str]) -> Statement:
    columns = tuple(re.sub(r"\s", "", column).upper() for column in match["columns"].split(","))
    return SelectPartitions(columns, match["operator"], int(match["operand"] or 0))


def _proc(match: re.Match[str]) -> Statement:
    return ShowProc(_unquote(match[1]).rstrip("/") or "/")


def _set_config(match: re.Match[str]) -> Statement:
    return SetConfig(_unquote(match["key"]), _unquote(match["value"]), match["persistent"] is not None)


def _transfer(match: re.Match[str]) -> Statement:
    host, _, port = _unquote(match[1]).rpartition(":")
    if not host or not port.isdigit():
        raise parse_error(match[0])
    return TransferLeader(host, int(port))


def _nothing(*columns: str) -> Callable[[re.Match[str]], Statement]:
    return lambda match: ShowNothing(columns)


_GRAMMAR: Final[tuple[tuple[str, Callable[[re.Match[str]], Statement]], ...]] = (
    (r"SET\s+NAMES\s+('?\w+'?)(?:\s+COLLATE\s+'?\w+'?)?", _set_names),
    (
        rf"SET\s+(?:(?:SESSION|LOCAL|GLOBAL)\s+|@@(?:(?:session|global)\.)?)?(?P<name>{_NAME})\s*:?=\s*"
        rf"(?P<value>{_STRING}|[\w.+-]+)",
        _set_variable,
    ),
    (
        rf"SELECT\s+(?P<expressions>(?:{_EXPRESSION})(?:\s*,\s*(?:{_EXPRESSION}))*)(?:\s+LIMIT\s+\d+)?",
        _select,
    ),
    (
        r"SELECT\s+(?P<columns>\*|COUNT\s*\(\s*\*\s*\)|[A-Za-z_]+(?:\s*,\s*[A-Za-z_]+)*)\s+FROM\s+"
        r"information_schema\.partitions_meta(?:\s+WHERE\s+REPLICATION_NUM\s*(?P<operator>=|<=|>=|<|>)\s*"
        r"(?P<operand>\d+))?",
        _partitions,
    ),
    (r"SHOW\s+(FRONTENDS|BACKENDS|COMPUTE\s+NODES)", lambda m: ShowNodes(" ".join(m[1].upper().split()))),
    (rf"SHOW\s+PROC\s+({_STRING})", _proc),
    (
        rf"ADMIN\s+SHOW\s+FRONTEND\s+CONFIG(?:\s+LIKE\s+({_STRING}))?",
        lambda m: ShowConfig(_optional(m[1])),
    ),
    (
        rf"ADMIN\s+SET\s+FRONTEND\s+CONFIG\s*\(\s*(?P<key>{_STRING})\s*=\s*(?P<value>{_STRING})\s*\)"
        r"(?P<persistent>\s+WITH\s+PERSISTENT)?",
        _set_config,
    ),
    (r"ALTER\s+SYSTEM\s+CREATE\s+IMAGE", lambda m: CreateImage()),
    (rf"ALTER\s+SYSTEM\s+TRANSFER\s+LEADER\s+TO\s+({_STRING})", _transfer),
    (
        rf"SHOW\s+(?:(?:SESSION|GLOBAL)\s+)?VARIABLES(?:\s+LIKE\s+({_STRING}))?",
        lambda m: ShowVariables(_optional(m[1])),
    ),
    (r"SHOW\s+(?:WARNINGS|ERRORS)", _nothing("Level", "Code", "Message")),
    (r"SHOW\s+RUNNING\s+QUERIES", _nothing("QueryId", "StartTime", "State", "Fe")),
    (r"SHOW\s+DATABASES", lambda m: ShowDatabases()),
    (
        rf"CREATE\s+USER\s+(?P<may>IF\s+NOT\s+EXISTS\s+)?{_USER}(?:\s+IDENTIFIED\s+BY\s+(?P<password>{_STRING}))?",
        lambda m: CreateUser(m[2], _optional(m["password"]) or "", m["may"] is not None),
    ),
    (rf"GRANT\s+OPERATE\s+ON\s+SYSTEM\s+TO\s+USER\s+{_USER}", lambda m: GrantOperate(m[1])),
    (rf"GRANT\s+[`']?({_NAME})[`']?\s+TO\s+USER\s+{_USER}", lambda m: GrantRole(m[1], m[2])),
    (rf"SET\s+DEFAULT\s+ROLE\s+[`']?({_NAME})[`']?\s+TO\s+{_USER}", lambda m: SetDefaultRole(m[1], m[2])),
    (rf"SHOW\s+GRANTS(?:\s+FOR\s+ROLE\s+[`']?({_NAME})[`']?)?", lambda m: ShowGrants(m[1])),
    (rf"USE\s+`?({_NAME})`?", lambda m: UseDatabase(m[1])),
)

_COMPILED: Final = tuple((re.compile(pattern, re.IGNORECASE), build) for pattern, build in _GRAMMAR)
# A version comment (/*! ... */) or a hint (/*+ ... */) is part of the statement and stays, hence a syntax error.
_LEADING_COMMENT: Final = re.compile(r"\s*(?:/\*(?![!+]).*?\*/|--\s[^\n]*(?:\n|$))", re.DOTALL)


def parse(sql: str) -> Statement:
    """Read one statement; a trailing semicolon is allowed, a second statement is not.

    Raises StatementError (1064) for what the grammar does not know.
    """
    text = sql
    while match := _LEADING_COMMENT.match(text):
        text = text[match.end() :]
    text = text.strip().removesuffix(";").rstrip()
    for pattern, build in _COMPILED:
        if match := pattern.fullmatch(text):
            return build(match)
    raise parse_error(sql)


_SECRET: Final = re.compile(r"\b(?:password|identified)\b", re.IGNORECASE)


def redact(sql: str) -> str:
    """The statement as it may be logged: in one that handles a password every quoted text is blanked."""
    return re.sub(_STRING, "'***'", sql) if _SECRET.search(sql) else sql
