# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling others: every channel over a real wire, none of which can stop a run, and nothing told twice."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from scenarios.receiver import Got, Receiver, Reply, answering
from unit.module_utils._domain.starrocks.builders import a_cluster, a_record, a_spec
from unit.module_utils._kube.apiserver import Answer, ApiServer, ObjectStore, Request, status

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import LeaseLost
from ansible_collections.steady.rollout.plugins.module_utils._domain.events.kubernetes import Regarding
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation import parse_installation
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.handover import Handover
from ansible_collections.steady.rollout.plugins.module_utils._domain.webhook import signed_headers
from ansible_collections.steady.rollout.plugins.module_utils._engine.clock import Clock
from ansible_collections.steady.rollout.plugins.module_utils._engine.ledger import Ledger
from ansible_collections.steady.rollout.plugins.module_utils._engine.tell import teller

CLOCK = Clock()
SLACK_TOKEN = "T000-canary-B000"
Make = Callable[..., Ledger]


@pytest.fixture
def said() -> list[str]:
    """The live lines."""
    return []


@pytest.fixture
def make(api: ApiServer, said: list[str]) -> Make:
    """Makes the ledger of a run in the namespace starrocks that has begun: `make(notifications=[...])`."""

    def make_(
        handover: Handover | None = None,
        regarding: Regarding | None = None,
        clock: Clock = CLOCK,
        **sections: Any,
    ) -> Ledger:
        client = api.client()
        installation = parse_installation(sections)
        tells = teller(client, installation, "starrocks", clock, said.append, regarding=regarding)
        ledger = Ledger(
            client,
            handover or Handover(cluster="prod", namespace="starrocks", uid="uid-1", workloads={}, mode=""),
            clock,
            lease_seconds=30,
            teller=tells,
        )
        if handover is None:
            ledger.take_lease("somebody", said.append)
            ledger.change(a_record(a_cluster().snapshot, a_spec()))
        return ledger

    return make_


def events(store: ObjectStore) -> dict[str, Any]:
    """The Events by reason."""
    return {entry["reason"]: entry for path, entry in store.objects.items() if "/events/" in path}


def step_done(ledger: Ledger, pod: str = "prod-be-2") -> None:
    """A step that is done, written."""
    ledger.event("step", f"done: {pod}", step=f"be/{pod}", subject=pod, state="done")
    ledger.write()


def test_events_are_about_the_cluster(make: Make, store: ObjectStore) -> None:
    ledger = make()
    step_done(ledger)
    reference = events(store)["StepDone"]["involvedObject"]
    assert (reference["kind"], reference["name"], reference["uid"]) == (
        "StarRocksCluster",
        "prod",
        ledger.record.cluster_uid,
    )


def test_events_are_about_the_upgrade_that_asked_for_the_run(make: Make, store: ObjectStore) -> None:
    upgrade = Regarding("rollout.steady.dev/v1alpha1", "StarRocksUpgrade", "to-332", "starrocks", "uid-9")
    step_done(make(regarding=upgrade))
    assert events(store)["StepDone"]["involvedObject"] == upgrade.reference


def test_what_was_told_stands_in_the_record_and_is_not_told_by_the_next_run(
    make: Make, store: ObjectStore, api: ApiServer
) -> None:
    first = make()
    step_done(first)
    stored = json.loads(
        store.objects["/api/v1/namespaces/starrocks/configmaps/steady-rollout-starrocks-prod"]["data"]["record.json"]
    )
    assert stored["told"] == stored["event_count"] == 1
    second = make(first.handed_over())
    asked = len(api.requests)
    second.write()
    assert [request for request in api.requests[asked:] if "/events" in request.path] == []
    step_done(second, "prod-be-1")
    told = [request for request in api.requests[asked:] if "/events" in request.path and request.method == "POST"]
    assert [request.body["message"] for request in told] == ["done: prod-be-1"]


def test_nothing_is_told_before_it_is_written(make: Make, store: ObjectStore) -> None:
    ledger = make()
    ledger.event("step", "done", subject="prod-be-2", state="done")
    assert events(store) == {}
    ledger.write()
    assert set(events(store)) == {"StepDone"}


def test_a_missing_right_is_noted_once_and_stops_nothing(
    make: Make, store: ObjectStore, api: ApiServer, said: list[str]
) -> None:
    def handle(request: Request) -> Answer:
        return status(403, 'cannot create resource "events"') if "/events" in request.path else store.handle(request)

    api.handle = handle
    ledger = make()
    for pod in ("prod-be-2", "prod-be-1", "prod-be-0"):
        step_done(ledger, pod)
    assert len([request for request in api.requests if "/events" in request.path]) == 1
    notes = [event for event in ledger.record.events if event.kind == "note"]
    assert [note.subject for note in notes] == ["Kubernetes Events"]
    assert [line for line in said if "events" in line and "Remedy" in line]
    later = make(ledger.handed_over())
    before = len(said)
    step_done(later, "prod-fe-0")
    assert len(said) == before, "it has been said"
    assert len([event for event in later.record.events if event.kind == "note"]) == 1


class JumpingClock(Clock):
    """Time passes when somebody says so."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.ahead)


def test_the_lease_is_renewed_between_messages(api: ApiServer, receiver: Receiver, make: Make) -> None:
    """A slow receiver takes its seconds for each message; the run stays the only writer."""
    clock = JumpingClock()
    ledger = make(notifications=notification(receiver, reasons=["*"]), clock=clock)
    renewals: list[int] = []

    def slowly(got: Got) -> Reply:
        renewals.append(len([r for r in api.requests if r.method == "PATCH" and "/leases/" in r.path]))
        clock.ahead += 20
        return answering()(got)

    receiver.handle = slowly
    for pod in ("prod-be-2", "prod-be-1", "prod-be-0"):
        ledger.event("step", f"done: {pod}", step=f"be/{pod}", subject=pod, state="done")
    ledger.write()
    assert renewals == [0, 1, 2]


def test_who_lost_the_lease_between_messages_tells_nothing_more(
    store: ObjectStore, receiver: Receiver, make: Make
) -> None:
    clock = JumpingClock()
    ledger = make(notifications=notification(receiver, reasons=["*"]), clock=clock)

    def lose(got: Got) -> Reply:
        clock.ahead += 40
        path = "/apis/coordination.k8s.io/v1/namespaces/starrocks/leases/steady-rollout-starrocks-prod"
        store.objects[path]["spec"]["holderIdentity"] = "another"
        store.objects[path]["metadata"]["resourceVersion"] = "4711"
        return answering()(got)

    receiver.handle = lose
    for pod in ("prod-be-2", "prod-be-1"):
        ledger.event("step", f"done: {pod}", step=f"be/{pod}", subject=pod, state="done")
    with pytest.raises(LeaseLost):
        ledger.write()
    assert len(receiver.got) == 1


# -- notifications -----------------------------------------------------------------------------------------------------


def notification(receiver: Receiver, **fields: Any) -> list[dict[str, Any]]:
    return [{"name": "ops", "url": receiver.url("/hook"), **fields}]


def test_a_notification_for_programs_is_signed(make: Make, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNING", "sign-canary")
    ledger = make(notifications=notification(receiver, hmacFrom={"env": "SIGNING"}, reasons=["*"]))
    step_done(ledger)
    (got,) = receiver.got
    assert (got.method, got.target, got.json["type"]) == ("POST", "/hook", "rollout.StepDone")
    assert (got.json["data"]["cluster"], got.json["data"]["namespace"]) == ("prod", "starrocks")
    ask_id, at = got.headers["webhook-id"], int(got.headers["webhook-timestamp"])
    assert got.headers["idempotency-key"] == ask_id
    assert got.headers["webhook-signature"] == signed_headers("sign-canary", ask_id, at, got.body)["webhook-signature"]


def test_a_notification_for_slack_has_its_url_from_a_file(make: Make, receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(receiver.url(f"/services/{SLACK_TOKEN}") + "\n")
    source = {"name": "slack", "type": "slack", "urlFrom": {"file": str(tmp_path / "url")}}
    ledger = make(notifications=[source])
    ledger.event("hook", "failed: <!channel> & co", subject="tell", state="failed")
    ledger.write()
    (got,) = receiver.got
    assert got.target == f"/services/{SLACK_TOKEN}"
    assert got.json["attachments"][0]["text"] == "failed: &lt;!channel&gt; &amp; co"


def test_only_the_reasons_asked_for_are_told(make: Make, receiver: Receiver) -> None:
    ledger = make(notifications=notification(receiver))
    step_done(ledger)
    ledger.event("run", "ended: succeeded", state="succeeded")
    ledger.write()
    assert [got.json["type"] for got in receiver.got] == ["rollout.RunSucceeded"]


@pytest.mark.parametrize("trouble", ["status", "gone", "environment", "file", "redirect"])
def test_a_receiver_in_trouble_is_asked_once_and_stops_nothing(
    make: Make, receiver: Receiver, said: list[str], store: ObjectStore, tmp_path: Path, trouble: str
) -> None:
    fields: dict[str, Any] = {"reasons": ["*"]}
    url: dict[str, Any] = {"url": receiver.url(f"/{SLACK_TOKEN}")}
    if trouble == "status":
        receiver.handle = answering(500)
    elif trouble == "redirect":
        receiver.handle = lambda _got: Reply(302, b"", {"Location": receiver.url("/elsewhere")})
    elif trouble == "gone":
        receiver.close()
    elif trouble == "environment":
        url = {"urlFrom": {"env": "NOT_SET_ANYWHERE"}}
    else:
        url = {"urlFrom": {"file": str(tmp_path / "nowhere")}}
    ledger = make(notifications=[{"name": "ops", **url, **fields}])
    step_done(ledger, "prod-be-2")
    step_done(ledger, "prod-be-1")
    assert len(receiver.got) == (1 if trouble in ("status", "redirect") else 0)
    (line,) = said[-1:]
    assert line.startswith("notification ops: ")
    assert SLACK_TOKEN not in json.dumps([said, ledger.record.to_record(), store.objects])
    assert [event.subject for event in ledger.record.events if event.kind == "note"] == ["notification ops"]
    assert len([path for path in store.objects if "/events/" in path]) == 2


def test_metadata_addresses_are_out_of_reach_also_for_the_installation(make: Make, said: list[str]) -> None:
    ledger = make(notifications=[{"name": "ops", "url": "http://169.254.169.254/latest", "reasons": ["*"]}])
    step_done(ledger)
    assert "metadata" in said[-1]


# -- metrics -----------------------------------------------------------------------------------------------------------


def test_the_textfile_is_whole_or_not_there(make: Make, tmp_path: Path) -> None:
    ledger = make(metrics={"textfile": str(tmp_path)})
    step_done(ledger)
    (path,) = tmp_path.iterdir()
    assert path.name == "steady_rollout_starrocks_prod.prom"
    assert oct(path.stat().st_mode & 0o777) == "0o644"
    names = {family.name for family in text_string_to_metric_families(path.read_text())}
    assert "steady_rollout_run_active" in names


def test_a_folder_that_is_not_there_stops_nothing(make: Make, tmp_path: Path, said: list[str]) -> None:
    ledger = make(metrics={"textfile": str(tmp_path / "nowhere")})
    step_done(ledger)
    assert "cannot be written" in said[-1]
    assert os.listdir(tmp_path) == []


def test_the_pushgateway_gets_the_group_of_the_cluster(make: Make, receiver: Receiver) -> None:
    ledger = make(metrics={"pushgateway": receiver.url()})
    ledger.write()
    assert receiver.got == [], "there is no news"
    step_done(ledger)
    (got,) = receiver.got
    group = "rollout_namespace/starrocks/rollout_target/prod"
    assert (got.method, got.target) == ("PUT", f"/metrics/job/steady_rollout/{group}")
    assert got.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert list(text_string_to_metric_families(got.body.decode()))
