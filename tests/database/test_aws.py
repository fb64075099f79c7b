# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases of AWS: real botocore, moto's STS, and a PostgreSQL that lets in whoever brings a token signed right."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from database.conftest import Push
from database.upgrades import PASSWORD, SECONDS, A, B, Later, Upgrade, begun, in_background, own_tables, reconciled
from scenarios.playbook import ROOT
from waiting import until

from ansible_collections.steady.rollout.plugins.module_utils._aws import mint
from ansible_collections.steady.rollout.plugins.module_utils._aws.call import call
from ansible_collections.steady.rollout.plugins.module_utils._domain.database import aws as login
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.spec import Aws
from steadylab import Lab
from steadylab.certs import Authority
from steadylab.database.aws import Sts, python
from steadylab.database.rds import Rds, signed
from steadylab.database.servers import MariaDB, Postgres

ROLE = "arn:aws:iam::123456789012:role/databases/migrator"
MINT = Path(str(mint.__file__)).read_text("utf-8")
ORDER = {
    "role": ROLE,
    "region": "eu-central-1",
    "host": "orders.abc.eu-central-1.rds.amazonaws.com",
    "port": 5432,
    "user": "ann+o/ther@x",
    "session": "steady-rollout.shop.orders",
    "seconds": 900,
}


@pytest.fixture(scope="module")
def front(lab: Lab, postgres: Postgres, sts: Sts) -> Iterator[Rds]:
    """The PostgreSQL of the lab as RDS serves it."""
    with Rds.running(lab.directory, postgres, sts.secret_of) as front:
        yield front


@pytest.fixture
def cloud(sts: Sts, monkeypatch: pytest.MonkeyPatch) -> Sts:
    """The variables of a runner that has keys of its own, and an STS that has lent nothing yet."""
    for name, value in sts.environment().items():
        monkeypatch.setenv(name, value)
    sts.reset()
    return sts


def means(upgrade: Upgrade, **aws: str) -> None:
    """What the installation says of AWS."""
    upgrade.installation = {"databases": {"aws": aws}}


@pytest.fixture
def rds(front: Rds, cloud: Sts, upgrade: Upgrade, lab: Lab) -> Iterator[Rds]:
    """It for one test; what was brought as a password must be nowhere else in the end."""
    front.reset()
    means(upgrade, python=str(python()), caBundle=str(lab.directory / "pki" / "ca.crt"))
    yield front
    upgrade.secrets |= {token.rpartition("=")[2] for token in front.brought}
    upgrade.secrets |= {str(session["secret_access_key"]) for session in cloud.sessions()}


@pytest.fixture
def user(rds: Rds, database_name: str, upgrade: Upgrade) -> str:
    """An empty database of a user that brings tokens; both have this name."""
    rds.create(database_name, database_name, PASSWORD)
    upgrade.secrets |= {PASSWORD}
    return database_name


def database(rds: Rds, user: str, **changed: Any) -> dict[str, Any]:
    """The section of the spec."""
    aws = {"roleArn": ROLE, "region": "eu-central-1", "host": rds.host, "port": rds.port, "dbName": user}
    return {"type": "awsRds", "aws": {**aws, "username": user, **changed}}


def managed(upgrade: Upgrade) -> dict[str, Any]:
    """The Secret that the Jobs read."""
    found: dict[str, Any] = upgrade.lab.api.get("Secret", "dbupgrade-orders-connection", upgrade.namespace)
    return found


def held_token(upgrade: Upgrade) -> str:
    """The token in it."""
    return unquote(urlsplit(upgrade.managed_url()).password or "")


# The token.


def frozen(sts: Sts, order: Mapping[str, Any], **environment: str) -> tuple[dict[str, Any], dict[str, str]]:
    """What botocore makes when it is half past noon, and the session that it was lent."""
    program = (
        "import botocore.auth, datetime\n"
        "botocore.auth.get_current_datetime = lambda **_: datetime.datetime(2026, 5, 6, 12, 30, 0)\n"
        + MINT.replace("from __future__ import annotations", "")
    )
    command = [str(python()), "-c", program]
    environment = {**sts.environment(), **environment}
    ended = subprocess.run(
        command, env=environment, input=json.dumps(order), capture_output=True, text=True, check=True
    )
    return json.loads(ended.stdout), {key: str(value) for key, value in (sts.sessions() or [{}])[-1].items()}


@pytest.mark.parametrize(
    "changed",
    [{}, {"port": 3306, "region": "cn-north-1"}, {"user": "ü ~*'%", "host": "localhost"}, {"region": "us-gov-west-1"}],
)
def test_a_token_is_what_the_documented_algorithm_signs(cloud: Sts, changed: dict[str, Any]) -> None:
    order = {**ORDER, **changed}
    answer, session = frozen(cloud, order)
    place, _mark, text = answer["token"].partition("/?")
    query = dict(parse_qsl(text, strict_parsing=True))
    signature = query.pop("X-Amz-Signature")
    scope = f"20260506/{order['region']}/rds-db/aws4_request"
    assert place == f"{order['host']}:{order['port']}"
    assert query == {
        "Action": "connect",
        "DBUser": order["user"],
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{session['access_key_id']}/{scope}",
        "X-Amz-Date": "20260506T123000Z",
        "X-Amz-Expires": "900",
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Security-Token": session["session_token"],
    }
    assert signature == signed(place, query, session["secret_access_key"])
    assert (session["role_arn"], session["session_name"]) == (ROLE, "steady-rollout.shop.orders")
    target = Aws(ROLE, order["region"], order["host"], order["port"], "x", order["user"], "postgres")
    assert login.token(answer, target).expires == 1778070600 + 900


def test_the_independent_signer_agrees_with_a_published_token() -> None:
    # github.com/boto/botocore, tests/unit/test_signers.py, TestGenerateDBAuthToken.
    query = {
        "Action": "connect",
        "DBUser": "someusername",
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": "akid/20161107/us-east-1/rds-db/aws4_request",
        "X-Amz-Date": "20161107T173933Z",
        "X-Amz-Expires": "900",
        "X-Amz-SignedHeaders": "host",
    }
    signature = "d1138cdbc0ca63eec012ec0fc6c2267e03642168f5884a7795320d4c18374c61"
    assert signed("prod-instance.us-east-1.rds.amazonaws.com:3306", query, "skid") == signature


# Where the credentials come from.


def test_an_identity_of_a_service_account_is_the_role_itself(
    cloud: Sts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = tmp_path / "token"
    identity.write_text("a.b.c")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(identity))
    answer = call(ORDER, MINT, str(python()))
    assert (cloud.roles(), answer["seconds"]) == ([ROLE], 600)
    assert cloud.sessions()[0]["session_name"] == ORDER["session"]
    other = "arn:aws:iam::123456789012:role/operator"
    monkeypatch.setenv("AWS_ROLE_ARN", other)
    assert call(ORDER, MINT, str(python()))["seconds"] == 900
    assert cloud.roles() == [ROLE, other, ROLE]
    identity.unlink()
    missing = call(ORDER, MINT, str(python()))["error"]
    assert (missing["kind"], str(identity) in missing["message"]) == ("OSError", True)


def test_a_profile_that_takes_on_another_role_first(
    cloud: Sts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(
        "[profile base]\naws_access_key_id = testing\naws_secret_access_key = testing\n"
        "[profile chain]\nsource_profile = base\nrole_arn = arn:aws:iam::123456789012:role/hop\n"
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "chain")
    assert call(ORDER, MINT, str(python()))["seconds"] == 900
    assert cloud.roles() == ["arn:aws:iam::123456789012:role/hop", ROLE]
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert call(ORDER, MINT, str(python()))["error"]["kind"] == "ProfileNotFound"


@pytest.mark.parametrize(
    ("environment", "changed", "word"),
    [
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, {}, "AwsCredentialsMissing"),
        ({}, {"region": "xx-nowhere-1"}, "AwsRegionUnknown"),
        ({"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1"}, {}, "AwsUnreachable"),
    ],
)
def test_what_botocore_says_has_a_reason(
    cloud: Sts, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], changed: dict[str, Any], word: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    answer = call({**ORDER, **changed}, MINT, str(python()))
    assert login.failed(answer["error"], Aws(ROLE, "x", "x", 1, "x", "x", "postgres")).word == word, answer


def test_a_runner_without_the_right_is_told_which(cloud: Sts, monkeypatch: pytest.MonkeyPatch) -> None:
    target = Aws(ROLE, "x", "x", 1, "x", "x", "postgres")
    stranger = cloud.stranger()
    with cloud.guarded():
        unknown = login.failed(call(ORDER, MINT, str(python()))["error"], target)
        for name, value in stranger.items():
            monkeypatch.setenv(name, value)
        denied = login.failed(call(ORDER, MINT, str(python()))["error"], target)
    assert (unknown.word, denied.word) == ("AwsCredentialsInvalid", "AwsAccessDenied")
    assert "user/stranger is not authorized to perform: sts:AssumeRole" in denied.sentence


# Whole migrations.


def test_migrates_with_tokens_alone(upgrade: Upgrade, rds: Rds, user: str, cloud: Sts, push: Push) -> None:
    document = upgrade.document(push(f"{user}:v1", A | B), database=database(rds, user))
    ended = upgrade.run(document).succeeded()
    assert "MigrationComplete" in ended.text
    assert own_tables(rds.server, user) == {"t1", "t2"}
    assert (rds.refused, cloud.roles(), len(set(rds.brought))) == ([], [ROLE], 1)
    assert "url" not in managed(upgrade).get("data", {})
    again = upgrade.run(document).succeeded()
    assert (again.recap["changed"], cloud.roles()) == (0, [ROLE])
    next_one = upgrade.document(push(f"{user}:v2", A | B | {"20260101000005_e.sql": "CREATE TABLE t5 (id int);\n"}))
    next_one["spec"]["database"] = document["spec"]["database"]
    assert upgrade.perform(next_one)["outcome"] == "succeeded"
    assert len(set(rds.brought)) == 2
    held = [token.rpartition("=")[2] for token in rds.brought]
    assert [token for token in held if token in json.dumps(managed(upgrade))] == []


def test_one_environment_with_botocore_and_an_older_client_is_enough(
    upgrade: Upgrade, rds: Rds, user: str, push: Push
) -> None:
    means(upgrade, caBundle=upgrade.installation["databases"]["aws"]["caBundle"])
    document = upgrade.document(push(f"{user}:v1", A), database=database(rds, user))
    ended = upgrade.run(document, programs=python().parent).succeeded()
    assert "MigrationComplete" in ended.text
    assert rds.refused == []


def test_a_pod_that_waits_finds_a_token_that_is_good(upgrade: Upgrade, rds: Rds, user: str, push: Push) -> None:
    upgrade.installation["databases"]["tools"] = {"crane": "registry.example.org/nowhere/crane:v0"}
    document = upgrade.document(push(f"{user}:v1", A), database=database(rds, user))
    upgrade.perform(document, wait=False)
    first = held_token(upgrade)
    upgrade.perform(document, wait=False, clock=Later(500))
    assert held_token(upgrade) == first
    upgrade.perform(document, wait=False, clock=Later(800))
    assert held_token(upgrade) != first
    upgrade.secrets |= {token.rpartition("=")[2] for token in (first, held_token(upgrade))}
    assert rds.brought == []


def test_whoever_takes_over_after_its_end_makes_another_token(
    upgrade: Upgrade, rds: Rds, user: str, push: Push
) -> None:
    document = upgrade.document(push(f"{user}:v1", A | B), database=database(rds, user))
    upgrade.perform(document, wait=False)
    first = held_token(upgrade)
    upgrade.await_jobs()
    ended = {"metadata": {"annotations": {"rollout.steady.dev/expires": "1"}}}
    upgrade.lab.setup_api.patch("Secret", "dbupgrade-orders-connection", ended, upgrade.namespace)
    assert upgrade.perform(document)["outcome"] == "succeeded"
    assert (rds.brought[0], len(set(rds.brought)), rds.refused) == (first, 2, [])
    assert own_tables(rds.server, user) == {"t1", "t2"}


def test_a_token_goes_through_atlas_to_a_mysql_that_demands_tls(
    upgrade: Upgrade, rds: Rds, lab: Lab, database_name: str, mariadb: MariaDB, cloud: Sts, push: Push
) -> None:
    order = {**ORDER, "host": "localhost", "port": mariadb.port, "user": database_name}
    token = str(call(order, MINT, str(python()))["token"])
    mariadb.create(database_name, database_name, token)
    mariadb.run(f"ALTER USER '{database_name}'@'%' REQUIRE SSL")
    aws = Aws(ROLE, "eu-central-1", "localhost", mariadb.port, database_name, database_name, "mysql")
    url = login.url(aws, ca=True).with_login(database_name, token).text()
    upgrade.source(url, **{"ca.pem": (lab.directory / "pki" / "ca.crt").read_text()})
    upgrade.installation = {}
    assert upgrade.perform(upgrade.document(push(f"{database_name}:v1", A)))["outcome"] == "succeeded"
    assert own_tables(mariadb, database_name) == {"t1"}
    upgrade.source(url, **{"ca.pem": Authority.create().pair.certificate.decode()})
    strange = upgrade.perform(upgrade.document(push(f"{database_name}:v2", A | B)), wait=False)
    upgrade.await_jobs()
    strange = upgrade.perform(upgrade.document(push(f"{database_name}:v2", A | B)), wait=False)
    assert "certificate signed by unknown authority" in strange["state"]["message"]


def test_check_mode_asks_aws_for_nothing(upgrade: Upgrade, rds: Rds, user: str, cloud: Sts, push: Push) -> None:
    document = upgrade.document(push(f"{user}:v1", A), database=database(rds, user))
    upgrade.perform(document, check=True)
    assert (cloud.roles(), upgrade.writes()) == ([], [])


def test_a_failing_check_asks_aws_for_nothing(upgrade: Upgrade, rds: Rds, user: str, cloud: Sts, push: Push) -> None:
    pods = [{"selector": {"matchLabels": {"app": "nobody"}}, "minVersion": "v1.0.0"}]
    checks = {"pre": {"minPodVersions": pods}}
    document = upgrade.document(push(f"{user}:v1", A), database=database(rds, user), checks=checks)
    assert upgrade.perform(document, wait=False)["state"]["reason"] == "PreCheckFailed"
    assert cloud.roles() == []


def test_a_migration_outlives_its_token(upgrade: Upgrade, rds: Rds, user: str, push: Push) -> None:
    several = {f"2026010100001{n}_s.sql": f"SELECT pg_sleep(2);\nCREATE TABLE s{n} (id int);\n" for n in range(4)}
    document = upgrade.document(push(f"{user}:v1", A | several), database=database(rds, user))
    results: list[dict[str, Any]] = []
    thread = in_background(lambda: results.append(upgrade.perform(document)))
    begun(upgrade)
    asleep = f"SELECT 1 FROM pg_stat_activity WHERE datname = '{user}' AND query LIKE '%pg_sleep%'"
    until(lambda: rds.server.run(asleep) or not thread.is_alive(), "the migration is on its way")
    assert thread.is_alive()
    let_in, rds.ahead = rds.let_in, 1000.0
    upgrade.await_jobs()
    assert (rds.let_in, rds.refused) == (let_in, []), "no second session was asked for"
    rds.ahead = 0.0
    thread.join(SECONDS)
    assert results[0]["outcome"] == "succeeded"
    assert own_tables(rds.server, user) == {"t1", "s0", "s1", "s2", "s3"}


def test_as_a_custom_resource_the_reason_is_a_condition_and_an_event(
    upgrade: Upgrade, rds: Rds, user: str, crd: str, push: Push, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade.create(upgrade.document(push(f"{user}:v1", A), database=database(rds, user, region="xx-nowhere-1")))
    assert reconciled(upgrade)["state"]["reason"] == "AwsRegionUnknown"
    assert upgrade.conditions()["Degraded"] == ("True", "AwsRegionUnknown")
    told = upgrade.events()["AwsRegionUnknown"]["message"]
    assert "spec.database.aws.region = 'xx-nowhere-1': UnknownRegionError" in told
    assert [lease for lease in upgrade.leases() if (lease["spec"].get("holderIdentity") or "").count(user)] == []


def test_without_botocore_or_certificates_the_run_ends_at_once(
    upgrade: Upgrade, rds: Rds, user: str, push: Push
) -> None:
    document = upgrade.document(push(f"{user}:v1", A), database=database(rds, user))
    means(upgrade, caBundle=upgrade.installation["databases"]["aws"]["caBundle"])
    missing = upgrade.perform(document)
    assert (missing["failed"], missing["state"]["reason"]) == (True, "AwsPackageMissing")
    assert "aws.python" in missing["reason"]
    means(upgrade, python=str(python()))
    assert upgrade.perform(document)["state"]["reason"] == "AwsCaBundleMissing"
    means(upgrade, python=str(python()), caBundle=str(ROOT / "README.md"))
    assert "holds no certificate" in upgrade.perform(document)["reason"]


def test_a_token_goes_to_nobody_whose_certificate_is_of_another_authority(
    upgrade: Upgrade, rds: Rds, user: str, push: Push, tmp_path: Path
) -> None:
    stranger = tmp_path / "other.pem"
    stranger.write_bytes(Authority.create().pair.certificate)
    means(upgrade, python=str(python()), caBundle=str(stranger))
    document = upgrade.document(push(f"{user}:v1", A), database=database(rds, user))
    failed = upgrade.perform(document, wait=False)
    upgrade.await_jobs()
    failed = upgrade.perform(document, wait=False)
    assert "certificate signed by unknown authority" in failed["state"]["message"]
    assert rds.brought == []
    upgrade.secrets |= {held_token(upgrade).rpartition("=")[2]}
