# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hook create-image: refused without its privilege, and proved on every FE before the run goes on.

The user of the shipped file has that privilege only where a test grants it, as docs/access.md says.
"""

from __future__ import annotations

from typing import Any

import pytest
from scenarios.cluster import StarRocks
from scenarios.playbook import Driver, Run
from scenarios.rights import USER

CREATE_IMAGE = "ALTER SYSTEM CREATE IMAGE"
PODS = {"prod-fe-0", "prod-fe-1", "prod-fe-2"}


@pytest.fixture
def imager(starrocks: StarRocks, product: Driver) -> Driver:
    """The product, whose user of the FE has NODE."""
    starrocks.grant_node()
    return product


def pre(**fields: Any) -> dict[str, Any]:
    """The stages of an upgrade that begins with an image."""
    return {"pre": [{"name": "image", "predefined": "create-image", **fields}]}


def hook(run: Run, starrocks: StarRocks) -> dict[str, Any]:
    """What the record says of the hook."""
    record = starrocks.record
    assert record is not None, run.stdout
    (only,) = [hooks["image"] for step in record["steps"].values() if "image" in (hooks := step.get("hooks") or {})]
    found: dict[str, Any] = only
    return found


def test_the_image_is_on_every_fe_before_the_first_pod(starrocks: StarRocks, imager: Driver) -> None:
    before = starrocks.state["journal"]
    run = imager.upgrade(stages=pre()).succeeded()
    state = starrocks.state
    assert state["images"] == 1
    assert all(frontend["image"] >= before for frontend in state["frontends"].values())
    pushed = next(event for event in state["events"] if event["event"] == "image pushed")
    first_stop = next(event for event in state["events"] if event["event"] == "down")
    assert pushed["at"] < first_stop["at"]
    text = hook(run, starrocks)["text"]
    assert text.startswith("every FE holds an image that ends with journal id")
    assert all(pod in text for pod in PODS)
    assert "image_push counts 1 more" in text


def test_no_pod_is_touched_while_one_fe_lacks_the_image_and_a_killed_run_is_continued(
    starrocks: StarRocks, imager: Driver
) -> None:
    starrocks.simulate(options={"image_push_refused": ["prod-fe-2"]})
    document, mark, uids = imager.document("3.3.2", stages=pre()), starrocks.mark(), starrocks.uids
    process = imager.start(document)
    starrocks.wait(lambda state: state["frontends"]["prod-fe-1"]["image"] is not None, "make an image")
    starrocks.wait_record(lambda record: "image" in record["steps"]["pre/0-image"]["hooks"], "note the hook")
    process.kill()
    assert starrocks.uids == uids
    starrocks.simulate(options={"image_push_refused": []})
    imager.run(document).succeeded()
    assert starrocks.statements(mark).count(CREATE_IMAGE) == 2
    images = [frontend["image"] for frontend in starrocks.state["frontends"].values()]
    assert len(set(images)) == 1


def test_without_node_it_is_refused_before_anything_runs(starrocks: StarRocks, product: Driver) -> None:
    mark = starrocks.mark()
    run = product.upgrade(stages=pre())
    run.failed("hook image", f"user {USER} of the FE lacks NODE on SYSTEM", f"GRANT cluster_admin TO USER {USER}")
    starrocks.untouched(mark)


def test_cluster_admin_is_enough(starrocks: StarRocks, imager: Driver) -> None:
    mark = starrocks.mark()
    imager.upgrade(stages=pre()).succeeded()
    users = {entry["user"] for entry in starrocks.queries(mark) if entry["sql"] == CREATE_IMAGE}
    assert users == {USER}


def test_with_http_auth_the_same_user_reads_the_proof(starrocks: StarRocks, imager: Driver) -> None:
    starrocks.simulate(options={"http_auth": True})
    imager.upgrade(stages=pre()).succeeded()
    assert starrocks.state["images"] == 1


def test_as_a_module_it_waits_for_the_proof_too(starrocks: StarRocks, imager: Driver) -> None:
    code, result = imager.module("starrocks_hook", names=["create-image"])
    assert code == 0, result
    assert result["results"][0]["text"].startswith("every FE holds an image")
    assert all(frontend["image"] is not None for frontend in starrocks.state["frontends"].values())


def test_as_a_module_it_is_refused_without_node_before_another_hook_runs(starrocks: StarRocks, product: Driver) -> None:
    mark = starrocks.mark()
    code, result = product.module("starrocks_hook", names=["disable-balancer", "create-image"])
    assert code != 0
    assert "lacks NODE on SYSTEM" in result["msg"]
    assert f"GRANT cluster_admin TO USER {USER}" in result["remedy"]
    assert starrocks.statements(mark) == []
    assert starrocks.setting_changes(mark) == []
