#!/usr/bin/env python3
# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check docs/verification.md: that every requirement has a state, and that every proof it names exists.

The page is a markdown table: requirement | proof | state. A proof names things in backticks:

- ``tests/unit/test_x.py::test_name`` (or ``::TestClass::test_name``): the file defines it;
- ``make target``: the Makefile has the target;
- anything with a slash or a suffix: a file or folder of the checkout, or a pattern that matches one.

The state is one of ``proved``, ``partly`` and ``not yet``. What is proved or partly proved names a proof.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from checkout import ROOT
from make_help import targets

PAGE = Path("docs", "verification.md")
STATES = ("proved", "partly", "not yet")


@dataclass(frozen=True)
class Row:
    """One requirement, and the line of the page it stands on."""

    line: int
    requirement: str
    proofs: tuple[str, ...]
    state: str


def cells(line: str) -> list[str]:
    r"""The cells of a table line; ``\|`` is a bar inside a cell."""
    parts = re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|"))
    return [part.strip().replace(r"\|", "|") for part in parts]


def rows(text: str) -> Iterator[Row]:
    """The rows of every table on the page, without heads and rules; ValueError for one of another shape."""
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.lstrip().startswith("|"):
            continue
        parts = cells(line)
        if len(parts) != 3:
            raise ValueError(f"line {number}: {len(parts)} cells instead of 3 (requirement | proof | state)")
        requirement, proof, state = parts
        if state.lower() != "state" and not set(state) <= set(":- "):
            yield Row(number, requirement, tuple(re.findall(r"`([^`]+)`", proof)), state.lower())


@functools.cache
def definitions(path: Path) -> set[str]:
    """The names that a Python file defines, methods as Class::method."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}::{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return names


def missing(proof: str, root: Path) -> str:
    """Why the proof does not exist, or ''."""
    if proof.startswith("make "):
        known = {target for target, _about in targets((root / "Makefile").read_text(encoding="utf-8"))}
        return "" if proof.split()[1] in known else "the Makefile has no such target"
    name, _colons, test = proof.partition("::")
    if not any(root.glob(name.rstrip("/"))):
        return "there is no such file"
    if test and test.partition("[")[0] not in definitions(root / name):
        return "the file defines no such test"
    return ""


def findings(root: Path) -> Iterator[str]:
    """All that is wrong with the page."""
    page = root / PAGE
    if not page.is_file():
        yield f"{PAGE} is missing"
        return
    try:
        table = list(rows(page.read_text(encoding="utf-8")))
    except ValueError as error:
        yield f"{PAGE}: {error}"
        return
    if not table:
        yield f"{PAGE} names no requirement"
    for row in table:
        for said in row_findings(row, root):
            yield f"{PAGE}:{row.line}: {row.requirement[:60]}: {said}"


def row_findings(row: Row, root: Path) -> Iterator[str]:
    """What is wrong with one row."""
    if row.state not in STATES:
        yield f"the state {row.state!r} is none of: {', '.join(STATES)}"
    if row.state != "not yet" and not row.proofs:
        yield f"is {row.state!r} but names no proof in backticks"
    for proof in row.proofs:
        if lack := missing(proof, root):
            yield f"`{proof}`: {lack}"


def main() -> int:
    """Print the findings."""
    found = list(findings(ROOT))
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
