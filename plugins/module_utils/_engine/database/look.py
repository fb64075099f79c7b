# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Everything a decision needs: Secrets, Lease, Jobs with their pods and logs, and the checks where they are due."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from ansible_collections.steady.rollout.plugins.module_utils._domain.database import aws as aws_login
from ansible_collections.steady.rollout.plugins.module_utils._domain.database import url as urls
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.job import CA_KEY, PREFIX, URL_KEY
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.plan import Tool
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.snapshot import (
    JobView,
    Lease,
    Managed,
    Snapshot,
    Source,
)
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.spec import Aws
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Denied, Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.redact import Redactor
from ansible_collections.steady.rollout.plugins.module_utils._engine.database import tokens
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.undertaking import Undertaking
from ansible_collections.steady.rollout.plugins.module_utils._kube import jobs, lease, secrets
from ansible_collections.steady.rollout.plugins.module_utils._kube.lease import State as LeaseState

SOURCE_ANNOTATION = f"{PREFIX}/source"
EXPIRES_ANNOTATION = f"{PREFIX}/expires"
DIRECTORY_ANNOTATION = f"{PREFIX}/directory-hash"
JOB_ANNOTATION = f"{PREFIX}/job"

Part = Literal["origin", "managed", "lease", "jobs", "directory"]
PARTS: tuple[Part, ...] = ("origin", "managed", "lease", "jobs", "directory")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the URL comes from, and the URL itself, which is a secret."""

    source: Source = field(default_factory=Source)
    url: urls.DatabaseUrl | None = field(default=None, repr=False)
    ca_bundle: bytes | None = field(default=None, repr=False)
    hide: Redactor = field(default_factory=Redactor, repr=False)


@dataclass(frozen=True, slots=True)
class Kept:
    """The Secret that the Jobs read; `hide` takes what is in it out of texts."""

    managed: Managed | None = None
    ca_bundle: bool = False
    hide: Redactor = field(default_factory=Redactor, repr=False)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen, part by part: a write makes one part old, and only that one is looked at again."""

    origin: Origin = field(default_factory=Origin)
    kept: Kept = field(default_factory=Kept)
    lease: Lease = field(default_factory=Lease)
    lease_state: LeaseState | None = None
    jobs: jobs.Look = field(default_factory=lambda: jobs.Look((), ()))
    directory: str = ""

    def having(self, job: JobView) -> Seen:
        """The same with a Job that was made since, as the API server answered."""
        return replace(self, jobs=replace(self.jobs, jobs=(*self.jobs.jobs, job)))

    def silent(self, name: str) -> bool:
        """Whether there is a Job of that name that is over, and whose logs were not read."""
        return any(job.name == name and job.over and not job.containers for job in self.jobs.jobs)

    @property
    def tool(self) -> Tool:
        """What reading logs needs."""
        url = self.origin.url
        return Tool(self.origin.hide.joined(self.kept.hide), url.engine if url else "postgres")

    def without_url(self, reason: str, problem: str) -> Seen:
        """The same, where the database is known but nobody can log in to it at this moment."""
        source = replace(self.origin.source, reason=reason, problem=problem)
        return replace(self, origin=replace(self.origin, source=source))

    def snapshot(self, work: Undertaking) -> Snapshot:
        """It as the domain sees it: without a secret."""
        return Snapshot(
            name=work.owner.name,
            namespace=work.namespace,
            uid=work.owner.uid,
            generation=work.generation,
            source=self.origin.source,
            managed=self.kept.managed,
            lease=self.lease,
            jobs=self.jobs.jobs,
            stray_pods=self.jobs.stray_pods,
            directory=self.directory,
        )


def look(work: Undertaking, before: Seen, parts: Iterable[Part], *, read_log_of: str = "") -> Seen:
    """`before` with these parts as they are now; logs are read of the Job `read_log_of`, once it is over."""
    seen, wanted = before, set(parts)
    if "origin" in wanted:
        seen = replace(seen, origin=_origin(work))
    if "managed" in wanted:
        seen = replace(seen, kept=_kept(work))
    if "lease" in wanted:
        state, found = _lease(work, seen.origin.source.lease)
        seen = replace(seen, lease_state=state, lease=found)
    if "jobs" in wanted:
        names = [read_log_of] if read_log_of else []
        seen = replace(seen, jobs=jobs.look(work.client, work.namespace, work.owner.name, read_logs=names))
    if "directory" in wanted:
        seen = replace(seen, directory=_directory(work))
    return seen


def _origin(work: Undertaking) -> Origin:
    """The customer's Secret: where it is, whether it holds a URL, and of which database; or what AWS is asked for."""
    reference, aws = work.spec.secret, work.spec.aws
    if aws is not None:
        return _aws_origin(work, aws)
    if reference is None:
        return Origin(Source(reason="SecretNotFound", problem="The spec names neither a Secret nor a database of AWS."))
    where = f'Secret "{reference.name}" in namespace "{work.namespace}"'
    found = secrets.read(work.client, work.namespace, reference.name)
    if found is None:
        return Origin(Source(reason="SecretNotFound", problem=f"{where} does not exist."))
    data = secrets.decoded(found, reference.key)
    if data is None:
        keys = ", ".join(sorted(found.get("data") or {})) or "none"
        problem = f'{where} has no key "{reference.key}"; its keys: {keys}.'
        return Origin(Source(reason="SecretNotFound", problem=problem))
    metadata = found["metadata"]
    checked = work.rules.tools.connection_check_ms
    version = f"{metadata['uid']}.{metadata['resourceVersion']}.{checked}"
    text = data.decode("utf-8", "replace")
    try:
        url = urls.parse(text, f"{where} key {reference.key}").checking_client(checked)
    except Refused as refused:
        problem = f"{refused.reason}; {refused.remedy}."
        return Origin(Source(version, reason="UrlInvalid", problem=problem), hide=Redactor.of(text))
    target = url.target(work.namespace)
    source = Source(version, lease=target.lease, target=str(target))
    return Origin(source, url, secrets.decoded(found, CA_KEY), Redactor.of(text, url.text()))


def _aws_origin(work: Undertaking, aws: Aws) -> Origin:
    """The URL as it is without a token: AWS is asked for none before a Job needs it."""
    checked = work.rules.tools.connection_check_ms
    try:
        aws_login.check(aws)
        bundle = tokens.bundle(work.rules.aws)
    except aws_login.NoToken as error:
        return Origin(Source(reason=error.word, problem=error.sentence))
    url = aws_login.url(aws, bundle is not None).checking_client(checked)
    target = url.target(work.namespace)
    version = aws_login.version(aws, bundle, checked)
    source = Source(version, lease=target.lease, target=str(target), token=True)
    return Origin(source, url, bundle)


def _kept(work: Undertaking) -> Kept:
    found = secrets.read(work.client, work.namespace, work.owner.secret)
    if found is None:
        return Kept()
    annotations = found["metadata"].get("annotations") or {}
    text = (secrets.decoded(found, URL_KEY) or b"").decode("utf-8", "replace")
    # Somebody who took the URL out has left a Secret that serves no Job: it is made anew.
    source = str(annotations.get(SOURCE_ANNOTATION) or "") if text else ""
    managed = Managed(source, _expiry(annotations.get(EXPIRES_ANNOTATION)) if text else 0.0)
    return Kept(managed, secrets.decoded(found, CA_KEY) is not None, Redactor.of(text))


def _expiry(written: object) -> float:
    """When a token ends as an annotation says it; what somebody made of it that is no number has ended long ago."""
    text = str(written or "0")
    return float(text) if re.fullmatch(r"[0-9]{1,15}", text) else 1.0


def _directory(work: Undertaking) -> str:
    found = secrets.read(work.client, work.namespace, work.owner.directory_secret) or {}
    annotations = (found.get("metadata") or {}).get("annotations") or {}
    return str(annotations.get(DIRECTORY_ANNOTATION) or "")


def _lease(work: Undertaking, name: str) -> tuple[LeaseState | None, Lease]:
    """The Lease of the database, and whether the Job that its holder named there is over."""
    state = lease.read(work.client, work.rules.lease_namespace, name) if name else None
    if state is None:
        return None, Lease()
    job = str(state.annotations.get(JOB_ANNOTATION) or "")
    remaining = state.remaining(work.clock.now())
    # Our own Job is among those that are looked at anyhow.
    over = None if state.holder == work.holder else _job_over(work, job)
    return state, Lease(state.holder, state.acquired, remaining, job, over)


def _job_over(work: Undertaking, job: str) -> bool | None:
    """Whether a Job named as namespace/name is over; None where it must not be looked at."""
    namespace, _slash, name = job.partition("/")
    if not name:
        return True
    try:
        return jobs.is_over(work.client, namespace, name)
    except Denied:
        return None
