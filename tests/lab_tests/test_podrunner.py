# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers of Jobs as processes: their order, their surroundings, their end, and what the API server hears of it."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from steadylab import Lab, podrunner, processes, sandbox
from steadylab.kube import Object
from steadylab.lab import LabError
from steadylab.podrunner import images

SECONDS = 60.0
SCRIPT = "lab.test/script"
BARE = "lab.test/bare"
_COUNTER = itertools.count(1)


@pytest.fixture(scope="module")
def lab(lab_home: Path) -> Iterator[Lab]:
    """A plane with a pod runner that knows an image with a shell and one without."""
    with Lab.up("processes", None, processes=True, ready_seconds=0.2) as lab:
        lab.set_image(SCRIPT, images.host())
        record = lab.record()
        assert record is not None
        program = Path(record["binaries"]) / "kubectl"
        lab.set_image(BARE, images.program({"/bin/only": program}, ["/bin/only"], user=65532))
        yield lab


@pytest.fixture
def namespace(lab: Lab) -> Iterator[str]:
    name = f"run-{next(_COUNTER)}"
    lab.process_namespace(name)
    yield name
    lab.remove_namespace(name, wait=False)


def shell(name: str, script: str, **more: Any) -> Object:
    """A container that runs a shell script."""
    return {"name": name, "image": SCRIPT, "command": ["/bin/sh", "-c", script], **more}


def job(namespace: str, *containers: Object, inits: tuple[Object, ...] = (), **more: Any) -> Object:
    """A Job that is tried once."""
    spec = {"restartPolicy": "Never", "initContainers": list(inits), "containers": list(containers), **more}
    body = {"backoffLimit": 0, "template": {"spec": spec}}
    metadata = {"name": "work", "namespace": namespace}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": body}


def pod_of(lab: Lab, namespace: str) -> Object:
    """The pod of the Job."""
    found: Object = lab.setup_api.list("Pod", namespace, "batch.kubernetes.io/job-name=work")["items"][0]
    return found


def states_of(pod: Object | None) -> dict[str, Object]:
    """The states of a pod's containers by name."""
    status = (pod or {}).get("status", {})
    entries = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return {entry["name"]: entry["state"] for entry in entries}


def reason(pod: Object | None, container: str = "main") -> str | None:
    """Why a container waits."""
    why: str | None = states_of(pod).get(container, {}).get("waiting", {}).get("reason")
    return why


def ended(found: Object | None) -> bool:
    conditions = (found or {}).get("status", {}).get("conditions", ())
    return any(entry["type"] in ("Complete", "Failed") and entry["status"] == "True" for entry in conditions)


def is_active(found: Object | None) -> bool:
    return bool((found or {}).get("status", {}).get("active"))


def is_running(found: Object | None) -> bool:
    return "running" in states_of(found).get("main", {})


def is_gone(found: Object | None) -> bool:
    return found is None


def run(lab: Lab, manifest: Object) -> tuple[Object, Object]:
    """Make a Job and wait for its end; the Job and its pod."""
    namespace = manifest["metadata"]["namespace"]
    lab.setup_api.apply(manifest)
    lab.setup_api.wait_for("Job", "work", namespace, ended, SECONDS)
    return lab.setup_api.get("Job", "work", namespace), pod_of(lab, namespace)


def wait_pod(lab: Lab, namespace: str, wanted: Callable[[Object | None], bool]) -> Object:
    """Wait until the Job has a pod that is as wanted."""
    lab.setup_api.wait_for("Job", "work", namespace, is_active, SECONDS)
    name = pod_of(lab, namespace)["metadata"]["name"]
    lab.setup_api.wait_for("Pod", name, namespace, wanted, SECONDS)
    return lab.setup_api.get("Pod", name, namespace)


def log(lab: Lab, pod: Object, container: str = "main", *options: str) -> str:
    metadata = pod["metadata"]
    where = (f"--namespace={metadata['namespace']}", f"--container={container}")
    return lab.kubectl("logs", metadata["name"], *where, *options)


def log_file(lab: Lab, pod: Object, container: str = "main") -> str:
    """The log of a pod that may be gone."""
    pattern = f"podrunner/logs/*_{pod['metadata']['uid']}/{container}/0.log"
    return next(lab.directory.glob(pattern)).read_text()


def wait_up(lab: Lab, namespace: str) -> Object:
    """Wait until the Job's container has said `up`; its pod. One that runs may not have come to its first command."""
    pod = wait_pod(lab, namespace, is_running)
    until(lambda: log_file(lab, pod).endswith(" F up\n"), "the container is up", SECONDS)
    return pod


WORK = {"name": "work", "emptyDir": {}}
AT_WORK = {"volumeMounts": [{"name": "work", "mountPath": "/shared"}]}


def test_init_containers_run_in_order_and_share_a_volume_with_the_main_one(lab: Lab, namespace: str) -> None:
    inits = (
        shell("first", "echo one > /shared/order", **AT_WORK),
        shell("second", "echo two >> /shared/order", **AT_WORK),
    )
    main = shell("main", "cat /shared/order; echo to-stderr >&2", **AT_WORK)
    finished, pod = run(lab, job(namespace, main, inits=inits, volumes=[WORK]))
    assert finished["status"]["succeeded"] == 1
    assert pod["status"]["phase"] == "Succeeded"
    assert sorted(log(lab, pod).split()) == ["one", "to-stderr", "two"]
    starts = [states_of(pod)[name]["terminated"]["startedAt"] for name in ("first", "second", "main")]
    assert starts == sorted(starts)


def test_status_is_told_as_a_kubelet_tells_it(lab: Lab, namespace: str) -> None:
    made = lab.setup_api.apply(job(namespace, shell("main", "exit 0"), inits=(shell("init", "exit 0"),)))
    states: list[Object] = []
    # From the Job's making on, so that no state of its pod is missed.
    for event, pod in lab.setup_api.watch("Pod", made["metadata"]["resourceVersion"], namespace, seconds=int(SECONDS)):
        if event in ("ADDED", "MODIFIED"):
            states.append(pod)
        if pod.get("status", {}).get("phase") == "Succeeded":
            break
    phases = [phase for phase, _ in itertools.groupby(state["status"]["phase"] for state in states)]
    assert phases == ["Pending", "Running", "Succeeded"]
    running = next(state for state in states if state["status"]["phase"] == "Running")
    conditions = {entry["type"]: entry["status"] for entry in running["status"]["conditions"]}
    wanted = {"Initialized", "Ready", "ContainersReady", "PodReadyToStartContainers", "PodScheduled"}
    assert {kind for kind, status in conditions.items() if status == "True"} == wanted
    last = {entry["type"]: entry for entry in states[-1]["status"]["conditions"]}
    assert (last["Ready"]["status"], last["Ready"]["reason"]) == ("False", "PodCompleted")
    assert (last["Initialized"]["status"], last["Initialized"].get("reason")) == ("True", None)


def test_failed_init_container_ends_the_pod_before_the_main_one(lab: Lab, namespace: str) -> None:
    inits = (shell("good", "exit 0"), shell("bad", "exit 5"), shell("never", "exit 0"))
    finished, pod = run(lab, job(namespace, shell("main", "exit 0"), inits=inits))
    assert finished["status"]["conditions"][-1]["reason"] == "BackoffLimitExceeded"
    assert pod["status"]["phase"] == "Failed"
    states = states_of(pod)
    assert states["bad"]["terminated"]["exitCode"] == 5
    assert "waiting" in states["never"]
    assert "waiting" in states["main"]


def test_containers_of_a_pod_run_at_once_and_one_failure_counts(lab: Lab, namespace: str) -> None:
    meet = "touch /shared/{0}; while ! test -e /shared/{1}; do sleep 0.05; done; exit {2}"
    one = shell("one", meet.format("one", "two", 0), **AT_WORK)
    two = shell("two", meet.format("two", "one", 4), **AT_WORK)
    _, pod = run(lab, job(namespace, one, two, volumes=[WORK]))
    assert pod["status"]["phase"] == "Failed"
    assert {name: state["terminated"]["exitCode"] for name, state in states_of(pod).items()} == {"one": 0, "two": 4}


def test_environment_is_resolved_from_everywhere(lab: Lab, namespace: str) -> None:
    secret = {"kind": "Secret", "stringData": {"url": "postgres://u:p@h/d"}}
    settings = {"kind": "ConfigMap", "data": {"MODE": "fast"}}
    for name, body in (("source", secret), ("settings", settings)):
        lab.setup_api.apply({"apiVersion": "v1", "metadata": {"name": name, "namespace": namespace}, **body})
    env = [
        {"name": "URL", "valueFrom": {"secretKeyRef": {"name": "source", "key": "url"}}},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "BOTH", "value": "$(URL) $(MODE) $(UNKNOWN) $$(URL)"},
        {"name": "GONE", "valueFrom": {"secretKeyRef": {"name": "none", "key": "x", "optional": True}}},
    ]
    sources = [{"configMapRef": {"name": "settings"}}]
    main = shell("main", 'echo "$BOTH|$POD|${GONE-unset}|$0"', env=env, envFrom=sources)
    main["command"].append("$(MODE)")
    _, pod = run(lab, job(namespace, main))
    name = pod["metadata"]["name"]
    assert log(lab, pod) == f"postgres://u:p@h/d fast $(UNKNOWN) $(URL)|{name}|unset|fast\n"


def test_volumes_hold_what_they_are_made_of(lab: Lab, namespace: str) -> None:
    secret = {"kind": "Secret", "stringData": {"config": "{}", "other": "x"}}
    settings = {"kind": "ConfigMap", "data": {"a.txt": "A"}}
    for name, body in (("source", secret), ("settings", settings)):
        lab.setup_api.apply({"apiVersion": "v1", "metadata": {"name": name, "namespace": namespace}, **body})
    items = [{"key": "config", "path": "d/config.json"}]
    volumes = [
        {"name": "s", "secret": {"secretName": "source", "items": items, "defaultMode": 0o400}},
        {"name": "c", "configMap": {"name": "settings"}},
        {"name": "l", "downwardAPI": {"items": [{"path": "ns", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
        WORK,
    ]
    paths_of = {"s": "/s", "c": "/c", "l": "/l", "work": "/deep/shared"}
    mounts = [{"name": name, "mountPath": path} for name, path in paths_of.items()]
    script = (
        "cat /s/d/config.json /c/a.txt /l/ns; ls -A /s /s/d; touch /c/x 2>/dev/null || echo fixed;"
        " stat -c %a /s/d/config.json"
    )
    security = {"runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532}
    main = shell("main", script, volumeMounts=mounts, workingDir="/deep/shared")
    _, pod = run(lab, job(namespace, main, volumes=volumes, securityContext=security))
    shown = log(lab, pod)
    assert shown.startswith("{}A" + namespace)
    assert "other" not in shown
    assert "fixed" in shown
    assert shown.splitlines()[-1] == "440"


def test_service_account_token_is_a_real_one(lab: Lab, namespace: str) -> None:
    lab.set_image("lab.test/python", images.python())
    program = (
        "import os, ssl, urllib.request as r; d = '/var/run/secrets/kubernetes.io/serviceaccount/'\n"
        "u = 'https://%s:%s/apis/authentication.k8s.io/v1/selfsubjectreviews' % tuple("
        "os.environ['KUBERNETES_SERVICE_' + n] for n in ('HOST', 'PORT'))\n"
        "h = {'Authorization': 'Bearer ' + open(d + 'token').read(), 'Content-Type': 'application/json'}\n"
        'b = b\'{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}\'\n'
        "print(r.urlopen(r.Request(u, b, h), context=ssl.create_default_context(cafile=d + 'ca.crt')).read().decode())"
    )
    main = {"name": "main", "image": "lab.test/python:3.13", "command": ["python3", "-I", "-c", program]}
    _, pod = run(lab, job(namespace, main))
    user = json.loads(log(lab, pod))["status"]["userInfo"]["username"]
    assert user == f"system:serviceaccount:{namespace}:default"


def test_unknown_image_is_not_pulled_until_there_is_one(lab: Lab, namespace: str) -> None:
    image = f"lab.test/{namespace}:v1"
    lab.setup_api.apply(job(namespace, {**shell("main", "exit 0"), "image": image}))
    pod = wait_pod(lab, namespace, lambda found: reason(found) == "ImagePullBackOff")
    assert image in states_of(pod)["main"]["waiting"]["message"]
    lab.set_image(f"lab.test/{namespace}", images.host())
    lab.setup_api.wait_for("Job", "work", namespace, ended, SECONDS)


@pytest.mark.parametrize("use", ["variable", "volume"])
def test_missing_secret_is_waited_for(lab: Lab, namespace: str, use: str) -> None:
    env = [{"name": "URL", "valueFrom": {"secretKeyRef": {"name": "late", "key": "url"}}}]
    mounts = [{"name": "late", "mountPath": "/late"}]
    volumes = [{"name": "late", "secret": {"secretName": "late"}}]
    parts: dict[str, tuple[Object, Object]] = {
        "variable": ({"env": env}, {}),
        "volume": ({"volumeMounts": mounts}, {"volumes": volumes}),
    }
    of_container, of_pod = parts[use]
    why = {"variable": "CreateContainerConfigError", "volume": "ContainerCreating"}[use]
    lab.setup_api.apply(job(namespace, shell("main", "exit 0", **of_container), **of_pod))
    wait_pod(lab, namespace, lambda found: reason(found) == why)
    metadata = {"name": "late", "namespace": namespace}
    lab.setup_api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"url": "x"}})
    lab.setup_api.wait_for("Job", "work", namespace, ended, SECONDS)
    assert pod_of(lab, namespace)["status"]["phase"] == "Succeeded"


def test_command_that_is_not_in_the_image_fails_to_start(lab: Lab, namespace: str) -> None:
    main = {"name": "main", "image": f"{BARE}@sha256:{'0' * 64}", "command": ["/bin/sh", "-c", "true"]}
    _, pod = run(lab, job(namespace, main))
    state = states_of(pod)["main"]["terminated"]
    assert (state["exitCode"], state["reason"]) == (128, "StartError")
    assert 'exec: "/bin/sh": No such file or directory' in state["message"]


def test_image_brings_its_own_program(lab: Lab, namespace: str) -> None:
    finished, _ = run(lab, job(namespace, {"name": "main", "image": BARE, "args": ["version", "--client"]}))
    assert finished["status"]["succeeded"] == 1


def test_root_is_refused_where_it_must_not_be(lab: Lab, namespace: str) -> None:
    lab.setup_api.apply(job(namespace, shell("main", "exit 0"), securityContext={"runAsNonRoot": True}))
    pod = wait_pod(lab, namespace, lambda found: reason(found) == "CreateContainerConfigError")
    assert "runAsNonRoot" in states_of(pod)["main"]["waiting"]["message"]


@pytest.mark.parametrize(
    ("script", "policy", "message"),
    [
        ("echo short > /dev/termination-log; exit 1", "File", "short\n"),
        ("echo seen; exit 1", "File", None),
        ("echo seen; exit 1", "FallbackToLogsOnError", "seen\n"),
        ("echo seen; exit 0", "FallbackToLogsOnError", None),
    ],
)
def test_message_of_an_ended_container(lab: Lab, namespace: str, script: str, policy: str, message: str | None) -> None:
    _, pod = run(lab, job(namespace, shell("main", script, terminationMessagePolicy=policy)))
    assert states_of(pod)["main"]["terminated"].get("message") == message


def test_log_keeps_long_lines_whole_and_can_be_limited(lab: Lab, namespace: str) -> None:
    script = "head -c 40000 /dev/zero | tr '\\0' x; echo; echo last; printf 'no end'"
    _, pod = run(lab, job(namespace, shell("main", script)))
    assert log(lab, pod) == "x" * 40000 + "\nlast\nno end\n"
    assert log(lab, pod, "main", "--tail=1") == "no end\n"
    assert log(lab, pod, "main", "--limit-bytes=10") == "x" * 10


def test_deadline_of_the_job_ends_its_processes(lab: Lab, namespace: str) -> None:
    main = shell("main", "trap 'echo asked; exit 9' TERM; echo up; while :; do sleep 0.05; done")
    lab.setup_api.apply(job(namespace, main, terminationGracePeriodSeconds=20))
    pod = wait_up(lab, namespace)
    lab.setup_api.patch("Job", "work", {"spec": {"activeDeadlineSeconds": 1}}, namespace)
    lab.setup_api.wait_for("Job", "work", namespace, ended, SECONDS)
    finished = lab.setup_api.get("Job", "work", namespace)
    assert finished["status"]["conditions"][-1]["reason"] == "DeadlineExceeded"
    assert log_file(lab, pod).endswith(" F asked\n")


def test_deadline_of_the_pod(lab: Lab, namespace: str) -> None:
    manifest = job(namespace, shell("main", "sleep 1000"), terminationGracePeriodSeconds=1)
    manifest["spec"]["template"]["spec"]["activeDeadlineSeconds"] = 1
    _, pod = run(lab, manifest)
    assert (pod["status"]["phase"], pod["status"]["reason"]) == ("Failed", "DeadlineExceeded")


@pytest.mark.parametrize("obeys", [True, False])
def test_deleted_pod_goes_when_its_processes_have_ended(lab: Lab, namespace: str, obeys: bool) -> None:
    trap = "trap 'echo asked; exit 0' TERM" if obeys else "trap '' TERM"
    main = shell("main", f"{trap}; echo up; while :; do sleep 0.05; done")
    grace = 120 if obeys else 1
    lab.setup_api.apply(job(namespace, main, terminationGracePeriodSeconds=grace))
    pod = wait_up(lab, namespace)
    lab.setup_api.delete("Job", "work", namespace)
    lab.setup_api.delete("Pod", pod["metadata"]["name"], namespace)
    lab.setup_api.wait_for("Pod", pod["metadata"]["name"], namespace, is_gone, SECONDS)
    assert ("asked" in log_file(lab, pod)) is obeys


def test_volume_over_its_limit_evicts_the_pod(lab: Lab, namespace: str) -> None:
    volumes = [{"name": "work", "emptyDir": {"sizeLimit": "1Mi"}}]
    main = shell("main", "head -c 3000000 /dev/zero > /shared/big; sleep 1000", **AT_WORK)
    _, pod = run(lab, job(namespace, main, volumes=volumes))
    assert (pod["status"]["phase"], pod["status"]["reason"]) == ("Failed", "Evicted")
    assert 'EmptyDir volume "work" exceeds the limit "1Mi"' in pod["status"]["message"]


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"restartPolicy": "OnFailure"}, "restartPolicy OnFailure"),
        ({"inits": (shell("side", "exit 0", restartPolicy="Always"),)}, "sidecars"),
    ],
)
def test_what_it_cannot_do_is_said(lab: Lab, namespace: str, more: dict[str, Any], what: str) -> None:
    _, pod = run(lab, job(namespace, shell("main", "exit 0"), **more))
    assert pod["status"]["reason"] == "UnsupportedByLab"
    assert what in pod["status"]["message"]


def test_other_pods_stay_simulated(lab: Lab, namespace: str) -> None:
    metadata = {"name": "plain", "namespace": namespace}
    spec = {"containers": [{"name": "main", "image": "no/such:v1"}]}
    lab.setup_api.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    lab.setup_api.wait_for("Pod", "plain", namespace, is_running, 30)
    assert podrunner.LABEL not in lab.setup_api.get("Pod", "plain", namespace)["metadata"].get("labels", {})
    other = f"{namespace}-simulated"
    lab.setup_api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}})
    finished, _ = run(lab, job(other, {"name": "main", "image": "no/such:v1"}))
    assert finished["status"]["succeeded"] == 1
    lab.remove_namespace(other, wait=False)


def run_alone(lab: Lab, name: str) -> Object:
    """Run a pod without a Job to its end, with the exit code 3, and delete it: how its container ended.

    The pod runner sees pods by one watch: it has seen by then what became of any pod before.
    """
    metadata = {"name": name, "namespace": "default", "labels": {podrunner.LABEL: "true"}}
    spec = {"restartPolicy": "Never", "containers": [shell("main", "exit 3")]}
    lab.setup_api.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    lab.setup_api.wait_for("Pod", name, "default", lambda found: "terminated" in str(states_of(found)), SECONDS)
    state = states_of(lab.setup_api.get("Pod", name, "default"))["main"]
    lab.setup_api.delete("Pod", name, "default")
    lab.setup_api.wait_for("Pod", name, "default", is_gone, SECONDS)
    return state


def test_pod_with_the_label_needs_no_job(lab: Lab, namespace: str) -> None:
    assert run_alone(lab, "alone")["terminated"]["exitCode"] == 3


def test_lost_node_is_silent_until_it_comes_back(lab: Lab, namespace: str) -> None:
    main = shell("main", "while ! test -e /shared/go; do sleep 0.05; done", **AT_WORK)
    lab.setup_api.apply(job(namespace, main, volumes=[WORK]))
    pod = wait_pod(lab, namespace, is_running)
    node = pod["spec"]["nodeName"]
    lab.lose_node(node)
    run_alone(lab, "witness")
    (lab.directory / "podrunner" / "pods" / pod["metadata"]["uid"] / "volumes" / "work" / "go").touch()
    with pytest.raises(TimeoutError):
        lab.setup_api.wait_for("Job", "work", namespace, ended, 2)
    lab.restore_node(node)
    lab.setup_api.wait_for("Job", "work", namespace, ended, SECONDS)
    assert pod_of(lab, namespace)["status"]["phase"] == "Succeeded"


def _is_somewhere(words: str) -> bool:
    """Whether a process with these words on its command line runs on this machine."""
    shown = subprocess.run(["ps", "-ewwo", "args"], capture_output=True, text=True, check=True).stdout
    return any(line.startswith(words) for line in shown.splitlines())


def test_pods_of_a_runner_that_died_fail_and_their_processes_end(lab: Lab, namespace: str) -> None:
    sleep = f"sleep 98765.{namespace.rpartition('-')[2]}"
    lab.setup_api.apply(job(namespace, shell("main", f"exec {sleep}")))
    wait_pod(lab, namespace, is_running)
    entry = next(entry for entry in (lab.record() or {})["processes"] if entry["name"] == "podrunner")
    log_path = lab.directory / "logs" / "podrunner.log"
    until(lambda: _is_somewhere(sleep), "the container's own program runs", SECONDS)
    processes.end(processes.Component("podrunner", entry["pid"], entry["start_ticks"], log_path), lab.directory)
    again = lab.restart_podrunner()
    lab.setup_api.wait_for("Job", "work", namespace, ended, SECONDS)
    assert pod_of(lab, namespace)["status"]["reason"] == "PodRunnerRestarted"
    assert not _is_somewhere(sleep)
    assert again.alive()


def test_refused_where_processes_cannot_be_isolated(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "why_not", lambda directory: "a new user namespace: not permitted")
    with pytest.raises(LabError, match="cannot be run as processes here: a new user namespace: not permitted"):
        Lab.up("refused", None, processes=True)
    Lab("refused").down()


def test_namespace_for_processes_needs_the_runner(shared_lab: Lab) -> None:
    with pytest.raises(LabError, match="start it with --processes"):
        shared_lab.process_namespace("none")
