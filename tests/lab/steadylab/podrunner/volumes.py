# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The volumes of a pod, as directories of the machine."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from steadylab.kube import Api, Object
from steadylab.podrunner.environment import ConfigError, MissingObject, field_value, needed_data
from steadylab.sandbox import Bind

_UNITS: Final = {"": 1, "k": 1000, "M": 1000**2, "G": 1000**3, "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}
_FILE_MODE: Final = 0o644


def size(quantity: str) -> int:
    """The bytes of a Kubernetes quantity such as 64Mi.

    :raises ConfigError: it is none, or of a unit that makes no sense for a volume.
    """
    match = re.fullmatch(r"(\d+)([a-zA-Z]*)", str(quantity))
    if match is None or match[2] not in _UNITS:
        raise ConfigError(f"size {quantity!r} is not supported by the lab's kubelet")
    return int(match[1]) * _UNITS[match[2]]


def used(directory: Path) -> int:
    """The bytes of all files below a directory; what vanishes meanwhile does not count."""
    total = 0
    for folder, _folders, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                continue
    return total


@dataclass(frozen=True, slots=True)
class Limit:
    """The limit of an emptyDir: its volume's name, its directory, the bytes and how the pod writes them."""

    name: str
    directory: Path
    bytes: int
    text: str

    def exceeded(self) -> bool:
        """Whether more is in the directory than may be."""
        return used(self.directory) > self.bytes


class Volumes:
    """Makes and removes the volumes of one pod."""

    def __init__(self, api: Api, pod: Object, directory: Path) -> None:
        self._api = api
        self._pod = pod
        self._namespace = str(pod["metadata"]["namespace"])
        self._directory = directory
        self._read_only: set[str] = set()
        self.limits: list[Limit] = []

    def make(self) -> None:
        """Make all volumes. May be repeated after an object was missing.

        :raises MissingObject: a Secret or ConfigMap is not there.
        :raises ConfigError: a volume of a kind that is not supported.
        """
        self.limits.clear()
        for volume in self._pod["spec"].get("volumes") or ():
            path = self._directory / volume["name"]
            if "emptyDir" in volume:
                self._empty_directory(volume["name"], path, volume["emptyDir"] or {})
            else:
                self._read_only.add(volume["name"])
                self._write(path, self._content(volume), self._mode(volume))
            self._own(path, writable="emptyDir" in volume)

    def binds(self, container: Object) -> list[Bind]:
        """What the container mounts, outer paths first."""
        mounts = sorted(container.get("volumeMounts") or (), key=lambda mount: mount["mountPath"].count("/"))
        return [self._bind(mount) for mount in mounts]

    def _bind(self, mount: Object) -> Bind:
        path = self._directory / mount["name"]
        if mount.get("subPath"):
            path = path / mount["subPath"]
            if not path.exists():
                path.mkdir(parents=True)
                self._own(path, writable=True)
        read_only = bool(mount.get("readOnly")) or mount["name"] in self._read_only
        return Bind(str(path), mount["mountPath"], read_only)

    def _empty_directory(self, name: str, path: Path, source: Object) -> None:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o777)
        if source.get("sizeLimit"):
            self.limits.append(Limit(name, path, size(source["sizeLimit"]), str(source["sizeLimit"])))

    def _own(self, path: Path, *, writable: bool) -> None:
        """Give a volume to the pod's fsGroup, which only root can (pkg/volume/volume_linux.go)."""
        group = (self._pod["spec"].get("securityContext") or {}).get("fsGroup")
        if group is None or os.geteuid() != 0:
            return
        for entry in (path, *path.rglob("*")):
            os.chown(entry, -1, group)
            added = (0o660 if writable else 0o440) | (0o2110 if entry.is_dir() else 0)
            entry.chmod(entry.stat().st_mode | added)

    @staticmethod
    def _mode(volume: Object) -> int:
        source = next(value for key, value in volume.items() if key != "name")
        return int(source.get("defaultMode", _FILE_MODE))

    def _write(self, path: Path, content: dict[str, bytes], mode: int) -> None:
        if path.exists():
            shutil.rmtree(path)
        path.mkdir(parents=True)
        for name, value in content.items():
            file = path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(value)
            file.chmod(mode)

    def _content(self, volume: Object) -> dict[str, bytes]:
        if "secret" in volume:
            source = volume["secret"]
            return self._of_object("Secret", source["secretName"], source)
        if "configMap" in volume:
            return self._of_object("ConfigMap", volume["configMap"]["name"], volume["configMap"])
        if "downwardAPI" in volume:
            return self._fields(volume["downwardAPI"])
        if "projected" in volume:
            content: dict[str, bytes] = {}
            for source in volume["projected"].get("sources") or ():
                content.update(self._projected(source))
            return content
        raise ConfigError(f"volume {volume['name']!r} is of a kind that the lab's kubelet does not support")

    def _of_object(self, kind: str, name: str, source: Object) -> dict[str, bytes]:
        optional = bool(source.get("optional"))
        found = needed_data(self._api, kind, self._namespace, name, optional=optional)
        if found is None or not source.get("items"):
            return found or {}
        content = {}
        for item in source["items"]:
            if item["key"] in found:
                content[item["path"]] = found[item["key"]]
            elif not optional:
                raise MissingObject(kind, name, f"references non-existent {kind.lower()} key: {item['key']}")
        return content

    def _fields(self, source: Object) -> dict[str, bytes]:
        items = source.get("items") or ()
        return {item["path"]: field_value(self._pod, item["fieldRef"]["fieldPath"]).encode() for item in items}

    def _projected(self, source: Object) -> dict[str, bytes]:
        if "secret" in source:
            return self._of_object("Secret", source["secret"]["name"], source["secret"])
        if "configMap" in source:
            return self._of_object("ConfigMap", source["configMap"]["name"], source["configMap"])
        if "downwardAPI" in source:
            return self._fields(source["downwardAPI"])
        if "serviceAccountToken" in source:
            return {source["serviceAccountToken"]["path"]: self._token(source["serviceAccountToken"])}
        raise ConfigError("a projected volume has a source that the lab's kubelet does not support")

    def _token(self, source: Object) -> bytes:
        """A token of the pod's service account, bound to the pod (TokenRequest)."""
        metadata = self._pod["metadata"]
        spec: Object = {
            "expirationSeconds": source.get("expirationSeconds", 3600),
            "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]},
        }
        if source.get("audience"):
            spec["audiences"] = [source["audience"]]
        account = self._pod["spec"].get("serviceAccountName", "default")
        path = f"/api/v1/namespaces/{self._namespace}/serviceaccounts/{account}/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        return str(self._api.request("POST", path, request)["status"]["token"]).encode()
