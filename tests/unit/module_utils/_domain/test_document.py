# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a document field by field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.document import Reader
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused


def reader(**data: Any) -> Reader:
    """A document."""
    return Reader(data, "spec")


def test_absent_fields_have_their_defaults() -> None:
    empty = Reader(None, "spec")
    assert empty.text("a", "x") == "x"
    assert empty.choice("a", ("x", "y"), "y") == "y"
    assert empty.number("a", 3, least=0, most=9, unit="seconds") == 3
    assert empty.flag("a", True) is True
    assert empty.items("a") == []
    assert empty.names("a", ("x",)) == ()
    assert empty.section("a").raw("b") is None
    assert not empty.has("a")
    empty.done()


def test_null_is_absent() -> None:
    assert reader(a=None).text("a", "x") == "x"
    assert not reader(a=None).has("a")
    assert reader(a=0).has("a")


READS: list[tuple[Callable[[Reader], object], Any, str]] = [
    (lambda r: r.text("a"), 1, "not a string"),
    (lambda r: r.text("a", pattern="[a-z]+"), "a1", "form"),
    (lambda r: r.text("a", pattern="[a-z]+"), "a\n", "form"),
    (lambda r: r.choice("a", ("x", "y"), "x"), "z", "unknown"),
    (lambda r: r.choice("a", ("x", "y"), "x"), {"x": 1}, "unknown"),
    (lambda r: r.number("a", 1, least=0, most=9, unit="s"), 10, "out of bounds"),
    (lambda r: r.number("a", 1, least=0, most=9, unit="s"), -0.5, "out of bounds"),
    (lambda r: r.number("a", 1, least=0, most=9, unit="s"), "1e1", "not a number"),
    (lambda r: r.number("a", 1, least=0, most=9, unit="s"), [], "not a number"),
    (lambda r: r.flag("a"), "maybe", "not a boolean"),
    (lambda r: r.flag("a"), 1, "not a boolean"),
    (lambda r: r.items("a"), 1, "not a list"),
    (lambda r: r.items("a"), {"x": 1}, "not a list"),
    (lambda r: r.section("a"), "x", "not a mapping"),
]


@pytest.mark.parametrize(("read", "value", "words"), READS)
def test_refused_with_path_and_value(read: Callable[[Reader], object], value: Any, words: str) -> None:
    with pytest.raises(Refused, match=words) as caught:
        read(reader(a=value))
    assert caught.value.field == "spec.a"
    assert caught.value.value == value
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("word", "value"), [("true", True), ("Yes", True), ("no", False), ("False", False), (True, True)]
)
def test_flags(word: Any, value: bool) -> None:
    assert reader(a=word).flag("a") is value


@pytest.mark.parametrize("text", ["10", "-1", "9" * 400])
def test_numbers_may_be_texts_within_the_same_bounds(text: str) -> None:
    assert reader(a=" 2.5 ").number("a", 1, least=0, most=9, unit="seconds") == 2.5
    with pytest.raises(Refused, match="out of bounds"):
        reader(a=text).number("a", 1, least=0, most=9, unit="seconds")


def test_lists_may_be_texts_with_commas() -> None:
    assert reader(a=" x, y ,").names("a", ("x", "y")) == ("x", "y")
    with pytest.raises(Refused, match=r"spec\.a\[1\].*did you mean quiesce"):
        reader(a=["quiesce", "quiesc"]).names("a", ("quiesce",))


def test_fields_nobody_asked_for_are_refused_with_a_suggestion() -> None:
    asked = reader(target=1, tarket=2)
    asked.raw("target")
    with pytest.raises(Refused, match=r"spec\.tarket: no such field \(did you mean target\?\)"):
        asked.done()
    with pytest.raises(Refused, match=r"spec\.7: no such field"):
        Reader({7: 1}, "spec").done()


def test_paths_are_nested() -> None:
    with pytest.raises(Refused, match=r"spec\.a\.b"):
        reader(a={"b": 1}).section("a").text("b")
