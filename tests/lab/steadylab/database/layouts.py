# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images for tests, as OCI layouts made from nothing: no base, no shell, no tool, just the files that are named.

A layer may hold what no sane build would put there: names that lead out of the directory, links to anywhere, devices.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

_INDEX: Final = "application/vnd.oci.image.index.v1+json"
_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
PLATFORM: Final = "linux/amd64"
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a layer, written as it is, whatever its name.

    `kind` is a type of tarfile (REGTYPE, SYMTYPE, ...), `target` what a link leads to, `zeros` so many bytes of zero
    instead of `content`.
    """

    name: str
    content: bytes = b""
    kind: bytes = tarfile.REGTYPE
    target: str = ""
    mode: int = 0o644
    zeros: int = 0

    def header(self) -> tarfile.TarInfo:
        """Its header in the archive."""
        info = tarfile.TarInfo(self.name)
        info.type, info.linkname, info.mode = self.kind, self.target, self.mode
        info.size = self.zeros or len(self.content)
        return info


class _Zeros(io.RawIOBase):
    """A file of zeros."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int = -1) -> bytes:
        count = min(self._left, size if size >= 0 else _CHUNK)
        self._left -= count
        return bytes(count)


def files(directory: str, contents: Mapping[str, str | bytes]) -> list[Entry]:
    """A directory with files in it, as a layer has them."""
    base = directory.strip("/")
    parts = base.split("/")
    folders = [
        Entry("/".join(parts[: depth + 1]), kind=tarfile.DIRTYPE, mode=0o755) for depth in range(len(parts)) if base
    ]
    prefix = f"{base}/" if base else ""
    return folders + [
        Entry(prefix + name, text.encode() if isinstance(text, str) else text) for name, text in contents.items()
    ]


def symlink(name: str, target: str) -> Entry:
    """A symbolic link."""
    return Entry(name, kind=tarfile.SYMTYPE, target=target, mode=0o777)


def hardlink(name: str, target: str) -> Entry:
    """A hard link."""
    return Entry(name, kind=tarfile.LNKTYPE, target=target)


def whiteout(name: str) -> Entry:
    """The sign by which a layer removes a file of a lower one."""
    head, slash, last = name.rpartition("/")
    return Entry(f"{head}{slash}.wh.{last}")


def _layer(entries: Iterable[Entry]) -> tuple[bytes, str]:
    """A compressed layer and the digest of what it holds uncompressed."""
    compressed, digest = io.BytesIO(), hashlib.sha256()
    with gzip.GzipFile(fileobj=compressed, mode="wb", compresslevel=1, mtime=0) as packed:
        both = cast(IO[bytes], _Tee(packed, digest))
        with tarfile.open(fileobj=both, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            for entry in entries:
                content = _Zeros(entry.zeros) if entry.zeros else io.BytesIO(entry.content)
                archive.addfile(entry.header(), cast(IO[bytes], content))
    return compressed.getvalue(), f"sha256:{digest.hexdigest()}"


class _Tee:
    """Writes to a stream and into a digest."""

    def __init__(self, stream: gzip.GzipFile, digest: Any) -> None:
        self._stream = stream
        self._digest = digest

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        return self._stream.write(data)


class Layout:
    """An OCI layout directory: one image, or an index of images for several platforms."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._blobs = directory / "blobs" / "sha256"
        self._blobs.mkdir(parents=True)
        self._manifests: list[dict[str, Any]] = []
        (directory / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))

    def add(self, layers: Sequence[Iterable[Entry]], platform: str = PLATFORM) -> str:
        """Add an image of these layers, lowest first; its digest."""
        packed = [_layer(layer) for layer in layers]
        system, _, architecture = platform.partition("/")
        config = {
            "os": system,
            "architecture": architecture,
            "rootfs": {"type": "layers", "diff_ids": [digest for _data, digest in packed]},
            "config": {},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": self._blob(json.dumps(config).encode(), _CONFIG),
            "layers": [self._blob(data, _LAYER) for data, _digest in packed],
        }
        descriptor = self._blob(json.dumps(manifest).encode(), _MANIFEST)
        descriptor["platform"] = {"os": system, "architecture": architecture}
        self._manifests.append(descriptor)
        self._write_index()
        return str(descriptor["digest"])

    def _blob(self, data: bytes, media_type: str) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (self._blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    def _write_index(self) -> None:
        index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": self._manifests}
        (self._directory / "index.json").write_text(json.dumps(index))
