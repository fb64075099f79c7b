# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every example of the pages on hooks is read by the product's own readers, and the index names what there is."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.splitter import parse_kv

from ansible_collections.steady.rollout.plugins.module_utils._domain.document import Reader
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation import parse_installation
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import trigger
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.catalogue import Catalogue
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.sql import check_statement
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.tokens import split
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.spec import parse_spec
from ansible_collections.steady.rollout.plugins.module_utils._domain.webhook import Ask, body_of, judge, parse_webhook
from ansible_collections.steady.rollout.plugins.module_utils._module import hook as hook_module

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
PAGES = ("hooks", "reconcile", "webhooks", "script-hooks", "installation", "observability")
TRIGGERS = {"upgradePreparation", "starRocksFeSpec"}
# What people may set on a StarRocksCluster and on a namespace.
ANNOTATIONS = {trigger.PREPARE, trigger.HOOKS, trigger.TARGET}
LABEL = "rollout.steady.dev/allow-unsafe-hooks"


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; the language is empty for what is typed into a shell."""

    page: str
    number: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}-{self.number}-{self.language or 'commands'}"


def blocks(*languages: str) -> list[Block]:
    """The blocks of the pages in these languages."""
    found = []
    for page in PAGES:
        text = (DOCS / f"{page}.md").read_text("utf-8")
        for number, match in enumerate(re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S), start=1):
            found.append(Block(page, number, match[1], match[2]))
    return [block for block in found if block.language in languages]


def test_every_language_is_read_by_a_test_here() -> None:
    known = blocks("yaml", "json", "sql", "shell", "")
    fences = sum((DOCS / f"{page}.md").read_text("utf-8").count("\n```") for page in PAGES)
    assert 2 * len(known) == fences


# -- documents ---------------------------------------------------------------------------------------------------------


def hooks_of(pre: list[Json]) -> object:
    document = {"clusterRef": {"name": "prod"}, "target": {"version": "3.3.2"}, "stages": {"pre": pre}}
    return parse_spec(document, namespace="starrocks").stages.pre


def read(document: Any) -> object:
    """What the product makes of the document: something that is true."""
    if isinstance(document, list):
        return hooks_of(document)
    if "rollout_installation" in document:
        installation = parse_installation(document["rollout_installation"])
        Catalogue.of(installation.hooks.catalogue)
        return installation != parse_installation({})
    if document.get("kind") == "ConfigMap":
        return all(isinstance(text, str) and text.strip() for text in document["data"].values())
    (spec,) = document.values()
    if set(spec) <= TRIGGERS:
        return trigger.trigger_of({"metadata": {}, "spec": spec}, {"fe": "starrocks/fe-ubuntu:3.3.1"}, Catalogue.of())
    least = {"clusterRef": {"name": "prod"}, "target": {"version": "3.3.2"}}
    return parse_spec({**least, **spec}, namespace="starrocks")


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_every_document_is_read(block: Block) -> None:
    assert read(yaml.safe_load(block.text))


def test_a_mistake_in_a_document_would_show() -> None:
    with pytest.raises(Refused, match="no such field"):
        read({"rollout_installation": {"hook": {}}})
    with pytest.raises(Refused, match="no such field"):
        read({"spec": {"stages": {"pre": [{"name": "look", "sql": "SHOW FRONTENDS", "critcal": True}]}}})


def test_messages_are_those_that_are_sent_and_understood() -> None:
    sent, answer = (json.loads(block.text) for block in blocks("json"))
    webhook = parse_webhook(Reader({"url": "https://hooks.example.com/x"}, "webhook"))
    assert json.loads(body_of(webhook, Ask("attempt", "hook", sent["timestamp"], sent["data"]))) == sent
    gate = parse_webhook(Reader({"url": "https://hooks.example.com/x", "gate": True}, "webhook"))
    assert judge(gate, 200, json.dumps(answer)).state == "approved"


@pytest.mark.parametrize("block", blocks("sql"), ids=str)
def test_every_statement_is_one(block: Block) -> None:
    statements = split(block.text, "sql")
    assert statements
    for statement in statements:
        assert check_statement(statement, "sql", allow_unsafe=True)


# -- commands ----------------------------------------------------------------------------------------------------------


def commands(block: Block) -> Iterator[list[str]]:
    """The words of each command: what follows `until`, and what is between `|`, `;` and line ends."""
    lexer = shlex.shlex(block.text.replace("\\\n", " "), posix=True, punctuation_chars=";|\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
    words: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set(";|\n"):
            if words:
                yield words
            words = []
        elif word not in ("until", "do", "done"):
            words.append(word)


COMMANDS = [
    pytest.param(words, id=f"{block}-{number}")
    for block in blocks("", "shell")
    for number, words in enumerate(commands(block), start=1)
]


def check_playbook(words: list[str]) -> None:
    """The playbook is shipped, and each variable on the command line is one that it uses."""
    name = words[1].removeprefix("steady.rollout.")
    text = (ROOT / "playbooks" / f"{name}.yml").read_text("utf-8")
    for option, value in pairwise(words):
        if option == "-e" and not value.startswith("@"):
            for variable in parse_kv(value):
                assert re.search(rf"\b{variable}\b", text), f"{name} uses no variable {variable}"


def check_module(words: list[str]) -> None:
    """The module takes these options."""
    module = words[words.index("-m") + 1].removeprefix("steady.rollout.")
    assert module == hook_module.VERB.name
    arguments = json.loads(words[words.index("-a") + 1])
    assert ArgumentSpecValidator(hook_module.VERB.arguments).validate(arguments).error_messages == []


def check_kubectl(words: list[str]) -> None:
    """Files are there; annotations and labels with a value are those that are read."""
    for word in words:
        key, equals, _value = word.partition("=")
        if key.startswith("starrocks.com/"):
            assert key.removesuffix("-") in ANNOTATIONS, key
        elif equals and key.startswith("rollout.steady.dev/"):
            assert key in (LABEL, "rollout.steady.dev/script"), key
    if "--filename" in words:
        assert (ROOT / words[words.index("--filename") + 1]).is_file()
    if "--patch" in words:
        assert json.loads(words[words.index("--patch") + 1])["spec"]


CHECKS = {"ansible-playbook": check_playbook, "ansible": check_module, "kubectl": check_kubectl}
# Programs of others, and words of the shell.
OTHERS = {"ansible-galaxy", "pip", "export", "grep", "sleep"}


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_is_one(words: list[str]) -> None:
    if words[0] in CHECKS:
        CHECKS[words[0]](words)
    else:
        assert words[0] in OTHERS or re.fullmatch(r"[A-Z_]+=.*", words[0]), words


def test_every_playbook_that_hooks_need_is_shown() -> None:
    shown = {words.values[0][1] for words in COMMANDS if words.values[0][0] == "ansible-playbook"}
    assert {f"steady.rollout.starrocks_{name}" for name in ("upgrade", "plan", "reconcile", "crd")} <= shown


# -- the index ---------------------------------------------------------------------------------------------------------

INDEX = (DOCS / "README.md").read_text("utf-8")


def test_every_page_and_every_decision_is_in_the_index() -> None:
    pages = {str(path.relative_to(DOCS)) for path in [*DOCS.glob("*.md"), *DOCS.glob("decisions/*.md")]}
    linked = {target.partition("#")[0] for target in re.findall(r"\]\(([^)]+)\)", INDEX)}
    assert pages - {"README.md"} == {target for target in linked if target.endswith(".md")}


def test_every_module_is_in_the_index() -> None:
    modules = {path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")}
    named = set(re.findall(r"`(?:ansible-doc steady\.rollout\.)?(\w+)`", INDEX))
    assert modules <= named


def test_every_link_between_pages_leads_somewhere() -> None:
    lost = []
    for page in DOCS.rglob("*.md"):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                lost.append((page.name, target))
    assert lost == []


def test_every_module_of_a_cluster_takes_the_groups_defaults() -> None:
    """A module outside of the group takes no options of the FEs: defaults of the group would fail it."""
    groups = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text("utf-8"))["action_groups"]
    modules = {path.stem: path.read_text("utf-8") for path in (ROOT / "plugins" / "modules").glob("*.py")}
    for group, fragment in (("starrocks", "_frontend"), ("database", "_database")):
        takes = {name for name, text in modules.items() if f"  - steady.rollout.{fragment}\n" in text}
        assert takes == set(groups[group])
