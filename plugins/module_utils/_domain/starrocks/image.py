# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The proof that a metadata image was made and pushed to every FE, after ALTER SYSTEM CREATE IMAGE.

The statement only closes the current part of the journal (fe-core: GlobalStateMgr.triggerNewImage). The leader looks
every 60 s whether there is a closed part without an image, has the image made, and pushes it to the other FEs
(com/starrocks/leader/Checkpoint.java; since 3.4 CheckpointController.java, where a follower may make it, StarRocks pull
request 52103). An image is named by the last journal id in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Frontend


@dataclass(frozen=True, slots=True)
class ImageProof:
    """Every FE holds an image that ends with `journal_id` or later: `images` says which, by pod.

    `pushes` is how many more the leader's counter image_push shows than before, None where it does not tell: a
    second witness that no decision rests on, because it is lost with the leader's process.
    """

    journal_id: int
    images: dict[str, int] = field(default_factory=dict)
    pushes: int | None = None

    def sentence(self) -> str:
        """The proof for a report."""
        held = ", ".join(f"{pod} {number}" for pod, number in sorted(self.images.items()))
        counted = "" if self.pushes is None else f"; the leader's image_push counts {self.pushes} more"
        return f"every FE holds an image that ends with journal id {self.journal_id} or later: {held}{counted}"


def unproved(journal_id: int, images: Mapping[str, int | str | None], frontends: Sequence[Frontend]) -> list[str]:
    """What is missing for the proof, a sentence for each FE; empty when nothing is.

    `images` maps a pod to its newest image's journal id, None for one without an image, a text where it cannot be seen.
    """
    missing = []
    for row in frontends:
        found = images.get(row.pod, "it was not asked")
        if not row.alive:
            missing.append(f"{row.pod} is not alive: {row.error or 'no heartbeat'}")
        elif isinstance(found, str):
            missing.append(f"{row.pod}: {found}")
        elif found is None:
            missing.append(f"{row.pod} has no image yet")
        elif found < journal_id:
            missing.append(f"{row.pod} has the image {found}")
    return missing
