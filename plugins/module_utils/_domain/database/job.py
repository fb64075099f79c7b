# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The manifests of the Jobs of a DBUpgrade, and what their containers say.

Four kinds. `inspect` learns what only the image and the database know, and changes nothing. `apply` migrates. `verify`
asks the database what it is after an apply or a rollback ended in whichever way. `rollback` runs down files.

No container has a shell: crane's and Atlas's images have none, and no text of a person is ever a part of a command
line that something else would parse. crane writes the image's file system to a file, and a program of ours
(`_pod/unpack.py`) takes out the migrations. Atlas reads the database's URL from its environment by way of atlas.hcl,
because a command line can be seen in the process list.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import digest
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.spec import DatabaseSpec
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation.databases import Tools

Kind = Literal["inspect", "apply", "verify", "rollback"]
KINDS: tuple[Kind, ...] = ("inspect", "apply", "verify", "rollback")
# Those that write to the database: made suspended, and started only when the record knows their uid.
WRITING: tuple[Kind, ...] = ("apply", "rollback")

PREFIX = "rollout.steady.dev"
LABEL = f"{PREFIX}/dbupgrade"
KIND_LABEL = f"{PREFIX}/kind"
HASH_ANNOTATION = f"{PREFIX}/spec-hash"
URL_KEY = "url"
CA_KEY = "ca.pem"
# Where the containers hand files to one another; _pod/unpack.py writes it into atlas.hcl.
WORK = "/work"
# Any user that is not root will do; this one is "nonroot" in the distroless images.
USER = 65532
LONGEST_NAME = 63
HASH_LENGTH = 10
# A finished Job may be removed after a day; the record knows how it ended.
KEPT_SECONDS = 86_400
# Read-only Jobs fetch an image and ask the database a few questions.
READING_DEADLINE_SECONDS = 600

STATUS_TEMPLATE = (
    '{"status":{{ json .Status }},"current":{{ json .Current }},"next":{{ json .Next }},'
    '"pending":[{{ range $i, $f := .Pending }}{{ if $i }},{{ end }}'
    '{"name":{{ json $f.Name }},"version":{{ json $f.Version }}}{{ end }}],'
    '"applied":[{{ range $i, $r := .Applied }}{{ if $i }},{{ end }}{{ json $r.Version }}{{ end }}],'
    '"count":{{ json .Count }},"total":{{ json .Total }},"error":{{ json .Error }},"sql":{{ json .SQL }}}'
)
APPLY_TEMPLATE = (
    '{"current":{{ json .Current }},"target":{{ json .Target }},"error":{{ json .Error }},'
    '"applied":[{{ range $i, $f := .Applied }}{{ if $i }},{{ end }}'
    '{"version":{{ json $f.Version }},"statements":{{ len $f.Applied }},"skipped":{{ json $f.Skipped }},'
    '"error":{{ with $f.Error }}{{ json .Text }}{{ else }}""{{ end }},'
    '"sql":{{ with $f.Error }}{{ json .Stmt }}{{ else }}""{{ end }}}{{ end }}]}'
)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose Jobs they are. `uid` is empty where there is no custom resource."""

    name: str
    namespace: str
    uid: str = ""

    @property
    def secret(self) -> str:
        """The Secret that holds the URL for the Jobs."""
        return f"dbupgrade-{self.name}-connection"

    @property
    def directory_secret(self) -> str:
        """The Secret that keeps the directory that is applied."""
        return f"dbupgrade-{self.name}-directory"

    @property
    def record(self) -> str:
        """The ConfigMap that holds the record."""
        return f"steady-rollout-dbupgrade-{self.name}"

    def references(self) -> list[dict[str, object]]:
        """The ownerReferences of what is made for it."""
        if not self.uid:
            return []
        return [
            {
                "apiVersion": "dbupgrade.subbug.learning/v1alpha1",
                "kind": "DBUpgrade",
                "name": self.name,
                "uid": self.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]


@dataclass(frozen=True, slots=True)
class Order:
    """A Job to be made, as far as its name depends on it.

    :ivar database: the name of its Lease
    :ivar image: the image by tag to inspect, by digest for all others
    :ivar directory_hash: what the directory must be; empty for an inspection, which finds it out
    :ivar follows: the Job that is verified or undone; `round` counts the inspections of one spec
    :ivar undo: versions to undo, newest first; `back_to` is the version from before, `stamp` tells this rollback from
        others in its own table of revisions (14 digits, ascending)
    """

    kind: Kind
    spec_hash: str
    database: str
    image: str
    directory_hash: str = ""
    follows: str = ""
    round: int = 0
    undo: tuple[str, ...] = ()
    back_to: str = ""
    stamp: str = ""

    def hash(self, owner: Owner) -> str:
        """SHA-256 of everything the Job depends on."""
        parts = [self.kind, self.spec_hash, self.database, self.image, self.directory_hash, self.follows, self.round]
        return digest([owner.namespace, owner.name, owner.uid, *parts, list(self.undo), self.back_to])

    def name(self, owner: Owner) -> str:
        """The Job's name: the same order has the same, so that it cannot be carried out twice side by side."""
        tail = f"-{self.kind}-{self.hash(owner).removeprefix('sha256:')[:HASH_LENGTH]}"
        room = LONGEST_NAME - len("dbu-") - len(tail)
        # A Job's name is the value of a label and a part of its pods' host names.
        return f"dbu-{owner.name.replace('.', '-')[:room].rstrip('-')}{tail}"


@dataclass(frozen=True, slots=True)
class Workshop:
    """What else a manifest needs: the tools, the text of the program that unpacks, and whether there is a CA bundle."""

    tools: Tools
    program: str = field(repr=False)
    ca_bundle: bool = False


def manifest(order: Order, owner: Owner, spec: DatabaseSpec, workshop: Workshop) -> dict[str, object]:
    """The Job, ready to be created."""
    whole = order.hash(owner)
    labels = {LABEL: owner.name, KIND_LABEL: order.kind, "app.kubernetes.io/managed-by": "steady-rollout"}
    annotations = {HASH_ANNOTATION: whole}
    writing = order.kind in WRITING
    job: dict[str, object] = {
        "backoffLimit": 0,
        "completions": 1,
        "parallelism": 1,
        # Failed only when the pod is really gone: a pod that is being evicted may still be writing.
        "podReplacementPolicy": "Failed",
        "activeDeadlineSeconds": spec.deadline_seconds if writing else READING_DEADLINE_SECONDS,
        "ttlSecondsAfterFinished": KEPT_SECONDS,
        "suspend": writing,
        "template": {
            "metadata": {"labels": labels, "annotations": annotations},
            "spec": _pod(order, owner, spec, workshop),
        },
    }
    metadata: dict[str, object] = {
        "name": order.name(owner),
        "namespace": owner.namespace,
        "labels": labels,
        "annotations": annotations,
    }
    if owner.uid:
        metadata["ownerReferences"] = owner.references()
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": job}


def _pod(order: Order, owner: Owner, spec: DatabaseSpec, workshop: Workshop) -> dict[str, object]:
    containers = [_finished(container, spec) for container in _containers(order, owner, spec, workshop)]
    pod: dict[str, object] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": containers[:-1],
        "containers": containers[-1:],
        "volumes": _volumes(owner, spec, workshop),
    }
    if spec.pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in spec.pull_secrets]
    return pod


def _containers(order: Order, owner: Owner, spec: DatabaseSpec, workshop: Workshop) -> list[dict[str, object]]:
    """Init containers in their order, then the main one."""
    if order.kind == "inspect":
        return [
            _crane("resolve", ["digest", "--full-ref", *_crane_flags(workshop), order.image], spec, workshop),
            _fetch(order, spec, workshop),
            _unpack(spec, workshop, ["--print"]),
            _atlas(
                "validate", ["migrate", "validate", "--dir", f"file://{WORK}/migrations"], owner, workshop, url=False
            ),
            _atlas(
                "atlas", ["migrate", "status", *_environment("migrate"), "--format", STATUS_TEMPLATE], owner, workshop
            ),
        ]
    before = [_fetch(order, spec, workshop), _unpack(spec, workshop, _expected(order))]
    if order.kind == "rollback":
        return [*before, *_rollback(order, owner, workshop)]
    return [*before, _atlas("atlas", _main(order, workshop), owner, workshop)]


def _main(order: Order, workshop: Workshop) -> list[str]:
    if order.kind == "verify":
        return ["migrate", "status", *_environment("migrate"), "--format", STATUS_TEMPLATE]
    lock = f"{workshop.tools.lock_seconds}s"
    rest = ["--lock-timeout", lock, "--tx-mode", "file", "--format", APPLY_TEMPLATE]
    return ["migrate", "apply", *_environment("migrate"), *rest]


def _rollback(order: Order, owner: Owner, workshop: Workshop) -> list[dict[str, object]]:
    """Atlas runs the down files as migrations with a table of their own, then forgets what they undid.

    The database is not clean for that table's first use, hence --allow-dirty. To MySQL and MariaDB a schema is a
    database of the whole server, so each database that is migrated has one of its own name.
    """
    lock = f"{workshop.tools.lock_seconds}s"
    down = ["--lock-timeout", lock, "--tx-mode", "file", "--allow-dirty", "--format", APPLY_TEMPLATE]
    schema: dict[str, object] = {"name": "ROLLBACK_SCHEMA", "value": f"dbupgrade_rollback_{order.database[-8:]}"}
    return [
        _atlas("hash", ["migrate", "hash", "--dir", f"file://{WORK}/down"], owner, workshop, url=False),
        _having(_atlas("down", ["migrate", "apply", *_environment("rollback"), *down], owner, workshop), [schema], []),
        _atlas("atlas", ["migrate", "set", order.back_to, *_environment("migrate")], owner, workshop),
    ]


def _environment(name: str) -> list[str]:
    return ["--config", f"file://{WORK}/atlas.hcl", "--env", name]


def _expected(order: Order) -> list[str]:
    arguments = ["--expect", order.directory_hash]
    if order.kind == "rollback":
        arguments += ["--down", ",".join(order.undo), "--stamp", order.stamp]
    return arguments


def _crane_flags(workshop: Workshop) -> list[str]:
    flags = ["--platform", workshop.tools.platform] if workshop.tools.platform else []
    return [*flags, "--insecure"] if workshop.tools.insecure_registry else flags


def _fetch(order: Order, spec: DatabaseSpec, workshop: Workshop) -> dict[str, object]:
    return _crane("fetch", ["export", *_crane_flags(workshop), order.image, f"{WORK}/image.tar"], spec, workshop)


def _crane(name: str, arguments: list[str], spec: DatabaseSpec, workshop: Workshop) -> dict[str, object]:
    """crane takes registry credentials from a Docker configuration; a pod's imagePullSecrets are the kubelet's."""
    container = _container(name, workshop.tools.crane, arguments)
    if not spec.pull_secrets:
        return container
    return _having(
        container, [{"name": "DOCKER_CONFIG", "value": "/docker"}], [{"name": "docker", "mountPath": "/docker"}]
    )


def _unpack(spec: DatabaseSpec, workshop: Workshop, arguments: list[str]) -> dict[str, object]:
    container = _container("unpack", workshop.tools.python, ["--dir", spec.directory, *arguments])
    return {**container, "command": ["python3", "-I", "-c", workshop.program]}


def _atlas(name: str, arguments: list[str], owner: Owner, workshop: Workshop, *, url: bool = True) -> dict[str, object]:
    quiet: list[dict[str, object]] = [
        {"name": "ATLAS_NO_UPDATE_NOTIFIER", "value": "true"},
        {"name": "ATLAS_NO_ANON_TELEMETRY", "value": "true"},
    ]
    container = _having(_container(name, workshop.tools.atlas, arguments), quiet, [])
    if not url:
        return container
    reference = {"secretKeyRef": {"name": owner.secret, "key": URL_KEY}}
    variables: list[dict[str, object]] = [{"name": "DATABASE_URL", "valueFrom": reference}]
    if not workshop.ca_bundle:
        return _having(container, variables, [])
    # Atlas' driver for MySQL has no parameter for authorities: they become those of the system, as Go has it.
    variables.append({"name": "SSL_CERT_FILE", "value": f"/ca/{CA_KEY}"})
    return _having(container, variables, [{"name": "ca", "mountPath": "/ca"}])


def _having(
    container: dict[str, object], env: list[dict[str, object]], mounts: list[dict[str, object]]
) -> dict[str, object]:
    """The container with more environment and more mounts; what is mounted so can only be read."""
    read_only = [{**mount, "readOnly": True} for mount in mounts]
    more = {"env": env, "volumeMounts": read_only}
    return {**container, **{name: [*_list(container[name]), *items] for name, items in more.items()}}


def _list(value: object) -> list[object]:
    """A part of a manifest that is a list."""
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    return value


def _container(name: str, image: str, arguments: list[str]) -> dict[str, object]:
    return {
        "name": name,
        "image": image,
        "args": arguments,
        "env": [{"name": "HOME", "value": "/tmp"}],
        "volumeMounts": [{"name": "work", "mountPath": WORK}, {"name": "tmp", "mountPath": "/tmp"}],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }


def _finished(container: dict[str, object], spec: DatabaseSpec) -> dict[str, object]:
    """With resources: a namespace with a quota takes no container without them."""
    default = {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}}
    return {**container, "resources": spec.resources or default}


def _volumes(owner: Owner, spec: DatabaseSpec, workshop: Workshop) -> list[dict[str, object]]:
    volumes: list[dict[str, object]] = [
        {"name": "work", "emptyDir": {"sizeLimit": workshop.tools.work_size}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
    ]
    if spec.pull_secrets:
        items = [{"key": ".dockerconfigjson", "path": "config.json"}]
        secret = {"secretName": spec.pull_secrets[0], "items": items, "defaultMode": 0o440}
        volumes.append({"name": "docker", "secret": secret})
    if workshop.ca_bundle:
        items = [{"key": CA_KEY, "path": CA_KEY}]
        volumes.append({"name": "ca", "secret": {"secretName": owner.secret, "items": items, "defaultMode": 0o440}})
    return volumes
