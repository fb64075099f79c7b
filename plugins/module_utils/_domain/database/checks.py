# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The checks before and after a migration: versions of pods, and metrics against thresholds.

Each function answers with refusals that hold what was seen; no refusal means that the check has passed. What could not
be seen, what is no version and what is no number refuses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import total_ordering

from ansible_collections.steady.rollout.plugins.module_utils._domain.database.schema import QUANTITY, SEMVER
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.spec import Metric, MinPodVersion
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.gate import Refusal
from ansible_collections.steady.rollout.plugins.module_utils._domain.version import Image

# How many pods or series are named in one refusal.
MOST_SHOWN = 5

_SEMVER = re.compile(SEMVER.removeprefix("^").removesuffix("$"))
_QUANTITY = re.compile(QUANTITY.removeprefix("^").removesuffix("$"))
_SUFFIXES = {
    "": Fraction(1),
    **{letter: Fraction(1, 1000**power) for power, letter in enumerate("mun", 1)},
    **{letter: Fraction(1000**power) for power, letter in enumerate("kMGTPE", 1)},
    **{f"{letter}i": Fraction(1024**power) for power, letter in enumerate("KMGTPE", 1)},
}


@total_ordering
@dataclass(frozen=True, slots=True)
class SemVer:
    """A version of Semantic Versioning 2.0.0, in the order of its section 11: 1.0.0-rc.1 comes before 1.0.0."""

    numbers: tuple[int, int, int]
    pre: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> SemVer | None:
        """The version; a leading v and minor and patch that are left out are understood. None for what is none."""
        if not _SEMVER.fullmatch(text):
            return None
        core, _plus, _build = text.removeprefix("v").partition("+")
        numbers, _dash, pre = core.partition("-")
        parts = [int(part) for part in numbers.split(".")]
        identifiers = tuple(pre.split(".")) if pre else ()
        if any(part.isdigit() and len(part) > 1 and part[0] == "0" for part in identifiers):
            return None
        major, minor, patch = (*parts, 0, 0)[:3]
        return cls((major, minor, patch), identifiers)

    def _key(self) -> tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]:
        # Numbers come before words, a shorter list before a longer one, any list before none at all.
        parts = tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in self.pre)
        return self.numbers, not self.pre, parts

    def __lt__(self, other: SemVer) -> bool:
        return self._key() < other._key()


@dataclass(frozen=True, slots=True)
class PodSeen:
    """A selected pod. `images` are those of its containers in their order; one that is being deleted still runs.

    :ivar finished: whether it has ended (phase Succeeded or Failed), and so does not matter any more
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    finished: bool = False


def quantity(text: str) -> Fraction | None:
    """A Kubernetes quantity as the exact number it means; None for what is none."""
    match = re.fullmatch(r"([+-]?[0-9.]+)([eE][+-]?[0-9]+)?([A-Za-z]*)", text) if _QUANTITY.fullmatch(text) else None
    if match is None:
        return None
    exponent = int(match[2][1:]) if match[2] else 0
    return Fraction(match[1]) * Fraction(10) ** exponent * _SUFFIXES[match[3]]


def pod_refusals(check: MinPodVersion, pods: Sequence[PodSeen]) -> tuple[Refusal, ...]:
    """Why the selected pods do not all run at least the version that is asked for."""
    least = SemVer.parse(check.version)
    if least is None:
        return (Refusal("minPodVersions", check.version, "is not a version"),)
    alive = [pod for pod in pods if not pod.finished]
    if not alive:
        return (Refusal("minPodVersions", str(check.selector), "selects no pod"),)
    found = []
    for pod in sorted(alive, key=lambda pod: pod.name):
        text, where = _version_text(check, pod)
        version = SemVer.parse(text)
        if version is None:
            shown = f"{where} is {text!r}, which is not a version" if text else f"{where} states no version"
            found.append(Refusal("minPodVersions", pod.name, shown))
        elif version < least:
            found.append(Refusal("minPodVersions", pod.name, f"runs {text}, needs at least {check.version}"))
    return _few(found)


def _version_text(check: MinPodVersion, pod: PodSeen) -> tuple[str, str]:
    """What states the pod's version, and where it stands."""
    if check.label:
        return pod.labels.get(check.label, ""), f"label {check.label}"
    name = check.container or next(iter(pod.images), "")
    image = pod.images.get(name)
    if image is None:
        return "", f"container {name or '(none)'}, which the pod does not have,"
    try:
        tag = Image.parse(image, "image").tag
    except Refused:
        return image, f"the image of container {name}"
    return tag or "", f"the tag of image {image}"


_COMPARE: dict[str, tuple[str, Callable[[Fraction, Fraction], bool]]] = {
    "LessThan": ("below", lambda seen, limit: seen < limit),
    "LessThanOrEqual": ("at most", lambda seen, limit: seen <= limit),
    "GreaterThan": ("above", lambda seen, limit: seen > limit),
    "GreaterThanOrEqual": ("at least", lambda seen, limit: seen >= limit),
}


def metric_refusals(metric: Metric, values: Mapping[str, str] | None, problem: str = "") -> tuple[Refusal, ...]:
    """Why a metric does not satisfy its threshold.

    :param values: each value as a quantity, by the pod, object or series that it is of; None when it could not be read
    :param problem: why it could not be read
    """
    gate = f"{metric.source} metric"
    if values is None:
        return (Refusal(gate, metric.name, f"could not be read: {problem or 'no reason was given'}"),)
    if not values:
        return (Refusal(gate, metric.name, "there is no value"),)
    limit = quantity(metric.threshold)
    if limit is None:
        return (Refusal(gate, metric.name, f"its threshold {metric.threshold!r} is not a quantity"),)
    words, fits = _COMPARE[metric.operator]
    found = []
    for subject, text in sorted(values.items()):
        seen = quantity(text)
        if seen is None:
            found.append(Refusal(gate, metric.name, f"{subject} is {text!r}, which is not a quantity"))
        elif not fits(seen, limit):
            found.append(Refusal(gate, metric.name, f"{subject} is {text}, must be {words} {metric.threshold}"))
    return _few(found)


def _few(found: list[Refusal]) -> tuple[Refusal, ...]:
    if len(found) <= MOST_SHOWN:
        return tuple(found)
    more = Refusal(found[0].gate, "others", f"{len(found) - MOST_SHOWN} more refuse")
    return (*found[:MOST_SHOWN], more)
