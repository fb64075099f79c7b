# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused before anything is touched, with field, value and remedy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.gate import Override
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.preflight import (
    at_rest,
    cluster_healthy,
    refusals,
    resolve_images,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import Record
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import GUIDE, REPAIR_LIMIT
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.spec import UpgradeSpec

from .builders import NOW, Cluster, a_cluster, a_record, a_spec, image

HELD = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}


def asked(
    cluster: Cluster, spec: UpgradeSpec, record: Record | None = None, *, own: bool = False, lease_holder: str = ""
) -> list[Refused]:
    """The refusals of a request."""
    target = resolve_images(cluster.snapshot, spec)
    return refusals(cluster.snapshot, spec, target, record, own, NOW, lease_holder)


def images(**given: str) -> UpgradeSpec:
    """A request that names images."""
    return a_spec(target={"images": given})


def test_a_healthy_cluster_is_not_refused() -> None:
    assert asked(a_cluster(cn=2), a_spec()) == []


def test_a_version_is_a_tag_of_the_present_repositories() -> None:
    there = a_cluster().workload("be", image=f"r.example:5000/a/be@sha256:{'a' * 64}").snapshot
    assert resolve_images(there, a_spec()) == {"fe": image("fe", "3.3.2"), "be": "r.example:5000/a/be:3.3.2"}


Change = Callable[[Cluster], Cluster]
REFUSED: list[tuple[str, Change, UpgradeSpec, str, str]] = [
    ("old Kubernetes", lambda c: c.having(server_version="v1.26.9"), a_spec(), "kubernetes", "1.27"),
    ("unknown Kubernetes", lambda c: c.having(server_version=""), a_spec(), "kubernetes", "1.27"),
    ("jump", lambda c: c, a_spec("3.5.0"), "spec.target.version", "one by one"),
    ("forbidden pair", lambda c: c, a_spec("3.2.1"), "spec.target.version", "metadata"),
    ("jump of one image", lambda c: c, images(be=image("be", "3.5.0")), "spec.target.images.be", "one by one"),
    ("FE image in BE", lambda c: c, images(be=image("fe", "3.3.2")), "spec.target.images.be", "of fe"),
    ("BE image in FE", lambda c: c, images(fe=image("be", "3.3.2")), "spec.target.images.fe", "of be"),
    ("CN image in BE", lambda c: c, images(be=image("cn", "3.3.2")), "spec.target.images.be", "of cn"),
    ("named at the end", lambda c: c, images(be="corp/starrocks-fe:3.3.2"), "spec.target.images.be", "of fe"),
    (
        "another component's repository",
        lambda c: _running(c.workload("fe", image="corp/one:3.3.1").workload("be", image="corp/two:3.3.1")),
        images(be="corp/one:3.3.2"),
        "spec.target.images.be",
        "of fe",
    ),
    (
        "full rollout",
        lambda c: c.having(wait_for_full_rollout=True),
        a_spec(),
        "spec.waitForFullRollout",
        "partition",
    ),
    (
        "OnDelete",
        lambda c: c.workload("be", strategy={"type": "OnDelete"}, strategy_type="OnDelete"),
        a_spec(),
        "spec.starRocksBeSpec.updateStrategy",
        "not honoured",
    ),
    (
        "partition held",
        lambda c: c.workload("fe", strategy=HELD, partition=2),
        a_spec(),
        "spec.starRocksFeSpec.updateStrategy.rollingUpdate.partition",
        "already",
    ),
    ("limit off", lambda c: c.settings(**{REPAIR_LIMIT: "0"}), a_spec(), REPAIR_LIMIT, "already"),
    ("drift", lambda c: c.settings("prod-fe-1", **{REPAIR_LIMIT: "1"}), a_spec(), "spec.onDrift", "prod-fe-1=1"),
    ("follower unread", lambda c: c.unread("prod-fe-1", "timed out"), a_spec(), "settings.prod-fe-1", "timed out"),
    ("leader unread", lambda c: c.unread("prod-fe-0", "wrong password"), a_spec(), "settings.prod-fe-0", "password"),
    ("pod unready", lambda c: c.pod("prod-be-1", ready=False), a_spec(), "cluster_healthy", "prod-be-1"),
]


@pytest.mark.parametrize(
    ("change", "spec", "field", "words"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_refused(change: Change, spec: UpgradeSpec, field: str, words: str) -> None:
    found = asked(change(a_cluster()), spec)
    assert {refused.field for refused in found} == {field}
    assert words in found[0].reason
    assert found[0].remedy


def test_all_reasons_are_told_at_once() -> None:
    there = a_cluster().having(server_version="v1.20.0", wait_for_full_rollout=True).pod("prod-be-1", ready=False)
    fields = [refused.field for refused in asked(there, a_spec("3.5.0"))]
    assert fields == [
        "kubernetes",
        "spec.target.version",
        "spec.target.version",
        "spec.waitForFullRollout",
        "cluster_healthy",
    ]


@pytest.mark.parametrize(
    "shared",
    ["corp/allin1", "corp/starrocks", "corp/be-and-fe"],
)
def test_one_image_for_all_components_is_no_swap(shared: str) -> None:
    there = a_cluster().workload("fe", image=f"{shared}:3.3.1").workload("be", image=f"{shared}:3.3.1")
    assert asked(_running(there), images(fe=f"{shared}:3.3.2", be=f"{shared}:3.3.2")) == []


def _running(cluster: Cluster) -> Cluster:
    for pod in cluster.snapshot.pods:
        cluster = cluster.pod(pod.name, image=cluster.snapshot.workloads[pod.component].image)
    return cluster


@pytest.mark.parametrize("tag", ["latest", "3.3"])
def test_a_mutable_tag_of_the_present_repository_needs_the_allowance(tag: str) -> None:
    assert asked(a_cluster(), a_spec(tag, allowMutableTags=True)) == []
    spec = replace(a_spec(tag, allowMutableTags=True), allow_mutable_tags=False)
    assert {refused.field for refused in asked(a_cluster(), spec)} == {"spec.target.version"}


UNHEALTHY: list[tuple[str, Change, str]] = [
    ("pod missing", lambda c: c.without_pod("prod-be-1"), "2 of 3"),
    ("pod leaving", lambda c: c.pod("prod-be-1", deleting=True), "prod-be-1"),
    ("pod of another image", lambda c: c.pod("prod-be-1", image=image("be", "3.3.0")), "3.3.0"),
    ("BE row missing", lambda c: c.without_row("prod-be-1"), "prod-be-1"),
    ("FE row missing", lambda c: c.without_row("prod-fe-1"), "prod-fe-1"),
    ("CN row missing", lambda c: c.without_row("prod-cn-0"), "prod-cn-0"),
    ("BE not alive", lambda c: c.row("prod-be-1", alive=False), "prod-be-1"),
    ("FE not alive", lambda c: c.row("prod-fe-2", alive=False), "prod-fe-2"),
    ("no leader", lambda c: c.row("prod-fe-0", role="FOLLOWER"), "leader"),
    ("two leaders", lambda c: c.row("prod-fe-1", role="LEADER"), "leader"),
    ("FEs not seen", lambda c: c.having(frontends=()).blind("frontends", "timed out"), "timed out"),
    ("BEs not seen", lambda c: c.blind("backends", "timed out"), "timed out"),
    ("CNs not seen", lambda c: c.blind("compute_nodes", "timed out"), "timed out"),
    ("tablets not seen", lambda c: c.having(tablets=None).blind("tablets", "timed out"), "timed out"),
    ("tablets not known", lambda c: c.having(tablets=None), "tablet"),
    ("pods not seen", lambda c: c.having(pods=()).blind("pods"), "0 of 3"),
]


@pytest.mark.parametrize(("change", "words"), [case[1:] for case in UNHEALTHY], ids=[case[0] for case in UNHEALTHY])
def test_a_cluster_that_is_unhealthy_or_not_seen(change: Change, words: str) -> None:
    there = change(a_cluster(cn=1))
    refusal = cluster_healthy(there.snapshot)
    assert refusal is not None
    assert words in str(refusal)
    assert "cluster_healthy" in {refused.field for refused in asked(there, a_spec())}
    assert "cluster_healthy" not in {refused.field for refused in asked(there, a_spec(), own=True)}


def test_tablets_are_not_asked_for_in_shared_data_mode() -> None:
    assert cluster_healthy(a_cluster(be=0, cn=2).having(tablets=None, mode="shared_data").snapshot) is None


def override(gate: str, until: float) -> UpgradeSpec:
    """A request with an override."""
    return replace(a_spec(), overrides=(Override(gate, until, "why"),))


def test_an_unhealthy_cluster_may_be_repaired_with_an_override_that_has_not_expired() -> None:
    there = a_cluster().pod("prod-be-1", ready=False)
    assert asked(there, override("cluster_healthy", NOW + 1)) == []
    assert len(asked(there, override("cluster_healthy", NOW - 1))) == 1


@pytest.mark.parametrize(
    ("changes", "own", "refused"),
    [
        pytest.param({}, False, True, id="another run's"),
        pytest.param({}, True, False, id="our own"),
        pytest.param({"phase": "rolling-back"}, False, True, id="rolling back"),
        pytest.param({"phase": "done", "outcome": "failed"}, False, False, id="ended"),
        pytest.param({"phase": "restoring"}, False, False, id="only settings owed"),
        pytest.param({"cluster_uid": "deleted"}, False, False, id="of a deleted cluster"),
    ],
)
def test_an_unfinished_run(changes: Any, own: bool, refused: bool) -> None:
    record = a_record(a_cluster().snapshot, a_spec("3.3.9"), **changes)
    found = asked(a_cluster(), a_spec(), record, own=own)
    assert [r.field for r in found] == (["unfinished_run"] if refused else [])
    assert asked(a_cluster(), override("unfinished_run", NOW + 1), record, own=own) == []


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        pytest.param({"touched": ("prod-be-2",)}, False, id="our own partition"),
        pytest.param({"touched": ()}, True, id="nothing of it was touched"),
        pytest.param({"touched": ("prod-be-2",), "cluster_uid": "deleted"}, True, id="of a deleted cluster"),
        pytest.param({"touched": ("prod-be-2",), "outcome": "succeeded", "phase": "done"}, True, id="ended well"),
    ],
)
def test_whose_partition_it_is(changes: Any, refused: bool) -> None:
    record = replace(a_record(a_cluster().snapshot, a_spec()), **changes)
    there = a_cluster().workload("be", strategy=HELD, partition=2)
    fields = [r.field for r in asked(there, a_spec(), record, own=True)]
    assert any("partition" in field for field in fields) is refused


AT_WORK: list[tuple[str, Change]] = [
    ("it sets FE after FE", lambda c: c.settings("prod-fe-1", **{REPAIR_LIMIT: "0"})),
    ("it has set all", lambda c: c.settings(**{REPAIR_LIMIT: "0"})),
    ("it replaces a pod", lambda c: c.pod("prod-be-1", ready=False)),
]


@pytest.mark.parametrize("change", [case[1] for case in AT_WORK], ids=[case[0] for case in AT_WORK])
def test_what_another_run_may_be_doing_is_refused_as_its_work(change: Change) -> None:
    seen = change(a_cluster())
    assert not at_rest(seen.snapshot, GUIDE)
    alone = asked(seen, a_spec())
    beside = asked(seen, a_spec(), lease_holder="rollout-1 holds the lease since noon")
    assert len(alone) == 1
    assert alone[0].field != "lease"
    assert [(refused.field, refused.value) for refused in beside] == [("lease", None)]
    assert "rollout-1 holds the lease since noon" in beside[0].reason


def test_beside_another_run_the_request_itself_is_judged_as_ever() -> None:
    assert at_rest(a_cluster().snapshot, GUIDE)
    assert asked(a_cluster(), a_spec(), lease_holder="rollout-1") == []
    assert [refused.field for refused in asked(a_cluster(), a_spec("3.5.0"), lease_holder="rollout-1")] == [
        "spec.target.version"
    ] * 2
