# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What was seen of a DBUpgrade at one moment: frozen values. What could not be seen is said, never guessed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ansible_collections.steady.rollout.plugins.module_utils._domain.database.job import Kind
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.output import Container
from ansible_collections.steady.rollout.plugins.module_utils._domain.gate import Refusal

Finish = Literal["", "Complete", "Failed"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where the URL comes from: the customer's Secret, or AWS.

    :ivar problem: why it cannot be used, empty when it can; `reason` is that in one word
    :ivar version: changes whenever the content does; nothing about the content can be read from it
    :ivar lease: the name of the Lease of the database that it names
    :ivar target: that database, for people
    :ivar token: whether it is logged in to with a token, which is made when it is needed
    """

    version: str = ""
    lease: str = ""
    target: str = ""
    reason: str = ""
    problem: str = ""
    token: bool = False


@dataclass(frozen=True, slots=True)
class Managed:
    """The Secret that the Jobs read: what it was made from, and until when its token is good (0: it has none)."""

    source: str
    expires: float = 0.0


@dataclass(frozen=True, slots=True)
class Lease:
    """The Lease of the database. `job` is the writing Job that a holder named there, as namespace/name.

    :ivar acquired: when this holder took it, as the Lease says it
    :ivar remaining: seconds until it expires; 0 when nobody holds it any more
    :ivar job_over: whether that Job is seen finished without a pod that lives, or gone; None when it cannot be seen
    """

    holder: str = ""
    acquired: str = ""
    remaining: float = 0.0
    job: str = ""
    job_over: bool | None = True


@dataclass(frozen=True, slots=True)
class JobView:
    """A Job as it was seen, with its pods.

    :ivar hash: the whole hash of the order that it was made from
    :ivar pods: how many of its pods have not ended
    :ivar started: when the container that writes to the database started (seconds since the epoch), 0 if it has not
    :ivar waiting: why its pod does not run (ImagePullBackOff, Unschedulable, ...), with the message
    :ivar containers: what the containers of its pod said; only of a Job that is over
    """

    name: str
    kind: Kind
    uid: str
    hash: str
    suspended: bool = False
    finish: Finish = ""
    reason: str = ""
    message: str = ""
    deleting: bool = False
    pods: int = 0
    started: float = 0.0
    waiting: str = ""
    containers: tuple[Container, ...] = ()

    @property
    def over(self) -> bool:
        """Whether it is finished and no pod of it can still write."""
        return bool(self.finish) and self.pods == 0

    def container(self, name: str) -> Container | None:
        """One of its containers, or None when its pod cannot be seen any more."""
        return next((item for item in self.containers if item.name == name), None)

    @property
    def failed(self) -> Container | None:
        """The container that failed."""
        return next((item for item in self.containers if item.code), None)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole of one observation.

    :ivar stray_pods: names of Jobs that are gone but still have pods that live
    :ivar directory: the hash of the directory that is kept, empty when none is
    :ivar pre: why the migration may not begin; None when that was not looked at
    :ivar post: why it has not worked; None when that was not looked at
    :ivar has_resource: whether there is a custom resource whose status can be written
    """

    name: str
    namespace: str
    uid: str
    generation: int
    source: Source
    managed: Managed | None = None
    lease: Lease = field(default_factory=Lease)
    jobs: tuple[JobView, ...] = ()
    stray_pods: tuple[str, ...] = ()
    directory: str = ""
    pre: tuple[Refusal, ...] | None = None
    post: tuple[Refusal, ...] | None = None

    @property
    def holder(self) -> str:
        """Who we are on the Lease: the same for every runner and front, so that each continues the other's work."""
        return f"dbupgrade/{self.namespace}/{self.name}" + (f"/{self.uid}" if self.uid else "")

    @property
    def holds(self) -> bool:
        """Whether the Lease is ours and not expired."""
        return self.lease.holder == self.holder and self.lease.remaining > 0

    def job(self, name: str) -> JobView | None:
        """The Job of that name, or None when there is none."""
        return next((job for job in self.jobs if job.name == name), None)

    def gone(self, name: str) -> bool:
        """Whether neither the Job nor a living pod of it is there."""
        return self.job(name) is None and name not in self.stray_pods
