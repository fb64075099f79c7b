# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rights on the FE: one who lacks something is told what.

That the user of the shipped SQL file is enough is seen in every test that runs the product: scenarios/playbook.py.
"""

from __future__ import annotations

import pytest
from scenarios.cluster import Mark, StarRocks
from scenarios.playbook import Driver
from scenarios.rights import USER, USER_SECRET


def assert_only_that_user(starrocks: StarRocks, since: Mark) -> None:
    """Every statement came from the user, and none was refused."""
    queries = starrocks.queries(since)
    assert {entry["user"] for entry in queries} == {USER}
    assert [entry["sql"] for entry in queries if entry["errno"] == 5203] == []


def test_operate_is_enough_for_an_upgrade(starrocks: StarRocks, product: Driver) -> None:
    mark = starrocks.mark()
    product.run(product.document("3.3.2", acknowledge=["leader-restart"])).succeeded()
    assert set(starrocks.tags.values()) == {"3.3.2"}
    starrocks.assert_settings()
    assert_only_that_user(starrocks, mark)


@pytest.mark.parametrize("privileges", [[], ["SELECT"], ["NODE"]], ids=lambda found: "+".join(found) or "none")
def test_without_operate_nothing_is_touched(privileges: list[str], starrocks: StarRocks, product: Driver) -> None:
    starrocks.simulate(users={USER: {"password": starrocks.user_password, "privileges": privileges}})
    mark = starrocks.mark()
    run = product.preflight(product.document("3.3.2"))
    run.failed("does not allow user rollout", "OPERATE", "GRANT OPERATE ON SYSTEM TO USER rollout")
    assert "cluster_admin" not in run.text
    starrocks.untouched(mark)


def test_without_node_a_transfer_of_the_lead_is_refused_before_anything_is_touched(
    starrocks: StarRocks, product: Driver
) -> None:
    starrocks.simulate(options={"transfer_leader": True})
    mark = starrocks.mark()
    run = product.preflight(product.document("3.3.2", leader={"strategy": "transfer"}))
    run.failed("leader.strategy", "NODE", "GRANT cluster_admin TO USER rollout; SET DEFAULT ROLE cluster_admin TO")
    starrocks.untouched(mark)
    starrocks.grant_node()
    product.run(product.document("3.3.2", leader={"strategy": "transfer"})).succeeded()
    assert set(starrocks.tags.values()) == {"3.3.2"}


def test_a_user_that_does_not_exist(starrocks: StarRocks, product: Driver) -> None:
    access = {"fe_user": "nobody", "fe_password_secret": {"name": USER_SECRET}}
    mark = starrocks.mark()
    run = product.preflight(product.document("3.3.2"), starrocks_access=access)
    run.failed("does not let user nobody in", "fe_password_secret")
    starrocks.untouched(mark)
