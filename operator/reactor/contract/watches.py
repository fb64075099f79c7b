# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""watches.yaml: every field with its default, and every case in which the operator does not start.

The rules are those of internal/ansible/watches/watches.go; the names of controllers those of controller.go. What that
code does not know, it ignores, so the settings of this reactor stand in the same file, in a mapping named `reactor`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from reactor.contract.duration import parse_duration
from reactor.contract.fields import Fatal, Fields
from reactor.contract.selector import selector_text

__all__ = ["Environment", "Fatal", "Finalizer", "Kind", "Settings", "Watch", "load"]

DEFAULT_ARTIFACTS = 20
LARGEST_VERBOSITY = 7
_COLLECTIONS = "/usr/share/ansible/collections"
_VARIABLE = re.compile(
    r"\$(?:\{(?P<special>[*#$@!?0-9-])\}|\{(?P<braced>[^}]+)\}|(?P<bad>\{\}|\{)|(?P<sign>[*#$@!?0-9-])|(?P<bare>\w+))",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of objects. Its text is the label that the metrics carry."""

    group: str
    version: str
    kind: str

    def __str__(self) -> str:
        return f"{self.api}, Kind={self.kind}"

    @property
    def api(self) -> str:
        """apiVersion of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def controller(self) -> str:
        """The name of its controller, which must be unique in a process."""
        return f"{self.kind}-{self.version}-controller".lower()


@dataclass(frozen=True, slots=True)
class Finalizer:
    """What runs before an object goes. Without playbook and role the watch's own runs, with these variables."""

    name: str
    playbook: str = ""
    role: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    """What this reactor adds, from the mapping `reactor`.

    `judge`: by `events` every failed task counts, as for ansible-operator; by `stats` a rescued one does not.
    `run_seconds`: how long a run may take; None for the process's own limit.
    `resume`: an object whose status says that it is settled is not run at start, but when its period is over.
    """

    judge: Literal["events", "stats"] = "events"
    run_seconds: float | None = None
    resume: bool = False


@dataclass(frozen=True, slots=True)
class Watch:
    """One entry of the file. Durations in seconds; `reconcile_period` 0 stands for the process's own."""

    kind: Kind
    playbook: str
    role: str
    variables: Mapping[str, Any]
    reconcile_period: float
    manage_status: bool
    watch_dependent_resources: bool
    watch_cluster_scoped_resources: bool
    snake_case_parameters: bool
    watch_annotations_changes: bool
    mark_unsafe: bool
    max_runner_artifacts: int
    selector: str
    blacklist: tuple[Kind, ...]
    finalizer: Finalizer | None
    max_concurrent: int
    verbosity: int
    settings: Settings


@dataclass(frozen=True, slots=True)
class Environment:
    """What the file is read with: variables, folders, and the defaults that the command line gave."""

    variables: Mapping[str, str]
    folder: str
    home: str
    exists: Callable[[str], bool]
    max_concurrent: int = 1
    verbosity: int = 2


def load(text: str, environment: Environment) -> tuple[Watch, ...]:
    """The watches of a file's text. Raises Fatal where ansible-operator would not start."""
    try:
        entries = yaml.load(expand(text, environment.variables), _Loader)
    except yaml.YAMLError as error:
        raise Fatal(f"watches.yaml is not YAML: {error}") from error
    if entries is not None and not isinstance(entries, list):
        raise Fatal("watches.yaml must be a list")
    watches = tuple(_watch(entry, number, environment) for number, entry in enumerate(entries or [], start=1))
    _refuse_twins(watches)
    return watches


def expand(text: str, variables: Mapping[str, str]) -> str:
    """The text with $NAME and ${NAME} replaced, by the rules of Go's os.Expand; an unset one stays as ${NAME}."""

    def value(match: re.Match[str]) -> str:
        if match["bad"]:
            return ""
        name = match["special"] or match["braced"] or match["sign"] or match["bare"]
        return variables.get(name, f"${{{name}}}")

    return _VARIABLE.sub(value, text)


class _Loader(yaml.SafeLoader):
    """YAML without dates: a text that looks like one stays a text, as for a decoder into JSON."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _watch(entry: Any, number: int, environment: Environment) -> Watch:
    where = f"watches.yaml, entry {number}"
    fields = Fields(entry, where)
    kind = _kind(fields)
    if not kind.version or not kind.kind:
        raise Fatal(f"{where}: {'version' if not kind.version else 'kind'} must not be empty")
    where = f"watches.yaml, {kind.kind}"
    watch = Watch(
        kind=kind,
        playbook=_path(fields.text("playbook"), environment),
        role=_role(fields.text("role"), environment),
        variables=fields.mapping("vars"),
        reconcile_period=_period(fields.get("reconcilePeriod"), f"{where}: reconcilePeriod"),
        manage_status=fields.flag("manageStatus", True),
        watch_dependent_resources=fields.flag("watchDependentResources", True),
        watch_cluster_scoped_resources=fields.flag("watchClusterScopedResources", False),
        snake_case_parameters=fields.flag("snakeCaseParameters", True),
        watch_annotations_changes=fields.flag("watchAnnotationsChanges", False),
        mark_unsafe=fields.flag("markUnsafe", False),
        max_runner_artifacts=fields.number("maxRunnerArtifacts") or DEFAULT_ARTIFACTS,
        selector=selector_text(fields.fields("selector"), f"{where}: selector"),
        blacklist=_kinds(fields, "blacklist", where),
        finalizer=_finalizer(fields.fields("finalizer"), where, environment),
        max_concurrent=_max_concurrent(kind, environment),
        verbosity=_verbosity(kind, environment),
        settings=_settings(fields.fields("reactor"), f"{where}: reactor"),
    )
    _runs_something(watch.playbook, watch.role, where, environment)
    return watch


def _kind(fields: Fields) -> Kind:
    return Kind(fields.text("group"), fields.text("version"), fields.text("kind"))


def _kinds(fields: Fields, name: str, where: str) -> tuple[Kind, ...]:
    return tuple(_kind(Fields(entry, f"{where}: {name}")) for entry in fields.sequence(name))


def _period(value: Any, where: str) -> float:
    if value is None:
        return 0.0
    if not isinstance(value, str):
        raise Fatal(f"{where} is {value!r}, but must be a duration such as 30s")
    try:
        return parse_duration(value)
    except ValueError as error:
        raise Fatal(f"{where}: {error}") from error


def _finalizer(fields: Fields | None, where: str, environment: Environment) -> Finalizer | None:
    if fields is None:
        return None
    finalizer = Finalizer(
        name=fields.text("name"),
        playbook=_path(fields.text("playbook"), environment),
        role=_role(fields.text("role"), environment),
        variables=fields.mapping("vars"),
    )
    if not finalizer.name:
        raise Fatal(f"{where}: finalizer must have a name")
    if not finalizer.variables:
        _runs_something(finalizer.playbook, finalizer.role, f"{where}: finalizer", environment)
    return finalizer


def _settings(fields: Fields | None, where: str) -> Settings:
    if fields is None:
        return Settings()
    judge = fields.text("judge") or "events"
    if judge not in ("events", "stats"):
        raise Fatal(f"{where}: judge is {judge!r}, but must be events or stats")
    limit = _period(fields.get("runTimeout"), f"{where}: runTimeout")
    return Settings(
        judge="stats" if judge == "stats" else "events",
        run_seconds=limit if limit > 0 else None,
        resume=fields.flag("resume", False),
    )


def _runs_something(playbook: str, role: str, where: str, environment: Environment) -> None:
    what, path = ("playbook", playbook) if playbook else ("role", role)
    if not path:
        raise Fatal(f"{where}: must specify role or playbook")
    if not environment.exists(path):
        raise Fatal(f"{where}: {what} {path} was not found")


def _path(path: str, environment: Environment) -> str:
    return posixpath.normpath(posixpath.join(environment.folder, path)) if path else ""


def _role(role: str, environment: Environment) -> str:
    """The first of the places where a role may be that exists; the name itself when there is none."""
    if not role or role.startswith("/"):
        return role
    places = []
    parts = role.split(".")
    if len(parts) == 3:
        paths = environment.variables.get("ANSIBLE_COLLECTIONS_PATH") or ":".join(
            [_COLLECTIONS, posixpath.join(environment.home, ".ansible/collections")]
        )
        places += [
            posixpath.join(path, "ansible_collections", *parts[:2], "roles", parts[2]) for path in paths.split(":")
        ]
    for path in (environment.variables.get("ANSIBLE_ROLES_PATH") or "").split(":"):
        places += [posixpath.join(path, role), posixpath.join(path, "roles", role)] if path else []
    places.append(posixpath.join(environment.folder, "roles", role))
    return next((place for place in places if environment.exists(place)), role)


def _max_concurrent(kind: Kind, environment: Environment) -> int:
    """Runs at once of a kind; what is no positive number is the default."""
    name = f"{kind.kind}_{kind.group}".replace(".", "_").upper()
    for variable in (f"MAX_CONCURRENT_RECONCILES_{name}", f"WORKER_{name}"):
        if variable in environment.variables:
            given = _integer(environment.variables[variable])
            return given if given is not None and given > 0 else environment.max_concurrent
    return environment.max_concurrent


def _verbosity(kind: Kind, environment: Environment) -> int:
    name = f"ANSIBLE_VERBOSITY_{kind.kind}_{kind.group}".replace(".", "_").upper()
    given = _integer(environment.variables.get(name, ""))
    return given if given is not None and 0 <= given <= LARGEST_VERBOSITY else environment.verbosity


def _integer(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[-+]?[0-9]+", text) else None


def _refuse_twins(watches: tuple[Watch, ...]) -> None:
    kinds: set[Kind] = set()
    controllers: dict[str, Kind] = {}
    for watch in watches:
        if watch.kind in kinds:
            raise Fatal(f"watches.yaml: {watch.kind} is there twice")
        other = controllers.setdefault(watch.kind.controller, watch.kind)
        if other != watch.kind:
            raise Fatal(f"watches.yaml: {watch.kind} and {other} would both be named {watch.kind.controller}")
        kinds.add(watch.kind)
