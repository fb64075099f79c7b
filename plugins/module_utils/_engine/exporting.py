# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Where metrics go: a folder of node_exporter's textfile collector, a Pushgateway."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation.told import MetricsTarget
from ansible_collections.steady.rollout.plugins.module_utils._domain.reach import own_policy
from ansible_collections.steady.rollout.plugins.module_utils._engine.files import write_whole
from ansible_collections.steady.rollout.plugins.module_utils._http.call import call

GATEWAY_SECONDS = 5.0


class Told(RolloutError):
    """A channel that could not be told."""


def to_textfile(folder: str, name: str, text: str) -> None:
    """Replace the file `<name>.prom`, of which the collector reads every one; it appears whole or not at all."""
    try:
        write_whole(folder, f"{name}.prom", text)
    except OSError as error:
        remedy = "make the folder, writable for whoever runs the modules, or change installation.metrics.textfile"
        raise Told(f"{folder} cannot be written: {error.strerror}.", remedy=remedy) from error


def to_gateway(target: MetricsTarget, job: str, group: Mapping[str, str], text: str) -> None:
    """Replace the metrics of a group, which is the job and further labels."""
    labels = "".join(f"/{name}/{quote(value, safe='')}" for name, value in group.items())
    url = f"{target.pushgateway}/metrics/job/{job}{labels}"
    policy = own_policy(url, "url", ca_file=target.ca_file, timeout_seconds=GATEWAY_SECONDS)
    headers = {"User-Agent": "steady-rollout", "Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    answer = call(url, "PUT", headers, text.encode(), policy, timeout=GATEWAY_SECONDS)
    if not 200 <= answer.status < 300:
        raise Told(f"answered with status {answer.status}.", remedy="look at the gateway's log")
