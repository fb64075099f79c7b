# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tools/check_house.py: what no file may say."""

from __future__ import annotations

from pathlib import Path

import check_house
import pytest

PLUGIN = Path("plugins/modules/x.py")
DOMAIN = check_house.DOMAIN / "x.py"


def findings(path: Path, text: str) -> list[str]:
    """The findings on a file with the licence header."""
    return list(check_house.findings(path, f"{check_house.LICENCE}\n{text}\n"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cd /work/main", "a folder of a certain machine"),
        ("home = '/root/.cache'", "a folder of a certain machine"),
        ("https://pypi.org/simple", "the host of a package registry"),
        ("# TODO: later", "a note of work left to do"),
    ],
)
def test_what_no_file_says(text: str, said: str) -> None:
    (finding,) = findings(PLUGIN, text)
    assert finding.startswith("plugins/modules/x.py:2: ")
    assert said in finding


@pytest.mark.parametrize("text", ["$HOME/work/main", "tests/root/x", "{root}/root/x", "the root user"])
def test_what_only_looks_like_it(text: str) -> None:
    assert findings(PLUGIN, text) == []


def test_a_python_file_needs_the_licence_header() -> None:
    assert list(check_house.findings(PLUGIN, "import json\n"))
    assert not list(check_house.findings(PLUGIN, ""))
    assert not list(check_house.findings(Path("README.md"), "hello\n"))


def test_the_domain_does_not_ask_the_clock() -> None:
    (finding,) = findings(DOMAIN, "from datetime import datetime\nx = datetime.now()")
    assert "asks the clock (datetime.now())" in finding
    assert findings(PLUGIN, "x = datetime.now()") == []
