# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pass over one object: look, write that a run begins, run, write how it went, say when to look again."""

from __future__ import annotations

import functools
import json
import os
import shlex
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import NotFound
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from reactor import artifacts, cluster
from reactor.contract import conditions, lifecycle, variables
from reactor.contract.duration import short
from reactor.contract.schedule import Key, with_jitter
from reactor.contract.verdict import Hearing, Verdict
from reactor.contract.watches import Watch
from reactor.kubeconfig import Kubeconfigs
from reactor.runs import STOPPED, Ended, Runs

INVENTORY = "localhost ansible_connection=local ansible_python_interpreter={{ansible_playbook_python}}\n"

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a pass went. `word` and `why` are for the screen, `after` (seconds) is when to look again."""

    word: str
    why: str = ""
    failed: bool = False
    after: float | None = None
    ended: Ended | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What the command line decides for all watches; seconds."""

    period: float
    run_seconds: float
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass is about: the object as it was read, and what is to be done with it."""

    watch: Watch
    key: Key
    path: str
    found: Object
    decision: lifecycle.Decision
    unreadable: str
    """Why only its metadata could be read."""

    @property
    def refused(self) -> str:
        """Why nothing that its author wrote may be given to a run."""
        return self.unreadable or variables.refusal(self.found, self.watch)


class Reconciler:
    """Carries out passes; safe for several threads."""

    def __init__(
        self,
        client: KubeClient,
        runs: Runs,
        files: artifacts.Artifacts,
        kubeconfigs: Kubeconfigs,
        folder: Path,
        policy: Policy,
        share: Callable[[], float],
    ) -> None:
        """`folder` is the reactor's own; `share` gives numbers from 0 to 1, by which periods are spread."""
        self._client = client
        self._runs = runs
        self._files = files
        self._kubeconfigs = kubeconfigs
        self._policy = policy
        self._share = share
        self._inventory = folder / "hosts"
        self._inventory.write_text(INVENTORY, encoding="ascii")

    def reconcile(self, watch: Watch, resource: cluster.Resource, key: Key, *, resuming: bool) -> Outcome:
        """One pass. Raises RolloutError when the API server cannot be used, ZygoteGone when nothing can be run."""
        path = resource.path(key)
        found, unreadable = cluster.look(self._client, path)
        if found is None:
            return Outcome("gone")
        decision = lifecycle.decide(found, watch, self._policy.period)
        now = Pass(watch, key, path, found, decision, unreadable)
        if decision.error:
            self._write(now, functools.partial(conditions.broken, message=decision.error))
            return Outcome("failed", decision.error, failed=True)
        if not decision.run:
            return Outcome("skipped", "it is being deleted, without a finalizer of ours")
        rest = self._rest(now) if resuming else None
        if rest is not None:
            return Outcome("settled", "nothing has changed since it was looked at last", after=rest)
        return self._prepared(now)

    def _rest(self, now: Pass) -> float | None:
        """Seconds until the period of an object that is settled ends; None when it is to be run now."""
        if now.decision.finalizing or not now.decision.period:
            return None
        settled = conditions.settled_at(now.found.get("status") or {}, now.found["metadata"].get("generation"))
        if settled is None:
            return None
        rest = with_jitter(now.decision.period, self._share()) - (_now() - settled).total_seconds()
        return rest if rest > 0 else None

    def _prepared(self, now: Pass) -> Outcome:
        """Put finalizer and status on the object, and run."""
        if now.refused and not now.decision.finalizing:
            self._write(now, functools.partial(conditions.broken, message=now.refused))
            # Only its author can change that, and the change starts the next pass.
            return Outcome("refused", now.refused)
        if now.decision.add_finalizer:
            cluster.set_finalizer(self._client, now.path, now.found, now.decision.add_finalizer, present=True)
            now = self._again(now)
        if now.watch.manage_status:
            self._write(now, conditions.running)
            now = self._again(now)
        # What is refused must still be deletable: its finalizer runs, without a word of what its author wrote.
        return self._run(now, _bare(now.found) if now.refused else now.found)

    def _again(self, now: Pass) -> Pass:
        """The same pass over the object as it is by now; NotFound when it is gone."""
        found, unreadable = cluster.look(self._client, now.path)
        if found is None:
            raise NotFound(f"{now.key} is gone.")
        return replace(now, found=found, unreadable=unreadable)

    def _run(self, now: Pass, shown: Object) -> Outcome:
        """Run the playbook over the object, of which it is shown as much as is safe."""
        kind = now.watch.kind
        folder = self._files.begin(now.key, kind.group, kind.version, uuid.uuid4().hex)
        hearing = Hearing(now.watch.settings.judge)
        ended = self._runs.run(
            self._order(now, shown, folder), hearing.hear, now.watch.settings.run_seconds or self._policy.run_seconds
        )
        said = artifacts.tail(folder)
        self._files.finish(folder, now.decision.artifacts, ended.status)
        return self._close(now, hearing.verdict(), ended, said)

    def _order(self, now: Pass, shown: Object, folder: Path) -> dict[str, Any]:
        """What the process of the run is told."""
        kubeconfig = str(self._kubeconfigs.path(now.key.namespace))
        inventory = [] if os.environ.get("ANSIBLE_INVENTORY") else ["--inventory", str(self._inventory)]
        verbosity = [f"-{'v' * now.decision.verbosity}"] if now.decision.verbosity > 0 else []
        return {
            "folder": str(folder),
            "playbook": _playbook(now.watch, folder, finalizing=now.decision.finalizing),
            "arguments": [*inventory, *verbosity, *shlex.split(self._policy.arguments)],
            "environment": {"K8S_AUTH_KUBECONFIG": kubeconfig, "KUBECONFIG": kubeconfig},
            "variables": variables.extra_variables(shown, now.watch, finalizing=now.decision.finalizing),
        }

    def _close(self, now: Pass, verdict: Verdict, ended: Ended, said: str) -> Outcome:
        """Write how the run went, and say what follows."""
        if verdict.stats is None and ended.stopped == STOPPED:
            return Outcome("handed over", "stopped before its next step; whoever runs next goes on", ended=ended)
        found, unreadable = cluster.look(self._client, now.path)
        if found is None or found["metadata"]["uid"] != now.found["metadata"]["uid"]:
            return Outcome("gone", ended=ended)
        now = replace(now, found=found, unreadable=unreadable)
        broken = _broken(verdict, ended, said)
        if broken:
            self._write(now, functools.partial(conditions.broken, message=broken))
            return Outcome("failed", broken, failed=True, ended=ended)
        following = lifecycle.after_run(
            now.decision,
            now.watch,
            good=verdict.good,
            requeue=verdict.requeue,
            deleted_now=bool(found["metadata"].get("deletionTimestamp")),
        )
        return self._closed(now, verdict, following, ended)

    def _closed(self, now: Pass, verdict: Verdict, following: lifecycle.Next, ended: Ended) -> Outcome:
        """The end of a run that came to its end."""
        if verdict.good and verdict.requeue is not None:
            # As with ansible-operator the status stays at Running: the object is not where it is to be.
            return Outcome("waiting", verdict.last, after=following.after, ended=ended)
        if following.remove_finalizer and now.watch.finalizer:
            cluster.set_finalizer(self._client, now.path, now.found, now.watch.finalizer.name, present=False)
            return Outcome("released", verdict.last, ended=ended)
        if verdict.stats is not None:
            self._write(now, functools.partial(conditions.done, stats=verdict.stats, failures=verdict.failures))
        if verdict.failures:
            return Outcome("failed", verdict.failures[0], failed=True, ended=ended)
        after = following.after
        if after is not None and after == now.decision.period:
            after = with_jitter(after, self._share())
        return Outcome("done", verdict.last, after=after, ended=ended)

    def _write(self, now: Pass, status: Callable[..., dict[str, Any]]) -> None:
        """Write the status, where the watch lets us and the object can be read."""
        if now.watch.manage_status and not now.unreadable:
            moment = _now()
            cluster.write(self._client, now.path, now.found, lambda present: status(present, now=moment))


def _broken(verdict: Verdict, ended: Ended, said: str) -> str:
    """Why the run has no end that counts; nothing when it has."""
    if verdict.wrong_requeue:
        return f"requeue_after: {verdict.wrong_requeue}"
    if verdict.stats is not None:
        return ""
    if ended.stopped:
        return f"The run was stopped after {short(ended.seconds)}: {ended.stopped}"
    how = f"was killed by signal {-ended.status}" if ended.status < 0 else f"ended with status {ended.status}"
    return f"The run {how} before its end" + (f": {said[-500:]}" if said else "")


def _playbook(watch: Watch, folder: Path, *, finalizing: bool) -> str:
    """The path of the playbook to run; for a role one is made."""
    playbook, role = watch.playbook, watch.role
    if finalizing and watch.finalizer and (watch.finalizer.playbook or watch.finalizer.role):
        playbook, role = watch.finalizer.playbook, watch.finalizer.role
    if playbook:
        return playbook
    facts = os.environ.get("ANSIBLE_GATHERING") != "explicit"
    path = folder / "role.json"
    play = {"name": f"Role {Path(role).name}", "hosts": "localhost", "gather_facts": facts, "roles": [{"role": role}]}
    path.write_text(json.dumps([play]), encoding="utf-8")
    return str(path)


def _bare(found: Object) -> Object:
    """The object without what its author may write at will."""
    metadata = {name: value for name, value in found["metadata"].items() if name != "managedFields"}
    return {"apiVersion": found.get("apiVersion"), "kind": found.get("kind"), "metadata": metadata}


def _now() -> datetime:
    return datetime.now(UTC)
