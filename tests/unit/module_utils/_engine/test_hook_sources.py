# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read for hooks before planning: the ConfigMaps they name, and the namespace's label where it matters."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.document import Reader
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Denied, NotFound
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation import (
    Installation,
    parse_installation,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.catalogue import (
    OUR_CATALOGUE,
    Catalogue,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.entries import Stages, parse_stages
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import Baseline, Record
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import GUIDE, Entry, Journal
from ansible_collections.steady.rollout.plugins.module_utils._engine.hook_sources import read_sources, settings_to_read

ALLOWS = {"rollout.steady.dev/allow-unsafe-hooks": "true"}


class FakeClient:
    """An API server with a namespace and one ConfigMap."""

    def __init__(self, labels: dict[str, str] | None = None, *, denied: bool = False) -> None:
        self.labels = labels or {}
        self.denied = denied
        self.asked: list[str] = []

    def get(self, path: str) -> dict[str, Any]:
        self.asked.append(path)
        if path.endswith("/configmaps/hooks"):
            return {"data": {"a.sql": "SELECT 1", "b.sh": "true"}}
        if "/configmaps/" in path:
            raise NotFound("no such ConfigMap")
        if self.denied:
            raise Denied("not allowed to get namespaces")
        return {"metadata": {"labels": self.labels}}


def stages(*hooks: dict[str, Any]) -> Stages:
    """Hooks before the first pod."""
    return parse_stages(Reader({"pre": list(hooks)}, "spec.stages"), OUR_CATALOGUE)


def read(client: FakeClient, *hooks: dict[str, Any], installation: Installation | None = None) -> Any:
    """What is read for these hooks."""
    rules = installation or Installation()
    return read_sources(client, "starrocks", stages(*hooks), OUR_CATALOGUE, rules)  # type: ignore[arg-type]


def file(key: str, name: str = "hooks") -> dict[str, Any]:
    """A hook from a ConfigMap."""
    return {"name": "file", "configMap": {"name": name, "key": key}}


def test_only_the_keys_that_hooks_name_are_read() -> None:
    client = FakeClient()
    sources = read(client, file("a.sql"))
    assert sources.config_maps == {"hooks": {"a.sql": "SELECT 1"}}
    assert len(client.asked) == 1


def test_nothing_is_read_for_hooks_that_need_nothing() -> None:
    client = FakeClient()
    read(client, {"name": "image", "predefined": "create-image"}, {"name": "look", "sql": "SHOW FRONTENDS"})
    assert client.asked == []


@pytest.mark.parametrize(("key", "name"), [("gone.sql", "hooks"), ("a.sql", "gone")])
def test_what_is_missing_is_told_with_the_reason(key: str, name: str) -> None:
    sources = read(FakeClient(), file(key, name))
    assert sources.config_maps == {}
    assert f"{name}/{key}" in sources.missing


UNSAFE = {"name": "own", "sql": "DROP TABLE t"}


@pytest.mark.parametrize(("labels", "allowed"), [(ALLOWS, True), ({}, False), (dict.fromkeys(ALLOWS, "yes"), False)])
@pytest.mark.parametrize("hook", [UNSAFE, file("b.sh")])
def test_the_namespace_may_allow_what_would_be_refused(
    hook: dict[str, Any], labels: dict[str, str], allowed: bool
) -> None:
    sources = read(FakeClient(labels), hook)
    assert (sources.unsafe_sql, sources.scripts) == (allowed, allowed)


def test_a_namespace_that_may_not_be_read_allows_nothing() -> None:
    sources = read(FakeClient(ALLOWS, denied=True), UNSAFE)
    assert (sources.unsafe_sql, sources.scripts) == (False, False)
    assert "not allowed to get namespaces" in sources.missing["namespace"]


def test_what_the_installation_allows_needs_no_label() -> None:
    client = FakeClient()
    sources = read(client, UNSAFE, installation=parse_installation({"hooks": {"allowUnsafeSql": True}}))
    assert (sources.unsafe_sql, sources.scripts) == (True, False)
    assert client.asked == []


def a_record(*keys: str) -> Record:
    """A record that owes these settings."""
    journal = Journal({key: Entry(key, "1", "0", ()) for key in keys})
    return Record(1, "run", "prod", "uid", "hash", "hash", {}, Baseline({}, {}, {}, {}), "", journal=journal)


@pytest.mark.parametrize(
    ("labels", "installation", "known"),
    [
        ({}, {}, False),
        (ALLOWS, {}, True),
        ({}, {"hooks": {"allowUnsafeSql": True}}, True),
        ({}, {"hooks": {"catalogue": [{"name": "own", "settings": {"some_setting": 1}}]}}, True),
    ],
    ids=["nobody", "label", "installation", "catalogue"],
)
def test_a_record_alone_does_not_have_a_setting_written(
    labels: dict[str, str], installation: dict[str, Any], known: bool
) -> None:
    rules = parse_installation(installation)
    catalogue = Catalogue.of(rules.hooks.catalogue)
    record = a_record("some_setting", "history_job_keep_max_second")
    client: Any = FakeClient(labels)
    keys = settings_to_read(client, "starrocks", None, record, catalogue, rules)
    assert set(keys) >= {*GUIDE, "history_job_keep_max_second"}
    assert ("some_setting" in keys) is known
