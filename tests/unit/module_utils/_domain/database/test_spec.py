# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The spec of a DBUpgrade in Python. The same documents are put to a real API server in tests/scenarios."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from ansible_collections.steady.rollout.plugins.module_utils._domain.database.schema import DESTRUCTIVE_RULES
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.spec import (
    Allowed,
    Aws,
    DescribedObject,
    SecretKey,
    parse_document,
    refusals,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused

from .documents import AWS, AWS_BY_URL, BASES, SELF_HOSTED, WHOLE, changed, metric, named, nearly_right


def test_the_least_document_and_its_defaults() -> None:
    spec = parse_document(named(changed(SELF_HOSTED, "migrations.dir")))
    assert spec.directory == "/migrations"
    assert spec.secret == SecretKey("db-connection-secret", "url")
    assert (spec.aws, spec.deadline_seconds, spec.attempt, spec.plan_only) == (None, 900, 1, False)
    assert (spec.refuse_destructive, spec.rollback, spec.allowed, spec.pull_secrets) == (True, False, (), ())


def test_an_aws_document() -> None:
    spec = parse_document(named(changed(AWS, "database.aws.port")))
    role = "arn:aws:iam::123456789012:role/myapp-db-migrator"
    host = "mydb.abc123.us-east-1.rds.amazonaws.com"
    assert spec.aws == Aws(role, "us-east-1", host, 5432, "myapp", "migrator", "postgres")
    assert str(spec.min_pod_versions[0].selector) == "app=myapp"
    assert spec.min_pod_versions[0].version == "v1.5.0"


@pytest.mark.parametrize(
    ("region", "suffix"),
    [("cn-north-1", "com.cn"), ("eusc-de-east-1", "eu"), ("us-gov-west-1", "com"), ("ap-southeast-5", "com")],
)
def test_databases_of_every_public_partition(region: str, suffix: str) -> None:
    host = f"mydb.abc123.{region}.rds.amazonaws.{suffix}"
    whole = changed(changed(AWS, "database.aws.region", region), "database.aws.host", host)
    assert parse_document(named(whole)).aws is not None


def test_a_document_with_every_field() -> None:
    spec = parse_document(named(WHOLE))
    assert str(spec.min_pod_versions[0].selector) == "app=myapp,tier in (web,api)"
    assert [(m.source, m.threshold, m.operator) for m in spec.pre_metrics] == [
        ("Pods", "100m", "LessThanOrEqual"),
        ("Object", "3", "LessThanOrEqual"),
        ("External", "1.5", "LessThanOrEqual"),
        ("Prometheus", "2Gi", "LessThanOrEqual"),
    ]
    assert spec.pre_metrics[1].described == DescribedObject("v1", "Service", "myapp")
    assert spec.pre_metrics[3].query == "sum(rate(errors[5m]))"
    assert spec.allowed == (Allowed("2_drop.sql", ("dropTable",)), Allowed("3_x.sql", DESTRUCTIVE_RULES))
    assert (spec.plan_only, spec.rollback, spec.refuse_destructive, spec.attempt) == (True, True, False, 2)
    assert spec.pull_secrets == ("registry", "mirror")
    assert spec.resources["requests"] == {"cpu": "100m", "memory": "64Mi"}


# What is refused beyond the cases of tests/scenarios: the field, and words of the refusal.
REFUSED: list[tuple[Any, str, str]] = [
    (changed(SELF_HOSTED, "migrations.img", "x"), "spec.migrations.img", "did you mean image"),
    (changed(SELF_HOSTED, "onFailure", "Rolback"), "spec.onFailure", "did you mean Rollback"),
    (changed(SELF_HOSTED, "migrations.image", 7), "spec.migrations.image", "not a text"),
    (changed(SELF_HOSTED, "migrations", []), "spec.migrations", "not a mapping"),
    (changed(SELF_HOSTED, "database.type", None), "spec.database.type", "missing"),
    (changed(SELF_HOSTED, "runner.attempt", True), "spec.runner.attempt", "not a whole number"),
    (changed(SELF_HOSTED, "runner.attempt", 1.5), "spec.runner.attempt", "not a whole number"),
    (changed(SELF_HOSTED, "runner.attempt", 0), "spec.runner.attempt", "out of bounds"),
    (changed(SELF_HOSTED, "runner.imagePullSecrets", "x"), "spec.runner.imagePullSecrets", "not a list"),
    (
        changed(SELF_HOSTED, "runner.imagePullSecrets", [{"name": "a"}, {"name": "a"}]),
        "spec.runner.imagePullSecrets[1].name",
        "there twice",
    ),
    (changed(SELF_HOSTED, "migrations.image", "a" * 600), "spec.migrations.image", "600 characters"),
    (changed(SELF_HOSTED, "migrations.image", "a:b\n"), "spec.migrations.image", "form"),
    (changed(SELF_HOSTED, "checks.pre.metrics", [metric("Pods")] * 17), "spec.checks.pre.metrics", "17 entries"),
    (
        changed(SELF_HOSTED, "checks.post.metrics", [metric("External", True)]),
        "spec.checks.post.metrics[0]",
        "quantity",
    ),
    (changed(SELF_HOSTED, "checks.post.metrics", ["x"]), "spec.checks.post.metrics[0]", "not a mapping"),
    (changed(AWS, "database.aws.region", "eu-west-1"), "spec.database.aws.host", "in another region"),
    (changed(AWS, "database.aws.host", "x.cn-north-1.rds.amazonaws.com.cn"), "spec.database.aws.host", "another"),
    (changed(AWS, "database.aws.host", "x.eusc-de-east-1.rds.amazonaws.eu"), "spec.database.aws.host", "another"),
    (changed(AWS, "database.aws.region", "useast1"), "spec.database.aws.region", "form"),
    (changed(AWS, "database.connection", SELF_HOSTED["database"]["connection"]), "spec.database.aws", "both given"),
]


@pytest.mark.parametrize(("spec", "field", "words"), REFUSED)
def test_refused_with_path_value_and_remedy(spec: Any, field: str, words: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_document(named(spec))
    assert caught.value.field.startswith(field)
    assert words in caught.value.reason
    assert caught.value.remedy


@pytest.mark.parametrize("document", [{}, {"spec": None}, {"spec": []}, {"metadata": None, "spec": SELF_HOSTED}])
def test_what_is_no_document_is_refused(document: Any) -> None:
    with pytest.raises(Refused):
        parse_document(document)


@pytest.mark.parametrize("name", [None, 7, "", "Orders", "a_b", "-a", "a" * 64, "a\n"])
def test_a_name_that_is_none_is_refused(name: Any) -> None:
    with pytest.raises(Refused) as caught:
        parse_document(named(SELF_HOSTED, name))
    assert caught.value.field == "metadata.name"


def test_everything_wrong_is_told_at_once() -> None:
    wrong = changed(changed(SELF_HOSTED, "migrations.dir", "x"), "runner.attempt", 0)
    assert [refused.field for refused in refusals(named(wrong))] == ["spec.migrations.dir", "spec.runner.attempt"]


UPDATES = [
    (SELF_HOSTED, changed(SELF_HOSTED, "database.type", "awsRds"), ["spec.database.type"]),
    (
        SELF_HOSTED,
        changed(SELF_HOSTED, "database.connection.urlSecretRef.name", "x"),
        ["spec.database.connection.urlSecretRef"],
    ),
    (AWS, changed(AWS, "database.aws.username", "x"), ["spec.database.aws.username"]),
    (AWS, changed(AWS, "database.aws.port"), []),
    (
        AWS,
        changed(AWS_BY_URL, "database.type", "awsRds"),
        ["spec.database.connection.urlSecretRef", "spec.database.aws"],
    ),
    (AWS, changed(AWS, "checks"), []),
    (AWS, changed(AWS, "migrations.image", "myapp/migrations:v3"), []),
]


@pytest.mark.parametrize(("before", "after", "fields"), UPDATES)
def test_what_may_change(before: Any, after: Any, fields: list[str]) -> None:
    assert [refused.field for refused in refusals(named(after), named(before))] == fields


@given(nearly_right())
@settings(max_examples=150, derandomize=True, deadline=None)
def test_any_document_is_parsed_or_refused(spec: Any) -> None:
    document = named(spec)
    found = refusals(document)
    for refused in found:
        assert refused.field.startswith("spec")
        assert refused.remedy
    if not found:
        assert parse_document(document).hash.startswith("sha256:")


@pytest.mark.parametrize("base", BASES)
def test_a_document_stays_as_it_was_and_may_follow_itself(base: Any) -> None:
    document = named(base)
    parse_document(document)
    assert document == named(base)
    assert refusals(document, document) == []
