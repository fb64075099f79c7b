# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What the containers of a Job said, read as untrusted text: a migration may print anything, and logs get cut.

What cannot be read is None, never a guess: "nothing is pending" is only ever said where Atlas said so.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.steady.rollout.plugins.module_utils._domain.redact import Redactor, printable

# How much of a log is shown in a condition, from its end. A condition's message may have 32 KiB.
TAIL_LINES = 20
TAIL_CHARACTERS = 2000
# Several times what a directory may weigh (_pod/unpack.py): what is more was not printed by that program.
LARGEST_UNPACKED = 64 * 1024 * 1024

_DIGEST = re.compile(r"\S+@sha256:[0-9a-f]{64}")
_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,199}")


@dataclass(frozen=True, slots=True)
class PendingFile:
    """A migration that is not applied: its file and its version."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Status:
    """`atlas migrate status`.

    :ivar current: the version of the database, empty when nothing was ever applied
    :ivar error: what the latest migration failed with, where it was left applied in part; `sql` is its statement
    """

    current: str
    pending: tuple[PendingFile, ...]
    applied: tuple[str, ...]
    error: str = ""
    sql: str = ""

    @property
    def target(self) -> str:
        """The version that the directory leads to."""
        return self.pending[-1].version if self.pending else self.current


@dataclass(frozen=True, slots=True)
class Directory:
    """The migrations of an image. `files` is None where they were too many to be printed."""

    hash: str
    names: tuple[str, ...]
    files: Mapping[str, str] | None = field(default=None, repr=False)

    def undoes(self, name: str) -> bool:
        """Whether there is a file that undoes this migration."""
        return f"down/{name}" in self.names


@dataclass(frozen=True, slots=True)
class Applied:
    """`atlas migrate apply`: the versions that went through and, if it failed, with what."""

    versions: tuple[str, ...]
    error: str = ""
    sql: str = ""


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a finished pod. `log` is its end, None where it could not be had; `code` its exit code."""

    name: str
    code: int | None
    log: str | None = field(default=None, repr=False)
    cut: bool = False


def image_digest(log: str | None) -> str | None:
    """What `crane digest --full-ref` printed: the image by digest."""
    lines = [line.strip() for line in (log or "").splitlines()]
    return next((line for line in reversed(lines) if _DIGEST.fullmatch(line)), None)


def _objects(log: str | None) -> list[dict[str, object]]:
    found = []
    for line in (log or "").splitlines():
        if not line.startswith("{"):
            continue
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def directory(log: str | None) -> Directory | None:
    """What the unpacking program printed; None unless it came to its end and nothing is missing."""
    lines = _objects(log)
    end = lines[-1] if lines and lines[-1].get("kind") == "end" else None
    if end is None or not _HASH.fullmatch(str(end.get("hash"))):
        return None
    names = tuple(str(line.get("name")) for line in lines if line.get("kind") == "file")
    parts = [str(line.get("data")) for line in lines if line.get("kind") == "part"]
    if len(names) != end.get("files") or len(parts) != end.get("parts"):
        return None
    files = _unpacked("".join(parts)) if parts else None
    if files is not None and set(files) != set(names):
        return None
    return Directory(str(end["hash"]), names, files)


def _unpacked(packed: str) -> dict[str, str] | None:
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(base64.b64decode(packed, validate=True), LARGEST_UNPACKED)
        files = json.loads(text) if stream.eof else None
    except (binascii.Error, zlib.error, ValueError):
        return None
    if not isinstance(files, dict) or not all(isinstance(value, str) for value in files.values()):
        return None
    return {str(name): value for name, value in files.items()}


def refusal(log: str | None) -> str:
    """Why the unpacking program refused the image; empty when it did not say."""
    lines = [line for line in _objects(log) if line.get("kind") == "refused"]
    return f"{lines[-1].get('problem')}; {lines[-1].get('remedy')}" if lines else ""


def status(log: str | None) -> Status | None:
    """What `atlas migrate status` printed."""
    for line in reversed(_objects(log)):
        pending, applied = line.get("pending"), line.get("applied")
        if not isinstance(pending, list) or not isinstance(applied, list) or "status" not in line:
            continue
        files = [_pending(entry) for entry in pending]
        versions = [str(version) for version in applied]
        # "OK" says that nothing is pending, in Atlas's own words: both have to agree.
        if None in files or (line["status"] == "OK") != (not files) or not all(map(_VERSION.fullmatch, versions)):
            return None
        found = tuple(file for file in files if file is not None)
        error, sql = str(line.get("error") or ""), str(line.get("sql") or "")
        begun = bool(versions) and any(file.version == versions[-1] for file in found)
        if begun and error and line.get("count") == 0:
            # Its first statement failed: the file is as if it had not been begun.
            versions, error, sql = versions[:-1], "", ""
        elif begun and not error:
            error = "interrupted"
        return Status(versions[-1] if versions else "", found, tuple(versions), error, sql)
    return None


def _pending(entry: object) -> PendingFile | None:
    if not isinstance(entry, dict):
        return None
    name, version = str(entry.get("name")), str(entry.get("version"))
    return PendingFile(name, version) if name.endswith(".sql") and _VERSION.fullmatch(version) else None


def applied(log: str | None) -> Applied | None:
    """What `atlas migrate apply` printed; None where it ended before it could say anything."""
    for line in reversed(_objects(log)):
        files = line.get("applied")
        if not isinstance(files, list) or "target" not in line:
            continue
        whole = [entry for entry in files if isinstance(entry, dict)]
        failed = next((entry for entry in whole if entry.get("error")), {})
        done = tuple(str(entry.get("version")) for entry in whole if not entry.get("error"))
        return Applied(done, str(line.get("error") or ""), str(failed.get("sql") or ""))
    return None


def tail(log: str | None, hide: Redactor, *, cut: bool = False) -> str:
    """The last lines of a log, without secrets; of one that was cut, the first line is left out: it is half of one.

    Secrets are taken out before it is shortened, because half a password is a secret too.
    """
    lines = (log or "").splitlines()
    shown = hide("\n".join(lines[1:] if cut else lines))
    text = printable("\n".join(shown.splitlines()[-TAIL_LINES:])).strip()
    return text if len(text) <= TAIL_CHARACTERS else "..." + text[-TAIL_CHARACTERS:]


# What Atlas says, and the reason in one word that dependants can act on. Texts of cmd/atlas and sql/migrate v0.13.1.
_CAUSES = (
    ("acquiring database lock", "DatabaseLocked"),
    ("connected database is not clean", "DatabaseNotClean"),
    ("checksum mismatch", "ChecksumMismatch"),
    ("checksum file not found", "ChecksumMismatch"),
    ("password authentication failed", "DatabaseLoginFailed"),
    ("Access denied for user", "DatabaseLoginFailed"),
    ("PAM authentication failed", "DatabaseLoginFailed"),
    ("connection refused", "DatabaseUnreachable"),
    ("no such host", "DatabaseUnreachable"),
    ("i/o timeout", "DatabaseUnreachable"),
)
UNREACHED = ("DatabaseLocked", "DatabaseLoginFailed", "DatabaseUnreachable")


# The names of Atlas's own layers, and what PostgreSQL says of any statement after the one that failed.
_LAYERS = re.compile(r"\b(?:sql/migrate: )+(?:execute: )?")
_AFTERMATH = re.compile(r": write revision: pq: current transaction is aborted, [a-z ]*block$")


def plain_error(error: str) -> str:
    """What a statement failed with, without what only Atlas's developers need."""
    return _AFTERMATH.sub("", _LAYERS.sub("", error.strip()))


def cause(log: str | None, default: str) -> str:
    """One word for what Atlas said, `default` where it is nothing that is known."""
    return next((word for text, word in _CAUSES if text in (log or "")), default)
