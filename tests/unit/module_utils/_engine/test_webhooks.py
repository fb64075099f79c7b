# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One attempt of a webhook hook: real wires to a receiver and to an API server that has the Secrets."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from scenarios.receiver import Got, Receiver, Reply, answering
from unit.module_utils._engine.attempting import an_attempt
from unit.module_utils._kube.apiserver import Answer, ApiServer, Request, status

from ansible_collections.steady.rollout.plugins.module_utils._domain.document import Reader
from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import NotFound, RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.reach import WebhookPolicy
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.entries import Place
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.resolve import PlannedHook
from ansible_collections.steady.rollout.plugins.module_utils._domain.webhook import (
    Ask,
    GateClosed,
    Verdict,
    WebhookFailed,
    parse_webhook,
    signed_headers,
)
from ansible_collections.steady.rollout.plugins.module_utils._engine.attempts import Answer as HookAnswer
from ansible_collections.steady.rollout.plugins.module_utils._engine.attempts import Held
from ansible_collections.steady.rollout.plugins.module_utils._engine.webhooks import WebhookRunner, run_webhook

TOKEN, SIGNING = 't0ken-"canary', "sign-canary"
ASK = Ask("run/step/hook/1", "run/step/hook", 1700000000.0, {"hook": "tell"})
Ask_ = Callable[..., Verdict]


def secrets(request: Request) -> Answer:
    """One Secret in the namespace starrocks."""
    if request.path != "/api/v1/namespaces/starrocks/secrets/hooks":
        return status(404, "not found", details={"name": "hooks"})
    data = {"token": f"Bearer {TOKEN}\n", "signing": SIGNING, "bare": f"Bearer {TOKEN}"}
    return Answer(200, {"data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}})


@pytest.fixture
def api() -> Iterator[ApiServer]:
    """The API server."""
    with ApiServer(secrets) as server:
        yield server


@pytest.fixture
def ask(api: ApiServer, receiver: Receiver) -> Ask_:
    """Makes one attempt of a webhook that has these fields."""
    policy = WebhookPolicy((receiver.authority,), (receiver.authority,), ("127.0.0.0/8",))

    def ask_(namespace: str = "starrocks", **fields: Any) -> Verdict:
        webhook = parse_webhook(Reader({"url": receiver.url("/start"), **fields}, "webhook"))
        return run_webhook(webhook, ASK, policy, client=api.client(), namespace=namespace, timeout=10)

    return ask_


def header(key: str) -> list[dict[str, Any]]:
    return [{"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": "hooks", "key": key}}}]


HMAC = {"secretKeyRef": {"name": "hooks", "key": "signing"}}


def test_secrets_reach_the_receiver_and_nobody_else(ask: Ask_, receiver: Receiver) -> None:
    assert ask(headers=header("bare"), hmac=HMAC) == Verdict("done", 200, "{}")
    (got,) = receiver.got
    assert got.headers["authorization"] == f"Bearer {TOKEN}"
    expected = signed_headers(SIGNING, got.headers["webhook-id"], 1700000000, got.body)
    assert got.headers["webhook-signature"] == expected["webhook-signature"]
    assert got.json == {"type": "rollout.hook", "timestamp": 1700000000, "data": {"hook": "tell"}}


def echo(code: int, form: str) -> Callable[[Got], Reply]:
    """Repeats what it was sent, as some receivers do for debugging, far enough along for a part to be cut off."""

    def reply(got: Got) -> Reply:
        text = got.headers["authorization"]
        body = {
            "plain": f"{'x' * 290}{text}",
            "word": text.split()[1],
            "json": json.dumps({"status": "refused", "reason": text}),
            "cut": f"{'x' * 295} {text}",
        }[form]
        return Reply(code, body.encode())

    return reply


@pytest.mark.parametrize("form", ["plain", "word", "json", "cut"])
@pytest.mark.parametrize("code", [200, 500])
@pytest.mark.parametrize("gate", [True, False])
def test_a_receiver_that_repeats_the_secret_does_not_make_us_repeat_it(
    ask: Ask_, receiver: Receiver, form: str, code: int, gate: bool
) -> None:
    receiver.handle = echo(code, form)
    try:
        said = ask(headers=header("bare"), gate=gate).text
    except WebhookFailed as failed:
        said = json.dumps(failed.as_result()) + str(failed)
    for part in (TOKEN, TOKEN[:6], json.dumps(TOKEN)[1:-1]):
        assert part not in said


def test_a_status_line_that_repeats_the_secret_is_not_repeated(ask: Ask_, receiver: Receiver) -> None:
    receiver.handle = lambda got: Reply(raw=(f"{got.headers['authorization']}\r\n\r\n".encode(),))
    with pytest.raises(WebhookFailed) as failed:
        ask(headers=header("bare"))
    assert "t0ken" not in json.dumps(failed.value.as_result()) + str(failed.value)


def test_a_secret_with_a_line_end_is_refused_without_a_call(ask: Ask_, receiver: Receiver) -> None:
    with pytest.raises(WebhookFailed, match="Authorization") as failed:
        ask(headers=header("token"))
    assert "t0ken" not in str(failed.value)
    assert receiver.got == []


@pytest.mark.parametrize(("namespace", "key"), [("elsewhere", "bare"), ("starrocks", "nothing")])
def test_a_secret_that_is_not_there_ends_the_attempt(ask: Ask_, receiver: Receiver, namespace: str, key: str) -> None:
    with pytest.raises(NotFound, match=r"hooks"):
        ask(namespace, headers=header(key))
    assert receiver.got == []


def test_secrets_are_read_again_for_each_attempt(ask: Ask_, api: ApiServer) -> None:
    ask(headers=header("bare"))
    ask(headers=header("bare"))
    assert len(api.requests) == 2


def test_without_secrets_nothing_is_read(ask: Ask_, api: ApiServer) -> None:
    ask()
    assert api.requests == []


def test_a_closed_gate_says_why(ask: Ask_, receiver: Receiver) -> None:
    receiver.handle = answering(status="refused", reason="a freeze until Monday")
    with pytest.raises(GateClosed, match="freeze until Monday"):
        ask(gate=True)


def test_an_address_inside_fails_the_hook_with_the_reason(api: ApiServer, receiver: Receiver) -> None:
    webhook = parse_webhook(Reader({"url": receiver.url()}, "webhook"))
    policy = WebhookPolicy((receiver.authority,), (receiver.authority,))
    with pytest.raises(RolloutError, match="allowedNetworks"):
        run_webhook(webhook, ASK, policy, client=api.client(), namespace="starrocks", timeout=10)


# -- as a hook of a stage ----------------------------------------------------------------------------------------------


@pytest.fixture
def carry_out(api: ApiServer, receiver: Receiver) -> Callable[..., HookAnswer]:
    """Makes one attempt of a hook that has a webhook with these fields."""
    policy = WebhookPolicy((receiver.authority,), (receiver.authority,), ("127.0.0.0/8",))
    runner = WebhookRunner(api.client(), policy, "starrocks", "prod")

    def carry_out_(number: int = 1, seconds: float = 10.0, **fields: Any) -> HookAnswer:
        webhook = parse_webhook(Reader({"url": receiver.url("/start"), **fields}, "webhook"))
        hook = PlannedHook(
            name="tell",
            stage="pre",
            number=0,
            place=Place("spec.stages.pre[0]", "spec.stages.pre[0].webhook"),
            kind="webhook",
            source=f"webhook {webhook.shown}",
            webhook=webhook,
        )
        return runner(hook, an_attempt("tell", number=number, seconds=seconds))

    return carry_out_


def test_the_receiver_is_told_which_hook_asks(carry_out: Callable[..., HookAnswer], receiver: Receiver) -> None:
    assert carry_out(number=2) == HookAnswer(changed=True, text="{}")
    assert receiver.got[0].json["data"] == {
        "namespace": "starrocks",
        "cluster": "prod",
        "run": "rollout-1",
        "stage": "pre",
        "step": "pre/0-tell",
        "hook": "tell",
        "attempt": 2,
    }


def test_attempts_have_keys_of_their_own_and_one_hook_in_common(
    carry_out: Callable[..., HookAnswer], receiver: Receiver
) -> None:
    for number in (1, 2, 2):
        carry_out(number=number)
    first, second, again = (got.headers for got in receiver.got)
    assert first["idempotency-key"] != second["idempotency-key"] == again["idempotency-key"]
    assert first["rollout-hook-id"] == second["rollout-hook-id"]


def test_an_open_gate_changes_nothing(carry_out: Callable[..., HookAnswer], receiver: Receiver) -> None:
    receiver.handle = answering(status="approved", reason="go")
    assert carry_out(gate=True) == HookAnswer(changed=False, text="go")


@pytest.mark.parametrize(
    ("reply", "again_in"),
    [
        (Reply(200, b'{"status": "pending", "reason": "soon"}', {"Retry-After": "17"}), 17.0),
        (Reply(200, b"hello"), 5.0),
        (Reply(503, b"busy"), 5.0),
    ],
)
def test_a_gate_that_does_not_say_yes_is_held(
    carry_out: Callable[..., HookAnswer], receiver: Receiver, reply: Reply, again_in: float
) -> None:
    receiver.handle = lambda _got: reply
    with pytest.raises(Held) as held:
        carry_out(gate=True)
    assert held.value.again_in == again_in
    assert held.value.remedy


def test_a_gate_that_cannot_be_reached_is_held(carry_out: Callable[..., HookAnswer], receiver: Receiver) -> None:
    receiver.close()
    with pytest.raises(Held, match="refused"):
        carry_out(gate=True)


def test_a_gate_that_refuses_or_is_wrong_is_not_held(carry_out: Callable[..., HookAnswer], receiver: Receiver) -> None:
    receiver.handle = answering(status="refused")
    with pytest.raises(GateClosed):
        carry_out(gate=True)
    receiver.handle = answering(404)
    with pytest.raises(WebhookFailed, match="404"):
        carry_out(gate=True)


def test_the_hooks_time_bounds_the_call(carry_out: Callable[..., HookAnswer], receiver: Receiver) -> None:
    receiver.handle = lambda _got: Reply(hold=receiver.stopped.wait)
    with pytest.raises(WebhookFailed, match="in time"):
        carry_out(seconds=0.3)
