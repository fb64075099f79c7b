# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proving a metadata image, on simulated FEs."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from unit.module_utils._engine.attempting import an_attempt

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Denied, Unreachable
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.entries import Place, Terms
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.resolve import PlannedHook
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.image import ImageProof
from ansible_collections.steady.rollout.plugins.module_utils._engine.attempts import Held, HookFailed
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._engine.images import Before, ImagePushed, ImageWatch
from ansible_collections.steady.rollout.plugins.module_utils._engine.wait import StepFailed
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Credentials, Frontends
from ansible_collections.steady.rollout.plugins.module_utils._fe.options import FeOptions
from ansible_collections.steady.rollout.plugins.module_utils._fe.wire import Wire
from steadylab.simulator import harness
from steadylab.simulator.harness import Harness

PODS = ["prod-fe-0", "prod-fe-1", "prod-fe-2"]
CREATE_IMAGE = "ALTER SYSTEM CREATE IMAGE"


class Mapped(Frontends):
    """FEs whose HTTP port is where the simulator has it, as a port-forward has it."""

    ports: dict[str, int]

    def open_port(self, pod: str, port: int) -> Wire:
        assert port == 8030, "what SHOW FRONTENDS says"
        return super().open_port(pod, self.ports[pod])


def watch_of(cluster: Harness) -> ImageWatch:
    """What looks at the images of that cluster."""
    options = FeOptions(transport="static", addresses=cluster.addresses(), read_timeout=5.0)
    frontends = Mapped(None, "prod", "starrocks", lambda: Credentials("root", ""), options)
    frontends.ports = {pod: fe["http_port"] for pod, fe in cluster.cluster_state()["frontends"].items()}
    return ImageWatch(frontends, PODS, Clock(), 5.0)


@pytest.fixture(params=["3.3.1", "3.4.0"])
def cluster(request: pytest.FixtureRequest) -> Iterator[Harness]:
    """Three FEs, of a version in which the leader makes images and of one in which any FE may."""
    with harness.start(fe=3, be=0, version=request.param, checkpoint_seconds=0.05) as cluster:
        yield cluster


def prove(watch: ImageWatch, before: Before, seconds: float = 20.0, said: list[str] | None = None) -> ImageProof:
    """Wait for the proof as the engine does."""
    pause = threading.Event().wait
    return watch.prove(
        before, seconds=seconds, pause=lambda length: bool(pause(length)) or None, say=(said or []).append
    )


def test_an_image_on_every_fe_proves_the_statement(cluster: Harness) -> None:
    watch = watch_of(cluster)
    before = watch.before()
    cluster.query("prod-fe-1", CREATE_IMAGE)
    proof = prove(watch, before)
    assert proof.images.keys() == set(PODS)
    assert all(image >= before.journal_id for image in proof.images.values())
    # What a push counts differs between the versions.
    assert proof.pushes == (1 if cluster.cluster_state()["frontends"]["prod-fe-0"]["version"] == "3.3.1" else 2)


def test_an_older_image_proves_nothing(cluster: Harness) -> None:
    watch = watch_of(cluster)
    prove_once(cluster, watch)
    later = Before(10**9, "prod-fe-0", None)
    with pytest.raises(StepFailed, match=r"prod-fe-0 has the image \d+; prod-fe-1 has the image"):
        prove(watch, later, seconds=0.0)


def prove_once(cluster: Harness, watch: ImageWatch) -> int:
    """Make an image and prove it; returns its journal id."""
    before = watch.before()
    cluster.query("prod-fe-0", CREATE_IMAGE)
    return min(prove(watch, before).images.values())


def test_an_fe_that_takes_no_image_is_named_when_the_time_is_over(cluster: Harness) -> None:
    cluster.options(image_push_refused=["prod-fe-2"])
    watch, said = watch_of(cluster), list[str]()
    before = watch.before()
    cluster.query("prod-fe-0", CREATE_IMAGE)
    cluster.wait(lambda state: state["frontends"]["prod-fe-1"]["image"] is not None)
    with pytest.raises(StepFailed, match="on every FE after 0 s: prod-fe-2 has no image yet") as caught:
        prove(watch, before, seconds=0.0)
    assert "timeoutSeconds" in caught.value.remedy
    assert said == []


def test_the_wait_tells_what_it_is_for(cluster: Harness) -> None:
    cluster.options(checkpoint_seconds=0.5)
    watch, said = watch_of(cluster), list[str]()
    before = watch.before()
    cluster.query("prod-fe-0", CREATE_IMAGE)
    watch.prove(before, seconds=20, pause=lambda length: threading.Event().wait(length) and None, say=said.append)
    assert said[0].startswith(f"waits for the image up to journal id {before.journal_id}: prod-fe-0 has no image yet")


def test_a_dead_fe_is_no_proof(cluster: Harness) -> None:
    watch = watch_of(cluster)
    before = watch.before()
    cluster.query("prod-fe-0", CREATE_IMAGE)
    cluster.wait(lambda state: state["frontends"]["prod-fe-2"]["image"] is not None)
    cluster.stop_pod("prod-fe-2")
    with pytest.raises(StepFailed, match="prod-fe-2 is not alive"):
        prove(watch, before, seconds=0.0)


def test_a_new_leader_finishes_it(cluster: Harness) -> None:
    cluster.options(checkpoint_seconds=0.5)
    watch = watch_of(cluster)
    before = watch.before()
    cluster.query("prod-fe-0", CREATE_IMAGE)
    cluster.set_leader("prod-fe-1")
    assert prove(watch, before).images.keys() == set(PODS)


def test_giving_up_ends_the_wait(cluster: Harness) -> None:
    cluster.options(checkpoint_seconds=3600.0)

    def give_up(_seconds: float) -> None:
        raise StepFailed("the hook was given up")

    watch = watch_of(cluster)
    with pytest.raises(StepFailed, match="given up"):
        watch.prove(watch.before(), seconds=600, pause=give_up, say=lambda _line: None)


def test_what_keeps_the_proof_from_being_had_is_told_before_anything_is_sent(cluster: Harness) -> None:
    cluster.options(http_auth=True)
    cluster.change(users={"root": {"password": "", "privileges": ["NODE"]}})
    with pytest.raises(Denied, match="does not let user root read"):
        watch_of(cluster).before()
    assert cluster.cluster_state()["images"] == 0


def test_without_a_leader_there_is_nothing_to_prove_against(cluster: Harness) -> None:
    cluster.options(no_leader="error", election_seconds=3600.0)
    watch = watch_of(cluster)
    cluster.stop_pod("prod-fe-0")
    watch.pods = PODS[1:]
    with pytest.raises(Unreachable, match="Failed to get master client"):
        watch.before()


# The proof as the engine of hooks calls it.

HOOK = PlannedHook(
    "image",
    "pre",
    0,
    Place("spec.stages.pre[0]"),
    "sql",
    "create-image",
    proof="image",
    terms=Terms(timeout_seconds=600),
)


def test_a_pass_that_is_over_leaves_a_note_with_which_the_next_one_goes_on(cluster: Harness) -> None:
    cluster.options(checkpoint_seconds=0.5)
    pushed = ImagePushed(watch_of(cluster).frontends, PODS)
    prove = pushed(HOOK, an_attempt("image"))
    cluster.query("prod-fe-0", CREATE_IMAGE)
    with pytest.raises(Held, match="is not on every FE yet") as caught:
        prove(an_attempt("image", pass_seconds=0.0))
    assert caught.value.again_in > 0
    later = an_attempt("image", note=caught.value.note)
    answer = pushed(HOOK, later)(later)
    assert f"journal id {caught.value.note} or later" in answer.text
    assert cluster.cluster_state()["images"] == 1


def test_a_hook_that_is_given_up_waits_no_longer(cluster: Harness) -> None:
    cluster.options(checkpoint_seconds=3600.0)
    prove = ImagePushed(watch_of(cluster).frontends, PODS)(HOOK, an_attempt("image"))
    with pytest.raises(HookFailed, match="given up"):
        prove(an_attempt("image", stopped=True))
