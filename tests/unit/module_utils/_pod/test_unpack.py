# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that takes migrations out of an image's tar: hostile tars, and that it agrees with its reader."""

from __future__ import annotations

import ast
import inspect
import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.database import output
from ansible_collections.steady.rollout.plugins.module_utils._pod import unpack

GOOD: dict[str, Any] = {
    "migrations/1_a.sql": "CREATE TABLE a (id int);\n",
    "migrations/2_b.sql": "CREATE TABLE b (id int);\n",
    "migrations/down/2_b.sql": "DROP TABLE b;\n",
    "migrations/atlas.sum": "h1:x\n",
    "migrations/README.md": "not one",
    "migrations/old/0_x.sql": "not one either",
    "etc/passwd": "root",
    "migrations-old/9_z.sql": "of another directory",
}


def link(target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    """An entry that is a link."""
    info = tarfile.TarInfo()
    info.type, info.linkname = kind, target
    return info


def of_type(kind: bytes) -> tarfile.TarInfo:
    """An entry that is neither file nor link."""
    info = tarfile.TarInfo()
    info.type = kind
    return info


def put(work: Path, entries: dict[str, Any]) -> None:
    """Write image.tar: texts and bytes as files, the rest as it is."""
    with tarfile.open(work / "image.tar", "w") as tar:
        for name, content in entries.items():
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo()
            info.name = name
            data = content.encode() if isinstance(content, str) else content if isinstance(content, bytes) else b""
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def run(work: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code and what is printed."""
    where = () if "--dir" in arguments else ("--dir", "/migrations")
    code = unpack.main([*where, "--work", str(work), *arguments])
    return code, capsys.readouterr().out


def test_takes_what_atlas_looks_at_and_the_way_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, GOOD)
    code, said = run(tmp_path, capsys, "--print")
    assert code == 0
    directory = output.directory(said)
    assert directory is not None
    assert directory.names == ("1_a.sql", "2_b.sql", "atlas.sum", "down/2_b.sql")
    assert directory.files is not None
    assert directory.files["down/2_b.sql"] == "DROP TABLE b;\n"
    assert {path.name for path in (tmp_path / "migrations").iterdir()} == {"1_a.sql", "2_b.sql", "atlas.sum"}
    assert 'getenv("DATABASE_URL")' in (tmp_path / "atlas.hcl").read_text()
    assert not (tmp_path / "image.tar").exists()


@pytest.mark.parametrize("prefix", ["./", "/", "./././"])
@pytest.mark.parametrize("directory", ["/migrations", "/srv/app/migrations"])
def test_spellings_of_names_in_the_tar(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], prefix: str, directory: str
) -> None:
    put(tmp_path, {name.replace("migrations", prefix + directory[1:], 1): data for name, data in GOOD.items()})
    code, said = run(tmp_path, capsys, "--dir", directory)
    assert code == 0
    assert json.loads(said.splitlines()[-1])["files"] == 4


def test_the_same_files_have_the_same_hash_whatever_the_tar(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, GOOD)
    first = json.loads(run(tmp_path, capsys)[1].splitlines()[-1])["hash"]
    other = tmp_path / "other"
    other.mkdir()
    put(other, {"var/x": "x", **dict(reversed(GOOD.items()))})
    assert run(other, capsys, "--expect", first)[0] == 0
    changed = tmp_path / "changed"
    changed.mkdir()
    put(changed, {**GOOD, "migrations/2_b.sql": "DROP TABLE a;\n"})
    code, said = run(changed, capsys, "--expect", first)
    assert code == unpack.REFUSED
    assert first in output.refusal(said)
    assert not (changed / "migrations").exists()


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no such directory": ({"app/1_a.sql": "x"}, "the image has no directory /migrations"),
    "an empty one": ({"migrations/README.md": "x"}, "/migrations holds no *.sql file"),
    "without a sum": ({"migrations/1_a.sql": "x"}, "/migrations holds no atlas.sum"),
    "a link as the directory": ({"migrations": link("/etc")}, "/migrations is a link to /etc"),
    "a file as the directory": ({"migrations": "x"}, "/migrations is not a directory"),
    "a link as a file": ({**GOOD, "migrations/3_c.sql": link("/etc/passwd")}, "3_c.sql is a link to /etc/passwd"),
    "a link that leaves": ({**GOOD, "migrations/3_c.sql": link("../../x")}, "3_c.sql is a link to ../../x"),
    "a hard link": ({**GOOD, "migrations/3_c.sql": link("etc/passwd", tarfile.LNKTYPE)}, "3_c.sql is a link"),
    "a link as the sum": ({**GOOD, "migrations/atlas.sum": link("x")}, "atlas.sum is a link"),
    "a device": ({**GOOD, "migrations/3_c.sql": of_type(tarfile.CHRTYPE)}, "3_c.sql is no regular file"),
    "a pipe": ({**GOOD, "migrations/3_c.sql": of_type(tarfile.FIFOTYPE)}, "3_c.sql is no regular file"),
    "a directory as a file": ({**GOOD, "migrations/3_c.sql": of_type(tarfile.DIRTYPE)}, "3_c.sql is no regular file"),
    "a strange name": ({**GOOD, "migrations/-x y.sql": "x"}, "the file name '-x y.sql' is not one"),
    "the same name twice": ({**GOOD, "./migrations/1_a.sql": "x"}, "1_a.sql is in the image twice"),
    "not text": ({**GOOD, "migrations/3_c.sql": b"\xff\xfe"}, "3_c.sql is not UTF-8 text"),
    "too large a file": ({**GOOD, "migrations/3_c.sql": b"x" * (unpack.LARGEST_FILE + 1)}, "3_c.sql has"),
    "a way down from nowhere": ({**GOOD, "migrations/down/7_x.sql": "x"}, "down/7_x.sql belongs to no migration"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    entries, words = REFUSED[case]
    put(tmp_path, entries)
    code, said = run(tmp_path, capsys)
    assert code == unpack.REFUSED
    assert words in output.refusal(said)
    assert [path.name for path in tmp_path.iterdir()] == ["image.tar"]


def test_refuses_too_many_and_too_much(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, GOOD)
    monkeypatch.setattr(unpack, "MOST_FILES", 2)
    assert "more than 2 files" in output.refusal(run(tmp_path, capsys)[1])
    monkeypatch.setattr(unpack, "MOST_FILES", 9)
    monkeypatch.setattr(unpack, "LARGEST_DIRECTORY", 30)
    assert "the files have more than" in output.refusal(run(tmp_path, capsys)[1])


def test_what_is_no_tar_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "image.tar").write_bytes(b"gzip?" * 300)
    code, said = run(tmp_path, capsys)
    assert code == unpack.REFUSED
    assert "is no tar" in output.refusal(said)


def test_names_that_leave_the_directory_are_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inner = tmp_path / "work"
    inner.mkdir()
    put(inner, {**GOOD, "migrations/../../evil.sql": "x", "migrations/../atlas.hcl": "x", "../evil.sql": "x"})
    assert run(inner, capsys)[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["work"]
    assert (inner / "atlas.hcl").read_text() == unpack.CONFIGURATION


def test_lines_are_short_enough_for_a_container_runtime(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "".join(f"INSERT INTO a VALUES ({number * 7919 % 104729});\n" for number in range(20_000))
    put(tmp_path, {**GOOD, "migrations/3_c.sql": text})
    _code, said = run(tmp_path, capsys, "--print")
    assert max(map(len, said.splitlines())) < 16 * 1024
    directory = output.directory(said)
    assert directory is not None
    assert directory.files is not None
    assert directory.files["3_c.sql"] == text
    put(tmp_path, {**GOOD, "migrations/3_c.sql": text})
    (tmp_path / "migrations").rename(tmp_path / "before")
    monkeypatch.setattr(unpack, "LARGEST_PRINT", 1000)
    directory = output.directory(run(tmp_path, capsys, "--print")[1])
    assert directory is not None
    assert directory.files is None


def test_the_way_down_newest_first_under_versions_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, {**GOOD, "migrations/down/1_a.sql": "DROP TABLE a;\n"})
    code, _said = run(tmp_path, capsys, "--down", "2,1", "--stamp", "20261121063000")
    assert code == 0
    down = sorted((tmp_path / "down").iterdir())
    assert [path.name for path in down] == ["202611210630000001_2_b.sql", "202611210630000002_1_a.sql"]
    assert [path.read_text() for path in down] == ["DROP TABLE b;\n", "DROP TABLE a;\n"]


def test_a_version_without_a_way_down_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, GOOD)
    code, said = run(tmp_path, capsys, "--down", "1", "--stamp", "1")
    assert code == unpack.REFUSED
    assert "version 1 has no down file; add down/1_a.sql to the image" in output.refusal(said)


def test_it_needs_the_standard_library_alone() -> None:
    tree = ast.parse(inspect.getsource(unpack))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= set(sys.stdlib_module_names)


NAMES = st.text(alphabet="./am_1sqldownigrt-", min_size=1, max_size=24).map(lambda name: f"migrations/{name}")
KINDS = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE]
CONTENT = st.text(max_size=10) | st.binary(max_size=10) | st.sampled_from(KINDS).map(lambda kind: link("../../x", kind))


@given(st.dictionaries(NAMES, CONTENT, max_size=5))
@settings(max_examples=60, derandomize=True, deadline=None)
def test_any_tar_is_taken_or_refused_and_nothing_leaves_the_work_directory(
    tmp_path_factory: pytest.TempPathFactory, entries: dict[str, Any]
) -> None:
    outer = tmp_path_factory.mktemp("any")
    work = outer / "work"
    work.mkdir()
    put(work, {**GOOD, **entries})
    assert unpack.main(["--dir", "/migrations", "--work", str(work)]) in (0, unpack.REFUSED)
    assert [path.name for path in outer.iterdir()] == ["work"]
    assert {path.name for path in work.iterdir()} <= {"image.tar", "migrations", "atlas.hcl"}
    assert not any(path.is_symlink() for path in work.rglob("*"))
