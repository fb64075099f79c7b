# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Frozen dataclasses to plain JSON values and back, with every type checked on the way in.

The way in is strict because what comes back was stored in the cluster or handed through a playbook: anybody may have
edited it. Unknown keys are dropped, so that an older release can read what a newer one wrote.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import types
import typing

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused

T = typing.TypeVar("T")


def to_plain(value: object) -> typing.Any:
    """Dataclasses, tuples and mappings as dicts and lists of JSON values."""
    if isinstance(value, str):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    return value


def digest(value: object) -> str:
    """SHA-256 over the canonical JSON of plain values."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def from_plain(kind: type[T], data: object, path: str) -> T:
    """Build `kind` from plain values; `path` is named in the Refused that a wrong type raises."""
    return typing.cast(T, _decode(kind, data, path))


def _wrong(path: str, data: object, wanted: str) -> Refused:
    return Refused(path, data, f"expected {wanted}", remedy="do not edit what the runs of this collection store")


def _decode(kind: typing.Any, data: object, path: str) -> object:
    origin = typing.get_origin(kind)
    if kind is object or kind is typing.Any:
        return data
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(kind, data, path)
    if origin in (typing.Union, types.UnionType):
        return _decode_optional(kind, data, path)
    if origin is typing.Literal:
        if data not in typing.get_args(kind):
            raise _wrong(path, data, " or ".join(map(str, typing.get_args(kind))))
        return data
    if origin in (tuple, list, dict):
        return _decode_collection(kind, origin, data, path)
    return _decode_scalar(kind, data, path)


def _decode_scalar(kind: typing.Any, data: object, path: str) -> object:
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        try:
            return float(data)
        except OverflowError:
            raise _wrong(path, data, "a number that a float can hold") from None
    if not isinstance(data, kind) or (kind is int and isinstance(data, bool)):
        raise _wrong(path, data, kind.__name__)
    return data


def _decode_dataclass(kind: typing.Any, data: object, path: str) -> object:
    if not isinstance(data, dict):
        raise _wrong(path, data, f"a mapping ({kind.__name__})")
    hints = _hints(kind)
    values = {}
    for item in dataclasses.fields(kind):
        if item.name in data:
            values[item.name] = _decode(hints[item.name], data[item.name], f"{path}.{item.name}")
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            raise _wrong(f"{path}.{item.name}", None, "a value")
    return kind(**values)


@functools.cache
def _hints(kind: typing.Any) -> dict[str, typing.Any]:
    """The types of the fields. A record has hundreds of events, and to resolve the annotations takes longer than the
    rest of the decoding."""
    return typing.get_type_hints(kind)


def _decode_optional(kind: typing.Any, data: object, path: str) -> object:
    choices = [choice for choice in typing.get_args(kind) if choice is not type(None)]
    if data is None:
        return None
    return _decode(choices[0], data, path)


def _decode_collection(kind: typing.Any, origin: typing.Any, data: object, path: str) -> object:
    arguments = typing.get_args(kind)
    if origin is dict:
        if not isinstance(data, dict):
            raise _wrong(path, data, "a mapping")
        return {
            typing.cast(str, _decode(arguments[0], key, f"{path} key")): _decode(arguments[1], item, f"{path}.{key}")
            for key, item in data.items()
        }
    if not isinstance(data, (list, tuple)):
        raise _wrong(path, data, "a list")
    items = [_decode(arguments[0], item, f"{path}[{number}]") for number, item in enumerate(data)]
    return tuple(items) if origin is tuple else items
