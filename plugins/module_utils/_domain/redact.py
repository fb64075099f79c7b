# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Foreign texts made fit to be kept: no secret, nothing that a terminal would obey, and an end to the length."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus, unquote

HIDDEN = "********"
# Hiding every occurrence of a shorter text would show what it is.
SHORTEST = 4
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")


_PASSWORD_IN_URL = re.compile(r"(?P<head>\b[A-Za-z][A-Za-z0-9+.-]*://[^\s:/@?#]*):[^\s]*@")
_PASSWORD_IN_WORDS = re.compile(
    r"(?P<head>\b(?:\w*password|passwd|pwd|\w*token)[\"']?\s*[=:]\s*)(?P<value>\"[^\"]*\"|'[^']*'|[^\s&\"',;)]+)", re.I
)
# What opens anything in a URL that AWS' signature makes, also percent-encoded as a whole, once or twice.
_SIGNED_IN_URL = re.compile(r"(?P<head>X-Amz-(?:Signature|Security-Token)(?:=|%3D|%253D))(?:(?!%26)[^\s&\"'@])+", re.I)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """The text without the secrets, as they are or as URLs, JSON and base64 write them.

    A text that holds a secret too short to be hidden is withheld as a whole.
    """
    given = {secret for secret in secrets if secret}
    if any(len(secret) < SHORTEST and secret in text for secret in given):
        return f"(withheld: it holds a secret of fewer than {SHORTEST} characters)"
    return _hidden(text, {form for secret in given for form in _forms(secret)})


@dataclass(frozen=True, slots=True)
class Redactor:
    """Takes passwords out of texts: those it was told, in each form, and what stands where a URL has one.

    :ivar forms: all forms of the secrets; one too short to be told from innocent words is hidden where it is a word
    """

    forms: frozenset[str] = field(default=frozenset(), repr=False)

    @classmethod
    def of(cls, *urls: str) -> Redactor:
        """For what is secret in these URLs, also where they cannot be parsed."""
        known: set[str] = set()
        for url in urls:
            found = re.match(r"[^:]*://[^:/?#]*:(.*)@", url.strip(), re.S)
            for password in filter(None, (found[1] if found else "", *_secret_parameters(url))):
                known |= {*_forms(password), *_forms(unquote(password))}
            known |= {base64.b64encode(form.encode()).decode() for form in (url, url.strip()) if found}
        return cls(frozenset(filter(None, known)))

    def hiding(self, secrets: Iterable[str]) -> Redactor:
        """One that hides these as well, such as a token."""
        return Redactor(self.forms.union(*(_forms(secret) for secret in secrets if secret)))

    def joined(self, other: Redactor) -> Redactor:
        """One that hides what either of the two hides."""
        return Redactor(self.forms | other.forms)

    def __call__(self, text: str) -> str:
        """The text without what is secret."""
        text = _hidden(text, self.forms)
        text = _PASSWORD_IN_URL.sub(rf"\g<head>:{HIDDEN}@", text)
        text = _SIGNED_IN_URL.sub(rf"\g<head>{HIDDEN}", text)
        return _PASSWORD_IN_WORDS.sub(rf"\g<head>{HIDDEN}", text)


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
    return end.partition("\n")[2] or end


def _hidden(text: str, forms: Iterable[str]) -> str:
    """The text without these, the longest first: a shorter one may be a part of it."""
    for form in sorted(forms, key=lambda form: (-len(form), form)):
        if len(form) >= SHORTEST:
            text = text.replace(form, HIDDEN)
        else:
            text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", HIDDEN, text)
    return text


def _secret_parameters(url: str) -> list[str]:
    return re.findall(r"[?&](?:password|passwd|pass|sslpassword)=([^&#]*)", url)


def _forms(secret: str) -> Iterator[str]:
    """A secret as it is, and as URLs, JSON, Go's %q and base64 write it."""
    yield secret
    for text in (json.dumps(secret), json.dumps(secret, ensure_ascii=False)):
        yield text[1:-1]
    for coded in (quote(secret, safe=""), quote(secret), quote_plus(secret), quote(secret, safe="!$&'()*+,;=:")):
        yield coded
        yield re.sub(r"%[0-9A-F]{2}", lambda code: code[0].lower(), coded)
    yield base64.b64encode(secret.encode()).decode()
    yield from _in_base64(secret.encode())


def _in_base64(data: bytes) -> Iterator[str]:
    """What base64 makes of the data wherever it stands in something longer: three ways, without the shared ends."""
    for before in range(3):
        first, last = -(-before * 8 // 6), (before + len(data)) * 8 // 6
        text = base64.b64encode(b"\0" * before + data).decode()[first:last]
        if len(text) >= SHORTEST:
            yield text
