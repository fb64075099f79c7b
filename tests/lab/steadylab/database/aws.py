# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The security token service of AWS, played by moto, and the Python environment that has AWS packages.

botocore asks for an older python-dateutil than the newest Kubernetes client does, so both live in an environment of
their own (`requirements/aws.txt`), which is made when a test first asks for it.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import urllib3

from steadylab import environments, processes
from steadylab.ports import free_ports

START_SECONDS: Final = 60.0
_QUESTION_SECONDS: Final = 0.05


class AwsError(Exception):
    """The service cannot be had; the message says why."""


def python() -> Path:
    """The interpreter of the environment with AWS packages, made now if need be.

    :raises environments.EnvironmentMissing: it cannot be made.
    """
    return environments.folder("aws") / "bin" / "python"


class Sts:
    """moto's server on a loopback port. It answers for every service of AWS; the lab uses STS."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._http = urllib3.PoolManager(retries=False, timeout=10)

    @classmethod
    def start(cls, lab: Path, name: str = "moto") -> Sts:
        """Start it in a lab's directory.

        :raises AwsError: it does not start.
        """
        port = free_ports(1)[0]
        command = [str(python()), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        component = processes.spawn(name, command, lab)
        service = cls(port)
        deadline = time.monotonic() + START_SECONDS
        while not service._answers():
            ended = processes.wait_any_end([component], _QUESTION_SECONDS)
            if ended is not None or time.monotonic() > deadline:
                raise AwsError(f"moto does not answer; the end of its log:\n{component.log_tail()}")
        return service

    def _answers(self) -> bool:
        try:
            return self._http.request("GET", f"{self.url}/moto-api/data.json").status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def environment(self) -> dict[str, str]:
        """The variables that lead botocore here, with keys of nobody."""
        return {
            "AWS_ENDPOINT_URL_STS": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/nonexistent",
            "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        }

    def reset(self) -> None:
        """Forget all that was asked."""
        self._http.request("POST", f"{self.url}/moto-api/reset")

    def roles(self) -> list[str]:
        """The ARNs of all roles that were assumed."""
        return [str(role["role_arn"]) for role in self.sessions()]

    def sessions(self) -> list[dict[str, Any]]:
        """All sessions of roles that were lent, in order, with their keys."""
        data: dict[str, Any] = json.loads(self._http.request("GET", f"{self.url}/moto-api/data.json").data)
        return list(data.get("sts", {}).get("AssumedRole", ()))

    def secret_of(self, access_key: str) -> str:
        """The secret key that was lent with an access key; empty for one of nobody."""
        found = [role["secret_access_key"] for role in self.sessions() if role["access_key_id"] == access_key]
        return str(found[0]) if found else ""

    def stranger(self) -> dict[str, str]:
        """The variables of a user of its own who has no right at all."""
        program = (
            "import botocore.session as s, sys\n"
            "iam = s.get_session().create_client('iam', 'us-east-1', endpoint_url=sys.argv[1])\n"
            "iam.create_user(UserName='stranger')\n"
            "key = iam.create_access_key(UserName='stranger')['AccessKey']\n"
            "print(key['AccessKeyId'], key['SecretAccessKey'])"
        )
        command = [str(python()), "-c", program, self.url]
        made = subprocess.run(command, env=self.environment(), capture_output=True, text=True, check=True)
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        return dict(zip(names, made.stdout.split(), strict=True))

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """Meanwhile signatures and rights are looked at; otherwise anybody may do anything."""
        self._look_at_rights_after("0")
        try:
            yield
        finally:
            self._look_at_rights_after("inf")

    def _look_at_rights_after(self, requests: str) -> None:
        headers = {"Content-Type": "text/plain"}
        answer = self._http.request("POST", f"{self.url}/moto-api/reset-auth", body=requests, headers=headers)
        if answer.status != 200:
            raise AwsError(f"moto refuses to change how it looks at rights: {answer.status}")
