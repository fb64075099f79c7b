# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions and image references."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.version import Image, Range, Version

DIGEST = f"sha256:{'0a' * 32}"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("3.3.2", (3, 3, 2)),
        ("v3.3.2", (3, 3, 2)),
        ("3.3.2-857dd73", (3, 3, 2)),
        ("3.3.2-rc01", (3, 3, 2)),
        ("3.10.0", (3, 10, 0)),
        ("3.3", None),
        ("latest", None),
        ("3.3.2-", None),
        ("3.3.x", None),
        ("3.3.2\n", None),
        (" 3.3.2", None),
        ("-3.3.2", None),
        ("", None),
        (None, None),
        ("NULL", None),
    ],
)
def test_versions(text: str | None, version: tuple[int, int, int] | None) -> None:
    assert Version.parse(text) == (Version(*version) if version else None)


def test_order_is_of_numbers() -> None:
    assert Version(3, 10, 0) > Version(3, 9, 9)
    assert Version(3, 3, 2).series == (3, 3)
    assert str(Version(3, 3, 2)) == "3.3.2"


@pytest.mark.parametrize(
    ("text", "repository", "tag", "digest", "mutable"),
    [
        ("starrocks/be-ubuntu:3.3.1", "starrocks/be-ubuntu", "3.3.1", None, False),
        ("be:3.3.1", "be", "3.3.1", None, False),
        ("r.example:5000/a/b/be:3.3.1-x", "r.example:5000/a/b/be", "3.3.1-x", None, False),
        ("localhost:5000/be", "localhost:5000/be", None, None, True),
        ("be:latest", "be", "latest", None, True),
        ("be:3.3", "be", "3.3", None, True),
        (f"be@{DIGEST}", "be", None, DIGEST, False),
        (f"be:latest@{DIGEST}", "be", "latest", DIGEST, False),
        ("be:3.3.1-broken", "be", "3.3.1-broken", None, False),
    ],
)
def test_images(text: str, repository: str, tag: str | None, digest: str | None, mutable: bool) -> None:
    image = Image.parse(text, "image")
    assert (image.repository, image.tag, image.digest, image.mutable) == (repository, tag, digest, mutable)
    assert image.basename == "be" if repository.endswith("/be") else image.basename
    assert image.with_version("9.9.9") == f"{repository}:9.9.9"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "be:3.3.1\n",
        " be:3.3.1",
        "be: 3.3.1",
        "http://r/be:3.3.1",
        "be:",
        "be@sha256:abc",
        "be:3.3.1@md5:abc",
        "BE:3.3.1",
        "a//b:1",
        "be:" + "1" * 129,
        "be;reboot",
        "$(x)",
        "../be:3.3.1",
        "be\x00:3.3.1",
    ],
)
def test_what_is_no_image_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="not an image reference") as caught:
        Image.parse(text, "spec.target.images.be")
    assert caught.value.field == "spec.target.images.be"


@given(st.text(alphabet="abA0.:-_/@ \n", max_size=20))
@settings(max_examples=200, derandomize=True, deadline=None)
def test_what_is_parsed_can_be_written_again(text: str) -> None:
    try:
        image = Image.parse(text, "image")
    except Refused:
        return
    tag = f":{image.tag}" if image.tag else ""
    assert image.repository + tag == text


@pytest.mark.parametrize(
    ("text", "version", "within"),
    [
        ("", "1.0.0", True),
        (">=3.2", "3.2.0", True),
        (">=3.2", "3.1.9", False),
        (">=3.2, <4.0", "3.9.9", True),
        (">=3.2, <4.0", "4.0.0", False),
        ("> 3.2.1", "3.2.1", False),
        ("<=3.2.1", "3.2.1", True),
        ("==3.2.1", "3.2.2", False),
        (">=3.2,", "3.3.0", None),
        ("3.2", "3.2.0", None),
        ("~=3.2", "3.2.0", None),
        (">=3", "3.0.0", None),
    ],
)
def test_ranges(text: str, version: str, within: bool | None) -> None:
    if within is None:
        with pytest.raises(Refused, match="not a range of versions") as caught:
            Range.parse(text, "versions")
        assert caught.value.field == "versions"
        return
    parsed = Version.parse(version)
    assert parsed is not None
    assert (parsed in Range.parse(text, "versions")) is within
