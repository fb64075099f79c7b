# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The verb of starrocks_hook: predefined hooks by name, statements, or a key of a ConfigMap."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import uuid4

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import to_plain
from ansible_collections.steady.rollout.plugins.module_utils._domain.document import Reader
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import settings
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.catalogue import Catalogue
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.entries import (
    HookEntry,
    Place,
    Stages,
    Terms,
    config_map_of,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.resolve import (
    PlannedHook,
    resolve,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.tokens import shown
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import Record, load
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import Journal
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import FrontendSettings
from ansible_collections.steady.rollout.plugins.module_utils._engine.attempts import Outcome, Runners
from ansible_collections.steady.rollout.plugins.module_utils._engine.hook_sources import read_sources, settings_to_read
from ansible_collections.steady.rollout.plugins.module_utils._engine.hooking import (
    HookRun,
    alone,
    would_set,
)
from ansible_collections.steady.rollout.plugins.module_utils._engine.ledger import LABELS, Ledger, target_name
from ansible_collections.steady.rollout.plugins.module_utils._engine.tell import teller
from ansible_collections.steady.rollout.plugins.module_utils._engine.world import World
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Frontends, Row, Session
from ansible_collections.steady.rollout.plugins.module_utils._fe.observe import leader_session, observe
from ansible_collections.steady.rollout.plugins.module_utils._fe.privileges import check_privileges
from ansible_collections.steady.rollout.plugins.module_utils._kube.read import ClusterObjects
from ansible_collections.steady.rollout.plugins.module_utils._kube.record import RecordStore
from ansible_collections.steady.rollout.plugins.module_utils._module.call import (
    CONNECTION,
    INSTALLATION,
    LEASE,
    TARGET,
    Call,
    Result,
    Verb,
    installation_of,
    lease_seconds,
)
from ansible_collections.steady.rollout.plugins.module_utils._module.runners import runners_of
from ansible_collections.steady.rollout.plugins.module_utils._module.target import Target


@dataclass(frozen=True)
class Attempted:
    """How one hook or statement went; `rows` is what a reading statement answered."""

    name: str
    ok: bool
    attempts: int
    seconds: float
    changed: bool = False
    text: str = ""
    error: str = ""
    rows: tuple[Row, ...] = ()


def run(call: Call) -> Result:
    """Check everything first, then run in order; a critical hook that fails ends the list."""
    catalogue = Catalogue.of(installation_of(call.params).hooks.catalogue)
    entries = _entries(call, catalogue)
    target = Target.of(call)
    hooks = _resolved(target, catalogue, entries)
    if call.check_mode:
        return _planned(target, hooks)
    results = _with_lease(call, target, hooks) if _sets(hooks) else _without_lease(call, target, hooks)
    return _result(call, results, len(hooks))


def _sets(hooks: list[PlannedHook]) -> bool:
    """Whether a hook is about settings, which are written under the lease alone."""
    return any(action.kind != "sql" for hook in hooks for action in hook.actions)


def _entries(call: Call, catalogue: Catalogue) -> list[HookEntry]:
    """What is asked for."""
    least = _least(call)
    entries: list[HookEntry] = []
    for number, name in enumerate(call.params["names"] or ()):
        path = f"names[{number}]"
        found = catalogue.get(name, path)
        entries.append(replace(least, name=found.name, predefined=found.name, place=Place(path, path)))
    for number, sql in enumerate(call.params["statements"] or ()):
        path = f"statements[{number}]"
        if not str(sql).strip():
            raise Refused(path, sql, "empty statement", remedy="give one SQL statement")
        entries.append(replace(least, name=shown(str(sql)), sql=str(sql), place=Place(path, path)))
    if call.params["config_map"]:
        source = config_map_of(Reader(call.params["config_map"], "config_map"))
        place = Place("config_map", "config_map")
        entries.append(replace(least, name=f"{source.name}/{source.key}", config_map=source, place=place))
    if not entries:
        raise Refused("names", None, "nothing to run", remedy="give names of hooks, statements or a config_map")
    return entries


def _least(call: Call) -> HookEntry:
    """An entry that does nothing yet, with the patience that all of this call have."""
    params = call.params
    for field, most in (("timeout", 3600), ("retries", 20), ("backoff", 60)):
        if not 0 <= params[field] <= most or (field == "timeout" and not params[field]):
            raise Refused(field, params[field], "out of bounds", remedy=f"0 to {most}, and a timeout above 0")
    terms = Terms(timeout_seconds=params["timeout"], retries=params["retries"], backoff_seconds=params["backoff"])
    return HookEntry("", terms=terms)


def _resolved(target: Target, catalogue: Catalogue, entries: list[HookEntry]) -> list[PlannedHook]:
    """Hooks that may run; refused before the first one is carried out."""
    stages = Stages(pre=tuple(entries))
    sources = read_sources(target.client, target.namespace, stages, catalogue, target.installation)
    return [
        resolve(entry, "pre", number, catalogue, sources, target.installation) for number, entry in enumerate(entries)
    ]


def _planned(target: Target, hooks: list[PlannedHook]) -> Result:
    """What would be run, and whether that would change anything: seen, not guessed."""
    objects, handover = target.read()
    found, _version = RecordStore(target.client, target.namespace, target_name(target.cluster), LABELS).load()
    record = load(found, cluster=target.cluster) if found else None
    seen: dict[str, FrontendSettings] = {}
    if _sets(hooks):
        with target.frontends(handover) as frontends:
            keys = _keys(target, hooks, record)
            view = observe(frontends, _ready(objects), keys=keys, workers=False, compute_nodes=False, tablets=False)
        seen = view.settings
    journal = record.journal if record is not None else Journal()
    changed, lines = False, []
    for hook in hooks:
        missing = [to_set for action in hook.actions if (to_set := settings.to_set(would_set(action, journal), seen))]
        changed = changed or bool(missing) or not all(action.reads or action.kind != "sql" for action in hook.actions)
        values = ", ".join(f"{key} = {value}" for values in missing for key, value in values.items())
        lines.append(f"would run {hook.name}: {values or ('nothing to set' if _sets([hook]) else hook.source)}")
    return {"changed": changed, "results": [], "rollout": {"type": "info", "lines": lines}}


def _ready(objects: ClusterObjects) -> list[str]:
    return sorted(pod.name for pod in objects.pods if pod.component == "fe" and pod.ready)


def _keys(target: Target, hooks: list[PlannedHook], record: Record | None) -> tuple[str, ...]:
    catalogue = Catalogue.of(target.installation.hooks.catalogue)
    known = settings_to_read(target.client, target.namespace, None, record, catalogue, target.installation)
    return tuple(dict.fromkeys((*known, *(key for hook in hooks for key in hook.keys))))


def _with_lease(call: Call, target: Target, hooks: list[PlannedHook]) -> list[Attempted]:
    """Under the cluster's lease, with the record that the journal stands in."""
    objects, handover = target.read()
    tells = teller(target.client, target.installation, target.namespace, call.clock, call.say)
    ledger = Ledger(target.client, handover, call.clock, lease_seconds=lease_seconds(call.params), teller=tells)
    ledger.take_lease(f"hook-{uuid4()}", call.say)
    try:
        with target.frontends(handover) as frontends:
            world = World(target.client, frontends, ledger.handover, _keys(target, hooks, ledger.present))
            world.pods, world.pods_error = {pod.name: pod for pod in objects.pods}, ""
            run_hook = HookRun(world, ledger, call.clock, call.say)
            return _in_order(call, hooks, runners_of(target, handover, frontends), frontends, _ready(objects), run_hook)
    finally:
        ledger.release()


def _without_lease(call: Call, target: Target, hooks: list[PlannedHook]) -> list[Attempted]:
    objects, handover = target.read()
    with target.frontends(handover) as frontends:
        return _in_order(call, hooks, runners_of(target, handover, frontends), frontends, _ready(objects))


def _in_order(
    call: Call,
    hooks: list[PlannedHook],
    runners: Runners,
    frontends: Frontends,
    pods: list[str],
    set_values: HookRun | None = None,
) -> list[Attempted]:
    def connect() -> Session:
        frontend = call.params["frontend"]
        return frontends.session(frontend) if frontend else leader_session(frontends, pods)

    for hook in hooks:
        # Who has not OPERATE reads no setting either, and is told so by the first hook.
        if set(hook.rights) - {"OPERATE"}:
            session = leader_session(frontends, pods)
            check_privileges(session, hook.rights, call.params["fe_user"], f"hook {hook.name}")
    results: list[Attempted] = []
    for hook in hooks:
        work = set_values if set_values is not None and _sets([hook]) else runners.of(hook)
        results.append(_attempted(hook, alone(hook, work, call.clock, connect, call.say)))
        if not results[-1].ok and call.params["critical"]:
            break
    return results


def _attempted(hook: PlannedHook, outcome: Outcome) -> Attempted:
    answer = outcome.answer
    return Attempted(
        hook.name,
        outcome.ok,
        outcome.attempts,
        outcome.seconds,
        outcome.ok and answer.changed,
        answer.text,
        outcome.reason,
        answer.rows,
    )


def _result(call: Call, results: list[Attempted], total: int) -> Result:
    failed = [result for result in results if not result.ok]
    lines = [f"hook {r.name}: {'done' if r.ok else 'failed: ' + r.error} ({r.seconds:.1f} s)" for r in results]
    answer: Result = {
        "changed": any(result.changed for result in results),
        "results": [to_plain(result) for result in results],
        "rollout": {"type": "info", "lines": lines},
    }
    if failed and call.params["critical"]:
        reason = f"hook {failed[0].name} failed after {failed[0].attempts} attempt(s): {failed[0].error}"
        left = total - len(results)
        remedy = f"mend the cause and run it again; {left} later one(s) were not run" if left else "mend the cause"
        answer |= {"failed": True, "msg": f"{reason}\nRemedy: {remedy}", "reason": reason, "remedy": remedy}
    return answer


VERB = Verb(
    "starrocks_hook",
    {
        **CONNECTION,
        **TARGET,
        **INSTALLATION,
        **LEASE,
        "names": {"type": "list", "elements": "str"},
        "statements": {"type": "list", "elements": "str"},
        "config_map": {
            "type": "dict",
            "options": {
                "name": {"type": "str", "required": True},
                "key": {"type": "str", "required": True, "no_log": False},
            },
        },
        "frontend": {"type": "str", "default": ""},
        "critical": {"type": "bool", "default": True},
        "timeout": {"type": "float", "default": 30.0},
        "retries": {"type": "int", "default": 3},
        "backoff": {"type": "float", "default": 1.0},
    },
    run,
    conditions={
        "mutually_exclusive": [("names", "statements", "config_map")],
        "required_one_of": [("names", "statements", "config_map")],
    },
)
