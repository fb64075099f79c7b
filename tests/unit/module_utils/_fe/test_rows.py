# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows by the names of their columns, from versions that have more or fewer of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.snapshot import Tablets
from ansible_collections.steady.rollout.plugins.module_utils._fe.rows import (
    Malformed,
    frontends_of,
    settings_of,
    tablets_of,
    workers_of,
)

FRONTEND: dict[str, str | None] = {
    "Name": "prod-fe-0_9010",
    "IP": "prod-fe-0.prod-fe-search.starrocks.svc.cluster.local",
    "Role": "LEADER",
    "Join": "true",
    "Alive": "true",
    "ReplayedJournalId": "10067",
    "ErrMsg": "",
    "StartTime": "2026-01-02 03:04:05",
    "Version": "3.3.1-abc",
}
BACKEND: dict[str, str | None] = {
    "IP": "prod-be-1.prod-be-search.starrocks.svc.cluster.local",
    "LastStartTime": "2026-01-02 03:04:05",
    "Alive": "true",
    "SystemDecommissioned": "false",
    "ClusterDecommissioned": "false",
    "TabletNum": "30",
    "Version": "3.3.1",
}
TOTAL: dict[str, str | None] = {
    "DbId": "Total",
    "DbName": "3",
    "TabletNum": "30",
    "UnhealthyTabletNum": "2",
    "InconsistentTabletNum": "0",
    "CloningTabletNum": "1",
    "ErrorStateTabletNum": "0",
}
QUEUES: list[dict[str, str | None]] = [
    {"Item": "cluster_load_stat", "Number": "1"},
    {"Item": "pending_tablets", "Number": "4"},
    {"Item": "running_tablets", "Number": "5"},
]


def test_a_frontend() -> None:
    (found,) = frontends_of([FRONTEND])

    assert (found.pod, found.role, found.alive, found.join) == ("prod-fe-0", "LEADER", True, True)
    assert (found.replayed_journal_id, found.start_time) == (10067, "2026-01-02 03:04:05")
    assert found.version == "3.3.1-abc"


@pytest.mark.parametrize("column", ["StartTime", "Version", "ReplayedJournalId"])
@pytest.mark.parametrize("value", ["NULL", "", None])
def test_what_an_fe_does_not_know_is_none(column: str, value: str | None) -> None:
    (found,) = frontends_of([{**FRONTEND, column: value}])

    assert None in (found.start_time, found.version, found.replayed_journal_id)


def test_columns_of_other_versions_change_nothing() -> None:
    extended = {"Id": "7", **FRONTEND, "New": "x"}
    reduced = {name: value for name, value in FRONTEND.items() if name not in ("Name", "ErrMsg")}

    assert frontends_of([extended]) == frontends_of([FRONTEND]) == frontends_of([reduced])


@pytest.mark.parametrize(
    ("column", "value"),
    [("IP", ""), ("IP", None), ("Role", "NULL"), ("Alive", "yes"), ("Alive", None), ("ReplayedJournalId", "x1")],
)
def test_what_a_gate_reads_is_there_or_an_error(column: str, value: str | None) -> None:
    with pytest.raises(Malformed, match=column):
        frontends_of([{**FRONTEND, column: value}])


def test_a_missing_column_is_an_error() -> None:
    with pytest.raises(Malformed, match="no column Alive"):
        frontends_of([{name: value for name, value in FRONTEND.items() if name != "Alive"}])


def test_no_frontend_at_all_is_an_error() -> None:
    with pytest.raises(Malformed, match="no rows"):
        frontends_of([])


@pytest.mark.parametrize("address", ["10.1.2.3", "fd00::12"])
def test_an_address_is_no_name(address: str) -> None:
    assert frontends_of([{**FRONTEND, "IP": address}])[0].pod == address


def test_a_backend() -> None:
    (found,) = workers_of([BACKEND], "be")

    assert (found.pod, found.component, found.alive, found.tablets) == ("prod-be-1", "be", True, 30)
    assert (found.decommissioned, found.running_queries) == (False, None)


def test_a_compute_node_has_queries_and_perhaps_no_tablets() -> None:
    row = {name: value for name, value in BACKEND.items() if name != "TabletNum"}
    (found,) = workers_of([{**row, "NumRunningQueries": "3", "StatusCode": "OK"}], "cn")

    assert (found.component, found.tablets, found.running_queries) == ("cn", None, 3)


@pytest.mark.parametrize("column", ["SystemDecommissioned", "ClusterDecommissioned"])
def test_either_decommission_counts(column: str) -> None:
    assert workers_of([{**BACKEND, column: "true"}], "be")[0].decommissioned


def test_no_worker_is_a_valid_answer() -> None:
    assert workers_of([], "cn") == ()


def test_tablets() -> None:
    databases: dict[str, str | None] = {"DbId": "10001", "TabletNum": "30", "UnhealthyTabletNum": "99"}

    assert tablets_of([databases, TOTAL], QUEUES) == Tablets(30, 2, 0, 1, 0, 4, 5)


@pytest.mark.parametrize("column", sorted(set(TOTAL) - {"DbName"}))
def test_no_count_of_tablets_is_made_up(column: str) -> None:
    for broken in ({name: value for name, value in TOTAL.items() if name != column}, {**TOTAL, column: "NULL"}):
        with pytest.raises(Malformed):
            tablets_of([broken], QUEUES)


@pytest.mark.parametrize("item", ["pending_tablets", "running_tablets"])
def test_no_length_of_a_queue_is_made_up(item: str) -> None:
    with pytest.raises(Malformed, match=item):
        tablets_of([TOTAL], [row for row in QUEUES if row["Item"] != item])


def test_an_empty_statistic_is_an_error() -> None:
    with pytest.raises(Malformed, match="no Total row"):
        tablets_of([], QUEUES)


def test_a_setting_with_its_aliases() -> None:
    row: dict[str, Any] = {
        "Key": "tablet_sched_disable_balance",
        "AliasNames": "[disable_balance, other]",
        "Value": "false",
        "Type": "boolean",
        "IsMutable": "true",
    }
    (found,) = settings_of([row])

    assert found.is_called("disable_balance")
    assert found.is_called("tablet_sched_disable_balance")
    assert not found.is_called("balance")
    assert (found.value, found.kind, found.mutable) == ("false", "boolean", True)


def test_a_setting_of_a_version_without_aliases() -> None:
    (found,) = settings_of([{"Key": "a", "Value": ""}])

    assert (found.aliases, found.value, found.mutable) == (frozenset(), "", None)


def test_a_setting_without_a_value_is_an_error() -> None:
    with pytest.raises(Malformed, match="Value is NULL"):
        settings_of([{"Key": "a", "Value": None}])


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(sorted(FRONTEND)), st.none() | st.text(max_size=8))))
def test_whatever_comes_is_rows_or_an_error(rows: list[dict[str, str | None]]) -> None:
    try:
        found = frontends_of(rows)
    except Malformed:
        return
    assert len(found) == len(rows)
