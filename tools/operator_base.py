#!/usr/bin/env python3
# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say the digest of the base image's tag, as an argument for the build of operator/image/Containerfile.

Needs the network, and the lab's crane, which is built at first use.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

from digests import Unresolved, digest
from lay_out_image import CONTAINERFILE

from steadylab import build


def base(text: str) -> str:
    """The image that a Containerfile begins with."""
    found = re.search(r"^ARG BASE=(\S+)$", text, re.MULTILINE)
    if found is None:
        raise Unresolved(f"{CONTAINERFILE.name} names no base image")
    return found[1]


def main(text: str, resolve: Callable[[str], str] = digest) -> int:
    """Print the argument; 1 where the registry does not answer."""
    try:
        print(f"--build-arg BASE={resolve(base(text))}")
    except (Unresolved, build.BuildError) as error:
        print(f"operator-base: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(CONTAINERFILE.read_text("utf-8")))
