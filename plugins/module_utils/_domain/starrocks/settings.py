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
from collections.abc import Mapping
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

    `documented` is the value that StarRocks' upgrade guide restores (docs/en/deployment/manage_deployment/upgrade.md).
    """

    key: str
    alias: str
    kind: Literal["int", "bool"]
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
        text = value.strip().lower()
        pattern = r"-?\d{1,12}" if self.kind == "int" else r"true|false"
        if not re.fullmatch(pattern, text):
            raise Refused(
                f"settings.{self.key}", value, f"not of type {self.kind}", remedy=f"give a value of type {self.kind}"
            )
        return str(int(text)) if self.kind == "int" else text


REPAIR_LIMIT = "tablet_sched_max_scheduling_tablets"

SETTINGS: dict[str, Setting] = {
    setting.key: setting
    for setting in (
        Setting(REPAIR_LIMIT, "max_scheduling_tablets", "int", "0", "10000"),
        Setting("tablet_sched_max_balancing_tablets", "max_balancing_tablets", "int", "0", "500"),
        Setting("tablet_sched_disable_balance", "disable_balance", "bool", "true", "false"),
        Setting("tablet_sched_disable_colocate_balance", "disable_colocate_balance", "bool", "true", "false"),
    )
}


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
    fe.conf or a new version's default is told apart from one that a person set while we worked.
    """

    key: str
    baseline: str
    quiesced: str
    sightings: tuple[Sighting, ...]
    state: JournalState = "open"
    note: str = ""
    final: dict[str, str] = field(default_factory=dict)

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
    def notes(self) -> list[str]:
        """Sentences about entries that there is something to say of: what stays as it is, or open, and why."""
        return [f"{key}: {entry.note}" for key, entry in self.entries.items() if entry.note]

    def validated(self) -> Journal:
        """The journal with every key and value checked against the allow-list, before any of it enters a statement."""
        entries = {}
        for key, entry in self.entries.items():
            if key not in SETTINGS or entry.key != key:
                raise Refused("record.journal", key, "not a setting of the allow-list", remedy="restore it by hand")
            entries[key] = replace(
                entry,
                baseline=_journaled(key, "baseline", entry.baseline),
                quiesced=_journaled(key, "quiesced", entry.quiesced),
            )
        return replace(self, entries=entries)


def _journaled(key: str, field_: str, value: str) -> str:
    try:
        return SETTINGS[key].normal(value)
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
        rule = SETTINGS[key]
        others = {
            pod: view.values.get(key, "unknown")
            for pod, view in snapshot.settings.items()
            if not rule.same(view.values.get(key), lead if key in leader.values else rule.off)
        }
        if others:
            found.append(Drift(key, lead, others))
    return found


def open_journal(snapshot: Snapshot, keys: tuple[str, ...], previous: Journal) -> Journal:
    """The journal to write before the first SET: the leader's value is the one to go back to.

    What an unfinished earlier run journaled is kept: the values seen now may be its own "off" values.
    """
    leader = snapshot.settings.get(snapshot.leader or "")
    if leader is None:
        raise Refused("frontends", snapshot.leader, "the leader's settings could not be read", remedy="check the FE")
    entries = {key: previous.entries[key] for key in previous.open_keys}
    for key in keys:
        if key in entries:
            continue
        rule = SETTINGS[key]
        if key not in leader.values:
            raise Refused(f"settings.{key}", None, "this StarRocks version has no such setting", remedy="leave it out")
        seen = tuple(
            Sighting(pod, view.start_time, rule.reading(view.values[key]))
            for pod, view in sorted(snapshot.settings.items())
            if key in view.values
        )
        entries[key] = Entry(key, rule.normal(leader.values[key]), rule.off, seen)
    return Journal(entries)


def note_restarts(journal: Journal, seen: Mapping[str, FrontendSettings], leader: str | None = None) -> Journal:
    """Add the value that each FE came back with after a restart; unchanged when no FE restarted.

    ADMIN SET reaches every live FE through the leader, so an unknown value that a follower alone has came with a
    restart too, one that the leader's list does not show yet.
    """
    entries = {}
    for key, entry in journal.entries.items():
        known = {(s.frontend, s.start_time) for s in entry.sightings}
        fresh = tuple(
            Sighting(pod, view.start_time, SETTINGS[key].reading(view.values[key]))
            for pod, view in sorted(seen.items())
            if key in view.values
            and (
                (pod, view.start_time) not in known
                or (
                    leader in seen
                    and pod != leader
                    and SETTINGS[key].reading(view.values[key]) not in entry.known(pod, view.start_time)
                )
            )
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
            pod: SETTINGS[key].reading(view.values[key])
            for pod, view in seen.items()
            if key in view.values and SETTINGS[key].reading(view.values[key]) not in entry.known(pod, view.start_time)
        }
        if values and (leader not in seen or leader in values):
            found.append(Drift(key, entry.baseline, values))
    return found


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
        if not seen or any(not SETTINGS[key].same(view.values.get(key), value) for view in seen.values())
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
        final = {pod: SETTINGS[key].reading(view.values[key]) for pod, view in seen.items() if key in view.values}
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
