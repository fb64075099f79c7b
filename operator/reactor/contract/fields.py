# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a mapping as Go's JSON decoder reads it into a struct: any case, unknown keys ignored, wrong types fatal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Fatal(Exception):
    """watches.yaml cannot be used; the message says which entry and why. The process ends."""


class Fields:
    """The fields of one mapping of the file."""

    def __init__(self, value: Any, where: str) -> None:
        """`where` names the mapping in messages. Nothing at all is an empty mapping."""
        if value is not None and not isinstance(value, Mapping):
            raise Fatal(f"{where} is {_named(value)}, but must be a mapping")
        self._values = {str(key): each for key, each in (value or {}).items()}
        self._where = where

    def get(self, name: str) -> Any:
        """The value of the field, whose exact name wins over the same name in another case; None without one."""
        if name in self._values:
            return self._values[name]
        return next((value for key, value in self._values.items() if key.lower() == name.lower()), None)

    def text(self, name: str) -> str:
        """A text; numbers and booleans are taken as they are written, as sigs.k8s.io/yaml does."""
        value = self.get(name)
        if isinstance(value, bool):
            return "true" if value else "false"
        if value is None or isinstance(value, (str, int, float)):
            return "" if value is None else str(value)
        raise self._wrong(name, value, "a text")

    def flag(self, name: str, default: bool) -> bool:
        """A boolean, or its default where there is none."""
        value = self.get(name)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        raise self._wrong(name, value, "true or false")

    def number(self, name: str) -> int:
        """A whole number, 0 where there is none."""
        value = self.get(name)
        if value is None:
            return 0
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
            raise self._wrong(name, value, "a whole number")
        return int(value)

    def mapping(self, name: str) -> dict[str, Any]:
        """A mapping, empty where there is none."""
        value = self.get(name)
        if value is None or isinstance(value, Mapping):
            return {str(key): each for key, each in (value or {}).items()}
        raise self._wrong(name, value, "a mapping")

    def sequence(self, name: str) -> list[Any]:
        """A list, empty where there is none."""
        value = self.get(name)
        if value is None or isinstance(value, list):
            return list(value or [])
        raise self._wrong(name, value, "a list")

    def fields(self, name: str) -> Fields | None:
        """The fields of a mapping in this one, None where there is none."""
        value = self.get(name)
        return None if value is None else Fields(value, f"{self._where}: {name}")

    def _wrong(self, name: str, value: Any, wanted: str) -> Fatal:
        return Fatal(f"{self._where}: {name} is {_named(value)}, but must be {wanted}")


def _named(value: Any) -> str:
    return "a list" if isinstance(value, list) else "a mapping" if isinstance(value, Mapping) else repr(value)
