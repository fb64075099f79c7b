# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics of the aggregated APIs: which paths are asked, and what their answers say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from unit.module_utils._kube.apiserver import Answer, ApiServer, Request, status

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import NotFound
from ansible_collections.steady.rollout.plugins.module_utils._kube import metrics


def serving(**answers: dict[str, Any]) -> Callable[[Request], Answer]:
    """Answers by the end of the path; 404 for all else."""

    def handle(request: Request) -> Answer:
        for end, body in answers.items():
            if request.path.endswith(end):
                return Answer(body=body)
        return status(404, "the server could not find the requested resource")

    return handle


def values(*items: tuple[str, str]) -> dict[str, Any]:
    """An answer of custom.metrics.k8s.io."""
    return {"items": [{"describedObject": {"name": name}, "value": value} for name, value in items]}


def test_pods_are_asked_for_by_their_labels() -> None:
    with ApiServer(serving(lag=values(("a", "100m"), ("b", "2")))) as server:
        assert metrics.pod_values(server.client(), "n", "lag", "app=x") == {"a": "100m", "b": "2"}
    (request,) = server.requests
    assert request.path == "/apis/custom.metrics.k8s.io/v1beta2/namespaces/n/pods/*/lag"
    assert request.query == {"labelSelector": "app=x"}


def test_the_older_version_is_asked_where_there_is_no_newer() -> None:
    answer = serving(**{"v1beta1/namespaces/n/pods/*/lag": values(("a", "1"))})
    with ApiServer(answer) as server:
        assert metrics.pod_values(server.client(), "n", "lag", "") == {"a": "1"}


def test_an_object_is_asked_for_by_the_plural_of_its_kind() -> None:
    kinds = {
        "resources": [{"name": "deployments/scale", "kind": "Scale"}, {"name": "deployments", "kind": "Deployment"}]
    }
    answer = serving(**{"/apis/apps/v1": kinds, "deployments.apps/web/lag": values(("web", "3"))})
    with ApiServer(answer) as server:
        assert metrics.object_values(server.client(), "n", "lag", "apps/v1", "Deployment", "web") == {"web": "3"}
        with pytest.raises(NotFound, match="apps/v1 has no kind Deploiment"):
            metrics.object_values(server.client(), "n", "lag", "apps/v1", "Deploiment", "web")


def test_series_from_outside_are_told_apart_by_their_labels() -> None:
    items = [{"metricLabels": {"q": "b", "a": "1"}, "value": "5"}, {"metricLabels": {}, "value": "6"}]
    with ApiServer(serving(depth={"items": items})) as server:
        found = metrics.external_values(server.client(), "n", "depth", "")
    assert found == {"a=1,q=b": "5", "depth": "6"}
    assert server.requests[0].path == "/apis/external.metrics.k8s.io/v1beta1/namespaces/n/depth"


def test_an_api_that_is_not_served_is_said() -> None:
    with ApiServer(serving()) as server, pytest.raises(NotFound):
        metrics.pod_values(server.client(), "n", "lag", "")
