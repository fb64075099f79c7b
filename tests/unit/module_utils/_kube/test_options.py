# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection options and the environment that stands in for them."""

from __future__ import annotations

from pathlib import Path

import yaml

from ansible_collections.steady.rollout.plugins.doc_fragments._kubernetes import ModuleDocFragment
from ansible_collections.steady.rollout.plugins.module_utils._kube.options import ARGUMENTS, effective, secrets_of


def test_the_environment_fills_what_is_not_given() -> None:
    environment = {
        "K8S_AUTH_HOST": "https://env",
        "K8S_AUTH_CONTEXT": "env",
        "K8S_AUTH_VERIFY_SSL": "no",
        "K8S_AUTH_IMPERSONATE_GROUPS": "a, b",
    }
    found = effective({"host": "https://task", "context": ""}, environment)

    assert found["host"] == "https://task"
    assert found["context"] == "env"
    assert found["validate_certs"] is False
    assert found["impersonate_groups"] == ["a", "b"]
    assert found["api_key"] is None


def test_false_is_given_and_not_filled() -> None:
    assert effective({"validate_certs": False}, {"K8S_AUTH_VERIFY_SSL": "yes"})["validate_certs"] is False


def test_every_secret_in_the_options_is_found() -> None:
    users = [
        {"name": "a", "user": {"token": "t0ken", "client-key-data": "a2V5", "client-certificate-data": "public"}},
        {"name": "b", "user": {"auth-provider": {"config": {"refresh-token": "again", "client-id": "public"}}}},
    ]
    options = {"api_key": "k3y", "password": "pa55", "username": "bob", "kubeconfig": {"users": users}}

    assert secrets_of(options) == {"k3y", "pa55", "t0ken", "a2V5", "again"}


def test_a_path_holds_no_secret() -> None:
    assert secrets_of({"kubeconfig": str(Path("~/.kube/config"))}) == set()


def test_the_documentation_and_the_arguments_agree() -> None:
    documented = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]

    assert set(documented) == set(ARGUMENTS)
    for name, argument in ARGUMENTS.items():
        assert documented[name]["type"] == argument["type"], name
        assert documented[name].get("aliases", []) == argument.get("aliases", []), name
