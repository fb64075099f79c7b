# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifests of the Jobs: what is in them, what may never be, and the names that keep them apart."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.database.job import (
    KINDS,
    LONGEST_NAME,
    WORK,
    Kind,
    Order,
    Owner,
    Workshop,
    manifest,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.spec import parse_document
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation.databases import Tools

from .documents import SELF_HOSTED, changed, named

OWNER = Owner("orders", "shop", "uid-1")
SPEC = parse_document(named(SELF_HOSTED))
SHOP = Workshop(Tools(), "print('unpack')")
IMAGE = "registry.example/a@sha256:" + "0" * 64


def an_order(kind: Kind, **changes: Any) -> Order:
    """An order of a kind."""
    undo = {"undo": ("3", "2"), "back_to": "1", "stamp": "20261121063000"} if kind == "rollback" else {}
    image = "registry.example/a:v1" if kind == "inspect" else IMAGE
    order = Order(kind, SPEC.hash, "steady-rollout-db-1", image, "" if kind == "inspect" else "sha256:dir", **undo)
    return replace(order, **changes)


def made(kind: Kind, workshop: Workshop = SHOP, **fields: Any) -> dict[str, Any]:
    """The manifest of a kind."""
    document = SELF_HOSTED
    for path, value in fields.items():
        document = changed(document, path.replace("__", "."), value)
    return dict(manifest(an_order(kind), OWNER, parse_document(named(document)), workshop))


def containers(job: dict[str, Any]) -> dict[str, Any]:
    """Its containers by name, in their order."""
    pod = job["spec"]["template"]["spec"]
    return {item["name"]: item for item in [*pod["initContainers"], *pod["containers"]]}


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("inspect", ["resolve", "fetch", "unpack", "validate", "atlas"]),
        ("apply", ["fetch", "unpack", "atlas"]),
        ("verify", ["fetch", "unpack", "atlas"]),
        ("rollback", ["fetch", "unpack", "hash", "down", "atlas"]),
    ],
)
def test_the_containers_in_their_order(kind: Kind, names: list[str]) -> None:
    job = made(kind)
    assert list(containers(job)) == names
    assert [item["name"] for item in job["spec"]["template"]["spec"]["containers"]] == ["atlas"]


def test_only_apply_applies_and_only_what_was_inspected() -> None:
    assert containers(made("apply"))["atlas"]["args"][:2] == ["migrate", "apply"]
    assert containers(made("apply"))["fetch"]["args"] == ["export", IMAGE, f"{WORK}/image.tar"]
    assert containers(made("apply"))["unpack"]["args"] == ["--dir", "/migrations", "--expect", "sha256:dir"]
    for kind in ("inspect", "verify"):
        assert containers(made(kind))["atlas"]["args"][:2] == ["migrate", "status"]
        assert not any("apply" in item["args"] for item in containers(made(kind)).values())


def test_a_rollback_runs_the_down_files_and_sets_the_version() -> None:
    parts = containers(made("rollback"))
    assert parts["unpack"]["args"][-4:] == ["--down", "3,2", "--stamp", "20261121063000"]
    assert parts["down"]["args"][:6] == [
        *("migrate", "apply", "--config", "file:///work/atlas.hcl", "--env", "rollback")
    ]
    assert parts["atlas"]["args"][:3] == ["migrate", "set", "1"]
    log = {entry["name"]: entry.get("value") for entry in parts["down"]["env"]}["ROLLBACK_SCHEMA"]
    assert log == f"dbupgrade_rollback_{an_order('rollback').database[-8:]}"


@pytest.mark.parametrize("kind", KINDS)
def test_restricted_pod_security_and_no_retry(kind: Kind) -> None:
    job = made(kind)
    assert job["spec"]["backoffLimit"] == 0
    assert job["spec"]["podReplacementPolicy"] == "Failed"
    pod = job["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for item in containers(job).values():
        assert item["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert item["resources"]["requests"]
        assert item["resources"]["limits"]
        # What a container said last would stand in the status of its pod.
        assert "terminationMessagePolicy" not in item


@pytest.mark.parametrize("kind", KINDS)
def test_the_url_comes_from_the_managed_secret_into_the_environment_alone(kind: Kind) -> None:
    reference = {"secretKeyRef": {"name": "dbupgrade-orders-connection", "key": "url"}}
    for name, item in containers(made(kind)).items():
        urls = [entry.get("valueFrom") for entry in item["env"] if entry["name"] == "DATABASE_URL"]
        assert urls == ([reference] if name in ("atlas", "down") else []), name
        assert not any("DATABASE_URL" in argument or "$(" in argument for argument in item["args"])
    assert "db-connection-secret" not in json.dumps(made(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_no_shell_anywhere(kind: Kind) -> None:
    for name, item in containers(made(kind)).items():
        assert item.get("command", []) == (["python3", "-I", "-c", SHOP.program] if name == "unpack" else [])


def test_what_writes_is_made_suspended() -> None:
    assert {kind: made(kind)["spec"]["suspend"] for kind in KINDS} == {
        "inspect": False,
        "apply": True,
        "verify": False,
        "rollback": True,
    }


def test_the_deadline_is_that_of_the_spec() -> None:
    job = made("apply", runner__activeDeadlineSeconds=7200)
    assert job["spec"]["activeDeadlineSeconds"] == 7200


def test_registry_credentials_are_for_the_pod_and_for_crane() -> None:
    job = made("apply", runner__imagePullSecrets=[{"name": "registry"}, {"name": "mirror"}])
    pod = job["spec"]["template"]["spec"]
    assert pod["imagePullSecrets"] == [{"name": "registry"}, {"name": "mirror"}]
    fetch = containers(job)["fetch"]
    assert {"name": "DOCKER_CONFIG", "value": "/docker"} in fetch["env"]
    assert {"name": "docker", "mountPath": "/docker", "readOnly": True} in fetch["volumeMounts"]
    (volume,) = [volume["secret"] for volume in pod["volumes"] if volume["name"] == "docker"]
    assert volume["secretName"] == "registry"
    assert volume["items"] == [{"key": ".dockerconfigjson", "path": "config.json"}]
    assert not any(mount["name"] == "docker" for mount in containers(job)["atlas"]["volumeMounts"])


def test_a_ca_bundle_is_mounted_where_the_database_is_talked_to() -> None:
    job = made("apply", replace(SHOP, ca_bundle=True))
    mounted = {name for name, item in containers(job).items() if {"ca"} & {m["name"] for m in item["volumeMounts"]}}
    assert mounted == {"atlas"}


def test_resources_of_the_spec_replace_the_defaults() -> None:
    wanted = {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}
    assert containers(made("apply", runner__resources=wanted))["atlas"]["resources"] == wanted


def test_the_owner_takes_its_jobs_along() -> None:
    (reference,) = made("apply")["metadata"]["ownerReferences"]
    assert (reference["kind"], reference["uid"], reference["controller"]) == ("DBUpgrade", "uid-1", True)
    without = manifest(an_order("apply"), Owner("orders", "shop"), SPEC, SHOP)
    assert "ownerReferences" not in json.dumps(without)


def test_labels_and_the_whole_hash() -> None:
    job = made("apply")
    assert job["metadata"]["labels"]["rollout.steady.dev/dbupgrade"] == "orders"
    whole = job["metadata"]["annotations"]["rollout.steady.dev/spec-hash"]
    assert whole == an_order("apply").hash(OWNER)
    assert job["metadata"]["name"] == f"dbu-orders-apply-{whole[7:17]}"


@given(
    name=st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", fullmatch=True),
    kind=st.sampled_from(KINDS),
    uid=st.text(),
)
@settings(max_examples=100, derandomize=True, deadline=None)
def test_any_name_makes_a_name_of_a_job(name: str, kind: Kind, uid: str) -> None:
    job = an_order(kind).name(Owner(name, "shop", uid))
    assert len(job) <= LONGEST_NAME
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", job)


def test_two_orders_have_two_names() -> None:
    owners = [OWNER, Owner("orders", "shop"), Owner("orders", "stage", "uid-1"), Owner("orders", "shop", "uid-2")]
    names = {an_order("apply").name(owner) for owner in owners}
    changes: list[dict[str, Any]] = [{}, {"spec_hash": "x"}, {"database": "x"}, {"image": "x"}, {"directory_hash": "x"}]
    changes += [{"follows": "x"}, {"round": 1}, {"back_to": "x"}, {"undo": ("x",)}]
    names |= {an_order("apply", **change).name(OWNER) for change in changes}
    names.add(replace(an_order("apply"), kind="verify").name(OWNER))
    assert len(names) == len(owners) + len(changes)
    long = [Owner("x" * 60 + end, "shop") for end in ("a", "b")]
    assert an_order("apply").name(long[0]) != an_order("apply").name(long[1])


def test_what_may_change_without_a_second_job() -> None:
    def spec_hash(**fields: Any) -> str:
        document = SELF_HOSTED
        for path, value in fields.items():
            document = changed(document, path.replace("__", "."), value)
        return parse_document(named(document)).hash

    same = [{"runner__activeDeadlineSeconds": 5}, {"onFailure": "Rollback"}, {"lint__destructive": "Report"}]
    same += [{"runner__mode": "Plan"}, {"checks": {"pre": {}}}, {"runner__imagePullSecrets": [{"name": "x"}]}]
    assert {spec_hash(**fields) for fields in same} == {SPEC.hash}
    other = [{"migrations__image": "myapp/migrations:v2"}, {"migrations__dir": "/x"}, {"runner__attempt": 2}]
    assert len({SPEC.hash, *(spec_hash(**fields) for fields in other)}) == 4


def test_flags_of_an_installation() -> None:
    tools = Tools(platform="linux/arm64", insecure_registry=True, lock_seconds=5, work_size="9Gi")
    job = made("apply", Workshop(tools, ""))
    assert containers(job)["fetch"]["args"][:4] == ["export", "--platform", "linux/arm64", "--insecure"]
    assert containers(job)["atlas"]["args"][containers(job)["atlas"]["args"].index("--lock-timeout") + 1] == "5s"
    assert {"name": "work", "emptyDir": {"sizeLimit": "9Gi"}} in job["spec"]["template"]["spec"]["volumes"]
