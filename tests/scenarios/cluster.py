# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One StarRocks cluster of the lab as the control plane, the FEs, the audit log and the query log show it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final, TypeVar

import pymysql
from scenarios import rights

from steadylab import Lab
from steadylab.forward import Control
from steadylab.kube import ApiError
from steadylab.objects import ClusterSpec

Object = dict[str, Any]
Found = TypeVar("Found")
KEYS: Final = (
    "tablet_sched_max_scheduling_tablets",
    "tablet_sched_max_balancing_tablets",
    "tablet_sched_disable_balance",
    "tablet_sched_disable_colocate_balance",
)
LIMIT: Final = KEYS[0]
OFF: Final = dict(zip(KEYS, ("0", "0", "true", "true"), strict=True))
DEFAULTS: Final = dict(zip(KEYS, ("10000", "500", "false", "false"), strict=True))
COMPONENTS: Final = {"fe": "starRocksFeSpec", "be": "starRocksBeSpec", "cn": "starRocksCnSpec"}
# What a person waits for in a test comes within seconds; a loaded machine gets its time.
PATIENCE_SECONDS: Final = 90.0

_READS: Final = ("get", "list", "watch")
# Creating one of these persists nothing (kubernetes.io/docs/reference/access-authn-authz/authorization).
_REVIEWS: Final = ("selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews")
_READING_SQL: Final = re.compile(r"(ADMIN\s+)?SHOW\s|SELECT\s|SET\s+(NAMES|AUTOCOMMIT|SESSION|@@SESSION)|DESC", re.I)


@dataclass(frozen=True)
class Mark:
    """A moment: the lengths of the logs, and the list of the pods."""

    audit: int
    queries: int
    changes: int
    pods: Object


class StarRocks:
    """A cluster in the lab, looked at without the product."""

    def __init__(self, lab: Lab, spec: ClusterSpec, password: str) -> None:
        self.lab = lab
        self.name = spec.name
        self.namespace = spec.namespace
        self.password = password
        self.user_password = f"canary-of-{rights.USER}-{spec.namespace}"
        self.key = f"{spec.namespace}/{spec.name}"
        self.api = lab.setup_api
        self._control = Control(lab.directory / "simulator")

    # Objects of the control plane.

    @property
    def resource(self) -> Object:
        """The StarRocksCluster."""
        return self.api.get("StarRocksCluster", self.name, self.namespace)

    @property
    def pods(self) -> dict[str, Object]:
        """The pods by name."""
        found = self.api.list("Pod", self.namespace)["items"]
        return {pod["metadata"]["name"]: pod for pod in sorted(found, key=lambda pod: str(pod["metadata"]["name"]))}

    @property
    def uids(self) -> dict[str, str]:
        """The uid of each pod."""
        return {name: pod["metadata"]["uid"] for name, pod in self.pods.items()}

    @property
    def tags(self) -> dict[str, str]:
        """The image tag that each pod runs."""
        return {name: _tag(pod) for name, pod in self.pods.items()}

    @property
    def strategies(self) -> dict[str, Object | None]:
        """The update strategy of each component as the StarRocksCluster states it; None where it states none."""
        spec = self.resource["spec"]
        return {name: spec[key].get("updateStrategy") for name, key in COMPONENTS.items() if key in spec}

    @property
    def images(self) -> dict[str, str]:
        """The image of each component as the StarRocksCluster states it."""
        spec = self.resource["spec"]
        return {name: spec[key]["image"] for name, key in COMPONENTS.items() if key in spec}

    def find(self, group: str, plural: str, name: str) -> Object | None:
        """An object of a kind that the lab itself does not use."""
        root = "/api/v1" if group == "v1" else f"/apis/{group}"
        try:
            return self.api.request("GET", f"{root}/namespaces/{self.namespace}/{plural}/{name}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    @property
    def record(self) -> Object | None:
        """The record of the latest run."""
        found = self.find("v1", "configmaps", f"steady-rollout-starrocks-{self.name}")
        return None if found is None else json.loads(found["data"]["record.json"])

    @property
    def lease(self) -> Object | None:
        """The lease of this cluster, as its spec says."""
        found = self.find("coordination.k8s.io/v1", "leases", f"steady-rollout-starrocks-{self.name}")
        return None if found is None else found["spec"]

    def add_released_lease(self) -> None:
        """The lease as an earlier run leaves it behind: there, and nobody's."""
        self._add_lease({"holderIdentity": "", "leaseTransitions": 0})

    def _add_lease(self, spec: Object) -> None:
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": f"steady-rollout-starrocks-{self.name}"},
            "spec": spec,
        }
        self.api.request("POST", f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases", body)

    def take_lease(self, holder: str) -> None:
        """The lease as a run that has just begun holds it."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": holder, "acquireTime": now, "renewTime": now, "leaseDurationSeconds": 60}
        self._add_lease({**spec, "leaseTransitions": 0})

    def add_secret(self, name: str, **values: str) -> None:
        """A Secret in the namespace of the cluster."""
        metadata = {"name": name, "namespace": self.namespace}
        self.api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values})

    def add_user(self) -> None:
        """The shipped user of the FE, as docs/access.md has people make it."""
        self.sql(rights.USER_SQL.replace("CHANGE_ME", self.user_password))
        self.add_secret(rights.USER_SECRET, password=self.user_password)

    def grant_node(self) -> None:
        """What that user is given for statements that need NODE."""
        self.sql(rights.cluster_admin_sql())

    def sql(self, text: str) -> None:
        """Run statements on the leader, as root."""
        entry = self.state["frontends"][self.leader]
        lines = (line for line in text.splitlines() if not line.startswith("--"))
        with (
            pymysql.connect(user="root", password=self.password, host=entry["host"], port=entry["port"]) as connection,
            connection.cursor() as cursor,
        ):
            for statement in filter(str.strip, "\n".join(lines).split(";")):
                cursor.execute(statement)

    def set_image(self, component: str, image: str) -> None:
        """Write a component's image, as somebody beside the product would."""
        patch = {"spec": {COMPONENTS[component]: {"image": image}}}
        self.api.patch("StarRocksCluster", self.name, patch, self.namespace)

    # StarRocks.

    @property
    def state(self) -> Object:
        """The simulated cluster."""
        state: Object = self._control.call("GET", "/state")["clusters"][self.key]
        return state

    @property
    def settings(self) -> dict[str, dict[str, str]]:
        """The four settings of the upgrade guide on every FE, from the FE processes' memory."""
        return _settings(self.state)

    @property
    def addresses(self) -> dict[str, str]:
        """Where the lab has the listener of each FE, as the option fe_addresses takes it."""
        return {pod: f"{entry['host']}:{entry['port']}" for pod, entry in self.state["frontends"].items()}

    @property
    def leader(self) -> str | None:
        """The FE that leads."""
        leader: str | None = self.state["leader"]
        return leader

    def simulate(self, **changes: Any) -> None:
        """Change the simulated cluster."""
        self.lab.simulate(cluster=self.key, **changes)

    def set_everywhere(self, **values: str) -> None:
        """Put settings into the memory of every FE."""
        self.simulate(settings=dict.fromkeys(self.state["frontends"], values))

    def faults(self, *faults: Object) -> None:
        """Put faults in force that concern this cluster alone."""
        self.lab.faults(*({**fault, "cluster": self.key} for fault in faults))

    def wait_struck(self) -> None:
        """Wait until a fault in force has struck."""
        self.wait_until(lambda: any(fault["struck"] for fault in self._control.call("GET", "/faults")), "a fault")

    def wait_until(self, look: Callable[[], Found], what: str) -> Found:
        """What a look finds, once it finds something; for what no method here waits for."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := look()):
            assert time.monotonic() < deadline, f"{self.key} did not come to {what}"
            # Any change of the cluster is a reason to look again; without one a moment is long enough.
            revision = self._control.call("GET", "/state")["revision"]
            self._control.call("GET", f"/state?after={revision}&seconds=0.2")
        return found

    def wait(self, wanted: Callable[[Object], object], what: str) -> Object:
        """The simulated cluster, once it is as wanted."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        revision = -1
        while True:
            whole = self._control.call("GET", f"/state?after={revision}&seconds=2")
            revision, state = whole["revision"], whole["clusters"][self.key]
            if wanted(state):
                return dict(state)
            assert time.monotonic() < deadline, f"{self.key} did not come to {what}; settings {_settings(state)}"

    def restart_frontend(self, pod: str) -> None:
        """Delete an FE's pod and wait until the next one's FE is there: the state shows the old one for a while."""
        before = self.state["frontends"][pod]["start_time"]
        self.api.delete("Pod", pod, self.namespace)

        def restarted(state: Object) -> bool:
            frontend = state["frontends"][pod]
            return bool(frontend["alive"] and frontend["start_time"] != before)

        self.wait(restarted, f"have {pod} back")

    def wait_switched_off(self) -> Object:
        """The cluster, once a run has switched everything off on every FE."""
        return self.wait(lambda state: all(values == OFF for values in _settings(state).values()), "be switched off")

    def hold_in_window(self) -> None:
        """Wait until a run is in its first repair window, where tablets that are ill hold it until a test heals them.

        They fall ill once it has switched everything off: it has counted them then, and has not opened the window.
        """
        self.wait_switched_off()
        self.simulate(tablets={"broken": 4})
        self.wait(lambda state: all(v[LIMIT] != "0" for v in _settings(state).values()), "open a repair window")

    def wait_record(self, wanted: Callable[[Object], object], what: str) -> Object:
        """The record, once it is as wanted."""

        def found() -> Object | None:
            record = self.record
            return record if record is not None and wanted(record) else None

        record = self.wait_until(found, f"a record to {what}")
        assert record is not None
        return record

    def wait_pod(self, name: str, wanted: Callable[[Object], object], seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until a pod is as wanted."""
        self.api.wait_for("Pod", name, self.namespace, lambda pod: pod is not None and bool(wanted(pod)), seconds)

    # What was done.

    def mark(self) -> Mark:
        """This moment; what follows is told by the methods below."""
        pods = self.api.list("Pod", self.namespace)
        changes = len(self.state["setting_changes"])
        return Mark(len(self.lab.audit_entries()), len(self.lab.queries), changes, pods)

    def requests(self, since: Mark) -> list[Object]:
        """The requests to the API server that concern this namespace, and the access reviews.

        Those that began since then: the end of a watch or of a port-forward is an entry of its own.
        """
        entries = self.lab.audit_entries()
        begun = {entry["auditID"] for entry in entries[: since.audit]}
        return [
            entry
            for entry in entries[since.audit :]
            if entry["auditID"] not in begun
            and not _of_the_plane(entry["user"]["username"])
            and (
                entry.get("objectRef", {}).get("namespace") == self.namespace
                or entry.get("objectRef", {}).get("resource") in _REVIEWS
            )
        ]

    def writes(self, since: Mark) -> list[str]:
        """The requests since then that persist something, or tried to."""
        return [_request_text(entry) for entry in self.requests(since) if not _reads(entry)]

    def statements(self, since: Mark) -> list[str]:
        """The statements since then that are not mere reading or talk of the client library."""
        return [entry["sql"] for entry in self.queries(since) if not _READING_SQL.match(entry["sql"].strip())]

    def queries(self, since: Mark) -> list[Object]:
        """All statements since then."""
        return [entry for entry in self.lab.queries[since.queries :] if entry["cluster"] == self.key]

    def setting_changes(self, since: Mark) -> list[Object]:
        """Every change of a setting in the memory of an FE since then."""
        changes: list[Object] = self.state["setting_changes"][since.changes :]
        return changes

    def pod_events(self, since: Mark) -> list[tuple[str, Object]]:
        """All changes of pods since then, in their order, as a watch shows them.

        The server ends a watch also where it has more to tell, and the next one goes on from there, until each pod is
        told of as it is now, or as gone.
        """
        listed = self.api.list("Pod", self.namespace)
        events: list[tuple[str, Object]] = []
        version, deadline = since.pods["metadata"]["resourceVersion"], time.monotonic() + PATIENCE_SECONDS
        while not _all_told(since.pods, listed, events):
            assert time.monotonic() < deadline, f"the changes of pods of {self.key} do not come to what they are now"
            for kind, pod in self.api.watch("Pod", version, self.namespace, seconds=5):
                version = pod["metadata"]["resourceVersion"]
                if kind != "BOOKMARK":
                    events.append((kind, pod))
                if _all_told(since.pods, listed, events):
                    break
        return events

    def untouched(self, since: Mark) -> None:
        """Assert that nothing was written since then: no object, no setting, no pod."""
        assert self.writes(since) == []
        assert self.statements(since) == []
        assert self.setting_changes(since) == []

    # What must be so after every run, however it ended.

    def assert_settings(self, **values: str) -> None:
        """Every FE that lives has the defaults, apart from the values given."""
        state = self.state
        alive = [pod for pod, frontend in state["frontends"].items() if frontend["alive"]]
        seen = {pod: own for pod, own in _settings(state).items() if pod in alive}
        assert seen == {pod: {**DEFAULTS, **values} for pod in alive}
        assert len(alive) * 2 > len(state["frontends"])

    def assert_released(self) -> None:
        """Nobody holds the lease."""
        lease = self.lease
        assert lease is None or not lease.get("holderIdentity"), lease

    def assert_all_ready(self) -> None:
        """Every pod is ready and every member alive."""
        assert [name for name, pod in self.pods.items() if not _ready(pod)] == []
        state = self.state
        nodes = {**state["frontends"], **state["backends"], **state["compute_nodes"]}
        assert [name for name, node in nodes.items() if not node["alive"]] == []

    def assert_closed(self, outcome: str, strategies: dict[str, Object | None]) -> None:
        """The record is closed with this outcome, the lease free, the update strategies as they were."""
        record = self.record
        assert record is not None
        assert (record["phase"], record["outcome"]) == ("done", outcome)
        assert self.strategies == strategies
        self.assert_released()

    @cached_property
    def backends(self) -> list[str]:
        """The BE pods, highest ordinal first."""
        return self._of("be")

    @cached_property
    def frontends(self) -> list[str]:
        """The FE pods, highest ordinal first."""
        return self._of("fe")

    def _of(self, component: str) -> list[str]:
        names = [name for name in self.pods if name.startswith(f"{self.name}-{component}-")]
        return sorted(names, key=lambda name: -int(name.rsplit("-", 1)[1]))


def down_at_once(before: Iterable[str], events: Iterable[tuple[str, Object]]) -> list[set[str]]:
    """Each set of pods that were down together at some moment, from all pods `before` being ready."""
    known = dict.fromkeys(before, True)
    seen: list[set[str]] = []
    for kind, pod in events:
        known[pod["metadata"]["name"]] = kind != "DELETED" and _ready(pod)
        down = {name for name, ready in known.items() if not ready}
        if down not in seen:
            seen.append(down)
    return seen


def replaced(events: Iterable[tuple[str, Object]]) -> list[tuple[str, str]]:
    """The pods that were made, in their order, with the tag of their image.

    kwok may delete a pod a second time, by its name alone, and so meet the next pod of that name before it has
    started: a pod that went while it was Pending does not count, for its StatefulSet makes it anew at once.
    """
    events = list(events)
    lost = {pod["metadata"]["uid"] for kind, pod in events if kind == "DELETED" and pod["status"]["phase"] == "Pending"}
    made = [pod for kind, pod in events if kind == "ADDED" and pod["metadata"]["uid"] not in lost]
    return [(pod["metadata"]["name"], _tag(pod)) for pod in made]


def _all_told(before: Object, after: Object, events: Iterable[tuple[str, Object]]) -> bool:
    """Whether events lead from one list of pods to another: each is told of as it is there, or as gone."""
    events, until, there = list(events), int(after["metadata"]["resourceVersion"]), _versions(after["items"])
    known = _versions(before["items"]) | _versions(pod for _kind, pod in events)
    gone = _versions(pod for kind, pod in events if kind == "DELETED")
    left = {uid for uid, version in known.items() if version <= until} - there.keys() - gone.keys()
    return not left and all(known.get(uid, 0) >= version for uid, version in there.items())


def _versions(pods: Iterable[Object]) -> dict[str, int]:
    """The latest resourceVersion of each pod, by its uid."""
    return {pod["metadata"]["uid"]: int(pod["metadata"]["resourceVersion"]) for pod in pods}


def _settings(state: Object) -> dict[str, dict[str, str]]:
    return {
        pod: {key: frontend["settings"].get(key, "") for key in KEYS} for pod, frontend in state["frontends"].items()
    }


def _tag(pod: Object) -> str:
    return str(pod["spec"]["containers"][0]["image"]).rpartition(":")[2]


def _ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    ready = any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


def _of_the_plane(user: str) -> bool:
    """Whether a user is a part of the control plane; a service account elsewhere is somebody's who was installed."""
    elsewhere = user.startswith("system:serviceaccount:") and not user.startswith("system:serviceaccount:kube-system:")
    return user.startswith("system:") and not elsewhere


def _reads(entry: Object) -> bool:
    """Whether a request persists nothing: a read, an access review, a port-forward, a server-side dry run."""
    reference = entry.get("objectRef", {})
    return (
        entry["verb"] in _READS
        or reference.get("resource") in _REVIEWS
        or reference.get("subresource") == "portforward"
        or "dryRun=All" in entry["requestURI"]
    )


def _request_text(entry: Object) -> str:
    return f"{entry['verb']} {entry['requestURI']} ({entry.get('responseStatus', {}).get('code')})"
