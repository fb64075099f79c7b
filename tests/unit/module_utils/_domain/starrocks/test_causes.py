# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a pod does not come up, and which causes get time."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.document import Reader
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.causes import (
    DEFAULT_RULES,
    Cause,
    Rule,
    find,
    judge,
    parse_rules,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Pod, Waiting

from .builders import image


def pod(**fields: Any) -> Pod:
    """A BE that does not come up."""
    return Pod("prod-be-2", "be", 2, "uid", image("be", "3.3.2"), "Pending", False, **fields)


def waiting(reason: str, message: str = "") -> Pod:
    """A BE whose container waits."""
    return pod(waiting=(Waiting("be", reason, message),), restarts=3)


@pytest.mark.parametrize(
    ("there", "name"),
    [
        pytest.param(pod(), None, id="nothing wrong"),
        pytest.param(waiting("ContainerCreating"), None, id="being made"),
        pytest.param(waiting("CrashLoopBackOff", "back-off 10s"), "CrashLoopBackOff", id="crash loop"),
        pytest.param(waiting("ImagePullBackOff", "Back-off pulling image"), "ImagePullBackOff", id="back-off"),
        pytest.param(waiting("ErrImagePull", "i/o timeout"), "ErrImagePull", id="registry hiccup"),
        pytest.param(waiting("ErrImagePull", "manifest unknown"), "ImageMissing", id="no such image"),
        pytest.param(waiting("ImagePullBackOff", "x: not found"), "ImageMissing", id="no such tag"),
        pytest.param(waiting("ErrImagePull", "401 Unauthorized"), "ImageMissing", id="no right"),
        pytest.param(waiting("InvalidImageName"), "InvalidImageName", id="name"),
        pytest.param(waiting("CreateContainerConfigError", "secret"), "CreateContainerConfigError", id="secret"),
        pytest.param(pod(unschedulable="0/3 nodes"), "Unschedulable", id="no node"),
        pytest.param(pod(terminated=(Waiting("be", "OOMKilled"),)), "OOMKilled", id="memory"),
        pytest.param(pod(terminated=(Waiting("be", "Completed"),)), None, id="ended well"),
        pytest.param(
            pod(waiting=(Waiting("log", "PodInitializing"), Waiting("be", "CrashLoopBackOff"))),
            "CrashLoopBackOff",
            id="second container",
        ),
    ],
)
def test_causes(there: Pod, name: str | None) -> None:
    cause = find(there)
    assert (cause.name if cause else None) == name
    if cause is not None:
        assert "prod-be-2" in cause.text
        assert cause.name in DEFAULT_RULES


@pytest.mark.parametrize(
    ("name", "seconds", "restarts", "fatal"),
    [
        ("InvalidImageName", 0, 0, True),
        ("ImageMissing", 9.9, 0, False),
        ("ImageMissing", 10, 0, True),
        ("ImagePullBackOff", 299, 0, False),
        ("ImagePullBackOff", 300, 0, True),
        ("CrashLoopBackOff", 100, 1, False),
        ("CrashLoopBackOff", 0, 2, True),
        ("Unschedulable", 599, 0, False),
        ("Unschedulable", 600, 0, True),
    ],
)
def test_the_default_table(name: str, seconds: float, restarts: int, fatal: bool) -> None:
    judgement = judge(Cause(name, "", restarts), seconds, {})
    assert judgement.fatal is fatal
    assert judgement.remaining is not None
    assert fatal or judgement.patience.startswith("; given up")


def test_a_persons_rules_come_first() -> None:
    rules = parse_rules(Reader({"CrashLoopBackOff": {"fatal": False}, "ErrImagePull": {"seconds": 5}}, "podFailures"))
    assert rules == {"CrashLoopBackOff": Rule(False, 0, 2), "ErrImagePull": Rule(True, 5, 0)}
    patient = judge(Cause("CrashLoopBackOff", "", 99), 99_999, rules)
    assert (patient.fatal, patient.remaining, patient.patience) == (False, None, "; not fatal by itself")
    assert judge(Cause("ErrImagePull", "", 0), 5, rules).fatal


def test_a_registry_gets_more_time_than_a_missing_image() -> None:
    assert DEFAULT_RULES["RegistryUnavailable"].seconds > DEFAULT_RULES["ImageMissing"].seconds
