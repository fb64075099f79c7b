# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The predefined hooks as data: ours, and those that an installation adds.

Ours are the settings of StarRocks' upgrade and downgrade guides (docs/en/deployment/manage_deployment/upgrade.md and
downgrade.md), under the names of the project's first proposal where that has one, and the metadata image.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ansible_collections.steady.rollout.plugins.module_utils._domain.document import Reader
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.sql import check_statement
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import (
    GUIDE,
    KEY_FORM,
    REPAIR_LIMIT,
    SETTINGS,
    canonical,
    rule,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.version import Range

NAME_FORM = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
NAME_HINT = "lower-case letters, digits and -, at most 63 characters"
DEFAULT = "-default"
MOST_STATEMENTS = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """One predefined hook.

    `hold` keeps settings at the values of `settings` until they are restored; `restore` puts back what the journal says
    of `keys` (every open one where it names none); `default` sets the documented values in `settings`; `statements`
    sends what stands there. `inverse` names the entry that undoes it. `rights` are StarRocks' privileges on SYSTEM;
    `proof` says what has to be seen afterwards: `image`, that the followers got it.
    """

    name: str
    purpose: str
    action: Literal["hold", "restore", "default", "statements"]
    settings: dict[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    inverse: str = ""
    versions: Range = field(default_factory=Range)
    rights: tuple[str, ...] = ("OPERATE",)
    proof: Literal["", "image"] = ""
    ours: bool = True


def _family(off: str, on: str, purpose: str, undo: str, keys: tuple[str, ...], versions: str = "") -> list[Entry]:
    """A hook that holds settings off, the one that puts them back, and the one that sets the documented values."""
    span = Range.parse(versions, off)
    held, documented = {key: SETTINGS[key].off for key in keys}, {key: SETTINGS[key].documented for key in keys}
    values = ", ".join(documented.values())
    return [
        Entry(off, purpose, "hold", held, keys, inverse=on, versions=span),
        Entry(on, f"{undo}: the value that was there", "restore", {}, keys, inverse=off, versions=span),
        Entry(
            on + DEFAULT, f"{undo}: StarRocks' documented value ({values})", "default", documented, keys, versions=span
        ),
    ]


OURS: tuple[Entry, ...] = (
    Entry(
        "quiesce",
        "hold off tablet scheduling and balancing, as the upgrade guide asks",
        "hold",
        {key: SETTINGS[key].off for key in GUIDE},
        GUIDE,
        inverse="restore",
    ),
    Entry("restore", "put back every setting that the journal holds", "restore", inverse="quiesce"),
    *_family(
        "disable-tablet-clone", "enable-tablet-clone", "hold off tablet repair and cloning", "repair", (REPAIR_LIMIT,)
    ),
    *_family(
        "disable-tablet-balancing",
        "enable-tablet-balancing",
        "hold the number of tablets in balancing at 0",
        "tablets in balancing",
        ("tablet_sched_max_balancing_tablets",),
    ),
    *_family(
        "disable-balancer",
        "enable-balancer",
        "hold off the balancer",
        "the balancer",
        ("tablet_sched_disable_balance",),
    ),
    *_family(
        "disable-colocate-balance",
        "enable-colocate-balance",
        "hold off the balancer of colocated tables",
        "the balancer of colocated tables",
        ("tablet_sched_disable_colocate_balance",),
    ),
    *_family(
        "drop-job-history",
        "keep-job-history",
        "let go of finished ALTER and EXPORT jobs at once, as the way from 3.3 to 3.2 needs",
        "how long finished jobs are kept",
        ("history_job_keep_max_second",),
        ">=3.3",
    ),
    Entry(
        "create-image",
        "write a metadata image and push it to the followers",
        "statements",
        statements=("ALTER SYSTEM CREATE IMAGE",),
        versions=Range.parse(">=2.5.3", "create-image"),
        rights=("NODE",),
        proof="image",
    ),
)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Entries by name."""

    entries: dict[str, Entry]

    @classmethod
    def of(cls, documents: Iterable[object] = (), path: str = "installation.hooks.catalogue") -> Catalogue:
        """Ours and those of an installation; an entry that is not whole, or a name that is taken, is refused."""
        entries = {entry.name: entry for entry in OURS}
        for number, document in enumerate(documents):
            for entry in parse_entry(document, f"{path}[{number}]"):
                if entry.name in entries:
                    remedy = "choose another name; the entries of this collection cannot be replaced"
                    raise Refused(f"{path}[{number}]", entry.name, "the name is taken", remedy=remedy)
                entries[entry.name] = entry
        return cls(entries)

    @property
    def holding(self) -> tuple[str, ...]:
        """Names of the hooks that hold settings, which spec.hooks may name."""
        return tuple(name for name, entry in self.entries.items() if entry.action == "hold")

    @property
    def keys(self) -> frozenset[str]:
        """Every setting that an entry is about."""
        return frozenset(key for entry in self.entries.values() for key in entry.keys)

    def get(self, name: object, path: str) -> Entry:
        """The entry of that name; an empty or unknown one is refused with the nearest names."""
        if not isinstance(name, str) or not name.strip():
            raise Refused(path, name, "no name of a hook", remedy=f"one of: {', '.join(self.entries)}")
        if name not in self.entries:
            close = difflib.get_close_matches(name, list(self.entries), n=1)
            meant = f" (did you mean {close[0]}?)" if close else ""
            raise Refused(path, name, f"unknown hook{meant}", remedy=f"one of: {', '.join(self.entries)}")
        return self.entries[name]

    def held(self, names: Iterable[str]) -> dict[str, str]:
        """The settings that several hooks hold, each once, with the value they hold it at."""
        values: dict[str, str] = {}
        for name in names:
            values |= {k: v for k, v in self.entries[name].settings.items() if k not in values}
        known = [key for key in SETTINGS if key in values]
        return {key: values[key] for key in (*known, *(key for key in values if key not in known))}


OUR_CATALOGUE = Catalogue.of()


def parse_entry(document: object, path: str) -> list[Entry]:
    """An entry of an installation's catalogue, and its inverse where it has one."""
    reader = Reader(document, path)
    name = _name(reader)
    purpose = reader.text("purpose")
    settings = _settings(reader)
    statements = _statements(reader)
    if bool(settings) == bool(statements):
        problem = "both settings and statements" if settings else "neither settings nor statements"
        raise Refused(path, name, problem, remedy="give settings: {key: value}, or statements: [...]")
    versions = Range.parse(reader.text("versions"), reader.at("versions"))
    rights = _rights(reader)
    inverse = reader.section("inverse")
    undo = _inverse(inverse, name, settings, versions, rights) if reader.has("inverse") else None
    reader.done()
    entry = Entry(
        name,
        purpose or name,
        "hold" if settings else "statements",
        settings,
        tuple(settings),
        statements,
        inverse=undo.name if undo else "",
        versions=versions,
        rights=rights,
        ours=False,
    )
    return [entry, undo] if undo else [entry]


def _inverse(reader: Reader, name: str, settings: Mapping[str, str], versions: Range, rights: tuple[str, ...]) -> Entry:
    undo = _name(reader)
    purpose = reader.text("purpose") or f"undo {name}"
    statements = _statements(reader)
    if settings and statements:
        raise Refused(reader.at("statements"), None, "the settings are put back by the journal", remedy="leave it out")
    if not settings and not statements:
        raise Refused(reader.at("statements"), None, "missing", remedy="say which statements undo the hook")
    reader.done()
    action: Literal["restore", "statements"] = "restore" if settings else "statements"
    return Entry(undo, purpose, action, {}, tuple(settings), statements, name, versions, rights, ours=False)


def _name(reader: Reader) -> str:
    name = reader.text("name", pattern=NAME_FORM, hint=NAME_HINT)
    if not name:
        raise Refused(reader.at("name"), None, "missing", remedy="name the hook")
    return name


def _settings(reader: Reader) -> dict[str, str]:
    document = reader.raw("settings") or {}
    if not isinstance(document, Mapping):
        raise Refused(reader.at("settings"), document, "not a mapping", remedy="write it as key: value pairs")
    values: dict[str, str] = {}
    for key, value in document.items():
        path = f"{reader.at('settings')}.{key}"
        if not isinstance(key, str) or not re.fullmatch(KEY_FORM, key):
            remedy = "lower-case letters, digits and _, as in fe.conf"
            raise Refused(path, key, "no name of an FE setting", remedy=remedy)
        if not isinstance(value, (str, int, float, bool)):
            raise Refused(path, value, "not a value of an FE setting", remedy="a text, a number or a boolean")
        name = _known(key)
        values[name] = rule(name).normal(str(value).lower() if isinstance(value, bool) else str(value))
    return values


def _known(key: str) -> str:
    """The canonical name of one of our settings; any other as it stands."""
    try:
        return canonical(key)
    except Refused:
        return key


def _statements(reader: Reader) -> tuple[str, ...]:
    """Statements of an installation: any one each, because whoever installs is who could allow unsafe ones."""
    items = reader.raw("statements") or []
    if not isinstance(items, list):
        raise Refused(reader.at("statements"), items, "not a list", remedy="write it as a list of statements")
    found = []
    for number, item in enumerate(items[: MOST_STATEMENTS + 1]):
        path = f"{reader.at('statements')}[{number}]"
        if not isinstance(item, str):
            raise Refused(path, item, "not a string", remedy="quote the statement")
        statement = check_statement(item, path, allow_unsafe=True)
        if statement.settings:
            raise Refused(path, statement.shown, "sets an FE setting", remedy="use settings: {key: value}")
        found.append(statement.text)
    if len(found) > MOST_STATEMENTS:
        remedy = f"at most {MOST_STATEMENTS}"
        raise Refused(reader.at("statements"), len(items), "too many statements", remedy=remedy)
    return tuple(found)


def _rights(reader: Reader) -> tuple[str, ...]:
    rights = tuple(str(item) for item in reader.items("rights")) or ("OPERATE",)
    for number, right in enumerate(rights):
        if not re.fullmatch(r"[A-Z][A-Z _]{0,40}", right):
            remedy = "a privilege of StarRocks, such as OPERATE or NODE"
            raise Refused(f"{reader.at('rights')}[{number}]", right, "not a privilege", remedy=remedy)
    return rights
