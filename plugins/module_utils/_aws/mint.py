# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""A program of its own: makes one RDS token with botocore. It reads what is asked for from its standard input.

It runs in another process, by the Python that has botocore, which need not be that of Ansible (docs/decisions/0023).
So it imports nothing of this collection, and is written for Python 3.9 and later. Its answer is one line of JSON on its
standard output: `token` and the `seconds` that its credentials last at least, or `error`.
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Any

CONNECT_SECONDS = 5
ANSWER_SECONDS = 10
ATTEMPTS = 3
# botocore gives out no credentials of others with less than this left (RefreshableCredentials, mandatory refresh).
LEAST_LEFT = 600


def answer(order: dict[str, Any]) -> dict[str, Any]:
    """The token, or why there is none."""
    try:
        from botocore import exceptions
    except ImportError as error:
        return {"error": {"kind": "ImportError", "message": str(error)}}
    try:
        return made(order)
    except exceptions.ClientError as error:
        told = error.response.get("Error", {})
        return {
            "error": {
                "kind": "ClientError",
                "code": told.get("Code") or "Unknown",
                "message": told.get("Message", ""),
                "operation": error.operation_name,
            }
        }
    except exceptions.BotoCoreError as error:
        return {"error": {"kind": type(error).__name__, "message": str(error)}}
    except OSError as error:
        # A file with an identity that is not there.
        return {"error": {"kind": "OSError", "message": f"{error.strerror}: {error.filename}"}}


def made(order: dict[str, Any]) -> dict[str, Any]:
    """Take on the role, and sign as it."""
    from botocore import exceptions, session

    region = order["region"]
    # What CloudTrail shows where an identity of EKS is given the role directly, and which role where none is named.
    os.environ.setdefault("AWS_ROLE_SESSION_NAME", order["session"])
    # A profile that takes on a role asks STS too, and has to name a region otherwise.
    os.environ.setdefault("AWS_DEFAULT_REGION", region)
    if "AWS_WEB_IDENTITY_TOKEN_FILE" in os.environ:
        os.environ.setdefault("AWS_ROLE_ARN", order["role"])
    base = session.get_session()
    base.get_partition_for_region(region)
    lender = base.get_credentials()
    if lender is None:
        raise exceptions.NoCredentialsError
    keys, seconds = lent(base, lender, order)
    rds = base.create_client(
        "rds",
        region_name=region,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    token = rds.generate_db_auth_token(
        DBHostname=order["host"], Port=order["port"], DBUsername=order["user"], Region=region
    )
    return {"token": token, "seconds": seconds}


def lent(base: Any, lender: Any, order: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Keys of the role, and how long they last at least; those at hand where they are of that very role already.

    A role may not take on itself unless its trust policy says so, and a service account of EKS, a profile or an
    instance may be given the role directly.
    """
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=ANSWER_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    )
    sts = base.create_client("sts", region_name=order["region"], config=config)
    if of_role(sts.get_caller_identity()["Arn"], order["role"]):
        own = lender.get_frozen_credentials()
        found = {"AccessKeyId": own.access_key, "SecretAccessKey": own.secret_key, "SessionToken": own.token}
        return found, LEAST_LEFT
    role, name, seconds = order["role"], order["session"], order["seconds"]
    given = sts.assume_role(RoleArn=role, RoleSessionName=name, DurationSeconds=seconds)
    return given["Credentials"], seconds


def of_role(identity: str, role: str) -> bool:
    """Whether an identity is a session of the role: an account has each name once, whatever its path is."""
    session = re.fullmatch(r"arn:([^:]*):sts::([0-9]*):assumed-role/([^/]*)/.*", identity)
    wanted = re.fullmatch(r"arn:([^:]*):iam::([0-9]*):role/(?:.*/)?([^/]*)", role)
    return session is not None and wanted is not None and session.groups() == wanted.groups()


def main() -> None:
    """Answer the one order on the standard input."""
    json.dump(answer(json.load(sys.stdin)), sys.stdout)


if __name__ == "__main__":
    main()
