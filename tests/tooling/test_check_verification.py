# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tools/check_verification.py: a page whose proofs exist passes, and each kind of gap is named."""

from __future__ import annotations

from pathlib import Path

import check_verification
import pytest

HEAD = "# Verification\n\n| requirement | proof | state |\n|---|:--|--|\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with one test, one target and one file to point at."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_x.py").write_text("def test_a(): ...\nclass TestB:\n    def test_c(self): ...\n")
    (tmp_path / "Makefile").write_text("lint: venv ## Check\n\t@true\n")
    return tmp_path


def findings(root: Path, *rows: str) -> list[str]:
    """The findings on a page with the given rows."""
    (root / "docs" / "verification.md").write_text(HEAD + "".join(f"| {row} |\n" for row in rows))
    return list(check_verification.findings(root))


@pytest.mark.parametrize(
    "row",
    [
        "all | `tests/test_x.py::test_a` | proved",
        "all | `tests/test_x.py::test_a[one-case]`, `make lint` | Proved",
        "all | `tests/test_x.py::TestB::test_c` | partly",
        "all | the files `tests/*.py` | proved",
        "a \\| b | | not yet",
    ],
)
def test_a_row_whose_proof_exists_passes(root: Path, row: str) -> None:
    assert findings(root, row) == []


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("all | `tests/test_x.py::test_z` | proved", "the file defines no such test"),
        ("all | `tests/test_y.py::test_a` | proved", "there is no such file"),
        ("all | `make dinner` | proved", "the Makefile has no such target"),
        ("all | by reading | proved", "names no proof in backticks"),
        ("all | `make lint` | surely", "the state 'surely' is none of"),
        ("all | `make lint`", "2 cells instead of 3"),
    ],
)
def test_a_gap_is_named(root: Path, row: str, said: str) -> None:
    (finding,) = findings(root, row)
    assert said in finding


def test_a_page_without_a_requirement_is_a_finding(root: Path) -> None:
    assert findings(root) == ["docs/verification.md names no requirement"]


def test_a_missing_page_is_a_finding(root: Path) -> None:
    assert list(check_verification.findings(root)) == ["docs/verification.md is missing"]
