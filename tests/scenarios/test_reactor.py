# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make operator`, as a person types it: the reactor with the shipped watches over a cluster of the lab."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from programs import begin, impersonal
from scenarios.cluster import StarRocks
from scenarios.conftest import MakeCluster, MakeDriver
from scenarios.manifests import Json, account, in_one_namespace, rules
from scenarios.operating import configuration
from scenarios.playbook import PATIENCE_SECONDS, ROOT
from scenarios.real_operator import awaited, gone, phase_is
from scenarios.reconciling import Passes
from scenarios.rights import ACCESS

from steadylab.processes import end_child

pytestmark = pytest.mark.usefixtures("upgrades_defined")
BE = {"images": {"be": "starrocks/be-ubuntu:3.3.2"}}
# Less than a pod of the lab takes, so that one pass at least has to say what it waits for.
QUICK = {"patience": 0.2, "lease_seconds": 5}


def operator_of(starrocks: StarRocks, folder: Path) -> Path:
    """The kubeconfig of an operator of the cluster's namespace, which has Roles there and no right beyond."""
    objects = in_one_namespace(starrocks.lab, starrocks.namespace, folder / "one-namespace")
    return account(starrocks.lab, with_patches(objects), folder, starrocks.namespace)


def with_patches(objects: list[Json]) -> list[Json]:
    """The manifests as docs/reactor.md says: the reactor patches finalizers, ansible-operator updates whole objects."""
    for rule in rules(objects, "steady-rollout-starrocksupgrades", "steady-rollout-dbupgrades"):
        if "watch" in rule["verbs"]:
            rule["verbs"] = ["patch" if verb == "update" else verb for verb in rule["verbs"]]
    return objects


@contextmanager
def made_operator(starrocks: StarRocks, kubeconfig: Path, folder: Path, name: str) -> Iterator[Path]:
    """`make operator` for the cluster's namespace, until somebody types Ctrl-C; where it prints."""
    options = {**ACCESS, **QUICK, "fe_addresses": starrocks.addresses}
    own = {
        "KUBECONFIG": str(kubeconfig),
        "ROLLOUT_CONFIG": str(configuration(folder / "configuration", starrocks=options)),
        "WATCH_NAMESPACE": starrocks.namespace,
    }
    flags = "ARGS=--metrics-bind-address=0 --health-probe-bind-address=0"
    screen = folder / f"{name}.log"
    process = begin(["make", "--no-print-directory", "operator", flags], screen, impersonal() | own, ROOT)
    try:
        yield screen
        assert process.poll() is None, screen.read_text("utf-8")
    finally:
        # One that has ended by itself is not there any more, and the test has said so.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            end_child(process.pid)
            raise


def test_the_life_of_an_upgrade_with_a_restart_in_it(cluster: MakeCluster, driver: MakeDriver, tmp_path: Path) -> None:
    starrocks = cluster(fe=1, be=1)
    lab, passes = starrocks.lab, Passes(starrocks, driver(starrocks))
    kubeconfig = operator_of(starrocks, tmp_path)
    with made_operator(starrocks, kubeconfig, tmp_path, "first") as screen:
        name = passes.upgrade(None, target=BE)
        path = passes.path(name)
        awaited(lab, path, phase_is("Succeeded"), screen)
        said = rf"StarRocksUpgrade {starrocks.namespace}/{name} +"
        awaited(lab, path, lambda _found: bool(re.search(f"{said}done", screen.read_text("utf-8"))), screen)
    assert starrocks.tags == {"prod-fe-0": "3.3.1", "prod-be-0": "3.3.2"}
    starrocks.assert_settings()
    assert passes.condition(name, "Quiesced") == ("False", "SettingsInPlace")
    assert re.search(rf"{said}waiting +[\d.]+ s; [^;]+; again in", screen.read_text("utf-8"))
    mark = starrocks.mark()
    with made_operator(starrocks, kubeconfig, tmp_path, "second") as screen:
        awaited(lab, path, lambda _found: bool(re.search(f"{said}done", screen.read_text("utf-8"))), screen)
        assert starrocks.queries(mark) == [], "nobody asks StarRocks anything about what is done"
        assert starrocks.writes(mark) == []
        passes.delete(name)
        awaited(lab, path, gone, screen)
    assert starrocks.queries(mark) == []
    starrocks.assert_released()
