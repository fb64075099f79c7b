# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`installation.databases`."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation import parse_installation
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation.databases import (
    DatabaseRules,
    Tools,
)

DIGEST = "registry.example.org/x@sha256:" + "0" * 64


def parsed(**section: Any) -> DatabaseRules:
    """The rules of a section."""
    return parse_installation({"databases": section}).databases


def test_nothing_said_is_what_is_usual() -> None:
    assert parsed() == DatabaseRules()
    tools = Tools()
    for image in (tools.crane, tools.atlas, tools.python):
        assert re.search(r":v?\d+\.\d+\.\d+(-[a-z0-9.]+)?$", image)


def test_everything_said() -> None:
    tools = {
        "crane": DIGEST,
        "atlas": DIGEST,
        "python": DIGEST,
        "digestsOnly": True,
        "platform": "linux/arm64/v8",
        "insecureRegistry": True,
        "workSize": "512Mi",
        "lockSeconds": 5,
        "connectionCheckMs": 0,
    }
    found = parsed(leaseNamespace="databases", prometheus="http://prometheus.monitoring:9090/", tools=tools)
    used = Tools(DIGEST, DIGEST, DIGEST, True, "linux/arm64/v8", True, "512Mi", 5, 0)
    assert found == DatabaseRules("databases", "http://prometheus.monitoring:9090", used)


@pytest.mark.parametrize(
    ("section", "field"),
    [
        ({"leaseNamespace": "a/b"}, "leaseNamespace"),
        ({"leaseNamespace": "Databases"}, "leaseNamespace"),
        ({"prometheus": "prometheus:9090"}, "prometheus"),
        ({"prometheus": "http://ops:secret@prometheus"}, "prometheus"),
        ({"leases": "x"}, "leases"),
        ({"tools": {"atlas": "a b"}}, "tools.atlas"),
        ({"tools": {"digestsOnly": True}}, "tools.crane"),
        ({"tools": {"crane": DIGEST, "atlas": DIGEST, "digestsOnly": True}}, "tools.python"),
        ({"tools": {"platform": "linux"}}, "tools.platform"),
        ({"tools": {"workSize": "0"}}, "tools.workSize"),
        ({"tools": {"lockSeconds": 0}}, "tools.lockSeconds"),
        ({"tools": {"connectionCheckMs": -1}}, "tools.connectionCheckMs"),
        ({"tools": {"digests_only": True}}, "tools.digests_only"),
    ],
)
def test_what_cannot_be_is_refused(section: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        parsed(**section)
    assert refused.value.field == f"installation.databases.{field}"
    assert refused.value.remedy
    assert "secret" not in f"{refused.value.reason} {refused.value.value}"
