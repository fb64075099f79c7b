# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What wakes a run that waits, and what it looks at then."""

from __future__ import annotations

from typing import Any

import pytest
from unit.module_utils._kube.apiserver import ApiServer, status

from ansible_collections.steady.rollout.plugins.module_utils._domain.database.job import Owner
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.spec import DatabaseSpec
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Denied
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation.databases import DatabaseRules
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.undertaking import Undertaking
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.watching import Watch
from ansible_collections.steady.rollout.plugins.module_utils._kube.watch import Change

OURS = "dbupgrade/shop/orders"
# A machine that is busy gets its time; what is there to be seen is seen at once.
SOON = 5.0


@pytest.fixture
def watch() -> Watch:
    """A watch whose feeds are the test."""
    with ApiServer(lambda _request: status(404, "nobody is asked")) as api:
        owner, spec = Owner("orders", "shop"), DatabaseSpec("", "", "", None, None)
        return Watch(Undertaking(api.client(), Clock(), owner, spec, DatabaseRules(), "", ""))


def job(*, finish: str = "", suspend: bool = False) -> dict[str, Any]:
    conditions = [{"type": finish, "status": "True"}] if finish else []
    return {
        "metadata": {"uid": "job", "name": "j"},
        "spec": {"template": {}, "suspend": suspend},
        "status": {"conditions": conditions},
    }


def pod(phase: str = "Pending", waits: str = "") -> dict[str, Any]:
    waiting = [{"name": "fetch", "state": {"waiting": {"reason": waits}}}] if waits else []
    metadata = {"uid": "pod", "name": "p", "ownerReferences": [{"kind": "Job", "uid": "job"}]}
    return {"metadata": metadata, "spec": {}, "status": {"phase": phase, "initContainerStatuses": waiting}}


def lease(holder: str, renewed: str = "1", **annotations: str) -> dict[str, Any]:
    spec = {"holderIdentity": holder, "renewTime": renewed}
    return {"metadata": {"uid": "lease", "annotations": annotations}, "spec": spec}


def secret(version: str) -> dict[str, Any]:
    return {"metadata": {"uid": "secret", "resourceVersion": version}}


def told(watch: Watch, *changes: Change) -> frozenset[str] | None:
    """What the run is to look at after these changes, None where they are no news."""
    for change in changes:
        watch._changes.put(change)
    return watch.wait(SOON if changes else 0.0)


def known(watch: Watch, *changes: Change) -> None:
    """The run has seen all this."""
    for change in changes:
        watch._take_in(change)
    watch._told = watch._facts()


BEGUN = Change("ADDED", job(), "jobs")
RUNS = Change("ADDED", pod("Running"), "pods")


def test_the_end_of_a_job_is_news_and_what_comes_before_is_not(watch: Watch) -> None:
    known(watch, BEGUN)
    for quiet in (Change("MODIFIED", job(suspend=True), "jobs"), RUNS, Change("MODIFIED", pod("Succeeded"), "pods")):
        watch._changes.put(quiet)
    assert told(watch, Change("MODIFIED", job(finish="Complete"), "jobs")) == {"jobs"}
    assert told(watch) is None


@pytest.mark.parametrize(
    ("before", "change", "parts"),
    [
        ((BEGUN,), Change("DELETED", job(), "jobs"), {"jobs"}),
        ((BEGUN, RUNS), Change("MODIFIED", pod(waits="ImagePullBackOff"), "pods"), {"jobs"}),
        ((Change("ADDED", job(finish="Failed"), "jobs"), RUNS), Change("MODIFIED", pod("Failed"), "pods"), {"jobs"}),
        ((RUNS,), Change("MODIFIED", pod("Failed"), "pods"), {"jobs"}),
        ((RUNS,), Change("DELETED", pod("Running"), "pods"), {"jobs"}),
        ((), Change("ADDED", job(finish="Failed"), "jobs"), {"jobs"}),
        ((), Change("SYNC", [secret("1")], "secret"), {"origin"}),
        ((Change("ADDED", secret("1"), "secret"),), Change("MODIFIED", secret("2"), "secret"), {"origin"}),
        ((Change("ADDED", secret("1"), "secret"),), Change("SYNC", [], "secret"), {"origin"}),
        ((Change("ADDED", lease(OURS), "lease x"),), Change("MODIFIED", lease("other"), "lease x"), {"lease"}),
        ((Change("ADDED", lease("other"), "lease x"),), Change("MODIFIED", lease(""), "lease x"), {"lease"}),
    ],
)
def test_news_tells_where_to_look(watch: Watch, before: tuple[Change, ...], change: Change, parts: set[str]) -> None:
    known(watch, *before)
    assert told(watch, change) == parts


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ((), BEGUN),
        ((BEGUN,), RUNS),
        ((), RUNS),
        ((Change("ADDED", lease(OURS), "lease x"),), Change("MODIFIED", lease(OURS, job="shop/j"), "lease x")),
        ((Change("ADDED", lease("other"), "lease x"),), Change("MODIFIED", lease("other", "2"), "lease x")),
        ((Change("ADDED", secret("1"), "secret"),), Change("SYNC", [secret("1")], "secret")),
    ],
)
def test_what_changes_no_decision_is_no_news(watch: Watch, before: tuple[Change, ...], change: Change) -> None:
    known(watch, *before)
    watch._changes.put(change)
    assert told(watch, Change("ADDED", job(finish="Complete") | {"metadata": {"uid": "last"}}, "jobs")) == {"jobs"}


def test_what_a_feed_tells_while_another_begins_is_not_lost(watch: Watch) -> None:
    known(watch, BEGUN)
    watch._take_in(Change("MODIFIED", job(finish="Complete"), "jobs"))
    assert told(watch) == {"jobs"}


def test_a_feed_that_is_refused_ends_the_wait(watch: Watch) -> None:
    with pytest.raises(Denied):
        told(watch, Change("ERROR", Denied("pods", remedy="x"), "pods"))
