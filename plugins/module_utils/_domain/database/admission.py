# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What the API server does with a DBUpgrade on its way in, done in Python: defaults, schema, rules, immutability.

The order is the API server's: defaults first, then the schema, then the rules of each object whose schema is met.
Unknown fields are refused, as `kubectl apply` has the API server do (fieldValidation=Strict).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.database import rules
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.schema import Schema
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused

# What a value of the schema's type is called, and what it is in Python.
_TYPES: dict[str, tuple[str, tuple[type, ...]]] = {
    "object": ("mapping", (dict,)),
    "array": ("list", (list,)),
    "string": ("text", (str,)),
    "integer": ("whole number", (int,)),
    "boolean": ("boolean", (bool,)),
}
_REMEDIES = {
    "object": "write it as key: value pairs",
    "array": "write it as a list",
    "string": "quote the value",
    "integer": "write digits, without quotes",
    "boolean": "write true or false",
}


def admitted(schema: Schema, document: object, path: str, old: object = None) -> Any:
    """The document with its defaults, when schema and rules are met; raises the first Refused otherwise.

    :param old: what the document was before, with its defaults; None when it is new.
    """
    found = refusals(schema, document, path, old)
    if found:
        raise found[0]
    return defaulted(schema, document)


def refusals(schema: Schema, document: object, path: str, old: object = None) -> list[Refused]:
    """Everything that speaks against the document."""
    value = defaulted(schema, document)
    found = list(_misfits(schema, value, path))
    # As on the API server: rules are not asked of a document that does not fit its schema.
    return found or list(_broken(schema, value, path, old))


def defaulted(schema: Schema, value: object) -> Any:
    """The value with the schema's defaults where a field is absent or null, at every depth that is there."""
    if isinstance(value, Mapping):
        known, free = _properties(schema), "additionalProperties" in schema
        # A null counts as absent, except where there is no such field at all.
        kept = {str(name): item for name, item in value.items() if item is not None or not (free or name in known)}
        filled: dict[str, object] = kept
        for name, part in known.items():
            if name in filled:
                filled[name] = defaulted(part, filled[name])
            elif "default" in part:
                filled[name] = part["default"]
        return filled
    if isinstance(value, (list, tuple)):
        items = schema.get("items")
        return [defaulted(items, item) if isinstance(items, dict) else item for item in value]
    if schema.get("type") == "integer" and isinstance(value, float) and value.is_integer():
        # JSON knows no whole numbers of their own: 5432.0 is one.
        return int(value)
    return value


def _properties(schema: Schema) -> dict[str, Schema]:
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}


def _misfits(schema: Schema, value: object, path: str) -> Iterator[Refused]:
    """What of the value does not fit the schema."""
    wrong = _wrong_type(schema, value, path)
    if wrong is not None:
        yield wrong
    elif isinstance(value, dict):
        yield from _mapping_misfits(schema, value, path)
    elif isinstance(value, list):
        yield from _list_misfits(schema, value, path)
    elif isinstance(value, str):
        yield from _text_misfits(schema, value, path)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield from _number_misfits(schema, value, path)


def _wrong_type(schema: Schema, value: object, path: str) -> Refused | None:
    if "x-kubernetes-int-or-string" in schema:
        fits = isinstance(value, (int, str)) and not isinstance(value, bool)
        remedy = 'write a quantity such as 100m, "1.5" or 2Gi'
        return None if fits else Refused(path, value, "not a quantity", remedy=remedy)
    name = str(schema["type"])
    words, kinds = _TYPES[name]
    fits = isinstance(value, kinds) and not (name == "integer" and isinstance(value, bool))
    return None if fits else Refused(path, value, f"not a {words}", remedy=_REMEDIES[name])


def _mapping_misfits(schema: Schema, value: dict[str, object], path: str) -> Iterator[Refused]:
    properties, others = _properties(schema), schema.get("additionalProperties")
    for name in _texts(schema.get("required")):
        if name not in value:
            description = str(properties[name].get("description", ""))
            yield Refused(f"{path}.{name}", None, "missing", remedy=f"give it: {description}")
    if len(value) > int(str(schema.get("maxProperties", len(value)))):
        yield Refused(path, None, f"{len(value)} entries", remedy=f"at most {schema['maxProperties']}")
    for name, item in value.items():
        if name in properties:
            yield from _misfits(properties[name], item, f"{path}.{name}")
        elif isinstance(others, dict):
            yield from _misfits(others, item, f"{path}.{name}")
        elif properties:
            yield _unknown(f"{path}.{name}", name, sorted(properties))


def _unknown(path: str, name: str, known: Sequence[str]) -> Refused:
    close = difflib.get_close_matches(name, known, n=1)
    meant = f" (did you mean {close[0]}?)" if close else ""
    return Refused(path, None, f"no such field{meant}", remedy=f"one of: {', '.join(known)}")


def _list_misfits(schema: Schema, value: list[object], path: str) -> Iterator[Refused]:
    most, least = int(str(schema["maxItems"])), int(str(schema.get("minItems", 0)))
    if not least <= len(value) <= most:
        yield Refused(path, None, f"{len(value)} entries", remedy=f"{least} to {most}")
    items = schema["items"]
    if isinstance(items, dict):
        for number, item in enumerate(value):
            yield from _misfits(items, item, f"{path}[{number}]")
    for key in _texts(schema.get("x-kubernetes-list-map-keys")):
        seen: list[object] = []
        for number, item in enumerate(value):
            mark = item.get(key) if isinstance(item, dict) else None
            if mark is not None and mark in seen:
                yield Refused(f"{path}[{number}].{key}", mark, "there twice", remedy="remove one of the entries")
            seen.append(mark)


def _text_misfits(schema: Schema, value: str, path: str) -> Iterator[Refused]:
    description = str(schema.get("description", ""))
    choices = _texts(schema.get("enum"))
    if choices and value not in choices:
        close = difflib.get_close_matches(value, choices, n=1)
        meant = f" (did you mean {close[0]}?)" if close else ""
        yield Refused(path, value, f"unknown{meant}", remedy=f"one of: {', '.join(choices)}")
    least, most = int(str(schema.get("minLength", 0))), schema.get("maxLength")
    if len(value) < least or (isinstance(most, int) and len(value) > most):
        shown = value if len(value) <= 64 else f"{value[:61]}..."
        yield Refused(path, shown, f"{len(value)} characters", remedy=f"{least} to {most} characters")
        return
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and not fits_pattern(pattern, value):
        example = schema.get("example")
        remedy = f"such as {example}" if example else f"match {pattern}"
        yield Refused(path, value, "has not the form it must have", remedy=f"{remedy} ({description})")


def fits_pattern(pattern: str, value: str) -> bool:
    """Whether the text matches as RE2 has it: `$` is the end of the text, not a line feed before it."""
    return re.fullmatch(pattern.removeprefix("^").removesuffix("$"), value) is not None


def _number_misfits(schema: Schema, value: int, path: str) -> Iterator[Refused]:
    least, most = schema.get("minimum"), schema.get("maximum")
    if isinstance(least, int) and isinstance(most, int) and not least <= value <= most:
        yield Refused(path, value, "out of bounds", remedy=f"{least} to {most}")


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _broken(schema: Schema, value: object, path: str, old: object) -> Iterator[Refused]:
    """The rules that speak against the value, those of outer objects first."""
    checks = schema.get("x-kubernetes-validations")
    if isinstance(checks, list) and isinstance(value, dict):
        before = old if isinstance(old, dict) else None
        for rule in checks:
            if rule.broken(value, before):
                field = f"{path}.{rule.field}" if rule.field else path
                yield Refused(field, rules.value_at(value, rule.field), rule.problem, remedy=rule.remedy)
    if isinstance(value, dict):
        for name, part in _properties(schema).items():
            if name in value:
                earlier = old.get(name) if isinstance(old, dict) else None
                yield from _broken(part, value[name], f"{path}.{name}", earlier)
    items = schema.get("items")
    if isinstance(value, list) and isinstance(items, dict):
        for number, item in enumerate(value):
            yield from _broken(items, item, f"{path}[{number}]", None)
