# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a webhook entry may say, how it is signed, and what its answer means."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.rollout.plugins.module_utils._domain import webhook
from ansible_collections.steady.rollout.plugins.module_utils._domain.codec import from_plain, to_plain
from ansible_collections.steady.rollout.plugins.module_utils._domain.document import Reader
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import Refused
from ansible_collections.steady.rollout.plugins.module_utils._domain.webhook import (
    Ask,
    GateClosed,
    SecretKey,
    Verdict,
    Webhook,
    WebhookFailed,
    body_of,
    headers_of,
    judge,
    parse_webhook,
)

URL = "https://hooks.example.com/start?token=s3cret"
ASK = Ask(key="run/step/hook/1", hook_key="run/step/hook", at=1700000000.25, about={"hook": "tell"})


def parsed(**fields: Any) -> Webhook:
    return parse_webhook(Reader({"url": URL, **fields}, "spec.stages.pre[0].webhook"))


def no_secret(key: SecretKey) -> str:
    raise AssertionError(f"nobody asked for {key}")


# -- the entry -------------------------------------------------------------------------------------------------------


def test_an_entry_with_everything() -> None:
    entry = parsed(
        method="PUT",
        headers=[
            {"name": "X-Team", "value": "storage"},
            {"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": "hooks", "key": "token"}}},
        ],
        hmac={"secretKeyRef": {"name": "hooks", "key": "signing"}},
        expectedStatus=[200, 202],
        gate=True,
        body={"window": "open"},
    )
    assert entry.method == "PUT"
    assert [header.secret for header in entry.headers] == [None, SecretKey("hooks", "token")]
    assert entry.hmac == SecretKey("hooks", "signing")
    assert entry.expected_status == (200, 202)
    assert entry.gate
    assert from_plain(Webhook, json.loads(json.dumps(to_plain(entry))), "hook") == entry


def test_the_shortest_entry_posts_and_takes_any_success() -> None:
    entry = parsed()
    assert (entry.method, entry.gate, entry.body) == ("POST", False, None)
    assert [status for status in (199, 200, 204, 299, 300) if entry.expects(status)] == [200, 204, 299]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"url": None}, "url"),
        ({"url": "ftp://hooks.example.com/"}, "url"),
        ({"url": "https://user:hunter2@hooks.example.com/"}, "url"),
        ({"url": "https://hooks.example.com/#part"}, "url"),
        ({"url": "https://hooks.example.com/a b"}, "url"),
        ({"url": "https://hooks.example.com\\@evil.example/"}, "url"),
        ({"url": "https://hooks.exämple.com/"}, "url"),
        ({"url": "https://hooks.example.com:0/"}, "url"),
        ({"url": "https://hooks.example.com:99999/"}, "url"),
        ({"url": "https://[::1"}, "url"),
        ({"url": "https:///path"}, "url"),
        ({"url": f"https://{'a.' * 130}example.com/"}, "url"),
        ({"method": "DELETE"}, "method"),
        ({"headers": [{"name": "Host", "value": "x"}]}, "headers[0].name"),
        ({"headers": [{"name": "webhook-signature", "value": "x"}]}, "headers[0].name"),
        ({"headers": [{"name": "X-A", "value": "x\r\nX-B: y"}]}, "headers[0].value"),
        ({"headers": [{"name": "X A", "value": "x"}]}, "headers[0].name"),
        ({"headers": [{"name": "X-A"}]}, "headers[0]"),
        ({"headers": [{"value": "x"}]}, "headers[0].name"),
        (
            {"headers": [{"name": "X-A", "value": "x", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]},
            "headers[0]",
        ),
        ({"headers": [{"name": "X-A", "valueFrom": {"secretKeyRef": {"name": "a"}}}]}, "headers[0].valueFrom"),
        ({"headers": [{"name": "X-A", "valueFrom": {"secretKeyRef": {"name": "../a", "key": "b"}}}]}, "headers[0]"),
        ({"headers": [{"name": "X-A", "value": "x"}, {"name": "x-a", "value": "y"}]}, "headers[1].name"),
        ({"hmac": {"secretKeyRef": {"key": "b"}}}, "hmac.secretKeyRef.name"),
        ({"expectedStatus": 302}, "expectedStatus"),
        ({"expectedStatus": "200"}, "expectedStatus"),
        ({"expectedStatus": [200, True]}, "expectedStatus"),
        ({"method": "GET", "body": {"a": 1}}, "body"),
        ({"body": 5}, "body"),
        ({"body": "x" * 65_537}, "body"),
        ({"verifyTls": False}, "verifyTls"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        parsed(**fields)
    assert refused.value.field.startswith(f"spec.stages.pre[0].webhook.{field}")
    assert refused.value.remedy
    assert "hunter2" not in str(refused.value)


def test_people_see_neither_path_nor_query_of_a_url() -> None:
    assert parsed().shown == "POST https://hooks.example.com"


# -- what is sent ----------------------------------------------------------------------------------------------------


def test_the_signature_is_that_of_the_specification() -> None:
    """Any receiver's own arithmetic: HMAC-SHA256 of id, time and body, in base64."""
    key = base64.b64encode(b"k" * 32).decode()
    entry = parsed(hmac={"secretKeyRef": {"name": "hooks", "key": "signing"}})
    body = body_of(entry, ASK)
    headers = headers_of(entry, ASK, body, lambda _key: f"whsec_{key}")
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(b"k" * 32, content, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["webhook-timestamp"] == "1700000000"
    assert "." not in headers["webhook-id"]


def test_a_key_without_the_prefix_is_taken_as_it_is() -> None:
    assert webhook.signing_key("plain text\n") == b"plain text"


@pytest.mark.parametrize("secret", ["", " \n", "whsec_", "whsec_!!", "whsec_abc"])
def test_a_key_that_cannot_be_one_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(WebhookFailed) as failed:
        webhook.signing_key(secret)
    assert not failed.value.transient
    assert "!!" not in str(failed.value)


def test_each_attempt_has_its_own_key_and_the_hook_keeps_one() -> None:
    entry = parsed()
    first = headers_of(entry, ASK, b"", no_secret)
    again = headers_of(entry, ASK, b"", no_secret)
    other = headers_of(entry, Ask("run/step/hook/2", "run/step/hook", ASK.at), b"", no_secret)
    assert first["Idempotency-Key"] == again["Idempotency-Key"] == first["webhook-id"]
    assert first["Idempotency-Key"] != other["Idempotency-Key"]
    assert first["Rollout-Hook-Id"] == other["Rollout-Hook-Id"]


def test_headers_of_the_entry_replace_the_defaults_and_take_their_secrets() -> None:
    entry = parsed(
        headers=[
            {"name": "content-type", "value": "application/cloudevents+json"},
            {"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": "hooks", "key": "token"}}},
        ]
    )
    headers = headers_of(entry, ASK, b"{}", lambda key: f"Bearer {key.key}")
    assert headers["content-type"] == "application/cloudevents+json"
    assert "Content-Type" not in headers
    assert headers["Authorization"] == "Bearer token"


def test_a_secret_that_is_no_header_value_is_refused_without_being_shown() -> None:
    entry = parsed(headers=[{"name": "X-A", "valueFrom": {"secretKeyRef": {"name": "hooks", "key": "token"}}}])
    with pytest.raises(WebhookFailed) as failed:
        headers_of(entry, ASK, b"", lambda _key: "s3cret\nX-B: y")
    assert "s3cret" not in str(failed.value)


@pytest.mark.parametrize(
    ("fields", "body", "kind"),
    [
        ({"body": {"b": 1, "a": [None]}}, b'{"a":[null],"b":1}', "application/json"),
        ({"body": "plain"}, b"plain", "text/plain; charset=utf-8"),
        ({"method": "GET"}, b"", None),
    ],
)
def test_the_body_is_sent_as_it_was_given(fields: dict[str, Any], body: bytes, kind: str | None) -> None:
    entry = parsed(**fields)
    assert body_of(entry, ASK) == body
    assert headers_of(entry, ASK, body, no_secret).get("Content-Type") == kind


def test_without_a_body_the_receiver_is_told_who_asks() -> None:
    told = json.loads(body_of(parsed(gate=True), ASK))
    assert told == {"type": "rollout.hook.gate", "timestamp": 1700000000, "data": {"hook": "tell"}}


# -- what the answer means -------------------------------------------------------------------------------------------


def test_an_expected_status_is_enough_without_a_gate() -> None:
    assert judge(parsed(), 204, "") == Verdict("done", 204, "")
    assert judge(parsed(expectedStatus=409), 409, "was there").text == "was there"


@pytest.mark.parametrize(("status", "transient"), [(500, True), (503, True), (429, True), (404, False), (302, False)])
def test_any_other_status_fails_and_says_whether_again_may_help(status: int, transient: bool) -> None:
    with pytest.raises(WebhookFailed, match=str(status)) as failed:
        judge(parsed(), status, "no\x1b[31m such hook")
    assert failed.value.transient is transient
    assert "\x1b" not in failed.value.reason
    assert failed.value.remedy


def test_a_gate_opens_only_when_it_says_so() -> None:
    gate = parsed(gate=True)
    assert judge(gate, 200, '{"status": "approved", "reason": "go"}') == Verdict("approved", 200, "go")
    assert judge(gate, 202, '{"status": "approved"}').state == "approved"
    with pytest.raises(GateClosed, match="freeze") as closed:
        judge(gate, 200, '{"status": "refused", "reason": "freeze"}')
    assert not closed.value.transient


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (200, '{"status": "pending", "reason": "no one looked yet"}'),
        (202, ""),
        (200, ""),
        (200, "approved"),
        (200, '{"status": true}'),
        (200, '["approved"]'),
        (200, '{"status": "Approved"}'),
        (200, "[" * 100_000),
    ],
)
def test_a_gate_that_does_not_say_yes_is_pending(status: int, text: str) -> None:
    verdict = judge(parsed(gate=True), status, text)
    assert verdict.state == "pending"
    assert verdict.text
    assert verdict.again_in == webhook.AGAIN_SECONDS


@given(st.integers(200, 299), st.text(max_size=200))
def test_no_answer_opens_a_gate_by_accident(status: int, text: str) -> None:
    verdict = judge(parsed(gate=True), status, text)
    assert verdict.state == "pending"


@pytest.mark.parametrize(("asked", "seconds"), [("30", 30.0), ("0", 1.0), ("9999", 60.0), ("soon", 5.0), ("²", 5.0)])
def test_a_gate_may_say_when_to_ask_again(asked: str, seconds: float) -> None:
    assert judge(parsed(gate=True), 202, "", asked).again_in == seconds
