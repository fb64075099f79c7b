#!/usr/bin/env python3
# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lay out under a folder what operator/image/Containerfile copies out of this checkout, without building an image.

The Containerfile is the one source: its last stage's COPY and ENV lines are read. Packages of other stages are left to
the environment that the tree is used with.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from checkout import ROOT

CONTAINERFILE = ROOT / "operator" / "image" / "Containerfile"


def last_stage(text: str) -> list[str]:
    """The instructions of the last stage, a line each."""
    joined = re.sub(r"\\\n", " ", text)
    lines = [line.strip() for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    last = max(number for number, line in enumerate(lines) if line.startswith("FROM "))
    return lines[last + 1 :]


def environment(text: str) -> dict[str, str]:
    """What the image sets."""
    found = (line.removeprefix("ENV ").partition("=") for line in last_stage(text) if line.startswith("ENV "))
    return {name: value for name, _equals, value in found}


def copies(text: str) -> list[tuple[list[str], str]]:
    """Sources in the checkout, and where they go."""
    words = (line.split()[1:] for line in last_stage(text) if line.startswith("COPY "))
    return [(list(sources), target) for *sources, target in words if not sources[0].startswith("--")]


def lay_out(text: str, root: Path, target: Path) -> None:
    """Copy as an image build would: a folder's content, or files into a folder whose name ends in a slash."""
    for sources, place in copies(text):
        for source in (root / name for name in sources):
            into = target / place.lstrip("/")
            if source.is_dir():
                shutil.copytree(source, into, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                into = into / source.name if place.endswith("/") else into
                into.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, into)


if __name__ == "__main__":
    lay_out(CONTAINERFILE.read_text("utf-8"), ROOT, Path(sys.argv[1]))
