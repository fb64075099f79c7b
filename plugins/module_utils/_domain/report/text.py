# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Foreign strings made safe for HTML and for a terminal, and figures made readable."""

from __future__ import annotations

import html
import math
import unicodedata
from collections.abc import Iterable

_SPACES = frozenset("\n\r\t\u2028\u2029")
REPLACEMENT = "\ufffd"


def _safe_character(character: str) -> str:
    """Keep what can be printed; escape sequences, lone surrogates and bidirectional overrides cannot."""
    if character in _SPACES or unicodedata.category(character) == "Zs":
        return " "
    return character if character.isprintable() else REPLACEMENT


def one_line(value: object) -> str:
    """Return the value as one printable line: no control character, no line break, no bidirectional override."""
    text = str(value)
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_safe_character, text)).strip()


def escape(value: object) -> str:
    """Return the value as one line, safe as HTML or SVG text and inside a quoted attribute."""
    return html.escape(one_line(value), quote=True)


def shorten(value: object, width: int) -> str:
    """Return the value as one line of at most `width` characters, with an ellipsis where it was cut."""
    text = one_line(value)
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def duration(seconds: float | None) -> str:
    """Return a duration in seconds for a reader: `0.4 s`, `12 s`, `3 min 05 s`, `2 h 07 min`; `–` where unknown."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return `1 pod`, `3 pods`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def sentence(text: str) -> str:
    """Return the text with its full stop, or an empty string; a name, such as prod-be-1, keeps its case."""
    line = one_line(text)
    if not line:
        return ""
    first = line.partition(" ")[0].rstrip(",:;")
    begin = line[0].upper() if first.isalpha() else line[0]
    return begin + line[1:] + ("" if line[-1] in ".!?" else ".")


def enumerate_names(names: Iterable[str], limit: int = 4) -> str:
    """Return `a, b and c`, or `a, b, c, d and 5 more`."""
    items = [one_line(name) for name in names]
    if len(items) > limit:
        return ", ".join(items[:limit]) + f" and {len(items) - limit} more"
    if len(items) < 2:
        return "".join(items)
    return ", ".join(items[:-1]) + " and " + items[-1]
