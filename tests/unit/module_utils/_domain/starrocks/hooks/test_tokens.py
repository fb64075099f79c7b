# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens: statements are told apart by what is not in quotes, and comments never get through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.tokens import (
    shown,
    split,
    tokens,
    trimmed,
)

from ..builders import examples

FILE = """-- stop loads
# and this
ADMIN SHOW FRONTEND CONFIG LIKE 'a;b--c';
SELECT "x;y",
  `z;`
FROM t
;

  -- the end
SHOW FRONTENDS
"""


def test_a_file_is_split_at_semicolons_outside_quotes_and_its_comment_lines_are_not_sent() -> None:
    statements = split(FILE, "file")
    assert [" ".join(s.split()) for s in statements] == [
        "ADMIN SHOW FRONTEND CONFIG LIKE 'a;b--c'",
        'SELECT "x;y", `z;` FROM t',
        "SHOW FRONTENDS",
    ]
    assert not any("stop loads" in s or "the end" in s for s in statements)


def test_lines_in_a_text_are_no_comments() -> None:
    assert split("SELECT 'a\n-- b\n'; SHOW FRONTENDS", "file") == ("SELECT 'a\n-- b\n'", "SHOW FRONTENDS")


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("", "no statement"),
        (";;\n;", "no statement"),
        ("-- only a comment", "no statement"),
        ("SHOW FRONTENDS; -- behind", "comment"),
        ("SHOW /* in */ FRONTENDS", "comment"),
        ("/*!50000 DROP TABLE t */;", "comment"),
        ("SELECT /*+ SET_VAR(x=1) */ 1", "comment"),
        ("SELECT 'a", "not closed"),
        ("SELECT `a", "not closed"),
        ("SELECT 1\0", "NUL"),
    ],
)
def test_what_no_file_may_hold(script: str, problem: str) -> None:
    with pytest.raises(Refused, match=problem) as caught:
        split(script, "configMap a/b.sql")
    assert caught.value.field == "configMap a/b.sql"
    assert caught.value.remedy


def test_words_have_no_case_and_texts_have_a_value() -> None:
    found = tokens('Admin set "a""b" \'c\\\'d\' `e` 1.5', "s")
    assert [token.word for token in found] == ["ADMIN", "SET", "", "", "", "1.5"]
    assert (found[2].value, found[3].value) == ('a"b', "c'd")


def test_texts_are_not_shown() -> None:
    assert shown("CREATE USER x IDENTIFIED BY 'geheim'") == "CREATE USER x IDENTIFIED BY '...'"
    assert shown('SELECT "a", `b`') == "SELECT '...', '...'"


_PIECE = st.sampled_from(["SELECT", "a", "1", "'x;y'", '"--"', "`#`", "'it''s'", "'b\\'q'", "=", "(", ")", ",", "\n"])


@examples(300)
@given(st.lists(st.lists(_PIECE, min_size=1, max_size=6), min_size=1, max_size=5))
def test_what_is_joined_by_semicolons_is_split_again(parts: list[list[str]]) -> None:
    statements = [" ".join(part).strip() for part in parts]
    wanted = tuple(s for s in statements if s)
    if wanted:
        assert split(";\n".join(statements), "file") == wanted


@examples(500)
@given(st.text(alphabet="ab'\"`\\;-#/*! \n", max_size=40))
def test_any_text_is_statements_without_comments_or_is_refused(script: str) -> None:
    try:
        found = split(script, "file")
    except Refused:
        return
    for statement in found:
        assert statement == trimmed(statement) or "\\" in statement
        kinds = {token.kind for token in tokens(statement, "s")}
        assert not kinds & {"comment", "end", "open"}
