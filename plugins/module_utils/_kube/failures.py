# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What an API server's answer, or the lack of one, means: one domain error each, with the remedy, never a secret."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import (
    Conflict,
    Denied,
    NotFound,
    Refused,
    RolloutError,
    Unreachable,
)
from ansible_collections.steady.rollout.plugins.module_utils._kube.paths import Resource, resource_of, verb_of

_CHANGED = "Somebody else changed the object; run again to see its new state."
_LONGEST_MESSAGE = 500


class Expired(Conflict):
    """A resourceVersion or a list's continue token is too old for the server (410): read again from the start."""


def answered(status: int, body: bytes, method: str, path: str, *, watch: bool = False) -> RolloutError:
    """The error for an answer with an HTTP status of 300 or more."""
    return of_status(status, _status_object(body), method, path, watch=watch)


def of_status(status: int, answer: dict[str, Any], method: str, path: str, *, watch: bool = False) -> RolloutError:
    """The error for a Status object, which a watch also sends inside its stream."""
    message = _shortened(str(answer.get("message") or f"HTTP status {status}"))
    resource = resource_of(path)
    what = f"{method} {resource or path}"
    if status == 401:
        return Denied(
            f"The API server does not accept the credentials ({what}).",
            remedy="Check kubeconfig, context, api_key or the client certificate; tokens and certificates expire.",
        )
    if status == 403:
        return _forbidden(message, method, resource, what, watch)
    if status == 404:
        return _missing(resource, what, bool(answer.get("details")))
    if status == 410 or answer.get("reason") == "Expired":
        return Expired(f"{what}: {message}.")
    if status == 422 and method == "PATCH" and not answer.get("details"):
        # All that the server says about a JSON patch whose `test` did not hold or whose path leads nowhere.
        return Conflict(f"{what}: the object is not as the patch expects it.", remedy=_CHANGED)
    if status in (409, 412):
        return Conflict(f"{what}: {message}.", remedy=_CHANGED)
    if status in (400, 422):
        return _refused(answer, message, what)
    if status == 429 or status >= 500:
        return Unreachable(f"The API server could not answer {what}: {message}.", remedy="Look at its health and load.")
    return RolloutError(f"The API server answered {what} with status {status}: {message}.")


def unanswered(host: str, method: str, path: str, error: BaseException, *, sent: bool) -> Unreachable:
    """The error for a request without an answer; `sent` when the server may nevertheless have carried it out."""
    doubt = " It may have been carried out." if sent and method != "GET" else ""
    return Unreachable(
        f"No answer from the API server {host} to {method} {resource_of(path) or path}: {innermost(error)}.{doubt}",
        remedy="Check that this host reaches the API server, and its certificate, proxy and load.",
    )


def innermost(error: BaseException) -> str:
    """The text of the first cause: the outer ones of an HTTP library may quote a proxy's URL with its password."""
    seen: set[int] = set()
    while id(error) not in seen:
        seen.add(id(error))
        inner = getattr(error, "reason", None)
        inner = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
        if inner is None:
            break
        error = inner
    text = getattr(error, "strerror", None) or getattr(error, "verify_message", None) or str(error)
    return f"{type(error).__name__}: {text}".rstrip(". ")


def _shortened(message: str) -> str:
    """The message without its end where it is long: for a malformed patch the server quotes the whole object."""
    text = message.strip().rstrip(".")
    return text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + " ..."


def _status_object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {"message": body[:200].decode("utf-8", "replace").strip()}
    return answer if isinstance(answer, dict) else {}


def _forbidden(message: str, method: str, resource: Resource | None, what: str, watch: bool) -> Denied:
    if resource is None or f"cannot {verb_of(method, resource, watch=watch)} " not in message:
        return Denied(f"The API server forbids {what}: {message}.", remedy="Ask whoever set up the policy it names.")
    rule = rule_text(verb_of(method, resource, watch=watch), resource)
    kind = "a Role" if resource.namespace else "a ClusterRole"
    return Denied(f"The API server forbids {what}: {message}.", remedy=f"Bind {kind} with the rule {rule}.")


def rule_text(verb: str, resource: Resource) -> str:
    """The RBAC rule that would allow the request, as one line of YAML."""
    full = f"{resource.resource}/{resource.subresource}" if resource.subresource else resource.resource
    return f'{{apiGroups: ["{resource.group}"], resources: ["{full}"], verbs: ["{verb}"]}}'


def _missing(resource: Resource | None, what: str, by_object: bool) -> NotFound:
    if resource is not None and by_object:
        return NotFound(f"{resource} does not exist.", remedy="Check the name, the namespace and the context.")
    return NotFound(
        f"The API server does not know the resource of {what}.",
        remedy="Install the CustomResourceDefinition that serves it, or check that this is a Kubernetes API server.",
    )


def _refused(answer: dict[str, Any], message: str, what: str) -> Refused:
    causes = (answer.get("details") or {}).get("causes") or []
    field = next((str(cause["field"]) for cause in causes if cause.get("field")), what)
    return Refused(field, None, f"the API server refuses it: {message}", remedy="Correct the value that it names.")
