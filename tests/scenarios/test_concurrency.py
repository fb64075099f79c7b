# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs on one cluster, runs that die, and what the next one does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from scenarios.cluster import LIMIT, StarRocks
from scenarios.conftest import MakeCluster
from scenarios.playbook import Driver, Process

BACKENDS = {"images": {"be": "starrocks/be-ubuntu:3.3.2"}}
LEASE: dict[str, Any] = {"starrocks_upgrade_lease_seconds": 5}
# For a run that lives on: on a busy machine it could miss to renew a shorter one, and then another run takes it.
LIVING: dict[str, Any] = {"starrocks_upgrade_lease_seconds": 20}


@pytest.fixture
def starrocks(cluster: MakeCluster) -> StarRocks:
    """Three FEs and two BEs; tablets are what holds a run where a test wants it."""
    return cluster(fe=3, be=2)


def held(starrocks: StarRocks, product: Driver, lease: dict[str, Any] = LEASE) -> Process:
    """A run that waits in its first repair window."""
    run = product.start(product.document(None, target=BACKENDS), **lease)
    starrocks.hold_in_window()
    return run


@pytest.mark.parametrize("version", ["3.3.2", "3.3.3"], ids=["the same target", "another target"])
def test_a_second_run_is_refused_and_the_first_goes_on(version: str, starrocks: StarRocks, product: Driver) -> None:
    first = held(starrocks, product, LIVING)
    lease = starrocks.lease
    assert lease is not None
    holder = lease["holderIdentity"]
    target = {"images": {"be": f"starrocks/be-ubuntu:{version}"}}
    second = product.run(product.document(None, target=target), **LEASE)
    second.failed(holder, "since|begun at")
    assert first.running, first.output
    assert starrocks.lease is not None
    assert starrocks.lease["holderIdentity"] == holder
    starrocks.simulate(tablets={"broken": 0})
    first.finish().succeeded()
    assert {starrocks.tags[name] for name in starrocks.backends} == {"3.3.2"}
    starrocks.assert_settings()
    starrocks.assert_released()


def test_two_runs_at_the_same_moment(starrocks: StarRocks, product: Driver) -> None:
    runs = [product.start(product.document(None, target=BACKENDS)) for _ in range(2)]
    ended = [run.finish() for run in runs]
    assert sorted(run.rc for run in ended)[0] == 0, ended[0].stdout + ended[1].stdout
    for run in ended:
        if run.rc != 0:
            run.failed("lease|another run|works on", "since|stopped")
    assert {starrocks.tags[name] for name in starrocks.backends} == {"3.3.2"}
    starrocks.assert_settings()
    starrocks.assert_released()
    starrocks.assert_all_ready()


def test_what_another_run_is_just_writing_is_not_held_against_the_cluster(
    starrocks: StarRocks, product: Driver
) -> None:
    starrocks.faults({"kind": "hang", "match": "run_mode", "times": 1})
    run = product.start(product.document(None, target=BACKENDS))
    starrocks.wait_struck()
    starrocks.take_lease("rollout-other")
    starrocks.simulate(settings={"prod-fe-1": {LIMIT: "0"}})
    mark = starrocks.mark()
    starrocks.lab.faults()
    ended = run.finish().failed("another run works here: rollout-other holds the lease since", "wait for that run")
    assert "onDrift" not in ended.text
    starrocks.untouched(mark)


def test_a_restore_beside_a_living_run_is_refused(starrocks: StarRocks, product: Driver) -> None:
    first = held(starrocks, product, LIVING)
    lease = starrocks.lease
    assert lease is not None
    product.restore().failed(lease["holderIdentity"], "since")
    assert first.running, first.output
    starrocks.simulate(tablets={"broken": 0})
    first.finish().succeeded()
    starrocks.assert_settings()


def test_the_next_run_takes_over_from_a_dead_one(starrocks: StarRocks, product: Driver) -> None:
    strategies = starrocks.strategies
    held(starrocks, product).kill()
    done = starrocks.uids["prod-be-1"]
    starrocks.simulate(tablets={"broken": 0})
    product.run(product.document(None, target=BACKENDS), **LEASE).succeeded()
    assert {starrocks.tags[name] for name in starrocks.backends} == {"3.3.2"}
    assert starrocks.uids["prod-be-1"] == done, "a pod that was done already was replaced again"
    starrocks.assert_settings()
    starrocks.assert_closed("succeeded", strategies)


def test_another_target_after_a_dead_run_is_refused_until_that_is_decided(
    starrocks: StarRocks, product: Driver
) -> None:
    held(starrocks, product).kill()
    starrocks.simulate(tablets={"broken": 0})
    target = {"images": {"be": "starrocks/be-ubuntu:3.3.3"}}
    product.run(product.document(None, target=target), **LEASE).failed("unfinished_run", "3.3.2", "continue")
    product.restore(starrocks_restore_lease_seconds=5).succeeded()
    starrocks.assert_settings()
    starrocks.assert_released()


def test_restore_after_a_dead_run_changes_no_image(starrocks: StarRocks, product: Driver) -> None:
    strategies = starrocks.strategies
    held(starrocks, product).kill()
    images, uids = starrocks.images, starrocks.uids
    starrocks.simulate(tablets={"broken": 0})
    product.restore(starrocks_restore_lease_seconds=5).succeeded()
    starrocks.assert_settings()
    starrocks.assert_released()
    assert starrocks.uids == uids, "a restore replaced a pod"
    assert starrocks.images == images
    fixed = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    assert starrocks.strategies in (strategies, {**strategies, "be": fixed}), "a partition may stay, to hold the rest"
    record = starrocks.record
    assert record is not None
    assert record["journal"]["window"] == ""
    assert {entry["state"] for entry in record["journal"]["entries"].values()} == {"restored"}


def test_the_upgrade_is_finished_after_a_restore(starrocks: StarRocks, product: Driver) -> None:
    strategies = starrocks.strategies
    held(starrocks, product).kill()
    starrocks.simulate(tablets={"broken": 0})
    product.restore(starrocks_restore_lease_seconds=5).succeeded()
    product.run(product.document(None, target=BACKENDS), **LEASE).succeeded()
    assert {starrocks.tags[name] for name in starrocks.backends} == {"3.3.2"}
    starrocks.assert_settings()
    starrocks.assert_closed("succeeded", strategies)


def test_restore_without_anything_owed_is_nothing(starrocks: StarRocks, product: Driver) -> None:
    mark = starrocks.mark()
    product.restore().succeeded()
    starrocks.untouched(mark)
    product.upgrade(None, target=BACKENDS).succeeded()
    mark = starrocks.mark()
    product.restore().succeeded()
    starrocks.untouched(mark)


def test_the_present_version_finishes_what_a_dead_run_left(starrocks: StarRocks, product: Driver) -> None:
    """A target equal to the present version has nothing to do but an open restore."""
    run = product.start(product.document(None, target=BACKENDS), **LEASE)
    starrocks.wait_switched_off()
    run.kill()
    target = {"images": {"fe": "starrocks/fe-ubuntu:3.3.1"}}
    product.run(product.document(None, target=target), **LEASE).succeeded()
    starrocks.assert_settings()
    starrocks.assert_released()


def test_ctrl_c_says_what_is_open_and_how_to_go_on(starrocks: StarRocks, product: Driver) -> None:
    run = held(starrocks, product)
    run.interrupt()
    run.finish().failed("tablet_sched_max_balancing_tablets is 0, was 500", "starrocks_restore|starrocks_upgrade")
    starrocks.simulate(tablets={"broken": 0})
    product.restore(starrocks_restore_lease_seconds=5).succeeded()
    starrocks.assert_settings()


@pytest.mark.parametrize(
    "edit",
    [
        lambda record: record["journal"]["entries"]["tablet_sched_max_scheduling_tablets"].update(baseline="1; DROP"),
        lambda record: record["journal"]["entries"].update({"qe_max_connection": {"key": "qe_max_connection"}}),
        lambda record: record.update(schema=99),
        lambda record: record["baseline"]["images"].update(be="evil/image:1"),
    ],
    ids=["a value that is SQL", "a key outside the list", "an unknown schema", "another image to go back to"],
)
def test_an_edited_record_is_not_trusted(
    edit: Callable[[dict[str, Any]], None], starrocks: StarRocks, product: Driver
) -> None:
    run = product.start(product.document(None, target=BACKENDS), **LEASE)
    starrocks.wait_switched_off()
    run.kill()
    record = starrocks.record
    assert record is not None
    edit(record)
    path = f"/api/v1/namespaces/{starrocks.namespace}/configmaps/steady-rollout-starrocks-prod"
    patch = {"data": {"record.json": json.dumps(record)}}
    starrocks.api.request("PATCH", path, patch, "application/merge-patch+json")
    mark = starrocks.mark()
    product.restore(starrocks_restore_lease_seconds=5).failed("record")
    starrocks.untouched(mark)
