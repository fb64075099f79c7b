# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input: each is refused before anything is touched, with field, value and remedy."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from scenarios.cluster import StarRocks
from scenarios.conftest import MakeCluster, MakeDriver
from scenarios.playbook import Driver


@dataclass(frozen=True)
class Bad:
    """A request that must be refused: the spec (and version), and what the message has to say."""

    said: tuple[str, ...]
    spec: dict[str, Any] = field(default_factory=dict)
    version: str | None = "3.3.2"


def _image(component: str, image: str) -> dict[str, Any]:
    return {"target": {"images": {component: image}}}


def _gate(name: str, value: object) -> dict[str, Any]:
    return {"gates": {name: value}}


BAD = {
    "mutable tag": Bad(("spec.target.version", "'latest'", "allowMutableTags"), version="latest"),
    "mutable tag of an image": Bad(
        ("spec.target.images.be", "be-ubuntu:latest", "allowMutableTags"),
        _image("be", "starrocks/be-ubuntu:latest"),
        None,
    ),
    "no tag": Bad(("spec.target.images.be", "be-ubuntu", "digest"), _image("be", "starrocks/be-ubuntu"), None),
    "tag without a full version": Bad(("spec.target.version", "'3.3'", "3.3.2"), version="3.3"),
    "malformed tag": Bad(("spec.target.version", "3.3.2 beta", "image tag"), version="3.3.2 beta"),
    "tag that is an option": Bad(("spec.target.version", "--version"), version="--version"),
    "malformed image": Bad(("spec.target.images.be", "starrocks//be:3.3.2"), _image("be", "starrocks//be:3.3.2"), None),
    "malformed digest": Bad(
        ("spec.target.images.be", "sha256:123"), _image("be", "starrocks/be-ubuntu@sha256:123"), None
    ),
    "upper case in the repository": Bad(
        ("spec.target.images.be", "StarRocks"), _image("be", "StarRocks/be-ubuntu:3.3.2"), None
    ),
    "skipped minor versions": Bad(("spec.target.version", "3.5.0", "3.4"), version="3.5.0"),
    "skipped major version": Bad(("spec.target.version", "4.0.1", "3.4"), version="4.0.1"),
    "two minors down": Bad(("spec.target.version", "3.1.9", "choose|first"), version="3.1.9"),
    "a forbidden downgrade": Bad(("spec.target.version", "3.2.1", "metadata", "choose"), version="3.2.1"),
    "an FE image for the BEs": Bad(
        ("spec.target.images.be", "fe-ubuntu:3.3.2", "image of fe", "be-ubuntu"),
        _image("be", "starrocks/fe-ubuntu:3.3.2"),
        None,
    ),
    "a BE image for the FEs": Bad(
        ("spec.target.images.fe", "be-ubuntu:3.3.2", "image of be", "fe-ubuntu"),
        _image("fe", "starrocks/be-ubuntu:3.3.2"),
        None,
    ),
    "a component the cluster has not": Bad(
        ("spec.target.images.cn", "cn-ubuntu:3.3.2", "fe, be"), _image("cn", "starrocks/cn-ubuntu:3.3.2"), None
    ),
    "no target": Bad((r"target", "version|images"), version=None),
    "version and images": Bad(
        ("spec.target", "either version or images"),
        {"target": {"version": "3.3.2", "images": {"be": "starrocks/be-ubuntu:3.3.2"}}},
        None,
    ),
    "unknown hook": Bad(("hooks", "switch-off-the-lights", "quiesce"), {"hooks": ["switch-off-the-lights"]}),
    "negative settle time": Bad(("settleSeconds", "-1"), _gate("settleSeconds", -1)),
    "absurd settle time": Bad(("settleSeconds", "86400", "3600"), _gate("settleSeconds", 86400)),
    "no passes": Bad(("consecutivePasses", "0"), _gate("consecutivePasses", 0)),
    "negative pod deadline": Bad(("podDeadlineSeconds", "-5"), _gate("podDeadlineSeconds", -5)),
    "absurd pod deadline": Bad(("podDeadlineSeconds", "100000000"), _gate("podDeadlineSeconds", 100_000_000)),
    "a deadline that is no number": Bad(("podDeadlineSeconds", "soon"), _gate("podDeadlineSeconds", "soon")),
    "a deadline that is not a number": Bad(("tabletDeadlineSeconds", "nan"), _gate("tabletDeadlineSeconds", "nan")),
    "an endless deadline": Bad(("tabletDeadlineSeconds", "inf"), _gate("tabletDeadlineSeconds", "inf")),
    "negative lag": Bad(("maxReplayLag", "-1"), _gate("maxReplayLag", -1)),
    "unknown gate": Bad(
        ("overrides", "no_such_gate", "cluster_healthy"),
        {"overrides": [{"gate": "no_such_gate", "until": "2100-01-01T00:00:00Z", "reason": "x"}]},
    ),
    "an override without an end": Bad(
        ("overrides", "until"), {"overrides": [{"gate": "cluster_healthy", "reason": "x"}]}
    ),
    "an override with a wrong end": Bad(
        ("overrides", "until", "tomorrow"),
        {"overrides": [{"gate": "cluster_healthy", "until": "tomorrow", "reason": "x"}]},
    ),
    "an override whose end is no day": Bad(
        ("overrides", "until", "2026-13-45T00:00:00Z"),
        {"overrides": [{"gate": "cluster_healthy", "until": "2026-13-45T00:00:00Z", "reason": "x"}]},
    ),
    "unknown strategy": Bad(("strategy", "random", "transfer"), {"leader": {"strategy": "random"}}),
    "unknown policy": Bad(("policy", "sometimes", "automatic"), {"rollback": {"policy": "sometimes"}}),
    "unknown drift": Bad(("onDrift", "ignore", "refuse"), {"onDrift": "ignore"}),
    "unknown acknowledgement": Bad(("acknowledge", "everything", "leader-restart"), {"acknowledge": ["everything"]}),
    "a field that does not exist": Bad(("settleSecond", "settleSeconds"), _gate("settleSecond", 3)),
    "a section that does not exist": Bad(("hook", "hooks"), {"hook": ["quiesce"]}),
    "a cause that does not exist": Bad(("podFailures", "ImagePull"), {"podFailures": {"ImagePull": {"fatal": True}}}),
    "negative patience": Bad(("ErrImagePull", "seconds", "-1"), {"podFailures": {"ErrImagePull": {"seconds": -1}}}),
    "a cluster's name that is none": Bad(("Prod_1",), {"clusterRef": {"name": "Prod_1"}}),
    "another cluster's name": Bad(
        ("StarRocksCluster", "staging", "not found|no StarRocksCluster|does not exist"),
        {"clusterRef": {"name": "staging"}},
    ),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused_before_anything_is_touched(bad: Bad, calm: StarRocks, asked: Driver) -> None:
    mark = calm.mark()
    asked.upgrade(bad.version, **bad.spec).failed(*bad.said)
    calm.untouched(mark)
    assert calm.record is None
    assert calm.lease is None


@pytest.mark.parametrize("seconds", [-1, 0, 10_000_000])
def test_an_absurd_lease_is_refused(seconds: int, calm: StarRocks, asked: Driver) -> None:
    mark = calm.mark()
    run = asked.run(asked.document("3.3.2"), starrocks_upgrade_lease_seconds=seconds)
    run.failed("lease_seconds", str(seconds))
    calm.untouched(mark)


def test_an_unknown_namespace(calm: StarRocks, asked: Driver) -> None:
    mark = calm.mark()
    document = asked.document("3.3.2")
    document["metadata"]["namespace"] = "nowhere"
    # By who may look everywhere; to others the API server does not say what there is.
    asked.run(document, kubeconfig=calm.lab.kubeconfig).failed("nowhere", "prod")
    calm.untouched(mark)


def test_no_cluster_named_at_all(calm: StarRocks, asked: Driver) -> None:
    mark = calm.mark()
    asked.run({}, "--extra-vars=version=3.3.2").failed("cluster")
    calm.untouched(mark)


def test_a_kubeconfig_that_does_not_exist(calm: StarRocks, asked: Driver, tmp_path: Path) -> None:
    mark = calm.mark()
    asked.run(asked.document("3.3.2"), kubeconfig=tmp_path / "no-such-kubeconfig").failed("no-such-kubeconfig")
    calm.untouched(mark)


def test_an_api_server_that_does_not_answer(calm: StarRocks, asked: Driver, tmp_path: Path) -> None:
    mark = calm.mark()
    text = calm.lab.kubeconfig.read_text()
    record = calm.lab.record()
    assert record is not None
    dead = tmp_path / "dead-kubeconfig"
    # Port 9 (discard) is closed on any machine that runs tests.
    dead.write_text(text.replace(f":{record['ports']['apiserver']}", ":9"))
    asked.run(asked.document("3.3.2"), kubeconfig=dead).failed("127.0.0.1:9|API server")
    calm.untouched(mark)


# What is wrong with the cluster itself. Each gets a cluster of its own.


def test_an_fe_that_refuses_connections(cluster: MakeCluster, driver: MakeDriver) -> None:
    starrocks = cluster(fe=3, be=1)
    starrocks.faults({"kind": "refuse"})
    mark = starrocks.mark()
    driver(starrocks).upgrade("3.3.2").failed("prod-fe-", "9030|connect|refused|reach|closed")
    starrocks.untouched(mark)


def test_a_wrong_password(cluster: MakeCluster, driver: MakeDriver) -> None:
    starrocks = cluster(fe=3, be=1)
    starrocks.simulate(rotate_password="another-one")
    mark = starrocks.mark()
    driver(starrocks).as_root().upgrade("3.3.2").failed("password|denied", "root", "prod-root|Secret")
    starrocks.untouched(mark)


def test_a_missing_secret(cluster: MakeCluster, driver: MakeDriver) -> None:
    starrocks = cluster(fe=3, be=1)
    starrocks.api.delete("Secret", "prod-root", starrocks.namespace)
    mark = starrocks.mark()
    driver(starrocks).as_root().upgrade("3.3.2").failed("Secret", "prod-root")
    starrocks.untouched(mark)


def test_a_secret_without_the_key(cluster: MakeCluster, driver: MakeDriver) -> None:
    starrocks = cluster(fe=3, be=1)
    data = {"password": None, "passwd": base64.b64encode(starrocks.password.encode()).decode()}
    starrocks.api.patch("Secret", "prod-root", {"data": data}, starrocks.namespace)
    mark = starrocks.mark()
    driver(starrocks).as_root().upgrade("3.3.2").failed("prod-root", "password", "key")
    starrocks.untouched(mark)


def test_a_user_without_the_privilege(cluster: MakeCluster, driver: MakeDriver) -> None:
    starrocks = cluster(fe=3, be=1)
    starrocks.simulate(users={"root": {"password": starrocks.password, "privileges": []}})
    mark = starrocks.mark()
    driver(starrocks).as_root().upgrade("3.3.2").failed("OPERATE|privilege|denied")
    starrocks.untouched(mark)


def test_a_single_frontend_without_acknowledgement(cluster: MakeCluster, driver: MakeDriver) -> None:
    starrocks = cluster(fe=1, be=1)
    mark = starrocks.mark()
    driver(starrocks).upgrade("3.3.2").failed("1 FE", "acknowledge.*frontend-outage")
    starrocks.untouched(mark)


@dataclass(frozen=True)
class Ill:
    """A cluster that is not as it should be before the run: how it comes to be so, and what the message says."""

    make: Callable[[StarRocks], None]
    said: tuple[str, ...]


def _patch(component: str, change: dict[str, Any]) -> Callable[[StarRocks], None]:
    def make(starrocks: StarRocks) -> None:
        starrocks.api.patch("StarRocksCluster", "prod", {"spec": {component: change}}, starrocks.namespace)

    return make


def _wait_for_full_rollout(starrocks: StarRocks) -> None:
    starrocks.api.patch("StarRocksCluster", "prod", {"spec": {"waitForFullRollout": True}}, starrocks.namespace)


def _be_away(starrocks: StarRocks) -> None:
    _patch("starRocksBeSpec", {"image": "starrocks/be-ubuntu:3.3.1-never"})(starrocks)
    starrocks.wait(lambda state: not all(be["alive"] for be in state["backends"].values()), "lose a BE")


ILL = {
    "a BE is down": Ill(_be_away, ("cluster_healthy", "prod-be", "override")),
    "waitForFullRollout": Ill(_wait_for_full_rollout, ("waitForFullRollout", "False|false")),
    "OnDelete": Ill(
        _patch("starRocksBeSpec", {"updateStrategy": {"type": "OnDelete"}}),
        ("starRocksBeSpec.updateStrategy", "OnDelete", "RollingUpdate"),
    ),
    "a partition of somebody": Ill(
        _patch("starRocksFeSpec", {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}}),
        ("starRocksFeSpec.updateStrategy.rollingUpdate.partition", "2", "set to 0"),
    ),
    "scheduling is off already": Ill(
        lambda starrocks: starrocks.set_everywhere(tablet_sched_max_scheduling_tablets="0"),
        ("tablet_sched_max_scheduling_tablets", "10000"),
    ),
}


@pytest.mark.parametrize("ill", ILL.values(), ids=ILL.keys())
def test_a_cluster_that_is_not_fit_is_refused(ill: Ill, cluster: MakeCluster, driver: MakeDriver) -> None:
    starrocks = cluster(fe=3, be=1)
    ill.make(starrocks)
    mark = starrocks.mark()
    driver(starrocks).upgrade("3.3.2").failed(*ill.said)
    starrocks.untouched(mark)
