# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is missing for the proof that every FE has a metadata image."""

from __future__ import annotations

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.image import ImageProof, unproved
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Frontend


def row(pod: str, *, alive: bool = True, error: str = "") -> Frontend:
    """A row of SHOW FRONTENDS."""
    return Frontend(pod, "FOLLOWER", alive, True, 100, "2026-11-21 06:00:00", "3.3.1", error)


ROWS = [row("fe-0"), row("fe-1"), row("fe-2")]


def test_an_image_that_reaches_that_far_on_every_fe_is_the_proof() -> None:
    assert unproved(100, {"fe-0": 100, "fe-1": 250, "fe-2": 101}, ROWS) == []


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (99, "fe-2 has the image 99"),
        (None, "fe-2 has no image yet"),
        ("it answered 403", "fe-2: it answered 403"),
    ],
)
def test_each_fe_without_it_is_named(image: int | str | None, sentence: str) -> None:
    assert unproved(100, {"fe-0": 100, "fe-1": 100, "fe-2": image}, ROWS) == [sentence]


def test_an_fe_that_was_not_asked_or_is_not_alive_is_no_proof() -> None:
    assert unproved(100, {"fe-0": 100, "fe-1": 100}, ROWS) == ["fe-2: it was not asked"]
    dead = [*ROWS[:2], row("fe-2", alive=False, error="Connection refused")]
    assert unproved(100, {"fe-0": 100, "fe-1": 100, "fe-2": 100}, dead) == ["fe-2 is not alive: Connection refused"]


def test_the_proof_is_told_with_its_second_witness() -> None:
    proof = ImageProof(100, {"fe-1": 120, "fe-0": 100}, 2)
    assert proof.sentence() == (
        "every FE holds an image that ends with journal id 100 or later: fe-0 100, fe-1 120;"
        " the leader's image_push counts 2 more"
    )
    assert "image_push" not in ImageProof(100, {"fe-0": 100}).sentence()
