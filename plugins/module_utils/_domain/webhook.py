# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Webhook hooks: what an entry may say, how a call is signed, and what an answer means.

Ids, timestamps and signatures follow the Standard Webhooks specification 1.0.0
(github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md), for which receivers find libraries.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ansible_collections.steady.rollout.plugins.module_utils._domain.document import Reader
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused, RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.reach import endpoint_of, origin
from ansible_collections.steady.rollout.plugins.module_utils._domain.report.text import shorten

METHODS = ("GET", "POST", "PUT", "PATCH")
SECRET_PREFIX = "whsec_"
# A gate that is pending is asked again after so many seconds; Retry-After may ask for longer, up to the limit.
AGAIN_SECONDS = 5.0
LONGEST_AGAIN_SECONDS = 60.0
# What a person reads of an answer.
LONGEST_TEXT = 300
# An answer that says "not now": asking again may help (RFC 9110; 425 of RFC 8470, 429 of RFC 6585).
_TRANSIENT = frozenset({408, 425, 429, *range(500, 600)})
_HEADER_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}"
# They frame the message, or say who we are; only this collection sets them.
_OWN_HEADERS = frozenset(
    "connection content-length expect host idempotency-key keep-alive proxy-authorization proxy-connection te trailer "
    "transfer-encoding upgrade user-agent rollout-hook-id webhook-id webhook-signature webhook-timestamp".split()
)


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A key of a Secret in the namespace of whoever names it."""

    name: str
    key: str

    def __str__(self) -> str:
        return f"Secret {self.name} key {self.key}"


@dataclass(frozen=True, slots=True)
class Header:
    """A header with its value, or with the Secret that has it."""

    name: str
    value: str = ""
    secret: SecretKey | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """A call as a hook entry asks for it. No expected status means any of 200 to 299; no body means ours."""

    url: str
    method: str = "POST"
    headers: tuple[Header, ...] = ()
    hmac: SecretKey | None = None
    expected_status: tuple[int, ...] = ()
    gate: bool = False
    body: object = None

    @property
    def shown(self) -> str:
        """The call for people and logs: path and query may hold a token, so they are left out."""
        return f"{self.method} {origin(self.url)}"

    def expects(self, status: int) -> bool:
        """Whether an answer has the status it must have."""
        return status in self.expected_status if self.expected_status else 200 <= status < 300


@dataclass(frozen=True, slots=True)
class Ask:
    """Who calls: one attempt of one hook. `key` tells this attempt from every other one, `hook_key` the hook of a run.

    `at` is in seconds since the epoch.
    """

    key: str
    hook_key: str
    at: float
    about: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer means. `again_in` seconds is when a pending gate is asked again."""

    state: Literal["done", "approved", "pending"]
    status: int
    text: str
    again_in: float = 0.0


class WebhookFailed(RolloutError):
    """A call that did not do what it was for; `transient` when trying again may help."""

    def __init__(self, reason: str, *, remedy: str, transient: bool = False) -> None:
        super().__init__(reason, remedy=remedy)
        self.transient = transient


class GateClosed(WebhookFailed):
    """The gate refused: asking again would not change that."""


def parse_webhook(reader: Reader) -> Webhook:
    """Validate the `webhook` of a hook entry; every refusal names field, value and remedy."""
    webhook = Webhook(
        url=reader.text("url"),
        method=reader.choice("method", METHODS, "POST"),
        headers=tuple(_header(item, f"{reader.at('headers')}[{n}]") for n, item in enumerate(reader.items("headers"))),
        hmac=_secret_key(reader.section("hmac").section("secretKeyRef")) if reader.has("hmac") else None,
        expected_status=_statuses(reader),
        gate=reader.flag("gate"),
        body=reader.raw("body"),
    )
    reader.done()
    endpoint_of(webhook.url, reader.at("url"))
    _check_once(webhook.headers, reader.at("headers"))
    _check_body(webhook, reader.at("body"))
    return webhook


def _header(item: object, path: str) -> Header:
    reader = Reader(item, path)
    name = reader.text("name", pattern=_HEADER_NAME, hint="a header's name, such as Authorization")
    value = reader.text("value", pattern=r"[\t\x20-\x7e]{0,4096}", hint="printable ASCII, one line")
    source = reader.section("valueFrom")
    secret = _secret_key(source.section("secretKeyRef")) if reader.has("valueFrom") else None
    source.done()
    reader.done()
    if not name or name.lower() in _OWN_HEADERS:
        problem = "is set by this collection" if name else "missing"
        raise Refused(f"{path}.name", name or None, problem, remedy="name another header")
    if (secret is None) == (not reader.has("value")):
        remedy = "value: TEXT, or valueFrom: {secretKeyRef: {name, key}}"
        raise Refused(path, name, "needs either a value or a Secret", remedy=remedy)
    return Header(name, value, secret)


def _secret_key(reader: Reader) -> SecretKey:
    remedy = "secretKeyRef: {name: SECRET, key: KEY}"
    return SecretKey(*reader.reference("Secret in the same namespace", "a key of the Secret", remedy))


def _statuses(reader: Reader) -> tuple[int, ...]:
    raw = reader.raw("expectedStatus")
    items = raw if isinstance(raw, list) else [] if raw is None else [raw]
    for item in items:
        # Whoever is sent elsewhere has not been answered, and redirects are not followed.
        if isinstance(item, bool) or not isinstance(item, int) or not (200 <= item < 300 or 400 <= item < 600):
            remedy = "a status such as 200, or a list of them; 3xx is never followed"
            raise Refused(reader.at("expectedStatus"), raw, "is no status of an answer", remedy=remedy)
    return tuple(items)


def _check_once(headers: tuple[Header, ...], path: str) -> None:
    names = [header.name.lower() for header in headers]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise Refused(f"{path}[{number}].name", headers[number].name, "twice", remedy="give each header once")


def _check_body(webhook: Webhook, path: str) -> None:
    if webhook.body is None:
        return
    if webhook.method == "GET":
        raise Refused(path, None, "a GET has no body", remedy="leave it out, or use method: POST")
    if not isinstance(webhook.body, (str, Mapping, list)):
        raise Refused(path, webhook.body, "neither a text nor a mapping or list", remedy="give JSON or a text")
    if len(encoded(webhook.body)) > 65_536:
        raise Refused(path, None, "larger than 65536 bytes", remedy="send a reference instead of the data")


def encoded(body: object) -> bytes:
    """A body as it is sent."""
    if isinstance(body, str):
        return body.encode("utf-8", "surrogatepass")
    return json.dumps(body, separators=(",", ":"), sort_keys=True).encode()


def body_of(webhook: Webhook, ask: Ask) -> bytes:
    """What is sent: the entry's own body, or who asks for what; nothing with a GET."""
    if webhook.method == "GET":
        return b""
    if webhook.body is not None:
        return encoded(webhook.body)
    kind = "rollout.hook.gate" if webhook.gate else "rollout.hook"
    return encoded({"type": kind, "timestamp": int(ask.at), "data": dict(ask.about)})


def headers_of(webhook: Webhook, ask: Ask, body: bytes, secret: Callable[[SecretKey], str]) -> dict[str, str]:
    """All headers but Host and Content-Length. `secret` gives the value of a Secret's key."""
    ask_id = message_id(ask.key)
    headers = {"User-Agent": "steady-rollout", "Accept": "application/json"}
    if body:
        headers["Content-Type"] = "text/plain; charset=utf-8" if isinstance(webhook.body, str) else "application/json"
    own = {header.name: header.value if header.secret is None else secret(header.secret) for header in webhook.headers}
    for name, value in own.items():
        if not re.fullmatch(r"[\t\x20-\x7e]*", value):
            reason = f"the value of header {name} is not one line of printable ASCII"
            raise WebhookFailed(reason, remedy="correct the Secret; a line end at its end is the usual mistake")
    replaced = {name.lower() for name in own}
    headers = {name: value for name, value in headers.items() if name.lower() not in replaced} | own
    headers |= {"Idempotency-Key": ask_id, "Rollout-Hook-Id": message_id(ask.hook_key)}
    if webhook.hmac is None:
        return headers | {"webhook-id": ask_id, "webhook-timestamp": str(int(ask.at))}
    return headers | signed_headers(secret(webhook.hmac), ask_id, int(ask.at), body)


def message_id(key: str) -> str:
    """An id for a key, without characters that mean something in a signature."""
    return "msg_" + hashlib.sha256(key.encode()).hexdigest()[:40]


def signed_headers(secret: str, ask_id: str, at: int, body: bytes) -> dict[str, str]:
    """Id, time and signature: HMAC-SHA256 over `<id>.<time>.<body>`, as the specification has it."""
    content = f"{ask_id}.{at}.".encode() + body
    signature = base64.b64encode(hmac.new(signing_key(secret), content, hashlib.sha256).digest()).decode()
    return {"webhook-id": ask_id, "webhook-timestamp": str(at), "webhook-signature": f"v1,{signature}"}


def signing_key(secret: str) -> bytes:
    """The key of a secret: base64 behind `whsec_`, any other text as it is."""
    text = secret.strip()
    if text in ("", SECRET_PREFIX):
        raise WebhookFailed("the key of the signature is empty", remedy="put a random text into the Secret")
    if not text.startswith(SECRET_PREFIX):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise WebhookFailed(
            f"the key of the signature begins with {SECRET_PREFIX} but is no base64", remedy="correct the Secret"
        ) from None


def judge(webhook: Webhook, status: int, text: str, retry_after: str = "") -> Verdict:
    """What the answer means for the hook; raises WebhookFailed or GateClosed when it means no.

    A gate that says neither yes nor no is pending: what cannot be evaluated does not pass.
    """
    seconds = float(retry_after) if re.fullmatch("[0-9]{1,9}", retry_after) else AGAIN_SECONDS
    if not webhook.expects(status) and not (webhook.gate and status == 202):
        _unexpected(webhook, status, text)
    if not webhook.gate:
        return Verdict("done", status, shorten(text, LONGEST_TEXT))
    said, reason = _gate_answer(text)
    if status == 202 and not said:
        said = "pending"
    if said == "approved":
        return Verdict("approved", status, reason or "approved")
    if said == "refused":
        raise GateClosed(
            f"{webhook.shown} refused: {reason or 'it gave no reason'}", remedy="ask whoever answers for that gate"
        )
    asked = reason or "pending" if said else 'it answered without {"status": "approved"}'
    return Verdict("pending", status, asked, min(max(1.0, seconds), LONGEST_AGAIN_SECONDS))


def _unexpected(webhook: Webhook, status: int, text: str) -> None:
    wanted = ", ".join(map(str, webhook.expected_status)) or "200 to 299"
    moved = " (redirects are not followed)" if 300 <= status < 400 else ""
    said = f": {shorten(text, LONGEST_TEXT)}" if text.strip() else ""
    raise WebhookFailed(
        f"{webhook.shown} answered with status {status}{moved}, expected {wanted}{said}",
        remedy="look at the receiver's log, or correct url, headers and expectedStatus",
        transient=status in _TRANSIENT,
    )


def _gate_answer(text: str) -> tuple[str, str]:
    """What a gate said and why, from its JSON; empty where it said neither approved, pending nor refused."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return "", ""
    if not isinstance(answer, dict) or answer.get("status") not in ("approved", "pending", "refused"):
        return "", ""
    return str(answer["status"]), shorten(answer.get("reason") or "", LONGEST_TEXT)
