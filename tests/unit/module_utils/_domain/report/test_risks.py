# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The risk report as a page and as Markdown: complete, and with every foreign string as text."""

from __future__ import annotations

import html
import json
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ansible_collections.steady.rollout.plugins.module_utils._domain.report.risks import (
    VERDICTS,
    render_risks_html,
    render_risks_markdown,
)

HOSTILE = "</td><script>alert('x')</script>\"><img src=x onerror=y> | [a](https://evil.example) \x1b[31m"


def a_report(text: str = "plain", verdict: str = "risky", **parts: Any) -> dict[str, Any]:
    """A risk report in which every foreign string is `text`."""
    plan = dict.fromkeys(("cluster", "namespace", "direction", "from", "to", "hash", "continues", "at"), text)
    return {
        "plan": {**plan, "verdict": verdict, "estimateSeconds": 90.0},
        "refusals": [{"field": text, "reason": text, "remedy": text}],
        "risks": [
            {"name": text, "level": "danger", "text": text, "acknowledge": text, "acknowledged": False},
            {"name": text, "level": text, "text": text, "acknowledge": "", "acknowledged": False},
        ],
        "pointOfNoReturn": text,
        "images": [{"component": text, "from": text, "to": text}],
        "settings": [{"key": text, "held": text}],
        "steps": [
            {"id": text, "title": text, "reason": text, "done": False, "estimateSeconds": 60, "hooks": [text]},
            {"id": "b", "title": text, "reason": text, "done": True, "estimateSeconds": 0, "hooks": []},
        ],
        **parts,
    }


class Tags(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def tags(page: str) -> Tags:
    parser = Tags()
    parser.feed(page)
    return parser


def test_the_page_says_everything() -> None:
    page = tags(render_risks_html(a_report("some thing"))).text
    for part in ("ready, with dangers", "1 min 30 s", "no; acknowledge some thing", "the point of no return", "✓ done"):
        assert part in page


@pytest.mark.parametrize("verdict", [*VERDICTS, "", "odd"])
def test_every_verdict_has_its_words(verdict: str) -> None:
    report = a_report(verdict=verdict)
    name = VERDICTS[verdict].name if verdict in VERDICTS else "unknown"
    assert name in render_risks_html(report)
    assert f"**{name}**" in render_risks_markdown(report)


@given(st.text() | st.just(HOSTILE))
def test_no_foreign_string_becomes_an_element_or_an_attribute(text: str) -> None:
    plain, foreign = (tags(render_risks_html(a_report(value))) for value in ("xx", f"x{text}x"))
    assert [tag for tag, _own in foreign.seen if tag not in ("span", "code")] == [
        tag for tag, _own in plain.seen if tag not in ("span", "code")
    ]
    known = {name for _tag, own in plain.seen for name in own}
    assert {name for _tag, own in foreign.seen for name in own} <= known


@given(st.text() | st.just(HOSTILE))
def test_no_foreign_string_becomes_markup_in_markdown(text: str) -> None:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])

    def shape(report: dict[str, Any]) -> list[str]:
        tokens = parser.parse(render_risks_markdown(report))
        inner = [child.type for token in tokens for child in token.children or ()]
        return [token.type for token in tokens] + sorted({kind for kind in inner if not kind.startswith("text")})

    assert shape(a_report(f"x{text}x")) == shape(a_report("x"))


def test_a_report_without_anything_can_be_shown() -> None:
    assert "None is known" in render_risks_html({})
    assert "No risk is known" in render_risks_markdown({})
    odd = {"plan": "x", "risks": [5], "steps": None, "refusals": ["y"]}
    assert render_risks_html(odd)
    assert render_risks_markdown(odd)


def test_there_is_neither_a_script_nor_an_address_in_the_page() -> None:
    page = render_risks_html(a_report())
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/", "")
    assert html.unescape(page)
    json.dumps(a_report())
