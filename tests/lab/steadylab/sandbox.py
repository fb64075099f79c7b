# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one program in a file system, process tree and user of its own: `python -I -S sandbox.py <file>`.

The file holds a `Plan` as JSON. The program's root is an empty tmpfs with what the plan puts there, it is process 1 of
its own process tree, and it ends when this program ends, however that ends. Root makes the namespaces directly; any
other user needs user namespaces. The exit code is the program's, or 128 + the signal that ended it. If it cannot be
started the exit code is 128 and the file of the plan's `report` says why.

Only the standard library is imported, because a container's start should not cost more than the interpreter's.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import select
import signal
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

# sched.h, mount.h and prctl.h of Linux; Python 3.11 has none of them.
CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_REMOUNT: Final = 32
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18
MNT_DETACH: Final = 2
PR_SET_PDEATHSIG: Final = 1
PR_SET_NO_NEW_PRIVS: Final = 38
# What runc and containerd make of a program that cannot be started.
START_ERROR: Final = 128
_DEVICES: Final = ("null", "zero", "full", "random", "urandom")
# A read-only remount in a user namespace must keep the flags that the mount has (mount_namespaces(7)).
_KEPT_FLAGS: Final = MS_RDONLY | MS_NOSUID | MS_NODEV | 8 | 1024 | 2048

_libc: Final = ctypes.CDLL(None, use_errno=True)


class SandboxError(Exception):
    """The program cannot be started; the message says which step failed and why."""


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or directory of the machine that the program sees at `target`."""

    source: str
    target: str
    read_only: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run and what it sees.

    `root` is an empty directory to build the root on, `files` are small files by path, `directories` are empty ones
    that anybody may write to, `report` is where the reason of a failed start goes, `parent` is the process with which
    the program ends, if any: the thread that starts it must then live on.
    """

    root: str
    report: str
    argv: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    working_directory: str = "/"
    binds: list[Bind] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    directories: list[str] = field(default_factory=list)
    read_only_root: bool = False
    uid: int = 0
    gid: int = 0
    groups: list[int] = field(default_factory=list)
    no_new_privileges: bool = True
    hostname: str = ""
    parent: int = 0

    def write(self, path: Path) -> None:
        """Write it as JSON, for its owner only: the environment may hold secrets."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            json.dump(asdict(self), stream)

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Read what `write` wrote, and remove it."""
        plan = json.loads(path.read_text())
        path.unlink()
        return cls(**{**plan, "binds": [Bind(**bind) for bind in plan["binds"]]})


def command(plan: Path) -> list[str]:
    """The command that runs a written plan."""
    return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(plan)]


def why_not(directory: Path) -> str | None:
    """Why programs cannot be run like this on this machine, or None if they can; `directory` is for scratch files."""
    import subprocess

    root, report = directory / "probe-root", directory / "probe-report"
    root.mkdir(exist_ok=True)
    path = directory / "probe-plan.json"
    system = [Bind(name, name) for name in ("/bin", "/usr", "/lib", "/lib64") if Path(name).exists()]
    Plan(str(root), str(report), ["/bin/true"], binds=system).write(path)
    try:
        if subprocess.run(command(path), check=False, capture_output=True).returncode == 0:
            return None
        return report.read_text() if report.exists() else "a process in its own namespaces does not start"
    finally:
        root.rmdir()
        report.unlink(missing_ok=True)


def _check(result: int, step: str) -> None:
    if result != 0:
        raise SandboxError(f"{step}: {os.strerror(ctypes.get_errno())}")


def _unshare(flags: int, step: str) -> None:
    _check(_libc.unshare(flags), step)


def _mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    result = _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode())
    _check(result, f"mount {source} on {target}")


def _map_ids(inside_uid: int, inside_gid: int, outside_uid: int, outside_gid: int) -> None:
    """Map one user and one group into the user namespace just entered (user_namespaces(7))."""
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{inside_uid} {outside_uid} 1")
    Path("/proc/self/gid_map").write_text(f"{inside_gid} {outside_gid} 1")


def _enter_namespaces() -> bool:
    """Enter a new process tree, as its parent; returns whether that took a user namespace."""
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        _unshare(CLONE_NEWPID, "a new process namespace as root")
        return False
    _unshare(CLONE_NEWUSER, "a new user namespace")
    try:
        _map_ids(0, 0, uid, gid)
    except OSError as error:
        raise SandboxError(f"map user {uid} into a new user namespace: {error.strerror}") from error
    _unshare(CLONE_NEWPID, "a new process namespace in a user namespace")
    return True


def _inside(root: str, path: str) -> str:
    """Where a path of the program is while its root is being built; no `..` leads out of it."""
    return root + os.path.normpath("/" + path)


def _place(source: str, target: str) -> None:
    """Make the mount point of a bind."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    elif not os.path.lexists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        Path(target).touch()


def _bind(source: str, target: str, read_only: bool) -> None:
    if os.path.islink(source) and not os.path.lexists(target):
        # Where /bin is a link to usr/bin, the program gets the same link.
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.symlink(os.readlink(source), target)
        return
    _place(source, target)
    _mount(source, target, "", MS_BIND | MS_REC)
    if read_only:
        _remount_read_only(target)


def _remount_read_only(target: str) -> None:
    flags = os.statvfs(target).f_flag & _KEPT_FLAGS
    _mount("none", target, "", MS_BIND | MS_REMOUNT | MS_RDONLY | flags)


def _mount_proc(root: str) -> None:
    """A /proc of the program's own processes, or the machine's where a user namespace may not make one."""
    target = root + "/proc"
    os.makedirs(target, exist_ok=True)
    try:
        _mount("proc", target, "proc", MS_NOSUID | MS_NODEV)
    except SandboxError:
        _bind("/proc", target, False)


def _make_devices(root: str) -> None:
    os.makedirs(root + "/dev", exist_ok=True)
    for name in _DEVICES:
        _bind(f"/dev/{name}", f"{root}/dev/{name}", False)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.symlink(f"/proc/self/fd/{number}", f"{root}/dev/{name}")
    os.symlink("/proc/self/fd", root + "/dev/fd")
    # What a container runtime gives: 64 MiB of shared memory, which Python's multiprocessing needs.
    os.makedirs(root + "/dev/shm")
    _mount("tmpfs", root + "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=64m")


def _build_root(plan: Plan) -> None:
    """Mount the program's root at `plan.root`."""
    _mount("none", "/", "", MS_REC | MS_PRIVATE)
    _mount("tmpfs", plan.root, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
    _mount_proc(plan.root)
    _make_devices(plan.root)
    for name in plan.directories:
        path = _inside(plan.root, name)
        os.makedirs(path, exist_ok=True)
        os.chmod(path, 0o1777)
    for name, content in plan.files.items():
        path = _inside(plan.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(path).write_text(content)
    for bind in plan.binds:
        _bind(bind.source, _inside(plan.root, bind.target), bind.read_only)


def _enter_root(plan: Plan) -> None:
    os.chdir(plan.root)
    # pivot_root(".", "."): the old root lies over the new one and is taken away (pivot_root(2)).
    _check(_libc.pivot_root(b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", MNT_DETACH), "unmount the old root")
    os.chdir("/")
    if plan.read_only_root:
        _remount_read_only("/")


def _become(plan: Plan, in_user_namespace: bool) -> None:
    """Become the program's user; in a user namespace there is but one user to be, under whatever number."""
    if in_user_namespace:
        if plan.uid != 0 or plan.gid != 0:
            _unshare(CLONE_NEWUSER, f"a user namespace for user {plan.uid}")
            _map_ids(plan.uid, plan.gid, 0, 0)
        return
    os.setgroups(plan.groups)
    os.setresgid(plan.gid, plan.gid, plan.gid)
    os.setresuid(plan.uid, plan.uid, plan.uid)


def _die_with_starter() -> None:
    """Have the kernel kill this process once the thread that started it ends (prctl(2))."""
    _check(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")


def _die_with_parent(lifeline: int) -> None:
    _die_with_starter()
    poll = select.poll()
    poll.register(lifeline, select.POLLHUP)
    if poll.poll(0):
        os._exit(START_ERROR)


def _find(plan: Plan) -> str:
    """The program's path, looked up as runc does.

    :raises SandboxError: it is not there.
    """
    name = plan.argv[0]
    if "/" in name:
        return name
    for directory in plan.environment.get("PATH", "").split(":"):
        path = f"{directory}/{name}"
        if directory and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise SandboxError(f'exec: "{name}": executable file not found in $PATH')


def _run_child(plan: Plan, in_user_namespace: bool, lifeline: int) -> None:
    """Become the program. Does not return unless a step fails.

    :raises SandboxError: a step failed.
    """
    # Not before the fork: pivot_root moves every process of its mount namespace, and the parent has yet to report.
    _unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC, "new namespaces for mounts, host name and IPC")
    if plan.hostname:
        name = plan.hostname.encode()[:63]
        _check(_libc.sethostname(name, len(name)), "sethostname")
    _build_root(plan)
    _enter_root(plan)
    _become(plan, in_user_namespace)
    if plan.no_new_privileges:
        _check(_libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")
    _die_with_parent(lifeline)
    os.umask(0o022)
    try:
        os.chdir(plan.working_directory)
    except OSError as error:
        raise SandboxError(f"chdir to cwd ({plan.working_directory!r}): {error.strerror}") from error
    path = _find(plan)
    try:
        os.execve(path, plan.argv, plan.environment)
    except OSError as error:
        raise SandboxError(f'exec: "{plan.argv[0]}": {error.strerror}') from error


def _child(plan: Plan, in_user_namespace: bool, lifeline: int, failure: int) -> None:
    try:
        _run_child(plan, in_user_namespace, lifeline)
    except (SandboxError, OSError) as error:
        os.write(failure, str(error).encode())
    finally:
        os._exit(START_ERROR)


def _forward(child: int) -> None:
    """Pass on the signals by which a container is stopped."""

    def pass_on(number: int, _frame: FrameType | None) -> None:
        try:
            os.kill(child, number)
        except OSError as error:
            if error.errno != errno.ESRCH:
                raise

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, pass_on)


def _start(plan: Plan) -> int:
    """Start the program; its process id.

    :raises SandboxError: it does not start.
    """
    in_user_namespace = _enter_namespaces()
    if plan.parent:
        _die_with_starter()
        if os.getppid() != plan.parent:
            raise SandboxError("whoever started this has ended already")
    lifeline, held = os.pipe()
    problem, failure = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    child = os.fork()
    if child == 0:
        os.close(held)
        os.close(problem)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        _child(plan, in_user_namespace, lifeline, failure)
    os.close(lifeline)
    os.close(failure)
    _forward(child)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    # Ends when the program's exec closes the other end, or with what went wrong before.
    with os.fdopen(problem, "rb") as stream:
        message = stream.read().decode(errors="replace")
    if message:
        os.waitpid(child, 0)
        raise SandboxError(message)
    return child


def main(path: str) -> int:
    """Run the plan in a file; its program's exit code."""
    plan = Plan.read(Path(path))
    try:
        child = _start(plan)
    except SandboxError as error:
        Path(plan.report).write_text(str(error))
        return START_ERROR
    _pid, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
