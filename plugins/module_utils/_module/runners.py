# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for the plugins of steady.rollout only; it may change without notice.
"""What carries out the hooks that are neither settings nor statements, for one call."""

from __future__ import annotations

from ansible_collections.steady.rollout.plugins.module_utils._domain.starrocks.handover import Handover
from ansible_collections.steady.rollout.plugins.module_utils._engine.attempts import Runners
from ansible_collections.steady.rollout.plugins.module_utils._engine.images import ImagePushed
from ansible_collections.steady.rollout.plugins.module_utils._engine.scripts import ScriptRunner
from ansible_collections.steady.rollout.plugins.module_utils._engine.webhooks import WebhookRunner
from ansible_collections.steady.rollout.plugins.module_utils._fe.connect import Frontends
from ansible_collections.steady.rollout.plugins.module_utils._module.target import Target


def runners_of(target: Target, handover: Handover, frontends: Frontends) -> Runners:
    """The runners of a call on one cluster."""
    rules = target.installation.hooks.scripts
    fronts = handover.workloads.get("fe")
    pods = [f"{target.cluster}-fe-{number}" for number in range(fronts.replicas if fronts else 0)]
    return Runners(
        script=ScriptRunner(target.client, handover, target.fe, frontends, rules, handover.pull_secrets),
        webhook=WebhookRunner(target.client, target.installation.webhooks, target.namespace, target.cluster),
        proofs={"image": ImagePushed(frontends, pods)},
    )
