# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Statements that destroy data or break running clients, found by parsing, before anything is applied.

The whole directory is read in its order, so that the types of columns are known where the directory itself made them:
a change of type counts as narrowing unless it is known to be none. What cannot be parsed is a finding as well, because
nothing can be said of it: among those are blocks of code, and MySQL's comments that the server executes.

The rules are those of Atlas's own linter as far as a file alone can show them (atlasgo.io/lint/analyzers: DS101 to
DS103, MF103, MF104, BC101, BC102, CD101), which needs a development database and in later releases an account.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ansible_collections.steady.rollout.plugins.module_utils._domain import sqlglot_log
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.spec import Allowed
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused

if TYPE_CHECKING:
    from sqlglot import exp

LONGEST_TEXT = 160
_DIALECTS = {"postgres": "postgres", "mysql": "mysql", "mariadb": "mysql"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One statement of one file. `rule` is a name of schema.DESTRUCTIVE_RULES."""

    file: str
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}: {self.text}"


@dataclass(slots=True)
class _Column:
    """What the directory has made of a column so far."""

    kind: exp.DataType | None
    required: bool


@dataclass(slots=True)
class _Reader:
    """The state of reading a directory."""

    dialect: str
    columns: dict[tuple[str, str], _Column] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)


def lint(files: Mapping[str, str], pending: Iterable[str], engine: str) -> tuple[Finding, ...]:
    """What the pending files of a directory hold; `engine` is that of the database's URL."""
    wanted, reader = set(pending), _Reader(_DIALECTS[engine])
    found: list[Finding] = []
    for name in sorted(file for file in files if "/" not in file and file.endswith(".sql")):
        reader.made.clear()
        findings = list(_read(reader, name, files[name]))
        found += findings if name in wanted else []
    return tuple(found)


def unprinted(pending: Sequence[str]) -> tuple[Finding, ...]:
    """For a directory that is too large to be looked at: nothing can be said of any file."""
    return tuple(Finding(name, 1, "unreadable", "the directory is too large to be read") for name in pending)


def refused(findings: Iterable[Finding], allowed: Iterable[Allowed]) -> tuple[Finding, ...]:
    """The findings that nobody has allowed."""
    known = {item.file: item.rules for item in allowed}
    return tuple(finding for finding in findings if finding.rule not in known.get(finding.file, ()))


def _read(reader: _Reader, name: str, text: str) -> Iterator[Finding]:
    try:
        import sqlglot
        from sqlglot.errors import SqlglotError
    except ImportError as error:
        remedy = "pip install sqlglot, or set lint.destructive to Report and look for yourself"
        raise Refused("lint", None, f"sqlglot cannot be imported: {error}", remedy=remedy) from error
    with sqlglot_log.quiet():
        try:
            # A comment belongs to the token before or after it; the last one gets a token to belong to.
            tokens = sqlglot.tokenize(f"{text}\n;", read=reader.dialect)
            statements = [item for item in sqlglot.parse(text, read=reader.dialect) if item is not None]
        except SqlglotError as error:
            yield Finding(name, 1, "unreadable", _short(f"it cannot be parsed: {error}"))
            return
    for token in tokens:
        for comment in token.comments:
            if reader.dialect == "mysql" and comment.startswith(("!", "M!")):
                yield Finding(name, token.line, "unreadable", _short(f"the server executes the comment /*{comment}*/"))
            if comment.strip().startswith("atlas:delimiter"):
                yield Finding(name, token.line, "unreadable", "statements end with another delimiter than ;")
    for statement in statements:
        line = _line(statement)
        for rule, node in _rules(reader, statement):
            yield Finding(name, line, rule, _short(node.sql(dialect=reader.dialect)))


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= LONGEST_TEXT else plain[: LONGEST_TEXT - 3] + "..."


def _line(statement: exp.Expr) -> int:
    lines = [int(node.meta["line"]) for node in statement.walk() if "line" in node.meta]
    return min(lines, default=1)


def _rules(reader: _Reader, statement: exp.Expr) -> Iterator[tuple[str, exp.Expr]]:
    """The rules that a statement breaks, each with what to show of it."""
    from sqlglot import exp

    if isinstance(statement, exp.Create):
        yield from _create(reader, statement)
    elif isinstance(statement, exp.Alter):
        actions = statement.args.get("actions") or ()
        yield from ((rule, statement) for action in actions for rule in _altered(reader, statement, action))
    else:
        rule = _whole_rule(reader, statement)
        if rule:
            yield rule, statement
    if not (isinstance(statement, exp.Create) and str(statement.args.get("kind")).upper() in _CODE):
        yield from (("deleteAll", node) for node in statement.find_all(exp.Delete) if not node.args.get("where"))


def _whole_rule(reader: _Reader, statement: exp.Expr) -> str:
    """The rule that a statement breaks by being what it is, empty when there is none."""
    from sqlglot import exp

    if isinstance(statement, exp.Command):
        return _command(reader, statement)
    if isinstance(statement, exp.Drop):
        return _DROPPED.get(str(statement.args.get("kind")).upper(), "dropObject")
    return "truncate" if isinstance(statement, exp.TruncateTable) else ""


_DROPPED = {"TABLE": "dropTable", "SCHEMA": "dropSchema", "DATABASE": "dropSchema", "INDEX": ""}
_CODE = ("FUNCTION", "PROCEDURE", "TRIGGER", "EVENT")
# Statements that sqlglot knows by their first word alone, and that destroy nothing.
_HARMLESS = (
    *("ANALYZE", "BEGIN", "COMMENT", "COMMIT", "CREATE", "GRANT", "LOCK", "REFRESH", "REINDEX", "RESET"),
    *("REVOKE", "SELECT", "SET", "SHOW", "START", "UNLOCK", "VACUUM"),
)
# Words that make an ALTER which is not understood one that may destroy.
_DESTROYING = ("ALTER", "CHANGE", "DETACH", "DISCARD", "DROP", "EXCHANGE", "MODIFY", "RENAME", "TRUNCATE")


def _command(reader: _Reader, statement: exp.Command) -> str:
    from sqlglot import tokenize

    head = str(statement.this).upper()
    if head in _HARMLESS:
        return ""
    if head == "DROP":
        return "dropObject"
    if head == "RENAME":
        return "rename"
    if head != "ALTER":
        return "unreadable"
    rest = statement.args.get("expression")
    tokens = tokenize(rest if isinstance(rest, str) else str(getattr(rest, "this", "")), read=reader.dialect)
    words = [token.text.upper() for token in tokens if token.token_type.name not in ("STRING", "IDENTIFIER")]
    return "unreadable" if any(word in _DESTROYING for word in words) else ""


def _create(reader: _Reader, statement: exp.Create) -> Iterator[tuple[str, exp.Expr]]:
    from sqlglot import exp

    if str(statement.args.get("kind")).upper() != "TABLE":
        return
    if statement.args.get("replace"):
        yield "dropTable", statement
    table = _table(statement)
    reader.made.add(table)
    for column in statement.find_all(exp.ColumnDef):
        reader.columns[table, column.name.lower()] = _Column(column.args.get("kind"), _required(column))


def _table(statement: exp.Expr) -> str:
    from sqlglot import exp

    table = statement.find(exp.Table)
    return table.name.lower() if table is not None else ""


def _required(column: exp.Expr) -> bool:
    from sqlglot import exp

    kinds = [constraint.args.get("kind") for constraint in column.args.get("constraints") or ()]
    return any(
        isinstance(kind, exp.PrimaryKeyColumnConstraint)
        or (isinstance(kind, exp.NotNullColumnConstraint) and not kind.args.get("allow_null"))
        for kind in kinds
    )


def _altered(reader: _Reader, statement: exp.Alter, action: exp.Expr) -> Iterator[str]:
    """The rules that one action of an ALTER breaks; what it makes of the columns is noted."""
    from sqlglot import exp

    table = _table(statement)
    if isinstance(action, exp.Drop):
        yield from _dropped_part(action)
    elif isinstance(action, exp.DropPrimaryKey):
        yield "dropConstraint"
    elif isinstance(action, (exp.RenameColumn, exp.AlterRename)):
        yield "rename"
    elif isinstance(action, exp.ColumnDef):
        yield from _added(reader, table, action)
    elif isinstance(action, exp.AlterColumn):
        yield from _altered_column(reader, table, action)
    elif isinstance(action, exp.ModifyColumn):
        yield from _modified(reader, table, action)
    elif isinstance(action, exp.Schema):
        for column in action.find_all(exp.ColumnDef):
            yield from _added(reader, table, column)


def _dropped_part(action: exp.Drop) -> Iterator[str]:
    kind = str(action.args.get("kind")).upper()
    if kind == "COLUMN":
        yield "dropColumn"
    elif kind != "INDEX":
        yield "dropConstraint" if kind in ("CONSTRAINT", "FOREIGN KEY", "CHECK") else "dropObject"


def _added(reader: _Reader, table: str, column: exp.ColumnDef) -> Iterator[str]:
    from sqlglot import exp

    kinds = [constraint.args.get("kind") for constraint in column.args.get("constraints") or ()]
    filled = (
        exp.DefaultColumnConstraint,
        exp.GeneratedAsIdentityColumnConstraint,
        exp.AutoIncrementColumnConstraint,
        exp.ComputedColumnConstraint,
        exp.GeneratedAsRowColumnConstraint,
    )
    made_by_itself = any(isinstance(kind, filled) for kind in kinds) or _is_serial(column)
    reader.columns[table, column.name.lower()] = _Column(column.args.get("kind"), _required(column))
    # In a table that the same file makes there are no rows yet.
    if _required(column) and not made_by_itself and table not in reader.made:
        yield "notNullWithoutDefault"


def _is_serial(column: exp.ColumnDef) -> bool:
    kind = column.args.get("kind")
    return kind is not None and "SERIAL" in str(kind.this).upper()


def _altered_column(reader: _Reader, table: str, action: exp.AlterColumn) -> Iterator[str]:
    known = reader.columns.get((table, action.name.lower()))
    new = action.args.get("dtype")
    if new is not None:
        if known is None or not widens(known.kind, new):
            yield "narrowType"
        reader.columns[table, action.name.lower()] = _Column(new, known is not None and known.required)
    # A default that is dropped has `drop` alone; NOT NULL that is dropped has allow_null as well.
    if action.args.get("allow_null") is False:
        if known is None or not known.required:
            yield "setNotNull"
        if known is not None:
            known.required = True


def _modified(reader: _Reader, table: str, action: exp.ModifyColumn) -> Iterator[str]:
    """MySQL's MODIFY and CHANGE state a column anew as a whole."""
    column, old_name = action.this, action.args.get("rename_from")
    before = (old_name.name if old_name is not None else column.name).lower()
    known = reader.columns.pop((table, before), None)
    if before != column.name.lower():
        yield "rename"
    new = column.args.get("kind")
    if new is not None and (known is None or not widens(known.kind, new)):
        yield "narrowType"
    if _required(column) and (known is None or not known.required):
        yield "setNotNull"
    reader.columns[table, column.name.lower()] = _Column(new, _required(column))


_WHOLE = ("TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT")
_UNSIGNED = ("UTINYINT", "USMALLINT", "UMEDIUMINT", "UINT", "UBIGINT")
_REAL = ("FLOAT", "DOUBLE")
_TEXTS = ("CHAR", "VARCHAR", "TEXT", "MEDIUMTEXT", "LONGTEXT")


def widens(old: exp.DataType | None, new: exp.DataType) -> bool:
    """Whether each value of the old type is certainly one of the new type."""
    if old is None:
        return False
    before, after = old.this.name, new.this.name
    sizes, new_sizes = _sizes(old), _sizes(new)
    if before == after and sizes == new_sizes:
        return True
    for order in (_WHOLE, _UNSIGNED, _REAL):
        if before in order and after in order:
            return order.index(before) <= order.index(after)
    if before in _TEXTS and after in _TEXTS:
        return _wider_text(before, after, sizes, new_sizes)
    if before == after == "DECIMAL" and sizes:
        return bool(new_sizes) and _wider_decimal(sizes, new_sizes)
    return False


def _sizes(kind: exp.DataType) -> tuple[int, ...]:
    texts = [part.name for part in kind.expressions]
    return tuple(int(text) for text in texts if text.isdigit())


def _wider_text(before: str, after: str, sizes: tuple[int, ...], new_sizes: tuple[int, ...]) -> bool:
    if before in ("CHAR", "VARCHAR") and after in ("CHAR", "VARCHAR"):
        # CHAR pads: what was VARCHAR is not the same text any more.
        kept = before == after or after == "VARCHAR"
        return kept and (not new_sizes if not sizes else not new_sizes or new_sizes[0] >= sizes[0])
    return after not in ("CHAR", "VARCHAR") and _TEXTS.index(before) <= _TEXTS.index(after)


def _wider_decimal(sizes: tuple[int, ...], new_sizes: tuple[int, ...]) -> bool:
    digits, places = (*sizes, 0)[:2]
    new_digits, new_places = (*new_sizes, 0)[:2]
    return new_places >= places and new_digits - new_places >= digits - places
