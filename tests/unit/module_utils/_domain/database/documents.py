# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DBUpgrades as documents: the examples of the seed, and generated ones that are nearly right.

The same documents are put to the Python rules here and to a real API server in tests/scenarios.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Document = dict[str, Any]
Path = tuple[Any, ...]

SELECTOR: Document = {"matchLabels": {"app": "myapp"}}
SELF_HOSTED: Document = {
    "migrations": {"image": "myapp/migrations:v1", "dir": "/migrations"},
    "database": {"type": "selfHosted", "connection": {"urlSecretRef": {"name": "db-connection-secret", "key": "url"}}},
}
AWS: Document = {
    "migrations": {"image": "myapp/migrations:v2.0.0", "dir": "/migrations"},
    "database": {
        "type": "awsRds",
        "aws": {
            "roleArn": "arn:aws:iam::123456789012:role/myapp-db-migrator",
            "region": "us-east-1",
            "host": "mydb.abc123.us-east-1.rds.amazonaws.com",
            "port": 5432,
            "dbName": "myapp",
            "username": "migrator",
        },
    },
    "checks": {"pre": {"minPodVersions": [{"selector": SELECTOR, "minVersion": "v1.5.0"}]}},
    "runner": {"activeDeadlineSeconds": 900},
}
AWS_BY_URL: Document = {
    "migrations": {"image": "myapp/migrations:v2.0.0"},
    "database": {"type": "awsAurora", "connection": {"urlSecretRef": {"name": "aurora", "key": "url"}}},
}


def metric(kind: str, value: Any = "100m", **target: Any) -> Document:
    """A condition on a metric of a kind; `target` are further fields of its target."""
    return {"name": "errors", "target": {"type": kind, **target}, "threshold": {"value": value}}


OBJECT: Document = {"apiVersion": "v1", "kind": "Service", "name": "myapp"}
# Every field that there is.
WHOLE: Document = {
    **copy.deepcopy(SELF_HOSTED),
    "checks": {
        "pre": {
            "minPodVersions": [
                {
                    "selector": {
                        "matchLabels": {"app": "myapp"},
                        "matchExpressions": [{"key": "tier", "operator": "In", "values": ["web", "api"]}],
                    },
                    "minVersion": "1.5.0-rc.1",
                    "container": "main",
                    "versionLabel": "app.kubernetes.io/version",
                }
            ],
            "metrics": [
                metric("Pods", pods={"selector": SELECTOR}),
                metric("Object", 3, object=OBJECT),
                metric("External", "1.5", external={"selector": SELECTOR}),
                metric("Prometheus", "2Gi", prometheus={"query": "sum(rate(errors[5m]))"}),
            ],
        },
        "post": {"metrics": [metric("External")]},
    },
    "runner": {
        "activeDeadlineSeconds": 60,
        "attempt": 2,
        "mode": "Plan",
        "imagePullSecrets": [{"name": "registry"}, {"name": "mirror"}],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
    },
    "lint": {"destructive": "Report", "allow": [{"file": "2_drop.sql", "rules": ["dropTable"]}, {"file": "3_x.sql"}]},
    "onFailure": "Rollback",
}
BASES = (SELF_HOSTED, AWS, AWS_BY_URL, WHOLE)


def named(spec: Document, name: str = "orders") -> Document:
    """The whole document of a spec."""
    return {
        "apiVersion": "dbupgrade.subbug.learning/v1alpha1",
        "kind": "DBUpgrade",
        "metadata": {"name": name},
        "spec": copy.deepcopy(spec),
    }


def changed(spec: Document, path: str, *value: Any) -> Document:
    """The spec with another value at a dotted path; without a value the field is removed."""
    result = copy.deepcopy(spec)
    *way, last = path.split(".")
    at: Any = result
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at.setdefault(step, {})
    key = int(last) if isinstance(at, list) else last
    if value:
        at[key] = value[0]
    else:
        del at[key]
    return result


def paths(value: Any, so_far: Path = ()) -> Iterator[Path]:
    """Every place in a document."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield (*so_far, name)
            yield from paths(item, (*so_far, name))
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield (*so_far, number)
            yield from paths(item, (*so_far, number))


def _leaf(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


# What stands in a right document, by the name of its field; and what is hardly ever right.
_KNOWN: dict[Any, list[Any]] = {}
for _base in BASES:
    for _path in paths(_base):
        _KNOWN.setdefault(_path[-1], []).append(_leaf(_base, _path))
_ALIKE: dict[str, list[Any]] = {
    "type": ["selfHosted", "awsRds", "awsAurora", "Pods", "Object", "External", "Prometheus"],
    "operator": ["In", "NotIn", "Exists", "DoesNotExist", "LessThan", "GreaterThan"],
    "value": ["0", "0.0e3", "00Ki", "0.5", "1e3", "-1", "+.5M", "1e100", "5 ", 0, -3, 1.5],
    "minVersion": ["v1", "1.2", "v1.2.3.4", "1.0.0-", "01.2.3", "1.2.3-rc.1+build.7"],
    "image": [
        "localhost:5000/a/b",
        "UPPER/a:b",
        "UPPER.io/a:b",
        "a@sha256:" + "0" * 64,
        "a:b:c",
        "a//b",
        "a__b/c_d",
        "a\n",
    ],
    "dir": ["/", "/a/../b", "/a/.b", "/a/b/", "a", "/a\n", "/" + "a" * 255, "/" + "a" * 256],
    "host": ["host", "x.eu-west-1.rds.amazonaws.com", "x.us-east-1.rds.amazonaws.com", "-x", "10.0.0.1", "x" * 254],
    "region": ["eu-west-1", "us-gov-west-1", "us-east", "us-east-123"],
    "port": [1, 0, 65535, 65536, "5432", 5432.5, 5432.0],
    "activeDeadlineSeconds": [0, 1, 604_800, 604_801, 2**40],
    "roleArn": ["arn:aws:iam::1:role/x", "arn:aws-cn:iam::123456789012:role/a/b", "arn:aws:iam::123456789012:user/x"],
    "key": ["a/b", "example.com/a", "-", "url"],
    "engine": ["mysql", "postgres", "oracle"],
    "mode": ["Apply", "Plan", "plan"],
    "rules": [[], ["dropTable", "truncate"], ["drop"]],
    "values": [[], ["a"], ["a", ""], None],
}
_ODD: list[Any] = [None, True, 0, -1, 1.5, "", "x", "a b", "é", "x" * 300, [], {}, [{}], ["x"], {"a": "b"}, {"a": None}]
_NAMES = ["aws", "connection", "urlSecretRef", "pods", "object", "external", "prometheus", "values", "port", "dir", "x"]
_NAMES += ["engine", "matchLabels", "matchExpressions", "selector", "checks", "runner", "container", "attempt"]


def _values(name: Any) -> st.SearchStrategy[Any]:
    """Mostly what stands elsewhere in a field of that name."""
    alike = _ALIKE.get(name, []) + _KNOWN.get(name, [])
    odd = st.sampled_from(_ODD)
    return st.one_of(*[st.sampled_from(alike)] * 4, odd) if alike else odd


def _change(draw: st.DrawFn, spec: Document) -> None:
    *way, last = draw(st.sampled_from(sorted(paths(spec), key=str)))
    holder = _leaf(spec, tuple(way))
    match draw(st.sampled_from(("replace", "replace", "replace", "remove", "add", "aws"))):
        case "replace":
            holder[last] = copy.deepcopy(draw(_values(last)))
        case "remove":
            del holder[last]
        case "add" if isinstance(holder, dict):
            name = draw(st.sampled_from(_NAMES))
            holder[name] = copy.deepcopy(draw(_values(name)))
        case "add":
            holder.append(copy.deepcopy(draw(st.sampled_from(_ODD) | st.sampled_from(holder))))
        case _ if isinstance(spec.get("database"), dict):
            spec["database"]["aws"] = copy.deepcopy(AWS["database"]["aws"])


@st.composite
def nearly_right(draw: st.DrawFn, bases: tuple[Document, ...] = BASES) -> Document:
    """A right spec after up to three changes: a value replaced, a field or an entry removed or added."""
    spec = copy.deepcopy(draw(st.sampled_from(bases)))
    for _number in range(draw(st.sampled_from((0, 1, 1, 1, 2, 2, 3)))):
        if spec:
            _change(draw, spec)
    return spec
