# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Logging in to RDS and Aurora with IAM: what AWS is asked for, how its token is read, what is said where none comes.

A token is a URL without its scheme that is signed with Signature Version 4 for the service rds-db
(docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html). Nothing of it is sent to AWS: the database
signs the same again and compares. It opens a session for 900 seconds and does not end one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import digest, to_plain
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.spec import Aws
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.url import DatabaseUrl
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused, RolloutError

# How long a token is good, and so the least that the credentials it is signed with have to last (the shortest session
# that AssumeRole gives).
LIFE_SECONDS = 900
CA_FILE = "/ca/ca.pem"
# The value of caBundle that stands for the authorities which the image of Atlas trusts by itself.
SYSTEM = "system"
BUNDLE = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"
# A Secret holds 1 MiB; the bundle of all regions is a sixth of that.
MOST_CA_BYTES = 900_000
LONGEST_MESSAGE = 400
_CA_FIELD = "installation.databases.aws.caBundle"
_PYTHON_FIELD = "installation.databases.aws.python"

# docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html; others are "aws".
_PARTITIONS = {
    "cn": "aws-cn",
    "us-gov": "aws-us-gov",
    "us-iso": "aws-iso",
    "us-isob": "aws-iso-b",
    "eu-isoe": "aws-iso-e",
    "us-isof": "aws-iso-f",
    "eusc": "aws-eusc",
}
_DATE = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class Token:
    """A password for some minutes. `expires` is in seconds since the epoch."""

    text: str = field(repr=False)
    expires: float


class NoToken(RolloutError):
    """No token could be made. `word` is the reason of a condition; nothing secret is in the texts."""

    def __init__(self, word: str, reason: str, *, remedy: str) -> None:
        super().__init__(reason, remedy=remedy)
        self.word = word

    @property
    def sentence(self) -> str:
        """What is wrong, and what to do."""
        return f"{self.reason}; {self.remedy}."


def session_name(namespace: str, name: str) -> str:
    """What CloudTrail shows as whoever logged in (RoleSessionName: 2 to 64 of these characters)."""
    return re.sub(r"[^A-Za-z0-9_+=,.@-]", "-", f"steady-rollout.{namespace}.{name}")[:64]


def request(aws: Aws, session: str) -> dict[str, object]:
    """What the program that signs is told."""
    return {
        "role": aws.role_arn,
        "region": aws.region,
        "host": aws.host,
        "port": aws.port,
        "user": aws.username,
        "session": session,
        "seconds": LIFE_SECONDS,
    }


def partition_of(region: str) -> str:
    """The part of AWS that a region is in; roles of another one are unknown there."""
    area = region.rsplit("-", 2)[0]
    return _PARTITIONS.get(area, _PARTITIONS.get(area.split("-", maxsplit=1)[0], "aws"))


def check(aws: Aws) -> None:
    """Raises NoToken for what cannot be, before anybody is asked."""
    partition = aws.role_arn.split(":")[1]
    if partition != partition_of(aws.region):
        problem = f"is of the partition {partition}, and {aws.region} is a region of {partition_of(aws.region)}"
        raise _no("AwsRegionUnknown", _ROLE, aws.role_arn, problem, "name a role of the region's own partition")


def url(aws: Aws, ca: bool) -> DatabaseUrl:
    """The database's URL without a token; TLS with a verified certificate and host name is not to be had without.

    Atlas' driver for MySQL takes its authorities from the environment alone, and sends a token, which the server needs
    as it is, only where it is allowed to (github.com/go-sql-driver/mysql, allowCleartextPasswords).
    """
    place = (aws.username, "", aws.host, aws.port, aws.database)
    if aws.engine == "mysql":
        return DatabaseUrl("mysql", *place, (("tls", "true"), ("allowCleartextPasswords", "true")))
    authorities = (("sslrootcert", CA_FILE),) if ca else ()
    return DatabaseUrl("postgres", *place, (("sslmode", "verify-full"), *authorities))


def version(aws: Aws, ca: bytes | None, connection_check_ms: int) -> str:
    """Changes whenever the URL does, apart from its token."""
    return digest(["aws", to_plain(aws), ca.hex() if ca is not None else "", connection_check_ms])


def checked_bundle(path: str, content: bytes) -> bytes:
    """The authorities that a file holds; raises NoToken where it holds none, or more than a Secret does."""
    if b"-----BEGIN CERTIFICATE-----" not in content:
        raise _no(
            "AwsCaBundleMissing",
            _CA_FIELD,
            path,
            "holds no certificate in PEM form",
            _GET_BUNDLE,
        )
    if len(content) > MOST_CA_BYTES:
        problem = f"has {len(content)} bytes, more than fits into a Secret"
        raise _no(
            "AwsCaBundleMissing",
            _CA_FIELD,
            path,
            problem,
            "name the bundle of your region alone",
        )
    return content


def no_bundle(path: str, problem: str) -> NoToken:
    """There are no authorities to verify the database against."""
    return _no("AwsCaBundleMissing", _CA_FIELD, path, problem, _GET_BUNDLE)


def no_program(python: str, problem: str) -> NoToken:
    """The interpreter with botocore cannot be run."""
    return _no("AwsPackageMissing", _PYTHON_FIELD, python, problem, _INSTALL)


def token(answer: Mapping[str, object], aws: Aws) -> Token:
    """The token in what the program answered; raises NoToken for a failure, and for a token of something else."""
    failure = answer.get("error")
    if isinstance(failure, Mapping):
        raise failed({str(key): str(value) for key, value in failure.items()}, aws)
    text, least = answer.get("token"), answer.get("seconds")
    if not isinstance(text, str) or not isinstance(least, int):
        raise NoToken("AwsUnavailable", "The program that makes tokens answered something else", remedy=_INSTALL)
    signed = _signed_at(text, aws)
    if signed is None:
        raise NoToken("AwsUnavailable", "The token that was made is of another database or login", remedy=_INSTALL)
    return Token(text, signed + min(LIFE_SECONDS, least))


def _signed_at(text: str, aws: Aws) -> float | None:
    """When a token was signed, in seconds since the epoch; None where it is none for this database and login."""
    place, _mark, query = text.partition("/?")
    told = dict(parse_qsl(query))
    credential = told.get("X-Amz-Credential", "").split("/")[1:]
    date = told.get("X-Amz-Date", "")
    expected = {
        "Action": "connect",
        "DBUser": aws.username,
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Expires": str(LIFE_SECONDS),
        "X-Amz-SignedHeaders": "host",
    }
    fits = all(told.get(key) == value for key, value in expected.items())
    signed = re.fullmatch(r"[0-9a-f]{64}", told.get("X-Amz-Signature", ""))
    scope = [date[:8], aws.region, "rds-db", "aws4_request"]
    if place != f"{aws.host}:{aws.port}" or not fits or not signed or credential != scope:
        return None
    try:
        return datetime.strptime(date, _DATE).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


# What to say.

_ROLE = "spec.database.aws.roleArn"
_REGION = "spec.database.aws.region"
_INSTALL = (
    "install botocore there, or name a Python that has it in installation.databases.aws.python (docs/db-upgrade-aws.md)"
)
_GET_BUNDLE = f"download {BUNDLE} and name the file, or {SYSTEM} behind an RDS Proxy"
_LOGIN = (
    "give the runner credentials that botocore finds: a service account with a role, AWS_PROFILE, or keys in the"
    " environment"
)
_TRUST = "let the role's trust policy name the runner, and a policy of the runner allow sts:AssumeRole on the role"
_NETWORK = "let the runner reach STS in this region, or an endpoint of your network (AWS_ENDPOINT_URL_STS)"

# Error codes of STS (docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html and the actions' own).
_CODES = {
    "AccessDenied": "AwsAccessDenied",
    "AccessDeniedException": "AwsAccessDenied",
    "NotAuthorized": "AwsAccessDenied",
    "ExpiredToken": "AwsCredentialsExpired",
    "ExpiredTokenException": "AwsCredentialsExpired",
    "RequestExpired": "AwsCredentialsExpired",
    "InvalidClientTokenId": "AwsCredentialsInvalid",
    "SignatureDoesNotMatch": "AwsCredentialsInvalid",
    "IncompleteSignature": "AwsCredentialsInvalid",
    "UnrecognizedClientException": "AwsCredentialsInvalid",
    "AuthFailure": "AwsCredentialsInvalid",
    "InvalidIdentityToken": "AwsCredentialsInvalid",
    "IDPRejectedClaim": "AwsCredentialsInvalid",
    "RegionDisabledException": "AwsRegionUnknown",
    "Throttling": "AwsUnreachable",
    "ThrottlingException": "AwsUnreachable",
    "RequestLimitExceeded": "AwsUnreachable",
    "ServiceUnavailable": "AwsUnreachable",
    "InternalFailure": "AwsUnreachable",
    "IDPCommunicationError": "AwsUnreachable",
}
# Exceptions of botocore (botocore/exceptions.py) and of Python by their class.
_KINDS = {
    "ImportError": "AwsPackageMissing",
    "NoCredentialsError": "AwsCredentialsMissing",
    "PartialCredentialsError": "AwsCredentialsMissing",
    "CredentialRetrievalError": "AwsCredentialsMissing",
    "InvalidConfigError": "AwsCredentialsMissing",
    "ProfileNotFound": "AwsCredentialsMissing",
    "ConfigNotFound": "AwsCredentialsMissing",
    "ConfigParseError": "AwsCredentialsMissing",
    "TokenRetrievalError": "AwsCredentialsMissing",
    "SSOTokenLoadError": "AwsCredentialsMissing",
    "MetadataRetrievalError": "AwsCredentialsMissing",
    "OSError": "AwsCredentialsMissing",
    "UnauthorizedSSOTokenError": "AwsCredentialsExpired",
    "UnknownRegionError": "AwsRegionUnknown",
    "InvalidRegionError": "AwsRegionUnknown",
    "NoRegionError": "AwsRegionUnknown",
    "EndpointConnectionError": "AwsUnreachable",
    "ConnectTimeoutError": "AwsUnreachable",
    "ReadTimeoutError": "AwsUnreachable",
    "ConnectionClosedError": "AwsUnreachable",
    "ConnectionError": "AwsUnreachable",
    "ProxyConnectionError": "AwsUnreachable",
    "SSLError": "AwsUnreachable",
    "HTTPClientError": "AwsUnreachable",
    "TimeoutExpired": "AwsUnreachable",
}
_REMEDIES = {
    "AwsAccessDenied": _TRUST,
    "AwsCredentialsExpired": "renew the runner's credentials; they are read anew by the next attempt",
    "AwsCredentialsInvalid": "look at the runner's keys, its clock, and the OIDC provider of its service account",
    "AwsCredentialsMissing": _LOGIN,
    "AwsPackageMissing": _INSTALL,
    "AwsRegionUnknown": "name the database's region; enable it and its STS where it is switched off",
    "AwsUnreachable": _NETWORK,
    "AwsUnavailable": "docs/db-upgrade.md says what AWS needs",
}
# What these say can hold what a program of the user printed.
_SILENT = ("CredentialRetrievalError",)


def failed(failure: Mapping[str, str], aws: Aws) -> NoToken:
    """A failure as a condition has it.

    :param failure: `kind`, the exception's class; `code` and `operation` of an answer of AWS; its `message`
    """
    kind, code = failure.get("kind", ""), failure.get("code", "")
    word = _CODES.get(code, "AwsUnavailable") if code else _KINDS.get(kind, "AwsUnavailable")
    said = "" if kind in _SILENT else _plain(failure.get("message", ""))
    name = f"{failure.get('operation', '')}: {code}" if code else kind
    problem = f"{name}: {said}" if said else name
    if word in ("AwsRegionUnknown", "AwsUnreachable"):
        return _no(word, _REGION, aws.region, problem, _REMEDIES[word])
    if word == "AwsPackageMissing":
        return _no(word, _PYTHON_FIELD, None, problem, _REMEDIES[word])
    return _no(word, _ROLE, aws.role_arn, problem, _REMEDIES[word])


def _plain(text: str) -> str:
    """On one line, without control characters, and not too long."""
    line = " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text).split()).removesuffix(".")
    return line if len(line) <= LONGEST_MESSAGE else f"{line[:LONGEST_MESSAGE]}..."


def _no(word: str, name: str, value: object, problem: str, remedy: str) -> NoToken:
    refused = Refused(name, value or None, problem, remedy=remedy)
    return NoToken(word, refused.reason, remedy=refused.remedy)
