# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Foreign strings made safe for Markdown, as CommonMark and GitHub read it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ansible_collections.steady.rollout.plugins.module_utils._domain.report.text import one_line

# Any of them may begin markup somewhere; a backslash makes each a character (spec.commonmark.org, 2.4).
_MARKUP = re.compile(r"[\\`*_\[\]<>#|~&$]")
# Only at the beginning of a line: a list, a numbered one, a rule, a heading of the line before.
_FIRST = re.compile(r"^(\d*)([-+=.)])")
# What would become a link without any markup around it (github.github.com/gfm, 6.9: autolinks).
_LINKS = re.compile(r"(?i)(?<=http):|(?<=https):|(?<=ftp):|(?<=mailto):|(?<=xmpp):|(?<=www)\.|@")


def escape(value: object) -> str:
    """Return the value as one line of plain text, in a paragraph as well as in a cell of a table."""
    text = _MARKUP.sub(lambda found: "\\" + found[0], one_line(value).strip())
    text = _LINKS.sub(lambda found: "\\" + found[0], text)
    return _FIRST.sub(r"\1\\\2", text)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table; heads and cells are Markdown already."""
    return [
        f"| {' | '.join(heads)} |",
        f"|{'|'.join('---' for _head in heads)}|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
