# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Upgrades that fail: what goes back, what stays, and what a person is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from scenarios.cluster import LIMIT, StarRocks, replaced
from scenarios.conftest import MakeCluster, MakeDriver
from scenarios.playbook import BRIEF_POD_GATES, Driver

from ansible_collections.steady.rollout.plugins.module_utils._domain.report.schema import validate


@dataclass(frozen=True)
class Failure:
    """An upgrade that cannot succeed: the images asked for, the cause a person reads, the pods that were touched."""

    images: dict[str, str]
    said: tuple[str, ...]
    touched: tuple[str, ...]
    spec: dict[str, Any] = field(default_factory=dict)


FAILURES = {
    "a BE that crashes": Failure(
        {"be": "starrocks/be-ubuntu:3.3.2-broken"}, ("CrashLoopBackOff", "prod-be-1"), ("prod-be-1",)
    ),
    "a BE that is never ready": Failure(
        {"be": "starrocks/be-ubuntu:3.3.2-never"},
        ("prod-be-1", "not Ready"),
        ("prod-be-1",),
        {"gates": BRIEF_POD_GATES},
    ),
    "a BE image that does not exist": Failure(
        {"be": "starrocks/be-ubuntu:3.3.2-nopull"},
        ("prod-be-1", "ErrImagePull|ImagePullBackOff|ImageMissing"),
        ("prod-be-1",),
        {"podFailures": {name: {"seconds": 2} for name in ("ErrImagePull", "ImagePullBackOff", "ImageMissing")}},
    ),
    "an FE that crashes, after the BEs": Failure(
        {"be": "starrocks/be-ubuntu:3.3.2", "fe": "starrocks/fe-ubuntu:3.3.2-broken"},
        ("CrashLoopBackOff", "prod-fe-2"),
        ("prod-be-1", "prod-be-0", "prod-fe-2"),
    ),
    "an FE that is never ready": Failure(
        {"fe": "starrocks/fe-ubuntu:3.3.2-never"},
        ("prod-fe-2", "not Ready"),
        ("prod-fe-2",),
        {"gates": BRIEF_POD_GATES},
    ),
}


@pytest.mark.oldest
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_a_failed_upgrade_goes_back_by_itself(failure: Failure, starrocks: StarRocks, product: Driver) -> None:
    starrocks.set_everywhere(**{LIMIT: "12345"})
    strategies, uids, images, mark = starrocks.strategies, starrocks.uids, starrocks.images, starrocks.mark()

    run = product.upgrade(None, target={"images": failure.images}, **failure.spec)

    run.failed(*failure.said, "rolled.back")
    assert set(starrocks.tags.values()) == {"3.3.1"}
    assert starrocks.images == images
    starrocks.assert_all_ready()
    now = starrocks.uids
    assert {name for name in uids if now[name] != uids[name]} == set(failure.touched)
    starrocks.assert_settings(**{LIMIT: "12345"})
    starrocks.assert_closed("rolled-back", strategies)
    assert run.report["run"]["outcome"] == "rolled-back"
    assert validate(run.report) == []
    assert_downgrade_order(starrocks, mark)


def assert_downgrade_order(starrocks: StarRocks, mark: Any) -> None:
    """On the way back FEs come before BEs (StarRocks' downgrade guide)."""
    back = [name for name, tag in replaced(starrocks.pod_events(mark)) if tag == "3.3.1"]
    components = [name.split("-")[1] for name in back]
    assert components == sorted(components, reverse=True), back


def test_tablets_heal_between_healthy_pods_that_go_back(starrocks: StarRocks, product: Driver) -> None:
    starrocks.set_everywhere(**{LIMIT: "12345"})
    images = {"be": "starrocks/be-ubuntu:3.3.2", "fe": "starrocks/fe-ubuntu:3.3.2-broken"}
    mark = starrocks.mark()
    product.upgrade(None, target={"images": images}).failed("CrashLoopBackOff", "rolled.back")
    back = [name for name, tag in replaced(starrocks.pod_events(mark)) if tag == "3.3.1"]
    assert back == ["prod-fe-2", "prod-be-1", "prod-be-0"]
    record = starrocks.record
    assert record is not None
    windows = [event for event in record["events"] if event["kind"] == "window" and "rollback" in event["step"]]
    assert [event["data"]["state"] for event in windows] == ["open", "closed"] * (len(windows) // 2)
    assert "rollback/prod-be-1" in [event["step"] for event in windows], windows
    # On the way there two windows, on the way back one between the two BEs at least, and the restore.
    opened = [entry for entry in starrocks.queries(mark) if "SET" in entry["sql"] and "12345" in entry["sql"]]
    assert len(opened) >= 4, opened


def test_tablets_that_do_not_heal_roll_back(starrocks: StarRocks, product: Driver) -> None:
    strategies = starrocks.strategies
    run = product.start(product.document("3.3.2", gates={"tabletDeadlineSeconds": 2}))
    starrocks.wait_switched_off()
    starrocks.simulate(tablets={"error": 3})
    run.finish().failed("tablets_settled", "error state 3", "rolled.back")
    assert set(starrocks.tags.values()) == {"3.3.1"}
    starrocks.assert_settings()
    starrocks.assert_closed("rolled-back", strategies)


def test_policy_never_restores_the_settings_and_leaves_the_pods(starrocks: StarRocks, product: Driver) -> None:
    strategies = starrocks.strategies
    target = {"images": {"be": "starrocks/be-ubuntu:3.3.2-broken"}}
    run = product.upgrade(None, target=target, rollback={"policy": "never"})
    run.failed("CrashLoopBackOff", "rollback.policy is never")
    assert starrocks.tags["prod-be-1"] == "3.3.2-broken"
    assert starrocks.tags["prod-be-0"] == "3.3.1", "a frozen run must not let the next pod go"
    starrocks.assert_settings()
    assert starrocks.record is not None
    assert starrocks.record["outcome"] == "frozen"
    starrocks.assert_released()
    assert run.report["run"]["outcome"] == "frozen"
    assert strategies == dict.fromkeys(strategies, None)


def test_a_minor_upgrade_freezes_once_an_fe_was_touched(starrocks: StarRocks, product: Driver) -> None:
    images = {"be": "starrocks/be-ubuntu:3.4.1", "fe": "starrocks/fe-ubuntu:3.4.1-broken"}
    run = product.upgrade(None, target={"images": images})
    run.failed("CrashLoopBackOff", "another minor version")
    tags = starrocks.tags
    assert {tags[name] for name in starrocks.backends} == {"3.4.1"}
    assert tags["prod-fe-2"] == "3.4.1-broken"
    assert {tags["prod-fe-1"], tags["prod-fe-0"]} == {"3.3.1"}, "the healthy FEs must be left alone"
    starrocks.assert_settings()
    starrocks.assert_released()
    assert starrocks.record is not None
    assert starrocks.record["outcome"] == "frozen"


def test_a_minor_upgrade_rolls_back_before_the_first_fe(starrocks: StarRocks, product: Driver) -> None:
    strategies = starrocks.strategies
    images = {"be": "starrocks/be-ubuntu:3.4.1-broken", "fe": "starrocks/fe-ubuntu:3.4.1"}
    product.upgrade(None, target={"images": images}).failed("CrashLoopBackOff", "rolled.back")
    assert set(starrocks.tags.values()) == {"3.3.1"}
    starrocks.assert_settings()
    starrocks.assert_closed("rolled-back", strategies)


def test_a_forbidden_way_back_is_acknowledged_first(cluster: MakeCluster, driver: MakeDriver) -> None:
    starrocks = cluster(fe=3, be=1, version="3.2.1")
    product, mark = driver(starrocks), starrocks.mark()
    product.upgrade("3.3.2").failed("no way back", "acknowledge.*no-way-back", "3.2.1")
    starrocks.untouched(mark)
    product.upgrade("3.3.2", acknowledge=["no-way-back"]).succeeded()
    assert set(starrocks.tags.values()) == {"3.3.2"}
    # 3.2 has the same defaults; what was there before is there again.
    starrocks.assert_settings()


def test_a_minor_upgrade_that_goes_well(starrocks: StarRocks, product: Driver) -> None:
    product.upgrade("3.4.1").succeeded()
    assert set(starrocks.tags.values()) == {"3.4.1"}
    starrocks.assert_settings()
    starrocks.assert_all_ready()


def test_a_downgrade_is_acknowledged_and_takes_frontends_first(starrocks: StarRocks, product: Driver) -> None:
    mark = starrocks.mark()
    product.upgrade("3.3.0").failed("downgrade", "acknowledge")
    starrocks.untouched(mark)
    product.upgrade("3.3.0", acknowledge=["downgrade"]).succeeded()
    assert set(starrocks.tags.values()) == {"3.3.0"}
    order = [name.split("-")[1] for name, _tag in replaced(starrocks.pod_events(mark))]
    assert order == ["fe", "fe", "fe", "be", "be"]
    starrocks.assert_settings()


def test_an_unhealthy_cluster_is_repaired_with_a_good_image(starrocks: StarRocks, product: Driver) -> None:
    starrocks.set_image("be", "starrocks/be-ubuntu:3.3.1-never")
    starrocks.wait_pod("prod-be-1", lambda pod: pod["spec"]["containers"][0]["image"].endswith("-never"))
    mark = starrocks.mark()
    target = {"images": {"be": "starrocks/be-ubuntu:3.3.2"}}
    product.upgrade(None, target=target).failed("cluster_healthy", "prod-be-", "override")
    starrocks.untouched(mark)
    override = {"gate": "cluster_healthy", "until": "2100-01-01T00:00:00Z", "reason": "repair with a good image"}
    product.upgrade(None, target=target, overrides=[override]).succeeded()
    assert {starrocks.tags[name] for name in starrocks.backends} == {"3.3.2"}
    starrocks.assert_all_ready()
    starrocks.assert_settings()


@pytest.mark.oldest
def test_a_rollback_that_was_killed_is_finished_by_the_same_command(starrocks: StarRocks, product: Driver) -> None:
    strategies = starrocks.strategies
    document = product.document(None, target={"images": {"be": "starrocks/be-ubuntu:3.3.2-broken"}})
    run = product.start(document, starrocks_upgrade_lease_seconds=3)
    starrocks.wait_record(lambda record: record["phase"] == "rolling-back", "roll back")
    run.kill()
    product.run(document, starrocks_upgrade_lease_seconds=3).failed("rolled.back")
    assert set(starrocks.tags.values()) == {"3.3.1"}
    starrocks.assert_all_ready()
    starrocks.assert_settings()
    starrocks.assert_closed("rolled-back", strategies)
