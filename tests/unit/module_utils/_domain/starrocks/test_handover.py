# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one task hands to the next."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.handover import Handover, from_text

from .builders import a_cluster, a_record, a_spec, examples

FRESH = Handover("prod", "starrocks", "cluster-uid", a_cluster(cn=1).snapshot.workloads)
USED = replace(
    FRESH,
    record=a_record(a_cluster().snapshot, a_spec(), "prod-be-2").to_record(),
    record_version="7",
    holder="rollout-1",
    lease_version="8",
    lease_renewed=12.5,
    run="rollout-1",
    outcome="failed",
    reason="why",
    remedy="what",
)


def plain(handover: Handover) -> dict[str, Any]:
    """What its text holds."""
    return dict(json.loads(handover.to_text().partition(" ")[2]))


def test_its_text_is_not_taken_for_a_dict_by_older_ansible() -> None:
    assert not FRESH.to_text().startswith(("{", "["))


@pytest.mark.parametrize("handover", [FRESH, USED], ids=["fresh", "used"])
def test_it_comes_back_as_it_went(handover: Handover) -> None:
    assert from_text(handover.to_text(), cluster="prod", namespace="starrocks") == handover


@pytest.mark.parametrize(("cluster", "namespace"), [("prod", "default"), ("test", "starrocks")])
def test_another_clusters_is_refused(cluster: str, namespace: str) -> None:
    with pytest.raises(Refused, match="another cluster"):
        from_text(USED.to_text(), cluster=cluster, namespace=namespace)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", '"x"', '{"cluster": "prod"}'])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(Refused, match="progress"):
        from_text(text, cluster="prod", namespace="starrocks")


def test_a_fresh_look_goes_on_with_the_lease_and_the_story() -> None:
    going_on = FRESH.continuing(USED)
    assert (going_on.holder, going_on.lease_version, going_on.lease_renewed) == ("rollout-1", "8", 12.5)
    assert (going_on.run, going_on.outcome, going_on.reason, going_on.remedy) == ("rollout-1", "failed", "why", "what")
    assert (going_on.record, going_on.stopped) == (USED.record, "")


@given(
    field=st.sampled_from(list(plain(USED))),
    value=st.none() | st.booleans() | st.integers() | st.just(10**400) | st.text(max_size=5) | st.just([]),
)
@examples(150)
def test_an_edited_one_is_refused_or_read(field: str, value: Any) -> None:
    data = {**plain(USED), field: value}
    try:
        read = from_text(json.dumps(data), cluster="prod", namespace="starrocks")
    except Refused:
        return
    assert (read.cluster, read.namespace) == ("prod", "starrocks")
