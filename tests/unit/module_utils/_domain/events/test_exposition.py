# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text format of Prometheus, read back by Prometheus' own parser."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.steady.rollout.plugins.module_utils._domain.events.exposition import (
    Family,
    Sample,
    exposition,
)

VALUES = st.floats(allow_nan=True, allow_infinity=True)
# What a label can hold is UTF-8; one with a lone surrogate is written with a question mark.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(st.tuples(VALUES, st.dictionaries(st.sampled_from(["a", "b", "c"]), TEXTS)), min_size=1), TEXTS)
def test_what_is_written_is_read_back(samples: list[tuple[float, dict[str, str]]], help_text: str) -> None:
    family = Family("steady_x_seconds", help_text, tuple(Sample(value, labels) for value, labels in samples))
    (read,) = text_string_to_metric_families(exposition([family]))
    assert (read.name, read.type) == ("steady_x_seconds", "gauge")
    assert [sample.labels for sample in read.samples] == [labels for _value, labels in samples]
    for sample, (value, _labels) in zip(read.samples, samples, strict=True):
        assert sample.value == value or (math.isnan(sample.value) and math.isnan(value))


def test_a_counter_is_told_from_a_gauge() -> None:
    (read,) = text_string_to_metric_families(exposition([Family("runs_total", "b", (Sample(3),), "counter")]))
    assert (read.name, read.type, read.samples[0].value) == ("runs", "counter", 3)


def test_a_family_without_samples_is_left_out() -> None:
    assert exposition([Family("a", "b", ())]) == ""


def test_a_lone_surrogate_can_be_written_to_a_file() -> None:
    assert exposition([Family("a", "b", (Sample(1, {"c": "\ud800"}),))]).encode().endswith(b'a{c="?"} 1\n')
