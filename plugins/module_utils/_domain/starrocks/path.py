# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Which version may follow which: StarRocks' own rules as data.

Source: docs/en/deployment/manage_deployment/upgrade.md and downgrade.md of StarRocks (minor versions one by one;
before 3.0 be on 2.5; after 3.3 never back to 3.2.0-3.2.2, which loses metadata; back from 4.1 only to 4.0.6 or newer).
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.steady.rollout.plugins.module_utils._domain.version import Version

# The last minor of each major version, after which the next major's first one follows.
_LAST_MINOR = {1: 19, 2: 5, 3: 5}
_FIRST_MINOR = 0


@dataclass(frozen=True)
class Forbidden:
    """Going from `source` (this minor or newer) down to anything from `low` to `high` inclusive is forbidden."""

    source: tuple[int, int]
    low: Version
    high: Version
    why: str


FORBIDDEN_DOWNGRADES = (
    Forbidden((3, 3), Version(3, 2, 0), Version(3, 2, 2), "metadata is lost (StarRocks downgrade guide)"),
    Forbidden((4, 1), Version(4, 0, 0), Version(4, 0, 5), "4.0 reads 4.1 metadata from 4.0.6 on"),
)


def next_series(version: Version) -> tuple[int, int]:
    """The minor version that follows."""
    if _LAST_MINOR.get(version.major) == version.minor:
        return (version.major + 1, _FIRST_MINOR)
    return (version.major, version.minor + 1)


def refused_jump(source: Version, target: Version) -> tuple[str, str] | None:
    """(problem, remedy) when an upgrade skips minor versions; None when the step is one StarRocks supports."""
    if target.series <= source.series or target.series == next_series(source):
        return None
    step = ".".join(map(str, next_series(source)))
    return (
        f"{source} to {target} skips minor versions; StarRocks upgrades them one by one",
        f"upgrade to the latest {step}.x first",
    )


def forbidden_downgrade(source: Version, target: Version) -> str | None:
    """Why going down from `source` to `target` is forbidden; None when no rule forbids it."""
    if target >= source:
        return None
    for rule in FORBIDDEN_DOWNGRADES:
        if source.series >= rule.source and rule.low <= target <= rule.high:
            return f"{source} to {target}: {rule.why}"
    if next_series(target) != source.series and target.series != source.series:
        return f"{source} to {target}: more than one minor version down"
    return None
