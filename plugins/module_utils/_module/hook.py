# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The verb of starrocks_hook: predefined hooks by name, or a list of statements."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias
from uuid import uuid4

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import to_plain
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import settings
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks import (
    PREDEFINED,
    check_statement,
    shown,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.progress import load
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.settings import SETTINGS, Journal
from ansible_collections.steady.rollout.plugins.module_utils._engine.hooking import (
    Attempted,
    HookRun,
    Patience,
    attempt,
    changes,
    statement,
    would_set,
)
from ansible_collections.steady.rollout.plugins.module_utils._engine.ledger import LABELS, Ledger, target_name
from ansible_collections.steady.rollout.plugins.module_utils._engine.world import World
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Session
from ansible_collections.steady.rollout.plugins.module_utils._fe.observe import leader_session, observe
from ansible_collections.steady.rollout.plugins.module_utils._kube.record import RecordStore
from ansible_collections.steady.rollout.plugins.module_utils._module.call import (
    CONNECTION,
    TARGET,
    Call,
    Result,
    Verb,
    lease_seconds,
)
from ansible_collections.steady.rollout.plugins.module_utils._module.target import Target

Work: TypeAlias = Callable[[], "tuple[bool, list[dict[str, str | None]]]"]


def run(call: Call) -> Result:
    """Check everything first, then run in order; a critical hook that fails ends the list."""
    names, statements = _checked(call)
    target = Target.of(call)
    _patience(call)
    if call.check_mode:
        return _planned(target, names, statements)
    results = _predefined(call, target, names) if names else _statements(call, target, statements)
    return _result(call, results, len(names) + len(statements))


def _planned(target: Target, names: list[str], statements: list[str]) -> Result:
    """What would be run, and whether that would change anything: seen, not guessed."""
    lines = [f"would run {shown(sql)}" for sql in statements]
    changed = any(changes(sql) for sql in statements)
    if names:
        objects, handover = target.read()
        record, _version = RecordStore(target.client, target.namespace, target_name(target.cluster), LABELS).load()
        journal = load(record, cluster=target.cluster).journal if record else Journal()
        pods = sorted(pod.name for pod in objects.pods if pod.component == "fe" and pod.ready)
        with target.frontends(handover) as frontends:
            seen = observe(frontends, pods, keys=tuple(SETTINGS), workers=False, compute_nodes=False, tablets=False)
        for name in names:
            missing = settings.to_set(would_set(PREDEFINED[name], journal), seen.settings)
            changed = changed or bool(missing)
            lines.append(f"would run {name}: {', '.join(f'{k} = {v}' for k, v in missing.items()) or 'nothing to set'}")
    return {"changed": changed, "results": [], "rollout": {"type": "info", "lines": lines}}


def _checked(call: Call) -> tuple[list[str], list[str]]:
    """Names that exist and statements that may run; refused before the first one is carried out."""
    names = [str(name) for name in call.params["names"] or ()]
    for number, name in enumerate(names):
        if name not in PREDEFINED:
            raise Refused(f"names[{number}]", name, "unknown hook", remedy=f"one of: {', '.join(PREDEFINED)}")
    allow = bool(call.params["allow_unsafe"])
    statements = [
        check_statement(str(sql), f"statements[{number}]", allow_unsafe=allow)
        for number, sql in enumerate(call.params["statements"] or ())
    ]
    if not names and not statements:
        raise Refused("names", None, "nothing to run", remedy="give names of hooks, or statements")
    return names, statements


def _patience(call: Call) -> Patience:
    params = call.params
    for field, most in (("timeout", 3600), ("retries", 20), ("backoff", 60)):
        if not 0 <= params[field] <= most or (field == "timeout" and not params[field]):
            raise Refused(field, params[field], "out of bounds", remedy=f"0 to {most}, and a timeout above 0")
    return Patience(params["timeout"], params["retries"], params["backoff"])


def _predefined(call: Call, target: Target, names: list[str]) -> list[Attempted]:
    patience = _patience(call)
    objects, handover = target.read()
    ledger = Ledger(target.client, handover, call.clock, lease_seconds=lease_seconds(call.params))
    ledger.take_lease(f"hook-{uuid4()}", call.say)
    try:
        with target.frontends(handover) as frontends:
            world = World(target.client, frontends, ledger.handover, tuple(SETTINGS))
            world.pods, world.pods_error = {pod.name: pod for pod in objects.pods}, ""
            hooks = HookRun(world, ledger, call.clock, call.say)
            return _in_order(call, [(name, _hook_work(hooks, name)) for name in names], patience)
    finally:
        ledger.release()


def _hook_work(hooks: HookRun, name: str) -> Work:
    return lambda: (bool(hooks.run(PREDEFINED[name])), [])


def _statements(call: Call, target: Target, statements: list[str]) -> list[Attempted]:
    patience = _patience(call)
    objects, handover = target.read()
    pods = sorted(pod.name for pod in objects.pods if pod.component == "fe" and pod.ready)
    with target.frontends(handover) as frontends:

        def session() -> Session:
            frontend = call.params["frontend"]
            return frontends.session(frontend) if frontend else leader_session(frontends, pods)

        def work(sql: str) -> Work:
            return lambda: statement(session(), sql, patience.timeout)

        return _in_order(call, [(shown(sql), work(sql)) for sql in statements], patience)


def _in_order(call: Call, works: list[tuple[str, Work]], patience: Patience) -> list[Attempted]:
    results: list[Attempted] = []
    for name, work in works:
        results.append(attempt(name, work, patience, call.clock))
        if not results[-1].ok and call.params["critical"]:
            break
    return results


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
        "names": {"type": "list", "elements": "str"},
        "statements": {"type": "list", "elements": "str"},
        "frontend": {"type": "str", "default": ""},
        "critical": {"type": "bool", "default": True},
        "timeout": {"type": "float", "default": 30.0},
        "retries": {"type": "int", "default": 3},
        "backoff": {"type": "float", "default": 1.0},
        "allow_unsafe": {"type": "bool", "default": False},
        "lease_seconds": {"type": "int", "default": 30},
    },
    run,
    conditions={"mutually_exclusive": [("names", "statements")], "required_one_of": [("names", "statements")]},
)
