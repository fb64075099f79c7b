#!/usr/bin/env python3
# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find a Python this project runs on and hand over to tools/environment.py.

Written for any Python 3, however old, because its whole purpose is to tell the owner of an unsuitable one what to do.
It looks at the Python it was started with first, then at python3.13, python3.12 and python3.11 on PATH.
``PYTHON=...`` in the environment (or ``make PYTHON=...``) names the one to use and nothing else is tried.
"""

import os
import subprocess
import sys

OLDEST = (3, 11)
NEWEST = (3, 13)
NAMES = ("python3.13", "python3.12", "python3.11")
TOOLS = os.path.dirname(os.path.abspath(__file__))
# Debian splits ensurepip from the interpreter, so `import venv` alone proves nothing.
PROBE = """
import sys
print("%d.%d" % sys.version_info[:2])
import ensurepip, venv
print("venv")
"""


def probe(executable):
    """Return (version, reason): the version as a pair or None, and why this Python will not do, or ''."""
    try:
        done = subprocess.run(
            [executable, "-I", "-c", PROBE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
        )
    except OSError as error:
        return None, "cannot be started (%s)" % error.strerror
    words = done.stdout.decode("ascii", "replace").split()
    if not words:
        return None, "does not run"
    version = tuple(int(part) for part in words[0].split("."))
    if not OLDEST <= version <= NEWEST:
        return version, "is Python %s" % words[0]
    if words[1:] != ["venv"]:
        return version, "is Python %s without the venv and ensurepip modules" % words[0]
    return version, ""


def on_path(name):
    """Return the full path of a program on PATH, or '' (shutil.which came with 3.3 and is not relied on)."""
    if os.sep in name:
        return name
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        candidate = os.path.join(folder or os.curdir, name)
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    return ""


def candidates(override):
    """Return the interpreters to try, best first."""
    if override:
        return [on_path(override) or override]
    found = [sys.executable]
    for name in NAMES:
        path = on_path(name)
        if path and path not in found:
            found.append(path)
    return found


def remedy(seen):
    """Return what the user can do about the Pythons seen, a list of (executable, version, reason)."""
    lines = ["steady.rollout needs Python 3.11, 3.12 or 3.13 with the venv module. Tried:"]
    lines += ["  %s %s" % (executable, reason) for executable, _version, reason in seen]
    bare = [version for _executable, version, reason in seen if "without" in reason]
    if bare:
        lines.append("Remedy: install the missing modules (Debian, Ubuntu: apt install python%d.%d-venv)," % bare[0])
    else:
        lines.append("Remedy: install one of them (Debian 12: apt install python3.11 python3.11-venv;")
        lines.append("        Fedora, RHEL: dnf install python3.12; macOS: brew install python@3.13),")
    lines.append("        or name one that is not on PATH: make PYTHON=/path/to/python3.12 ...")
    return "\n".join(lines)


def main():
    """Replace this process by tools/environment.py under the first Python that will do."""
    seen = []
    for executable in candidates(os.environ.get("PYTHON", "")):
        version, reason = probe(executable)
        if not reason:
            os.execv(executable, [executable, "-I", os.path.join(TOOLS, "environment.py"), *sys.argv[1:]])
        seen.append((executable, version, reason))
    sys.stderr.write(remedy(seen) + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
