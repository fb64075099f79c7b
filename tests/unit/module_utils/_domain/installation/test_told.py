# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`installation.notifications` and `installation.metrics`."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.events.catalogue import REASONS, USUAL_REASONS
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation import parse_installation
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation.told import (
    MetricsTarget,
    Notification,
    Source,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.spec import parse_spec

URL = "https://ops.example.com/hook"


def test_nobody_is_told_until_somebody_is_named() -> None:
    installation = parse_installation({})
    assert installation.notifications == ()
    assert installation.metrics == MetricsTarget()


def test_the_shortest_notification() -> None:
    (told,) = parse_installation({"notifications": [{"name": "ops", "url": URL}]}).notifications
    assert told == Notification("ops", "json", Source(value=URL), reasons=USUAL_REASONS)


def test_every_field_of_a_notification() -> None:
    entry = {
        "name": "slack",
        "type": "slack",
        "urlFrom": {"env": "SLACK_URL"},
        "hmacFrom": {"file": "/run/secrets/key"},
        "reasons": ["StepDone", "HookFailed"],
        "timeoutSeconds": 3,
        "caFile": "/etc/ca.pem",
    }
    (told,) = parse_installation({"notifications": [entry]}).notifications
    assert told == Notification(
        "slack",
        "slack",
        Source(env="SLACK_URL"),
        Source(file="/run/secrets/key"),
        ("StepDone", "HookFailed"),
        3.0,
        "/etc/ca.pem",
    )


@pytest.mark.parametrize("section", ["webhooks", "notifications", "metrics", "installation"])
def test_the_author_of_an_upgrade_decides_none_of_it(section: str) -> None:
    document = {
        "clusterRef": {"name": "prod"},
        "target": {"version": "3.3.2"},
        section: {"allowedHosts": ["*.example"]},
    }
    with pytest.raises(Refused, match=rf"spec\.{section}.*no such field"):
        parse_spec(document, namespace="starrocks")


def test_all_reasons() -> None:
    entry = {"name": "all", "url": URL, "reasons": ["*"]}
    assert parse_installation({"notifications": [entry]}).notifications[0].reasons == REASONS


def test_metrics_go_to_both_places() -> None:
    section = {"textfile": "/var/lib/textfile", "pushgateway": "http://gateway:9091/", "caFile": "/etc/ca.pem"}
    assert parse_installation({"metrics": section}).metrics == MetricsTarget(
        "/var/lib/textfile", "http://gateway:9091", "/etc/ca.pem"
    )


@pytest.mark.parametrize(
    ("sections", "field"),
    [
        ({"notifications": [{"url": URL}]}, "notifications[0].name"),
        ({"notifications": [{"name": "ops"}]}, "notifications[0].url"),
        ({"notifications": [{"name": "ops", "url": URL, "urlFrom": {"env": "A"}}]}, "notifications[0].url"),
        ({"notifications": [{"name": "ops", "urlFrom": {}}]}, "notifications[0].url"),
        ({"notifications": [{"name": "ops", "urlFrom": {"env": "A", "file": "/a"}}]}, "notifications[0].urlFrom.env"),
        ({"notifications": [{"name": "ops", "urlFrom": {"env": "A B"}}]}, "notifications[0].urlFrom.env"),
        ({"notifications": [{"name": "ops", "urlFrom": {"file": "a"}}]}, "notifications[0].urlFrom.file"),
        ({"notifications": [{"name": "ops", "url": "ops.example.com"}]}, "notifications[0].url"),
        ({"notifications": [{"name": "ops", "url": URL, "type": "irc"}]}, "notifications[0].type"),
        ({"notifications": [{"name": "ops", "url": URL, "reasons": ["StepDon"]}]}, "notifications[0].reasons[0]"),
        ({"notifications": [{"name": "ops", "url": URL, "timeoutSeconds": 60}]}, "notifications[0].timeoutSeconds"),
        ({"notifications": [{"name": "ops", "url": URL, "token": "x"}]}, "notifications[0].token"),
        ({"notifications": [{"name": "ops", "url": URL}] * 2}, "notifications[1].name"),
        ({"metrics": {"textfile": "relative"}}, "metrics.textfile"),
        ({"metrics": {"pushgateway": "gateway:9091"}}, "metrics.pushgateway"),
        ({"metrics": {"pushgateway": "http://gateway:9091/metrics"}}, "metrics.pushgateway"),
        ({"metrics": {"pushgatway": "x"}}, "metrics.pushgatway"),
    ],
)
def test_what_is_wrong_is_named(sections: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_installation(sections)
    assert refused.value.field.startswith(f"installation.{field}")
    assert refused.value.remedy
