# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that are made, kept up to date, and never taken from somebody else."""

from __future__ import annotations

import base64

import pytest
from unit.module_utils._kube.apiserver import ApiServer, ObjectStore

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._kube import secrets

PATH = "/api/v1/namespaces/n/secrets/s"
OWNER = {"kind": "DBUpgrade", "uid": "u"}


def content(**data: bytes) -> secrets.SecretContent:
    """A Secret as it is to be."""
    return secrets.SecretContent("n", "s", data, {"ours": "yes"}, {"from": "1"}, (OWNER,))


def test_it_is_made_with_its_owner(api: ApiServer, store: ObjectStore) -> None:
    secrets.write(api.client(), content(url=b"postgres://"))
    made = store.objects[PATH]
    assert made["metadata"]["ownerReferences"] == [OWNER]
    assert base64.b64decode(made["data"]["url"]) == b"postgres://"
    assert secrets.decoded(made, "url") == b"postgres://"
    assert secrets.decoded(made, "other") is None


def test_what_is_not_wanted_any_more_goes(api: ApiServer, store: ObjectStore) -> None:
    secrets.write(api.client(), content(url=b"one", ca=b"x"))
    secrets.write(api.client(), content(url=b"two"))
    assert store.objects[PATH]["data"] == {"url": base64.b64encode(b"two").decode()}


def test_one_of_somebody_else_is_left_alone(api: ApiServer, store: ObjectStore) -> None:
    store.objects[PATH] = {"metadata": {"name": "s", "resourceVersion": "1"}, "data": {"url": "eA=="}}
    with pytest.raises(Refused, match="was not made by this collection"):
        secrets.write(api.client(), content(url=b"one"))
    assert store.objects[PATH]["data"] == {"url": "eA=="}


def test_a_change_in_between_is_looked_at_first(api: ApiServer, store: ObjectStore) -> None:
    secrets.write(api.client(), content(url=b"one"))
    foreign = {"metadata": {"labels": {"ours": "no"}}}
    store.before = [lambda _request: None, lambda _request: store.change(PATH, foreign)]
    with pytest.raises(Refused):
        secrets.write(api.client(), content(url=b"two"))
    assert secrets.decoded(store.objects[PATH], "url") == b"one"


def test_the_content_is_in_no_repr() -> None:
    assert "hidden" not in repr(content(url=b"hidden"))
