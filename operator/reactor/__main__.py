# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command: `python -m reactor --watches-file watches.yaml`. Flags are named as those of ansible-operator."""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from reactor.artifacts import Artifacts
from reactor.contract.duration import parse_duration
from reactor.contract.watches import Environment, Fatal, Watch, load
from reactor.controller import Controller, Stopping
from reactor.kubeconfig import Kubeconfigs
from reactor.reconciler import Policy, Reconciler
from reactor.runs import Runs, ZygoteGone
from reactor.screen import Screen

CALLBACK = "reactor_events"
PACKAGE = Path(__file__).resolve().parent


def parser() -> argparse.ArgumentParser:
    """The flags and their defaults."""
    flags = argparse.ArgumentParser(prog="reactor", description=__doc__)
    add = flags.add_argument
    cores = os.cpu_count() or 1
    add("--watches-file", default="./watches.yaml")
    add("--kubeconfig", default="", help="default: as kubectl, or the pod's service account")
    add("--reconcile-period", type=parse_duration, default=36000.0, metavar="DURATION")
    add("--max-concurrent-reconciles", type=int, default=cores, metavar="N", help="runs at once of each kind")
    add("--max-runs", type=int, default=2 * cores, metavar="N", help="runs at once of all kinds together")
    add(
        "--run-timeout", type=parse_duration, default=3600.0, metavar="DURATION", help="the longest that a run may take"
    )
    add("--graceful-shutdown-timeout", type=parse_duration, default=30.0, metavar="DURATION")
    add("--ansible-verbosity", type=int, default=2, metavar="N")
    add("--ansible-args", default="", metavar="ARGS")
    add("--ansible-roles-path", default="", metavar="PATH")
    add("--ansible-collections-path", default="", metavar="PATH")
    add("--artifacts-dir", default="", metavar="DIR", help="default: a folder of its own that goes with the process")
    add("--artifacts-limit", type=int, default=256, metavar="MIB", help="the most that all runs together leave there")
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the reactor; 0 after a stop in order, 1 when it cannot start or breaks."""
    options = parser().parse_args(arguments)
    screen = Screen()
    _paths(options)
    try:
        watches = _watches(options)
        client = KubeClient.from_options({"kubeconfig": options.kubeconfig or None})
        with _folder() as folder:
            return _work(options, watches, client, folder, screen)
    except Fatal as error:
        print(f"reactor: {error}", file=sys.stderr)
    except ZygoteGone as error:
        print(f"reactor: {error}", file=sys.stderr)
    except RolloutError as error:
        print(f"reactor: {error.reason} {error.remedy}".rstrip(), file=sys.stderr)
    return 1


def _paths(options: argparse.Namespace) -> None:
    """What the flags say about Ansible's paths is said to Ansible by its own variables."""
    if options.ansible_roles_path:
        os.environ["ANSIBLE_ROLES_PATH"] = options.ansible_roles_path
    if options.ansible_collections_path:
        os.environ["ANSIBLE_COLLECTIONS_PATH"] = options.ansible_collections_path


def _watches(options: argparse.Namespace) -> tuple[Watch, ...]:
    try:
        text = Path(options.watches_file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Fatal(f"{options.watches_file} cannot be read: {error}") from error
    return load(
        text,
        Environment(
            variables=os.environ,
            folder=str(Path.cwd()),
            home=str(Path.home()),
            exists=os.path.exists,
            max_concurrent=options.max_concurrent_reconciles,
            verbosity=options.ansible_verbosity,
        ),
    )


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A folder of this process alone, which goes with it."""
    with tempfile.TemporaryDirectory(prefix="steady-reactor-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _work(
    options: argparse.Namespace, watches: tuple[Watch, ...], client: KubeClient, folder: Path, screen: Screen
) -> int:
    files = Artifacts(Path(options.artifacts_dir or folder / "artifacts").absolute(), options.artifacts_limit * 1024**2)
    (folder / "tmp").mkdir()
    runs = Runs(ansible_environment(folder), folder)
    try:
        runs.wait_ready()
        reconciler = Reconciler(
            client,
            runs,
            files,
            Kubeconfigs(folder, options.kubeconfig),
            folder,
            Policy(options.reconcile_period, options.run_timeout, options.ansible_args),
            random.random,
        )
        namespaces = tuple(name.strip() for name in os.environ.get("WATCH_NAMESPACE", "").split(",") if name.strip())
        stopping = Stopping(options.graceful_shutdown_timeout, runs.stop_all)
        controller = Controller(client, reconciler, files, watches, namespaces, options.max_runs, screen, stopping)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, controller.stop)
        controller.run()
    finally:
        runs.close()
    return 0


def ansible_environment(folder: Path) -> dict[str, str]:
    """The environment of the runs: the reactor's own, with its callback added to those that are enabled."""
    enabled = [name for name in os.environ.get("ANSIBLE_CALLBACKS_ENABLED", "").split(",") if name]
    plugins = [name for name in os.environ.get("ANSIBLE_CALLBACK_PLUGINS", "").split(":") if name]
    packages = [str(PACKAGE.parent), *(name for name in os.environ.get("PYTHONPATH", "").split(":") if name)]
    return {
        **os.environ,
        "PYTHONPATH": ":".join(packages),
        "ANSIBLE_CALLBACKS_ENABLED": ",".join([*enabled, CALLBACK]),
        "ANSIBLE_CALLBACK_PLUGINS": ":".join([*plugins, str(PACKAGE / "plugins" / "callback")]),
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_NOCOLOR": "1",
    }


if __name__ == "__main__":
    sys.exit(main())
