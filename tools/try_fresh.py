#!/usr/bin/env python3
# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run `make` targets as a newcomer would: a clone of this commit, an empty home, next to nothing on PATH.

PATH holds Python, make, git, coreutils, tar and gzip. Started by root, everything runs as an ordinary user. What the
machine needs to reach the network (proxies, certificates, mirrors) is passed on.
"""

from __future__ import annotations

import argparse
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from checkout import ROOT

NEEDED = ("python3", "make", "git", "tar", "gzip")
# The programs of GNU coreutils that shells and Makefiles use.
COREUTILS = (
    *("basename", "cat", "chmod", "cp", "cut", "date", "dirname", "echo", "env", "expr", "false", "head", "id"),
    *("install", "ln", "ls", "mkdir", "mktemp", "mv", "nice", "nproc", "pwd", "readlink", "realpath", "rm", "rmdir"),
    *("sleep", "sort", "stat", "tail", "tee", "test", "touch", "tr", "true", "uname", "uniq", "wc"),
)
NETWORK = ("PIP_", "GOPROXY", "GOSUMDB", "SSL_CERT_", "GIT_SSL_", "http_proxy", "https_proxy", "no_proxy")
ORDINARY_USER = "nobody"


def program(name: str, public: bool) -> Path:
    """Where a program is; with `public` not in somebody's home, where another user could not start it."""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        found = Path(folder, name)
        if os.access(found, os.X_OK) and not (public and found.resolve().is_relative_to(Path.home())):
            return found
    sys.exit(f"{name} is not on PATH{' outside of your home' if public else ''}")


def bare_path(folder: Path, public: bool) -> None:
    """Fill a folder with links to the few programs."""
    folder.mkdir()
    for name in NEEDED:
        (folder / name).symlink_to(program(name, public))
    for name in COREUTILS:
        if shutil.which(name):
            (folder / name).symlink_to(program(name, public))


def environment(home: Path) -> dict[str, str]:
    """What a newcomer's shell has, and the way to the network."""
    network = {name: value for name, value in os.environ.items() if name.startswith(NETWORK)}
    return {**network, "HOME": str(home), "PATH": str(home / "bin"), "LANG": "C.UTF-8"}


def main() -> int:
    """Clone, run the targets one after the other, say how long each took; the exit code of the first that failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", default=["demo", "test"], help="make targets (demo test)")
    targets = parser.parse_args().targets
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory(prefix="steady-fresh-") as name:
        home = Path(name)
        bare_path(home / "bin", public=root)
        clone = home / "rollout"
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone)], check=True)
        user = ORDINARY_USER if root else None
        if user:
            account = pwd.getpwnam(user)
            for path in (home, *home.rglob("*")):
                os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
        for target in targets:
            began = time.monotonic()
            done = subprocess.run(
                [home / "bin" / "make", target],
                cwd=clone,
                env=environment(home),
                stdin=subprocess.DEVNULL,
                user=user,
                group=pwd.getpwnam(user).pw_gid if user else None,
                extra_groups=[] if user else None,
                check=False,
            )
            minutes, seconds = divmod(round(time.monotonic() - began), 60)
            who = f" as {user}" if user else ""
            print(f"fresh: make {target}{who}: exit {done.returncode} after {minutes}:{seconds:02d}", flush=True)
            if done.returncode:
                return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
