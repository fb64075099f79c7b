# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that others read while they are written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._engine.files import write_whole


def test_a_file_is_written_and_readable_for_everybody(tmp_path: Path) -> None:
    path = Path(write_whole(str(tmp_path), "a.prom", "text ✓\n"))
    assert path.read_text("utf-8") == "text ✓\n"
    assert oct(path.stat().st_mode & 0o777) == "0o644"


def test_another_file_takes_its_place_at_once(tmp_path: Path) -> None:
    before = Path(write_whole(str(tmp_path), "a.prom", "before"))
    with before.open() as reader:
        write_whole(str(tmp_path), "a.prom", "after")
        assert reader.read() == "before", "who reads the old one reads it to its end"
    assert before.read_text() == "after"
    assert os.listdir(tmp_path) == ["a.prom"]


def test_a_file_that_cannot_take_its_place_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.prom").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_whole(str(tmp_path), "a.prom", "text")
    assert os.listdir(tmp_path) == ["a.prom"]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(str(tmp_path / "nowhere"), "a.prom", "text")
