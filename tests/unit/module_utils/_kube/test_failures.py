# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an answer of the API server means. The texts are those of kube-apiserver 1.36."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import (
    Conflict,
    Denied,
    NotFound,
    Refused,
    RolloutError,
    Unreachable,
)
from ansible_collections.steady.rollout.plugins.module_utils._kube.failures import (
    Expired,
    answered,
    innermost,
    unanswered,
)

POD = "/api/v1/namespaces/n/pods/p"


def failure(code: int, method: str = "GET", path: str = POD, **status: Any) -> RolloutError:
    return answered(code, json.dumps({"kind": "Status", "code": code, **status}).encode(), method, path)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, Refused),
        (401, Denied),
        (403, Denied),
        (404, NotFound),
        (409, Conflict),
        (410, Expired),
        (412, Conflict),
        (413, RolloutError),
        (422, Refused),
        (429, Unreachable),
        (500, Unreachable),
        (503, Unreachable),
    ],
)
def test_each_status_is_one_kind_of_error(code: int, kind: type[RolloutError]) -> None:
    assert type(failure(code)) is kind


def test_a_missing_right_is_told_as_the_rule_that_gives_it() -> None:
    message = 'pods "p" is forbidden: User "bob" cannot get resource "pods" in API group "" in the namespace "n"'
    error = failure(403, message=message)

    assert 'User "bob" cannot get resource "pods"' in error.reason
    assert error.remedy == 'Bind a Role with the rule {apiGroups: [""], resources: ["pods"], verbs: ["get"]}.'


def test_a_cluster_scoped_right_asks_for_a_cluster_role() -> None:
    message = 'nodes is forbidden: User "bob" cannot list resource "nodes" in API group "" at the cluster scope'
    assert "Bind a ClusterRole" in failure(403, path="/api/v1/nodes", message=message).remedy


def test_a_policy_that_forbids_is_not_taken_for_a_missing_right() -> None:
    error = failure(403, "POST", message='admission webhook "deny.example.com" denied the request: no')

    assert "Role" not in error.remedy
    assert "deny.example.com" in error.reason


def test_an_unknown_kind_is_told_apart_from_an_unknown_object() -> None:
    unknown_object = failure(404, details={"name": "p", "kind": "pods"})
    unknown_kind = answered(404, b"404 page not found\n", "GET", "/apis/starrocks.com/v1/namespaces/n/x/y")

    assert unknown_object.reason == 'pods "p" in namespace "n" does not exist.'
    assert "CustomResourceDefinition" in unknown_kind.remedy


def test_a_json_patch_that_does_not_fit_is_a_conflict() -> None:
    error = failure(422, "PATCH", message="the server rejected our request due to an error in our request", details={})

    assert isinstance(error, Conflict)


def test_an_invalid_value_is_refused_with_its_field() -> None:
    error = failure(422, "PATCH", message='Deployment "q" is invalid', details={"causes": [{"field": "spec.replicas"}]})

    assert isinstance(error, Refused)
    assert error.field == "spec.replicas"


def test_a_long_message_is_cut() -> None:
    assert len(failure(422, message="x" * 100_000).reason) < 1000


def test_a_page_of_a_proxy_is_shown_in_part() -> None:
    assert "Bad Gateway" in answered(502, b"<h1>Bad Gateway</h1>" + b"x" * 10_000, "GET", POD).reason


def test_a_write_without_an_answer_may_have_been_done() -> None:
    lost = ConnectionResetError(104, "Connection reset by peer")

    assert "may have been carried out" in unanswered("https://api", "PATCH", POD, lost, sent=True).reason
    assert "may have been carried out" not in unanswered("https://api", "GET", POD, lost, sent=True).reason
    assert "may have been carried out" not in unanswered("https://api", "PATCH", POD, lost, sent=False).reason


def test_only_the_first_cause_is_shown() -> None:
    outer = OSError("proxy http://user:hunter2@proxy:3128 refused")
    outer.__cause__ = ConnectionRefusedError(111, "Connection refused")

    assert innermost(outer) == "ConnectionRefusedError: Connection refused"
