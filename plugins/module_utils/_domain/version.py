# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Versions and image references: parsed once, compared everywhere."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused

_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:[-+._]?([0-9A-Za-z][0-9A-Za-z.+_-]*))?")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
# The first element is a host only when it looks like one; anything else is a path, which is in lower case.
_HOST = r"(?:localhost|(?=[^/]*[.:])[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?)"
# The grammar of the OCI distribution specification's reference implementation: [host[:port]/]path[:tag][@digest].
_IMAGE = re.compile(
    rf"(?P<repository>(?:{_HOST}/)?{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


@dataclass(frozen=True, order=True)
class Version:
    """A StarRocks version. Order looks at major, minor and patch alone: a suffix names a build, not an age."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str | None) -> Version | None:
        """The version in `text` ("3.3.2", "3.3.2-857dd73", "v3.3.2"); None when it holds none."""
        match = _VERSION.fullmatch(text or "")
        return cls(int(match[1]), int(match[2]), int(match[3])) if match else None

    @property
    def series(self) -> tuple[int, int]:
        """Major and minor: what StarRocks' upgrade guide calls the (minor) version to go through one by one."""
        return (self.major, self.minor)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


_BOUND = re.compile(r"(>=|<=|>|<|==)\s*(\d+)\.(\d+)(?:\.(\d+))?")


@dataclass(frozen=True)
class Range:
    """Versions between bounds, such as ">=3.2, <4.0"; an empty text means every version."""

    text: str = ""

    @classmethod
    def parse(cls, text: str, field: str) -> Range:
        """The range; `field` is the path named in the refusal of a malformed one."""
        for part in text.split(",") if text.strip() else ():
            if not _BOUND.fullmatch(part.strip()):
                raise Refused(field, text, "not a range of versions", remedy='write bounds such as ">=3.2, <4.0"')
        return cls(text.strip())

    def __contains__(self, version: Version) -> bool:
        return all(_within(version, part.strip()) for part in self.text.split(",") if part.strip())


def _within(version: Version, bound: str) -> bool:
    match = _BOUND.fullmatch(bound)
    if match is None:
        return False
    edge = Version(int(match[2]), int(match[3]), int(match[4] or 0))
    return {
        ">=": version >= edge,
        "<=": version <= edge,
        ">": version > edge,
        "<": version < edge,
        "==": version == edge,
    }[match[1]]


@dataclass(frozen=True)
class Image:
    """A parsed image reference."""

    repository: str
    tag: str | None
    digest: str | None

    @classmethod
    def parse(cls, text: str, field: str) -> Image:
        """Parse `text`; `field` is the path named in the refusal of a malformed one."""
        match = _IMAGE.fullmatch(text or "")
        if not match:
            raise Refused(field, text, "not an image reference", remedy="write it as registry/name:3.3.2")
        return cls(match["repository"], match["tag"], match["digest"])

    @property
    def version(self) -> Version | None:
        """The version that the tag states, if it states one."""
        return Version.parse(self.tag)

    @property
    def mutable(self) -> bool:
        """Whether the same text may mean another image tomorrow: no digest, and no full version in the tag."""
        return self.digest is None and self.version is None

    @property
    def basename(self) -> str:
        """Last path element of the repository, such as `be-ubuntu`."""
        return self.repository.rsplit("/", 1)[-1]

    def with_version(self, version: str) -> str:
        """The same repository at another tag; a digest belongs to the old tag and is dropped."""
        return f"{self.repository}:{version}"
