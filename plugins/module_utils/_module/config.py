# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The verb of starrocks_config: settings of the FEs as asked for, on every FE."""

from __future__ import annotations

from functools import partial

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import (
    LeaseHeld,
    NotFound,
    Refused,
    RolloutError,
    Unreachable,
)
from ansible_collections.steady.rollout.plugins.module_utils._engine.ledger import target_name
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Frontends, in_parallel
from ansible_collections.steady.rollout.plugins.module_utils._fe.observe import leader_session, observe
from ansible_collections.steady.rollout.plugins.module_utils._fe.rows import Setting
from ansible_collections.steady.rollout.plugins.module_utils._fe.settings import look_up, set_setting
from ansible_collections.steady.rollout.plugins.module_utils._fe.statements import set_setting as set_statement
from ansible_collections.steady.rollout.plugins.module_utils._kube import lease
from ansible_collections.steady.rollout.plugins.module_utils._module.call import (
    CONNECTION,
    INSTALLATION,
    TARGET,
    Call,
    Result,
    Verb,
)
from ansible_collections.steady.rollout.plugins.module_utils._module.target import Target

Values = dict[str, dict[str, str]]


def run(call: Call) -> Result:
    """Read on every FE, set on the leader what differs anywhere, read back on every FE."""
    asked = {str(key): _text(value) for key, value in call.params["settings"].items()}
    for key, value in asked.items():
        set_statement(key, value)
    target = Target.of(call)
    objects, handover = target.read()
    pods = sorted(pod.name for pod in objects.pods if pod.component == "fe")
    with target.frontends(handover) as frontends:
        found = _read(frontends, pods, list(asked))
        wanted = _canonical(asked, found)
        before = _values(found)
        missing = [k for k, value in wanted.items() if any(not _same(v.get(k), value) for v in before.values())]
        after = before
        if missing and call.check_mode:
            after = {pod: {**values, **{k: wanted[k] for k in missing}} for pod, values in before.items()}
        elif missing:
            _refuse_beside_a_run(call, target)
            leader = leader_session(frontends, pods)
            for key in missing:
                set_setting(leader, key, wanted[key])
            after = _values(_read(frontends, pods, list(wanted)))
            _check(after, wanted, missing)
    return {
        "changed": bool(missing),
        "before": before,
        "after": after,
        "diff": {"before": _lines(before), "after": _lines(after)},
        "rollout": {"type": "info", "lines": [f"{key} = {wanted[key]}" for key in missing]},
    }


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read(frontends: Frontends, pods: list[str], keys: list[str]) -> dict[str, dict[str, Setting]]:
    """What every alive FE has; an alive FE that cannot be read is an error, a dead one has nothing to read."""
    view = observe(frontends, pods, workers=False, tablets=False)
    alive = sorted(row.pod for row in view.frontends if row.alive)
    if not alive:
        raise Unreachable(view.blind.get("frontends", "no FE is alive"), remedy="check that the FEs run")

    def job(pod: str) -> dict[str, Setting]:
        return frontends.run(pod, lambda session: look_up(session, keys))

    found: dict[str, dict[str, Setting]] = {}
    for pod, result in in_parallel({pod: partial(job, pod) for pod in alive}).items():
        if isinstance(result, RolloutError):
            raise result
        found[pod] = result
    return found


def _canonical(asked: dict[str, str], found: dict[str, dict[str, Setting]]) -> dict[str, str]:
    """The values by canonical key; a key that an FE does not know or cannot change at run time is refused."""
    wanted: dict[str, str] = {}
    for key, value in asked.items():
        for pod, settings in found.items():
            setting = settings.get(key)
            if setting is None:
                raise NotFound(f"FE {pod} has no setting {key}", remedy="ADMIN SHOW FRONTEND CONFIG lists the names")
            if setting.mutable is False:
                raise Refused(f"settings.{key}", value, "cannot be changed at run time", remedy="set it in fe.conf")
            wanted[setting.key] = value
    return wanted


def _values(found: dict[str, dict[str, Setting]]) -> Values:
    return {pod: {s.key: s.value for s in settings.values()} for pod, settings in found.items()}


def _same(seen: str | None, wanted: str) -> bool:
    return seen is not None and seen.strip().lower() == wanted.strip().lower()


def _refuse_beside_a_run(call: Call, target: Target) -> None:
    """While a rollout holds the cluster's lease its settings are its own."""
    name = target_name(target.cluster)
    state = lease.read(target.client, target.namespace, name)
    if state is not None and state.remaining(call.clock.now()) > 0:
        raise LeaseHeld(
            f"a rollout works on {target.cluster}: {state.holder} since {state.acquired}",
            remedy="wait for its end; its journal would take the new value for a conflict",
        )


def _check(after: Values, wanted: dict[str, str], missing: list[str]) -> None:
    wrong = [
        f"{pod}: {key} = {values.get(key)}"
        for pod, values in after.items()
        for key in missing
        if not _same(values.get(key), wanted[key])
    ]
    if wrong:
        raise RolloutError(
            f"set, but read back differently: {', '.join(wrong)}", remedy="see who else sets it, then run again"
        )


def _lines(values: Values) -> str:
    return "".join(
        f"{pod} {key} = {value}\n" for pod, own in sorted(values.items()) for key, value in sorted(own.items())
    )


VERB = Verb(
    "starrocks_config",
    {**CONNECTION, **TARGET, **INSTALLATION, "settings": {"type": "dict", "required": True}},
    run,
)
