# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What docs/webhooks.md and docs/observability.md show can be written, and what can be seen is named there."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from scenarios.playbook import ROOT
from unit.module_utils._domain.starrocks.builders import a_cluster, a_record, a_spec

from ansible_collections.steady.rollout.plugins.module_utils._domain.document import Reader
from ansible_collections.steady.rollout.plugins.module_utils._domain.events.catalogue import REASONS
from ansible_collections.steady.rollout.plugins.module_utils._domain.events.metrics import families
from ansible_collections.steady.rollout.plugins.module_utils._domain.installation import parse_installation
from ansible_collections.steady.rollout.plugins.module_utils._domain.reach import WebhookPolicy, check_target
from ansible_collections.steady.rollout.plugins.module_utils._domain.webhook import parse_webhook

PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text("utf-8") for name in ("webhooks", "observability")}
BLOCKS: list[dict[str, Any]] = [
    yaml.safe_load(block) for text in PAGES.values() for block in re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S)
]
INSTALLATIONS = [block["rollout_installation"] for block in BLOCKS if "rollout_installation" in block]
SPECS = [block["spec"] for block in BLOCKS if "spec" in block]


@pytest.mark.parametrize("document", INSTALLATIONS, ids=lambda document: "+".join(document))
def test_every_installation_of_the_pages_is_read(document: dict[str, Any]) -> None:
    assert parse_installation(document) != parse_installation({})


def test_the_installation_of_the_page_allows_the_hook_of_the_page() -> None:
    policies = [policy for d in INSTALLATIONS if (policy := parse_installation(d).webhooks) != WebhookPolicy()]
    hooks = [hook for spec in SPECS for stage in spec["stages"].values() for hook in stage]
    assert hooks
    for hook in hooks:
        webhook = parse_webhook(Reader(hook["webhook"], "webhook"))
        assert check_target(webhook.url, policies[0], "url").port == 443


def test_every_reason_is_explained() -> None:
    assert [reason for reason in REASONS if f"`{reason}`" not in PAGES["observability"]] == []


def test_every_metric_is_explained() -> None:
    shown = re.findall(r"`(?:steady_rollout|\.\.\.)_(\w+)`", PAGES["observability"])
    names = [f.name.removeprefix("steady_rollout_") for f in families(a_record(a_cluster().snapshot, a_spec()), "n", 0)]
    assert sorted(set(names) - set(shown)) == []
