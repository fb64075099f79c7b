# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guard that could not log in is refused before there is anything for it to put back."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps.guarding import check_guard
from ansible_collections.steady.rollout.plugins.module_utils._fe.options import FeOptions

OWN = {"name": "MYSQL_PWD", "valueFrom": {"secretKeyRef": {"name": "prod-root", "key": "password"}}}
NAMES_ITS_OWN: dict[str, Any] = {"spec": {"starRocksFeSpec": {"feEnvVars": [OWN]}}}


@pytest.mark.parametrize(
    ("options", "resource"),
    [
        (FeOptions(), {}),
        (FeOptions(user="rollout", secret="rollout-fe"), {}),
        (FeOptions(user="rollout", password="in-the-open", secret="rollout-fe"), {}),
        (FeOptions(password="in-the-open"), NAMES_ITS_OWN),
    ],
    ids=["no password", "a Secret", "a Secret besides", "root's own"],
)
def test_what_a_guard_can_read_is_enough(options: FeOptions, resource: dict[str, Any]) -> None:
    check_guard(options, resource)


@pytest.mark.parametrize(
    ("options", "resource"),
    [(FeOptions(user="rollout", password="in-the-open"), NAMES_ITS_OWN), (FeOptions(password="in-the-open"), {})],
    ids=["another user", "root of a cluster that names nothing"],
)
def test_a_password_that_only_the_run_knows_is_refused(options: FeOptions, resource: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="could not log in") as refused:
        check_guard(options, resource)
    assert "fe_password_secret" in refused.value.remedy
    assert "in-the-open" not in str(refused.value.as_result())
