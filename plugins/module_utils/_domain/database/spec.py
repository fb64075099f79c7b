# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What a person asks for: the spec of a DBUpgrade, which is also the playbook's document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import digest, to_plain
from ansible_collections.steady.rollout.plugins.module_utils._domain.database import admission, rules, schema
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A key of a Secret in the document's namespace."""

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class Aws:
    """A database that takes IAM tokens."""

    role_arn: str
    region: str
    host: str
    port: int
    database: str
    username: str
    engine: str


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement of a selector on a label; the operators are those of a Kubernetes LabelSelector."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Selector:
    """Labels that objects must have; never empty."""

    labels: dict[str, str] = field(default_factory=dict)
    requirements: tuple[Requirement, ...] = ()

    def __str__(self) -> str:
        """The selector as the API server takes it in a query."""
        parts = [f"{key}={value}" for key, value in sorted(self.labels.items())]
        return ",".join([*parts, *(_as_query(item) for item in self.requirements)])


def _as_query(item: Requirement) -> str:
    values = ",".join(item.values)
    return {
        "In": f"{item.key} in ({values})",
        "NotIn": f"{item.key} notin ({values})",
        "Exists": item.key,
        "DoesNotExist": f"!{item.key}",
    }[item.operator]


@dataclass(frozen=True, slots=True)
class MinPodVersion:
    """Pods that must run at least a version. It is read from a label, or from the tag of a container's image."""

    selector: Selector
    version: str
    container: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class DescribedObject:
    """An object in the document's namespace that a metric is about."""

    api_version: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Metric:
    """One condition on one metric; which of the targets is set goes by `source`."""

    name: str
    source: str
    operator: str
    threshold: str
    selector: Selector | None = None
    described: DescribedObject | None = None
    query: str = ""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Destructive statements that are known and wanted in one file."""

    file: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DatabaseSpec:
    """A validated request. Nothing in it has been looked up in a cluster yet."""

    image: str
    directory: str
    type: str
    secret: SecretKey | None
    aws: Aws | None
    min_pod_versions: tuple[MinPodVersion, ...] = ()
    pre_metrics: tuple[Metric, ...] = ()
    post_metrics: tuple[Metric, ...] = ()
    deadline_seconds: int = schema.DEFAULT_DEADLINE
    attempt: int = 1
    plan_only: bool = False
    pull_secrets: tuple[str, ...] = ()
    resources: dict[str, dict[str, str]] = field(default_factory=dict)
    refuse_destructive: bool = True
    allowed: tuple[Allowed, ...] = ()
    rollback: bool = False

    @property
    def hash(self) -> str:
        """Identity of the undertaking: what is applied to what, and which attempt it is.

        Checks, deadlines, resources, overrides and what follows a failure may change without a second Job.
        """
        target = to_plain(self.secret), to_plain(self.aws)
        return digest([self.image, self.directory, self.type, *target, self.attempt])


def parse_document(document: Mapping[str, object], old: Mapping[str, object] | None = None) -> DatabaseSpec:
    """Validate a whole DBUpgrade (its name and its spec); every refusal names field, value and remedy.

    :param old: the DBUpgrade before an update: what is immutable must be as it was.
    """
    found = refusals(document, old)
    if found:
        raise found[0]
    return _built(admission.defaulted(schema.SPEC, document["spec"]))


def refusals(document: Mapping[str, object], old: Mapping[str, object] | None = None) -> list[Refused]:
    """Everything that speaks against a whole DBUpgrade, as admission by the API server would say it."""
    if not isinstance(document.get("spec"), Mapping):
        remedy = "give spec: with migrations and database"
        return [Refused("spec", document.get("spec"), "missing or not a mapping", remedy=remedy)]
    found = _name_refusals(document)
    before = None if old is None else admission.defaulted(schema.SPEC, old["spec"])
    return found + admission.refusals(schema.SPEC, document["spec"], "spec", before)


def _name_refusals(document: Mapping[str, object]) -> list[Refused]:
    name = document.get("metadata", {})
    name = name.get("name") if isinstance(name, Mapping) else None
    if not isinstance(name, str) or not admission.fits_pattern(schema.DNS_NAME, name):
        remedy = "lower-case letters, digits, '-' and '.', such as orders-db"
        return [Refused("metadata.name", name, "missing, or not a name", remedy=remedy)]
    return [
        Refused(rule.field, name, rule.problem, remedy=rule.remedy)
        for rule in rules.NAME
        if rule.broken({"metadata": {"name": name}}, None)
    ]


def _built(spec: dict[str, Any]) -> DatabaseSpec:
    """The request out of a document that was admitted and has its defaults."""
    migrations, database = spec["migrations"], spec["database"]
    runner, lint = _with_defaults("runner", spec), _with_defaults("lint", spec)
    checks = spec.get("checks", {})
    pre, post = checks.get("pre", {}), checks.get("post", {})
    secret = database.get("connection", {}).get("urlSecretRef")
    return DatabaseSpec(
        image=migrations["image"],
        directory=migrations["dir"],
        type=database["type"],
        secret=SecretKey(secret["name"], secret["key"]) if secret else None,
        aws=_aws(database["aws"]) if "aws" in database else None,
        min_pod_versions=tuple(_min_version(item) for item in pre.get("minPodVersions", ())),
        pre_metrics=tuple(_metric(item) for item in pre.get("metrics", ())),
        post_metrics=tuple(_metric(item) for item in post.get("metrics", ())),
        deadline_seconds=runner["activeDeadlineSeconds"],
        attempt=runner["attempt"],
        plan_only=runner["mode"] == "Plan",
        pull_secrets=tuple(item["name"] for item in runner.get("imagePullSecrets", ())),
        resources={
            kind: {name: str(amount) for name, amount in amounts.items()}
            for kind, amounts in runner.get("resources", {}).items()
        },
        refuse_destructive=lint["destructive"] == "Refuse",
        allowed=tuple(
            Allowed(item["file"], tuple(item.get("rules") or schema.DESTRUCTIVE_RULES))
            for item in lint.get("allow", ())
        ),
        rollback=spec["onFailure"] == "Rollback",
    )


def _with_defaults(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """An optional section with the defaults of its fields, also when the section itself is absent."""
    properties: Any = schema.SPEC["properties"]
    return dict(admission.defaulted(properties[name], spec.get(name, {})))


def _aws(aws: dict[str, Any]) -> Aws:
    return Aws(aws["roleArn"], aws["region"], aws["host"], aws["port"], aws["dbName"], aws["username"], aws["engine"])


def _selector(selector: dict[str, Any]) -> Selector:
    requirements = (
        Requirement(item["key"], item["operator"], tuple(item.get("values", ())))
        for item in selector.get("matchExpressions", ())
    )
    return Selector(dict(selector.get("matchLabels", {})), tuple(requirements))


def _min_version(item: dict[str, Any]) -> MinPodVersion:
    return MinPodVersion(
        _selector(item["selector"]), item["minVersion"], item.get("container", ""), item.get("versionLabel", "")
    )


def _metric(metric: dict[str, Any]) -> Metric:
    target, threshold = metric["target"], metric["threshold"]
    holder = target.get("pods") or target.get("external") or {}
    described = target.get("object")
    return Metric(
        name=metric["name"],
        source=target["type"],
        operator=threshold["operator"],
        threshold=str(threshold["value"]),
        selector=_selector(holder["selector"]) if "selector" in holder else None,
        described=DescribedObject(described["apiVersion"], described["kind"], described["name"]) if described else None,
        query=target.get("prometheus", {}).get("query", ""),
    )
