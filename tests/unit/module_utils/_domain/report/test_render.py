# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page and the summary: what they must say, and that no foreign string gets out of its place."""

from __future__ import annotations

import copy
import itertools
import json
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.report import render_html, render_json, render_text
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.text import duration, one_line, sentence

from . import samples

BUILDS = [samples.success, samples.rolled_back, samples.left_open]
HOSTILE = "</style><script>alert(1)</script>\"'><img src=x onerror=y>\x1b[31m\u202e\ud800\n&amp;"
VOID = {"meta", "br", "img", "link"}


class _Page(HTMLParser):
    """Collects the elements of a page and checks that they are well nested."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        return [path]
    return [leaf for key, item in items for leaf in _leaves(item, (*path, key))]


def _replaced(source: dict[str, Any], path: tuple[Any, ...], value: object) -> dict[str, Any]:
    report = copy.deepcopy(source)
    target: Any = report
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return report


LEAVES = _leaves(samples.rolled_back())
KNOWN_TAGS = {tag for build in BUILDS for tag, _attributes in _Page(render_html(build())).elements}


@pytest.mark.parametrize("build", BUILDS)
def test_a_page_needs_nothing_from_outside(build: Any) -> None:
    for tag, attributes in _Page(render_html(build())).elements:
        assert tag not in {"script", "link", "img", "iframe", "object"}
        assert not {"src", "href", "xlink:href"} & attributes.keys()
        assert not [name for name in attributes if name.startswith("on")]
    assert "@import" not in render_html(build())
    assert "http" not in render_html(build())


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: ".".join(map(str, path)))
def test_no_field_can_break_out_of_its_place(path: tuple[Any, ...]) -> None:
    page = render_html(_replaced(samples.rolled_back(), path, HOSTILE))
    assert {tag for tag, _attributes in _Page(page).elements} <= KNOWN_TAGS
    assert "<script" not in page
    assert "\x1b" not in page
    page.encode("utf-8")


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(LEAVES), st.text(max_size=60))
def test_any_text_stays_text(path: tuple[Any, ...], text: str) -> None:
    source = _replaced(samples.rolled_back(), path, text)
    page = render_html(source)
    assert {tag for tag, _attributes in _Page(page).elements} <= KNOWN_TAGS
    page.encode("utf-8")
    summary = render_text(source)
    assert all(line.isprintable() and len(line) <= 100 for line in summary.split("\n"))


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from([*LEAVES, *[(key,) for key in samples.success()]]), JUNK)
def test_an_odd_field_never_hides_the_rest(path: tuple[Any, ...], value: object) -> None:
    source = _replaced(samples.rolled_back(), path, value)
    _Page(render_html(source))
    assert render_text(source)


@pytest.mark.parametrize("build", BUILDS)
def test_the_same_report_gives_the_same_bytes(build: Any) -> None:
    assert render_html(build()) == render_html(build())
    assert render_text(build()) == render_text(build())


@pytest.mark.parametrize("build", BUILDS)
def test_json_round_trips(build: Any) -> None:
    assert json.loads(render_json(build())) == build()


def test_a_page_says_what_happened_why_and_what_is_left() -> None:
    texts = _Page(render_html(samples.rolled_back())).texts
    assert "prod was not upgraded to 3.3.2: rolled back to 3.3.1" in texts
    assert "prod-be-0 does not start." in texts
    assert "Use a good image." in texts
    assert "1 pod put back to 3.3.1." in texts


def test_open_settings_are_named_with_both_values() -> None:
    said = f"{samples.KEY} is still 0 on prod-fe-1 (before the run 10000)."
    assert said in _Page(render_html(samples.left_open())).texts
    assert samples.KEY in render_text(samples.left_open())


def test_the_picture_has_a_title_and_a_description() -> None:
    elements = [
        tag
        for tag, attributes in _Page(render_html(samples.success())).elements
        if attributes.get("id") or tag == "desc"
    ]
    assert {"title", "desc"} <= set(elements)


@pytest.mark.parametrize("build", BUILDS)
def test_the_summary_is_short(build: Any) -> None:
    assert len(render_text(build()).split("\n")) <= 25


def test_a_crowded_summary_is_still_short() -> None:
    source = samples.left_open()
    source["settings"] = [{**source["settings"][0], "key": f"key_{number}" * 8} for number in range(60)]
    source["run"]["reason"] = "because " * 300
    lines = render_text(source).split("\n")
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("number", [3, 24, 60])
def test_lanes_do_not_overlap(number: int) -> None:
    source = samples.success()
    events = [event for event in source["events"] if event["kind"] == "pod"]
    for index in range(1, number):
        name = f"prod-be-{index}"
        source["pods"].append({**source["pods"][0], "name": name})
        source["events"] += [{**event, "subject": name} for event in events]
    bars = [
        attributes
        for tag, attributes in _Page(render_html(source)).elements
        if tag == "rect" and attributes.get("class") == "new"
    ]
    edges = sorted(
        {(float(bar["y"] or 0), float(bar["height"] or 0)) for bar in bars if "rx" in bar and bar["width"] != "26"}
    )
    assert len(edges) == number
    assert all(top + height <= below for (top, height), (below, _next) in itertools.pairwise(edges))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7650, "2 h 08 min"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [("", ""), ("it failed", "It failed."), ("prod-be-1 failed", "prod-be-1 failed."), ("Why?", "Why?")],
)
def test_sentences(text: str, shown: str) -> None:
    assert sentence(text) == shown


@given(st.text())
def test_one_line_is_printable_or_replaced(text: str) -> None:
    line = one_line(text)
    assert "\n" not in line
    assert "\x1b" not in line
    line.encode("utf-8")
