# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pieces of a page: each takes foreign strings and gives HTML with these escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from ansible_collections.steady.rollout.plugins.module_utils._domain.report.drawing import DEFINITIONS
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.style import STYLE
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.text import escape

# A head is its text, or a pair of text and the class of its column.
Heads: TypeAlias = "Sequence[str | tuple[str, str]]"


def badge(known: Mapping[str, tuple[str, str]], state: str) -> str:
    """Return a state with its tone and label; one that is not known is shown as it is."""
    tone, label = known.get(state, ("idle", state or "unknown"))
    return f'<span class="badge tone-{tone}">{escape(label)}</span>'


def code(text: str) -> str:
    """Return a text that a program reads, or a dash."""
    return f"<code>{escape(text)}</code>" if text else '<span class="quiet">–</span>'


def plain(text: str) -> str:
    """Return a text, or a dash."""
    return escape(text) if text else '<span class="quiet">–</span>'


def lines(text: str) -> str:
    """Return a text of several lines, each one printable, for a `<pre>`."""
    return "\n".join(escape(line) for line in text.split("\n"))


def bullets(items: Sequence[str]) -> str:
    """Return a list; a single item stands alone."""
    if len(items) == 1:
        return f"<p>{escape(items[0])}</p>"
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def table(heads: Heads, rows: Iterable[Sequence[str]], caption: str) -> str:
    """Return a table; its cells are HTML already."""
    columns = [(head, "") if isinstance(head, str) else head for head in heads]
    top = "".join(f'<th scope="col"{_class(kind)}>{escape(text)}</th>' for text, kind in columns)
    body = "".join(
        "<tr>"
        + "".join(f"<td{_class(kind)}>{cell}</td>" for cell, (_head, kind) in zip(row, columns, strict=True))
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="table" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def section(title: str, body: str, kind: str = "card long") -> str:
    """Return a section of the page; none without a body, which is HTML already."""
    return f'<section class="{kind}"><h2>{escape(title)}</h2>{body}</section>' if body else ""


def folded(summary: str, body: str, *, when: bool) -> str:
    """Return the body, on demand behind a line that opens it; it is HTML already."""
    if not when:
        return body
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"


def document(title: str, parts: Iterable[str], footer: str) -> str:
    """A complete document; the parts and the footer are HTML already."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>{DEFINITIONS}<main>"
        + "\n".join(part for part in parts if part)
        + f"\n<footer>{footer}</footer></main></body></html>\n"
    )
