# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""From hooks as they were written to hooks that can be run: every name looked up, every statement checked. Pure.

Whatever is wrong with any hook of any stage is found here, before anything is touched.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import digest, to_plain
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation import HookRules, Installation
from ansible_collections.steady.rollout.plugins.module_utils._domain.reach import check_target
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import scripts
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.catalogue import (
    MOST_STATEMENTS,
    Catalogue,
    Entry,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.entries import (
    STAGES,
    ConfigMapKey,
    HookEntry,
    Place,
    Stage,
    Stages,
    Terms,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.sql import (
    Statement,
    check_statement,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.tokens import shown, split
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import rule
from ansible_collections.steady.rollout.plugins.module_utils._domain.version import Range
from ansible_collections.steady.rollout.plugins.module_utils._domain.webhook import Webhook

Kind = Literal["settings", "sql", "script", "webhook"]

# An FE writes an image once a minute, and then pushes it (StarRocks fe: common/Config.java, checkpoint interval).
PROOF_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Sources:
    """What was read for the hooks before planning: ConfigMaps by name and key, and what the namespace allows.

    `missing` maps `name/key` to the reason why it could not be read.
    """

    config_maps: dict[str, dict[str, str]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    unsafe_sql: bool = False
    scripts: bool = False

    @property
    def rules(self) -> HookRules:
        """What may run, in the form of the installation's rules."""
        return HookRules(allow_unsafe_sql=self.unsafe_sql, allow_scripts=self.scripts)


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a hook does. `set` holds settings at `values`, `default` goes to them for good, `restore` puts `keys`
    back (all open ones where none is named), `sql` sends the statement."""

    kind: Literal["set", "default", "restore", "sql"]
    values: dict[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    sql: str = ""
    safe: bool = True
    reads: bool = False

    @property
    def shown(self) -> str:
        """The action as it may be printed."""
        if self.kind == "sql":
            return shown(self.sql)
        if self.kind == "restore":
            return f"restore {', '.join(self.keys) or 'every setting'}"
        return ", ".join(f"{key} = {value}" for key, value in self.values.items())


@dataclass(frozen=True, slots=True)
class PlannedHook:
    """A hook that can be run. `source` says for people what it is; `place` is where it was written."""

    name: str
    stage: Stage
    number: int
    place: Place
    kind: Kind
    source: str
    predefined: str = ""
    actions: tuple[Action, ...] = ()
    config_map: ConfigMapKey | None = None
    script: str = ""
    webhook: Webhook | None = None
    terms: Terms = field(default_factory=Terms)
    versions: Range = field(default_factory=Range)
    rights: tuple[str, ...] = ()
    proof: Literal["", "image"] = ""
    inverse: str = ""
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Identity of what the hook does; how patiently may change while a run is continued."""
        return digest(to_plain([self.kind, self.actions, self.config_map, self.script, self.webhook]))

    @property
    def reruns(self) -> bool:
        """Whether it may be run again when nobody knows how far it got.

        Settings end in the same state, safe statements only read or write an image, a script's Job is found again, and
        a webhook's receiver can tell a repeated call by its key.
        """
        if self.terms.on_interrupted != "auto":
            return self.terms.on_interrupted == "rerun"
        return all(action.safe for action in self.actions)

    @property
    def keys(self) -> tuple[str, ...]:
        """The settings it is about."""
        return tuple(key for action in self.actions for key in (*action.values, *action.keys))

    @property
    def title(self) -> str:
        """Its name, and what it is."""
        return self.source if self.source.startswith(f"{self.name}:") else f"{self.name}: {self.source}"

    @property
    def shown(self) -> tuple[str, ...]:
        """What it does, as it may be printed."""
        if self.webhook is not None:
            return (self.webhook.shown,)
        return tuple(action.shown for action in self.actions)


@dataclass(frozen=True, slots=True)
class HookPlan:
    """The hooks of every stage, and every reason not to begin."""

    pre: tuple[PlannedHook, ...] = ()
    post: tuple[PlannedHook, ...] = ()
    rollback: tuple[PlannedHook, ...] = ()
    refusals: dict[Stage, tuple[Refused, ...]] = field(default_factory=dict)

    def of(self, stage: Stage) -> tuple[PlannedHook, ...]:
        """The hooks of one stage."""
        return {"pre": self.pre, "post": self.post, "rollback": self.rollback}[stage]

    @property
    def hooks(self) -> tuple[PlannedHook, ...]:
        """All of them."""
        return (*self.pre, *self.post, *self.rollback)

    def groups(self, stage: Stage) -> list[tuple[str, tuple[PlannedHook, ...]]]:
        """The hooks of a stage by step: alone, or with the neighbours of the same group. The id is the step's."""
        found: list[tuple[str, tuple[PlannedHook, ...]]] = []
        for hook in self.of(stage):
            before = found[-1][1] if found else ()
            if hook.terms.group and before and before[-1].terms.group == hook.terms.group:
                found[-1] = (found[-1][0], (*before, hook))
            else:
                found.append((f"{stage}/{hook.number}-{hook.terms.group or hook.name}", (hook,)))
        return found


def wanted(stages: Stages) -> tuple[tuple[ConfigMapKey, ...], bool]:
    """What has to be read before the hooks can be resolved: ConfigMaps, and whether the namespace's label matters."""
    maps = tuple(dict.fromkeys(entry.config_map for entry in stages.entries if entry.config_map is not None))
    return maps, bool(maps) or any(entry.sql for entry in stages.entries)


def plan_hooks(
    stages: Stages,
    catalogue: Catalogue,
    sources: Sources,
    installation: Installation,
) -> HookPlan:
    """Every hook of every stage, resolved; what cannot be is in `refusals`."""
    planned: dict[Stage, list[PlannedHook]] = {stage: [] for stage in STAGES}
    refusals: dict[Stage, list[Refused]] = {stage: [] for stage in STAGES}
    for stage in STAGES:
        for number, entry in enumerate(stages.of(stage)):
            try:
                planned[stage].append(resolve(entry, stage, number, catalogue, sources, installation))
            except Refused as refused:
                refusals[stage].append(refused)
    return HookPlan(
        **{stage: tuple(hooks) for stage, hooks in planned.items()},
        refusals={stage: tuple(found) for stage, found in refusals.items()},
    )


@dataclass(frozen=True, slots=True)
class _Around:
    """Which hook of which stage an entry is, and what is known there."""

    stage: Stage
    number: int
    catalogue: Catalogue
    sources: Sources
    installation: Installation


def resolve(
    entry: HookEntry,
    stage: Stage,
    number: int,
    catalogue: Catalogue,
    sources: Sources,
    installation: Installation,
) -> PlannedHook:
    """One hook; Refused when it must not be run."""
    around = _Around(stage, number, catalogue, sources, installation)
    if entry.predefined:
        return _predefined(entry, around)
    if entry.sql:
        return _of_sql(entry, around, (entry.sql,), "sql", (entry.place.source,))
    if entry.webhook is not None:
        check_target(entry.webhook.url, installation.webhooks, f"{entry.place.source}.url")
        planned = _planned(entry, around, "webhook", f"webhook {entry.webhook.shown}")
        return replace(planned, webhook=entry.webhook)
    if entry.config_map is None:
        raise Refused(entry.place.entry, entry.name, "does nothing", remedy="give what the hook shall do")
    return _of_config_map(entry, around, entry.config_map)


def _planned(
    entry: HookEntry, around: _Around, kind: Kind, source: str, actions: tuple[Action, ...] = ()
) -> PlannedHook:
    return PlannedHook(
        name=entry.name,
        stage=around.stage,
        number=around.number,
        place=entry.place,
        kind=kind,
        source=source,
        actions=actions,
        config_map=entry.config_map,
        terms=entry.terms,
    )


def _predefined(entry: HookEntry, around: _Around) -> PlannedHook:
    found = around.catalogue.get(entry.predefined, entry.place.source)
    kind: Kind = "sql" if found.action == "statements" else "settings"
    planned = _planned(entry, around, kind, f"{found.name}: {found.purpose}", actions_of(found))
    seconds = max(entry.terms.timeout_seconds, PROOF_SECONDS) if found.proof else entry.terms.timeout_seconds
    return replace(
        planned,
        predefined=found.name,
        versions=found.versions,
        rights=found.rights,
        proof=found.proof,
        inverse=found.inverse if found.action == "statements" else "",
        terms=replace(entry.terms, timeout_seconds=seconds),
    )


def actions_of(entry: Entry) -> tuple[Action, ...]:
    """What an entry of the catalogue does."""
    if entry.action == "hold":
        return (Action("set", dict(entry.settings)),)
    if entry.action == "default":
        return (Action("default", dict(entry.settings)),)
    if entry.action == "restore":
        return (Action("restore", keys=entry.keys),)
    checked = [check_statement(sql, entry.name, allow_unsafe=True) for sql in entry.statements]
    return tuple(_action(statement) for statement in checked)


def _action(statement: Statement) -> Action:
    if statement.settings:
        values = {key: rule(key).normal(value) for key, value in statement.settings.items()}
        return Action("set", values)
    return Action("sql", sql=statement.text, safe=statement.safe, reads=statement.reads)


def _of_sql(
    entry: HookEntry, around: _Around, statements: tuple[str, ...], source: str, paths: tuple[str, ...]
) -> PlannedHook:
    allow, keys = around.sources.unsafe_sql, around.catalogue.keys
    checked = [
        check_statement(sql, path, allow_unsafe=allow, keys=keys) for sql, path in zip(statements, paths, strict=True)
    ]
    actions = tuple(_action(statement) for statement in checked)
    kind: Kind = "settings" if all(action.kind == "set" for action in actions) else "sql"
    notes = tuple(dict.fromkeys(f"{statement.shown}: {statement.note}" for statement in checked if statement.note))
    # Of what may run without asking, the metadata image is all that changes anything.
    image = any(action.kind == "sql" and action.safe and not action.reads for action in actions)
    return replace(_planned(entry, around, kind, source, actions), notes=notes, rights=("NODE",) if image else ())


def _of_config_map(entry: HookEntry, around: _Around, source: ConfigMapKey) -> PlannedHook:
    path, where = entry.place.source, f"{source.name}/{source.key}"
    text = around.sources.config_maps.get(source.name, {}).get(source.key)
    if text is None:
        problem = around.sources.missing.get(where, "was not read")
        raise Refused(path, where, problem, remedy="create the ConfigMap with this key in the cluster's namespace")
    if not source.is_sql:
        scripts.check_allowed(around.sources.rules, path)
        scripts.check_timeout(around.installation.hooks, entry.terms.timeout_seconds, path)
        return replace(_planned(entry, around, "script", f"script {where}"), script=text)
    statements = split(text, f"{path} {where}")
    if len(statements) > MOST_STATEMENTS:
        remedy = f"at most {MOST_STATEMENTS} in a hook"
        raise Refused(path, where, f"{len(statements)} statements", remedy=remedy)
    paths = tuple(f"{path} {where} statement {number}" for number, _statement in enumerate(statements, 1))
    return _of_sql(entry, around, statements, f"ConfigMap {where}", paths)
