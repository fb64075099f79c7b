# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON that is nested more deeply than Python reads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._kube.decode import (
    TooDeep,
    parsed,
    without_managed_fields,
)

DEPTH = 100_000
DEEP = '{"f:a":' * DEPTH + "1" + "}" * DEPTH
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def test_metadata_can_be_read_whatever_the_object_is() -> None:
    """managedFields are as deep as the object itself."""
    text = f'{{"metadata": {{"name": "x", "managedFields": [{{"fieldsV1": {DEEP}}}], "uid": "u"}}}}'
    assert parsed(text.encode(), "it") == {"metadata": {"name": "x", "managedFields": [], "uid": "u"}}


def test_an_object_that_is_too_deep_is_refused_by_name() -> None:
    """A domain error, which every caller expects."""
    with pytest.raises(TooDeep, match="it: is nested too deeply"):
        parsed(f'{{"spec": {DEEP}}}'.encode(), "it")


def test_what_is_no_json_is_a_value_error() -> None:
    """As for json.loads."""
    with pytest.raises(ValueError, match="Expecting"):
        parsed(b"<html>", "it")


@given(st.lists(VALUES), st.dictionaries(st.text(), st.text()), VALUES)
def test_nothing_but_managed_fields_is_left_out(fields: list[Any], labels: dict[str, str], spec: Any) -> None:
    """Whatever texts say, also those that look like it; in every object of a list."""
    labels |= {"managedFields": '"managedFields": [', "x": '\\"managedFields\\":[{'}
    one = {"metadata": {"labels": labels, "managedFields": fields, "uid": "u"}, "kind": str(spec)}
    without = {"metadata": {"labels": labels, "managedFields": [], "uid": "u"}, "kind": str(spec)}
    for separators in ((",", ":"), (", ", ": ")):
        text = json.dumps({"items": [one, one]}, separators=separators)
        assert json.loads(without_managed_fields(text.encode())) == {"items": [without, without]}
