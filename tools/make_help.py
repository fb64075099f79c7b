#!/usr/bin/env python3
# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the targets of the makefiles given, each with the words after its ``##``."""

import re
import sys


def targets(text):
    """Return (target, description) for every documented rule, in the file's order."""
    return re.findall(r"^([\w-]+):[^#\n]*## (.+)$", text, re.MULTILINE)


def main(paths):
    """Print the list."""
    print("Usage: make <target>\n")
    for path in paths:
        with open(path, encoding="utf-8") as handle:
            for target, description in targets(handle.read()):
                print("  %-12s %s" % (target, description))


if __name__ == "__main__":
    main(sys.argv[1:])
