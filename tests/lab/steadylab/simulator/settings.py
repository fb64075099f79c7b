# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The FE configuration keys the simulator knows, with their types, aliases and defaults by version.

Source: StarRocks ``fe/fe-core/src/main/java/com/starrocks/common/Config.java`` (names, types, aliases, defaults)
and ``ConfigBase.java`` (how a value is read, shown and matched).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from steadylab.simulator.versions import Version

INT_RANGE: Final = (-(2**31), 2**31 - 1)
LONG_RANGE: Final = (-(2**63), 2**63 - 1)


@dataclass(frozen=True)
class ConfigKey:
    """One FE setting; ``before`` holds (version, older default) pairs: the default of FEs older than that version."""

    name: str
    type: str
    default: str
    aliases: tuple[str, ...] = ()
    mutable: bool = True
    comment: str = ""
    before: tuple[tuple[str, str], ...] = ()

    def default_of(self, version: Version) -> str:
        """The built-in default of an FE of this version."""
        for limit, value in self.before:
            if version < Version.parse(limit):
                return value
        return self.default

    def read(self, text: str) -> str:
        """Read a value as ``ConfigBase.setConfigField`` does; raises ValueError with Java's message.

        ``Boolean.parseBoolean`` takes everything but ``true`` (any case) as false and never fails.
        """
        text = text.strip()
        if self.type == "boolean":
            return "true" if text.lower() == "true" else "false"
        if self.type in ("int", "long"):
            return _read_integer(text, INT_RANGE if self.type == "int" else LONG_RANGE)
        if self.type == "double":
            return _read_double(text)
        return text


def _read_integer(text: str, limits: tuple[int, int]) -> str:
    if not re.fullmatch(r"[+-]?[0-9]+", text) or not limits[0] <= int(text) <= limits[1]:
        raise ValueError(f'For input string: "{text}"')
    return str(int(text))


def _read_double(text: str) -> str:
    try:
        return str(float(text))
    except ValueError as error:
        raise ValueError(f'For input string: "{text}"') from error


KEYS: Final[tuple[ConfigKey, ...]] = (
    # The four keys of StarRocks' own upgrade guide (docs/en/deployment/manage_deployment/upgrade.md); the scheduling
    # limit was 2000 before StarRocks PR #27648. That 3.2 is the first version with 10000 is inferred.
    ConfigKey(
        "tablet_sched_max_scheduling_tablets",
        "int",
        "10000",
        ("max_scheduling_tablets",),
        before=(("3.2.0", "2000"),),
    ),
    ConfigKey("tablet_sched_max_balancing_tablets", "int", "500", ("max_balancing_tablets",)),
    ConfigKey("tablet_sched_disable_balance", "boolean", "false", ("disable_balance",)),
    ConfigKey("tablet_sched_disable_colocate_balance", "boolean", "false", ("disable_colocate_balance",)),
    ConfigKey("tablet_sched_slot_num_per_path", "int", "8", ("schedule_slot_num_per_path",)),
    ConfigKey("tablet_sched_be_down_tolerate_time_s", "long", "900"),
    ConfigKey("tablet_sched_colocate_be_down_tolerate_time_s", "long", "43200"),
    ConfigKey("tablet_sched_repair_delay_factor_second", "long", "60", ("tablet_repair_delay_factor_second",)),
    ConfigKey("tablet_sched_checker_interval_seconds", "int", "20"),
    ConfigKey("tablet_sched_balance_load_disk_safe_threshold", "double", "0.5", ("balance_load_disk_safe_threshold",)),
    ConfigKey("tablet_sched_balance_load_score_threshold", "double", "0.1", ("balance_load_score_threshold",)),
    ConfigKey("tablet_sched_balancer_strategy", "String", "disk_and_tablet", mutable=True),
    ConfigKey("tablet_sched_min_clone_task_timeout_sec", "long", "180", ("min_clone_task_timeout_sec",)),
    ConfigKey("tablet_sched_max_clone_task_timeout_sec", "long", "7200", ("max_clone_task_timeout_sec",)),
    ConfigKey("tablet_sched_always_force_decommission_replica", "boolean", "false"),
    ConfigKey("history_job_keep_max_second", "int", "604800"),
    ConfigKey("alter_table_timeout_second", "int", "86400"),
    ConfigKey("label_keep_max_second", "int", "259200"),
    ConfigKey("max_running_txn_num_per_db", "int", "1000"),
    ConfigKey("qe_max_connection", "int", "4096"),
    ConfigKey("catalog_trash_expire_second", "long", "86400"),
    ConfigKey("default_replication_num", "int", "3"),
    ConfigKey("disable_load_job", "boolean", "false"),
    ConfigKey("enable_statistic_collect", "boolean", "true"),
    ConfigKey("ignore_meta_check", "boolean", "false"),
    ConfigKey("meta_delay_toleration_second", "int", "300"),
    ConfigKey("heartbeat_timeout_second", "int", "5", mutable=False),
    ConfigKey("ignore_unknown_log_id", "boolean", "false", mutable=False),
    ConfigKey("edit_log_port", "int", "9010", mutable=False),
    ConfigKey("http_port", "int", "8030", mutable=False),
    ConfigKey("query_port", "int", "9030", mutable=False),
    ConfigKey("rpc_port", "int", "9020", mutable=False),
    ConfigKey("meta_dir", "String", "/opt/starrocks/fe/meta", mutable=False),
    ConfigKey("priority_networks", "String", "", mutable=False),
    ConfigKey("run_mode", "String", "shared_nothing", mutable=False),
)

BY_ANY_NAME: Final[dict[str, ConfigKey]] = {name: key for key in KEYS for name in (key.name, *key.aliases)}


def like_pattern(pattern: str) -> re.Pattern[str]:
    """A MySQL LIKE pattern as a regular expression; matching ignores case as ``PatternMatcher`` does for configs."""
    return re.compile("".join(_like_parts(pattern)), re.IGNORECASE)


def _like_parts(pattern: str) -> Iterator[str]:
    characters = iter(pattern)
    for character in characters:
        if character == "\\":
            yield re.escape(next(characters, "\\"))
        else:
            yield {"%": ".*", "_": "."}.get(character, re.escape(character))


def matching(pattern: str | None) -> list[ConfigKey]:
    """The keys whose name or one of whose aliases matches (``ConfigBase.getConfigInfo``): all of them for None."""
    if pattern is None:
        return list(KEYS)
    regex = like_pattern(pattern)
    return [key for key in KEYS if any(regex.fullmatch(name) for name in (key.name, *key.aliases))]
