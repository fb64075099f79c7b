# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode and planning: everything is shown, nothing is written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from scenarios.cluster import StarRocks
from scenarios.playbook import Driver


def assert_plan(text: str) -> None:
    """The plan names every pod in its order, the settings and the point of no return."""
    order = [text.index(f"{pod} to 3.3.2") for pod in ("prod-be-1", "prod-be-0", "prod-fe-2", "prod-fe-1", "prod-fe-0")]
    assert order == sorted(order)
    assert re.search("point of no return", text)


@pytest.mark.oldest
def test_check_and_diff_show_the_plan_and_write_nothing(starrocks: StarRocks, product: Driver) -> None:
    mark = starrocks.mark()
    run = product.upgrade("3.3.2", "--check", "--diff").succeeded()
    starrocks.untouched(mark)
    assert starrocks.record is None
    assert starrocks.lease is None
    assert_plan(run.text)
    assert "-starRocksBeSpec.image: starrocks/be-ubuntu:3.3.1" in run.text
    assert "+starRocksBeSpec.image: starrocks/be-ubuntu:3.3.2" in run.text
    assert run.reports == {}


def test_the_plan_playbook_writes_nothing(starrocks: StarRocks, product: Driver) -> None:
    mark = starrocks.mark()
    run = product.run(product.document("3.3.2"), playbook="starrocks_plan").succeeded()
    starrocks.untouched(mark)
    assert_plan(run.text)


def test_check_of_a_restore_writes_nothing(starrocks: StarRocks, product: Driver) -> None:
    run = product.start(product.document("3.3.2"), starrocks_upgrade_lease_seconds=5)
    starrocks.wait_switched_off()
    run.kill()
    mark, record = starrocks.mark(), starrocks.record
    product.restore("--check", "--diff").succeeded()
    assert starrocks.writes(mark) == []
    assert starrocks.statements(mark) == []
    assert starrocks.record == record
    product.restore(starrocks_restore_lease_seconds=5).succeeded()
    starrocks.assert_settings()


def test_an_approved_plan_is_carried_out_and_no_other(starrocks: StarRocks, product: Driver) -> None:
    mark = starrocks.mark()
    document = product.document("3.3.2")
    shown = product.run(document, playbook="starrocks_plan").succeeded()
    found = re.search(r"sha256:[0-9a-f]+", shown.stdout)
    assert found
    other = product.document("3.3.3")
    product.run(other, starrocks_upgrade_approved_hash=found[0]).failed("approved_hash", "approve")
    starrocks.untouched(mark)
    product.run(document, starrocks_upgrade_approved_hash=found[0]).succeeded()
    assert set(starrocks.tags.values()) == {"3.3.2"}


@pytest.mark.parametrize("place", ["a folder that does not exist yet", "none"])
def test_reports_go_where_they_are_asked_to_go(
    place: str, starrocks: StarRocks, product: Driver, tmp_path: Path
) -> None:
    folder = "" if place == "none" else str(tmp_path / "deep" / "er")
    target = {"images": {"be": "starrocks/be-ubuntu:3.3.2"}}
    run = product.run(product.document(None, target=target), starrocks_upgrade_report_dir=folder).succeeded()
    assert run.reports == {}
    written = sorted(path.suffix for path in (tmp_path / "deep" / "er").glob("*"))
    assert written == ([] if place == "none" else [".html", ".json"])
