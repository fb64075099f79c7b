#!/usr/bin/env python3
# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the rules of this project that no other tool knows.

- No file names a folder of a certain machine or the host of a package registry: the next person has others.
- No file carries a note of work left to do.
- Every Python file carries the licence header.
- The domain never asks the clock: the time comes in as an argument.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from checkout import ROOT, files

WORDS = {
    "names a folder of a certain machine": re.compile(r"(?<![\w.\-/}$])/(?:work|root)/[\w.]"),
    "names the host of a package registry": re.compile(
        r"\b(?:pypi\.org|files\.pythonhosted\.org|proxy\.golang\.org|sum\.golang\.org|registry\.npmjs\.org)\b"
    ),
    "carries a note of work left to do": re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b"),
}
# This file and its test spell out what they look for.
EXEMPT = {Path("tools/check_house.py"), Path("tests/tooling/test_check_house.py")}
LICENCE = "# SPDX-License-Identifier: GPL-3.0-or-later"
DOMAIN = Path("plugins/module_utils/_domain")
CLOCK = {"now", "utcnow", "today"}


def word_findings(path: Path, text: str) -> Iterator[str]:
    """Lines that say what no file should say."""
    for number, line in enumerate(text.splitlines(), start=1):
        for what, pattern in WORDS.items():
            if pattern.search(line):
                yield f"{path}:{number}: {what}: {line.strip()[:100]}"


def licence_findings(path: Path, text: str) -> Iterator[str]:
    """A Python file with content but without the header."""
    if path.suffix == ".py" and text.strip() and LICENCE not in text.splitlines()[:6]:
        yield f"{path}:1: has no line {LICENCE!r} at its head"


def clock_findings(path: Path, text: str) -> Iterator[str]:
    """Calls such as datetime.now() in the domain; imports of clocks are the business of import-linter."""
    if path.suffix != ".py" or DOMAIN not in path.parents:
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCK:
            yield f"{path}:{node.lineno}: asks the clock ({ast.unparse(node)}); take the time as an argument"


def findings(path: Path, text: str) -> Iterator[str]:
    """All that is wrong with one file."""
    if path not in EXEMPT:
        yield from word_findings(path, text)
    yield from licence_findings(path, text)
    yield from clock_findings(path, text)


def main() -> int:
    """Print the findings on every text file of the project."""
    found: list[str] = []
    for path in files():
        content = (ROOT / path).read_bytes()
        if b"\0" not in content:
            found += findings(path, content.decode("utf-8", "replace"))
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
