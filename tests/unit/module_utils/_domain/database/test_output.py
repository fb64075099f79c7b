# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What containers say is untrusted text: read where it is whole, None where it is not."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.database import output
from ansible_collections.steady.rollout.plugins.module_utils._domain.redact import HIDDEN, Redactor

HASH = "sha256:" + "0f" * 32
FILES = {"1_a.sql": "SELECT 1;", "down/1_a.sql": "SELECT 2;", "atlas.sum": "h1:"}


def unpacked(content: dict[str, str] = FILES, *, pieces: int = 2, **end: Any) -> str:
    """What the unpacking program prints of a directory."""
    packed = base64.b64encode(zlib.compress(json.dumps(content).encode())).decode()
    size = -(-len(packed) // pieces)
    cut = [packed[start : start + size] for start in range(0, len(packed), size)]
    lines: list[dict[str, Any]] = [{"kind": "file", "name": name, "size": len(text)} for name, text in content.items()]
    lines += [{"kind": "part", "data": part} for part in cut]
    lines.append({"kind": "end", "hash": HASH, "files": len(content), "bytes": 1, "parts": len(cut), **end})
    return "".join(json.dumps(line) + "\n" for line in lines)


def test_a_directory() -> None:
    found = output.directory(unpacked())
    assert found is not None
    assert (found.hash, found.names, found.files) == (HASH, tuple(FILES), FILES)
    assert found.undoes("1_a.sql")
    assert not found.undoes("2_b.sql")


@pytest.mark.parametrize(
    "log",
    [
        None,
        "",
        "Killed",
        unpacked()[:-20],
        "\n".join(unpacked().splitlines()[1:]),
        "\n".join(line for line in unpacked().splitlines() if "part" not in line[:20]),
        unpacked(hash="sha256:1"),
        unpacked(hash=None),
        unpacked(files=99),
        unpacked().replace("1_a.sql", "9_z.sql", 1),
        unpacked() + '{"kind": "refused", "problem": "x", "remedy": "y"}',
        unpacked() + "Traceback (most recent call last)\n{}",
    ],
)
def test_a_directory_of_which_something_is_missing_is_none(log: str | None) -> None:
    assert output.directory(log) is None


def test_what_was_not_printed_is_not_an_empty_directory() -> None:
    lines = [line for line in unpacked(pieces=1).splitlines() if '"part"' not in line[:16]]
    end = json.loads(lines.pop())
    log = "\n".join([*lines, '{"kind": "unprinted", "reason": "too much"}', json.dumps({**end, "parts": 0})])
    found = output.directory(log)
    assert found is not None
    assert found.files is None


def test_a_bomb_is_not_unpacked() -> None:
    packed = base64.b64encode(zlib.compress(b"0" * (output.LARGEST_UNPACKED + 1))).decode()
    lines = [{"kind": "file", "name": "1_a.sql"}, {"kind": "part", "data": packed}]
    lines.append({"kind": "end", "hash": HASH, "files": 1, "parts": 1})
    found = output.directory("\n".join(map(json.dumps, lines)))
    assert found is not None
    assert found.files is None


def status(**changes: Any) -> str:
    """What Atlas prints of a database with one file to come."""
    pending = [{"name": "2_b.sql", "version": "2"}]
    line = {
        "status": "PENDING",
        "current": "1",
        "next": "2",
        "pending": pending,
        "applied": ["1"],
        "error": "",
        "sql": "",
    }
    return json.dumps({**line, **changes})


@pytest.mark.parametrize(
    ("more", "applied", "error"),
    [
        ({"error": "no such column", "count": 1, "total": 2}, ("1", "2"), "no such column"),
        ({"error": "no such column", "count": 0, "total": 2}, ("1",), ""),
        ({"error": "", "count": 0, "total": 2}, ("1", "2"), "interrupted"),
        ({"error": "", "count": 1, "total": 2}, ("1", "2"), "interrupted"),
    ],
)
def test_a_file_that_was_begun_and_not_finished(more: dict[str, Any], applied: tuple[str, ...], error: str) -> None:
    found = output.status(status(applied=["1", "2"], sql="x", **more))
    assert found is not None
    assert (found.applied, found.current, found.error) == (applied, applied[-1], error)
    assert [file.version for file in found.pending] == ["2"]


def test_a_status() -> None:
    found = output.status("warning: x\n" + status() + "\n")
    assert found == output.Status("1", (output.PendingFile("2_b.sql", "2"),), ("1",))
    assert found.target == "2"


def test_a_status_without_anything_applied_and_with_all_applied() -> None:
    first = output.status(status(current="No migration applied yet", applied=[]))
    assert first is not None
    assert first.current == ""
    last = output.status(status(status="OK", next="Already at latest version", pending=[]))
    assert last is not None
    assert (last.pending, last.target) == ((), "1")


@pytest.mark.parametrize(
    "log",
    [
        None,
        "",
        "Error: connection refused",
        "{",
        "[]",
        status()[:-4],
        status(status="OK"),
        status(pending=[]),
        status(pending="none"),
        status(applied=None),
        status(applied=["; DROP"]),
        status(applied=["--env"]),
        status(pending=[{"name": "x"}]),
        status(pending=[{"name": "2_b.sql", "version": "-x"}]),
        status(pending=["2"]),
    ],
)
def test_a_status_that_is_not_whole_is_none(log: str | None) -> None:
    assert output.status(log) is None


def test_what_was_applied_and_with_what_it_failed() -> None:
    files = [
        {"version": "1", "error": "", "sql": ""},
        {"version": "2", "error": "no such column", "sql": "SELECT nope"},
    ]
    found = output.applied(
        json.dumps({"current": "", "target": "2", "error": "whole", "applied": files}) + "\nError: x"
    )
    assert found == output.Applied(("1",), "whole", "SELECT nope")
    assert output.applied("Error: x") is None


def test_an_image_by_digest() -> None:
    assert output.image_digest(f"2026/11/21 no credentials\nr.example/a@{HASH}\n") == f"r.example/a@{HASH}"
    assert output.image_digest("r.example/a:latest") is None
    assert output.image_digest(None) is None


def test_why_an_image_was_refused() -> None:
    assert (
        output.refusal('{"kind": "refused", "problem": "no directory", "remedy": "set dir"}') == "no directory; set dir"
    )
    assert output.refusal("Killed") == ""


def test_the_tail_has_no_secret_no_colours_and_no_half_of_a_line() -> None:
    hide = Redactor.of("postgres://app:c4nary-secret@db/orders")
    log = "ry-secret is the end of a line\n\x1b[31mError:\x1b[0m login c4nary-secret\x00 failed\n"
    assert output.tail(log, hide, cut=True) == f"Error: login {HIDDEN}\ufffd failed"
    assert "ry-secret" in output.tail(log, hide)


def test_the_tail_is_short() -> None:
    log = "".join(f"line {number}\n" for number in range(100_000))
    assert output.tail(log, Redactor()).splitlines()[-1] == "line 99999"
    assert len(output.tail(log, Redactor()).splitlines()) == output.TAIL_LINES
    assert len(output.tail("x" * 10_000, Redactor())) == output.TAIL_CHARACTERS + 3


def test_half_a_secret_at_the_cut_is_none() -> None:
    secret = "c4nary" * 20
    hide = Redactor.of(f"postgres://app:{secret}@db/orders")
    for size in range(output.TAIL_CHARACTERS - 130, output.TAIL_CHARACTERS + 10):
        assert "c4nary" not in output.tail(f"{secret}{'x' * size}", hide)


def test_what_a_statement_failed_with_is_said_without_atlas_own_layers() -> None:
    words = 'executing statement "SELECT nope;" from version "3": pq: column "nope" does not exist'
    after = "pq: current transaction is aborted, commands ignored until end of transaction block"
    whole = f"sql/migrate: sql/migrate: execute: {words}: sql/migrate: execute: write revision: {after}"
    assert output.plain_error(whole) == words
    assert output.plain_error("acquiring database lock: x") == "acquiring database lock: x"


@pytest.mark.parametrize(
    ("log", "word"),
    [
        ("Error: acquiring database lock: pq: canceling statement due to user request", "DatabaseLocked"),
        ('Error: connected database is not clean: found schema "public". baseline version', "DatabaseNotClean"),
        ("Error: checksum mismatch", "ChecksumMismatch"),
        ('Error: pq: password authentication failed for user "app"', "DatabaseLoginFailed"),
        ("Error: Error 1045 (28000): Access denied for user 'app'@'%'", "DatabaseLoginFailed"),
        ("Error: dial tcp 10.0.0.1:5432: connect: connection refused", "DatabaseUnreachable"),
        ("Error: something else", "MigrationFailed"),
        (None, "MigrationFailed"),
    ],
)
def test_a_word_for_what_atlas_said(log: str | None, word: str) -> None:
    assert output.cause(log, "MigrationFailed") == word


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(
    ["kind", "hash", "files", "parts", "data", "name", "status", "pending", "applied", "target", "error"]
)


@given(st.lists(st.text(max_size=20) | st.dictionaries(KEYS, JSONISH, max_size=6).map(json.dumps), max_size=6))
@settings(max_examples=150, derandomize=True, deadline=None)
def test_any_log_is_read_without_an_error(lines: list[str]) -> None:
    log = "\n".join(lines)
    for read in (output.directory, output.status, output.applied, output.image_digest, output.refusal):
        read(log)
    assert isinstance(output.tail(log, Redactor()), str)
