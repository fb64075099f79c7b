# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Reading a document (a CR's spec, a playbook's variables) field by field, with the path in every refusal."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused

# Names of Kubernetes objects, and of the keys of a ConfigMap or a Secret.
OBJECT_FORM = r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"
KEY_FORM = r"[-._a-zA-Z0-9]{1,253}"


class Reader:
    """Typed access to one mapping of a document; `done()` refuses the fields nobody asked for."""

    def __init__(self, data: object, path: str) -> None:
        if data is None:
            data = {}
        if not isinstance(data, Mapping):
            raise Refused(path, data, "not a mapping", remedy="write it as key: value pairs")
        self._data = data
        self._path = path
        self._known: set[str] = set()

    def at(self, name: str) -> str:
        """The full path of a field."""
        return f"{self._path}.{name}"

    def has(self, name: str) -> bool:
        """Whether the field is there with a value."""
        self._known.add(name)
        return self._data.get(name) is not None

    def raw(self, name: str) -> object:
        """The value as it stands, or None."""
        self._known.add(name)
        return self._data.get(name)

    def section(self, name: str) -> Reader:
        """A nested mapping; an absent one reads as empty."""
        return Reader(self.raw(name), self.at(name))

    def text(self, name: str, default: str = "", *, pattern: str = "", hint: str = "") -> str:
        """A string that matches `pattern` as a whole."""
        value = self.raw(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise Refused(self.at(name), value, "not a string", remedy="quote the value")
        if pattern and not re.fullmatch(pattern, value):
            raise Refused(self.at(name), value, "has not the form it must have", remedy=hint or f"match {pattern}")
        return value

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        """One of `choices`."""
        value = self.raw(name)
        if value is None:
            return default
        if value not in choices:
            raise Refused(self.at(name), value, "unknown", remedy=f"one of: {', '.join(choices)}")
        return str(value)

    def number(self, name: str, default: float, *, least: float, most: float, unit: str) -> float:
        """A number within bounds; the bounds and the unit are named in the refusal."""
        value = self.raw(name)
        if value is None:
            return default
        if isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value.strip()):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise Refused(self.at(name), value, "not a number", remedy=f"a number of {unit}")
        if not least <= value <= most:
            remedy = f"{least:g} to {most:g} {unit}"
            raise Refused(self.at(name), value, "out of bounds", remedy=remedy)
        return float(value)

    def whole(self, name: str, default: int, *, least: int, most: int, unit: str) -> int:
        """A whole number within bounds."""
        value = self.number(name, default, least=least, most=most, unit=unit)
        if value != int(value):
            raise Refused(self.at(name), self.raw(name), "not a whole number", remedy=f"a whole number of {unit}")
        return int(value)

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean; the words Ansible's command line makes of one count as well."""
        value = self.raw(name)
        if value is None:
            return default
        words = {"true": True, "yes": True, "false": False, "no": False}
        if isinstance(value, str) and value.lower() in words:
            return words[value.lower()]
        if not isinstance(value, bool):
            raise Refused(self.at(name), value, "not a boolean", remedy="true or false")
        return value

    def items(self, name: str) -> list[object]:
        """A list; a comma-separated text counts as one of strings."""
        value = self.raw(name)
        if value is None:
            return []
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        if not isinstance(value, Sequence):
            raise Refused(self.at(name), value, "not a list", remedy="write it as a list")
        return list(value)

    def names(self, name: str, choices: Sequence[str]) -> tuple[str, ...]:
        """A list of names out of `choices`."""
        values = self.items(name)
        for number, value in enumerate(values):
            if value not in choices:
                path = f"{self.at(name)}[{number}]"
                raise Refused(path, value, f"unknown{_meant(value, choices)}", remedy=f"one of: {', '.join(choices)}")
        return tuple(str(value) for value in values)

    def reference(
        self, kind: str, hint: str, remedy: str, fields: tuple[str, str] = ("name", "key")
    ) -> tuple[str, str]:
        """Name and key of a ConfigMap or a Secret, from two fields that must both be there, and alone."""
        name = self.text(fields[0], pattern=OBJECT_FORM, hint=f"the name of a {kind}")
        key = self.text(fields[1], pattern=KEY_FORM, hint=hint)
        for field, value in zip(fields, (name, key), strict=True):
            if not value:
                raise Refused(self.at(field), None, "missing", remedy=remedy)
        self.done()
        return name, key

    def done(self) -> None:
        """Refuse fields that were never read."""
        for name in self._data:
            if name not in self._known:
                known = sorted(self._known)
                problem = f"no such field{_meant(name, known)}"
                raise Refused(self.at(str(name)), None, problem, remedy=f"one of: {', '.join(known)}")


def _meant(value: object, choices: Sequence[str]) -> str:
    close = difflib.get_close_matches(str(value), list(choices), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
