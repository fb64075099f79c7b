# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Whether a run that somebody waits for has come to its end, and what of it is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from ansible_collections.steady.rollout.plugins.module_utils._domain.database.conditions import State, conditions
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.record import Record
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.snapshot import Snapshot

# Nothing but a person's act ends these, so that waiting for them would be in vain.
NEEDS_A_PERSON = frozenset(
    {
        "SecretNotFound",
        "UrlInvalid",
        "AwsAccessDenied",
        "AwsCaBundleMissing",
        "AwsCredentialsInvalid",
        "AwsCredentialsMissing",
        "AwsPackageMissing",
        "AwsRegionUnknown",
        "AwsUnavailable",
        "ImageUnfit",
        "ImageNotFetched",
        "DirectoryUnfit",
        "ChecksumMismatch",
        "DatabaseNotClean",
        "DatabaseLoginFailed",
        "DestructiveStatements",
        "JobInTheWay",
    }
)
_REMEDIES = {
    "SecretNotFound": "make the Secret, or name another one in a new DBUpgrade; it is looked for again by the next run",
    "UrlInvalid": "correct the URL in the Secret, and run it again",
    "DatabaseLoginFailed": "correct user and password in the Secret, and run it again",
    "DestructiveStatements": "read them; then name their files in spec.lint.allow, or give an image without them",
    "ChecksumMismatch": "run `atlas migrate hash` in the directory, build the image anew, and give that one",
    "MigrationFailed": "mend the migration and give its image, or mend the database and raise spec.runner.attempt",
    "DeadlineExceeded": "raise spec.runner.activeDeadlineSeconds and spec.runner.attempt",
    "JobLost": "find out who deletes Jobs; then raise spec.runner.attempt",
}
# As many as the schema of the status takes.
MOST_FILES = 100
MOST_FINDINGS = 50
LONGEST_FINDING = 1024

Verdict = Literal["", "done", "failed"]


def verdict(state: State, record: Record | None) -> Verdict:
    """How the run ended, empty while it may still get on."""
    if state.aspect in ("Ready", "Planned"):
        return "done"
    # A migration that went through and whose checks have not passed yet may still become ready.
    lost = record is not None and record.outcome in ("failed", "frozen", "rolledBack")
    if state.aspect == "Refused" or lost:
        return "failed"
    return "failed" if state.aspect in ("Blocked", "Degraded") and state.reason in NEEDS_A_PERSON else ""


def remedy(reason: str) -> str:
    """What a person can do; where that depends on more than the reason, where to read about it."""
    return f"{_REMEDIES.get(reason, f'see {reason}')} (docs/db-upgrade.md)"


def changed(before: Record | None, after: Record | None) -> bool:
    """Whether anything was done to the database between the two."""
    if after is None:
        return False
    begun = before.begun if before is not None else ()
    known = before.outcome if before is not None and before.spec_hash == after.spec_hash else ""
    ended = after.outcome not in ("", "unchanged") and after.outcome != known
    return ended or any(order not in begun for order in after.begun)


def migration(record: Record | None) -> dict[str, object]:
    """What image and database say, with the names of the status; empty before the first inspection."""
    inspection = record.inspection if record is not None else None
    if record is None or inspection is None:
        return {}
    found = record.status or inspection.status
    return {
        "image": inspection.image,
        "directoryHash": inspection.directory_hash,
        "beforeVersion": inspection.status.current,
        "currentVersion": found.current,
        "targetVersion": inspection.status.target,
        "pendingFiles": [file.name for file in found.pending[:MOST_FILES]],
        "pendingCount": len(found.pending),
        "pendingSQL": inspection.sql if found.pending else "",
        "findings": [str(finding)[:LONGEST_FINDING] for finding in inspection.findings[:MOST_FINDINGS]],
        "reversible": inspection.reversible,
    }


def status(
    state: State, record: Record | None, snapshot: Snapshot, previous: Iterable[Mapping[str, object]], now: str
) -> dict[str, object]:
    """The status of the custom resource.

    :param previous: its conditions as they stand, untrusted
    :param now: RFC 3339
    """
    told: dict[str, object] = {
        "observedGeneration": snapshot.generation,
        "conditions": [condition.as_plain() for condition in conditions(state, snapshot.generation, previous, now)],
    }
    seen = migration(record)
    if seen:
        told["migration"] = seen
    attempts = {} if record is None else {"apply": record.apply, "rollback": record.rollback}
    named = {kind: attempt.job for kind, attempt in attempts.items() if attempt is not None}
    if named:
        told["jobs"] = named
    if record is not None and record.outcome:
        told["outcome"] = record.outcome
    return told
