# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry on a loopback port, as crane serves one, with or without a password."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import urllib3

from steadylab import build, paths, processes
from steadylab.database.layouts import PLATFORM, Entry, Layout, files
from steadylab.ports import free_ports
from steadylab.processes import Component

START_SECONDS: Final = 120.0
_QUESTION_SECONDS: Final = 0.05


class RegistryError(Exception):
    """The registry did not start, or an image could not be pushed."""


class Registry:
    """A registry of a lab; it ends with the lab and keeps its images in memory."""

    def __init__(self, lab: Path, name: str = "registry") -> None:
        self._lab = lab
        self._name = name
        self._crane = build.ensure(build.CRANE) / "crane"
        self._credentials: tuple[str, str] | None = None
        self.port, self._inner_port = free_ports(2)

    @classmethod
    def start(cls, lab: Path, name: str = "registry", credentials: tuple[str, str] | None = None) -> Registry:
        """Start a registry in a lab's directory; with credentials (user, password) nobody else may read or write.

        :raises build.BuildError: crane cannot be built.
        :raises RegistryError: it does not start.
        """
        registry = cls(lab, name)
        registry._credentials = credentials
        served = registry._inner_port if credentials else registry.port
        command = [str(registry._crane), "registry", "serve", f"--address=127.0.0.1:{served}"]
        registry._wait(processes.spawn(name, command, lab), served, 200)
        if credentials is not None:
            registry._start_guard(credentials)
        return registry

    def _start_guard(self, credentials: tuple[str, str]) -> None:
        """Start what asks for a password and passes on whoever knows it."""
        command = [sys.executable, "-m", "steadylab.database.guard", str(self.port), str(self._inner_port)]
        environment = {"PYTHONPATH": str(paths.LAB_SOURCE), "REGISTRY_CREDENTIALS": ":".join(credentials)}
        self._wait(processes.spawn(f"{self._name}-guard", command, self._lab, environment), self.port, 401)

    @staticmethod
    def _wait(component: Component, port: int, status: int) -> None:
        http = urllib3.PoolManager(retries=False, timeout=5)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                if http.request("GET", f"http://127.0.0.1:{port}/v2/").status == status:
                    return
            except urllib3.exceptions.HTTPError as error:
                if time.monotonic() > deadline:
                    raise RegistryError(f"{component.name} does not answer: {error}") from error
            if processes.wait_any_end([component], _QUESTION_SECONDS) is not None:
                raise RegistryError(f"{component.name} ended; the end of its log:\n{component.log_tail()}")

    @property
    def host(self) -> str:
        """The host of its references; crane speaks plain HTTP with localhost only."""
        return f"localhost:{self.port}"

    def reference(self, image: str) -> str:
        """The whole reference of an image such as `app/migrations:v1`."""
        return f"{self.host}/{image}"

    def docker_config(self, user: str | None = None, password: str | None = None) -> str:
        """A Docker configuration with the registry's credentials, or others: the content of .dockerconfigjson."""
        known = self._credentials or ("", "")
        pair = f"{known[0] if user is None else user}:{known[1] if password is None else password}"
        return json.dumps({"auths": {self.host: {"auth": base64.b64encode(pair.encode()).decode()}}})

    def push(self, image: str, contents: Mapping[str, str | bytes], directory: str = "/migrations") -> str:
        """Push an image with just these files in a directory; its reference with digest."""
        return self.push_layers(image, [files(directory, contents)])

    def push_layers(self, image: str, layers: Sequence[Iterable[Entry]]) -> str:
        """Push an image of layers, lowest first; its reference with digest."""
        return self._push(image, {PLATFORM: layers}, index=False)

    def push_index(self, image: str, platforms: Mapping[str, Sequence[Iterable[Entry]]]) -> str:
        """Push one image for each platform (such as linux/arm64) under one name; the index's reference with digest."""
        return self._push(image, platforms, index=True)

    def _push(self, image: str, platforms: Mapping[str, Sequence[Iterable[Entry]]], *, index: bool) -> str:
        with tempfile.TemporaryDirectory(dir=self._lab, prefix=".push-") as temporary:
            layout = Path(temporary) / "layout"
            made = Layout(layout)
            for platform, layers in platforms.items():
                made.add(layers, platform)
            options = ["--index"] if index else []
            return self.crane("push", *options, str(layout), self.reference(image)).strip()

    def crane(self, *arguments: str) -> str:
        """Run crane with the registry's credentials; its output.

        :raises RegistryError: it failed.
        """
        with tempfile.TemporaryDirectory(dir=self._lab, prefix=".docker-") as config:
            Path(config, "config.json").write_text(self.docker_config() if self._credentials else "{}")
            env = {"DOCKER_CONFIG": config, "PATH": "/usr/bin:/bin", "HOME": config}
            command = [str(self._crane), *arguments]
            result = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise RegistryError(f"crane {' '.join(arguments)}: {result.stderr.strip()}")
        return result.stdout
