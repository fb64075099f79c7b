# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Hooks as a person writes them: spec.stages of a StarRocksUpgrade, and the forms that a StarRocksCluster may hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from ansible_collections.steady.rollout.plugins.module_utils._domain.document import Reader
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.catalogue import (
    NAME_FORM,
    NAME_HINT,
    Catalogue,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.when import check_condition
from ansible_collections.steady.rollout.plugins.module_utils._domain.webhook import Webhook, parse_webhook

Stage = Literal["pre", "post", "rollback"]
STAGES: tuple[Stage, ...] = ("pre", "post", "rollback")
MOST_HOOKS = 50
SOURCES = ("predefined", "sql", "configMap", "webhook")


@dataclass(frozen=True, slots=True)
class ConfigMapKey:
    """A key of a ConfigMap in the cluster's namespace."""

    name: str
    key: str

    @property
    def is_sql(self) -> bool:
        """Whether it holds statements; any other key holds a script."""
        return self.key.endswith(".sql")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a hook stands in the document of its author: as a whole, and the field that says what it does."""

    entry: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """Whether, when and how patiently a hook is run; times in seconds.

    Hooks with the same `group` beside each other run at the same time. `on_interrupted` decides about one that was
    running when its runner died.
    """

    critical: bool = True
    timeout_seconds: float = 60.0
    retries: int = 3
    backoff_seconds: float = 1.0
    when: str = ""
    group: str = ""
    on_interrupted: Literal["auto", "rerun", "fail"] = "auto"


@dataclass(frozen=True, slots=True)
class HookEntry:
    """One hook of a stage: exactly one of predefined, sql, config_map and webhook."""

    name: str
    predefined: str = ""
    sql: str = ""
    config_map: ConfigMapKey | None = None
    webhook: Webhook | None = None
    terms: Terms = field(default_factory=Terms)
    place: Place = field(default_factory=Place, compare=False)

    @property
    def is_script(self) -> bool:
        """Whether it runs as a Job beside the cluster."""
        return self.config_map is not None and not self.config_map.is_sql


@dataclass(frozen=True, slots=True)
class Stages:
    """The hooks before the first pod, after the last, and on the way back."""

    pre: tuple[HookEntry, ...] = ()
    post: tuple[HookEntry, ...] = ()
    rollback: tuple[HookEntry, ...] = ()

    def of(self, stage: Stage) -> tuple[HookEntry, ...]:
        """The entries of one stage."""
        return {"pre": self.pre, "post": self.post, "rollback": self.rollback}[stage]

    @property
    def entries(self) -> tuple[HookEntry, ...]:
        """All of them."""
        return (*self.pre, *self.post, *self.rollback)


def parse_stages(section: Reader, catalogue: Catalogue) -> Stages:
    """`stages: {pre, post, rollback}`."""
    result = Stages(**{stage: _stage(section, stage, catalogue) for stage in STAGES})
    section.done()
    return result


def _stage(section: Reader, stage: str, catalogue: Catalogue) -> tuple[HookEntry, ...]:
    path = section.at(stage)
    items = section.raw(stage) or []
    if not isinstance(items, list):
        raise Refused(path, items, "not a list", remedy="write it as a list of hooks")
    if len(items) > MOST_HOOKS:
        raise Refused(path, len(items), "too many hooks", remedy=f"at most {MOST_HOOKS} in a stage")
    entries = tuple(parse_hook(item, f"{path}[{number}]", catalogue) for number, item in enumerate(items))
    for number, entry in enumerate(entries):
        if entry.name in [earlier.name for earlier in entries[:number]]:
            remedy = "give each hook of a stage a name of its own"
            raise Refused(f"{path}[{number}].name", entry.name, "the name is there already", remedy=remedy)
    return entries


def parse_hook(item: object, path: str, catalogue: Catalogue) -> HookEntry:
    """One entry of a stage."""
    reader = Reader(item, path)
    name = reader.text("name", pattern=NAME_FORM, hint=NAME_HINT)
    if not name:
        raise Refused(reader.at("name"), reader.raw("name"), "missing", remedy="name the hook")
    given = [source for source in SOURCES if reader.has(source)]
    if len(given) != 1:
        problem = f"has {' and '.join(given)}" if given else "does nothing"
        raise Refused(path, name, problem, remedy=f"give exactly one of {', '.join(SOURCES)}")
    entry = HookEntry(
        name=name,
        predefined=_predefined(reader, catalogue) if given[0] == "predefined" else "",
        sql=_sql(reader) if given[0] == "sql" else "",
        config_map=config_map_of(reader.section("configMap")) if given[0] == "configMap" else None,
        webhook=parse_webhook(reader.section("webhook")) if given[0] == "webhook" else None,
        terms=_terms(reader),
        place=Place(path, reader.at(given[0])),
    )
    reader.done()
    return entry


def _terms(reader: Reader) -> Terms:
    return Terms(
        critical=reader.flag("critical", default=True),
        timeout_seconds=reader.number("timeoutSeconds", 60, least=1, most=86_400, unit="seconds"),
        retries=reader.whole("retries", 3, least=0, most=20, unit="retries"),
        backoff_seconds=reader.number("backoffSeconds", 1, least=0, most=60, unit="seconds"),
        when=_when(reader),
        group=reader.text("group", pattern=f"({NAME_FORM})?", hint=NAME_HINT),
        on_interrupted=_on_interrupted(reader),
    )


def _predefined(reader: Reader, catalogue: Catalogue) -> str:
    return catalogue.get(reader.raw("predefined"), reader.at("predefined")).name


def _sql(reader: Reader) -> str:
    sql = reader.text("sql")
    if not sql.strip():
        raise Refused(reader.at("sql"), sql, "empty statement", remedy="give one SQL statement")
    return sql


def config_map_of(reader: Reader, name_field: str = "name", key_field: str = "key") -> ConfigMapKey:
    """Name and key of a ConfigMap in the cluster's namespace, as the fields of these names have them."""
    hint, remedy = "a key of the ConfigMap, such as before.sql or check.sh", "name the ConfigMap and the key in it"
    return ConfigMapKey(*reader.reference("ConfigMap", hint, remedy, (name_field, key_field)))


def _when(reader: Reader) -> str:
    condition = reader.text("when")
    if condition.strip():
        check_condition(condition, reader.at("when"))
    return condition.strip()


def _on_interrupted(reader: Reader) -> Literal["auto", "rerun", "fail"]:
    choices: dict[str, Literal["auto", "rerun", "fail"]] = {"auto": "auto", "rerun": "rerun", "fail": "fail"}
    return choices[reader.choice("onInterrupted", tuple(choices), "auto")]


# -- the forms of a StarRocksCluster -----------------------------------------------------------------------------------


def preparation_entry(item: object, path: str, catalogue: Catalogue, timeout_seconds: float) -> HookEntry:
    """An entry of spec.upgradePreparation.hooks: name, command, critical. Without a command the name is predefined."""
    reader = Reader(item, path)
    name, command = reader.text("name"), reader.text("command")
    critical = reader.flag("critical")
    reader.done()
    terms = Terms(critical=critical, timeout_seconds=timeout_seconds)
    if not command.strip():
        entry = catalogue.get(name, reader.at("name"))
        return HookEntry(entry.name, predefined=entry.name, terms=terms, place=Place(path, reader.at("name")))
    if not re.fullmatch(NAME_FORM, name):
        raise Refused(reader.at("name"), name, "has not the form it must have", remedy=NAME_HINT)
    return HookEntry(name, sql=command, terms=terms, place=Place(path, reader.at("command")))


def frontend_entries(section: Reader, catalogue: Catalogue) -> tuple[HookEntry, ...]:
    """spec.starRocksFeSpec.upgradeHooks: predefined, custom, timeoutSeconds."""
    timeout = section.number("timeoutSeconds", 300, least=1, most=86_400, unit="seconds")
    terms = Terms(timeout_seconds=timeout)
    entries = [*_named(section.items("predefined"), section.at("predefined"), catalogue, terms)]
    if section.has("custom"):
        source = config_map_of(section.section("custom"), "configMapName", "scriptKey")
        path = section.at("custom")
        entries.append(HookEntry("custom", config_map=source, terms=terms, place=Place(path, path)))
    section.done()
    return tuple(entries)


def named_entries(text: str, path: str, catalogue: Catalogue) -> tuple[HookEntry, ...]:
    """The annotation with names parted by commas: an empty or unknown one is refused with its place."""
    return _named([name.strip() for name in text.split(",")], path, catalogue, Terms())


def _named(names: Sequence[object], path: str, catalogue: Catalogue, terms: Terms) -> tuple[HookEntry, ...]:
    """Predefined hooks by name; one that is named twice runs once."""
    found: dict[str, HookEntry] = {}
    for number, given in enumerate(names):
        where = f"{path}[{number}]"
        name = catalogue.get(given, where).name
        found.setdefault(name, HookEntry(name, predefined=name, terms=terms, place=Place(where, where)))
    return tuple(found.values())
