# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status subresource: written when it is news, on top of what others wrote, never on another object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from unit.module_utils._kube.apiserver import ApiServer, ObjectStore, Request

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Conflict
from ansible_collections.steady.rollout.plugins.module_utils._kube.status import write_status

PATH = "/apis/g/v1/namespaces/n/things/x"


class Things(ObjectStore):
    """A store whose objects have a status subresource."""

    def handle(self, request: Request) -> Any:
        """The subresource is the object itself here."""
        path = request.path.removesuffix("/status")
        return super().handle(Request(request.method, path, request.query, request.headers, request.body))


@pytest.fixture
def store() -> Things:
    store = Things()
    store.objects[PATH] = {"metadata": {"name": "x", "uid": "u", "resourceVersion": "1"}, "status": {"old": 1}}
    return store


def ready(_present: Mapping[str, Any]) -> dict[str, Any]:
    """A status that does not depend on the present one."""
    return {"ready": True}


def test_fields_that_are_not_told_any_more_go(store: Things) -> None:
    with ApiServer(store.handle) as server:
        assert write_status(server.client(), PATH, store.objects[PATH], ready)
    assert store.objects[PATH]["status"] == {"ready": True}
    assert [request.path for request in server.requests] == [f"{PATH}/status"]


def test_no_news_is_not_sent(store: Things) -> None:
    with ApiServer(store.handle) as server:
        assert not write_status(server.client(), PATH, store.objects[PATH], lambda present: dict(present))
    assert server.requests == []


def test_it_is_made_anew_from_what_another_wrote_meanwhile(store: Things) -> None:
    read = store.objects[PATH]
    store.change(PATH, {"status": {"old": 5}})
    with ApiServer(store.handle) as server:
        write_status(server.client(), PATH, read, lambda present: {"old": present["old"] + 1})
    assert store.objects[PATH]["status"] == {"old": 6}


def test_another_object_of_that_name_is_left_alone(store: Things) -> None:
    read = store.objects[PATH]
    store.change(PATH, {"metadata": {"uid": "another"}})
    with ApiServer(store.handle) as server, pytest.raises(Conflict):
        write_status(server.client(), PATH, read, ready)
    assert store.objects[PATH]["status"] == {"old": 1}
