# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option `installation`: what is off until somebody switches it on, and what cannot be."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation import (
    HookRules,
    Installation,
    parse_installation,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation.hooks import ScriptRules


def scripts(**fields: Any) -> ScriptRules:
    """The rules for scripts that these fields make."""
    return parse_installation({"hooks": {"scripts": fields}}).hooks.scripts


def test_everything_is_off_by_default() -> None:
    for document in (None, {}, {"hooks": None}):
        installation = parse_installation(document)
        assert installation == Installation()
        assert (installation.hooks.allow_unsafe_sql, installation.hooks.allow_scripts) == (False, False)
        assert installation.hooks.catalogue == ()


def test_what_is_allowed_and_what_scripts_run_in() -> None:
    rules = parse_installation(
        {
            "hooks": {
                "allowUnsafeSql": True,
                "allowScripts": "yes",
                "scripts": {
                    "image": "registry.example.org/hooks:1.2",
                    "runAsUser": 65534,
                    "longestSeconds": 60,
                    "keepSeconds": 3600,
                    "logBytes": 0,
                    "cpu": "1",
                    "memory": "0.5Gi",
                },
            }
        }
    ).hooks
    assert rules == HookRules(
        True, True, (), ScriptRules("registry.example.org/hooks:1.2", 65534, 60, 3600, 0, "1", "0.5Gi")
    )


@pytest.mark.parametrize("labelled", [True, False])
def test_a_namespaces_label_allows_what_the_installation_does_not(labelled: bool) -> None:
    rules = HookRules(scripts=ScriptRules(image="x:1")).within(labelled)
    assert (rules.allow_unsafe_sql, rules.allow_scripts) == (labelled, labelled)
    assert rules.scripts.image == "x:1"
    assert HookRules(allow_scripts=True).within(False).allow_scripts


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"image": "Not An Image"}, "installation.hooks.scripts.image = 'Not An Image'"),
        ({"runAsUser": 0}, "installation.hooks.scripts.runAsUser = 0: out of bounds"),
        ({"longestSeconds": 0.5}, "installation.hooks.scripts.longestSeconds = 0.5: out of bounds"),
        ({"keepSeconds": 60}, "installation.hooks.scripts.keepSeconds = 60: out of bounds"),
        ({"logBytes": 1_000_000}, "installation.hooks.scripts.logBytes = 1000000: out of bounds"),
        ({"cpu": "much"}, "installation.hooks.scripts.cpu = 'much'"),
        ({"memory": "0Mi"}, "installation.hooks.scripts.memory = '0Mi': nothing can run with it"),
        ({"imge": "x"}, "installation.hooks.scripts.imge: no such field (did you mean image?)"),
    ],
)
def test_a_bad_value_is_refused_by_name(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused) as caught:
        scripts(**fields)
    assert caught.value.reason.startswith(message)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"hocks": {}}, "installation.hocks"),
        ({"hooks": {"allowScript": True}}, "installation.hooks.allowScript"),
        ({"hooks": {"allowScripts": "perhaps"}}, "installation.hooks.allowScripts"),
        ({"hooks": {"catalogue": ["x"]}}, "installation.hooks.catalogue[0]"),
        ({"hooks": []}, "installation.hooks"),
    ],
)
def test_what_is_not_known_is_not_ignored(document: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_installation(document)
    assert caught.value.field == field


def test_the_example_of_the_documentation_is_accepted() -> None:
    page = (Path(__file__).resolve().parents[5] / "docs" / "installation.md").read_text("utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    rules = parse_installation(yaml.safe_load(example)["rollout_installation"]).hooks
    assert (rules.allow_unsafe_sql, rules.allow_scripts) == (False, True)
    assert rules.scripts.longest_seconds == 1800
