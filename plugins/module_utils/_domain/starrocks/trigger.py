# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What a StarRocksCluster itself asks for: annotations, spec.upgradePreparation, spec.starRocksFeSpec.upgradeHooks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import digest, to_plain
from ansible_collections.steady.rollout.plugins.module_utils._domain.document import Reader
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.crd import FIELDS
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.catalogue import Catalogue
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.entries import (
    MOST_HOOKS,
    HookEntry,
    Place,
    frontend_entries,
    named_entries,
    preparation_entry,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.preparation import Wish
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Component
from ansible_collections.steady.rollout.plugins.module_utils._domain.version import Image

PREPARE = "starrocks.com/prepare-upgrade"
HOOKS = "starrocks.com/upgrade-hooks"
TARGET = "starrocks.com/upgrade-target"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# How long an image change is waited for where the trigger does not say.
DEFAULT_TIMEOUT_SECONDS = 1800.0
# The hook where the annotation names none.
DEFAULT_HOOK = "quiesce"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"


@dataclass(frozen=True, slots=True)
class Trigger:
    """The sum of all triggers of one object: its hooks in order, the images it names (if any), and its patience."""

    sources: tuple[str, ...]
    hooks: tuple[HookEntry, ...]
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    target: dict[Component, str] = field(default_factory=dict)

    @property
    def wish(self) -> Wish:
        """What the decision needs of it."""
        # The same hooks are the same request, wherever they stand.
        hooks = [replace(hook, place=Place()) for hook in self.hooks]
        return Wish(digest(to_plain(hooks)), self.timeout_seconds, self.target)


@dataclass(frozen=True, slots=True)
class _Asked:
    source: str
    hooks: tuple[HookEntry, ...]
    timeout_seconds: float | None = None


def trigger_of(resource: Mapping[str, Any], images: Mapping[Component, str], catalogue: Catalogue) -> Trigger | None:
    """The trigger of a StarRocksCluster with these images; None without one, Refused where it cannot be understood."""
    spec = resource.get("spec") or {}
    annotations = (resource.get("metadata") or {}).get("annotations") or {}
    asked = [
        found
        for found in (
            _annotated(annotations, catalogue),
            _prepared(spec, catalogue),
            _fe_hooks(spec, catalogue),
        )
        if found is not None
    ]
    if not asked:
        return None
    given = [found.timeout_seconds for found in asked if found.timeout_seconds is not None]
    return Trigger(
        sources=tuple(found.source for found in asked),
        hooks=_joined(asked),
        timeout_seconds=min(given, default=DEFAULT_TIMEOUT_SECONDS),
        target=_target(annotations, images),
    )


def pruned_fields(resource: Mapping[str, Any], served: Sequence[str]) -> list[str]:
    """Triggers that somebody set and the API server dropped, because its definition does not know them.

    Two traces tell: kubectl's client-side apply leaves what it sent in last-applied-configuration, and managedFields
    still name a field that an earlier definition knew. A server-side apply of an unknown field is refused by the API
    server itself; what a plain create, a patch or Helm sent leaves no trace.
    """
    missing = [f for f in FIELDS if f.path[0] == "spec" and str(f) not in served and _at(resource, f.path) is None]
    metadata = resource.get("metadata") or {}
    owned = [entry.get("fieldsV1") for entry in metadata.get("managedFields") or [] if not entry.get("subresource")]
    applied = _last_applied(metadata)
    return [
        str(f)
        for f in missing
        if _at(applied, f.path) is not None
        or any(_at(fields, [f"f:{name}" for name in f.path]) is not None for fields in owned)
    ]


def pruned_sentence(fields: Sequence[str]) -> str:
    """What to tell whoever set them."""
    return (
        f"{' and '.join(fields)} was set, but the API server dropped it, because the definition of StarRocksCluster "
        "does not know it: run the playbook steady.rollout.starrocks_crd and apply the StarRocksCluster again, or use "
        "the annotations"
    )


def _last_applied(metadata: Mapping[str, Any]) -> object:
    try:
        return json.loads((metadata.get("annotations") or {}).get(LAST_APPLIED) or "null")
    except (ValueError, RecursionError):
        return None


def _at(document: object, path: Sequence[str]) -> object:
    for name in path:
        document = document.get(name) if isinstance(document, Mapping) else None
    return document


def _annotated(annotations: Mapping[str, str], catalogue: Catalogue) -> _Asked | None:
    value = annotations.get(PREPARE)
    if value is None or value == "false":
        return None
    if value != "true":
        raise Refused(_path(PREPARE), value, "neither true nor false", remedy="set it to true, or remove it")
    names = annotations.get(HOOKS, DEFAULT_HOOK)
    return _Asked(_path(PREPARE), named_entries(names, _path(HOOKS), catalogue))


def _prepared(spec: Mapping[str, Any], catalogue: Catalogue) -> _Asked | None:
    section = Reader(spec.get("upgradePreparation"), "spec.upgradePreparation")
    if not section.flag("enabled"):
        return None
    timeout = _timeout(section)
    path = section.at("hooks")
    items = section.items("hooks")
    section.done()
    if not items:
        raise Refused(path, None, "missing", remedy=f"name at least one hook, such as {DEFAULT_HOOK}")
    seconds = 60.0 if timeout is None else timeout
    entries = tuple(preparation_entry(item, f"{path}[{n}]", catalogue, seconds) for n, item in enumerate(items))
    return _Asked("spec.upgradePreparation", entries, timeout)


def _fe_hooks(spec: Mapping[str, Any], catalogue: Catalogue) -> _Asked | None:
    document = (spec.get("starRocksFeSpec") or {}).get("upgradeHooks")
    if document is None:
        return None
    path = "spec.starRocksFeSpec.upgradeHooks"
    timeout = _timeout(Reader(document, path))
    entries = frontend_entries(Reader(document, path), catalogue)
    if not entries:
        raise Refused(path, None, "names no hook", remedy=f"predefined: [{DEFAULT_HOOK}], or remove the field")
    return _Asked(path, entries, timeout)


def _timeout(section: Reader) -> float | None:
    if not section.has("timeoutSeconds"):
        return None
    return section.number("timeoutSeconds", 0, least=1, most=86_400, unit="seconds")


def _joined(asked: Sequence[_Asked]) -> tuple[HookEntry, ...]:
    """The hooks of all triggers in order; a predefined one asked for twice is one, other namesakes are refused."""
    known: dict[str, HookEntry] = {}
    for found in asked:
        names = [entry.name for entry in found.hooks]
        for entry in found.hooks:
            other = known.get(entry.name)
            same = other is not None and other.predefined == entry.predefined != ""
            if names.count(entry.name) > 1 or (other is not None and not same):
                raise Refused(found.source, entry.name, "two hooks of one name", remedy="give each a name of its own")
            known.setdefault(entry.name, entry)
    if len(known) > MOST_HOOKS:
        raise Refused(asked[0].source, len(known), "too many hooks", remedy=f"at most {MOST_HOOKS}")
    return tuple(known.values())


def _target(annotations: Mapping[str, str], images: Mapping[Component, str]) -> dict[Component, str]:
    """The images of the version that the annotation declares; none where it declares none."""
    tag = annotations.get(TARGET, "")
    if not tag:
        return {}
    if not re.fullmatch(_TAG, tag):
        raise Refused(_path(TARGET), tag, "not an image tag", remedy="a version such as 3.3.2")
    return {c: Image.parse(image, f"spec image of {c}").with_version(tag) for c, image in images.items()}


def _path(annotation: str) -> str:
    return f"metadata.annotations[{annotation}]"
