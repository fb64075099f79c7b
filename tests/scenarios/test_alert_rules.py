# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The alert rules as Prometheus itself reads and evaluates them: promtool, with the tests beside the rules."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from scenarios.playbook import ROOT

from steadylab import build

MONITORING = ROOT / "operator" / "monitoring"
RULES = sorted(path.name for path in MONITORING.glob("*-alerts.yml"))


def promtool(*arguments: str, folder: Path = MONITORING) -> subprocess.CompletedProcess[str]:
    """What promtool says in a folder of rules."""
    program = build.ensure(build.PROMTOOL) / "promtool"
    return subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", RULES)
def test_prometheus_takes_the_rules_without_a_warning(name: str) -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", name)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", RULES)
def test_each_rule_fires_in_prometheus_for_what_it_is_about(name: str) -> None:
    done = promtool("test", "rules", name.replace(".yml", ".test.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_rule_that_never_fires_is_found(tmp_path: Path) -> None:
    folder = shutil.copytree(MONITORING, tmp_path / "monitoring")
    rules = folder / "operator-alerts.yml"
    rules.write_text(rules.read_text("utf-8").replace("== 1", "== 7", 1))
    assert promtool("test", "rules", "operator-alerts.test.yml", folder=folder).returncode != 0
