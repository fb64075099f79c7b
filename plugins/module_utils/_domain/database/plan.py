# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What to do next for a DBUpgrade: one write at a time, decided from a snapshot, the record and the time alone.

The order, and why nothing is ever applied twice:

1. The checks that come before, then the Lease of the database. The managed Secret is written right before a Job needs
   it, because what is in it may be a token of some minutes.
2. An inspection: the image by digest, its directory, where the database stands. Nothing that is destructive,
   out of order or already applied goes further.
3. The apply Job is made *suspended*. Its uid and its order enter the record, its name enters the Lease. Only then is it
   resumed. So a Job that the record does not know has never run, and one that the record knows is never made again:
   whoever is killed between two of these writes leaves behind what the next runner can tell.
4. Once it has ended, or is gone with all its pods, a verification asks the database where it stands, however it ended.
   That answer, not the Job's exit code, decides.
5. Then the Lease is released, and the checks that come after are looked at.

Whoever takes over an expired Lease that names a Job waits until that Job is over or gone, because a Job outlives its
runner.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from ansible_collections.steady.rollout.plugins.module_utils._domain.database import destructive, output
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.conditions import State
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.job import Order, Owner
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.output import Directory, Status
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.record import (
    GOOD,
    Attempt,
    End,
    Inspection,
    Outcome,
    Record,
    first_record,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.snapshot import JobView, Snapshot
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.spec import DatabaseSpec
from ansible_collections.steady.rollout.plugins.module_utils._domain.given import given
from ansible_collections.steady.rollout.plugins.module_utils._domain.redact import Redactor

# How long a Lease lasts, and how much of it may pass before it is renewed. A pass of the operator comes more often.
LEASE_SECONDS = 60
RENEW_BELOW = 40
# When to look again, in seconds. What can be watched is watched; these are for what cannot, and for a lost watch.
AGAIN_RUNNING = 10.0
AGAIN_BLOCKED = 30.0
AGAIN_HELD = 15.0
RETRY_FIRST = 15.0
RETRY_MOST = 600.0
# After a client was killed, PostgreSQL goes on with its statement until it looks for the client again, which it is told
# to do every second (url.DatabaseUrl.checking_client). So long is waited before it is asked where it stands.
AFTER_KILL = 3.0
# What a container ends with that was killed: 128 and the number of SIGKILL or SIGTERM.
KILLED_CODES = (137, 143)
# A Job is made, or let run, with a token that is good for so long, and its token is made anew this long before its end
# as long as its pod has not started: the kubelet reads the Secret when it starts the container.
TOKEN_AHEAD = 300.0
TOKEN_MARGIN = 120.0
# How much of the pending SQL is kept to be shown.
MOST_SQL = 16_000


@dataclass(frozen=True, slots=True)
class WriteSecret:
    """Write the managed Secret from the source of that version, with a token made now where one is needed."""

    source: str


@dataclass(frozen=True, slots=True)
class ClearSecret:
    """Take the URL with its token out of the managed Secret."""


@dataclass(frozen=True, slots=True)
class TakeLease:
    """Take the Lease of the database, which was seen free, expired or ours."""

    name: str


@dataclass(frozen=True, slots=True)
class RenewLease:
    """Renew our Lease."""

    name: str


@dataclass(frozen=True, slots=True)
class NameJob:
    """Write the name of the Job that is going to write into the annotation of our Lease."""

    name: str
    job: str


@dataclass(frozen=True, slots=True)
class ReleaseLease:
    """Give up our Lease, with the name of the Job that it holds."""

    name: str


@dataclass(frozen=True, slots=True)
class CreateJob:
    """Create the Job of an order; one that writes is created suspended."""

    order: Order


@dataclass(frozen=True, slots=True)
class ResumeJob:
    """Let a suspended Job run; uid and suspension are preconditions of the patch."""

    job: str
    uid: str


@dataclass(frozen=True, slots=True)
class DeleteJob:
    """Delete a Job that never ran; its uid is a precondition."""

    job: str
    uid: str


@dataclass(frozen=True, slots=True)
class KeepDirectory:
    """Keep the directory that is going to be applied, so that a way down exists."""

    directory: Directory
    image: str


@dataclass(frozen=True, slots=True)
class Event:
    """A Kubernetes Event."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Save:
    """Write the record if it is still the one that was read; then tell the events."""

    record: Record
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing can be done now: look again at a change of what is watched, or after so many seconds (0: no need)."""

    seconds: float


# A text, because an expression of types would be one more thing to run.
Action: TypeAlias = (
    "WriteSecret | ClearSecret | TakeLease | RenewLease | NameJob | ReleaseLease | CreateJob | ResumeJob | DeleteJob"
    " | KeepDirectory | Save | Wait"
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do next, and where the DBUpgrade is."""

    action: Action
    state: State


@dataclass(frozen=True, slots=True)
class Tool:
    """What reading logs needs: how to take secrets out, and how to find destructive statements."""

    hide: Redactor = field(default_factory=Redactor)
    engine: str = "postgres"


def decide(snapshot: Snapshot, spec: DatabaseSpec, record: Record | None, now: float, tool: Tool) -> Decision:
    """The next action for this DBUpgrade."""
    if record is None:
        first = first_record(snapshot.name, snapshot.uid, spec.hash, snapshot.source.lease, now)
        return _save(first, _initializing())
    pass_ = _Pass(snapshot, spec, record, now, tool)
    if not record.database and snapshot.source.lease:
        return _save(replace(record, database=snapshot.source.lease), _initializing())
    if record.spec_hash != spec.hash or record.uid != snapshot.uid or pass_.moved:
        return pass_.next_undertaking()
    return pass_.told(pass_.decide())


def _initializing(message: str = "The migration has not begun.") -> State:
    return State("Initializing", "Initializing", message)


def _save(record: Record, state: State, *events: Event) -> Decision:
    return Decision(Save(record, events), state)


@dataclass(frozen=True, slots=True)
class _Pass:
    """One decision in the making."""

    snapshot: Snapshot
    spec: DatabaseSpec
    record: Record
    now: float
    tool: Tool

    @property
    def moved(self) -> bool:
        """Whether the Secret names another database than it did: then all begins anew, there."""
        lease = self.snapshot.source.lease
        return bool(lease) and bool(self.record.database) and lease != self.record.database

    # The whole.

    def decide(self) -> Decision:
        """The stages in their order; the first that has something to say decides."""
        if self.record.outcome:
            return self._settled()
        if self.record.open is not None:
            return self._follow(self.record.open)
        if self.record.rollback is not None:
            return self._verify(self.record.rollback, self._concluded_rollback)
        if self.record.apply is not None and self.record.verified is None:
            return self._verify(self.record.apply, self._concluded_apply)
        if self.record.apply is not None:
            return self._begin_rollback()
        return self._before()

    def next_undertaking(self) -> Decision:
        """Another spec, or another object of this name: what was begun for the one before comes to its end first."""
        attempt = self.record.open
        if attempt is not None:
            state = State("Progressing", "MigrationInProgress", f"Job {attempt.job} of the spec before has not ended.")
            job = self._job_of(attempt)
            if job is not None and job.suspended and not job.pods:
                return Decision(DeleteJob(job.name, job.uid), state)
            if (job is not None and not job.over) or (job is None and not self.snapshot.gone(attempt.job)):
                return Decision(Wait(AGAIN_RUNNING), state) if self.moved else self._kept(state)
        snapshot = self.snapshot
        database = snapshot.source.lease or self.record.database
        record = self.record.for_spec(snapshot.name, snapshot.uid, self.spec.hash, database, self.now)
        return _save(record, _initializing())

    def told(self, decision: Decision) -> Decision:
        """The decision, or an event first where a state that a person has to know of begins."""
        state = decision.state
        reason, message = state.degraded or (state.reason, state.message)
        loud = state.aspect in ("Blocked", "Degraded", "Refused") or state.degraded is not None
        if not isinstance(decision.action, Wait) or self.record.told == (reason if loud else ""):
            return decision
        events = (Event("Warning", reason, message),) if loud else ()
        return _save(replace(self.record, told=reason if loud else ""), state, *events)

    # Before anything is applied.

    def _before(self) -> Decision:
        source = self.snapshot.source
        if source.problem:
            return self._idle(State("Degraded", source.reason, source.problem), AGAIN_BLOCKED)
        stopped = self._gate()
        if stopped is not None:
            return self._idle(stopped, AGAIN_BLOCKED)
        if self.record.retry_at > self.now:
            state = State("Degraded", self.record.trouble, self.record.message)
            return self._idle(state, self.record.retry_at - self.now)
        if not self.spec.plan_only:
            held = self._hold()
            if held is not None:
                return held
        inspection = self.record.inspection
        if inspection is None or inspection.held != self._hold_mark():
            return self._inspect()
        return self._apply(inspection)

    def _unusable(self) -> Decision | None:
        """Wait for a login that can be used, in the middle of an undertaking: what is held stays held."""
        source = self.snapshot.source
        if not source.problem:
            return None
        return Decision(Wait(AGAIN_BLOCKED), State("Degraded", source.reason, source.problem))

    def _secret_is_fresh(self, margin: float) -> bool:
        managed = self.snapshot.managed
        if managed is None or managed.source != self.snapshot.source.version:
            return False
        return not managed.expires or managed.expires - self.now > margin

    def _create(self, order: Order, state: State) -> Decision:
        """Make a Job, once there is what it logs in with."""
        if not self._secret_is_fresh(TOKEN_AHEAD):
            return Decision(WriteSecret(self.snapshot.source.version), state)
        return Decision(CreateJob(order), state)

    def _token_over(self) -> bool:
        """Whether a token stands in the Secret that nobody can log in with any more."""
        managed = self.snapshot.managed
        return managed is not None and 0 < managed.expires <= self.now

    def _gate(self) -> State | None:
        """What speaks against a beginning, without looking at the database."""
        if not self.spec.plan_only:
            refusals = self.snapshot.pre
            if refusals is None:
                return State("Blocked", "PreCheckFailed", "The checks before the migration could not be made.")
            if refusals:
                return State("Blocked", "PreCheckFailed", "; ".join(str(refusal) for refusal in refusals))
        inspection = self.record.inspection
        if inspection is None or self.spec.plan_only or not inspection.status.pending:
            return None
        refused = destructive.refused(inspection.findings, self.spec.allowed)
        if refused and self.spec.refuse_destructive:
            shown = "; ".join(str(finding) for finding in refused[:10])
            count = "a destructive statement" if len(refused) == 1 else f"{len(refused)} destructive statements"
            message = f"{count}: {shown}. Allow it in spec.lint.allow, or change the migration."
            return State("Blocked", "DestructiveStatements", message)
        return None

    def _idle(self, state: State, seconds: float) -> Decision:
        """Nothing can begin: the Lease is for others meanwhile."""
        if self.snapshot.holds:
            return Decision(ReleaseLease(self._lease()), state)
        if self._token_over():
            return Decision(ClearSecret(), state)
        return Decision(Wait(seconds), state)

    def _hold(self) -> Decision | None:
        """Take or keep the Lease; None when it is ours for long enough."""
        lease, name = self.snapshot.lease, self.snapshot.source.lease
        if self.snapshot.holds:
            return Decision(RenewLease(name), self._working()) if lease.remaining < RENEW_BELOW else None
        if lease.remaining > 0 and lease.holder != self.snapshot.holder:
            message = f"{self.snapshot.source.target} is being migrated by {lease.holder}" + (
                f", Job {lease.job}." if lease.job else "."
            )
            return Decision(Wait(min(AGAIN_HELD, lease.remaining)), State("Blocked", "DatabaseBusy", message))
        if lease.job and lease.holder != self.snapshot.holder and not lease.job_over:
            seen = "cannot be seen" if lease.job_over is None else "has not ended"
            message = f"Job {lease.job} of {lease.holder}, whose runner is gone, {seen}: it may still write."
            return Decision(Wait(AGAIN_HELD), State("Blocked", "DatabaseBusy", message))
        return Decision(TakeLease(name), self._working())

    def _lease(self) -> str:
        """The Lease of the database, also while its Secret cannot be read."""
        return self.snapshot.source.lease or self.record.database

    def _hold_mark(self) -> str:
        return "" if self.spec.plan_only else self.snapshot.lease.acquired

    def _working(self) -> State:
        return State("Progressing", "MigrationInProgress", self._progress())

    def _progress(self) -> str:
        attempt = self.record.open
        if attempt is not None:
            return f"Job {attempt.job} runs."
        if self.record.latest is not None:
            return "The database is asked where it stands."
        return "The migration is being prepared."

    # The inspection.

    def _inspect(self) -> Decision:
        order = inspection_order(self.spec, self.record)
        job = self.snapshot.job(order.name(self._owner()))
        stale = self.record.inspection is not None
        if stale:
            return _save(replace(self.record, inspection=None, round=self.record.round + 1), self._working())
        if job is None:
            return self._create(order, self._working())
        if not job.over:
            return self._while_running(job, self._reading(job))
        found = self._inspection_of(job)
        if found is None:
            return self._failed_inspection(job)
        inspection, directory = found
        problem = not_linear(inspection)
        if problem:
            return self._trouble("DirectoryUnfit", problem)
        if inspection.status.pending and self.snapshot.directory != directory.hash and directory.files is not None:
            return Decision(KeepDirectory(directory, inspection.image), self._working())
        record = replace(self.record, inspection=inspection, failures=0, retry_at=0.0, trouble="", message="")
        return _save(record, self._working())

    def _reading(self, job: JobView) -> State:
        waiting = f" Its pod waits: {job.waiting}." if job.waiting else ""
        return State("Progressing", "MigrationInProgress", f"Job {job.name} looks at image and database.{waiting}")

    def _inspection_of(self, job: JobView) -> tuple[Inspection, Directory] | None:
        """What an inspection found, if it found everything."""
        logs = {item.name: item.log for item in job.containers}
        image, directory = output.image_digest(logs.get("resolve")), output.directory(logs.get("unpack"))
        status = output.status(logs.get("atlas"))
        if job.finish != "Complete" or image is None or directory is None or status is None:
            return None
        names = tuple(file.name for file in status.pending)
        if directory.files is None:
            findings, sql = destructive.unprinted(names), ""
        else:
            findings = destructive.lint(directory.files, names, self.tool.engine)
            sql = pending_sql(directory.files, names)
        held = self._hold_mark()
        found = Inspection(image, directory.hash, directory.names, status, findings, held, self.tool.hide(sql))
        return found, directory

    def _failed_inspection(self, job: JobView) -> Decision:
        failed = job.failed
        log = failed.log if failed else None
        shown = output.tail(log, self.tool.hide, cut=failed.cut if failed else False)
        name = failed.name if failed else ""
        if name == "unpack":
            return self._trouble("ImageUnfit", output.refusal(log) or shown or "The image could not be unpacked.")
        if name in ("resolve", "fetch"):
            return self._trouble("ImageNotFetched", f"{self.spec.image} cannot be fetched: {shown}")
        if name in ("validate", "atlas"):
            reason = output.cause(log, "DirectoryUnfit" if name == "validate" else "InspectionFailed")
            return self._trouble(reason, shown or f"Container {name} of Job {job.name} failed.")
        told = job.message or job.reason or "its pod is gone, and its logs with it"
        return self._trouble("InspectionFailed", f"Job {job.name} says nothing: {told}.")

    def _trouble(self, reason: str, message: str) -> Decision:
        """An inspection that failed is made anew, later and later: the image or the database may be mended."""
        failures = self.record.failures + 1
        pause = min(RETRY_FIRST * 2 ** min(failures - 1, 10), RETRY_MOST)
        record = replace(
            self.record,
            inspection=None,
            round=self.record.round + 1,
            failures=failures,
            retry_at=self.now + pause,
            trouble=reason,
            message=message,
        )
        return _save(record, State("Degraded", reason, message))

    # The migration.

    def _apply(self, inspection: Inspection) -> Decision:
        if not inspection.status.pending:
            return self._conclude("unchanged", "MigrationSucceeded", "There was nothing to apply.")
        if self.spec.plan_only:
            count = len(inspection.status.pending)
            message = f"{count} files would be applied, up to version {inspection.status.target}. Nothing is applied."
            return self._at_rest(State("Planned", "Planned", message), 0)
        order = Order(
            "apply",
            self.spec.hash,
            self.record.database,
            inspection.image,
            inspection.directory_hash,
            round=self.record.anew,
        )
        return self._start(order, rollback=False)

    def _start(self, order: Order, *, rollback: bool) -> Decision:
        """Make a writing Job suspended, name it on the Lease, then record that it may start."""
        owner, state = self._owner(), self._working()
        name, whole = order.name(owner), order.hash(owner)
        job = self.snapshot.job(name)
        if whole in self.record.begun:
            # Begun for this very spec at some time before, and not remembered how it ended: never a second time.
            lost = Attempt(name, "", whole, self.now)
            return _save(self.record.starting(lost, rollback=rollback), state)
        if job is None:
            return self._create(order, state)
        if job.deleting or job.hash != whole:
            message = f"Job {name} is in the way: it is not of this DBUpgrade, or is being deleted."
            return Decision(Wait(AGAIN_BLOCKED), State("Blocked", "JobInTheWay", message))
        if self.snapshot.lease.job != f"{owner.namespace}/{name}":
            return Decision(NameJob(self.snapshot.source.lease, f"{owner.namespace}/{name}"), state)
        attempt = Attempt(name, job.uid, whole, self.now)
        event = Event("Normal", "MigrationStarted", f"Job {name} is started.")
        return _save(self.record.starting(attempt, rollback=rollback), state, event)

    def _follow(self, attempt: Attempt) -> Decision:
        """The Job that the record allows to start: let it run, wait for it, see how it ended."""
        job = self._job_of(attempt)
        if job is None:
            other = self.snapshot.job(attempt.job)
            state = State("Progressing", "MigrationInProgress", f"Job {attempt.job} is gone, but its pods are not yet.")
            if other is not None and other.suspended and not other.pods:
                # Made again by a runner that was late; it must never run.
                return Decision(DeleteJob(other.name, other.uid), state)
            if attempt.job in self.snapshot.stray_pods or (other is not None and not other.over):
                return self._kept(state)
            return self._ended(
                "Lost", "JobLost", f"Job {attempt.job} was deleted before its end was seen.", killed=True
            )
        if job.over:
            return self._ended_with(job)
        if job.suspended and not job.pods and not job.deleting:
            return self._resume(job)
        return self._while_running(job, self._running(job))

    def _resume(self, job: JobView) -> Decision:
        """It may run only while the Lease is ours and names it, and with a login that is good."""
        stopped = self._may_resume()
        if stopped is not None:
            return stopped
        return Decision(ResumeJob(job.name, job.uid), self._working())

    def _may_resume(self) -> Decision | None:
        source, lease = self.snapshot.source, self.snapshot.lease
        unusable = self._unusable()
        if unusable is not None:
            return unusable
        held = self._hold()
        if held is not None:
            return held
        attempt = self.record.open
        name = f"{self.snapshot.namespace}/{attempt.job}" if attempt else ""
        if lease.job != name:
            return Decision(NameJob(source.lease, name), self._working())
        if not self._secret_is_fresh(TOKEN_AHEAD):
            return Decision(WriteSecret(source.version), self._working())
        return None

    def _running(self, job: JobView) -> State:
        waiting = f" Its pod waits: {job.waiting}." if job.waiting else ""
        return State("Progressing", "MigrationInProgress", f"Job {job.name} runs.{waiting}")

    def _while_running(self, job: JobView, state: State) -> Decision:
        """Keep the login good for a pod that has not started, and the Lease ours."""
        source = self.snapshot.source
        if not job.started and not self._secret_is_fresh(TOKEN_MARGIN):
            if source.problem:
                return self._kept(replace(state, degraded=(source.reason, source.problem)))
            return Decision(WriteSecret(source.version), state)
        return self._kept(state)

    def _kept(self, state: State) -> Decision:
        lease, name = self.snapshot.lease, self._lease()
        if self.spec.plan_only and self.record.open is None:
            return Decision(Wait(AGAIN_RUNNING), state)
        if self.snapshot.holds and lease.remaining < RENEW_BELOW:
            return Decision(RenewLease(name), state)
        free = lease.remaining <= 0 and name and not self.snapshot.source.problem
        if free and (lease.holder == self.snapshot.holder or not lease.job or lease.job_over):
            return Decision(TakeLease(name), state)
        return Decision(Wait(AGAIN_RUNNING), state)

    def _ended_with(self, job: JobView) -> Decision:
        if job.finish == "Complete":
            return self._ended("Complete", "", "", job.started)
        failed = job.failed
        log = failed.log if failed else None
        told = output.applied(log)
        shown = output.tail(log, self.tool.hide, cut=failed.cut if failed else False)
        reason = output.cause(log, "MigrationFailed")
        if failed is not None and failed.name == "unpack":
            shown, reason = output.refusal(log) or shown, "ImageUnfit"
        if failed is not None and failed.name == "fetch":
            reason = "ImageNotFetched"
        if job.reason == "DeadlineExceeded":
            # Whichever container ran then was killed: that it failed is no other cause.
            reason = "DeadlineExceeded"
        if told is not None and told.error:
            shown = output.plain_error(self.tool.hide(told.error))
        killed = failed is None or failed.code in KILLED_CODES or reason == "DeadlineExceeded"
        message = shown or job.message or f"Job {job.name} failed."
        return self._ended("Failed", reason, message, job.started, killed=killed)

    def _ended(self, end: End, cause: str, message: str, started: float = 0.0, *, killed: bool = False) -> Decision:
        managed = self.snapshot.managed
        record = self.record.ended(end, cause, message, started, managed.expires if managed else 0.0)
        return _save(replace(record, retry_at=self.now + AFTER_KILL if killed else 0.0), self._working())

    # How it ended.

    def _verify(self, attempt: Attempt, conclude: Callable[[Status], Decision]) -> Decision:
        """Ask the database where it stands, as often as it takes."""
        inspection, state = self.record.inspection, self._working()
        if inspection is None:
            # Somebody cut the record: an inspection finds out all that it held.
            record = replace(self.record, apply=None, rollback=None, round=self.record.round + 1)
            return _save(record, state)
        if self.record.retry_at > self.now:
            if self.record.trouble:
                state = State("Degraded", self.record.trouble, self.record.message)
            return Decision(Wait(self.record.retry_at - self.now), state)
        unusable = self._unusable()
        if unusable is not None:
            return unusable
        held = self._hold()
        if held is not None:
            return held
        order = verification_order(self.spec, self.record, inspection, attempt)
        job = self.snapshot.job(order.name(self._owner()))
        if job is None:
            return self._create(order, state)
        if not job.over:
            return self._while_running(job, state)
        last = job.container("atlas")
        status = output.status(last.log) if last is not None and job.finish == "Complete" else None
        return conclude(status) if status is not None else self._looked_in_vain(job)

    def _looked_in_vain(self, job: JobView) -> Decision:
        failed = job.failed
        shown = output.tail(failed.log, self.tool.hide, cut=failed.cut) if failed else job.message
        failures = self.record.failures + 1
        reason = output.cause(failed.log if failed else None, "VerificationFailed")
        message = f"The database could not be asked where it stands: {shown or 'the logs are gone'}"
        record = replace(
            self.record,
            looks=self.record.looks + 1,
            failures=failures,
            retry_at=self.now + min(RETRY_FIRST * 2 ** min(failures - 1, 10), RETRY_MOST),
            trouble=reason,
            message=message,
        )
        return _save(record, State("Degraded", reason, message))

    def _concluded_apply(self, status: Status) -> Decision:
        attempt, inspection = given(self.record.apply, "attempt"), given(self.record.inspection, "inspection")
        record = replace(self.record, verified=status, failures=0, retry_at=0.0, trouble="", message="")
        if not status.pending and not status.error:
            return self._conclude("succeeded", "MigrationSucceeded", f"The database is at {status.current}.", record)
        untouched = status.applied == inspection.status.applied and status.error == inspection.status.error
        if untouched and _came_too_late(attempt):
            # It never got in, so it is as if it had never been made.
            anew = replace(record, apply=None, verified=None, anew=record.anew + 1)
            return _save(anew, self._working())
        if untouched:
            return self._conclude("failed", "MigrationFailed", failure(record), record)
        if self.spec.rollback and why_irreversible(record) == "":
            return _save(record, self._working(), Event("Warning", "MigrationFailed", failure(record)))
        return self._conclude("frozen", "MigrationFailed", failure(record), record)

    def _begin_rollback(self) -> Decision:
        """Undo what was applied, newest first; the database has to be as the verification saw it."""
        why = why_irreversible(self.record)
        inspection, apply = self.record.inspection, self.record.apply
        if why or inspection is None or apply is None:
            return self._conclude("frozen", "MigrationFailed", failure(self.record))
        unusable = self._unusable()
        if unusable is not None:
            return unusable
        held = self._hold()
        if held is not None:
            return held
        undo = undone(self.record)
        order = Order(
            "rollback",
            self.spec.hash,
            self.record.database,
            inspection.image,
            inspection.directory_hash,
            apply.job,
            round=self.record.anew,
            undo=undo,
            back_to=inspection.status.current,
            stamp=f"{int(apply.at):014d}",
        )
        return self._start(order, rollback=True)

    def _concluded_rollback(self, status: Status) -> Decision:
        inspection = given(self.record.inspection, "inspection")
        record = replace(self.record, restored=status, failures=0, retry_at=0.0, trouble="", message="")
        verified, attempt = given(self.record.verified, "verification"), given(self.record.rollback, "attempt")
        if status == verified and _came_too_late(attempt):
            return _save(replace(record, rollback=None, restored=None, anew=record.anew + 1), self._working())
        if status.applied == inspection.status.applied and not status.error:
            message = f"{failure(record)} The database is back at {status.current}."
            return self._conclude("rolledBack", "MigrationRolledBack", message, record)
        return self._conclude("frozen", "RollbackFailed", failure(record), record)

    def _conclude(self, outcome: Outcome, reason: str, message: str, record: Record | None = None) -> Decision:
        ended = (record or self.record).concluded(outcome, self.now)
        event = Event("Normal" if outcome in GOOD else "Warning", reason, message)
        # This event says what there is to say.
        state = settled_state(ended, self.snapshot, self.spec)
        told = "" if outcome in GOOD else state.reason
        return _save(replace(ended, told=told), state, event)

    # After the end.

    def _settled(self) -> Decision:
        state = settled_state(self.record, self.snapshot, self.spec)
        source = self.snapshot.source
        if self.snapshot.holds:
            return Decision(ReleaseLease(self._lease()), state)
        if self._rollback_wanted():
            return _save(self.record.reopened(self.now), self._working())
        managed = self.snapshot.managed
        rotated = managed is not None and managed.source != source.version and not source.token
        if rotated and not source.problem:
            return Decision(WriteSecret(source.version), state)
        if self.record.outcome in GOOD and not self.record.checked and self.snapshot.post == ():
            event = Event("Normal", "PostCheckPassed", "The checks after the migration have passed.")
            events = (event,) if self.spec.post_metrics else ()
            return _save(replace(self.record, checked=True), state, *events)
        watched = bool(source.problem) or (self.record.outcome in GOOD and not self.record.checked)
        return self._at_rest(state, AGAIN_BLOCKED if watched else 0)

    def _at_rest(self, state: State, seconds: float) -> Decision:
        """No Job is going to log in: no token is kept for one."""
        managed = self.snapshot.managed
        if managed is not None and managed.expires:
            return Decision(ClearSecret(), state)
        return Decision(Wait(seconds), state)

    def _rollback_wanted(self) -> bool:
        """A frozen database may still be rolled back once somebody asks for it."""
        frozen = self.record.outcome == "frozen" and self.record.rollback is None and self.record.verified is not None
        return frozen and self.spec.rollback and not why_irreversible(self.record)

    def _owner(self) -> Owner:
        return Owner(self.snapshot.name, self.snapshot.namespace, self.snapshot.uid)

    def _job_of(self, attempt: Attempt) -> JobView | None:
        """The attempt's own Job; one of its name that somebody else made is another."""
        job = self.snapshot.job(attempt.job)
        return job if job is not None and job.uid == attempt.uid else None


def _came_too_late(attempt: Attempt) -> bool:
    """Whether a pod waited longer than its token was good, and could not log in for it."""
    return bool(attempt.expires) and attempt.cause in output.UNREACHED and attempt.started > attempt.expires


def inspection_order(spec: DatabaseSpec, record: Record) -> Order:
    """The inspection that is due."""
    return Order("inspect", spec.hash, record.database, spec.image, round=record.round)


def verification_order(spec: DatabaseSpec, record: Record, inspection: Inspection, attempt: Attempt) -> Order:
    """The look at the database that is due after an attempt."""
    image, directory = inspection.image, inspection.directory_hash
    return Order("verify", spec.hash, record.database, image, directory, attempt.job, record.looks)


def job_to_read(spec: DatabaseSpec, record: Record | None, owner: Owner) -> str:
    """The Job whose logs the next decision needs once it is over; empty where it needs none."""
    if record is None or record.outcome or record.spec_hash != spec.hash:
        return ""
    if record.open is not None:
        return record.open.job
    inspection, attempt = record.inspection, record.latest
    if attempt is None:
        return "" if inspection is not None else inspection_order(spec, record).name(owner)
    return verification_order(spec, record, inspection, attempt).name(owner) if inspection is not None else ""


def settled_state(record: Record, snapshot: Snapshot, spec: DatabaseSpec) -> State:
    """Where a DBUpgrade is whose undertaking has ended."""
    status = record.status
    current = status.current if status else ""
    source = snapshot.source
    degraded = (source.reason, source.problem) if source.problem else None
    if record.outcome == "rolledBack":
        return State("Degraded", "MigrationRolledBack", f"{failure(record)} The database is back at {current}.")
    if record.outcome not in GOOD:
        reason = record.apply.cause if record.apply and record.apply.cause in _TELLING else "MigrationFailed"
        if record.rollback is not None:
            reason = "RollbackFailed"
        return State("Degraded", reason, failure(record))
    if not record.checked and snapshot.post is None:
        return State("Progressing", "PostChecksPending", f"The database is at {current}. Its checks are to be made.")
    if not record.checked and snapshot.post:
        return State("Degraded", "PostCheckFailed", "; ".join(str(refusal) for refusal in snapshot.post))
    word = "was already" if record.outcome == "unchanged" else "is"
    return State("Ready", "MigrationComplete", f"The database {word} at version {current}.", degraded)


# Reasons that say more than MigrationFailed does.
_TELLING = ("DeadlineExceeded", "JobLost", *output.UNREACHED, "DatabaseNotClean", "ImageUnfit", "ImageNotFetched")


def failure(record: Record) -> str:
    """What there is to say of a migration that failed: why, what was applied all the same, what is to be done."""
    apply, inspection = given(record.apply, "attempt"), given(record.inspection, "inspection")
    status = record.verified
    done = [v for v in status.applied if v not in inspection.status.applied] if status else []
    parts = [
        _sentence(apply.message) or f"Job {apply.job} ended, and {len(status.pending) if status else 0} files pend."
    ]
    if status is not None and status.error:
        parts.append(f"Version {status.current} is applied in part.")
    if done:
        parts.append(f"Applied all the same: {', '.join(done)}.")
    elif status is not None and not status.error:
        parts.append("Nothing was applied.")
    if record.rollback is not None and record.rollback.end != "Complete":
        parts.append(f"The rollback failed: {record.rollback.message or record.rollback.cause}.")
    if record.outcome == "frozen":
        why = why_irreversible(record)
        parts.append(f"The database is left as it is{f': {why}' if why else ''}.")
    if record.outcome in ("frozen", "failed"):
        parts.append("Mend it, then give another image or raise spec.runner.attempt.")
    return " ".join(parts)


def _sentence(text: str) -> str:
    """The text with an end, so that another sentence can follow it."""
    text = text.strip()
    return text if not text or text[-1] in ".!?" else f"{text}."


def undone(record: Record) -> tuple[str, ...]:
    """The versions that a rollback undoes, newest first: what the run applied, also in part."""
    inspection, status = record.inspection, record.verified
    if inspection is None or status is None:
        return ()
    return tuple(v for v in reversed(status.applied) if v not in inspection.status.applied)


def why_irreversible(record: Record) -> str:
    """Why what was applied cannot be undone; empty when it can. A migration is irreversible unless it says how."""
    inspection, status = record.inspection, record.verified
    if inspection is None or status is None:
        return "it is not known what was applied"
    if status.error:
        return f"version {status.current} is applied in part, and a down file undoes a whole one"
    if not inspection.status.current:
        return "nothing was applied before, and there is no version to go back to"
    files = {file.version: file.name for file in inspection.status.pending}
    missing = [files.get(v, v) for v in undone(record) if f"down/{files.get(v, v)}" not in inspection.names]
    return f"there is no down file for {', '.join(missing)}" if missing else ""


def not_linear(inspection: Inspection) -> str:
    """Why the directory does not continue what the database has; empty when it does.

    Atlas looks at files behind the latest applied one only (sql/migrate, Executor.Pending), so a file that was added
    before it would never be applied, and nobody would know.
    """
    status = inspection.status
    if not status.applied:
        return ""
    versions = {name.removesuffix(".sql").partition("_")[0]: name for name in inspection.names if _is_forward(name)}
    if status.current not in versions:
        return f"the database is at version {status.current}, which this image does not have: it is older, or another"
    pending = {file.version for file in status.pending}
    skipped = [
        name
        for version, name in sorted(versions.items())
        if status.applied[0] < version < status.current and version not in status.applied and version not in pending
    ]
    if skipped:
        shown = ", ".join(skipped[:10])
        return f"{shown}: older than the database's version {status.current} and never applied; give a newer version"
    return ""


def _is_forward(name: str) -> bool:
    return name.endswith(".sql") and "/" not in name


def pending_sql(files: Mapping[str, str], names: tuple[str, ...]) -> str:
    """The statements that are going to be applied, as far as there is room."""
    text = "".join(f"-- {name}\n{files[name].rstrip()}\n" for name in names if name in files)
    return text if len(text) <= MOST_SQL else text[:MOST_SQL] + "\n-- (more is not shown)\n"
