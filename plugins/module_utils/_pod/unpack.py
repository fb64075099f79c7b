# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The program of a Job's container `unpack`: take the migrations out of the tar of an image's file system.

It runs as `python3 -I -c <this text>`, so it uses the standard library alone and imports nothing of the collection. The
tar is hostile input: only regular files of one directory are read, their names are checked, nothing is extracted by a
library, and no link is followed. What it writes to standard output are JSON lines, each short enough for a container
runtime to keep in one piece.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import posixpath
import re
import sys
import tarfile
import zlib
from pathlib import Path

MEBIBYTE = 1024 * 1024
MOST_FILES = 5000
LARGEST_FILE = 8 * MEBIBYTE
LARGEST_DIRECTORY = 32 * MEBIBYTE
# What is printed has to find room in an object of the API server, of at most 1 MiB in all.
LARGEST_PRINT = 600 * 1024
# Container runtimes cut lines at 16 KiB.
PART = 6 * 1024
REFUSED = 3
SUM = "atlas.sum"
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}\.sql")
CONFIGURATION = """env "migrate" {
  url = getenv("DATABASE_URL")
  migration {
    dir = "file:///work/migrations"
  }
}
env "rollback" {
  url = getenv("DATABASE_URL")
  migration {
    dir              = "file:///work/down"
    revisions_schema = getenv("ROLLBACK_SCHEMA")
  }
}
"""


class Unfit(Exception):
    """The image's directory cannot be used."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


def read_directory(tar: tarfile.TarFile, directory: str) -> dict[str, bytes]:
    """The migrations in a directory of the tar, by name; those to go back by are called down/<name>."""
    wanted = directory.strip("/")
    found: dict[str, bytes] = {}
    seen = False
    for member in tar:
        name = posixpath.normpath(member.name).lstrip("/")
        if name == wanted or wanted.startswith(f"{name}/"):
            _check_way(member, name, directory)
            seen = seen or name == wanted
        elif name.startswith(f"{wanted}/"):
            seen = True
            inner = name[len(wanted) + 1 :]
            if _is_migration(inner):
                found[inner] = _content(tar, member, inner, found)
    if not seen:
        raise Unfit(f"the image has no directory {directory}", "set migrations.dir to the directory in the image")
    _check_whole(found, directory)
    return found


def _check_way(member: tarfile.TarInfo, name: str, directory: str) -> None:
    if member.issym() or member.islnk():
        problem = f"/{name} is a link to {member.linkname[:200]} in the image, and links are not followed"
        raise Unfit(problem, "set migrations.dir to the directory itself")
    if not member.isdir():
        raise Unfit(f"/{name} is not a directory in the image", f"{directory} has to be one")


def _is_migration(inner: str) -> bool:
    """Whether a path below the directory is one that Atlas, or a way down, looks at."""
    top = inner.removeprefix("down/")
    return "/" not in top and (top.endswith(".sql") or inner == SUM)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo, inner: str, found: dict[str, bytes]) -> bytes:
    name = inner.removeprefix("down/")
    if inner != SUM and not FILE_NAME.fullmatch(name):
        raise Unfit(f"the file name {inner[:200]!r} is not one", "use letters, digits, '.', '_' and '-'")
    if not member.isreg() or member.issparse():
        kind = f"a link to {member.linkname[:200]}" if member.issym() or member.islnk() else "no regular file"
        raise Unfit(f"{inner} is {kind}, and links are not followed", "put the file itself into the image")
    if inner in found:
        raise Unfit(f"{inner} is in the image twice", "build the image anew")
    if member.size > LARGEST_FILE:
        raise Unfit(f"{inner} has {member.size} bytes", f"at most {LARGEST_FILE}")
    if len(found) >= MOST_FILES:
        raise Unfit(f"there are more than {MOST_FILES} files", "squash old migrations")
    total = sum(map(len, found.values())) + member.size
    if total > LARGEST_DIRECTORY:
        raise Unfit(f"the files have more than {total} bytes", f"at most {LARGEST_DIRECTORY}")
    stream = tar.extractfile(member)
    data = b"" if stream is None else stream.read()
    try:
        data.decode()
    except UnicodeDecodeError:
        raise Unfit(f"{inner} is not UTF-8 text", "save it as UTF-8") from None
    return data


def _check_whole(found: dict[str, bytes], directory: str) -> None:
    if not any(name.endswith(".sql") and "/" not in name for name in found):
        raise Unfit(f"{directory} holds no *.sql file", "set migrations.dir to the directory of the migrations")
    if SUM not in found:
        raise Unfit(f"{directory} holds no {SUM}", "run `atlas migrate hash` and build the image anew")
    for name in found:
        if name.startswith("down/") and name.removeprefix("down/") not in found:
            raise Unfit(f"{name} belongs to no migration", f"name it like the migration that it undoes, in {directory}")


def directory_hash(files: dict[str, bytes]) -> str:
    """SHA-256 over names and contents."""
    lines = (f"{name}\0{hashlib.sha256(data).hexdigest()}\n" for name, data in sorted(files.items()))
    return "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()


def write_files(files: dict[str, bytes], work: Path) -> None:
    """The directory and the configuration that Atlas is run with."""
    target = work / "migrations"
    target.mkdir()
    for name, data in files.items():
        if "/" not in name:
            (target / name).write_bytes(data)
    (work / "atlas.hcl").write_text(CONFIGURATION)


def write_down(files: dict[str, bytes], versions: list[str], stamp: str, work: Path) -> None:
    """The files that undo these versions, in this order, as migrations of a directory of their own."""
    target = work / "down"
    target.mkdir()
    for number, version in enumerate(versions, 1):
        name = next((name for name in files if "/" not in name and version_of(name) == version), "")
        undo = files.get(f"down/{name}")
        if undo is None:
            raise Unfit(f"version {version} has no down file", f"add down/{name or version + '.sql'} to the image")
        (target / f"{stamp}{number:04d}_{name}").write_bytes(undo)


def version_of(name: str) -> str:
    """The version in a file's name, as Atlas has it: what stands before the first underscore."""
    return name.removesuffix(".sql").partition("_")[0]


def report(files: dict[str, bytes], printed: bool) -> list[dict[str, object]]:
    """What is told on standard output, line by line."""
    lines: list[dict[str, object]] = [
        {"kind": "file", "name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in sorted(files.items())
    ]
    parts = _parts(files) if printed else []
    if printed and not parts:
        lines.append({"kind": "unprinted", "reason": f"more than {LARGEST_PRINT} bytes when compressed"})
    lines += [{"kind": "part", "data": part} for part in parts]
    total = sum(map(len, files.values()))
    end = {"kind": "end", "hash": directory_hash(files), "files": len(files), "bytes": total, "parts": len(parts)}
    return [*lines, end]


def _parts(files: dict[str, bytes]) -> list[str]:
    texts = {name: data.decode() for name, data in sorted(files.items())}
    packed = base64.b64encode(zlib.compress(json.dumps(texts).encode(), 9)).decode()
    if len(packed) > LARGEST_PRINT:
        return []
    return [packed[start : start + PART] for start in range(0, len(packed), PART)]


def unpack(options: argparse.Namespace) -> list[dict[str, object]]:
    """Do all of it; returns the lines to print."""
    work = Path(options.work)
    archive = work / "image.tar"
    try:
        with tarfile.open(archive, "r:") as tar:
            files = read_directory(tar, options.dir)
    except tarfile.TarError as error:
        raise Unfit(f"the image's file system is no tar: {error}", "build the image anew") from error
    found = directory_hash(files)
    if options.expect and found != options.expect:
        raise Unfit(f"the directory is {found}, not {options.expect}", "somebody moved the image: look at it anew")
    write_files(files, work)
    if options.down:
        write_down(files, options.down.split(","), options.stamp, work)
    archive.unlink()
    return report(files, options.print)


def main(arguments: list[str]) -> int:
    """Run with the arguments of the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="unpack")
    parser.add_argument("--dir", required=True)
    parser.add_argument("--work", default="/work")
    parser.add_argument("--expect", default="")
    parser.add_argument("--print", action="store_true")
    parser.add_argument("--down", default="")
    parser.add_argument("--stamp", default="")
    try:
        lines = unpack(parser.parse_args(arguments))
    except Unfit as error:
        lines = [{"kind": "refused", "problem": error.problem, "remedy": error.remedy}]
    for line in lines:
        sys.stdout.write(json.dumps(line) + "\n")
    return REFUSED if lines[-1]["kind"] == "refused" else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
