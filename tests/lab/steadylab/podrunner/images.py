# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the images of the lab hold: a table in a file, from which alone the pod runner knows images."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

# Parts of the machine that together are its programs; Debian's awk and others are links into /etc/alternatives.
_SYSTEM: Final = ("/bin", "/sbin", "/lib", "/lib64", "/usr", "/etc/alternatives")
_CERTIFICATES: Final = "/etc/ssl/certs"
SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Image:
    """An image: files and directories of the machine by their path in it, and its configuration.

    `directories` are empty ones that anybody may write to, `user` the numeric one that it runs as.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str = "/"
    directories: Sequence[str] = ("/tmp",)
    user: int = 0


def program(files: Mapping[str, Path], entrypoint: Sequence[str], *, user: int = 0) -> Image:
    """An image without a shell or any tool: just these programs, and certificates, as "distroless" images have them."""
    found = {_CERTIFICATES: _CERTIFICATES} if Path(_CERTIFICATES).is_dir() else {}
    found.update({target: str(source) for target, source in files.items()})
    return Image(found, tuple(entrypoint), environment={"PATH": SYSTEM_PATH}, user=user)


def host(*, entrypoint: Sequence[str] = (), command: Sequence[str] = ("/bin/sh",), path: str = SYSTEM_PATH) -> Image:
    """An image with the machine's programs and nothing else of it: it has /bin/sh."""
    files = {name: name for name in (*_SYSTEM, _CERTIFICATES) if Path(name).exists()}
    return Image(files, tuple(entrypoint), tuple(command), {"PATH": path})


def python() -> Image:
    """An image with the Python that runs this, as python3: stands in for docker.io/library/python."""
    image = host(command=("python3",), path=f"{sys.base_prefix}/bin:{SYSTEM_PATH}")
    return Image({**image.files, sys.base_prefix: sys.base_prefix}, (), image.command, image.environment)


def repository(reference: str) -> str:
    """A reference without tag and digest."""
    name = reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]


class Table:
    """The images by reference, in a JSON file. A key without tag stands for all tags and digests."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _read(self) -> dict[str, Any]:
        return dict(json.loads(self._path.read_text())) if self._path.exists() else {}

    def set(self, reference: str, image: Image) -> None:
        """Add or replace an image. One process writes; readers see the old table or the new one."""
        entries = {**self._read(), reference: asdict(image)}
        temporary = self._path.with_suffix(".new")
        temporary.write_text(json.dumps(entries, indent=1))
        os.replace(temporary, self._path)

    def find(self, reference: str) -> Image | None:
        """The image of a reference, or None if there is none."""
        entries = self._read()
        entry = entries.get(reference) or entries.get(repository(reference))
        return None if entry is None else Image(**entry)
