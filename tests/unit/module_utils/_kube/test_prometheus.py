# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to a Prometheus server, and answers that are none."""

from __future__ import annotations

from typing import Any

import pytest
from unit.module_utils._kube.apiserver import Answer, ApiServer

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused, RolloutError, Unreachable
from ansible_collections.steady.rollout.plugins.module_utils._kube import prometheus


def asked(answer: Answer) -> dict[str, str]:
    """What a server that answers so is understood to say."""
    with ApiServer(lambda _request: answer) as server:
        return prometheus.values(f"{server.url}/", "up")


def vector(*series: tuple[dict[str, str], str]) -> Answer:
    """The answer to an instant query."""
    result = [{"metric": metric, "value": [1767323045.1, value]} for metric, value in series]
    return Answer(body={"status": "success", "data": {"resultType": "vector", "result": result}})


def test_each_series_is_a_value_by_its_labels() -> None:
    found = asked(vector(({"job": "b", "a": "x"}, "0.5"), ({}, "1e-05")))
    assert found == {"a=x,job=b": "0.5", "value": "1e-05"}


def test_a_scalar_is_one_value() -> None:
    data = {"resultType": "scalar", "result": [1767323045.1, "3"]}
    assert asked(Answer(body={"status": "success", "data": data})) == {"scalar": "3"}


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Answer(400, {"status": "error", "error": "parse error"}), Refused, "parse error"),
        (Answer(body={"status": "success", "data": {"resultType": "matrix", "result": []}}), Refused, "is a matrix"),
        (Answer(502, b"<html>"), Unreachable, "none of Prometheus"),
        (Answer(200, b"{" + b" " * prometheus.LARGEST_ANSWER + b"}"), Unreachable, "none of Prometheus"),
        (Answer(hang_up=True), Unreachable, "No answer from Prometheus"),
    ],
)
def test_what_is_no_answer_is_an_error(answer: Any, kind: type[RolloutError], words: str) -> None:
    with pytest.raises(kind, match=words):
        asked(answer)
