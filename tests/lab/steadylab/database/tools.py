# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tools of a database upgrade: crane and Atlas as the images of Jobs and as programs, and this Python's image."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from steadylab import build
from steadylab.lab import Lab
from steadylab.podrunner import images

# The images as their makers name them, and the paths of the programs in them.
CRANE_IMAGE: Final = "gcr.io/go-containerregistry/crane"
CRANE_PATH: Final = "/ko-app/crane"
ATLAS_IMAGE: Final = "docker.io/arigaio/atlas"
ATLAS_PATH: Final = "/atlas"
PYTHON_IMAGE: Final = "docker.io/library/python"
_NONROOT: Final = 65532


def install_images(lab: Lab) -> None:
    """Let the lab's pod runner know the three images, under every tag and digest.

    :raises build.BuildError: crane or Atlas cannot be built.
    """
    crane = images.program({CRANE_PATH: build.ensure(build.CRANE) / "crane"}, [CRANE_PATH], user=_NONROOT)
    atlas = images.program({ATLAS_PATH: build.ensure(build.ATLAS) / "atlas"}, [ATLAS_PATH])
    for reference, image in ((CRANE_IMAGE, crane), (ATLAS_IMAGE, atlas), (PYTHON_IMAGE, images.python())):
        lab.set_image(reference, image)


def atlas(*arguments: str, url: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the Atlas CLI here, with the URL in DATABASE_URL.

    :raises subprocess.CalledProcessError: it failed (with `check`).
    """
    command = [str(build.ensure(build.ATLAS) / "atlas"), *arguments]
    env = {"DATABASE_URL": url, "ATLAS_NO_UPDATE_NOTIFIER": "true", "HOME": "/nonexistent"}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=check)


def hashed(migrations: Mapping[str, str]) -> dict[str, str]:
    """A directory of migrations with the atlas.sum that Atlas makes for it; down/ and the like do not count."""
    with tempfile.TemporaryDirectory(prefix="steady-lab-") as temporary:
        for name, content in migrations.items():
            if "/" not in name:
                Path(temporary, name).write_text(content)
        atlas("migrate", "hash", "--dir", f"file://{temporary}")
        return {**migrations, "atlas.sum": Path(temporary, "atlas.sum").read_text()}
