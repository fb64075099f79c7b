# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWS is asked for, which answers are taken, and what is said of the others."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain.database import aws, url
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.spec import Aws
from ansible_collections.steady.rollout.plugins.module_utils._domain.redact import Redactor

ROLE = "arn:aws:iam::123456789012:role/migrator"
HOST = "mydb.abc123.us-east-1.rds.amazonaws.com"
DATABASE = Aws(ROLE, "us-east-1", HOST, 5432, "myapp", "migrator", "postgres")
SIGNED = 1_700_000_000
QUERY = {
    "Action": "connect",
    "DBUser": "migrator",
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": "ASIACANARY/20231114/us-east-1/rds-db/aws4_request",
    "X-Amz-Date": "20231114T221320Z",
    "X-Amz-Expires": "900",
    "X-Amz-SignedHeaders": "host",
    "X-Amz-Security-Token": "canary+/session==",
    "X-Amz-Signature": "0123456789abcdef" * 4,
}


def a_token(place: str = f"{HOST}:5432", **changed: str) -> str:
    """A token as botocore writes it."""
    return f"{place}/?{urlencode({**QUERY, **{key.replace('_', '-'): value for key, value in changed.items()}})}"


@pytest.mark.parametrize(("seconds", "life"), [(900, 900), (600, 600), (3600, 900)])
def test_a_token_ends_with_itself_or_with_its_credentials(seconds: int, life: int) -> None:
    token = aws.token({"token": a_token(), "seconds": seconds}, DATABASE)
    assert (token.text, token.expires) == (a_token(), SIGNED + life)
    assert "canary" not in repr(token)


@pytest.mark.parametrize(
    "text",
    [
        a_token("other.abc123.us-east-1.rds.amazonaws.com:5432"),
        a_token(f"{HOST}:5433"),
        a_token(f"https://{HOST}:5432"),
        a_token(DBUser="administrator"),
        a_token(Action="other"),
        a_token(X_Amz_Expires="604800"),
        a_token(X_Amz_Credential="ASIACANARY/20231114/eu-west-1/rds-db/aws4_request"),
        a_token(X_Amz_Credential="ASIACANARY/20231114/us-east-1/s3/aws4_request"),
        a_token(X_Amz_Credential="ASIACANARY/20231113/us-east-1/rds-db/aws4_request"),
        a_token(X_Amz_Date="20231114T996199Z", X_Amz_Credential=QUERY["X-Amz-Credential"]),
        a_token(X_Amz_SignedHeaders="host;x"),
        a_token(X_Amz_Signature="short"),
        "",
        "canary",
    ],
)
def test_a_token_of_something_else_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(aws.NoToken) as refused:
        aws.token({"token": text, "seconds": 900}, DATABASE)
    assert refused.value.word == "AwsUnavailable"
    assert "canary" not in refused.value.sentence


@pytest.mark.parametrize("answer", [{}, {"token": a_token()}, {"token": 5, "seconds": 900}, {"error": "canary"}])
def test_an_answer_of_another_form_is_refused(answer: dict[str, object]) -> None:
    with pytest.raises(aws.NoToken) as refused:
        aws.token(answer, DATABASE)
    assert "canary" not in refused.value.sentence


@given(st.text())
def test_any_text_is_a_token_or_refused(text: str) -> None:
    with pytest.raises(aws.NoToken):
        aws.token({"token": text, "seconds": 900}, DATABASE)


@pytest.mark.parametrize(
    ("failure", "word", "shown"),
    [
        (
            {"kind": "ClientError", "code": "AccessDenied", "operation": "AssumeRole", "message": "User: x is not..."},
            "AwsAccessDenied",
            f"spec.database.aws.roleArn = '{ROLE}': AssumeRole: AccessDenied: User: x is not",
        ),
        ({"kind": "ClientError", "code": "ExpiredToken", "message": ""}, "AwsCredentialsExpired", "ExpiredToken"),
        ({"kind": "ClientError", "code": "InvalidClientTokenId"}, "AwsCredentialsInvalid", "InvalidClientTokenId"),
        ({"kind": "ClientError", "code": "RegionDisabledException"}, "AwsRegionUnknown", "aws.region = 'us-east-1'"),
        ({"kind": "ClientError", "code": "Throttling"}, "AwsUnreachable", "Throttling"),
        ({"kind": "ClientError", "code": "Unheard"}, "AwsUnavailable", "Unheard"),
        ({"kind": "UnknownRegionError", "message": "Unknown region"}, "AwsRegionUnknown", "Unknown region"),
        ({"kind": "NoCredentialsError", "message": "none"}, "AwsCredentialsMissing", "AWS_PROFILE"),
        ({"kind": "OSError", "message": "No such file: /x"}, "AwsCredentialsMissing", "No such file: /x"),
        ({"kind": "EndpointConnectionError", "message": "at https://x"}, "AwsUnreachable", "AWS_ENDPOINT_URL_STS"),
        ({"kind": "ImportError", "message": "No module named 'botocore'"}, "AwsPackageMissing", "install botocore"),
        ({"kind": "Unheard", "message": "a\nb\x00c"}, "AwsUnavailable", "Unheard: a b c"),
    ],
)
def test_each_failure_has_a_reason_a_field_and_a_remedy(failure: dict[str, str], word: str, shown: str) -> None:
    error = aws.failed(failure, DATABASE)
    assert error.word == word
    assert shown in error.sentence
    assert error.remedy


def test_what_a_program_for_credentials_printed_is_not_shown() -> None:
    error = aws.failed({"kind": "CredentialRetrievalError", "message": "canary"}, DATABASE)
    assert (error.word, "canary" in error.sentence) == ("AwsCredentialsMissing", False)


def test_a_long_message_is_cut() -> None:
    assert len(aws.failed({"kind": "x", "message": "y" * 5000}, DATABASE).reason) < 600


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("us-east-1", "aws"),
        ("ap-southeast-5", "aws"),
        ("cn-northwest-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eu-isoe-west-1", "aws-iso-e"),
        ("eusc-de-east-1", "aws-eusc"),
    ],
)
def test_a_role_has_to_be_of_the_regions_partition(region: str, partition: str) -> None:
    assert aws.partition_of(region) == partition
    aws.check(replace(DATABASE, region=region, role_arn=ROLE.replace("arn:aws:", f"arn:{partition}:")))
    with pytest.raises(aws.NoToken, match="is of the partition aws-x"):
        aws.check(replace(DATABASE, region=region, role_arn=ROLE.replace("arn:aws:", "arn:aws-x:")))


def test_the_url_demands_verified_tls_and_encodes_the_token() -> None:
    text = aws.url(DATABASE, ca=True).with_login("migrator", a_token()).text()
    place = f"@{HOST}:5432/myapp?sslmode=verify-full&sslrootcert=%2Fca%2Fca.pem"
    assert text == f"postgres://migrator:{quote(a_token(), safe='')}{place}"
    assert url.parse(text, "x").password == a_token()
    assert "sslrootcert" not in aws.url(DATABASE, ca=False).text()


def test_the_url_of_mysql_lets_the_token_through_as_it_is() -> None:
    text = aws.url(replace(DATABASE, engine="mysql", port=3306), ca=True).with_login("migrator", a_token()).text()
    assert text.startswith("mysql://migrator:")
    assert text.endswith(f"@{HOST}:3306/myapp?tls=true&allowCleartextPasswords=true")


def test_every_part_of_a_token_that_opens_anything_is_hidden() -> None:
    hide = Redactor()
    for text in (a_token(), f"postgres://migrator:{quote(a_token(), safe='')}@x/y", f"x {quote(a_token())} y"):
        shown = hide(text)
        assert QUERY["X-Amz-Signature"] not in shown
        assert "canary" not in shown.replace("ASIACANARY", "").replace("ASIACanary", "")


def test_the_version_changes_with_whatever_the_url_does() -> None:
    first = aws.version(DATABASE, b"x", 1000)
    others = [
        aws.version(replace(DATABASE, username="y"), b"x", 1000),
        aws.version(DATABASE, b"y", 1000),
        aws.version(DATABASE, None, 1000),
        aws.version(DATABASE, b"x", 0),
    ]
    assert len({first, *others}) == 5
    assert aws.version(DATABASE, b"x", 1000) == first


@pytest.mark.parametrize(("content", "problem"), [(b"no", "holds no certificate"), (b"x" * 900_001, "holds no")])
def test_a_file_without_certificates_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(aws.NoToken, match=problem):
        aws.checked_bundle("bundle.pem", content)


def test_a_bundle_that_fits_into_no_secret_is_refused() -> None:
    pem = b"-----BEGIN CERTIFICATE-----\n"
    assert aws.checked_bundle("x", pem) == pem
    with pytest.raises(aws.NoToken, match="more than fits into a Secret"):
        aws.checked_bundle("x", pem + b"x" * 900_000)


@given(st.text(max_size=300), st.text(max_size=300))
def test_the_name_of_a_session_is_one_that_sts_takes(namespace: str, name: str) -> None:
    made = aws.session_name(namespace, name)
    assert 2 <= len(made) <= 64
    assert made.isascii()
    assert set(made) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+=,.@-")
