# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record: it comes back as it went, and what somebody edited is refused."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.gate import Refusal
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import settings
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.preparation import Preparation
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import (
    MAX_EVENTS,
    Event,
    GateRecord,
    HookRecord,
    PodState,
    Record,
    StepRecord,
    WaitRecord,
    baseline_of,
    load,
    plan_hash,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import SETTINGS, Journal
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Waiting
from ansible_collections.steady.rollout.plugins.module_utils._domain.version import Image

from .builders import NEW_START, a_cluster, a_record, a_spec, examples, image


def full() -> Record:
    """A record with something in every field."""
    cluster = a_cluster(cn=1).workload("be", strategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})
    record = a_record(cluster.snapshot, a_spec(), "prod-be-2")
    hooks = {"look": HookRecord("sql", "digest", started_at="2026-11-21T06:00:00.000Z")}
    waits = {"the pod": WaitRecord("2026-11-21T06:00:00.000Z", causes={"ErrImagePull": "2026-11-21T06:00:01.000Z"})}
    step = StepRecord(
        "prod-be-2",
        "upgrade-pod",
        "done",
        "2026-11-21T06:00:00.000Z",
        waited={"the pod": 1.5},
        hooks=hooks,
        waits=waits,
    )
    record = replace(
        record.with_step("be/prod-be-2", step),
        journal=replace(settings.open_journal(cluster.snapshot, tuple(SETTINGS), Journal()), window="be/prod-be-2"),
        after={"prod-be-2": PodState("be", image("be", "3.3.2"), "uid", "3.3.2", NEW_START)},
        risks=({"name": "leader-restart", "level": "warning"},),
        preparation=Preparation("request", "Running", {}, {}, armed_at="2026-11-21T06:00:00Z"),
    )
    record = record.with_event(Event("2026-11-21T06:00:00.000Z", "pod", "prod-be-2: ready", data={"state": "ready"}))
    return record.with_answer("quorum", "be/prod-be-2", "2026-11-21T06:00:00.000Z", None)


def stored(record: Record) -> Any:
    """What the ConfigMap holds."""
    return json.loads(json.dumps(record.to_record()))


def test_a_record_comes_back_as_it_went() -> None:
    assert load(stored(full()), cluster="prod") == full()


def test_fields_of_a_newer_release_are_dropped() -> None:
    data = stored(full())
    data["later"] = {"anything": [1]}
    data["baseline"]["later"] = 1
    assert load(data, cluster="prod") == full()


def resealed(data: Any) -> Any:
    """The edited record with the hash that fits, as somebody who knows how it is made would leave it."""
    try:
        record = a_record(a_cluster().snapshot, a_spec())
        baseline = replace(record.baseline, images=data["baseline"]["images"], replicas=data["baseline"]["replicas"])
        data["plan_hash"] = plan_hash(data["spec_hash"], data["cluster_uid"], baseline)
    except (KeyError, TypeError):
        return data
    return data


STRATEGY = ("baseline", "strategies", "be")
BALANCE = ("journal", "entries", "tablet_sched_disable_balance")
EDITS: list[tuple[str, tuple[Any, ...], Any]] = [
    ("schema unknown", ("schema",), 2),
    ("schema missing", ("schema",), None),
    ("schema true", ("schema",), True),
    ("another cluster", ("cluster",), "test"),
    ("pod of another cluster", ("touched",), ["test-be-2"]),
    ("pod name with path", ("touched",), ["prod-be-2/../../secrets"]),
    ("pod with leading zero", ("touched",), ["prod-be-02"]),
    ("pod with other digits", ("touched",), ["prod-be-٢"]),
    ("pod touched twice", ("touched",), ["prod-be-2", "prod-be-2"]),
    ("touched is text", ("touched",), "prod-be-2"),
    ("phase unknown", ("phase",), "paused"),
    ("outcome unknown", ("outcome",), "fine"),
    ("component unknown", ("target",), {"proxy": "starrocks/fe-ubuntu:3.3.2"}),
    ("image malformed", ("target", "be"), "be ubuntu"),
    ("image with newline", ("target", "be"), "starrocks/be-ubuntu:3.3.2\n"),
    ("baseline image malformed", ("baseline", "images", "be"), "$(reboot)"),
    ("replicas is text", ("baseline", "replicas", "be"), "3"),
    ("strategy unknown", STRATEGY, {"type": "Recreate"}),
    ("strategy with more", STRATEGY, {"type": "RollingUpdate", "image": "x"}),
    ("partition is text", STRATEGY, {"type": "RollingUpdate", "rollingUpdate": {"partition": "0"}}),
    ("partition negative", STRATEGY, {"type": "RollingUpdate", "rollingUpdate": {"partition": -1}}),
    ("partition is an object", STRATEGY, {"type": "RollingUpdate", "rollingUpdate": {"partition": {"a": 1}}}),
    ("partition is true", STRATEGY, {"type": "RollingUpdate", "rollingUpdate": {"partition": True}}),
    ("rollingUpdate is a list", STRATEGY, {"type": "RollingUpdate", "rollingUpdate": [1]}),
    ("strategy type is a list", STRATEGY, {"type": ["RollingUpdate"]}),
    ("setting unknown", ("journal", "entries"), {"enable_udf": {}}),
    ("value with a statement", (*BALANCE, "baseline"), 'false"); DROP TABLE t'),
    ("value of another type", (*BALANCE, "baseline"), "10000"),
    ("off value of another type", (*BALANCE, "quiesced"), "off"),
    ("value no text", (*BALANCE, "baseline"), False),
    ("entry under another key", (*BALANCE, "key"), "enable_udf"),
    ("state unknown", (*BALANCE, "state"), "closed"),
    ("number too large for its type", ("steps", "be/prod-be-2", "estimate_seconds"), 10**400),
    ("started_at no text", ("started_at",), 5),
    ("preparation at no moment", ("preparation", "armed_at"), "yesterday"),
    ("preparation in no time zone", ("preparation", "prepared_at"), "2026-11-21T06:00:00"),
    ("hook at no moment", ("steps", "be/prod-be-2", "hooks", "look", "started_at"), "soon"),
    ("wait since no moment", ("steps", "be/prod-be-2", "waits", "the pod", "since"), ""),
    ("cause at no moment", ("steps", "be/prod-be-2", "waits", "the pod", "causes", "ErrImagePull"), "9"),
    ("hooks in no order", ("steps", "pre/first-look"), {"title": "look", "kind": "hook"}),
    ("journal is a list", ("journal",), []),
]


def put(data: Any, path: tuple[Any, ...], value: Any) -> None:
    """Change what stands at a path."""
    for part in path[:-1]:
        data = data[part]
    data[path[-1]] = value


@pytest.mark.parametrize(("path", "value"), [e[1:] for e in EDITS], ids=[e[0] for e in EDITS])
def test_an_edited_record_is_refused(path: tuple[Any, ...], value: Any) -> None:
    data = stored(full())
    put(data, path, value)
    with pytest.raises(Refused) as caught:
        load(resealed(data), cluster="prod")
    assert caught.value.remedy


def test_a_changed_baseline_does_not_fit_the_hash() -> None:
    data = stored(full())
    data["baseline"]["images"]["be"] = image("be", "3.1.0")
    with pytest.raises(Refused, match="does not fit"):
        load(data, cluster="prod")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([10**400, -1, "0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path in a document."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path] * bool(path) + [p for key, value in items for p in places(value, (*path, key))]


PLACES = places(stored(full()))


@given(
    edits=st.lists(st.tuples(st.sampled_from(PLACES), JSON), min_size=1, max_size=3),
    removed=st.none() | st.sampled_from(PLACES),
    seal=st.booleans(),
)
@examples(150)
def test_whatever_was_edited_is_refused_or_harmless(edits: Any, removed: Any, seal: bool) -> None:
    data = copy.deepcopy(stored(full()))
    for path, value in edits:
        _quietly(lambda path=path, value=value: put(data, path, value))
    if removed:
        _quietly(lambda: _parent(data, removed).pop(removed[-1]))
    try:
        record = load(resealed(data) if seal else data, cluster="prod")
    except Refused:
        return
    assert_harmless(record)


@given(st.dictionaries(st.text(max_size=10) | st.sampled_from(list(stored(full()))), JSON, max_size=6))
@examples(100)
def test_any_document_at_all_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        load({"schema": 1, **data}, cluster="prod")


def _quietly(change: Any) -> None:
    """Make the change where an earlier one has left its place."""
    try:
        change()
    except (KeyError, IndexError, TypeError, AttributeError):
        return


def _parent(data: Any, path: tuple[Any, ...]) -> Any:
    for part in path[:-1]:
        data = data[part]
    return data


def assert_harmless(record: Record) -> None:
    """Whatever can enter a statement or a patch is of the allow-list and of its type."""
    for key, entry in record.journal.entries.items():
        assert entry.key == key
        for value in (entry.baseline, entry.quiesced):
            assert value == SETTINGS[key].normal(value)
            assert value.isascii()
    for text in (*record.target.values(), *record.baseline.images.values()):
        assert Image.parse(text, "image")
        assert not set(text) & set(" \n\t\"'")
    for pod in record.touched:
        assert record.component_of(pod) in ("fe", "be", "cn")
        assert pod.isascii()
    for strategy in record.baseline.strategies.values():
        partition = ((strategy or {}).get("rollingUpdate") or {}).get("partition")  # type: ignore[attr-defined]
        assert partition is None or (type(partition) is int and partition >= 0)
    assert load(stored(record), cluster="prod") == record


# -- values ------------------------------------------------------------


def test_the_oldest_events_go_first() -> None:
    record = full()
    for number in range(3):
        record = replace(record, events=record.events * MAX_EVENTS).with_event(Event("", "note", str(number)))
    assert len(record.events) == MAX_EVENTS
    assert record.events[-1].text == "2"


def test_a_touched_pod_is_noted_once_in_order() -> None:
    record = full().with_touched("prod-be-1").with_touched("prod-be-2")
    assert record.touched == ("prod-be-2", "prod-be-1")


def test_the_last_words_of_a_refusal_stay() -> None:
    record = a_record(a_cluster().snapshot, a_spec())
    record = record.with_answer("quorum", "s", "1", Refusal("quorum", "prod-fe-1", "1 of 3"))
    assert record.gates == (GateRecord("quorum", "s", "prod-fe-1", "refused", "1", "1", 1, "1 of 3"),)
    record = record.with_answer("quorum", "s", "2", None)
    assert record.gates == (GateRecord("quorum", "s", "prod-fe-1", "passed", "1", "2", 2, "1 of 3"),)


@pytest.mark.parametrize(
    ("pod", "component"),
    [
        ("prod-fe-0", "fe"),
        ("prod-be-12", "be"),
        ("prod-cn-3", "cn"),
        ("prod-fe-proxy-7d9f-x", None),
        ("prod-fe", None),
        ("other-fe-0", None),
        ("prodxfe-0", None),
        ("prod-be-1\n", None),
    ],
)
def test_the_component_of_a_pod(pod: str, component: str | None) -> None:
    assert full().component_of(pod) == component


def test_a_frontend_is_touched_from_the_intent_on() -> None:
    assert not full().frontend_touched
    assert full().with_touched("prod-fe-2").frontend_touched


@pytest.mark.parametrize(
    ("phase", "state", "finished"),
    [
        ("done", "restored", True),
        ("done", "conflict", True),
        ("done", "open", False),
        ("running", "restored", False),
    ],
)
def test_a_record_is_finished_when_nothing_is_owed(phase: Any, state: Any, finished: bool) -> None:
    record = full()
    entries = {key: replace(entry, state=state) for key, entry in record.journal.entries.items()}
    assert replace(record, phase=phase, journal=Journal(entries)).finished is finished


def test_the_baseline_is_what_a_rollback_needs() -> None:
    baseline = baseline_of(a_cluster().snapshot)
    assert baseline.images == {"fe": image("fe", "3.3.1"), "be": image("be", "3.3.1")}
    assert baseline.replicas == {"fe": 3, "be": 3}
    assert baseline.pods["prod-be-1"].version == "3.3.1"
    assert baseline_of(a_cluster().without_row("prod-be-1").snapshot).pods["prod-be-1"].version is None


def test_an_fe_that_is_out_of_sight_may_still_hold_our_values() -> None:
    cluster = a_cluster()
    record = a_record(cluster.snapshot, a_spec())
    pods = cluster.snapshot.pods
    assert record.cut_off(pods, {"prod-fe-1", "prod-fe-2"}) == ("prod-fe-0",)
    assert record.cut_off(pods, {"prod-fe-0", "prod-fe-1", "prod-fe-2"}) == ()


@pytest.mark.parametrize(
    "gone",
    [
        {"deleting": True},
        {"phase": "Pending"},
        {"phase": "Failed"},
        {"waiting": (Waiting("fe", "CrashLoopBackOff", ""),)},
        {"uid": "another"},
    ],
    ids=["deleting", "pending", "failed", "crash loop", "made anew and never joined"],
)
def test_an_fe_whose_process_has_ended_holds_nothing(gone: dict[str, Any]) -> None:
    cluster = a_cluster()
    record = a_record(cluster.snapshot, a_spec())
    pods = [replace(pod, **gone) for pod in cluster.snapshot.pods if pod.name == "prod-fe-0"]
    assert pods
    assert record.cut_off(pods, set()) == ()


def test_an_fe_that_was_made_anew_and_joined_may_hold_our_values() -> None:
    cluster = a_cluster()
    step = StepRecord("prod-fe-2", "upgrade-pod", "done")
    record = a_record(cluster.snapshot, a_spec()).with_step("fe/prod-fe-2", step)
    pods = [replace(pod, uid="another") for pod in cluster.snapshot.pods if pod.name == "prod-fe-2"]
    assert record.cut_off(pods, set()) == ("prod-fe-2",)
