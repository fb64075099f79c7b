# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Foreign strings in Markdown, read back by a parser of CommonMark and GitHub's tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ansible_collections.steady.rollout.plugins.module_utils._domain.report.markdown import escape, table
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.text import one_line

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
HOSTILE = [
    "# head",
    "- list",
    "+ list",
    "1. list",
    "> quote",
    "    code",
    "```",
    "---",
    "===",
    "*bold* _italic_ ~~gone~~ `code`",
    "[text](https://evil.example) ![x](https://evil.example/x.png)",
    "[text]: https://evil.example",
    "<https://evil.example> <script>alert(1)</script> <!-- hidden -->",
    "a | b | c",
    "| a |",
    "&lt;script&gt; &#60; &copy;",
    "line\nbreak\r\n\n# head",
    "back\\slash \\* \\|",
    "\x1b[31mred\u202e\x00",
    "$math$ ^note^",
]
FOREIGN = st.text() | st.text(alphabet="\\`*_{}[]()<>#+-!|~&=^$ ab1.:/@\n", max_size=40)


def shown(tokens: list[Token]) -> str:
    """What a reader sees; it must consist of nothing but text."""
    texts = []
    for token in tokens:
        assert token.type in ("text", "text_special"), token
        texts.append(token.content)
    return "".join(texts)


def as_read(text: str) -> str:
    """What is left of spaces when a text is read as a paragraph."""
    return one_line(text).strip()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_string_is_a_paragraph_of_text(text: str) -> None:
    opened, inline, closed = PARSER.parse(escape(text))
    assert (opened.type, closed.type) == ("paragraph_open", "paragraph_close")
    assert shown(inline.children or []) == as_read(text)


@given(FOREIGN)
def test_any_string_is_a_paragraph_of_text(text: str) -> None:
    if not as_read(text):
        assert escape(text) == ""
        return
    _opened, inline, _closed = PARSER.parse(escape(text))
    assert shown(inline.children or []) == as_read(text)


@given(FOREIGN, FOREIGN)
def test_any_string_stays_in_its_cell(first: str, second: str) -> None:
    lines = table(("a", "b"), [(escape(first), escape(second)), ("x", "y")])
    cells = [token for token in PARSER.parse("\n".join(lines)) if token.type == "inline"]
    assert [shown(cell.children or []) for cell in cells] == ["a", "b", as_read(first), as_read(second), "x", "y"]


@pytest.mark.parametrize("text", ["https://evil.example", "www.evil.example", "me@evil.example", "FTP://evil.example"])
def test_a_bare_address_becomes_no_link(text: str) -> None:
    """GitHub makes links of these where nothing of them is escaped; a reader still sees them as they are."""
    assert text not in escape(text)
    (_opened, inline, _closed) = PARSER.parse(escape(text))
    assert shown(inline.children or []) == text
