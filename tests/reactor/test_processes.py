# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reactor as processes: how it stops, what it leaves, who goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from reactor_suite import DEFINITIONS, OWN, SUITE, Operator, Team, definition
from waiting import until

from steadylab import Lab

Start = Callable[..., Operator]

ENTRIES = {
    entry["kind"]: entry | {"group": OWN}
    for entry in yaml.safe_load((SUITE / "watches.yaml").read_text(encoding="utf-8"))
}


def watches(*kinds: str, **more: object) -> str:
    """watches.yaml with these kinds of the suite, each with more fields."""
    return yaml.safe_dump([ENTRIES[kind] | more for kind in kinds])


def left(folder: Path) -> list[str]:
    """The processes that were started for a test with this folder and are still there, zombies left out."""
    marker = f"NOTES={folder / 'notes'}".encode()
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and marker in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def begun(team: Team, name: str = "one") -> None:
    """Wait until the first step of a slow run has begun."""
    until(lambda: team.lines(name) == ["begin first"], "the run began")


def test_a_stop_lets_runs_end(start: Start, own_team: Team, tmp_path: Path) -> None:
    """And begins none: what is left for the next process to do waits for it."""
    reactor = start(watches("Slow"), "--max-concurrent-reconciles=1")
    own_team.make("Slow")
    begun(own_team)
    own_team.make("Slow", "two")
    reactor.signal()
    reactor.says("stopping")
    own_team.go()
    assert reactor.process.wait(60) == 0
    assert own_team.lines() == ["begin first", "end first", "begin second", "end second"]
    assert own_team.conditions("Slow")["Successful"]["status"] == "True"
    assert own_team.lines("two") == []
    assert left(tmp_path) == []


def test_a_stop_that_may_not_wait_lets_the_step_end_and_hands_over(
    start: Start, own_team: Team, tmp_path: Path
) -> None:
    """A second signal, or the end of the graceful time: the step ends, the next does not begin, another goes on."""
    reactor = start(watches("Slow"))
    own_team.make("Slow")
    begun(own_team)
    reactor.signal()
    reactor.says("stopping")
    reactor.signal()
    reactor.says("before their next step")
    own_team.go(step="first")
    assert reactor.process.wait(60) == 0
    assert "handed over" in reactor.said
    assert own_team.lines() == ["begin first", "end first"]
    assert own_team.conditions("Slow")["Running"]["reason"] == "Running"
    assert left(tmp_path) == []
    own_team.go()
    start(watches("Slow"))
    own_team.becomes("Slow", "Successful")


def test_a_step_that_does_not_end_is_killed(start: Start, own_team: Team, tmp_path: Path) -> None:
    """At the end of the graceful time, with all that it started."""
    reactor = start(watches("Slow"), "--graceful-shutdown-timeout=100ms")
    own_team.make("Slow")
    begun(own_team)
    assert reactor.end() == 0
    until(lambda: left(tmp_path) == [], "all its processes are gone")


@pytest.mark.parametrize("who", ["watcher", "zygote"])
def test_a_killed_process_leaves_none_behind(start: Start, own_team: Team, tmp_path: Path, who: str) -> None:
    """Neither the other one, nor runs, nor what their tasks started."""
    reactor = start(watches("Slow"))
    own_team.make("Slow")
    begun(own_team)
    assert len(left(tmp_path)) > 3
    (zygote,) = [int(pid.name) for pid in Path("/proc").iterdir() if _is_zygote(pid, reactor.process.pid)]
    os.kill(reactor.process.pid if who == "watcher" else zygote, signal.SIGKILL)
    status = reactor.process.wait(60)
    assert status == (-signal.SIGKILL if who == "watcher" else 1)
    until(lambda: left(tmp_path) == [], "all its processes are gone")


def _is_zygote(process: Path, parent: int) -> bool:
    if not process.name.isdigit():
        return False
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return int(fields[1]) == parent


def test_a_run_that_takes_too_long_is_ended(start: Start, own_team: Team, tmp_path: Path) -> None:
    """Its object says so; nothing of it is left."""
    start(watches("Slow", reactor={"runTimeout": "3s"}))
    own_team.make("Slow")
    message = own_team.becomes("Slow", "Failure")["Failure"]["message"]
    assert message.startswith("The run was stopped after")
    assert message.endswith("it took too long")
    own_team.delete("Slow")
    until(lambda: not [line for line in left(tmp_path) if "first" in line], "its shell is gone")


def test_one_of_two_leads_and_the_other_takes_over(start: Start, own_team: Team, lab: Lab) -> None:
    """At once where the first gives up its lease, else when that has ended; who has lost it stops by itself."""
    flags = (
        "--leader-elect",
        f"--leader-election-namespace={own_team.namespace}",
        "--leader-elect-lease-duration=10s",
        "--leader-elect-renew-deadline=7s",
    )
    first = start(watches("Note"), *flags)
    first.says("watched")
    second = start(watches("Note"), *flags)
    second.says("is held by")
    assert second.ask("/readyz") == (200, "ok\n")
    own_team.make("Note")
    own_team.becomes("Note", "Successful")
    assert "watched" not in second.said
    assert first.end() == 0
    second.says("watched")
    third = start(watches("Note"), *flags)
    third.says("is held by")
    second.process.kill()
    third.says("watched")
    path = f"/apis/coordination.k8s.io/v1/namespaces/{own_team.namespace}/leases/steady-rollout-reactor"
    lab.setup_api.request(
        "PATCH", path, {"spec": {"holderIdentity": "somebody"}}, content_type="application/merge-patch+json"
    )
    assert third.process.wait(60) == 1
    assert "the lease is lost" in third.said


def test_a_kind_that_is_not_installed_holds_up_nobody(start: Start, own_team: Team, lab: Lab) -> None:
    """It is watched as soon as it is."""
    missing = ENTRIES["Note"] | {"kind": "Late"}
    reactor = start(yaml.safe_dump([missing, ENTRIES["Note"]]))
    reactor.says("the API server does not serve it")
    own_team.make("Note")
    own_team.becomes("Note", "Successful")
    lab.setup_api.request("POST", DEFINITIONS, definition("Late", OWN))
    until(lambda: "Late" in reactor.said.rpartition("watched")[0].rpartition("\n")[2], "it is watched")
    own_team.make("Late", "late")
    own_team.becomes("Late", "Successful", "late")
    lab.setup_api.request("DELETE", f"{DEFINITIONS}/lates.{OWN}")


def test_only_the_namespaces_that_are_named_are_watched(start: Start, own_team: Team, lab: Lab, tmp_path: Path) -> None:
    """The namespaced mode."""
    elsewhere = Team(lab, tmp_path / "notes", f"{own_team.namespace}-else", OWN)
    elsewhere.make("Note")
    start(watches("Note"), WATCH_NAMESPACE=f"{own_team.namespace}, unheard-of")
    own_team.make("Note")
    own_team.becomes("Note", "Successful")
    assert elsewhere.lines() == []


def test_what_runs_leave_is_bounded_and_goes_with_the_object(start: Start, own_team: Team, tmp_path: Path) -> None:
    """The newest few of each object; no variables, which may hold secrets."""
    start(watches("Note", maxRunnerArtifacts=2))
    for number in range(4):
        own_team.make("Note") if number == 0 else own_team.change("Note", {"spec": {"number": number}})
        own_team.noted(number + 1)
        own_team.becomes("Note", "Successful")
    folder = tmp_path / "artifacts" / OWN / "v1" / "Note" / own_team.namespace / "one"
    until(lambda: len(list(folder.iterdir())) == 2, "two runs are kept")
    assert {path.name for path in folder.rglob("*") if path.is_file()} == {"stdout", "rc"}
    own_team.delete("Note")
    until(lambda: not folder.exists(), "they are gone")


def test_a_settled_object_is_left_alone_by_a_start_where_that_is_asked_for(start: Start, own_team: Team) -> None:
    """Its status must be of its generation; anything else is run."""
    own_team.make("Note")
    own_team.make("Note", "stale")
    reactor = start(watches("Note", reactor={"resume": True}))
    for name in ("one", "stale"):
        own_team.becomes("Note", "Successful", name)
    reactor.end()
    for name, generation in (("one", 1), ("stale", 0)):
        found = own_team.get("Note", name) or {}
        status = found["status"] | {"observedGeneration": generation}
        own_team.api.request("PUT", f"{own_team.path('Note', name)}/status", found | {"status": status})
    again = start(watches("Note", reactor={"resume": True}))
    own_team.noted(2, "stale")
    again.says(f"{own_team.namespace}/one")
    line = next(line for line in again.said.splitlines() if f"{own_team.namespace}/one" in line)
    assert "settled" in line
    assert len(own_team.lines()) == 1


def test_numbers_and_probes_tell_how_it_is(start: Start, own_team: Team) -> None:
    """Results by kind under the names of ansible-operator, times of whole passes, and whether it lives."""
    reactor = start(watches("End"))
    own_team.make("End", "good", {"end": "well"})
    own_team.make("End", "bad", {"end": "fail"}, annotations={"ansible.sdk.operatorframework.io/verbosity": "0"})
    own_team.becomes("End", "Successful", "good")
    own_team.becomes("End", "Failure", "bad")
    reactor.says("failed")
    reactor.says("done")
    assert reactor.ask("/healthz") == (200, "ok\n")
    assert reactor.ask("/readyz") == (200, "ok\n")
    status, text = reactor.ask("/metrics")
    assert status == 200
    label = f'GVK="{OWN}/v1, Kind=End"'
    assert f'ansible_operator_reconcile_result{{{label},result="succeeded"}} 1.0' in text
    assert f'ansible_operator_reconcile_result{{{label},result="failed"}}' in text
    assert f"ansible_operator_reconciles_count{{{label}}}" in text
    assert f"steady_reactor_watch_silence_seconds{{{label}}}" in text


def test_a_watches_file_that_cannot_be_used_ends_it_at_once(start: Start) -> None:
    """With the reason, before anything is started."""
    reactor = start("- {version: v1, kind: Note}")
    assert reactor.process.wait(60) == 1
    assert reactor.said == "reactor: watches.yaml, Note: must specify role or playbook\n"
