# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Foreign texts made fit to be kept: no secret, nothing that a terminal would obey, and an end to the length."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

HIDDEN = "********"
# Hiding every occurrence of a shorter text would show what it is.
SHORTEST = 4
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")


def redacted(text: str, secrets: Iterable[str]) -> str:
    """The text without the secrets, as they are or as URLs and base64 write them.

    A text that holds a secret too short to be hidden is withheld as a whole.
    """
    given = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
    if any(len(secret) < SHORTEST and secret in text for secret in given):
        return f"(withheld: it holds a secret of fewer than {SHORTEST} characters)"
    for secret in given:
        for form in sorted(_forms(secret), key=len, reverse=True):
            text = text.replace(form, HIDDEN)
    return text


def printable(text: str) -> str:
    """The text without escape sequences and control characters; lines and tabs stay."""
    bare = _ESCAPES.sub("", text.replace("\r\n", "\n"))
    return "".join(c if c in "\n\t" or c.isprintable() else "\ufffd" for c in bare)


def tail(text: str, most: int) -> str:
    """The end of the text in at most `most` bytes of UTF-8, from the start of a line where there is one."""
    data = text.encode()
    if len(data) <= most:
        return text
    end = data[len(data) - most :].decode("utf-8", "ignore") if most > 0 else ""
    first, newline, rest = end.partition("\n")
    return rest if newline and rest else first


def _forms(secret: str) -> Iterator[str]:
    yield secret
    for form in (quote(secret, safe=""), quote_plus(secret), secret.replace("\\", "\\\\").replace('"', '\\"')):
        if form != secret:
            yield form
    yield from _in_base64(secret.encode())


def _in_base64(data: bytes) -> Iterator[str]:
    """What base64 makes of the data wherever it stands in something longer: three ways, without the shared ends."""
    for before in range(3):
        first, last = -(-before * 8 // 6), (before + len(data)) * 8 // 6
        text = base64.b64encode(b"\0" * before + data).decode()[first:last]
        if len(text) >= SHORTEST:
            yield text
