# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Request paths, and what they say about the right that is needed."""

from __future__ import annotations

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._kube.paths import Resource, path_to, resource_of, verb_of


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        ("/api/v1/namespaces/n/pods/p", Resource("", "pods", "n", "p")),
        ("/api/v1/namespaces/n/pods/p/portforward", Resource("", "pods", "n", "p", "portforward")),
        ("/api/v1/namespaces/n/pods", Resource("", "pods", "n")),
        ("/api/v1/nodes/x", Resource("", "nodes", "", "x")),
        ("/api/v1/namespaces/n", Resource("", "namespaces", "", "n")),
        (
            "/apis/starrocks.com/v1/namespaces/n/starrocksclusters/c",
            Resource("starrocks.com", "starrocksclusters", "n", "c"),
        ),
    ],
)
def test_a_path_says_what_it_addresses(path: str, resource: Resource) -> None:
    assert resource_of(path) == resource


def test_a_path_and_its_resource_round_trip() -> None:
    path = path_to("apps/v1", "statefulsets", "n s", "a/b", "status")

    assert path == "/apis/apps/v1/namespaces/n%20s/statefulsets/a%2Fb/status"
    assert resource_of(path) == Resource("apps", "statefulsets", "n s", "a/b", "status")


@pytest.mark.parametrize("path", ["/version", "/api", "/apis/apps/v1", "/"])
def test_other_paths_are_no_resource(path: str) -> None:
    assert resource_of(path) is None


def test_reading_a_list_is_another_verb_than_reading_an_object() -> None:
    one, many = Resource("", "pods", "n", "p"), Resource("", "pods", "n")

    verbs = verb_of("GET", one), verb_of("GET", many), verb_of("GET", many, watch=True), verb_of("PATCH", one)
    assert verbs == ("get", "list", "watch", "patch")


def test_a_resource_reads_as_kubectl_writes_it() -> None:
    assert str(Resource("apps", "statefulsets", "n", "x", "status")) == 'statefulsets.apps/status "x" in namespace "n"'
