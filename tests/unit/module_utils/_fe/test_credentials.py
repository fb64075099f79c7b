# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where user and password of the FE come from."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from unit.module_utils._kube.apiserver import Answer, ApiServer, Request

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Credentials
from ansible_collections.steady.rollout.plugins.module_utils._fe.credentials import credentials_from
from ansible_collections.steady.rollout.plugins.module_utils._fe.options import FeOptions


def cluster(**variable: Any) -> dict[str, Any]:
    return {"spec": {"starRocksFeSpec": {"feEnvVars": [{"name": "MYSQL_PWD", **variable}]}}}


REFERENCE = cluster(valueFrom={"secretKeyRef": {"name": "prod-root", "key": "password"}})


class Secrets:
    """Serves Secrets whose text is their own name and key, with a number that grows."""

    def __init__(self) -> None:
        self.generation = 0

    def __call__(self, request: Request) -> Answer:
        self.generation += 1
        name = request.path.rsplit("/", 1)[1]
        text = f"{name}-{self.generation}"
        return Answer(body={"data": {"password": base64.b64encode(text.encode()).decode()}})


@pytest.mark.parametrize(
    ("options", "resource", "expected"),
    [
        (FeOptions(password="given"), REFERENCE, Credentials("root", "given")),
        (FeOptions(password=""), REFERENCE, Credentials("root", "")),
        (FeOptions(secret="own"), REFERENCE, Credentials("root", "own-1")),
        (FeOptions(), REFERENCE, Credentials("root", "prod-root-1")),
        (FeOptions(user="ops"), REFERENCE, Credentials("ops", "")),
        (FeOptions(), cluster(value="plain"), Credentials("root", "plain")),
        (FeOptions(), cluster(), Credentials("root", "")),
        (FeOptions(), None, Credentials("root", "")),
    ],
)
def test_the_first_that_is_given_counts(options: FeOptions, resource: Any, expected: Credentials) -> None:
    with ApiServer(Secrets()) as server:
        assert credentials_from(server.client(), "n", options, resource)() == expected


def test_a_secret_is_read_at_each_call() -> None:
    with ApiServer(Secrets()) as server:
        ask = credentials_from(server.client(), "n", FeOptions(), REFERENCE)
        assert server.requests == []
        assert [ask().password, ask().password] == ["prod-root-1", "prod-root-2"]


def test_a_secret_needs_an_api_server() -> None:
    with pytest.raises(Refused, match="fe_password_secret"):
        credentials_from(None, "n", FeOptions(secret="x"), None)()
