# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an installation decides reaches a playbook under one name, which no custom resource can have a field of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.crd import FIELDS

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[3]
PLAYBOOKS = sorted((ROOT / "playbooks").glob("starrocks_*.yml"))
GIVEN = "rollout_installation | default({})"


def strings(document: object) -> Iterator[tuple[str, str]]:
    """Every text of a document, with the key it stands under."""
    if isinstance(document, dict):
        for key, value in document.items():
            if isinstance(value, str):
                yield str(key), value
            else:
                yield from strings(value)
    elif isinstance(document, list):
        for item in document:
            yield from strings(item)


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.stem)
def test_a_playbook_takes_the_installation_from_one_variable(path: Path) -> None:
    """And after the options for the connection, which could bring one too: what comes last wins."""
    texts = list(strings(yaml.safe_load(path.read_text("utf-8"))))
    own = [text for key, text in texts if key == "installation"]
    defaults = [text for key, text in texts if key == "group/steady.rollout.starrocks"]
    assert own + defaults or path.stem == "starrocks_crd"
    assert {text for text in own if "rollout_installation" in text} == set(own)
    for text in (*own, *defaults):
        assert re.findall(r"rollout_installation[^})]*", text) == [GIVEN.removesuffix("({})") + "({"]
    for text in defaults:
        assert text.index("starrocks_access") < text.index("'installation'"), text


@pytest.mark.parametrize("role", sorted((ROOT / "roles").glob("starrocks_*")), ids=lambda path: path.name)
def test_no_role_sets_it(role: Path) -> None:
    texts = [path.read_text("utf-8") for path in role.rglob("*.yml")]
    assert [text for text in texts if re.search(r"^\s*-?\s*(rollout_)?installation:", text, re.M)] == []


def snake(name: str) -> str:
    """The variable that an operator made with Ansible hands a field over as."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def test_no_field_of_an_object_arrives_as_a_variable_that_decides() -> None:
    """Ansible operators hand the fields of a spec over as variables of their own name."""
    crd = yaml.safe_load((ROOT / "operator" / "crds" / "starrocksupgrades.rollout.steady.dev.yaml").read_text("utf-8"))
    spec: Json = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert "x-kubernetes-preserve-unknown-fields" not in spec, "the API server drops every other field"
    names = {snake(name) for name in spec["properties"]} | {snake(field.path[1]) for field in FIELDS}
    read = set()
    for path in PLAYBOOKS:
        read |= set(re.findall(r"\b(?:rollout|starrocks)_\w+", path.read_text("utf-8")))
    assert "rollout_installation" in read
    assert "starrocks_access" in read
    assert names & read == set()
