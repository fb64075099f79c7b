#!/usr/bin/env python3
# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolve the images that the Jobs of a DBUpgrade run to digests, as a section of the variable rollout_installation.

Needs the network, and the lab's crane, which is built at first use. Images other than the usual ones are named as
`crane=IMAGE`, `atlas=IMAGE` and `python=IMAGE`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import yaml

from ansible_collections.steady.rollout.plugins.module_utils._domain.installation.databases import Tools
from steadylab import build

NAMES = ("crane", "atlas", "python")
LONGEST_SECONDS = 60


class Unresolved(Exception):
    """An image has no digest that could be had; the message says why."""


def digest(image: str) -> str:
    """The image by digest, as its registry has it now.

    :raises Unresolved: the registry does not say.
    """
    command = [str(build.ensure(build.CRANE) / "crane"), "digest", "--full-ref", image]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise Unresolved(f"{image}: no answer within {LONGEST_SECONDS} s") from error
    if done.returncode != 0:
        raise Unresolved(f"{image}: {(done.stderr.strip().splitlines() or ['crane says nothing'])[-1]}")
    return done.stdout.strip()


def section(images: Mapping[str, str]) -> str:
    """What goes into the installation."""
    tools = {name: digest(image) for name, image in images.items()}
    return yaml.safe_dump({"databases": {"tools": {**tools, "digestsOnly": True}}}, sort_keys=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the section; 1 where an image cannot be resolved."""
    parser = argparse.ArgumentParser(prog="make digests", description=__doc__)
    parser.add_argument("images", nargs="*", metavar="NAME=IMAGE", help="instead of the usual image of that name")
    given = dict(word.partition("=")[::2] for word in parser.parse_args(arguments).images)
    if given.keys() - set(NAMES):
        parser.error(f"NAME is one of: {', '.join(NAMES)}")
    usual = asdict(Tools())
    try:
        print(section({name: given.get(name) or str(usual[name]) for name in NAMES}), end="")
    except (Unresolved, build.BuildError) as error:
        print(f"digests: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
