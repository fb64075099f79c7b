# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod is deleted once its StatefulSet has the wanted image, in a pass without patience as well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest
from unit.module_utils._domain.starrocks.builders import a_cluster, a_record, a_spec

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.gates import Target
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.plan import Step
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import StepRecord, WaitRecord
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._engine.patience import Waiting
from ansible_collections.steady.rollout.plugins.module_utils._engine.steps import deletion
from ansible_collections.steady.rollout.plugins.module_utils._engine.wait import StepFailed
from ansible_collections.steady.rollout.plugins.module_utils._kube.watch import Change

STEP = Step("be/prod-be-0", "upgrade-pod", "upgrade prod-be-0", "", 1.0, pod="prod-be-0", image="be:2", means="delete")
WHAT = "StatefulSet prod-be to get be:2"


class SlowFeed:
    """A feed whose first answer takes longer than a pass without patience would wait."""

    def __init__(self, image: str) -> None:
        self.asked = 0
        self.image = image

    def __enter__(self) -> SlowFeed:
        return self

    def __exit__(self, *_exception: object) -> None:
        """Nothing to end."""

    def next(self, _timeout: float) -> Change | None:
        self.asked += 1
        if self.asked != 3:
            return None
        pod = {"spec": {"containers": [{"name": "be", "image": self.image}]}}
        return Change("SYNC", [{"spec": {"template": pod}}], "statefulsets")


class Scene:
    """One pass over a step that deletes a pod, long after the wait began where `late` says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, image: str, patience: float | None, *, late: bool) -> None:
        feed, record = SlowFeed(image), a_record(a_cluster().snapshot, a_spec())
        since = (datetime.now(UTC) - timedelta(days=1)).isoformat()
        waits = {WHAT: WaitRecord(since)} if late else {}
        self.deleted: list[str] = []
        ledger = SimpleNamespace(renew=lambda: None, renewal_due=0.0, present=None)
        ledger.change = partial(setattr, ledger, "present")
        ledger.present = record.with_step(STEP.id, StepRecord("upgrade", "upgrade-pod", waits=waits))
        self.context = SimpleNamespace(
            plan=SimpleNamespace(cluster="prod", namespace="starrocks"),
            spec=a_spec(),
            clock=Clock(),
            ledger=ledger,
            client=SimpleNamespace(delete=lambda path, uid: self.deleted.append(uid)),
            write=lambda request: request(),
            say=lambda _line: None,
            patience=patience,
        )
        monkeypatch.setattr(deletion, "Feed", lambda *_arguments, **_options: feed)

    def run(self) -> None:
        deletion.delete_when_due(cast(Any, self.context), STEP, Target("prod-be-0", "be", old_uid="old"))


@pytest.mark.parametrize("late", [False, True], ids=["at once", "after its deadline"])
@pytest.mark.parametrize("patience", [None, 0.0, 5.0])
def test_a_template_that_is_there_is_seen(monkeypatch: pytest.MonkeyPatch, patience: float | None, late: bool) -> None:
    scene = Scene(monkeypatch, "be:2", patience, late=late)
    scene.run()
    assert scene.deleted == ["old"]


def test_without_patience_another_image_is_left_to_the_next_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, "be:1", 0.0, late=False)
    with pytest.raises(Waiting, match="the template has another image"):
        scene.run()
    assert scene.context.ledger.present.steps[STEP.id].waits[WHAT].since
    assert scene.deleted == []


def test_after_the_deadline_another_image_ends_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, "be:1", 5.0, late=True)
    with pytest.raises(StepFailed, match="did not get be:2"):
        scene.run()
    assert scene.deleted == []
