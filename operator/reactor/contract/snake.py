# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of variables, made of the keys of a spec.

The rules are those of internal/ansible/paramconv/paramconv.go. That code walks its three special words in the random
order of a Go map, so a key that holds two of them has no certain name there; here they are taken in one fixed order.
"""

from __future__ import annotations

import re
from typing import Any

_NUMBERS = re.compile(r"([a-zA-Z])([0-9]+)([a-zA-Z][0-9]+)")
_WORDS = ("HTTP", "URL", "IP")


def to_snake(name: str) -> str:
    """The name in snake case, as ansible-operator makes it; an empty one stays empty."""
    text = _NUMBERS.sub(r"\1 \2 \3", name).strip(" ")
    prefix = "_" if "A" <= text[:1] <= "Z" else ""
    bits = _split(_apart(text)) if text else [""]
    return "_".join(bits) if bits[0] in _LOWER_WORDS else prefix + "_".join(bits)


# Go looks the first part, which is in lower case by then, up in a table whose keys are in lower case.
_LOWER_WORDS = frozenset(word.lower() for word in _WORDS)


def _apart(text: str) -> str:
    """The text with an underscore around each special word, whose plural s becomes part of it."""
    for word in _WORDS:
        at = text.find(word)
        if at < 0:
            continue
        before, after = text[:at], text[at + len(word) :]
        if after.startswith("s"):
            word, after = f"{word}S", after[1:]
        text = (f"{before}_" if before or not after else "") + word + (f"_{after}" if after else "")
    return text


def _split(text: str) -> list[str]:
    """The parts of a name in lower case: parted at changes of case, at spaces, underscores and hyphens."""
    bits: list[str] = []
    part = ""
    for letter, following in zip(text, f"{text[1:]}\0", strict=True):
        turns = (_upper(letter) and _lower(following)) or (_lower(letter) and _upper(following))
        if part and turns:
            bits.append(part if _upper(letter) else part + letter)
            part = letter if _upper(letter) else ""
        elif letter in " _-":
            bits.append(part)
            part = ""
        else:
            part += letter
    return [bit.lower() for bit in [*bits, part]]


def _upper(letter: str) -> bool:
    return "A" <= letter <= "Z"


def _lower(letter: str) -> bool:
    return "a" <= letter <= "z"


def with_snake_keys(value: Any) -> Any:
    """The value with all keys of its mappings in snake case, however deep they are."""
    if isinstance(value, dict):
        return {to_snake(key): with_snake_keys(each) for key, each in value.items()}
    if isinstance(value, list):
        return [with_snake_keys(each) for each in value]
    return value
