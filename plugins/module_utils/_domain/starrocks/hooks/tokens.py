# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""SQL as tokens: what stands in quotes is told from what does not, and statements are told apart.

Quoting as in StarRocks' lexer (fe/fe-grammar/src/main/antlr/com/starrocks/grammar/StarRocksLex.g4): texts in single or
double quotes with doubled quotes or a backslash for a quote inside, identifiers in backquotes. Comments there begin
with -- or with /*, which may be a hint (/*+) that changes what a statement does; MySQL has # and version comments
(/*!50000 ... */), which some servers execute and parsers skip. None of them is let through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.redact import SHORTEST

_TOKEN = re.compile(
    r"""(?P<blank>\s+)
    |(?P<text>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*")
    |(?P<name>`[^`]*`)
    |(?P<comment>--|\#|/\*)
    |(?P<end>;)
    |(?P<word>[^\W\d]\w*)
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<open>['"`])
    |(?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
# In a file a line that is nothing but a comment is for its readers; it is not sent.
_COMMENT_LINE = re.compile(r"[ \t]*(--|#)[^\r\n]*")
_QUOTED = re.compile(r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|`[^`]*`")


@dataclass(frozen=True, slots=True)
class Token:
    """One token: its kind, its text as written, and where that begins in the statement."""

    kind: Literal["text", "name", "comment", "end", "word", "number", "open", "sign", "blank"]
    text: str
    start: int

    @property
    def word(self) -> str:
        """The word in capitals; the sign itself; empty for what stands in quotes."""
        return "" if self.kind in ("text", "name") else self.text.upper()

    @property
    def value(self) -> str:
        """What a quoted text says."""
        quote, inner = self.text[0], self.text[1:-1]
        return re.sub(r"\\(.)", r"\1", inner.replace(quote * 2, quote), flags=re.DOTALL)


def shown(sql: str) -> str:
    """The statement without what stands in quotes, which may be a secret (IDENTIFIED BY '...')."""
    return _QUOTED.sub("'...'", sql)


def quoted(sql: str) -> tuple[str, ...]:
    """What stands in quotes in the statement, as long as it may be a secret; an FE may repeat it in its answer."""
    return tuple(inner for found in _QUOTED.findall(sql) if len(inner := found[1:-1]) >= SHORTEST)


def tokens(sql: str, path: str) -> tuple[Token, ...]:
    """The tokens of one statement without its final semicolon; anything but exactly one statement is refused."""
    found = [token for token in _scan(sql, path) if token.kind != "blank"]
    while found and found[-1].kind == "end":
        found.pop()
    if not found:
        raise Refused(path, shown(sql), "empty statement", remedy="give one SQL statement")
    if any(token.kind == "end" for token in found):
        raise Refused(path, shown(sql), "more than one statement", remedy="one entry per statement")
    return tuple(found)


def trimmed(sql: str) -> str:
    """The statement without surrounding blanks and final semicolons."""
    return re.sub(r"[\s;]+\Z", "", sql).strip()


def split(script: str, path: str) -> tuple[str, ...]:
    """The statements of a file, without lines that are nothing but a comment; `path` names the file in refusals."""
    statements: list[str] = []
    current: list[str] = []
    for token in _scan(script, path, comment_lines=True):
        if token.kind == "end":
            statements.append("".join(current).strip())
            current = []
        else:
            current.append(" " if token.kind == "comment" else token.text)
    statements.append("".join(current).strip())
    found = tuple(statement for statement in statements if statement)
    if not found:
        raise Refused(path, None, "holds no statement", remedy="write SQL statements, each ended by a semicolon")
    return found


def _scan(sql: str, path: str, *, comment_lines: bool = False) -> Iterator[Token]:
    if "\0" in sql:
        raise Refused(path, None, "holds a NUL character", remedy="write SQL as plain text")
    position, line_begins = 0, True
    while position < len(sql):
        comment = _COMMENT_LINE.match(sql, position) if comment_lines and line_begins else None
        if comment is not None:
            yield Token("comment", comment[0], position)
            position = comment.end()
            continue
        match = _TOKEN.match(sql, position)
        if match is None or match.lastgroup is None:  # pragma: no cover - the last alternative takes any character
            raise Refused(path, shown(sql), "is not SQL", remedy="write SQL as plain text")
        token = Token(match.lastgroup, match[0], position)  # type: ignore[arg-type]
        position = match.end()
        _refuse(token, sql, path)
        line_begins = token.kind == "blank" and (line_begins or "\n" in token.text or "\r" in token.text)
        yield token


def _refuse(token: Token, sql: str, path: str) -> None:
    if token.kind == "open":
        raise Refused(path, shown(sql), "a quote is not closed", remedy="give one complete SQL statement")
    if token.kind == "comment":
        remedy = "leave comments out of statements; in a file a comment may have a line of its own, begun with --"
        raise Refused(path, shown(sql), f"holds a comment ({token.text})", remedy=remedy)
