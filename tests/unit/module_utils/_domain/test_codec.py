# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values to JSON and back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import digest, from_plain, to_plain
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused


@dataclass(frozen=True)
class Inner:
    """A nested value."""

    name: str
    kind: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Outer:
    """A value of every type that is stored."""

    number: int
    share: float
    flag: bool = False
    maybe: str | None = None
    inner: Inner | None = None
    many: tuple[Inner, ...] = ()
    names: list[str] = field(default_factory=list)
    by_kind: dict[Literal["a", "b"], int] = field(default_factory=dict)
    anything: dict[str, object] = field(default_factory=dict)


INNERS = st.builds(Inner, st.text(max_size=5), st.sampled_from(["a", "b"]))
OUTERS = st.builds(
    Outer,
    number=st.integers(),
    share=st.floats(allow_nan=False, allow_infinity=False),
    flag=st.booleans(),
    maybe=st.none() | st.text(max_size=5),
    inner=st.none() | INNERS,
    many=st.lists(INNERS, max_size=3).map(tuple),
    names=st.lists(st.text(max_size=5), max_size=3),
    by_kind=st.dictionaries(st.sampled_from(["a", "b"]), st.integers()),
    anything=st.dictionaries(st.text(max_size=5), st.integers() | st.lists(st.booleans(), max_size=2), max_size=3),
)


@given(OUTERS)
@settings(max_examples=100, derandomize=True, deadline=None)
def test_a_value_comes_back_as_it_went(value: Outer) -> None:
    assert from_plain(Outer, json.loads(json.dumps(to_plain(value))), "value") == value


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"number": "1"}, "value.number"),
        ({"number": True}, "value.number"),
        ({"number": 1.0}, "value.number"),
        ({"number": None}, "value.number"),
        ({"share": "1"}, "value.share"),
        ({"share": True}, "value.share"),
        ({"share": 10**400}, "value.share"),
        ({"flag": 1}, "value.flag"),
        ({"maybe": 1}, "value.maybe"),
        ({"inner": []}, "value.inner"),
        ({"inner": {}}, "value.inner.name"),
        ({"inner": {"name": "x", "kind": "c"}}, "value.inner.kind"),
        ({"inner": {"name": "x", "kind": ["a"]}}, "value.inner.kind"),
        ({"many": {}}, "value.many"),
        ({"many": "ab"}, "value.many"),
        ({"many": [{"name": "x"}, {}]}, "value.many[1].name"),
        ({"by_kind": {"c": 1}}, "value.by_kind key"),
        ({"by_kind": {"a": "1"}}, "value.by_kind.a"),
        ({"by_kind": []}, "value.by_kind"),
    ],
)
def test_a_wrong_type_is_refused_with_its_path(change: dict[str, Any], path: str) -> None:
    with pytest.raises(Refused) as caught:
        from_plain(Outer, {"number": 1, "share": 1.5, **change}, "value")
    assert caught.value.field == path


def test_whole_numbers_are_numbers_and_unknown_keys_are_dropped() -> None:
    assert from_plain(Outer, {"number": 1, "share": 2, "later": 3}, "value") == Outer(1, 2.0)


@pytest.mark.parametrize("data", [None, [], "x", 1])
def test_what_is_no_mapping_is_refused(data: object) -> None:
    with pytest.raises(Refused, match="value"):
        from_plain(Outer, data, "value")


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": 1}) != digest({"a": "1"})
    assert digest([]).startswith("sha256:")
