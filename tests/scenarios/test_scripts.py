# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Script hooks: a ConfigMap's key in a Job of its own, run as a real process with a mysql client."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from scenarios import rights
from scenarios.cluster import StarRocks
from scenarios.conftest import READY_SECONDS, assert_no_secret, make_cluster
from scenarios.playbook import ROOT, Document, Driver, Run
from scenarios.reconciling import Passes

from steadylab import Lab, mysql
from steadylab.podrunner import images
from steadylab.podrunner.images import Image

IMAGE = "registry.example.org/steady/hooks:1"
ALLOWED: Document = {"rollout_installation": {"hooks": {"allowScripts": True, "scripts": {"image": IMAGE}}}}
BACKENDS_ONLY: Document = {"images": {"be": "starrocks/be-ubuntu:3.3.2"}}
# For Jobs that do not end by themselves; long enough for one to be scheduled, started and heard of before.
ENDING_SECONDS = 12
HELLO = "echo hello from $ROLLOUT_STAGE of $ROLLOUT_CLUSTER\n"

MakeScripted = Callable[..., StarRocks]


def script_image(lab: Lab) -> Image:
    """What the FE's image has for a script: a shell and a mysql client."""
    base = images.python()
    files, environment = mysql.in_image(lab.directory)
    path = f"{environment['PATH']}:{base.environment['PATH']}"
    return Image({**base.files, **files}, (), ("/bin/sh",), {**base.environment, **environment, "PATH": path})


@pytest.fixture(scope="module")
def script_lab(lab_home: Path) -> Iterator[Lab]:
    """A lab that runs the containers of Jobs."""
    with Lab.up("scripts", None, ready_seconds=READY_SECONDS, audit=True, processes=True) as lab:
        lab.set_image(IMAGE, script_image(lab))
        yield lab


@pytest.fixture
def scripted(script_lab: Lab, tmp_path: Path) -> Iterator[MakeScripted]:
    """Makes a cluster with a ConfigMap `hooks`: `scripted({"a.sh": "..."})`; no password may be left anywhere."""
    made: list[StarRocks] = []

    def make(scripts: dict[str, str], **parameters: Any) -> StarRocks:
        starrocks = make_cluster(script_lab, **{"fe": 3, "be": 1, **parameters})
        script_lab.process_namespace(starrocks.namespace)
        metadata = {"name": "hooks", "namespace": starrocks.namespace}
        starrocks.api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": scripts})
        made.append(starrocks)
        return starrocks

    yield make
    for starrocks in made:
        assert_no_secret(starrocks, tmp_path)
        for root, kind in (("/apis/batch/v1", "jobs"), ("/api/v1", "pods")):
            found = starrocks.api.request("GET", f"{root}/namespaces/{starrocks.namespace}/{kind}")
            text = json.dumps(found)
            assert [one for one in (starrocks.password, starrocks.user_password) if one in text] == [], kind
        script_lab.remove_namespace(starrocks.namespace, wait=False)


def product_for(starrocks: StarRocks, tmp_path: Path) -> Driver:
    """The product, for that cluster, by who may run scripts."""
    return Driver(tmp_path, starrocks).with_hooks()


def stages(key: str, **fields: Any) -> dict[str, Any]:
    """An upgrade that begins with one script."""
    return {"pre": [{"name": "script", "configMap": {"name": "hooks", "key": key}, **fields}]}


def jobs(starrocks: StarRocks) -> list[dict[str, Any]]:
    """The Jobs of the namespace."""
    found: list[dict[str, Any]] = starrocks.api.request("GET", f"/apis/batch/v1/namespaces/{starrocks.namespace}/jobs")[
        "items"
    ]
    return found


def hook(starrocks: StarRocks) -> dict[str, Any]:
    """What the record says of the script."""
    record = starrocks.record
    assert record is not None
    found: dict[str, Any] = record["steps"]["pre/0-script"]["hooks"]["script"]
    return found


def upgraded(starrocks: StarRocks, tmp_path: Path, key: str, **fields: Any) -> Run:
    """An upgrade that begins with the script."""
    product = product_for(starrocks, tmp_path)
    return product.run(product.document(None, target=BACKENDS_ONLY, stages=stages(key, **fields)), **ALLOWED)


def test_a_script_runs_before_the_first_pod_with_the_fe_and_its_password(
    scripted: MakeScripted, tmp_path: Path
) -> None:
    """Its output is kept, the password in it is not."""
    talk = 'mysql -u "$FE_USER" -N -e "SELECT current_user()"\necho "the password is $MYSQL_PWD"\n'
    starrocks = scripted({"talk.sh": HELLO + talk})
    mark = starrocks.mark()
    upgraded(starrocks, tmp_path, "talk.sh").succeeded()
    kept = hook(starrocks)
    assert kept["outcome"] == "done"
    assert kept["log"].splitlines() == ["hello from pre of prod", f"'{rights.USER}'@'%'", "the password is ********"]
    asked = [entry for entry in starrocks.queries(mark) if entry["sql"] == "SELECT current_user()"]
    assert [entry["result"] for entry in asked] == ["ok"]


def test_its_pod_has_no_token_and_can_write_nothing_but_tmp(scripted: MakeScripted, tmp_path: Path) -> None:
    looks = (
        "ls /var/run/secrets/kubernetes.io 2>&1; id -u; touch /hook/x 2>&1; touch /x 2>&1; touch /tmp/x && echo tmp\n"
    )
    starrocks = scripted({"look.sh": looks})
    upgraded(starrocks, tmp_path, "look.sh").succeeded()
    log = hook(starrocks)["log"]
    assert log.count("No such file or directory") == 1
    assert log.count("Read-only file system") == 2
    assert "1000\n" in log
    assert log.endswith("tmp\n")
    (job,) = jobs(starrocks)
    assert job["metadata"]["ownerReferences"][0]["uid"] == starrocks.resource["metadata"]["uid"]
    assert job["spec"]["template"]["spec"]["automountServiceAccountToken"] is False


def test_the_restricted_pod_security_standard_admits_it(scripted: MakeScripted, tmp_path: Path) -> None:
    starrocks = scripted({"hello.sh": HELLO})
    labels = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    starrocks.api.patch("Namespace", starrocks.namespace, labels)
    product = product_for(starrocks, tmp_path)
    # The simulated StarRocks pods would not be admitted anew: no pod is replaced here.
    code, result = product.module(
        "starrocks_info", purpose="upgrade", spec={"target": {"version": "3.3.2"}, "stages": stages("hello.sh")}
    )
    assert code == 0, result
    run = product.run(
        product.document(
            None,
            target=BACKENDS_ONLY,
            stages=stages("hello.sh"),
            rollback={"policy": "never"},
            gates={"podDeadlineSeconds": 3},
        ),
        **ALLOWED,
    )
    assert hook(starrocks)["outcome"] == "done", run.stdout


@pytest.mark.parametrize("critical", [True, False])
def test_a_script_that_fails_stops_the_run_unless_it_is_not_critical(
    critical: bool, scripted: MakeScripted, tmp_path: Path
) -> None:
    starrocks = scripted({"fail.sh": "#!/bin/sh\necho cannot drain >&2\nexit 7\n"})
    uids = starrocks.uids
    run = upgraded(starrocks, tmp_path, "fail.sh", critical=critical)
    kept = hook(starrocks)
    assert kept["outcome"] == "failed"
    assert kept["log"] == "cannot drain\n"
    assert "fail.sh of ConfigMap hooks ended with exit code 7" in kept["text"]
    if critical:
        run.failed("script fail.sh of ConfigMap hooks ended with exit code 7", "describe job")
        assert uids.items() <= starrocks.uids.items(), "no pod of the cluster was replaced"
        starrocks.assert_settings()
    else:
        run.succeeded()
    assert len(jobs(starrocks)) == 1


def test_a_script_beyond_its_time_is_ended_and_its_log_kept(scripted: MakeScripted, tmp_path: Path) -> None:
    starrocks = scripted({"hang.sh": "echo began\nexec tail -f /dev/null\n"})
    run = upgraded(starrocks, tmp_path, "hang.sh", timeoutSeconds=ENDING_SECONDS)
    run.failed(f"did not end in {ENDING_SECONDS} s")
    assert hook(starrocks)["log"] == "began\n"
    (job,) = jobs(starrocks)
    assert [c["reason"] for c in job["status"]["conditions"] if c["type"] == "Failed"] == ["DeadlineExceeded"]


def test_an_image_that_is_not_there_is_named(scripted: MakeScripted, tmp_path: Path) -> None:
    starrocks = scripted({"hello.sh": HELLO})
    product = product_for(starrocks, tmp_path)
    installation = {"hooks": {"allowScripts": True, "scripts": {"image": "registry.example.org/no/such:1"}}}
    document = product.document(None, target=BACKENDS_ONLY, stages=stages("hello.sh", timeoutSeconds=ENDING_SECONDS))
    run = product.run(document, rollout_installation=installation)
    run.failed("its container did not start: (ErrImagePull|ImagePullBackOff)")


def test_a_killed_run_finds_the_same_job(scripted: MakeScripted, tmp_path: Path) -> None:
    """The script hangs in its second statement until the run that began it is dead."""
    waits = 'mysql -u "$FE_USER" -e "ALTER SYSTEM CREATE IMAGE"\nmysql -u "$FE_USER" -e "SHOW DATABASES"\necho once\n'
    starrocks = scripted({"wait.sh": waits})
    starrocks.grant_node()
    starrocks.faults({"kind": "hang", "match": "SHOW DATABASES"})
    product = product_for(starrocks, tmp_path)
    document = product.document(None, target=BACKENDS_ONLY, stages=stages("wait.sh"))
    process = product.start(document, **ALLOWED)
    starrocks.wait(lambda state: state["images"] == 1, "be asked by the script")
    process.kill()
    starrocks.lab.faults()
    product.run(document, **ALLOWED).succeeded()
    assert starrocks.state["images"] == 1, "the script ran once"
    assert len(jobs(starrocks)) == 1
    assert hook(starrocks)["log"].endswith("once\n")


def test_scripts_are_refused_where_nobody_allowed_them(scripted: MakeScripted, tmp_path: Path) -> None:
    starrocks = scripted({"hello.sh": HELLO})
    mark = starrocks.mark()
    product = product_for(starrocks, tmp_path)
    document = product.document(None, target=BACKENDS_ONLY, stages=stages("hello.sh"))
    product.preflight(document).failed("script hooks are not allowed here", "rollout.steady.dev/allow-unsafe-hooks")
    starrocks.untouched(mark)
    assert jobs(starrocks) == []


def test_a_label_on_the_namespace_allows_them(scripted: MakeScripted, tmp_path: Path) -> None:
    """Without an image in the installation, the FE's own runs the script."""
    starrocks = scripted({"hello.sh": HELLO})
    starrocks.lab.set_image("starrocks/fe-ubuntu", script_image(starrocks.lab))
    labels = {"metadata": {"labels": {"rollout.steady.dev/allow-unsafe-hooks": "true"}}}
    starrocks.api.patch("Namespace", starrocks.namespace, labels)
    product = product_for(starrocks, tmp_path)
    product.run(product.document(None, target=BACKENDS_ONLY, stages=stages("hello.sh"))).succeeded()
    assert hook(starrocks)["log"] == "hello from pre of prod\n"
    (job,) = jobs(starrocks)
    assert job["spec"]["template"]["spec"]["containers"][0]["image"] == "starrocks/fe-ubuntu:3.3.1"


def test_a_password_that_stands_in_no_secret_is_refused(scripted: MakeScripted, tmp_path: Path) -> None:
    starrocks = scripted({"hello.sh": HELLO})
    mark = starrocks.mark()
    product = product_for(starrocks, tmp_path).as_root()
    document = product.document(None, target=BACKENDS_ONLY, stages=stages("hello.sh"))
    access = {"starrocks_access": {"fe_password": "n0t-this-one"}}
    product.preflight(document, **ALLOWED, **access).failed("fe_password", "from a Secret alone", "fe_password_secret")
    starrocks.untouched(mark)


def test_a_missing_right_is_named_before_anything_runs(scripted: MakeScripted, tmp_path: Path) -> None:
    starrocks = scripted({"hello.sh": HELLO})
    mark = starrocks.mark()
    everything_else = [
        {"apiGroups": ["starrocks.com", "apps", "", "coordination.k8s.io"], "resources": ["*"], "verbs": ["*"]},
    ]
    kubeconfig = starrocks.lab.user_kubeconfig("no-jobs", everything_else, starrocks.namespace)
    product = product_for(starrocks, tmp_path)
    document = product.document(None, target=BACKENDS_ONLY, stages=stages("hello.sh"))
    run = product.preflight(document, kubeconfig=kubeconfig, **ALLOWED)
    run.failed("create jobs.batch", r'apiGroups: \["batch"\], resources: \["jobs"\]')
    starrocks.untouched(mark)


def test_a_preparation_runs_a_script_of_the_clusters_own_spec(scripted: MakeScripted, tmp_path: Path) -> None:
    """Refused where nobody allowed scripts; where somebody did, pass by pass, in a Job that is found again."""
    starrocks = scripted({"drain.sh": HELLO})
    product = product_for(starrocks, tmp_path)
    product.run({}, playbook="starrocks_crd").succeeded()
    passes = Passes(starrocks, product)
    custom = {"configMapName": "hooks", "scriptKey": "drain.sh"}
    passes.change_spec(starRocksFeSpec={"upgradeHooks": {"predefined": ["disable-balancer"], "custom": custom}})
    mark = starrocks.mark()
    result = passes.once()
    assert (result["phase"], result["reason"]) == ("Failed", "InvalidTrigger")
    assert "spec.starRocksFeSpec.upgradeHooks.custom" in result["message"]
    assert "script hooks are not allowed here" in result["message"]
    assert (jobs(starrocks), starrocks.statements(mark)) == ([], [])
    installation = ALLOWED["rollout_installation"]
    while (result := passes.once(installation=installation))["phase"] == "Running":
        assert "runs" in result["message"]
    assert (result["phase"], result["reason"]) == ("Completed", "Held")
    record = starrocks.record
    assert record is not None
    known = record["steps"]["pre/1-custom"]["hooks"]["custom"]
    assert (known["outcome"], known["log"]) == ("done", "hello from pre of prod\n")
    assert len(jobs(starrocks)) == 1
    told = starrocks.resource["status"]["upgradePreparationStatus"]
    assert told["completedHooks"] == ["disable-balancer", "custom"]
    passes.change_spec(starRocksFeSpec={"upgradeHooks": None})
    passes.until("None", installation=installation)
    starrocks.assert_settings()
    found = rights.used(starrocks.requests(mark))
    assert {("create", "jobs"), ("get", "pods/log")} <= found
    assert found <= rights.of([*rights.shipped("reconcile"), *rights.shipped("hooks")])


def test_the_example_of_the_documentation(scripted: MakeScripted, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "script-hooks.md").read_text("utf-8")
    config_map, upgrade = (yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL))
    starrocks = scripted(config_map["data"])
    product = product_for(starrocks, tmp_path)
    product.run(product.document("3.3.2", **upgrade["spec"]), **ALLOWED).succeeded()
    record = starrocks.record
    assert record is not None
    log = record["steps"]["pre/0-frontends"]["hooks"]["frontends"]["log"]
    assert len(log.splitlines()) == 3
    selected = starrocks.lab.kubectl(
        "get", "jobs", f"--namespace={starrocks.namespace}", "--selector=rollout.steady.dev/script=starrocks", "-oname"
    )
    (job,) = selected.split()
    assert starrocks.lab.kubectl("logs", f"--namespace={starrocks.namespace}", job) == log
