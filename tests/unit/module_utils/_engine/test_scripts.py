# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a script hook against an API server that answers as a test tells it."""

from __future__ import annotations

import queue
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from unit.module_utils._engine.attempting import an_attempt
from unit.module_utils._kube.apiserver import END, Answer, ApiServer, Request, bookmark, event, status

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Denied, Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation.hooks import ScriptRules
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.handover import Handover
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.entries import ConfigMapKey, Place
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.resolve import PlannedHook
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.scripts import Script, job, job_name
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Workload
from ansible_collections.steady.rollout.plugins.module_utils._engine.attempts import Held, HookFailed
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._engine.scripts import (
    ScriptOutcome,
    ScriptRun,
    ScriptRunner,
    check_password,
    password_secret,
)
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Credentials, Frontends
from ansible_collections.steady.rollout.plugins.module_utils._fe.options import FeOptions
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient

SCRIPT = Script("prod", "starrocks", "uid-1", "pre", "drain", "hooks", "drain.sh", "true\n", "identity", 60, "fe:1")
PASSWORD = "canary-password"
JOBS = "/apis/batch/v1/namespaces/starrocks/jobs"
PODS = "/api/v1/namespaces/starrocks/pods"
COMPLETE = {"type": "Complete", "status": "True"}
FAILED = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "Job has failed"}
DEADLINE = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}


def standing(*conditions: dict[str, Any], script: Script = SCRIPT) -> dict[str, Any]:
    """The Job of the script with these conditions."""
    found = job(script, ScriptRules())
    return {**found, "metadata": {**found["metadata"], "resourceVersion": "7"}, "status": {"conditions": [*conditions]}}


@dataclass
class Cluster:
    """An API server with at most one Job; each turn of a script's life is put into the watch."""

    job: dict[str, Any] | None = None
    log: Answer = field(default_factory=lambda: Answer(body=b"done\n"))
    terminated: dict[str, Any] = field(default_factory=lambda: {"exitCode": 0})
    changes: queue.Queue[bytes] = field(default_factory=queue.Queue)
    on_create: Answer | None = None
    patched: list[Any] = field(default_factory=list)

    def becomes(self, kind: str, *conditions: dict[str, Any]) -> None:
        """The next thing that the watch tells."""
        self.changes.put(event(kind, standing(*conditions)))

    def handle(self, request: Request) -> Answer:
        """Answer one request."""
        if request.path.startswith(PODS):
            return self._pods(request)
        if request.path == JOBS and request.method == "GET":
            return self._watch()
        if request.method == "POST":
            if self.on_create is not None:
                return self.on_create
            self.job = standing()
            return Answer(201, self.job)
        if self.job is None:
            return status(404, "not found", details={"name": "x"})
        if request.method == "PATCH":
            self.patched.append(request.body)
            self.job = standing(DEADLINE)
        return Answer(body=self.job)

    def _watch(self) -> Answer:
        stream: queue.Queue[bytes] = queue.Queue()
        if self.job is not None:
            stream.put(event("ADDED", self.job))
        stream.put(bookmark("8", initial=True))
        while not self.changes.empty():
            stream.put(self.changes.get())
        stream.put(END)
        return Answer(stream=stream)

    def _pods(self, request: Request) -> Answer:
        if request.path.endswith("/log"):
            return self.log
        state = {"name": "script", "state": {"terminated": self.terminated}}
        metadata = {"name": "p", "namespace": "starrocks"}
        return Answer(
            body={"items": [{"metadata": metadata, "status": {"containerStatuses": [state]}}], "metadata": {}}
        )


def run(cluster: Cluster, *, seconds: float = 20.0, first_started: float | None = None, **rules: Any) -> ScriptOutcome:
    """Run the script on that cluster."""
    with ApiServer(cluster.handle) as server:
        return run_with(server.client(), seconds, first_started, **rules)


def run_with(client: KubeClient, seconds: float, first_started: float | None, **rules: Any) -> ScriptOutcome:
    """Run the script with that client."""
    clock = Clock()
    scripted = ScriptRun(client, clock, ScriptRules(**rules), lambda: [PASSWORD], lambda: None, lambda _line: None)
    return scripted.run(SCRIPT, first_started=first_started or clock.epoch(), seconds_left=seconds)


def test_a_script_runs_to_its_end() -> None:
    cluster = Cluster()
    cluster.becomes("MODIFIED")
    cluster.becomes("MODIFIED", COMPLETE)
    outcome = run(cluster)
    assert (outcome.ok, outcome.exit_code, outcome.log, outcome.job) == (True, 0, "done\n", job_name(SCRIPT))


def test_a_job_that_has_ended_meanwhile_is_only_read() -> None:
    cluster = Cluster(job=standing(COMPLETE))
    with ApiServer(cluster.handle) as server:
        assert run_with(server.client(), 20.0, None).ok
        assert server.asked("POST") == []


def test_a_job_whose_creation_was_not_answered_is_taken_up() -> None:
    cluster = Cluster(on_create=status(409, "already exists"))

    def handle(request: Request) -> Answer:
        answer = cluster.handle(request)
        if request.method == "POST":
            cluster.job = standing(COMPLETE)
        return answer

    with ApiServer(handle) as server:
        assert run_with(server.client(), 20.0, None).ok


def test_a_failed_script_tells_its_exit_code_and_keeps_its_log() -> None:
    cluster = Cluster(job=standing(FAILED), terminated={"exitCode": 7}, log=Answer(body=b"no way\n"))
    outcome = run(cluster)
    assert (outcome.ok, outcome.exit_code, outcome.log) == (False, 7, "no way\n")
    assert outcome.reason == "script drain.sh of ConfigMap hooks ended with exit code 7"
    assert f"kubectl --namespace starrocks describe job {job_name(SCRIPT)}" in outcome.remedy


def test_secrets_and_escape_sequences_are_taken_out_of_the_log_and_its_end_kept() -> None:
    text = b"x" * 100 + f"\n\x1b[31mpassword {PASSWORD}\x1b[0m\n".encode()
    outcome = run(Cluster(job=standing(COMPLETE), log=Answer(body=text)), log_bytes=40)
    assert outcome.log == "password ********\n"


def test_a_log_that_cannot_be_read_does_not_fail_the_script() -> None:
    outcome = run(Cluster(job=standing(COMPLETE), log=status(403, "pods is forbidden: cannot get resource")))
    assert outcome.ok
    assert outcome.log.startswith("(no log: ")
    assert run(Cluster(job=standing(COMPLETE)), log_bytes=0).log == ""


def test_a_script_beyond_its_time_is_ended_after_its_log_was_read() -> None:
    cluster = Cluster(job=standing(), terminated={})
    outcome = run(cluster, seconds=0.0)
    assert cluster.patched == [{"spec": {"activeDeadlineSeconds": 1}}]
    assert not outcome.ok
    assert outcome.reason.startswith("script drain.sh of ConfigMap hooks did not end in 60 s")
    assert outcome.log == "done\n"


def test_a_job_of_that_name_that_is_another_one_is_refused() -> None:
    other = standing(COMPLETE, script=replace(SCRIPT, identity="another"))
    with pytest.raises(Refused, match="a Job of this name exists that this hook did not make"):
        run(Cluster(job=other))


def test_a_job_that_somebody_deletes_ends_the_hook() -> None:
    cluster = Cluster(job=standing())
    cluster.becomes("DELETED")
    with pytest.raises(Refused, match="somebody deleted the Job"):
        run(cluster)


def test_a_script_that_may_have_run_long_ago_is_not_run_again() -> None:
    with pytest.raises(Refused, match="it may have run already"):
        run(Cluster(), first_started=Clock().epoch() - 7200, keep_seconds=3600)


def test_without_the_right_to_make_jobs_nothing_runs() -> None:
    cluster = Cluster(on_create=status(403, 'jobs.batch is forbidden: User "x" cannot create resource "jobs"'))
    with pytest.raises(Denied):
        run(cluster)


HANDOVER = Handover("prod", "starrocks", "uid-1", {}, password_secret="prod-root", password_key="password")
LITERAL = {"spec": {"starRocksFeSpec": {"feEnvVars": [{"name": "MYSQL_PWD", "value": "in-the-open"}]}}}


def test_the_password_comes_from_a_secret() -> None:
    assert password_secret(FeOptions(), HANDOVER) == ("prod-root", "password")
    assert password_secret(FeOptions(user="ops", secret="ops", secret_key="pw"), HANDOVER) == ("ops", "pw")
    check_password(FeOptions(), {})
    check_password(FeOptions(secret="root"), LITERAL)


@pytest.mark.parametrize(("options", "resource"), [(FeOptions(password="x"), {}), (FeOptions(), LITERAL)])
def test_a_password_that_stands_elsewhere_is_refused(options: FeOptions, resource: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="from a Secret alone") as caught:
        check_password(options, resource)
    assert "fe_password_secret" in caught.value.remedy
    assert "in-the-open" not in str(caught.value.as_result())


# The script as the engine of hooks calls it.


def runner(server: ApiServer) -> ScriptRunner:
    """The runner for a cluster behind that API server."""
    client, fronts = server.client(), Workload("fe", "fe:1", 3)
    frontends = Frontends(client, "prod", "starrocks", lambda: Credentials("root", PASSWORD), FeOptions())
    return ScriptRunner(client, replace(HANDOVER, workloads={"fe": fronts}), FeOptions(), frontends, ScriptRules())


HOOK = PlannedHook(
    "drain",
    "pre",
    0,
    Place("spec.stages.pre[0]"),
    "script",
    "script hooks/drain.sh",
    config_map=ConfigMapKey("hooks", "drain.sh"),
    script="true\n",
)


def test_a_hook_that_worked_answers_with_its_log() -> None:
    cluster = Cluster(job=standing(COMPLETE), log=Answer(body=f"password {PASSWORD}\n".encode()))
    with ApiServer(cluster.handle) as server:
        answer = runner(server)(HOOK, an_attempt("drain"))
    assert answer.log == "password ********\n"
    assert job_name(SCRIPT) in answer.text


def test_a_password_that_is_changed_meanwhile_is_hidden_as_it_was_and_as_it_is() -> None:
    cluster = Cluster(job=standing(COMPLETE), log=Answer(body=f"old {PASSWORD} new canary-2\n".encode()))
    given = iter([PASSWORD, "canary-2"])
    with ApiServer(cluster.handle) as server:
        frontends = Frontends(None, "prod", "starrocks", lambda: Credentials("root", next(given)), FeOptions())
        assert (
            replace(runner(server), frontends=frontends)(HOOK, an_attempt("drain")).log == "old ******** new ********\n"
        )


def test_nothing_runs_while_the_secret_cannot_be_read() -> None:
    def away() -> Credentials:
        raise Denied("secrets is forbidden")

    cluster = Cluster()
    with ApiServer(cluster.handle) as server:
        frontends = Frontends(None, "prod", "starrocks", away, FeOptions())
        with pytest.raises(Denied, match="secrets is forbidden"):
            replace(runner(server), frontends=frontends)(HOOK, an_attempt("drain"))
        assert server.requests == []


def test_a_hook_that_failed_keeps_its_log() -> None:
    cluster = Cluster(job=standing(FAILED), terminated={"exitCode": 7})
    with ApiServer(cluster.handle) as server, pytest.raises(HookFailed, match="exit code 7") as caught:
        runner(server)(HOOK, an_attempt("drain"))
    assert caught.value.log == "done\n"
    assert not caught.value.transient


def test_a_pass_that_is_over_leaves_the_job_to_the_next_one() -> None:
    cluster = Cluster()
    with ApiServer(cluster.handle) as server:
        with pytest.raises(Held, match=f"Job {job_name(SCRIPT)} runs"):
            runner(server)(HOOK, an_attempt("drain", pass_seconds=0.0))
        cluster.job = standing(COMPLETE)
        assert runner(server)(HOOK, an_attempt("drain")).changed
        assert len(server.asked("POST")) == 1


def test_a_script_that_takes_too_long_is_ended_by_the_pass_after_its_time() -> None:
    """Its next look comes before its time is over, so that the hook is not given up while its Job goes on."""
    cluster, clock = Cluster(), Clock()
    with ApiServer(cluster.handle) as server:
        with pytest.raises(Held) as held:
            runner(server)(HOOK, replace(an_attempt("drain", pass_seconds=0.0), end=clock.ticks() + 3))
        assert 0 < held.value.again_in < 3
        with pytest.raises(HookFailed, match="did not end in"):
            runner(server)(HOOK, replace(an_attempt("drain", pass_seconds=0.0), end=clock.ticks()))
    assert cluster.patched == [{"spec": {"activeDeadlineSeconds": 1}}]


def test_a_hook_that_is_given_up_leaves_its_job() -> None:
    cluster = Cluster()
    with ApiServer(cluster.handle) as server, pytest.raises(HookFailed, match="given up while Job"):
        runner(server)(HOOK, an_attempt("drain", stopped=True))
    assert cluster.patched == []
