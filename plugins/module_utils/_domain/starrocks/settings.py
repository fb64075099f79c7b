# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The FE settings an upgrade switches off, the journal of what they were, and the decision what to put back.

Facts this rests on (StarRocks sources, FE: = fe/fe-core/src/main/java/com/starrocks): ADMIN SET FRONTEND CONFIG is
forwarded to the leader, which pushes the value to the FEs that are alive (RedirectStatus, ConfigBase.setConfig); the
value lives in memory and is lost when that FE restarts (ADMIN_SET_CONFIG.md); ADMIN SHOW answers for the connected FE
only. So one value serves all FEs, what each one holds must be read from each, and a restart has to be noticed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import (
    FrontendSettings,
    Snapshot,
)


@dataclass(frozen=True)
class Setting:
    """A setting we may write: its canonical key, its alias in older releases, its type and the value that is "off".

    `documented` is the value that StarRocks' upgrade guide restores (docs/en/deployment/manage_deployment/upgrade.md),
    or its default where the guides name none. A `text` is a setting of somebody's own hook: any value without quotes.
    """

    key: str
    alias: str
    kind: Literal["int", "bool", "text"]
    off: str
    documented: str

    def same(self, seen: str | None, wanted: str) -> bool:
        """Whether a value read on an FE means `wanted`; a missing or malformed one means nothing."""
        return seen is not None and self.reading(seen) == self.normal(wanted)

    def reading(self, seen: str) -> str:
        """A value read on an FE in the spelling used for comparing, or as it stands where it has not our type."""
        try:
            return self.normal(seen)
        except Refused:
            return seen

    def normal(self, value: str) -> str:
        """The value in the one spelling used for comparing; a wrong type is refused."""
        text = value.strip() if self.kind == "text" else value.strip().lower()
        if not re.fullmatch(_FORMS[self.kind], text):
            raise Refused(
                f"settings.{self.key}", value, f"not of type {self.kind}", remedy=f"give a value of type {self.kind}"
            )
        if self.kind == "text":
            return text.lower() if text.lower() in ("true", "false") else text
        return str(int(text)) if self.kind == "int" else text


_FORMS = {"int": r"-?\d{1,12}", "bool": r"true|false", "text": r"[A-Za-z0-9_.,:/@*+ -]{0,256}"}

REPAIR_LIMIT = "tablet_sched_max_scheduling_tablets"

SETTINGS: dict[str, Setting] = {
    setting.key: setting
    for setting in (
        Setting(REPAIR_LIMIT, "max_scheduling_tablets", "int", "0", "10000"),
        Setting("tablet_sched_max_balancing_tablets", "max_balancing_tablets", "int", "0", "500"),
        Setting("tablet_sched_disable_balance", "disable_balance", "bool", "true", "false"),
        Setting("tablet_sched_disable_colocate_balance", "disable_colocate_balance", "bool", "true", "false"),
        # The downgrade guide (downgrade.md, from 3.3 to 3.2); its default is the one of FE: common/Config.java.
        Setting("history_job_keep_max_second", "history_job_keep_max_second", "int", "0", "604800"),
    )
}
# What the upgrade guide switches off; every look at the FEs reads these.
GUIDE: tuple[str, ...] = tuple(SETTINGS)[:4]
KEY_FORM = r"[a-z0-9_]{1,128}"


def rule(key: str) -> Setting:
    """What is known of a setting. One that only somebody's own hook sets is taken as text."""
    return SETTINGS.get(key) or Setting(key, "", "text", "", "")


def canonical(key: str) -> str:
    """The canonical name of a setting given by either name; a key outside the allow-list is refused."""
    for setting in SETTINGS.values():
        if key in (setting.key, setting.alias):
            return setting.key
    raise Refused("settings", key, "not a setting this collection may change", remedy=f"one of {', '.join(SETTINGS)}")


@dataclass(frozen=True)
class Sighting:
    """A value seen on one FE. `start_time` is that FE's StartTime: another one means it restarted in between."""

    frontend: str
    start_time: str | None
    value: str


JournalState = Literal["open", "restored", "unchanged", "conflict"]


@dataclass(frozen=True)
class Entry:
    """The journal of one setting: what every FE had, the one value to go back to, and what we set.

    `sightings` holds the first value seen on each FE after each of its (re)starts, so that a value an FE took from
    fe.conf or a new version's default is told apart from one that a person set while we worked. `foreign` holds those
    of a person that have been waited for once, so that nobody waits for them again.
    """

    key: str
    baseline: str
    quiesced: str
    sightings: tuple[Sighting, ...]
    state: JournalState = "open"
    note: str = ""
    final: dict[str, str] = field(default_factory=dict)
    foreign: tuple[Sighting, ...] = ()

    def known(self, frontend: str, start_time: str | None) -> set[str]:
        """The values this FE may hold without anybody else having touched it since it started at `start_time`."""
        seen = {s.value for s in self.sightings if s.frontend == frontend and s.start_time == start_time}
        return {self.quiesced, self.baseline} | seen


@dataclass(frozen=True)
class Journal:
    """All entries by key. `window` names the step for which repair may have its old limit at this moment."""

    entries: dict[str, Entry] = field(default_factory=dict)
    window: str = ""

    @property
    def open_keys(self) -> list[str]:
        """Settings that this collection still owes their old value."""
        return [key for key, entry in self.entries.items() if entry.state == "open"]

    @property
    def strangers(self) -> list[str]:
        """Open settings that are none of ours: only an installation that knows them may have them written."""
        return [key for key in self.open_keys if key not in SETTINGS]

    @property
    def notes(self) -> list[str]:
        """Sentences about entries that there is something to say of: what stays as it is, or open, and why."""
        return [f"{key}: {entry.note}" for key, entry in self.entries.items() if entry.note]

    def validated(self) -> Journal:
        """The journal with every key and value checked, before any of it enters a statement.

        A key that is none of ours is one that an installation's hook holds; `strangers` says which those are.
        """
        entries = {}
        for key, entry in self.entries.items():
            if not re.fullmatch(KEY_FORM, key) or entry.key != key:
                raise Refused("record.journal", key, "not a setting of the allow-list", remedy="restore it by hand")
            entries[key] = replace(
                entry,
                baseline=_journaled(key, "baseline", entry.baseline),
                quiesced=_journaled(key, "quiesced", entry.quiesced),
            )
        return replace(self, entries=entries)


def _journaled(key: str, field_: str, value: str) -> str:
    try:
        return rule(key).normal(value)
    except Refused as refused:
        remedy = "somebody edited the record: restore by hand, then delete the ConfigMap"
        raise Refused(
            f"record.journal.entries.{key}.{field_}", value, "not a value we write", remedy=remedy
        ) from refused


@dataclass(frozen=True)
class Drift:
    """FEs that differ in one setting: `values` by FE pod."""

    key: str
    leader: str
    values: dict[str, str]

    @property
    def own(self) -> str:
        """The differing values by FE."""
        return ", ".join(f"{pod} has {value}" for pod, value in sorted(self.values.items()))

    def __str__(self) -> str:
        differing = ", ".join(f"{pod}={value}" for pod, value in sorted(self.values.items()))
        return f"{self.key}: the leader has {self.leader}, but {differing}"


def drifts(snapshot: Snapshot, keys: tuple[str, ...]) -> list[Drift]:
    """Settings whose values differ from the leader's on some FE."""
    found: list[Drift] = []
    leader = snapshot.settings.get(snapshot.leader or "")
    if leader is None:
        return found
    for key in keys:
        lead = leader.values.get(key, "unknown")
        setting = rule(key)
        others = {
            pod: view.values.get(key, "unknown")
            for pod, view in snapshot.settings.items()
            if not setting.same(view.values.get(key), lead if key in leader.values else setting.off)
        }
        if others:
            found.append(Drift(key, lead, others))
    return found


def missing(snapshot: Snapshot, keys: Iterable[str]) -> list[str]:
    """Settings that the leader did not tell, although it told others: its version does not have them."""
    leader = snapshot.settings.get(snapshot.leader or "")
    return [key for key in keys if key not in leader.values] if leader is not None and leader.values else []


def open_journal(snapshot: Snapshot, held: Mapping[str, str] | tuple[str, ...], previous: Journal) -> Journal:
    """The journal to write before the first SET: the leader's value is the one to go back to.

    `held` maps settings to the value they are going to have; of keys alone it is the one that is off. What an
    unfinished earlier run journaled is kept: the values seen now may be its own "off" values.
    """
    leader = snapshot.settings.get(snapshot.leader or "")
    if leader is None:
        raise Refused("frontends", snapshot.leader, "the leader's settings could not be read", remedy="check the FE")
    values = held if isinstance(held, Mapping) else {key: rule(key).off for key in held}
    entries = {key: previous.entries[key] for key in previous.open_keys}
    for key, value in values.items():
        if key in entries:
            entries[key] = _moved(entries[key], snapshot.settings, quiesced=rule(key).normal(value))
            continue
        if key not in leader.values:
            raise Refused(f"settings.{key}", None, "this StarRocks version has no such setting", remedy="leave it out")
        baseline = rule(key).normal(leader.values[key])
        entries[key] = Entry(key, baseline, rule(key).normal(value), _seen(key, snapshot.settings))
    return Journal(entries)


def _seen(key: str, views: Mapping[str, FrontendSettings]) -> tuple[Sighting, ...]:
    return tuple(
        Sighting(pod, view.start_time, rule(key).reading(view.values[key]))
        for pod, view in sorted(views.items())
        if key in view.values
    )


def _moved(entry: Entry, views: Mapping[str, FrontendSettings], *, quiesced: str = "", baseline: str = "") -> Entry:
    """The entry with another value to hold or to go back to. What is ours on the FEs now stays known as that."""
    values = (quiesced or entry.quiesced, baseline or entry.baseline)
    if values == (entry.quiesced, entry.baseline):
        return entry
    ours = tuple(
        sighting
        for sighting in _seen(entry.key, views)
        if sighting.value in entry.known(sighting.frontend, sighting.start_time)
    )
    return replace(entry, quiesced=values[0], baseline=values[1], sightings=(*entry.sightings, *ours))


def rebased(journal: Journal, values: Mapping[str, str], seen: Mapping[str, FrontendSettings]) -> Journal:
    """The journal with other values to go back to, asked for by name: a documented value instead of what was there."""
    moved = {key: _moved(journal.entries[key], seen, baseline=rule(key).normal(value)) for key, value in values.items()}
    return replace(journal, entries={**journal.entries, **moved})


def only_on_followers(journal: Journal, seen: Mapping[str, FrontendSettings], leader: str | None) -> bool:
    """Whether a follower has a value that nobody is known to have set, and the leader has not.

    Either it has restarted, or somebody's ADMIN SET came after the leader had been read: it reaches the leader first.
    """
    return any(_is_followers_own(entry, pod, seen, leader) for entry in journal.entries.values() for pod in seen)


def _is_followers_own(entry: Entry, frontend: str, seen: Mapping[str, FrontendSettings], leader: str | None) -> bool:
    """Whether an FE that does not lead has a value that is unknown, where the leader's is known."""
    return (
        leader is not None
        and leader in seen
        and frontend != leader
        and _is_unknown(entry, frontend, seen[frontend])
        and not _is_unknown(entry, leader, seen[leader])
    )


def _is_unknown(entry: Entry, frontend: str, view: FrontendSettings) -> bool:
    """Whether an FE has a value that it has not by us, and not since its start."""
    value = view.values.get(entry.key)
    return value is not None and rule(entry.key).reading(value) not in entry.known(frontend, view.start_time)


def note_restarts(journal: Journal, seen: Mapping[str, FrontendSettings], leader: str | None = None) -> Journal:
    """Add the value that each FE came back with after a restart; unchanged when no FE restarted.

    ADMIN SET reaches every live FE through the leader, so an unknown value that a follower alone has came with a
    restart too, one that the leader's list does not show yet.
    """
    entries = {}
    for key, entry in journal.entries.items():
        known = {(s.frontend, s.start_time) for s in entry.sightings}
        fresh = tuple(
            Sighting(pod, view.start_time, rule(key).reading(view.values[key]))
            for pod, view in sorted(seen.items())
            if key in view.values
            and ((pod, view.start_time) not in known or _is_followers_own(entry, pod, seen, leader))
        )
        entries[key] = replace(entry, sightings=entry.sightings + fresh)
    return replace(journal, entries=entries)


def default_changes(journal: Journal) -> list[Drift]:
    """Settings that some FE came back from a restart with at a value that is neither the old nor our own."""
    found = []
    for key, entry in journal.entries.items():
        others = {s.frontend: s.value for s in entry.sightings if s.value not in (entry.baseline, entry.quiesced)}
        if others:
            found.append(Drift(key, entry.baseline, others))
    return found


def foreign(journal: Journal, seen: Mapping[str, FrontendSettings], leader: str | None = None) -> list[Drift]:
    """Values that somebody else must have set while we worked; they are never overwritten.

    With a leader among those seen, only what the leader has counts: nobody sets a value on a follower alone.
    """
    found = []
    for key in journal.open_keys:
        entry = journal.entries[key]
        values = {
            pod: rule(key).reading(view.values[key])
            for pod, view in seen.items()
            if key in view.values and rule(key).reading(view.values[key]) not in entry.known(pod, view.start_time)
        }
        if values and (leader not in seen or leader in values):
            found.append(Drift(key, entry.baseline, values))
    return found


def confirm_foreign(journal: Journal, drifts: Iterable[Drift], seen: Mapping[str, FrontendSettings]) -> Journal:
    """The journal with those values as ones that somebody else has set: they stayed although no FE has restarted.

    The journal comes back unchanged when all of them are confirmed already.
    """
    entries = dict(journal.entries)
    for drift in drifts:
        entry = entries[drift.key]
        fresh = (Sighting(pod, seen[pod].start_time, value) for pod, value in sorted(drift.values.items()))
        entries[drift.key] = replace(entry, foreign=tuple(dict.fromkeys((*entry.foreign, *fresh))))
    return replace(journal, entries=entries)


def wanted(journal: Journal, *, window: bool) -> dict[str, str]:
    """The values every FE should hold while quiesced; in a repair window the scheduling limit has its old value."""
    values = {key: journal.entries[key].quiesced for key in journal.open_keys}
    if window and REPAIR_LIMIT in values:
        values[REPAIR_LIMIT] = journal.entries[REPAIR_LIMIT].baseline
    return values


def restored_values(
    journal: Journal, seen: Mapping[str, FrontendSettings], leader: str | None = None
) -> dict[str, str]:
    """The values to go back to, without those that somebody else changed meanwhile."""
    conflicts = {drift.key for drift in foreign(journal, seen, leader)}
    return {key: journal.entries[key].baseline for key in journal.open_keys if key not in conflicts}


def to_set(values: Mapping[str, str], seen: Mapping[str, FrontendSettings]) -> dict[str, str]:
    """Those of `values` that at least one FE does not hold."""
    return {
        key: value
        for key, value in values.items()
        if not seen or any(not rule(key).same(view.values.get(key), value) for view in seen.values())
    }


def settle(
    journal: Journal, seen: Mapping[str, FrontendSettings], unseen: tuple[str, ...], leader: str | None = None
) -> Journal:
    """The journal after a restore was read back: each entry is restored, unchanged, in conflict or still open.

    `unseen` names FEs that are alive but could not be read: with one of them nothing counts as restored.
    """
    conflicts = {drift.key: drift for drift in foreign(journal, seen, leader)}
    entries = dict(journal.entries)
    for key in journal.open_keys:
        final = {pod: rule(key).reading(view.values[key]) for pod, view in seen.items() if key in view.values}
        entry = replace(entries[key], final=final)
        if key in conflicts:
            entries[key] = replace(entry, state="conflict", note=f"left as it is: {conflicts[key]}")
        elif unseen:
            entries[key] = replace(entry, note=f"not read back on {', '.join(unseen)}")
        elif len(final) != len(seen) or set(final.values()) != {entry.baseline}:
            entries[key] = replace(entry, note=f"read back as {final}")
        else:
            entries[key] = _closed(entry)
    return Journal(entries, window="")


def _closed(entry: Entry) -> Entry:
    """The entry as restored; where FEs came back with another value of their own, both numbers are named."""
    others = default_changes(Journal({entry.key: entry}))
    note = f"restored to the leader's {entry.baseline}; after a restart {others[0].own}" if others else ""
    return replace(entry, state="unchanged" if entry.baseline == entry.quiesced else "restored", note=note)
