# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's files agree with each other where no other tool looks."""

from __future__ import annotations

import configparser
from pathlib import Path

import checkout
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


def test_pip_settings_of_variables_win_over_files_and_are_named_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "pip.conf"
    settings.write_text("[global]\ntimeout = 7\nretries = 1\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    monkeypatch.setenv("PIP_TIMEOUT", "9")
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(sanity.pip_settings())
    assert (parser["global"]["timeout"], parser["global"]["retries"]) == ("9", "1")


def test_personal_settings_do_not_reach_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KUBECONFIG", "ANSIBLE_CONFIG", "K8S_AUTH_HOST", "PYTEST_ADDOPTS"):
        monkeypatch.setenv(name, "theirs")
    monkeypatch.setenv("LAB_KUBECONFIG", "meant for the lab")
    given = checkout.environment(MORE="more")
    assert "theirs" not in given.values()
    assert (given["LAB_KUBECONFIG"], given["MORE"]) == ("meant for the lab", "more")


def test_a_pyenv_shim_never_comes_before_the_real_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/home/somebody/.pyenv/shims:/usr/bin")
    folders = checkout.search_path().split(":")
    assert folders[-1] == "/usr/bin"
    assert not any("shims" in folder for folder in folders)
