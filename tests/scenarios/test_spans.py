# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example of docs/observability.md for spans: what community.general.opentelemetry sends to a collector."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from scenarios.cluster import StarRocks
from scenarios.playbook import ROOT, Driver
from scenarios.receiver import Receiver, answering

from steadylab import ansible_wheel

# Where the example's collector listens.
COLLECTOR = "http://collector.monitoring:4318"


def commands() -> list[list[str]]:
    """The words of each command of the example."""
    section = (ROOT / "docs" / "observability.md").read_text("utf-8").partition("\n## Spans\n")[2]
    block = section.split("```")[1]
    return [shlex.split(line) for line in block.strip().splitlines()]


def exported(collector: Receiver) -> dict[str, str]:
    """What the example exports, with a collector on loopback and the collections of the wheel."""
    variables = dict(words[1].split("=", 1) for words in commands() if words[0] == "export")
    assert variables["OTEL_EXPORTER_OTLP_ENDPOINT"] == COLLECTOR
    return {
        **variables,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url(""),
        "ANSIBLE_COLLECTIONS_PATH": str(ansible_wheel.collections()),
        "no_proxy": "localhost,127.0.0.1",
    }


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Receiver]:
    """A collector of OpenTelemetry, which speaks OTLP over HTTP."""
    with Receiver(answering(), None, tmp_path) as receiver:
        yield receiver


def trace(collector: Receiver) -> tuple[Span, list[Span]]:
    """The root of the one trace that arrived, and the spans of tasks, which are its children; all of our service."""
    spans: list[Span] = []
    for got in collector.got:
        assert (got.method, got.target) == ("POST", "/v1/traces")
        for resource in ExportTraceServiceRequest.FromString(got.body).resource_spans:
            about = {entry.key: entry.value.string_value for entry in resource.resource.attributes}
            assert about["service.name"] == "starrocks-rollout"
            spans += [span for scope in resource.scope_spans for span in scope.spans]
    (root,) = (span for span in spans if not span.parent_span_id)
    tasks = [span for span in spans if span.parent_span_id]
    for task in tasks:
        assert (task.trace_id, task.parent_span_id) == (root.trace_id, root.span_id)
        assert root.start_time_unix_nano <= task.start_time_unix_nano < task.end_time_unix_nano
        assert task.end_time_unix_nano <= root.end_time_unix_nano
    return root, tasks


def attributes(task: Span) -> dict[str, str]:
    """What a span says about its task."""
    return {entry.key.removeprefix("ansible.task."): entry.value.string_value for entry in task.attributes}


def titled(task: Span) -> str:
    """The name of a task, without the role's."""
    return task.name.rpartition("steady.rollout.starrocks_upgrade : ")[2]


def test_the_example_installs_what_is_tried_here() -> None:
    installed = ansible_wheel.collections() / "ansible_collections"
    for words in commands():
        if words[:3] == ["ansible-galaxy", "collection", "install"]:
            assert [name for name in words[3:] if not installed.joinpath(*name.split(".")).is_dir()] == []
        elif words[:2] == ["pip", "install"]:
            assert all(metadata.version(name) for name in words[2:])
        else:
            assert words[0] == "export"


def test_a_play_is_a_trace_and_a_task_is_a_span_without_its_options(
    calm: StarRocks, asked: Driver, collector: Receiver, tmp_path: Path
) -> None:
    """A playbook around a shipped one, as people write it, with the FE password in clear as they should not."""
    about = {"cluster": calm.name, "namespace": calm.namespace}
    look = {"name": "Look again", "steady.rollout.starrocks_info": {**about, "fe_password": calm.password}}
    plays = [
        {"ansible.builtin.import_playbook": "steady.rollout.starrocks_plan"},
        {"hosts": "localhost", "gather_facts": False, "tasks": [look]},
    ]
    playbook = tmp_path / "plan.yml"
    playbook.write_text(yaml.safe_dump(plays))
    exports = [f"export {name}={shlex.quote(value)}" for name, value in exported(collector).items()]
    command = f"ansible-playbook {playbook} -e cluster={calm.namespace}/{calm.name} -e version=3.3.2"
    asked.as_root().shell("\n".join([*exports, command]), tmp_path).succeeded()
    playbook.unlink()
    root, tasks = trace(collector)
    assert (root.name, root.status.code) == ("plan.yml", Status.STATUS_CODE_OK)
    told = [(titled(task), attributes(task)["module"], attributes(task)["host.status"]) for task in tasks]
    assert len(told) == len(set(told)), "a task is one span; an include is one more, with another status"
    assert [(title, module, status) for title, module, status in told if module.startswith("steady.rollout.")] == [
        ("Look at the cluster", "steady.rollout.starrocks_info", "ok"),
        ("Plan the upgrade", "steady.rollout.starrocks_plan", "ok"),
        ("Report on the risks", "steady.rollout.starrocks_report", "skipped"),
        ("Look again", "steady.rollout.starrocks_info", "ok"),
    ]
    assert [got for got in collector.got if calm.password.encode() in got.body] == []
    assert [task.name for task in tasks if any(name.startswith("args") for name in attributes(task))] == []


def test_a_pod_is_a_span_and_a_run_that_failed_is_an_error(
    starrocks: StarRocks, product: Driver, collector: Receiver
) -> None:
    target = {"images": {"be": "starrocks/be-ubuntu:3.3.2-broken"}}
    product.run(product.document(None, target=target), environment=exported(collector)).failed("CrashLoopBackOff")
    root, tasks = trace(collector)
    assert (root.name, root.status.code) == ("starrocks_upgrade.yml", Status.STATUS_CODE_ERROR)
    steps = [titled(task) for task in tasks if attributes(task)["module"] == "steady.rollout.starrocks_step"]
    assert [title for title in steps if "prod-be-" in title] == [
        "prod-be-1 to 3.3.2-broken",
        "prod-be-0 to 3.3.2-broken",
        "back: prod-be-1 to 3.3.1",
    ]
    (report,) = (task for task in tasks if task.status.code == Status.STATUS_CODE_ERROR)
    assert (titled(report), attributes(report)["module"]) == ("Report", "steady.rollout.starrocks_report")
    (event,) = report.events
    said = {entry.key: entry.value.string_value for entry in event.attributes}
    assert "prod-be-1: CrashLoopBackOff" in said["exception.message"]
    assert [got for got in collector.got if starrocks.password.encode() in got.body] == []
