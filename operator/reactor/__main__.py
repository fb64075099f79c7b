# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command: `python -m reactor --watches-file watches.yaml`. Flags are named as those of ansible-operator."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from reactor.app import OFF, App, Options, holder
from reactor.contract.duration import parse_duration
from reactor.contract.lifecycle import DEFAULT_PERIOD
from reactor.contract.watches import Environment, Fatal, Watch, load
from reactor.elect import Terms
from reactor.reconciler import Policy
from reactor.runs import ZygoteGone
from reactor.screen import Screen


def parser() -> argparse.ArgumentParser:
    """The flags and their defaults."""
    flags = argparse.ArgumentParser(prog="reactor", description=__doc__, allow_abbrev=False)
    add = flags.add_argument
    cores = os.cpu_count() or 1
    add("--watches-file", default="./watches.yaml")
    add("--kubeconfig", default="", help="default: as kubectl, or the pod's service account")
    add("--reconcile-period", type=parse_duration, default=DEFAULT_PERIOD, metavar="DURATION")
    add("--max-concurrent-reconciles", type=int, default=cores, metavar="N", help="runs at once of each kind")
    add("--max-runs", type=int, default=2 * cores, metavar="N", help="runs at once of all kinds together")
    add("--run-timeout", type=parse_duration, default=3600.0, metavar="DURATION", help="how long a run may take")
    add("--graceful-shutdown-timeout", type=parse_duration, default=30.0, metavar="DURATION")
    add("--ansible-verbosity", type=int, default=2, metavar="N")
    add("--ansible-args", default="", metavar="ARGS")
    add("--ansible-roles-path", default="", metavar="PATH")
    add("--ansible-collections-path", default="", metavar="PATH")
    add("--artifacts-dir", default="", metavar="DIR", help="default: a folder of its own that goes with the process")
    add("--artifacts-limit", type=int, default=256, metavar="MIB", help="the most that all runs together leave there")
    add("--metrics-bind-address", default=":8443", metavar="HOST:PORT", help=f"{OFF} for none")
    add("--health-probe-bind-address", default=":6789", metavar="HOST:PORT", help=f"{OFF} for none")
    add("--leader-elect", action="store_true")
    add("--leader-election-id", default="steady-rollout-reactor", metavar="NAME")
    add("--leader-election-namespace", default="", metavar="NAMESPACE", help="default: the kubeconfig's, or the pod's")
    add("--leader-elect-lease-duration", type=parse_duration, default=15.0, metavar="DURATION")
    add("--leader-elect-renew-deadline", type=parse_duration, default=10.0, metavar="DURATION")
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the reactor; 0 after a stop in order, 1 when it cannot start, breaks or no longer leads."""
    given = parser().parse_args(arguments)
    # What the flags say about Ansible's paths is said to Ansible by its own variables.
    for variable, path in (
        ("ANSIBLE_ROLES_PATH", given.ansible_roles_path),
        ("ANSIBLE_COLLECTIONS_PATH", given.ansible_collections_path),
    ):
        if path:
            os.environ[variable] = path
    try:
        watches = read_watches(given)
        client = KubeClient.from_options({"kubeconfig": given.kubeconfig or None})
        with tempfile.TemporaryDirectory(prefix="steady-reactor-", ignore_cleanup_errors=True) as folder:
            return App(options(given, watches, client.namespace), client, Path(folder), Screen()).run()
    except (Fatal, ZygoteGone) as error:
        print(f"reactor: {error}", file=sys.stderr)
    except RolloutError as error:
        print(f"reactor: {error.reason} {error.remedy}".rstrip(), file=sys.stderr)
    return 1


def read_watches(given: argparse.Namespace) -> tuple[Watch, ...]:
    """The watches of the file; Fatal for one that cannot be used."""
    try:
        text = Path(given.watches_file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Fatal(f"{given.watches_file} cannot be read: {error}") from error
    return load(
        text,
        Environment(
            variables=os.environ,
            folder=str(Path.cwd()),
            home=str(Path.home()),
            exists=os.path.exists,
            max_concurrent=given.max_concurrent_reconciles,
            verbosity=given.ansible_verbosity,
        ),
    )


def options(given: argparse.Namespace, watches: tuple[Watch, ...], namespace: str) -> Options:
    """What the flags say, for a client whose own namespace is that."""
    terms = Terms(
        namespace=given.leader_election_namespace or namespace,
        name=given.leader_election_id,
        holder=holder(),
        duration=given.leader_elect_lease_duration,
        renew_deadline=given.leader_elect_renew_deadline,
    )
    return Options(
        watches=watches,
        namespaces=tuple(name.strip() for name in os.environ.get("WATCH_NAMESPACE", "").split(",") if name.strip()),
        kubeconfig=given.kubeconfig,
        policy=Policy(given.reconcile_period, given.run_timeout, given.ansible_args),
        max_runs=given.max_runs,
        patience=given.graceful_shutdown_timeout,
        artifacts=given.artifacts_dir,
        artifacts_bytes=given.artifacts_limit * 1024**2,
        metrics_address=given.metrics_bind_address,
        probe_address=given.health_probe_bind_address,
        leases=terms if given.leader_elect else None,
    )


if __name__ == "__main__":
    sys.exit(main())
