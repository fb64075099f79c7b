# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's files agree with each other where no other tool looks."""

from __future__ import annotations

from pathlib import Path

import make_help
import pytest
import sanity
import yaml

ROOT = Path(__file__).resolve().parents[2]


def test_every_target_for_people_is_in_the_help() -> None:
    text = (ROOT / "Makefile").read_text()
    listed = {target for target, _about in make_help.targets(text)}
    assert {"demo", "test", "test-fast", "test-crash", "lint", "bench", "lab-up", "lab-down", "clean", "help"} <= listed


@pytest.mark.parametrize("name", ["dev", "compat"])
def test_what_is_asked_for_is_what_is_pinned(name: str) -> None:
    asked = [line for line in (ROOT / "requirements" / f"{name}.in").read_text().splitlines() if "==" in line]
    pinned = (ROOT / "requirements" / f"{name}.txt").read_text().lower()
    assert asked
    assert [line for line in asked if f"{line.split('#')[0].strip().lower()} \\\n" not in pinned] == []


def test_the_package_holds_the_collection_and_not_its_workshop() -> None:
    ignored = yaml.safe_load((ROOT / "galaxy.yml").read_text())["build_ignore"]
    shipped = ["galaxy.yml", "plugins/modules/x.py", "roles/r/tasks/main.yml", "tests/sanity/ignore-2.19.txt"]
    workshop = ["tests/unit/test_x.py", "tools/lint.py", ".ci/run", ".venv/bin/python", "Makefile"]
    assert sanity.shipped([Path(path) for path in shipped + workshop], ignored) == [Path(path) for path in shipped]
