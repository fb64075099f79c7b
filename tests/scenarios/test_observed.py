# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others see of a run: Events, notifications, metrics, the risk report; and webhook hooks, with their gates."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from scenarios.cluster import StarRocks
from scenarios.playbook import BRIEF_POD_GATES, ROOT, Driver, Run
from scenarios.receiver import Got, Receiver, Reply, answering
from scenarios.reconciling import Passes
from scenarios.rights import ROOT_SECRET, USER_SECRET, named, shipped

from ansible_collections.steady.rollout.plugins.module_utils._domain.webhook import signed_headers
from steadylab.certs import Authority

Document = dict[str, Any]
TARGET = {"images": {"be": "starrocks/be-ubuntu:3.3.2"}}
WEBHOOKS = "rollout-webhooks"
SECRETS = {"token": "Bearer t0ken-canary-Hills", "signing": "whsec_c2lnbi1jYW5hcnktSGlsbHM="}


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[Receiver]:
    """An HTTPS receiver."""
    authority = Authority.create()
    # Outside of what is searched for secrets: a server has its key.
    (tmp_path / "ca.pem").write_bytes(authority.pair.certificate)
    with Receiver(answering(), authority, tmp_path / "receiver") as receiver:
        yield receiver


@pytest.fixture
def receiver(listening: Receiver, starrocks: StarRocks) -> Receiver:
    """That receiver, and a Secret with what hooks send to it in the cluster's namespace."""
    starrocks.add_secret(WEBHOOKS, **SECRETS)
    return listening


@pytest.fixture
def installation(listening: Receiver, tmp_path: Path) -> Document:
    """What allows that receiver, and nothing else."""
    return {
        "webhooks": {
            "allowedHosts": [listening.authority],
            "allowedNetworks": ["127.0.0.0/8", "::1/128"],
            "caFile": str(tmp_path / "ca.pem"),
        }
    }


def webhook(receiver: Receiver, name: str = "tell", path: str = "/hook", **fields: Any) -> Document:
    """A webhook hook with a token and a signature from the Secret."""
    reference = {"name": WEBHOOKS, "key": "token"}
    entry = {
        "url": receiver.url(path),
        "headers": [{"name": "Authorization", "valueFrom": {"secretKeyRef": reference}}],
        "hmac": {"secretKeyRef": {"name": WEBHOOKS, "key": "signing"}},
        **fields,
    }
    return {"name": name, "webhook": entry}


def events(starrocks: StarRocks) -> list[Document]:
    """Our Events in the namespace."""
    found = starrocks.api.request("GET", f"/api/v1/namespaces/{starrocks.namespace}/events")["items"]
    return [event for event in found if event["source"].get("component") == "steady-rollout"]


def told(starrocks: StarRocks) -> Counter[tuple[str, str]]:
    """How often each reason was told, with its type."""
    counts: Counter[tuple[str, str]] = Counter()
    for event in events(starrocks):
        counts[(event["reason"], event["type"])] += event["count"]
    return counts


def upgrade(product: Driver, installation: Document, *options: str, **spec: Any) -> Run:
    """The upgrade of the BEs under an installation."""
    document = product.document(None, target=spec.pop("target", TARGET), **spec)
    who = product.with_hooks() if "webhooks" in installation else product
    return who.run(document, *options, rollout_installation=installation)


# -- Events ------------------------------------------------------------------------------------------------------------


def test_events_at_the_cluster_tell_a_run(starrocks: StarRocks, product: Driver) -> None:
    stages = {"pre": [{"name": "look", "sql": "SHOW PROC '/statistic'"}]}
    upgrade(product, {}, stages=stages).succeeded()
    uid = starrocks.resource["metadata"]["uid"]
    assert {(e["involvedObject"]["kind"], e["involvedObject"]["uid"]) for e in events(starrocks)} == {
        ("StarRocksCluster", uid)
    }
    assert told(starrocks) == {
        ("RunStarted", "Normal"): 1,
        ("HookStarted", "Normal"): 1,
        ("HookDone", "Normal"): 1,
        ("StepDone", "Normal"): 5,
        ("Restored", "Normal"): 1,
        ("RunSucceeded", "Normal"): 1,
    }
    done = [event["message"] for event in events(starrocks) if event["reason"] == "StepDone"]
    assert any("prod-be-1" in message for message in done)


def test_events_tell_a_refused_gate_and_the_way_back(starrocks: StarRocks, product: Driver) -> None:
    target = {"images": {"be": "starrocks/be-ubuntu:3.3.2-never"}}
    upgrade(product, {}, target=target, gates=BRIEF_POD_GATES).failed("not Ready")
    reasons = told(starrocks)
    for reason in ("GateRefused", "StepFailed", "RollbackStarted", "RolledBack"):
        assert reasons[(reason, "Warning")] == 1, reasons
    assert reasons[("Restored", "Normal")] == 1
    (refused,) = [event for event in events(starrocks) if event["reason"] == "GateRefused"]
    assert "prod-be-1" in refused["message"]


def test_without_the_right_to_write_events_a_run_goes_on_and_says_so(starrocks: StarRocks, product: Driver) -> None:
    names = {ROOT_SECRET: USER_SECRET}
    without = [rule for rule in named(shipped("upgrade"), names) if "events" not in rule["resources"]]
    kubeconfig = starrocks.lab.user_kubeconfig("no-events", without, starrocks.namespace)
    run = product.run(product.document(None, target=TARGET), kubeconfig=kubeconfig).succeeded()
    assert "Kubernetes Events" in run.text
    assert "events" in run.text
    assert events(starrocks) == []
    assert starrocks.tags["prod-be-0"] == "3.3.2"


# -- webhook hooks -----------------------------------------------------------------------------------------------------


def test_a_webhook_hook_is_signed_and_told_who_asks(
    starrocks: StarRocks, product: Driver, receiver: Receiver, installation: Document
) -> None:
    receiver.handle = lambda got: Reply(204 if got.target == "/change" else 200)
    own = {
        "method": "PUT",
        "headers": [{"name": "X-Team", "value": "storage"}],
        "body": {"change": 4711},
        "expectedStatus": [204],
    }
    stages = {"pre": [webhook(receiver), webhook(receiver, "change", "/change", **own)]}
    run = upgrade(product, installation, stages=stages).succeeded()
    got, change = receiver.got
    assert (change.method, change.headers["x-team"], change.json) == ("PUT", "storage", {"change": 4711})
    assert (got.method, got.target) == ("POST", "/hook")
    assert got.headers["authorization"] == SECRETS["token"]
    ask_id, at = got.headers["webhook-id"], int(got.headers["webhook-timestamp"])
    expected = signed_headers(SECRETS["signing"], ask_id, at, got.body)
    assert got.headers["webhook-signature"] == expected["webhook-signature"]
    data = got.json["data"]
    assert (data["namespace"], data["cluster"], data["hook"], data["attempt"]) == (
        starrocks.namespace,
        starrocks.name,
        "tell",
        1,
    )
    hook, other = run.report["hooks"]
    assert [(one["name"], one["outcome"]) for one in (hook, other)] == [("tell", "done"), ("change", "done")]
    assert hook["statements"] == [f"POST {receiver.scheme}://{receiver.authority}"]


def test_a_gate_holds_the_run_until_it_is_approved(
    starrocks: StarRocks, product: Driver, receiver: Receiver, installation: Document
) -> None:
    uids, asked = starrocks.uids, []

    def handle(got: Got) -> Reply:
        asked.append(starrocks.uids == uids)
        answers = {1: (503, {}), 2: (200, {"status": "pending", "reason": "ask the team"})}
        code, document = answers.get(len(asked), (200, {"status": "approved", "reason": "go"}))
        return Reply(code, json.dumps(document).encode(), {"Retry-After": "1"})

    receiver.handle = handle
    run = upgrade(product, installation, stages={"pre": [webhook(receiver, gate=True)]}).succeeded()
    assert asked == [True, True, True], "no pod may be touched before the gate is open"
    assert len({got.headers["idempotency-key"] for got in receiver.got}) == 3
    assert len({got.headers["rollout-hook-id"] for got in receiver.got}) == 1
    assert run.report["hooks"][0]["attempts"] == 3
    assert starrocks.tags["prod-be-0"] == "3.3.2"


def test_a_run_that_was_killed_at_a_gate_asks_it_again_as_the_same_hook(
    starrocks: StarRocks, product: Driver, receiver: Receiver, installation: Document
) -> None:
    product = product.with_hooks()
    receiver.handle = answering(status="pending", reason="nobody looked yet")
    document = product.document(None, target=TARGET, stages={"pre": [webhook(receiver, gate=True)]})
    variables = {"rollout_installation": installation, "starrocks_upgrade_lease_seconds": 5}
    first = product.start(document, **variables)
    receiver.wait(lambda got: len(got) == 1)
    first.kill()
    receiver.handle = answering(status="approved")
    product.run(document, **variables).succeeded()
    assert len({got.headers["rollout-hook-id"] for got in receiver.got}) == 1
    keys = [got.headers["idempotency-key"] for got in receiver.got]
    assert len(keys) == len(set(keys)) == 2
    assert [got.json["data"]["attempt"] for got in receiver.got] == [1, 2]
    assert starrocks.tags["prod-be-0"] == "3.3.2"


def test_a_gate_that_refuses_ends_the_run_before_any_pod(
    starrocks: StarRocks, product: Driver, receiver: Receiver, installation: Document
) -> None:
    uids = starrocks.uids
    receiver.handle = answering(status="refused", reason="a freeze until Monday")
    upgrade(product, installation, stages={"pre": [webhook(receiver, gate=True)]}).failed("freeze until Monday")
    assert starrocks.uids == uids
    assert told(starrocks)[("HookFailed", "Warning")] == 1
    assert told(starrocks)[("HookFailed", "Warning")] == 1
    starrocks.assert_settings()
    starrocks.assert_released()


@pytest.mark.parametrize(
    "url", ["https://169.254.169.254/latest", "https://kubernetes.default.svc/api", "http://{host}/"]
)
def test_what_the_installation_does_not_allow_is_refused_before_anything_is_touched(
    url: str, calm: StarRocks, asked: Driver, listening: Receiver, installation: Document
) -> None:
    mark = calm.mark()
    entry = webhook(listening, url=url.format(host=listening.authority))
    document = asked.document(None, target=TARGET, stages={"pre": [entry]})
    asked.preflight(document, rollout_installation=installation).failed(r"stages\.pre\[0\]", "installation")
    assert listening.got == []
    calm.untouched(mark)


def test_an_allowed_name_that_leads_inside_is_not_called(
    starrocks: StarRocks, product: Driver, receiver: Receiver, installation: Document
) -> None:
    """The name is allowed, its address is not: what DNS says decides nothing."""
    installation["webhooks"]["allowedNetworks"] = []
    uids = starrocks.uids
    upgrade(product, installation, stages={"pre": [webhook(receiver)]}).failed("loopback", "allowedNetworks")
    assert receiver.got == []
    assert starrocks.uids == uids
    starrocks.assert_settings()


def test_a_secret_of_another_namespace_cannot_be_named(
    calm: StarRocks, asked: Driver, listening: Receiver, installation: Document
) -> None:
    mark = calm.mark()
    reference = {"name": "hooks", "key": "token", "namespace": "kube-system"}
    entry = webhook(listening, hmac={"secretKeyRef": reference})
    document = asked.document(None, target=TARGET, stages={"pre": [entry]})
    asked.preflight(document, rollout_installation=installation).failed("secretKeyRef.namespace", "no such field")
    calm.untouched(mark)


# -- secrets -----------------------------------------------------------------------------------------------------------


def echoing(got: Got) -> Reply:
    """Repeats the secrets it was sent, as an error page for developers does."""
    headers = {"X-Debug": got.headers.get("authorization", "")}
    return Reply(500, json.dumps({**got.headers, "raw": got.body.decode()}).encode(), headers)


@pytest.mark.usefixtures("upgrades_defined")
def test_no_secret_is_shown_written_or_told(
    starrocks: StarRocks, product: Driver, receiver: Receiver, installation: Document, tmp_path: Path
) -> None:
    """Neither of a play nor of passes over a StarRocksUpgrade."""
    receiver.handle = echoing
    (tmp_path / "metrics").mkdir()
    slack = Path(tmp_path / "url.secret")
    slack.write_text(receiver.url("/services/slack-canary-Hills"))
    signing = tmp_path / "signing.secret"
    signing.write_text("notify-canary-Hills")
    notification = {
        "name": "ops",
        "urlFrom": {"file": str(slack)},
        "hmacFrom": {"file": str(signing)},
        "caFile": str(tmp_path / "ca.pem"),
        "reasons": ["*"],
    }
    installation |= {"notifications": [notification], "metrics": {"textfile": str(tmp_path / "metrics")}}
    entry = {**webhook(receiver), "retries": 0}
    upgrade(product, installation, "-vvvv", "--diff", stages={"pre": [entry]}).failed("hook tell failed", "500")
    passes = Passes(starrocks, product.with_hooks())
    name = passes.upgrade(None, target=TARGET, stages={"pre": [entry]})
    passes.until("Failed", "StarRocksUpgrade", name, patience=60, installation=installation)
    assert "500" in json.dumps(passes.status(name))
    assert len(receiver.got) >= 4
    for path in (slack, signing):
        path.unlink()
    secrets = ["t0ken-canary-Hills", "c2lnbi1jYW5hcnktSGlsbHM", "slack-canary-Hills", "notify-canary-Hills"]
    secrets += [starrocks.password, starrocks.user_password]
    root = f"/namespaces/{starrocks.namespace}"
    kinds = [f"/api/v1{root}/events", f"/api/v1{root}/configmaps", f"/apis/coordination.k8s.io/v1{root}/leases"]
    kinds.append(f"/apis/starrocks.com/v1{root}/starrocksclusters")
    kinds.append(f"/apis/rollout.steady.dev/v1alpha1{root}/starrocksupgrades")
    shown = {path: json.dumps(starrocks.api.request("GET", path)) for path in kinds}
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    shown |= {str(path): path.read_text("utf-8", "replace") for path in files}
    assert len(files) > 3
    assert [(place, secret) for secret in secrets for place, text in shown.items() if secret in text] == []


def examples(page: str, language: str, replaced: dict[str, str]) -> list[Any]:
    """The examples of a page in a language, with what there is on this machine in place of what they name."""
    text = (ROOT / "docs" / f"{page}.md").read_text("utf-8")
    for old, new in replaced.items():
        assert old in text, old
        text = text.replace(old, new)
    return [yaml.safe_load(block) for block in re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)]


def test_the_examples_of_webhooks_notifications_and_metrics(
    starrocks: StarRocks, product: Driver, receiver: Receiver, tmp_path: Path
) -> None:
    (tmp_path / "signing.secret").write_text("notify-canary-Hills")
    (tmp_path / "metrics").mkdir()
    names = {
        "hooks.example.com": receiver.authority,
        "10.20.0.0/16": "127.0.0.0/8, '::1/128'",
        "/etc/ssl/certs/company.pem": str(tmp_path / "ca.pem"),
    }
    allowed, entry = examples("webhooks", "yaml", names)
    message, answer = examples("webhooks", "json", {})
    receiver.handle = lambda _got: Reply(200, json.dumps(answer).encode())
    (hook,) = entry["spec"]["stages"]["pre"]
    approval = {"name": "approval", "webhook": {**hook["webhook"], "gate": True}}
    with Receiver(answering(), None, tmp_path) as told:
        observed = {
            "https://inventory.example.com/rollouts": told.url("/rollouts"),
            "/run/secrets/inventory-signing": str(tmp_path / "signing.secret"),
            "/var/lib/node_exporter/textfile_collector": str(tmp_path / "metrics"),
            "http://pushgateway.monitoring:9091": told.url("").rstrip("/"),
        }
        sections = [allowed, *examples("observability", "yaml", observed)]
        installation = {name: part for one in sections for name, part in one["rollout_installation"].items()}
        document = product.document(None, target=TARGET, stages={"pre": [hook, approval]})
        product.with_hooks().run(
            document, environment={"STORAGE_SLACK_URL": told.url("/services/x")}, rollout_installation=installation
        ).succeeded()
    called, asked = receiver.got
    assert (called.method, called.target, called.headers["authorization"]) == ("POST", "/maintenance", SECRETS["token"])
    signed = signed_headers(
        SECRETS["signing"], called.headers["webhook-id"], int(called.headers["webhook-timestamp"]), called.body
    )
    assert called.headers["webhook-signature"] == signed["webhook-signature"]
    assert (called.json["type"], asked.json["type"]) == (message["type"], "rollout.hook.gate")
    assert called.json.keys() == message.keys()
    assert called.json["data"].keys() == message["data"].keys()
    record = starrocks.record
    assert record is not None
    assert record["steps"]["pre/1-approval"]["hooks"]["approval"]["text"] == answer["reason"]
    by_target = {got.target: got for got in told.got}
    group = f"rollout_namespace/{starrocks.namespace}/rollout_target/{starrocks.name}"
    assert set(by_target) == {"/services/x", "/rollouts", f"/metrics/job/steady_rollout/{group}"}
    assert "attachments" in by_target["/services/x"].json
    assert by_target["/rollouts"].json["type"] == "rollout.RunSucceeded"
    assert by_target["/rollouts"].headers["webhook-signature"].startswith("v1,")
    assert metrics(tmp_path / "metrics")["steady_rollout_run_outcome"]


# -- notifications -----------------------------------------------------------------------------------------------------


def test_nothing_is_told_twice_when_a_killed_run_is_continued(
    starrocks: StarRocks, product: Driver, receiver: Receiver, tmp_path: Path
) -> None:
    notification = {"name": "ops", "url": receiver.url(), "caFile": str(tmp_path / "ca.pem"), "reasons": ["*"]}
    variables = {
        "rollout_installation": {"notifications": [notification]},
        "starrocks_upgrade_lease_seconds": 5,
    }
    document = product.document(None, target=TARGET)
    first = product.start(document, **variables)
    receiver.wait(lambda got: any("prod-be-1" in str(one.json) for one in got))
    first.kill()
    product.run(document, **variables).succeeded()
    ids = [got.headers["idempotency-key"] for got in receiver.got]
    assert len(ids) == len(set(ids))
    tellings = Counter((got.json["data"]["reason"], got.json["data"]["about"]) for got in receiver.got)
    assert tellings[("RunStarted", "begin")] == 1
    assert tellings[("RunContinued", "begin")] == 1
    assert tellings[("StepDone", "prod-be-1")] == 1
    assert tellings[("StepDone", "prod-be-0")] == 1
    assert tellings[("RunSucceeded", "")] == 1
    # What was really done twice counts up: the killed run and the next one both began.
    counts = {e["message"]: e["count"] for e in events(starrocks) if e["reason"] == "StepDone"}
    assert {message: count for message, count in counts.items() if "prod-be-" in message and count != 1} == {}


def test_a_receiver_that_is_away_stops_nothing(starrocks: StarRocks, product: Driver, receiver: Receiver) -> None:
    receiver.close()
    notification = {"name": "ops", "url": receiver.url(), "type": "slack"}
    run = upgrade(product, {"notifications": [notification]}).succeeded()
    assert "notification ops" in run.text
    assert [event for event in run.report["events"] if event["subject"] == "notification ops"]
    assert starrocks.tags["prod-be-0"] == "3.3.2"


# -- metrics and reports -----------------------------------------------------------------------------------------------


def metrics(folder: Path) -> dict[str, list[Any]]:
    """The samples in the one file, by name."""
    (path,) = folder.glob("*.prom")
    return {f.name: f.samples for f in text_string_to_metric_families(path.read_text("utf-8"))}


def test_the_textfile_tells_steps_and_hooks(
    starrocks: StarRocks, product: Driver, receiver: Receiver, installation: Document, tmp_path: Path
) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    upgrade(
        product, {**installation, "metrics": {"textfile": str(folder)}}, stages={"pre": [webhook(receiver)]}
    ).succeeded()
    seen = metrics(folder)
    done = {s.labels["kind"]: s.value for s in seen["steady_rollout_steps"] if s.labels["result"] == "done"}
    assert done["upgrade-pod"] == len(starrocks.backends)
    took = {s.labels["kind"]: s.value for s in seen["steady_rollout_steps_duration_seconds"]}
    assert took["upgrade-pod"] > 0
    assert [(s.labels["hook"], s.labels["result"], s.value) for s in seen["steady_rollout_hooks"]] == [
        ("tell", "done", 1)
    ]
    assert [s.value for s in seen["steady_rollout_run_active"]] == [0]
    assert [s.value for s in seen["steady_rollout_settings_open"]] == [0]
    assert {s.labels["outcome"] for s in seen["steady_rollout_run_outcome"] if s.value} == {"succeeded"}


def test_the_report_names_the_sql_and_the_values_before_and_after(starrocks: StarRocks, product: Driver) -> None:
    mark = starrocks.mark()
    report = upgrade(product, {}).succeeded().report
    sent = [statement for statement in starrocks.statements(mark) if statement.startswith("ADMIN SET")]
    assert [entry["sql"] for entry in report["statements"]] == sent
    for setting in report["settings"]:
        assert set(setting["before"].values()) == {setting["baseline"]}
        assert setting["final"] == setting["before"]


@pytest.mark.parametrize(("acknowledge", "verdict"), [([], "refused"), (["downgrade"], "risky")])
def test_the_risk_report_is_written_before_anything_is_touched(
    acknowledge: list[str], verdict: str, calm: StarRocks, asked: Driver, tmp_path: Path
) -> None:
    """Also for a plan that is refused, whose refusal remains."""
    mark = calm.mark()
    folder = tmp_path / "risks"
    document = asked.document("3.2.11", acknowledge=acknowledge)
    run = asked.run(document, playbook="starrocks_plan", report_dir=str(folder))
    assert (run.rc == 0) is (verdict == "risky"), run.stdout
    names = sorted(path.suffix for path in folder.iterdir())
    assert names == [".html", ".json", ".md"]
    (path,) = folder.glob("*.json")
    report = json.loads(path.read_text("utf-8"))
    assert report["plan"]["verdict"] == verdict
    assert "downgrade" in {risk["name"] for risk in report["risks"]}
    calm.untouched(mark)


@pytest.mark.parametrize(
    ("document", "code", "words"),
    [
        ({"target": {"version": "3.3.1"}}, 0, ()),
        ({"target": {"version": "3.3"}}, 2, ("spec.target.version", "remedy")),
        ({"target": {}}, 2, ("spec.target", "remedy")),
    ],
)
def test_exit_codes_are_those_of_the_documentation(
    document: Document, code: int, words: tuple[str, ...], asked: Driver
) -> None:
    run = asked.run(asked.document(None, **document))
    assert run.rc == code, run.stdout
    for word in words:
        assert word in run.text


@pytest.mark.parametrize(
    ("options", "playbook", "code"),
    [
        (("--inventory=nowhere.invalid,", "--extra-vars=rollout_host=nowhere.invalid"), "starrocks_plan", 4),
        (("--extra-vars={",), "starrocks_plan", 4),
        ((), "starrocks_nothing", 1),
    ],
    ids=["no such host", "unreadable variables", "no such playbook"],
)
def test_exit_codes_of_what_never_reached_a_cluster(
    options: tuple[str, ...], playbook: str, code: int, asked: Driver
) -> None:
    run = asked.run(asked.document("3.3.2"), *options, playbook=playbook)
    assert run.rc == code, run.stdout


def test_the_exit_code_of_an_interrupted_run(starrocks: StarRocks, product: Driver) -> None:
    process = product.start(product.document(None, target=TARGET), starrocks_upgrade_lease_seconds=5)
    starrocks.wait_switched_off()
    process.interrupt()
    assert process.finish().rc == 99
    product.restore(starrocks_restore_lease_seconds=5).succeeded()
    starrocks.assert_settings()


def test_a_failed_step_says_step_reason_and_remedy(starrocks: StarRocks, product: Driver) -> None:
    target = {"images": {"be": "starrocks/be-ubuntu:3.3.2-broken"}}
    run = upgrade(product, {}, target=target)
    assert run.rc == 2
    run.failed("prod-be-1", "CrashLoopBackOff", "remedy")
