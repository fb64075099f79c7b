# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Which statements may run as hooks, decided before anything runs.

ADMIN, ALTER SYSTEM and SHOW are read by a small strict grammar of our own: sqlglot (30, dialect starrocks) takes them
as an opaque Command, whatever follows. SELECT and EXPLAIN are parsed by sqlglot, and judged by the tree. What is left
over is unsafe: it runs only where the installation or the namespace's label allows that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain import sqlglot_log
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused, missing_package
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.tokens import (
    Token,
    shown,
    tokens,
    trimmed,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import SETTINGS, canonical

LONGEST_STATEMENT = 16_384
ALLOWED = (
    "SHOW ...",
    "SELECT ...",
    "EXPLAIN SELECT ...",
    "DESCRIBE ...",
    "ADMIN SHOW FRONTEND CONFIG",
    "ADMIN SHOW REPLICA ...",
    'ADMIN SET FRONTEND CONFIG ("key" = "value") of a setting in the catalogue',
    "ALTER SYSTEM CREATE IMAGE",
)
# Functions that sqlglot does not know by name and that only tell something. Any other unknown one may be a user's own,
# which may do anything; FILES() reads and writes object stores, SLEEP() holds the connection.
_TELLING = frozenset(
    {"NOW", "USER", "CONNECTION_ID", "LAST_QUERY_ID", "CATALOG", "VERSION", "CURRENT_ROLE", "TO_BITMAP", "HLL_HASH"}
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One checked statement. `settings` is what an ADMIN SET sets: it goes through the journal, and is not sent.

    `reads`: it changes nothing. `safe`: it is on the allow-list. `note` says what could not be judged of an unsafe one.
    """

    text: str
    safe: bool
    reads: bool = False
    settings: dict[str, str] = field(default_factory=dict)
    note: str = ""

    @property
    def shown(self) -> str:
        """The statement as it may be printed."""
        return shown(self.text)


class _DoesNotParse(Refused):
    """sqlglot cannot read the statement, which may be the statement's fault or sqlglot's."""


def check_statement(sql: str, path: str, *, allow_unsafe: bool, keys: frozenset[str] = frozenset()) -> Statement:
    """The statement, checked; Refused with the path when it is none, more than one, or not allowed.

    `keys` are settings that the installation's catalogue knows beside our own.
    """
    if len(sql) > LONGEST_STATEMENT:
        remedy = f"at most {LONGEST_STATEMENT} characters; put a long script into a ConfigMap of its own"
        raise Refused(path, None, "the statement is too long", remedy=remedy)
    text = trimmed(sql)
    found = tokens(text, path)
    reader = _READERS.get(found[0].word)
    try:
        statement = reader(text, found, path) if reader is not None else None
    except _DoesNotParse:
        if not allow_unsafe:
            raise
        statement = None
    if statement is not None and statement.settings and keys >= statement.settings.keys():
        statement = replace(statement, safe=True)
    if statement is None:
        statement = Statement(text, safe=False, note=_parsed_note(text, path))
    if not statement.safe and not allow_unsafe:
        raise _unsafe(statement, found, path)
    return statement


def _unsafe(statement: Statement, found: tuple[Token, ...], path: str) -> Refused:
    first = " ".join(token.text for token in found[:3] if token.kind == "word")
    remedy = (
        "allowed are: " + "; ".join(ALLOWED) + ". Whoever installs this collection may allow more: "
        "installation.hooks.allowUnsafeSql, or the namespace's label rollout.steady.dev/allow-unsafe-hooks"
    )
    return Refused(path, statement.shown, f"unsafe statement ({first} ...)", remedy=remedy)


# -- our own grammar ---------------------------------------------------------------------------------------------------


def _words(found: tuple[Token, ...], *wanted: str) -> bool:
    return tuple(token.word for token in found[: len(wanted)]) == wanted


def _admin(text: str, found: tuple[Token, ...], path: str) -> Statement | None:
    if _words(found, "ADMIN", "SET", "FRONTEND", "CONFIG"):
        return _set_config(text, found[4:], path)
    if _words(found, "ADMIN", "SHOW", "FRONTEND", "CONFIG"):
        rest = found[4:]
        like = not rest or (len(rest) == 2 and rest[0].word == "LIKE" and rest[1].kind == "text")
        return Statement(text, safe=True, reads=True) if like else None
    if _words(found, "ADMIN", "SHOW", "REPLICA") and len(found) > 5 and found[3].word in ("STATUS", "DISTRIBUTION"):
        return Statement(text, safe=True, reads=True) if _is_plain(found[4:]) else None
    return None


def _set_config(text: str, rest: tuple[Token, ...], path: str) -> Statement:
    """ADMIN SET FRONTEND CONFIG ("key" = "value"): StarRocks takes exactly one pair (AdminSetConfigStmt)."""
    form = [token.kind if token.kind == "text" else token.word for token in rest]
    if form != ["(", "text", "=", "text", ")"]:
        remedy = 'write ADMIN SET FRONTEND CONFIG ("key" = "value"); WITH PERSISTENT is refused by FEs in containers'
        raise Refused(path, shown(text), "not the form of ADMIN SET FRONTEND CONFIG", remedy=remedy)
    key, value = rest[1].value, rest[3].value
    try:
        name = canonical(key)
    except Refused:
        return Statement(text, safe=False, settings={key: value})
    return Statement(text, safe=True, settings={name: SETTINGS[name].normal(value)})


def _alter(text: str, found: tuple[Token, ...], path: str) -> Statement | None:
    image = _words(found, "ALTER", "SYSTEM", "CREATE", "IMAGE") and len(found) == 4
    return Statement(text, safe=True) if image else None


def _show(text: str, found: tuple[Token, ...], path: str) -> Statement | None:
    return Statement(text, safe=True, reads=True) if len(found) > 1 and _is_plain(found[1:]) else None


def _is_plain(found: tuple[Token, ...]) -> bool:
    """Names, texts, numbers and comparisons: no query within, and nothing that writes."""
    signs = {".", ",", "=", "<", ">", "!", "(", ")", "%", "*", "-"}
    return all(token.kind != "sign" or token.text in signs for token in found) and not any(
        token.word in ("SELECT", "INTO", "OUTFILE", "INSERT", "DELETE", "UPDATE") for token in found
    )


# -- sqlglot -----------------------------------------------------------------------------------------------------------


def _select(text: str, found: tuple[Token, ...], path: str) -> Statement | None:
    tree = _parse(text, path)
    return Statement(text, safe=True, reads=True) if _only_reads(tree) else None


def _explain(text: str, found: tuple[Token, ...], path: str) -> Statement | None:
    """EXPLAIN of a query. EXPLAIN ANALYZE carries the statement out."""
    kinds = ("LOGICAL", "VERBOSE", "COSTS")
    rest = found[2:] if len(found) > 1 and found[1].word in kinds else found[1:]
    if not rest or rest[0].word not in ("SELECT", "WITH", "("):
        return None
    return Statement(text, safe=True, reads=True) if _only_reads(_parse(text[rest[0].start :], path)) else None


def _describe(text: str, found: tuple[Token, ...], path: str) -> Statement | None:
    named = 2 <= len(found) <= 7 and all(token.kind in ("word", "name") or token.text == "." for token in found[1:])
    return Statement(text, safe=True, reads=True) if named else None


def _only_reads(tree: Any) -> bool:
    """A query that reads tables by name: no INTO, no lock, no function that may do more than tell something."""
    from sqlglot import exp

    if not isinstance(tree, (exp.Select, exp.SetOperation, exp.Subquery)):
        return False
    if any(isinstance(node, (exp.Into, exp.Lock, exp.DML, exp.DDL, exp.Command)) for node in tree.walk()):
        return False
    if any(not isinstance(table.this, exp.Identifier) for table in tree.find_all(exp.Table)):
        return False
    # A function with a database before its name is a user's own, whatever that name is.
    if any(isinstance(dot.expression, exp.Func) for dot in tree.find_all(exp.Dot)):
        return False
    return all(call.name.upper() in _TELLING for call in tree.find_all(exp.Anonymous, exp.AnonymousAggFunc))


def _parse(text: str, path: str) -> Any:
    """The one tree of the statement; Refused when it does not parse, or parses to nothing or to several."""
    sqlglot = _library()
    try:
        with sqlglot_log.quiet():
            trees = sqlglot.parse(text, read="starrocks")
    except sqlglot.errors.SqlglotError as error:
        first = (error.errors or [{}])[0] if isinstance(error, sqlglot.errors.ParseError) else {}
        where = f" (line {first['line']}, column {first['col']})" if first.get("line") else ""
        problem = f"does not parse as StarRocks SQL{where}"
        raise _DoesNotParse(path, shown(text), problem, remedy="mend the statement") from error
    except RecursionError as error:
        raise Refused(path, shown(text), "is nested too deeply", remedy="write a flatter statement") from error
    if len(trees) != 1 or trees[0] is None:
        problem = "parses to nothing" if not trees or trees[0] is None else "more than one statement"
        raise Refused(path, shown(text), problem, remedy="one entry per statement, and no comments")
    return trees[0]


def _parsed_note(text: str, path: str) -> str:
    """What sqlglot says of a statement outside the allow-list; StarRocks has statements that it does not know."""
    try:
        tree = _parse(text, path)
    except _DoesNotParse:
        return "sqlglot cannot parse it: the FE is the first to judge it"
    return "" if type(tree).__name__ != "Command" else "sqlglot does not know it: the FE is the first to judge it"


def _library() -> Any:
    try:
        import sqlglot
        import sqlglot.errors
    except ImportError as error:
        raise missing_package("sqlglot", "30", error, ", and SQL of your own is not run unchecked") from error
    return sqlglot


_READERS: dict[str, Callable[[str, tuple[Token, ...], str], Statement | None]] = {
    "ADMIN": _admin,
    "ALTER": _alter,
    "SHOW": _show,
    "SELECT": _select,
    "WITH": _select,
    "(": _select,
    "EXPLAIN": _explain,
    "DESC": _describe,
    "DESCRIBE": _describe,
}
