# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What no snapshot can show: what was begun for a spec, with which Job, and how it ended; kept in one ConfigMap.

It is a value: each function returns a new one. Read back, it is untrusted input, so `load` checks it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import from_plain, to_plain
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.destructive import Finding
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.output import Status
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.given import given

SCHEMA = 1
# How many finished undertakings and begun Jobs are remembered.
MOST_PAST = 20
MOST_BEGUN = 100

Outcome = Literal["", "succeeded", "unchanged", "failed", "frozen", "rolledBack"]
GOOD: tuple[Outcome, ...] = ("succeeded", "unchanged")
End = Literal["", "Complete", "Failed", "Lost"]

_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_IMAGE = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")
_JOB = re.compile(r"dbu-[a-z0-9-]{1,59}")


@dataclass(frozen=True, slots=True)
class Inspection:
    """What an inspection found: the image by digest, its directory, and where the database stands.

    :ivar held: the Lease's acquisition under which it was made; another holder since then makes it stale
    """

    image: str
    directory_hash: str
    names: tuple[str, ...]
    status: Status
    findings: tuple[Finding, ...] = ()
    held: str = ""
    sql: str = ""

    @property
    def reversible(self) -> bool:
        """Whether each pending file has a file that undoes it."""
        return all(f"down/{file.name}" in self.names for file in self.status.pending)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A Job that writes to the database, from the moment before it may start.

    :ivar at: when it was allowed to start, in seconds since the epoch
    :ivar expires: until when the token was good that it found when it started; 0 without a token
    :ivar end: how it ended, empty while it may still run; Lost when it was gone before its end was seen
    :ivar cause: one word for why it failed
    """

    job: str
    uid: str
    order: str
    at: float
    expires: float = 0.0
    end: End = ""
    started: float = 0.0
    cause: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Past:
    """An undertaking that came to its end."""

    spec_hash: str
    image: str
    outcome: Outcome
    before: str
    after: str
    at: float


@dataclass(frozen=True, slots=True)
class Tally:
    """How many undertakings ended so, and how many seconds they took together."""

    outcome: Outcome
    runs: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Record:
    """The undertaking of the present spec.

    :ivar database: the Lease of the database that it is about; empty while that is not known
    :ivar round: how many inspections were begun; `failures` how many failed one after the other, `retry_at` when the
        next may begin, `trouble` and `message` why the latest one failed
    :ivar looks: how many verifications were begun
    :ivar anew: how many attempts never got into the database, because their token had expired
    :ivar verified: where the database stood after the apply Job, `restored` after the rollback Job
    :ivar checked: whether the checks after the migration have passed
    :ivar begun: hashes of the orders of all writing Jobs that were ever allowed to start: none is carried out twice
    :ivar told: the latest reason that an event was made of
    :ivar began_at: when the undertaking began, in seconds since the epoch; 0 in a record of before that was kept
    :ivar tallies: what all undertakings came to since there is a record
    """

    schema: int
    name: str
    uid: str
    spec_hash: str
    database: str = ""
    round: int = 0
    failures: int = 0
    retry_at: float = 0.0
    trouble: str = ""
    message: str = ""
    inspection: Inspection | None = None
    apply: Attempt | None = None
    looks: int = 0
    anew: int = 0
    verified: Status | None = None
    rollback: Attempt | None = None
    restored: Status | None = None
    outcome: Outcome = ""
    finished_at: float = 0.0
    checked: bool = False
    begun: tuple[str, ...] = ()
    told: str = ""
    past: tuple[Past, ...] = ()
    began_at: float = 0.0
    tallies: tuple[Tally, ...] = ()

    @property
    def open(self) -> Attempt | None:
        """The writing Job that may still run."""
        return next((a for a in (self.rollback, self.apply) if a is not None and not a.end), None)

    @property
    def latest(self) -> Attempt | None:
        """The latest writing Job."""
        return self.rollback or self.apply

    @property
    def status(self) -> Status | None:
        """Where the database stood when it was last asked."""
        before = self.inspection.status if self.inspection else None
        return self.restored or self.verified or before

    def to_record(self) -> dict[str, object]:
        """Plain JSON values."""
        return dict(to_plain(self))

    def starting(self, attempt: Attempt, *, rollback: bool = False) -> Record:
        """The record that allows a writing Job to start."""
        begun = (*(order for order in self.begun if order != attempt.order), attempt.order)[-MOST_BEGUN:]
        return replace(self, rollback=attempt, begun=begun) if rollback else replace(self, apply=attempt, begun=begun)

    def ended(self, end: End, cause: str = "", message: str = "", started: float = 0.0, expires: float = 0.0) -> Record:
        """The record with the open attempt ended."""
        attempt = given(self.open, "attempt")
        done = replace(attempt, end=end, cause=cause, message=message, started=started, expires=expires)
        record = replace(self, looks=0, failures=0, retry_at=0.0)
        return replace(record, rollback=done) if attempt is self.rollback else replace(record, apply=done)

    def concluded(self, outcome: Outcome, now: float) -> Record:
        """The record of an undertaking that came to its end."""
        return replace(
            self,
            outcome=outcome,
            finished_at=now,
            trouble="",
            message="",
            failures=0,
            retry_at=0.0,
            checked=False,
            tallies=self._tallied(outcome, now),
        )

    def reopened(self, now: float) -> Record:
        """The record of an undertaking that goes on after it had come to an end."""
        return replace(self, outcome="", finished_at=0.0, began_at=now)

    def _tallied(self, outcome: Outcome, now: float) -> tuple[Tally, ...]:
        took = max(0.0, now - self.began_at) if self.began_at else 0.0
        before = next((tally for tally in self.tallies if tally.outcome == outcome), Tally(outcome, 0, 0.0))
        after = Tally(outcome, before.runs + 1, before.seconds + took)
        return (*(tally for tally in self.tallies if tally.outcome != outcome), after)

    def for_spec(self, name: str, uid: str, spec_hash: str, database: str, now: float) -> Record:
        """The record of the next undertaking; what was begun before stays known, and no inspection is used twice."""
        past = self.past
        if self.outcome:
            before = self.inspection.status.current if self.inspection else ""
            after = self.status.current if self.status else ""
            image = self.inspection.image if self.inspection else ""
            past = (*past, Past(self.spec_hash, image, self.outcome, before, after, self.finished_at))[-MOST_PAST:]
        begun = self.begun if self.uid == uid else ()
        return Record(
            SCHEMA,
            name,
            uid,
            spec_hash,
            database,
            self.round + 1,
            begun=begun,
            past=past,
            began_at=now,
            tallies=self.tallies,
        )


def first_record(name: str, uid: str, spec_hash: str, database: str, now: float) -> Record:
    """The record of a DBUpgrade that has none, perhaps because somebody deleted it.

    Inspections are counted from the time on, so that none of before is taken for one of now.
    """
    return Record(SCHEMA, name, uid, spec_hash, database, int(now), began_at=now)


def load(data: Mapping[str, object], *, name: str) -> Record:
    """The record from what the ConfigMap held, with everything checked that may get into a Job or a request."""
    if data.get("schema") != SCHEMA:
        remedy = "use the release of this collection that wrote it"
        raise Refused("record.schema", data.get("schema"), f"expected {SCHEMA}", remedy=remedy)
    record = from_plain(Record, data, "record")
    if record.name != name:
        raise _edited("record.name", record.name, f"not the record of {name}")
    if not _HASH.fullmatch(record.spec_hash):
        raise _edited("record.spec_hash", record.spec_hash, "not a hash")
    for field, attempt in (("apply", record.apply), ("rollback", record.rollback)):
        if attempt is not None and not (_JOB.fullmatch(attempt.job) and _HASH.fullmatch(attempt.order)):
            raise _edited(f"record.{field}", attempt.job, "not a Job of this collection")
    if record.inspection is not None:
        _check_inspection(record.inspection)
    return record


def _check_inspection(inspection: Inspection) -> None:
    if not _IMAGE.fullmatch(inspection.image):
        raise _edited("record.inspection.image", inspection.image, "not an image by digest")
    if not _HASH.fullmatch(inspection.directory_hash):
        raise _edited("record.inspection.directory_hash", inspection.directory_hash, "not a hash")
    versions = [inspection.status.current, *inspection.status.applied, *(f.version for f in inspection.status.pending)]
    for version in versions:
        if not re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9.-]{0,199})?", version):
            raise _edited("record.inspection.status", version, "not a version")


def _edited(field: str, value: object, problem: str) -> Refused:
    remedy = "somebody edited the record: see that no Job of it runs, then delete the ConfigMap"
    return Refused(field, value, problem, remedy=remedy)
