# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""Webhook hooks, attempt by attempt: Secrets read, call made, answer judged, and no secret left in any text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ansible_collections.steady.rollout.plugins.module_utils._domain.errors import RolloutError
from ansible_collections.steady.rollout.plugins.module_utils._domain.reach import WebhookPolicy
from ansible_collections.steady.rollout.plugins.module_utils._domain.redact import redacted
from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.hooks.resolve import PlannedHook
from ansible_collections.steady.rollout.plugins.module_utils._domain.webhook import (
    AGAIN_SECONDS,
    Ask,
    SecretKey,
    Verdict,
    Webhook,
    WebhookFailed,
    body_of,
    headers_of,
    judge,
)
from ansible_collections.steady.rollout.plugins.module_utils._engine.attempts import Answer, Attempt, Held
from ansible_collections.steady.rollout.plugins.module_utils._http.call import call
from ansible_collections.steady.rollout.plugins.module_utils._kube.client import KubeClient
from ansible_collections.steady.rollout.plugins.module_utils._kube.read import secret_value

# Shorter words of a Secret's value stand in any text.
SHORTEST_TOKEN = 6


@dataclass
class _Secrets:
    """Reads keys of Secrets in one namespace, and remembers what it read so that it can be taken out of texts."""

    client: KubeClient
    namespace: str
    seen: set[str] = field(default_factory=set)

    def __call__(self, key: SecretKey) -> str:
        value = secret_value(self.client, self.namespace, key.name, key.key)
        # A receiver may repeat the whole value, or the token without the word before it.
        self.seen |= {value.strip(), *(word for word in value.split() if len(word) >= SHORTEST_TOKEN)}
        return value


def run_webhook(
    webhook: Webhook, ask: Ask, policy: WebhookPolicy, *, client: KubeClient, namespace: str, timeout: float
) -> Verdict:
    """Make the call once; `timeout` is in seconds. Secrets are those of `namespace`, where the hook's author writes.

    Raises WebhookFailed (GateClosed where a gate refused), or what reading the Secrets raised.
    """
    secrets = _Secrets(client, namespace)
    return _without(secrets.seen, lambda: _run(webhook, ask, policy, secrets, timeout))


def _run(webhook: Webhook, ask: Ask, policy: WebhookPolicy, secrets: _Secrets, timeout: float) -> Verdict:
    body = body_of(webhook, ask)
    headers = headers_of(webhook, ask, body, secrets)
    answer = call(webhook.url, webhook.method, headers, body, policy, timeout=timeout)
    # Before anything is cut: half a secret would not be found any more.
    said = redacted(answer.body.decode("utf-8", "replace"), secrets.seen)
    return judge(webhook, answer.status, said, answer.retry_after)


def _without(secrets: set[str], work: Callable[[], Verdict]) -> Verdict:
    """The work's verdict or failure, with the secrets that were read meanwhile taken out of its text."""
    try:
        verdict = work()
    except RolloutError as error:
        error.reason = redacted(error.reason, secrets)
        error.args = (error.reason,)
        if isinstance(error, WebhookFailed):
            raise error from None
        raise
    return replace(verdict, text=redacted(verdict.text, secrets))


@dataclass(frozen=True)
class WebhookRunner:
    """Carries out webhook hooks of one cluster, for the stages of a run."""

    client: KubeClient
    policy: WebhookPolicy
    namespace: str
    cluster: str

    def __call__(self, hook: PlannedHook, attempt: Attempt) -> Answer:
        """One attempt. A gate that does not say yes is held, also while it cannot be asked."""
        webhook = hook.webhook
        if webhook is None:
            raise RolloutError(f"hook {hook.name} is no webhook", remedy="report it")
        ask = Ask(attempt.key, attempt.identity, attempt.clock.epoch(), self._about(hook, attempt))
        try:
            verdict = run_webhook(
                webhook,
                ask,
                self.policy,
                client=self.client,
                namespace=self.namespace,
                timeout=attempt.seconds_left(),
            )
        except RolloutError as error:
            if webhook.gate and error.transient:
                raise Held(error.reason, again_in=AGAIN_SECONDS, remedy=error.remedy) from error
            raise
        if verdict.state == "pending":
            remedy = "have the gate approved, or give the hook more time"
            raise Held(f"{webhook.shown}: {verdict.text}", again_in=verdict.again_in, remedy=remedy)
        return Answer(changed=not webhook.gate and webhook.method != "GET", text=verdict.text)

    def _about(self, hook: PlannedHook, attempt: Attempt) -> dict[str, object]:
        """What the receiver is told where the hook has no body of its own."""
        return {
            "namespace": self.namespace,
            "cluster": self.cluster,
            "run": attempt.run,
            "stage": hook.stage,
            "step": attempt.step,
            "hook": hook.name,
            "attempt": attempt.number,
        }
