# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment, command and user of a container, resolved as a kubelet does it."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from steadylab.kube import Api, ApiError, Object
from steadylab.podrunner.images import Image

_REFERENCE: Final = re.compile(r"\$\$|\$\(([^)]*)\)")


class MissingObject(Exception):
    """A Secret or ConfigMap, or a key in it, that a pod needs is not there (yet)."""

    def __init__(self, kind: str, name: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.name = name


class ConfigError(Exception):
    """A container cannot be made as it is described: CreateContainerConfigError."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a container's program runs as."""

    uid: int
    gid: int
    groups: tuple[int, ...]


def identity(pod: Object, container: Object, image: Image) -> Identity:
    """The user and groups of a container.

    :raises ConfigError: it would be root where it must not be.
    """
    of_pod = pod["spec"].get("securityContext") or {}
    of_container = container.get("securityContext") or {}

    def setting(name: str, default: Any) -> Any:
        return of_container.get(name, of_pod.get(name, default))

    uid = setting("runAsUser", image.user)
    if setting("runAsNonRoot", False) and uid == 0:
        raise ConfigError("container has runAsNonRoot and image will run as root")
    groups = list(of_pod.get("supplementalGroups") or ())
    if "fsGroup" in of_pod:
        groups.append(of_pod["fsGroup"])
    return Identity(uid, setting("runAsGroup", 0), tuple(groups))


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by values; an unknown name stays as it is, `$$` is a dollar sign."""

    def replacement(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return values.get(match[1], match[0])

    return _REFERENCE.sub(replacement, text)


def command(container: Object, image: Image, values: Mapping[str, str]) -> list[str]:
    """What to execute: command and args of the container, each of which hides the image's.

    :raises ConfigError: neither the container nor the image names a program.
    """
    entrypoint: Sequence[str] = container.get("command") or image.entrypoint
    arguments = container.get("args") or (() if container.get("command") else image.command)
    words = [*entrypoint, *arguments]
    if not words:
        raise ConfigError("no command specified")
    return [expand(word, values) for word in words]


def field_value(pod: Object, path: str) -> str:
    """The value of a `fieldRef`.

    :raises ConfigError: a field that the lab's kubelet does not offer.
    """
    label = re.fullmatch(r"metadata\.(labels|annotations)\['([^']+)'\]", path)
    if label:
        return str((pod["metadata"].get(label[1]) or {}).get(label[2], ""))
    section, _, name = path.partition(".")
    if section == "metadata" and name in ("name", "namespace", "uid"):
        return str(pod["metadata"][name])
    if section == "metadata" and name in ("labels", "annotations"):
        return "\n".join(f'{key}="{value}"' for key, value in sorted((pod["metadata"].get(name) or {}).items()))
    if section == "spec" and name in ("nodeName", "serviceAccountName"):
        return str(pod["spec"].get(name, ""))
    if section == "status" and name in ("podIP", "hostIP"):
        return str(pod.get("status", {}).get(name, ""))
    raise ConfigError(f"fieldPath {path!r} is not supported by the lab's kubelet")


def data(api: Api, kind: str, namespace: str, name: str) -> dict[str, bytes] | None:
    """The data of a Secret or ConfigMap, or None if there is none."""
    try:
        found = api.get(kind, name, namespace)
    except ApiError as error:
        if error.status == 404:
            return None
        raise
    if kind == "Secret":
        return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}
    texts = {key: value.encode() for key, value in (found.get("data") or {}).items()}
    binaries = {key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}
    return {**texts, **binaries}


def needed_data(api: Api, kind: str, namespace: str, name: str, *, optional: bool) -> dict[str, bytes] | None:
    """The data of a Secret or ConfigMap; None if there is none and it is optional.

    :raises MissingObject: there is none.
    """
    found = data(api, kind, namespace, name)
    if found is None and not optional:
        raise MissingObject(kind, name, f'{kind.lower()} "{name}" not found')
    return found


class Environment:
    """Builds the variables of one container."""

    def __init__(self, api: Api, pod: Object, initial: Mapping[str, str]) -> None:
        self._api = api
        self._pod = pod
        self._namespace = str(pod["metadata"]["namespace"])
        self._values = dict(initial)

    def build(self, container: Object) -> dict[str, str]:
        """All variables; later ones may refer to earlier ones.

        :raises MissingObject: what a variable refers to is not there.
        :raises ConfigError: a reference of a kind that is not supported.
        """
        for source in container.get("envFrom") or ():
            self._add_all(source)
        for entry in container.get("env") or ():
            value = self._value(entry)
            if value is not None:
                self._values[entry["name"]] = value
        return self._values

    def _add_all(self, source: Object) -> None:
        kind = "Secret" if "secretRef" in source else "ConfigMap"
        reference = source["secretRef" if kind == "Secret" else "configMapRef"]
        optional = bool(reference.get("optional"))
        found = needed_data(self._api, kind, self._namespace, reference["name"], optional=optional)
        prefix = source.get("prefix", "")
        self._values.update({prefix + key: value.decode() for key, value in (found or {}).items()})

    def _value(self, entry: Object) -> str | None:
        source = entry.get("valueFrom")
        if source is None:
            return expand(entry.get("value", ""), self._values)
        if "fieldRef" in source:
            return field_value(self._pod, source["fieldRef"]["fieldPath"])
        for field, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
            if field in source:
                return self._key(kind, source[field])
        raise ConfigError(f"valueFrom of variable {entry['name']!r} is not supported by the lab's kubelet")

    def _key(self, kind: str, reference: Object) -> str | None:
        name, key, optional = reference["name"], reference["key"], bool(reference.get("optional"))
        found = needed_data(self._api, kind, self._namespace, name, optional=optional)
        if found is None:
            return None
        if key not in found:
            if optional:
                return None
            raise MissingObject(kind, name, f"couldn't find key {key} in {kind} {self._namespace}/{name}")
        return found[key].decode()
