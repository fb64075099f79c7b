# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One line for each pass: the object, how it went, how long it took, what it waits for."""

from __future__ import annotations

import sys
import threading
import time
from typing import TextIO

from reactor.contract.duration import short
from reactor.contract.schedule import Key
from reactor.reconciler import Outcome

_LONGEST = 300


class Screen:
    """Writes lines; safe for several threads."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._lock = threading.Lock()

    def tell(self, key: Key, outcome: Outcome, seconds: float, after: float | None) -> None:
        """How a pass over an object went."""
        word = outcome.word
        again = "" if after is None else "again now" if after < 0.1 else f"again in {short(after)}"
        parts = [f"{seconds:.2f} s", _clean(outcome.why), again]
        self.say(key.kind.rpartition("=")[2], str(key), word, "; ".join(part for part in parts if part))

    def say(self, kind: str, name: str, word: str, why: str) -> None:
        """One line."""
        head = f"{time.strftime('%H:%M:%S')}  {f'{kind} {name}'.strip():<40}  {word:<11}"
        with self._lock:
            print(f"{head}  {_clean(why)}", file=self._stream, flush=True)


def _clean(text: str) -> str:
    """The text as one line without control characters: what objects say must not write to a terminal at will."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ..."
