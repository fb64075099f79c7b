# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small report for the tests of this package."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 11, 21, 3, 15, 22, tzinfo=UTC)
KEY = "tablet_sched_max_scheduling_tablets"
FES = ("prod-fe-0", "prod-fe-1", "prod-fe-2")


def at(seconds: float) -> str:
    """Return the time some seconds after the start."""
    return (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _pod_event(seconds: float, name: str, state: str, image: str = "") -> dict[str, Any]:
    data = {"state": state, "image": image} if image else {"state": state}
    return {
        "at": at(seconds),
        "kind": "pod",
        "step": f"be/{name}",
        "subject": name,
        "text": f"{name} {state}",
        "data": data,
    }


def _setting_event(seconds: float, phase: str, value: str) -> dict[str, Any]:
    data = {"key": KEY, "value": value, "phase": phase}
    return {"at": at(seconds), "kind": "setting", "subject": KEY, "text": f"{KEY} = {value}", "data": data}


def _window_event(seconds: float, state: str) -> dict[str, Any]:
    return {
        "at": at(seconds),
        "kind": "window",
        "subject": KEY,
        "text": f"repair window {state}",
        "data": {"state": state},
    }


def _pod(name: str, component: str, after: str, *, touched: bool) -> dict[str, Any]:
    image = f"starrocks/{component}-ubuntu"
    return {
        "name": name,
        "component": component,
        "before": {"image": f"{image}:3.3.1", "uid": "a", "version": "3.3.1"},
        "after": {"image": f"{image}:{after}", "uid": "b" if touched else "a", "version": after},
        "touched": touched,
    }


def _step(identity: str, kind: str, begin: float, end: float, state: str = "done") -> dict[str, Any]:
    return {
        "id": identity,
        "title": f"do {identity}",
        "kind": kind,
        "state": state,
        "startedAt": at(begin),
        "finishedAt": at(end),
        "attempts": 1,
        "waitedFor": [{"what": "pod ready", "seconds": 2.1}],
        "text": "",
    }


def success() -> dict[str, Any]:
    """Return the report of one BE that was upgraded, with a repair window."""
    return {
        "apiVersion": "rollout.steady.dev/v1alpha1",
        "kind": "UpgradeReport",
        "run": {
            "id": "run-1",
            "title": "StarRocks rolling upgrade",
            "cluster": "prod",
            "namespace": "starrocks",
            "from": "3.3.1",
            "to": "3.3.2",
            "outcome": "succeeded",
            "reason": "",
            "remedy": "",
            "startedAt": at(0),
            "finishedAt": at(20),
            "planHash": "sha256:00",
            "holder": "oncall@host/1",
            "front": "playbook",
        },
        "plan": {
            "steps": [
                {"id": "begin", "kind": "begin", "title": "switch off", "estimateSeconds": 2},
                {
                    "id": "be/prod-be-0",
                    "kind": "upgrade-pod",
                    "title": "prod-be-0 to 3.3.2",
                    "component": "be",
                    "pod": "prod-be-0",
                    "estimateSeconds": 10,
                },
                {"id": "restore", "kind": "restore", "title": "restore", "estimateSeconds": 2},
            ],
            "risks": [{"name": "one-be", "level": "warning", "text": "only one BE", "acknowledged": True}],
            "pointOfNoReturn": None,
        },
        "steps": [
            _step("begin", "begin", 1, 3),
            _step("be/prod-be-0", "upgrade-pod", 3, 18),
            _step("restore", "restore", 18, 20),
        ],
        "events": [
            _setting_event(2, "quiesced", "0"),
            _pod_event(4, "prod-be-0", "deleted"),
            _pod_event(5, "prod-be-0", "created", "starrocks/be-ubuntu:3.3.2"),
            _pod_event(9, "prod-be-0", "ready", "starrocks/be-ubuntu:3.3.2"),
            _window_event(10, "open"),
            _window_event(16, "closed"),
            _setting_event(19, "restored", "10000"),
        ],
        "settings": [
            {
                "key": KEY,
                "baseline": "10000",
                "quiesced": "0",
                "before": dict.fromkeys(FES, "10000"),
                "final": dict.fromkeys(FES, "10000"),
                "state": "restored",
                "note": "",
            }
        ],
        "pods": [_pod("prod-be-0", "be", "3.3.2", touched=True), _pod("prod-fe-0", "fe", "3.3.1", touched=False)],
        "gates": [
            {
                "name": "tablets_settled",
                "step": "be/prod-be-0",
                "subject": "prod-be-0",
                "verdict": "passed",
                "firstAt": at(10),
                "lastAt": at(16),
                "evaluations": 7,
                "text": "0 unhealthy tablets, baseline 0",
            }
        ],
        "hooks": [
            {
                "name": "image",
                "stage": "pre",
                "step": "pre/1-image",
                "source": "create-image of the catalogue",
                "outcome": "done",
                "critical": False,
                "startedAt": at(1),
                "finishedAt": at(3),
                "attempts": 2,
                "seconds": 2.0,
                "text": "image 4711 is on every FE",
                "log": "first line\nsecond line",
                "statements": ["ALTER SYSTEM CREATE IMAGE"],
                "values": [{"key": KEY, "before": "10000", "after": "0"}],
            }
        ],
        "statements": [
            {"at": at(2), "sql": f'ADMIN SET FRONTEND CONFIG ("{KEY}" = "0")', "step": "begin", "why": "quiesced"}
        ],
    }


def rolled_back() -> dict[str, Any]:
    """Return the report of a BE that failed and was put back."""
    report = success()
    report["run"] |= {"outcome": "rolled-back", "reason": "prod-be-0 does not start", "remedy": "Use a good image"}
    report["steps"][1]["state"] = "failed"
    report["steps"].insert(2, _step("rollback/prod-be-0", "rollback-pod", 12, 17))
    report["events"] = [
        _setting_event(2, "quiesced", "0"),
        _pod_event(4, "prod-be-0", "deleted"),
        _pod_event(5, "prod-be-0", "created", "starrocks/be-ubuntu:3.3.2"),
        _pod_event(9, "prod-be-0", "failed"),
        {"at": at(12), "kind": "rollback", "subject": "prod", "text": "rollback begins"},
        _pod_event(12, "prod-be-0", "deleted"),
        _pod_event(13, "prod-be-0", "created", "starrocks/be-ubuntu:3.3.1"),
        _pod_event(16, "prod-be-0", "ready", "starrocks/be-ubuntu:3.3.1"),
        _setting_event(19, "restored", "10000"),
    ]
    report["pods"][0] = _pod("prod-be-0", "be", "3.3.1", touched=True)
    return report


def left_open() -> dict[str, Any]:
    """Return the report of a killed run, whose setting is still off on one FE."""
    report = success()
    report["run"] |= {"outcome": "failed", "reason": "the run was killed", "remedy": "Run it again"}
    report["events"] = report["events"][:3]
    report["settings"][0] |= {"state": "open", "final": {**dict.fromkeys(FES, "10000"), "prod-fe-1": "0"}}
    return report
