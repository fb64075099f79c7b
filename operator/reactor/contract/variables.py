# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The extra variables of a run, and which objects may not be run at all.

The variables, their order and their names are those of makeParameters in internal/ansible/runner/runner.go. They beat
every other variable, so there a key of a spec may be `ansible_connection` and say where tasks run. Here such an object
is refused, and so is one whose mappings pretend to be encoded values (`__ansible_unsafe`, `__ansible_vault`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reactor.contract.snake import to_snake, with_snake_keys
from reactor.contract.watches import Watch

Object = Mapping[str, Any]
# Deeper than any real object, and less deep than what Ansible and Python stand.
DEEPEST = 100
_META = "ansible_operator_meta"


def extra_variables(resource: Object, watch: Watch, *, finalizing: bool) -> dict[str, Any]:
    """The extra variables of a run over the resource, which stands as it was read after its status was written."""
    spec = spec_of(resource)
    guard = _unsafe if watch.mark_unsafe else _as_is
    own = with_snake_keys(spec) if watch.snake_case_parameters else spec
    metadata = resource.get("metadata") or {}
    key = f"_{watch.kind.group}_{watch.kind.kind.lower()}".replace(".", "_").replace("-", "_")
    return {
        **{name: guard(value) for name, value in own.items()},
        _META: {"name": metadata.get("name", ""), "namespace": metadata.get("namespace", "")},
        key: guard({**resource, "spec": spec}),
        f"{key}_spec": guard(spec),
        **watch.variables,
        **(watch.finalizer.variables if finalizing and watch.finalizer else {}),
    }


def refusal(resource: Object, watch: Watch) -> str:
    """Why the object must not be run, or nothing. The names that it finds are the author's, so they are shortened."""
    named = to_snake if watch.snake_case_parameters else str
    shadowing = sorted(key for key in map(named, spec_of(resource)) if key.startswith("ansible_"))
    if shadowing:
        return f"spec has keys that would become variables of Ansible itself: {_listed(shadowing)}"
    if depth_of(resource) > DEEPEST:
        return f"it is nested more than {DEEPEST} levels deep"
    pretending = sorted({key for key in _keys(resource) if key.startswith("__ansible_")})
    if pretending:
        return f"it has keys with which Ansible encodes values: {_listed(pretending)}"
    return ""


def spec_of(resource: Object) -> dict[str, Any]:
    """The spec; an empty one for objects such as Secrets, which have none."""
    spec = resource.get("spec")
    return spec if isinstance(spec, dict) else {}


def depth_of(value: Any) -> int:
    """How many mappings and lists stand inside each other at most."""
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, (Mapping, list))]:
        depth += 1
        level = [inner for each in level for inner in (each.values() if isinstance(each, Mapping) else each)]
    return depth


def _listed(names: list[str]) -> str:
    return ", ".join(name[:60] for name in names[:5])


def _keys(value: Any) -> Iterator[str]:
    """All keys of the mappings in a value, without recursion: its depth is the author's choice."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Mapping):
            yield from each
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each


def _unsafe(value: Any) -> Any:
    """The value with each text marked, so that Ansible never takes it for a template. Keys are not marked."""
    if isinstance(value, str):
        return {"__ansible_unsafe": value}
    if isinstance(value, Mapping):
        return {key: _unsafe(each) for key, each in value.items()}
    return [_unsafe(each) for each in value] if isinstance(value, list) else value


def _as_is(value: Any) -> Any:
    return value
