# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rights, asked of a server that reviews them."""

from __future__ import annotations

from typing import Any

import pytest
from unit.module_utils._kube.apiserver import Answer, ApiServer, Request

from ansible_collections.steady.rollout.plugins.module_utils._kube.access import Need, missing_rights, server_version

FORWARD = Need("create", "", "pods", "portforward")
PATCH = Need("patch", "starrocks.com", "starrocksclusters", name="prod")


def reviewing(*rules: dict[str, Any], incomplete: bool = False, allowed: bool = False) -> Any:
    def handle(request: Request) -> Answer:
        if request.path.endswith("selfsubjectrulesreviews"):
            return Answer(201, {"status": {"resourceRules": list(rules), "incomplete": incomplete}})
        return Answer(201, {"status": {"allowed": allowed}})

    return handle


def rule(verbs: list[str], groups: list[str], resources: list[str], names: list[str] | None = None) -> dict[str, Any]:
    return {"verbs": verbs, "apiGroups": groups, "resources": resources, "resourceNames": names or []}


@pytest.mark.parametrize(
    ("granted", "need", "enough"),
    [
        (rule(["*"], ["*"], ["*"]), FORWARD, True),
        (rule(["create"], [""], ["pods/portforward"]), FORWARD, True),
        (rule(["create"], [""], ["*/portforward"]), FORWARD, True),
        (rule(["create"], [""], ["pods"]), FORWARD, False),
        (rule(["get"], [""], ["pods/portforward"]), FORWARD, False),
        (rule(["create"], ["apps"], ["pods/portforward"]), FORWARD, False),
        (rule(["patch"], ["starrocks.com"], ["starrocksclusters"], ["prod"]), PATCH, True),
        (rule(["patch"], ["starrocks.com"], ["starrocksclusters"], ["test"]), PATCH, False),
        (
            rule(["patch"], ["starrocks.com"], ["starrocksclusters"], ["prod"]),
            Need("patch", "starrocks.com", "starrocksclusters"),
            False,
        ),
    ],
)
def test_a_rule_grants_what_it_names(granted: dict[str, Any], need: Need, enough: bool) -> None:
    with ApiServer(reviewing(granted)) as server:
        assert missing_rights(server.client(), "n", [need]) == ([] if enough else [need])
        assert len(server.requests) == 1


def test_what_an_incomplete_review_does_not_show_is_asked_singly() -> None:
    with ApiServer(reviewing(rule(["create"], [""], ["pods/portforward"]), incomplete=True, allowed=True)) as server:
        assert missing_rights(server.client(), "n", [FORWARD, PATCH]) == []

    single = server.requests[1].body["spec"]["resourceAttributes"]
    assert len(server.requests) == 2
    assert single == {
        "namespace": "n",
        "verb": "patch",
        "group": "starrocks.com",
        "resource": "starrocksclusters",
        "name": "prod",
    }


def test_a_need_reads_as_a_rule() -> None:
    assert FORWARD.rule() == '{apiGroups: [""], resources: ["pods/portforward"], verbs: ["create"]}'


def test_the_version_is_the_servers() -> None:
    with ApiServer(lambda _request: Answer(body={"gitVersion": "v1.36.3"})) as server:
        assert server_version(server.client()) == "v1.36.3"
