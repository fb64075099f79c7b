# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""The schema of a DBUpgrade: every field with its pattern, bounds and default, in the words of a CRD's OpenAPI schema.

It is the one source. `crd()` is the CustomResourceDefinition that is shipped; `admission` checks the same schema in
Python, for the playbook that needs no CRD.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ansible_collections.steady.rollout.plugins.module_utils._domain.database import rules

GROUP = "dbupgrade.subbug.learning"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "DBUpgrade"
PLURAL = "dbupgrades"

Schema = dict[str, object]

DATABASE_TYPES = ("selfHosted", "awsRds", "awsAurora")
ENGINES = ("postgres", "mysql")
OPERATORS = ("LessThan", "LessThanOrEqual", "GreaterThan", "GreaterThanOrEqual")
DESTRUCTIVE_RULES = (
    "dropSchema",
    "dropTable",
    "dropColumn",
    "dropConstraint",
    "dropObject",
    "truncate",
    "deleteAll",
    "narrowType",
    "notNullWithoutDefault",
    "setNotNull",
    "rename",
    "unreadable",
)
DEFAULT_DIRECTORY = "/migrations"
DEFAULT_DEADLINE = 900
LONGEST_DEADLINE = 604_800
# A bound of a CRD has to be a whole number also as a double.
_MOST_GENERATION = 2**53

# Patterns are written for Go's RE2 and Python's re alike: no lookaround, and anchored at both ends.
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"({_LABEL}(\.{_LABEL})+(:[0-9]{{1,5}})?|{_LABEL}:[0-9]{{1,5}}|localhost)"
_ELEMENT = r"[a-z0-9]+((\.|_{1,2}|-+)[a-z0-9]+)*"
# The grammar of the OCI distribution specification's reference implementation: [host[:port]/]path[:tag][@digest].
IMAGE = (
    rf"^({_HOST}/)?{_ELEMENT}(/{_ELEMENT})*"
    r"(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?$"
)
DIRECTORY = r"^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$"
# A DNS subdomain: what objects of Kubernetes and hosts are called.
DNS_NAME = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"
SECRET_KEY = r"^[A-Za-z0-9._-]+$"
# docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html: partition, account, path and name of a role.
ROLE_ARN = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/([A-Za-z0-9+=,.@_-]+/)*[A-Za-z0-9+=,.@_-]{1,64}$"
REGION = r"^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$"
IDENTIFIER = r"^[A-Za-z_][A-Za-z0-9_.@-]*$"
# A Kubernetes quantity (k8s.io/apimachinery/pkg/api/resource) whose exponent has at most two digits.
QUANTITY = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,2})?$"
# Semantic Versioning 2.0.0, with an optional v, and with minor and patch left out where they are 0.
SEMVER = (
    r"^v?(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){0,2}"
    r"(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$"
)
LABEL_NAME = r"^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$"
LABEL_VALUE = r"^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$"
METRIC_NAME = r"^[A-Za-z_:][A-Za-z0-9_.:/-]*$"
FILE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*\.sql$"


def text(
    description: str,
    pattern: str = "",
    *,
    most: int = 253,
    least: int = 0,
    default: str | None = None,
    example: str = "",
) -> Schema:
    """A string of at most `most` characters; the example says more than a long pattern does."""
    schema: Schema = {"type": "string", "description": description, "maxLength": most}
    if least:
        schema["minLength"] = least
    if pattern:
        schema["pattern"] = pattern
    if example:
        schema["example"] = example
    if default is not None:
        schema["default"] = default
    return schema


def choice(description: str, values: Iterable[str], default: str | None = None) -> Schema:
    """One of a few words."""
    schema: Schema = {"type": "string", "description": description, "enum": list(values)}
    return schema if default is None else {**schema, "default": default}


def number(description: str, least: int, most: int, default: int | None = None) -> Schema:
    """A whole number within bounds."""
    schema: Schema = {"type": "integer", "format": "int64", "description": description}
    schema |= {"minimum": least, "maximum": most}
    return schema if default is None else {**schema, "default": default}


def section(
    description: str,
    properties: Mapping[str, Schema],
    required: Iterable[str] = (),
    checked: Iterable[rules.Rule] = (),
) -> Schema:
    """A mapping with known fields."""
    schema: Schema = {"type": "object", "description": description, "properties": dict(properties)}
    needed, validations = list(required), list(checked)
    if needed:
        schema["required"] = needed
    if validations:
        schema["x-kubernetes-validations"] = validations
    return schema


def listing(description: str, items: Schema, most: int, *, key: str = "", least: int = 0) -> Schema:
    """A list; with `key` no two entries may have the same value there."""
    schema: Schema = {"type": "array", "description": description, "items": items, "maxItems": most}
    schema |= {"x-kubernetes-list-type": "map" if key else "atomic"}
    if key:
        schema["x-kubernetes-list-map-keys"] = [key]
    return {**schema, "minItems": least} if least else schema


def quantity(description: str) -> Schema:
    """A Kubernetes quantity, also written as a whole number."""
    return {
        "description": description,
        "x-kubernetes-int-or-string": True,
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "pattern": QUANTITY,
        "maxLength": 32,
    }


def _selector(description: str) -> Schema:
    labels: Schema = {
        "type": "object",
        "description": "Labels with the values they must have.",
        "maxProperties": 16,
        "additionalProperties": {"type": "string", "maxLength": 63, "pattern": LABEL_VALUE},
    }
    expression = section(
        "A requirement on one label.",
        {
            "key": text("The label.", LABEL_NAME, most=317),
            "operator": choice("How it is compared.", ("In", "NotIn", "Exists", "DoesNotExist")),
            "values": listing("The values of In and NotIn.", text("A value.", LABEL_VALUE, most=63), 32),
        },
        ("key", "operator"),
        rules.EXPRESSION,
    )
    return section(
        description,
        {"matchLabels": labels, "matchExpressions": listing("Further requirements.", expression, 16)},
        checked=rules.SELECTOR,
    )


def _migrations() -> Schema:
    return section(
        "Where the migrations are.",
        {
            "image": text(
                "An image with a directory of Atlas migrations: *.sql files and atlas.sum. It is never run, so it needs"
                " no shell and no tools.",
                IMAGE,
                most=512,
                example="registry.example.org/orders/migrations:v12",
            ),
            "dir": text("The directory in that image.", DIRECTORY, most=256, default=DEFAULT_DIRECTORY),
        },
        ("image",),
    )


def _connection() -> Schema:
    reference = section(
        "A key of a Secret in this namespace that holds the database's URL. Immutable; its content may change.",
        {
            "name": text("The Secret's name.", DNS_NAME),
            "key": text("The key in it.", SECRET_KEY),
        },
        ("name", "key"),
    )
    return section("How a database is reached by a URL of your own.", {"urlSecretRef": reference}, ("urlSecretRef",))


def _aws() -> Schema:
    return section(
        "How an RDS or Aurora database is reached with an IAM token. Immutable.",
        {
            "roleArn": text("The IAM role that may connect as the user.", ROLE_ARN, most=2048),
            "region": text("The database's region.", REGION, most=32),
            "host": text("The endpoint's name.", DNS_NAME),
            "port": number("The endpoint's port.", 1, 65535, 5432),
            "dbName": text("The database.", IDENTIFIER, most=63),
            "username": text("The database user that logs in with IAM tokens.", IDENTIFIER, most=63),
            "engine": choice("What the database speaks.", ENGINES, "postgres"),
        },
        ("roleArn", "region", "host", "dbName", "username"),
        rules.AWS,
    )


def _database() -> Schema:
    return section(
        "The database that is migrated. Immutable.",
        {
            "type": choice("What kind of database it is.", DATABASE_TYPES),
            "connection": _connection(),
            "aws": _aws(),
        },
        ("type",),
        rules.DATABASE,
    )


def _metric() -> Schema:
    described = section(
        "The object whose metric it is, in this namespace.",
        {
            "apiVersion": text("Its API version.", r"^([a-z0-9.-]+/)?v[0-9][a-z0-9]*$"),
            "kind": text("Its kind.", r"^[A-Z][A-Za-z0-9]*$", most=63),
            "name": text("Its name.", DNS_NAME),
        },
        ("apiVersion", "kind", "name"),
    )
    target = section(
        "Whose metric it is.",
        {
            "type": choice("Where the metric comes from.", rules.METRIC_TYPES),
            "pods": section(
                "For type Pods: every selected pod must satisfy the threshold.",
                {"selector": _selector("Which pods.")},
                ("selector",),
            ),
            "object": described,
            "external": section("For type External: which of its series.", {"selector": _selector("Which series.")}),
            "prometheus": section(
                "For type Prometheus: a query whose every result must satisfy the threshold.",
                {"query": text("The query.", most=2048, least=1)},
                ("query",),
            ),
        },
        ("type",),
        rules.TARGET,
    )
    threshold = section(
        "The condition that the metric must satisfy.",
        {
            "operator": choice("How the value is compared with the threshold.", OPERATORS, "LessThanOrEqual"),
            "value": quantity('A Kubernetes quantity such as 100m, "1.5" or 2Gi; not zero.'),
        },
        ("value",),
        rules.THRESHOLD,
    )
    return section(
        "One condition on one metric.",
        {
            "name": text("The metric's name; for type Prometheus a name of your own.", METRIC_NAME, least=1),
            "target": target,
            "threshold": threshold,
        },
        ("name", "target", "threshold"),
    )


def _checks() -> Schema:
    least = section(
        "Pods that must run at least some version.",
        {
            "selector": _selector("Which pods, in this namespace. There must be at least one."),
            "minVersion": text("The least version, such as v1.5.0.", SEMVER, most=128),
            "container": text(
                "The container whose image tag states the version; by default the first.", DNS_NAME, most=63
            ),
            "versionLabel": text(
                "A label of the pods that states the version, instead of a tag.", LABEL_NAME, most=317
            ),
        },
        ("selector", "minVersion"),
    )
    metrics = listing("Conditions on metrics.", _metric(), 16)
    return section(
        "What must be so before and after the migration.",
        {
            "pre": section(
                "What blocks the migration for as long as it is not so.",
                {"minPodVersions": listing("Versions of pods.", least, 16), "metrics": metrics},
            ),
            "post": section(
                "What makes the database Degraded when it is not so after the migration.", {"metrics": metrics}
            ),
        },
    )


def _runner() -> Schema:
    amounts: Schema = {
        "type": "object",
        "maxProperties": 8,
        "additionalProperties": quantity("A Kubernetes quantity."),
    }
    return section(
        "How the migration Job runs.",
        {
            "activeDeadlineSeconds": number(
                "After so many seconds a Job is ended and has failed.", 1, LONGEST_DEADLINE, DEFAULT_DEADLINE
            ),
            "attempt": number(
                "Raise it to run the same migrations once more after a failure that was mended in the database.",
                1,
                1_000_000,
                1,
            ),
            "mode": choice("Plan shows the pending SQL and applies nothing.", ("Apply", "Plan"), "Apply"),
            "imagePullSecrets": listing(
                "Secrets with registry credentials. The first one is also what the customer's image is fetched with.",
                section(
                    "A Secret of type kubernetes.io/dockerconfigjson.", {"name": text("Its name.", DNS_NAME)}, ("name",)
                ),
                8,
                key="name",
            ),
            "resources": section(
                "The resources of each container.",
                {
                    "requests": {**amounts, "description": "What is reserved."},
                    "limits": {**amounts, "description": "What is allowed at most."},
                },
            ),
        },
    )


def _lint() -> Schema:
    allowed = section(
        "What one file may do.",
        {
            "file": text("The migration file.", FILE_NAME),
            "rules": listing(
                "What it may do; all of it when left out.",
                choice("A kind of destructive statement.", DESTRUCTIVE_RULES),
                len(DESTRUCTIVE_RULES),
            ),
        },
        ("file",),
    )
    return section(
        "What happens with pending statements that destroy data or break running clients.",
        {
            "destructive": choice("Refuse them, or only report them.", ("Refuse", "Report"), "Refuse"),
            "allow": listing("Files that are known and wanted.", allowed, 64, key="file"),
        },
    )


def spec_schema() -> Schema:
    """The schema of `spec`, which is also the playbook's document."""
    return section(
        "What is asked for.",
        {
            "migrations": _migrations(),
            "database": _database(),
            "checks": _checks(),
            "runner": _runner(),
            "lint": _lint(),
            "onFailure": choice(
                "Freeze leaves the database as a failed migration left it. Rollback runs the down files of what was"
                " applied, if there is one for each; otherwise it freezes too.",
                ("Freeze", "Rollback"),
                "Freeze",
            ),
        },
        ("migrations", "database"),
    )


def _condition() -> Schema:
    return section(
        "One aspect of the state.",
        {
            "type": text("Which aspect.", most=316),
            "status": choice("Whether it is so.", ("True", "False", "Unknown")),
            "observedGeneration": number("The generation of the spec that it speaks of.", 0, _MOST_GENERATION),
            "lastTransitionTime": {
                "type": "string",
                "format": "date-time",
                "description": "When the status last changed.",
            },
            "reason": text("One word for machines.", most=1024),
            "message": text("A sentence for people.", most=32768),
        },
        ("type", "status", "lastTransitionTime", "reason", "message"),
    )


def _status() -> Schema:
    version = text("A migration's version.", most=256)
    migration = section(
        "What the database and the image's directory say.",
        {
            "image": text("The image, by digest.", most=600),
            "directoryHash": text("SHA-256 of the directory.", most=80),
            "beforeVersion": version,
            "currentVersion": version,
            "targetVersion": version,
            "pendingFiles": listing("Files not applied yet.", text("A file.", most=256), 100),
            "pendingCount": number("How many there are.", 0, 10**6),
            "pendingSQL": text("Their statements, as far as there is room.", most=32768),
            "findings": listing("What the lint found.", text("A finding.", most=1024), 50),
            "reversible": {"type": "boolean", "description": "Whether each pending file has a down file."},
        },
    )
    jobs: Schema = {
        "type": "object",
        "description": "The latest Job of each kind.",
        "maxProperties": 8,
        "additionalProperties": {"type": "string", "maxLength": 63},
    }
    return section(
        "What was seen.",
        {
            "observedGeneration": number("The generation of the spec that the status speaks of.", 0, _MOST_GENERATION),
            "conditions": listing("The state, aspect by aspect.", _condition(), 16, key="type"),
            "migration": migration,
            "jobs": jobs,
            "outcome": text("How the latest migration ended.", most=64),
        },
    )


def _columns() -> list[dict[str, object]]:
    def condition(name: str) -> str:
        return f'.status.conditions[?(@.type=="{name}")].status'

    columns: list[dict[str, object]] = [
        {"name": name, "type": "string", "jsonPath": condition(name)} for name in ("Ready", "Progressing", "Degraded")
    ]
    columns.append({"name": "ObservedGen", "type": "integer", "jsonPath": ".status.observedGeneration"})
    columns.append({"name": "Blocked", "type": "string", "jsonPath": condition("Blocked"), "priority": 1})
    reason = '.status.conditions[?(@.type=="Ready")].reason'
    columns.append({"name": "Reason", "type": "string", "jsonPath": reason, "priority": 1})
    columns.append({"name": "Version", "type": "string", "jsonPath": ".status.migration.currentVersion", "priority": 1})
    columns.append({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "priority": 1})
    return columns


def object_schema() -> Schema:
    """The schema of the whole object."""
    return section(
        "One database and the migrations it shall have.",
        {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec_schema(),
            "status": _status(),
        },
        ("spec",),
        rules.NAME,
    )


def _plain(schema: object) -> object:
    """The schema with its rules as CEL."""
    if isinstance(schema, rules.Rule):
        return schema.as_validation()
    if isinstance(schema, Mapping):
        return {str(key): _plain(value) for key, value in schema.items()}
    if isinstance(schema, (list, tuple)):
        return [_plain(value) for value in schema]
    return schema


def crd() -> dict[str, object]:
    """The CustomResourceDefinition."""
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _plain(object_schema())},
        "subresources": {"status": {}},
        "additionalPrinterColumns": _columns(),
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": "dbupgrade",
                "shortNames": ["dbu"],
            },
            "scope": "Namespaced",
            "versions": [version],
        },
    }


# What `spec` is checked against; built once.
SPEC: Schema = spec_schema()
