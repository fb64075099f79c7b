# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""One question to a Prometheus server whose address the installation names.

Request and answer are those of its HTTP API, https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries.
"""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused, Unreachable
from ansible_collections.steady.rollout.plugins.module_utils._kube.failures import innermost

ANSWER_SECONDS = 15.0
LARGEST_ANSWER = 1024 * 1024


def values(server: str, query: str) -> dict[str, str]:
    """The value of each series of an instant query, by its labels."""
    answer = _asked(server, query)
    if answer.get("status") != "success":
        raise Refused("query", query, f"Prometheus refuses it: {answer.get('error')}", remedy="correct the query")
    data = answer.get("data") or {}
    result = data.get("result")
    if data.get("resultType") == "scalar" and isinstance(result, list):
        return {"scalar": str(result[1])}
    if data.get("resultType") != "vector" or not isinstance(result, list):
        kind = data.get("resultType")
        raise Refused("query", query, f"its answer is a {kind}", remedy="write a query whose answer is a vector")
    return {_labels(series.get("metric") or {}): str(series["value"][1]) for series in result}


def _labels(metric: dict[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(metric.items())) or "value"


def _asked(server: str, query: str) -> dict[str, Any]:
    import urllib3

    pool = urllib3.PoolManager(retries=False, timeout=ANSWER_SECONDS)
    try:
        response = pool.request(
            "GET", f"{server.rstrip('/')}/api/v1/query", fields={"query": query}, redirect=False, preload_content=False
        )
        body = response.read(LARGEST_ANSWER + 1)
        response.close()
    except urllib3.exceptions.HTTPError as error:
        raise Unreachable(f"No answer from Prometheus at {server}: {innermost(error)}.") from error
    try:
        answer = json.loads(body) if len(body) <= LARGEST_ANSWER else None
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise Unreachable(f"The answer of {server} (HTTP status {response.status}) is none of Prometheus.")
    return answer
