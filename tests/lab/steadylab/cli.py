# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands `up`, `down` and `status`."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from typing import Final

from steadylab.build import BuildError
from steadylab.kube import ApiError
from steadylab.lab import Lab, LabError, say
from steadylab.objects import SpecError
from steadylab.ports import NoFreePort
from steadylab.processes import ProcessError

_REFUSALS: Final = (BuildError, LabError, SpecError, ProcessError, ApiError, NoFreePort, TimeoutError)


def _up_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="up", description="Start a lab; prints its kubeconfig's path as last line.")
    parser.add_argument("--name", default="lab", help="the lab's name (default: lab)")
    parser.add_argument("--cluster", default="prod", help="name of the StarRocksCluster; '' for an empty plane")
    parser.add_argument("--namespace", default="starrocks")
    parser.add_argument("--fe", type=int, default=3)
    parser.add_argument("--be", type=int, default=3)
    parser.add_argument("--cn", type=int, default=0)
    parser.add_argument("--version", default="3.3.1", help="tag of the StarRocks images")
    parser.add_argument("--ready-seconds", type=float, default=2.0, help="how long pods take to become ready")
    parser.add_argument("--termination-seconds", type=float, default=0.0, help="how long deleted pods take to go")
    parser.add_argument(
        "--no-operator", dest="operator", action="store_false", help="leave out the stand-in for the StarRocks operator"
    )
    parser.add_argument("--operator-version", default="1.11.5", help="the operator's version to stand in for")
    parser.add_argument("--processes", action="store_true", help="run the containers of Jobs as local processes")
    parser.add_argument("--audit", action="store_true", help="write the API server's audit log")
    return parser


def up(arguments: Sequence[str]) -> int:
    """Start a lab."""
    lab = Lab.up(stays=True, **vars(_up_parser().parse_args(arguments)))
    print(lab.kubeconfig)
    return 0


def down(arguments: Sequence[str]) -> int:
    """Take labs down."""
    parser = argparse.ArgumentParser(prog="down", description="End a lab's processes and remove its files.")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--name", default="lab")
    which.add_argument("--all", action="store_true", help="every lab of this user")
    options = parser.parse_args(arguments)
    for lab in Lab.all() if options.all else [Lab(options.name)]:
        existed = lab.directory.exists()
        lab.down()
        say(f"lab {lab.name}: {'down' if existed else 'there was none'}")
    return 0


def _describe(lab: Lab) -> str:
    record = lab.record()
    health = lab.health()
    ill = [name for name, well in health.items() if not well]
    lines = [f"{lab.name}: {'healthy' if not ill else 'NOT healthy: ' + ', '.join(ill)}"]
    lines.append(f"  kubeconfig  {lab.kubeconfig}")
    if record is not None:
        lines.append("  ports       " + ", ".join(f"{name} {port}" for name, port in record["ports"].items()))
        processes = ", ".join(f"{entry['name']} {entry['pid']}" for entry in record["processes"])
        lines.append(f"  processes   {processes}")
    if not ill:
        lines += [f"  cluster     {line}" for line in _clusters(lab)]
    return "\n".join(lines)


def _clusters(lab: Lab) -> list[str]:
    found = []
    for cluster in lab.setup_api.list("StarRocksCluster")["items"]:
        spec, status = cluster["spec"], cluster.get("status", {})
        parts = [
            f"{key[9:-4].upper()} {spec[key].get('replicas', 1)} x {spec[key]['image']}"
            for key in sorted(spec)
            if key in ("starRocksFeSpec", "starRocksBeSpec", "starRocksCnSpec")
        ]
        metadata = cluster["metadata"]
        phase = status.get("phase", "without status")
        found.append(f"{metadata['namespace']}/{metadata['name']}: {phase}; {'; '.join(parts)}")
    return found or ["none"]


def status(arguments: Sequence[str]) -> int:
    """Show all labs; the exit code is 1 if one of them is not healthy."""
    argparse.ArgumentParser(prog="status", description="Show all labs of this user.").parse_args(arguments)
    labs = Lab.all()
    for lab in labs:
        print(_describe(lab))
    if not labs:
        print("no labs")
    return 0 if all(all(lab.health().values()) for lab in labs) else 1


def main(command: str, arguments: Sequence[str]) -> int:
    """Run one command; a refusal is a message, not a traceback."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return {"up": up, "down": down, "status": status}[command](arguments)
    except _REFUSALS as error:
        say(f"lab: {error}")
        return 1
    except KeyboardInterrupt:
        say("lab: interrupted")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
