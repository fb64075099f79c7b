# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of pods and thresholds of metrics: what passes, and what is said of what does not."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.database.checks import (
    PodSeen,
    SemVer,
    metric_refusals,
    pod_refusals,
    quantity,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.spec import (
    Metric,
    MinPodVersion,
    Requirement,
    Selector,
)

MANY = settings(max_examples=100, derandomize=True, deadline=None)
WEB = Selector({"app": "web"})

# Semantic Versioning 2.0.0, section 11, and what a tag may look like besides.
ORDER = [
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
]
ORDER += ["1", "v1.0.1", "1.2", "1.10.0", "2.0.0-0", "2.0.0"]


@pytest.mark.parametrize(("less", "more"), list(itertools.pairwise(ORDER)))
def test_versions_have_the_order_of_semver(less: str, more: str) -> None:
    one, other = SemVer.parse(less), SemVer.parse(more)
    assert one is not None
    assert other is not None
    assert one < other
    assert not other < one


@pytest.mark.parametrize(("one", "other"), [("1", "v1.0.0"), ("1.2", "1.2.0"), ("1.0.0+a", "1.0.0+b")])
def test_spellings_of_one_version(one: str, other: str) -> None:
    assert SemVer.parse(one) == SemVer.parse(other)


@pytest.mark.parametrize(
    "text", ["", "latest", "1.2.3.4", "01.2.3", "1.0.0-01", "1.0.0-", "v", "1.2.3 ", "1..2", "1.0.0\n"]
)
def test_what_is_no_version(text: str) -> None:
    assert SemVer.parse(text) is None


def pod(name: str, image: str = "web:1.5.0", **changes: Any) -> PodSeen:
    """A pod of one container."""
    return PodSeen(**{"name": name, "labels": {"version": "1.6.0"}, "images": {"main": image}, **changes})


def least(version: str = "v1.5.0", **changes: Any) -> MinPodVersion:
    """A check of pods."""
    return MinPodVersion(**{"selector": WEB, "version": version, **changes})


@pytest.mark.parametrize(
    ("check", "pods"),
    [
        (least(), [pod("a"), pod("b", "registry:5000/x/web:v2.0.0")]),
        (least(), [pod("a", "web:1.5.0@sha256:" + "0" * 64)]),
        (least("1.5.0-rc.1"), [pod("a", "web:1.5.0-rc.2")]),
        (least("v1.6.0", label="version"), [pod("a", "web:latest")]),
        (least(container="side"), [pod("a", images={"main": "x:1", "side": "web:1.5.0"})]),
        (least(), [pod("a"), pod("old", "web:1.0.0", finished=True)]),
    ],
)
def test_pods_that_are_new_enough(check: MinPodVersion, pods: list[PodSeen]) -> None:
    assert pod_refusals(check, pods) == ()


@pytest.mark.parametrize(
    ("check", "pods", "words"),
    [
        (least(), [], "minPodVersions(app=web): selects no pod"),
        (least(), [pod("a", finished=True)], "selects no pod"),
        (least(), [pod("a"), pod("b", "web:1.4.9")], "minPodVersions(b): runs 1.4.9, needs at least v1.5.0"),
        (least(), [pod("a", "web:1.5.0-rc.1")], "runs 1.5.0-rc.1, needs at least v1.5.0"),
        (least(), [pod("a", "web:latest")], "the tag of image web:latest is 'latest', which is not a version"),
        (least(), [pod("a", "web")], "the tag of image web states no version"),
        (least(), [pod("a", "web@sha256:" + "0" * 64)], "states no version"),
        (least(), [pod("a", "::")], "the image of container main is '::', which is not a version"),
        (least(), [pod("a", images={})], "container (none), which the pod does not have, states no version"),
        (least(container="x"), [pod("a")], "container x, which the pod does not have, states no version"),
        (least(label="version"), [pod("a", labels={})], "label version states no version"),
        (least(label="version"), [pod("a", labels={"version": "new"})], "label version is 'new'"),
        (least("new"), [pod("a")], "minPodVersions(new): is not a version"),
    ],
)
def test_pods_that_are_not(check: MinPodVersion, pods: list[PodSeen], words: str) -> None:
    (refusal,) = pod_refusals(check, pods)
    assert words in str(refusal)


def test_many_pods_are_counted() -> None:
    refusals = pod_refusals(least(), [pod(f"p{n}", "web:1.0.0") for n in range(9)])
    assert [refusal.subject for refusal in refusals] == ["p0", "p1", "p2", "p3", "p4", "others"]
    assert "4 more refuse" in str(refusals[-1])


def test_a_selector_as_the_api_server_takes_it() -> None:
    selector = Selector(
        {"b": "2", "a": "1"},
        (
            Requirement("c", "In", ("x", "y")),
            Requirement("d", "NotIn", ("z",)),
            Requirement("e", "Exists"),
            Requirement("f", "DoesNotExist"),
        ),
    )
    assert str(selector) == "a=1,b=2,c in (x,y),d notin (z),e,!f"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", Fraction(0)),
        ("100m", Fraction(1, 10)),
        ("1.5", Fraction(3, 2)),
        (".5k", Fraction(500)),
        ("2Gi", Fraction(2 * 1024**3)),
        ("-3M", Fraction(-3_000_000)),
        ("1e3", Fraction(1000)),
        ("5E-1", Fraction(1, 2)),
        ("2E", Fraction(2 * 10**18)),
        ("7n", Fraction(7, 10**9)),
        ("+1.", Fraction(1)),
    ],
)
def test_quantities(text: str, number: Fraction) -> None:
    assert quantity(text) == number


@pytest.mark.parametrize("text", ["", "NaN", "1 Gi", "1K", "1ki", "0x10", "1e1000", "--1", "1.2.3", "Inf", "1\n"])
def test_what_is_no_quantity(text: str) -> None:
    assert quantity(text) is None


@given(st.integers(-(10**12), 10**12), st.sampled_from(["", "m", "k", "Ki", "Mi", "e2"]))
@MANY
def test_quantities_are_exact(number: int, suffix: str) -> None:
    factors = {
        "": Fraction(1),
        "m": Fraction(1, 1000),
        "k": Fraction(1000),
        "Ki": Fraction(1024),
        "Mi": Fraction(1024**2),
    }
    assert quantity(f"{number}{suffix}") == number * factors.get(suffix, Fraction(100))


def metric(operator: str = "LessThanOrEqual", threshold: str = "100m") -> Metric:
    """A condition on errors."""
    return Metric("errors", "Pods", operator, threshold)


@pytest.mark.parametrize(
    ("operator", "fits", "fails"),
    [
        ("LessThan", "99m", "0.1"),
        ("LessThanOrEqual", "0.1", "101m"),
        ("GreaterThan", "0.11", "100m"),
        ("GreaterThanOrEqual", "100m", "99999u"),
    ],
)
def test_thresholds(operator: str, fits: str, fails: str) -> None:
    assert metric_refusals(metric(operator), {"web-1": fits}) == ()
    (refusal,) = metric_refusals(metric(operator), {"web-1": fits, "web-2": fails})
    assert str(refusal).startswith(f"Pods metric(errors): web-2 is {fails}, must be ")
    assert str(refusal).endswith(" 100m")


@pytest.mark.parametrize(
    ("values", "problem", "words"),
    [
        (None, "the API server does not serve custom.metrics.k8s.io", "could not be read: the API server does not"),
        (None, "", "could not be read: no reason was given"),
        ({}, "", "there is no value"),
        ({"web-1": "NaN"}, "", "web-1 is 'NaN', which is not a quantity"),
    ],
)
def test_a_metric_that_cannot_be_judged_refuses(values: dict[str, str] | None, problem: str, words: str) -> None:
    (refusal,) = metric_refusals(metric(), values, problem)
    assert words in str(refusal)
