# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Running a script hook: its Job is made once, found again by whoever continues, watched to its end, and read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain import redact
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import (
    Conflict,
    NotFound,
    Refused,
    RolloutError,
    Unreachable,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation.hooks import ScriptRules
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks import scripts
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.handover import Handover
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.resolve import PlannedHook
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.scripts import Script
from ansible_collections.steady.rollout.plugins.module_utils._engine.attempts import (
    Answer,
    Attempt,
    Held,
    HookFailed,
)
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Frontends
from ansible_collections.steady.rollout.plugins.module_utils._fe.options import FeOptions
from ansible_collections.steady.rollout.plugins.module_utils._kube.access import Need
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.paths import path_to
from ansible_collections.steady.rollout.plugins.module_utils._kube.read import root_credentials
from ansible_collections.steady.rollout.plugins.module_utils._kube.watch import Change, Feed

Object = dict[str, Any]

# What a run with script hooks does through the API server beyond other runs.
NEEDS: tuple[Need, ...] = (
    *(Need(verb, "batch", "jobs") for verb in ("get", "list", "watch", "create", "patch")),
    Need("get", "", "pods", "log"),
)
# After a Job was told to end: how long its controller may take, in seconds.
ENDING_SECONDS = 60.0
# How long one wait for a change lasts before the caller's own duties are looked after again, in seconds.
TURN_SECONDS = 1.0
# A kubelet reads so much of a log at most; the lines beyond `_LINES` are the older ones.
_LOG_BYTES = 1_048_576
_LINES = 500
_BATCH = "batch/v1"
# A later pass of a reconciler looks at the script's Job after so many seconds.
_AGAIN_SECONDS = 10.0


def check_password(fe: FeOptions, resource: Object) -> None:
    """Refuse a password that stands in an option or in the StarRocksCluster: it would have to stand in the Job too."""
    problem = "a script hook can take the password from a Secret alone"
    remedy = "name the Secret that holds it: fe_password_secret"
    if fe.password is not None:
        raise Refused("fe_password", None, problem, remedy=remedy)
    own = root_credentials(resource) if fe.user == "root" and not fe.secret else None
    if own is not None and own.literal:
        raise Refused("feEnvVars MYSQL_PWD of the StarRocksCluster", None, problem, remedy=f"{remedy}; or secretKeyRef")


def password_secret(fe: FeOptions, handover: Handover) -> tuple[str, str]:
    """The Secret and its key that hold the password of the FE's user, empty where there is none."""
    return (fe.secret, fe.secret_key) if fe.secret else (handover.password_secret, handover.password_key)


@dataclass(frozen=True, slots=True)
class ScriptOutcome:
    """How a script ended. `log` is its end without secrets; `exit_code` is None where its container never ran."""

    ok: bool
    job: str
    exit_code: int | None
    seconds: float
    log: str = ""
    reason: str = ""
    remedy: str = ""


@dataclass
class ScriptRun:
    """One script hook, run as a Job beside the cluster.

    `turn` is called at least once a second while the script runs, and may raise to give up waiting: the Job then goes
    on to its own end, and whoever continues the run finds it. `secrets` gives what may stand in no log; it is asked
    before the script and after it, because a password may be changed meanwhile.
    """

    client: KubeClient
    clock: Clock
    rules: ScriptRules
    secrets: Callable[[], Iterable[str]]
    turn: Callable[[], None]
    say: Callable[[str], None]

    def run(self, script: Script, *, first_started: float, seconds_left: float) -> ScriptOutcome:
        """Run the script, or find its Job, and wait for its end, `seconds_left` at most.

        `first_started` is when this execution was begun, in seconds since the epoch, also by a run that was killed.
        A script that fails is an outcome; raised is what keeps it from being run: Denied, Refused, Unreachable.
        """
        began, secrets = self.clock.ticks(), set(self.secrets())
        found = self._until_ended(script, self._taken_up(script, first_started), began + seconds_left)
        pods = self._pods(script)
        log = self._log(pods, secrets)
        if late := scripts.standing(found).state == "running":
            found = self._ended(script, found)
        stood = scripts.standing(found)
        code = scripts.exit_code(pods)
        seconds = round(self.clock.ticks() - began, 2)
        reason, remedy = ("", "") if stood.state == "succeeded" else self._failure(script, stood, code, pods, late)
        return ScriptOutcome(not reason, scripts.job_name(script), code, seconds, log, reason, remedy)

    def _taken_up(self, script: Script, first_started: float) -> Object:
        """The Job of this execution, made where there is none."""
        name = scripts.job_name(script)
        found = self._found(script)
        if found is None:
            self._check_not_gone(script, first_started)
            self.say(f"script {script.hook}: Job {name}")
            found = self._created(script)
        if not scripts.same_execution(found, script):
            problem = "a Job of this name exists that this hook did not make"
            raise Refused(f"hook {script.hook}", name, problem, remedy=f"look at it, and delete it: {name}")
        return found

    def _check_not_gone(self, script: Script, first_started: float) -> None:
        """Refuse to run a script anew that may have run: its Job would be gone by now."""
        if self.clock.epoch() - first_started > self.rules.keep_seconds:
            raise Refused(
                f"hook {script.hook}",
                scripts.job_name(script),
                "it was begun so long ago that its Job would be gone by now, so it may have run already",
                remedy="find out whether it did; then run the upgrade anew, with or without the hook",
            )

    def _found(self, script: Script) -> Object | None:
        try:
            return self.client.get(self._path(script))
        except NotFound:
            return None

    def _created(self, script: Script) -> Object:
        try:
            return self.client.create(path_to(_BATCH, "jobs", script.namespace), scripts.job(script, self.rules))
        except Conflict:
            # An answer that was lost, or another worker of this run.
            return self.client.get(self._path(script))

    def _until_ended(self, script: Script, found: Object, end: float) -> Object:
        """The Job, once it has ended or the time is over. While the API server is away its answer is waited for."""
        if scripts.standing(found).state != "running":
            return found
        path = path_to(_BATCH, "jobs", script.namespace)
        with Feed(self.client, path, field_selector=f"metadata.name={scripts.job_name(script)}") as feed:
            while (left := end - self.clock.ticks()) > 0:
                self.turn()
                change = feed.next(min(left, TURN_SECONDS))
                if change is None or isinstance(change.value, Unreachable):
                    continue
                found = _newest(change, script)
                if scripts.standing(found).state != "running":
                    return found
        return found

    def _ended(self, script: Script, found: Object) -> Object:
        """End a Job that had its time, and wait until it has ended; it stays, to be looked at."""
        self.client.merge_patch(self._path(script), {"spec": {"activeDeadlineSeconds": 1}})
        found = self._until_ended(script, found, self.clock.ticks() + ENDING_SECONDS)
        if scripts.standing(found).state == "running":
            raise Unreachable(
                f"Job {scripts.job_name(script)} was told to end and still runs after {ENDING_SECONDS:.0f} s.",
                remedy="Look at the Job controller and at the node of its pod.",
            )
        return found

    def _pods(self, script: Script) -> list[Object]:
        path = path_to("v1", "pods", script.namespace)
        return self.client.list_(path, label_selector=f"batch.kubernetes.io/job-name={scripts.job_name(script)}").items

    def _log(self, pods: list[Object], secrets: set[str]) -> str:
        """The end of the script's output, fit to be kept; why there is none where it, or a secret, cannot be read."""
        if not self.rules.log_bytes:
            return ""
        try:
            text = redact.redacted("".join(self._log_of(pod) for pod in pods), {*secrets, *self.secrets()})
        except RolloutError as error:
            text = f"(no log: {error.reason})"
        return redact.tail(redact.printable(text), self.rules.log_bytes)

    def _log_of(self, pod: Object) -> str:
        metadata = pod["metadata"]
        path = path_to("v1", "pods", metadata["namespace"], metadata["name"], "log")
        query: dict[str, str | int | bool | None] = {
            "container": scripts.CONTAINER,
            "tailLines": _LINES,
            "limitBytes": _LOG_BYTES,
        }
        return self.client.text(path, query=query)

    def _failure(
        self, script: Script, stood: scripts.Standing, code: int | None, pods: list[Object], late: bool
    ) -> tuple[str, str]:
        """Why the script did not do what it should, and what to do."""
        name = scripts.job_name(script)
        look = f"kubectl --namespace {script.namespace} describe job {name}"
        hindrance = scripts.hindrance(pods)
        if late or stood.reason == "DeadlineExceeded":
            why = f"; its container did not start: {hindrance}" if hindrance else ""
            reason = (
                f"script {script.key} of ConfigMap {script.config_map} did not end in {script.timeout_seconds} s{why}"
            )
            return reason, f"give it more time (timeoutSeconds), or mend it; {look}"
        if code is not None:
            reason = f"script {script.key} of ConfigMap {script.config_map} ended with exit code {code}"
            return reason, f"its last lines are in the report; {look}"
        detail = hindrance or stood.message or stood.reason
        return f"script {script.key} of ConfigMap {script.config_map} did not run: {detail}", look

    def _path(self, script: Script) -> str:
        return path_to(_BATCH, "jobs", script.namespace, scripts.job_name(script))


def _newest(change: Change, script: Script) -> Object:
    """The Job as a change of its watch shows it; a Job that somebody deleted will never end."""
    if change.kind == "ERROR":
        raise change.value
    objects = change.value if change.kind == "SYNC" else [change.value]
    if change.kind == "DELETED" or not objects:
        raise Refused(
            f"hook {script.hook}",
            scripts.job_name(script),
            "somebody deleted the Job of this script before it ended",
            remedy="find out how far it came; then run the upgrade anew, with or without the hook",
        )
    found: Object = objects[0]
    return found


@dataclass(frozen=True)
class ScriptRunner:
    """Runs the script hooks of one cluster, each in a thread of its hook."""

    client: KubeClient
    handover: Handover
    fe: FeOptions
    frontends: Frontends
    rules: ScriptRules
    pull_secrets: tuple[str, ...] = ()

    def __call__(self, hook: PlannedHook, attempt: Attempt) -> Answer:
        """Run the script to its end, or until a reconciler's pass is over."""
        script = self._script(hook, attempt)
        run = ScriptRun(
            self.client,
            attempt.clock,
            self.rules,
            secrets=lambda: [self.frontends.credentials().password],
            turn=lambda: _go_on(script, attempt),
            say=attempt.say,
        )
        outcome = run.run(script, first_started=attempt.first_started, seconds_left=attempt.seconds_left())
        if not outcome.ok:
            raise HookFailed(outcome.reason, remedy=outcome.remedy, log=outcome.log)
        return Answer(text=f"Job {outcome.job}, {outcome.seconds:.1f} s", log=outcome.log)

    def _script(self, hook: PlannedHook, attempt: Attempt) -> Script:
        source = hook.config_map
        if source is None:
            raise Refused(hook.place.source, None, "a script hook names no ConfigMap", remedy="plan the run anew")
        secret, key = password_secret(self.fe, self.handover)
        return Script(
            cluster=self.handover.cluster,
            namespace=self.handover.namespace,
            cluster_uid=self.handover.uid,
            stage=hook.stage,
            hook=hook.name,
            config_map=source.name,
            key=source.key,
            text=hook.script,
            identity=attempt.identity,
            timeout_seconds=math.ceil(hook.terms.timeout_seconds),
            fe_image=self.handover.workloads["fe"].image,
            user=self.fe.user,
            secret=secret,
            secret_key=key,
            query_port=self.fe.port,
            pull_secrets=self.pull_secrets,
        )


def _go_on(script: Script, attempt: Attempt) -> None:
    """Raise where nobody waits for the script any more; its Job goes on, and is found again."""
    if attempt.stop.is_set():
        raise HookFailed(f"given up while Job {scripts.job_name(script)} ran", remedy="run it again: it is found again")
    left = attempt.seconds_left()
    if attempt.pass_end is not None and attempt.clock.ticks() >= attempt.pass_end and left > 0:
        # Looked at before its time is over, so that it is not given up while it goes on; after it, a pass ends it.
        raise Held(f"Job {scripts.job_name(script)} runs", again_in=min(_AGAIN_SECONDS, 0.9 * left))
