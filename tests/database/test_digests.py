# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make digests`: what it prints is an installation that takes digests only."""

from __future__ import annotations

import digests
import pytest
import yaml

from ansible_collections.steady.rollout.plugins.module_utils._domain.installation import parse_installation
from steadylab.database.registry import Registry


def test_images_become_digests_that_an_installation_takes(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    pinned = {name: registry.push(f"tools/{name}:v1.2.3", {"x": name}) for name in digests.NAMES}
    assert digests.main([f"{name}={registry.reference(f'tools/{name}:v1.2.3')}" for name in digests.NAMES]) == 0
    tools = parse_installation(yaml.safe_load(capsys.readouterr().out)).databases.tools
    assert {name: getattr(tools, name) for name in digests.NAMES} == pinned
    assert tools.digests_only


def test_an_image_that_is_not_there_is_named(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    gone = registry.reference("tools/gone:v1")
    assert digests.main([f"crane={gone}"]) == 1
    shown = capsys.readouterr()
    assert gone in shown.err
    assert shown.out == ""
