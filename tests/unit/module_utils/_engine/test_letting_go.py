# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the API server says of the namespace decides whether an object is let go; an Event that fails stops nothing."""

from __future__ import annotations

from typing import Any, cast

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import (
    Denied,
    NotFound,
    RolloutError,
    Unreachable,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.events.kubernetes import Regarding
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._engine.letting_go import let_go, tell
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient

GOING = {"name": "u", "namespace": "shop", "deletionTimestamp": "2026-11-21T10:00:00Z"}
FOREVER = 1e12


class Server:
    """Answers reads with a Namespace or an error, has no Events yet, and keeps what is written."""

    def __init__(self, namespace: dict[str, Any] | RolloutError, refuses: RolloutError | None = None) -> None:
        self.sent: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self._namespace = namespace
        self._refuses = refuses

    def get(self, path: str) -> dict[str, Any]:
        self.asked.append(path)
        if isinstance(self._namespace, RolloutError):
            raise self._namespace
        return {"metadata": self._namespace}

    def request(self, method: str, path: str, *, body: dict[str, Any], **_more: Any) -> dict[str, Any]:
        if method == "GET":
            raise NotFound(path)
        if self._refuses is not None:
            raise self._refuses
        self.sent.append(body)
        return body

    @property
    def client(self) -> KubeClient:
        """It as the code under test takes it."""
        return cast(KubeClient, self)


@pytest.mark.parametrize(
    ("namespace", "goes"),
    [
        ({"name": "shop"}, False),
        ({"name": "shop", "deletionTimestamp": "2026-11-21T10:00:00Z"}, True),
        (NotFound("gone"), True),
        (Denied("may not look"), False),
        (Unreachable("no answer"), False),
    ],
    ids=["stands", "goes", "gone", "not to be seen", "no answer"],
)
def test_an_object_goes_with_its_namespace(namespace: dict[str, Any] | RolloutError, goes: bool) -> None:
    server = Server(namespace)
    assert bool(let_go(server.client, GOING, Clock(), FOREVER)) is goes
    assert server.asked == ["/api/v1/namespaces/shop"]


def test_the_namespace_of_an_object_that_stays_is_not_asked_for() -> None:
    server = Server({})
    assert let_go(server.client, {"name": "u", "namespace": "shop"}, Clock(), FOREVER) == ""
    assert server.asked == []


def test_what_was_left_behind_is_a_warning() -> None:
    server, said = Server({}), list[str]()
    tell(server.client, Regarding("v1", "Kind", "u", "shop", "uid"), Clock(), "two settings", said.append)
    (event,) = server.sent
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "Abandoned", "two settings")
    assert said == []


def test_where_no_event_can_be_written_it_is_said() -> None:
    server, said = Server({}, refuses=Denied("the namespace is being terminated")), list[str]()
    tell(server.client, Regarding("v1", "Kind", "u", "shop", "uid"), Clock(), "two settings", said.append)
    assert said == ["The Event Abandoned could not be written: the namespace is being terminated"]
