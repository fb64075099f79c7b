# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One container: its process, its log and how it is stopped."""

from __future__ import annotations

import os
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from steadylab import sandbox
from steadylab.kube import Object
from steadylab.podrunner.environment import ConfigError, Identity
from steadylab.podrunner.images import Image
from steadylab.podrunner.logs import LogFile
from steadylab.sandbox import Bind, Plan

# What runs on the machine's network sees it as the machine does.
_NETWORK_FILES: Final = ("/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/services")
_MESSAGE_PATH: Final = "/dev/termination-log"
_MESSAGE_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a container's process is made of."""

    container: Object
    image: Image
    argv: list[str]
    environment: dict[str, str]
    identity: Identity
    binds: list[Bind]
    hostname: str


class Process:
    """The running container."""

    def __init__(self, recipe: Recipe, directory: Path, log: Path) -> None:
        """Start it; `directory` is the container's own, for what must be prepared."""
        directory.mkdir(parents=True, exist_ok=True)
        self._recipe = recipe
        self._report = directory / "report"
        self._message = directory / "message"
        self._message.touch()
        self._message.chmod(0o666)
        self._log = LogFile(log)
        plan = directory / "plan.json"
        self._plan(directory).write(plan)
        self._process = subprocess.Popen(
            sandbox.command(plan), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._pumps = [
            threading.Thread(target=self._log.copy, args=(name, stream), daemon=True)
            for name, stream in (("stdout", self._process.stdout), ("stderr", self._process.stderr))
        ]
        for pump in self._pumps:
            pump.start()

    def _plan(self, directory: Path) -> Plan:
        recipe = self._recipe
        root = directory / "root"
        root.mkdir(exist_ok=True)
        security = recipe.container.get("securityContext") or {}
        message_path = recipe.container.get("terminationMessagePath", _MESSAGE_PATH)
        binds = [Bind(source, target) for target, source in sorted(recipe.image.files.items())]
        binds += [Bind(name, name) for name in _NETWORK_FILES if Path(name).exists()]
        binds += [*recipe.binds, Bind(str(self._message), message_path, False)]
        return Plan(
            root=str(root),
            report=str(self._report),
            argv=recipe.argv,
            environment=recipe.environment,
            working_directory=recipe.container.get("workingDir") or recipe.image.working_directory,
            binds=binds,
            files=_accounts(recipe.identity, recipe.hostname),
            directories=list(recipe.image.directories),
            read_only_root=bool(security.get("readOnlyRootFilesystem")),
            uid=recipe.identity.uid,
            gid=recipe.identity.gid,
            groups=list(recipe.identity.groups),
            no_new_privileges=not security.get("allowPrivilegeEscalation", True),
            hostname=recipe.hostname,
            # The thread that makes a `Process` waits for its end.
            parent=os.getpid(),
        )

    def wait(self) -> int:
        """Wait for its end and for the end of its log; the exit code.

        :raises ConfigError: it could not be started.
        """
        code = self._process.wait()
        for pump in self._pumps:
            pump.join()
        self._log.close()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        if self._report.exists():
            raise ConfigError(
                f"failed to create containerd task: failed to create shim task: {self._report.read_text()}"
            )
        return code

    def message(self, code: int) -> str:
        """The message that its status shows once it has ended."""
        text = self._message.read_bytes()[:_MESSAGE_BYTES].decode(errors="replace")
        policy = self._recipe.container.get("terminationMessagePolicy", "File")
        if not text and code != 0 and policy == "FallbackToLogsOnError":
            return self._log.tail()
        return text

    def terminate(self) -> None:
        """Ask it to end (SIGTERM)."""
        self._process.terminate()

    def kill(self) -> None:
        """End it and all that it started (SIGKILL; its process tree goes with it)."""
        self._process.kill()


def _accounts(identity: Identity, hostname: str) -> dict[str, str]:
    """The files that the container runtime puts into every container."""
    users = {0: "root", identity.uid: "nonroot" if identity.uid else "root"}
    groups = {0: "root", identity.gid: "nonroot" if identity.gid else "root"}
    accounts = [f"{name}:x:{uid}:{identity.gid}:{name}:/:/sbin/nologin\n" for uid, name in users.items()]
    return {
        "/etc/passwd": "".join(accounts),
        "/etc/group": "".join(f"{name}:x:{gid}:\n" for gid, name in groups.items()),
        "/etc/hosts": f"127.0.0.1\tlocalhost\n::1\tlocalhost\n127.0.0.1\t{hostname}\n",
        "/etc/hostname": hostname + "\n",
    }
