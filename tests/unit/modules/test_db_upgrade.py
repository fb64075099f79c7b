# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written about db_upgrade: its examples and its page hold documents that are valid, and name every reason."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.steady.rollout.plugins.module_utils._aws import mint
from ansible_collections.steady.rollout.plugins.module_utils._domain.database import aws, rules
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.output import _CAUSES
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.spec import parse_document
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.verdict import NEEDS_A_PERSON
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation import parse_installation
from ansible_collections.steady.rollout.plugins.module_utils._module import db_upgrade
from ansible_collections.steady.rollout.plugins.module_utils._module.call import Call, perform
from ansible_collections.steady.rollout.plugins.module_utils._pod import unpack
from ansible_collections.steady.rollout.plugins.modules.db_upgrade import EXAMPLES

DOCS = Path(__file__).parents[3] / "docs"
PAGE, AWS_PAGE = ((DOCS / name).read_text("utf-8") for name in ("db-upgrade.md", "db-upgrade-aws.md"))
TASKS: list[dict[str, Any]] = yaml.safe_load(EXAMPLES)
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE + AWS_PAGE, re.MULTILINE | re.DOTALL)
POLICIES = re.findall(r"^```json\n(.*?)^```$", AWS_PAGE, re.MULTILINE | re.DOTALL)
# A server that nobody listens at.
NOWHERE = {"host": "http://127.0.0.1:1", "name": "orders", "namespace": "shop"}


def checked(**given: Any) -> dict[str, Any]:
    """The options as the module gets them."""
    result = ArgumentSpecValidator(db_upgrade.VERB.arguments).validate(given)
    assert result.error_messages == []
    parameters: dict[str, Any] = result.validated_parameters
    return parameters


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task["name"])
def test_each_example_is_taken(task: dict[str, Any]) -> None:
    given = task["steady.rollout.db_upgrade"]
    if isinstance(given.get("spec"), str):
        given = {**given, "spec": TASKS[0]["steady.rollout.db_upgrade"]["spec"]}
    params = checked(**given)
    parse_installation(params["installation"])
    if params["spec"] is not None:
        parse_document({"metadata": {"name": params["name"]}, "spec": params["spec"]})


@pytest.mark.parametrize("text", BLOCKS)
def test_each_document_of_the_page_is_valid(text: str) -> None:
    document = yaml.safe_load(text)
    if "rollout_installation" in document:
        assert parse_installation(document["rollout_installation"]) != parse_installation({})
    else:
        parse_document(document)


@pytest.mark.parametrize("text", POLICIES)
def test_policies_on_the_page_are_whole(text: str) -> None:
    (statement,) = json.loads(text)["Statement"]
    assert statement["Effect"] == "Allow"
    assert ("Resource" in statement) != ("Principal" in statement), "a permission names what, a trust policy whom"


def test_the_page_names_every_reason_that_a_person_may_meet() -> None:
    reasons = NEEDS_A_PERSON | {word for _text, word in _CAUSES}
    reasons |= {*aws._CODES.values(), *aws._KINDS.values()}
    assert [reason for reason in sorted(reasons) if f"`{reason}`" not in PAGE] == []


def test_the_page_has_the_words_of_every_rule() -> None:
    known = (*rules.DATABASE, *rules.AWS, *rules.THRESHOLD, *rules.SELECTOR, *rules.NAME)
    words = {rule.problem for rule in known} - {f"database.aws.{name} is immutable" for name in rules.AWS_FIELDS}
    assert [message for message in sorted(words) if message not in PAGE] == []


@pytest.mark.parametrize("module", [unpack, mint])
def test_a_program_that_runs_elsewhere_is_its_source(module: ModuleType) -> None:
    assert db_upgrade.program(module) == Path(str(module.__file__)).read_text("utf-8")


SPEC = TASKS[0]["steady.rollout.db_upgrade"]["spec"]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"namespace": "Shop"}, "namespace"),
        ({"namespace": "../secrets"}, "namespace"),
        ({"installation": {"databases": {"leaseNamespace": "a/b"}}}, "installation.databases.leaseNamespace"),
        ({"spec": {}}, "spec.migrations"),
        ({"name": "Orders"}, "metadata.name"),
        ({"installation": {"databases": {"tools": {"digestsOnly": True}}}}, "installation.databases.tools.crane"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_asked(given: dict[str, Any], field: str) -> None:
    result = perform(db_upgrade.VERB, Call(checked(**{**NOWHERE, "spec": SPEC, **given})))
    assert (result["error"], result["field"]) == (Refused.__name__, field)
    assert result["remedy"]
