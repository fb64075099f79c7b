# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""One write for each action that was decided, each guarded by what the decision saw.

A Conflict says that the guard did not hold: nothing was written, and everything is looked at again.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from ansible_collections.steady.rollout.plugins.module_utils._domain.database import plan
from ansible_collections.steady.rollout.plugins.module_utils._domain.database.job import CA_KEY, URL_KEY, manifest
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Conflict, NotFound, RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.redact import Redactor
from ansible_collections.steady.rollout.plugins.module_utils._engine.database import tokens
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.look import (
    DIRECTORY_ANNOTATION,
    EXPIRES_ANNOTATION,
    JOB_ANNOTATION,
    SOURCE_ANNOTATION,
    Part,
    Seen,
)
from ansible_collections.steady.rollout.plugins.module_utils._engine.database.undertaking import Undertaking
from ansible_collections.steady.rollout.plugins.module_utils._kube import jobs, lease, secrets

IMAGE_ANNOTATION = "rollout.steady.dev/image"
DIRECTORY_KEY = "directory.json.gz"

# A text, because an expression of types would be one more thing to run.
Then: TypeAlias = "Part | Seen"
Act = Callable[[Undertaking, Seen, Any], "Then"]


def carry_out(work: Undertaking, seen: Seen, action: plan.Action) -> Then:
    """Write what the action says. Not for Save and Wait.

    Returns the part of what was seen that is old now, or what is seen now where the answer of the API server says it.
    """
    return _ACTS[type(action)](work, seen, action)


def _write_secret(work: Undertaking, seen: Seen, action: plan.WriteSecret) -> Part:
    """What is written is what the source's version held: both were read at once."""
    url = seen.origin.url
    if url is None or seen.origin.source.version != action.source:
        raise Conflict("The source of the database's URL has changed.", remedy="Look again.")
    annotations = {SOURCE_ANNOTATION: action.source}
    if work.spec.aws is not None:
        token = tokens.made(work, work.spec.aws)
        url = url.with_login(url.user, token.text)
        annotations[EXPIRES_ANNOTATION] = str(int(token.expires))
    data = {URL_KEY: url.text().encode()}
    if seen.origin.ca_bundle is not None:
        data[CA_KEY] = seen.origin.ca_bundle
    try:
        secrets.write(work.client, _connection(work, data, annotations))
    except RolloutError as error:
        # Nobody has seen this token yet, so nobody else would hide it.
        error.hide(Redactor.of(url.text()))
        raise
    return "managed"


def _clear_secret(work: Undertaking, _seen: Seen, _action: plan.ClearSecret) -> Part:
    secrets.write(work.client, _connection(work, {}, {}))
    return "managed"


def _connection(work: Undertaking, data: Mapping[str, bytes], annotations: Mapping[str, str]) -> secrets.SecretContent:
    """The Secret that the Jobs read."""
    owners = tuple(work.owner.references())
    return secrets.SecretContent(
        work.namespace, work.owner.secret, data, labels=work.labels, annotations=annotations, owners=owners
    )


def _keep_directory(work: Undertaking, _seen: Seen, action: plan.KeepDirectory) -> Part:
    files = json.dumps(dict(action.directory.files or {}), indent=1, sort_keys=True)
    content = secrets.SecretContent(
        work.namespace,
        work.owner.directory_secret,
        {DIRECTORY_KEY: gzip.compress(files.encode(), mtime=0)},
        labels=work.labels,
        annotations={DIRECTORY_ANNOTATION: action.directory.hash, IMAGE_ANNOTATION: action.image},
        owners=tuple(work.owner.references()),
    )
    secrets.write(work.client, content)
    return "directory"


def _held(work: Undertaking, seen: Seen, name: str) -> lease.Held:
    version = seen.lease_state.resource_version if seen.lease_state else ""
    return lease.Held(work.rules.lease_namespace, name, work.holder, version, plan.LEASE_SECONDS)


def _take_lease(work: Undertaking, seen: Seen, action: plan.TakeLease) -> Part:
    """The name of another holder's Job, which is over, leaves with its holder; our own stays."""
    held, state = _held(work, seen, action.name), seen.lease_state
    ours = state is not None and state.holder == held.holder
    annotations: dict[str, str | None] = {} if ours else {JOB_ANNOTATION: None}
    try:
        lease.take_seen(work.client, held, state, now=work.clock.now, labels=work.lease_labels, annotations=annotations)
    except NotFound as error:
        raise _no_namespace(work) if state is None else error from error
    return "lease"


def _no_namespace(work: Undertaking) -> NotFound:
    namespace, option = work.rules.lease_namespace, "installation.databases.leaseNamespace"
    return NotFound(
        f'The namespace "{namespace}", where the Leases of all databases stand, does not exist.',
        remedy=f"kubectl create namespace {namespace}, or name another one in {option}, everywhere the same.",
    )


def _renew_lease(work: Undertaking, seen: Seen, action: plan.RenewLease) -> Part:
    lease.renew(work.client, _held(work, seen, action.name), now=work.clock.now)
    return "lease"


def _name_job(work: Undertaking, seen: Seen, action: plan.NameJob) -> Part:
    held = _held(work, seen, action.name)
    lease.annotate(work.client, held, {JOB_ANNOTATION: action.job}, now=work.clock.now)
    return "lease"


def _release_lease(work: Undertaking, seen: Seen, action: plan.ReleaseLease) -> Part:
    lease.release(work.client, _held(work, seen, action.name), annotations={JOB_ANNOTATION: None})
    return "lease"


def _create_job(work: Undertaking, seen: Seen, action: plan.CreateJob) -> Then:
    workshop = work.workshop(seen.kept.ca_bundle)
    made = jobs.create(work.client, manifest(action.order, work.owner, work.spec, workshop))
    return seen.having(made) if made is not None else "jobs"


def _resume_job(work: Undertaking, _seen: Seen, action: plan.ResumeJob) -> Part:
    jobs.resume(work.client, work.namespace, action.job, action.uid)
    return "jobs"


def _delete_job(work: Undertaking, _seen: Seen, action: plan.DeleteJob) -> Part:
    jobs.delete(work.client, work.namespace, action.job, action.uid)
    return "jobs"


_ACTS: dict[type[object], Act] = {
    plan.WriteSecret: _write_secret,
    plan.ClearSecret: _clear_secret,
    plan.KeepDirectory: _keep_directory,
    plan.TakeLease: _take_lease,
    plan.RenewLease: _renew_lease,
    plan.NameJob: _name_job,
    plan.ReleaseLease: _release_lease,
    plan.CreateJob: _create_job,
    plan.ResumeJob: _resume_job,
    plan.DeleteJob: _delete_job,
}
