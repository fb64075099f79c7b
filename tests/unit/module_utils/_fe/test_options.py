# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options for reaching FEs, checked."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.steady.rollout.plugins.doc_fragments._frontend import ModuleDocFragment
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._fe.options import ARGUMENTS, FeOptions, fe_options


def test_nothing_given_is_the_defaults() -> None:
    assert fe_options({}) == FeOptions()


def test_everything_given() -> None:
    options = fe_options(
        {
            "fe_transport": "static",
            "fe_password_secret": {"name": "root", "key": "pw"},
            "fe_addresses": {"prod-fe-0": "fe.example.com:9030", "prod-fe-1": "[2001:db8::1]:9031"},
            "fe_domain": ".cluster.local",
        }
    )

    assert (options.secret, options.secret_key, options.domain) == ("root", "pw", "cluster.local")
    assert options.addresses == {"prod-fe-0": ("fe.example.com", 9030), "prod-fe-1": ("2001:db8::1", 9031)}


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"fe_transport": "ssh"}, "fe_transport"),
        ({"fe_tls": "maybe"}, "fe_tls"),
        ({"fe_port": 0}, "fe_port"),
        ({"fe_port": 65536}, "fe_port"),
        ({"fe_port": "x"}, "fe_port"),
        ({"fe_connect_timeout": 0}, "fe_connect_timeout"),
        ({"fe_read_timeout": -1}, "fe_read_timeout"),
        ({"fe_read_timeout": 601}, "fe_read_timeout"),
        ({"fe_read_timeout": float("nan")}, "fe_read_timeout"),
        ({"fe_read_timeout": "soon"}, "fe_read_timeout"),
        ({"fe_addresses": {"prod-fe-0": "host"}}, "fe_addresses.prod-fe-0"),
        ({"fe_addresses": {"prod-fe-0": "host:"}}, "fe_addresses.prod-fe-0"),
    ],
)
def test_what_cannot_be_right_is_refused_by_name(options: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as caught:
        fe_options(options)
    assert caught.value.field == field


def test_a_password_is_not_shown() -> None:
    assert "s3cret" not in repr(fe_options({"fe_password": "s3cret"}))


def test_the_documentation_and_the_arguments_agree() -> None:
    documented = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]

    assert set(documented) == set(ARGUMENTS)
    for name, argument in ARGUMENTS.items():
        assert documented[name]["type"] == argument["type"], name
        assert documented[name].get("default") == argument.get("default"), name
        assert documented[name].get("choices", []) == argument.get("choices", []), name
