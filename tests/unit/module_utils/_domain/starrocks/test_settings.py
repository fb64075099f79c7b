# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal: whatever restarts, crashes or meddles, what we switched off comes back and nothing else is touched."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import settings as settings_of
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import from_plain, to_plain
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import settings
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import (
    REPAIR_LIMIT,
    SETTINGS,
    Entry,
    Journal,
    Sighting,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import FrontendSettings

from .builders import DEFAULTS, NEW_START, QUIESCED, a_cluster, examples

KEYS = tuple(SETTINGS)
BALANCE = "tablet_sched_disable_balance"


def opened(**values: str) -> Journal:
    """The journal of a healthy cluster whose FEs all have these values."""
    return settings.open_journal(a_cluster().settings(**values).snapshot, KEYS, Journal())


# -- names and values ------------------------------------------------------------


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda s: s.key)
def test_both_names_of_a_setting_mean_the_same(setting: settings.Setting) -> None:
    assert settings.canonical(setting.key) == settings.canonical(setting.alias) == setting.key


@pytest.mark.parametrize(
    "key",
    ["", "enable_udf", "tablet_sched_max_scheduling_tablets ", "TABLET_SCHED_DISABLE_BALANCE", 'x" = "1"); DROP'],
)
def test_other_settings_are_refused(key: str) -> None:
    with pytest.raises(Refused, match="not a setting this collection may change"):
        settings.canonical(key)


def test_off_and_documented_are_values_of_their_own_type() -> None:
    for setting in SETTINGS.values():
        assert setting.normal(setting.off) == setting.off
        assert setting.normal(setting.documented) == setting.documented
        assert setting.off != setting.documented


@pytest.mark.parametrize(
    ("key", "value", "normal"),
    [
        (REPAIR_LIMIT, "0010", "10"),
        (REPAIR_LIMIT, " 10000 ", "10000"),
        (BALANCE, "TRUE", "true"),
        (BALANCE, "False", "false"),
    ],
)
def test_one_spelling(key: str, value: str, normal: str) -> None:
    assert SETTINGS[key].normal(value) == normal


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (REPAIR_LIMIT, ""),
        (REPAIR_LIMIT, "true"),
        (REPAIR_LIMIT, "1e3"),
        (REPAIR_LIMIT, '1"); DROP'),
        (REPAIR_LIMIT, "9" * 13),
        (BALANCE, "1"),
        (BALANCE, "yes"),
        (BALANCE, "true\nfalse"),
    ],
)
def test_a_value_of_another_type_is_refused(key: str, value: str) -> None:
    with pytest.raises(Refused, match=key):
        SETTINGS[key].normal(value)


# -- before the first SET --------------------------------------------------------------------------------------------


def test_frontends_that_differ_are_named() -> None:
    cluster = a_cluster().settings("prod-fe-1", **{REPAIR_LIMIT: "2000"}).snapshot
    (drift,) = settings.drifts(cluster, KEYS)
    assert (drift.key, drift.leader, drift.values) == (REPAIR_LIMIT, "10000", {"prod-fe-1": "2000"})
    assert "10000" in str(drift)
    assert "prod-fe-1=2000" in str(drift)
    assert settings.drifts(cluster, (BALANCE,)) == []


def test_two_spellings_of_one_value_are_no_difference() -> None:
    assert settings.drifts(a_cluster().settings("prod-fe-1", **{BALANCE: "FALSE"}).snapshot, KEYS) == []


def test_a_frontend_that_did_not_tell_a_value_differs() -> None:
    """What is not known must not count as equal, nor end in an error without words."""
    found = settings.drifts(a_cluster().unset("prod-fe-1", BALANCE).snapshot, KEYS)
    assert [drift.key for drift in found] == [BALANCE]


def test_a_journal_needs_the_leaders_values() -> None:
    for cluster in (a_cluster().unread("prod-fe-0"), a_cluster().row("prod-fe-0", alive=False)):
        with pytest.raises(Refused, match="could not be read"):
            settings.open_journal(cluster.snapshot, KEYS, Journal())
    with pytest.raises(Refused, match=BALANCE):
        settings.open_journal(a_cluster().unset("prod-fe-0", BALANCE).snapshot, KEYS, Journal())


def test_the_journal_holds_the_leaders_value_and_what_every_frontend_had() -> None:
    cluster = a_cluster().leader("prod-fe-1").settings("prod-fe-1", **{REPAIR_LIMIT: "2000"}).snapshot
    entry = settings.open_journal(cluster, KEYS, Journal()).entries[REPAIR_LIMIT]
    assert (entry.baseline, entry.quiesced, entry.state) == ("2000", "0", "open")
    assert {s.frontend: s.value for s in entry.sightings} == {
        "prod-fe-0": "10000",
        "prod-fe-1": "2000",
        "prod-fe-2": "10000",
    }


def test_what_an_unfinished_run_journaled_is_kept() -> None:
    """The values seen now are its own."""
    first = opened(**{REPAIR_LIMIT: "2000"})
    again = settings.open_journal(a_cluster().settings(**QUIESCED).snapshot, KEYS, first)
    assert again.entries == first.entries


def test_what_is_closed_begins_anew() -> None:
    closed = Journal({k: replace(e, state="conflict") for k, e in opened(**{REPAIR_LIMIT: "2000"}).entries.items()})
    assert settings.open_journal(a_cluster().snapshot, KEYS, closed).entries[REPAIR_LIMIT].baseline == "10000"


def test_a_hook_holds_a_setting_at_a_value_of_its_own() -> None:
    journal = settings.open_journal(a_cluster().snapshot, {REPAIR_LIMIT: "7"}, Journal())
    assert (journal.entries[REPAIR_LIMIT].baseline, journal.entries[REPAIR_LIMIT].quiesced) == ("10000", "7")


def test_a_held_setting_moves_to_another_value_and_still_goes_back_to_the_first() -> None:
    """What the FEs have of it until then is our own, and no conflict."""
    held = a_cluster().settings(**QUIESCED)
    moved = settings.open_journal(held.snapshot, {REPAIR_LIMIT: "7"}, opened())
    entry = moved.entries[REPAIR_LIMIT]
    assert (entry.baseline, entry.quiesced) == ("10000", "7")
    assert settings.foreign(moved, held.snapshot.settings) == []
    assert settings.wanted(moved, window=False)[REPAIR_LIMIT] == "7"


def test_what_somebody_else_set_stays_a_conflict_when_a_setting_moves() -> None:
    foreign = a_cluster().settings(**{**QUIESCED, REPAIR_LIMIT: "55"})
    moved = settings.open_journal(foreign.snapshot, {REPAIR_LIMIT: "7"}, opened())
    assert [drift.key for drift in settings.foreign(moved, foreign.snapshot.settings)] == [REPAIR_LIMIT]


def test_the_documented_value_takes_the_place_of_the_old_one() -> None:
    held = a_cluster().settings(**QUIESCED).snapshot
    journal = settings.rebased(opened(**{REPAIR_LIMIT: "2000"}), {REPAIR_LIMIT: "10000"}, held.settings)
    assert settings.restored_values(journal, held.settings)[REPAIR_LIMIT] == "10000"
    assert settings.foreign(journal, held.settings) == []


def test_a_setting_of_an_installation_is_text() -> None:
    own = settings.rule("some_setting")
    assert own.same("TRUE", "true")
    assert own.same(" a b ", "a b")
    assert not own.same("A", "a")
    for value in ('x" = "y', "a;b", "a\nb", "x" * 257):
        with pytest.raises(Refused, match="not of type text"):
            own.normal(value)


def test_a_journal_may_hold_a_setting_of_an_installation_and_says_so() -> None:
    own = Entry("some_setting", "a", "b", ())
    journal = Journal({"some_setting": own, REPAIR_LIMIT: Entry(REPAIR_LIMIT, "1", "0", ())}).validated()
    assert journal.strangers == ["some_setting"]


@pytest.mark.parametrize("key", ["Some_Setting", "a b", 'x") ; DROP', "", "a" * 129])
def test_a_journal_holds_nothing_that_is_no_name_of_a_setting(key: str) -> None:
    with pytest.raises(Refused, match="not a setting"):
        Journal({key: Entry(key, "1", "0", ())}).validated()


@pytest.mark.parametrize("value", ['1" = "2', "a;b", "a\\b"])
def test_a_journal_holds_no_value_that_could_end_a_text(value: str) -> None:
    with pytest.raises(Refused, match="not a value we write"):
        Journal({"some_setting": Entry("some_setting", value, "0", ())}).validated()


# -- while it is off ------------------------------------------------------------


def seen(start: str = NEW_START, **values: str) -> dict[str, FrontendSettings]:
    """One FE's values since a start."""
    return {"prod-fe-2": FrontendSettings("prod-fe-2", start, {**DEFAULTS, **values})}


def test_a_restart_is_journaled_once() -> None:
    journal = settings.note_restarts(opened(), seen(**{REPAIR_LIMIT: "500"}))
    assert journal.entries[REPAIR_LIMIT].sightings[-1] == Sighting("prod-fe-2", NEW_START, "500")
    assert settings.note_restarts(journal, seen(**{REPAIR_LIMIT: "0"})) == journal


def test_a_changed_default_is_reported_with_both_numbers() -> None:
    journal = settings.note_restarts(opened(), seen(**{REPAIR_LIMIT: "500"}))
    (drift,) = settings.default_changes(journal)
    assert (drift.leader, drift.values) == ("10000", {"prod-fe-2": "500"})
    assert settings.default_changes(opened()) == []


def test_a_value_that_is_neither_old_nor_ours_nor_from_a_restart_is_foreign() -> None:
    journal = settings.note_restarts(opened(), seen(**{REPAIR_LIMIT: "500"}))
    assert settings.foreign(journal, seen(**{REPAIR_LIMIT: "500"})) == []
    assert [d.values for d in settings.foreign(journal, seen(**{REPAIR_LIMIT: "7"}))] == [{"prod-fe-2": "7"}]


def test_in_the_repair_window_only_the_repair_limit_is_back() -> None:
    journal = opened(**{REPAIR_LIMIT: "2000"})
    assert settings.wanted(journal, window=False) == QUIESCED
    assert settings.wanted(journal, window=True) == {**QUIESCED, REPAIR_LIMIT: "2000"}


def test_only_what_differs_somewhere_is_set() -> None:
    there = a_cluster().settings(**QUIESCED).settings("prod-fe-1", **{BALANCE: "false"}).snapshot.settings
    assert settings.to_set(QUIESCED, there) == {BALANCE: "true"}
    assert settings.to_set({BALANCE: "true"}, a_cluster().settings(**{BALANCE: "TRUE"}).snapshot.settings) == {}


# -- restoring ------------------------------------------------------------


def test_everything_is_put_back_and_closed() -> None:
    journal = opened(**{REPAIR_LIMIT: "2000"})
    assert settings.restored_values(journal, a_cluster().settings(**QUIESCED).snapshot.settings) == {
        **DEFAULTS,
        REPAIR_LIMIT: "2000",
    }
    back = a_cluster().settings(**{REPAIR_LIMIT: "2000"}).snapshot.settings
    settled = settings.settle(journal, back, ())
    assert {entry.state for entry in settled.entries.values()} == {"restored"}
    assert settled.open_keys == []
    assert settled.entries[REPAIR_LIMIT].final == dict.fromkeys(back, "2000")


def test_what_was_off_before_is_unchanged() -> None:
    there = a_cluster().settings(**{BALANCE: "true"})
    settled = settings.settle(opened(**{BALANCE: "true"}), there.snapshot.settings, ())
    assert settled.entries[BALANCE].state == "unchanged"


def test_a_foreign_value_is_left_and_reported() -> None:
    there = a_cluster().settings(**{**QUIESCED, REPAIR_LIMIT: "77"}).snapshot.settings
    assert REPAIR_LIMIT not in settings.restored_values(opened(), there)
    entry = settings.settle(opened(), there, ()).entries[REPAIR_LIMIT]
    assert entry.state == "conflict"
    assert "77" in entry.note


@pytest.mark.parametrize(
    ("views", "unseen", "note"),
    [
        pytest.param({}, (), "read back as", id="nobody answered"),
        pytest.param(a_cluster().snapshot.settings, ("prod-fe-2",), "prod-fe-2", id="one did not answer"),
        pytest.param(a_cluster().settings(**QUIESCED).snapshot.settings, (), "read back as", id="still off"),
    ],
)
def test_what_was_not_read_back_stays_open(
    views: Mapping[str, FrontendSettings], unseen: tuple[str, ...], note: str
) -> None:
    settled = settings.settle(opened(), views, unseen)
    assert settled.open_keys == list(KEYS)
    assert note in settled.entries[REPAIR_LIMIT].note


def test_a_frontend_that_did_not_tell_the_value_leaves_it_open() -> None:
    settled = settings.settle(opened(), a_cluster().unset("prod-fe-1", BALANCE).snapshot.settings, ())
    assert settled.open_keys == [BALANCE]


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param({"enable udf": Entry("enable udf", "true", "false", ())}, id="no key"),
        pytest.param({BALANCE: Entry(REPAIR_LIMIT, "true", "false", ())}, id="key and entry differ"),
        pytest.param({BALANCE: Entry(BALANCE, "1); DROP TABLE x", "true", ())}, id="value with a statement"),
        pytest.param({REPAIR_LIMIT: Entry(REPAIR_LIMIT, "10000", "true", ())}, id="value of another type"),
    ],
)
def test_an_edited_journal_is_refused(entries: dict[str, Entry]) -> None:
    with pytest.raises(Refused):
        Journal(entries).validated()


# -- any interleaving ------------------------------------------------------------


@dataclass
class Fe:
    """An FE process: its values live in memory. `first` are those it had when it started or the journal was opened.

    `foreign` are settings that somebody else gave a value which is not one of the FE's own.
    """

    alive: bool = True
    start: int = 0
    values: dict[str, str] = field(default_factory=lambda: dict(DEFAULTS))
    first: dict[str, str] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)


class Interleaving(RuleBasedStateMachine):
    """Our runs, FE restarts, leader changes, other people's SETs and kills in any order; then one restore to the end.

    The journal is what is stored; a kill forgets everything else. An FE that restarted is looked at before anybody
    else sets something: nobody could tell that value from one of fe.conf. Nor can a value be told as somebody else's
    on an FE that has had it since its start.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fes = {f"prod-fe-{n}": Fe() for n in range(3)}
        self.leader = "prod-fe-0"
        self.journal = Journal()
        self.baseline: dict[str, str] = {}

    @initialize(limit=st.sampled_from(["10000", "2000", "0"]), balance=st.sampled_from(["true", "false"]))
    def begin(self, limit: str, balance: str) -> None:
        """What the cluster had before: by SET, so that an FE that restarts has something else."""
        for fe in self.fes.values():
            fe.values |= {REPAIR_LIMIT: limit, BALANCE: balance}

    def seen(self) -> dict[str, FrontendSettings]:
        """What the alive FEs answer."""
        return {pod: FrontendSettings(pod, str(fe.start), dict(fe.values)) for pod, fe in self.fes.items() if fe.alive}

    def assign(self, key: str, value: str) -> None:
        """Our SET: it must be one of the two values that are ours to set."""
        entry = self.journal.entries[key]
        assert value in (entry.baseline, entry.quiesced)
        for fe in self.alive():
            assert key not in fe.foreign, f"{key} = {fe.values[key]} is somebody else's"
            fe.values[key] = value

    def alive(self) -> list[Fe]:
        """The FEs that a SET on the leader reaches."""
        return [fe for fe in self.fes.values() if fe.alive]

    def look(self) -> None:
        """A run looks: what came back from a restart is written down."""
        self.journal = settings.note_restarts(self.journal, self.seen())

    @rule(keys=st.sets(st.sampled_from(KEYS), min_size=1), killed_after=st.integers(0, 5))
    def quiesce(self, keys: set[str], killed_after: int) -> None:
        """A run begins, or goes on, and may be killed between two SETs."""
        snapshot = a_cluster().leader(self.leader).having(settings=self.seen()).snapshot
        before = set(self.journal.open_keys)
        self.journal = settings.open_journal(snapshot, tuple(k for k in KEYS if k in keys), self.journal)
        for key in set(self.journal.open_keys) - before:
            self.baseline[key] = self.fes[self.leader].values[key]
            for fe in self.fes.values():
                fe.first[key] = fe.values[key]
                fe.foreign.discard(key)
        self.hold(window=False, killed_after=killed_after)

    @precondition(lambda self: self.journal.open_keys)
    @rule(window=st.booleans(), killed_after=st.integers(0, 5))
    def hold(self, window: bool, killed_after: int) -> None:
        """Settings are asserted again; somebody else's value ends the run instead."""
        self.look()
        if settings.foreign(self.journal, self.seen()):
            return
        values = settings.to_set(settings.wanted(self.journal, window=window), self.seen())
        for key, value in list(values.items())[:killed_after]:
            self.assign(key, value)

    @rule(pod=st.sampled_from(["prod-fe-0", "prod-fe-1", "prod-fe-2"]), conf=st.sampled_from(["10000", "500"]))
    def restart(self, pod: str, conf: str) -> None:
        """An FE restarts with the values of fe.conf, or the new version's; when it led, another one is elected."""
        values = {**DEFAULTS, REPAIR_LIMIT: conf}
        self.fes[pod] = Fe(True, self.fes[pod].start + 1, values, dict(values))
        if self.leader == pod:
            self.leader = next(name for name, other in self.fes.items() if name != pod and other.alive)
        self.look()

    @rule(pod=st.sampled_from(["prod-fe-1", "prod-fe-2"]))
    def die(self, pod: str) -> None:
        """An FE is down for a while; a SET meanwhile does not reach it, and it comes back by `restart`."""
        if pod != self.leader and sum(fe.alive for fe in self.fes.values()) == 3:
            self.fes[pod].alive = False

    @precondition(lambda self: self.journal.open_keys)
    @rule(key=st.sampled_from(KEYS), value=st.sampled_from(["77", "0", "10000"]), word=st.booleans())
    def meddle(self, key: str, value: str, word: bool) -> None:
        """Somebody else sets a value."""
        chosen = value if SETTINGS[key].kind == "int" else str(word).lower()
        entry = self.journal.entries.get(key)
        ours = {entry.baseline, entry.quiesced} if entry is not None else {chosen}
        for fe in self.alive():
            fe.values[key] = chosen
            fe.foreign.discard(key)
            if chosen not in {*ours, fe.first.get(key)}:
                fe.foreign.add(key)

    @rule()
    def killed(self) -> None:
        """Only what was stored is left."""
        self.journal = from_plain(Journal, json.loads(json.dumps(to_plain(self.journal))), "journal").validated()

    @rule(killed_after=st.none() | st.integers(0, 4))
    def restore(self, killed_after: int | None) -> None:
        """A run puts everything back, and may be killed while it does."""
        self.look()
        values = settings.to_set(settings.restored_values(self.journal, self.seen()), self.seen())
        for key, value in list(values.items())[:killed_after]:
            self.assign(key, value)
        if killed_after is None:
            self.close()

    def close(self) -> None:
        """The end of a restore that nobody killed."""
        opened_keys = self.journal.open_keys
        self.journal = settings.settle(self.journal, self.seen(), ())
        assert self.journal.open_keys == []
        for key in opened_keys:
            conflict = self.journal.entries[key].state == "conflict"
            assert conflict is any(key in fe.foreign for fe in self.alive())
            if conflict:
                assert self.journal.entries[key].note
            else:
                assert {fe.values[key] for fe in self.alive()} == {self.baseline[key]}

    @invariant()
    def the_way_back_is_the_leaders_value(self) -> None:
        """No run forgets or replaces it while it is owed."""
        for key in self.journal.open_keys:
            assert self.journal.entries[key].baseline == self.baseline[key]

    def teardown(self) -> None:
        """However it went, one undisturbed restore ends it."""
        self.look()
        for key, value in settings.to_set(settings.restored_values(self.journal, self.seen()), self.seen()).items():
            self.assign(key, value)
        self.close()


TestInterleaving = Interleaving.TestCase
TestInterleaving.settings = settings_of(examples(100), stateful_step_count=25)


def test_the_journal_says_of_which_entries_there_is_something_to_say() -> None:
    entries = opened().entries
    noted = Journal({**entries, BALANCE: replace(entries[BALANCE], note="not read back on prod-fe-1")})
    assert noted.notes == [f"{BALANCE}: not read back on prod-fe-1"]
