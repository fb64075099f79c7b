# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The case of the annotations: from `starrocks.com/prepare-upgrade=true` to Completed, for two hooks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from steadybench import clients
from steadybench.cases import Bench, Failed, await_end
from steadybench.clients import Client, Job
from steadybench.measure import Measured, Usage
from steadybench.stage import CLUSTER, Requests, Site, until, user
from steadylab.lab import Lab

TRIGGER: Final = {
    "starrocks.com/prepare-upgrade": "true",
    "starrocks.com/upgrade-hooks": "disable-tablet-clone,disable-balancer",
}
HELD: Final = {"tablet_sched_max_scheduling_tablets": "0", "tablet_sched_disable_balance": "true"}
# How an annotation is called in which a client says how far it is: ours, and the script's own.
PHASE: Final = "/upgrade-preparation"
LONGEST_SECONDS: Final = 60.0
LONGEST_START_SECONDS: Final = 120.0


@dataclass(frozen=True)
class Prepared:
    """One preparation by one client.

    `first`, `setting` and `completed` are seconds from the answer to the write of the trigger: to the first statement
    on an FE, to the first that sets anything, and to the answer to the write that says Completed. `fe` is the sum of
    the seconds that the FEs took for the statements. Requests count from the trigger on.
    """

    first: float
    setting: float
    completed: float
    fe: float
    cpu: float
    connections: int
    statements: int
    requests: int
    events: int
    everywhere: bool
    load: float

    @property
    def apart(self) -> float:
        """Seconds to Completed without those of the FEs."""
        return self.completed - self.fe


def preparations(bench: Bench, lab: Lab) -> dict[str, list[Prepared]]:
    """Every client in turn, and that as often as asked, each on a cluster of its own that is put back in between."""
    sites = {client.key: Site(lab, f"prepare-{client.key}") for client in clients.PREPARING}
    for site in sites.values():
        lab.add_cluster(CLUSTER, site.namespace, wait=False)
    for site in sites.values():
        if not until(lambda site=site: _complete(site), LONGEST_START_SECONDS):
            raise Failed(f"{site.namespace}: its pods did not become ready")
    # No image changes, so there is no version to go to.
    jobs = {key: Job(site, "", user(lab, site.namespace), bench.folder) for key, site in sites.items()}
    results: dict[str, list[Prepared]] = {client.key: [] for client in clients.PREPARING}
    for turn in range(bench.repeats):
        for client in clients.PREPARING:
            name = f"prepare-{client.key}-{turn + 1}"
            found = _prepare(bench, client, jobs[client.key], name)
            results[client.key].append(found)
            bench.say(
                f"preparing, {client.title}: first statement {found.first:.2f} s, Completed {found.completed:.2f} s,"
                f" {found.connections} connections, {found.requests} requests (load {found.load:.1f})"
            )
            _put_back(bench, client, jobs[client.key], f"{name}-back")
    for site in sites.values():
        lab.remove_namespace(site.namespace, wait=False)
    return results


def _complete(site: Site) -> bool:
    pods = site.pods()
    ready = (condition for pod in pods for condition in pod["status"].get("conditions") or () if _is_ready(condition))
    cluster = site.lab.simulator_state()["clusters"].get(f"{site.namespace}/{CLUSTER}", {"leader": None})
    return len(pods) == site.fe + site.be == len(list(ready)) and cluster["leader"] is not None


def _is_ready(condition: Mapping[str, Any]) -> bool:
    return bool(condition["type"] == "Ready" and condition["status"] == "True")


def _prepare(bench: Bench, client: Client, job: Job, name: str) -> Prepared:
    site, lab = job.site, job.site.lab
    site.prepare()
    requests, load = Requests(lab, site.namespace), os.getloadavg()[0]
    audited, asked = len(lab.audit_entries()), len(lab.queries)
    if client.ours:
        # The script writes it itself.
        _annotate(site, TRIGGER)
    usage = await_end(bench.start(client, job, name), LONGEST_SECONDS, name)
    _check(usage, site, name)
    queries = [entry for entry in lab.queries[asked:] if entry["cluster"] == f"{site.namespace}/{CLUSTER}"]
    triggered = _patches(lab.audit_entries()[audited:], site)[0]
    own = [entry for entry in requests.entries() if _moment(entry, "requestReceivedTimestamp") > triggered]
    return Prepared(
        first=_began(queries) - triggered,
        setting=_began([entry for entry in queries if entry["sql"].startswith("ADMIN SET")]) - triggered,
        completed=_patches(own, site)[-1] - triggered,
        fe=sum(entry["seconds"] for entry in queries),
        cpu=usage.cpu,
        connections=len({(entry["forwarded_from"] or entry["fe"], entry["connection"]) for entry in queries}),
        statements=len(queries),
        requests=len({entry["auditID"] for entry in own}),
        events=requests.events(),
        everywhere=all(values | HELD == values for values in site.settings().values()),
        load=load,
    )


def _check(usage: Usage, site: Site, name: str) -> None:
    annotations: Mapping[str, str] = _resource(site)["metadata"]["annotations"]
    said = [text for key, text in annotations.items() if key.endswith(PHASE)]
    if usage.status != 0 or not any("Completed" in text for text in said):
        raise Failed(f"{name}: ended with status {usage.status}, and its object says {said}; its log has that name")


def _put_back(bench: Bench, client: Client, job: Job, name: str) -> None:
    """No trigger any more; ours puts the settings back itself, and for the script that is done before the next turn."""
    _annotate(job.site, dict.fromkeys([*TRIGGER, f"starrocks.com{PHASE}"]))
    if client.ours:
        usage = await_end(Measured(*client.start(job), bench.folder / f"{name}.log"), LONGEST_SECONDS, name)
        if usage.status != 0 or not job.site.settings_kept():
            raise Failed(f"{name}: ended with status {usage.status}, settings {job.site.settings()}")


def _annotate(site: Site, annotations: Mapping[str, str | None]) -> None:
    site.lab.api.patch("StarRocksCluster", CLUSTER, {"metadata": {"annotations": annotations}}, site.namespace)


def _resource(site: Site) -> dict[str, Any]:
    return site.lab.setup_api.get("StarRocksCluster", CLUSTER, site.namespace)


def _patches(entries: Iterable[Mapping[str, Any]], site: Site) -> list[float]:
    """When writes of the StarRocksCluster, not of its status alone, were answered; in their order."""
    wanted = {"resource": "starrocksclusters", "namespace": site.namespace, "name": CLUSTER}
    moments = [
        _moment(entry, "stageTimestamp")
        for entry in entries
        if entry["verb"] == "patch"
        and entry["stage"] == "ResponseComplete"
        and entry["objectRef"].items() >= wanted.items()
        and "subresource" not in entry["objectRef"]
    ]
    return sorted(moments)


def _moment(entry: Mapping[str, Any], name: str) -> float:
    return datetime.fromisoformat(entry[name]).timestamp()


def _began(queries: Sequence[Mapping[str, Any]]) -> float:
    """When the first of them began; the log says when each had been answered."""
    return min(float(entry["at"]) - float(entry["seconds"]) for entry in queries)
