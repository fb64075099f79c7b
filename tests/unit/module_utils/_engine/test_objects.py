# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written on objects: only changes, nothing twice, and what an API server drops or forbids."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Denied, NotFound
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.status import MIRROR
from ansible_collections.steady.rollout.plugins.module_utils._engine import objects

Json = dict[str, Any]


class Server:
    """Keeps one object and merges patches into it as RFC 7386 says; `drops` are fields its definition does not know."""

    def __init__(self, resource: Json, drops: tuple[str, ...] = (), error: Exception | None = None) -> None:
        self.resource = resource
        self.patches: list[tuple[str, Json]] = []
        self._drops = drops
        self._error = error

    def merge_patch(self, path: str, patch: Json) -> Json:
        self.patches.append((path, patch))
        if self._error is not None:
            raise self._error
        self.resource = merged(self.resource, patch)
        for name in self._drops:
            self.resource.get("status", {}).pop(name, None)
        return self.resource


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386, section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def resource(**more: Any) -> Json:
    return {"metadata": {"name": "prod", "namespace": "starrocks", "uid": "u", "annotations": {}}, **more}


LEAF = st.one_of(st.booleans(), st.integers(), st.text(max_size=3), st.lists(st.integers(), max_size=2))
TREE = st.recursive(LEAF, lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8)
DOCUMENT = st.dictionaries(st.sampled_from("abc"), TREE, max_size=3)


@given(before=DOCUMENT, after=DOCUMENT)
def test_a_status_becomes_exactly_what_it_should_be(before: Json, after: Json) -> None:
    server: Any = Server(resource(status=before))
    written = objects.write_status(server, server.resource, after)
    assert server.resource["status"] == after
    assert written == (before != after)
    assert objects.write_status(server, server.resource, after) is False


def test_a_status_is_written_by_the_subresource_and_for_this_very_object() -> None:
    server: Any = Server(resource())
    objects.write_status(server, server.resource, {"phase": "Running"})
    path, patch = server.patches[0]
    assert path.endswith("/starrocksupgrades/prod/status")
    assert patch["metadata"] == {"uid": "u"}


def test_the_status_of_one_that_is_gone_is_nobodys() -> None:
    server: Any = Server(resource(), error=NotFound("gone"))
    assert objects.write_status(server, resource(), {"phase": "Running"}) is False


def test_the_mirror_is_written_once_and_taken_away() -> None:
    server: Any = Server(resource())
    assert objects.write_mirror(server, server.resource, "text") is True
    assert objects.write_mirror(server, server.resource, "text") is False
    assert server.resource["metadata"]["annotations"] == {MIRROR: "text"}
    assert objects.write_mirror(server, server.resource, None) is True
    assert server.resource["metadata"]["annotations"] == {}
    assert objects.write_mirror(server, server.resource, None) is False


def test_without_a_mirror_and_without_a_wish_for_one_nothing_is_written() -> None:
    server: Any = Server(resource())
    assert objects.write_mirror(server, server.resource, None) is False
    assert objects.write_cluster_status(server, server.resource, None) is False
    assert server.patches == []


def test_a_field_of_the_status_stands_or_is_dropped() -> None:
    keeps: Any = Server(resource(status={"phase": "running"}))
    assert objects.write_cluster_status(keeps, keeps.resource, {"phase": "Completed"}) is True
    assert keeps.resource["status"]["phase"] == "running"
    assert objects.write_cluster_status(keeps, keeps.resource, None) is False
    assert keeps.resource["status"] == {"phase": "running"}
    drops: Any = Server(resource(status={}), drops=(objects.STATUS_FIELD,))
    assert objects.write_cluster_status(drops, drops.resource, {"phase": "Completed"}) is False


def test_who_may_not_write_the_status_has_the_annotation() -> None:
    server: Any = Server(resource(), error=Denied("no"))
    assert objects.write_cluster_status(server, resource(), {"phase": "Completed"}) is False


def test_a_mirror_that_may_not_be_written_is_told() -> None:
    server: Any = Server(resource(), error=Denied("no"))
    with pytest.raises(Denied):
        objects.write_mirror(server, resource(), "text")
