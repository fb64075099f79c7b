# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract of ansible-operator on the wire: what becomes of objects and their statuses.

Against the reactor, and against the real ansible-operator: these tests say what both do, but where docs/reactor.md
lists that the two differ on purpose.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from reactor_suite import Operator, Team, define, over_all_kinds
from waiting import until

from steadylab import Lab, ansible_operator

_COUNTER = itertools.count(1)
PREFIX = "ansible.sdk.operatorframework.io"


@pytest.fixture(scope="module")
def real_operator(lab_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """The real one, over a plane of its own: two operators over the same objects would not agree."""
    installed = ansible_operator.ensure()
    with ansible_operator.alone(), Lab.up("wire", None) as lab:
        define(lab)
        yield from over_all_kinds(lab, tmp_path_factory.mktemp("real"), installed)


@pytest.fixture(params=["operator", "real_operator"], ids=["the reactor", "ansible-operator"])
def team(request: pytest.FixtureRequest) -> Team:
    """A namespace of its own for each test, with one operator and with the other."""
    operator: Operator = request.getfixturevalue(request.param)
    return Team(operator.lab, operator.notes, f"wire-{next(_COUNTER)}", real=operator.real)


def test_a_good_run_leaves_the_three_conditions(team: Team) -> None:
    """With the counts of the run, and empty texts where nothing failed."""
    team.make("End", spec={"end": "well"})
    found = team.becomes("End", "Successful")
    running, successful, failure = found["Running"], found["Successful"], found["Failure"]
    assert (running["status"], running["reason"]) == ("True", "Successful")
    assert running["message"] == "Awaiting next reconciliation"
    assert set(running["ansibleResult"]) == {"ok", "changed", "skipped", "failures", "completion"}
    assert running["ansibleResult"]["ok"] == 1
    assert running["ansibleResult"]["skipped"] == 8
    assert (successful["reason"], successful["message"]) == ("Successful", "Last reconciliation succeeded")
    assert (failure["status"], failure["reason"], failure["message"]) == ("False", "", "")


def test_a_failed_run_says_so_and_is_tried_again(team: Team) -> None:
    """Until it succeeds, which another spec may bring about."""
    team.make("End", spec={"end": "fail", "message": "the disk is full"})
    team.becomes("End", "Failure")
    # Until the next try begins, and so again after each.
    found = team.becomes("End", "Running", status="False")
    assert (found["Failure"]["reason"], found["Failure"]["message"]) == ("Failed", "the disk is full")
    assert found["Failure"]["ansibleResult"]["failures"] == 1
    assert (found["Successful"]["status"], found["Successful"]["reason"]) == ("False", "")
    until(lambda: len(team.lines()) >= 3, "three tries")
    team.change("End", {"spec": {"end": "well"}})
    assert team.becomes("End", "Successful")["Failure"]["status"] == "False"


def test_what_counts_as_a_failure(team: Team) -> None:
    """A rescued task does, an ignored one and an unreachable host do not; what is hidden has no message of its own."""
    messages = {
        "silent": "unknown playbook failure",
        "loop": "One or more items failed",
        "rescue": "caught",
    }
    for end in (*messages, "ignore", "unreachable"):
        team.make("End", end, {"end": end})
    for end, message in messages.items():
        assert team.becomes("End", "Failure", end)["Failure"]["message"] == message
        # Failing ones would be tried again until the end of the suite.
        team.delete("End", end)
    team.becomes("End", "Successful", "ignore")
    team.becomes("End", "Successful", "unreachable")


def test_a_run_knows_its_object(team: Team) -> None:
    """The variables, their marks, and the kubeconfig of its namespace."""
    team.make("Note", spec={"someKey": "{{ 1 + 1 }}", "nested": {"aKey": [1, "{{ 2 }}"]}})
    (note,) = team.noted()
    assert note["meta"] == {"name": "one", "namespace": team.namespace}
    assert note["some_key"] == "{{ 1 + 1 }}"
    assert note["someKey"] == "none"
    assert note["spec"] == {"someKey": "{{ 1 + 1 }}", "nested": {"aKey": [1, "{{ 2 }}"]}}
    assert note["whole"]["metadata"]["name"] == "one"
    assert note["whole"]["status"]["conditions"][0]["reason"] == "Running"
    # Variables of the watch are templates, whatever is marked.
    assert str(note["mine"]) == "2"
    assert note["verbosity"] == 2
    if not team.real:
        # There the context has no namespace, and its name is all that tells one.
        assert note["context"]["namespace"] == team.namespace
    assert note["kubeconfig"] == note["k8s_auth_kubeconfig"]
    team.becomes("Note", "Successful")


def test_keys_as_they_are_written_and_no_status(team: Team) -> None:
    """snakeCaseParameters and manageStatus can be off; verbosity comes from the environment, or from an annotation."""
    team.make("Written", spec={"someKey": "x"})
    (note,) = team.noted()
    assert (note["someKey"], note["some_key"], note["verbosity"]) == ("x", "none", 0)
    assert "status" not in (team.get("Written") or {})
    team.change("Written", {"metadata": {"annotations": {f"{PREFIX}/verbosity": "3"}}})
    assert team.noted(2)[1]["verbosity"] == 3


def test_annotations_start_a_run_only_where_they_are_watched(team: Team) -> None:
    """A change of the spec does everywhere, one of the status nowhere."""
    team.make("Note")
    team.becomes("Note", "Successful")
    team.change("Note", {"metadata": {"annotations": {"a": "b"}}})
    team.make("Note", "two")
    team.becomes("Note", "Successful", "two")
    assert len(team.lines()) == 1
    team.change("Note", {"spec": {"x": 1}})
    team.noted(2)
    team.make("Written")
    team.noted(3)
    team.change("Written", {"metadata": {"annotations": {"a": "b"}}})
    team.noted(4)


def test_an_object_is_looked_at_again_after_its_period(team: Team) -> None:
    """The watch's, or its own; 0s is none."""
    team.make("Often")
    first, second = (note["time"] for note in team.noted(2)[:2])
    assert second - first > 1.9
    team.change("Often", {"metadata": {"annotations": {f"{PREFIX}/reconcile-period": "0s"}}, "spec": {"x": 1}})
    team.make("Often", "two")
    before = len(team.lines())
    team.noted(3, "two")
    # The change of the spec is one more run, and one may have been due as it came.
    assert len(team.lines()) <= before + 2
    # It would be looked at until the end of the suite.
    team.delete("Often", "two")


def test_a_period_that_is_none_is_told(team: Team) -> None:
    """In the status, and nothing is run."""
    team.make("Note", annotations={f"{PREFIX}/reconcile-period": "soon"})
    message = team.becomes("Note", "Failure")["Failure"]["message"]
    assert message.startswith("Unable to parse reconcile period annotation")
    assert team.lines() == []
    team.change("Note", {"metadata": {"annotations": None}, "spec": {"x": 1}})
    team.becomes("Note", "Successful")


def test_only_chosen_objects_are_looked_after(team: Team) -> None:
    """Those that carry the labels."""
    team.make("Chosen", "no", labels={"tier": "silver"})
    team.make("Chosen", "yes", labels={"tier": "gold"})
    team.becomes("Chosen", "Successful", "yes")
    assert team.lines("no") == []
    team.change("Chosen", {"metadata": {"labels": {"tier": "gold"}}, "spec": {"x": 1}}, "no")
    team.becomes("Chosen", "Successful", "no")


def test_a_role_is_run(team: Team) -> None:
    """Without a playbook."""
    team.make("Role")
    team.becomes("Role", "Successful")
    assert json.loads(team.lines()[0]) == {"name": "one", "namespace": team.namespace}


def test_a_finalizer_holds_the_object_until_its_run_went_well(team: Team) -> None:
    """It is there before the first run; with variables alone the same playbook runs with them."""
    team.make("Held")
    (note,) = team.noted()
    assert note["finalizing"] is False
    team.becomes("Held", "Successful")
    assert (team.get("Held") or {})["metadata"]["finalizers"] == ["reactor.test/gone"]
    team.delete("Held")
    until(lambda: team.get("Held") is None, "it is gone")
    assert [note["finalizing"] for note in team.noted(2)] == [False, True]


def test_a_finalizer_that_fails_keeps_the_object(team: Team) -> None:
    """And is tried again."""
    team.make("Kept", spec={"end": "fail"})
    team.becomes("Kept", "Successful")
    team.delete("Kept")
    until(lambda: len(team.lines()) >= 3, "the finalizer was tried again")
    assert team.becomes("Kept", "Failure")["Failure"]["message"] == "asked to"
    team.change("Kept", {"spec": {"end": "well"}})
    until(lambda: team.get("Kept") is None, "it is gone")


def test_an_object_that_is_deleted_with_a_finalizer_of_others_is_left_alone(team: Team) -> None:
    """Nothing is run and nothing added."""
    team.make("Note", finalizers=["others.test/theirs"])
    team.becomes("Note", "Successful")
    team.delete("Note")
    team.make("Note", "two")
    team.becomes("Note", "Successful", "two")
    assert len(team.lines()) == 1
    team.change("Note", {"metadata": {"finalizers": None}})
    until(lambda: team.get("Note") is None, "it is gone")


@pytest.mark.parametrize("asked", ["requeue", "requeue by its whole name"])
def test_a_run_may_ask_to_be_repeated(team: Team, asked: str) -> None:
    """The status stays at Running meanwhile."""
    team.make("End", spec={"end": asked})
    until(lambda: len(team.lines()) >= 3, "three runs")
    moments = [float(line) for line in team.lines()]
    assert all(after - before > 0.9 for before, after in itertools.pairwise(moments))
    running = team.conditions("End")["Running"]
    assert (running["status"], running["reason"]) == ("True", "Running")
    assert "Successful" not in team.conditions("End")
    team.change("End", {"spec": {"end": "well"}})
    team.becomes("End", "Successful")


def test_a_kind_has_no_more_runs_at_once_than_its_variable_says(team: Team) -> None:
    """One, for this kind."""
    for name in ("one", "two"):
        team.make("Slow", name)
        team.go(name, "second")
    until(lambda: team.lines("one") or team.lines("two"), "one of them began")
    began, waits = ("one", "two") if team.lines("one") else ("two", "one")
    team.make("Note", "other")
    team.becomes("Note", "Successful", "other")
    assert team.lines(waits) == []
    team.go(began)
    team.go(waits)
    team.becomes("Slow", "Successful", began)
    team.becomes("Slow", "Successful", waits)


def test_a_playbook_that_cannot_be_read_never_ends_well(team: Team) -> None:
    """There it stays at Running without a word; the reactor says why."""
    team.make("Broken")
    if team.real:
        team.becomes("Broken", "Running")
        assert "Successful" not in team.conditions("Broken")
    else:
        message = team.becomes("Broken", "Failure")["Failure"]["message"]
        assert "ended with status" in message
    team.delete("Broken")
