# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract of ansible-operator as tables (contract/*.yml), against the reactor's pure core."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reactor.contract import conditions, lifecycle
from reactor.contract.duration import parse_duration
from reactor.contract.fields import Fatal
from reactor.contract.schedule import LONGEST_RETRY, Key, Schedule, backoff, with_jitter
from reactor.contract.snake import to_snake, with_snake_keys
from reactor.contract.variables import extra_variables, refusal
from reactor.contract.verdict import Hearing, Stats
from reactor.contract.watches import Environment, Watch, load

TABLES = Path(__file__).parent / "contract"
ON_DISK = {
    "/opt/playbook.yml",
    "/opt/other.yml",
    "/opt/roles/thing",
    "/here/playbook.yml",
    "/here/roles/thing",
    "/path/roles/thing",
    "/collections/ansible_collections/name/space/roles/thing",
    "/home/me/.ansible/collections/ansible_collections/name/space/roles/home",
}
BEGIN = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)
END = BEGIN + timedelta(seconds=5)
STATS = Stats(ok=3, changed=1, skipped=2, failures=0, unreachable=0, completion=END + timedelta(microseconds=120000))
RESULT = {"ok": 3, "changed": 1, "skipped": 2, "failures": 0, "completion": "2026-01-02T12:00:05.12+00:00"}

Case = dict[str, Any]


def table(name: str) -> dict[str, Any]:
    """One of the tables."""
    content: dict[str, Any] = yaml.safe_load((TABLES / f"{name}.yml").read_text(encoding="utf-8"))
    return content


def cases(name: str, part: str = "cases") -> Any:
    """The cases of a part of a table, each a test of its own."""
    return pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in table(name)[part]])


def environment(**variables: str) -> Environment:
    """What watches.yaml is read with in these tests."""
    return Environment(variables, "/here", "/home/me", ON_DISK.__contains__, max_concurrent=2, verbosity=2)


def watch(**fields: Any) -> Watch:
    """The watch that an entry with these fields comes to."""
    entry = {"group": "app.test", "version": "v1", "kind": "Thing", "playbook": "/opt/playbook.yml"} | fields
    (made,) = load(yaml.safe_dump([entry]), environment())
    return made


def resource(**parts: Any) -> Case:
    """An object named team/one."""
    return {"apiVersion": "app.test/v1", "kind": "Thing", "metadata": {"name": "one", "namespace": "team"}} | parts


@cases("watches")
def test_a_file_means_what_it_means_there(case: Case) -> None:
    """Every field, its default, its other spellings, and the environment."""
    made = [dataclasses.asdict(each) for each in load(case["file"], environment(**case.get("environment", {})))]
    for each in made:
        each |= each.pop("kind")
        each["blacklist"] = list(each["blacklist"])
        del each["settings"]
    assert made == [table("watches")["defaults"] | different for different in case["watches"]]


@cases("watches", "fatal")
def test_a_file_that_cannot_be_used_is_fatal_with_the_reason(case: Case) -> None:
    """Every case in which ansible-operator ends at once."""
    with pytest.raises(Fatal) as refused:
        load(case["file"], environment(**case.get("environment", {})))
    assert case["says"] in str(refused.value)


def test_what_this_reactor_adds_stands_in_a_mapping_of_its_own() -> None:
    """ansible-operator ignores fields that it does not know."""
    made = watch(reactor={"judge": "stats", "runTimeout": "90s", "resume": True}).settings
    assert (made.judge, made.run_seconds, made.resume) == ("stats", 90.0, True)
    assert watch().settings.judge == "events"
    with pytest.raises(Fatal, match="judge"):
        watch(reactor={"judge": "mood"})


@pytest.mark.parametrize(("text", "seconds"), table("durations")["valid"].items())
def test_a_duration_is_read_as_go_reads_it(text: str, seconds: float) -> None:
    """All units, fractions and signs."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", table("durations")["invalid"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Go refuses the same texts."""
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)


@pytest.mark.parametrize(("key", "name"), [*table("names")["upstream"].items(), *table("names")["found"].items()])
def test_a_key_becomes_the_variable_that_it_becomes_there(key: str, name: str) -> None:
    """The vectors of its own tests, and more that were found with it."""
    assert to_snake(key) == name


@given(st.text())
def test_every_key_becomes_some_name(key: str) -> None:
    """Whatever an author writes, there is a name and no error; what is a name of the kind already stays as it is."""
    name = to_snake(key)
    assert not any("A" <= letter <= "Z" for letter in name)
    assert with_snake_keys({key: [{key: key}]}) == {name: [{name: key}]}


@cases("variables")
def test_a_run_has_the_variables_that_it_has_there(case: Case) -> None:
    """Names, order and marks."""
    whole = resource(**case["object"])
    made = extra_variables(whole, watch(**case["watch"]), finalizing=case.get("finalizing", False))
    spec = whole["spec"] if isinstance(whole.get("spec"), dict) else {}
    for name, value in case["variables"].items():
        if value == "whole":
            case["variables"][name] = {**whole, "spec": spec}
        if value == "marked":
            assert made[name]["metadata"]["name"] == {"__ansible_unsafe": "one"}
            case["variables"][name] = made[name]
    assert made == case["variables"]


@cases("variables", "refused")
def test_an_object_that_reaches_for_ansible_itself_is_refused(case: Case) -> None:
    """Its keys would beat every variable, also those that say where tasks run."""
    assert case["says"] in refusal(resource(**case["object"]), watch(**case["watch"]))


@cases("variables", "allowed")
def test_an_object_that_only_looks_like_it_is_not_refused(case: Case) -> None:
    """Only keys that become variables can shadow one."""
    assert refusal(resource(**case["object"]), watch(**case["watch"])) == ""


def events(given_events: list[Case]) -> list[Case]:
    """The events that a table writes in short."""
    shapes = {
        "ok": lambda value: ("runner_on_ok", {"task_action": value, "res": {}}),
        "failed": lambda value: ("runner_on_failed", {"task_action": "command"} | value),
        "requeue": lambda value: (
            "runner_on_ok",
            {"task_action": value["action"], "res": {k: v for k, v in value.items() if k == "period"}},
        ),
        "end": lambda value: ("playbook_on_stats", {name: {"localhost": count} for name, count in value.items()}),
    }
    made = []
    for event in given_events:
        ((name, value),) = event.items()
        if name == "raw":
            made.append(value)
            continue
        kind, data = shapes[name](value)
        made.append({"event": kind, "event_data": data, "created": "2026-01-02T12:00:05.120000"})
    return made


@cases("verdicts")
def test_a_run_is_judged_as_there(case: Case) -> None:
    """Failures, counts and when to look again."""
    hearing = Hearing(case.get("judge", "events"))
    for event in events(case["events"]):
        hearing.hear(event)
    verdict, expected = hearing.verdict(), case["verdict"]
    assert verdict.good is expected["good"]
    assert list(verdict.failures) == expected.get("failures", [])
    assert verdict.requeue == expected.get("requeue")
    assert verdict.wrong_requeue == expected.get("wrong_requeue", "")
    if expected.get("stats"):
        assert verdict.stats is not None
        found = dataclasses.asdict(verdict.stats)
        assert {name: found[name] for name in expected["stats"]} == expected["stats"]
    if "stats" in expected and expected["stats"] is None:
        assert verdict.stats is None


def condition(short: Any) -> Any:
    """A condition that a table writes in short."""
    if not isinstance(short, dict):
        return short
    moment = {"then": BEGIN - timedelta(hours=1), "begin": BEGIN, "end": END}[short["at"]]
    long = {name: value for name, value in short.items() if name not in ("at", "result")}
    long["lastTransitionTime"] = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    return long | ({"ansibleResult": RESULT} if short.get("result") else {})


def status(short: Case) -> Case:
    """A status that a table writes in short."""
    given_conditions = short.get("conditions")
    if not isinstance(given_conditions, list):
        return short
    return short | {"conditions": [condition(each) for each in given_conditions]}


@cases("conditions")
def test_a_status_changes_as_there(case: Case) -> None:
    """Order, times, reasons and messages of the three conditions, and what becomes of others."""
    before = status(case["before"])
    after = {
        "running": lambda: conditions.running(before, BEGIN),
        "done": lambda: conditions.done(before, END, STATS, []),
        "failed": lambda: conditions.done(before, END, STATS, ["one", "two"]),
        "broken": lambda: conditions.broken(before, END, "no run"),
    }[case["do"]]()
    assert after == status(case["after"])


def test_a_message_never_outgrows_the_status() -> None:
    """The API server takes objects of 1.5 MB and no larger ones."""
    failed = conditions.done({}, END, STATS, ["x" * 3_000_000])
    assert max(len(each["message"]) for each in failed["conditions"]) < 40_000


def test_an_object_is_settled_when_its_status_is_of_its_generation() -> None:
    """Only then may a start leave it alone."""
    done = conditions.done({"observedGeneration": 3}, END, STATS, [])
    assert conditions.settled_at(done, 3) == STATS.completion
    assert conditions.settled_at(done, 4) is None
    assert conditions.settled_at(conditions.running(done, END), 3) is None
    assert conditions.settled_at(conditions.done({"observedGeneration": 3}, END, STATS, ["one"]), 3) is None
    assert conditions.settled_at({}, None) is None


@cases("lifecycle", "decisions")
def test_an_object_is_decided_on_as_there(case: Case) -> None:
    """Finalizers, deletion and the three annotations."""
    made = watch(**{"reconcilePeriod": "60s"} | case["watch"])
    found = dataclasses.asdict(lifecycle.decide(resource(metadata=case["object"]), made))
    assert {name: found[name] for name in case["decision"]} == case["decision"]


@cases("lifecycle", "ends")
def test_a_run_is_followed_by_what_follows_there(case: Case) -> None:
    """Whether the finalizer goes, and when the object is looked at again."""
    made = watch(reconcilePeriod="60s", finalizer={"name": "a/b", "vars": {"x": 1}})
    annotations = {lifecycle.PERIOD: case["period"]} if "period" in case else {}
    deleted = {"deletionTimestamp": "2026-01-02T12:00:00Z"} if case.get("finalizing") else {}
    found = resource(metadata={"finalizers": ["a/b"], "annotations": annotations} | deleted)
    run = {"requeue": None, "deleted_now": False} | case["run"]
    following = lifecycle.after_run(lifecycle.decide(found, made), made, **run)
    assert following.remove_finalizer is case["next"].get("remove", False)
    assert following.after == case["next"].get("after")


@cases("lifecycle", "changes")
def test_a_change_starts_a_run_when_it_does_there(case: Case) -> None:
    """The generation, and annotations where they are watched."""
    assert lifecycle.triggers(case["before"], case["after"], watch(**case.get("watch", {}))) is case["runs"]


def test_retries_come_further_and_further_apart() -> None:
    """5 ms, doubling, 1000 s at most."""
    assert [backoff(number) for number in (1, 2, 3, 4)] == [0.005, 0.01, 0.02, 0.04]
    assert backoff(18) == pytest.approx(655.36)
    assert {backoff(number) for number in (19, 20, 1000)} == {LONGEST_RETRY}


def test_a_success_forgets_the_failures() -> None:
    """The next failure is a first one again."""
    key, schedule = Key("a", "team", "one"), Schedule({"a": 1}, 1)
    pauses = []
    for failed in (True, True, False, True):
        schedule.add(key, 0.0)
        assert schedule.take(1e9) == key
        pauses.append(schedule.done(key, 0.0, failed=failed, after=None))
    assert pauses == [0.005, 0.01, None, 0.005]


def test_an_event_during_a_run_starts_another_right_after() -> None:
    """Whatever the run itself asked for."""
    key, schedule = Key("a", "team", "one"), Schedule({"a": 1}, 1)
    schedule.add(key, 0.0)
    assert schedule.take(0.0) == key
    schedule.add(key, 0.0)
    assert schedule.take(0.0) is None
    assert schedule.done(key, 1.0, failed=False, after=60.0) == 0.0
    assert schedule.take(1.0) == key


def test_an_event_comes_before_a_planned_time_and_does_not_double_it() -> None:
    """One run, not two."""
    key, schedule = Key("a", "team", "one"), Schedule({"a": 1}, 1)
    schedule.add(key, 100.0)
    assert schedule.pause(0.0) == 100.0
    schedule.add(key, 0.0)
    assert schedule.take(0.0) == key
    schedule.done(key, 0.0, failed=False, after=None)
    assert schedule.pause(0.0) is None
    assert schedule.take(1000.0) is None


def test_limits_hold_for_each_kind_and_for_all_and_kinds_take_turns() -> None:
    """Many objects of one kind do not hold up another."""
    schedule = Schedule({"a": 2, "b": 2}, 3)
    for number in range(50):
        schedule.add(Key("a", "team", str(number)), 0.0)
    schedule.add(Key("b", "team", "one"), 0.0)
    taken = [schedule.take(0.0) for _ in range(4)]
    assert [key.kind if key else None for key in taken] == ["a", "b", "a", None]
    assert taken[1] is not None
    schedule.done(taken[1], 0.0, failed=False, after=None)
    assert schedule.take(0.0) is None, "the limit of its kind"
    assert schedule.depth("a") == 48


def test_a_deleted_object_is_forgotten_whatever_its_run_asks_for() -> None:
    """A run that still went on does not bring it back; a new object of its name does."""
    key, schedule = Key("a", "team", "one"), Schedule({"a": 1}, 1)
    schedule.add(key, 0.0)
    assert schedule.take(0.0) == key
    schedule.drop(key)
    assert schedule.done(key, 0.0, failed=True, after=None) is None
    assert schedule.pause(0.0) is None
    schedule.add(key, 0.0)
    schedule.drop(key)
    assert schedule.take(0.0) is None
    schedule.add(key, 0.0)
    assert schedule.take(0.0) == key


STEPS = st.lists(st.tuples(st.sampled_from(["add", "later", "take", "good", "bad", "drop"]), st.integers(0, 5)))


class Model:
    """A schedule, and what must be true of it whatever happens: who runs, and who is owed a run."""

    def __init__(self) -> None:
        self.schedule = Schedule({"a": 2, "b": 2}, 3)
        self.running: set[Key] = set()
        self.owed: set[Key] = set()

    def add(self, key: Key, at: float) -> None:
        self.schedule.add(key, at)
        self.owed.add(key)

    def drop(self, key: Key) -> None:
        self.schedule.drop(key)
        self.owed.discard(key)

    def take(self, now: float) -> Key | None:
        key = self.schedule.take(now)
        if key is not None:
            assert key in self.owed
            assert key not in self.running
            self.running.add(key)
            self.owed.discard(key)
        assert self.schedule.running == self.running
        assert len(self.running) <= 3
        return key

    def end(self, key: Key, now: float, *, failed: bool) -> None:
        if key in self.running:
            self.running.discard(key)
            if self.schedule.done(key, now, failed=failed, after=None) is not None:
                self.owed.add(key)


@given(STEPS)
def test_nothing_is_lost_run_twice_at_once_or_left_behind(steps: list[tuple[str, int]]) -> None:
    """Whatever happens in whatever order: an object that was added and not dropped is run, one at a time."""
    model = Model()
    keys = [Key("ab"[number % 2], "team", str(number)) for number in range(6)]
    for now, (what, number) in enumerate(steps):
        {
            "add": lambda key, now: model.add(key, now),
            "later": lambda key, now: model.add(key, now + 30.0),
            "drop": lambda key, now: model.drop(key),
            "take": lambda key, now: model.take(now),
            "good": lambda key, now: model.end(key, now, failed=False),
            "bad": lambda key, now: model.end(key, now, failed=True),
        }[what](keys[number], float(now))
    late = len(steps) + 1000.0
    for key in list(model.running):
        model.end(key, late, failed=False)
    while (taken := model.take(late)) is not None:
        model.end(taken, late, failed=False)
    assert model.owed == set()


@given(st.floats(0.001, 1e6), st.floats(0, 1))
def test_jitter_never_shortens_a_period_and_adds_a_tenth_at_most(period: float, share: float) -> None:
    """Objects that were made together drift apart."""
    assert period <= with_jitter(period, share) <= period * 1.1 + 1e-9
