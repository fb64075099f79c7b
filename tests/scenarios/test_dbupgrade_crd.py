# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DBUpgrade's CustomResourceDefinition on a real API server: what it takes, what it refuses, in which words."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from unit.module_utils._domain.database.documents import (
    AWS,
    AWS_BY_URL,
    BASES,
    OBJECT,
    SELECTOR,
    SELF_HOSTED,
    WHOLE,
    changed,
    metric,
    named,
    nearly_right,
)

from ansible_collections.steady.rollout.plugins.module_utils._domain.database import spec as rules_in_python
from steadylab import Lab
from steadylab.kube import Api, ApiError

OPERATOR = Path(__file__).parents[2] / "operator"
DOCS = OPERATOR.parent / "docs"
CRD = OPERATOR / "crds" / "dbupgrades.dbupgrade.subbug.learning.yaml"
SAMPLES = sorted((OPERATOR / "samples").glob("dbupgrade-*.yaml"))
Document = dict[str, Any]
_COUNTER = itertools.count(1)


class Upgrades:
    """DBUpgrades in one namespace."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.path = f"/apis/dbupgrade.subbug.learning/v1alpha1/namespaces/{namespace}/dbupgrades"

    def create(self, spec: Document, *, name: str = "", keep: bool = False) -> Document:
        """Create one; unless it shall be kept, only as far as admission goes."""
        body = named(spec, name or f"db-{next(_COUNTER)}")
        return self.api.request("POST", self.path, body, query=_query(keep))

    def update(self, made: Document, spec: Document, *, keep: bool = False) -> Document:
        """Give it another spec."""
        path = f"{self.path}/{made['metadata']['name']}"
        return self.api.request("PUT", path, {**made, "spec": spec}, query=_query(keep))


def _query(keep: bool) -> dict[str, str]:
    return {"fieldValidation": "Strict", **({} if keep else {"dryRun": "All"})}


@pytest.fixture(scope="module")
def upgrades(lab: Lab, databases_defined: None) -> Iterator[Upgrades]:
    """A namespace of a control plane that has the CRD as it is shipped."""
    api = lab.setup_api
    namespace = "dbupgrade-admission"
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    yield Upgrades(api, namespace)
    lab.remove_namespace(namespace, wait=False)


ACCEPTED = {
    "selfHosted with connection": SELF_HOSTED,
    "awsRds with aws": AWS,
    "awsRds with connection": changed(AWS_BY_URL, "database.type", "awsRds"),
    "awsAurora with aws": changed(AWS, "database.type", "awsAurora"),
    "awsAurora with connection": AWS_BY_URL,
    "every field": WHOLE,
    "a Pods metric with pods": changed(
        SELF_HOSTED, "checks.post.metrics", [metric("Pods", pods={"selector": SELECTOR})]
    ),
    "an Object metric with object": changed(SELF_HOSTED, "checks.pre.metrics", [metric("Object", object=OBJECT)]),
    "an External metric without external": changed(SELF_HOSTED, "checks.pre.metrics", [metric("External")]),
    "a threshold as a number": changed(SELF_HOSTED, "checks.pre.metrics", [metric("External", 5)]),
    "an image by digest": changed(SELF_HOSTED, "migrations.image", "registry:5000/a/b@sha256:" + "0f" * 32),
    "a deadline above 15 minutes with aws": changed(AWS, "runner.activeDeadlineSeconds", 7200),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepts(upgrades: Upgrades, case: str) -> None:
    spec = ACCEPTED[case]
    made = upgrades.create(spec)
    rules_in_python.parse_document(named(spec))
    assert made["spec"]["migrations"]["dir"].startswith("/")


def one_metric(kind: str, value: Any = "1", **target: Any) -> Document:
    """A request with one condition before the migration."""
    return changed(SELF_HOSTED, "checks.pre.metrics", [metric(kind, value, **target)])


REFUSED = {
    "selfHosted without connection": (
        changed(SELF_HOSTED, "database", {"type": "selfHosted"}),
        "spec.database.connection: Invalid value: type selfHosted requires connection.urlSecretRef;"
        " name the Secret and key that hold the database's URL",
    ),
    "selfHosted with aws": (
        changed(AWS, "database.type", "selfHosted"),
        "aws does not go with type selfHosted; remove it, or set type to awsRds or awsAurora",
    ),
    "awsRds without aws or connection": (
        changed(AWS, "database", {"type": "awsRds"}),
        "spec.database: Invalid value: type awsRds and awsAurora require either aws or connection.urlSecretRef;"
        " give aws to log in with an IAM token, or connection to use a URL of your own",
    ),
    "awsAurora without aws or connection": (
        changed(AWS, "database", {"type": "awsAurora"}),
        "type awsRds and awsAurora require either aws or connection.urlSecretRef",
    ),
    "awsRds with both": (
        changed(AWS, "database.connection", AWS_BY_URL["database"]["connection"]),
        "aws and connection are both given; keep the one that shall be used",
    ),
    **{
        f"aws without {field}": (changed(AWS, f"database.aws.{field}"), f"spec.database.aws.{field}: Required value")
        for field in ("roleArn", "region", "host", "dbName", "username")
    },
    "a role that is no ARN": (
        changed(AWS, "database.aws.roleArn", "myapp-db-migrator"),
        'spec.database.aws.roleArn: Invalid value: "myapp-db-migrator": spec.database.aws.roleArn in body should match',
    ),
    "a region that is none": (
        changed(AWS, "database.aws.region", "Virginia"),
        'spec.database.aws.region: Invalid value: "Virginia"',
    ),
    "a host of another region": (
        changed(AWS, "database.aws.region", "eu-west-1"),
        "host is in another region than region says; give the region that the host's name holds",
    ),
    "a port that is none": (changed(AWS, "database.aws.port", 0), "should be greater than or equal to 1"),
    "an unknown type": (
        changed(SELF_HOSTED, "database.type", "gcpSql"),
        'spec.database.type: Unsupported value: "gcpSql": supported values: "selfHosted", "awsRds", "awsAurora"',
    ),
    "no image": (changed(SELF_HOSTED, "migrations.image"), "spec.migrations.image: Required value"),
    "an image that is none": (
        changed(SELF_HOSTED, "migrations.image", "http://registry/a:1"),
        'spec.migrations.image: Invalid value: "http://registry/a:1"',
    ),
    "a directory that leaves the image": (
        changed(SELF_HOSTED, "migrations.dir", "/migrations/../etc"),
        'spec.migrations.dir: Invalid value: "/migrations/../etc"',
    ),
    "a Pods metric without pods": (one_metric("Pods"), "type Pods requires target.pods"),
    "a Pods metric with an empty selector": (
        one_metric("Pods", pods={"selector": {}}),
        "the selector is empty and would select every pod; give matchLabels or matchExpressions",
    ),
    "an Object metric without object": (one_metric("Object"), "type Object requires target.object"),
    "a Prometheus metric without a query": (one_metric("Prometheus"), "type Prometheus requires target.prometheus"),
    "a metric with another's target": (
        one_metric("External", pods={"selector": SELECTOR}),
        "pods goes only with type Pods; remove it, or set type to Pods",
    ),
    "a metric of an unknown type": (one_metric("Resource"), 'target.type: Unsupported value: "Resource"'),
    "a threshold that is no quantity": (one_metric("External", "a lot"), 'threshold.value: Invalid value: "a lot"'),
    "an empty threshold": (one_metric("External", ""), 'threshold.value: Invalid value: ""'),
    "a threshold of zero": (one_metric("External", "0"), "a threshold of zero; give another quantity"),
    "a threshold of zero as a number": (one_metric("External", 0), "a threshold of zero; give another quantity"),
    "no threshold": (
        changed(one_metric("External"), "checks.pre.metrics.0.threshold"),
        "spec.checks.pre.metrics[0].threshold: Required value",
    ),
    "a version that is none": (
        changed(AWS, "checks.pre.minPodVersions.0.minVersion", "latest"),
        'minVersion: Invalid value: "latest"',
    ),
    "a deadline of nothing": (
        changed(SELF_HOSTED, "runner.activeDeadlineSeconds", 0),
        "spec.runner.activeDeadlineSeconds: Invalid value: 0",
    ),
    "a field that is unknown": (changed(SELF_HOSTED, "migrations.img", "x"), 'unknown field "spec.migrations.img"'),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_with_the_field_and_what_would_be_right(upgrades: Upgrades, case: str) -> None:
    spec, words = REFUSED[case]
    with pytest.raises(ApiError) as caught:
        upgrades.create(spec)
    assert caught.value.status in (400, 422)
    assert words in str(caught.value)
    assert rules_in_python.refusals(named(spec))


def test_refuses_a_name_that_is_too_long_for_a_label(upgrades: Upgrades) -> None:
    with pytest.raises(ApiError, match="the name is longer than 63 characters; choose a shorter one"):
        upgrades.create(SELF_HOSTED, name="x" * 64)
    upgrades.create(SELF_HOSTED, name="x" * 63)


def _with_url(spec: Document) -> Document:
    return changed(spec, "database.connection", SELF_HOSTED["database"]["connection"])


# Before, after, and the words of the refusal; none where the update is taken.
UPDATES = {
    "database.type, connection kept": (SELF_HOSTED, ("database.type", "awsRds"), "database.type is immutable"),
    "database.type between the AWS types": (AWS, ("database.type", "awsAurora"), "database.type is immutable"),
    "the Secret's name": (
        SELF_HOSTED,
        ("database.connection.urlSecretRef.name", "other"),
        "database.connection.urlSecretRef is immutable; change the content of the Secret, which is followed, or make"
        " another DBUpgrade for another database",
    ),
    "the Secret's key": (
        SELF_HOSTED,
        ("database.connection.urlSecretRef.key", "other"),
        "database.connection.urlSecretRef is immutable",
    ),
    "connection removed": (AWS_BY_URL, ("database", AWS["database"] | {"type": "awsAurora"}), "is immutable"),
    "connection added": (AWS, ("database", AWS_BY_URL["database"] | {"type": "awsRds"}), "is immutable"),
    "aws added beside connection": (AWS_BY_URL, ("database.aws", AWS["database"]["aws"]), "neither added nor removed"),
    "aws removed": (AWS, ("database.aws",), "database.aws is immutable: it can be neither added nor removed"),
    "aws.roleArn": (
        AWS,
        ("database.aws.roleArn", "arn:aws:iam::123456789012:role/other"),
        "database.aws.roleArn is immutable; make another DBUpgrade for another database",
    ),
    "aws.region": (AWS, ("database.aws.region", "eu-west-1"), "database.aws.region is immutable"),
    "aws.host": (AWS, ("database.aws.host", "other.us-east-1.rds.amazonaws.com"), "database.aws.host is immutable"),
    "aws.dbName": (AWS, ("database.aws.dbName", "other"), "database.aws.dbName is immutable"),
    "aws.username": (AWS, ("database.aws.username", "other"), "database.aws.username is immutable"),
    "aws.port": (AWS, ("database.aws.port", 3306), "database.aws.port is immutable"),
    "aws.port to its default": (AWS, ("database.aws.port",), ""),
    "aws.engine": (AWS, ("database.aws.engine", "mysql"), "database.aws.engine is immutable"),
    "migrations.image": (SELF_HOSTED, ("migrations.image", "myapp/migrations:v2"), ""),
    "migrations.dir": (SELF_HOSTED, ("migrations.dir", "/db/migrations"), ""),
    "checks": (SELF_HOSTED, ("checks", WHOLE["checks"]), ""),
    "checks removed": (WHOLE, ("checks",), ""),
    "runner": (AWS, ("runner.activeDeadlineSeconds", 60), ""),
    "runner removed": (AWS, ("runner",), ""),
    "onFailure": (SELF_HOSTED, ("onFailure", "Rollback"), ""),
}


@pytest.mark.parametrize("case", UPDATES)
def test_update(upgrades: Upgrades, case: str) -> None:
    before, change, words = UPDATES[case]
    after = changed(before, *change)
    made = upgrades.create(before, keep=True)
    in_python = rules_in_python.refusals(named(after), named(before))
    if not words:
        upgrades.update(made, after, keep=True)
        assert in_python == []
        return
    with pytest.raises(ApiError) as caught:
        upgrades.update(made, after, keep=True)
    assert words in str(caught.value)
    assert in_python


def test_fills_in_the_defaults(upgrades: Upgrades) -> None:
    spec = changed(AWS, "database.aws.port")
    del spec["migrations"]["dir"]
    made = upgrades.create(spec)["spec"]
    assert made["migrations"]["dir"] == "/migrations"
    assert made["database"]["aws"]["port"] == 5432
    assert made["onFailure"] == "Freeze"


def test_status_is_a_subresource(upgrades: Upgrades) -> None:
    made = upgrades.create(SELF_HOSTED, keep=True)
    assert "status" not in upgrades.update(made, SELF_HOSTED)
    assert made["metadata"]["generation"] == 1
    status = {"observedGeneration": 1, "conditions": []}
    path = f"{upgrades.path}/{made['metadata']['name']}"
    told = upgrades.api.request("PUT", f"{path}/status", {**made, "status": status})
    assert told["status"] == status
    assert told["metadata"]["generation"] == 1


def test_kubectl_shows_the_columns_and_knows_the_short_name(upgrades: Upgrades) -> None:
    made = upgrades.create(SELF_HOSTED, name="columns", keep=True)
    moment = "2026-11-21T06:00:00Z"
    conditions = [
        {"type": name, "status": status, "reason": "MigrationComplete", "message": "", "lastTransitionTime": moment}
        for name, status in (("Ready", "True"), ("Progressing", "False"), ("Degraded", "False"))
    ]
    status = {"observedGeneration": 7, "conditions": conditions}
    upgrades.api.request("PUT", f"{upgrades.path}/columns/status", {**made, "status": status})
    accept = {**upgrades.api._headers, "Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    answer = upgrades.api._http.request("GET", f"{upgrades.api.server}{upgrades.path}/columns", headers=accept)
    table = answer.json()
    shown = [column["name"].upper() for column in table["columnDefinitions"] if not column["priority"]]
    assert shown == ["NAME", "READY", "PROGRESSING", "DEGRADED", "OBSERVEDGEN"]
    assert table["rows"][0]["cells"][:5] == ["columns", "True", "False", "False", 7]
    resources = upgrades.api.request("GET", "/apis/dbupgrade.subbug.learning/v1alpha1")["resources"]
    assert [entry["shortNames"] for entry in resources if entry["name"] == "dbupgrades"] == [["dbu"]]


def test_samples_and_what_the_documentation_shows_are_accepted(upgrades: Upgrades) -> None:
    texts = [path.read_text() for path in SAMPLES]
    for page in DOCS.glob("*.md"):
        texts += re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    found = [document for text in texts for document in yaml.safe_load_all(text) if _is_upgrade(document)]
    assert len(found) > len(SAMPLES)
    for document in found:
        upgrades.create(document["spec"], name=document["metadata"]["name"])
        rules_in_python.parse_document(document)


def _is_upgrade(document: object) -> bool:
    return isinstance(document, dict) and document.get("kind") == "DBUpgrade"


def test_there_is_a_sample_for_each_example_of_the_readme() -> None:
    assert len(SAMPLES) >= 2


def _taken(upgrades: Upgrades, spec: Document, made: Document | None = None) -> tuple[bool, str]:
    """Whether the API server takes the spec, and what it says."""
    try:
        if made is None:
            upgrades.create(spec)
        else:
            upgrades.update(made, spec)
    except ApiError as error:
        if error.status not in (400, 422):
            raise
        return False, str(error)
    return True, ""


# The first example pays for the start of the control plane, which hypothesis would hold against the test.
_MANY = settings(
    max_examples=250,
    derandomize=False,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@given(spec=nearly_right())
@_MANY
def test_python_and_the_api_server_agree_on_new_documents(upgrades: Upgrades, spec: Document) -> None:
    taken, words = _taken(upgrades, spec)
    in_python = rules_in_python.refusals(named(spec))
    assert taken == (not in_python), (words, [str(refused) for refused in in_python])


@pytest.fixture(scope="module")
def made(upgrades: Upgrades) -> list[Document]:
    """One DBUpgrade of each base."""
    return [upgrades.create(base, name=f"base-{number}", keep=True) for number, base in enumerate(BASES)]


def _port(spec: Document) -> object:
    """The port of an AWS database, as far as there is one in a document that is nearly right."""
    value: object = spec
    for name in ("database", "aws", "port"):
        value = value.get(name) if isinstance(value, dict) else None
    return value


@given(which=st.integers(0, len(BASES) - 1), data=st.data())
@_MANY
def test_python_and_the_api_server_agree_on_updates(
    upgrades: Upgrades, made: list[Document], which: int, data: st.DataObject
) -> None:
    before = BASES[which]
    spec = data.draw(nearly_right((before, before, *BASES)))
    # A whole number written as 5432.0 is one, but no rule about updates can be evaluated on it by the API server.
    assume(not isinstance(_port(spec), float))
    taken, words = _taken(upgrades, spec, made[which])
    in_python = rules_in_python.refusals(named(spec), named(before))
    assert taken == (not in_python), (words, [str(refused) for refused in in_python])
