# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The predefined hooks as data, and which statements a person may have carried out as a hook."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import REPAIR_LIMIT, SETTINGS


@dataclass(frozen=True)
class Hook:
    """A predefined hook: the settings it is about, and whether it switches them off or puts them back."""

    name: str
    keys: tuple[str, ...]
    action: Literal["off", "restore"]
    purpose: str


_BALANCE = "tablet_sched_disable_balance"

# The four keys are those of StarRocks' upgrade guide; the single names are the ones of the project's first proposal.
PREDEFINED: dict[str, Hook] = {
    hook.name: hook
    for hook in (
        Hook(
            "quiesce", tuple(SETTINGS), "off", "switch off tablet scheduling and balancing, as the upgrade guide asks"
        ),
        Hook("disable-tablet-clone", (REPAIR_LIMIT,), "off", "stop tablet repair and cloning"),
        Hook("disable-balancer", (_BALANCE,), "off", "stop the balancer"),
        Hook("restore", tuple(SETTINGS), "restore", "put back every setting that the journal holds"),
        Hook("enable-tablet-clone", (REPAIR_LIMIT,), "restore", "put back the scheduling limit that was there"),
        Hook("enable-balancer", (_BALANCE,), "restore", "put back the balancer setting that was there"),
    )
}
UPGRADE_HOOKS = tuple(name for name, hook in PREDEFINED.items() if hook.action == "off")


def keys_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """The settings of several hooks, each once, in the order of the catalogue."""
    wanted = {key for name in names for key in PREDEFINED[name].keys}
    return tuple(key for key in SETTINGS if key in wanted)


# First words of statements that change nothing but what the upgrade guide itself changes. ADMIN SET of the settings in
# the allow-list is left out on purpose: it goes through starrocks_config or a predefined hook, which journal it.
_SAFE = (
    r"SHOW\s",
    # EXPLAIN ANALYZE and its synonyms carry the statement out.
    r"(DESC|DESCRIBE|EXPLAIN)\b(?!\s+ANALYZE\b)\s",
    r"SELECT\s(?!.*\bINTO\s+(OUTFILE|FILES)\b)",
    r"ADMIN\s+SHOW\s",
    r"ALTER\s+SYSTEM\s+CREATE\s+IMAGE\s*$",
)
_QUOTED = re.compile(r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|`[^`]*`")


def shown(sql: str) -> str:
    """The statement without what stands in quotes, which may be a secret (IDENTIFIED BY '...')."""
    return _QUOTED.sub("'...'", sql)


def check_statement(sql: str, path: str, *, allow_unsafe: bool) -> str:
    """The statement without surrounding blanks and final semicolon; anything but one safe statement is refused.

    Comments are refused everywhere: a version comment (/*!50000 DROP ... */) is executed by some servers and skipped
    by parsers.
    """
    text = sql.strip().removesuffix(";").strip()
    bare = _QUOTED.sub("''", text)
    if not text:
        raise Refused(path, shown(sql), "empty statement", remedy="give one SQL statement")
    if "'" in bare.replace("''", "") or '"' in bare or "`" in bare:
        raise Refused(path, shown(sql), "a quote is not closed", remedy="give one complete SQL statement")
    if ";" in bare:
        raise Refused(path, shown(sql), "more than one statement", remedy="one entry per statement")
    if "/*" in bare or "--" in bare or "#" in bare:
        raise Refused(path, shown(sql), "holds a comment", remedy="leave comments out of statements")
    if allow_unsafe or any(re.match(pattern, bare, re.IGNORECASE | re.DOTALL) for pattern in _SAFE):
        return text
    first = " ".join(bare.split()[:3])
    remedy = "use starrocks_config for settings, or set allow_unsafe: true if you really mean it"
    raise Refused(path, shown(sql), f"unsafe statement ({first} ...)", remedy=remedy)
